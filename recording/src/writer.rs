//! The one writer of a recording.

use crate::format::{self, ChainHead, FILE_NAME, FRAME_HEADER, FRAME_TRAILER, FileHeader, Kind, PAYLOAD_MAX};
use crate::boot::since_boot_ns;
use crate::reader::Reader;
use crate::space::{self, Room, SPACE_RESERVE, Use};
use crate::sync::{SyncFailure, Syncer};
use portcullis_model::boot::BootId;
use portcullis_model::decision::Journal;
use portcullis_model::event::{Event, EventKind};
use portcullis_model::id::SessionId;
use portcullis_model::receipt::Receipt;
use portcullis_model::time::UnixMs;
use rustix::io::Errno;
use std::fs::{self, File};
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Capacity that the buffer keeps between frames; a larger one is given back.
const BUFFER_KEPT: usize = 256 * 1024;

/// Why something is not recorded. After the first of these nothing more is, except after [`TooLong`](WriteError::TooLong) and
/// [`Encode`](WriteError::Encode), of which nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The session has a recording already.
    #[error("there is a recording at {0} already")]
    Exists(PathBuf),
    /// The file or its folder cannot be made.
    #[error("cannot make the recording at {path}")]
    Create {
        /// the file or folder
        path: PathBuf,
        /// the system's reason
        source: io::Error,
    },
    /// The file system has less than [`SPACE_RESERVE`] left, so the recording was not begun.
    #[error("only {} MiB are free for recordings, at least {} are needed", free >> 20, SPACE_RESERVE >> 20)]
    LowSpace {
        /// free bytes
        free: u64,
    },
    /// The file system is full, or the quota is used up.
    #[error("no space is left for the recording")]
    NoSpace,
    /// The file cannot be written.
    #[error("the recording cannot be written")]
    Write(#[source] io::Error),
    /// What was written did not reach the disk.
    #[error("the recording does not reach the disk")]
    Sync(#[source] io::Error),
    /// The disk did not take what was written for this long.
    #[error("the disk has not taken the recording for {} s", .0.as_secs())]
    Stalled(Duration),
    /// One frame would be over [`PAYLOAD_MAX`]; nothing of it was written.
    #[error("{0} bytes are more than one frame of a recording holds")]
    TooLong(usize),
    /// An event cannot be written as JSON.
    #[error("the event cannot be written as JSON")]
    Encode(#[source] serde_json::Error),
    /// The session's end was recorded already.
    #[error("the recording was closed")]
    Closed,
    /// An earlier call failed; this is what it said.
    #[error("the recording failed before: {0}")]
    Failed(String),
}

/// A recording that was closed: its last frame is the session's end, and all of it is on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// How many frames it has.
    pub frames: u64,
    /// The chain's last value; kept elsewhere, it proves the whole recording.
    pub head: ChainHead,
    /// The file's length in bytes.
    pub bytes: u64,
}

/// What may still be written.
#[derive(Debug)]
enum State {
    Open,
    /// The disk is full: of the whole frames before, nothing is lost, and the session's end still has its place.
    Full,
    Failed(String),
    Ended,
}

/// The one writer of one session's recording.
///
/// When a call returns, its bytes are the kernel's and outlive this process; they are on the disk at most
/// [`SYNC_INTERVAL`](crate::SYNC_INTERVAL) and one sync later. The writer starts one thread: make it after the signals that
/// the process takes by a descriptor are blocked.
pub struct Writer {
    file: File,
    path: PathBuf,
    syncer: Syncer,
    room: Room,
    state: State,
    buffer: Vec<u8>,
    head: ChainHead,
    next: u64,
    length: u64,
    boot_ns: u64,
}

impl Writer {
    /// Begins the recording of `session`, in this start of the node: makes its folder (0750) in `folder` and the file `recording` (0640) in it, both of
    /// group `owner_gid` when there is one, writes the header and takes all of that to the disk.
    ///
    /// # Errors
    /// [`WriteError`]; nothing is left behind then.
    pub fn create(folder: &Path, session: &SessionId, boot: BootId, owner_gid: Option<u32>) -> Result<Self, WriteError> {
        let own = folder.join(session.as_str());
        let path = own.join(FILE_NAME);
        match fs::DirBuilder::new().mode(0o750).create(&own) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(WriteError::Exists(path)),
            Err(source) => return Err(WriteError::Create { path: own, source }),
        }
        Self::create_in(folder, &own, &path, (session, boot), owner_gid).inspect_err(|_| {
            // best effort: what is to be told is why it failed, not that its traces stay
            let _ = fs::remove_file(&path);
            let _ = fs::remove_dir(&own);
        })
    }

    fn create_in(folder: &Path, own: &Path, path: &Path, of: (&SessionId, BootId), owner_gid: Option<u32>) -> Result<Self, WriteError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            |source: io::Error| if is_full(&source) { WriteError::NoSpace } else { WriteError::Create { path, source } }
        };
        let file = File::options().append(true).create_new(true).mode(0o640).open(path).map_err(failed(path))?;
        let directory = File::open(own).map_err(failed(own))?;
        // the umask does not decide who may read evidence
        for (file, mode, path) in [(&file, 0o640, path), (&directory, 0o750, own)] {
            fchown(file, None, owner_gid).map_err(failed(path))?;
            file.set_permissions(fs::Permissions::from_mode(mode)).map_err(failed(path))?;
        }
        let free = space::free(&file).map_err(failed(path))?;
        if free < SPACE_RESERVE {
            return Err(WriteError::LowSpace { free });
        }
        let writer = Self::over(file, path.to_owned(), of)?;
        writer.file.sync_all().map_err(failed(path))?;
        directory.sync_all().map_err(failed(own))?;
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed(folder))?;
        Ok(writer)
    }

    /// A writer over an empty file.
    fn over(file: File, path: PathBuf, (session, boot): (&SessionId, BootId)) -> Result<Self, WriteError> {
        let boot_ns = since_boot_ns();
        let header = FileHeader { started: UnixMs::from_system(SystemTime::now()), boot_ns, session: session.clone(), boot }.encode();
        let syncer = Syncer::start(&file).map_err(|source| WriteError::Create { path: path.clone(), source })?;
        let (room, state, head) = (Room::new(), State::Open, format::seed(&header));
        let mut writer = Self { file, path, syncer, room, state, buffer: header, head, next: 0, length: 0, boot_ns };
        writer.flush(Use::Ordinary, 0)?;
        Ok(writer)
    }

    /// A writer that goes on after the frames that were read, which are the file's first `length` bytes and all of it, and the
    /// last of which was written `last_ns` after the beginning.
    pub(crate) fn after(file: File, path: PathBuf, read: &Reader, (length, last_ns): (u64, u64), now: BootId) -> Result<Self, WriteError> {
        let syncer = Syncer::start(&file).map_err(|source| WriteError::Create { path: path.clone(), source })?;
        let (room, buffer) = (Room::new(), Vec::new());
        let FileHeader { boot, boot_ns, .. } = read.header();
        // of an earlier start of the node, time is counted from the last frame on: nobody knows how long the node was off
        let boot_ns = if *boot == now { *boot_ns } else { since_boot_ns().saturating_sub(last_ns) };
        Ok(Self { file, path, syncer, room, state: State::Open, buffer, head: read.head(), next: read.frames(), length, boot_ns })
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many bytes it has.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The number of the next frame.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.next
    }

    /// The chain's value after the last frame.
    #[must_use]
    pub fn head(&self) -> ChainHead {
        self.head
    }

    /// Records terminal output, or standard output without a terminal; to be called before it is passed on.
    ///
    /// # Errors
    /// [`WriteError`]; the session ends then.
    pub fn output(&mut self, bytes: &[u8]) -> Result<u64, WriteError> {
        self.bytes(Kind::Output, bytes)
    }

    /// Records standard error of a session without a terminal; to be called before it is passed on.
    ///
    /// # Errors
    /// [`WriteError`]; the session ends then.
    pub fn error_output(&mut self, bytes: &[u8]) -> Result<u64, WriteError> {
        self.bytes(Kind::ErrorOutput, bytes)
    }

    /// Records what the client typed or sent; to be called before it is passed on. Input that the terminal does not echo is
    /// a password: the caller records [`EventKind::Masked`] in its place.
    ///
    /// # Errors
    /// [`WriteError`]; the session ends then.
    pub fn input(&mut self, bytes: &[u8]) -> Result<u64, WriteError> {
        self.bytes(Kind::Input, bytes)
    }

    /// Why nothing more is recorded, if so; for an owner that has nothing to write at the moment.
    #[must_use]
    pub fn failed(&self) -> Option<WriteError> {
        match &self.state {
            State::Failed(why) => Some(WriteError::Failed(why.clone())),
            State::Full => Some(WriteError::NoSpace),
            State::Open | State::Ended => self.sync_failure(self.elapsed_ns()),
        }
    }

    /// Becomes readable when a sync has failed: the owner then finds the reason with [`failed`](Self::failed).
    #[must_use]
    pub fn failed_fd(&self) -> BorrowedFd<'_> {
        self.syncer.failed_fd()
    }

    /// Records the session's end and closes the recording; returns when all of it is on the disk. Also possible after
    /// [`WriteError::NoSpace`]: the last frame has a place of its own.
    ///
    /// # Errors
    /// [`WriteError`]; the recording is then one that was not closed, which every reader shows.
    pub fn finish(mut self, at: UnixMs, receipt: Receipt) -> Result<Sealed, WriteError> {
        self.append(&Event { at, kind: EventKind::Ended(receipt) })?;
        self.close()
    }

    /// Takes a recording whose end was appended to the disk.
    fn close(mut self) -> Result<Sealed, WriteError> {
        if let Some(error) = self.syncer.stop() {
            return Err(WriteError::Sync(copy(error)));
        }
        self.room.release(&self.file, self.length).map_err(WriteError::Write)?;
        self.file.sync_all().map_err(WriteError::Sync)?;
        Ok(Sealed { frames: self.next, head: self.head, bytes: self.length })
    }

    fn bytes(&mut self, kind: Kind, bytes: &[u8]) -> Result<u64, WriteError> {
        format::begin(&mut self.buffer);
        if bytes.len() > PAYLOAD_MAX {
            return Err(WriteError::TooLong(bytes.len()));
        }
        self.buffer.extend_from_slice(bytes);
        self.frame(kind, UnixMs::from_system(SystemTime::now()), Use::Ordinary)
    }

    /// Writes the frame whose payload is in the buffer.
    fn frame(&mut self, kind: Kind, wall: UnixMs, whose: Use) -> Result<u64, WriteError> {
        match (&self.state, whose) {
            (State::Open, _) | (State::Full, Use::SessionEnd) => {}
            (State::Full, Use::Ordinary) => return Err(WriteError::NoSpace),
            (State::Failed(why), _) => return Err(WriteError::Failed(why.clone())),
            (State::Ended, _) => return Err(WriteError::Closed),
        }
        let now_ns = self.elapsed_ns();
        if let Some(error) = self.sync_failure(now_ns) {
            return Err(self.fail(error));
        }
        let seq = self.next;
        let head = format::seal(&mut self.buffer, self.head, kind, seq, now_ns, wall);
        self.flush(whose, now_ns)?;
        self.head = head;
        self.next += 1;
        if whose == Use::SessionEnd {
            self.state = State::Ended;
        }
        Ok(seq)
    }

    /// Writes the buffer to the end of the file.
    fn flush(&mut self, whose: Use, now_ns: u64) -> Result<(), WriteError> {
        let more = self.buffer.len() as u64;
        if let Err(error) = self.room.ensure(&self.file, self.length, more, whose) {
            if is_full(&error) {
                // the frame is not begun: the file still ends with a whole one
                self.state = State::Full;
                return Err(WriteError::NoSpace);
            }
            return Err(self.fail(WriteError::Write(error)));
        }
        if let Err(error) = write_all(&self.file, &self.buffer) {
            let error = io::Error::from(error);
            if !is_full(&error) {
                return Err(self.fail(WriteError::Write(error)));
            }
            // takes back the part of the frame that found room
            return Err(match self.room.release(&self.file, self.length) {
                Ok(()) => {
                    self.state = State::Full;
                    WriteError::NoSpace
                }
                Err(_) => self.fail(WriteError::NoSpace),
            });
        }
        self.length += more;
        self.syncer.mark(now_ns);
        if self.buffer.capacity() > BUFFER_KEPT {
            self.buffer = Vec::new();
        }
        Ok(())
    }

    fn fail(&mut self, error: WriteError) -> WriteError {
        let mut why = error.to_string();
        if let Some(source) = std::error::Error::source(&error) {
            why = format!("{why}: {source}");
        }
        self.state = State::Failed(why);
        error
    }

    fn sync_failure(&self, now_ns: u64) -> Option<WriteError> {
        self.syncer.failure(now_ns).map(|failure| match failure {
            SyncFailure::Failed(error) => WriteError::Sync(copy(error)),
            SyncFailure::Stalled(waited) => WriteError::Stalled(waited),
        })
    }

    fn elapsed_ns(&self) -> u64 {
        since_boot_ns().saturating_sub(self.boot_ns)
    }
}

// the buffer holds terminal bytes, which do not belong into a log
impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("path", &self.path).field("next", &self.next).field("state", &self.state).finish_non_exhaustive()
    }
}

impl Journal for Writer {
    type Error = WriteError;

    fn append(&mut self, event: &Event) -> Result<u64, WriteError> {
        format::begin(&mut self.buffer);
        serde_json::to_writer(&mut self.buffer, event).map_err(WriteError::Encode)?;
        let payload = self.buffer.len() - FRAME_HEADER;
        if payload > PAYLOAD_MAX {
            return Err(WriteError::TooLong(payload));
        }
        let whose = if matches!(event.kind, EventKind::Ended(_)) { Use::SessionEnd } else { Use::Ordinary };
        self.frame(Kind::Event, event.at, whose)
    }
}

/// Writes all of `bytes`, in one call when the system takes them at once.
fn write_all(file: &File, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(file, bytes) {
            // a file takes at least one byte or says why not
            Ok(0) => return Err(Errno::IO),
            Ok(n) => bytes = bytes.get(n..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// An error of the system, once more.
fn copy(error: &io::Error) -> io::Error {
    error.raw_os_error().map_or_else(|| io::Error::other(error.to_string()), io::Error::from_raw_os_error)
}

const _: () = assert!(FRAME_TRAILER == size_of::<ChainHead>());

#[cfg(test)]
mod tests;
