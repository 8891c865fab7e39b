//! Of a login: from `ssh` to a prompt, and the echo of a key at that prompt.
//!
//! From `ssh` to a prompt: into a session, and into a bash by OpenSSH's own server on a loopback port, with the same client,
//! key and key exchange. The peer has no PAM and no start-up files: the least that it can do.
//!
//! `keystroke-echo` is from writing a key to the client's terminal to its echo there: client, gateway, keeper (which records it),
//! shell and all the way back, against sshd and bash's own line editing. Each key is typed once the one before was shown.

use super::Plan;
use super::ground::{Ground, numbers};
use super::samples::Samples;
use super::table::{Row, Unit};
use super::turns::in_turns;
use crate::machine;
use anyhow::{Context as _, Result, ensure};
use portcullis_tests::stage::{free_port, keygen};
use portcullis_tests::{Access, wait};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

const ROUNDS: usize = 25;
/// Rounds, logins of each side, and keys in each of them.
const KEY_ROUNDS: usize = 15;
const KEYS: usize = 200;
/// Left to themselves the two servers would agree with the client on exchanges of different cost.
const KEY_EXCHANGE: &str = "KexAlgorithms=curve25519-sha256";

/// The rows.
pub(super) fn measure(ground: &Ground, plan: &Plan) -> Result<Vec<Row>> {
    let access = ground.stage.grant("INFRA_DIAG")?;
    let peer = Sshd::start(&ground.folder.join("sshd"), &access.key, Serves::Prompt)?;
    let (mut ours, mut theirs) = (Samples::default(), Samples::default());
    // the first connection learns the host keys
    prompt(ground.meter(), &access)?;
    prompt(ground.meter(), &peer.access)?;
    let mut rows = Vec::new();
    if plan.wants("ssh-prompt") {
        for round in 0..ROUNDS {
            in_turns(round, || ours.add_all(prompt(ground.meter(), &access)), || theirs.add_all(prompt(ground.meter(), &peer.access)))?;
        }
        rows.push(Row::new("ssh-prompt", Unit::Ms, &ours, Some((PEER, &theirs))));
    }
    if plan.wants("keystroke-echo") {
        let (mut ours, mut theirs) = (Samples::default(), Samples::default());
        for round in 0..KEY_ROUNDS {
            in_turns(round, || ours.add_all(keys(ground.meter(), &access)), || theirs.add_all(keys(ground.meter(), &peer.access)))?;
        }
        rows.push(Row::new("keystroke-echo", Unit::Us, &ours, Some((PEER, &theirs))));
    }
    Ok(rows)
}

const PEER: &str = "OpenSSH's sshd and bash";

fn keys(meter: &Path, access: &Access) -> Result<Vec<f64>> {
    let count = KEYS.to_string();
    numbers(Command::new(meter).args(["keys", &count, "ssh", "-tt", "-o", KEY_EXCHANGE]).args(access.arguments()).arg(access.destination()).env("TERM", "xterm-256color"))
}

fn prompt(meter: &Path, access: &Access) -> Result<Vec<f64>> {
    numbers(Command::new(meter).args(["prompt", "ssh", "-tt", "-o", KEY_EXCHANGE]).args(access.arguments()).arg(access.destination()).env("TERM", "xterm-256color"))
}

/// OpenSSH's server, as root for root and without root for the caller.
pub(super) struct Sshd {
    child: Child,
    access: Access,
}

impl Sshd {
    /// The way in.
    pub(super) fn access(&self) -> &Access {
        &self.access
    }

    /// Its process.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// One that serves this, entered with this key.
    pub(super) fn start(folder: &Path, key: &Path, serves: Serves) -> Result<Self> {
        let sshd = machine::find("sshd").context("OpenSSH's server is not there")?;
        if folder.exists() {
            std::fs::remove_dir_all(folder)?;
        }
        std::fs::create_dir_all(folder)?;
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))?;
        keygen(&folder.join("host"), "ed25519", &[])?;
        let port = free_port()?;
        let keys = folder.join("authorized_keys");
        std::fs::copy(key.with_extension("pub"), &keys)?;
        let home = folder.join("home");
        std::fs::create_dir(&home)?;
        let config = folder.join("sshd_config");
        let lines = [
            "ListenAddress 127.0.0.1".to_owned(),
            format!("Port {port}"),
            format!("HostKey {}", folder.join("host").display()),
            format!("AuthorizedKeysFile {}", keys.display()),
            "PidFile none\nStrictModes no\nPermitRootLogin prohibit-password\nPasswordAuthentication no\nKbdInteractiveAuthentication no".to_owned(),
            "UsePAM no\nUseDNS no\nPrintMotd no\nPrintLastLog no\nMaxStartups 100".to_owned(),
            // a bash without start-up files, whatever the account's shell is and has in its home: Debian's bash reads ~/.bashrc even
            // for a command that sshd runs
            match serves {
                Serves::Prompt => format!("SetEnv HOME={}\nForceCommand exec bash --norc --noprofile -i", home.display()),
                Serves::Files => "Subsystem sftp internal-sftp".to_owned(),
            },
        ];
        std::fs::write(&config, lines.join("\n") + "\n")?;
        if rustix::process::geteuid().is_root() {
            // where Debian's sshd shuts its unprivileged part in; made at boot where there is an init
            std::fs::create_dir_all("/run/sshd")?;
        }
        let log = std::fs::File::create(folder.join("log"))?;
        let child = Command::new(sshd).args(["-D", "-e", "-f"]).arg(&config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().context("cannot start sshd")?;
        let account = account()?;
        let access = Access { request: String::new(), account, key: key.to_owned(), port, home: folder.to_owned() };
        let mut sshd = Self { child, access };
        let up = wait::until("sshd to listen", wait::LONG, || match sshd.child.try_wait() {
            Ok(None) => TcpStream::connect(("127.0.0.1", port)).ok().map(|_| true),
            _ => Some(false),
        })?;
        ensure!(up, "sshd ended: {}", std::fs::read_to_string(folder.join("log")).unwrap_or_default());
        Ok(sshd)
    }
}

/// What the peer is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Serves {
    /// A prompt.
    Prompt,
    /// SFTP.
    Files,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        // a process that has ended already cannot be killed
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The caller's account name.
fn account() -> Result<String> {
    let uid = rustix::process::geteuid().as_raw().to_string();
    let accounts = std::fs::read_to_string("/etc/passwd")?;
    let mine = accounts.lines().find(|line| line.split(':').nth(2) == Some(&uid)).with_context(|| format!("uid {uid} has no account"))?;
    mine.split(':').next().map(str::to_owned).context("an account without a name")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::ground::build_meter;

    #[test]
    fn the_peer_shows_a_prompt() {
        if machine::find("sshd").is_none() || machine::find("cc").is_none() {
            eprintln!("SKIPPED: no sshd or no C compiler");
            return;
        }
        let folder = std::env::temp_dir().join(format!("portcullis-bench-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let meter = build_meter(&folder, &folder).unwrap();
        let key = folder.join("key");
        keygen(&key, "ed25519", &[]).unwrap();
        let sshd = Sshd::start(&folder.join("sshd"), &key, Serves::Prompt).unwrap();
        let nanoseconds = prompt(&meter, &sshd.access).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(nanoseconds.len() == 1 && nanoseconds[0] > 1e6, "{nanoseconds:?}");
    }
}
