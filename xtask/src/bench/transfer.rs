//! Files in and out, with OpenSSH's client, by our file server and by OpenSSH's own: a session that copies a file of 48 MiB several times,
//! login included. The local side of a download is thrown away, the remote side of an upload is a memory file system for both servers.

use super::Plan;
use super::TOOLS;
use super::ground::Ground;
use super::login::{Serves, Sshd};
use super::samples::Samples;
use super::table::{Row, Unit};
use super::turns::{in_turns, within};
use anyhow::{Context as _, Result, ensure};
use portcullis_tests::Access;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

const ROUNDS: usize = 7;
const SIZE: usize = 48 * 1024 * 1024;
/// Copies in one session.
const COPIES: usize = 4;
const PEER: &str = "OpenSSH's sftp-server";
/// Where uploads to the peer go.
const MEMORY: &str = "/dev/shm";

/// The rows.
pub(super) fn measure(ground: &Ground, plan: &Plan) -> Result<Vec<Row>> {
    let access = ground.stage.grant("INFRA_FULL")?;
    let peer = Sshd::start(&ground.folder.join("sshd-files"), &access.key, Serves::Files)?;
    // in a folder that sessions see; what is in it does not compress
    let file = Path::new(TOOLS).join("transfer");
    let mut data = vec![0; SIZE];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut data)?;
    std::fs::write(&file, data).with_context(|| format!("cannot write {}", file.display()))?;
    let there = Path::new(MEMORY).join(format!("portcullis-bench-{}", std::process::id()));
    let up = |to: &Path| format!("put {} {}\n", file.display(), to.display()).repeat(COPIES);
    let down = format!("get {} /dev/null\n", file.display()).repeat(COPIES);
    let kinds = [("sftp-up", up(Path::new("/tmp/transfer")), up(&there)), ("sftp-down", down.clone(), down)];
    let mut rows = Vec::new();
    for (name, ours, theirs) in kinds.into_iter().filter(|(name, ..)| plan.wants(name)) {
        let (mut us, mut them) = (Samples::default(), Samples::default());
        // the first connection learns the host keys
        copy(ground, &access, "bye\n")?;
        copy(ground, peer.access(), "bye\n")?;
        for round in 0..ROUNDS {
            in_turns(round, || us.add_all(copy(ground, &access, &ours)), || them.add_all(copy(ground, peer.access(), &theirs)))?;
        }
        rows.push(Row::new(name, Unit::Ms, &us, Some((PEER, &them))));
    }
    // it may not be there: only downloads were wanted
    let _ = std::fs::remove_file(&there);
    std::fs::remove_file(&file)?;
    Ok(rows)
}

/// Runs these commands in one session; the nanoseconds that it took.
fn copy(ground: &Ground, access: &Access, commands: &str) -> Result<Vec<f64>> {
    let batch = ground.folder.join("batch");
    std::fs::write(&batch, commands)?;
    let options = access.arguments().into_iter().map(|argument| if argument == "-p" { "-P".to_owned() } else { argument });
    let mut sftp = Command::new("sftp");
    sftp.arg("-q").arg("-b").arg(&batch).args(options).arg(access.destination()).stdin(Stdio::null());
    let since = Instant::now();
    let output = within(&mut sftp)?;
    let took = since.elapsed();
    ensure!(output.status.success(), "{sftp:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(vec![took.as_secs_f64() * 1e9])
}
