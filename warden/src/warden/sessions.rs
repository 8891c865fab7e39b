//! The sessions that run, each with its keeper, and what is known of each.

use crate::charge::{self, Order, Report};
use crate::packets::{Intake, Packets, PacketsError, Received};
use portcullis_model::id::{GrantId, SessionId};
use portcullis_model::receipt::EndCause;
use portcullis_model::session::SessionFacts;
use portcullis_jail::spawn::Child;
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Instant;

/// A session, from its keeper's start to its keeper's last report.
#[derive(Debug)]
pub(crate) struct Session {
    /// Its facts.
    pub(crate) facts: Box<SessionFacts>,
    /// Its keeper.
    pub(crate) keeper: Child,
    /// The keeper's socket.
    pub(crate) socket: Packets,
    /// Where it is in its life.
    pub(crate) phase: Phase,
    /// What there is to kill, once there is.
    pub(crate) jail: Option<JailHandle>,
    /// When its last process was gone.
    pub(crate) empty: Option<Instant>,
}

/// What the warden needs to kill a jail without its keeper.
#[derive(Debug)]
pub(crate) struct JailHandle {
    /// A pidfd of its init.
    pub(crate) init: OwnedFd,
    /// Its cgroup's folder.
    pub(crate) cgroup: Option<PathBuf>,
}

/// Where a session is in its life.
#[derive(Debug)]
pub(crate) enum Phase {
    /// The gateway waits for it.
    Starting {
        /// the gateway's number
        ticket: u64,
        /// the gateway's end of the session's socket
        client: OwnedFd,
        /// when it is given up
        deadline: Instant,
    },
    /// It runs.
    Running,
    /// It was told to end.
    Ending {
        /// why
        cause: EndCause,
        /// the gateway's number, when it was still starting
        ticket: Option<u64>,
        /// when it was told
        since: Instant,
    },
}

/// All sessions, by the number of their keeper: no two keepers ever have the same.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    all: HashMap<u64, Session>,
    next: u64,
}

impl Sessions {
    /// A number for the next keeper.
    pub(crate) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Puts a session down.
    pub(crate) fn insert(&mut self, number: u64, session: Session) {
        self.all.insert(number, session);
    }

    /// The session of a keeper.
    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut Session> {
        self.all.get_mut(&number)
    }

    /// Takes a session that has ended.
    pub(crate) fn remove(&mut self, number: u64) -> Option<Session> {
        self.all.remove(&number)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// How many there are under a grant.
    pub(crate) fn under(&self, grant: &GrantId) -> usize {
        self.all.values().filter(|session| session.facts.grant == *grant).count()
    }

    /// The keepers of a grant's sessions.
    pub(crate) fn keepers_of(&self, grant: &GrantId) -> Vec<u64> {
        self.all.iter().filter(|(_, session)| session.facts.grant == *grant).map(|(number, _)| *number).collect()
    }

    /// The keeper of a session.
    pub(crate) fn keeper_of(&self, id: &SessionId) -> Option<u64> {
        self.all.iter().find(|(_, session)| session.facts.id == *id).map(|(number, _)| *number)
    }

    /// The keepers of sessions that are like this.
    pub(crate) fn filter(&self, is_it: impl Fn(&Session) -> bool) -> Vec<u64> {
        self.all.iter().filter(|(_, session)| is_it(session)).map(|(number, _)| *number).collect()
    }

    /// When the next deadline of one of them is.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.all.values().filter_map(Session::deadline).min()
    }
}

impl Session {
    /// Tells the keeper to end the session, once. A keeper that cannot be told is found dead by its descriptors.
    pub(crate) fn order_end(&mut self, cause: &EndCause) {
        let ticket = match &self.phase {
            Phase::Ending { .. } => return,
            Phase::Starting { ticket, .. } => Some(*ticket),
            Phase::Running => None,
        };
        // the gateway's end of a session that was still starting is closed here
        self.phase = Phase::Ending { cause: cause.clone(), ticket, since: Instant::now() };
        if let Err(error) = self.socket.send(&Order::End(cause.clone()), None) {
            tracing::warn!(session = %self.facts.id, %error, "a keeper cannot be told to end");
        }
    }

    /// When it is given up, if something is waited for.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Starting { deadline, .. } => Some(*deadline),
            Phase::Running => None,
            // nothing of it has run
            Phase::Ending { since, ticket: Some(_), .. } => Some(*since + charge::UNSTARTED_DEADLINE),
            Phase::Ending { since, ticket: None, .. } => Some(*since + charge::REPORT_DEADLINE),
        }
    }

    /// Why it ends, if it was told to.
    pub(crate) fn cause(&self) -> Option<&EndCause> {
        match &self.phase {
            Phase::Ending { cause, .. } => Some(cause),
            Phase::Starting { .. } | Phase::Running => None,
        }
    }

    /// The gateway's number, if it still waits for the session to run.
    pub(crate) fn ticket(&self) -> Option<u64> {
        match &self.phase {
            Phase::Starting { ticket, .. } => Some(*ticket),
            Phase::Ending { ticket, .. } => *ticket,
            Phase::Running => None,
        }
    }

    /// Nobody waits for the session to run any more.
    pub(crate) fn forget_ticket(&mut self) {
        if let Phase::Ending { ticket, .. } = &mut self.phase {
            *ticket = None;
        }
    }

    /// The keeper's next report.
    pub(crate) fn report(&self, intake: &mut Intake) -> Result<Received<Report>, PacketsError> {
        self.socket.receive(intake)
    }
}
