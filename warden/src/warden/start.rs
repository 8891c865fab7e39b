//! Starts keepers: this program again, with its end of a socket pair as standard input.

use crate::LOG_VARIABLE;
use crate::charge::Charge;
use crate::packets::{Packets, PacketsError};
use portcullis_jail::spawn::{self, Child, Limit, ParentDeath, Program, SpawnError};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// Bytes that may wait for a keeper: its charge, and an order.
const BACKLOG_MAX: usize = 256 * 1024;

/// How long a killed keeper may take to be gone.
const REAP_DEADLINE: Duration = Duration::from_secs(1);

/// Why there is no keeper.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// No sockets.
    #[error("no sockets for it")]
    Sockets(#[source] io::Error),
    /// The process was not made.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// It cannot be told what to do.
    #[error("it cannot be told what to do")]
    Charge(#[from] PacketsError),
}

/// A keeper that was started.
#[derive(Debug)]
pub(crate) struct Keeper {
    /// Its process.
    pub(crate) process: Child,
    /// The warden's end of the socket to it.
    pub(crate) socket: Packets,
    /// The gateway's end of the session's socket.
    pub(crate) client: OwnedFd,
}

/// Starts a keeper and tells it what its session is.
///
/// # Errors
/// [`StartError`]; no process is left then.
pub(crate) fn start(charge: &Charge) -> Result<Keeper, StartError> {
    let pair = || socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).map_err(|error| StartError::Sockets(error.into()));
    let ((ours, theirs), (client, session)) = (pair()?, pair()?);
    let mut process = spawn::spawn(Program {
        // the program that runs, also when its file was replaced since
        path: "/proc/self/exe".into(),
        args: vec!["keeper".into()],
        environment: std::env::vars_os().filter(|(name, _)| name == LOG_VARIABLE).collect(),
        user: None,
        descriptors: vec![(theirs, 0)],
        on_parent_death: ParentDeath::Kill,
        // it holds terminal bytes and passwords
        limits: vec![(Limit::Core, 0)],
    })?;
    let mut socket = Packets::new(ours, BACKLOG_MAX);
    if let Err(error) = socket.send(charge, Some(session)) {
        end(&mut process);
        return Err(error.into());
    }
    Ok(Keeper { process, socket, client })
}

/// Kills a keeper that has done nothing yet, and reaps it.
fn end(process: &mut Child) {
    if let Err(error) = process.kill().and_then(|()| process.wait(REAP_DEADLINE)) {
        tracing::error!(%error, "a keeper that could not be used cannot be killed");
    }
}
