//! A folder's entries, a bounded number at a time, each with a line as `ls -l` has it.

use super::attributes_of;
use crate::files::FileError;
use crate::protocol::{Attributes, Entry};
use jiff::Timestamp;
use rustix::fs::{AtFlags, Dir, FileType, statat};
use std::fmt::Write as _;

/// Entries of one reply: with names of 255 bytes, far less than a packet.
const ENTRIES: usize = 100;

/// The next entries; none at the end.
pub(super) fn next(folder: &mut Dir) -> Result<Vec<Entry>, FileError> {
    let mut entries = Vec::new();
    while entries.len() < ENTRIES {
        let Some(entry) = folder.read() else { break };
        let name = entry?.file_name().to_owned();
        // what was removed since is not there
        let Ok(stat) = statat(folder.fd()?, &name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
        let attributes = attributes_of(&stat);
        let mut long = line(&attributes, stat.st_nlink);
        long.extend_from_slice(name.to_bytes());
        entries.push(Entry { name: name.into_bytes(), long, attributes });
    }
    Ok(entries)
}

fn line(attributes: &Attributes, links: u64) -> Vec<u8> {
    let mode = attributes.mode.unwrap_or(0);
    let kind = match FileType::from_raw_mode(mode) {
        FileType::Directory => 'd',
        FileType::Symlink => 'l',
        FileType::Fifo => 'p',
        FileType::Socket => 's',
        FileType::CharacterDevice => 'c',
        FileType::BlockDevice => 'b',
        _ => '-',
    };
    let mut line = String::from(kind);
    for shift in [6, 3, 0] {
        let bits = mode >> shift;
        line.extend([(4, 'r'), (2, 'w'), (1, 'x')].map(|(bit, letter)| if bits & bit != 0 { letter } else { '-' }));
    }
    let (uid, gid) = attributes.owner.unwrap_or_default();
    let (_, modified) = attributes.times.unwrap_or_default();
    let date = Timestamp::from_second(modified.into()).map_or_else(|_| String::new(), |at| at.strftime("%Y-%m-%d %H:%M").to_string());
    // a String takes all that is written to it
    let _ = write!(line, " {links:>4} {uid:<8} {gid:<8} {:>12} {date} ", attributes.size.unwrap_or(0));
    line.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_as_ls_has_it() {
        let attributes = Attributes { size: Some(12), owner: Some((1, 2)), mode: Some(0o100_640), times: Some((0, 0)) };
        assert_eq!(String::from_utf8(line(&attributes, 1)).unwrap(), "-rw-r-----    1 1        2                  12 1970-01-01 00:00 ");
        let folder = Attributes { mode: Some(0o040_751), ..attributes };
        assert!(line(&folder, 2).starts_with(b"drwxr-x--x"));
    }
}
