//! Which modules judge on this node: kept here as the controller signed it, given to the judge, told again after every restart of
//! either.
//!
//! Two assignments are kept: the one that the judge has put in force, and a newer one that it has not decided on. An assignment is
//! on the disk before the judge hears of it. A judge that is started anew answers nobody until it was told the first of the two,
//! and what it needs for that was found; a file that cannot be read is named, and its number still keeps older ones out.
//!
//! Nothing here waits: modules go to the judge as open files, and what comes of them it says when it knows.

mod shelf;

use super::store::{Found, Store, StoreError};
use crate::chain::with_sources;
use crate::packets::{Intake, Packets, PacketsError, Received};
use ed25519_dalek::VerifyingKey;
use portcullis_model::grant::GrantError;
use portcullis_model::id::PolicyDigest;
use portcullis_model::policy::{Assigned, InvalidAssignment, PolicyAssignment, PolicyState, SignedPolicyAssignment, TrialReport};
use portcullis_model::wire::PROTOCOL;
use portcullis_model::wire::link::ModuleChunk;
use portcullis_model::wire::policies::{EndedTrial, FromJudge, JudgeState, ToJudge};
use portcullis_model::wire::warden::FromWarden;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use serde::{Deserialize, Serialize};
use shelf::Shelf;
use std::collections::{BTreeSet, VecDeque};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Bytes of messages that may wait for the judge.
const BACKLOG_MAX: usize = 1 << 20;
/// Between two attempts to reach it.
const RETRY: Duration = Duration::from_millis(100);
/// How long it has to greet.
const HELLO_DEADLINE: Duration = Duration::from_secs(10);
/// News for the gateway that may wait for the end of a turn.
const NEWS_MAX: usize = 256;
const IN_FORCE: &str = "in-force";
const WANTED: &str = "wanted";

/// Why an assignment is not taken.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error(transparent)]
    Unsigned(#[from] GrantError),
    #[error(transparent)]
    Invalid(#[from] InvalidAssignment),
    #[error("policy assignment {0} is not newer than {1}, which this node has")]
    Old(u64, u64),
    #[error("policy assignment {0} cannot be kept")]
    NotKept(u64, #[source] StoreError),
}

/// An assignment as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct File {
    signed: SignedPolicyAssignment,
    ended: Vec<EndedTrial>,
}

#[derive(Debug, Clone)]
struct Kept {
    file: File,
    assignment: PolicyAssignment,
}

#[derive(Debug)]
enum Judge {
    Gone { retry: Instant },
    Greeted { socket: Packets, deadline: Instant },
    Live { socket: Packets, given: BTreeSet<PolicyDigest> },
}

/// All of it.
#[derive(Debug)]
pub(crate) struct Policies {
    key: VerifyingKey,
    target: String,
    /// The judge's socket for this; none for a node whose modules are those of its folder.
    socket: Option<PathBuf>,
    files: Store,
    shelf: Shelf,
    in_force: Option<Kept>,
    wanted: Option<Kept>,
    /// The number of a kept assignment that cannot be read: what is in force is not known.
    lost: Option<u64>,
    judge: Judge,
    /// The module that the gateway was asked for.
    asked: Option<PolicyDigest>,
    /// Modules that were of no use and are not asked for again before the controller speaks again.
    hopeless: BTreeSet<PolicyDigest>,
    state: PolicyState,
    problem: Option<String>,
    news: VecDeque<FromWarden>,
}

impl Policies {
    /// Reads what is kept in `folder`.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be used. A file that cannot be believed is named in the log.
    pub(crate) fn load(folder: &Path, key: VerifyingKey, target: String, socket: Option<PathBuf>) -> Result<Self, StoreError> {
        let files = Store::open(folder.join("assignments"))?;
        let found = files.load::<File>()?;
        let mut all = Self {
            key,
            target,
            socket,
            files,
            shelf: Shelf::open(folder.join("modules"))?,
            in_force: None,
            wanted: None,
            lost: None,
            judge: Judge::Gone { retry: Instant::now() },
            asked: None,
            hopeless: BTreeSet::new(),
            state: PolicyState::default(),
            problem: None,
            news: VecDeque::new(),
        };
        all.take_up(found);
        all.shelf.keep(&all.named());
        Ok(all)
    }

    /// Takes up the newest file of each kind.
    fn take_up(&mut self, found: Vec<Found<File>>) {
        for Found { name, value } in found {
            let Some((kind, number)) = name.rsplit_once('-').and_then(|(kind, number)| Some((kind, number.parse::<u64>().ok()?))) else {
                tracing::warn!(file = name, "a file that is no policy assignment");
                continue;
            };
            let checked = value.and_then(|file| {
                let assignment = file.signed.verify(&self.key, &self.target).map_err(|error| with_sources(&error))?;
                if assignment.sequence == number { Ok(Kept { file, assignment }) } else { Err(format!("it is number {}", assignment.sequence)) }
            });
            // the names are in order: the last one of a kind is the newest
            match (kind, checked) {
                (IN_FORCE, Ok(kept)) => (self.in_force, self.lost) = (Some(kept), None),
                (IN_FORCE, Err(problem)) => {
                    tracing::error!(file = name, problem, "the policy assignment in force cannot be read: everything is denied until the controller sends it again");
                    (self.in_force, self.lost) = (None, Some(number));
                }
                (WANTED, Ok(kept)) => self.wanted = Some(kept),
                (_, checked) => tracing::warn!(file = name, problem = checked.err(), "a policy assignment is not taken up again"),
            }
        }
        if let Some(number) = self.lost {
            self.problem = Some(format!("the kept policy assignment {number} cannot be read: everything is denied"));
        }
        let newest = self.in_force.as_ref().map_or(0, |kept| kept.assignment.sequence).max(self.lost.unwrap_or(0));
        self.wanted = self.wanted.take().filter(|kept| kept.assignment.sequence > newest);
    }

    fn named(&self) -> BTreeSet<PolicyDigest> {
        self.in_force.iter().chain(&self.wanted).flat_map(|kept| kept.assignment.named()).collect()
    }

    /// All that are named, first those that an assignment does not judge without: a judge that starts compiles them one after the
    /// other, and answers nobody until it has the first ones.
    fn by_need(&self) -> Vec<PolicyDigest> {
        let needed = self.in_force.iter().chain(&self.wanted).flat_map(|kept| kept.assignment.needed());
        let mut seen = BTreeSet::new();
        needed.chain(self.named()).filter(|digest| seen.insert(*digest)).collect()
    }

    /// Takes an assignment; what comes of it is among the [news](Self::news).
    pub(crate) fn assign(&mut self, signed: SignedPolicyAssignment) {
        self.problem = None;
        // the controller has spoken: what failed may be tried again
        self.hopeless.clear();
        match self.accept(signed) {
            Ok(()) => {}
            Err(error) => {
                let problem = with_sources(&error);
                tracing::error!(problem, "a policy assignment is not taken");
                self.problem = Some(problem);
                self.tell();
            }
        }
    }

    /// What this assignment would change, if it is the controller's, can be read, and is not one that is kept already.
    pub(crate) fn news_in(&self, signed: &SignedPolicyAssignment) -> Option<PolicyAssignment> {
        let newest = self.wanted.as_ref().or(self.in_force.as_ref());
        let assignment = signed.verify(&self.key, &self.target).ok().filter(|assignment| assignment.check().is_ok())?;
        (!newest.is_some_and(|kept| kept.file.signed == *signed) && newest.is_none_or(|kept| assignment.sequence > kept.assignment.sequence)).then_some(assignment)
    }

    fn accept(&mut self, signed: SignedPolicyAssignment) -> Result<(), Refused> {
        let assignment = signed.verify(&self.key, &self.target)?;
        assignment.check()?;
        let number = assignment.sequence;
        let newest = self.wanted.as_ref().or(self.in_force.as_ref());
        if newest.is_some_and(|kept| kept.file.signed == signed) {
            // the same again: the controller wants to hear how it stands
            self.ask_for_modules();
            self.give_judge();
            self.tell();
            return Ok(());
        }
        let known = newest.map_or(0, |kept| kept.assignment.sequence);
        // of one that cannot be read the same number is taken again, an older one never
        if number <= known || self.lost.is_some_and(|lost| number < lost) {
            return Err(Refused::Old(number, known.max(self.lost.unwrap_or(0))));
        }
        let file = File { signed, ended: self.still_ended(&assignment) };
        self.files.put(&name(WANTED, number), &file).map_err(|error| Refused::NotKept(number, error))?;
        tracing::info!(sequence = number, "a policy assignment is kept");
        if let Some(before) = self.wanted.replace(Kept { file, assignment }) {
            self.remove(WANTED, before.assignment.sequence);
        }
        self.shelf.keep(&self.named());
        self.ask_for_modules();
        self.give_judge();
        Ok(())
    }

    /// The trials that were ended and that this assignment leaves as they were.
    fn still_ended(&self, next: &PolicyAssignment) -> Vec<EndedTrial> {
        let Some(kept) = &self.in_force else { return Vec::new() };
        let trial = |of: &PolicyAssignment, ended: &EndedTrial| {
            let is_it = |assigned: &&Assigned| (assigned.action, assigned.role) == (ended.action, ended.role);
            of.modules.iter().find(is_it).and_then(|assigned| assigned.candidate.clone()).filter(|candidate| candidate.digest == ended.candidate)
        };
        kept.file.ended.iter().filter(|ended| trial(next, ended).is_some_and(|same| Some(same) == trial(&kept.assignment, ended))).cloned().collect()
    }

    /// Takes a part of a module.
    pub(crate) fn module(&mut self, chunk: &ModuleChunk) {
        if self.asked != Some(chunk.digest) {
            // of one that was given up, or that nobody wants
            tracing::debug!(digest = %chunk.digest, "a part of a module that is not wanted");
            return;
        }
        match self.shelf.take(chunk) {
            Ok(false) => {}
            Ok(true) => {
                tracing::info!(digest = %chunk.digest, bytes = chunk.size, "a module is kept");
                self.asked = None;
                self.ask_for_modules();
                self.give_judge();
            }
            Err(error) => {
                let problem = with_sources(&error);
                tracing::error!(problem, "a module is not kept");
                self.hopeless.insert(chunk.digest);
                self.asked = None;
                self.problem = Some(problem);
                self.ask_for_modules();
                self.tell();
            }
        }
    }

    /// Asks the gateway for the next module that is missing.
    fn ask_for_modules(&mut self) {
        let missing = self.named().into_iter().filter(|digest| !self.shelf.has(digest) && !self.hopeless.contains(digest));
        let next = match (missing.collect::<Vec<_>>(), self.asked) {
            (missing, Some(asked)) if missing.contains(&asked) => return,
            (missing, _) => missing.first().copied(),
        };
        self.asked = next;
        if let Some(digest) = next {
            self.say(FromWarden::WantModule(digest));
        }
    }

    /// The gateway is there, anew: it knows nothing, and what it was sending is lost.
    pub(crate) fn gateway_came(&mut self) {
        self.shelf.give_up();
        self.asked = None;
        self.hopeless.clear();
        self.tell();
        self.ask_for_modules();
    }

    fn tell(&mut self) {
        let mut state = self.state.clone();
        state.error = self.problem.clone().or(state.error).map(|problem| problem.chars().take(1000).collect());
        self.say(FromWarden::Policies(state));
    }

    fn say(&mut self, message: FromWarden) {
        if self.news.len() < NEWS_MAX {
            self.news.push_back(message);
        }
    }

    /// What the gateway is to be told, oldest first.
    pub(crate) fn news(&mut self) -> Option<FromWarden> {
        self.news.pop_front()
    }

    /// The judge's socket, once there is one to be watched.
    pub(crate) fn socket(&self) -> Option<BorrowedFd<'_>> {
        match &self.judge {
            Judge::Gone { .. } => None,
            Judge::Greeted { socket, .. } | Judge::Live { socket, .. } => Some(socket.as_fd()),
        }
    }

    /// When [`tick`](Self::tick) has something to do.
    pub(crate) fn next_tick(&self) -> Option<Instant> {
        match &self.judge {
            Judge::Gone { retry } => self.socket.as_ref().map(|_| *retry),
            Judge::Greeted { deadline, .. } => Some(*deadline),
            Judge::Live { socket, .. } => (socket.backlog() > 0).then(|| Instant::now() + Duration::from_millis(20)),
        }
    }

    /// Dials the judge when it is time; says whether there is a new socket to be watched.
    pub(crate) fn tick(&mut self, now: Instant) -> bool {
        match &mut self.judge {
            Judge::Gone { retry } if *retry <= now => self.dial(now),
            Judge::Greeted { deadline, .. } if *deadline <= now => {
                self.lose("it does not greet");
                false
            }
            Judge::Live { socket, .. } if socket.backlog() > 0 => {
                if let Err(error) = socket.flush() {
                    self.lose(&with_sources(&error));
                }
                false
            }
            Judge::Gone { .. } | Judge::Greeted { .. } | Judge::Live { .. } => false,
        }
    }

    fn dial(&mut self, now: Instant) -> bool {
        let Some(path) = &self.socket else { return false };
        let dialled = dial(path).map_err(PacketsError::Io).and_then(|fd| {
            let mut socket = Packets::new(fd, BACKLOG_MAX);
            socket.send(&ToJudge::Hello { protocol: PROTOCOL }, None)?;
            Ok(socket)
        });
        self.judge = match dialled {
            Ok(socket) => Judge::Greeted { socket, deadline: now + HELLO_DEADLINE },
            Err(_) => Judge::Gone { retry: now + RETRY },
        };
        matches!(self.judge, Judge::Greeted { .. })
    }

    fn lose(&mut self, why: &str) {
        tracing::warn!(why, "the judge's socket for policies is gone; it is dialled again");
        self.judge = Judge::Gone { retry: Instant::now() + RETRY };
    }

    /// Takes what the judge has said.
    pub(crate) fn judge_said(&mut self, intake: &mut Intake) {
        loop {
            let (Judge::Greeted { socket, .. } | Judge::Live { socket, .. }) = &self.judge else { return };
            match socket.receive::<FromJudge>(intake) {
                Ok(Received::Nothing) => return,
                Ok(Received::Closed) => return self.lose("it was closed"),
                Ok(Received::Message(message, _)) => self.hear(message),
                Err(error) => return self.lose(&with_sources(&error)),
            }
        }
    }

    fn hear(&mut self, message: FromJudge) {
        match (message, matches!(self.judge, Judge::Live { .. })) {
            (FromJudge::Hello { protocol: PROTOCOL }, false) => {
                let gone = Judge::Gone { retry: Instant::now() };
                if let Judge::Greeted { socket, .. } = std::mem::replace(&mut self.judge, gone) {
                    self.judge = Judge::Live { socket, given: BTreeSet::new() };
                }
                self.give_judge();
            }
            (FromJudge::Hello { .. }, _) => self.lose("it is of another version"),
            (_, false) => self.lose("it spoke before it greeted"),
            (FromJudge::State(state), true) => self.decided(state),
            (FromJudge::Rejected { digest, reason }, true) => self.rejected(digest, &reason),
            (FromJudge::Trial(report), true) => self.trial(report),
        }
    }

    /// Gives the judge the modules that it was not given yet, and then both assignments: telling it twice does no harm.
    fn give_judge(&mut self) {
        let named = self.by_need();
        let Judge::Live { socket, given } = &mut self.judge else { return };
        let give = || -> Result<(), PacketsError> {
            for digest in named.into_iter().filter(|digest| !given.contains(digest)).collect::<Vec<_>>() {
                match self.shelf.get(&digest) {
                    None => continue,
                    Some(Ok((file, signature))) => socket.send(&ToJudge::Module { digest, signature }, Some(file.into()))?,
                    Some(Err(error)) => {
                        tracing::error!(%digest, %error, "a kept module cannot be opened");
                        continue;
                    }
                }
                given.insert(digest);
            }
            let mut assign = |kept: Option<&Kept>| {
                let ended = kept.map_or_else(Vec::new, |kept| kept.file.ended.clone());
                socket.send(&ToJudge::Assign { assignment: kept.map(|kept| Box::new(kept.assignment.clone())), ended }, None)
            };
            // of one that is lost nobody knows what it allowed: without it the judge answers nobody
            if self.in_force.is_some() || self.lost.is_none() {
                assign(self.in_force.as_ref())?;
            }
            if self.wanted.is_some() {
                assign(self.wanted.as_ref())?;
            }
            Ok(())
        };
        if let Err(error) = give() {
            self.lose(&with_sources(&error));
        }
    }

    fn decided(&mut self, JudgeState { decided, state }: JudgeState) {
        if let Some(wanted) = self.wanted.take_if(|wanted| wanted.assignment.sequence == state.sequence) {
            tracing::info!(sequence = state.sequence, "a policy assignment is in force");
            if let Err(error) = self.files.put(&name(IN_FORCE, state.sequence), &wanted.file) {
                // it is given to the judge again as one that is wanted, which has the same end
                tracing::error!(error = with_sources(&error), "that a policy assignment is in force cannot be kept");
                self.problem = Some(with_sources(&error));
                self.in_force = Some(wanted);
            } else {
                self.problem = None;
                let lost = self.lost.take().filter(|lost| *lost != state.sequence);
                let before = self.in_force.replace(wanted).map(|kept| kept.assignment.sequence);
                for old in lost.into_iter().chain(before) {
                    self.remove(IN_FORCE, old);
                }
                self.remove(WANTED, state.sequence);
            }
            self.shelf.keep(&self.named());
        }
        tracing::debug!(decided, sequence = state.sequence, "the judge says what is in force");
        self.state = state;
        self.tell();
    }

    fn rejected(&mut self, digest: PolicyDigest, reason: &str) {
        tracing::error!(%digest, reason, "the judge rejects a module");
        if let Judge::Live { given, .. } = &mut self.judge {
            given.remove(&digest);
        }
        self.shelf.remove(&digest);
        self.hopeless.insert(digest);
        self.problem = Some(format!("module {digest}: {reason}"));
        self.tell();
    }

    fn trial(&mut self, report: Box<TrialReport>) {
        let TrialReport { action, role, candidate, .. } = *report;
        let ended = EndedTrial { action, role, candidate };
        if report.ended.is_some()
            && let Some(kept) = self.in_force.as_mut().filter(|kept| !kept.file.ended.contains(&ended))
        {
            kept.file.ended.push(ended);
            if let Err(error) = self.files.put(&name(IN_FORCE, kept.assignment.sequence), &kept.file) {
                tracing::error!(error = with_sources(&error), "that a trial is over cannot be kept: a new judge begins it again");
            }
        }
        self.say(FromWarden::Trial(report));
    }

    fn remove(&self, kind: &str, number: u64) {
        if let Err(error) = self.files.remove(&name(kind, number)) {
            tracing::warn!(error = with_sources(&error), "an old policy assignment cannot be removed");
        }
    }
}

/// A file's name: the numbers are in order where the names are.
fn name(kind: &str, number: u64) -> String {
    format!("{kind}-{number:020}")
}

fn dial(path: &Path) -> std::io::Result<OwnedFd> {
    let fd = rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    rustix::net::connect(&fd, &SocketAddrUnix::new(path)?)?;
    Ok(fd)
}

#[cfg(test)]
mod tests;
