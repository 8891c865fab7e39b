//! Reading a waiting caller's memory: few calls, whole pages, each page once.
//!
//! A call costs as much as some pages, and each piece as much as some neighbouring pages. So neighbours are read as one piece, and
//! where a caller's path and arrays lie in the same pages as an earlier caller's, the pages of the strings that one needed are read
//! along with them: a loop's next turn finds everything with the first call. A guess that is wrong costs time, nothing else.
//!
//! Another thread of the caller can change what is read at any time. That is no harm: what is read here is judged, and what the
//! kernel then copied for itself is compared with it when the new image is loaded.

use crate::sys::memory::{PIECES_MAX, Piece, read_pieces};
use rustix::process::Pid;
use std::collections::VecDeque;
use std::io;

const PAGE: u64 = 4096;
const PAGE_LEN: usize = PAGE as usize;
/// Most pages that are kept at once; a caller whose strings lie in more costs itself more calls.
const PAGES_MAX: usize = 256;
/// Most pages that are read because an earlier caller's strings lay there.
const GUESS_MAX: usize = 16;
/// How many earlier callers' pages are known.
const KNOWN_MAX: usize = 8;

/// Pages of one caller's memory.
#[derive(Debug)]
pub(super) struct Remote {
    thread: Pid,
    addresses: Vec<u64>,
    bytes: Vec<u8>,
    recent: usize,
    /// The pages that the present caller's reads began with.
    roots: Vec<u64>,
    /// What earlier callers' reads began with, and all pages that were needed; the latest last.
    known: VecDeque<(Vec<u64>, Vec<u64>)>,
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
        Self { thread, addresses: Vec::new(), bytes: Vec::new(), recent: 0, roots: Vec::new(), known: VecDeque::new() }
    }

    /// Forgets what was read and reads from `thread` from now on.
    pub(super) fn turn_to(&mut self, thread: Pid) {
        self.thread = thread;
        self.learn();
        self.clear();
    }

    fn learn(&mut self) {
        let roots = std::mem::take(&mut self.roots);
        if roots.is_empty() || self.addresses.len() > GUESS_MAX {
            return;
        }
        self.known.retain(|(known, _)| *known != roots);
        if self.known.len() >= KNOWN_MAX {
            self.known.pop_front();
        }
        self.known.push_back((roots, self.addresses.clone()));
    }

    fn clear(&mut self) {
        self.addresses.clear();
        self.bytes.clear();
        self.recent = 0;
    }

    /// Reads the pages that a caller's reads begin with, and those that probably follow.
    ///
    /// # Errors
    /// When the memory may not be read at all.
    pub(super) fn begin(&mut self, addresses: impl IntoIterator<Item = u64>) -> Result<(), Unread> {
        self.roots = addresses.into_iter().map(|address| address & !(PAGE - 1)).collect();
        let known = self.known.iter().rev().find(|(roots, _)| *roots == self.roots);
        let wanted: Vec<u64> = self.roots.iter().chain(known.into_iter().flat_map(|(_, pages)| pages)).copied().collect();
        self.prefetch(wanted)
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
        // in the order of the addresses, so that neighbours are; one that is not there ends the reading, and the rest is read when asked for
        wanted.sort_unstable();
        self.fetch(&wanted)
    }

    fn fetch(&mut self, pages: &[u64]) -> Result<(), Unread> {
        if pages.is_empty() {
            return Ok(());
        }
        if self.addresses.len() + pages.len() > PAGES_MAX {
            self.clear();
        }
        let mut pieces: Vec<Piece> = Vec::with_capacity(pages.len());
        for page in pages {
            match pieces.last_mut() {
                Some(piece) if piece.address.checked_add(piece.len as u64) == Some(*page) => piece.len += PAGE_LEN,
                _ => pieces.push(Piece { address: *page, len: PAGE_LEN }),
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::getpid;

    #[test]
    fn the_next_caller_with_the_same_beginning_needs_no_second_read() {
        let text = b"far away\0".to_vec();
        let roots = Box::new([1u8; 3 * PAGE_LEN]);
        let root = roots.as_ptr() as u64 + PAGE;
        let mut remote = Remote::new(getpid());
        let turn = |remote: &mut Remote| {
            remote.turn_to(getpid());
            remote.begin([root, root, 0]).unwrap();
            let at_once = remote.addresses.contains(&(text.as_ptr() as u64 & !(PAGE - 1)));
            let mut read = Vec::new();
            remote.string(text.as_ptr() as u64, 100, &mut read).unwrap();
            assert_eq!(read, b"far away");
            at_once
        };
        assert_eq!([turn(&mut remote), turn(&mut remote), turn(&mut remote)], [false, true, true]);
        // another beginning is nothing that is known
        remote.turn_to(getpid());
        remote.begin([root + PAGE, 0, 0]).unwrap();
        assert_eq!(remote.addresses.len(), 1);
        for other in 0..2 * KNOWN_MAX as u64 {
            remote.turn_to(getpid());
            remote.begin([root, other * PAGE, 0]).unwrap();
            assert!(remote.known.len() <= KNOWN_MAX);
        }
    }

    #[test]
    fn a_guess_that_is_wrong_takes_nothing_away() {
        let texts: Vec<Vec<u8>> = (0..4).map(|n| vec![b'a' + n; 2 * PAGE_LEN]).collect();
        let mut remote = Remote::new(getpid());
        remote.turn_to(getpid());
        let first = texts.iter().map(|text| text.as_ptr() as u64 + PAGE).collect::<Vec<_>>();
        // what is not there ends a read; the rest is read when it is asked for
        remote.known.push_back((vec![first[3] & !(PAGE - 1)], vec![PAGE, first[0] & !(PAGE - 1)]));
        remote.begin([first[3]]).unwrap();
        for (text, address) in texts.iter().zip(first) {
            assert_eq!(remote.tail(address).unwrap().first(), text.first());
        }
    }
}
