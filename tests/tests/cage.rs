//! The cage commands on a control plane server, with the stock ssh client: what each is for, and what somebody would try with them to read
//! or write what lies outside.
//!
//! The folders that the action names are made for each test, in a mount namespace of its own: the test runs itself again in there.
#![expect(clippy::print_stderr, reason = "what is skipped is said aloud")]

use anyhow::{Context as _, Result, ensure};
use portcullis_tests::client::{Access, Output};
use portcullis_tests::terminal::Terminal;
use portcullis_tests::{Owner, Stage, StageOptions, wait};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Says to a test that it runs in a namespace of its own.
const INSIDE: &str = "PORTCULLIS_TEST_NODE";
/// The folder that INFRA_CPS_ONLY shows and lets be written.
const CAGE: &str = "/opt/oci/exacc";
const SECRET: &str = "nobody-reads-this-\u{2620}";

/// Runs a test where the action's folders are the test's own.
fn on_a_node(name: &str, test: fn() -> Result<()>) -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: programs as root need root");
        return Ok(());
    }
    if std::env::var_os(INSIDE).is_some() {
        furnish()?;
        return test();
    }
    let again = Command::new("unshare").args(["--mount", "--propagation", "private"]).arg(std::env::current_exe()?).args(["--exact", name, "--nocapture"]).env(INSIDE, "1").status();
    ensure!(again.context("cannot start unshare")?.success(), "{name} failed in its namespace; see above");
    Ok(())
}

/// Empty folders in memory in the place of the host's, and in them what a node would have.
fn furnish() -> Result<()> {
    for folder in ["/opt", "/root", "/var/log"] {
        ensure!(Command::new("mount").args(["-t", "tmpfs", "tmpfs", folder]).status()?.success(), "no file system in memory on {folder}");
    }
    fs::create_dir_all(CAGE)?;
    fs::create_dir_all("/opt/outside")?;
    put("/opt/outside/secret", SECRET, 0o600)?;
    put("/var/log/secure", "one\ntwo\nthree\n", 0o600)?;
    put(at("conf"), "old text\n", 0o640)?;
    put(at("secret"), SECRET, 0o600)?;
    // a folder of the operator's, which he can do anything in
    fs::create_dir(at("open"))?;
    fs::set_permissions(at("open"), fs::Permissions::from_mode(0o777))?;
    Ok(())
}

fn at(name: &str) -> PathBuf {
    Path::new(CAGE).join(name)
}

fn put(path: impl AsRef<Path>, content: &str, mode: u32) -> Result<()> {
    fs::write(&path, content)?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(mode))?)
}

fn text(name: &str) -> Result<String> {
    Ok(fs::read_to_string(at(name))?)
}

/// Whether it did nothing of what was tried.
fn fails(output: &Output, command: &str) -> Result<()> {
    ensure!(output.status.is_some_and(|status| status != 0) && !output.stdout.contains(SECRET), "{command}: {output:?}");
    Ok(())
}

#[test]
fn each_command_does_what_it_is_for() -> Result<()> {
    on_a_node("each_command_does_what_it_is_for", || {
        let stage = Stage::start()?;
        let access = stage.grant("INFRA_CPS_ONLY")?;
        let run = |command: &str, want: &str| -> Result<()> {
            let output = access.run(command)?;
            ensure!(output.status == Some(0) && output.stdout == want, "{command}: {output:?}");
            Ok(())
        };
        // not the operator's to read, by himself
        fails(&access.run(&format!("cat {CAGE}/conf"))?, "cat")?;
        run("sudocat /var/log/secure", "one\ntwo\nthree\n")?;
        run("sudocat -n /var/log/secure | head -n 2; timeout 60 sudocat /var/log/secure | tail -n 1", "     1\tone\n     2\ttwo\nthree\n")?;
        let lines = b"cd /var/log\nsudohead -n 1 secure; sudohead -n -2 ./secure; sudotail -n 1 ../log/secure; sudotail -n +3 secure; sudotail -c 4 secure\n";
        let output = access.run_with_input(&[], lines)?;
        ensure!(output.stdout == "one\none\nthree\nthree\nree\n", "{output:?}");
        run(&format!("sudols {CAGE}; sudols -d {CAGE}/conf"), &format!("conf\nopen\nsecret\n{CAGE}/conf\n"))?;
        let output = access.run(&format!("sudols -la {CAGE}"))?;
        ensure!(output.stdout.contains("-rw-r----- 1 root root") && output.stdout.contains(" conf\n") && output.stdout.contains(" ..\n"), "{output:?}");
        // in and out, and within; what comes out is the operator's
        run("sudocp /var/log/secure ~/secure; cat ~/secure; stat -c %a ~/secure; sudocp -r /var/log /tmp; cat /tmp/log/secure; rm /tmp/log/secure", "one\ntwo\nthree\n600\none\ntwo\nthree\n")?;
        run(&format!("printf 'mine\\n' | tee ~/mine > /dev/null; sudocp -v ~/mine {CAGE}/new; sudocat {CAGE}/new"), &format!("'{}/mine' -> '{CAGE}/new'\nmine\n", home(&access)?))?;
        ensure!(fs::metadata(at("new"))?.uid() == 0);
        run(&format!("sudocp {CAGE}/new {CAGE}/conf; sudocat {CAGE}/conf"), "mine\n")?;
        ensure!(fs::metadata(at("conf"))?.mode() & 0o7777 == 0o640);
        run(&format!("sudorm {CAGE}/new; sudorm -rv {CAGE}/open; sudols {CAGE}"), &format!("removed '{CAGE}/open'\nconf\nsecret\n"))?;
        // words for what is not there, and for what is not understood
        let output = access.run("sudocat /var/log/none; sudotail -n x /var/log/secure; sudorm /opt/oci/exacc/none")?;
        ensure!(output.status == Some(126) && output.stderr.contains("a count is not a number"), "{output:?}");
        let output = access.run("sudocat /var/log/none; sudorm /opt/oci/exacc/none; sudocat /var/log; sudocp -r /opt/oci/exacc/none /tmp")?;
        let words = ["sudocat: /var/log/none: No such file or directory\n", "sudorm: /opt/oci/exacc/none: No such file or directory\n", "sudocat: /var/log: Is a directory\n", "sudocp: /opt/oci/exacc/none: No such file or directory\n"];
        ensure!(output.stderr == words.concat() && output.stdout.is_empty() && output.status == Some(1), "{output:?}");
        for refused in ["sudocat -A /var/log/secure", "sudorm /var/log/secure", "sudocp /tmp/x /var/log", "sudovi /var/log/secure"] {
            fails(&access.run(refused)?, refused)?;
        }
        ensure!(fs::read_to_string("/var/log/secure")? == "one\ntwo\nthree\n");
        Ok(())
    })
}

fn home(access: &Access) -> Result<String> {
    Ok(access.run("echo ~")?.stdout.trim_end().to_owned())
}

/// The other actions have them too, and `sudo` in front changes nothing where an action has it.
#[test]
fn sudo_in_front_asks_for_the_same() -> Result<()> {
    on_a_node("sudo_in_front_asks_for_the_same", || {
        let stage = Stage::start()?;
        let access = stage.grant("INFRA_DIAG")?;
        let output = access.run("sudo sudocat /var/log/secure | tail -n 1; sudo -n /run/portcullis/bin/sudohead -n 1 /var/log/secure; sudols /opt/oracle.cellos")?;
        ensure!(output.stdout == "three\none\n" && output.stderr.contains("No such file or directory"), "{output:?}");
        // what was copied out, and what is printed, goes where the home is
        let output = access.run("sudocp /var/log/secure ~/; echo four > ~/more; echo five >> $HOME/more; cat ~/secure ~/more > \"$HOME/all\"; tail -n 3 < ~/all")?;
        ensure!(output.stdout == "three\nfour\nfive\n", "{output:?}");
        for refused in ["echo x > ~/../x", "echo x > ~root/x", "read HOME; echo x > ~/x", "echo x > '~/'$x"] {
            let output = access.run(refused)?;
            ensure!(output.status == Some(126) && output.stderr.contains("denied by INFRA_DIAG"), "{refused}: {output:?}");
        }
        for refused in ["sudo sudovi /var/log/secure", "sudo sudo sudocat /var/log/secure", "sudo sudocat /etc/shadow", "sudo rootexec /root/blackout.sh", "sudocat /opt/outside/secret", "sudorm /var/log/secure"] {
            let output = access.run(refused)?;
            ensure!(output.status == Some(126) && output.stderr.contains("denied by INFRA_DIAG"), "{refused}: {output:?}");
        }
        Ok(())
    })
}

/// Where everything is allowed they are root's on any file, and careful all the same.
#[test]
fn with_everything_allowed_they_follow_no_link_either() -> Result<()> {
    on_a_node("with_everything_allowed_they_follow_no_link_either", || {
        fs::write("/root/any.sh", "#!/bin/sh\nid -u\n")?;
        let stage = Stage::start()?;
        let access = stage.grant("INFRA_FULL")?;
        let output = access.run("cd /tmp; sudocat /var/log/secure | head -n 1; ln -s /var/log/secure link; mkfifo pipe; echo x > twice; ln twice again; sudocat link; sudocat pipe; sudocat twice; sudohead -n 1 ~/link2; sudols -n twice")?;
        ensure!(output.stdout.starts_with("one\n-rw-r--r-- 2 ") && output.stdout.lines().count() == 2, "{output:?}");
        ensure!(["symbolic link", "neither a file nor a directory", "hard links", "No such file"].iter().all(|words| output.stderr.contains(words)), "{output:?}");
        let output = access.run("sudovi-read /var/log/secure | tail -n 1; cd /tmp; printf 'new\\n' | sudovi-write new /tmp/made; cat /tmp/made; stat -c %u /tmp/made; printf x | sudovi-write new /tmp/link")?;
        ensure!(output.stdout == "three\nnew\n0\n" && output.stderr.contains("it was changed meanwhile"), "{output:?}");
        // a script that the jail does not show, and one that lies where the session writes
        let output = access.run("rootexec /root/any.sh; echo '#!/bin/sh' > /tmp/any.sh; chmod +x /tmp/any.sh; rootexec /tmp/any.sh; echo over")?;
        ensure!(output.stdout == "over\n", "{output:?}");
        Ok(())
    })
}

#[test]
fn without_root_on_the_node_they_are_refused_in_words() -> Result<()> {
    on_a_node("without_root_on_the_node_they_are_refused_in_words", || {
        let stage = Stage::with(&StageOptions { owner: Owner::Ordinary { id: 65_534 }, ..StageOptions::from_environment()? })?;
        let access = stage.grant("INFRA_CPS_ONLY")?;
        for refused in ["sudols /opt/oci/exacc", "sudocat /opt/oci/exacc/conf", "sudovi /opt/oci/exacc/conf", "rootexec /root/blackout.sh", "true | sudovi-write new /opt/oci/exacc/made"] {
            let output = access.run(refused)?;
            ensure!(output.status != Some(0) && output.stdout.is_empty() && output.stderr.contains("another user, which this node cannot enforce"), "{refused}: {output:?}");
        }
        ensure!(!at("made").exists() && access.run("ls -A ~")?.stdout.is_empty());
        Ok(())
    })
}

#[test]
fn what_is_added_to_a_file_is_followed() -> Result<()> {
    on_a_node("what_is_added_to_a_file_is_followed", || {
        let stage = Stage::start()?;
        let access = stage.grant("INFRA_CPS_ONLY")?;
        let mut terminal = access.terminal()?;
        terminal.expect("$ ")?;
        terminal.line("sudotail -F -n 1 /var/log/secure")?;
        terminal.expect("three")?;
        fs::write("/var/log/secure", "one\ntwo\nthree\nfour\n")?;
        terminal.expect("four")?;
        fs::rename("/var/log/secure", "/var/log/secure.1")?;
        fs::write("/var/log/secure", "five\n")?;
        terminal.expect("five")?;
        // a link in its place is not followed, what comes after it is
        fs::remove_file("/var/log/secure")?;
        symlink("/opt/outside/secret", "/var/log/secure")?;
        fs::write("/var/log/new", "six\n")?;
        fs::rename("/var/log/new", "/var/log/secure")?;
        terminal.expect("six")?;
        terminal.send("\x03")?;
        terminal.expect("$ ")?;
        ensure!(!terminal.plain().contains(SECRET));
        // one whose reader has gone ends
        let output = access.run("sudotail -f -n 1 /var/log/secure | head -n 1; echo over")?;
        ensure!(output.stdout == "six\nover\n", "{output:?}");
        Ok(())
    })
}

#[test]
fn nothing_outside_is_read_or_written() -> Result<()> {
    on_a_node("nothing_outside_is_read_or_written", || {
        let stage = Stage::start()?;
        let access = stage.grant("INFRA_CPS_ONLY")?;
        // made by the node, or by the operator where he may
        symlink("/opt/outside/secret", at("link"))?;
        symlink("/opt/outside", at("way"))?;
        fs::hard_link("/opt/outside/secret", at("twice"))?;
        mknodat(CWD, at("pipe"), FileType::Fifo, Mode::from_raw_mode(0o666), 0)?;
        mknodat(CWD, at("device"), FileType::BlockDevice, Mode::from_raw_mode(0o666), rustix::fs::makedev(7, 0))?;
        let _socket = UnixListener::bind(at("socket"))?;
        symlink("/etc/passwd", at("open/passwd"))?;
        symlink("..", at("open/up"))?;
        mknodat(CWD, at("open/pipe"), FileType::Fifo, Mode::from_raw_mode(0o666), 0)?;
        for name in ["link", "way/secret", "twice", "pipe", "device", "socket", "open/passwd", "open/up/secret", "open/pipe", "../../outside/secret", "open/up/../../../../outside/secret"] {
            for command in ["sudocat", "sudohead", "sudotail", "sudotail -f", "sudocp -rf"] {
                let to = if command.starts_with("sudocp") { " ~/stolen" } else { "" };
                let command = format!("{command} {CAGE}/{name}{to}");
                // what would be held up by a pipe would not end here
                let command = format!("timeout 60 {command}");
                fails(&access.run(&command)?, &command)?;
            }
            // from without, and in the place of a file
            for command in [format!("sudocp -f ~/.profile-none {CAGE}/{name}"), format!("sudocp -f /var/log/secure {CAGE}/{name}"), format!("sudovi-write new {CAGE}/{name}"), format!("sudovi-read {CAGE}/{name}")] {
                fails(&access.run(&format!("{command} < /dev/null"))?, &command)?;
            }
        }
        fails(&access.run("ls ~/stolen")?, "ls ~/stolen")?;
        // a folder that is reached over a link is neither listed nor emptied; a link that is removed is the link
        for command in [format!("sudols {CAGE}/way/secret"), format!("sudols {CAGE}/open/up/secret"), format!("sudorm -r {CAGE}/way/secret"), format!("sudorm {CAGE}/open/up/secret"), format!("sudocp -r {CAGE}/open ~/copy")] {
            fails(&access.run(&command)?, &command)?;
        }
        let output = access.run(&format!("sudols -l {CAGE}/link {CAGE}/way; sudols -lR {CAGE}/open"))?;
        ensure!(output.stdout.contains("link -> /opt/outside/secret") && !output.stdout.contains(" secret\n") && output.stdout.contains("passwd -> /etc/passwd"), "{output:?}");
        let output = access.run(&format!("sudorm -rf {CAGE}/way {CAGE}/link {CAGE}/twice {CAGE}/pipe {CAGE}/device {CAGE}/socket {CAGE}/open; sudols {CAGE}"))?;
        ensure!(output.stdout == "conf\nsecret\n" && output.status == Some(0), "{output:?}");
        ensure!(fs::read_to_string("/opt/outside/secret")? == SECRET && fs::read_dir("/opt/outside")?.count() == 1);
        ensure!(fs::read_to_string("/var/log/secure")? == "one\ntwo\nthree\n");
        Ok(())
    })
}

/// Somebody swaps a folder for a link while root walks over it, many times.
#[test]
fn folders_that_are_swapped_meanwhile_lead_nowhere_else() -> Result<()> {
    on_a_node("folders_that_are_swapped_meanwhile_lead_nowhere_else", || {
        let stage = Stage::start()?;
        let access = stage.grant("INFRA_CPS_ONLY")?;
        fs::create_dir(at("open/real"))?;
        put(at("open/real/secret"), "harmless", 0o600)?;
        fs::create_dir(at("open/real/sub"))?;
        let over = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let swapping = std::thread::spawn({
            let over = over.clone();
            // from outside of the jail, which is quicker than anything in it can be
            move || {
                let mut turns = 0_u64;
                while !over.load(std::sync::atomic::Ordering::Relaxed) {
                    let _ = fs::rename(at("open/real"), at("open/away"));
                    let _ = symlink("/opt/outside", at("open/real"));
                    let _ = fs::remove_file(at("open/real"));
                    let _ = fs::rename(at("open/away"), at("open/real"));
                    turns += 1;
                }
                turns
            }
        });
        let loops = format!(
            "for i in 1 2 3 4 5 6 7 8; do sudocat {CAGE}/open/real/secret; sudocp -rf {CAGE}/open/real ~/out; sudocp ~/out/secret {CAGE}/open/real/planted; sudols -R {CAGE}/open; sudorm -r {CAGE}/open/real/sub; printf x | sudovi-write new {CAGE}/open/real/planted2; done 2>/dev/null; cat ~/out/* | sort -u"
        );
        let output = access.run(&loops)?;
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        let turns = swapping.join().map_err(|_| anyhow::anyhow!("the swapping ended early"))?;
        ensure!(turns > 100, "it was swapped {turns} times only");
        ensure!(!output.all().contains(SECRET), "{output:?}");
        ensure!(fs::read_to_string("/opt/outside/secret")? == SECRET && fs::read_dir("/opt/outside")?.count() == 1);
        Ok(())
    })
}

fn begin_editing(access: &Access, command: &str) -> Result<Terminal> {
    let mut terminal = access.terminal()?;
    terminal.expect("$ ")?;
    terminal.line(command)?;
    Ok(terminal)
}

#[test]
fn a_file_of_roots_is_edited_by_the_operators_own_vi() -> Result<()> {
    on_a_node("a_file_of_roots_is_edited_by_the_operators_own_vi", || {
        if !Path::new("/usr/bin/vi").exists() && !Path::new("/usr/bin/vim").exists() {
            eprintln!("SKIPPED: there is no vi on this machine");
            return Ok(());
        }
        let stage = Stage::start()?;
        let access = stage.grant("INFRA_CPS_ONLY")?;
        std::os::unix::fs::chown(at("conf"), Some(1234), Some(4321))?;
        let mut terminal = begin_editing(&access, &format!("sudovi {CAGE}/conf"))?;
        terminal.expect("old text")?;
        // none of root's programs is there meanwhile
        // what the terminal says to the job, the editor takes as keys: it neither ends nor stops
        terminal.send("\x03")?;
        terminal.expect("to exit Vim")?;
        terminal.send("\x1a\x1b\r\x1b:echo 'still-' . (6*7)\r")?;
        terminal.expect("still-42")?;
        terminal.send(":%s/old/new/\r:echo 'is-' . getline(1)\r")?;
        terminal.expect("is-new text")?;
        terminal.send(":wq\r")?;
        terminal.expect("$ ")?;
        let stat = fs::metadata(at("conf"))?;
        ensure!(text("conf")? == "new text\n" && (stat.uid(), stat.gid(), stat.mode() & 0o7777) == (1234, 4321, 0o640), "{stat:?}: {:?}", terminal.rest());
        // nothing is left of it, neither beside the file nor in the home
        ensure!(access.run(&format!("sudols -A {CAGE}; ls -A ~"))?.stdout.lines().all(|line| !line.contains("sudovi")));
        // a file that was not there; one that is only looked at; one whose name is no text
        terminal.line(&format!("sudovi {CAGE}/made"))?;
        terminal.expect("0L, 0B")?;
        terminal.send("ifresh\x1b:wq\r")?;
        terminal.expect("$ ")?;
        ensure!(text("made")? == "fresh\n" && fs::metadata(at("made"))?.mode() & 0o7777 == 0o644);
        let odd = Path::new(CAGE).join(OsString::from_vec(b"odd\xff".to_vec()));
        fs::write(&odd, "odd text\n")?;
        terminal.line(&format!("cd {CAGE}; sudovi odd*"))?;
        terminal.expect("odd text")?;
        terminal.send(":s/odd/even/\r:wq\r")?;
        wait::until("the odd file", wait::LONG, || (fs::read_to_string(&odd).ok()? == "even text\n").then_some(()))?;
        terminal.expect("$ ")?;
        terminal.line("sudovi -R conf")?;
        terminal.expect("new text")?;
        terminal.send(":%s/new/newer/\r:w!\r:q!\r")?;
        terminal.expect("$ ")?;
        terminal.line("echo after-$((40+2))")?;
        terminal.expect("after-42")?;
        ensure!(text("conf")? == "new text\n");
        Ok(())
    })
}

#[test]
fn nothing_can_be_done_from_inside_the_editor_but_editing() -> Result<()> {
    on_a_node("nothing_can_be_done_from_inside_the_editor_but_editing", || {
        if !Path::new("/usr/bin/vi").exists() && !Path::new("/usr/bin/vim").exists() {
            eprintln!("SKIPPED: there is no vi on this machine");
            return Ok(());
        }
        let stage = Stage::start()?;
        let access = stage.grant("INFRA_CPS_ONLY")?;
        put(at("conf"), "old text\nvim: set makeprg=id: tw=7:\n", 0o640)?;
        let written = access.run(&format!("printf 'let g:sourced = 1\\n' | tee ~/evil.vim ~/.vimrc ~/.exrc {CAGE}/open/.exrc > /dev/null; ls ~/evil.vim"))?;
        ensure!(written.status == Some(0), "{written:?}");
        let home = home(&access)?;
        let mut terminal = begin_editing(&access, &format!("cd {CAGE}/open; sudovi {CAGE}/conf"))?;
        terminal.expect("old text")?;
        terminal.send(":echo 'uid-' . (6*7) . '-' . exists('g:sourced') . '-' . &modeline . '-' . &tw\r")?;
        terminal.expect("uid-42-0-0-0")?;
        // no other program, by no way that vi knows; each command writes its name into the text if it did anything
        for (number, attempt) in [
            ":!touch /tmp/ran", ":r !id", ":%!id", ":sh", ":suspend", ":terminal", ":call system('touch /tmp/ran')", ":call job_start('touch /tmp/ran')", ":call libcall('libc.so.6','system','touch /tmp/ran')",
            ":py3 import os", ":lua x", ":perl x", ":ruby x", ":tcl x", ":mzscheme x", ":make", ":grep x y", ":cscope add x", ":hardcopy", ":w !sh", "!!id", ":call writefile(['x'], '/tmp/ran')",
            &format!(":w {CAGE}/open/planted"), ":w /tmp/ran", &format!(":w! {home}/ran"), ":w! /etc/hosts", ":e /var/log/secure", &format!(":r {CAGE}/secret"), &format!(":source {home}/evil.vim"), ":mksession! /tmp/ran",
            &format!(":e {home}/evil.vim"), ":r http://127.0.0.1/", ":e .", ":set backup", ":saveas /tmp/ran",
        ]
        .into_iter()
        .enumerate()
        {
            terminal.send(&format!("{attempt}\r"))?;
            // out of whatever came of it, back to the file
            terminal.send(&format!("\x1b\r\x1b:echo 'turn-' . ({number}+1000)\r"))?;
            terminal.expect(&format!("turn-{}", number + 1000)).with_context(|| attempt.to_owned())?;
        }
        terminal.send(":echo 'sourced-' . exists('g:sourced') . '-' . (6*7)\r")?;
        terminal.expect("sourced-0-42")?;
        terminal.send("\x1b:qa!\r")?;
        terminal.expect("$ ")?;
        terminal.line("echo over-$((40+2))")?;
        terminal.expect("over-42")?;
        ensure!(!terminal.plain().contains(SECRET) && !terminal.plain().contains("uid="));
        let output = access.run(&format!("ls /tmp/ran ~/ran {CAGE}/open/planted"))?;
        ensure!(output.stdout.is_empty(), "{output:?}");
        ensure!(text("conf")? == "old text\nvim: set makeprg=id: tw=7:\n" && fs::read_to_string("/var/log/secure")? == "one\ntwo\nthree\n");
        Ok(())
    })
}

/// What somebody does while a file is edited.
type Meanwhile = fn() -> Result<()>;

#[test]
fn what_changed_while_it_was_edited_is_not_overwritten() -> Result<()> {
    on_a_node("what_changed_while_it_was_edited_is_not_overwritten", || {
        if !Path::new("/usr/bin/vi").exists() && !Path::new("/usr/bin/vim").exists() {
            eprintln!("SKIPPED: there is no vi on this machine");
            return Ok(());
        }
        let stage = Stage::start()?;
        let access = stage.grant("INFRA_CPS_ONLY")?;
        let home = home(&access)?;
        let mut terminal = begin_editing(&access, "true")?;
        let attempts = [
            ("another writer", (|| Ok(fs::write(at("open/file"), "theirs\n")?)) as Meanwhile, "it was changed meanwhile"),
            ("a link", || Ok(fs::remove_file(at("open/file")).and_then(|()| symlink("/opt/outside/secret", at("open/file")))?), "symbolic link"),
            ("a link with the same content", || {
                fs::write("/opt/outside/same", "text\n")?;
                Ok(fs::remove_file(at("open/file")).and_then(|()| symlink("/opt/outside/same", at("open/file")))?)
            }, "symbolic link"),
            ("a second name", || Ok(fs::remove_file(at("open/file")).and_then(|()| fs::hard_link("/opt/outside/same", at("open/file")))?), "hard links"),
        ];
        for (what, meanwhile, words) in attempts {
            let _ = fs::remove_file(at("open/file"));
            fs::write(at("open/file"), "text\n")?;
            terminal.line(&format!("clear; sudovi {CAGE}/open/file"))?;
            terminal.expect("text").context(what)?;
            meanwhile()?;
            terminal.send(":s/text/mine/\r:wq\r")?;
            terminal.expect(words).context(what)?;
            terminal.expect(&format!("what you have is in {home}/.sudovi-")).context(what)?;
            terminal.expect("$ ")?;
        }
        ensure!(fs::read_to_string("/opt/outside/secret")? == SECRET && fs::read_to_string("/opt/outside/same")? == "text\n");
        let output = access.run("cat ~/.sudovi-*/file | sort -u")?;
        ensure!(output.stdout == "mine\n", "{output:?}");
        // too much to be edited, and no file
        let large = fs::File::create(at("large"))?;
        large.set_len(20 * 1024 * 1024)?;
        for (name, words) in [("large", "too large to be edited"), ("open", "Is a directory"), ("none/none", "No such file or directory")] {
            let output = access.run(&format!("sudovi {CAGE}/{name}"))?;
            ensure!(output.status == Some(1) && output.stderr.contains(words), "{name}: {output:?}");
        }
        let output = access.run(&format!("head -c 20000000 /dev/zero | sudovi-write new {CAGE}/huge"))?;
        ensure!(output.status == Some(1) && !at("huge").exists(), "{output:?}");
        Ok(())
    })
}

/// A session that ends in the middle of it leaves the file as it was, and nothing beside it.
#[test]
fn a_revoke_while_a_file_is_edited_leaves_it_alone() -> Result<()> {
    on_a_node("a_revoke_while_a_file_is_edited_leaves_it_alone", || {
        if !Path::new("/usr/bin/vi").exists() && !Path::new("/usr/bin/vim").exists() {
            eprintln!("SKIPPED: there is no vi on this machine");
            return Ok(());
        }
        let stage = Stage::start()?;
        let access = stage.grant("INFRA_CPS_ONLY")?;
        let mut terminal = begin_editing(&access, &format!("sudovi {CAGE}/conf"))?;
        terminal.expect("old text")?;
        terminal.send(":%s/old/new/\r:w\r:echo 'saved-' . (6*7)\r")?;
        terminal.expect("saved-42")?;
        let ended = stage.revoke(&access)?;
        ensure!(ended.survivors == 0, "{ended:?}");
        let names: Vec<OsString> = fs::read_dir(CAGE)?.map(|entry| Ok(entry?.file_name())).collect::<std::io::Result<_>>()?;
        ensure!(text("conf")? == "old text\n" && names.len() == 3, "{names:?}");
        Ok(())
    })
}

#[test]
fn the_scripts_of_the_node_run_as_root_and_no_others() -> Result<()> {
    on_a_node("the_scripts_of_the_node_run_as_root_and_no_others", || {
        put("/root/blackout.sh", "#!/bin/bash\nid -u\necho \"$HOME $PATH $# ${EVIL-none}\"\ncat\nexit 7\n", 0o700)?;
        put("/root/other.sh", "#!/bin/bash\necho other ran\n", 0o700)?;
        let stage = Stage::start()?;
        let access = stage.grant("INFRA_CPS_ONLY")?;
        let output = access.run("export EVIL=1; echo input | rootexec /root/blackout.sh; echo status $?; rootexec /root/blackout.sh < /dev/null | head -n 1")?;
        ensure!(output.stdout == "0\n/root /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin 0 none\ninput\nstatus 7\n0\n", "{output:?}");
        for refused in ["rootexec /root/other.sh", "rootexec /root/blackout.sh x", "rootexec /root/../root/blackout.sh", "rootexec blackout.sh", "rootexec /root/alerthistory.sh", "rootexec", "sudo /root/blackout.sh", "/root/blackout.sh", "rootexec /bin/bash"] {
            let output = access.run(&format!("cd /root; {refused}"))?;
            ensure!(output.status != Some(0) && output.stdout.is_empty(), "{refused}: {output:?}");
        }
        Ok(())
    })
}
