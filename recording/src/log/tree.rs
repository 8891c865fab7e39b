//! The Merkle tree of RFC 6962: what one hash says about many entries.

use portcullis_model::digest::Digest;
use sha2::{Digest as _, Sha256};

/// The hash of an entry.
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Digest {
    Digest(Sha256::new().chain_update([0]).chain_update(entry).finalize().into())
}

/// The hash over two subtrees.
fn node_hash(left: &Digest, right: &Digest) -> Digest {
    Digest(Sha256::new().chain_update([1]).chain_update(left.0).chain_update(right.0).finalize().into())
}

/// The root of a tree over these leaves.
pub(crate) fn root_of(leaves: &[Digest]) -> Digest {
    let mut frontier = Frontier::default();
    leaves.iter().for_each(|leaf| frontier.push(*leaf));
    frontier.root()
}

/// What has to be remembered of a tree so that it can grow: its perfect subtrees, largest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// The height of each, and its hash.
    peaks: Vec<(u32, Digest)>,
}

impl Frontier {
    /// How many leaves it has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf, by its hash.
    pub fn push(&mut self, leaf: Digest) {
        self.push_perfect(0, leaf);
    }

    /// Adds a perfect subtree of 2^`height` leaves to a tree whose size is a multiple of that.
    pub(crate) fn push_perfect(&mut self, mut height: u32, mut hash: Digest) {
        self.size += 1 << height;
        while let Some((_, left)) = self.peaks.pop_if(|(other, _)| *other == height) {
            hash = node_hash(&left, &hash);
            height += 1;
        }
        self.peaks.push((height, hash));
    }

    /// The hash over all of it.
    #[must_use]
    pub fn root(&self) -> Digest {
        let mut peaks = self.peaks.iter().rev().map(|(_, hash)| *hash);
        let Some(last) = peaks.next() else { return Digest::of(b"") };
        peaks.fold(last, |right, left| node_hash(&left, &right))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The entries and roots with which implementations of RFC 6962 are tested.
    const ENTRIES: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];
    const ROOTS: [&str; 9] = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    #[test]
    fn roots_are_those_of_the_rfcs_test_vectors() {
        for size in 0..=ENTRIES.len() {
            let leaves: Vec<_> = ENTRIES[..size].iter().map(|entry| leaf_hash(entry)).collect();
            assert_eq!(root_of(&leaves).to_string(), ROOTS[size], "size {size}");
        }
    }

    /// The definition, word for word.
    fn defined(leaves: &[Digest]) -> Digest {
        match leaves {
            [] => Digest::of(b""),
            [only] => *only,
            many => {
                let split = many.len().next_power_of_two() / 2;
                node_hash(&defined(&many[..split]), &defined(&many[split..]))
            }
        }
    }

    #[test]
    fn it_grows_as_it_is_defined_also_by_whole_subtrees() {
        let leaves: Vec<_> = (0..1100_u32).map(|n| leaf_hash(&n.to_be_bytes())).collect();
        for size in [0, 1, 2, 3, 5, 255, 256, 257, 511, 512, 513, 768, 1024, 1100] {
            assert_eq!(root_of(&leaves[..size]), defined(&leaves[..size]), "size {size}");
            let mut by_tiles = Frontier::default();
            let (full, rest) = leaves[..size].as_chunks::<256>();
            full.iter().for_each(|tile| by_tiles.push_perfect(8, root_of(tile)));
            rest.iter().for_each(|leaf| by_tiles.push(*leaf));
            assert_eq!((by_tiles.root(), by_tiles.size()), (defined(&leaves[..size]), size as u64));
        }
    }
}
