//! An action: a table of commands, and what else a session under it may do.

use crate::{files, forward, line};
use portcullis_sdk::{Description, Session, Subject, Table, Verdict, deny};

/// An action.
#[derive(Debug, Clone, Copy)]
pub struct Action {
    /// Its name.
    pub name: &'static str,
    /// What it is for, in one sentence.
    pub about: &'static str,
    /// The roles of targets that it is for.
    pub roles: &'static [&'static str],
    /// Its commands, and the folders and users of its sessions.
    pub table: &'static Table,
    /// Ports of other nodes that a client may have connections forwarded to.
    pub onward: &'static [u16],
}

impl Action {
    /// What a module for it says about itself.
    #[must_use]
    pub fn describe(&self, version: &str) -> Description {
        Description {
            name: self.name.into(),
            version: version.into(),
            action: self.name.into(),
            roles: self.roles.iter().map(|role| (*role).to_owned()).collect(),
            pure: true,
            allowed: [self.table.allowed(), crate::builtins::allowed()].concat(),
        }
    }

    /// Answers a question.
    #[must_use]
    pub fn judge(&self, session: &Session, subject: &Subject) -> Verdict {
        if !self.roles.contains(&session.role.as_str()) {
            return deny("role", "this action is not for nodes of this role", "");
        }
        match subject {
            Subject::Exec(exec) => self.table.judge_exec(session, exec),
            Subject::Line(line) => line::judge(self.table, session, line),
            Subject::File(operation) => files::judge(self.table, session, operation),
            Subject::Forward(connection) => forward::judge(self.onward, connection),
        }
    }
}
