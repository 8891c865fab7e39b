//! Room on the file system, taken before it is needed.
//!
//! A recording does not begin where less than [`SPACE_RESERVE`] is free. While it grows, room is allocated a step ahead of
//! the frames, so that a full disk is met between two frames and not in the middle of one, and so that the session's end
//! still fits behind the last of them.

use rustix::fs::{FallocateFlags, fallocate, fstatvfs};
use rustix::io::Errno;
use std::fs::File;
use std::io;

/// Free bytes without which no recording begins: the work of a busy session's hour, and time to see the alarm.
pub const SPACE_RESERVE: u64 = 64 * 1024 * 1024;
/// Allocated at a time.
const STEP: u64 = 256 * 1024;
/// Kept behind the last frame for the session's end: its receipt can name some hundreds of survivors.
const END_RESERVE: u64 = 64 * 1024;

/// For whom room is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    Ordinary,
    SessionEnd,
}

/// The room that one file has.
#[derive(Debug)]
pub(crate) struct Room {
    allocated: u64,
    ahead: bool,
}

/// Free bytes of a file's file system, for an ordinary user.
pub(crate) fn free(file: &File) -> io::Result<u64> {
    let stat = fstatvfs(file)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

impl Room {
    /// A file that has none yet.
    pub(crate) fn new() -> Self {
        Self { allocated: 0, ahead: true }
    }

    /// Makes sure that the file can grow from `length` bytes to `length + more`. A file system that cannot allocate ahead
    /// is left to say so at the write.
    pub(crate) fn ensure(&mut self, file: &File, length: u64, more: u64, whose: Use) -> io::Result<()> {
        if !self.ahead {
            return Ok(());
        }
        let wanted = length.saturating_add(more).saturating_add(if whose == Use::Ordinary { END_RESERVE } else { 0 });
        if wanted <= self.allocated {
            return Ok(());
        }
        let target = wanted.next_multiple_of(STEP);
        match retry(|| fallocate(file, FallocateFlags::KEEP_SIZE, self.allocated, target - self.allocated)) {
            Ok(()) => self.allocated = target,
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::NODEV | Errno::SPIPE) => self.ahead = false,
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Cuts the file to `length` bytes and gives back all room behind them.
    pub(crate) fn release(&mut self, file: &File, length: u64) -> io::Result<()> {
        file.set_len(length)?;
        self.allocated = length;
        Ok(())
    }
}

fn retry(mut call: impl FnMut() -> rustix::io::Result<()>) -> rustix::io::Result<()> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}
