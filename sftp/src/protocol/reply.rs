//! What is answered.

use super::attributes::{Attributes, put_entry};
use super::wire::{put_packet, put_string};
use super::{DATA_MAX, PACKET_MAX, VERSION};

/// The extensions that are offered, with their versions.
const EXTENSIONS: [(&str, &str); 6] = [
    ("posix-rename@openssh.com", "1"),
    ("statvfs@openssh.com", "2"),
    ("fstatvfs@openssh.com", "2"),
    ("hardlink@openssh.com", "1"),
    ("fsync@openssh.com", "1"),
    ("limits@openssh.com", "1"),
];

/// How a request went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the protocol's names")]
pub enum Status {
    Ok = 0,
    Eof = 1,
    NoSuchFile = 2,
    PermissionDenied = 3,
    Failure = 4,
    BadMessage = 5,
    OpUnsupported = 8,
}

/// One entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// its name, as the kernel has it
    pub name: Vec<u8>,
    /// a line as `ls -l` has it
    pub long: Vec<u8>,
    /// its attributes
    pub attributes: Attributes,
}

/// A reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are named as in the protocol")]
pub enum Reply<'a> {
    Version,
    Status { id: u32, status: Status, message: &'a str },
    Handle { id: u32, handle: [u8; 4] },
    /// At most [`DATA_MAX`] bytes.
    Data { id: u32, data: &'a [u8] },
    Name { id: u32, entries: &'a [Entry] },
    Attributes { id: u32, attributes: Attributes },
    /// The answer to `statvfs@openssh.com`, eleven numbers, or to `limits@openssh.com`, four.
    Numbers { id: u32, numbers: &'a [u64] },
}

impl Reply<'_> {
    /// The limits, as `limits@openssh.com` wants them: packet, read, write, handles.
    #[must_use]
    pub fn limits(handles: usize) -> [u64; 4] {
        [PACKET_MAX, DATA_MAX, DATA_MAX, handles].map(|number| number as u64)
    }

    /// Appends it as a packet with its length field.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_packet(out, |out| self.put(out));
    }

    fn put(&self, out: &mut Vec<u8>) {
        fn head(out: &mut Vec<u8>, kind: u8, id: u32) {
            out.push(kind);
            out.extend_from_slice(&id.to_be_bytes());
        }
        match self {
            Self::Version => {
                head(out, 2, VERSION);
                for (name, version) in EXTENSIONS {
                    put_string(out, name.as_bytes());
                    put_string(out, version.as_bytes());
                }
            }
            Self::Status { id, status, message } => {
                head(out, 101, *id);
                out.extend_from_slice(&(*status as u32).to_be_bytes());
                put_string(out, message.as_bytes());
                put_string(out, b"en");
            }
            Self::Handle { id, handle } => {
                head(out, 102, *id);
                put_string(out, handle);
            }
            Self::Data { id, data } => {
                head(out, 103, *id);
                put_string(out, data);
            }
            Self::Name { id, entries } => {
                head(out, 104, *id);
                out.extend_from_slice(&u32::try_from(entries.len()).unwrap_or(0).to_be_bytes());
                entries.iter().for_each(|entry| put_entry(out, &entry.name, &entry.long, &entry.attributes));
            }
            Self::Attributes { id, attributes } => {
                head(out, 105, *id);
                attributes.put(out);
            }
            Self::Numbers { id, numbers } => {
                head(out, 201, *id);
                numbers.iter().for_each(|number| out.extend_from_slice(&number.to_be_bytes()));
            }
        }
    }
}
