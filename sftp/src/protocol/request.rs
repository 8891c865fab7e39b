//! What a client asks for.

use super::attributes::Attributes;
use super::wire::{DecodeError, Fields};
#[cfg(test)]
use super::wire::{put_packet, put_string};

/// How a file is to be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OpenFlags(pub u32);

impl OpenFlags {
    const READ: u32 = 1;
    const WRITE: u32 = 2;
    const APPEND: u32 = 4;
    const CREATE: u32 = 8;
    const TRUNCATE: u32 = 16;
    const EXCLUSIVE: u32 = 32;

    /// To be read.
    #[must_use]
    pub fn reads(self) -> bool {
        self.0 & Self::READ != 0
    }

    /// To be written, or made, or made empty.
    #[must_use]
    pub fn writes(self) -> bool {
        self.0 & (Self::WRITE | Self::APPEND | Self::CREATE | Self::TRUNCATE) != 0
    }

    /// Each write goes to the end.
    #[must_use]
    pub fn appends(self) -> bool {
        self.0 & Self::APPEND != 0
    }

    /// Made when it is not there.
    #[must_use]
    pub fn creates(self) -> bool {
        self.0 & Self::CREATE != 0
    }

    /// Made empty.
    #[must_use]
    pub fn truncates(self) -> bool {
        self.0 & Self::TRUNCATE != 0
    }

    /// It must not be there.
    #[must_use]
    pub fn is_exclusive(self) -> bool {
        self.0 & Self::EXCLUSIVE != 0
    }
}

/// A request beyond version 3, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the plain requests")]
pub enum Extended<'a> {
    /// `posix-rename@openssh.com`: replaces what has the new name.
    PosixRename { from: &'a [u8], to: &'a [u8] },
    /// `hardlink@openssh.com`
    Hardlink { from: &'a [u8], to: &'a [u8] },
    /// `fsync@openssh.com`
    Fsync { handle: &'a [u8] },
    /// `statvfs@openssh.com`
    Statvfs { path: &'a [u8] },
    /// `fstatvfs@openssh.com`
    Fstatvfs { handle: &'a [u8] },
    /// `limits@openssh.com`
    Limits,
    /// One that is not known.
    Unknown,
}

/// A request. All but `Init` have a number, which the reply repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are named as in the protocol")]
pub enum Request<'a> {
    Init { version: u32 },
    Open { id: u32, path: &'a [u8], flags: OpenFlags, attributes: Attributes },
    Close { id: u32, handle: &'a [u8] },
    Read { id: u32, handle: &'a [u8], offset: u64, length: u32 },
    Write { id: u32, handle: &'a [u8], offset: u64, data: &'a [u8] },
    Lstat { id: u32, path: &'a [u8] },
    Fstat { id: u32, handle: &'a [u8] },
    Setstat { id: u32, path: &'a [u8], attributes: Attributes },
    Fsetstat { id: u32, handle: &'a [u8], attributes: Attributes },
    Opendir { id: u32, path: &'a [u8] },
    Readdir { id: u32, handle: &'a [u8] },
    Remove { id: u32, path: &'a [u8] },
    Mkdir { id: u32, path: &'a [u8], attributes: Attributes },
    Rmdir { id: u32, path: &'a [u8] },
    Realpath { id: u32, path: &'a [u8] },
    Stat { id: u32, path: &'a [u8] },
    Rename { id: u32, from: &'a [u8], to: &'a [u8] },
    Readlink { id: u32, path: &'a [u8] },
    /// The link's text and the link's own name, in the order in which OpenSSH sends them, which is not the draft's.
    Symlink { id: u32, target: &'a [u8], link: &'a [u8] },
    Extended { id: u32, request: Extended<'a> },
    /// A type that does not exist, with a number to answer.
    Unknown { id: u32, kind: u8 },
}

impl<'a> Request<'a> {
    /// Reads a packet without its length field.
    ///
    /// # Errors
    /// What is wrong, and the number of the request where it has one: a request that is not understood is answered, and the next one
    /// stands at its place all the same.
    pub fn decode(packet: &'a [u8]) -> Result<Self, (Option<u32>, DecodeError)> {
        let mut fields = Fields(packet);
        let kind = fields.u8().map_err(|error| (None, error))?;
        if kind == 1 {
            let init = Ok(Self::Init { version: fields.u32().map_err(|error| (None, error))? });
            // a client's extensions follow; none is for us
            return init;
        }
        if !(3..=20).contains(&kind) && kind != 200 && fields.0.len() < 4 {
            return Err((None, DecodeError::Type(kind)));
        }
        let id = fields.u32().map_err(|error| (None, error))?;
        Self::body(kind, id, fields).map_err(|error| (Some(id), error))
    }

    fn body(kind: u8, id: u32, mut f: Fields<'a>) -> Result<Self, DecodeError> {
        let request = match kind {
            3 => Self::Open { id, path: f.string()?, flags: OpenFlags(f.u32()?), attributes: Attributes::take(&mut f)? },
            4 => Self::Close { id, handle: f.string()? },
            5 => Self::Read { id, handle: f.string()?, offset: f.u64()?, length: f.u32()? },
            6 => Self::Write { id, handle: f.string()?, offset: f.u64()?, data: f.string()? },
            7 => Self::Lstat { id, path: f.string()? },
            8 => Self::Fstat { id, handle: f.string()? },
            9 => Self::Setstat { id, path: f.string()?, attributes: Attributes::take(&mut f)? },
            10 => Self::Fsetstat { id, handle: f.string()?, attributes: Attributes::take(&mut f)? },
            11 => Self::Opendir { id, path: f.string()? },
            12 => Self::Readdir { id, handle: f.string()? },
            13 => Self::Remove { id, path: f.string()? },
            14 => Self::Mkdir { id, path: f.string()?, attributes: Attributes::take(&mut f)? },
            15 => Self::Rmdir { id, path: f.string()? },
            16 => Self::Realpath { id, path: f.string()? },
            17 => Self::Stat { id, path: f.string()? },
            18 => Self::Rename { id, from: f.string()?, to: f.string()? },
            19 => Self::Readlink { id, path: f.string()? },
            20 => Self::Symlink { id, target: f.string()?, link: f.string()? },
            200 => return Self::extended(id, f),
            kind => return Ok(Self::Unknown { id, kind }),
        };
        f.end()?;
        Ok(request)
    }

    fn extended(id: u32, mut f: Fields<'a>) -> Result<Self, DecodeError> {
        let request = match f.string()? {
            b"posix-rename@openssh.com" => Extended::PosixRename { from: f.string()?, to: f.string()? },
            b"hardlink@openssh.com" => Extended::Hardlink { from: f.string()?, to: f.string()? },
            b"fsync@openssh.com" => Extended::Fsync { handle: f.string()? },
            b"statvfs@openssh.com" => Extended::Statvfs { path: f.string()? },
            b"fstatvfs@openssh.com" => Extended::Fstatvfs { handle: f.string()? },
            b"limits@openssh.com" => Extended::Limits,
            // whatever its fields are
            _ => return Ok(Self::Extended { id, request: Extended::Unknown }),
        };
        f.end()?;
        Ok(Self::Extended { id, request })
    }
}

/// The client's side, for the tests of the decoder.
#[cfg(test)]
impl Request<'_> {
    /// As a packet with its length field.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_packet(&mut out, |out| self.put(out));
        out
    }

    fn put(&self, out: &mut Vec<u8>) {
        fn head(out: &mut Vec<u8>, kind: u8, id: u32, strings: &[&[u8]]) {
            out.push(kind);
            out.extend_from_slice(&id.to_be_bytes());
            strings.iter().for_each(|string| put_string(out, string));
        }
        match self {
            Self::Init { version } => {
                out.push(1);
                out.extend_from_slice(&version.to_be_bytes());
            }
            Self::Open { id, path, flags, attributes } => {
                head(out, 3, *id, &[path]);
                out.extend_from_slice(&flags.0.to_be_bytes());
                attributes.put(out);
            }
            Self::Close { id, handle } => head(out, 4, *id, &[handle]),
            Self::Read { id, handle, offset, length } => {
                head(out, 5, *id, &[handle]);
                out.extend_from_slice(&offset.to_be_bytes());
                out.extend_from_slice(&length.to_be_bytes());
            }
            Self::Write { id, handle, offset, data } => {
                head(out, 6, *id, &[handle]);
                out.extend_from_slice(&offset.to_be_bytes());
                put_string(out, data);
            }
            Self::Lstat { id, path } => head(out, 7, *id, &[path]),
            Self::Fstat { id, handle } => head(out, 8, *id, &[handle]),
            Self::Setstat { id, path, attributes } => {
                head(out, 9, *id, &[path]);
                attributes.put(out);
            }
            Self::Fsetstat { id, handle, attributes } => {
                head(out, 10, *id, &[handle]);
                attributes.put(out);
            }
            Self::Opendir { id, path } => head(out, 11, *id, &[path]),
            Self::Readdir { id, handle } => head(out, 12, *id, &[handle]),
            Self::Remove { id, path } => head(out, 13, *id, &[path]),
            Self::Mkdir { id, path, attributes } => {
                head(out, 14, *id, &[path]);
                attributes.put(out);
            }
            Self::Rmdir { id, path } => head(out, 15, *id, &[path]),
            Self::Realpath { id, path } => head(out, 16, *id, &[path]),
            Self::Stat { id, path } => head(out, 17, *id, &[path]),
            Self::Rename { id, from, to } => head(out, 18, *id, &[from, to]),
            Self::Readlink { id, path } => head(out, 19, *id, &[path]),
            Self::Symlink { id, target, link } => head(out, 20, *id, &[target, link]),
            Self::Extended { id, request } => match request {
                Extended::PosixRename { from, to } => head(out, 200, *id, &[b"posix-rename@openssh.com", from, to]),
                Extended::Hardlink { from, to } => head(out, 200, *id, &[b"hardlink@openssh.com", from, to]),
                Extended::Fsync { handle } => head(out, 200, *id, &[b"fsync@openssh.com", handle]),
                Extended::Statvfs { path } => head(out, 200, *id, &[b"statvfs@openssh.com", path]),
                Extended::Fstatvfs { handle } => head(out, 200, *id, &[b"fstatvfs@openssh.com", handle]),
                Extended::Limits => head(out, 200, *id, &[b"limits@openssh.com"]),
                Extended::Unknown => head(out, 200, *id, &[b"unknown@example.com", b"x"]),
            },
            Self::Unknown { id, kind } => head(out, *kind, *id, &[]),
        }
    }
}
