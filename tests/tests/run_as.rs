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

/// A user of the tables of the actions, as a node has one.
const ECRA: &str = "ecra:x:60801:60801:rack automation:/home/ecra:/bin/bash\n";

#[test]
fn a_service_user_is_had_by_sudo_and_su_where_the_node_has_it() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let stage = Stage::with(&StageOptions { accounts: ECRA.to_owned(), ..StageOptions::from_environment()? })?;
    let access = stage.grant("INFRA_FULL")?;
    let output = access.run(
        "sudo -u ecra id -un; sudo -u ecra id -u; sudo -u ecra id -G; sudo -n --user=ecra -- sh -c 'echo $HOME $USER $LOGNAME; exit 5'; echo status $?
        sudo -u ecra grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status | tr -s '[:space:]' ' '; echo
        echo text | sudo -u ecra tee /tmp/made; stat -c '%U %G %a' /tmp/made; (echo more >> /tmp/made) 2> /dev/null || echo kept
        echo 'id -un; exit 3' | su - ecra; echo status $?; find /etc/hostname -exec sudo -u ecra id -un ';'",
    )?;
    let capabilities = "CapEff: 0000000000000000 CapBnd: 0000000000000000 NoNewPrivs: 1 ";
    let expected = ["ecra", "60801", "60801", "/home/ecra ecra ecra", "status 5", capabilities, "text", "ecra ecra 644", "kept", "ecra", "status 3", "ecra"];
    ensure!(output.stdout.lines().eq(expected), "{output:?}");
    // a request is judged, whoever makes it
    let again = access.run("sudo -u ecra sh -c 'sudo id -u'")?;
    ensure!(again.stdout == "0\n", "{again:?}");
    // nobody whom the tables or the node do not have, and no sudo that is run rather than read
    for refused in ["sudo -u ecra sudo id", "sudo -u dbmsvc id", "sudo -u nobody id", "su - dbmsvc", "sudo -u '#60801' id", "sudo -u ecra -e /etc/hostname", "su ecra -c id"] {
        let output = access.run(refused)?;
        ensure!(output.status != Some(0) && !output.stdout.contains("uid="), "{refused}: {output:?}");
    }
    // the operator and it leave each other alone
    let output = access.run(
        "sudo -u ecra sh -c 'echo $$ > /tmp/pid; exec sleep 600' & while ! test -s /tmp/pid; do sleep 0.05; done
        kill -9 $(cat /tmp/pid) 2> /dev/null && echo KILLED; sudo -u ecra sh -c \"kill -9 $$\" 2> /dev/null && echo KILLED; cat /proc/$(cat /tmp/pid)/environ 2> /dev/null && echo READ; kill %1; wait %1; echo $?",
    )?;
    ensure!(output.stdout == "143\n", "{output:?}");
    // and it is its terminal
    let mut terminal = access.terminal()?;
    terminal.expect("$ ")?;
    terminal.line("su - ecra")?;
    terminal.line("echo I-am-$(id -un)-on-$(tty)")?;
    terminal.expect("I-am-ecra-on-/dev/pts/0")?;
    terminal.line("exit")?;
    terminal.line("echo I-am-$(id -u | tr -d '\\n')-again")?;
    terminal.expect("-again")?;
    ensure!(stage.revoke(&access)?.survivors == 0);
    Ok(())
}

#[test]
fn in_diagnosis_a_service_user_may_what_the_operator_may() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let stage = Stage::with(&StageOptions { accounts: ECRA.to_owned(), ..StageOptions::from_environment()? })?;
    let access = stage.grant("INFRA_DIAG")?;
    let output = access.run("echo 'id -un' | su - ecra")?;
    ensure!(output.stdout.contains("ecra") || (output.status != Some(0) && output.stderr.contains("denied by INFRA_DIAG")), "{output:?}");
    for refused in ["sudo -u ecra bash -c id", "sudo -u ecra rm /tmp/x", "sudo -u dbmsvc id", "sudo -u root id"] {
        let output = access.run(refused)?;
        ensure!(output.status != Some(0) && output.stdout.is_empty(), "{refused}: {output:?}");
    }
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
