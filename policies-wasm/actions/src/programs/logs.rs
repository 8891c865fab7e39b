//! The logs, read as root: `sudo cat`, `head`, `tail` and `cp` of what lies in /var/log.

use super::cage::{copies, reads};
use crate::confine::{LOGS, OWN, root_copies, root_reads};
use portcullis_sdk::{Arguments, Call, Confine, Options, PathSet, Program, Refusal};

pub(crate) const AS_ROOT: &[Program] = &[
    Program::checked(&["cat"], "sudo cat /var/log/FILE", "in /var/log", &CAT, some).example("sudo cat /var/log/messages").by_sudo().confined(&LOOK),
    Program::checked(&["head"], "sudo head [-n N] /var/log/FILE", "in /var/log", &HEAD, some).example("sudo head -n 20 /var/log/messages").by_sudo().confined(&LOOK),
    Program::checked(&["tail"], "sudo tail [-n N] [-f] /var/log/FILE", "in /var/log", &TAIL, some).example("sudo tail -f /var/log/messages").by_sudo().confined(&LOOK),
    Program::checked(&["cp"], "sudo cp [-rv] /var/log/FILE... TO", "from /var/log into the home and /tmp", &CP, copies).example("sudo cp /var/log/messages /tmp").by_sudo().confined(&COPY),
];

const LOOK: Confine = root_reads(&[PathSet::SYSTEM, LOGS]);
const COPY: Confine = root_copies(&[PathSet::SYSTEM, LOGS, OWN], &[PathSet::SINKS, OWN]);

const CAT: Options = Options::flags("AbeEnstTuv", &["number", "show-all", "squeeze-blank"]);
const HEAD: Options = Options::flags("0123456789qvz", &["bytes=", "lines=", "quiet", "verbose"]).valued("cn");
const TAIL: Options = Options::flags("0123456789fFqvz", &["bytes=", "follow?", "lines=", "quiet", "retry", "verbose"]).valued("cns");
const CP: Options = Options::flags("finrRuv", &["force", "interactive", "no-clobber", "recursive", "update", "verbose"]);

/// Without a file it would read what it is given, for which nobody has to be root.
fn some(call: &Call<'_>, arguments: &Arguments<'_>) -> Result<(), Refusal> {
    if arguments.operands.is_empty() { Err(Refusal::new("operand", "it lacks the file")) } else { reads(call, arguments) }
}
