//! One channel: what the client wants, in the order in which it says so, then the session's bytes.
//!
//! The task reads the channel from the moment of opening: a channel that nobody reads stops its whole connection.

use super::auth::Authenticated;
use crate::session::relay::{self, Client, ClientGone, Deed, Deeds, End};
use crate::session::warden::Warden;
use portcullis_model::bytes::printable;
use portcullis_model::session::{ExitStatus, PtyRequest, Purpose, SessionSignal, WindowSize};
use portcullis_model::wire::warden::OpenSession;
use russh::server::{Handle, Msg};
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Most bytes of a command: the request for a session has to fit into one packet to the warden.
pub(super) const COMMAND_MAX: usize = 32 * 1024;
/// The one subsystem that is served.
pub(super) const SFTP: &str = "sftp";
/// Most variables of one session, and most bytes of one.
const VARIABLES: usize = 32;
const VARIABLE_MAX: usize = 256;
/// Most terminal modes that are passed on; RFC 4254 has fewer.
const MODES: usize = 128;
/// Exit status when the session could not be opened; what OpenSSH's own client uses for its own failures.
const NOT_OPENED: u32 = 255;
/// The stream of standard error.
const STDERR: u32 = 1;

/// What a channel's task needs to open a session.
pub(super) struct Opening {
    pub(super) warden: Warden,
    pub(super) authenticated: Arc<Authenticated>,
    pub(super) source: String,
    pub(super) client: String,
    pub(super) handle: Handle,
}

/// Whether a variable of the client's is passed on: its language, nothing else.
pub(super) fn takes_variable(name: &str, value: &str) -> bool {
    let locale = name == "LANG" || name.strip_prefix("LC_").is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'));
    let plain = value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.@:".contains(&b));
    locale && plain && name.len() + value.len() <= VARIABLE_MAX
}

/// Serves a channel to its end, or until `gone`.
pub(super) async fn run(channel: Channel<Msg>, opening: Opening, gone: &CancellationToken) {
    let (mut incoming, outgoing) = channel.split();
    let served = async {
        if let Some(order) = order(&mut incoming).await {
            serve(order, opening, incoming, &outgoing).await;
        }
    };
    tokio::select! {
        () = served => {}
        () = gone.cancelled() => {}
    }
    let _ = outgoing.close().await;
}

/// What the client wants of the channel.
struct Order {
    purpose: Purpose,
    pty: Option<PtyRequest>,
    environment: Vec<(String, String)>,
}

/// Collects requests until one starts something. None when the client closes the channel, or sends data to nobody.
async fn order(incoming: &mut ChannelReadHalf) -> Option<Order> {
    let (mut pty, mut environment) = (None, Vec::new());
    loop {
        let purpose = match incoming.wait().await? {
            ChannelMsg::RequestPty { term, col_width, row_height, pix_width, pix_height, terminal_modes, .. } => {
                let modes = terminal_modes.into_iter().filter(|(code, _)| *code as u8 != 0).take(MODES).map(|(code, value)| (code as u8, value));
                pty = Some(PtyRequest { term: terminal_name(term), size: size(col_width, row_height, pix_width, pix_height), modes: modes.collect() });
                continue;
            }
            ChannelMsg::SetEnv { variable_name, variable_value, .. } => {
                if environment.len() < VARIABLES && takes_variable(&variable_name, &variable_value) {
                    environment.push((variable_name, variable_value));
                }
                continue;
            }
            ChannelMsg::WindowChange { col_width, row_height, pix_width, pix_height } => {
                if let Some(pty) = &mut pty {
                    pty.size = size(col_width, row_height, pix_width, pix_height);
                }
                continue;
            }
            ChannelMsg::Exec { command, .. } if command.len() > COMMAND_MAX => continue,
            ChannelMsg::Exec { command, .. } => Purpose::Command(command),
            ChannelMsg::RequestShell { .. } => Purpose::Shell,
            ChannelMsg::RequestSubsystem { name, .. } if name == SFTP => Purpose::Sftp,
            ChannelMsg::Data { .. } | ChannelMsg::ExtendedData { .. } | ChannelMsg::Close => return None,
            // refused by the handler, or nothing that a client sends
            _ => continue,
        };
        // a file transfer has no terminal, whatever was asked for before
        let pty = pty.filter(|_| purpose != Purpose::Sftp);
        return Some(Order { purpose, pty, environment });
    }
}

async fn serve(order: Order, opening: Opening, incoming: ChannelReadHalf, outgoing: &ChannelWriteHalf<Msg>) {
    let Opening { warden, authenticated, source, client, handle } = opening;
    let out = Outgoing { half: outgoing, handle, terminal: order.pty.is_some() };
    let open = OpenSession {
        grant: authenticated.grant().clone(),
        source,
        key_fingerprint: authenticated.fingerprint().to_owned(),
        client,
        purpose: order.purpose,
        pty: order.pty,
        environment: order.environment,
    };
    let opened = match warden.open(open).await {
        Ok(opened) => opened,
        Err(error) => {
            tracing::warn!(grant = %authenticated.grant(), %error, "no session");
            let _ = out.notice(&format!("portcullis: no session: {error}")).await;
            let _ = outgoing.exit_status(NOT_OPENED).await;
            let _ = outgoing.eof().await;
            return;
        }
    };
    let session = opened.facts.id.clone();
    match relay::relay(opened.keeper, &mut Incoming(incoming), &out).await {
        End::Session => drop(outgoing.eof().await),
        End::Client => tracing::debug!(%session, "the client left the session"),
        End::Fault(fault) => tracing::error!(%session, %fault, "a keeper is not understood: its session ends"),
    }
}

/// A terminal's name as it may stand in TERM; what is none becomes the most modest of all.
fn terminal_name(term: String) -> String {
    let plain = (1..=64).contains(&term.len()) && term.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.+".contains(&b));
    if plain { term } else { "dumb".to_owned() }
}

fn size(cols: u32, rows: u32, width: u32, height: u32) -> WindowSize {
    let cap = |n: u32| u16::try_from(n).unwrap_or(u16::MAX);
    WindowSize { cols: cap(cols), rows: cap(rows), width_px: cap(width), height_px: cap(height) }
}

pub(super) struct Incoming(pub(super) ChannelReadHalf);

impl Deeds for Incoming {
    async fn next(&mut self) -> Deed {
        loop {
            match self.0.wait().await {
                Some(ChannelMsg::Data { data }) => return Deed::Input(data),
                Some(ChannelMsg::Eof) => return Deed::Eof,
                Some(ChannelMsg::WindowChange { col_width, row_height, pix_width, pix_height }) => {
                    return Deed::Resize(size(col_width, row_height, pix_width, pix_height));
                }
                Some(ChannelMsg::Signal { signal }) => {
                    if let Some(signal) = signal_of(&signal) {
                        return Deed::Signal(signal);
                    }
                }
                Some(ChannelMsg::Close) | None => return Deed::Gone,
                // requests that the handler refused, window adjustments that the writer has seen
                Some(_) => {}
            }
        }
    }
}

pub(super) struct Outgoing<'a> {
    pub(super) half: &'a ChannelWriteHalf<Msg>,
    pub(super) handle: Handle,
    pub(super) terminal: bool,
}

impl Client for Outgoing<'_> {
    async fn output(&self, bytes: Vec<u8>) -> Result<(), ClientGone> {
        self.half.data_bytes(bytes).await.map_err(|_| ClientGone)
    }

    async fn error_output(&self, bytes: Vec<u8>) -> Result<(), ClientGone> {
        self.half.extended_data_bytes(STDERR, bytes).await.map_err(|_| ClientGone)
    }

    async fn exit(&self, status: ExitStatus) -> Result<(), ClientGone> {
        match status {
            ExitStatus::Code(code) => self.half.exit_status(code.into()).await.map_err(|_| ClientGone),
            ExitStatus::Signal { number, core } => {
                let told = self.handle.exit_signal_request(self.half.id(), name_of(number), core, String::new(), String::new());
                told.await.map_err(|()| ClientGone)
            }
        }
    }

    async fn notice(&self, line: &str) -> Result<(), ClientGone> {
        // a terminal may be in the middle of a line, and in raw mode
        let line = printable(line.as_bytes());
        if self.terminal { self.output(format!("\r\n{line}\r\n").into_bytes()).await } else { self.error_output(format!("{line}\n").into_bytes()).await }
    }
}

fn signal_of(signal: &Sig) -> Option<SessionSignal> {
    Some(match signal {
        Sig::ABRT => SessionSignal::Abrt,
        Sig::ALRM => SessionSignal::Alrm,
        Sig::FPE => SessionSignal::Fpe,
        Sig::HUP => SessionSignal::Hup,
        Sig::ILL => SessionSignal::Ill,
        Sig::INT => SessionSignal::Int,
        Sig::KILL => SessionSignal::Kill,
        Sig::PIPE => SessionSignal::Pipe,
        Sig::QUIT => SessionSignal::Quit,
        Sig::SEGV => SessionSignal::Segv,
        Sig::TERM => SessionSignal::Term,
        Sig::USR1 => SessionSignal::Usr1,
        Sig::Custom(name) if name == "USR2" => SessionSignal::Usr2,
        Sig::Custom(_) => return None,
    })
}

/// RFC 4254 has names for thirteen signals; others are named as the RFC wants private ones named.
fn name_of(number: i32) -> Sig {
    match number {
        1 => Sig::HUP,
        2 => Sig::INT,
        3 => Sig::QUIT,
        4 => Sig::ILL,
        6 => Sig::ABRT,
        8 => Sig::FPE,
        9 => Sig::KILL,
        10 => Sig::USR1,
        11 => Sig::SEGV,
        12 => Sig::Custom("USR2".into()),
        13 => Sig::PIPE,
        14 => Sig::ALRM,
        15 => Sig::TERM,
        other => Sig::Custom(format!("{other}@portcullis")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_language_of_the_client_is_passed_on() {
        for (name, value) in [("LANG", "de_DE.UTF-8"), ("LC_ALL", "C"), ("LC_TIME", "en_GB.UTF-8@euro")] {
            assert!(takes_variable(name, value), "{name}={value}");
        }
        for (name, value) in [
            ("LD_PRELOAD", "x"),
            ("PATH", "/bin"),
            ("LC_", "C"),
            ("LC_a", "C"),
            ("LC_ALL", "C\n"),
            ("LC_ALL", "$(id)"),
            ("LANG=x", "C"),
            ("LANGUAGE", "de"),
            ("", ""),
        ] {
            assert!(!takes_variable(name, value), "{name}={value}");
        }
        assert!(!takes_variable("LANG", &"x".repeat(VARIABLE_MAX)));
    }

    #[test]
    fn a_terminal_name_is_a_name() {
        assert_eq!(terminal_name("xterm-256color".into()), "xterm-256color");
        for bad in ["", "../x", "a b", "x\x1b[", &"x".repeat(65)] {
            assert_eq!(terminal_name(bad.into()), "dumb");
        }
        assert_eq!(size(70_000, 24, 0, 0).cols, u16::MAX);
    }
}
