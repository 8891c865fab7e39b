//! The life of an SFTP session: requests one after the other, each answered before the next is looked at.
//!
//! What is held is bounded: one request, one reply, a table of handles. A client that sends ahead waits in its pipe. What is refused is
//! answered with the reason and, because most clients do not show that, also said on standard error.

mod handles;
mod listing;

use crate::files::{Ask, FileError, Files, HANDLES_MAX, How, Renaming};
use crate::keeper::tell;
use crate::protocol::{Attributes, DATA_MAX, DecodeError, Entry, Extended, Frames, OpenFlags, Reply, Request, Status};
use handles::{Handle, Handles};
use portcullis_model::bytes::printable;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::AsFd;
use rustix::fs::{Stat, StatVfs, fstat, fsync};
use rustix::io::{Errno, read};

/// Bytes of one read of the client's input.
const READ: usize = 256 * 1024;

/// Why a session ends other than by the client's leaving.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The client does not speak the protocol.
    #[error("the client does not speak SFTP: {0}")]
    Protocol(#[from] DecodeError),
    /// It left in the middle of a request.
    #[error("the client left in the middle of a request")]
    Cut,
    /// It began with something else than its version.
    #[error("the client did not begin with its version")]
    NoVersion,
    /// Its input or output fails.
    #[error("the session's pipes failed")]
    Pipe(#[from] Errno),
    /// There is nobody to ask.
    #[error(transparent)]
    Asking(FileError),
}

/// The server.
#[derive(Debug)]
pub struct Server<A, O> {
    files: Files<A>,
    output: O,
    handles: Handles,
    reply: Vec<u8>,
    buffer: Vec<u8>,
    greeted: bool,
    /// Whether the client has sent nothing beyond the request that is served.
    pause: bool,
    /// What was said last on standard error: not said twice in a row.
    said: String,
}

/// What a request leads to, unless it fails.
enum Answer {
    Done,
    End,
    Handle([u8; 4]),
    /// So many bytes of the buffer.
    Data(usize),
    Name(Vec<Entry>),
    Attributes(Attributes),
    Numbers(Vec<u64>),
}

impl<A: Ask, O: AsFd> Server<A, O> {
    /// Over these files, with replies to `output`.
    pub fn new(files: Files<A>, output: O) -> Self {
        Self { files, output, handles: Handles::default(), reply: Vec::new(), buffer: vec![0; DATA_MAX], greeted: false, pause: false, said: String::new() }
    }

    /// Serves until the client's input ends.
    ///
    /// # Errors
    /// [`ServerError`]. How far open files came is told either way.
    pub fn serve(&mut self, input: impl AsFd) -> Result<(), ServerError> {
        let served = self.requests(input);
        let closed = self.handles.leave_all(&mut self.files.ask).map_err(ServerError::Asking);
        served.and(closed)
    }

    fn requests(&mut self, input: impl AsFd) -> Result<(), ServerError> {
        let (mut frames, mut room) = (Frames::default(), vec![0; READ]);
        loop {
            while let Some(packet) = frames.next()? {
                // who has nothing else to ask may be gone once this is answered: what was moved is told before that
                self.pause = !is_readable(&input)?;
                self.request(packet)?;
            }
            match read(&input, &mut room) {
                Ok(0) if frames.is_in_the_middle() => return Err(ServerError::Cut),
                Ok(0) => return Ok(()),
                Ok(n) => frames.push(room.get(..n).unwrap_or_default()),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    fn request(&mut self, packet: &[u8]) -> Result<(), ServerError> {
        match Request::decode(packet) {
            Ok(Request::Init { .. }) if !self.greeted => {
                self.greeted = true;
                self.send(&Reply::Version)
            }
            Ok(Request::Init { .. }) => Err(ServerError::NoVersion),
            _ if !self.greeted => Err(ServerError::NoVersion),
            Ok(request) => {
                let (id, subject) = about(&request);
                let served = self.serve_one(request);
                if self.pause {
                    self.handles.tell(&mut self.files.ask).map_err(ServerError::Asking)?;
                }
                match served {
                    Ok(answer) => self.answer(id, &answer),
                    Err(error @ FileError::Keeper(_)) => Err(ServerError::Asking(error)),
                    Err(error) => self.refuse(id, subject, &error),
                }
            }
            Err((Some(id), error)) => self.send(&Reply::Status { id, status: Status::BadMessage, message: &error.to_string() }),
            Err((None, error)) => Err(error.into()),
        }
    }

    fn serve_one(&mut self, request: Request<'_>) -> Result<Answer, FileError> {
        let files = &mut self.files;
        match request {
            Request::Open { path, flags, attributes, .. } => {
                self.handles.has_room()?;
                let held = files.open(path, how(flags, &attributes))?;
                return Ok(Answer::Handle(self.handles.put(Handle::File(Box::new(held)))));
            }
            Request::Opendir { path, .. } => {
                self.handles.has_room()?;
                let folder = files.list(path)?;
                return Ok(Answer::Handle(self.handles.put(Handle::Folder(Box::new(folder)))));
            }
            Request::Close { handle, .. } => match self.handles.take(handle)? {
                Handle::File(held) => held.close(&mut files.ask)?,
                Handle::Folder(_) => {}
            },
            Request::Read { handle, offset, length, .. } => {
                let wanted = self.buffer.len().min(length as usize);
                let buffer = self.buffer.get_mut(..wanted).unwrap_or_default();
                let got = self.handles.file(handle)?.read(&mut files.ask, offset, buffer)?;
                return Ok(if got == 0 && length > 0 { Answer::End } else { Answer::Data(got) });
            }
            Request::Write { handle, offset, data, .. } => self.handles.file(handle)?.write(&mut files.ask, offset, data)?,
            Request::Stat { path, .. } => return Ok(Answer::Attributes(attributes_of(&files.stat(path)?))),
            Request::Lstat { path, .. } => return Ok(Answer::Attributes(attributes_of(&files.lstat(path)?))),
            Request::Fstat { handle, .. } => return Ok(Answer::Attributes(attributes_of(&fstat(self.handles.file(handle)?.fd())?))),
            Request::Setstat { path, attributes, .. } => files.set_attributes(path, &attributes)?,
            Request::Fsetstat { handle, attributes, .. } => files.set_attributes_of(self.handles.file(handle)?, &attributes)?,
            Request::Readdir { handle, .. } => {
                let entries = listing::next(self.handles.folder(handle)?)?;
                return Ok(if entries.is_empty() { Answer::End } else { Answer::Name(entries) });
            }
            Request::Remove { path, .. } => files.remove(path)?,
            Request::Mkdir { path, attributes, .. } => files.make_folder(path, attributes.mode.unwrap_or(0o777))?,
            Request::Rmdir { path, .. } => files.remove_folder(path)?,
            // by its text alone: nothing is looked at, so there is nothing to judge
            Request::Realpath { path, .. } => return Ok(Answer::Name(vec![named(files.names.normal(path))])),
            Request::Rename { from, to, .. } => files.rename(from, to, Renaming::Keeps)?,
            Request::Readlink { path, .. } => return Ok(Answer::Name(vec![named(files.read_link(path)?)])),
            Request::Symlink { target, link, .. } => files.soft_link(target, link)?,
            Request::Extended { request, .. } => match request {
                Extended::PosixRename { from, to } => files.rename(from, to, Renaming::Replaces)?,
                Extended::Hardlink { from, to } => files.hard_link(from, to)?,
                Extended::Fsync { handle } => fsync(self.handles.file(handle)?.fd())?,
                Extended::Statvfs { path } => return Ok(Answer::Numbers(numbers_of(&files.file_system(path)?))),
                Extended::Fstatvfs { handle } => return Ok(Answer::Numbers(numbers_of(&rustix::fs::fstatvfs(self.handles.file(handle)?.fd())?))),
                Extended::Limits => return Ok(Answer::Numbers(Reply::limits(HANDLES_MAX).to_vec())),
                Extended::Unknown => return Err(Errno::OPNOTSUPP.into()),
            },
            Request::Unknown { .. } | Request::Init { .. } => return Err(Errno::OPNOTSUPP.into()),
        }
        Ok(Answer::Done)
    }

    fn answer(&mut self, id: u32, answer: &Answer) -> Result<(), ServerError> {
        if let Answer::Data(length) = answer {
            let buffer = std::mem::take(&mut self.buffer);
            let sent = self.send(&Reply::Data { id, data: buffer.get(..*length).unwrap_or_default() });
            self.buffer = buffer;
            return sent;
        }
        self.send(&match answer {
            Answer::Done | Answer::Data(_) => Reply::Status { id, status: Status::Ok, message: "" },
            Answer::End => Reply::Status { id, status: Status::Eof, message: "" },
            Answer::Handle(handle) => Reply::Handle { id, handle: *handle },
            Answer::Name(entries) => Reply::Name { id, entries },
            Answer::Attributes(attributes) => Reply::Attributes { id, attributes: *attributes },
            Answer::Numbers(numbers) => Reply::Numbers { id, numbers },
        })
    }

    fn refuse(&mut self, id: u32, subject: &[u8], error: &FileError) -> Result<(), ServerError> {
        let status = match error {
            FileError::Refused(_) => {
                let said = format!("{}: {error}", printable(subject));
                if said != self.said {
                    tell(&said);
                    self.said = said;
                }
                Status::PermissionDenied
            }
            FileError::System(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Status::NoSuchFile,
            FileError::System(Errno::ACCESS | Errno::PERM | Errno::ROFS) => Status::PermissionDenied,
            FileError::System(Errno::OPNOTSUPP) => Status::OpUnsupported,
            FileError::System(_) | FileError::Odd(_) | FileError::Keeper(_) => Status::Failure,
        };
        self.send(&Reply::Status { id, status, message: &error.to_string() })
    }

    fn send(&mut self, reply: &Reply<'_>) -> Result<(), ServerError> {
        self.reply.clear();
        reply.encode(&mut self.reply);
        let mut rest = self.reply.as_slice();
        while !rest.is_empty() {
            match rustix::io::write(&self.output, rest) {
                Ok(n) => rest = rest.get(n..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }
}

/// Whether there is something to read, be it the end.
fn is_readable(input: &impl AsFd) -> Result<bool, Errno> {
    let nothing = Timespec { tv_sec: 0, tv_nsec: 0 };
    match poll(&mut [PollFd::new(input, PollFlags::IN)], Some(&nothing)) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::INTR) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// A request's number, and the name that it is about, if it has one.
fn about<'a>(request: &Request<'a>) -> (u32, &'a [u8]) {
    match *request {
        Request::Init { version } => (version, b""),
        Request::Open { id, path, .. }
        | Request::Lstat { id, path }
        | Request::Stat { id, path }
        | Request::Setstat { id, path, .. }
        | Request::Opendir { id, path }
        | Request::Remove { id, path }
        | Request::Mkdir { id, path, .. }
        | Request::Rmdir { id, path }
        | Request::Realpath { id, path }
        | Request::Readlink { id, path } => (id, path),
        Request::Rename { id, from, .. } | Request::Symlink { id, link: from, .. } => (id, from),
        Request::Extended { id, request } => match request {
            Extended::PosixRename { from, .. } | Extended::Hardlink { from, .. } | Extended::Statvfs { path: from } => (id, from),
            Extended::Fsync { .. } | Extended::Fstatvfs { .. } | Extended::Limits | Extended::Unknown => (id, b""),
        },
        Request::Close { id, .. }
        | Request::Read { id, .. }
        | Request::Write { id, .. }
        | Request::Fstat { id, .. }
        | Request::Fsetstat { id, .. }
        | Request::Readdir { id, .. }
        | Request::Unknown { id, .. } => (id, b"an open file"),
    }
}

fn how(flags: OpenFlags, attributes: &Attributes) -> How {
    How {
        read: flags.reads() || !flags.writes(),
        write: flags.writes(),
        append: flags.appends(),
        create: flags.creates(),
        exclusive: flags.is_exclusive(),
        truncate: flags.truncates(),
        mode: attributes.mode.unwrap_or(0o666),
    }
}

fn named(name: Vec<u8>) -> Entry {
    Entry { long: name.clone(), name, attributes: Attributes::default() }
}

fn attributes_of(stat: &Stat) -> Attributes {
    let seconds = |time: i64| u32::try_from(time.max(0)).unwrap_or(u32::MAX);
    Attributes {
        size: Some(u64::try_from(stat.st_size).unwrap_or(0)),
        owner: Some((stat.st_uid, stat.st_gid)),
        mode: Some(stat.st_mode),
        times: Some((seconds(stat.st_atime), seconds(stat.st_mtime))),
    }
}

fn numbers_of(fs: &StatVfs) -> Vec<u64> {
    // bit 0: read-only, bit 1: no set-uid, which nothing here has
    let read_only = u64::from(fs.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY));
    vec![fs.f_bsize, fs.f_frsize, fs.f_blocks, fs.f_bfree, fs.f_bavail, fs.f_files, fs.f_ffree, fs.f_favail, fs.f_fsid, read_only | 2, fs.f_namemax]
}

#[cfg(test)]
mod tests;
