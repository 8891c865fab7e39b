//! A terminal with somebody in front of it.

use super::peer::{self, Log};
use portcullis_model::session::Purpose;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(40);

/// What came out, and up to where it was looked at.
#[derive(Default)]
struct Seen {
    bytes: Vec<u8>,
    looked: usize,
    over: bool,
}

pub(crate) struct Terminal {
    pty: Arc<pty_process::blocking::Pty>,
    seen: Arc<(Mutex<Seen>, Condvar)>,
    child: Child,
    home: std::path::PathBuf,
    pub(crate) log: Log,
}

impl Terminal {
    pub(crate) fn shell(term: &str) -> Self {
        Self::open(Purpose::Shell, term)
    }

    pub(crate) fn open(purpose: Purpose, term: &str) -> Self {
        let log = Log::default();
        let socket = peer::keeper(purpose, true, None, &log);
        let (pty, pts) = pty_process::blocking::open().unwrap();
        pty.resize(pty_process::Size::new(24, 100)).unwrap();
        let home = std::env::temp_dir().join(format!("portcullis-shell-test-{}-{}", std::process::id(), log_number()));
        std::fs::create_dir_all(&home).unwrap();
        let child = pty_process::blocking::Command::new(env!("CARGO_BIN_EXE_portcullis-shell"))
            .env_clear()
            .envs([("HOME", home.to_str().unwrap()), ("TERM", term), ("LANG", "C.UTF-8"), ("LD_PRELOAD_TEST", "x"), ("PROMPT_COMMAND", "touch /tmp/never")])
            .current_dir(&home)
            .stdin(std::process::Stdio::from(socket))
            .spawn(pts)
            .unwrap();
        let (pty, seen) = (Arc::new(pty), Arc::new((Mutex::new(Seen::default()), Condvar::new())));
        let (reader, shared) = (Arc::clone(&pty), Arc::clone(&seen));
        std::thread::spawn(move || {
            let mut room = [0; 8192];
            loop {
                let read = (&*reader).read(&mut room).unwrap_or(0);
                let mut seen = shared.0.lock().unwrap();
                seen.bytes.extend_from_slice(&room[..read]);
                seen.over |= read == 0;
                shared.1.notify_all();
                if read == 0 {
                    return;
                }
            }
        });
        Self { pty, seen, child, home, log }
    }

    pub(crate) fn send(&self, text: &str) {
        self.send_bytes(text.as_bytes());
    }

    pub(crate) fn send_bytes(&self, bytes: &[u8]) {
        (&*self.pty).write_all(bytes).unwrap();
    }

    pub(crate) fn resize(&self, rows: u16, cols: u16) {
        self.pty.resize(pty_process::Size::new(rows, cols)).unwrap();
    }

    /// Waits until `text` was shown after what was looked at before.
    pub(crate) fn expect(&self, text: &str) -> String {
        self.expect_bytes(text.as_bytes())
    }

    pub(crate) fn expect_bytes(&self, text: &[u8]) -> String {
        self.look_for(text, DEADLINE).unwrap_or_else(|rest| panic!("no {:?} in {rest:?}", String::from_utf8_lossy(text)))
    }

    /// What was shown before `text`; what was shown instead when it does not come in time.
    pub(crate) fn look_for(&self, text: &[u8], within: Duration) -> Result<String, String> {
        let deadline = Instant::now() + within;
        let mut seen = self.seen.0.lock().unwrap();
        loop {
            let rest = &seen.bytes[seen.looked..];
            if let Some(at) = rest.windows(text.len()).position(|window| window == text) {
                let before = String::from_utf8_lossy(&rest[..at]).into_owned();
                seen.looked += at + text.len();
                return Ok(before);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || seen.over {
                return Err(String::from_utf8_lossy(rest).into_owned());
            }
            seen = self.seen.1.wait_timeout(seen, left).unwrap().0;
        }
    }

    /// Waits for the prompt.
    pub(crate) fn prompt(&self) -> String {
        self.expect("$ ")
    }

    /// Runs a line and returns what it showed up to the next prompt.
    pub(crate) fn run(&self, line: &str) -> String {
        self.send(&format!("{line}\n"));
        self.prompt()
    }

    /// Waits until the shell ends.
    pub(crate) fn ends(mut self) -> (ExitStatus, String) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                let seen = self.seen.0.lock().unwrap();
                return (status, String::from_utf8_lossy(&seen.bytes[seen.looked..]).into_owned());
            }
            assert!(Instant::now() < deadline, "the shell did not end: {:?}", String::from_utf8_lossy(&self.seen.0.lock().unwrap().bytes));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn exits_with(self, code: i32) -> String {
        let (status, rest) = self.ends();
        assert_eq!(status.code(), Some(code), "signal {:?}: {rest}", status.signal());
        rest
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.home);
    }
}

fn log_number() -> usize {
    static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::SeqCst)
}
