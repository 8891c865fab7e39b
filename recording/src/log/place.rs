//! Where the parts of a log are, below its folder: the names of C2SP's tlog-tiles.

use std::path::{Path, PathBuf};

/// Hashes in a full tile, and entries in a full bundle.
pub(crate) const WIDTH: usize = 256;
/// The newest signed checkpoint.
pub const CHECKPOINT: &str = "checkpoint";
/// The key that the checkpoint is signed with, as a signed note's verifier key.
pub const KEY: &str = "log.vkey";
/// The bundle that is not full yet, on a node. In an export it is a partial bundle instead.
pub(crate) const TAIL: &str = "tail";

/// The `index`-th tile of hashes at `level`.
pub(crate) fn tile(folder: &Path, level: u32, index: u64) -> PathBuf {
    folder.join("tile").join(level.to_string()).join(number(index))
}

/// The `index`-th bundle of entries.
pub(crate) fn bundle(folder: &Path, index: u64) -> PathBuf {
    folder.join("tile").join("entries").join(number(index))
}

/// The part of a tile or bundle that has `width` of its hashes or entries.
pub(crate) fn partial(full: &Path, width: usize) -> PathBuf {
    let mut name = full.file_name().unwrap_or_default().to_owned();
    name.push(".p");
    full.with_file_name(name).join(width.to_string())
}

/// A number in groups of three digits, each but the last marked: 1234067 is `x001/x234/067`.
fn number(index: u64) -> String {
    let mut text = format!("{:03}", index % 1000);
    let mut rest = index / 1000;
    while rest > 0 {
        text = format!("x{:03}/{text}", rest % 1000);
        rest /= 1000;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_specification() {
        let folder = Path::new("log");
        assert_eq!(tile(folder, 0, 5), Path::new("log/tile/0/005"));
        assert_eq!(tile(folder, 3, 1_234_067), Path::new("log/tile/3/x001/x234/067"));
        assert_eq!(bundle(folder, 1000), Path::new("log/tile/entries/x001/000"));
        assert_eq!(partial(&bundle(folder, 273), 112), Path::new("log/tile/entries/273.p/112"));
    }
}
