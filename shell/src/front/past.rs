//! The history of a grant: a file in its home, which no other grant sees and which goes with it.
//!
//! The format is bash's with times: a line `#SECONDS` before each entry, which may then have several lines. Only what was
//! entered at a prompt gets there: what programs read, passwords among it, never comes by.
//!
//! The file is the operator's, who may do with it what he likes. So it is opened without following links or waiting, and
//! read up to a bound; whatever is wrong with it, the session goes on without it.

use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Its name in the home.
pub(super) const NAME: &str = ".portcullis_history";
/// Most bytes that are read of it, and that it may have.
const BYTES_MAX: u64 = 1024 * 1024;

/// The file.
#[derive(Debug)]
pub(super) struct Kept {
    path: PathBuf,
    entries: usize,
    most: usize,
}

impl Kept {
    /// Reads the newest entries of it.
    pub(super) fn load(home: &Path, most: usize, mut each: impl FnMut(&[u8])) -> Self {
        let path = home.join(NAME);
        let all = file(&path, OFlags::RDONLY).and_then(newest).map(|text| entries(&text)).unwrap_or_default();
        let skipped = all.len().saturating_sub(most);
        all.iter().skip(skipped).for_each(|entry| each(entry));
        Self { path, entries: all.len(), most }
    }

    /// Adds an entry; when there are twice as many as are wanted, or too many bytes, the older half goes.
    pub(super) fn add(&mut self, entry: &[u8]) {
        let _ = self.try_add(entry);
    }

    fn try_add(&mut self, entry: &[u8]) -> std::io::Result<()> {
        let mut file = file(&self.path, OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let one = written(now, entry);
        self.entries += 1;
        if self.entries > self.most * 2 || file.metadata()?.len() + one.len() as u64 > BYTES_MAX {
            self.shorten()?;
            file = self::file(&self.path, OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE)?;
        }
        file.write_all(&one)
    }

    fn shorten(&mut self) -> std::io::Result<()> {
        let text = newest(file(&self.path, OFlags::RDONLY)?)?;
        let all = entries(&text);
        let mut kept: Vec<&Vec<u8>> = Vec::new();
        let mut bytes = 0;
        for entry in all.iter().rev().take(self.most) {
            bytes += entry.len() as u64 + 16;
            if bytes > BYTES_MAX / 2 {
                break;
            }
            kept.push(entry);
        }
        kept.reverse();
        self.entries = kept.len();
        let shorter: Vec<u8> = kept.iter().flat_map(|entry| written(0, entry)).collect();
        let mut file = file(&self.path, OFlags::WRONLY | OFlags::TRUNC)?;
        file.write_all(&shorter)
    }
}

fn written(seconds: u64, entry: &[u8]) -> Vec<u8> {
    [format!("#{seconds}\n").as_bytes(), entry, b"\n"].concat()
}

fn file(path: &Path, flags: OFlags) -> std::io::Result<File> {
    let fd = open(path, flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY, Mode::RUSR | Mode::WUSR)?;
    if FileType::from_raw_mode(fstat(&fd)?.st_mode) != FileType::RegularFile {
        return Err(std::io::Error::from(std::io::ErrorKind::InvalidInput));
    }
    Ok(File::from(fd))
}

fn newest(mut file: File) -> std::io::Result<Vec<u8>> {
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(BYTES_MAX)))?;
    let mut text = Vec::new();
    file.take(BYTES_MAX).read_to_end(&mut text)?;
    Ok(text)
}

fn is_time(line: &[u8]) -> bool {
    line.strip_prefix(b"#").is_some_and(|digits| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit))
}

/// The entries of a file; what is before the first time is the end of an entry that was not read whole.
fn entries(text: &[u8]) -> Vec<Vec<u8>> {
    let mut entries: Vec<Vec<u8>> = Vec::new();
    for line in text.split(|byte| *byte == b'\n') {
        match entries.last_mut() {
            _ if is_time(line) => entries.push(Vec::new()),
            Some(entry) => {
                if !entry.is_empty() {
                    entry.push(b'\n');
                }
                entry.extend_from_slice(line);
            }
            None => {}
        }
    }
    for entry in &mut entries {
        let end = entry.trim_ascii_end().len();
        entry.truncate(end);
    }
    entries.retain(|entry| !entry.is_empty());
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(name: &str) -> PathBuf {
        let home = std::env::temp_dir().join(format!("portcullis-past-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&home);
        std::fs::create_dir_all(&home).unwrap();
        home
    }

    fn load(home: &Path, most: usize) -> Vec<String> {
        let mut all = Vec::new();
        Kept::load(home, most, |entry| all.push(String::from_utf8_lossy(entry).into_owned()));
        all
    }

    #[test]
    fn entries_come_back_and_the_oldest_go() {
        let home = home("bound");
        let mut kept = Kept::load(&home, 5, |_| panic!("nothing is there"));
        kept.add(b"cat <<E\nx\nE");
        kept.add(b"caf\xe9");
        assert_eq!(load(&home, 5), ["cat <<E\nx\nE", "caf\u{fffd}"]);
        for number in 0..100 {
            kept.add(format!("echo {number}").as_bytes());
        }
        assert_eq!(load(&home, 5), ["echo 95", "echo 96", "echo 97", "echo 98", "echo 99"]);
        assert!(std::fs::read_to_string(home.join(NAME)).unwrap().lines().count() <= 22);
        for _ in 0..40 {
            kept.add(&vec![b'x'; 60_000]);
        }
        assert!(std::fs::metadata(home.join(NAME)).unwrap().len() <= BYTES_MAX);
        std::fs::remove_dir_all(&home).unwrap();
    }

    #[test]
    fn what_is_no_plain_file_is_left_alone() {
        let home = home("strange");
        let other = home.join("other");
        std::fs::write(&other, "kept").unwrap();
        std::os::unix::fs::symlink(&other, home.join(NAME)).unwrap();
        let mut kept = Kept::load(&home, 5, |_| panic!("a link is followed"));
        kept.add(b"line");
        assert_eq!(std::fs::read_to_string(&other).unwrap(), "kept");
        std::fs::remove_file(home.join(NAME)).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, home.join(NAME), FileType::Fifo, Mode::RWXU, 0).unwrap();
        Kept::load(&home, 5, |_| panic!("a pipe is read")).add(b"line");
        std::fs::remove_dir_all(&home).unwrap();
    }
}
