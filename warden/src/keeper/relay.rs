//! The bytes of a session, between the gateway's socket and the terminal: recorded first, then passed on.
//!
//! Back-pressure goes both ways and nothing waits: a gateway that does not read stops the reading of the terminal, a
//! terminal that does not read stops the reading of the gateway's socket. What is held in between is bounded.

use super::evidence::Evidence;
use super::fault::{End, Fault};
use super::mask::Mask;
use super::outlets::{Done, Outlet, Outlets};
use super::screen::Screen;
use super::waiting::{Source, Waiting};
use crate::packets::{Intake, Packets, PacketsError, Received};
use portcullis_model::receipt::EndCause;
use portcullis_model::session::{ExitStatus, SessionSignal, WindowSize};
use portcullis_model::wire::keeper::{FromKeeper, ToKeeper};
use portcullis_model::wire::packet::CHUNK_MAX;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::time::Instant;

/// Bytes of input that may wait for the terminal: past this the gateway's socket is not read.
const INPUT_MAX: usize = 64 * 1024;
/// Messages of the gateway that are taken before other work has its turn.
const MESSAGES_A_TURN: usize = 64;
/// Bytes of output that may wait for the gateway: past this the terminal is not read.
const OUTPUT_MAX: usize = 128 * 1024;
/// Bytes of output that may wait for the gateway once the program has ended and no more is made.
const LAST_OUTPUT_MAX: usize = 4 * 1024 * 1024;
/// Longest line of farewell: a fault's text may repeat what an untrusted part said.
const FAREWELL_MAX: usize = 1000;

/// What the client wants beside having bytes passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Its window has another size.
    Resize(WindowSize),
    /// A signal for what runs in the foreground.
    Signal(SessionSignal),
}

/// Which descriptors to wait for.
#[derive(Debug)]
pub(crate) struct Interests<'a> {
    /// The gateway's socket, to be read and to be written.
    pub(crate) gateway: Option<(BorrowedFd<'a>, bool, bool)>,
    /// Where output comes from.
    pub(crate) sources: Vec<BorrowedFd<'a>>,
    /// Where input goes, when some waits.
    pub(crate) sink: Option<BorrowedFd<'a>>,
}

/// The relay of one session.
#[derive(Debug)]
pub(crate) struct Relay {
    gateway: Option<Packets>,
    intake: Intake,
    outlets: Outlets,
    mask: Mask,
    screen: Screen,
    buffer: Vec<u8>,
    /// What the client sent and is not recorded yet.
    fresh: Vec<u8>,
    /// What is recorded and not taken by the terminal yet.
    recorded: Vec<u8>,
    /// The client sends no more.
    eof: bool,
    last_input: Instant,
    content: Content,
}

/// What becomes of a session's bytes beside being passed on. Standard error is recorded either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    /// They are recorded: they are what people typed and saw.
    Recorded,
    /// They are counted: they are those of a protocol, and what it does is recorded instead.
    Carried {
        /// from the client
        input: u64,
        /// to the client
        output: u64,
        /// most of both together
        most: u64,
    },
}

impl Content {
    /// Whether no more may be carried.
    fn is_over(&self) -> Result<(), Fault> {
        match self {
            Self::Carried { input, output, most } if input + output > *most => Err(Fault::Quota(*most / (1024 * 1024))),
            Self::Recorded | Self::Carried { .. } => Ok(()),
        }
    }
}

impl Relay {
    /// Between the session's socket and the jail's outlets.
    pub(crate) fn new(gateway: OwnedFd, outlets: Outlets) -> Self {
        Self {
            gateway: Some(Packets::new(gateway, LAST_OUTPUT_MAX)),
            intake: Intake::new(),
            outlets,
            mask: Mask::default(),
            screen: Screen::default(),
            buffer: vec![0; CHUNK_MAX],
            fresh: Vec::new(),
            recorded: Vec::new(),
            eof: false,
            last_input: Instant::now(),
            content: Content::Recorded,
        }
    }

    /// The same for a session whose bytes are not recorded but counted, at most so many both ways together.
    pub(crate) fn carrying(gateway: OwnedFd, outlets: Outlets, most: u64) -> Self {
        if let Outlets::Pipes { input, output, .. } = &outlets {
            for pipe in [input, output] {
                pipe.enlarge();
            }
        }
        Self { content: Content::Carried { input: 0, output: 0, most }, ..Self::new(gateway, outlets) }
    }

    /// How many bytes were carried, from the client and to it; none where they are recorded.
    pub(crate) fn carried(&self) -> Option<(u64, u64)> {
        match self.content {
            Content::Recorded => None,
            Content::Carried { input, output, .. } => Some((input, output)),
        }
    }

    /// Says that the connection stands that is to be forwarded.
    pub(crate) fn say_connected(&mut self) -> Result<(), End> {
        pass_on(&mut self.gateway, &FromKeeper::Connected)
    }

    /// When the client last sent bytes or a signal.
    pub(crate) fn last_input(&self) -> Instant {
        self.last_input
    }

    /// The terminal's master, while there is one.
    pub(crate) fn terminal(&self) -> Option<BorrowedFd<'_>> {
        match &self.outlets {
            Outlets::Terminal(master) => master.fd(),
            Outlets::Pipes { .. } => None,
        }
    }

    /// What is to be waited for now.
    pub(crate) fn interests(&self) -> Interests<'_> {
        let backlog = self.gateway.as_ref().map_or(0, Packets::backlog);
        let sources = match &self.outlets {
            _ if backlog >= OUTPUT_MAX => Vec::new(),
            Outlets::Terminal(master) => master.fd().into_iter().collect(),
            Outlets::Pipes { output, error, .. } => output.fd().into_iter().chain(error.fd()).collect(),
        };
        let sink = match &self.outlets {
            _ if self.recorded.is_empty() => None,
            Outlets::Terminal(master) => master.fd(),
            Outlets::Pipes { input, .. } => input.fd(),
        };
        Interests { gateway: self.gateway.as_ref().map(|g| (g.as_fd(), self.wants_input(), backlog > 0)), sources, sink }
    }

    fn wants_input(&self) -> bool {
        self.fresh.len() + self.recorded.len() < INPUT_MAX
    }

    /// Takes what the gateway sent.
    pub(crate) fn take_input(&mut self) -> Result<Vec<Wish>, End> {
        let mut wishes = Vec::new();
        // a turn is bounded also when what comes adds nothing
        for _ in 0..MESSAGES_A_TURN {
            if !self.wants_input() {
                break;
            }
            let Some(gateway) = &self.gateway else { break };
            let message = match gateway.receive(&mut self.intake) {
                Ok(Received::Message(message, _)) => message,
                Ok(Received::Nothing) => break,
                Ok(Received::Closed) => return Err(EndCause::Disconnect.into()),
                Err(error) => return Err(gateway_failed(error)),
            };
            match message {
                ToKeeper::Input(bytes) if bytes.len() > CHUNK_MAX => return Err(Fault::Peer("the gateway sent an oversized chunk".into()).into()),
                ToKeeper::Input(bytes) => {
                    self.last_input = Instant::now();
                    if !self.eof {
                        self.fresh.extend_from_slice(&bytes);
                    }
                }
                ToKeeper::Eof => self.eof = true,
                ToKeeper::Resize(size) => wishes.push(Wish::Resize(size)),
                ToKeeper::Signal(signal) => {
                    self.last_input = Instant::now();
                    wishes.push(Wish::Signal(signal));
                }
            }
        }
        Ok(wishes)
    }

    /// Records input and passes it on, a line at a time: the terminal's flags decide anew for each.
    pub(crate) fn pass_input(&mut self, evidence: &mut Evidence) -> Result<(), Fault> {
        let mut at = 0;
        loop {
            while !self.recorded.is_empty() {
                match self.outlets.input().write(&self.recorded).map_err(Fault::Terminal)? {
                    Done::Bytes(n) => drop(self.recorded.drain(..n)),
                    Done::Closed => self.recorded.clear(),
                    Done::Later => {
                        self.fresh.drain(..at);
                        return Ok(());
                    }
                }
            }
            let rest = self.fresh.get(at..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
            if let Content::Carried { input, .. } = &mut self.content {
                *input += rest.len() as u64;
                self.content.is_over()?;
                self.recorded.extend_from_slice(rest);
                at = self.fresh.len();
                continue;
            }
            let piece = self.mask.next(rest, self.outlets.echo());
            let (now, _) = rest.split_at_checked(piece.length.max(1)).unwrap_or((rest, &[]));
            if piece.masked { evidence.masked(now.len())? } else { evidence.input(now)? }
            self.recorded.extend_from_slice(now);
            at += now.len();
        }
        self.fresh.clear();
        self.fresh.shrink_to(INPUT_MAX);
        if self.eof && let Outlets::Pipes { input, .. } = &mut self.outlets {
            // a terminal has no end of input of its own: its program is told by the operator's Ctrl-D, or by its end
            input.close();
        }
        Ok(())
    }

    /// Records output and passes it on, as long as the gateway takes it.
    pub(crate) fn pass_output(&mut self, evidence: &mut Evidence) -> Result<(), End> {
        self.flush()?;
        self.move_output(evidence, OUTPUT_MAX).map(drop)
    }

    /// Records and queues all output that is there now, whether the gateway takes it or not: the program has ended. Stops
    /// after a bounded amount, because something that it left behind may go on for ever.
    pub(crate) fn pass_last_output(&mut self, evidence: &mut Evidence) -> Result<(), End> {
        self.move_output(evidence, LAST_OUTPUT_MAX / 2).map(drop)
    }

    /// Records the output that is there now and shows it to nobody.
    pub(crate) fn record_leftovers(&mut self, evidence: &mut Evidence) -> Result<(), End> {
        self.gateway = None;
        let mut rounds = LAST_OUTPUT_MAX / CHUNK_MAX;
        while rounds > 0 && self.move_output(evidence, OUTPUT_MAX)? {
            rounds -= 1;
        }
        Ok(())
    }

    /// Moves output while less than `limit` waits for the gateway; says whether there may be more.
    fn move_output(&mut self, evidence: &mut Evidence, limit: usize) -> Result<bool, End> {
        // a turn is bounded also when the gateway keeps up: others are to be served
        for _ in 0..limit.div_ceil(CHUNK_MAX) {
            if self.gateway.as_ref().is_some_and(|gateway| gateway.backlog() >= limit) {
                return Ok(true);
            }
            let mut moved = false;
            match &mut self.outlets {
                Outlets::Terminal(master) => {
                    if let Some(bytes) = read(master, &mut self.buffer)? {
                        self.mask.output(bytes);
                        self.screen.output(bytes);
                        evidence.output(bytes).map_err(Fault::from)?;
                        moved = true;
                        pass_on(&mut self.gateway, &FromKeeper::Output(bytes.to_vec()))?;
                    }
                }
                Outlets::Pipes { output, error, .. } => {
                    if let Some(bytes) = read(output, &mut self.buffer)? {
                        match &mut self.content {
                            Content::Recorded => evidence.output(bytes).map_err(Fault::from)?,
                            Content::Carried { output, .. } => {
                                *output += bytes.len() as u64;
                                // a session that only receives is not idle
                                self.last_input = Instant::now();
                                self.content.is_over()?;
                            }
                        }
                        moved = true;
                        pass_on(&mut self.gateway, &FromKeeper::Output(bytes.to_vec()))?;
                    }
                    if let Some(bytes) = read(error, &mut self.buffer)? {
                        evidence.error_output(bytes).map_err(Fault::from)?;
                        moved = true;
                        pass_on(&mut self.gateway, &FromKeeper::ErrorOutput(bytes.to_vec()))?;
                    }
                }
            }
            if !moved {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Sends what waits for the gateway.
    pub(crate) fn flush(&mut self) -> Result<(), End> {
        self.gateway.as_mut().map_or(Ok(()), Packets::flush).map_err(gateway_failed)
    }

    /// Says how the program ended, after all output.
    pub(crate) fn say_exit(&mut self, status: ExitStatus) -> Result<(), End> {
        pass_on(&mut self.gateway, &FromKeeper::Exit(status))
    }

    /// Says why Portcullis ends the session, as far as the gateway still listens, and closes its socket.
    pub(crate) fn close(&mut self, farewell: Option<String>) {
        if let (Some(gateway), Some(text)) = (&mut self.gateway, farewell) {
            let text: String = text.chars().take(FAREWELL_MAX).collect();
            // a program that was killed cannot put the operator's terminal back in order
            let rest = match &self.outlets {
                Outlets::Terminal(_) => gateway.send(&FromKeeper::Output(self.screen.rest()), None),
                Outlets::Pipes { .. } => Ok(()),
            };
            if let Err(error) = rest.and_then(|()| gateway.send(&FromKeeper::Ending(text), None)) {
                tracing::debug!(%error, "the farewell was not delivered");
            }
        }
        self.gateway = None;
    }

    /// Waits until the gateway has taken what waits for it, has gone, or `deadline` is there.
    pub(crate) fn deliver(&mut self, deadline: Instant) {
        while let Some(gateway) = self.gateway.as_mut().filter(|gateway| gateway.backlog() > 0) {
            let mut waiting = Waiting::default();
            waiting.write(Source::Gateway, gateway.as_fd());
            if Instant::now() >= deadline || waiting.until(deadline).is_err() || gateway.flush().is_err() {
                break;
            }
        }
        self.gateway = None;
    }

    /// Closes the terminal: whatever still has it open is told that it hung up.
    pub(crate) fn hang_up(&mut self) {
        match &mut self.outlets {
            Outlets::Terminal(master) => master.close(),
            Outlets::Pipes { input, output, error } => [input, output, error].into_iter().for_each(Outlet::close),
        }
    }
}

fn read<'a>(from: &mut Outlet, buffer: &'a mut [u8]) -> Result<Option<&'a [u8]>, Fault> {
    match from.read(buffer).map_err(Fault::Terminal)? {
        Done::Bytes(n) => Ok(buffer.get(..n)),
        Done::Later | Done::Closed => Ok(None),
    }
}

fn pass_on(gateway: &mut Option<Packets>, message: &FromKeeper) -> Result<(), End> {
    gateway.as_mut().map_or(Ok(()), |gateway| gateway.send(message, None)).map_err(gateway_failed)
}

/// A gateway that has gone is the client's going; one that talks nonsense is a fault.
fn gateway_failed(error: PacketsError) -> End {
    match error {
        PacketsError::Io(_) => EndCause::Disconnect.into(),
        PacketsError::Message(_) | PacketsError::Cut => Fault::Peer(format!("the gateway sent nonsense: {error}")).into(),
        PacketsError::Backlog => Fault::Peer("the gateway takes no output".to_owned()).into(),
    }
}

#[cfg(test)]
mod tests;
