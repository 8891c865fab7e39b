//! Of a session: the memory of one that is idle, and how fast its output is recorded.
//!
//! `session-memory` is the proportional set size of all processes that are there because of one session at its prompt: keeper, init, shell
//! and engine, against OpenSSH's two and a bash. What serves all sessions (gateway, warden, judge; the listening sshd) is on neither side.
//!
//! `recorded-output` is from starting `ssh` to the last byte of a large text that a `cat` writes to the terminal of a session, where it is
//! recorded before it is passed on, against OpenSSH's server, which records nothing. `recorded-output-tlog` compares the same with `tlog-rec`
//! under OpenSSH's server, where that is installed.

use super::ground::Ground;
use super::login::{Serves, Sshd};
use super::samples::Samples;
use super::table::{Row, Unit};
use super::turns::{in_turns, within};
use super::{Plan, TOOLS};
use crate::machine;
use crate::step::say;
use anyhow::{Context as _, Result, ensure};
use portcullis_tests::{Access, wait};
use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Instant;

const ROUNDS: usize = 7;
/// Bytes of the text, in lines of 64.
const SIZE: usize = 32 * 1024 * 1024;
const PEER: &str = "OpenSSH's sshd and bash";

/// The row of memory.
pub(super) fn memory(ground: &Ground, _: &Plan) -> Result<Vec<Row>> {
    let access = ground.stage.grant("INFRA_DIAG")?;
    let peer = Sshd::start(&ground.folder.join("sshd-memory"), &access.key, Serves::Prompt)?;
    let (mut ours, mut theirs) = (Samples::default(), Samples::default());
    for round in 0..ROUNDS {
        in_turns(round, || ours.add_all(idle(&access, ground.stage.pid())), || theirs.add_all(idle(peer.access(), peer.pid())))?;
    }
    Ok(vec![Row::new("session-memory", Unit::KiB, &ours, Some((PEER, &theirs)))])
}

/// Bytes of the processes below `server` that one idle session brings.
fn idle(access: &Access, server: u32) -> Result<Vec<f64>> {
    let before = below(server)?;
    let mut client = Client(access.ssh(&["-tt"], &[]).env("TERM", "xterm-256color").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?);
    let mut output = client.0.stdout.take().context("no output")?;
    // a prompt, and a command that was run: what is loaded at the first one is there
    let input = client.0.stdin.as_mut().context("no input")?;
    input.write_all(b"echo ready-$((40+2))\n")?;
    let (mut seen, mut room) = (Vec::new(), [0; 4096]);
    while !seen.windows(8).any(|part| part == b"ready-42") {
        let got = output.read(&mut room)?;
        ensure!(got > 0, "the session ended: {}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(room.get(..got).unwrap_or_default());
    }
    let own: Vec<u32> = below(server)?.difference(&before).copied().collect();
    ensure!(!own.is_empty(), "the session has no processes");
    let sizes = own.iter().map(|pid| Ok(proportional(*pid)? as f64)).collect::<Result<Vec<_>>>()?;
    drop(client);
    wait::until("the session's processes to end", wait::LONG, || below(server).ok()?.is_disjoint(&own.iter().copied().collect()).then_some(()))?;
    Ok(vec![sizes.iter().sum()])
}

/// The client of a session, ended when it is dropped.
struct Client(Child);

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// All that descends from a process.
fn below(ancestor: u32) -> Result<BTreeSet<u32>> {
    let mut found = BTreeSet::from([ancestor]);
    let parents: Vec<(u32, u32)> = std::fs::read_dir("/proc")?.flatten().filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        Some((pid, stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()?))
    }).collect();
    loop {
        let more: Vec<u32> = parents.iter().filter(|(pid, parent)| found.contains(parent) && !found.contains(pid)).map(|(pid, _)| *pid).collect();
        if more.is_empty() {
            found.remove(&ancestor);
            return Ok(found);
        }
        found.extend(more);
    }
}

/// Bytes of memory of a process, those that it shares divided among all that share them.
fn proportional(pid: u32) -> Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).with_context(|| format!("process {pid} cannot be looked at"))?;
    let kib = text.lines().find_map(|line| line.strip_prefix("Pss:")?.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()).context("no Pss")?;
    Ok(kib * 1024)
}

/// The rows of output.
pub(super) fn output(ground: &Ground, plan: &Plan) -> Result<Vec<Row>> {
    let access = ground.stage.grant("INFRA_FULL")?;
    let peer = Sshd::start(&ground.folder.join("sshd-output"), &access.key, Serves::Files)?;
    let file = Path::new(TOOLS).join("text");
    let line: Vec<u8> = (0..63).map(|n| b'!' + n).chain([b'\n']).collect();
    std::fs::write(&file, line.repeat(SIZE / line.len())).with_context(|| format!("cannot write {}", file.display()))?;
    let cat = format!("cat {}", file.display());
    let mut rows = Vec::new();
    if plan.wants("recorded-output") {
        rows.push(compared(ground, "recorded-output", (&access, &cat), (peer.access(), &cat), "OpenSSH's sshd, which records nothing")?);
    }
    if plan.wants("recorded-output-tlog") {
        match machine::find("tlog-rec") {
            None => say("recorded-output-tlog is left out: tlog-rec is not installed"),
            Some(tlog) => {
                let record = ground.folder.join("tlog.json");
                let recorded = format!("{} --writer=file --file-path={} {cat}; rm {1}", tlog.display(), record.display());
                rows.push(compared(ground, "recorded-output-tlog", (&access, &cat), (peer.access(), &recorded), "tlog-rec under OpenSSH's sshd")?);
            }
        }
    }
    std::fs::remove_file(&file)?;
    Ok(rows)
}

fn compared(ground: &Ground, name: &str, ours: (&Access, &str), theirs: (&Access, &str), peer: &str) -> Result<Row> {
    let (mut us, mut them) = (Samples::default(), Samples::default());
    // the first connection learns the host keys
    shown(ground, ours.0, "true")?;
    shown(ground, theirs.0, "true")?;
    for round in 0..ROUNDS {
        let timed = |(access, command)| -> Result<Vec<f64>> {
            let since = Instant::now();
            let bytes = shown(ground, access, command)?;
            // each line of the text has a carriage return more on a terminal
            ensure!(bytes >= SIZE, "only {bytes} bytes came of {command}");
            Ok(vec![since.elapsed().as_secs_f64() * 1e9])
        };
        in_turns(round, || us.add_all(timed(ours)), || them.add_all(timed(theirs)))?;
    }
    Ok(Row::new(name, Unit::Ms, &us, Some((peer, &them))))
}

/// Runs a command on a terminal; how many bytes it showed.
fn shown(ground: &Ground, access: &Access, command: &str) -> Result<usize> {
    let mut ssh = access.ssh(&["-tt"], &[command]);
    ssh.stdin(Stdio::null()).current_dir(&ground.folder);
    let output = within(&mut ssh)?;
    ensure!(output.status.success(), "{ssh:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_are_found_and_weighed() {
        let child = Client(std::process::Command::new("sleep").arg("600").spawn().unwrap());
        let own = below(std::process::id()).unwrap();
        assert!(own.contains(&child.0.id()), "{own:?}");
        let size = wait::until("the child to be loaded", wait::LONG, || proportional(child.0.id()).ok().filter(|size| *size > 0)).unwrap();
        assert!(size < 64 << 20, "{size}");
        drop(child);
        assert!(proportional(0).is_err());
    }
}
