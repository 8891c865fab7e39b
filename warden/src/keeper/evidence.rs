//! The recording, as the rest of the keeper uses it, and the counters that follow from what was written.

use super::fault::Fault;
use super::working_directory::within;
use crate::charge::Charge;
use crate::clock;
use portcullis_model::boot::BootId;
use portcullis_model::digest::Digest;
use portcullis_model::decision::{Committed, Journal as _, Permit, Refusal};
use portcullis_model::event::{Event, EventKind};
use portcullis_model::id::PolicyDigest;
use portcullis_model::receipt::Receipt;
use portcullis_model::subject::Subject;
use portcullis_model::wire::judge::Counters;
use portcullis_recording::{CHUNK_BYTES, CHUNK_TIME, SYNC_INTERVAL, SYNC_STALL, WriteError, Writer, boot_id};
use rustix::fs::{Mode, OFlags};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Instant;

/// Something could not be recorded: the session ends.
#[derive(Debug, thiserror::Error)]
#[error("recording failed")]
pub(crate) struct Unrecorded(#[from] WriteError);

/// The folder of all recordings, opened before the keeper enters the jail.
#[derive(Debug)]
pub(crate) struct Folder {
    folder: OwnedFd,
    boot: BootId,
}

impl Folder {
    /// Opens it.
    pub(crate) fn open(path: &Path) -> Result<Self, Fault> {
        let folder = rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        let folder = folder.map_err(|error| Fault::NoFolder(path.to_owned(), error.into()))?;
        // asked for here: in the jail this file is not there
        let boot = boot_id().map_err(|error| Fault::NoFolder(path.to_owned(), error))?;
        Ok(Self { folder, boot })
    }

    /// Begins the recording of a session, with its first event.
    pub(crate) fn begin(&self, charge: &Charge, policy: Option<PolicyDigest>) -> Result<Evidence, Fault> {
        let session = &charge.facts.id;
        let create = || Writer::create(Path::new("."), session, self.boot, charge.place.evidence_gid).map_err(Unrecorded);
        let writer = within(self.folder.as_fd(), create).map_err(|error| Fault::NoFolder(charge.place.evidence.clone(), error))??;
        let mut evidence = Evidence { writer, counters: Counters::default(), growth: Growth::new() };
        evidence.note(EventKind::Started {
            facts: Box::new(charge.facts.clone()),
            purpose: charge.purpose.clone(),
            window: charge.pty.as_ref().map(|pty| pty.size),
            layers: charge.layers.clone(),
            policy,
        })?;
        Ok(evidence)
    }
}

/// The evidence of one session.
#[derive(Debug)]
pub(crate) struct Evidence {
    writer: Writer,
    counters: Counters,
    growth: Growth,
}

impl Evidence {
    /// What the session did so far.
    pub(crate) fn counters(&self) -> Counters {
        self.counters
    }

    /// How many bytes the recording has.
    pub(crate) fn length(&self) -> u64 {
        self.writer.length()
    }

    /// Writes an event down.
    ///
    /// # Errors
    /// [`Unrecorded`], as everywhere here.
    pub(crate) fn note(&mut self, kind: EventKind) -> Result<(), Unrecorded> {
        self.writer.append(&Event { at: clock::now(), kind })?;
        Ok(())
    }

    /// Writes a permit down and makes it effective; `pid` is 0 for a line.
    pub(crate) fn commit(&mut self, permit: Permit, pid: u32) -> Result<Committed, Unrecorded> {
        let committed = permit.commit(clock::now(), pid, &mut self.writer)?;
        match committed.subject() {
            Subject::Line(_) => self.counters.lines += 1,
            Subject::Exec(_) => self.counters.execs += 1,
            Subject::File(_) | Subject::Forward(_) => {}
        }
        Ok(committed)
    }

    /// Writes a refusal down.
    pub(crate) fn refused(&mut self, refusal: &Refusal, pid: u32) -> Result<(), Unrecorded> {
        self.writer.append(&refusal.event(clock::now(), pid))?;
        self.counters.denials += 1;
        Ok(())
    }

    /// Records output, before it is passed on.
    pub(crate) fn output(&mut self, bytes: &[u8]) -> Result<(), Unrecorded> {
        self.writer.output(bytes)?;
        Ok(())
    }

    /// Records standard error, before it is passed on.
    pub(crate) fn error_output(&mut self, bytes: &[u8]) -> Result<(), Unrecorded> {
        self.writer.error_output(bytes)?;
        Ok(())
    }

    /// Records input that may be seen, before it is passed on.
    pub(crate) fn input(&mut self, bytes: &[u8]) -> Result<(), Unrecorded> {
        self.writer.input(bytes)?;
        Ok(())
    }

    /// Records that input was typed which may not be seen.
    pub(crate) fn masked(&mut self, bytes: usize) -> Result<(), Unrecorded> {
        self.note(EventKind::Masked { bytes: u32::try_from(bytes).unwrap_or(u32::MAX) })
    }

    /// Whether the disk still takes what is written.
    pub(crate) fn check(&self) -> Result<(), Unrecorded> {
        self.writer.failed().map_or(Ok(()), |error| Err(Unrecorded(error)))
    }

    /// Readable once the disk takes no more.
    pub(crate) fn failed_fd(&self) -> BorrowedFd<'_> {
        self.writer.failed_fd()
    }

    /// How far the recording has come, when the audit log is to know it: at most for each piece of it once, and only what is on the
    /// disk since long.
    pub(crate) fn grew(&mut self) -> Option<(u64, Digest)> {
        self.growth.look(&self.writer, Instant::now())
    }

    /// Writes the end down and closes the recording.
    pub(crate) fn finish(self, receipt: &Receipt) -> Result<(), Unrecorded> {
        self.writer.finish(clock::now(), receipt.clone())?;
        Ok(())
    }
}

/// When the audit log was last told of the recording, and what it is to be told next.
#[derive(Debug)]
struct Growth {
    told: (u64, Instant),
    mark: Option<(Instant, u64, Digest)>,
}

impl Growth {
    fn new() -> Self {
        Self { told: (0, Instant::now()), mark: None }
    }

    fn look(&mut self, writer: &Writer, now: Instant) -> Option<(u64, Digest)> {
        if self.mark.is_none() {
            let (bytes, since) = self.told;
            let due = writer.length().saturating_sub(bytes) >= CHUNK_BYTES || (writer.length() > bytes && now.saturating_duration_since(since) >= CHUNK_TIME);
            if due {
                (self.told, self.mark) = ((writer.length(), now), Some((now, writer.next_seq(), writer.head().into())));
            }
        }
        // younger frames could be lost in a power cut, and would then be missed
        let (_, frames, head) = self.mark.take_if(|(marked, ..)| now.saturating_duration_since(*marked) > SYNC_INTERVAL + SYNC_STALL)?;
        Some((frames, head))
    }
}

#[cfg(test)]
pub(crate) mod fixture;

#[cfg(test)]
mod tests {
    use super::*;
    use fixture::Fixture;

    #[test]
    fn growth_is_told_for_each_piece_once_what_is_told_is_on_the_disk() {
        let mut fixture = Fixture::new();
        let evidence = &mut fixture.evidence;
        let (begin, settled) = (Instant::now(), SYNC_INTERVAL + SYNC_STALL + std::time::Duration::from_millis(1));
        evidence.output(b"little").unwrap();
        assert_eq!(evidence.growth.look(&evidence.writer, begin), None);
        evidence.output(&vec![b'x'; CHUNK_BYTES as usize]).unwrap();
        let (frames, head) = (evidence.writer.next_seq(), Digest::from(evidence.writer.head()));
        assert_eq!(evidence.growth.look(&evidence.writer, begin), None, "it may not be on the disk yet");
        evidence.output(b"more").unwrap();
        assert_eq!(evidence.growth.look(&evidence.writer, begin + settled), Some((frames, head)));
        assert_eq!(evidence.growth.look(&evidence.writer, begin + settled), None, "once");
        // a session that writes little is told of after a while
        let later = begin + settled + CHUNK_TIME;
        assert_eq!(evidence.growth.look(&evidence.writer, later), None);
        let told = evidence.growth.look(&evidence.writer, later + settled);
        assert_eq!(told, Some((evidence.writer.next_seq(), evidence.writer.head().into())));
        // and one that writes nothing never
        assert_eq!(evidence.growth.look(&evidence.writer, later + settled + CHUNK_TIME * 2), None);
        assert_eq!(evidence.growth.look(&evidence.writer, later + settled * 2 + CHUNK_TIME * 2), None);
    }
}
