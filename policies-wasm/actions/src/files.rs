//! File operations over SFTP: reading is bounded by what the jail shows, writing by the set of writable folders.

use crate::programs::writable;
use portcullis_sdk::{FileOp, FileOpKind, Session, Table, Verdict, allow, deny, quote};

/// What a line may open for writing beside that; none of it keeps anything.
const SINKS: &[&str] = &["/dev/null", "/dev/tty", "/dev/stdout", "/dev/stderr"];

/// Judges a file operation.
pub(crate) fn judge(table: &Table, session: &Session, operation: &FileOp) -> Verdict {
    let writes = match operation.kind {
        FileOpKind::Read | FileOpKind::List | FileOpKind::Stat => false,
        FileOpKind::Write | FileOpKind::Rename | FileOpKind::Remove | FileOpKind::MakeDirectory | FileOpKind::SetAttributes | FileOpKind::Link => true,
    };
    if !writes {
        return allow();
    }
    let outside = [Some(&operation.path), operation.to.as_ref()].into_iter().flatten().find(|path| !table.may_write(session, path, b"/"));
    match outside {
        None => allow(),
        Some(path) => deny("file-write", &format!("{} is outside {}", quote(path), writable(table, session)), ""),
    }
}

/// Whether a line may open `target` for writing.
pub(crate) fn is_sink(table: &Table, session: &Session, target: &[u8], cwd: &[u8]) -> bool {
    SINKS.iter().any(|sink| sink.as_bytes() == target) || table.may_write(session, target, cwd)
}
