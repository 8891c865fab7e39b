//! The history of a grant: a file in its home, which no other grant sees and which goes with it.
//!
//! The format is bash's with times: a line `#SECONDS` before each entry, which may then have several lines. Only what was
//! entered at a prompt gets there: what programs read, passwords among it, never comes by.
//!
//! The file is the operator's, who may do with it what he likes. So it is opened without following links or waiting, and
//! read up to a bound; whatever is wrong with it, the session goes on without it.
//!
//! Sessions of one grant share it. An entry is added by one write at the file's end, under a lock; who shortens it writes
//! another file and puts that in its place under the same lock, and who waited for the lock looks whether the file is still
//! the one that has the name. So entries are neither torn nor lost. A lock that is held for longer than [`PATIENCE`] is held
//! by a program of the operator's: it is waited for once, then entries are still added, which the kernel does not tear either, and nothing is shortened.

use rustix::fs::{AtFlags, CWD, FileType, FlockOperation, Mode, OFlags, Stat, flock, fstat, open, renameat, statat, unlinkat};
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Its name in the home.
pub(super) const NAME: &str = ".portcullis_history";
/// Most bytes that are read of it, and that it may have.
const BYTES_MAX: u64 = 1024 * 1024;
/// How long another session may take to add an entry or to shorten the file.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often the lock is tried meanwhile.
const TRY: Duration = Duration::from_millis(2);

/// The file.
#[derive(Debug)]
pub(super) struct Kept {
    path: PathBuf,
    entries: usize,
    most: usize,
    skipped: usize,
    /// Somebody else keeps the lock.
    kept_out: bool,
}

impl Kept {
    /// Reads the newest entries of it.
    pub(super) fn load(home: &Path, most: usize, mut each: impl FnMut(&[u8])) -> Self {
        let path = home.join(NAME);
        let opened = file(&path, OFlags::RDONLY).inspect(|file| {
            lock(file, FlockOperation::NonBlockingLockShared, Instant::now() + PATIENCE);
        });
        let all = opened.and_then(newest).map(|text| entries(&text)).unwrap_or_default();
        let skipped = all.len().saturating_sub(most);
        all.iter().skip(skipped).for_each(|(_, entry)| each(entry));
        Self { path, entries: all.len(), most, skipped, kept_out: false }
    }

    /// How many older entries were not read.
    pub(super) fn skipped(&self) -> usize {
        self.skipped
    }

    /// Adds an entry; when there are twice as many as are wanted, or too many bytes, the older half goes.
    pub(super) fn add(&mut self, entry: &[u8]) {
        let _ = self.try_add(entry);
    }

    fn try_add(&mut self, entry: &[u8]) -> std::io::Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let one = written(now, entry);
        let (mut file, locked) = self.open_to_add()?;
        self.kept_out = !locked;
        self.entries += 1;
        let full = file.metadata()?.len() + one.len() as u64 > BYTES_MAX;
        if locked && (full || self.entries > self.most * 2) && self.shorten(&one).is_ok() {
            return Ok(());
        }
        if full {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        // one write, which no other one at the end of the same file comes between
        let written = file.write(&one)?;
        if written < one.len() {
            // a full disk, or a limit: half an entry is none
            file.set_len(file.metadata()?.len().saturating_sub(written as u64))?;
            return Err(std::io::ErrorKind::WriteZero.into());
        }
        Ok(())
    }

    /// The file that has the name, and whether nobody else writes to it.
    fn open_to_add(&self) -> std::io::Result<(File, bool)> {
        let deadline = Instant::now() + if self.kept_out { Duration::ZERO } else { PATIENCE };
        loop {
            let file = file(&self.path, OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE)?;
            let locked = lock(&file, FlockOperation::NonBlockingLockExclusive, deadline);
            // it may have been replaced by a shorter one meanwhile
            let same = |one: &Stat, other: &Stat| (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino);
            if statat(CWD, &self.path, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|named| fstat(&file).is_ok_and(|open| same(&named, &open))) {
                return Ok((file, locked));
            }
            if Instant::now() > deadline + PATIENCE {
                return Err(std::io::ErrorKind::StaleNetworkFileHandle.into());
            }
        }
    }

    /// Puts a file with the newest entries, and with one more, in the place of the one that is locked.
    fn shorten(&mut self, more: &[u8]) -> std::io::Result<()> {
        let text = newest(file(&self.path, OFlags::RDONLY)?)?;
        let all = entries(&text);
        let mut kept: Vec<&(u64, Vec<u8>)> = Vec::new();
        let mut bytes = 0;
        for entry in all.iter().rev().take(self.most) {
            bytes += entry.1.len() as u64 + 16;
            if bytes > BYTES_MAX / 2 {
                break;
            }
            kept.push(entry);
        }
        kept.reverse();
        self.entries = kept.len() + 1;
        let mut shorter: Vec<u8> = kept.iter().flat_map(|(time, entry)| written(*time, entry)).collect();
        shorter.extend_from_slice(more);
        let place = self.path.with_extension("new");
        let _ = unlinkat(CWD, &place, AtFlags::empty());
        let written = file(&place, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL).and_then(|mut file| file.write_all(&shorter));
        if let Err(error) = written {
            let _ = unlinkat(CWD, &place, AtFlags::empty());
            return Err(error);
        }
        Ok(renameat(CWD, &place, CWD, &self.path)?)
    }
}

/// Tries to lock until it is locked or the time is over.
fn lock(file: &File, how: FlockOperation, deadline: Instant) -> bool {
    loop {
        if flock(file, how).is_ok() {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(TRY);
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

fn time(line: &[u8]) -> Option<u64> {
    let digits = line.strip_prefix(b"#").filter(|digits| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit))?;
    Some(std::str::from_utf8(digits).ok()?.parse().unwrap_or(0))
}

/// The entries of a file and their times; what is before the first time is the end of an entry that was not read whole.
fn entries(text: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let mut entries: Vec<(u64, Vec<u8>)> = Vec::new();
    for line in text.split(|byte| *byte == b'\n') {
        match (time(line), entries.last_mut()) {
            (Some(time), _) => entries.push((time, Vec::new())),
            (None, Some((_, entry))) => {
                if !entry.is_empty() {
                    entry.push(b'\n');
                }
                entry.extend_from_slice(line);
            }
            (None, None) => {}
        }
    }
    for (_, entry) in &mut entries {
        let end = entry.trim_ascii_end().len();
        entry.truncate(end);
    }
    entries.retain(|(_, entry)| !entry.is_empty());
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
    fn sessions_that_write_at_once_neither_tear_nor_lose_entries() {
        let home = home("at-once");
        let (sessions, each) = (5, 60);
        std::thread::scope(|scope| {
            for session in 0..sessions {
                let home = &home;
                scope.spawn(move || {
                    // few enough that no entry is old, many enough that the file is shortened all the time
                    let mut kept = Kept::load(home, sessions * each, |_| {});
                    kept.entries = sessions * each * 2;
                    for number in 0..each {
                        kept.add(format!("echo {session} {number} {}\nsecond", "x".repeat(number)).as_bytes());
                        kept.entries = if number % 3 == 0 { sessions * each * 2 } else { 0 };
                    }
                });
            }
        });
        let all = load(&home, sessions * each);
        assert_eq!(all.len(), sessions * each);
        for session in 0..sessions {
            let mine: Vec<&String> = all.iter().filter(|entry| entry.starts_with(&format!("echo {session} "))).collect();
            let want: Vec<String> = (0..each).map(|number| format!("echo {session} {number} {}\nsecond", "x".repeat(number))).collect();
            assert!(mine.iter().copied().eq(want.iter()), "session {session}");
        }
        assert!(!home.join(".portcullis_history.new").exists());
        std::fs::remove_dir_all(&home).unwrap();
    }

    #[test]
    fn a_lock_that_is_never_given_back_keeps_nobody_waiting() {
        let home = home("locked");
        let mut kept = Kept::load(&home, 2, |_| {});
        kept.add(b"echo before");
        let held = file(&home.join(NAME), OFlags::RDONLY).unwrap();
        flock(&held, FlockOperation::LockExclusive).unwrap();
        let begun = Instant::now();
        for number in 0..10 {
            kept.add(format!("echo {number}").as_bytes());
        }
        assert!(begun.elapsed() < PATIENCE * 5, "{:?}", begun.elapsed());
        assert_eq!(load(&home, 20).len(), 11, "what cannot be shortened is still added to");
        drop(held);
        kept.add(b"echo after");
        assert_eq!(load(&home, 20), ["echo 8", "echo 9", "echo after"]);
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
