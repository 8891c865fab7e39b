//! The jail that the builder makes, from inside and from outside: the real descent, as root and, where this node lets users
//! have namespaces, as an ordinary user. Needs dash, bash and `/usr/bin/python3`.
#![expect(unsafe_code, clippy::multiple_unsafe_ops_per_block, reason = "fork and change of user in the harness")]

#[cfg(test)]
#[path = "jail/harness.rs"]
mod harness;

use harness::{ACCOUNT, DEADLINE, Session, USER, Until, Who, everyone, processes_with, wait};
use portcullis_jail::folders::Folders;
use portcullis_jail::kill::kill_orphan;
use portcullis_jail::profile::{Access, Network, Proc, View};
use portcullis_model::verdict::Confinement;
use portcullis_model::session::ExitStatus;
use rustix::process::{PidfdFlags, Signal, pidfd_open};

/// Prints `NAME yes` or `NAME no` for each condition of the shell.
fn questions(list: &[(&str, &str)]) -> String {
    list.iter().map(|(name, condition)| format!("if {condition}; then echo '{name} yes'; else echo '{name} no'; fi 2>/dev/null\n")).collect()
}

/// Each of these lines is in the output.
#[track_caller]
fn says(output: &str, lines: &[&str]) {
    for line in lines {
        assert!(output.lines().any(|l| l == *line), "{line:?} is not in\n{output}");
    }
}

#[test]
fn it_shows_the_views_and_accounts_of_its_own_and_nothing_else() {
    for who in everyone() {
        let script = questions(&[
            ("programs", "test -x /usr/bin/true"),
            ("hosts", "test -r /etc/hosts"),
            ("shadow", "test -e /etc/shadow"),
            ("host-root", "test -e /root/.profile || test -e /work"),
            ("boot", "test -e /boot"),
            ("sys", "test -e /sys/kernel"),
            ("init-root", "ls /proc/1/root/"),
            ("old-root", "test -e /../etc/shadow"),
        ]);
        let more = "ls / | tr '\\n' ' '; echo; cut -d: -f1 /etc/passwd | tr '\\n' ' '; echo; grep -c . /etc/nsswitch.conf; id -un; echo $HOME $USER $SHELL; pwd; \
            cat /etc/group | grep -c docker; echo \"preload=$LD_PRELOAD lang=$LANG\"";
        let outcome = Session::new(script + more).run(who);
        let output = outcome.good();
        says(output, &["programs yes", "hosts yes", "shadow no", "host-root no", "boot no", "init-root no", "old-root no", "root op-test nobody "]);
        says(output, &[ACCOUNT, &format!("/home/{ACCOUNT} {ACCOUNT} /usr/bin/bash"), &format!("/home/{ACCOUNT}"), "0", "preload= lang=C"]);
        let folders = output.lines().find(|line| line.contains("bin ")).unwrap();
        assert!(!folders.contains("work") && !folders.contains("media") && !folders.contains("mnt"), "{folders}");
    }
}

#[test]
fn devices_and_terminals_are_its_own() {
    for who in everyone() {
        let script = "ls /dev | tr '\\n' ' '; echo; ls /dev/pts | tr '\\n' ' '; echo; tty <&1; stat -c '%F' /dev/null; \
            echo x > /dev/null && echo null; head -c 3 /dev/zero | wc -c; chmod 777 /dev/null 2>/dev/null && echo changed; \
            python3 -c 'import os; print(os.ttyname(os.openpty()[1]))'; mknod /tmp/d c 1 1 2>/dev/null && echo made; echo end\n";
        let outcome = Session { terminal: true, ..Session::new(script) }.run(who);
        let output = outcome.good().replace('\r', "");
        says(&output, &["fd full null ptmx pts random shm stderr stdin stdout tty urandom zero ", "0 ptmx ", "/dev/pts/0", "character special file", "null", "3", "/dev/pts/1"]);
        assert!(!output.contains("changed") && !output.contains("made"), "{output}");
    }
}

#[test]
fn proc_is_private_or_the_hosts_and_read_only() {
    for who in everyone() {
        let script = "ls /proc | grep -c '^[0-9]'; cat /proc/1/comm; (echo x > /proc/self/comm) 2>/dev/null && echo wrote; \
            (echo 1 > /proc/sys/kernel/sysrq) 2>/dev/null && echo set; (echo 0 > /proc/self/oom_score_adj) 2>/dev/null && echo oom; echo done\n";
        let outcome = Session::new(script).run(who);
        let output = outcome.good();
        says(output, &["portcullis-init", "done"]);
        let shown: u32 = output.lines().next().unwrap().parse().unwrap();
        assert!(shown < 10, "{shown} processes in a private /proc");
        assert!(!output.contains("wrote") && !output.contains("set") && !output.contains("oom"), "{output}");
        let mut host = Session::new(script);
        host.profile.proc = Proc::Host;
        let outcome = host.run(who);
        let output = outcome.good();
        assert!(!output.contains("portcullis-init") && output.contains("done"), "{output}");
        assert!(!output.contains("wrote") && !output.contains("set") && !output.contains("oom"), "{output}");
    }
}

#[test]
fn nothing_can_be_written_but_its_own_folders_and_write_views() {
    let shared = tempfile::tempdir_in("/var/tmp").unwrap();
    rustix::fs::chmod(shared.path(), rustix::fs::Mode::from_raw_mode(0o777)).unwrap();
    let shared_path = shared.path().display();
    for who in everyone() {
        let script = format!(
            "for f in / /etc /usr /usr/bin /home /run /dev /proc /var {shared_path}/.. /run/portcullis; do (: > $f/x) 2>/dev/null && echo \"WROTE $f\"; done
             for f in /tmp $HOME /dev/shm /var/tmp {shared_path}; do (echo data > $f/x) && echo \"wrote $f\"; done
             for f in /tmp $HOME /dev/shm {shared_path}; do printf '#!/bin/sh\\necho RAN' > $f/p; chmod 755 $f/p; $f/p 2>/dev/null; cp /usr/bin/true $f/t; $f/t 2>/dev/null && echo RAN; done
             (: > /etc/hosts) 2>/dev/null && echo WROTE hosts; mv /etc/passwd /etc/q 2>/dev/null && echo WROTE passwd
             head -c 200000000 /dev/zero > /tmp/big 2>/dev/null; stat -c 'size %s' /tmp/big; echo end\n"
        );
        let mut session = Session::new(script);
        session.profile.views.push(View { path: shared.path().to_owned(), access: Access::Write, optional: false });
        let outcome = session.run(who);
        let output = outcome.good();
        says(output, &["wrote /tmp", &format!("wrote /home/{ACCOUNT}"), "wrote /dev/shm", &format!("wrote {shared_path}"), "end"]);
        assert!(!output.contains("WROTE") && !output.contains("RAN"), "{output}");
        let size: u64 = output.lines().find_map(|line| line.strip_prefix("size ")).unwrap().parse().unwrap();
        assert!(size <= 64 << 20, "/tmp is bounded: {size}");
        // what was written is on the host, and of the session's user
        let written = std::fs::metadata(shared.path().join("x")).unwrap();
        assert_eq!((std::os::unix::fs::MetadataExt::uid(&written), written.len()), (if who == Who::Root || rustix::process::geteuid().is_root() { USER } else { rustix::process::geteuid().as_raw() }, 5));
        for name in ["x", "p", "t"] {
            std::fs::remove_file(shared.path().join(name)).unwrap();
        }
    }
}

#[test]
fn a_session_that_wants_too_much_memory_loses_what_wants_it_and_lives_on() {
    let hog = "python3 -c 'import sys; x = bytearray(300 << 20); print(\"HAD\", len(x))' 2>&1 | tail -1";
    // many that are small, all there at once
    let herd = "python3 - <<'END'
import os, signal
def one():
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        x = bytearray(60 << 20)
        os.write(write, b'!')
        signal.pause()
    os.close(write)
    return pid, read
herd = [one() for _ in range(6)]
print('small', sum(len(os.read(read, 1)) for _, read in herd))
for pid, _ in herd: os.kill(pid, signal.SIGKILL)
END";
    for who in everyone() {
        let mut session = Session::new(format!("{hog}; echo after; python3 -c 'x = bytearray(20 << 20); print(len(x))'; cat /proc/self/oom_score_adj; echo alive\n"));
        session.profile.limits.memory_mib = 128;
        let outcome = session.run(who);
        let output = outcome.good();
        says(output, &["after", "20971520", "alive"]);
        assert!(!output.contains("HAD"), "{output}");
        let first = output.lines().find_map(|line| line.parse::<u32>().ok().filter(|n| *n <= 1000));
        assert!(first.is_some_and(|more| more >= 300), "sessions go first when the node is out of memory: {output}");
        let keeper = { let mut session = Session::new(format!("{herd}\necho alive\n")); session.profile.limits.memory_mib = 128; session.start(who) };
        let together = keeper.cgroup.as_deref().is_some_and(|folder| std::fs::read_to_string(folder.join("memory.max")).is_ok() || version1_limit(folder) == Some(128 << 20));
        let outcome = keeper.finish();
        says(outcome.good(), &["alive"]);
        if together {
            assert!(!outcome.output.contains("small 6"), "{}", outcome.output);
        } else {
            eprintln!("SKIPPED: as {who:?} there is no memory controller: each process has a limit of its own");
        }
    }
}

#[test]
fn the_kernels_audit_knows_a_session_by_its_uid_for_good() {
    // what the descent does, done here: whether this kernel, and this caller, can
    let can = std::process::Command::new("sh").args(["-c", "echo 70001 > /proc/self/loginuid && cat /proc/self/loginuid"]).output().is_ok_and(|output| output.stdout == b"70001");
    if !can || !everyone().contains(&Who::Root) {
        eprintln!("SKIPPED: the kernel has no audit, or its ids cannot be set here");
        return;
    }
    let script = "cat /proc/self/loginuid; echo; cat /proc/1/loginuid; echo; (echo 0 > /proc/self/loginuid) 2> /dev/null && echo CHANGED; sh -c 'id -u; cat /proc/self/loginuid; echo' ROOT; (setsid cat /proc/self/loginuid); echo\n";
    let root = |exec: &portcullis_model::subject::Exec| match exec.argv.last() {
        Some(last) if last == b"ROOT" => Confinement { run_as: Some("root".into()), ..Confinement::default() },
        _ => Confinement::default(),
    };
    let outcome = Session { policy: root, ..Session::new(script) }.run(Who::Root);
    let user = USER.to_string();
    assert_eq!(outcome.good().lines().collect::<Vec<_>>(), [user.as_str(), &user, "0", &user, &user]);
}

#[test]
fn files_are_bounded_and_nothing_dumps_core() {
    for who in everyone() {
        let script = "head -c 3000000 /dev/zero > ~/big; echo status $?; stat -c 'size %s' ~/big; ulimit -c; ulimit -Hc; (ulimit -c 100) 2> /dev/null && echo RAISED; \
            cd; sh -c 'kill -QUIT $$'; echo status $?; ls ~\n";
        let mut session = Session::new(script);
        session.profile.limits.file_size_mib = 1;
        let outcome = session.run(who);
        let output = outcome.good();
        says(output, &["status 153", "size 1048576", "0", "status 131", "big"]);
        assert!(!output.contains("RAISED") && !output.contains("core"), "{output}");
    }
}

/// The limit of the memory of a session with this cgroup, from the hierarchy of version 1.
fn version1_limit(cgroup: &std::path::Path) -> Option<u64> {
    let place = std::path::Path::new("/sys/fs/cgroup/memory/portcullis").join(cgroup.file_name()?).join("memory.limit_in_bytes");
    std::fs::read_to_string(place).ok()?.trim().parse().ok()
}

#[test]
fn the_sessions_of_a_grant_share_their_home_and_tmp_until_it_ends() {
    if !everyone().contains(&Who::Root) {
        eprintln!("SKIPPED: without root each session has a home and a /tmp of its own");
        return;
    }
    let state = tempfile::tempdir().unwrap();
    let place = state.path().join("g");
    let folders = Folders::make(place.clone(), USER, USER, 1).unwrap();
    let run = |script: &str| {
        let outcome = Session { folders: Some(place.clone()), ..Session::new(script) }.run(Who::Root);
        outcome.good().to_owned()
    };
    let first = run("echo one > ~/file; echo two > /tmp/file; printf '#!/bin/sh\\necho RAN' > ~/p; chmod 755 ~/p; ~/p 2>/dev/null; cp /usr/bin/true /tmp/t; /tmp/t 2>/dev/null && echo RAN; echo end\n");
    assert!(first.contains("end") && !first.contains("RAN"), "{first}");
    let second = run("cat ~/file /tmp/file; stat -c 'home %a %u' ~; ls -d /home/*; head -c 2000000 /dev/zero > ~/big 2>/dev/null; stat -c 'size %s' ~/big; echo end\n");
    says(&second, &["one", "two", &format!("home 700 {USER}"), &format!("/home/{ACCOUNT}"), "end"]);
    let size: u64 = second.lines().find_map(|line| line.strip_prefix("size ")).unwrap().parse().unwrap();
    assert!(size <= 1 << 20, "the home is bounded: {size}");
    drop(folders);
    assert!(!place.exists(), "nothing of it is left");
    let again = Folders::make(place.clone(), USER, USER, 1).unwrap();
    assert!(run("ls -A ~ /tmp; echo end\n").contains("end"));
    assert_eq!(std::fs::read_dir(place.join("home")).unwrap().count(), 0, "what was there is gone");
    drop(again);
}

#[test]
fn every_call_of_the_deny_filter_is_refused() {
    if cfg!(not(target_arch = "x86_64")) {
        eprintln!("SKIPPED: the numbers of the calls are those of x86-64");
        return;
    }
    for who in everyone() {
        let script = format!("/usr/bin/python3 - <<'END'\n{}END\n", include_str!("jail/refused.py"));
        let outcome = Session::new(script).run(who);
        assert!(outcome.good().contains(" REFUSED") && !outcome.output.contains("NOT"), "{outcome:?}");
    }
}

#[test]
fn rights_limits_and_priority_are_given_up_for_good() {
    for who in everyone() {
        let script = "grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status; ulimit -Hc; ulimit -Hn; /usr/bin/python3 - <<'END'
import os, resource
print('nice', os.getpriority(os.PRIO_PROCESS, 0), resource.getrlimit(13), resource.getrlimit(14))
for what, act in (('nicer', lambda: os.setpriority(os.PRIO_PROCESS, 0, 0)), ('real time', lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))),
                  ('limit', lambda: resource.setrlimit(resource.RLIMIT_NPROC, (resource.RLIM_INFINITY,) * 2)), ('root', lambda: os.setresuid(0, 0, 0))):
    try:
        act()
        print('GOT', what)
    except (OSError, ValueError):
        pass
END
sh -c 'kill -SEGV $$'; echo $?; ls core* 2>/dev/null; su root -c id 2>/dev/null; echo end\n";
        let outcome = Session::new(script).run(who);
        let output = outcome.good();
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            says(output, &[&format!("{set}:\t0000000000000000")]);
        }
        says(output, &["NoNewPrivs:\t1", "Seccomp:\t2", "0", "4096", "nice 10 (0, 0) (0, 0)", "139", "end"]);
        assert!(!output.contains("GOT") && !output.contains("uid=0") && !output.contains("core"), "{output}");
    }
}

#[test]
fn without_a_network_there_is_none() {
    for who in everyone() {
        let script = "cat /proc/net/dev | grep -vc lo: ; python3 -c '
import socket
try:
    socket.create_connection((\"127.0.0.1\", 22), 2)
    print(\"CONNECTED\")
except OSError as error:
    print(error.strerror)'\n";
        let mut session = Session::new(script);
        session.profile.network = Network::None;
        let outcome = session.run(who);
        // two lines of headings and nothing else
        says(outcome.good(), &["2", "Network is unreachable"]);
    }
}

#[test]
fn jobs_are_controlled_on_the_terminal() {
    for who in everyone() {
        let typed: &[(&str, &[u8])] = &[
            // no child of its own: one that is stopped before its exec holds up a parent that waits for it (vfork)
            ("> ", b"python3 -c 'import os, signal; signal.signal(18, lambda *a: os.write(1, b\"GO\" b\"ON\\\\n\")); print(\"U\" \"P\", flush=True)\nwhile 1: signal.pause()'\n"),
            ("UP", b"\x1a"),
            ("Stopped", b"fg\n"),
            ("GOON", b"\x03"),
            ("> ", b"echo status=$?\n"),
            ("status=130", b"sleep 1000 &\n"),
            ("[1] ", b""),
            ("> ", b"cat\n"),
            ("cat\r\n", b"typed\n"),
            ("typed\r\ntyped", b"\x04"),
            ("> ", b"kill %1; wait; echo bg=$?\n"),
            ("bg=", b"exit 7\n"),
        ];
        let outcome = Session::interactive(typed).run(who);
        assert!(outcome.status == Some(ExitStatus::Code(7)) && outcome.survivors == 0, "{outcome:?}");
        assert!(!outcome.output.contains("no job control"), "{}", outcome.output);
    }
}

#[test]
fn a_terminal_that_hangs_up_is_at_its_end() {
    for who in everyone() {
        // the kernel tells the session's leader, init, alone; the others are killed with the jail
        let session = Session { terminal: true, ..Session::new("echo ready; cat < /dev/tty; echo more > /dev/tty || exit 9\n") };
        let outcome = session.until(Until::HangUp("ready")).run(who);
        assert_eq!((outcome.status, outcome.survivors), (Some(ExitStatus::Code(9)), 0));
    }
}

#[test]
fn without_a_terminal_output_and_errors_are_two_pipes() {
    for who in everyone() {
        let outcome = Session::new("test -p /dev/stdout && test -p /dev/stderr && echo pipes; tty < /dev/tty; echo out; echo err >&2; exit 3\n").run(who);
        assert_eq!((outcome.status, outcome.survivors), (Some(ExitStatus::Code(3)), 0));
        says(&outcome.output, &["pipes", "out", "err"]);
        assert!(outcome.output.contains("No such device"), "there is no terminal: {}", outcome.output);
    }
}

/// So many processes that ignore what can be ignored, some of them daemons in sessions of their own.
fn stubborn(count: u32) -> String {
    format!(
        "exec /usr/bin/python3 - <<'END'
import os, signal, time
reader, writer = os.pipe()
for i in range({count}):
    if os.fork() == 0:
        if i % 3 == 0:
            os.setsid()
            if os.fork() != 0:
                os._exit(0)
        signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
        os.write(writer, b'x')
        while True:
            signal.pause()
count = 0
while count < {count}:
    count += len(os.read(reader, 4096))
print('ready', flush=True)
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
while True:
    signal.pause()
END
"
    )
}

#[test]
fn one_and_a_hundred_are_killed_and_counted() {
    for who in everyone() {
        for count in [1, 100] {
            let outcome = Session::new(stubborn(count)).until(Until::Said("ready")).run(who);
            assert!(outcome.status.is_none() && outcome.survivors == 0, "{outcome:?}");
            // the one that made them, and those that are dead and not yet reaped
            assert!((count + 1..=count + 1 + count / 3 + 1).contains(&outcome.killed), "{} of {count}", outcome.killed);
        }
    }
}

#[test]
fn stopped_ones_and_those_at_an_exec_are_killed() {
    for who in everyone() {
        let script = "for i in 1 2 3 4 5; do sh -c 'kill -STOP $$; echo NO' & done
            for i in 1 2 3; do (while :; do /usr/bin/true; done) & done
            while test \"$(grep -h '^State:.T' /proc/[0-9]*/status 2>/dev/null | grep -c .)\" -lt 5; do :; done; echo ready; while :; do /usr/bin/true; done\n";
        let outcome = Session::new(script).until(Until::Said("ready")).run(who);
        assert!(outcome.status.is_none() && outcome.survivors == 0, "{outcome:?}");
        assert!(outcome.killed >= 9 && !outcome.output.contains("NO"), "{outcome:?}");
    }
}

#[test]
fn a_fork_bomb_is_bounded_and_killed() {
    for who in everyone() {
        let script = "exec /usr/bin/python3 - <<'END'
import os, time
end, said = time.monotonic() + 50, False
while time.monotonic() < end:
    try:
        if os.fork() == 0 and os.getpid() % 2:
            os.setsid()
    except OSError:
        if not said:
            os.write(1, b'full\\n')
            said = True
        time.sleep(0.001)
END
";
        let mut session = Session::new(script);
        session.profile.limits.processes = 64;
        let outcome = session.until(Until::Said("full")).run(who);
        assert!(outcome.status.is_none() && outcome.survivors == 0, "{outcome:?}");
        assert!((32..=64).contains(&outcome.killed), "{outcome:?}");
    }
}

#[test]
fn nothing_survives_its_keeper() {
    for (number, who) in (0..).zip(everyone()) {
        let marker = format!("7{}{number}", std::process::id());
        let script = format!("for i in 1 2 3; do setsid sleep {marker} & done; sleep {marker} & echo ready; wait\n");
        let mut keeper = Session::new(script).start(who);
        keeper.hear("ready");
        wait("four processes", || processes_with(&marker) >= 4);
        keeper.signal(Signal::KILL);
        keeper.forget();
        wait("no process", || processes_with(&marker) == 0);
    }
}

#[test]
fn the_warden_kills_what_a_keeper_that_hangs_has_left() {
    for (number, who) in (0..).zip(everyone()) {
        let marker = format!("8{}{number}", std::process::id());
        let script = format!("for i in 1 2 3; do setsid sleep {marker} & done; sleep {marker} & echo ready; wait\n");
        let mut keeper = Session::new(script).start(who);
        keeper.hear("ready");
        wait("four processes", || processes_with(&marker) >= 4);
        let init = pidfd_open(keeper.init, PidfdFlags::empty()).unwrap();
        // it neither kills nor reaps any more
        keeper.signal(Signal::STOP);
        let report = kill_orphan(&init, keeper.cgroup.as_deref(), DEADLINE);
        assert!(report.survivors.is_empty() && report.killed >= 4, "{report:?}");
        assert_eq!(processes_with(&marker), 0);
        assert!(keeper.cgroup.as_ref().is_none_or(|folder| !folder.exists()));
        keeper.signal(Signal::KILL);
        keeper.forget();
    }
}
