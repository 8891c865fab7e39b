//! Programs that run as another user in a session's jail: whose job they are in, what they get of their caller, and what they are
//! held to. Needs root, bash, dash and `/usr/bin/python3`.
#![expect(unsafe_code, clippy::multiple_unsafe_ops_per_block, reason = "fork and change of user in the harness")]
#![cfg_attr(test, expect(dead_code, reason = "the harness serves other tests too"))]

#[cfg(test)]
#[path = "jail/harness.rs"]
mod harness;

use harness::{Session, Who, everyone};
use portcullis_model::subject::Exec;
use portcullis_model::verdict::{Children, Confinement, Network};

/// `sudo` and what is called by a name that ends in `ROOT` run as root, so held.
fn root(exec: &Exec) -> Confinement {
    let is = |name: &str| exec.path.ends_with(name.as_bytes());
    let wanted = exec.argv.iter().any(|argument| argument.ends_with(b"ROOT"));
    if is("/sudo") || is("/su") || wanted { Confinement { run_as: Some("root".into()), ..Confinement::default() } } else { Confinement::default() }
}

fn capable(exec: &Exec) -> Confinement {
    let root = root(exec);
    if root.run_as.is_some() { Confinement { capabilities: vec!["CAP_DAC_OVERRIDE".into(), "CAP_CHOWN".into()], ..root } } else { root }
}

fn held(exec: &Exec) -> Confinement {
    let text = |list: &[&str]| Some(list.iter().map(|s| (*s).to_owned()).collect());
    let root = capable(exec);
    if root.run_as.is_none() {
        return root;
    }
    Confinement {
        read: text(&["/usr", "/bin", "/lib", "/lib64", "/etc/ld.so.cache", "/dev", "/proc", "/tmp/in"]),
        write: text(&["/tmp/out", "/dev"]),
        children: Children::Forbidden,
        network: Network::None,
        environment: Some(vec!["LANG".into(), "KEPT".into()]),
        ..root
    }
}

/// Whether jails with other users can be had here.
fn able() -> bool {
    everyone().contains(&Who::Root)
}

#[track_caller]
fn says(output: &str, lines: &[&str]) {
    for line in lines {
        assert!(output.lines().any(|l| l.trim_end() == *line), "{line:?} is not in\n{output}");
    }
}

#[track_caller]
fn run(script: &str, policy: fn(&Exec) -> Confinement) -> Option<String> {
    able().then(|| Session { policy, ..Session::new(script) }.run(Who::Root).good().to_owned())
}

#[test]
fn a_program_of_root_is_as_if_the_caller_ran_it() {
    let script = "
        sh -c 'id -u; id -g; id -G; pwd; exit 7' ROOT; echo status $?
        cd /tmp; sh -c 'pwd' ROOT; echo in | sh -c 'cat; echo err >&2' ROOT 2>/dev/null | tr a-z A-Z
        sh -c 'kill -TERM $$' ROOT; echo status $?
        sh -c 'echo one; cat' ROOT < /dev/null > /tmp/f; cat /tmp/f
        find /tmp -maxdepth 1 -name f -exec sh -c 'echo found; id -u' ROOT ';'
        (sh -c 'sleep 0.2; echo late' ROOT & wait); echo waited
        python3 -c 'import subprocess,os; print(\"spawned\", subprocess.run([\"sh\", \"-c\", \"exit $(id -u)3\", \"ROOT\"]).returncode)'
        id -u\n";
    let Some(output) = run(script, root) else { return };
    says(&output, &["0", "status 7", "/home/op-test", "/tmp", "IN", "status 143", "one", "found", "late", "waited", "spawned 3", "65534"]);
    assert!(!output.contains("err") && !output.contains("ERR"), "{output}");
}

#[test]
fn nothing_of_the_callers_reaches_it_but_three_descriptors() {
    let script = "
        exec 7</etc/passwd 8>/tmp/w; umask 0; ulimit -n 77; ulimit -t 5; trap '' TERM USR1
        export EVIL=1 SUDO_UID=0 PERL_X=1 TERM=vt100 HOME=/tmp/evil PATH=/tmp/evil:/usr/bin:/bin
        sh -c 'ls /proc/self/fd | tr \"\\n\" \" \"; echo; umask; ulimit -n; ulimit -t; grep -E \"SigIgn|SigBlk\" /proc/self/status; env | sort | tr \"\\n\" \" \"; echo' ROOT\n";
    let Some(output) = run(script, root) else { return };
    // ls has one more open, which is the folder
    says(&output, &["0 1 2 3", "0022", "4096", "unlimited", "SigBlk:\t0000000000000000"]);
    // of its caller's, TERM and USR1; the C library keeps one of its own from everybody
    assert!(output.contains("SigIgn:\t0000000000000000") || output.contains("SigIgn:\t0000000080000000"), "{output}");
    says(&output, &["HOME=/root LANG=C LOGNAME=root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin PWD=/home/op-test SHELL=/usr/bin/bash SUDO_GID=65534 SUDO_UID=65534 TERM=vt100 USER=root"]);
}

#[test]
fn root_has_the_capabilities_of_its_verdict_and_no_others() {
    let script = "echo secret > /tmp/s; chmod 600 /tmp/s
        sh -c 'grep -E \"Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs|Seccomp:\" /proc/self/status; cat /tmp/s; chown 0 /tmp/s' ROOT 2>&1; true\n";
    let Some(output) = run(script, root) else { return };
    let none = "0000000000000000";
    says(&output, &[&format!("CapPrm:\t{none}"), &format!("CapEff:\t{none}"), &format!("CapBnd:\t{none}"), "NoNewPrivs:\t1", "Seccomp:\t2", "cat: /tmp/s: Permission denied"]);
    let Some(output) = run(script, capable) else { return };
    let two = "0000000000000003";
    says(&output, &[&format!("CapPrm:\t{two}"), &format!("CapEff:\t{two}"), &format!("CapBnd:\t{two}"), &format!("CapAmb:\t{two}"), "secret"]);
    assert!(!output.contains("not permitted"), "{output}");
}

#[test]
fn root_is_held_by_its_path_sets_and_more() {
    let script = "mkdir /tmp/in /tmp/out; echo inside > /tmp/in/f; ln -s /etc/passwd /tmp/in/l; export KEPT=1 LOST=1
        cat /tmp/in/f /tmp/in/l ROOT 2>&1; cat /etc/passwd ROOT 2>&1; cp /tmp/in/f /tmp/out/ROOT && echo copied; touch /tmp/ROOT 2>&1
        env -u ROOT 2>&1; find /tmp/in -exec true ';' -o -name ROOT 2>&1
        python3 -c 'import socket; socket.socket()' ROOT 2>&1 | tail -1
        sh -c 'mount -t tmpfs x /tmp; chroot /' ROOT 2>&1; ls -ln /tmp/out/ROOT | cut -d' ' -f3\n";
    let Some(output) = run(script, held) else { return };
    says(&output, &["inside", "cat: /tmp/in/l: Permission denied", "cat: /etc/passwd: Permission denied", "copied", "touch: cannot touch '/tmp/ROOT': Permission denied", "KEPT=1", "PermissionError: [Errno 13] Permission denied", "0"]);
    assert!(output.contains("find: ‘true’: Permission denied") || output.contains("find: 'true': Permission denied"), "{output}");
    assert!(!output.contains("LOST") && !output.contains("root:x"), "{output}");
}

#[test]
fn sudo_and_su_stand_for_their_commands() {
    let script = "sudo id -u; sudo -u root -- sh -c 'id -u; echo $0' name; sudo nosuchthing; echo $?; sudo -e /etc/passwd; echo $?; sudo LD=1 id; echo $?
        echo 'id -u; pwd; exit 3' | su -; echo status $?\n";
    let Some(output) = run(script, root) else { return };
    says(&output, &["0", "name", "126", "status 3", "/root"]);
    assert!(!output.contains("65534") && !output.contains("password"), "{output}");
}

#[test]
fn the_session_cannot_touch_a_program_of_root() {
    let script = "sh -c 'echo begun; sleep 30' ROOT & sleep 0.5
        python3 - <<'END'
import os, ctypes, signal
libc = ctypes.CDLL(None, use_errno=True)
found = 0
for p in filter(str.isdigit, os.listdir('/proc')):
    try:
        line = open(f'/proc/{p}/cmdline').read()
        uid = os.stat(f'/proc/{p}').st_uid
    except OSError: continue
    if 'sleep' in line and uid == 0 and int(p) != 1:
        found += 1
        for n in (signal.SIGKILL, signal.SIGSTOP, signal.SIGCONT, signal.SIGINT, 0):
            try: os.kill(int(p), n); print('signal', n, 'sent')
            except PermissionError: pass
        for name in ('mem', 'environ', 'root', 'fd', 'cwd', 'syscall'):
            try: open(f'/proc/{p}/{name}', 'rb').read(1) if name not in ('fd', 'root', 'cwd') else os.listdir(f'/proc/{p}/{name}'); print(name, 'open')
            except OSError: pass
        if libc.ptrace(16, int(p), 0, 0) == 0: print('traced')
        try: os.pidfd_open(int(p)); r = libc.syscall(438, os.pidfd_open(int(p)), 0, 0); print('stolen') if r >= 0 else None
        except OSError: pass
print('found', found > 0)
END
        kill %1; wait; pgrep -f 'sleep 30' || echo gone\n";
    let Some(output) = run(script, root) else { return };
    says(&output, &["begun", "found True", "gone"]);
    assert!(!["sent", "open", "traced", "stolen"].iter().any(|word| output.contains(word)), "{output}");
}

#[test]
fn a_job_of_root_is_the_terminals_like_any_other() {
    if !able() {
        return;
    }
    let typed: &[(&str, &[u8])] = &[
        ("> ", b"sh -c 'trap \"echo caught; exit 9\" INT; echo ready; while :; do sleep 0.1; done' ROOT\n"),
        ("ready\r\n", b"\x03"),
        ("caught\r\n", b"echo rc=$?\n"),
        ("rc=9\r\n", b"sh -c 'echo again; read x; echo got $x' ROOT\n"),
        ("again\r\n", b"\x1a"),
        ("Stopped", b"echo still $?\n"),
        ("still 148\r\n", b"fg\n"),
        ("ROOT\r\n", b"word\n"),
        ("got word\r\n", b"sleep 77 ROOT 2>/dev/null; sh -c 'sleep 78' ROOT &\n"),
        ("] ", b"sleep 0.3; kill %1; wait %1; echo bg=$?\n"),
        ("bg=143\r\n", b"echo x | sh -c 'cat; id -u' ROOT | wc -l\n"),
        ("2\r\n", b"sh -c 'echo up; sleep 60' ROOT\n"),
        ("up\r\n", b"\x1c"),
        ("Quit", b"echo last; exit\n"),
    ];
    let outcome = Session { policy: root, ..Session::interactive(typed) }.run(Who::Root);
    let said = ["^Ccaught", "rc=9", "Stopped", "still 148", "got word", "bg=143", "^\\Quit", "last"];
    assert!(said.iter().all(|text| outcome.output.contains(text)), "{}", outcome.output);
    assert_eq!(outcome.survivors, 0);
}

#[test]
fn what_is_held_gets_nobody_else_who_is_not() {
    let policy: fn(&Exec) -> Confinement = |exec| {
        let holds = exec.argv.iter().any(|argument| argument == b"HELD");
        if holds { Confinement { write: Some(vec!["/dev".into()]), ..Confinement::default() } } else { root(exec) }
    };
    // by itself, and by what it leaves behind
    let script = "sh -c 'id -u ROOT 2>&1; sh -c \"id -u\" ROOT; (setsid sh -c \"sleep 0.3; sh -c :id ROOT; echo left $?\" &); exit 0' HELD; sleep 0.6; sh -c 'id -u' ROOT\n";
    let Some(output) = run(script, policy) else { return };
    says(&output, &["left 126", "KEEPER DENIED held", "0"]);
    assert_eq!(output.lines().filter(|line| *line == "0").count(), 1, "{output}");
}

#[test]
fn without_root_nobody_else_can_be_had() {
    if !everyone().contains(&Who::Ordinary) {
        return;
    }
    let outcome = Session { policy: root, ..Session::new("/usr/bin/true ROOT; echo $?; /usr/bin/true; echo $?\n") }.run(Who::Ordinary);
    says(outcome.good(), &["126", "0"]);
}
