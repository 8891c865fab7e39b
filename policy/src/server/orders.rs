//! The conversation with the warden: which modules are to judge.
//!
//! An assignment is enforced once all its modules are ready, as a whole, by one swap; until then, and when one of them is of no
//! use, the one before stays in force. One that is not newer than what is in force changes nothing, whoever repeats it.

use super::packets::{Packets, PacketsError, Room};
use crate::library::{Checked, Held, Library};
use crate::modules::Modules;
use crate::posts::{Posts, Table};
use portcullis_model::policy::{PolicyAssignment, PolicyState};
use portcullis_model::time::UnixMs;
use portcullis_model::wire::PROTOCOL;
use portcullis_model::wire::policies::{EndedTrial, FromJudge, JudgeState, ToJudge};
use std::collections::BTreeSet;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How often what a trial showed is told.
const REPORTS: Duration = Duration::from_secs(1);

/// Why a conversation is over.
#[derive(Debug, thiserror::Error)]
enum OrdersError {
    #[error(transparent)]
    Packets(#[from] PacketsError),
    #[error("the warden speaks version {0} of the protocol")]
    Protocol(u32),
    #[error("the warden spoke out of its turn")]
    Turn,
    #[error("the warden sent a module without its file")]
    NoFile,
}

/// What the warden ordered, as far as it has come.
#[derive(Debug)]
pub(crate) struct Orders {
    posts: Arc<Posts>,
    baseline: Modules,
    library: Library,
    checked: mpsc::Receiver<Checked>,
    /// The assignment that is not decided on yet.
    wanted: Option<(PolicyAssignment, Vec<EndedTrial>)>,
    /// All modules of the assignment in force.
    in_force: BTreeSet<portcullis_model::id::PolicyDigest>,
    /// What was staged by the last assignment.
    staged: Vec<portcullis_model::id::PolicyDigest>,
    decided: u64,
    refused: Option<String>,
}

impl Orders {
    pub(crate) fn new(posts: Arc<Posts>, baseline: Modules, library: Library, checked: mpsc::Receiver<Checked>) -> Self {
        let (in_force, staged) = (BTreeSet::new(), Vec::new());
        Self { posts, baseline, library, checked, wanted: None, in_force, staged, decided: 0, refused: None }
    }

    /// Serves one warden after the other until `stop`.
    pub(super) async fn serve(mut self, listener: Packets, peers: Vec<u32>, stop: CancellationToken) {
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                // what was begun for the last warden goes on
                Some(checked) = self.checked.recv() => {
                    self.came(checked);
                    continue;
                }
                accepted = listener.accept(&peers) => accepted,
            };
            let talked = match accepted {
                Ok(warden) => tokio::select! {
                    () = stop.cancelled() => return,
                    talked = self.talk(&warden) => talked,
                },
                Err(error) => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    Err(PacketsError::from(error).into())
                }
            };
            match talked {
                Ok(()) => tracing::info!("the warden is gone; what is in force stays"),
                Err(error) => tracing::error!(error = super::chain(&error), "the warden's connection is given up"),
            }
        }
    }

    async fn talk(&mut self, warden: &Packets) -> Result<(), OrdersError> {
        let mut room = Room::default();
        match warden.receive(&mut room).await? {
            None => return Ok(()),
            Some((ToJudge::Hello { protocol: PROTOCOL }, _)) => warden.send(&FromJudge::Hello { protocol: PROTOCOL }).await?,
            Some((ToJudge::Hello { protocol }, _)) => return Err(OrdersError::Protocol(protocol)),
            Some(_) => return Err(OrdersError::Turn),
        }
        tracing::info!("the warden is there");
        let posts = Arc::clone(&self.posts);
        let mut changes = posts.changes();
        posts.table().iter().flat_map(|table| table.trials()).for_each(|trial| trial.tell_again());
        let mut clock = tokio::time::interval(REPORTS);
        clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                heard = warden.receive(&mut room) => {
                    let Some((message, descriptor)) = heard? else { return Ok(()) };
                    self.hear(warden, message, descriptor).await?;
                }
                Some(checked) = self.checked.recv() => {
                    let digest = checked.0;
                    if let Some(reason) = self.came(checked) {
                        warden.send(&FromJudge::Rejected { digest, reason }).await?;
                    }
                    self.say_state(warden).await?;
                }
                // a trial that is over is told at once
                _ = changes.changed() => tell_trials(&posts, warden, |trial| trial.is_over()).await?,
                _ = clock.tick() => tell_trials(&posts, warden, |_| true).await?,
            }
        }
    }

    async fn hear(&mut self, warden: &Packets, message: ToJudge, descriptor: Option<OwnedFd>) -> Result<(), OrdersError> {
        match message {
            ToJudge::Hello { .. } => return Err(OrdersError::Turn),
            ToJudge::Module { digest, signature } => {
                let file = File::from(descriptor.ok_or(OrdersError::NoFile)?);
                if let Err(error) = self.library.add(digest, signature, file) {
                    warden.send(&FromJudge::Rejected { digest, reason: error.to_string() }).await?;
                }
            }
            ToJudge::Assign { assignment, ended } => {
                self.assign(assignment.map(|assignment| *assignment), ended);
                self.say_state(warden).await?;
            }
        }
        Ok(())
    }

    fn assign(&mut self, assignment: Option<PolicyAssignment>, ended: Vec<EndedTrial>) {
        let table = self.posts.table();
        let in_force = table.as_ref().map_or(0, |table| table.sequence);
        match assignment {
            None if table.is_none() => {
                tracing::info!("the baseline judges");
                self.put_in_force(Table::baseline(&self.baseline));
            }
            // a warden that has lost what it kept does not take back what is in force
            None => {}
            Some(assignment) if assignment.sequence <= in_force => {}
            Some(assignment) if self.wanted.as_ref().is_some_and(|(wanted, _)| wanted.sequence > assignment.sequence) => {}
            Some(assignment) => {
                self.staged.clone_from(&assignment.staged);
                let named: BTreeSet<_> = assignment.named().union(&self.in_force).copied().collect();
                self.library.keep(&named);
                self.wanted = Some((assignment, ended));
                self.enforce();
            }
        }
    }

    /// A module is ready, or it is clear that it never will be; gives back why.
    fn came(&mut self, checked: Checked) -> Option<String> {
        let why = self.library.checked(checked);
        self.enforce();
        why
    }

    /// Puts the wanted assignment in force if it can be.
    fn enforce(&mut self) {
        let Some((wanted, ended)) = &self.wanted else { return };
        let mut useless = None;
        for digest in wanted.needed() {
            match self.library.get(&digest) {
                Some(Held::Ready(_)) => {}
                Some(Held::Useless(why)) => useless = Some(format!("module {digest}: {why}")),
                Some(Held::Coming) | None => return,
            }
        }
        let (sequence, table) = (wanted.sequence, self.posts.table());
        let made = match useless {
            Some(why) => Err(why),
            None => Table::assigned(wanted, ended, &self.baseline, |digest| self.library.ready(digest), table.as_deref(), now()).map_err(|error| error.to_string()),
        };
        let named = wanted.named();
        self.wanted = None;
        self.decided = sequence;
        match made {
            Ok(table) => {
                self.put_in_force(table);
                tracing::info!(sequence, "a policy assignment is in force");
                self.in_force = named;
                self.refused = None;
            }
            Err(why) => {
                tracing::error!(sequence, why, "a policy assignment is not enforced");
                self.refused = Some(format!("assignment {sequence} is not enforced: {why}"));
            }
        }
        let named: BTreeSet<_> = self.in_force.iter().chain(&self.staged).copied().collect();
        self.library.keep(&named);
    }

    fn put_in_force(&self, table: Table) {
        let first = self.posts.table().is_none();
        self.posts.swap(table);
        // nobody was answered before it; what is compiled from here on is not waited for
        if first {
            self.library.give_way();
        }
    }

    async fn say_state(&self, warden: &Packets) -> Result<(), OrdersError> {
        let table = self.posts.table();
        let unstaged = || self.staged.iter().find_map(|digest| match self.library.get(digest) {
            Some(Held::Useless(why)) => Some(format!("staged module {digest}: {why}")),
            Some(Held::Coming | Held::Ready(_)) | None => None,
        });
        let state = PolicyState {
            sequence: table.as_ref().map_or(0, |table| table.sequence),
            enforced: table.as_ref().map_or_else(Vec::new, |table| table.enforced()),
            held: self.library.held(),
            error: self.refused.clone().or_else(unstaged),
        };
        Ok(warden.send(&FromJudge::State(JudgeState { decided: self.decided, state })).await?)
    }
}

async fn tell_trials(posts: &Posts, warden: &Packets, which: impl Fn(&crate::trial::Trial) -> bool) -> Result<(), OrdersError> {
    let Some(table) = posts.table() else { return Ok(()) };
    for trial in table.trials().filter(|trial| which(trial)) {
        if let Some(report) = trial.news() {
            warden.send(&FromJudge::Trial(Box::new(report))).await?;
        }
    }
    Ok(())
}

fn now() -> UnixMs {
    UnixMs::from_system(SystemTime::now())
}
