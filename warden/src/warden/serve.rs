//! What the gateway wants, done.

use super::admission;
use super::gateway::{Call, GatewayError};
use super::grants::{Installed, RevokeError};
use super::sessions::{Phase, Session};
use super::start::{self, Keeper};
use super::sealing::Job;
use super::watch::Ready;
use super::{Settings, Warden};
use crate::chain::with_sources;
use crate::charge::{Charge, Order, Place, START_DEADLINE};
use crate::clock;
use anyhow::Context as _;
use portcullis_model::audit::{AuditEvent, Judges, Opening};
use portcullis_model::asking::{NotPut, SignedAnswer, VerifiedAnswer};
use portcullis_model::grant::{Ending, Revocation, SignedGrant, SignedRevocation};
use portcullis_model::id::{GrantId, SessionId};
use portcullis_model::policy::SignedPolicyAssignment;
use portcullis_model::receipt::{EndCause, Receipt, RevokeReceipt};
use portcullis_model::session::{Front, SessionFacts};
use portcullis_model::wire::PROTOCOL;
use portcullis_model::wire::warden::{FromWarden, OpenSession, ToWarden};
use portcullis_model::wish::Note;
use std::time::Instant;

/// Most sessions under one grant at a time.
pub(super) const SESSIONS_A_GRANT: usize = 16;
/// Messages of the gateway that are served before other work has its turn.
const CALLS_A_TURN: usize = 32;

/// What waits until its entry is in the audit log. A ticket is none once the gateway that gave it has gone.
#[derive(Debug)]
pub(super) enum Effect {
    /// The grant's sessions learn when it ends, the gateway that it is kept.
    Installed {
        ticket: Option<u64>,
        grant: GrantId,
    },
    /// A session is started.
    Start {
        ticket: Option<u64>,
        charge: Box<Charge>,
    },
    /// The gateway is told what a revocation did.
    Revoked {
        tickets: Vec<u64>,
        receipt: RevokeReceipt,
    },
    /// Other modules judge.
    Assign(SignedPolicyAssignment),
}

impl Effect {
    /// The gateway that waits for it has gone.
    pub(super) fn forget_ticket(&mut self) {
        match self {
            Self::Installed { ticket, .. } | Self::Start { ticket, .. } => *ticket = None,
            Self::Revoked { tickets, .. } => tickets.clear(),
            Self::Assign(_) => {}
        }
    }

    /// Gives the receipt of this grant's revocation, if it is that, to one more.
    fn joins(&mut self, revoked: &GrantId, ticket: u64) -> bool {
        match self {
            Self::Revoked { tickets, receipt } if receipt.grant == *revoked => {
                tickets.push(ticket);
                true
            }
            _ => false,
        }
    }

    /// The grant under which it starts a session, if it does.
    fn starts_under(&self) -> Option<&GrantId> {
        match self {
            Self::Start { charge, .. } => Some(&charge.facts.grant),
            Self::Installed { .. } | Self::Revoked { .. } | Self::Assign(_) => None,
        }
    }
}

impl Warden {
    /// Does what has waited for the audit log. A log that has failed ends all sessions: none is without evidence.
    pub(super) fn logged(&mut self) {
        for (effect, written) in self.ledger.done() {
            match (effect, written) {
                (Effect::Installed { ticket, grant }, Ok(())) => {
                    self.prolong(&grant);
                    ticket.into_iter().for_each(|ticket| self.say(&FromWarden::Installed { ticket }));
                }
                (Effect::Installed { ticket, .. }, Err(error)) => ticket.into_iter().for_each(|ticket| self.refuse(ticket, error.to_string())),
                (Effect::Start { ticket, charge }, Ok(())) => self.start(ticket, *charge),
                (Effect::Start { ticket, .. }, Err(error)) => ticket.into_iter().for_each(|ticket| self.refuse(ticket, error.to_string())),
                (Effect::Revoked { tickets, receipt }, Ok(())) => {
                    // not before it is on record: a receipt that is kept is given without another entry
                    if let Err(error) = self.grants.done(&receipt) {
                        tracing::error!(grant = %receipt.grant, error = with_sources(&error), "the receipt of a revocation cannot be kept");
                    }
                    for ticket in tickets {
                        self.say(&FromWarden::Revoked { ticket, receipt: receipt.clone() });
                    }
                }
                // it is in force, and done; only that it is so is not on record
                (Effect::Revoked { tickets, .. }, Err(error)) => tickets.into_iter().for_each(|ticket| self.refuse(ticket, error.to_string())),
                (Effect::Assign(assignment), Ok(())) => self.policies.assign(assignment),
                (Effect::Assign(_), Err(error)) => tracing::error!(%error, "a policy assignment is not taken"),
            }
        }
        if let Some(error) = self.ledger.failed()
            && !std::mem::replace(&mut self.unlogged, true)
        {
            tracing::error!(%error, "the audit log has failed: nothing is let in any more, and all sessions are ended");
            for keeper in self.sessions.filter(|_| true) {
                self.end_session(keeper, &EndCause::Fault(error.to_string()));
            }
        }
    }

    /// Serves what the gateway has sent. An error ends its connection.
    pub(super) fn gateway_calls(&mut self) -> Result<(), GatewayError> {
        for _ in 0..CALLS_A_TURN {
            let Some(gateway) = &mut self.gateway else { break };
            match gateway.hear(&mut self.intake)? {
                Call::Nothing => break,
                Call::Greet => self.greet(),
                Call::Want(message) => self.want(message),
            }
        }
        Ok(())
    }

    fn greet(&mut self) {
        let (target, role, layers) = (self.settings.target.clone(), self.settings.role, self.layers.clone());
        let pages = self.grants.pages();
        let grants = pages.iter().map(Vec::len).sum::<usize>();
        tracing::info!(grants, "the gateway is connected");
        self.say(&FromWarden::Hello { protocol: PROTOCOL, target, role, layers, grants: u32::try_from(grants).unwrap_or(u32::MAX) });
        for page in pages {
            self.say(&FromWarden::Kept(page));
        }
        self.policies.gateway_came();
    }

    fn want(&mut self, message: ToWarden) {
        match message {
            // refused where it is heard
            ToWarden::Hello { .. } => {}
            ToWarden::Install { ticket, grant } => self.install(ticket, grant),
            ToWarden::Open { ticket, open } => {
                let source = open.source.clone();
                if let Err(error) = self.open(ticket, *open) {
                    tracing::warn!(source, error = format!("{error:#}"), "a session is not opened");
                    self.refuse(ticket, format!("{error:#}"));
                }
            }
            ToWarden::Revoke { ticket, revocation } => self.revoke(ticket, revocation),
            ToWarden::End { session, cause } => self.end_one(&session, cause),
            ToWarden::Answer(answer) => self.answer(answer),
            ToWarden::NotPut { session, question, why } => {
                // a gateway's words do not fill a keeper's socket, through which its end is ordered too
                let why = match why {
                    NotPut::Refused(reason) => NotPut::Refused(reason.chars().take(200).collect()),
                    NotPut::ControllerAway => NotPut::ControllerAway,
                };
                self.tell_keeper(&session, &Order::NotPut { question, why });
            }
            ToWarden::Told { session, number, told } => self.tell_keeper(&session, &Order::Told { number, told: told.cut() }),
            ToWarden::Note { session, note } => self.tell_keeper(&session, &Order::Note(Note { news: note.news.cut(), ..note })),
            ToWarden::Policies(assignment) => self.assign(assignment),
            ToWarden::Module(chunk) => self.policies.module(&chunk),
        }
    }

    fn install(&mut self, ticket: u64, grant: SignedGrant) {
        let admitted = match self.grants.install(grant, clock::now()) {
            // one that is kept already is on record
            Ok(Installed::Known) => return self.say(&FromWarden::Installed { ticket }),
            Ok(Installed::News(id)) => {
                tracing::info!(grant = %id, "a grant is kept");
                self.grants.known(&id).map(|(grant, fingerprint)| (id, AuditEvent::admitted(grant, fingerprint.to_owned())))
            }
            Err(error) => {
                tracing::warn!(error = with_sources(&error), "a grant is not kept");
                return self.refuse(ticket, with_sources(&error));
            }
        };
        // it is always known now
        let Some((grant, event)) = admitted else { return };
        if let Err(error) = self.ledger.before(event, Effect::Installed { ticket: Some(ticket), grant }) {
            self.refuse(ticket, error.to_string());
        }
    }

    /// Puts an assignment that is the controller's on record, and then in force. What is not, is refused as before.
    fn assign(&mut self, signed: SignedPolicyAssignment) {
        let Some(assignment) = self.policies.news_in(&signed) else { return self.policies.assign(signed) };
        let modules = assignment.modules.iter().map(Judges::from).collect();
        let event = AuditEvent::PolicyAssigned { sequence: assignment.sequence, decided: assignment.at, modules };
        if let Err(error) = self.ledger.before(event, Effect::Assign(signed)) {
            tracing::error!(%error, "a policy assignment is not taken");
        }
    }

    /// Tells the sessions of a grant that it ends later than they know.
    fn prolong(&mut self, grant: &GrantId) {
        let Some((signed, end)) = self.grants.kept(grant).map(|(signed, end)| (signed.clone(), end)) else { return };
        for keeper in self.sessions.filter(|session| session.facts.grant == *grant && session.facts.end < end) {
            let Some(session) = self.sessions.get_mut(keeper) else { continue };
            match session.socket.send(&Order::Extended(signed.clone()), None) {
                Ok(()) => {
                    session.facts.end = end;
                    tracing::info!(session = %session.facts.id, "a session may go on for longer");
                }
                // it ends at the time that it knows, and its end is told by its descriptors
                Err(error) => tracing::warn!(session = %session.facts.id, %error, "a keeper cannot be told of a later end"),
            }
        }
    }

    fn open(&mut self, ticket: u64, mut open: OpenSession) -> anyhow::Result<()> {
        let now = clock::now();
        admission::check(&mut open)?;
        let grant = self.grants.usable(&open.grant, &open.key_fingerprint, now)?;
        // the role chooses the policy: a grant for another is not stretched to fit
        anyhow::ensure!(grant.role == self.settings.role, "the access is for a target of role {}, this node is a {}", grant.role, self.settings.role);
        anyhow::ensure!(self.stopping.is_none(), "the node is being stopped");
        let starting = self.ledger.waiting().filter_map(|effect| effect.starts_under().cloned()).collect::<Vec<_>>();
        let under = self.sessions.under(&grant.id) + starting.iter().filter(|id| **id == grant.id).count();
        anyhow::ensure!(under < SESSIONS_A_GRANT, "there are {SESSIONS_A_GRANT} sessions under this access already");
        anyhow::ensure!(self.sessions.len() + self.leaving.len() + starting.len() < self.settings.max_sessions, "this node runs as many sessions as it may");
        let mut entropy = [0; SessionId::ENTROPY];
        getrandom::fill(&mut entropy).context("no random numbers")?;
        let id = SessionId::from_entropy(entropy);
        let uid = if self.settings.root { grant.uid.get() } else { rustix::process::getuid().as_raw() };
        let facts = SessionFacts::new(id, grant, uid, open.source, open.key_fingerprint, now, open.pty.is_some());
        let folders = self.belongings.of(grant).context("no home for the session")?;
        let place = self.place_for(open.purpose.front(open.pty.as_ref()))?;
        let charge = Charge {
            folders,
            facts: facts.clone(),
            purpose: open.purpose,
            pty: open.pty,
            environment: open.environment,
            idle_timeout_s: grant.idle_timeout_s,
            controller: self.settings.controller.to_bytes(),
            layers: self.layers.clone(),
            place,
        };
        tracing::info!(session = %facts.id, grant = %facts.grant, operator = facts.operator, source = facts.source, client = open.client, "opening a session");
        let event = AuditEvent::SessionAdmitted { facts: Box::new(facts), purpose: Opening::from(&charge.purpose) };
        Ok(self.ledger.before(event, Effect::Start { ticket: Some(ticket), charge: Box::new(charge) })?)
    }

    /// Starts a session that is on record. What has changed since it was asked for counts.
    fn start(&mut self, ticket: Option<u64>, charge: Charge) {
        let facts = charge.facts.clone();
        let (Some(ticket), None) = (ticket, self.stopping) else {
            return self.unstarted(&facts, EndCause::Disconnect, "the gateway was gone, or the node was being stopped, before it started");
        };
        if let Err(error) = self.grants.usable(&facts.grant, &facts.key_fingerprint, clock::now()) {
            let why = with_sources(&error);
            self.unstarted(&facts, EndCause::Fault(why.clone()), &why);
            return self.refuse(ticket, why);
        }
        let Keeper { process, socket, client } = match start::start(&charge) {
            Ok(keeper) => keeper,
            Err(error) => {
                let why = format!("no keeper for the session: {}", with_sources(&error));
                tracing::warn!(session = %facts.id, why, "a session is not opened");
                self.unstarted(&facts, EndCause::Fault(why.clone()), &why);
                return self.refuse(ticket, why);
            }
        };
        let number = self.sessions.number();
        let watched = self.watch.add(&socket, Ready::Report(number)).and_then(|()| self.watch.add(&process, Ready::Death(number)));
        let phase = Phase::Starting { ticket, client, deadline: Instant::now() + START_DEADLINE };
        self.sessions.insert(number, Session { facts: Box::new(facts), keeper: process, socket, phase, jail: None, empty: None });
        if let Err(error) = watched {
            self.keeper_failed(number, &format!("it cannot be watched: {error}"));
        }
    }

    /// Puts on record that a session that was let in did not run.
    pub(super) fn unstarted(&mut self, facts: &SessionFacts, cause: EndCause, why: &str) {
        let (session, grant) = (facts.id.clone(), facts.grant.clone());
        let receipt = Receipt { session: session.clone(), grant, cause, killed: 0, survivors: vec![], micros: 0 };
        self.ledger.note(AuditEvent::ended(&receipt, None));
        self.sealing.begin(Job::Unstarted(session, why.chars().take(1000).collect()));
    }

    /// Where a session finds things that begins with this program.
    fn place_for(&self, front: Front) -> anyhow::Result<Place> {
        let Settings { place, sftp, forward, .. } = &self.settings;
        let program = match front {
            Front::Shell => &place.shell,
            Front::Files => sftp.as_ref().context("this node does not serve SFTP and scp")?,
            Front::Forward => forward.as_ref().context("this node does not forward connections")?,
        };
        Ok(Place { shell: program.clone(), ..place.clone() })
    }

    fn revoke(&mut self, ticket: u64, signed: SignedRevocation) {
        let since = Instant::now();
        let (revocation, kept) = match self.grants.revoke(signed) {
            Ok(revocation) => (revocation, Ok(())),
            Err(RevokeError::Unsigned(error)) => {
                tracing::warn!(error = with_sources(&error), "a revocation is not the controller's");
                return self.refuse(ticket, with_sources(&error));
            }
            Err(error @ RevokeError::NotKept { .. }) => {
                let text = with_sources(&error);
                let RevokeError::NotKept { revocation, .. } = error else { return };
                (*revocation, Err(text))
            }
        };
        let known = self.grants.receipt(&revocation.grant).is_some();
        let cause = match revocation.ending {
            Ending::Revoke => EndCause::Revoked,
            Ending::Close => EndCause::Closed,
            Ending::Expire => EndCause::Expired,
        };
        let Revocation { grant, request, at, by, reason, ending, .. } = revocation;
        tracing::info!(grant = %grant, "a grant is revoked");
        if let Some(receipt) = self.grants.receipt(&grant).cloned() {
            return self.say(&FromWarden::Revoked { ticket, receipt });
        }
        let answer = match &kept {
            Ok(()) => Some(ticket),
            // the sessions end all the same; the controller is to know and to say it again
            Err(text) => {
                tracing::error!(grant = %grant, error = text, "a revocation is not on the disk");
                self.refuse(ticket, text.clone());
                None
            }
        };
        if answer.is_some_and(|ticket| self.revocations.join(&grant, ticket) || self.ledger.waiting().any(|effect| effect.joins(&grant, ticket))) {
            return;
        }
        if !known {
            let by = by.chars().take(1000).collect();
            let reason = reason.chars().take(4000).collect();
            self.ledger.note(AuditEvent::GrantRevoked { grant: grant.clone(), request, by, reason, ending, decided: at });
        }
        let keepers = self.sessions.keepers_of(&grant);
        for keeper in &keepers {
            self.end_session(*keeper, &cause);
        }
        self.revocations.begin(grant, since, &keepers, answer);
        self.tell_revocations();
    }

    fn end_one(&mut self, session: &SessionId, cause: EndCause) {
        let cause = match cause {
            EndCause::Disconnect | EndCause::Shutdown => cause,
            EndCause::Fault(what) => EndCause::Fault(format!("gateway: {}", what.chars().take(200).collect::<String>())),
            // these are not the gateway's to say: a revocation is signed, time and idleness are measured here
            EndCause::Terminated | EndCause::Exit | EndCause::Revoked | EndCause::Closed | EndCause::Expired | EndCause::Idle | EndCause::PolicyWithdrawn => {
                EndCause::Terminated
            }
        };
        if let Some(keeper) = self.sessions.keeper_of(session) {
            self.end_session(keeper, &cause);
        }
    }

    /// Passes an answer to the session that it names. The keeper checks it again: it is what acts on it.
    fn answer(&mut self, signed: SignedAnswer) {
        match VerifiedAnswer::of(&signed, &self.settings.controller, &self.settings.target) {
            Ok(answer) => self.tell_keeper(&answer.answer().session.clone(), &Order::Answer(signed)),
            Err(error) => tracing::error!(error = with_sources(&error), "an answer is not the controller's"),
        }
    }

    fn tell_keeper(&mut self, session: &SessionId, order: &Order) {
        let keeper = self.sessions.keeper_of(session).and_then(|keeper| self.sessions.get_mut(keeper));
        match keeper.map(|session| session.socket.send(order, None)) {
            Some(Ok(())) => {}
            // its end is told by its descriptors
            Some(Err(error)) => tracing::warn!(%session, %error, "a keeper cannot be told of an answer"),
            None => tracing::info!(%session, "an answer for a session that does not run"),
        }
    }

    /// Tells the gateway of revocations that are done, and keeps their receipts.
    pub(super) fn tell_revocations(&mut self) {
        while let Some(done) = self.revocations.done() {
            let receipt = done.receipt;
            let (sessions, killed, survivors) = (receipt.sessions.len(), receipt.killed(), receipt.survivors());
            self.belongings.end(&receipt.grant);
            tracing::info!(grant = %receipt.grant, sessions, killed, survivors, micros = receipt.micros, "a revocation is done");
            let (event, tickets) = (AuditEvent::revoked(&receipt), done.tickets);
            if let Err(error) = self.ledger.before(event, Effect::Revoked { tickets: tickets.clone(), receipt }) {
                tickets.into_iter().for_each(|ticket| self.refuse(ticket, error.to_string()));
            }
        }
    }

    /// Answers that something is not done.
    pub(super) fn refuse(&mut self, ticket: u64, reason: String) {
        let reason = reason.chars().take(1000).collect();
        self.say(&FromWarden::Refused { ticket, reason });
    }
}
