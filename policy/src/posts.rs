//! Which module judges what: the one table that every question looks at.
//!
//! A [`Post`] is what judges one action on one role. All posts together are swapped at once, so a question sees all of one
//! assignment or all of the other; the one that is being answered ends with the module that it began with. A judge that waits for
//! its warden has no table at all, and answers nobody until it is told.

use crate::module::Module;
use crate::modules::Modules;
use crate::trial::Trial;
use arc_swap::ArcSwapOption;
use portcullis_model::action::{Action, Role};
use portcullis_model::bytes::printable;
use portcullis_model::id::{PolicyDigest, SessionId};
use portcullis_model::policy::{Assigned, Enforced, PolicyAssignment};
use portcullis_model::time::UnixMs;
use portcullis_model::wire::policies::EndedTrial;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;

/// What judges one action on one role.
#[derive(Debug)]
pub(crate) struct Post {
    active: Option<Arc<Module>>,
    trial: Option<Arc<Trial>>,
}

/// What answers one session, as long as nothing changes.
#[derive(Debug, Clone)]
pub(crate) struct Bench {
    /// Whose answer counts; none: everything is denied.
    pub(crate) decides: Option<Arc<Module>>,
    /// Who answers beside it, without effect.
    pub(crate) beside: Option<Beside>,
}

/// A module that answers without effect, for a trial.
#[derive(Debug, Clone)]
pub(crate) struct Beside {
    /// The trial.
    pub(crate) trial: Arc<Trial>,
    /// The module to ask.
    pub(crate) module: Arc<Module>,
    /// Which of the two it is.
    pub(crate) side: Side,
}

/// The two modules of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// The one in force.
    Active,
    /// The one on trial.
    Candidate,
}

impl Post {
    /// Who answers this session.
    pub(crate) fn bench(&self, session: &SessionId) -> Bench {
        let Some(trial) = self.trial.as_ref().filter(|trial| !trial.is_over()) else {
            return Bench { decides: self.active.clone(), beside: None };
        };
        if trial.kind().decides(&trial.module().info().digest, session) {
            let beside = self.active.clone().map(|module| Beside { trial: Arc::clone(trial), module, side: Side::Active });
            // without a module in force there is nothing that a share could be taken of
            let decides = self.active.as_ref().map(|_| Arc::clone(trial.module()));
            return Bench { decides, beside };
        }
        let shadow = trial.kind() == portcullis_model::policy::Trial::Shadow && self.active.is_some();
        let beside = shadow.then(|| Beside { trial: Arc::clone(trial), module: Arc::clone(trial.module()), side: Side::Candidate });
        Bench { decides: self.active.clone(), beside }
    }
}

/// All posts.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// The assignment's number; 0 for the baseline alone.
    pub(crate) sequence: u64,
    posts: BTreeMap<(Action, Role), Arc<Post>>,
}

/// Why an assignment is not enforced, though its modules are there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Misfit {
    /// A module for another action or role.
    #[error("module {digest} is for {said}, it cannot judge {action} on {role}")]
    Purpose {
        /// the module
        digest: PolicyDigest,
        /// what `describe` said
        said: String,
        /// what it was to judge
        action: Action,
        /// where
        role: Role,
    },
    /// A module that is not there.
    #[error("module {0} is not here")]
    Missing(PolicyDigest),
}

impl Table {
    /// The baseline alone.
    pub(crate) fn baseline(baseline: &Modules) -> Self {
        let post = |module: &Arc<Module>| Arc::new(Post { active: Some(Arc::clone(module)), trial: None });
        Self { sequence: 0, posts: baseline.iter().map(|(purpose, module)| (purpose, post(module))).collect() }
    }

    /// An assignment over the baseline. What does not change against `before` is the very same post, and a trial goes on.
    pub(crate) fn assigned(
        assignment: &PolicyAssignment,
        ended: &[EndedTrial],
        baseline: &Modules,
        module: impl Fn(&PolicyDigest) -> Option<Arc<Module>>,
        before: Option<&Self>,
        now: UnixMs,
    ) -> Result<Self, Misfit> {
        let mut table = Self::baseline(baseline);
        table.sequence = assignment.sequence;
        for Assigned { action, role, active, candidate } in &assignment.modules {
            let (action, role) = (*action, *role);
            let fitting = |digest: &PolicyDigest| fits(module(digest).ok_or(Misfit::Missing(*digest))?, action, role);
            let active = match active {
                Some(digest) => Some(fitting(digest)?).filter(|module| !module.is_withdrawal()),
                None => baseline.get(action, role).cloned(),
            };
            let trial = match candidate {
                None => None,
                Some(candidate) => {
                    let (on_trial, against) = (fits_trial(fitting(&candidate.digest)?, action, role)?, active.as_ref().map(|module| module.info().digest));
                    let known = before.and_then(|table| table.posts.get(&(action, role))).and_then(|post| post.trial.as_ref());
                    let trial = match known.filter(|trial| trial.is_of(against, candidate)) {
                        Some(trial) => Arc::clone(trial),
                        None => Arc::new(Trial::begin(action, role, against, on_trial, candidate, now)),
                    };
                    if ended.iter().any(|ended| (ended.action, ended.role, ended.candidate) == (action, role, candidate.digest)) && !trial.is_over() {
                        trial.was_ended();
                    }
                    Some(trial)
                }
            };
            table.posts.insert((action, role), Arc::new(Post { active, trial }));
        }
        for (purpose, post) in &mut table.posts {
            if let Some(known) = before.and_then(|table| table.posts.get(purpose)).filter(|known| known.is(post)) {
                *post = Arc::clone(known);
            }
        }
        Ok(table)
    }

    /// What judges an action on a role.
    pub(crate) fn get(&self, action: Action, role: Role) -> Option<&Arc<Post>> {
        self.posts.get(&(action, role))
    }

    /// What judges, for the report.
    pub(crate) fn enforced(&self) -> Vec<Enforced> {
        let one = |((action, role), post): (&(Action, Role), &Arc<Post>)| {
            Some(Enforced { action: *action, role: *role, digest: post.active.as_ref()?.info().digest })
        };
        self.posts.iter().filter_map(one).collect()
    }

    /// The trials.
    pub(crate) fn trials(&self) -> impl Iterator<Item = &Arc<Trial>> {
        self.posts.values().filter_map(|post| post.trial.as_ref())
    }
}

impl Post {
    fn is(&self, other: &Self) -> bool {
        let same = |a: &Option<Arc<Module>>, b: &Option<Arc<Module>>| match (a, b) {
            (Some(a), Some(b)) => a.info().digest == b.info().digest,
            (None, None) => true,
            _ => false,
        };
        let trials = match (&self.trial, &other.trial) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        };
        same(&self.active, &other.active) && trials
    }
}

/// The module, if there is something to try.
fn fits_trial(module: Arc<Module>, action: Action, role: Role) -> Result<Arc<Module>, Misfit> {
    let said = || printable(format!("{} on no role", module.action()).as_bytes());
    if module.is_withdrawal() { Err(Misfit::Purpose { digest: module.info().digest, said: said(), action, role }) } else { Ok(module) }
}

/// The module, if it says itself that it is for this, or that it withdraws this.
fn fits(module: Arc<Module>, action: Action, role: Role) -> Result<Arc<Module>, Misfit> {
    if module.is_for(action, role) || (module.action() == action.name() && module.is_withdrawal()) {
        return Ok(module);
    }
    let said = printable(format!("{} on {}", module.action(), module.roles().join(", ")).as_bytes());
    Err(Misfit::Purpose { digest: module.info().digest, said, action, role })
}

/// The table in force, and word of its changes.
#[derive(Debug)]
pub(crate) struct Posts {
    table: ArcSwapOption<Table>,
    changes: watch::Sender<u64>,
}

impl Posts {
    /// With this table, or with none yet.
    pub(crate) fn new(table: Option<Table>) -> Self {
        Self { table: ArcSwapOption::new(table.map(Arc::new)), changes: watch::Sender::new(0) }
    }

    /// The table in force; none while the warden has not said what is.
    pub(crate) fn table(&self) -> Option<Arc<Table>> {
        self.table.load_full()
    }

    /// What judges an action on a role; none: nobody does.
    pub(crate) fn post(&self, action: Action, role: Role) -> Option<Arc<Post>> {
        self.table.load().as_ref().and_then(|table| table.get(action, role).cloned())
    }

    /// Puts a table in force.
    pub(crate) fn swap(&self, table: Table) {
        self.table.store(Some(Arc::new(table)));
        self.changed();
    }

    /// Has everybody look again.
    pub(crate) fn changed(&self) {
        self.changes.send_modify(|number| *number += 1);
    }

    /// Hears of changes from now on.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}
