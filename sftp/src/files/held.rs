//! A file that is open: what was judged, and what was moved of it.

use super::asked::{Ask, FileError};
use super::moved::Meter;
use super::name::Found;
use rustix::fd::OwnedFd;
use rustix::fs::fstat;
use rustix::io::{Errno, pread, pwrite};

/// An open file.
#[derive(Debug)]
pub struct Held {
    fd: OwnedFd,
    /// The path that was judged.
    pub path: Vec<u8>,
    read: Option<Meter>,
    written: Option<Meter>,
    /// Where the next write goes, for a file whose writes all go to its end.
    appends: bool,
}

impl Held {
    pub(super) fn new(fd: OwnedFd, path: Vec<u8>, read: Option<u32>, written: Option<u32>, appends: bool) -> Self {
        Self { fd, path, read: read.map(Meter::new), written: written.map(Meter::new), appends }
    }

    /// Reads at `offset` as much as there is, up to the buffer's length; 0 at the end.
    ///
    /// # Errors
    /// The system's; `BADF` for a file that was not opened to be read.
    pub fn read(&mut self, ask: &mut impl Ask, offset: u64, buffer: &mut [u8]) -> Result<usize, FileError> {
        let meter = self.read.as_mut().ok_or(Errno::BADF)?;
        let mut got = 0;
        while let Some(room) = buffer.get_mut(got..).filter(|room| !room.is_empty()) {
            match pread(&self.fd, room, offset.saturating_add(got as u64)) {
                Ok(0) => break,
                Ok(n) => got += n,
                Err(Errno::INTR) => {}
                Err(errno) if got == 0 => return Err(errno.into()),
                Err(_) => break,
            }
        }
        if got > 0 && meter.add(offset, buffer.get(..got).unwrap_or_default()) {
            ask.moved(meter.id(), meter.moved(), false)?;
        }
        Ok(got)
    }

    /// Writes all of it at `offset`.
    ///
    /// # Errors
    /// The system's; `BADF` for a file that was not opened to be written.
    pub fn write(&mut self, ask: &mut impl Ask, offset: u64, data: &[u8]) -> Result<(), FileError> {
        let meter = self.written.as_mut().ok_or(Errno::BADF)?;
        let start = if self.appends { u64::try_from(fstat(&self.fd)?.st_size).unwrap_or(0) } else { offset };
        let mut done = 0;
        let result = loop {
            let Some(rest) = data.get(done..).filter(|rest| !rest.is_empty()) else { break Ok(()) };
            match pwrite(&self.fd, rest, start.saturating_add(done as u64)) {
                Ok(0) => break Err(Errno::NOSPC),
                Ok(n) => done += n,
                Err(Errno::INTR) => {}
                Err(errno) => break Err(errno),
            }
        };
        if done > 0 && meter.add(start, data.get(..done).unwrap_or_default()) {
            ask.moved(meter.id(), meter.moved(), false)?;
        }
        Ok(result?)
    }

    /// Closes it and tells what was moved.
    ///
    /// # Errors
    /// [`FileError::Keeper`].
    pub fn close(self, ask: &mut impl Ask) -> Result<(), FileError> {
        drop(self.fd);
        self.read.iter().chain(&self.written).try_for_each(|meter| ask.moved(meter.id(), meter.moved(), true))
    }

    /// Tells how far it has come, if that is news.
    ///
    /// # Errors
    /// [`FileError::Keeper`].
    pub fn tell(&mut self, ask: &mut impl Ask) -> Result<(), FileError> {
        for meter in self.read.iter_mut().chain(&mut self.written) {
            if meter.take_untold() {
                ask.moved(meter.id(), meter.moved(), false)?;
            }
        }
        Ok(())
    }

    /// Its size was set: what was written of it is not what it has.
    pub(super) fn was_resized(&mut self) {
        self.written.iter_mut().for_each(Meter::disturb);
    }

    /// Lets go of it and tells how far it came, which is not to its close.
    ///
    /// # Errors
    /// [`FileError::Keeper`].
    pub fn leave(self, ask: &mut impl Ask) -> Result<(), FileError> {
        self.read.iter().chain(&self.written).try_for_each(|meter| ask.moved(meter.id(), meter.moved(), false))
    }

    /// The descriptor.
    #[must_use]
    pub fn fd(&self) -> &OwnedFd {
        &self.fd
    }

    /// Whether it was opened to be written.
    #[must_use]
    pub fn is_written(&self) -> bool {
        self.written.is_some()
    }
}

/// A file that was judged and could not be opened is told as closed, with nothing moved.
pub(super) fn opened_nothing(ask: &mut impl Ask, numbers: impl IntoIterator<Item = u32>) -> Result<(), FileError> {
    numbers.into_iter().try_for_each(|id| ask.moved(id, Meter::new(id).moved(), true))
}

/// Whether it is a plain file: everything else could hold this program up, or is not what a transfer is for.
pub(super) fn is_plain(found: &Found) -> Result<(), FileError> {
    match found.kind() {
        rustix::fs::FileType::RegularFile => Ok(()),
        rustix::fs::FileType::Directory => Err(Errno::ISDIR.into()),
        _ => Err(FileError::Odd("it is not a plain file: pipes, sockets and devices are not transferred")),
    }
}
