//! `sudocat` and `sudohead`: files, or their beginnings, as they are.

use crate::failure::{Failure, Report, Usage};
use crate::grammar::Arguments;
use crate::lines::{Amount, Sign, first, last, pour};
use crate::place::Places;
use portcullis_model::bytes::printable;
use std::io::{self, BufWriter, Write};

/// Which files get a line with their name in front.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Headings {
    Shown,
    Hidden,
}

impl Headings {
    pub(crate) fn of(arguments: &Arguments) -> Self {
        let shown = match arguments.last_of(&["q", "quiet", "v", "verbose"]) {
            Some(option) => option >= 2,
            None => arguments.operands.len() > 1,
        };
        if shown { Self::Shown } else { Self::Hidden }
    }

    pub(crate) fn write(self, name: &[u8], first: bool, out: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Hidden => Ok(()),
            Self::Shown => writeln!(out, "{}==> {} <==", if first { "" } else { "\n" }, printable(name)),
        }
    }
}

pub(crate) fn some_operands(arguments: &Arguments) -> Result<(), Usage> {
    if arguments.operands.is_empty() { Err(Usage::Operands("it lacks the file")) } else { Ok(()) }
}

/// Whether nobody reads any more: then nothing is left to do, and nothing to tell.
pub(crate) fn is_over(failure: &Failure) -> bool {
    matches!(failure, Failure::System(rustix::io::Errno::PIPE))
}

/// Each file in turn; false when nobody reads any more.
fn each(arguments: &Arguments, report: &mut Report, mut show: impl FnMut(&[u8], &mut BufWriter<io::StdoutLock<'static>>) -> Result<(), Failure>) {
    let mut out = BufWriter::new(io::stdout().lock());
    for operand in &arguments.operands {
        match show(operand, &mut out) {
            Ok(()) => {}
            Err(failure) if is_over(&failure) => return report.end(1),
            Err(failure) => {
                let _ = out.flush();
                report.fail_at(operand, &failure);
            }
        }
    }
    if let Err(error) = out.flush() {
        report.fail(&error);
    }
}

/// `sudocat [-n] FILE...`
///
/// # Errors
/// There is no operand.
pub fn cat(places: &Places, arguments: &Arguments, report: &mut Report) -> Result<(), Usage> {
    some_operands(arguments)?;
    let mut numbers = arguments.has("n", "number").then_some(Numbers { line: 0, within: false });
    each(arguments, report, |operand, out| {
        let (file, _) = places.file(operand)?;
        match &mut numbers {
            None => pour(&file, 0, u64::MAX, out),
            Some(numbers) => pour(&file, 0, u64::MAX, &mut Numbered { numbers, out }),
        }?;
        Ok(())
    });
    Ok(())
}

/// How far the numbering of lines has come.
struct Numbers {
    line: u64,
    /// Whether a line has begun.
    within: bool,
}

struct Numbered<'a, W> {
    numbers: &'a mut Numbers,
    out: &'a mut W,
}

impl<W: Write> Write for Numbered<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for line in bytes.split_inclusive(|b| *b == b'\n') {
            if !self.numbers.within {
                self.numbers.line += 1;
                write!(self.out, "{:6}\t", self.numbers.line)?;
            }
            self.out.write_all(line)?;
            self.numbers.within = !line.ends_with(b"\n");
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// `sudohead [-n [-]N] [-c [-]N] FILE...`
///
/// # Errors
/// There is no operand, or no number.
pub fn head(places: &Places, arguments: &Arguments, report: &mut Report) -> Result<(), Usage> {
    some_operands(arguments)?;
    let Amount { unit, sign, number } = Amount::of(arguments)?;
    let headings = Headings::of(arguments);
    let mut is_first = true;
    each(arguments, report, |operand, out| {
        let (file, stat) = places.file(operand)?;
        headings.write(operand, std::mem::take(&mut is_first), out)?;
        let end = match sign {
            Sign::Minus => last(&file, u64::try_from(stat.st_size).unwrap_or_default(), unit, number)?,
            Sign::None | Sign::Plus => first(&file, unit, number)?,
        };
        pour(&file, 0, end, out)?;
        Ok(())
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_numbered_across_pieces_and_files() {
        let mut numbers = Numbers { line: 0, within: false };
        let mut out = Vec::new();
        for piece in ["a", "b\n", "\n", "c"] {
            Numbered { numbers: &mut numbers, out: &mut out }.write_all(piece.as_bytes()).unwrap();
        }
        assert_eq!(out, b"     1\tab\n     2\t\n     3\tc");
    }
}
