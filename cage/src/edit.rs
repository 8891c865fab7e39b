//! `sudovi`: a file of root's, edited by a program that is not root's.
//!
//! An editor is a program in which one can say anything; as root it would be root's own shell. So it does not run as root:
//!
//! | step | what runs | as | the policy judges |
//! | --- | --- | --- | --- |
//! | 1 | `sudovi FILE` ([`front`]), which starts the others | the operator | its operand, as that of 2 and 4 |
//! | 2 | `sudovi-read FILE` ([`load`]): the file's content to its output | root | an exec of its own |
//! | 3 | vi, restricted, on a copy in the operator's home | the operator | an exec of its own: held to that copy, no network, starts nothing |
//! | 4 | `sudovi-write DIGEST FILE` ([`save`]): its input becomes the content, if the file still is what `DIGEST` says | root | an exec of its own |
//!
//! No step trusts the one before it, and nothing passes between them but bytes: whoever runs 2 or 4 by hand does no more than `sudovi`
//! does. Between 2 and 4 nobody of root's is there, so nothing of root's can be steered from inside the editor (CVE-2023-22809), and
//! 4 resolves the name anew, without links, and compares (CVE-2023-28486's and sudoedit's link races' kin).

pub mod front;
pub mod load;
pub mod save;

use sha2::{Digest as _, Sha256};

/// Most bytes of a file that is edited.
pub const SIZE_MAX: u64 = 16 * 1024 * 1024;
/// The exit status of `sudovi-read` for a file that is not there.
pub const NOT_THERE: u8 = 3;
/// The digest of a file that was not there.
pub const NEW: &[u8] = b"new";

/// What a content is known by.
#[must_use]
pub fn digest(content: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(content).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Reads all there is, if it is not too much.
fn read_all(from: impl std::io::Read) -> Result<Vec<u8>, crate::failure::Failure> {
    use std::io::Read as _;
    let mut content = Vec::new();
    from.take(SIZE_MAX + 1).read_to_end(&mut content)?;
    if content.len() as u64 > SIZE_MAX {
        return Err(crate::failure::Failure::Other(format!("it is larger than {} MiB, which is too large to be edited", SIZE_MAX / 1024 / 1024)));
    }
    Ok(content)
}
