//! What the client has open, by numbers that are never used twice.

use crate::files::{Ask, FileError, HANDLES_MAX, Held};
use rustix::fs::Dir;
use rustix::io::Errno;
use std::collections::BTreeMap;

/// Something that is open.
#[derive(Debug)]
pub(super) enum Handle {
    File(Box<Held>),
    Folder(Box<Dir>),
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Handles {
    open: BTreeMap<u32, Handle>,
    next: u32,
}

impl Handles {
    pub(super) fn has_room(&self) -> Result<(), FileError> {
        if self.open.len() < HANDLES_MAX { Ok(()) } else { Err(FileError::Odd("too many files and folders are open")) }
    }

    pub(super) fn put(&mut self, handle: Handle) -> [u8; 4] {
        // whoever opens four thousand million files meets the oldest number again, and never one that is open
        while self.open.contains_key(&self.next) {
            self.next = self.next.wrapping_add(1);
        }
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        self.open.insert(number, handle);
        number.to_be_bytes()
    }

    pub(super) fn take(&mut self, name: &[u8]) -> Result<Handle, FileError> {
        Ok(number(name).and_then(|number| self.open.remove(&number)).ok_or(Errno::BADF)?)
    }

    pub(super) fn file(&mut self, name: &[u8]) -> Result<&mut Held, FileError> {
        match number(name).and_then(|number| self.open.get_mut(&number)) {
            Some(Handle::File(held)) => Ok(held),
            Some(Handle::Folder(_)) | None => Err(Errno::BADF.into()),
        }
    }

    pub(super) fn folder(&mut self, name: &[u8]) -> Result<&mut Dir, FileError> {
        match number(name).and_then(|number| self.open.get_mut(&number)) {
            Some(Handle::Folder(folder)) => Ok(folder),
            Some(Handle::File(_)) | None => Err(Errno::BADF.into()),
        }
    }

    /// Tells how far all that is open has come.
    pub(super) fn tell(&mut self, ask: &mut impl Ask) -> Result<(), FileError> {
        self.open.values_mut().try_for_each(|handle| match handle {
            Handle::File(held) => held.tell(ask),
            Handle::Folder(_) => Ok(()),
        })
    }

    /// Lets go of what the client has left open, and tells how far it came. That is no close: the keeper records it as cut.
    pub(super) fn leave_all(&mut self, ask: &mut impl Ask) -> Result<(), FileError> {
        std::mem::take(&mut self.open).into_values().try_for_each(|handle| match handle {
            Handle::File(held) => held.leave(ask),
            Handle::Folder(_) => Ok(()),
        })
    }
}

fn number(name: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(name.try_into().ok()?))
}
