//! A bash on a terminal, which tells what its line editor holds.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A key that is free in bash, and has it tell. It means nothing in the shell.
pub(crate) const TELL: &[u8] = b"\x1e";
/// How long an answer may take before it is asked again: what was typed before may have taken the keys.
const AGAIN: Duration = Duration::from_millis(700);
/// How often it is asked.
const TIMES: usize = 5;

/// What an editor holds, and what its terminal shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) line: Vec<u8>,
    /// In characters.
    pub(crate) at: usize,
    pub(crate) rows: Vec<String>,
    pub(crate) cursor: (u16, u16),
}

impl State {
    pub(crate) fn new(line: Vec<u8>, at: usize, screen: &vt100::Screen) -> Self {
        let (_, columns) = screen.size();
        let mut rows: Vec<String> = screen.rows(0, columns).map(|row| row.trim_end().to_owned()).collect();
        let used = rows.iter().rposition(|row| !row.is_empty()).map_or(0, |last| last + 1);
        rows.truncate(used);
        Self { line, at, rows, cursor: screen.cursor_position() }
    }
}

pub(crate) struct Bash {
    pty: Arc<pty_process::blocking::Pty>,
    child: Child,
    shown: Arc<Mutex<Vec<u8>>>,
    told: File,
    folder: std::path::PathBuf,
    size: (u16, u16),
}

impl Bash {
    /// One with this history, these keys (`emacs` or `vi`) and a prompt of `$ `.
    pub(crate) fn start(folder: &Path, history: &[&str], keys: &str, size: (u16, u16)) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let (fifo, rc, past) = (folder.join("told"), folder.join("rc"), folder.join("history"));
        let _ = std::fs::remove_file(&fifo);
        mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        std::fs::write(&past, history.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
        let maps = if keys == "vi" { ["vi-insert", "vi-command"].as_slice() } else { &["emacs"] };
        let tell = r#"printf '%s\0%s\0' "$READLINE_LINE" "$READLINE_POINT" >> "$HOME/told""#;
        let bind: String = maps.iter().map(|map| format!("bind -m {map} -x '\"\\C-^\": __tell'\n")).collect();
        // a flow control of the terminal would swallow Ctrl-S
        std::fs::write(&rc, format!("stty -ixon\nset -o {keys}\n__tell() {{ {tell}; }}\nPS1='$ '\n{bind}")).unwrap();
        let (pty, pts) = pty_process::blocking::open().unwrap();
        pty.resize(pty_process::Size::new(size.0, size.1)).unwrap();
        let mut command = pty_process::blocking::Command::new("bash");
        command = command.args(["--noprofile", "--rcfile"]).arg(&rc).arg("-i").env_clear().current_dir(folder);
        command = command.env("HOME", folder).env("HISTFILE", &past).env("TERM", "xterm-256color").env("LANG", "C.UTF-8").env("PATH", "/usr/bin:/bin").env("INPUTRC", "/dev/null");
        let child = command.spawn(pts).unwrap();
        let told = std::fs::OpenOptions::new().read(true).write(true).open(&fifo).unwrap();
        let (pty, shown) = (Arc::new(pty), Arc::new(Mutex::new(Vec::new())));
        let (reader, sink) = (Arc::clone(&pty), Arc::clone(&shown));
        std::thread::spawn(move || {
            let mut room = [0; 8192];
            while let Ok(read) = (&*reader).read(&mut room) {
                if read == 0 {
                    return;
                }
                sink.lock().unwrap().extend_from_slice(&room[..read]);
            }
        });
        let bash = Self { pty, child, shown, told, folder: folder.to_owned(), size };
        // before its prompt the terminal's own editing takes what is typed
        let until = Instant::now() + Duration::from_secs(30);
        while !bash.shown.lock().unwrap().ends_with(b"$ ") {
            assert!(Instant::now() < until, "bash has no prompt");
            std::thread::sleep(Duration::from_millis(1));
        }
        bash
    }

    /// What it holds after these keys; none where it is left in a state in which it tells nothing, and takes no key for what it is.
    pub(crate) fn after(&mut self, keys: &[u8]) -> Option<State> {
        (&*self.pty).write_all(keys).unwrap();
        for _ in 0..TIMES {
            (&*self.pty).write_all(TELL).unwrap();
            if let Some((line, at)) = self.heard() {
                let screen = self.settled();
                return Some(State::new(line, at, screen.screen()));
            }
        }
        None
    }

    fn heard(&mut self) -> Option<(Vec<u8>, usize)> {
        let until = Instant::now() + AGAIN;
        let mut bytes = Vec::new();
        loop {
            let mut polled = [PollFd::new(&self.told, PollFlags::IN)];
            let left = until.saturating_duration_since(Instant::now());
            let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(left.subsec_nanos()) };
            if poll(&mut polled, Some(&timeout)).unwrap() == 0 {
                return None;
            }
            let mut room = [0; 4096];
            let read = self.told.read(&mut room).unwrap();
            bytes.extend_from_slice(&room[..read]);
            let mut parts = bytes.split(|byte| *byte == 0);
            if let (Some(line), Some(at), Some(_)) = (parts.next(), parts.next(), parts.next()) {
                return Some((line.to_vec(), String::from_utf8_lossy(at).parse().unwrap()));
            }
        }
    }

    /// The screen, once the prompt was drawn again after the telling and nothing more comes.
    fn settled(&self) -> vt100::Parser {
        let mut before = 0;
        loop {
            std::thread::sleep(Duration::from_millis(4));
            let shown = self.shown.lock().unwrap();
            if shown.len() == before {
                let mut screen = vt100::Parser::new(self.size.0, self.size.1, 0);
                screen.process(&shown);
                return screen;
            }
            before = shown.len();
        }
    }
}

impl Drop for Bash {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
