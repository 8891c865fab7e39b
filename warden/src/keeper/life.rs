//! The life of a session, from its start to the last report. Read this file to know what a keeper does.
//!
//! 1. the judge answers for the session's action: without a module there is no session;
//! 2. the jail is built, its shell waiting at its exec, and the keeper enters it, so that names mean what they mean there;
//! 3. the recording is begun and has its first event: what cannot be recorded does not start. Not earlier, because the
//!    recording has a thread of its own and only a process with one thread can enter a jail; nothing has run until then;
//! 4. the guard stands, the shell is welcomed and its exec goes on;
//! 5. turn after turn: orders, what ended, answers, execs, lines, bytes, clocks;
//! 6. the end: everything refused, the client's socket closed, all killed and reaped, the last event, the report.

use super::custody::{Custody, ENGINE, Grip, SHELL, Unguarded, number_of};
use super::evidence::{Evidence, Folder};
use super::fault::{End, Fault, farewell};
use super::judge::{Judge, News};
use super::judging::{Asks, Judging, Parties};
use super::relay::{Relay, Wish};
use super::services::Service;
use super::shell::Shell;
use super::timers::{Due, Timers};
use super::waiting::{Ready, Source, Standing, Waiting};
use crate::chain::with_sources;
use crate::charge::{Charge, Order, Report};
use crate::clock;
use crate::packets::{Intake, Packets, PacketsError, Received};
use portcullis_jail::FromInit;
use portcullis_jail::guard::Reaped;
use portcullis_model::decision::{Asker, Charter};
use portcullis_model::event::EventKind;
use portcullis_model::grant::SignedGrant;
use portcullis_model::receipt::{EndCause, Receipt};
use portcullis_model::session::WindowSize;
use portcullis_model::wire::shell::{FromKeeper, ToKeeper};
use ed25519_dalek::VerifyingKey;
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::{Duration, Instant};

/// How long the judge has to say which module judges the session.
const JUDGE_DEADLINE: Duration = Duration::from_secs(4);
/// How long the gateway has to take the last output, once no process is left.
const LAST_OUTPUT_DEADLINE: Duration = Duration::from_secs(60);

const MIB: u64 = 1024 * 1024;

/// A session that runs.
#[derive(Debug)]
struct Session {
    charge: Charge,
    intake: Intake,
    custody: Custody,
    evidence: Evidence,
    judging: Judging,
    shell: Shell,
    service: Service,
    relay: Relay,
    timers: Timers,
    standing: Standing,
    /// The terminal's size, as it was last told.
    window: Option<WindowSize>,
    /// When somebody last waited for an approver's answer: that is not idleness.
    waited: Instant,
    /// Most bytes of its recording.
    longest: u64,
    phase: Phase,
}

/// Whether the warden knows that the session runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The shell's program is not loaded yet.
    Starting,
    /// It is, and the warden was told.
    Running,
}

/// The whole life of a session.
///
/// # Errors
/// When the warden cannot be told how it went; it then finds out by the keeper's end.
pub(crate) fn live(charge: Charge, client: OwnedFd, warden: &mut Packets) -> Result<(), PacketsError> {
    match Session::begin(charge, client, warden) {
        Ok(mut session) => {
            let end = session.run(warden);
            session.end(end, warden)
        }
        Err(fault) => {
            let reason = with_sources(&fault);
            warden.send(&Report::Refused(reason.chars().take(1000).collect()), None)
        }
    }
}

impl Session {
    fn begin(charge: Charge, client: OwnedFd, warden: &mut Packets) -> Result<Self, Fault> {
        let judge = find_judge(&charge)?;
        let folder = Folder::open(&charge.place.evidence)?;
        let unguarded = Unguarded::build(&charge)?;
        let grip = unguarded.grip()?;
        Self::begin_jailed(charge, client, judge, &folder, unguarded, warden).inspect_err(|_| grip.kill())
    }

    fn begin_jailed(charge: Charge, client: OwnedFd, judge: Judge, folder: &Folder, unguarded: Unguarded, warden: &mut Packets) -> Result<Self, Fault> {
        let Grip { init, cgroup } = unguarded.grip()?;
        warden.send(&Report::Jailed { cgroup }, Some(init)).map_err(|error| Fault::Peer(format!("the warden is gone: {error}")))?;
        unguarded.enter()?;
        let evidence = folder.begin(&charge, judge.module().map(|module| module.digest))?;
        let limits = unguarded.limits();
        let (custody, ends) = unguarded.guard()?;
        let asker = Asker { session: charge.facts.id.clone(), grant: charge.facts.grant.clone(), target: charge.facts.target.clone() };
        let controller = VerifyingKey::from_bytes(&charge.controller).map_err(|_| Fault::Peer("the warden sent no key of the controller's".to_owned()))?;
        let service = Service::new(&charge.purpose, charge.pty.as_ref(), charge.place.near.clone());
        let charter = if service.is_carried() { Charter::alone(SHELL.into()) } else { Charter::new(SHELL.into(), ENGINE.into()) };
        let judging = Judging::new(judge, charter, charge.facts.end, Asks::new(asker, controller));
        let mut shell = Shell::new(ends.shell);
        let (facts, purpose, module) = (Box::new(charge.facts.clone()), charge.purpose.clone(), judging.module().cloned());
        shell.welcome(&FromKeeper::Welcome { facts, purpose, module, engine: ENGINE.to_owned() }, ends.client_input.as_ref().map(|pipe| pipe.as_fd()))?;
        for notice in &charge.place.notices {
            shell.message(notice.clone())?;
        }
        evidence.check()?;
        let timers = Timers::new(charge.facts.end, charge.idle_timeout_s);
        let relay = if service.is_carried() { Relay::carrying(client, ends.outlets, bytes(limits.transfer_mib)) } else { Relay::new(client, ends.outlets) };
        let window = charge.pty.as_ref().map(|pty| pty.size);
        let standing = Standing::new().map_err(Fault::Wait)?;
        let waited = Instant::now();
        Ok(Self { charge, intake: Intake::new(), custody, evidence, judging, shell, service, relay, timers, standing, window, waited, longest: bytes(limits.recording_mib), phase: Phase::Starting })
    }

    fn run(&mut self, warden: &mut Packets) -> End {
        loop {
            if let Err(end) = self.turn(warden) {
                return end;
            }
        }
    }

    /// One turn. What ends things comes first, what makes more of them comes last.
    fn turn(&mut self, warden: &mut Packets) -> Result<(), End> {
        let ready = self.wait(warden)?;
        if ready.has(Source::Warden) {
            self.orders(warden)?;
        }
        if ready.has(Source::Recording) {
            self.evidence.check().map_err(Fault::from)?;
        }
        if ready.has(Source::Children) {
            self.reap(warden)?;
        }
        self.judge(&ready)?;
        if self.service.has_connected() {
            self.relay.say_connected()?;
        }
        if self.judging.is_withdrawn() {
            return Err(EndCause::PolicyWithdrawn.into());
        }
        if ready.has(Source::GatewayGone) {
            return Err(EndCause::Disconnect.into());
        }
        if ready.has(Source::Gateway) {
            for wish in self.relay.take_input()? {
                self.wish(wish)?;
            }
        }
        self.relay.pass_input(&mut self.evidence)?;
        if ready.has(Source::Output) || ready.has(Source::Gateway) {
            self.relay.pass_output(&mut self.evidence)?;
        }
        self.clocks()?;
        // a turn records a bounded amount
        if self.evidence.length() > self.longest {
            return Err(Fault::Length(self.longest / MIB).into());
        }
        if ready.has(Source::Init) {
            self.init_said()?;
        }
        let grew = self.evidence.grew().map(|(frames, head)| Report::Grew { frames, head });
        for report in self.judging.reports().into_iter().chain(grew) {
            warden.send(&report, None).map_err(|error| Fault::Peer(format!("the warden is gone: {error}")))?;
        }
        Ok(())
    }

    /// When the operator last did something, or had nothing to do but to wait for people.
    fn last_active(&mut self) -> Instant {
        if self.judging.waits_for_people() {
            self.waited = Instant::now();
        }
        self.relay.last_input().max(self.waited)
    }

    fn wait(&mut self, warden: &Packets) -> Result<Ready, Fault> {
        let last_active = self.last_active();
        let mut waiting = Waiting::default();
        waiting.read(Source::Warden, warden.as_fd());
        waiting.read(Source::Recording, self.evidence.failed_fd());
        waiting.read(Source::Children, self.custody.children());
        waiting.read(Source::Init, self.custody.init());
        if self.judging.has_room() {
            waiting.read(Source::Guard, self.custody.guard.listener());
        }
        for (source, socket) in [(Source::Judge, self.judging.judge().socket()), (Source::Shell, self.shell.socket())] {
            let Some((fd, has_backlog)) = socket else { continue };
            waiting.read(source, fd);
            if has_backlog {
                waiting.write(source, fd);
            }
        }
        let interests = self.relay.interests();
        if let Some((fd, read, write)) = interests.gateway {
            if read { waiting.read(Source::Gateway, fd) } else { waiting.gone(Source::GatewayGone, fd) }
            if write {
                waiting.write(Source::Gateway, fd);
            }
        }
        interests.sources.into_iter().for_each(|fd| waiting.read(Source::Output, fd));
        interests.sink.into_iter().for_each(|fd| waiting.write(Source::Sink, fd));
        let ends = self.judging.next_tick().into_iter().chain(self.custody.guard.next_end());
        let deadline = ends.chain([self.timers.next_look(last_active)]).min();
        // of all that is waited for only the judge's connection can be another of the same number
        waiting.until_in(&mut self.standing, self.judging.judge().connection(), deadline.unwrap_or_else(Instant::now))
    }

    fn orders(&mut self, warden: &Packets) -> Result<(), End> {
        let mut parties = Parties { evidence: &mut self.evidence, guard: &mut self.custody.guard, shell: &mut self.shell, service: &mut self.service };
        match warden.receive(&mut self.intake) {
            Ok(Received::Nothing) => Ok(()),
            Ok(Received::Message(Order::End(cause), _)) => Err(cause.into()),
            Ok(Received::Message(Order::Answer(answer), _)) => Ok(self.judging.answered(&answer, &mut parties)?),
            Ok(Received::Message(Order::Told { number, told }, _)) => Ok(self.judging.told(number, told, &mut parties)?),
            Ok(Received::Message(Order::Note(note), _)) => Ok(self.judging.note(note, &mut parties)?),
            Ok(Received::Message(Order::Extended(grant), _)) => Ok(self.extended(&grant)?),
            Ok(Received::Message(Order::NotPut { question, why }, _)) => Ok(self.judging.not_put(&question, why, &mut parties)?),
            Ok(Received::Closed) => Err(Fault::Peer("the warden is gone".to_owned()).into()),
            Err(error) => Err(Fault::Peer(format!("the warden sent nonsense: {error}")).into()),
        }
    }

    /// The grant ends later. What the controller did not sign, or for another, changes nothing.
    fn extended(&mut self, signed: &SignedGrant) -> Result<(), Fault> {
        let facts = &mut self.charge.facts;
        let verified = VerifyingKey::from_bytes(&self.charge.controller).ok().and_then(|key| signed.verify(&key, &facts.target).ok());
        let Some(grant) = verified.filter(|grant| grant.id == facts.grant && grant.not_after > facts.end) else {
            tracing::error!(session = %facts.id, "a later end that is not the controller's word for this grant");
            return Ok(());
        };
        facts.end = grant.not_after;
        self.evidence.note(EventKind::Extended { end: facts.end })?;
        self.judging.put_off(facts.end);
        self.timers.put_off(facts.end);
        Ok(self.shell.extended(facts.end)?)
    }

    fn reap(&mut self, warden: &mut Packets) -> Result<(), End> {
        for reaped in self.custody.reap() {
            if self.phase == Phase::Starting && matches!(reaped, Reaped::Verified { .. }) {
                self.phase = Phase::Running;
                warden.send(&Report::Started, None).map_err(|error| Fault::Peer(format!("the warden is gone: {error}")))?;
            }
            let Some(event) = event_of(reaped)? else { continue };
            self.evidence.note(event.clone()).map_err(Fault::from)?;
            match &event {
                EventKind::Killed { pid, found, difference, .. } => self.judging.killed(*pid, found.as_deref(), difference, &self.custody.guard, &mut self.evidence)?,
                EventKind::Lapsed { pid, .. } => self.judging.did_not_happen(*pid),
                _ => {}
            }
        }
        Ok(())
    }

    fn judge(&mut self, ready: &Ready) -> Result<(), Fault> {
        let mut parties = Parties { evidence: &mut self.evidence, guard: &mut self.custody.guard, shell: &mut self.shell, service: &mut self.service };
        if ready.has(Source::Judge) {
            self.judging.judge_said(&mut parties)?;
        }
        if ready.has(Source::Shell) {
            parties.shell.flush()?;
            for message in parties.shell.hear()? {
                self.judging.shell_said(message, &mut parties)?;
            }
        }
        self.judging.tick(Instant::now(), &mut parties)?;
        parties.guard.end_overdue(Instant::now())?;
        // an exec that was put off comes after another has been answered, which no descriptor tells
        if ready.has(Source::Guard) || parties.guard.has_deferred() {
            self.judging.execs(&mut parties)?;
        }
        Ok(())
    }

    fn wish(&mut self, wish: Wish) -> Result<(), Fault> {
        match wish {
            Wish::Resize(size) => {
                let Some(terminal) = self.relay.terminal().filter(|_| self.window != Some(size)) else { return Ok(()) };
                self.window = Some(size);
                portcullis_jail::pty::resize(terminal, size).map_err(Fault::Terminal)?;
                Ok(self.evidence.note(EventKind::Resized(size))?)
            }
            Wish::Signal(signal) => {
                let number = number_of(signal);
                self.custody.signal(number, self.relay.terminal(), self.judging.shell());
                Ok(self.evidence.note(EventKind::Signalled { number })?)
            }
        }
    }

    fn clocks(&mut self) -> Result<(), End> {
        let last_active = self.last_active();
        match self.timers.due(last_active) {
            Due::Nothing => Ok(()),
            Due::Warning(text) => Ok(self.shell.message(text).map_err(Fault::from)?),
            Due::End(cause) => Err(cause.into()),
        }
    }

    fn init_said(&mut self) -> Result<(), End> {
        match self.custody.init_said()? {
            None => Ok(()),
            Some((FromInit::ShellExited(status), _)) => Err(End { cause: EndCause::Exit, exit: Some(status) }),
            Some((FromInit::Failed(what), _)) => Err(Fault::Jail(what).into()),
            Some((said @ FromInit::Child { .. }, process)) => {
                for event in self.custody.guard.child_said(said, process).into_iter().filter_map(|reaped| event_of(reaped).transpose()) {
                    self.evidence.note(event?).map_err(Fault::from)?;
                }
                Ok(())
            }
        }
    }

    /// Step 6. Nothing in it can fail in a way that leaves something alive.
    fn end(mut self, end: End, warden: &mut Packets) -> Result<(), PacketsError> {
        let since = Instant::now();
        self.custody.guard.refuse_all_from_now();
        let mut end = end;
        if end.exit.is_some() {
            // all that the program has said comes before its end; what it left behind is killed after that
            let _ = self.relay.pass_last_output(&mut self.evidence).map_err(|failure| end = failure);
        }
        if end.exit.is_none() {
            // the client first: it is let go even where the kernel holds a process for longer
            self.relay.close(farewell(&end.cause));
        }
        let killed = self.custody.kill();
        let micros = clock::micros_since(since);
        if killed.report.survivors.is_empty()
            && let Err(error) = warden.send(&Report::Empty, None)
        {
            tracing::error!(%error, "the warden was not told that no process is left");
        }
        if let Err(failure) = self.record_the_rest(&mut end, killed.reaped) {
            end = failure;
            self.relay.close(farewell(&end.cause));
        }
        // what was raised last, or could not be told for its number; the end comes behind it
        for report in self.judging.reports() {
            if let Err(error) = warden.send(&report, None) {
                tracing::error!(%error, "the warden was not told of an alert");
            }
        }
        self.relay.hang_up();
        let Self { charge, evidence, mut relay, .. } = self;
        let receipt = Receipt {
            session: charge.facts.id,
            grant: charge.facts.grant,
            cause: end.cause,
            killed: killed.report.killed,
            survivors: killed.report.survivors,
            micros,
        };
        let recording = evidence.finish(&receipt).err().map(|error| with_sources(&error));
        let told = warden.send(&Report::Ended { receipt, exit: end.exit, recording }, None);
        relay.deliver(Instant::now() + LAST_OUTPUT_DEADLINE);
        told
    }

    /// Records what came of the last execs, the last output, and the exit.
    fn record_the_rest(&mut self, end: &mut End, reaped: Vec<Reaped>) -> Result<(), End> {
        self.judging.close_asked(&mut self.evidence)?;
        self.judging.close_alerts(&mut self.evidence)?;
        for event in reaped.into_iter().filter_map(|reaped| event_of(reaped).ok().flatten()) {
            self.evidence.note(event).map_err(Fault::from)?;
        }
        match &end.exit {
            None => {
                self.relay.record_leftovers(&mut self.evidence)?;
                self.record_the_service()
            }
            Some(status) => {
                self.relay.pass_last_output(&mut self.evidence)?;
                self.record_the_service()?;
                self.evidence.note(EventKind::Exited(status.clone())).map_err(Fault::from)?;
                self.relay.say_exit(status.clone())
            }
        }
    }

    /// Records what a session without a shell leaves: files that were open, bytes that were carried.
    fn record_the_service(&mut self) -> Result<(), End> {
        let mut events = Vec::new();
        if let Service::Files(files) = &mut self.service {
            // what it told last is more than what was heard so far; nonsense does not matter any more
            for message in self.shell.hear().unwrap_or_default() {
                if let ToKeeper::Moved { id, moved, closed } = message {
                    events.extend(files.moved(id, moved, closed).ok().flatten());
                }
            }
            events.extend(files.cut());
        }
        events.extend(self.relay.carried().map(|(input, output)| EventKind::Carried { input, output }));
        Ok(events.into_iter().try_for_each(|event| self.evidence.note(event)).map_err(Fault::from)?)
    }
}

fn bytes(mib: u32) -> u64 {
    u64::from(mib) * MIB
}

/// What came of an exec, as an event; the end of the jail's init is the end of the session.
fn event_of(reaped: Reaped) -> Result<Option<EventKind>, Fault> {
    match reaped {
        Reaped::Verified { pid, decision } => Ok(Some(EventKind::Verified { pid, decision })),
        Reaped::Lapsed { pid, decision } => Ok(Some(EventKind::Lapsed { pid, decision })),
        Reaped::Killed { pid, decision, found, difference } => Ok(Some(EventKind::Killed { pid, decision, found, difference })),
        Reaped::InitGone(status) => Err(Fault::Jail(format!("its init has ended: {status:?}"))),
    }
}

/// Step 1: the judge, connected and with a module.
fn find_judge(charge: &Charge) -> Result<Judge, Fault> {
    let gone = || Fault::NoJudge("the policy judge of this node is not running".to_owned());
    let mut judge = Judge::find(&charge.place.judge, &charge.facts).map_err(|_| gone())?;
    let deadline = Instant::now() + JUDGE_DEADLINE;
    while Instant::now() < deadline {
        judge.tick(Instant::now());
        judge.pump();
        match judge.news() {
            Some(News::Live(Some(_)) | News::Changed(Some(_))) => return Ok(judge),
            Some(News::Live(None) | News::Changed(None)) => {
                let (action, role) = (charge.facts.action, charge.facts.role);
                return Err(Fault::NoJudge(format!("no policy module is active for {action} on a target of role {role}")));
            }
            Some(News::Gone | News::Answer { .. }) => {}
            None => {
                let mut waiting = Waiting::default();
                if let Some((fd, _)) = judge.socket() {
                    waiting.read(Source::Judge, fd);
                }
                waiting.until(deadline.min(judge.next_tick().unwrap_or(deadline)))?;
            }
        }
    }
    Err(gone())
}
