//! The node's audit log, as the warden uses it: written by a thread of its own, so that the warden never waits for the disk.
//!
//! What may wait, waits for its entry: an [`Effect`] is given back by [`done`](Ledger::done) once its entry is on the disk. Entries
//! that come together are committed together. A log that failed, or that takes too long, has failed for good: nothing is admitted
//! any more, and who holds sessions ends them.

use crate::chain::with_sources;
use anyhow::{Context as _, bail};
use portcullis_model::audit::{AuditEntry, AuditEvent};
use portcullis_model::action::Role;
use portcullis_model::boot::BootId;
use portcullis_model::id::SessionId;
use portcullis_recording::log::{Book, LogKey, Pages};
use portcullis_recording::{FILE_NAME, MANIFEST_NAME};
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// Entries that may wait for the disk.
const QUEUE: usize = 64 * 1024;
/// Effects that may wait for their entries; more are refused.
const WAITING_MAX: usize = 1024;
/// Entries that are committed together at most.
const BATCH: usize = 256;
/// How long an entry may take to be on the disk.
const STALL: Duration = Duration::from_secs(10);
const KEY_FILE: &str = "audit.key";

/// An entry that is not in the log.
#[derive(Debug, Clone, thiserror::Error)]
#[error("it cannot be written into the audit log: {0}")]
pub(crate) struct Unlogged(String);

/// Who is told that an entry is on the disk.
#[derive(Debug)]
enum Then {
    Nobody,
    Effect(u64),
    Tell(SyncSender<Result<(), Unlogged>>),
}

#[derive(Debug)]
struct Order {
    event: AuditEvent,
    then: Then,
}

/// What the thread and the warden share.
#[derive(Debug)]
struct Shared {
    done: Mutex<Vec<(u64, Result<(), Unlogged>)>>,
    wake: OwnedFd,
    failed: OnceLock<Unlogged>,
}

impl Shared {
    fn wake(&self) {
        // an eventfd that was never read takes another 1 for a very long time
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }
}

/// The log, and the effects that wait for it.
#[derive(Debug)]
pub(crate) struct Ledger<E> {
    writer: Option<Writer>,
    waiting: BTreeMap<u64, (Instant, E)>,
    next: u64,
    thread: Option<JoinHandle<()>>,
}

/// Writes entries; for other threads of the warden.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    orders: SyncSender<Box<Order>>,
    shared: Arc<Shared>,
}

/// What there is to know to open a log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Site<'a> {
    /// The log's folder.
    pub(crate) folder: &'a Path,
    /// The warden's own folder, for the log's key.
    pub(crate) state: &'a Path,
    /// The folder of recordings.
    pub(crate) evidence: &'a Path,
    /// The node's name.
    pub(crate) target: &'a str,
    /// What it is in its rack.
    pub(crate) role: Role,
    /// The group that may read the log.
    pub(crate) gid: Option<u32>,
}

impl<E> Ledger<E> {
    /// Opens the log, says in it that the warden has started, and what became of sessions of an earlier one that left no recording.
    ///
    /// # Errors
    /// One line; also when the log is not what was signed: somebody has to look at that.
    pub(crate) fn open(site: Site<'_>, boot: BootId) -> anyhow::Result<Self> {
        let key = key(site.state, site.target)?;
        let before = unfinished(site);
        let (mut book, opened) = Book::open(site.folder, key, boot, site.gid).context("the audit log cannot be used")?;
        if opened.torn > 0 {
            tracing::warn!(bytes = opened.torn, entries = opened.entries, "the audit log ended in an entry that was not whole; it is kept beside");
        }
        for session in before {
            let why = "the warden ended before anything of it was recorded".to_owned();
            book.append(AuditEvent::RecordingMissing { session, why })?;
        }
        let (target, program) = (site.target.to_owned(), env!("CARGO_PKG_VERSION").to_owned());
        book.append(AuditEvent::Opened { target, role: site.role, program, torn: opened.torn })?;
        book.commit().and_then(|()| book.checkpoint()).context("the audit log cannot be written")?;
        tracing::info!(entries = book.size(), folder = %site.folder.display(), "the audit log is open");
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).context("no eventfd")?;
        let shared = Arc::new(Shared { done: Mutex::default(), wake, failed: OnceLock::new() });
        let (orders, receiver) = sync_channel(QUEUE);
        let for_thread = Arc::clone(&shared);
        let thread = Builder::new().name("audit".to_owned()).spawn(move || write(book, &receiver, &for_thread)).context("no thread for the audit log")?;
        Ok(Self { writer: Some(Writer { orders, shared }), waiting: BTreeMap::new(), next: 0, thread: Some(thread) })
    }

    /// For another thread.
    pub(crate) fn writer(&self) -> Option<Writer> {
        self.writer.clone()
    }

    /// Readable when effects are [`done`](Self::done).
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.writer.as_ref().map(|writer| writer.shared.wake.as_fd())
    }

    /// Writes something down that has happened.
    pub(crate) fn note(&self, event: AuditEvent) {
        if let Some(writer) = &self.writer {
            writer.order(Order { event, then: Then::Nobody });
        }
    }

    /// Writes something down that is to happen; the effect is given back when it may.
    ///
    /// # Errors
    /// [`Unlogged`], when the log has failed; it may not then.
    pub(crate) fn before(&mut self, event: AuditEvent, effect: E) -> Result<(), Unlogged> {
        self.failed().map_or(Ok(()), Err)?;
        if self.waiting.len() >= WAITING_MAX {
            return Err(Unlogged(format!("{WAITING_MAX} others wait for the disk")));
        }
        self.next += 1;
        if let Some(writer) = &self.writer {
            writer.order(Order { event, then: Then::Effect(self.next) });
        }
        self.failed().map_or(Ok(()), Err)?;
        self.waiting.insert(self.next, (Instant::now(), effect));
        Ok(())
    }

    /// The effects whose entries are on the disk, or will never be, in the order of their entries.
    pub(crate) fn done(&mut self) -> Vec<(E, Result<(), Unlogged>)> {
        let Some(writer) = &self.writer else { return Vec::new() };
        let mut count = [0; 8];
        match rustix::io::read(&writer.shared.wake, &mut count) {
            Ok(_) | Err(Errno::AGAIN | Errno::INTR) => {}
            Err(error) => tracing::error!(%error, "the audit log's descriptor cannot be read"),
        }
        let done = std::mem::take(&mut *writer.shared.done.lock().unwrap_or_else(PoisonError::into_inner));
        let mut done: Vec<_> = done.into_iter().filter_map(|(number, result)| Some((self.waiting.remove(&number)?.1, result))).collect();
        if self.waiting.first_key_value().is_some_and(|(_, (since, _))| since.elapsed() > STALL) {
            writer.fail("the disk does not take it");
        }
        if let Some(failed) = self.failed() {
            done.extend(std::mem::take(&mut self.waiting).into_values().map(|(_, effect)| (effect, Err(failed.clone()))));
        }
        done
    }

    /// The effects that wait.
    pub(crate) fn waiting(&mut self) -> impl Iterator<Item = &mut E> {
        self.waiting.values_mut().map(|(_, effect)| effect)
    }

    /// Why the log takes nothing any more, if so.
    pub(crate) fn failed(&self) -> Option<Unlogged> {
        self.writer.as_ref().and_then(|writer| writer.shared.failed.get().cloned())
    }

    /// When [`done`](Self::done) is to be asked even if nothing was heard.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.waiting.first_key_value().map(|(_, (since, _))| *since + STALL + Duration::from_millis(50))
    }

    /// Ends the thread, after what was written down so far. Other threads' [`Writer`]s have to be gone.
    pub(crate) fn close(&mut self) {
        self.writer = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the audit log was not closed");
        }
    }
}

impl Writer {
    fn order(&self, order: Order) {
        match self.orders.try_send(Box::new(order)) {
            Ok(()) => {}
            // what is not written down cannot be made up for
            Err(TrySendError::Full(_)) => self.fail("more than can wait is waiting for the disk"),
            Err(TrySendError::Disconnected(_)) => self.fail("its thread is gone"),
        }
    }

    fn fail(&self, why: &str) {
        if self.shared.failed.set(Unlogged(why.to_owned())).is_ok() {
            self.shared.wake();
        }
    }

    /// Writes something down and waits until it is on the disk.
    ///
    /// # Errors
    /// [`Unlogged`].
    pub(crate) fn commit(&self, event: AuditEvent) -> Result<(), Unlogged> {
        let (tell, told) = sync_channel(1);
        if let Err(error) = self.orders.send(Box::new(Order { event, then: Then::Tell(tell) })) {
            return Err(Unlogged(error.to_string()));
        }
        match told.recv_timeout(STALL) {
            Ok(result) => result,
            Err(RecvTimeoutError::Timeout) => Err(Unlogged("the disk does not take it".to_owned())),
            Err(RecvTimeoutError::Disconnected) => Err(Unlogged("its thread is gone".to_owned())),
        }
    }
}

/// The thread: takes what has come, all at once, and tells who waits.
fn write(mut book: Book, orders: &Receiver<Box<Order>>, shared: &Shared) {
    while let Ok(first) = orders.recv() {
        let mut batch = vec![first];
        while batch.len() < BATCH {
            match orders.try_recv() {
                Ok(order) => batch.push(order),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
        }
        let mut told = Vec::with_capacity(batch.len());
        for order in batch {
            let Order { event, then } = *order;
            let name = event.name();
            let taken = book.append(event).map(drop).map_err(|error| Unlogged(with_sources(&error)));
            if let Err(error) = &taken {
                tracing::error!(entry = name, %error, "an entry is not in the audit log");
            }
            told.push((then, taken));
        }
        let committed = book.commit().map_err(|error| Unlogged(with_sources(&error)));
        if let Err(error) = &committed {
            tracing::error!(%error, "the audit log has failed");
            let _ = shared.failed.set(error.clone());
        }
        let mut woken = committed.is_err();
        for (then, taken) in told {
            let result = taken.and(committed.clone());
            match then {
                Then::Nobody => {
                    if let Err(error) = result {
                        woken |= shared.failed.set(error).is_ok();
                    }
                }
                Then::Effect(number) => {
                    shared.done.lock().unwrap_or_else(PoisonError::into_inner).push((number, result));
                    woken = true;
                }
                // whoever wanted to hear it has given up
                Then::Tell(tell) => drop(tell.try_send(result)),
            }
        }
        if woken {
            shared.wake();
        }
        if committed.is_ok()
            && let Err(error) = book.checkpoint()
        {
            let error = Unlogged(with_sources(&error));
            tracing::error!(%error, "the audit log cannot be signed");
            let _ = shared.failed.set(error);
            shared.wake();
        }
    }
}

/// The log's key, made at the first start.
fn key(state: &Path, target: &str) -> anyhow::Result<LogKey> {
    let path = state.join(KEY_FILE);
    let named = || format!("cannot use the audit log's key {}", path.display());
    match fs::read_to_string(&path) {
        Ok(text) => {
            let key = LogKey::from_secret(&text).with_context(named)?;
            if key.name() != name(target) {
                bail!("{}: it is the key of {}, this node is {}", named(), key.name(), name(target));
            }
            Ok(key)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut seed = [0; 32];
            getrandom::fill(&mut seed).context("no random numbers")?;
            let key = LogKey::new(&name(target), seed).with_context(named)?;
            let unfinished = path.with_extension("new");
            let write = || -> io::Result<()> {
                let mut file = fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
                file.write_all(key.to_secret().as_bytes())?;
                file.sync_all()?;
                fs::rename(&unfinished, &path)?;
                fs::File::open(state)?.sync_all()
            };
            write().with_context(named)?;
            Ok(key)
        }
        Err(error) => Err(error).with_context(named),
    }
}

fn name(target: &str) -> String {
    format!("portcullis/{target}")
}

/// The sessions that were let in since the log was opened last, of which there is no recording and no word why.
fn unfinished(site: Site<'_>) -> BTreeSet<SessionId> {
    let mut open = BTreeSet::new();
    // from the last bundles on, as far back as the last start
    let mut from = Pages::of(site.folder).count() as u64;
    // twice as far each time, so that all of it is read twice at most
    let mut step = 256;
    loop {
        from = from.saturating_sub(step);
        step *= 2;
        let mut started = from == 0;
        open.clear();
        for page in Pages::from(site.folder, from).filter_map(Result::ok) {
            let Ok(entry) = serde_json::from_slice::<AuditEntry>(&page.bytes) else { continue };
            match &entry.event {
                AuditEvent::Opened { .. } => {
                    started = true;
                    open.clear();
                }
                AuditEvent::SessionAdmitted { facts, .. } => drop(open.insert(facts.id.clone())),
                AuditEvent::RecordingSealed { session, .. } | AuditEvent::RecordingMissing { session, .. } => drop(open.remove(session)),
                _ => {}
            }
        }
        if started {
            break;
        }
    }
    open.retain(|session| {
        let folder = site.evidence.join(session.as_str());
        !folder.join(FILE_NAME).exists() && !folder.join(MANIFEST_NAME).exists()
    });
    open
}
