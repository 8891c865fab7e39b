//! What was moved of one file in one direction, counted and hashed as it is moved.

use portcullis_model::transfer::{ContentDigest, Moved};
use sha2::{Digest as _, Sha256};

/// Bytes after which the keeper is told again, so that a transfer that is cut is not recorded as nothing.
const TELL_EVERY: u64 = 8 * 1024 * 1024;

/// The meter of one direction.
#[derive(Debug)]
pub struct Meter {
    /// The number under which the file was opened.
    id: u32,
    offset: u64,
    bytes: u64,
    told: u64,
    /// None once bytes were moved out of their order.
    hash: Option<Sha256>,
}

impl Meter {
    /// For a file that was opened under this number.
    #[must_use]
    pub fn new(id: u32) -> Self {
        Self { id, offset: 0, bytes: 0, told: 0, hash: Some(Sha256::new()) }
    }

    /// The number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Takes note of bytes that were moved; says whether it is time to tell.
    pub fn add(&mut self, offset: u64, data: &[u8]) -> bool {
        if self.bytes == 0 {
            self.offset = offset;
        } else if offset != self.offset.saturating_add(self.bytes) {
            self.hash = None;
        }
        self.bytes += data.len() as u64;
        if let Some(hash) = &mut self.hash {
            hash.update(data);
        }
        let due = self.bytes - self.told >= TELL_EVERY;
        if due {
            self.told = self.bytes;
        }
        due
    }

    /// Says whether there is something that was not told, once.
    pub fn take_untold(&mut self) -> bool {
        std::mem::replace(&mut self.told, self.bytes) != self.bytes
    }

    /// What was moved is no longer what the file has: it was cut, or filled with zeros.
    pub fn disturb(&mut self) {
        self.hash = None;
    }

    /// What was moved so far.
    #[must_use]
    pub fn moved(&self) -> Moved {
        let sha256 = self.hash.clone().map(|hash| ContentDigest::new(hash.finalize().into()));
        Moved { offset: self.offset, bytes: self.bytes, sha256 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_in_their_order_have_a_digest_and_others_have_none() {
        let mut meter = Meter::new(1);
        assert_eq!(meter.moved().sha256.unwrap().to_string(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert!(!meter.add(10, b"a") && !meter.add(11, b"bc"));
        let moved = meter.moved();
        assert_eq!((moved.offset, moved.bytes), (10, 3));
        assert_eq!(moved.sha256.unwrap().to_string(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        meter.add(12, b"c");
        assert_eq!((meter.moved().bytes, meter.moved().sha256), (4, None));
    }

    #[test]
    fn a_large_transfer_is_told_now_and_then() {
        let mut meter = Meter::new(1);
        let piece = vec![0; 1024 * 1024];
        let told = (0..20_u64).filter(|n| meter.add(n * 1024 * 1024, &piece)).count();
        assert_eq!(told, 2);
    }
}
