//! What a verdict holds a process to beyond its jail, from inside: in real jails, as root and as an ordinary user in a user
//! namespace. Needs dash and `/usr/bin/python3`.
#![expect(unsafe_code, clippy::multiple_unsafe_ops_per_block, reason = "fork and change of user in the harness")]
#![cfg_attr(test, expect(dead_code, reason = "the harness serves other tests too"))]

#[cfg(test)]
#[path = "jail/harness.rs"]
mod harness;

use harness::{Session, everyone};
use portcullis_model::subject::Exec;
use portcullis_model::verdict::{Children, Confinement, Network};

fn named(exec: &Exec, name: &str) -> bool {
    exec.path.rsplit(|b| *b == b'/').next() == Some(name.as_bytes())
}

/// Runs a script whose execs are held as `policy` says, in a jail of each kind.
#[track_caller]
fn held(script: &str, policy: fn(&Exec) -> Confinement, check: impl Fn(&str)) {
    for who in everyone() {
        check(Session { policy, ..Session::new(script) }.run(who).good());
    }
}

fn python(exec: &Exec) -> bool {
    exec.path.windows(6).any(|w| w == b"python")
}

fn when(is_so: bool, to: fn() -> Confinement) -> Confinement {
    if is_so { to() } else { Confinement::default() }
}

/// Python's children are trusted, and `true` is denied to all others.
fn trusting(exec: &Exec) -> Confinement {
    if named(exec, "true") { never() } else { when(python(exec) && !exec.argv.iter().any(|a| a == b"JUDGED"), trusted) }
}

fn forbidden() -> Confinement {
    Confinement { children: Children::Forbidden, ..Confinement::default() }
}
fn trusted() -> Confinement {
    Confinement { children: Children::Trusted, ..Confinement::default() }
}
/// No node enforces it, so it is a refusal.
fn never() -> Confinement {
    Confinement { capabilities: vec!["CAP_CHOWN".into()], ..Confinement::default() }
}
fn no_network() -> Confinement {
    Confinement { network: Network::None, ..Confinement::default() }
}
fn one_port() -> Confinement {
    Confinement { network: Network::Ports(vec![4]), ..Confinement::default() }
}
fn reads() -> Confinement {
    let system = ["/usr", "/bin", "/lib", "/lib64", "/etc/ld.so.cache", "/dev", "/proc", "/no/such/place"];
    let text = |list: &[&str]| Some(list.iter().map(|s| (*s).to_owned()).collect());
    Confinement { read: text(&[&system[..], &["/tmp/in"]].concat()), write: text(&["/tmp/out", "/dev/null"]), execute: text(&["/usr", "/bin", "/lib", "/lib64"]), ..Confinement::default() }
}
fn two_variables() -> Confinement {
    Confinement { environment: Some(vec!["PATH".into(), "KEPT".into()]), ..Confinement::default() }
}
fn short() -> Confinement {
    Confinement { time_limit_ms: Some(700), ..Confinement::default() }
}

#[track_caller]
fn says(output: &str, lines: &[&str]) {
    for line in lines {
        assert!(output.lines().any(|l| l == *line), "{line:?} is not in\n{output}");
    }
}

const START: &str = "
import os, sys, subprocess
def run(*a):
    try: return subprocess.run(a, capture_output=True, text=True).stdout.strip()
    except OSError as e: return e.strerror
";

#[test]
fn a_program_that_may_have_no_children_has_none_however_it_tries() {
    let script = format!("/usr/bin/echo outside
/usr/bin/python3 - <<'END'
{START}
print('direct', run('/usr/bin/echo', 'x'))
print('search', run('echo', 'x'))
pid = os.fork()
if pid == 0:
    os.setsid()
    if os.fork() == 0:
        print('deep', run('/usr/bin/echo', 'x'), flush=True)
    os._exit(0)
os.waitpid(pid, 0)
os.waitstatus_to_exitcode(0)
import ctypes, time
libc = ctypes.CDLL(None, use_errno=True)
argv = (ctypes.c_char_p * 2)(b'echo', None)
for token in [(0, 0, 0), (1, 2, 3), (2**64 - 1,) * 3]:
    libc.syscall(59, b'/usr/bin/echo', argv, None, *[ctypes.c_ulong(t) for t in token])
    print('raw', os.strerror(ctypes.get_errno()))
libc.syscall(322, -100, b'/usr/bin/echo', argv, None, 0)
print('execveat', os.strerror(ctypes.get_errno()))
import threading
t = threading.Thread(target=lambda: print('thread', run('/usr/bin/echo', 'x'))); t.start(); t.join()
time.sleep(0.3)
END
/usr/bin/echo after
");
    held(&script, |exec| when(python(exec), forbidden), |output| {
        says(output, &["outside", "direct Permission denied", "search Permission denied", "deep Permission denied", "raw Permission denied", "execveat Permission denied", "thread Permission denied", "after"]);
        assert!(!output.lines().any(|line| line.ends_with(" x") || line == "x"), "{output}");
    });
}

#[test]
fn children_of_a_trusted_program_are_asked_about_by_nobody_as_long_as_it_lives() {
    // /usr/bin/true is denied by the policy; below the trusted program nobody asks it
    let script = format!("exec 2>/dev/null   # the shell says the same, in pieces
/usr/bin/true && echo ran-outside || echo denied-outside
/usr/bin/python3 - <<'END'
{START}
import signal, time
ok = lambda: subprocess.run(['/usr/bin/true']).returncode == 0
print('child', ok(), flush=True)
r, w = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(0.2)
        try: said = b'deep %d' % ok()
        except OSError as e: said = b'deep failed'
        os.write(w, said)
        os._exit(0)
    os._exit(0)
os.close(w)
print(os.read(r, 100).decode(), flush=True)
# what outlives it
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        top = int(os.environ.get('TOP', '0'))
        while os.getppid() != 1: time.sleep(0.01)
        try: said = 'outlived ran' if ok() else 'outlived failed'
        except OSError as e: said = 'outlived ' + e.strerror
        print(said, flush=True)
        os._exit(0)
    os._exit(0)
os._exit(0)
END
/usr/bin/sleep 1
/usr/bin/true && echo ran-after || echo denied-after
");
    held(&script, trusting, |output| {
        says(output, &["denied-outside", "child True", "deep 1", "outlived Permission denied", "denied-after", "KEEPER UNASKED 2"]);
    });
}

#[test]
fn a_stranger_does_not_come_under_a_trusted_program() {
    // a process beside it, which takes its orphans in, and tries to be its child by all that reparenting does
    let script = format!("/usr/bin/python3 - JUDGED <<'END'
{START}
import ctypes, time
libc = ctypes.CDLL(None)
libc.prctl(36, 1, 0, 0, 0)   # PR_SET_CHILD_SUBREAPER
trusted = subprocess.Popen(['/usr/bin/python3', '-c', 'import time; time.sleep(1.5)'])
time.sleep(0.5)
def ok():
    try: return subprocess.run(['/usr/bin/true']).returncode == 0
    except OSError: return False
print('beside', ok(), flush=True)
r, w = os.pipe()
if os.fork() == 0:
    if os.fork() == 0:
        time.sleep(0.2)
        os.write(w, b'orphan %d' % ok()); os._exit(0)
    os._exit(0)
print(os.read(r, 100).decode(), flush=True)
trusted.wait()
END
");
    held(&script, trusting, |output| says(output, &["beside False", "orphan 0"]));
}

#[test]
fn no_network_is_no_socket_of_the_internet() {
    let script = format!("/usr/bin/python3 - <<'END'
{START}
import socket
for family, kind in [('INET', 'STREAM'), ('INET', 'DGRAM'), ('INET6', 'STREAM'), ('INET6', 'DGRAM')]:
    try: socket.socket(getattr(socket, 'AF_' + family), getattr(socket, 'SOCK_' + kind)); print(family, kind, 'open')
    except OSError as e: print(family, kind, e.strerror)
socket.socketpair(); print('local open')
END
exec 9<> /dev/null
");
    held(&script, |exec| when(python(exec), no_network), |output| {
        says(output, &["INET STREAM Permission denied", "INET DGRAM Permission denied", "INET6 STREAM Permission denied", "INET6 DGRAM Permission denied", "local open"]);
    });
}

#[test]
fn ports_are_tcp_connections_to_them_and_nothing_else() {
    let script = format!("/usr/bin/python3 - <<'END'
{START}
import socket
def attempt(name, f):
    try: f(); print(name, 'done')
    except OSError as e: print(name, e.strerror)
attempt('udp', lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
attempt('mptcp', lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262))
attempt('listed', lambda: socket.socket().connect(('127.0.0.1', 4)))
attempt('other', lambda: socket.socket().connect(('127.0.0.1', 5)))
attempt('six', lambda: socket.socket(socket.AF_INET6).connect(('::1', 5)))
attempt('bind', lambda: socket.socket().bind(('127.0.0.1', 0)))
attempt('listen', lambda: socket.socket().listen(1))
attempt('fast', lambda: socket.socket().sendto(b'x', 0x20000000, ('127.0.0.1', 5)))
attempt('fastmsg', lambda: socket.socket().sendmsg([b'x'], [], 0x20000000, ('127.0.0.1', 5)))
END
");
    held(&script, |exec| when(python(exec), one_port), |output| {
        says(output, &["udp Permission denied", "mptcp Permission denied", "listed Connection refused", "other Permission denied", "six Permission denied", "bind Permission denied"]);
        says(output, &["listen Permission denied", "fast Permission denied", "fastmsg Permission denied"]);
    });
}

#[test]
fn path_sets_hold_what_is_opened_wherever_links_lead() {
    let script = "mkdir /tmp/in /tmp/out /tmp/other; echo inside > /tmp/in/f; echo outside > /tmp/other/f; ln -s /tmp/other/f /tmp/in/link; ln -s ../other/f /tmp/in/rel
/usr/bin/cat /tmp/in/f; /usr/bin/cat /tmp/other/f 2>&1; /usr/bin/cat /tmp/in/link 2>&1; /usr/bin/cat /tmp/in/../other/f 2>&1; /usr/bin/cat /tmp/in/rel 2>&1
/usr/bin/cp /tmp/in/f /tmp/out/f && echo copied; /usr/bin/cp /tmp/in/f /tmp/other/g 2>&1; /usr/bin/cp /tmp/in/f /tmp/in/g 2>&1
ln -s /tmp/other /tmp/out/door; /usr/bin/cp /tmp/in/f /tmp/out/door/x 2>&1; ls /tmp/other
cd /tmp/in; /usr/bin/cat f; rm -r /tmp/out; ln -s /tmp/other /tmp/out; /usr/bin/cp /tmp/in/f /tmp/out/h 2>&1; ls /tmp/other
";
    held(script, |exec| when(named(exec, "cat") || named(exec, "cp"), reads), |output| {
        says(output, &["inside", "copied", "/usr/bin/cat: /tmp/other/f: Permission denied", "/usr/bin/cat: /tmp/in/link: Permission denied", "/usr/bin/cat: /tmp/in/../other/f: Permission denied", "/usr/bin/cat: /tmp/in/rel: Permission denied"]);
        says(output, &["/usr/bin/cp: cannot create regular file '/tmp/other/g': Permission denied", "/usr/bin/cp: cannot create regular file '/tmp/in/g': Permission denied"]);
        says(output, &["portcullis: /usr/bin/cp: cannot be confined as the policy wants it: path set: /tmp/out leads over a symbolic link in a folder that can be written to"]);
        assert!(!output.lines().any(|line| line == "outside" || line == "x" || line == "g" || line == "h"), "{output}");
        assert_eq!(output.lines().filter(|line| *line == "inside").count(), 2, "{output}");
    });
}

#[test]
fn an_environment_is_cut_to_what_is_listed() {
    let script = "export KEPT='a b' DROPPED=1 KEPT_TOO=2\n/usr/bin/env | sort\necho end\n";
    held(script, |exec| when(named(exec, "env"), two_variables), |output| {
        says(output, &["KEPT=a b", "end"]);
        assert!(!output.contains("DROPPED") && !output.contains("KEPT_TOO") && !output.contains("HOME=") && !output.contains("_="), "{output}");
    });
}

#[test]
fn a_time_limit_ends_a_program_and_all_below_it() {
    let script = format!("(/usr/bin/sleep 2; echo slept) &
/usr/bin/python3 - <<'END'
{START}
import time
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execv('/usr/bin/sleep', ['sleep', '4711'])
        os._exit(0)
time.sleep(60)
END
echo status $?; sleep 0.1; grep -l '471[1]' /proc/[0-9]*/cmdline 2>/dev/null | grep -v self | wc -l; wait; echo end
");
    held(&script, |exec| when(python(exec), short), |output| says(output, &["status 137", "0", "slept", "end"]));
}

#[test]
fn the_helper_is_for_nobody_to_run() {
    for who in everyone() {
        let outcome = Session::new("/run/portcullis/confine; echo $?; cd /run/portcullis; ./confine x; echo $?; /run/portcullis/confine/orders; echo $?\n").run(who);
        says(outcome.good(), &["KEEPER REFUSED helper", "126"]);
        assert!(!outcome.output.contains("cannot be confined"), "{}", outcome.output);
    }
}

#[test]
fn a_filter_of_the_callers_own_does_not_answer_for_the_kernel() {
    // landlock_restrict_self, seccomp and prctl say that all went well, and do nothing
    let script = format!("/usr/bin/python3 - JUDGED <<'END'
{START}
import ctypes, struct
libc = ctypes.CDLL(None, use_errno=True)
libc.prctl(38, 1, 0, 0, 0)   # PR_SET_NO_NEW_PRIVS
program = [(0x20, 0, 0, 0)]
for number in (446, 317, 157):
    program += [(0x15, 0, 1, number), (0x06, 0, 0, 0x00050000)]
program += [(0x06, 0, 0, 0x7fff0000)]
code = b''.join(struct.pack('HBBI', *one) for one in program)
room = ctypes.create_string_buffer(code)
class Prog(ctypes.Structure): _fields_ = [('len', ctypes.c_ushort), ('filter', ctypes.c_void_p)]
print('installed', libc.syscall(317, 1, 0, ctypes.byref(Prog(len(program), ctypes.addressof(room)))))
print('program', run('/usr/bin/python3', '-c', 'import socket; socket.socket(); print(\"RAN\")'))
END
/usr/bin/python3 -c 'print(\"still\", \"good\")'
");
    held(&script, |exec| when(python(exec) && !exec.argv.iter().any(|a| a == b"JUDGED"), no_network), |output| {
        says(output, &["installed 0", "still good"]);
        assert!(!output.contains("RAN"), "{output}");
    });
}

#[test]
fn children_from_before_are_not_those_of_a_trusted_program() {
    let script = format!("/usr/bin/python3 - JUDGED <<'END'
{START}
import time
r, w = os.pipe()
if os.fork() == 0:
    # becomes the trusted program, and has a child already that waits for that
    if os.fork() == 0:
        time.sleep(1)
        try: ok = subprocess.run(['/usr/bin/true']).returncode == 0
        except OSError: ok = False
        os.write(w, b'from before %d' % ok); os._exit(0)
    os.execv('/usr/bin/python3', ['python3', '-c', 'import time; time.sleep(2.5); print(\"RAN\")'])
os.wait()
print(os.read(r, 100).decode(), flush=True)
END
");
    held(&script, trusting, |output| {
        says(output, &["from before 0"]);
        assert!(!output.contains("RAN"), "{output}");
    });
}

#[test]
fn nothing_of_the_callers_steers_a_trusted_program() {
    let script = "export PATH=/tmp/p:$PATH HOME=/tmp/h TZ=/tmp/zone LANG=C.UTF-8 TERM=vt100
/usr/bin/python3 -c 'import os; print(*(f\"{name}={os.environ.get(name)}\" for name in (\"PATH\", \"HOME\", \"TZ\", \"TERM\", \"LANG\")), sep=\"\\n\")'
";
    held(script, trusting, |output| {
        says(output, &["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/", "TZ=None", "TERM=vt100", "LANG=C.UTF-8"]);
    });
}

#[test]
fn nobody_makes_files_that_give_their_owner_away_or_leaves_a_subtree() {
    let script = format!("/usr/bin/python3 - <<'END'
{START}
import ctypes, resource
libc = ctypes.CDLL(None, use_errno=True)
def does(name, deed):
    try: deed(); print(name, 'done')
    except OSError as e: print(name, e.strerror)
open('/tmp/file', 'w').close()
does('plain', lambda: os.chmod('/tmp/file', 0o755))
does('setuid', lambda: os.chmod('/tmp/file', 0o4755))
does('setgid', lambda: os.chmod('/tmp/file', 0o2755))
does('made', lambda: os.close(os.open('/tmp/other', os.O_CREAT | os.O_WRONLY, 0o4755)))
does('opened', lambda: os.close(os.open('/tmp/file', os.O_RDONLY, 0o4755)))
does('folder', lambda: os.mkdir('/tmp/folder', 0o2755))
how = (ctypes.c_uint64 * 3)(os.O_CREAT | os.O_WRONLY, 0o4755, 0)
print('openat2', libc.syscall(437, -100, b'/tmp/third', how, 24), os.strerror(ctypes.get_errno()), os.path.exists('/tmp/third'))
does('limits of another', lambda: resource.prlimit(1, resource.RLIMIT_NOFILE, (8, 8)))
does('own limits', lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)))
print('sibling', libc.syscall(56, 0x8000 | 17, 0, 0, 0, 0), os.strerror(ctypes.get_errno()))
END
");
    held(&script, |_| Confinement::default(), |output| {
        let refused = "Operation not permitted";
        says(output, &["plain done", &format!("setuid {refused}"), &format!("setgid {refused}"), &format!("made {refused}"), "opened done", &format!("folder {refused}")]);
        says(output, &["openat2 -1 Function not implemented False"]);
        says(output, &[&format!("limits of another {refused}"), "own limits done", &format!("sibling -1 {refused}")]);
    });
}
