//! Virtual machines of a host: virsh, xm, xentop.
//!
//! What takes a description of a machine, a file or a connection's address is not among the verbs: a description says which
//! programs the hypervisor runs as root, and an address may name a program to reach it by.

use super::{is_form, is_in, is_name};
use crate::confine::ROOT;
use portcullis_sdk::{Call, Confine, Options, Program, Refusal, path, quote};

/// Listing, as the session's own user.
pub(crate) const LISTS: &[Program] = &[
    Program::custom(&["virsh"], "virsh list [--all] [--name|--uuid|--title] [--state-running|...]", "lists machines", virsh_list).example("virsh list --all"),
    Program::custom(&["xm"], "xm list [-l|--long] [NAME]", "lists machines", xm_list).example("xm list"),
];

/// All of it, as root.
pub(crate) const ALL: &[Program] = &[
    Program::custom(&["virsh"], "virsh VERB [--OPTION] [NAME] [VALUE]", "looks, starts, stops, sets; reads and writes no file, and edits nothing", virsh).example("virsh start vm1").confined(&ROOT),
    Program::custom(&["virsh_interactive"], "virsh_interactive console|VERB ...", "with a terminal", virsh_interactive).example("virsh_interactive console vm1").confined(&ROOT),
    Program::custom(&["xm"], "xm VERB [-OPTION] [NAME] [VALUE]", "looks, starts, stops, sets; creates from /EXAVMIMAGES/GuestImages only", xm).example("xm list").confined(&ROOT),
    Program::custom(&["xm_interactive"], "xm_interactive console|VERB ...", "with a terminal", xm_interactive).example("xm_interactive console vm1").confined(&ROOT),
    Program::options(&["xentop"], "xentop [-bnrvxf] [-d SECONDS] [-i COUNT]", "load of machines", &Options::flags("bnrvxfV", &["batch", "full-name", "help", "networks", "repeat-header", "vbds", "vcpus", "version", "delay=", "iterations="]).valued("di"))
        .example("xentop -b -i 1")
        .confined(&XEN),
];
const XEN: Confine = ROOT.capabilities(&["CAP_IPC_LOCK"]);

const VIRSH: &[&str] = &[
    "autostart", "blkdeviotune", "blkiotune", "blockstats", "capabilities", "cpu-stats", "destroy", "domblkerror", "domblkinfo", "domblklist", "domblkstat", "domcontrol", "domdisplay",
    "domfsfreeze", "domfsinfo", "domfsthaw", "domfstrim", "domhostname", "domid", "domif-getlink", "domif-setlink", "domifaddr", "domiflist", "domifstat", "dominfo", "domjobinfo", "domjobabort", "dommemstat",
    "domname", "dompmsuspend", "dompmwakeup", "domstate", "domstats", "domtime", "domuuid", "dumpxml", "emulatorpin", "event", "freecell", "freepages", "guestvcpus", "hostname", "inject-nmi", "iothreadinfo", "list",
    "maxvcpus", "memtune", "net-autostart", "net-destroy", "net-dhcp-leases", "net-dumpxml", "net-info", "net-list", "net-name", "net-start", "net-uuid", "nodecpumap", "nodecpustats", "nodedev-dumpxml",
    "nodedev-list", "nodeinfo", "nodememstats", "numatune", "perf", "pool-autostart", "pool-destroy", "pool-dumpxml", "pool-info", "pool-list", "pool-name", "pool-refresh", "pool-start", "pool-uuid", "reboot",
    "reset", "resume", "schedinfo", "setmaxmem", "setmem", "setvcpu", "setvcpus", "shutdown", "snapshot-current", "snapshot-info", "snapshot-list", "snapshot-parent", "start", "suspend", "sysinfo", "ttyconsole", "uri",
    "vcpucount", "vcpuinfo", "vcpupin", "version", "vncdisplay", "vol-info", "vol-list", "help",
];
/// Options of any verb that name a file, an address or a descriptor.
const VIRSH_REFUSED: &[&[u8]] = &[b"--file", b"--xml", b"--pass-fds", b"--bootdisk", b"--from", b"--dom-xml", b"--paused-file", b"--snapshotname-file"];

fn virsh_list(call: &Call<'_>) -> Result<(), Refusal> {
    const OPTIONS: &[&str] = &[
        "--all", "--inactive", "--name", "--uuid", "--id", "--title", "--state-running", "--state-paused", "--state-shutoff", "--state-other", "--persistent", "--transient", "--autostart", "--no-autostart", "--managed-save",
        "--with-snapshot", "--without-snapshot", "--table",
    ];
    match call.args {
        [b"list", options @ ..] if options.iter().all(|option| is_in(OPTIONS, option)) => Ok(()),
        _ => Err(Refusal::new("subcommand", "only list is allowed, on this machine")),
    }
}

fn xm_list(call: &Call<'_>) -> Result<(), Refusal> {
    match call.args {
        [b"list"] | [b"list", b"-l" | b"--long"] => Ok(()),
        [b"list", name] | [b"list", b"-l" | b"--long", name] if is_name(name) => Ok(()),
        _ => Err(Refusal::new("subcommand", "only list is allowed")),
    }
}

/// No option in front of the verb: `-c` is an address, `-l` a log file, `-e` an escape. A semicolon begins another command.
fn virsh(call: &Call<'_>) -> Result<(), Refusal> {
    let Some((verb, words)) = call.args.split_first() else {
        return Err(Refusal::new("subcommand", "at its prompt nobody could judge what is typed"));
    };
    if !is_in(VIRSH, verb) {
        return Err(Refusal::new("subcommand", format!("{} is not allowed: it is no verb, or one that reads or writes a file, edits, or speaks to the emulator", quote(verb))));
    }
    let name_of = |word: &[u8]| word.split(|b| *b == b'=').next().unwrap_or_default().to_vec();
    if words.iter().any(|word| VIRSH_REFUSED.contains(&name_of(word).as_slice())) {
        return Err(Refusal::new("option", "an option that names a file or a connection is not allowed"));
    }
    let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b':' | b',' | b'=' | b'+');
    match words.iter().find(|word| word.is_empty() || !word.iter().all(plain)) {
        None => Ok(()),
        Some(word) => Err(Refusal::new("operand", format!("{} is not a name or a number", quote(word)))),
    }
}

fn virsh_interactive(call: &Call<'_>) -> Result<(), Refusal> {
    needs_terminal(call)?;
    match call.args {
        [b"console", name] | [b"console", name, b"--force" | b"--safe"] if is_name(name) => Ok(()),
        _ => virsh(call),
    }
}

const XM: &[&[&str]] = &[
    &["list", "*"], &["info"], &["uptime", "*"], &["vcpu-list", "*"], &["top"], &["dmesg"], &["log"], &["domid", "?"], &["domname", "?"], &["network-list", "?"], &["block-list", "?"],
    &["pause", "?"], &["unpause", "?"], &["shutdown", "?"], &["reboot", "?"], &["destroy", "?"], &["start", "?"], &["suspend", "?"], &["resume", "?"], &["sched-credit", "-d", "?"],
    &["mem-set", "?", "?"], &["mem-max", "?", "?"], &["vcpu-set", "?", "?"], &["vcpu-pin", "?", "?", "?"], &["rename", "?", "?"], &["sysrq", "?", "?"], &["trigger", "?", "?"], &["help"],
    &["shutdown", "-w", "?"], &["reboot", "-w", "?"], &["list", "-l", "?"], &["list", "--long", "?"],
];

fn xm(call: &Call<'_>) -> Result<(), Refusal> {
    // a machine's configuration is a program that runs as root: only those that are installed
    if let [b"create", file] = call.args {
        let place = path::normal(file, call.cwd);
        if path::within(&place, b"/EXAVMIMAGES/GuestImages") && place.ends_with(b"/vm.cfg") && file.starts_with(b"/") {
            return Ok(());
        }
        return Err(Refusal::new("path", format!("{} is no vm.cfg in /EXAVMIMAGES/GuestImages", quote(file))));
    }
    let plain = |word: &&[u8]| is_name(word) || matches!(*word, b"-l" | b"--long" | b"-d" | b"-w");
    if is_form(XM, call.args) && call.args.iter().all(plain) {
        return Ok(());
    }
    Err(Refusal::new("subcommand", "it is not among the verbs that look, start, stop and set without a file"))
}

fn xm_interactive(call: &Call<'_>) -> Result<(), Refusal> {
    needs_terminal(call)?;
    match call.args {
        [b"console", name] if is_name(name) => Ok(()),
        _ => xm(call),
    }
}

fn needs_terminal(call: &Call<'_>) -> Result<(), Refusal> {
    if call.terminal { Ok(()) } else { Err(Refusal::new("terminal", "it needs a terminal")) }
}
