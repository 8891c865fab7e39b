//! Programs that an operator may well try, with a reason better than "not on the list".

use portcullis_sdk::{Program, Rule};

pub(super) const ROWS: &[Program] = &[
    refused(&["stdbuf"], "stdbuf", "it works by loading code into the command", "COMMAND"),
    refused(&["sudo"], "sudo", "commands of this action run as yourself", "COMMAND"),
    refused(&["su", "runuser"], "su", "commands of this action run as yourself", "COMMAND"),
    refused(&["tmux"], "tmux", "it would start shells, whose lines nobody judges", "COMMAND &"),
    refused(&["screen"], "screen", "it would start shells, whose lines nobody judges", "COMMAND &"),
    refused(&["script"], "script", "it would start a shell, and the session is recorded anyway", "COMMAND"),
    refused(&["reboot", "shutdown", "halt", "poweroff", "init", "telinit"], "reboot", "restarting belongs to INFRA_UPDATE_RESTART", "systemctl status"),
    refused(&["sosreport", "sos"], "sosreport", "it is a script that starts hundreds of programs as root, and cannot be judged child by child yet", "journalctl -n 1000"),
    refused(&["sundiag", "sundiag.sh"], "sundiag.sh", "it is a script that starts hundreds of programs as root, and cannot be judged child by child yet", "dmesg -T"),
    refused(&["exacloud"], "exacloud", "its arguments are not known well enough to be judged", "systemctl status UNIT"),
    refused(&["ssh", "scp", "sftp", "rsync"], "ssh", "onward connections are not part of this action on a cps", ""),
    refused(&["nc", "nc.openbsd", "nc.traditional", "ncat", "netcat", "socat", "telnet"], "nc", "it would carry bytes anywhere", "curl -q http://HOST/"),
    refused(&["wget"], "wget", "it would write files", "curl -q http://HOST/"),
    refused(&["mv", "chmod", "chown", "ln", "dd", "install", "truncate", "shred"], "mv", "this action looks and does not touch", "cp FILE /tmp"),
    refused(&["tar", "zip", "unzip", "cpio"], "tar", "its options run programs and write files", "gzip -dc FILE"),
    refused(&["at", "atd", "batch"], "at", "what it starts would not belong to the session", "COMMAND &"),
    refused(&["systemd-run"], "systemd-run", "what it starts would not belong to the session", "COMMAND &"),
    refused(&["nano", "pico", "ed", "emacs", "ex"], "nano", "vim is the editor of this action", "vim FILE"),
    refused(&["man", "info"], "man", "it starts a chain of formatters", "COMMAND --help"),
    refused(&["gdb", "strace", "ltrace", "perf"], "gdb", "it would look into and steer other programs", "ps -ef"),
    refused(&["git"], "git", "it is not part of this action", ""),
];

const fn refused(names: &'static [&'static str], form: &'static str, reason: &'static str, hint: &'static str) -> Program {
    Program { names, form, note: "", hint, rule: Rule::Refused(reason) }
}
