//! The audit log of one node: a Merkle tree over its entries, in the layout of C2SP's tlog-tiles, so that one signed line stands
//! for all of them.
//!
//! [`Book`] writes it, [`Pages`] reads it, [`check`] checks it. The hashes are those of RFC 6962; checkpoints and keys are signed notes
//! (c2sp.org/signed-note, c2sp.org/tlog-checkpoint), and another node's cosignature is one of c2sp.org/tlog-cosignature. The files are
//! described in `docs/audit.md`.
//!
//! Limits. The signing key is on the node: who is root there can sign another history of it. What stands against that is a
//! checkpoint that somebody else has seen: two of one size that differ, or a smaller one that the larger does not contain, prove
//! it. Without a copy elsewhere the log proves what accidents and lesser users did.

mod book;
mod check;
mod export;
mod note;
mod pages;
mod place;
mod tree;

pub use book::{Book, BookError, Opened};
pub use check::{Kept, LogCheck, LogFault, check};
pub use export::{ExportError, export, root_at};
pub use note::{Checkpoint, KeyError, LogKey, NoteError, VerifierKey, cosign, open_checkpoint, open_cosigned};
pub use pages::{Page, Pages, PagesError};
pub use place::{CHECKPOINT, KEY};
pub use tree::{Frontier, leaf_hash};
