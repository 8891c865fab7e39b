//! A session, as the gateway has it, and what is left of it on the disk.

use super::{Gateway, Stage, grant};
use portcullis_model::event::EventKind;
use portcullis_model::id::SessionId;
use portcullis_model::session::{ExitStatus, PtyRequest, Purpose, SessionFacts};
use portcullis_model::wire::keeper::{FromKeeper, ToKeeper};
use portcullis_model::wire::packet::{self, CHUNK_MAX, PACKET_MAX};
use portcullis_model::wire::warden::{FromWarden, OpenSession, ToWarden};
use portcullis_recording::{Body, Reader};
use rustix::net::{RecvFlags, SendFlags, sockopt};
use std::fs;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// The gateway's end of a session.
pub(crate) struct Session {
    pub(crate) facts: Box<SessionFacts>,
    socket: OwnedFd,
    seen: String,
}

/// Everything that a session said.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) output: String,
    pub(crate) error: String,
    pub(crate) exit: Option<ExitStatus>,
    pub(crate) ending: Option<String>,
}

/// What was recorded.
pub(crate) struct Record {
    pub(crate) events: Vec<EventKind>,
    pub(crate) input: Vec<u8>,
    pub(crate) output: Vec<u8>,
    pub(crate) is_closed: bool,
}

impl Gateway {
    pub(crate) fn open(&mut self, purpose: Purpose, pty: Option<PtyRequest>) -> Session {
        self.open_under(1, purpose, pty)
    }

    pub(crate) fn open_under(&mut self, n: u8, purpose: Purpose, pty: Option<PtyRequest>) -> Session {
        self.try_open_under(n, purpose, pty).unwrap_or_else(|reason| panic!("not opened: {reason}"))
    }

    pub(crate) fn try_open(&mut self, purpose: Purpose, pty: Option<PtyRequest>) -> Result<Session, String> {
        self.try_open_under(1, purpose, pty)
    }

    fn try_open_under(&mut self, n: u8, purpose: Purpose, pty: Option<PtyRequest>) -> Result<Session, String> {
        let (source, client) = ("127.0.0.1:5".to_owned(), "SSH-2.0-test".to_owned());
        let open = OpenSession { grant: grant(n).id, source, key_fingerprint: super::FINGERPRINT.to_owned(), client, purpose, pty, environment: vec![] };
        self.say(&ToWarden::Open { ticket: 100, open: Box::new(open) });
        match self.hear_with_descriptor() {
            (Some(FromWarden::Opened { ticket: 100, facts }), Some(socket)) => {
                sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(super::DEADLINE)).unwrap();
                Ok(Session { facts, socket, seen: String::new() })
            }
            (Some(FromWarden::Refused { ticket: 100, reason }), _) => Err(reason),
            (other, _) => panic!("{other:?}"),
        }
    }
}

impl Session {
    pub(crate) fn say(&mut self, message: &ToKeeper) {
        rustix::net::send(&self.socket, &packet::encode(message).unwrap(), SendFlags::NOSIGNAL).unwrap();
    }

    pub(crate) fn type_in(&mut self, bytes: &[u8]) {
        bytes.chunks(CHUNK_MAX).for_each(|chunk| self.say(&ToKeeper::Input(chunk.to_vec())));
    }

    /// The next message; none when the keeper has closed the socket.
    pub(crate) fn hear(&mut self) -> Option<FromKeeper> {
        let mut buffer = vec![0; PACKET_MAX];
        match rustix::net::recv(&self.socket, buffer.as_mut_slice(), RecvFlags::empty()) {
            Ok((0, _)) | Err(rustix::io::Errno::CONNRESET) => None,
            Ok((length, _)) => Some(packet::decode(&buffer[..length]).unwrap()),
            Err(error) => panic!("nothing was heard: {error}; seen so far: {:?}", self.seen),
        }
    }

    /// Hears until the output, from where the last call stopped, has `text` in it.
    pub(crate) fn hear_until(&mut self, text: &str) {
        let end = Instant::now() + super::DEADLINE;
        loop {
            if let Some(at) = self.seen.find(text) {
                self.seen.drain(..at + text.len());
                return;
            }
            assert!(Instant::now() < end, "{text:?} was not said, but {:?}", self.seen);
            match self.hear() {
                Some(FromKeeper::Output(bytes)) => self.seen += &String::from_utf8_lossy(&bytes),
                other => panic!("{other:?} while waiting for {text:?}; seen {:?}", self.seen),
            }
        }
    }

    pub(crate) fn hear_to_the_end(&mut self) -> Heard {
        let mut heard = Heard { output: std::mem::take(&mut self.seen), ..Heard::default() };
        while let Some(message) = self.hear() {
            match message {
                FromKeeper::Output(bytes) => heard.output += &String::from_utf8_lossy(&bytes),
                FromKeeper::ErrorOutput(bytes) => heard.error += &String::from_utf8_lossy(&bytes),
                FromKeeper::Exit(status) => heard.exit = Some(status),
                FromKeeper::Ending(text) => heard.ending = Some(text),
                FromKeeper::Connected => {}
            }
        }
        heard
    }
}

impl Stage {
    pub(crate) fn recording(&self, session: &SessionId) -> Record {
        let mut record = Record { events: vec![], input: vec![], output: vec![], is_closed: false };
        let mut reader = Reader::open(&portcullis_recording::path_of(&self.path("evidence"), session)).unwrap();
        for frame in reader.by_ref() {
            match frame.unwrap().body {
                Body::Event(event) => record.events.push(event.kind),
                Body::Output(bytes) => record.output.extend(bytes),
                Body::Input(bytes) => record.input.extend(bytes),
                Body::ErrorOutput(_) => {}
            }
        }
        record.is_closed = matches!(reader.tail(), Some(portcullis_recording::Tail::Closed));
        record
    }

    /// Waits until so many events like this are in the recording.
    pub(crate) fn wait_for_event(&self, session: &SessionId, is_it: impl Fn(&EventKind) -> bool, count: usize) {
        self.wait_until("an event is recorded", || self.recording(session).events.iter().filter(|event| is_it(event)).count() >= count);
    }

    pub(crate) fn wait_until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let end = Instant::now() + super::DEADLINE;
        while !is_so() {
            assert!(Instant::now() < end, "waited in vain until {what}; the warden said:\n{}", self.said());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The processes of a session's user on this node. Without root a session has no user of its own.
    pub(crate) fn processes_of(&self, uid: u32) -> Vec<String> {
        let status = |entry: fs::DirEntry| fs::read_to_string(entry.path().join("status")).ok();
        let of_user = |status: &String| status.lines().any(|line| line.split_whitespace().take(2).eq(["Uid:", &uid.to_string()]));
        fs::read_dir("/proc").unwrap().flatten().filter_map(status).filter(of_user).collect()
    }
}

/// A file system of its own for recordings, taken away again when it is dropped.
pub(crate) struct Disk(std::path::PathBuf);

impl Disk {
    /// Leaves no free byte.
    pub(crate) fn fill(&self) {
        let mut filler = fs::File::create(self.0.join("filler")).unwrap();
        while std::io::Write::write_all(&mut filler, &[0; 4096]).is_ok() {}
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(&self.0, rustix::mount::UnmountFlags::DETACH);
    }
}

impl Stage {
    /// None, with a line that says why, where no file system can be mounted.
    pub(crate) fn small_disk_for_evidence(&self) -> Option<Disk> {
        let path = self.path("evidence");
        fs::create_dir(&path).unwrap();
        match rustix::mount::mount("tmpfs", &path, "tmpfs", rustix::mount::MountFlags::empty(), Some(c"size=80m,mode=0750")) {
            Ok(()) => Some(Disk(path)),
            Err(error) => {
                eprintln!("SKIPPED: a small file system cannot be mounted: {error}");
                None
            }
        }
    }
}
