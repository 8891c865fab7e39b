//! Policies, carried: what the controller says goes to the warden, what the warden says to the controller. Nothing of it is
//! believed or looked into here, and everything is told again to whoever was away.

use super::Outbox;
use crate::session::warden::Warden;
use portcullis_model::id::PolicyDigest;
use portcullis_model::policy::{PolicyState, SignedPolicyAssignment};
use portcullis_model::wire::link::{FromNode, ModuleChunk};
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

/// Parts on their way to the warden: a little more than the largest module has.
const QUEUE: usize = 40;

/// One thing on its way to the warden: they stay in their order.
#[derive(Debug)]
enum Load {
    Assignment(SignedPolicyAssignment),
    Part(ModuleChunk),
}

/// What is known of them.
#[derive(Debug)]
pub(super) struct Policies {
    outbox: Outbox,
    loads: mpsc::Sender<Load>,
    /// The controller's last word, for a warden that comes later.
    assignment: Option<SignedPolicyAssignment>,
    /// The warden's last words, for a controller that comes later.
    state: Option<PolicyState>,
    wanted: Option<PolicyDigest>,
}

impl Policies {
    /// Nothing yet. Starts the task that carries things to the warden.
    pub(super) fn new(warden: Warden, outbox: Outbox, tasks: &TaskTracker) -> Self {
        let (loads, mut waiting) = mpsc::channel(QUEUE);
        tasks.spawn(async move {
            while let Some(load) = waiting.recv().await {
                let carried = match load {
                    Load::Assignment(assignment) => warden.policies(assignment).await,
                    Load::Part(chunk) => warden.module(chunk).await,
                };
                if let Err(error) = carried {
                    tracing::error!(%error, "policies are not passed on");
                }
            }
        });
        Self { outbox, loads, assignment: None, state: None, wanted: None }
    }

    /// The controller says which modules are to judge.
    pub(super) fn assigned(&mut self, assignment: SignedPolicyAssignment) {
        self.assignment = Some(assignment.clone());
        self.carry(Load::Assignment(assignment));
    }

    /// A part of a module came.
    pub(super) fn came(&self, chunk: ModuleChunk) {
        self.carry(Load::Part(chunk));
    }

    fn carry(&self, load: Load) {
        // a module with a part missing is given up by the warden, and wanted again; an assignment is said again
        if self.loads.try_send(load).is_err() {
            tracing::error!("the warden does not take policies as fast as the controller sends them");
        }
    }

    /// The warden is there: it may be another one.
    pub(super) fn warden_up(&mut self) {
        self.wanted = None;
        if let Some(assignment) = self.assignment.clone() {
            self.carry(Load::Assignment(assignment));
        }
    }

    /// The warden lacks a module.
    pub(super) fn wanted(&mut self, digest: PolicyDigest) {
        self.wanted = Some(digest);
        self.outbox.push(FromNode::WantModule(digest));
    }

    /// The warden says what judges.
    pub(super) fn told(&mut self, state: PolicyState) {
        if let Some(error) = &state.error {
            tracing::error!(error = %portcullis_model::bytes::printable(error.as_bytes()), sequence = state.sequence, "policies are not as the controller wants them");
        }
        self.wanted = self.wanted.filter(|digest| !state.held.contains(digest));
        self.state = Some(state.clone());
        self.outbox.push(FromNode::Policies(state));
    }

    /// A link to the controller begins: what was said on the last one is said again, after the Hello.
    pub(super) fn greeted(&self) {
        if let Some(state) = &self.state {
            self.outbox.push(FromNode::Policies(state.clone()));
        }
        if let Some(digest) = self.wanted {
            self.outbox.push(FromNode::WantModule(digest));
        }
    }
}
