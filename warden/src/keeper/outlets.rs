//! The keeper's ends of the terminal, or of the three pipes of a session without one. None of them ever waits.

use super::mask::Echo;
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

/// Bytes that a pipe of much data holds.
const PIPE: usize = 512 * 1024;

/// Where a session's bytes go in and come out.
#[derive(Debug)]
pub(crate) enum Outlets {
    /// The master of its pseudo-terminal.
    Terminal(Outlet),
    /// Its pipes.
    Pipes {
        /// the client's input
        input: Outlet,
        /// standard output
        output: Outlet,
        /// standard error
        error: Outlet,
    },
}

/// One descriptor, open until the other side closes it or we do.
#[derive(Debug)]
pub(crate) struct Outlet(Option<OwnedFd>);

/// What became of a read or write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Done {
    /// So many bytes.
    Bytes(usize),
    /// Nothing now: the other side is busy or silent.
    Later,
    /// The other side has closed; nothing more will ever come or go.
    Closed,
}

impl Outlet {
    /// Over a descriptor that from now on never waits.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn new(fd: OwnedFd) -> io::Result<Self> {
        let flags = rustix::fs::fcntl_getfl(&fd)?;
        rustix::fs::fcntl_setfl(&fd, flags | OFlags::NONBLOCK)?;
        Ok(Self(Some(fd)))
    }

    /// The descriptor while it is open.
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.0.as_ref().map(|fd| fd.as_fd())
    }

    /// Gives a pipe more room, where the system lets it have that: fewer turns for the same bytes.
    pub(crate) fn enlarge(&self) {
        if let Some(fd) = &self.0 {
            let _ = rustix::pipe::fcntl_setpipe_size(fd, PIPE);
        }
    }

    /// Closes it.
    pub(crate) fn close(&mut self) {
        self.0 = None;
    }

    /// Reads what is there, up to the buffer's length: a terminal gives at most 4095 bytes at a time, so several reads.
    ///
    /// # Errors
    /// The system's, other than those that mean "later" and "closed".
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Done> {
        let mut length = 0;
        while let Some(room) = buffer.get_mut(length..).filter(|room| !room.is_empty()) {
            let Some(fd) = &self.0 else { break };
            match rustix::io::read(fd, room) {
                Ok(0) | Err(Errno::IO) => self.close(),
                Ok(n) => length += n,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(match (length, &self.0) {
            (0, None) => Done::Closed,
            (0, Some(_)) => Done::Later,
            (length, _) => Done::Bytes(length),
        })
    }

    /// Writes as much as the other side takes.
    ///
    /// # Errors
    /// The system's, other than those that mean "later" and "closed".
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<Done> {
        loop {
            let Some(fd) = &self.0 else { return Ok(Done::Closed) };
            match rustix::io::write(fd, bytes) {
                Ok(0) | Err(Errno::AGAIN) => return Ok(Done::Later),
                Ok(n) => return Ok(Done::Bytes(n)),
                Err(Errno::INTR) => {}
                Err(Errno::IO | Errno::PIPE) => self.close(),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Outlets {
    /// Where input goes in.
    pub(crate) fn input(&mut self) -> &mut Outlet {
        match self {
            Self::Terminal(master) => master,
            Self::Pipes { input, .. } => input,
        }
    }

    /// How the terminal treats input now. A terminal that cannot be asked is taken for one that hides it.
    pub(crate) fn echo(&self) -> Echo {
        match self {
            Self::Pipes { .. } => Echo::Shown,
            Self::Terminal(master) => match master.fd().map(portcullis_jail::pty::flags) {
                Some(Ok(flags)) if flags.echo => Echo::Shown,
                Some(Ok(flags)) if !flags.canonical => Echo::Raw,
                Some(Ok(_) | Err(_)) | None => Echo::HiddenLine,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pipe() -> (Outlet, Outlet) {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        (Outlet::new(reader).unwrap(), Outlet::new(writer).unwrap())
    }

    #[test]
    fn a_pipe_tells_later_from_closed() {
        let (mut reader, mut writer) = pipe();
        let mut buffer = [0; 8];
        assert_eq!(reader.read(&mut buffer).unwrap(), Done::Later);
        assert_eq!(writer.write(b"abc").unwrap(), Done::Bytes(3));
        writer.close();
        assert_eq!(reader.read(&mut buffer).unwrap(), Done::Bytes(3), "what was written before the close comes first");
        assert_eq!(reader.read(&mut buffer).unwrap(), Done::Closed);
        let (mut reader, mut writer) = pipe();
        reader.close();
        assert_eq!(writer.write(b"x").unwrap(), Done::Closed);
        let (_reader, mut writer) = pipe();
        while let Done::Bytes(_) = writer.write(&[0; 4096]).unwrap() {}
        assert_eq!(writer.write(b"x").unwrap(), Done::Later);
    }
}
