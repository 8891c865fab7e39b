//! Reading a waiting caller's memory: few calls, whole pages, each page once.
//!
//! Another thread of the caller can change what is read at any time. That is no harm: what is read here is judged, and what the
//! kernel then copied for itself is compared with it when the new image is loaded.

use crate::sys::memory::{PIECES_MAX, Piece, read_pieces};
use rustix::process::Pid;
use std::io;

const PAGE: u64 = 4096;
const PAGE_LEN: usize = PAGE as usize;
/// Most pages that are kept at once; a caller whose strings lie in more costs itself more calls.
const PAGES_MAX: usize = 256;

/// Pages of one caller's memory.
#[derive(Debug)]
pub(super) struct Remote {
    thread: Pid,
    addresses: Vec<u64>,
    bytes: Vec<u8>,
    recent: usize,
}

/// Why a string was not read.
#[derive(Debug)]
pub(super) enum Unread {
    /// There is no memory there; the kernel would say `EFAULT`.
    Fault,
    /// It is longer than the limit.
    TooLong,
    /// The memory may not be read, or its owner is gone.
    Unreadable(io::Error),
}

impl Remote {
    /// A reader for `thread`. The buffers are kept from one to the next by [`turn_to`](Self::turn_to).
    pub(super) fn new(thread: Pid) -> Self {
        Self { thread, addresses: Vec::new(), bytes: Vec::new(), recent: 0 }
    }

    /// Forgets what was read and reads from `thread` from now on.
    pub(super) fn turn_to(&mut self, thread: Pid) {
        self.thread = thread;
        self.clear();
    }

    fn clear(&mut self) {
        self.addresses.clear();
        self.bytes.clear();
        self.recent = 0;
    }

    /// Reads the pages of these addresses with one call, as far as they are there.
    ///
    /// # Errors
    /// When the memory may not be read at all.
    pub(super) fn prefetch(&mut self, addresses: impl IntoIterator<Item = u64>) -> Result<(), Unread> {
        let mut wanted: Vec<u64> = Vec::new();
        for address in addresses {
            let page = address & !(PAGE - 1);
            // neighbours mostly share a page
            if page != 0 && wanted.last() != Some(&page) && !self.addresses.contains(&page) && !wanted.contains(&page) {
                wanted.push(page);
            }
            if wanted.len() == PAGES_MAX.min(PIECES_MAX) {
                break;
            }
        }
        self.fetch(&wanted)
    }

    fn fetch(&mut self, pages: &[u64]) -> Result<(), Unread> {
        if pages.is_empty() {
            return Ok(());
        }
        if self.addresses.len() + pages.len() > PAGES_MAX {
            self.clear();
        }
        let pieces: Vec<Piece> = pages.iter().map(|page| Piece { address: *page, len: PAGE_LEN }).collect();
        let start = self.bytes.len();
        self.bytes.resize(start + pages.len() * PAGE_LEN, 0);
        let room = self.bytes.get_mut(start..).unwrap_or_default();
        let read = match read_pieces(self.thread, &pieces, room) {
            Ok(read) => read / PAGE_LEN,
            Err(error) if error.raw_os_error() == Some(libc::EFAULT) => 0,
            Err(error) => {
                self.bytes.truncate(start);
                return Err(Unread::Unreadable(error));
            }
        };
        self.bytes.truncate(start + read * PAGE_LEN);
        self.addresses.extend(pages.iter().take(read));
        Ok(())
    }

    /// The bytes from `address` to the end of its page, at least one.
    fn tail(&mut self, address: u64) -> Result<&[u8], Unread> {
        let page = address & !(PAGE - 1);
        if self.addresses.get(self.recent) != Some(&page) {
            self.recent = match self.addresses.iter().position(|have| *have == page) {
                Some(index) => index,
                None => {
                    self.fetch(&[page])?;
                    self.addresses.len().checked_sub(1).filter(|last| self.addresses.get(*last) == Some(&page)).ok_or(Unread::Fault)?
                }
            };
        }
        let start = self.recent * PAGE_LEN + (address & (PAGE - 1)) as usize;
        self.bytes.get(start..(self.recent + 1) * PAGE_LEN).filter(|tail| !tail.is_empty()).ok_or(Unread::Fault)
    }

    /// Appends the string at `address`, without its NUL, if it has at most `limit` bytes; otherwise the first `limit` of them.
    ///
    /// # Errors
    /// No memory there, or too long.
    pub(super) fn string(&mut self, mut address: u64, mut limit: usize, into: &mut Vec<u8>) -> Result<(), Unread> {
        loop {
            let tail = self.tail(address)?;
            let end = tail.iter().position(|byte| *byte == 0);
            let part = tail.get(..end.unwrap_or(tail.len())).unwrap_or(tail);
            if let Some(cut) = part.get(..limit).filter(|cut| cut.len() < part.len()) {
                into.extend_from_slice(cut);
                return Err(Unread::TooLong);
            }
            into.extend_from_slice(part);
            if end.is_some() {
                return Ok(());
            }
            limit -= part.len();
            address = address.checked_add(part.len() as u64).ok_or(Unread::Fault)?;
        }
    }

    /// Appends the words from `address` up to, and without, the first zero, but no more than a page's worth.
    /// Tells whether the zero was found.
    ///
    /// # Errors
    /// No memory there.
    pub(super) fn words(&mut self, address: u64, into: &mut Vec<u64>) -> Result<bool, Unread> {
        let tail = self.tail(address)?;
        for word in tail.chunks_exact(8) {
            match word.try_into().map_or(0, u64::from_ne_bytes) {
                0 => return Ok(true),
                word => into.push(word),
            }
        }
        if tail.len() >= 8 {
            return Ok(false);
        }
        // an unaligned array: this word lies across two pages
        let mut word = [0; 8];
        for (byte, at) in word.iter_mut().zip(address..) {
            *byte = *self.tail(at)?.first().ok_or(Unread::Fault)?;
        }
        let word = u64::from_ne_bytes(word);
        if word != 0 {
            into.push(word);
        }
        Ok(word == 0)
    }
}
