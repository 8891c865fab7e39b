//! The machine below the operating system: its management processor, its network cards.

use super::{is_form, is_in, is_name};
use crate::confine::ROOT;
use portcullis_sdk::confine::Reach;
use portcullis_sdk::{Call, Confine, PathSet, Program, Refusal};

/// Looking.
pub(crate) const LOOKS: &[Program] = &[
    Program::custom(&["ipmitool"], "ipmitool sdr|sel|sensor|fru|chassis status|mc info", "local, reading", ipmitool_reads).example("ipmitool sdr list"),
    Program::custom(&["ethtool"], "ethtool [-i|-k|-S|-g|-a|-c|-l|-T|-P|-m|-n] INTERFACE", "shows; does not change", shows).example("ethtool INTERFACE"),
];

/// Changing: for hosts and cells.
pub(crate) const CHANGES: &[Program] = &[
    Program::custom(
        &["ipmitool"],
        "ipmitool chassis power ..., chassis bootdev ..., sel clear, mc reset, sensor thresh ...",
        "this machine's own; reads no file, writes none, and starts nothing",
        ipmitool_changes,
    )
    .example("ipmitool chassis power cycle")
    .confined(&ROOT),
    Program::custom(&["ethtool"], "ethtool -s|-K|-G|-A|-C|-L INTERFACE NAME VALUE ..., ethtool -r|-p|-t INTERFACE", "changes a network card; flashes nothing", ethtool_changes)
        .example("ethtool -s eth0 speed 1000")
        .confined(&CARD),
    Program::custom(&["ipmitool_interactive"], "ipmitool_interactive shell|sol activate|COMMAND", "with a terminal; what is typed into it is recorded, and can write no file", ipmitool_interactive)
        .example("ipmitool_interactive shell")
        .confined(&ROOT),
];

const CARD: Confine = ROOT.capabilities(&["CAP_NET_ADMIN"]).network(Reach::None).writes(&[PathSet::SINKS]);

/// What is read, by the words that stand behind the options: `*` is any one word more or none.
const IPMI: &[&[&str]] = &[
    &["sdr"], &["sdr", "list", "*"], &["sdr", "elist", "*"], &["sdr", "info"], &["sdr", "type", "*"], &["sdr", "entity", "*"],
    &["sel"], &["sel", "info"], &["sel", "list", "*"], &["sel", "elist", "*"], &["sel", "get", "*"], &["sel", "time", "get"],
    &["sensor"], &["sensor", "list"], &["sensor", "get", "*"],
    &["fru"], &["fru", "print", "*"], &["fru", "list"],
    &["chassis", "status"], &["chassis", "power", "status"], &["chassis", "restart_cause"], &["power", "status"],
    &["mc", "info"], &["mc", "selftest"], &["mc", "guid"], &["bmc", "info"],
    &["lan", "print", "*"], &["pef", "info"], &["pef", "status"], &["dcmi", "power", "reading"], &["session", "info", "active"],
];

/// What changes the machine, in the same form.
const IPMI_CHANGES: &[&[&str]] = &[
    &["chassis", "power", "on"], &["chassis", "power", "off"], &["chassis", "power", "cycle"], &["chassis", "power", "reset"], &["chassis", "power", "soft"], &["chassis", "power", "diag"],
    &["power", "on"], &["power", "off"], &["power", "cycle"], &["power", "reset"], &["power", "soft"],
    &["chassis", "identify", "*"], &["chassis", "policy", "?"], &["chassis", "bootdev", "?", "*"],
    &["sel", "clear"], &["sel", "delete", "?"], &["sel", "time", "set", "?"],
    &["mc", "reset", "warm"], &["mc", "reset", "cold"], &["mc", "watchdog", "get"], &["mc", "watchdog", "reset"], &["mc", "watchdog", "off"],
    &["sensor", "thresh", "?", "?", "?"], &["sensor", "thresh", "?", "lower", "?", "?", "?"], &["sensor", "thresh", "?", "upper", "?", "?", "?"],
    &["sol", "info"], &["sol", "deactivate"], &["lan", "stats", "get", "*"], &["bmc", "reset", "warm"], &["bmc", "reset", "cold"],
];

fn ipmitool_reads(call: &Call<'_>) -> Result<(), Refusal> {
    if is_form(IPMI, ipmi_words(call)?) { Ok(()) } else { Err(Refusal::new("subcommand", "only what reads sensors, events and states is allowed")) }
}

fn ipmitool_changes(call: &Call<'_>) -> Result<(), Refusal> {
    let words = ipmi_words(call)?;
    if is_form(IPMI_CHANGES, words) && words.iter().all(|word| !word.starts_with(b"-")) {
        return Ok(());
    }
    Err(Refusal::new("subcommand", "it is not among what may be changed: power, boot device, event log, watchdog, thresholds, reset"))
}

fn ipmitool_interactive(call: &Call<'_>) -> Result<(), Refusal> {
    if !call.terminal {
        return Err(Refusal::new("terminal", "it needs a terminal").hint("ipmitool sdr list"));
    }
    let words = ipmi_words(call)?;
    if is_form(&[&["shell"], &["sol", "activate"]], words) || is_form(IPMI, words) {
        return Ok(());
    }
    ipmitool_changes(call)
}

/// What stands behind the options; of which none names another machine, a file or an interface.
fn ipmi_words<'a>(call: &Call<'a>) -> Result<&'a [&'a [u8]], Refusal> {
    let words = match call.args.split_first() {
        Some((&(b"-v" | b"-vv" | b"-c"), rest)) => rest,
        _ => call.args,
    };
    if words.first().is_some_and(|word| word.starts_with(b"-")) {
        return Err(Refusal::new("option", "of the options -v and -c are allowed: it talks to this machine only"));
    }
    Ok(words)
}

fn shows(call: &Call<'_>) -> Result<(), Refusal> {
    const SHOWS: &[&str] = &[
        "-a", "-c", "-d", "-e", "-g", "-h", "-i", "-k", "-l", "-m", "-n", "-P", "-S", "-T", "-u", "-x", "--driver", "--help", "--module-info", "--show-channels", "--show-coalesce",
        "--show-eee", "--show-features", "--show-fec", "--show-nfc", "--show-ntuple", "--show-offload", "--show-pause", "--show-permaddr", "--show-priv-flags", "--show-ring",
        "--show-rxfh", "--show-time-stamping", "--statistics", "--version",
    ];
    let fine = match call.args {
        [] => true,
        [one] => !one.starts_with(b"-") || matches!(*one, b"-h" | b"--help" | b"--version"),
        // what follows the interface may name a file to dump to
        [option, _interface] => is_in(SHOWS, option),
        _ => false,
    };
    if fine { Ok(()) } else { Err(Refusal::new("option", "only one of the options that show, and an interface, are allowed")) }
}

/// Names and values are plain words, so that none is a file or another option.
fn ethtool_changes(call: &Call<'_>) -> Result<(), Refusal> {
    const SETTINGS: &[&str] = &[
        "-s", "--change", "-K", "--features", "--offload", "-G", "--set-ring", "-A", "--pause", "-C", "--coalesce", "-L", "--set-channels", "--set-eee", "--set-priv-flags",
    ];
    const ALONE: &[&str] = &["-r", "--negotiate", "-p", "--identify", "-t", "--test"];
    let fine = match call.args {
        [option, interface, settings @ ..] if is_in(SETTINGS, option) => is_name(interface) && !settings.is_empty() && settings.len() % 2 == 0 && settings.iter().all(|word| is_name(word)),
        [option, interface, more @ ..] if is_in(ALONE, option) => is_name(interface) && more.len() <= 1 && more.iter().all(|word| is_name(word)),
        _ => false,
    };
    if fine { Ok(()) } else { Err(Refusal::new("option", "only what shows, and what changes settings of an interface without a file, is allowed")) }
}
