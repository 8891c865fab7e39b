//! Units and their logs, and jobs.

use super::{is_in, is_name};
use crate::confine::ROOT;
use portcullis_sdk::path::{normal, within};
use portcullis_sdk::{Arguments, Call, Confine, Options, Program, Refusal, quote};

/// Looking, as the session's own user.
pub(crate) const LOOKS: &[Program] = &[
    Program::checked(&["systemctl"], "systemctl status|show|cat|list-*|is-*|get-default", "reads the state of units of this machine", &SYSTEMCTL, looks).example("systemctl status UNIT"),
    Program::checked(&["journalctl"], "journalctl -u UNIT -n 100", "reads the journal; the files in /var/log/journal and /run/log/journal only", &JOURNALCTL, journalctl),
];
/// Jobs, looked at.
pub(crate) const JOBS: &[Program] = &[Program::checked(&["crontab"], "crontab -l", "shows; does not edit or install", &CRONTAB, crontab)];
/// Looking as root, who sees all of the logs.
pub(crate) const LOOKS_AS_ROOT: &[Program] =
    &[Program::checked(&["systemctl"], "sudo systemctl status|show|cat|list-*|is-*", "reads the state of units with all of their logs; no pager", &SYSTEMCTL, looks).example("sudo systemctl status UNIT").by_sudo().confined(&ROOT)];
/// Restarting units.
pub(crate) const RESTARTS: &[Program] = &[Program::checked(
    &["systemctl"],
    "systemctl start|stop|restart|reload|try-restart|reload-or-restart|reset-failed UNIT..., systemctl daemon-reload",
    "services, sockets and timers by name, but for those that guard and record, open a shell or end the node",
    &SYSTEMCTL_CHANGES,
    changes,
)
.example("systemctl restart chronyd")
.confined(&ROOT)];
/// Restarting the node, refused with a better reason than that it is not listed.
pub(crate) const NO_RESTART: &[Program] = &[Program::refused(&["reboot", "shutdown", "halt", "poweroff", "init", "telinit"], "restarting belongs to INFRA_UPDATE_RESTART", "uptime")
    .files(&["reboot", "shutdown", "halt", "poweroff", "init", "telinit", "systemctl", "systemd"])];
/// Restarting the node.
pub(crate) const REBOOT: &[Program] = &[
    Program::checked(&["reboot"], "reboot", "in order, never by force", &Options::flags("", &["no-wall", "reboot"]), super::no_operands).files(&["reboot", "systemctl"]).confined(&BOOT),
    Program::checked(&["shutdown"], "shutdown -r now|+MINUTES, shutdown -c", "restarts the node, or takes that back", &Options::flags("rc", &["reboot", "no-wall"]), shutdown)
        .example("shutdown -r now")
        .files(&["shutdown", "systemctl"])
        .confined(&BOOT),
    Program::custom(&["systemctl"], "systemctl reboot", "in order, never by force", systemctl_reboot).confined(&BOOT),
];
const BOOT: Confine = ROOT.capabilities(&["CAP_SYS_BOOT"]);


/// No other machine, no other root, no `--force`.
const SYSTEMCTL: Options = Options::flags(
    "alqr",
    &[
        "all", "after", "before", "failed", "full", "help", "legend?", "lines=", "no-ask-password", "no-legend", "no-pager", "output=", "plain", "property=", "quiet", "recursive",
        "reverse", "state=", "system", "type=", "value", "version", "with-dependencies",
    ],
)
.valued("notpP");

const UNITS: &[&str] = &[
    "cat", "get-default", "is-active", "is-enabled", "is-failed", "is-system-running", "list-automounts", "list-dependencies", "list-jobs", "list-paths", "list-sockets",
    "list-timers", "list-unit-files", "list-units", "show", "status",
];

fn looks(_: &Call<'_>, arguments: &Arguments<'_>) -> Result<(), Refusal> {
    match arguments.operands.first() {
        None => Ok(()),
        Some(verb) if is_in(UNITS, verb) => Ok(()),
        Some(verb) => Err(Refusal::new("subcommand", format!("{} is not allowed: only what reads the state of units is", quote(verb)))),
    }
}

/// Digits are for `-b -1`. Nothing that rotates, deletes or writes (a cursor file), and no other machine, root or image.
const JOURNALCTL: Options = Options::flags(
    "0123456789aefkmNqrx",
    &[
        "after-cursor=", "all", "boot?", "case-sensitive?", "catalog", "cursor=", "directory=", "disk-usage", "dmesg", "facility=", "field=", "fields", "file=", "follow", "full", "grep=",
        "header", "help", "identifier=", "lines?", "list-boots", "list-catalog", "merge", "no-full", "no-hostname", "no-pager", "no-tail", "output=", "output-fields=", "pager-end",
        "priority=", "quiet", "reverse", "show-cursor", "since=", "system", "truncate-newline", "unit=", "until=", "utc", "verify", "version",
    ],
)
.valued("cDFgiopStuU")
.attached("bn");

fn journalctl(call: &Call<'_>, arguments: &Arguments<'_>) -> Result<(), Refusal> {
    let files = arguments.values(b'D', "directory").chain(arguments.values(b'i', "file")).flatten();
    for file in files {
        let file = normal(file, call.cwd);
        if !within(&file, b"/var/log/journal") && !within(&file, b"/run/log/journal") {
            return Err(Refusal::new("path", format!("{} is outside /var/log/journal and /run/log/journal", quote(&file))));
        }
    }
    Ok(())
}

const CRONTAB: Options = Options::flags("l", &[]);

fn crontab(_: &Call<'_>, arguments: &Arguments<'_>) -> Result<(), Refusal> {
    if arguments.has(b'l', "") && arguments.operands.is_empty() { Ok(()) } else { Err(Refusal::new("option", "only -l is allowed: the rest would install jobs")) }
}

const SYSTEMCTL_CHANGES: Options = Options::flags("q", &["no-ask-password", "no-block", "no-pager", "no-warn", "quiet", "system", "wait"]);
/// What guards and records, what opens a shell or another mode, and what ends the node: by the beginning of their names, because
/// instances and helpers have longer ones.
const HELD: &[&str] = &[
    "portcullis", "audit", "systemd-journald", "systemd-journal-", "rsyslog", "syslog", "systemd-logind", "dbus", "debug-shell", "rescue", "emergency", "initrd", "user@", "systemd-poweroff", "systemd-halt",
    "systemd-kexec", "systemd-exit", "systemd-soft-reboot", "systemd-reboot", "systemd-suspend", "systemd-hibernate", "systemd-hybrid", "systemd-nspawn", "systemd-ask-password", "systemd-sysext", "systemd-confext",
];

fn changes(_: &Call<'_>, arguments: &Arguments<'_>) -> Result<(), Refusal> {
    const VERBS: &[&str] = &["start", "stop", "restart", "reload", "try-restart", "reload-or-restart", "try-reload-or-restart", "condrestart", "reset-failed"];
    let (verb, units) = match arguments.operands.split_first() {
        Some((&b"daemon-reload", [])) => return Ok(()),
        Some((verb, units)) if is_in(VERBS, verb) => (*verb, units),
        Some((verb, _)) => return Err(Refusal::new("subcommand", format!("{} is not allowed: only what looks, starts, stops and restarts is", quote(verb)))),
        None => return Err(Refusal::new("subcommand", "it lacks what to do")),
    };
    if units.is_empty() && verb != b"reset-failed" {
        return Err(Refusal::new("operand", "it lacks the unit"));
    }
    match units.iter().find(|unit| !is_ordinary(unit)) {
        None => Ok(()),
        Some(unit) => Err(Refusal::new("unit", format!("{} is not an ordinary service, socket or timer by its name", quote(unit)))),
    }
}

/// No pattern, path, target, slice or scope, and nothing that guards: stopping a target or a slice stops what is in it.
fn is_ordinary(unit: &[u8]) -> bool {
    let kind = unit.iter().rposition(|b| *b == b'.').map_or(&b"service"[..], |dot| unit.get(dot + 1..).unwrap_or_default());
    let known = [&b"service"[..], b"socket", b"timer", b"path", b"mount", b"target", b"slice", b"scope", b"device", b"swap", b"automount"];
    // a name may have a dot that begins no kind: org.example-x is org.example-x.service
    let fine = matches!(kind, b"service" | b"socket" | b"timer") || !known.contains(&kind);
    fine && is_name(unit) && !HELD.iter().any(|held| unit.starts_with(held.as_bytes()))
}

fn shutdown(_: &Call<'_>, arguments: &Arguments<'_>) -> Result<(), Refusal> {
    let when = |word: &[u8]| word == b"now" || word.strip_prefix(b"+").is_some_and(|minutes| !minutes.is_empty() && minutes.len() <= 4 && minutes.iter().all(u8::is_ascii_digit));
    match arguments.operands.as_slice() {
        [] if arguments.has(b'c', "") => Ok(()),
        [time] if arguments.has(b'r', "reboot") && when(time) => Ok(()),
        _ => Err(Refusal::new("operand", "only -r with now or +MINUTES, and -c, are allowed")),
    }
}

fn systemctl_reboot(call: &Call<'_>) -> Result<(), Refusal> {
    match call.args {
        [b"reboot"] => Ok(()),
        _ => Err(Refusal::new("subcommand", "only what looks, starts, stops and restarts is allowed")),
    }
}
