//! The warden: one process a node, root where it can be, single-threaded.
//!
//! It believes the controller's signature and nobody else. The gateway, which faces the network, may name grants and
//! sessions, and pass on what the controller signed; it can invent neither. For each session the warden starts a keeper
//! and holds, beside it, what is needed to kill the session's jail without it.
//!
//! What it does not do: read bytes of a session, look into a jail, run policies, or wait. The exceptions are for a session that
//! is over: its jail is killed if its keeper is dead, and its recording is closed and sealed.
//!
//! What it lets in, revokes or ends is in the audit log, and where it can wait for that it does.

mod admission;
mod args;
mod belongings;
mod fingerprint;
mod gateway;
mod grants;
mod host_name;
mod ledger;
mod listener;
mod policies;
mod reports;
mod revoking;
pub(crate) mod sealing;
mod serve;
mod sessions;
mod start;
mod store;
mod watch;

pub(crate) use args::Args;
pub(crate) use watch::timespec;

use crate::chain::with_sources;
use crate::charge::Place;
use crate::clock;
use crate::keeper::Near;
use crate::packets::Intake;
use anyhow::{Context as _, bail};
use belongings::Belongings;
use ed25519_dalek::VerifyingKey;
use gateway::{Gateway, GatewayError};
use grants::Grants;
use ledger::{Ledger, Site};
use listener::{Arrival, Listener};
use policies::Policies;
use portcullis_jail::{cgroup, probe};
use portcullis_jail::spawn::Child;
use portcullis_model::action::Role;
use portcullis_model::layer::{Layer, LayerState};
use portcullis_model::receipt::EndCause;
use portcullis_model::wire::warden::FromWarden;
use revoking::Revocations;
use sealing::Sealing;
use serve::Effect;
use sessions::Sessions;
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use watch::{Ready, Wanted, Watch};

/// How long sessions have to end when the warden is told to stop.
const STOP_DEADLINE: Duration = Duration::from_secs(10);
/// How often what has ended is forgotten.
const PURGE_INTERVAL: Duration = Duration::from_secs(60);

/// What does not change while the warden runs.
#[derive(Debug)]
struct Settings {
    target: String,
    role: Role,
    root: bool,
    max_sessions: usize,
    sftp: Option<PathBuf>,
    forward: Option<PathBuf>,
    /// The controller's key.
    controller: VerifyingKey,
    place: Place,
}

/// The warden.
#[derive(Debug)]
pub(crate) struct Warden {
    settings: Settings,
    layers: Vec<Layer>,
    grants: Grants,
    listener: Listener,
    gateway: Option<Gateway>,
    /// Whether the gateway's socket is waited for to become writable.
    gateway_wanted: Wanted,
    sessions: Sessions,
    revocations: Revocations,
    policies: Policies,
    belongings: Belongings,
    /// Keepers whose sessions are over and whose processes are not yet.
    leaving: HashMap<u64, Child>,
    ledger: Ledger<Effect>,
    /// Whether sessions were ended because the log has failed.
    unlogged: bool,
    sealing: Sealing,
    watch: Watch,
    intake: Intake,
    stop: UnixStream,
    stopping: Option<Instant>,
    next_purge: Instant,
    /// Keeps another warden from the same folder of grants.
    _lock: OwnedFd,
}

/// The whole life of the warden.
///
/// # Errors
/// One line about what keeps it from starting or from going on.
pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    args.check()?;
    let key = args::controller_key(&args.controller_key)?;
    let layers = probe::layers();
    report_layers(&layers)?;
    let lock = listener::lock(&args.state)?;
    match cgroup::sweep() {
        0 => {}
        folders => tracing::info!(folders, "removed empty cgroups that an earlier warden has left"),
    }
    let grants = Grants::load(&args.state, key, args.target.clone(), clock::now()).context("cannot use the folder of grants")?;
    let policies = Policies::load(&args.state.join("policies"), key, args.target.clone(), args.judge_policies).context("cannot use the folder of policies")?;
    let root = rustix::process::geteuid().is_root();
    let belongings = Belongings::prepare(&args.state, args.userdb, args.profiles.clone(), root).context("cannot keep what the sessions of a grant share")?;
    listener::make_evidence_folder(&args.evidence, args.evidence_gid)?;
    listener::make_evidence_folder(&args.audit, args.evidence_gid)?;
    let boot = portcullis_recording::boot_id().context("the kernel does not name this boot")?;
    let stop = listener::stop_signals().context("cannot take signals")?;
    let listener = Listener::bind(&args.socket, args.gateway_uid)?;
    // its own group is what recordings have anyway, and a keeper in a user namespace could not name it
    let evidence_gid = args.evidence_gid.filter(|gid| *gid != rustix::process::getegid().as_raw());
    let site = Site { folder: &args.audit, state: &args.state, evidence: &args.evidence, target: &args.target, role: args.role, gid: evidence_gid };
    let ledger = Ledger::open(site, boot)?;
    let log = ledger.writer().context("no audit log")?;
    let sealing = Sealing::start(&args.evidence, boot, log).context("cannot look after recordings")?;
    let place = Place { evidence: args.evidence, evidence_gid, judge: args.judge, shell: args.shell, profiles: args.profiles, notices: args.notice, near: Near(args.forward_near) };
    let (sftp, forward) = (args.sftp, args.forward);
    let settings = Settings { target: args.target, role: args.role, root, max_sessions: args.max_sessions.into(), sftp, forward, controller: key, place };
    let mut warden = Warden {
        settings,
        layers,
        grants,
        listener,
        gateway: None,
        gateway_wanted: Wanted::No,
        sessions: Sessions::default(),
        revocations: Revocations::default(),
        policies,
        belongings,
        leaving: HashMap::new(),
        ledger,
        unlogged: false,
        sealing,
        watch: Watch::new().context("no epoll")?,
        intake: Intake::new(),
        stop,
        stopping: None,
        next_purge: Instant::now() + PURGE_INTERVAL,
        _lock: lock,
    };
    warden.watch.add(&warden.listener, Ready::Listener).context("cannot watch the socket")?;
    warden.watch.add(&warden.stop, Ready::Stop).context("cannot watch for signals")?;
    if let Some(fd) = warden.ledger.fd() {
        warden.watch.add(fd, Ready::Ledger).context("cannot watch the audit log")?;
    }
    tracing::info!(socket = %args.socket.display(), target = warden.settings.target, root, "the warden is ready");
    sd_notify::notify(false, &[sd_notify::NotifyState::Ready]).context("cannot tell the supervisor that the warden is ready")?;
    warden.serve()
}

/// Names the layers that are weaker, and refuses to start without those that sessions cannot be without.
fn report_layers(layers: &[Layer]) -> anyhow::Result<()> {
    for layer in layers {
        match layer.state {
            LayerState::Live => tracing::info!(layer = layer.name, detail = layer.detail, "live"),
            LayerState::Weaker => tracing::warn!(layer = layer.name, detail = layer.detail, "weaker: sessions run without this layer"),
            LayerState::Missing => {}
        }
    }
    let missing: Vec<String> = layers.iter().filter(|l| l.state == LayerState::Missing).map(|l| format!("{} ({})", l.name, l.detail)).collect();
    if missing.is_empty() { Ok(()) } else { bail!("sessions cannot be held on this machine; missing: {}", missing.join("; ")) }
}

impl Warden {
    fn serve(&mut self) -> anyhow::Result<()> {
        while !self.has_stopped() {
            let ready = self.watch.wait(Some(self.next_deadline())).context("cannot wait for events")?;
            for what in ready {
                match what {
                    // first what ends things, whatever the order of their coming
                    Ready::Stop => self.stop_all(),
                    Ready::Report(keeper) => self.keeper_reports(keeper),
                    Ready::Death(keeper) => self.keeper_died(keeper),
                    Ready::Gateway => self.serve_gateway(),
                    Ready::Judge => self.policies.judge_said(&mut self.intake),
                    // asked after each turn
                    Ready::Ledger => {}
                    Ready::Listener => self.arrive(),
                }
            }
            self.tick(Instant::now());
            self.logged();
            self.tell_policies();
            self.watch_gateway()?;
        }
        self.sealing.finish();
        self.ledger.close();
        tracing::info!("the warden has ended");
        Ok(())
    }

    fn has_stopped(&self) -> bool {
        self.stopping.is_some_and(|deadline| self.sessions.len() == 0 || deadline <= Instant::now())
    }

    fn stop_all(&mut self) {
        listener::drain(&self.stop);
        if self.stopping.is_none() {
            tracing::info!(sessions = self.sessions.len(), "the warden is told to stop");
            self.stopping = Some(Instant::now() + STOP_DEADLINE);
            for keeper in self.sessions.filter(|_| true) {
                self.end_session(keeper, &EndCause::Shutdown);
            }
        }
    }

    fn tick(&mut self, now: Instant) {
        self.keeper_deadlines(now);
        if self.policies.tick(now)
            && let Some(socket) = self.policies.socket()
            && let Err(error) = self.watch.add(socket, Ready::Judge)
        {
            tracing::error!(%error, "the judge's socket cannot be watched");
        }
        if self.next_purge <= now {
            self.next_purge = now + PURGE_INTERVAL;
            self.grants.purge(clock::now());
        }
        self.end_belongings();
    }

    /// Ends what the sessions of grants share whose time is over, once the last of these sessions has ended.
    fn end_belongings(&mut self) {
        let (grants, sessions, now) = (&self.grants, &self.sessions, clock::now());
        self.belongings.retain(|grant| grants.is_live(grant, now) || sessions.under(grant) > 0);
    }

    fn next_deadline(&self) -> Instant {
        let wake = if self.sessions.len() == 0 { PURGE_INTERVAL } else { Duration::from_secs(1) };
        let deadlines = [Some(self.next_purge), Some(Instant::now() + wake), self.sessions.next_deadline(), self.policies.next_tick(), self.ledger.deadline(), self.stopping];
        deadlines.into_iter().flatten().min().unwrap_or(self.next_purge)
    }

    fn arrive(&mut self) {
        match self.listener.accept() {
            Ok(Arrival::Nobody) => {}
            Ok(Arrival::Stranger(uid)) => tracing::warn!(uid, "somebody other than the gateway's user wanted to connect"),
            Ok(Arrival::Gateway(socket)) if self.gateway.is_none() => {
                let gateway = Gateway::new(socket);
                match self.watch.add(&gateway, Ready::Gateway) {
                    Ok(()) => (self.gateway, self.gateway_wanted) = (Some(gateway), Wanted::No),
                    Err(error) => tracing::error!(%error, "the gateway's connection cannot be watched"),
                }
            }
            // it is closed: the gateway dials again, and the old connection's end is seen before that
            Ok(Arrival::Gateway(_)) => tracing::warn!("a second gateway wanted to connect"),
            Err(error) => tracing::error!(%error, "a connection was not accepted"),
        }
    }

    fn serve_gateway(&mut self) {
        let flushed = self.gateway.as_mut().map_or(Ok(()), Gateway::flush);
        if let Err(error) = flushed.and_then(|()| self.gateway_calls()) {
            self.lose_gateway(&error);
        }
    }

    /// The gateway has gone: the sockets of its sessions close with it, and their keepers end them.
    fn lose_gateway(&mut self, error: &GatewayError) {
        match error {
            GatewayError::Closed => tracing::info!("the gateway is gone"),
            error => tracing::error!(error = with_sources(error), "the gateway's connection is closed"),
        }
        self.gateway = None;
        self.revocations.forget_tickets();
        self.ledger.waiting().for_each(Effect::forget_ticket);
        for keeper in self.sessions.filter(|session| session.ticket().is_some()) {
            self.end_session(keeper, &EndCause::Disconnect);
            if let Some(session) = self.sessions.get_mut(keeper) {
                session.forget_ticket();
            }
        }
    }

    /// Tells the gateway what has become of policies.
    fn tell_policies(&mut self) {
        while let Some(message) = self.policies.news() {
            self.say(&message);
        }
    }

    fn say(&mut self, message: &FromWarden) {
        self.say_with_option(message, None);
    }

    fn say_with(&mut self, message: &FromWarden, descriptor: OwnedFd) {
        self.say_with_option(message, Some(descriptor));
    }

    fn say_with_option(&mut self, message: &FromWarden, descriptor: Option<OwnedFd>) {
        let said = self.gateway.as_mut().map_or(Ok(()), |gateway| gateway.say(message, descriptor));
        if let Err(error) = said {
            self.lose_gateway(&error);
        }
    }

    fn watch_gateway(&mut self) -> anyhow::Result<()> {
        let Some(gateway) = &self.gateway else { return Ok(()) };
        let wanted = if gateway.has_backlog() { Wanted::Yes } else { Wanted::No };
        if wanted != self.gateway_wanted {
            self.watch.writable(gateway, Ready::Gateway, wanted).context("cannot watch the gateway's connection")?;
            self.gateway_wanted = wanted;
        }
        Ok(())
    }
}
