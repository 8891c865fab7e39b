//! The evidence of one session: what was typed, shown, asked and decided, byte for byte, in the order in which it happened.
//!
//! [`Writer`] is used by the keeper, alone, while the session runs. Each call is one `write`, so that what a call returned
//! from is with the kernel and survives the end of the process; one helper thread takes it to the disk within
//! [`SYNC_INTERVAL`]. A writer that failed once fails for good, and the session with it: there is no session without evidence.
//!
//! [`Reader`] reads it back, strictly: the frames are numbered and chained by SHA-256, so a changed, dropped, repeated or
//! reordered frame is named, and a recording that was cut off is told from one that was closed. [`verify`], [`Summary`],
//! [`commands`] and [`Player`] are uses of it. [`close_orphan`] ends the recording of a keeper that died. The bytes of the file are described in `docs/recording-format.md`.
//!
//! Limits. The chain has no key: who can write the file and rebuilds the whole chain leaves no trace *in* it. What stands
//! against that is where the file is (a folder of root's), and the value of [`Sealed::head`] kept elsewhere.
//! Terminal bytes are as they were; only [`Player`] filters, because it writes to somebody's terminal.
#![forbid(unsafe_code)]

mod boot;
mod clock;
mod commands;
pub mod export;
mod filter;
#[cfg(test)]
#[path = "../tests/fixtures/mod.rs"]
mod fixtures;
mod format;
pub mod log;
mod manifest;
mod orphan;
mod play;
mod proof;
mod reader;
mod seal;
mod sealed;
mod space;
mod summary;
mod sync;
mod unstarted;
mod verify;
mod writer;

pub use boot::{boot_id, since_boot_ns};
pub use commands::{Command, Commands, Outcome, Verdict, commands};
pub use filter::Filter;
pub use format::{BadFrame, ChainHead, FILE_NAME, FORMAT_VERSION, PAYLOAD_MAX};
pub use manifest::{Chunk, MANIFEST_NAME, MANIFEST_VERSION, Manifest, ManifestError};
pub use orphan::{Orphan, OrphanError, close_orphan};
pub use play::{InvalidSpeed, Player, Speed, Step};
pub use proof::{Logged, RecordingCheck, RecordingFault, Register, Standing, check_all, check_recording, sessions_in};
pub use reader::{Body, Frame, ReadError, Reader, Tail};
pub use unstarted::{is_unstarted, set_aside};
pub use seal::{CHUNK_BYTES, CHUNK_TIME, SealError, seal, unplain};
pub use sealed::{ChunkError, Source};
pub use space::SPACE_RESERVE;
pub use summary::{Counts, Damage, Summary};
pub use sync::{SYNC_INTERVAL, SYNC_STALL};
pub use verify::{Verification, verify};
pub use writer::{Sealed, WriteError, Writer};

use portcullis_model::id::SessionId;
use std::path::{Path, PathBuf};

/// Where the recording of `session` is, under the folder of all evidence.
#[must_use]
pub fn path_of(evidence: &Path, session: &SessionId) -> PathBuf {
    evidence.join(session.as_str()).join(FILE_NAME)
}
