//! The node's own books: which grants are in force here, which sessions run, what the controller is still to be told.
//!
//! One task owns them, and everything that can change them is one [`Event`]: what the controller says, what the warden
//! says, what became of a question to the warden, and the clock. Policy comes down, reports go up, and neither waits for
//! the other: questions to the warden run in tasks of their own, reports lie in the [`Outbox`] until they are sent.

mod alerts;
mod asks;
mod outbox;
mod policies;

pub use outbox::Outbox;

use crate::access::Access;
use crate::session::warden::{self, Warden};
use alerts::Alerts;
use asks::Asks;
use policies::Policies;
use ed25519_dalek::VerifyingKey;
use portcullis_model::action::Role;
use portcullis_model::grant::{Grant, SignedGrant, SignedRevocation};
use portcullis_model::id::{GrantId, SessionId};
use portcullis_model::layer::Layer;
use portcullis_model::receipt::{EndCause, RevokeReceipt};
use portcullis_model::session::SessionFacts;
use portcullis_model::time::UnixMs;
use portcullis_model::wire::PROTOCOL;
use portcullis_model::wire::link::{FromNode, ToNode};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, SystemTime};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Time from a revocation to the client's connection being cut, whether or not the warden has answered.
const CUT_AFTER: Duration = Duration::from_secs(5);
/// Receipts kept to be told again.
const RECEIPTS: usize = 1024;

/// What can change the books.
#[derive(Debug)]
pub enum Event {
    /// The controller said something.
    Controller(Box<ToNode>),
    /// A connection to the controller is up: it wants to be greeted.
    Greet(oneshot::Sender<FromNode>),
    /// There is no connection to the controller any more.
    Unlinked,
    /// The node is being stopped: its sessions end, and are told so, before their connections do.
    Stopping,
    /// The warden was asked to keep a grant.
    Installed {
        /// the grant
        grant: Box<Grant>,
        /// why it is not kept; none when it is
        error: Option<String>,
    },
}

/// What does not change while the gateway runs.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The node's name.
    pub target: String,
    /// Its role.
    pub role: Role,
    /// The controller's key.
    pub controller: VerifyingKey,
    /// Addresses of the SSH server.
    pub listen: Vec<String>,
    /// Its host keys, in OpenSSH's one-line form.
    pub host_keys: Vec<String>,
}

/// What others may see of the books.
#[derive(Debug, Clone)]
pub struct State {
    met: watch::Receiver<bool>,
    running: watch::Receiver<usize>,
}

impl State {
    /// Returns once the warden has been there.
    pub async fn warden_met(&self) {
        // books that are not kept any more meet nobody
        if self.met.clone().wait_for(|met| *met).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Returns once no session runs and the controller has been told everything.
    pub async fn settled(&self, outbox: &Outbox) {
        let _ = self.running.clone().wait_for(|running| *running == 0).await;
        outbox.emptied().await;
    }
}

/// The books and what they are kept with.
pub struct Node {
    identity: Identity,
    access: Access,
    warden: Warden,
    outbox: Outbox,
    events: mpsc::Sender<Event>,
    tasks: TaskTracker,
    layers: Vec<Layer>,
    sessions: BTreeMap<SessionId, SessionFacts>,
    /// Told by the controller, not yet done by the warden.
    revoking: HashMap<GrantId, SignedRevocation>,
    /// Done: told again whenever the controller asks again.
    receipts: VecDeque<RevokeReceipt>,
    policies: Policies,
    asks: Asks,
    alerts: Alerts,
    met: watch::Sender<bool>,
    running: watch::Sender<usize>,
}

/// The warden is another node's.
#[derive(Debug, thiserror::Error)]
#[error("the warden is of target {theirs} ({their_role}), the configuration of {ours} ({our_role})")]
pub struct WrongWarden {
    theirs: String,
    their_role: Role,
    ours: String,
    our_role: Role,
}

impl Node {
    /// Empty books, and the way to send them events.
    #[must_use]
    pub fn new(identity: Identity, access: Access, warden: Warden, outbox: Outbox) -> (Self, mpsc::Sender<Event>, mpsc::Receiver<Event>) {
        let (events, received) = mpsc::channel(1024);
        let tasks = TaskTracker::new();
        let policies = Policies::new(warden.clone(), outbox.clone(), &tasks);
        let alerts = Alerts::new(outbox.clone());
        let asks = Asks::new(warden.clone(), outbox.clone(), &tasks);
        let node = Self {
            identity,
            access,
            warden,
            outbox,
            events: events.clone(),
            tasks,
            layers: Vec::new(),
            sessions: BTreeMap::new(),
            revoking: HashMap::new(),
            receipts: VecDeque::new(),
            policies,
            asks,
            alerts,
            met: watch::Sender::new(false),
            running: watch::Sender::new(0),
        };
        (node, events, received)
    }

    /// What others may see of the books.
    #[must_use]
    pub fn state(&self) -> State {
        State { met: self.met.subscribe(), running: self.running.subscribe() }
    }

    /// Keeps the books until `stop`.
    ///
    /// # Errors
    /// [`WrongWarden`]: nothing that this gateway does would be right.
    pub async fn keep(
        mut self,
        mut received: mpsc::Receiver<Event>,
        mut from_warden: mpsc::Receiver<warden::Event>,
        stop: CancellationToken,
    ) -> Result<(), WrongWarden> {
        let mut clock = tokio::time::interval(Duration::from_secs(1));
        clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(event) = received.recv() => self.on_event(event),
                Some(event) = from_warden.recv() => self.on_warden(event)?,
                _ = clock.tick() => self.on_tick(),
            }
            self.running.send_replace(self.sessions.len());
        }
        self.tasks.close();
        Ok(())
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Controller(said) => match *said {
                ToNode::State { grants, revocations } => self.on_state(grants, revocations),
                ToNode::Grant(grant) => self.on_grant(grant),
                ToNode::Revoke(revocation) => self.on_revoke(revocation),
                ToNode::EndSession(session) => self.end_session(session, EndCause::Terminated),
                ToNode::Policies(assignment) => self.policies.assigned(assignment),
                ToNode::Answer(answer) => self.asks.answered(answer),
                ToNode::Told { session, number, told } => self.asks.told(session, number, told),
                ToNode::AlertTaken { session, number } => self.alerts.taken(&session, number),
                ToNode::Note { session, note } => self.asks.note(session, note),
                ToNode::NotPut { session, question, why } => self.asks.not_put(session, question, why),
                ToNode::Module(chunk) => self.policies.came(chunk),
            },
            Event::Greet(reply) => {
                // a connection that has gone meanwhile greets again
                let _ = reply.send(self.greeting());
                self.policies.greeted();
                self.asks.linked();
                self.alerts.linked();
            }
            Event::Unlinked => self.asks.unlinked(),
            Event::Stopping => {
                for session in self.sessions.keys().cloned() {
                    self.end_session(session, EndCause::Shutdown);
                }
            }
            Event::Installed { grant, error } => {
                let id = grant.id.clone();
                if error.is_none() && !self.is_revoked(&id) {
                    tracing::info!(grant = %id, request = %grant.request, account = %grant.account, "grant in force");
                    self.access.admit(*grant);
                }
                self.outbox.push(FromNode::Deployed { grant: id, error });
            }
        }
    }

    fn on_warden(&mut self, event: warden::Event) -> Result<(), WrongWarden> {
        match event {
            warden::Event::Up(about) => self.on_warden_up(*about)?,
            warden::Event::Down => {
                // keepers outlive nothing: the warden ends them, or the kernel does
                let gone = std::mem::take(&mut self.sessions);
                self.asks.warden_gone();
                tracing::error!(sessions = gone.len(), "no session opens until the warden is back");
            }
            warden::Event::Started(facts) => {
                tracing::info!(session = %facts.id, request = %facts.request, operator = %facts.operator, source = %facts.source, "session started");
                self.sessions.insert(facts.id.clone(), (*facts).clone());
                self.outbox.push(FromNode::SessionStarted(facts));
            }
            warden::Event::Ended { receipt, exit } => {
                tracing::info!(session = %receipt.session, cause = ?receipt.cause, killed = receipt.killed, survivors = receipt.survivors.len(), "session ended");
                self.sessions.remove(&receipt.session);
                self.asks.session_ended(&receipt.session);
                if matches!(receipt.cause, EndCause::Revoked | EndCause::Closed | EndCause::Expired) {
                    self.access.bar(&receipt.grant);
                    self.access.cut(&receipt.grant);
                }
                self.outbox.push(FromNode::SessionEnded { receipt, exit });
            }
            warden::Event::Asked(asked) => self.asks.asked(asked),
            warden::Event::Wish { session, number, wish } => self.asks.wished(session, number, wish),
            warden::Event::Alert(alert) => self.alerts.raised(alert),
            warden::Event::Noted { session, number } => self.outbox.push(FromNode::Noted { session, number }),
            warden::Event::AskOver { session, question, end } => self.asks.over(session, question, end),
            warden::Event::WantModule(digest) => self.policies.wanted(digest),
            warden::Event::Policies(state) => self.policies.told(state),
            warden::Event::Trial(report) => self.outbox.push(FromNode::Trial(report)),
            warden::Event::Revoked(receipt) => self.on_revoked(receipt),
            warden::Event::NotRevoked { grant, reason } => {
                // the grant stays barred here; the controller asks again
                tracing::error!(%grant, %reason, "the warden did not revoke");
            }
        }
        Ok(())
    }

    fn on_warden_up(&mut self, about: warden::About) -> Result<(), WrongWarden> {
        if about.target != self.identity.target || about.role != self.identity.role {
            let Identity { target, role, .. } = &self.identity;
            return Err(WrongWarden { theirs: about.target, their_role: about.role, ours: target.clone(), our_role: *role });
        }
        self.layers = about.layers;
        for signed in about.grants {
            match self.check(&signed) {
                Ok(grant) if self.is_revoked(&grant.id) => {}
                Ok(grant) => self.access.admit(grant),
                Err(error) => tracing::warn!(error = %crate::chain(&error), "the warden keeps a grant that does not verify here"),
            }
        }
        for (grant, revocation) in self.revoking.clone() {
            self.ask_to_revoke(grant, revocation);
        }
        self.policies.warden_up();
        tracing::info!(grants = self.access.all().len(), "the warden is there");
        self.met.send_replace(true);
        Ok(())
    }

    fn on_tick(&mut self) {
        self.asks.tick();
        for grant in self.access.expire() {
            tracing::info!(%grant, "grant expired");
            self.cut_later(grant);
        }
    }

    /// All that is in force: what is not in it has ended.
    fn on_state(&mut self, grants: Vec<SignedGrant>, revocations: Vec<SignedRevocation>) {
        let stated: Vec<_> = grants.iter().filter_map(|signed| self.check(signed).ok()).map(|grant| grant.id).collect();
        for known in self.access.all() {
            if !stated.contains(&known.id) {
                tracing::warn!(grant = %known.id, "the controller does not know this grant any more: it ends");
                self.access.bar(&known.id);
                self.end_sessions_of(&known.id);
                self.cut_later(known.id.clone());
            }
        }
        for grant in grants {
            self.on_grant(grant);
        }
        for revocation in revocations {
            self.on_revoke(revocation);
        }
    }

    fn on_grant(&mut self, signed: SignedGrant) {
        let grant = match self.check(&signed) {
            Ok(grant) => grant,
            Err(error) => {
                // whose it is cannot be said: nothing in it can be believed
                tracing::error!(error = %crate::chain(&error), "a grant from the controller does not verify");
                return;
            }
        };
        if self.is_revoked(&grant.id) {
            self.outbox.push(FromNode::Deployed { grant: grant.id, error: Some("it is revoked here".to_owned()) });
            return;
        }
        let (warden, events) = (self.warden.clone(), self.events.clone());
        self.tasks.spawn(async move {
            let error = warden.install(signed).await.err().map(|error| error.to_string());
            if let Some(error) = &error {
                tracing::error!(grant = %grant.id, %error, "the warden does not take a grant");
            }
            let _ = events.send(Event::Installed { grant: Box::new(grant), error }).await;
        });
    }

    fn on_revoke(&mut self, signed: SignedRevocation) {
        let revocation = match signed.verify(&self.identity.controller, &self.identity.target) {
            Ok(revocation) => revocation,
            Err(error) => {
                tracing::error!(error = %crate::chain(&error), "a revocation from the controller does not verify");
                return;
            }
        };
        if let Some(done) = self.receipts.iter().find(|receipt| receipt.grant == revocation.grant) {
            self.outbox.push(FromNode::Revoked(done.clone()));
            return;
        }
        tracing::info!(grant = %revocation.grant, by = %portcullis_model::bytes::printable(revocation.by.as_bytes()), "revoking");
        self.access.bar(&revocation.grant);
        self.revoking.insert(revocation.grant.clone(), signed.clone());
        self.cut_later(revocation.grant.clone());
        self.ask_to_revoke(revocation.grant, signed);
    }

    fn ask_to_revoke(&self, grant: GrantId, signed: SignedRevocation) {
        let warden = self.warden.clone();
        self.tasks.spawn(async move {
            if let Err(error) = warden.revoke(grant.clone(), signed).await {
                tracing::error!(%grant, %error, "cannot revoke yet");
            }
        });
    }

    fn on_revoked(&mut self, receipt: RevokeReceipt) {
        tracing::info!(grant = %receipt.grant, killed = receipt.killed(), survivors = receipt.survivors(), micros = receipt.micros, "revoked");
        self.revoking.remove(&receipt.grant);
        self.access.bar(&receipt.grant);
        self.access.cut(&receipt.grant);
        if self.receipts.len() == RECEIPTS {
            self.receipts.pop_front();
        }
        self.receipts.push_back(receipt.clone());
        self.outbox.push(FromNode::Revoked(receipt));
    }

    fn is_revoked(&self, grant: &GrantId) -> bool {
        self.revoking.contains_key(grant) || self.receipts.iter().any(|receipt| receipt.grant == *grant)
    }

    fn end_sessions_of(&mut self, grant: &GrantId) {
        let of: Vec<_> = self.sessions.values().filter(|facts| facts.grant == *grant).map(|facts| facts.id.clone()).collect();
        for session in of {
            self.end_session(session, EndCause::Revoked);
        }
    }

    fn end_session(&self, session: SessionId, cause: EndCause) {
        let warden = self.warden.clone();
        self.tasks.spawn(async move {
            if let Err(error) = warden.end(session.clone(), cause).await {
                tracing::error!(%session, %error, "cannot end a session");
            }
        });
    }

    fn cut_later(&self, grant: GrantId) {
        let access = self.access.clone();
        self.tasks.spawn(async move {
            tokio::time::sleep(CUT_AFTER).await;
            let cut = access.cut(&grant);
            if cut > 0 {
                tracing::warn!(%grant, connections = cut, "connections were still there and are cut");
            }
        });
    }

    fn check(&self, signed: &SignedGrant) -> Result<Grant, portcullis_model::grant::GrantError> {
        let grant = signed.verify(&self.identity.controller, &self.identity.target)?;
        if grant.not_after <= UnixMs::from_system(SystemTime::now()) {
            return Err(portcullis_model::grant::GrantError::NotLive(grant.id));
        }
        Ok(grant)
    }

    fn greeting(&self) -> FromNode {
        FromNode::Hello {
            protocol: PROTOCOL,
            target: self.identity.target.clone(),
            role: self.identity.role,
            listen: self.identity.listen.clone(),
            host_keys: self.identity.host_keys.clone(),
            layers: self.layers.clone(),
            sessions: self.sessions.values().cloned().collect(),
        }
    }
}

#[cfg(test)]
mod tests;
