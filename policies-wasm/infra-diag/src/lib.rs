//! INFRA_DIAG: look, do not touch. For targets of role `cps`.
//!
//! | subject | what is judged | what is left to others |
//! | --- | --- | --- |
//! | `exec` | the image by its canonical path, the name that it is called by, all of its arguments | what a program reads and writes: the jail's mounts. Its children: the next exec |
//! | `line` | every simple command: built-ins (no exec follows them), programs with literal arguments, redirections | arguments that are not literal: the exec |
//! | `file` | writing stays in the home, `/tmp` and `/u01` | what is visible: the jail's mounts |
//! | `forward` | refused | |
//!
//! The line is judged for the operator: the whole of it is refused at once, with a reason. The exec is judged for the customer.
//! Nothing here is a limit on what bash itself computes, only on what it starts.
//!
//! Programs that can start others on request (vim, less, top) are allowed as far as their options do not ask for it: `:!sh` in vim
//! is an exec like any other and refused as such. Programs that exist to run code (shells, awk, python) are refused.

mod builtins;
mod files;
mod line;
mod programs;

use portcullis_sdk::{Description, Guest, PathSet, Session, Subject, Table, Verdict, deny};

/// What may be written beside the home: scratch space and the exchange area of the role.
const WRITABLE: PathSet = PathSet(&["/tmp", "/u01"]);
/// What may be opened for writing beside that; none of it keeps anything.
const SINKS: &[&str] = &["/dev/null", "/dev/tty", "/dev/stdout", "/dev/stderr"];

/// The programs of this action.
pub const TABLE: Table = Table {
    programs: programs::ALL,
    folders: &["/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/local/bin", "/usr/local/sbin"],
    interpreters: &[
        "ash", "awk", "bash", "busybox", "csh", "dash", "expect", "fish", "gawk", "guile", "irb", "java", "jjs", "julia", "ksh", "lua", "luajit", "m4", "make",
        "mawk", "mksh", "nawk", "node", "nodejs", "ocaml", "octave", "original-awk", "perl", "php", "pwsh", "python", "R", "rbash", "Rscript", "ruby", "sh", "tclsh", "wish",
        "zsh",
    ],
    help: "allowed",
};

/// The module.
#[derive(Debug)]
pub struct InfraDiag;

impl Guest for InfraDiag {
    fn describe() -> Description {
        Description {
            name: "INFRA_DIAG".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            action: "INFRA_DIAG".into(),
            roles: vec!["cps".into()],
            pure: true,
            allowed: [TABLE.allowed(), builtins::allowed()].concat(),
        }
    }

    fn judge(session: Session, subject: Subject) -> Verdict {
        match subject {
            Subject::Exec(exec) => TABLE.judge_exec(&session, &exec),
            Subject::Line(line) => line::judge(&session, &line),
            Subject::File(operation) => files::judge(&session, &operation),
            Subject::Forward(_) => deny("forward", "connections are not forwarded in this action", ""),
        }
    }
}

portcullis_sdk::export!(InfraDiag);

#[cfg(test)]
mod tests;
