//! `sudotail`: the ends of files, and what is added to them.
//!
//! `-f` follows the file that was opened; `-F` its name: when that is another file, because the log was rotated, it goes on with the new
//! one, which is opened as carefully as the first.

use crate::failure::{Failure, Report, Usage};
use crate::grammar::Arguments;
use crate::lines::{Amount, Sign, first, last, pour};
use crate::place::{Places, identity};
use crate::show::{Headings, is_over, some_operands};
use portcullis_model::bytes::printable;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::fs::fstat;
use rustix::io::Errno;
use std::io::{self, BufWriter, Write as _};

/// How often a file that is followed is looked at.
const LOOK_EVERY: Timespec = Timespec { tv_sec: 0, tv_nsec: 250_000_000 };

/// What is followed when the end is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Follow {
    Nothing,
    File,
    Name,
}

struct Followed<'a> {
    operand: &'a [u8],
    file: Option<OwnedFd>,
    at: u64,
}

type Out = BufWriter<io::StdoutLock<'static>>;

/// `sudotail [-n [+]N] [-c [+]N] [-fF] FILE...`
///
/// # Errors
/// There is no operand, or no number.
pub fn run(places: &Places, arguments: &Arguments, report: &mut Report) -> Result<(), Usage> {
    some_operands(arguments)?;
    let amount = Amount::of(arguments)?;
    let follow = match arguments.last_of(&["f", "follow", "F"]) {
        None => Follow::Nothing,
        Some(2) => Follow::Name,
        Some(_) => Follow::File,
    };
    let headings = Headings::of(arguments);
    let mut out = BufWriter::new(io::stdout().lock());
    match ends(places, arguments, amount, headings, report, &mut out).and_then(|files| more(places, files, follow, headings, report, &mut out)) {
        Ok(()) => {}
        Err(failure) if is_over(&failure) => report.end(1),
        Err(failure) => report.fail(&failure),
    }
    Ok(())
}

fn ends<'a>(places: &Places, arguments: &'a Arguments, amount: Amount, headings: Headings, report: &mut Report, out: &mut Out) -> Result<Vec<Followed<'a>>, Failure> {
    let mut files = Vec::new();
    for operand in &arguments.operands {
        let opened = places.file(operand).and_then(|(file, stat)| {
            let size = u64::try_from(stat.st_size).unwrap_or_default();
            let start = match amount.sign {
                // the first line is number 1
                Sign::Plus => first(&file, amount.unit, amount.number.saturating_sub(1))?,
                Sign::None | Sign::Minus => last(&file, size, amount.unit, amount.number)?,
            };
            Ok((file, start))
        });
        let followed = match opened {
            Ok((file, start)) => {
                headings.write(operand, files.is_empty(), out)?;
                let at = pour(&file, start, u64::MAX, out)?;
                Followed { operand, file: Some(file), at }
            }
            Err(failure) => {
                out.flush()?;
                report.fail_at(operand, &failure);
                Followed { operand, file: None, at: 0 }
            }
        };
        files.push(followed);
    }
    out.flush()?;
    Ok(files)
}

fn more(places: &Places, mut files: Vec<Followed<'_>>, follow: Follow, headings: Headings, report: &mut Report, out: &mut Out) -> Result<(), Failure> {
    if follow == Follow::Nothing || (follow == Follow::File && files.iter().all(|followed| followed.file.is_none())) {
        return Ok(());
    }
    let mut shown = files.len().checked_sub(1);
    loop {
        wait_for_more()?;
        for (number, followed) in files.iter_mut().enumerate() {
            if follow == Follow::Name {
                renew(places, followed, report);
            }
            let Some(file) = &followed.file else { continue };
            let size = u64::try_from(fstat(file)?.st_size).unwrap_or_default();
            if size < followed.at {
                report.say(&format!("{}: file truncated", printable(followed.operand)));
                followed.at = 0;
            }
            if size > followed.at {
                if shown.replace(number) != Some(number) {
                    headings.write(followed.operand, false, out)?;
                }
                followed.at = pour(file, followed.at, u64::MAX, out)?;
                out.flush()?;
            }
        }
    }
}

/// Waits a moment; an error when nobody reads what is written any more.
fn wait_for_more() -> Result<(), Failure> {
    let stdout = io::stdout();
    let mut reader = [PollFd::new(&stdout, PollFlags::empty())];
    match poll(&mut reader, Some(&LOOK_EVERY)) {
        Ok(0) | Err(Errno::INTR) => Ok(()),
        Ok(_) => Err(Errno::PIPE.into()),
        Err(errno) => Err(errno.into()),
    }
}

/// Turns to the file that has the name now, if that is another.
fn renew(places: &Places, followed: &mut Followed<'_>, report: &mut Report) {
    let Ok((file, stat)) = places.file(followed.operand) else { return };
    let old = followed.file.as_ref().and_then(|old| fstat(old).ok());
    if old.is_some_and(|old| identity(&old) == identity(&stat)) {
        return;
    }
    report.say(&format!("{}: it is another file now; following that", printable(followed.operand)));
    followed.file = Some(file);
    followed.at = 0;
}
