//! What every session has, whatever its action and role: text, files, the state of the node, editors. It starts no program of the
//! caller's choice that is not judged, writes in the home, /tmp and the role's folders, and is nobody but the session's own user.

use crate::programs::{basics, editors, find, network, refused, sed, system, tar, text, wrappers};
use portcullis_sdk::{On, Table};

/// Its commands.
pub(crate) const TABLE: Table = Table {
    programs: &[
        On::every(text::ROWS),
        On::every(basics::ROWS),
        On::every(editors::ROWS),
        On::every(system::ROWS),
        On::every(network::LOOKS),
        On::every(find::ROWS),
        On::every(sed::ROWS),
        On::every(tar::ROWS),
        On::every(wrappers::ROWS),
        On::every(refused::ROWS),
    ],
    writable: &[On::every(&["/tmp"])],
    folders: &["/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/local/bin", "/usr/local/sbin", "/run/portcullis/bin"],
    interpreters: &[
        "ash", "awk", "bash", "busybox", "csh", "dash", "expect", "fish", "gawk", "guile", "irb", "java", "jjs", "julia", "ksh", "lua", "luajit", "m4", "make",
        "mawk", "mksh", "nawk", "node", "nodejs", "ocaml", "octave", "original-awk", "perl", "php", "pwsh", "python", "R", "rbash", "Rscript", "ruby", "sh", "tclsh", "wish",
        "zsh",
    ],
    help: "allowed",
    ..Table::NONE
};
