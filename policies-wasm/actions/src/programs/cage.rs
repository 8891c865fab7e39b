//! The cage commands: root's view of a few folders, through `sudols` and its like.
//!
//! Each is a program of one purpose that starts no other, under path sets that hold its folders and what a program needs to
//! start. Operands are judged by the same sets. By their text: that a link leads out is seen by the kernel, which holds the
//! sets for what is opened in the end, and by the cage program, which follows none. What the program takes is what stands here: a
//! test of its crate compares the two.
//!
//! Exceptions within a set (the audit's configuration in /etc) cannot be said in a path set. They are held by the operands, which
//! are all that any of them ever opens.
//!
//! `sudovi` is four rows. It runs as the operator itself and has `sudovi-read` and `sudovi-write` run, as root, and between them
//! `sudovi-editor`, which is the node's vi on a copy, as the operator, held to that copy.

use super::{Depth, in_sets};
use crate::confine::{OWN, PLAIN_ENVIRONMENT, ROOT};
use portcullis_sdk::confine::Reach;
use portcullis_sdk::{Arguments, Call, Children, Confine, Options, PathSet, Program, Refusal, path, quote};

macro_rules! rows {
    ($name:ident, $doc:literal, $at:literal, $places:literal, look: $look:expr, copy: $copy:expr $(, change: $change:expr)?) => {
        #[doc = $doc]
        pub(crate) const $name: &[Program] = &[
            Program::checked(&["sudols"], "sudols [-laR...] PATH", $places, &LS, reads).example(concat!("sudols -la ", $at)).confined(&$look),
            Program::checked(&["sudocat"], "sudocat FILE", $places, &CAT, reads).example(concat!("sudocat ", $at, "/FILE")).confined(&$look),
            Program::checked(&["sudohead"], "sudohead [-n N] FILE", $places, &HEAD, reads).example(concat!("sudohead -n 5 ", $at, "/FILE")).confined(&$look),
            Program::checked(&["sudotail"], "sudotail [-n N] [-f] FILE", $places, &TAIL, reads).example(concat!("sudotail -f ", $at, "/FILE")).confined(&$look),
            Program::checked(&["sudocp"], "sudocp [-rv] FILE... TO", $places, &CP, copies).example(concat!("sudocp ", $at, "/FILE /tmp")).confined(&$copy),
            $(
                Program::checked(&["sudorm"], "sudorm [-rf] FILE", $places, &RM, removes).example(concat!("sudorm ", $at, "/FILE")).confined(&$change),
                Program::checked(&["sudovi"], "sudovi FILE", concat!($places, "; the editor is the operator's, on a copy"), &VI, |call, arguments| edits(call, arguments, $change))
                    .example(concat!("sudovi ", $at, "/FILE")),
                Program::checked(&["sudovi-read"], "sudovi-read FILE", "what sudovi reads by", &Options::NONE, |call, arguments| edited(call, &arguments.operands, $change))
                    .example(concat!("sudovi-read ", $at, "/FILE"))
                    .confined(&reading($change)),
                Program::checked(&["sudovi-write"], "sudovi-write SHA256 FILE", "what sudovi writes by: its input becomes the content of a file that still has this digest", &Options::NONE, |call, arguments| saves(call, arguments, $change))
                    .example(concat!("sudovi-write new ", $at, "/FILE"))
                    .confined(&writing($change)),
                EDITOR,
            )?
        ];
    };
}

rows!(ON_CPS_ONLY, "INFRA_CPS_ONLY.", "/u01", "in /u01 and /opt/oci/exacc; looked at and copied from in /var/log, /opt/oracle.cellos and nessus' results as well",
    look: looks(&[PathSet::SYSTEM, CPS_ONLY, CPS_LOOK]), copy: changes(&[PathSet::SYSTEM, CPS_ONLY, CPS_LOOK, OWN], &[PathSet::SINKS, CPS_ONLY, OWN]),
    change: changes(&[PathSet::SYSTEM, CPS_ONLY], &[PathSet::SINKS, CPS_ONLY]));
rows!(ON_CPS, "INFRA_DIAG on control plane servers.", "/u01", "in /u01; looked at and copied from in /var/log, /opt/oracle.cellos, nessus' results and exacloud's logs as well",
    look: looks(&[PathSet::SYSTEM, U01, CPS_LOOK, EXACLOUD_LOGS]), copy: changes(&[PathSet::SYSTEM, U01, CPS_LOOK, EXACLOUD_LOGS, OWN], &[PathSet::SINKS, U01, OWN]),
    change: changes(&[PathSet::SYSTEM, U01], &[PathSet::SINKS, U01]));
rows!(ON_NODES, "INFRA_DIAG on hosts and cells, which looks only.", "/var/log", "in /var/log and /opt/oracle; copies go to the home and /tmp",
    look: looks(&[PathSet::SYSTEM, NODES]), copy: changes(&[PathSet::SYSTEM, NODES, OWN], &[PathSet::SINKS, OWN]));
rows!(ON_CPS_ETC, "INFRA_UPDATE_RESTART on control plane servers: /etc as well.", "/etc", "in /etc as the jail shows it (its own, read-only, beside what its profile names), but for secrets and what records, and read only what names users or programs; from and to /u01, the home and /tmp",
    look: looks(&[PathSet::SYSTEM, ETC]), copy: changes(&[PathSet::SYSTEM, ETC, U01, CPS_LOOK, EXACLOUD_LOGS, OWN], &[PathSet::SINKS, ETC, U01, OWN]),
    change: changes(&[PathSet::SYSTEM, ETC], &[PathSet::SINKS, ETC]));

/// Where the cage commands lie, and what the kernel executes for them: nothing else is executed.
const THEMSELVES: PathSet = PathSet(&["/run/portcullis/bin", "/usr/lib", "/usr/lib64", "/lib", "/lib64"]);
/// The command as root, which looks.
const LOOK: Confine = ROOT.executes(&[THEMSELVES]).capabilities(&["CAP_DAC_READ_SEARCH"]);
/// The command as root, which writes. What it makes in a place of the operator's, or in another's stead, it gives to whom it belongs.
const CHANGE: Confine = ROOT.executes(&[THEMSELVES]).capabilities(&["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER"]);

const fn looks(read: &'static [PathSet]) -> Confine {
    LOOK.reads(read)
}

const fn changes(read: &'static [PathSet], write: &'static [PathSet]) -> Confine {
    CHANGE.reads(read).writes(write)
}

/// `sudovi-read`: what may be changed is read, and nothing else.
const fn reading(change: Confine) -> Confine {
    Confine { write: LOOK.write, capabilities: LOOK.capabilities, ..change }
}

/// `sudovi-write`: as what removes, which it does to what it replaces.
const fn writing(change: Confine) -> Confine {
    change
}

/// What `sudovi` tells its editor before anything else.
const SETTINGS: &str = "set nomodeline noexrc nobackup nowritebackup";
const EDITOR_NAMES: &[&str] = &["sudovi-editor"];
/// The node's vi, as the operator, on the copy that the command names: that alone is read and written, and nothing is started.
const EDITOR: Program = Program::checked(EDITOR_NAMES, "sudovi-editor -Z -N -n -u NONE -i NONE --noplugin --cmd SETTINGS COPY", "the restricted vi that sudovi starts on its copy", &EDITOR_OPTIONS, is_sudovis)
    .files(&["vim", "vi", "vim.basic", "vim.tiny", "vim.nox", "sudovi-editor"])
    .example("sudovi-editor -Z -N -n -u NONE -i NONE --noplugin --cmd 'set nomodeline noexrc nobackup nowritebackup' COPY")
    .confined(&Confine::NOTHING.reads(&[PathSet::SYSTEM, NAMED]).writes(&[PathSet::SINKS, NAMED]).executes(&[PathSet::PROGRAMS]).children(Children::Forbidden).network(Reach::None).environment(PLAIN_ENVIRONMENT));
const EDITOR_OPTIONS: Options = Options::flags("ZNnR", &["noplugin", "cmd="]).valued("ui");

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

const LS: Options = Options::flags("1AadhilnRrSt", &["all", "almost-all", "directory", "human-readable", "inode", "numeric-uid-gid", "recursive", "reverse"]);
const CAT: Options = Options::flags("n", &["number"]);
const HEAD: Options = Options::flags("qv", &["bytes=", "lines=", "quiet", "verbose"]).valued("cn");
const TAIL: Options = Options::flags("fFqv", &["bytes=", "follow", "lines=", "quiet", "verbose"]).valued("cn");
const CP: Options = Options::flags("fnRrv", &["force", "no-clobber", "recursive", "verbose"]);
const RM: Options = Options::flags("dfRrv", &["dir", "force", "recursive", "verbose"]);
const VI: Options = Options::flags("R", &[]);

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

/// The file of `sudovi`, which itself is held to nothing: its parts are.
fn edits(call: &Call<'_>, arguments: &Arguments<'_>, change: Confine) -> Result<(), Refusal> {
    let (lines, files): (Vec<&[u8]>, Vec<&[u8]>) = arguments.operands.iter().partition(|operand| is_line(operand));
    if files.iter().any(|file| file.starts_with(b"+")) || lines.len() > 1 {
        return Err(Refusal::new("command", "of the commands at start one +NUMBER is allowed"));
    }
    edited(call, &files, change)
}

/// The one file that is edited.
fn edited(call: &Call<'_>, files: &[&[u8]], change: Confine) -> Result<(), Refusal> {
    if files.len() != 1 {
        return Err(Refusal::new("operand", "one file is edited at a time"));
    }
    each(files, call, |operand| in_sets(change.write, call, operand, Depth::Below) && !is_changed(call, operand))
}

/// What `sudovi-write` is called with: the digest of what was read, and the file.
fn saves(call: &Call<'_>, arguments: &Arguments<'_>, change: Confine) -> Result<(), Refusal> {
    let is_digest = |word: &[u8]| word == b"new" || (word.len() == 64 && word.iter().all(u8::is_ascii_hexdigit));
    match arguments.operands.split_first() {
        Some((digest, files)) if is_digest(digest) => edited(call, files, change),
        _ => Err(Refusal::new("digest", "it lacks the SHA-256 of what was read")),
    }
}

/// Whether the node's vi is called as `sudovi` calls it, and in no other way.
fn is_sudovis(_: &Call<'_>, arguments: &Arguments<'_>) -> Result<(), Refusal> {
    let has = |short, long| arguments.has(short, long);
    let only = |short, long, value: &[u8]| arguments.values(short, long).eq([Some(value)]);
    let restricted = has(b'Z', "") && has(b'N', "") && has(b'n', "") && has(b'\0', "noplugin");
    let plain = only(b'u', "", b"NONE") && only(b'i', "", b"NONE") && only(b'\0', "cmd", SETTINGS.as_bytes());
    let copies: Vec<&[u8]> = arguments.operands.iter().copied().filter(|operand| !is_line(operand)).collect();
    match copies.as_slice() {
        [copy] if restricted && plain && !copy.starts_with(b"+") && std::str::from_utf8(copy).is_ok() => Ok(()),
        _ => Err(Refusal::new("form", "it is started by sudovi, in one way")),
    }
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
