//! Node and controller. The node dials; grants and revocations come down, receipts and reports go up. Each side numbers
//! nothing: every message can be repeated without harm, and on each connection the whole state is told anew.

use crate::action::Role;
use crate::grant::{SignedGrant, SignedRevocation};
use crate::id::{GrantId, SessionId};
use crate::layer::Layer;
use crate::receipt::{Receipt, RevokeReceipt};
use crate::session::{ExitStatus, SessionFacts};
use serde::{Deserialize, Serialize};

/// Most bytes of one message.
pub const MESSAGE_MAX: usize = 4 * 1024 * 1024;

/// From the controller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "type", content = "body")]
pub enum ToNode {
    /// All that is in force for this node, after its Hello: a grant that is not in it has ended.
    State {
        /// grants not ended
        grants: Vec<SignedGrant>,
        /// revocations that the node has not answered yet
        revocations: Vec<SignedRevocation>,
    },
    /// A new grant; answered by [`FromNode::Deployed`].
    Grant(SignedGrant),
    /// A revocation; answered by [`FromNode::Revoked`].
    Revoke(SignedRevocation),
    /// End one session; answered by [`FromNode::SessionEnded`].
    EndSession(SessionId),
}

/// From the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "type", content = "body")]
pub enum FromNode {
    /// The first message.
    Hello {
        /// [`PROTOCOL`](super::PROTOCOL)
        protocol: u32,
        /// the node's name
        target: String,
        /// its role
        role: Role,
        /// addresses on which its SSH server listens
        listen: Vec<String>,
        /// its host keys, in OpenSSH's one-line form
        host_keys: Vec<String>,
        /// its layers of enforcement
        layers: Vec<Layer>,
        /// sessions that run now
        sessions: Vec<SessionFacts>,
    },
    /// What became of a grant.
    Deployed {
        /// the grant
        grant: GrantId,
        /// why the node does not enforce it; none when it does
        error: Option<String>,
    },
    /// A revocation is done.
    Revoked(RevokeReceipt),
    /// A session started.
    SessionStarted(Box<SessionFacts>),
    /// A session ended.
    SessionEnded {
        /// the receipt
        receipt: Receipt,
        /// how its program ended
        exit: Option<ExitStatus>,
    },
}
