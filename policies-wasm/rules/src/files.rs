//! File operations over SFTP, and forwarded connections.

use crate::pattern::{Place, in_folders, matches};
use portcullis_profile::Profile;
use portcullis_sdk::{Denial, FileOp, FileOpKind, Forward, Session, quote};

/// Judges a file operation: reading in the folders to read and to write, everything else in those to write.
pub(crate) fn file(profile: &Profile, session: &Session, operation: &FileOp) -> Result<(), Denial> {
    let place = Place { session, cwd: b"/" };
    let reads = matches!(operation.kind, FileOpKind::Read | FileOpKind::List | FileOpKind::Stat);
    let allowed = |path: &[u8]| in_folders(&profile.files_write, path, place) || reads && in_folders(&profile.files_read, path, place);
    let outside = [Some(&operation.path), operation.to.as_ref()].into_iter().flatten().find(|path| !allowed(path));
    let Some(path) = outside else { return Ok(()) };
    let (rule, what) = if reads { ("file-read", "fetched from") } else { ("file-write", "changed in") };
    Err(Denial { rule: rule.to_owned(), reason: format!("{} is outside of the folders that files may be {what}", quote(path)), hint: String::new() })
}

/// Judges a forwarded connection.
pub(crate) fn forward(profile: &Profile, session: &Session, forward: &Forward) -> Result<(), Denial> {
    let place = Place { session, cwd: b"/" };
    let port = forward.port.to_string();
    if profile.forward.iter().any(|(host, number)| matches(host, forward.host.as_bytes(), place) && matches(number, port.as_bytes(), place)) {
        return Ok(());
    }
    let reason = format!("connections to {}:{port} are not forwarded", quote(forward.host.as_bytes()));
    Err(Denial { rule: "forward".to_owned(), reason, hint: String::new() })
}
