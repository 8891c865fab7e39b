//! A file's attributes; each may be absent.

use super::wire::{DecodeError, Fields, put_string};

const SIZE: u32 = 1;
const OWNER: u32 = 2;
const MODE: u32 = 4;
const TIMES: u32 = 8;
const EXTENDED: u32 = 0x8000_0000;

/// A file's attributes, as far as they are given. Extended ones are skipped: there are none that anybody uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attributes {
    /// Bytes.
    pub size: Option<u64>,
    /// uid and gid.
    pub owner: Option<(u32, u32)>,
    /// Type and permissions, as the kernel has them.
    pub mode: Option<u32>,
    /// Times of the last access and change, in seconds since 1970.
    pub times: Option<(u32, u32)>,
}

impl Attributes {
    pub(super) fn take(fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
        let flags = fields.u32()?;
        let has = |flag| flags & flag != 0;
        let size = if has(SIZE) { Some(fields.u64()?) } else { None };
        let owner = if has(OWNER) { Some((fields.u32()?, fields.u32()?)) } else { None };
        let mode = if has(MODE) { Some(fields.u32()?) } else { None };
        let times = if has(TIMES) { Some((fields.u32()?, fields.u32()?)) } else { None };
        if has(EXTENDED) {
            for _ in 0..fields.u32()? {
                fields.string()?;
                fields.string()?;
            }
        }
        Ok(Self { size, owner, mode, times })
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let flag = |present: bool, flag| if present { flag } else { 0 };
        let flags = flag(self.size.is_some(), SIZE) | flag(self.owner.is_some(), OWNER) | flag(self.mode.is_some(), MODE) | flag(self.times.is_some(), TIMES);
        out.extend_from_slice(&flags.to_be_bytes());
        if let Some(size) = self.size {
            out.extend_from_slice(&size.to_be_bytes());
        }
        let numbers = [self.owner.map(|(uid, _)| uid), self.owner.map(|(_, gid)| gid), self.mode, self.times.map(|(access, _)| access), self.times.map(|(_, change)| change)];
        numbers.into_iter().flatten().for_each(|number| out.extend_from_slice(&number.to_be_bytes()));
    }

    /// As an attribute block alone.
    #[must_use]
    pub fn encoded(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.put(&mut out);
        out
    }
}

/// An entry of a folder: its name, a line as `ls -l` has it, its attributes.
pub(super) fn put_entry(out: &mut Vec<u8>, name: &[u8], long: &[u8], attributes: &Attributes) {
    put_string(out, name);
    put_string(out, long);
    attributes.put(out);
}
