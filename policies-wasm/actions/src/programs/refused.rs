//! Programs that an operator may well try, with a reason better than "not on the list".

use portcullis_sdk::{Program};

pub(crate) const ROWS: &[Program] = &[
    Program::refused(&["stdbuf"], "it works by loading code into the command", "COMMAND"),
    Program::refused(&["tmux"], "it would start shells, whose lines nobody judges", "COMMAND &"),
    Program::refused(&["screen"], "it would start shells, whose lines nobody judges", "COMMAND &"),
    Program::refused(&["script"], "it would start a shell, and the session is recorded anyway", "COMMAND"),
    Program::refused(&["nc", "nc.openbsd", "nc.traditional", "ncat", "netcat", "socat", "telnet"], "it would carry bytes anywhere", "curl -q http://HOST/"),
    Program::refused(&["wget"], "it would write files", "curl -q http://HOST/"),
    Program::refused(&["mv", "chmod", "chown", "ln", "dd", "install", "truncate", "shred"], "this action looks and does not touch", "cp FILE /tmp"),
    Program::refused(&["at", "atd", "batch"], "what it starts would not belong to the session", "COMMAND &"),
    Program::refused(&["systemd-run"], "what it starts would not belong to the session", "COMMAND &"),
    Program::refused(&["nano", "pico", "ed", "emacs", "ex"], "vim is the editor of this action", "vim FILE"),
    Program::refused(&["man", "info"], "it starts a chain of formatters", "COMMAND --help"),
    Program::refused(&["gdb", "strace", "ltrace", "perf"], "it would look into and steer other programs", "ps -ef"),
    Program::refused(&["scp", "sftp", "rsync"], "its options start programs; files are moved by the client's own scp and sftp", "cp FILE /tmp"),
    Program::refused(&["zip", "unzip", "cpio", "ar"], "its options run programs and write files", "tar -tf FILE"),
    Program::refused(&["git", "svn", "hg"], "its configuration and hooks run programs that whoever made the repository chose", ""),
    Program::refused(&["runuser", "doas", "pkexec", "setpriv", "newgrp", "sg"], "other users are reached by sudo and su, as far as the action allows", "sudo COMMAND"),
    Program::refused(&["service", "chkconfig"], "systemctl says and does the same", "systemctl status UNIT"),
];


