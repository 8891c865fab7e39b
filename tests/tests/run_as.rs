//! Programs as root, with the stock ssh client: by `sudo`, from the prompt and from inside other programs, as jobs of the terminal, on
//! record, and nothing for those whose action or node does not have it.
#![expect(clippy::print_stderr, reason = "what is skipped is said aloud")]

use anyhow::{Result, ensure};
use portcullis_tests::stage::Owner;
use portcullis_tests::{Stage, StageOptions};

fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("SKIPPED: programs as root need root");
    }
    root
}

#[test]
fn sudo_runs_the_command_as_root_and_nothing_else() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let stage = Stage::start()?;
    let access = stage.grant("INFRA_FULL")?;
    let output = access.run("id -u; sudo id -u; sudo sh -c 'id -u; exit 7'; echo status $?; echo x | sudo cat | tr x y; find /etc/hostname -exec sudo stat -c found-%u /proc/self ';'")?;
    let uid = output.stdout.lines().next().unwrap_or_default().to_owned();
    ensure!(uid != "0" && output.stdout.lines().skip(1).eq(["0", "0", "status 7", "y", "found-0"]), "{output:?}");
    // forms that stand for no command, commands that nobody may run, and programs that are not there
    for refused in ["sudo -E id", "sudo X=1 id", "sudo -u nobody id", "sudo unshare id", "sudo nosuchprogram", "su -c id"] {
        let output = access.run(refused)?;
        ensure!(output.status != Some(0) && !output.stdout.contains("uid="), "{refused}: {output:?}");
    }
    // root in a session: no mounts, no tracing, no devices, none of the host's files
    let output = access.run("sudo sh -c 'mount -t tmpfs x /mnt; mknod /tmp/d b 8 0; cat /etc/shadow; ls /root/.ssh; echo x > /proc/sys/kernel/hostname; kill -9 1; echo over'")?;
    ensure!(output.stdout == "over\n", "{output:?}");
    Ok(())
}

#[test]
fn logs_are_read_as_root_and_nothing_beside_them() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let stage = Stage::start()?;
    let access = stage.grant("INFRA_DIAG")?;
    if std::path::Path::new("/var/log/dpkg.log").exists() {
        let output = access.run("sudo head -n 1 /var/log/dpkg.log | wc -l; sudo -n tail -n 1 /var/log/dpkg.log | wc -l")?;
        ensure!(output.stdout == "1\n1\n", "{output:?}");
    } else {
        eprintln!("SKIPPED: there is no /var/log/dpkg.log to read");
    }
    for refused in ["sudo cat /var/log/../../etc/passwd", "sudo id", "sudo -u root cat /etc/passwd", "sudo bash", "sudo -i"] {
        let output = access.run(refused)?;
        ensure!(output.status != Some(0) && output.stdout.is_empty() && output.stderr.contains("denied by INFRA_DIAG"), "{refused}: {output:?}");
    }
    Ok(())
}

#[test]
fn a_job_of_root_hears_the_terminal() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let stage = Stage::start()?;
    let access = stage.grant("INFRA_FULL")?;
    let mut terminal = access.terminal()?;
    terminal.expect("$ ")?;
    terminal.line("sudo sh -c 'echo up-$((40+2)); sleep 600'")?;
    terminal.expect("up-42")?;
    terminal.send("\x03")?;
    terminal.expect("$ ")?;
    terminal.line("echo rc-$?")?;
    terminal.expect("rc-130")?;
    terminal.line("sudo sh -c 'echo read-$((40+3)); read x; echo got-$x'")?;
    terminal.expect("read-43")?;
    terminal.send("\x1a")?;
    terminal.expect("Stopped")?;
    terminal.line("echo between-$((40+4))")?;
    terminal.expect("between-44")?;
    terminal.line("fg")?;
    terminal.expect("sudo sh")?;
    terminal.line("word")?;
    terminal.expect("got-word")?;
    terminal.line("sudo sh -c 'sleep 601' &")?;
    terminal.expect("$ ")?;
    terminal.line("kill %1; wait %1; echo ended-$?")?;
    terminal.expect("ended-143")?;
    Ok(())
}

#[test]
fn without_root_on_the_node_a_command_as_root_is_refused_in_words() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let stage = Stage::with(&StageOptions { owner: Owner::Ordinary { id: 65_534 }, ..StageOptions::from_environment()? })?;
    let access = stage.grant("INFRA_FULL")?;
    let output = access.run("sudo id -u")?;
    ensure!(output.status != Some(0) && output.stdout.is_empty() && output.stderr.contains("another user, which this node cannot enforce"), "{output:?}");
    Ok(())
}
