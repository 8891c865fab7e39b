//! What becomes of recordings once their sessions are over: those of keepers that died are closed in their stead, all are sealed, the
//! manifest's digest goes into the audit log, and only then the file that was written is removed.
//!
//! One thread does it, one recording after another; the warden does not wait for it. Packing a recording means reading and compressing
//! what operators wrote, so it is done in a process of its own, which can fail, hang or run out of memory without the warden. It has
//! the warden's user: it has to write where nobody else may. What it runs is safe code without C, and the parser of frames, which the
//! warden itself uses to close recordings.
//!
//! What was not done when the warden ended is done at its next start: a folder in which the file still lies.

use super::ledger::Writer;
use crate::LOG_VARIABLE;
use crate::chain::with_sources;
use crate::clock;
use portcullis_jail::spawn::{self, Limit, ParentDeath, Program};
use portcullis_model::audit::AuditEvent;
use portcullis_model::boot::BootId;
use portcullis_model::event::EventKind;
use portcullis_model::id::{GrantId, SessionId};
use portcullis_model::receipt::{EndCause, Receipt};
use portcullis_model::session::ExitStatus;
use portcullis_recording::{Body, FILE_NAME, Manifest, Orphan, OrphanError, ReadError, Reader, close_orphan, is_unstarted, path_of, seal, sessions_in, set_aside, unplain};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// Recordings that may wait; what is over that is done at the next start.
const QUEUE: usize = 16 * 1024;
/// How long one may take: a recording of some hundred gigabytes.
const SEAL_DEADLINE: Duration = Duration::from_secs(3600);
/// Memory of the process that packs: some times the largest piece.
const SEAL_MEMORY: u64 = 1024 * 1024 * 1024;

/// A recording whose session is over.
#[derive(Debug)]
pub(crate) enum Job {
    /// Its keeper has closed it.
    Closed(SessionId),
    /// Its session did not start; there may be the beginning of a recording.
    Unstarted(SessionId, String),
    /// Its keeper is dead: this receipt closes it, with these words.
    Orphan(Box<Receipt>, String),
    /// Left behind by an earlier warden.
    Found(SessionId),
}

/// The thread.
#[derive(Debug)]
pub(crate) struct Sealing {
    jobs: Option<SyncSender<Job>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread knows.
struct Worker {
    evidence: PathBuf,
    boot: BootId,
    log: Writer,
    stop: Arc<AtomicBool>,
}

impl Sealing {
    /// Starts the thread, with what an earlier warden has left to do.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn start(evidence: &Path, boot: BootId, log: Writer) -> std::io::Result<Self> {
        let (jobs, receiver) = sync_channel(QUEUE);
        let left = sessions_in(evidence)?.into_iter().filter(|session| path_of(evidence, session).symlink_metadata().is_ok());
        let left: Vec<SessionId> = left.collect();
        if !left.is_empty() {
            tracing::info!(recordings = left.len(), "recordings of an earlier warden are to be sealed");
        }
        let stop = Arc::new(AtomicBool::new(false));
        let worker = Worker { evidence: evidence.to_owned(), boot, log, stop: Arc::clone(&stop) };
        let thread = Builder::new().name("sealing".to_owned()).spawn(move || worker.run(left, &receiver))?;
        Ok(Self { jobs: Some(jobs), stop, thread: Some(thread) })
    }

    /// Leaves a recording to the thread.
    pub(crate) fn begin(&self, job: Job) {
        match self.jobs.as_ref().map(|jobs| jobs.try_send(job)) {
            Some(Ok(())) | None => {}
            Some(Err(TrySendError::Full(job) | TrySendError::Disconnected(job))) => tracing::error!(?job, "a recording is not sealed before the warden's next start"),
        }
    }

    /// Ends the thread: what is closed in a dead keeper's stead is, what is packed waits for the next start.
    pub(crate) fn finish(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("recordings are not sealed before the warden's next start");
        }
    }
}

impl Worker {
    fn run(&self, left: Vec<SessionId>, jobs: &Receiver<Job>) {
        for session in left {
            self.job(Job::Found(session));
        }
        while let Ok(job) = jobs.recv() {
            self.job(job);
        }
    }

    fn job(&self, job: Job) {
        let stopping = self.stop.load(Ordering::Acquire);
        let (session, why) = match job {
            Job::Closed(session) => (session, String::new()),
            Job::Unstarted(session, why) => {
                self.close(&session, None, &why);
                (session, why)
            }
            Job::Orphan(receipt, why) => {
                let text = account(&receipt.cause, &why);
                let session = receipt.session.clone();
                self.close(&session, Some(*receipt), &text);
                (session, why)
            }
            Job::Found(session) if !stopping => {
                self.close(&session, None, "its warden ended before it; the next one closed its recording");
                (session, String::new())
            }
            Job::Found(_) => return,
        };
        if !stopping {
            self.seal(&session, &why);
        }
    }

    /// Closes a recording whose writer is dead.
    fn close(&self, session: &SessionId, receipt: Option<Receipt>, text: &str) {
        let grant = receipt.as_ref().map(|receipt| receipt.grant.clone()).or_else(|| self.grant_of(session));
        let Some(grant) = grant else { return };
        let receipt = receipt.unwrap_or_else(|| Receipt { session: session.clone(), grant, cause: EndCause::Shutdown, killed: 0, survivors: vec![], micros: 0 });
        let ended = |torn: u64| {
            let torn = if torn == 0 { String::new() } else { format!("; {torn} bytes of an unfinished frame are kept in recording.torn") };
            Receipt { cause: EndCause::Fault(format!("{text}{torn}")), ..receipt }
        };
        match close_orphan(&self.evidence, session, (clock::now(), self.boot), ended) {
            Ok(Orphan::WasClosed) => {}
            Ok(Orphan::Closed { sealed, torn }) => {
                tracing::info!(%session, frames = sealed.frames, torn, head = %sealed.head, "a recording is closed in its keeper's stead");
            }
            // it died before there was one, or before it said anything
            Err(OrphanError::Read(ReadError::Io(error))) if error.kind() == ErrorKind::NotFound => {}
            Err(OrphanError::Empty) => {}
            Err(error) => tracing::error!(%session, error = with_sources(&error), "the recording of a keeper that died stays open"),
        }
    }

    fn grant_of(&self, session: &SessionId) -> Option<GrantId> {
        let first = Reader::open(&path_of(&self.evidence, session)).ok()?.next()?.ok()?;
        let Body::Event(event) = first.body else { return None };
        let EventKind::Started { facts, .. } = event.kind else { return None };
        Some(facts.grant)
    }

    /// Packs a recording, puts it on record, and removes what was packed.
    fn seal(&self, session: &SessionId, why: &str) {
        if path_of(&self.evidence, session).symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
            let why = if why.is_empty() { "there is no file".to_owned() } else { why.to_owned() };
            return self.record(session, AuditEvent::RecordingMissing { session: session.clone(), why });
        }
        // what cannot be read is told by what packs it
        if is_unstarted(&self.evidence, session).is_ok_and(|unstarted| unstarted) {
            return self.set_aside(session);
        }
        if let Err(problem) = self.pack(session) {
            tracing::error!(%session, problem, "a recording is not sealed");
            return self.record(session, AuditEvent::Alert { session: Some(session.clone()), rule: "not-sealed".to_owned(), detail: problem });
        }
        let (manifest, digest) = match Manifest::read(&self.evidence.join(session.as_str())) {
            Ok(read) => read,
            Err(error) => return tracing::error!(%session, error = with_sources(&error), "a recording was sealed and cannot be read"),
        };
        if let Some(receipt) = &manifest.end {
            self.ended(receipt, manifest.exit.clone());
        }
        let damage = manifest.damage.as_ref().map(|damage| format!("{damage:?}"));
        let sealed = AuditEvent::RecordingSealed { session: session.clone(), manifest: digest, frames: manifest.frames, head: manifest.head, damage };
        match self.log.commit(sealed) {
            Ok(()) => {
                if let Err(error) = unplain(&self.evidence, session) {
                    tracing::error!(%session, error = with_sources(&error), "the file of a recording that was sealed cannot be removed");
                }
                tracing::info!(%session, bytes = manifest.bytes, pieces = manifest.chunks.len(), manifest = %digest, "a recording is sealed");
            }
            Err(error) => tracing::error!(%session, %error, "a recording is sealed, and stays as it was as well"),
        }
    }

    /// Puts on record that nothing was recorded, because nothing had started, and keeps what there is of the file.
    fn set_aside(&self, session: &SessionId) {
        let why = "it ended before its start was recorded: nothing of it ran".to_owned();
        match self.log.commit(AuditEvent::RecordingMissing { session: session.clone(), why }) {
            Ok(()) => {
                if let Err(error) = set_aside(&self.evidence, session) {
                    tracing::error!(%session, %error, "the beginning of a recording cannot be set aside");
                }
            }
            Err(error) => tracing::error!(%session, %error, "that a session did not start is not on record"),
        }
    }

    /// That a session is over is in the log when its warden saw it; of one that a warden did not outlive, it is said here.
    fn ended(&self, receipt: &Receipt, exit: Option<ExitStatus>) {
        if matches!(&receipt.cause, EndCause::Fault(text) if text.starts_with("its warden ended")) {
            self.record(&receipt.session, AuditEvent::ended(receipt, exit));
        }
    }

    fn record(&self, session: &SessionId, event: AuditEvent) {
        if let Err(error) = self.log.commit(event) {
            tracing::error!(%session, %error, "what became of a recording is not on record");
        }
    }

    fn pack(&self, session: &SessionId) -> Result<(), String> {
        let mut process = spawn::spawn(Program {
            // the program that runs, also when its file was replaced since
            path: "/proc/self/exe".into(),
            args: vec!["seal".into(), "--evidence".into(), self.evidence.clone().into(), "--session".into(), session.as_str().into()],
            environment: std::env::vars_os().filter(|(name, _)| name == LOG_VARIABLE).collect(),
            user: None,
            descriptors: vec![],
            on_parent_death: ParentDeath::Kill,
            limits: vec![(Limit::Core, 0), (Limit::AddressSpace, SEAL_MEMORY)],
        })
        .map_err(|error| with_sources(&error))?;
        match process.wait(SEAL_DEADLINE) {
            Ok(Some(ExitStatus::Code(0))) => Ok(()),
            Ok(Some(status)) => Err(format!("the process that packs it ended with {status:?}")),
            Ok(None) => {
                let ended = process.kill().and_then(|()| process.wait(Duration::from_secs(1)));
                Err(format!("it took over {} s{}", SEAL_DEADLINE.as_secs(), ended.err().map_or(String::new(), |error| format!(", and cannot be ended: {error}"))))
            }
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Packs one recording: the whole of the process that the thread starts.
///
/// # Errors
/// What keeps it from being packed.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let (manifest, _) = seal(&args.evidence, &args.session)?;
    tracing::debug!(session = %args.session, pieces = manifest.chunks.len(), file = FILE_NAME, "packed");
    Ok(())
}

/// The command line of that process.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder of recordings
    #[arg(long)]
    evidence: PathBuf,
    /// Whose recording
    #[arg(long)]
    session: SessionId,
}

/// What the recording's last event says.
fn account(cause: &EndCause, why: &str) -> String {
    let told = match cause {
        EndCause::Exit | EndCause::Disconnect => " after the client had gone",
        EndCause::Revoked => " after access was revoked",
        EndCause::Closed => " after the request was closed",
        EndCause::Expired => " after the time of the access was over",
        EndCause::Idle => " after there was no input for too long",
        EndCause::Terminated => " after the session was terminated",
        EndCause::PolicyWithdrawn => " after its policy was withdrawn",
        EndCause::Shutdown => " while the node was being stopped",
        EndCause::Fault(_) => "",
    };
    format!("the keeper died ({why}){told}; the warden closed its recording")
}
