//! The keeper's end of the shell's socket. The shell is not trusted: its messages are bounded, whatever they say can only
//! make the record say less or more, and the first one that does not parse ends the session.

use super::stream::{Bounds, Peer, Stream, StreamError};
use portcullis_model::decision::{Authority, Refusal};
use portcullis_model::subject::{LINE_COMMANDS_MAX, LINE_MAX, Line};
use portcullis_model::time::UnixMs;
use portcullis_model::verdict::Denial;
use portcullis_model::wire::judge::ModuleInfo;
use portcullis_model::wire::shell::{FromKeeper, LineAnswer, MESSAGE_MAX, Notice, ToKeeper, Waits};
use portcullis_model::wish::Told;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

/// Bytes that may wait for the shell. An answer that does not fit ends the session, a notice that does not fit is dropped.
const BACKLOG_MAX: usize = 1024 * 1024;
/// Bytes that may wait for the shell before notices are dropped.
const NOTICES_MAX: usize = BACKLOG_MAX / 2;

/// The shell does not keep to the protocol: the session ends.
#[derive(Debug, thiserror::Error)]
#[error("the shell broke its protocol")]
pub(crate) struct Broken(#[from] StreamError);

/// The shell, as the keeper talks with it.
#[derive(Debug)]
pub(crate) struct Shell {
    stream: Option<Stream>,
    /// The accepted line that runs now, and its number.
    running: Option<(u32, Vec<u8>)>,
}

impl Shell {
    /// Over the keeper's end of the socket.
    pub(crate) fn new(socket: OwnedFd) -> Self {
        let stream = Stream::new(socket, Bounds { incoming: MESSAGE_MAX, outgoing: BACKLOG_MAX });
        Self { stream: Some(stream), running: None }
    }

    /// Says the first message; without a terminal, with the pipe of the client's input.
    pub(crate) fn welcome(&mut self, welcome: &FromKeeper, client_input: Option<BorrowedFd<'_>>) -> Result<(), Broken> {
        let Some(stream) = &mut self.stream else { return Ok(()) };
        match client_input {
            Some(pipe) => stream.send_first(welcome, pipe)?,
            None => stream.send(welcome)?,
        }
        Ok(())
    }

    /// The accepted line that runs now.
    pub(crate) fn running(&self) -> Option<&[u8]> {
        self.running.as_ref().map(|(_, text)| text.as_slice())
    }

    /// The shell's number of the accepted line that runs now.
    pub(crate) fn running_number(&self) -> Option<u32> {
        self.running.as_ref().map(|(number, _)| *number)
    }

    /// Says the answer to a line; an accepted one runs from now on.
    pub(crate) fn answer(&mut self, id: u32, line: &Line, answer: LineAnswer) -> Result<(), Broken> {
        if answer == LineAnswer::Allowed {
            self.running = Some((id, line.text.clone()));
        }
        self.say(&FromKeeper::Line { id, answer })
    }

    /// Says the answer to anything but a line.
    pub(crate) fn judged(&mut self, id: u32, answer: LineAnswer) -> Result<(), Broken> {
        self.say(&FromKeeper::Judged { id, answer })
    }

    /// Says what would become of a line that is being typed; nothing runs from that.
    pub(crate) fn tried(&mut self, id: u32, denied: Option<Notice>) -> Result<(), Broken> {
        self.mention(&FromKeeper::Trial { id, denied })
    }

    /// Takes note that a line is done, or was given up; says whether it was the one that ran.
    pub(crate) fn done(&mut self, id: u32) -> bool {
        self.running.take_if(|(running, _)| *running == id).is_some()
    }

    /// Says that an exec was refused.
    pub(crate) fn exec_denied(&mut self, path: &[u8], notice: Notice) -> Result<(), Broken> {
        self.mention(&FromKeeper::ExecDenied { path: path.to_vec(), notice })
    }

    /// Says what became of a wish.
    pub(crate) fn told(&mut self, id: u32, told: Told) -> Result<(), Broken> {
        self.say(&FromKeeper::Told { id, told })
    }

    /// Says that the access ends later.
    pub(crate) fn extended(&mut self, end: UnixMs) -> Result<(), Broken> {
        self.say(&FromKeeper::Extended { end })
    }

    /// Says that people are asked about something.
    pub(crate) fn waits(&mut self, waits: Waits) -> Result<(), Broken> {
        self.mention(&FromKeeper::Asked(waits))
    }

    /// Says what judges now.
    pub(crate) fn judge(&mut self, module: Option<&ModuleInfo>) -> Result<(), Broken> {
        self.say(&FromKeeper::Judge { module: module.cloned() })
    }

    /// Says something to the operator.
    pub(crate) fn message(&mut self, text: String) -> Result<(), Broken> {
        self.mention(&FromKeeper::Message(text))
    }

    /// The messages that have come.
    pub(crate) fn hear(&mut self) -> Result<Vec<ToKeeper>, Broken> {
        let Some(stream) = &mut self.stream else { return Ok(Vec::new()) };
        let peer = stream.fill()?;
        let mut said = Vec::new();
        while let Some(message) = stream.next()? {
            said.push(message);
        }
        if peer == Peer::Gone {
            // what it could ask for, it no longer can; how its program ends is told by the jail's init
            self.stream = None;
        }
        Ok(said)
    }

    /// Sends what waits.
    pub(crate) fn flush(&mut self) -> Result<(), Broken> {
        let flushed = self.stream.as_mut().map_or(Ok(()), Stream::flush);
        self.or_gone(flushed)
    }

    /// The socket and whether it is waited for to become writable; none once the shell has closed it.
    pub(crate) fn socket(&self) -> Option<(BorrowedFd<'_>, bool)> {
        self.stream.as_ref().map(|stream| (stream.as_fd(), stream.backlog() > 0))
    }

    fn mention(&mut self, message: &FromKeeper) -> Result<(), Broken> {
        if self.stream.as_ref().is_some_and(|stream| stream.backlog() > NOTICES_MAX) {
            return Ok(());
        }
        self.say(message)
    }

    fn say(&mut self, message: &FromKeeper) -> Result<(), Broken> {
        let said = self.stream.as_mut().map_or(Ok(()), |stream| stream.send(message));
        self.or_gone(said)
    }

    /// A shell that has gone is no fault: its program's end is told by the jail's init.
    fn or_gone(&mut self, result: Result<(), StreamError>) -> Result<(), Broken> {
        match result {
            Err(StreamError::Io(_)) => {
                self.stream = None;
                Ok(())
            }
            other => Ok(other?),
        }
    }
}

/// Why a line cannot be put to a module, if so.
pub(crate) fn unaskable(line: &Line) -> Option<String> {
    if line.text.len() > LINE_MAX {
        return Some(format!("the line is longer than {LINE_MAX} bytes"));
    }
    if line.commands.len() > LINE_COMMANDS_MAX {
        return Some(format!("the line has more than {LINE_COMMANDS_MAX} commands"));
    }
    if line.text.contains(&0) {
        return Some("the line has a NUL byte in it".to_owned());
    }
    None
}

/// A refusal as the operator sees it: by whom, and why.
pub(crate) fn notice(refusal: &Refusal, module: Option<&ModuleInfo>) -> Notice {
    let by = match refusal.authority() {
        Authority::Portcullis | Authority::Trust(_) => "portcullis".to_owned(),
        Authority::Answer { by, .. } => by.chars().take(128).collect(),
        Authority::Policy(digest) => match module.filter(|module| module.digest == *digest) {
            Some(module) => format!("{}@{}", module.name, digest.short()),
            None => format!("policy@{}", digest.short()),
        },
    };
    Notice { by, denial: cut(refusal.denial()) }
}

/// A denial whose texts fit a message, whatever a module wrote into them.
fn cut(denial: &Denial) -> Denial {
    let cut = |text: &str| text.chars().take(4096).collect();
    Denial { rule: cut(&denial.rule), reason: cut(&denial.reason), hint: cut(&denial.hint) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_model::wire::frame;
    use std::io::Write as _;
    use std::os::unix::net::UnixStream;

    fn pair() -> (Shell, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Shell::new(ours.into()), theirs)
    }

    fn line(text: &[u8]) -> Line {
        Line { text: text.to_vec(), commands: vec![], cwd: b"/".to_vec() }
    }

    #[test]
    fn the_running_line_is_the_accepted_one_until_it_is_done() {
        let (mut shell, _peer) = pair();
        let notice = Notice { by: "portcullis".into(), denial: Denial { rule: "x".into(), reason: "y".into(), hint: String::new() } };
        shell.answer(1, &line(b"rm"), LineAnswer::Denied(notice)).unwrap();
        assert_eq!(shell.running(), None);
        shell.answer(2, &line(b"ls"), LineAnswer::Allowed).unwrap();
        assert!(!shell.done(1));
        assert_eq!(shell.running(), Some(&b"ls"[..]));
        assert!(shell.done(2));
        assert!(!shell.done(2), "done twice");
        assert_eq!(shell.running(), None);
    }

    #[test]
    fn nonsense_from_the_shell_is_a_fault() {
        let (mut shell, mut peer) = pair();
        peer.write_all(&[1, 0, 0, 0, 0xff]).unwrap();
        assert!(shell.hear().is_err());
        let (mut shell, mut peer) = pair();
        peer.write_all(&frame::encode(&ToKeeper::Withdraw { id: 1 }).unwrap()).unwrap();
        assert_eq!(shell.hear().unwrap(), [ToKeeper::Withdraw { id: 1 }]);
    }

    #[test]
    fn a_shell_that_closes_its_socket_is_no_fault() {
        let (mut shell, peer) = pair();
        drop(peer);
        assert!(shell.hear().unwrap().is_empty());
        assert!(shell.socket().is_none());
        shell.message("x".into()).unwrap();
        shell.flush().unwrap();
    }

    #[test]
    fn a_shell_that_does_not_listen_loses_notices_and_then_the_session() {
        let (mut shell, _peer) = pair();
        for _ in 0..100_000 {
            shell.message("x".repeat(1000)).unwrap();
        }
        let broken = (0..1_000_000).find_map(|id| shell.answer(id, &line(b"ls"), LineAnswer::Allowed).err());
        assert!(broken.is_some());
    }

    #[test]
    fn lines_over_a_limit_are_not_asked_about() {
        assert!(unaskable(&line(&[b'x'; LINE_MAX])).is_none());
        assert!(unaskable(&line(&[b'x'; LINE_MAX + 1])).is_some());
        assert!(unaskable(&line(b"ls\0rm")).is_some());
    }
}
