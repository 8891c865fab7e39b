//! The keeper: one process a session, started by the warden, with one thread that does everything and one that only syncs
//! the recording.
//!
//! It holds the terminal's master, the recording, the guard of the jail, and the connections to judge, shell and gateway.
//! It never runs policy, never looks up a name outside the jail once it has entered it, and ends its session rather than
//! go on without any of them.

mod custody;
mod evidence;
mod fault;
mod judge;
mod judging;
mod life;
mod mask;
mod memo;
mod outlets;
mod questions;
mod relay;
mod screen;
mod services;
mod shell;
mod stream;
mod timers;
mod waiting;
mod working_directory;

pub(crate) use services::Near;

use crate::charge::Charge;
use crate::packets::{Intake, Packets, Received};
use anyhow::{Context as _, bail};
use std::fs::File;
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::{Duration, Instant};
use waiting::{Source, Waiting};

/// Bytes of reports that may wait for the warden.
const REPORTS_MAX: usize = 256 * 1024;
/// How long the warden has to say what the session is.
const CHARGE_DEADLINE: Duration = Duration::from_secs(5);

/// The whole life of a keeper. Its standard input is its end of the warden's socket pair.
///
/// # Errors
/// When there is no charge, or the warden cannot be told how the session ended.
pub(crate) fn run() -> anyhow::Result<()> {
    let socket = std::io::stdin().as_fd().try_clone_to_owned().context("no socket to the warden")?;
    let null = File::open("/dev/null").context("cannot open /dev/null")?;
    rustix::stdio::dup2_stdin(&null).context("cannot replace standard input")?;
    rustix::thread::set_name(c"keeper").context("cannot name the process")?;
    let mut warden = Packets::new(socket, REPORTS_MAX);
    let (charge, client) = await_charge(&warden)?;
    life::live(charge, client, &mut warden).context("the warden was not told how the session ended")
}

fn await_charge(warden: &Packets) -> anyhow::Result<(Charge, OwnedFd)> {
    let (mut intake, deadline) = (Intake::new(), Instant::now() + CHARGE_DEADLINE);
    loop {
        match warden.receive(&mut intake).context("no charge from the warden")? {
            Received::Message(charge, Some(client)) => return Ok((charge, client)),
            Received::Message(_, None) => bail!("a charge without the session's socket"),
            Received::Closed => bail!("the warden is gone"),
            Received::Nothing if Instant::now() >= deadline => bail!("no charge from the warden in time"),
            Received::Nothing => {
                let mut waiting = Waiting::default();
                waiting.read(Source::Warden, warden.as_fd());
                waiting.until(deadline)?;
            }
        }
    }
}
