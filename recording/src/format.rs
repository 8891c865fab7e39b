//! The bytes of a recording, without any file: headers, frames and the hash chain. Described for people in
//! `docs/recording-format.md`; a change here is a change there, and of [`FORMAT_VERSION`].

use portcullis_model::boot::BootId;
use portcullis_model::event::EVENT_VERSION;
use portcullis_model::id::SessionId;
use portcullis_model::time::UnixMs;
use portcullis_model::digest::Digest;
use sha2::{Digest as _, Sha256};

/// Version of the file's form; a reader refuses a newer one, and reads the older ones.
pub const FORMAT_VERSION: u32 = 2;
/// The recording's name in its session's folder.
pub const FILE_NAME: &str = "recording";
/// Most bytes of one frame's payload. The largest event, an exec with all the arguments that are judged, is well below
/// it as JSON.
pub const PAYLOAD_MAX: usize = 8 * 1024 * 1024;

const MAGIC: &[u8; 8] = b"PCULLREC";
const DOMAIN: &[u8] = b"portcullis recording\0";

/// Bytes of the file's header.
pub(crate) const FILE_HEADER: usize = 80;
/// Bytes of the file's header in version 1, which did not name the boot.
pub(crate) const FILE_HEADER_1: usize = 64;
/// Bytes of the file's header that its check has.
const FILE_CHECK: usize = 8;
/// Bytes in front of a frame's payload.
pub(crate) const FRAME_HEADER: usize = 40;
/// Bytes after a frame's payload.
pub(crate) const FRAME_TRAILER: usize = 32;
/// Bytes of a header that its check covers.
const CHECKED: usize = 32;

/// What a frame is not, when it is not the one that was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadFrame {
    /// Its header is not what was written: a changed byte, or another frame of the same number.
    #[error("its header was changed, or it is not the frame that was written here")]
    Header,
    /// Its number is not the next one: a frame is missing, repeated or out of order.
    #[error("frame {0} is in its place")]
    Sequence(u64),
    /// The chain's value does not follow from what is before it.
    #[error("its content was changed")]
    Chain,
    /// A kind that this version does not have.
    #[error("it is of unknown kind {0}")]
    Kind(u8),
    /// It says that it is longer than a frame can be.
    #[error("its length of {0} bytes is over the limit of {PAYLOAD_MAX}")]
    Length(u32),
    /// An event that does not parse.
    #[error("its event does not parse: {0}")]
    Event(String),
    /// The first frame is not the session's start.
    #[error("the recording does not begin with the session's start")]
    NotStarted,
    /// Bytes after the session's end.
    #[error("something follows the session's end")]
    AfterEnd,
}

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Event = 1,
    Output = 2,
    ErrorOutput = 3,
    Input = 4,
}

impl Kind {
    fn read(byte: u8) -> Result<Self, BadFrame> {
        match byte {
            1 => Ok(Self::Event),
            2 => Ok(Self::Output),
            3 => Ok(Self::ErrorOutput),
            4 => Ok(Self::Input),
            other => Err(BadFrame::Kind(other)),
        }
    }
}

/// The value of the hash chain after a frame: it stands for everything up to there.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChainHead(pub [u8; 32]);

impl From<ChainHead> for Digest {
    fn from(head: ChainHead) -> Self {
        Self(head.0)
    }
}

impl From<Digest> for ChainHead {
    fn from(digest: Digest) -> Self {
        Self(digest.0)
    }
}

impl std::fmt::Display for ChainHead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl std::fmt::Debug for ChainHead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

/// The file's header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileHeader {
    pub(crate) started: UnixMs,
    pub(crate) boot_ns: u64,
    pub(crate) session: SessionId,
    pub(crate) boot: BootId,
}

/// Why the first bytes of a file are not a header.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BadHeader {
    Magic,
    Newer(u32),
    NewerEvents(u32),
    Changed,
}

impl FileHeader {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(FILE_HEADER);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes.extend_from_slice(&EVENT_VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.started.0.to_le_bytes());
        bytes.extend_from_slice(&self.boot_ns.to_le_bytes());
        let mut name = self.session.as_str().as_bytes().to_vec();
        name.resize(24, 0);
        bytes.extend_from_slice(&name);
        bytes.extend_from_slice(&self.boot.0);
        let check = Sha256::digest(&bytes);
        bytes.extend(check.iter().take(FILE_CHECK));
        bytes
    }

    /// How long the header is that begins with these bytes, of which there are [`FILE_HEADER_1`] at least.
    pub(crate) fn length(bytes: &[u8]) -> Result<usize, BadHeader> {
        let mut rest = bytes;
        if take::<8>(&mut rest) != *MAGIC {
            return Err(BadHeader::Magic);
        }
        // the version comes before the check: a newer form may check otherwise
        match u32::from_le_bytes(take(&mut rest)) {
            0 => Err(BadHeader::Changed),
            1 => Ok(FILE_HEADER_1),
            FORMAT_VERSION => Ok(FILE_HEADER),
            newer => Err(BadHeader::Newer(newer)),
        }
    }

    /// Reads a header of any known version, all of it.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, BadHeader> {
        let length = Self::length(bytes)?;
        let (fields, check) = bytes.split_at_checked(length - FILE_CHECK).ok_or(BadHeader::Changed)?;
        if Sha256::digest(fields).get(..FILE_CHECK) != Some(check) {
            return Err(BadHeader::Changed);
        }
        let mut rest = fields.get(12..).unwrap_or_default();
        let events = u32::from_le_bytes(take(&mut rest));
        let started = UnixMs(u64::from_le_bytes(take(&mut rest)));
        let boot_ns = u64::from_le_bytes(take(&mut rest));
        let name: [u8; 24] = take(&mut rest);
        let boot = if length == FILE_HEADER_1 { BootId::UNKNOWN } else { BootId(take(&mut rest)) };
        if events > EVENT_VERSION {
            return Err(BadHeader::NewerEvents(events));
        }
        let name = name.split(|b| *b == 0).next().unwrap_or_default();
        let session = std::str::from_utf8(name).ok().and_then(|name| name.parse().ok()).ok_or(BadHeader::Changed)?;
        Ok(Self { started, boot_ns, session, boot })
    }
}

/// The chain's value before the first frame.
pub(crate) fn seed(file_header: &[u8]) -> ChainHead {
    ChainHead(Sha256::new().chain_update(DOMAIN).chain_update(file_header).finalize().into())
}

/// What stands in front of a frame's payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) length: usize,
    pub(crate) kind: Kind,
    pub(crate) seq: u64,
    pub(crate) elapsed_ns: u64,
    pub(crate) wall: UnixMs,
}

/// Begins a frame in `buffer`, which is emptied: the payload is to be appended, then [`seal`] called.
pub(crate) fn begin(buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.resize(FRAME_HEADER, 0);
}

/// Completes the frame whose payload `buffer` holds, and gives the chain's next value. The payload is at most
/// [`PAYLOAD_MAX`] bytes; the caller has checked that.
pub(crate) fn seal(buffer: &mut Vec<u8>, chain: ChainHead, kind: Kind, seq: u64, elapsed_ns: u64, wall: UnixMs) -> ChainHead {
    let length = u32::try_from(buffer.len().saturating_sub(FRAME_HEADER)).unwrap_or(u32::MAX);
    let mut header = [0; CHECKED];
    let fields: [&[u8]; 5] =
        [&length.to_le_bytes(), &[kind as u8, 0, 0, 0], &seq.to_le_bytes(), &elapsed_ns.to_le_bytes(), &wall.0.to_le_bytes()];
    for (room, byte) in header.iter_mut().zip(fields.into_iter().flatten()) {
        *room = *byte;
    }
    let hash = Sha256::new().chain_update(chain.0).chain_update(header);
    let check = hash.clone().finalize();
    for (room, byte) in buffer.iter_mut().zip(header.iter().chain(check.iter().take(FRAME_HEADER - CHECKED))) {
        *room = *byte;
    }
    let next: [u8; 32] = hash.chain_update(buffer.get(CHECKED..).unwrap_or_default()).finalize().into();
    buffer.extend_from_slice(&next);
    ChainHead(next)
}

/// Reads a frame's header and checks it against the chain's value before the frame, and its number against the next one.
pub(crate) fn open(bytes: &[u8; FRAME_HEADER], chain: ChainHead, next: u64) -> Result<FrameHeader, BadFrame> {
    let mut rest: &[u8] = bytes;
    let length = u32::from_le_bytes(take(&mut rest));
    let [kind, zeros @ ..] = take::<4>(&mut rest);
    let seq = u64::from_le_bytes(take(&mut rest));
    let elapsed_ns = u64::from_le_bytes(take(&mut rest));
    let wall = UnixMs(u64::from_le_bytes(take(&mut rest)));
    let hash = Sha256::new().chain_update(chain.0).chain_update(bytes.get(..CHECKED).unwrap_or_default()).finalize();
    if hash.get(..FRAME_HEADER - CHECKED) != Some(rest) {
        // a whole frame out of its place says so by its number; anything else was changed
        let plausible = zeros == [0; 3] && Kind::read(kind).is_ok() && length as usize <= PAYLOAD_MAX;
        return Err(if plausible && seq != next { BadFrame::Sequence(seq) } else { BadFrame::Header });
    }
    if seq != next {
        return Err(BadFrame::Sequence(seq));
    }
    if zeros != [0; 3] {
        return Err(BadFrame::Header);
    }
    if length as usize > PAYLOAD_MAX {
        return Err(BadFrame::Length(length));
    }
    Ok(FrameHeader { length: length as usize, kind: Kind::read(kind)?, seq, elapsed_ns, wall })
}

/// The chain's value after a frame, from its parts.
pub(crate) fn follow(chain: ChainHead, header: &[u8; FRAME_HEADER], payload: &[u8]) -> ChainHead {
    ChainHead(Sha256::new().chain_update(chain.0).chain_update(header).chain_update(payload).finalize().into())
}

/// The next `N` bytes; zeros when there are fewer, which the fixed sizes above rule out.
fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let (head, tail) = rest.split_first_chunk::<N>().map_or(([0; N], &[][..]), |(head, tail)| (*head, tail));
    *rest = tail;
    head
}
