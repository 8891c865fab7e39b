//! What is held tighter, or runs as another user: each row names one of these. The path sets say what the kernel then enforces,
//! and the arguments of a row are judged by the same sets, so that the two cannot differ.

use portcullis_sdk::confine::Reach;
use portcullis_sdk::{Children, Confine, PathSet};

/// The system's logs.
pub(crate) const LOGS: PathSet = PathSet(&["/var/log"]);
/// Where copies go: what the session has to itself.
pub(crate) const OWN: PathSet = PathSet(&["/tmp", PathSet::HOME]);
/// Variables that steer no program: root's processes get no others from the session.
pub(crate) const PLAIN_ENVIRONMENT: &[&str] = &["COLUMNS", "LANG", "LC_ALL", "LC_CTYPE", "LC_MESSAGES", "LC_TIME", "LINES", "PATH", "TERM", "TZ"];
/// To read what belongs to others.
const READS: &[&str] = &["CAP_DAC_READ_SEARCH"];

/// Root for one program that starts no other, has no network and writes nothing.
pub(crate) const ROOT: Confine = Confine::as_user("root")
    .writes(&[PathSet::SINKS])
    .executes(&[PathSet::PROGRAMS])
    .children(Children::Forbidden)
    .network(Reach::None)
    .environment(PLAIN_ENVIRONMENT);

/// Root that reads one set and writes nothing.
pub(crate) const fn root_reads(sets: &'static [PathSet]) -> Confine {
    ROOT.reads(sets).capabilities(READS)
}

/// Root that reads some sets and copies into others, which are the session's own.
pub(crate) const fn root_copies(read: &'static [PathSet], write: &'static [PathSet]) -> Confine {
    ROOT.reads(read).writes(write).capabilities(READS)
}

/// The session's own user, with helpers of the program's that nobody is asked about.
pub(crate) const WITH_HELPERS: Confine = Confine::NOTHING.children(Children::Trusted);
