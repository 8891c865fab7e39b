//! Reports for support: scripts that start hundreds of programs as root. Nobody is asked about their children, all are recorded;
//! what they may write is a path set, and no argument names a file, another system or a place to send to.

use super::is_name;
use crate::confine::{OWN, ROOT};
use crate::programs::exadata::TOOLS_WRITE;
use portcullis_sdk::confine::Reach;
use portcullis_sdk::{Arguments, Call, Children, Confine, Options, PathSet, Program, Refusal};

pub(crate) const ON_CPS: &[Program] = &[
    Program::checked(SOS, SOS_FORM, CPS_NOTE, &SOSREPORT, sosreport).example("sosreport --batch").script().confined(&CPS),
    Program::checked(SUNDIAG, "sundiag.sh [snapshot|osw|ilom]", CPS_NOTE, &Options::NONE, sundiag).example("sundiag.sh").folders(TOOLS).script().confined(&CPS),
];
pub(crate) const ON_NODES: &[Program] = &[
    Program::checked(SOS, SOS_FORM, NODES_NOTE, &SOSREPORT, sosreport).example("sosreport --batch").script().confined(&NODES),
    Program::checked(SUNDIAG, "sundiag.sh [snapshot|osw|ilom]", NODES_NOTE, &Options::NONE, sundiag).example("sundiag.sh").folders(TOOLS).script().confined(&NODES),
];

const SOS: &[&str] = &["sosreport", "sos"];
const SOS_FORM: &str = "sosreport --batch [-o PLUGIN] [-n PLUGIN], sos report ...";
const SUNDIAG: &[&str] = &["sundiag.sh", "sundiag"];
const TOOLS: &[&str] = &["/opt/oracle.SupportTools"];
const CPS_NOTE: &str = "its children are recorded, not asked about; writes in /var/tmp, /tmp and the home";
const NODES_NOTE: &str = "its children are recorded, not asked about; writes in /var, /opt/oracle, /tmp and the home";

const REPORT: Confine = ROOT.children(Children::Trusted).network(Reach::Session).capabilities(&["CAP_DAC_READ_SEARCH", "CAP_NET_ADMIN", "CAP_SYSLOG", "CAP_SYS_RAWIO"]);
const CPS: Confine = REPORT.executes(&[PathSet::PROGRAMS, HELPERS]).writes(&[PathSet::SINKS, OWN, PathSet(&["/var/tmp"])]);
const NODES: Confine = REPORT.executes(&[PathSet::PROGRAMS, HELPERS]).writes(&[PathSet::SINKS, OWN, TOOLS_WRITE]);
const HELPERS: PathSet = PathSet(&["/opt/oracle", "/opt/oracle.cellos", "/opt/oracle.SupportTools"]);

/// No configuration, plug-in option, preset, other root or place to send to.
const SOSREPORT: Options = Options::flags(
    "alqv",
    &["all-logs", "batch", "case-id=", "label=", "list-plugins", "list-profiles", "log-size=", "low-priority", "only-plugins=", "profile=", "quiet", "since=", "skip-plugins=", "verbose"],
)
.valued("nop");

fn sosreport(call: &Call<'_>, arguments: &Arguments<'_>) -> Result<(), Refusal> {
    let plain = |value: &[u8]| value.split(|b| *b == b',').all(is_name);
    if !arguments.options.iter().filter_map(|given| given.value).all(plain) {
        return Err(Refusal::new("option", "a value is not a plain word"));
    }
    match (call.name, arguments.operands.as_slice()) {
        (b"sos", [b"report"]) | (b"sosreport", []) => Ok(()),
        _ => Err(Refusal::new("operand", "only the report of this node is allowed")),
    }
}

fn sundiag(_: &Call<'_>, arguments: &Arguments<'_>) -> Result<(), Refusal> {
    match arguments.operands.as_slice() {
        [] | [b"snapshot" | b"osw" | b"ilom"] => Ok(()),
        _ => Err(Refusal::new("operand", "only snapshot, osw and ilom are allowed")),
    }
}
