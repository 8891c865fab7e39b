//! Sessions and subjects for the tests.

use portcullis_model::session::SessionFacts;
use portcullis_model::subject::{Exec, Subject};

/// A session under INFRA_DIAG on a target of role `role`.
pub(crate) fn session(role: &str) -> SessionFacts {
    session_under("INFRA_DIAG", role)
}

/// A session under `action` on a target of role `role`.
pub(crate) fn session_under(action: &str, role: &str) -> SessionFacts {
    SessionFacts {
        id: "s-0000000000000000".parse().unwrap(),
        grant: "g-0000000000000000".parse().unwrap(),
        request: "r-00000000".parse().unwrap(),
        ticket: "OPS-1".into(),
        operator: "ann".into(),
        account: "ann".into(),
        uid: 70_000,
        action: action.parse().unwrap(),
        target: "t".into(),
        role: role.parse().unwrap(),
        source: "127.0.0.1:1".into(),
        key_fingerprint: "SHA256:x".into(),
        start: portcullis_model::time::UnixMs(1),
        end: portcullis_model::time::UnixMs(2),
        tty: true,
    }
}

/// An exec of `path`, called by its name, with `args`.
pub(crate) fn exec(path: &str, args: &[&str]) -> Subject {
    let name = path.rsplit('/').next().unwrap_or_default();
    Subject::Exec(Exec {
        path: path.into(),
        argv: std::iter::once(&name).chain(args).map(|arg| arg.as_bytes().to_vec()).collect(),
        scripts: vec![],
        cwd: b"/home/ann".to_vec(),
        uid: 70_000,
        tty: true,
        parents: vec![b"bash".to_vec()],
        line: Some(b"x".to_vec()),
    })
}
