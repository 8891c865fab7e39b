//! INFRA_FULL: everything, and root. The guard, the recording and the kill hold for it as for every other action, so nothing is
//! listed but what would end them, or would run outside of them.
//!
//! | refused | because |
//! | --- | --- |
//! | a service manager, a job queue or a container daemon asked to run something | it would be that daemon's child: not judged, not recorded, not ended by a revoke |
//! | stopping, changing or masking the units of Portcullis, of the audit and of the logs | it would end the evidence |
//! | entering the namespaces of another process, loading code into the kernel, starting another kernel | it would leave the jail, or what holds it |
//!
//! This holds for programs as they are called. A program of the operator's own, or an interpreter, can ask the same daemons by
//! itself: what is kept from it then is what the jail does not show (their sockets) and what its system call filter refuses.
//! Root of a session has no capability to load modules, trace, enter namespaces or mount; see [`ROOT`].

use portcullis_sdk::path::name;
use portcullis_sdk::{
    AllowedForm, Confine, Denial, Description, Exec, Line, Session, Subject, Verdict, WordKind, allow, deny, elevate, quote,
};

/// The action's name.
pub const NAME: &str = "INFRA_FULL";
/// What it is for.
pub const ABOUT: &str = "Everything, also as root; still judged, recorded and revocable.";
/// Its roles.
pub const ROLES: &[&str] = &["cps", "host", "cell"];

/// Root in a session: what root is to files, users and the network; not what it is to the kernel and to other processes' insides.
pub const ROOT: Confine = Confine::as_user("root").capabilities(&[
    "CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_IPC_LOCK", "CAP_KILL", "CAP_LEASE", "CAP_LINUX_IMMUTABLE", "CAP_NET_ADMIN",
    "CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SETGID", "CAP_SETUID", "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_PACCT", "CAP_SYS_RESOURCE", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_SYSLOG",
]);

/// What is refused: programs, words of which one has to be there (none: always), and why.
pub const REFUSED: &[(&[&str], &[&str], &str)] = &[
    (&["systemd-run", "at", "batch", "atd", "machinectl", "systemd-nspawn", "crond", "anacron", "incrontab", "systemd-cron"], &[], "what it starts would not belong to the session"),
    (&["nsenter", "unshare", "setns", "chroot", "pivot_root", "switch_root", "bwrap", "runc", "crun", "containerd", "ctr", "nerdctl", "crictl", "kubectl", "lxc-attach", "lxc-execute"], &[], "it would leave the jail"),
    (&["insmod", "modprobe", "rmmod", "kexec", "kmod", "bpftool", "bpftrace", "dkms"], &[], "it would change the kernel that holds the jail"),
    (&["gdbserver"], &[], "it would give what it holds to the network"),
    (&["docker", "podman", "docker_interactive", "podman_interactive"], &["run", "create", "exec", "build", "compose", "start", "cp", "commit", "load", "import", "plugin", "swarm", "service", "stack", "kube", "play", "generate", "system"], "what runs in a container would not belong to the session; ask for INFRA_HYPERVISOR to enter one"),
    (&["virsh", "virsh_interactive"], &["define", "create", "edit", "qemu-monitor-command", "qemu-agent-command", "attach-device", "update-device", "snapshot-create", "net-create", "net-define", "pool-create", "pool-define", "lxc-enter-namespace"], "a description of a machine says which programs run as root, outside of the session"),
    (&["systemctl"], &["edit", "link", "set-environment", "import-environment", "switch-root", "kexec", "bind", "mount-image", "soft-reboot", "emergency", "rescue", "isolate"], "it would have programs run outside of the session"),
    (&["auditctl", "augenrules"], &[], "it would change the audit"),
    (&["journalctl"], &["--rotate", "--vacuum-size", "--vacuum-time", "--vacuum-files", "--setup-keys", "--relinquish-var"], "it would remove evidence"),
];

/// Units that guard and record, by the beginning of their names.
const GUARDS: &[&str] = &["portcullis", "auditd", "systemd-journald", "rsyslog", "syslog"];
/// What a verb does to a unit that these are kept from.
const ENDS: &[&str] = &["stop", "restart", "try-restart", "reload-or-restart", "kill", "disable", "mask", "freeze", "clean", "revert", "set-property", "condrestart", "force-reload", "reload"];

/// What a module for it says about itself.
#[must_use]
pub fn describe(version: &str) -> Description {
    let row = |form: &str, note: &str| AllowedForm { form: form.into(), note: note.into() };
    Description {
        name: NAME.into(),
        version: version.into(),
        action: NAME.into(),
        roles: ROLES.iter().map(|role| (*role).to_owned()).collect(),
        pure: true,
        allowed: EXAMPLES.iter().map(|(form, note, _)| row(form, note)).collect(),
    }
}

/// The rows for people, each with a command that tests hold it to.
pub const EXAMPLES: &[(&str, &str, &str)] = &[
    ("COMMAND", "every program, but those that would run something outside of the session, end its evidence or leave its jail", "bash"),
    ("sudo COMMAND, sudo -u USER COMMAND", "as root, or another user", "sudo cat /etc/shadow"),
    ("su - [USER], sudo -i", "a shell as root, or another user", "su -"),
    ("sudols, sudocat, sudohead, sudotail, sudocp, sudorm, sudovi", "the cage commands, as root, on any file", "sudocat /etc/shadow"),
    ("rootexec SCRIPT", "a script as root, by its absolute path", "rootexec /root/x.sh"),
    ("systemctl VERB UNIT", "but for the units of Portcullis, the audit and the logs", "systemctl restart sshd"),
    ("crontab -l", "shows; does not edit or install", "crontab -l"),
];

/// Answers a question.
#[must_use]
pub fn judge(session: &Session, subject: &Subject) -> Verdict {
    if !ROLES.contains(&session.role.as_str()) {
        return deny("role", "this action is not for nodes of this role", "");
    }
    match subject {
        Subject::Exec(exec) => judge_exec(session, exec),
        Subject::Line(line) => judge_line(session, line),
        // what is visible and writable is the jail's matter
        Subject::File(_) | Subject::Forward(_) => allow(),
    }
}

/// By the file's name and by the one that it is called by: either may say what it does.
fn judge_exec(session: &Session, exec: &Exec) -> Verdict {
    let file = name(exec.scripts.first().unwrap_or(&exec.path));
    let args: Vec<&[u8]> = exec.argv.iter().skip(1).map(Vec::as_slice).collect();
    let called = exec.argv.first().map_or(file, |called| name(called));
    match check(file, &args) {
        Ok(()) => judge_call(session, called, &args),
        Err(denial) => Verdict::Deny(denial),
    }
}

fn judge_call(session: &Session, called: &[u8], args: &[&[u8]]) -> Verdict {
    if let Err(denial) = check(called, args) {
        return Verdict::Deny(denial);
    }
    let asked = match called {
        b"sudo" => elevate::sudo(args),
        b"su" => elevate::su(args),
        b"rootexec" => elevate::rootexec(args),
        _ if CAGE.contains(&called) => return as_user(session, b"root"),
        _ => return allow(),
    };
    match asked {
        Ok(asked) => match asked.command.split_first().map_or(Ok(()), |(inner, args)| check(name(inner), args)) {
            Ok(()) => as_user(session, asked.user),
            Err(denial) => Verdict::Deny(denial),
        },
        Err(refusal) => deny("elevation", &refusal.reason, refusal.hint.unwrap_or("sudo COMMAND")),
    }
}

/// The cage commands are root's. `sudovi` is not among them: its parts are.
const CAGE: &[&[u8]] = &[b"sudols", b"sudocat", b"sudohead", b"sudotail", b"sudocp", b"sudorm", b"sudovi-read", b"sudovi-write"];

/// Root, or another user, who has no capabilities.
fn as_user(session: &Session, user: &[u8]) -> Verdict {
    let mut confinement = ROOT.told(session, &[]);
    if user != b"root" {
        confinement.run_as = Some(String::from_utf8_lossy(user).into_owned());
        confinement.capabilities.clear();
    }
    Verdict::Allow(confinement)
}

/// Each command by itself; one with words that are not literal is left to the exec, but for what its literal words say.
fn judge_line(session: &Session, line: &Line) -> Verdict {
    for command in &line.commands {
        let Some((first, rest)) = command.words.split_first().filter(|(first, _)| first.kind == WordKind::Literal) else { continue };
        let args: Vec<&[u8]> = rest.iter().map(|word| word.text.as_slice()).collect();
        let known = rest.iter().all(|word| word.kind == WordKind::Literal);
        let answer = if known { judge_call(session, name(&first.text), &args) } else { check(name(&first.text), &args).map_or_else(Verdict::Deny, |()| allow()) };
        if let Verdict::Deny(_) = answer {
            return answer;
        }
    }
    allow()
}

fn check(program: &[u8], args: &[&[u8]]) -> Result<(), Denial> {
    let is = |list: &[&str], word: &[u8]| list.iter().any(|known| known.as_bytes() == word);
    // an option may carry its value in the same word
    let bare = |word: &[u8]| word.split(|b| *b == b'=').next().unwrap_or_default().to_vec();
    let refused = REFUSED.iter().find(|(programs, words, _)| is(programs, program) && (words.is_empty() || args.iter().any(|word| is(words, &bare(word)))));
    if let Some((_, _, why)) = refused {
        return Err(denial(program, why));
    }
    if program == b"systemctl" && args.iter().any(|word| is(ENDS, word)) {
        // a pattern may stand for anything
        let guards = |word: &&&[u8]| word.iter().any(|b| matches!(b, b'*' | b'?' | b'[')) || GUARDS.iter().any(|guard| word.starts_with(guard.as_bytes()));
        if args.iter().any(|word| guards(&word)) {
            return Err(denial(program, "it would end what guards or records"));
        }
    }
    if program == b"crontab" && !matches!(args, [b"-l"] | [b"-l", b"-u", _] | [b"-u", _, b"-l"]) {
        return Err(denial(program, "jobs would not belong to the session; only -l is allowed"));
    }
    Ok(())
}

fn denial(program: &[u8], why: &str) -> Denial {
    Denial { rule: "containment".to_owned(), reason: format!("{}: {why}", quote(program)), hint: String::new() }
}
