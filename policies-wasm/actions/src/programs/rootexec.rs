//! rootexec: a few scripts of a control plane server, run as root, by their exact paths and without arguments.

use super::is_in;
use crate::confine::ROOT;
use portcullis_sdk::confine::Reach;
use portcullis_sdk::{Call, Children, Confine, PathSet, Program, Refusal, quote};

pub(crate) const ROWS: &[Program] = &[Program::custom(
    &["rootexec"],
    "rootexec /root/{alarm_detail,alerthistory,blackout,quarantine_ack,stateless_ack,stateless_alert}.sh, rootexec /etc/keepalived/manual-switchover.sh",
    "what the script starts is recorded, not asked about",
    rootexec,
)
.example("rootexec /root/alerthistory.sh")
.confined(&SCRIPT)];

const SCRIPTS: &[&str] = &[
    "/root/alarm_detail.sh", "/root/alerthistory.sh", "/root/blackout.sh", "/root/quarantine_ack.sh", "/root/stateless_ack.sh", "/root/stateless_alert.sh", "/etc/keepalived/manual-switchover.sh",
];
const SCRIPT: Confine = ROOT
    .children(Children::Trusted)
    .network(Reach::Session)
    .executes(&[PathSet::PROGRAMS, PathSet(&["/root", "/etc/keepalived", "/opt/oracle"])])
    .writes(&[PathSet::SINKS, PathSet(&["/var", "/tmp", "/etc/keepalived", "/opt/oracle"])])
    .capabilities(&["CAP_DAC_OVERRIDE", "CAP_KILL", "CAP_NET_ADMIN"]);

fn rootexec(call: &Call<'_>) -> Result<(), Refusal> {
    match call.args {
        [script] if is_in(SCRIPTS, script) => Ok(()),
        [script] => Err(Refusal::new("script", format!("{} is not among the scripts, by its exact path", quote(script)))),
        _ => Err(Refusal::new("operand", "one script is allowed, without arguments")),
    }
}
