//! From the customer's order to the receipt that says that nothing is left: `portcullis request revoke`, as it is typed, the
//! start of that program included. The session holds a number of processes that block every signal, a third of them
//! daemons in sessions of their own; in `revoke-forkbomb`, a fork bomb at its limit.
//!
//! `revoke-N-node` is the node's part as the receipt gives it: from hearing of it to the last process being gone. The peer is
//! what the kernel alone takes for as many such processes: SIGKILL to the init of a PID namespace.

use super::Plan;
use super::ground::Ground;
use super::samples::Samples;
use super::table::{Row, Unit};
use anyhow::{Context as _, Result, bail, ensure};
use portcullis_tests::stage::processes_with;
use portcullis_tests::{Access, wait};
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ExitStatus, Stdio};
use std::time::Instant;

const ROUNDS: usize = 11;
const BOMB_ROUNDS: usize = 3;
/// The bomb ends by itself after this, whatever happens.
const BOMB_SECONDS: u32 = 60;
const PEER: &str = "SIGKILL to a PID namespace with as many processes";

/// A number of processes.
pub(super) fn counted(ground: &Ground, plan: &Plan) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for count in [1_u64, 100, 1000] {
        let name = format!("revoke-{count}");
        if !plan.wants(&name) {
            continue;
        }
        let (mut whole, mut node, mut kernel) = (Samples::default(), Samples::default(), Samples::default());
        for _ in 0..ROUNDS {
            kernel.add(ground.plain(&format!("kill {count}"))?);
            let held = Held::start(ground, &format!("hold {count}"))?;
            let revoked = held.revoke(ground, count)?;
            whole.add(vec![revoked.whole]);
            node.add(vec![revoked.node]);
        }
        rows.push(Row::new(&name, Unit::Ms, &whole, Some((PEER, &kernel))));
        rows.push(Row::new(&format!("{name}-node"), Unit::Ms, &node, Some((PEER, &kernel))));
    }
    Ok(rows)
}

/// A fork bomb.
pub(super) fn fork_bomb(ground: &Ground, _: &Plan) -> Result<Vec<Row>> {
    let (mut whole, mut node) = (Samples::default(), Samples::default());
    for _ in 0..BOMB_ROUNDS {
        let marker = format!("bomb {BOMB_SECONDS}");
        let held = Held::start(ground, &marker)?;
        let revoked = held.revoke(ground, 2)?;
        println!("   a bomb of {} processes", revoked.killed);
        ensure!(processes_with(&marker).is_empty(), "processes of the bomb outlived the revoke");
        whole.add(vec![revoked.whole]);
        node.add(vec![revoked.node]);
    }
    Ok(vec![Row::new("revoke-forkbomb", Unit::Ms, &whole, None), Row::new("revoke-forkbomb-node", Unit::Ms, &node, None)])
}

/// A session that holds processes.
struct Held {
    access: Access,
    client: Client,
}

/// One session's client; dropped, it is ended.
struct Client(Child);

struct Revoked {
    whole: f64,
    node: f64,
    killed: u64,
}

impl Held {
    /// Starts one, and returns when its processes are there.
    fn start(ground: &Ground, args: &str) -> Result<Self> {
        let access = ground.stage.grant("INFRA_FULL")?;
        let command = format!("{} {args}", ground.meter_inside()?.display());
        let mut client = Client(access.ssh(&[], &[&command]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context("cannot start ssh")?);
        let mut said = String::new();
        let stdout = client.0.stdout.take().context("ssh has no standard output")?;
        BufReader::new(stdout).read_line(&mut said)?;
        if said.trim() != "ready" {
            let (status, error) = client.end()?;
            bail!("{command}, in a session, said {said:?} and ended ({status}): {error}");
        }
        Ok(Self { access, client })
    }

    fn revoke(mut self, ground: &Ground, at_least: u64) -> Result<Revoked> {
        let begin = Instant::now();
        let found = ground.stage.revoke(&self.access)?;
        let whole = begin.elapsed().as_secs_f64() * 1e9;
        ensure!(found.survivors == 0, "processes survived: {found:?}");
        ensure!(found.killed >= at_least && found.micros > 0, "not the receipt of {at_least} processes: {found:?}");
        self.client.end()?;
        #[expect(clippy::cast_precision_loss, reason = "microseconds of less than a century")]
        Ok(Revoked { whole, node: found.micros as f64 * 1e3, killed: found.killed })
    }
}

impl Client {
    /// Waits for the client's end, which the session's end brings.
    fn end(&mut self) -> Result<(ExitStatus, String)> {
        let status = wait::until("the client to be disconnected", wait::LONG, || self.0.try_wait().ok().flatten())?;
        let mut error = String::new();
        if let Some(mut stderr) = self.0.stderr.take() {
            stderr.read_to_string(&mut error)?;
        }
        Ok((status, error))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // a client that has ended already cannot be killed
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
