//! `sudols`: what lies in a folder, one name a line. Names are shown so that none can move the terminal's cursor or pass for another.

use crate::failure::{Failure, Report};
use crate::grammar::Arguments;
use crate::names::Names;
use crate::place::{Places, kind, open_in, stat_in};
use portcullis_model::bytes::printable;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Dir, FileType, OFlags, Stat, fstat, major, minor, readlinkat};
use std::ffi::OsStr;
use std::io::{self, BufWriter, Write};
use std::os::unix::ffi::OsStrExt as _;

/// Most folders in each other that are looked into.
const DEPTH_MAX: usize = 256;

/// What of a folder is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    Plain,
    Hidden,
    All,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Name,
    Time,
    Size,
}

struct Listing<'a, W> {
    arguments: &'a Arguments,
    which: Which,
    order: Order,
    names: Option<Names>,
    out: W,
    blocks: usize,
}

/// One line of a listing.
struct Entry {
    name: Vec<u8>,
    stat: Stat,
    target: Option<Vec<u8>>,
}

/// `sudols [-1AadhilnRrSt] [PATH...]`
pub fn run(places: &Places, arguments: &Arguments, report: &mut Report) {
    let which = match arguments.last_of(&["a", "all", "A", "almost-all"]) {
        Some(0 | 1) => Which::All,
        Some(_) => Which::Hidden,
        None => Which::Plain,
    };
    let order = match arguments.last_of(&["t", "S"]) {
        Some(0) => Order::Time,
        Some(_) => Order::Size,
        None => Order::Name,
    };
    let names = (arguments.has("l", "") && !arguments.has("n", "numeric-uid-gid")).then(Names::of_the_jail);
    let mut listing = Listing { arguments, which, order, names, out: BufWriter::new(io::stdout().lock()), blocks: 0 };
    let here = [b".".to_vec()];
    let operands = if arguments.operands.is_empty() { &here[..] } else { &arguments.operands };
    match listing.operands(places, operands, report).and_then(|()| Ok(listing.out.flush()?)) {
        Ok(()) => {}
        Err(failure) if crate::show::is_over(&failure) => report.end(1),
        Err(failure) => report.fail(&failure),
    }
}

impl<W: Write> Listing<'_, W> {
    fn operands(&mut self, places: &Places, operands: &[Vec<u8>], report: &mut Report) -> Result<(), Failure> {
        let (mut alone, mut folders) = (Vec::new(), Vec::new());
        for operand in operands {
            let looked = places.open(operand, OFlags::PATH).and_then(|fd| Ok((fstat(&fd)?, fd)));
            match looked {
                Ok((stat, _)) if kind(&stat) == FileType::Directory && !self.arguments.has("d", "directory") => folders.push(operand),
                Ok((stat, fd)) => alone.push(Entry { name: operand.clone(), stat, target: target(&fd, b"", &stat) }),
                Err(failure) => report.fail_at(operand, &failure),
            }
        }
        if !alone.is_empty() {
            self.entries(alone)?;
            self.blocks += 1;
        }
        let headed = operands.len() > 1 || self.arguments.has("R", "recursive");
        for operand in folders {
            match places.open(operand, OFlags::RDONLY | OFlags::DIRECTORY) {
                Ok(fd) => self.folder(&fd, operand, headed, 0, report)?,
                Err(failure) => {
                    self.out.flush()?;
                    report.fail_at(operand, &failure);
                }
            }
        }
        Ok(())
    }

    fn folder(&mut self, fd: &OwnedFd, path: &[u8], headed: bool, depth: usize, report: &mut Report) -> Result<(), Failure> {
        if headed {
            writeln!(self.out, "{}{}:", if self.blocks > 0 { "\n" } else { "" }, printable(path))?;
        }
        self.blocks += 1;
        let entries = self.read(fd, path, report)?;
        if self.arguments.has("l", "") {
            let blocks: i64 = entries.iter().map(|entry| entry.stat.st_blocks).sum();
            writeln!(self.out, "total {}", blocks / 2)?;
        }
        let is_below = |entry: &&Entry| kind(&entry.stat) == FileType::Directory && !matches!(entry.name.as_slice(), b"." | b"..");
        let below: Vec<Vec<u8>> = entries.iter().filter(is_below).map(|entry| entry.name.clone()).collect();
        self.entries(entries)?;
        if !self.arguments.has("R", "recursive") {
            return Ok(());
        }
        for name in below {
            let path = [path.strip_suffix(b"/").unwrap_or(path), b"/", name.as_slice()].concat();
            let opened = if depth < DEPTH_MAX { open_in(fd, &name, OFlags::RDONLY | OFlags::DIRECTORY) } else { Err(Failure::Other("it lies too deep".to_owned())) };
            match opened {
                Ok(inner) => self.folder(&inner, &path, true, depth + 1, report)?,
                Err(failure) => {
                    self.out.flush()?;
                    report.fail_at(&path, &failure);
                }
            }
        }
        Ok(())
    }

    fn read(&mut self, fd: &OwnedFd, path: &[u8], report: &mut Report) -> Result<Vec<Entry>, Failure> {
        let mut entries = Vec::new();
        for entry in Dir::read_from(fd)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            let shown = match self.which {
                Which::All => true,
                Which::Hidden => !matches!(name, b"." | b".."),
                Which::Plain => !name.starts_with(b"."),
            };
            if !shown {
                continue;
            }
            match stat_in(fd, name) {
                Ok(stat) => entries.push(Entry { name: name.to_vec(), target: target(fd, name, &stat), stat }),
                Err(errno) => {
                    self.out.flush()?;
                    report.fail_at(&[path, b"/", name].concat(), &errno.into());
                }
            }
        }
        Ok(entries)
    }

    fn entries(&mut self, mut entries: Vec<Entry>) -> Result<(), Failure> {
        entries.sort_by(|a, b| {
            let first = match self.order {
                Order::Name => std::cmp::Ordering::Equal,
                Order::Time => (b.stat.st_mtime, b.stat.st_mtime_nsec).cmp(&(a.stat.st_mtime, a.stat.st_mtime_nsec)),
                Order::Size => b.stat.st_size.cmp(&a.stat.st_size),
            };
            first.then_with(|| a.name.cmp(&b.name))
        });
        if self.arguments.has("r", "reverse") {
            entries.reverse();
        }
        let has_long = self.arguments.has("l", "") || self.arguments.has("n", "numeric-uid-gid");
        let rows: Vec<Vec<String>> = entries.iter().map(|entry| if has_long { self.columns(&entry.stat) } else { Vec::new() }).collect();
        let widths: Vec<usize> = (0..4).map(|at| rows.iter().filter_map(|row| row.get(at + 1)).map(String::len).max().unwrap_or_default()).collect();
        for (entry, row) in entries.iter().zip(rows) {
            if self.arguments.has("i", "inode") {
                write!(self.out, "{:>8} ", entry.stat.st_ino)?;
            }
            if let ([mode, links, user, group, size, time], [links_width, user_width, group_width, size_width]) = (row.as_slice(), widths.as_slice()) {
                write!(self.out, "{mode} {links:>links_width$} {user:user_width$} {group:group_width$} {size:>size_width$} {time} ")?;
            }
            write!(self.out, "{}", printable(&entry.name))?;
            match entry.target.as_ref().filter(|_| has_long) {
                Some(target) => writeln!(self.out, " -> {}", printable(target))?,
                None => writeln!(self.out)?,
            }
        }
        Ok(())
    }

    fn columns(&self, stat: &Stat) -> Vec<String> {
        let (user, group) = match &self.names {
            Some(names) => (names.user(stat.st_uid), names.group(stat.st_gid)),
            None => (stat.st_uid.to_string(), stat.st_gid.to_string()),
        };
        let size = match kind(stat) {
            FileType::CharacterDevice | FileType::BlockDevice => format!("{}, {}", major(stat.st_rdev), minor(stat.st_rdev)),
            _ if self.arguments.has("h", "human-readable") => human(u64::try_from(stat.st_size).unwrap_or_default()),
            _ => stat.st_size.to_string(),
        };
        let time = jiff::Timestamp::from_second(stat.st_mtime).map_or_else(|_| stat.st_mtime.to_string(), |time| time.strftime("%Y-%m-%d %H:%MZ").to_string());
        vec![mode(stat), stat.st_nlink.to_string(), user, group, size, time]
    }
}

fn target(folder: &impl AsFd, name: &[u8], stat: &Stat) -> Option<Vec<u8>> {
    if kind(stat) != FileType::Symlink {
        return None;
    }
    readlinkat(folder, OsStr::from_bytes(name), Vec::new()).ok().map(std::ffi::CString::into_bytes)
}

/// `-rw-r--r--`
fn mode(stat: &Stat) -> String {
    let first = match kind(stat) {
        FileType::Directory => 'd',
        FileType::Symlink => 'l',
        FileType::Fifo => 'p',
        FileType::Socket => 's',
        FileType::CharacterDevice => 'c',
        FileType::BlockDevice => 'b',
        _ => '-',
    };
    let bits = stat.st_mode;
    let mut text = String::from(first);
    for (shift, special, set) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let three = (bits >> shift) & 0o7;
        text.push(if three & 4 == 0 { '-' } else { 'r' });
        text.push(if three & 2 == 0 { '-' } else { 'w' });
        text.push(match (three & 1 != 0, bits & special != 0) {
            (true, false) => 'x',
            (false, false) => '-',
            (true, true) => set,
            (false, true) => set.to_ascii_uppercase(),
        });
    }
    text
}

/// `3.4K`
fn human(bytes: u64) -> String {
    let (mut tenths, mut unit) = (bytes.saturating_mul(10), 0);
    let units = ["", "K", "M", "G", "T", "P", "E"];
    if bytes < 1024 {
        return bytes.to_string();
    }
    while tenths >= 10_240 && unit + 1 < units.len() {
        // rounded up, as the usual tools do
        tenths = tenths.div_ceil(1024);
        unit += 1;
    }
    let unit = units.get(unit).copied().unwrap_or_default();
    if tenths < 100 { format!("{}.{}{unit}", tenths / 10, tenths % 10) } else { format!("{}{unit}", tenths.div_ceil(10)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        for (bytes, want) in [(0, "0"), (1023, "1023"), (1024, "1.0K"), (1025, "1.1K"), (10 * 1024, "10K"), (10 * 1024 + 1, "11K"), (5 * 1024 * 1024, "5.0M"), (3_000_000_000, "2.8G")] {
            assert_eq!(human(bytes), want);
        }
    }

    #[test]
    fn modes_are_written_as_usual() {
        let mut stat = rustix::fs::stat("/").unwrap();
        for (bits, want) in [(0o100_644, "-rw-r--r--"), (0o104_755, "-rwsr-xr-x"), (0o102_640, "-rw-r-S---"), (0o041_777, "drwxrwxrwt"), (0o120_777, "lrwxrwxrwx"), (0o010_600, "prw-------")] {
            stat.st_mode = bits;
            assert_eq!(mode(&stat), want);
        }
    }
}
