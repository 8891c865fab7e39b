//! What the keeper knows of a session whose program is not the shell: the file server's open files, the forwarder's connection.
//!
//! Both programs are untrusted as the shell is. What they ask is judged; what they tell can make the record say less or more; what they
//! cannot say in their session ends it.

mod files;
mod forwarding;

pub(crate) use files::{Files, unaskable};
pub(crate) use forwarding::{Forwarding, Near};

use portcullis_model::session::{Front, PtyRequest, Purpose};

/// The service of a session.
#[derive(Debug)]
pub(crate) enum Service {
    /// The shell: none of these.
    Shell,
    /// The file server.
    Files(Files),
    /// The forwarder.
    Forward(Forwarding),
}

impl Service {
    /// Of what a session was opened for; `near` may be forwarded to although it is this node's own.
    pub(crate) fn new(purpose: &Purpose, pty: Option<&PtyRequest>, near: Near) -> Self {
        match (purpose.front(pty), purpose) {
            (Front::Forward, Purpose::Forward(forward)) => Self::Forward(Forwarding::new(forward.clone(), near)),
            (Front::Files, _) => Self::Files(Files::default()),
            (Front::Shell | Front::Forward, _) => Self::Shell,
        }
    }

    /// Whether the client is to be told now that its connection stands; once.
    pub(crate) fn has_connected(&mut self) -> bool {
        match self {
            Self::Forward(forwarding) => forwarding.is_to_be_told(),
            Self::Shell | Self::Files(_) => false,
        }
    }

    /// Whether the session's bytes are carried, and not recorded: what they do is recorded instead.
    pub(crate) fn is_carried(&self) -> bool {
        !matches!(self, Self::Shell)
    }
}
