//! What the machine has to offer: programs, found or installed from Debian's packages.

use crate::step::{run, say};
use anyhow::{Result, bail};
use std::path::Path;
use std::process::Command;

/// A program and the Debian package that brings it.
pub(crate) struct Need {
    program: &'static str,
    package: &'static str,
    why: &'static str,
}

const fn need(program: &'static str, package: &'static str, why: &'static str) -> Need {
    Need { program, package, why }
}

/// What building takes.
pub(crate) const BUILD: &[Need] = &[need("cc", "gcc", "C parts of the cryptography and of SQLite"), need("make", "make", "C parts of the build")];
/// What the demo takes besides.
pub(crate) const DEMO: &[Need] = &[
    need("ssh", "openssh-client", "the operator's client"),
    need("ssh-keygen", "openssh-client", "the operator's key"),
    need("vim", "vim", "the check tries to leave the editor"),
    need("setpriv", "util-linux", "the check runs as an ordinary user"),
];
/// What the tests take besides.
pub(crate) const TEST: &[Need] = &[need("/usr/bin/python3", "python3", "attack programs, which a session runs by this path"), need("less", "less", "the scenarios leaf through a log"), need("gcc", "gcc", "attack programs"), need("unshare", "util-linux", "tests with mounts of their own"), need("asciinema", "asciinema", "a reader of exported sessions"), need("tlog-play", "tlog", "a reader of exported sessions"), need("sudoreplay", "sudo", "a reader of exported sessions")];
/// What the benchmarks take besides.
pub(crate) const BENCH: &[Need] = &[need("sshd", "openssh-server", "the peer that logins are compared with"), need("sudo", "sudo", "the peer that the exec guard is compared with"), need("tlog-rec", "tlog", "the peer that recording is compared with")];

/// Makes sure that every program is there, installing Debian's packages when this is root on such a machine.
pub(crate) fn ensure(needs: &[&[Need]]) -> Result<()> {
    let missing: Vec<&Need> = needs.iter().copied().flatten().filter(|need| find(need.program).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let mut packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
    packages.sort_unstable();
    packages.dedup();
    let list = missing.iter().map(|n| format!("  {} (package {}): {}", n.program, n.package, n.why)).collect::<Vec<_>>().join("\n");
    if !rustix::process::geteuid().is_root() || find("apt-get").is_none() {
        bail!("these programs are missing:\n{list}\ninstall them, on Debian as root with: apt-get install {}", packages.join(" "));
    }
    say(&format!("installing what is missing:\n{list}"));
    install(&packages)
}

/// Installs Debian's packages, as root.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    let apt = || {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive").args(["-q", "-o", "DPkg::Lock::Timeout=300"]);
        apt
    };
    run(apt().arg("update"))?;
    run(apt().args(["install", "-y", "--no-install-recommends"]).args(packages))
}

/// Where a program is, along PATH and the folders of system programs.
pub(crate) fn find(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].iter().map(|p| Path::new(p).to_path_buf()))
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}
