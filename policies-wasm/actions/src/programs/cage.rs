//! The cage commands: root's view of a few folders, through `sudols` and its like.
//!
//! Each is a program of one purpose that starts no other, under path sets that hold its folders and what a program needs to
//! start. Operands are judged by the same sets. By their text: that a link leads out is seen by the kernel, which holds the
//! sets for what is opened in the end, and by the cage program, which follows none.
//!
//! Exceptions within a set (the audit's configuration in /etc) cannot be said in a path set. They are held by the operands, which
//! is all that ls, cp, cat, tail, head and rm ever open; for the editor, which opens what it is told from inside, the set is
//! the named files alone.

use super::{Depth, in_sets};
use crate::confine::{OWN, root_copies, root_reads, root_writes};
use portcullis_sdk::{Arguments, Call, Confine, Options, PathSet, Program, Refusal, path, quote};

macro_rules! rows {
    ($name:ident, $doc:literal, $at:literal, $places:literal, look: $look:expr, copy: $copy:expr $(, change: $change:expr, edit: $edit:expr)?) => {
        #[doc = $doc]
        pub(crate) const $name: &[Program] = &[
            Program::checked(&["sudols"], "sudols [-laR...] PATH", $places, &LS, reads).example(concat!("sudols -la ", $at)).confined(&$look),
            Program::checked(&["sudocat"], "sudocat FILE", $places, &CAT, reads).example(concat!("sudocat ", $at, "/FILE")).confined(&$look),
            Program::checked(&["sudohead"], "sudohead [-n N] FILE", $places, &HEAD, reads).example(concat!("sudohead -n 5 ", $at, "/FILE")).confined(&$look),
            Program::checked(&["sudotail"], "sudotail [-n N] [-f] FILE", $places, &TAIL, reads).example(concat!("sudotail -f ", $at, "/FILE")).confined(&$look),
            Program::checked(&["sudocp"], "sudocp [-rv] FILE... TO", $places, &CP, copies).example(concat!("sudocp ", $at, "/FILE /tmp")).confined(&$copy),
            $(
                Program::checked(&["sudovi"], "sudovi FILE", $places, &VI, edits).example(concat!("sudovi ", $at, "/FILE")).confined(&$edit),
                Program::checked(&["sudorm"], "sudorm [-rf] FILE", $places, &RM, removes).example(concat!("sudorm ", $at, "/FILE")).confined(&$change),
            )?
        ];
    };
}

rows!(ON_CPS_ONLY, "INFRA_CPS_ONLY.", "/u01", "in /u01 and /opt/oci/exacc; looked at and copied from in /var/log, /opt/oracle.cellos and nessus' results as well",
    look: root_reads(&[PathSet::SYSTEM, CPS_ONLY, CPS_LOOK]), copy: root_copies_to(&[PathSet::SYSTEM, CPS_ONLY, CPS_LOOK, OWN], &[PathSet::SINKS, CPS_ONLY, OWN]),
    change: root_writes(&[PathSet::SYSTEM, CPS_ONLY], &[PathSet::SINKS, CPS_ONLY]), edit: root_writes(&[PathSet::SYSTEM, CPS_ONLY], &[PathSet::SINKS, CPS_ONLY]));
rows!(ON_CPS, "INFRA_DIAG on control plane servers.", "/u01", "in /u01; looked at and copied from in /var/log, /opt/oracle.cellos, nessus' results and exacloud's logs as well",
    look: root_reads(&[PathSet::SYSTEM, U01, CPS_LOOK, EXACLOUD_LOGS]), copy: root_copies_to(&[PathSet::SYSTEM, U01, CPS_LOOK, EXACLOUD_LOGS, OWN], &[PathSet::SINKS, U01, OWN]),
    change: root_writes(&[PathSet::SYSTEM, U01], &[PathSet::SINKS, U01]), edit: root_writes(&[PathSet::SYSTEM, U01], &[PathSet::SINKS, U01]));
rows!(ON_NODES, "INFRA_DIAG on hosts and cells, which looks only.", "/var/log", "in /var/log and /opt/oracle; copies go to the home and /tmp",
    look: root_reads(&[PathSet::SYSTEM, NODES]), copy: root_copies(&[PathSet::SYSTEM, NODES, OWN], &[PathSet::SINKS, OWN]));
rows!(ON_CPS_ETC, "INFRA_UPDATE_RESTART on control plane servers: /etc as well.", "/etc", "in /etc, but for secrets and what records, and read only what names users or programs; from and to /u01, the home and /tmp",
    look: root_reads(&[PathSet::SYSTEM, ETC]), copy: root_copies_to(&[PathSet::SYSTEM, ETC, U01, CPS_LOOK, EXACLOUD_LOGS, OWN], &[PathSet::SINKS, ETC, U01, OWN]),
    change: root_writes(&[PathSet::SYSTEM, ETC], &[PathSet::SINKS, ETC]), edit: root_writes(&[PathSet::SYSTEM, NAMED, ETC], &[PathSet::SINKS, NAMED]));

const CPS_ONLY: PathSet = PathSet(&["/u01", "/opt/oci/exacc"]);
const CPS_LOOK: PathSet = PathSet(&["/var/log", "/opt/oracle.cellos", "/usr/local/nessus/results", "/opt/nessus/var/nessus/logs"]);
const EXACLOUD_LOGS: PathSet = PathSet(&["/opt/oci/exacc/exacloud/log"]);
const U01: PathSet = PathSet(&["/u01"]);
const NODES: PathSet = PathSet(&["/var/log", "/opt/oracle"]);
const ETC: PathSet = PathSet(&["/etc"]);
/// What the command names.
const NAMED: PathSet = PathSet(&[PathSet::OPERANDS]);
/// What is neither read nor written in /etc: what records, who may log in, secrets. By the beginning, to the end of a component or
/// to a dot, dash or digit: `/etc/sudoers.d` and `/etc/shadow-` are `/etc/sudoers` and `/etc/shadow`.
const SECRETS: &[&str] = &[
    "/etc/NetworkManager/system-connections", "/etc/audisp", "/etc/audit", "/etc/gshadow", "/etc/ipsec", "/etc/krb5", "/etc/libaudit", "/etc/opasswd", "/etc/pki", "/etc/portcullis", "/etc/security", "/etc/shadow",
    "/etc/ssh", "/etc/ssl", "/etc/sssd", "/etc/sudo", "/etc/sudoers", "/etc/sysconfig/auditd", "/etc/wpa_supplicant",
];
/// What is read in /etc, and never written: users, and the configurations that are known to name programs which somebody then
/// starts. A list of what is known, no proof: whoever writes /etc is not far from root.
const STEERS: &[&str] = &[
    "/etc/NetworkManager", "/etc/X11", "/etc/acpi", "/etc/aliases", "/etc/alternatives", "/etc/anacrontab", "/etc/apt", "/etc/at", "/etc/bash", "/etc/bashrc", "/etc/binfmt", "/etc/cloud", "/etc/cni", "/etc/containers",
    "/etc/cron", "/etc/crontab", "/etc/crypttab", "/etc/dbus", "/etc/default", "/etc/dhcp", "/etc/dnf", "/etc/docker", "/etc/dracut", "/etc/environment", "/etc/exports", "/etc/fstab", "/etc/group", "/etc/grub",
    "/etc/hosts.allow", "/etc/hosts.deny", "/etc/httpd", "/etc/incron", "/etc/inetd", "/etc/init", "/etc/inittab", "/etc/keepalived", "/etc/kernel", "/etc/kubernetes", "/etc/ld", "/etc/libvirt", "/etc/login",
    "/etc/logrotate", "/etc/mail", "/etc/mdadm", "/etc/modprobe", "/etc/modules", "/etc/monit", "/etc/multipath", "/etc/network", "/etc/nsswitch", "/etc/pam", "/etc/passwd", "/etc/polkit", "/etc/postfix",
    "/etc/ppp", "/etc/profile", "/etc/qemu", "/etc/rc", "/etc/rsyslog", "/etc/securetty", "/etc/selinux", "/etc/shells", "/etc/skel", "/etc/smartd", "/etc/smartmontools", "/etc/snmp", "/etc/subgid", "/etc/subuid",
    "/etc/sysconfig", "/etc/sysctl", "/etc/syslog", "/etc/systemd", "/etc/tmpfiles", "/etc/udev", "/etc/udisks2", "/etc/update-motd", "/etc/xdg", "/etc/xinetd", "/etc/yum", "/etc/zsh",
];

const fn root_copies_to(read: &'static [PathSet], write: &'static [PathSet]) -> Confine {
    root_writes(read, write)
}

const LS: Options = Options::flags(
    "1aAbBcCdfFgGhHiklLmnNopqQrRsStuUvxXZ",
    &["all", "almost-all", "color?", "directory", "full-time", "human-readable", "inode", "numeric-uid-gid", "recursive", "reverse", "size", "sort=", "time=", "time-style="],
)
.valued("ITw");
const CAT: Options = Options::flags("AbeEnstTuv", &["number", "show-all", "squeeze-blank"]);
const HEAD: Options = Options::flags("0123456789qvz", &["bytes=", "lines=", "quiet", "verbose"]).valued("cn");
const TAIL: Options = Options::flags("0123456789fFqvz", &["bytes=", "follow?", "lines=", "quiet", "retry", "verbose"]).valued("cns");
const CP: Options = Options::flags("finrRuv", &["force", "interactive", "no-clobber", "recursive", "update", "verbose"]);
const VI: Options = Options::flags("R", &[]);
const RM: Options = Options::flags("dfirRv", &["dir", "force", "recursive", "verbose"]);

fn sets(call: &Call<'_>) -> (Option<&'static [PathSet]>, Option<&'static [PathSet]>) {
    call.row.confine.map_or((None, None), |confine| (confine.read, confine.write))
}

/// Counts of lines, bytes and seconds.
fn are_numbers(arguments: &Arguments<'_>) -> Result<(), Refusal> {
    let counts = [(b'c', "bytes"), (b'n', "lines"), (b's', "sleep-interval")];
    let number = |value: &[u8]| {
        let digits = value.strip_prefix(b"+").or_else(|| value.strip_prefix(b"-")).unwrap_or(value);
        digits.first().is_some_and(u8::is_ascii_digit) && digits.len() <= 20 && digits.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'.')
    };
    let fine = counts.into_iter().flat_map(|(short, long)| arguments.values(short, long)).flatten().all(number);
    if fine { Ok(()) } else { Err(Refusal::new("option", "a count is not a number")) }
}

pub(crate) fn reads(call: &Call<'_>, arguments: &Arguments<'_>) -> Result<(), Refusal> {
    are_numbers(arguments)?;
    let here = [&b"."[..]];
    let operands = if arguments.operands.is_empty() { &here[..] } else { &arguments.operands };
    each(operands, call, |operand| in_sets(sets(call).0, call, operand, Depth::Any) && !is_kept(call, operand, SECRETS, Kin::In))
}

/// The last operand is where to: the file, or the folder in which the copy has the name of what is copied. A folder's contents may
/// have any name, so nothing is copied with its contents to where a name counts.
pub(crate) fn copies(call: &Call<'_>, arguments: &Arguments<'_>) -> Result<(), Refusal> {
    let Some((to, from)) = arguments.operands.split_last().filter(|(_, from)| !from.is_empty()) else {
        return Err(Refusal::new("operand", "it lacks what to copy, or where to"));
    };
    let with_contents = [(b'r', "recursive"), (b'R', "recursive")].into_iter().any(|(short, long)| arguments.has(short, long));
    let around = if with_contents { Kin::InOrAround } else { Kin::In };
    each(from, call, |operand| in_sets(sets(call).0, call, operand, Depth::Any) && !is_kept(call, operand, SECRETS, Kin::InOrAround))?;
    let is_written = |place: &[u8], kin| is_kept(call, place, SECRETS, kin) || is_kept(call, place, STEERS, kin);
    each(&[to], call, |operand| in_sets(sets(call).1, call, operand, Depth::Any) && !is_written(operand, around))?;
    each(from, call, |operand| {
        let copy = [&path::normal(to, call.cwd), &b"/"[..], path::name(&path::normal(operand, call.cwd))].concat();
        !is_written(&copy, Kin::InOrAround)
    })
}

fn edits(call: &Call<'_>, arguments: &Arguments<'_>) -> Result<(), Refusal> {
    let files: Vec<&[u8]> = arguments.operands.iter().copied().filter(|operand| !is_line(operand)).collect();
    if files.is_empty() {
        return Err(Refusal::new("operand", "it lacks the file"));
    }
    if files.iter().any(|file| file.starts_with(b"+") || std::str::from_utf8(file).is_err()) {
        return Err(Refusal::new("command", "of the commands at start +NUMBER is allowed"));
    }
    // where the set is what the command names, the folders that it may name are those that are read
    let named = sets(call).1.is_some_and(|sets| sets.contains(&NAMED));
    let sets = if named { sets(call).0 } else { sets(call).1 };
    each(&files, call, |operand| in_sets(sets, call, operand, Depth::Below) && !is_changed(call, operand))
}

/// `+20`
fn is_line(operand: &[u8]) -> bool {
    operand.strip_prefix(b"+").is_some_and(|number| !number.is_empty() && number.iter().all(u8::is_ascii_digit))
}

fn removes(call: &Call<'_>, arguments: &Arguments<'_>) -> Result<(), Refusal> {
    if arguments.operands.is_empty() {
        return Err(Refusal::new("operand", "it lacks the file"));
    }
    each(&arguments.operands, call, |operand| in_sets(sets(call).1, call, operand, Depth::Below) && !is_changed(call, operand))
}

fn each(operands: &[&[u8]], call: &Call<'_>, fine: impl Fn(&[u8]) -> bool) -> Result<(), Refusal> {
    match operands.iter().find(|operand| !fine(operand)) {
        None => Ok(()),
        Some(operand) => Err(Refusal::new("path", format!("{} is outside of the folders that it is for", quote(&path::normal(operand, call.cwd))))),
    }
}

/// How a path stands to one that is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kin {
    /// It is that, or lies in it.
    In,
    /// Or that lies in it: copying or removing it would copy or remove that.
    InOrAround,
}

/// Whether changing or removing `operand` would change what is kept.
fn is_changed(call: &Call<'_>, operand: &[u8]) -> bool {
    is_kept(call, operand, SECRETS, Kin::InOrAround) || is_kept(call, operand, STEERS, Kin::InOrAround)
}

fn is_kept(call: &Call<'_>, operand: &[u8], list: &[&str], kin: Kin) -> bool {
    let operand = path::normal(operand, call.cwd);
    list.iter().any(|kept| {
        let kept = kept.as_bytes();
        let inside = operand.strip_prefix(kept).is_some_and(|rest| matches!(rest.first(), None | Some(b'/' | b'.' | b'-' | b'd' | b'_' | b'0'..=b'9')));
        inside || (kin == Kin::InOrAround && path::within(kept, &operand))
    })
}
