//! File operations over SFTP: reading is bounded by what the jail shows, writing by the set of writable folders.

use crate::{SINKS, WRITABLE};
use portcullis_sdk::table::may_write;
use portcullis_sdk::{FileOp, FileOpKind, Session, Verdict, allow, deny, quote};

/// Judges a file operation.
pub(crate) fn judge(session: &Session, operation: &FileOp) -> Verdict {
    let writes = match operation.kind {
        FileOpKind::Read | FileOpKind::List | FileOpKind::Stat => false,
        FileOpKind::Write | FileOpKind::Rename | FileOpKind::Remove | FileOpKind::MakeDirectory | FileOpKind::SetAttributes | FileOpKind::Link => true,
    };
    if !writes {
        return allow();
    }
    let outside = [Some(&operation.path), operation.to.as_ref()].into_iter().flatten().find(|path| !may_write(session, WRITABLE, path, b"/"));
    match outside {
        None => allow(),
        Some(path) => deny("file-write", &format!("{} is outside the home, /tmp and /u01", quote(path)), ""),
    }
}

/// Whether a line may open `target` for writing.
pub(crate) fn is_sink(session: &Session, target: &[u8], cwd: &[u8]) -> bool {
    SINKS.iter().any(|sink| sink.as_bytes() == target) || may_write(session, WRITABLE, target, cwd)
}
