//! The state of the machine.

use super::{any, options};
use portcullis_sdk::{Arguments, Call, Options, Program, Refusal, Rule};

pub(super) const ROWS: &[Program] = &[
    any(&["ps"], "ps -ef", "processes"),
    any(&["pgrep"], "pgrep -a NAME", "processes"),
    any(&["pstree"], "pstree -p", "processes"),
    any(&["top"], "top", "processes; what it starts is judged like all else"),
    any(&["uptime"], "uptime", "load"),
    any(&["free"], "free -h", "memory"),
    any(&["vmstat"], "vmstat 1 5", "memory and processors"),
    any(&["iostat"], "iostat -x 1 5", "disks"),
    any(&["mpstat"], "mpstat 1 5", "processors"),
    any(&["pidstat"], "pidstat 1 5", "processes"),
    any(&["nproc"], "nproc", "processors"),
    any(&["lscpu"], "lscpu", "processors"),
    any(&["lsmem"], "lsmem", "memory"),
    any(&["lsblk"], "lsblk", "disks"),
    any(&["lspci"], "lspci", "devices"),
    any(&["lsusb"], "lsusb", "devices"),
    any(&["findmnt"], "findmnt", "file systems"),
    any(&["arch"], "arch", "machine"),
    any(&["uname"], "uname -a", "machine"),
    any(&["hostid"], "hostid", "machine"),
    Program { names: &["hostname"], form: "hostname -f", note: "name; does not set it", hint: "hostname", rule: Rule::Checked(&HOSTNAME, no_operands) },
    Program { names: &["mount"], form: "mount", note: "lists file systems", hint: "mount", rule: Rule::Checked(&MOUNT, no_operands) },
    options(&["dmesg"], "dmesg -T", "kernel's messages; does not clear them", "dmesg -T", &DMESG),
    Program { names: &["lsof"], form: "lsof -nP -i", note: "open files; without a device cache file", hint: "lsof -nP", rule: Rule::Checked(&LSOF, lsof) },
    Program { names: &["ipmitool"], form: "ipmitool sdr|sel|sensor|fru|chassis status|mc info", note: "local, reading", hint: "ipmitool sdr list", rule: Rule::Custom(ipmitool) },
    Program { names: &["dbmcli"], form: "dbmcli -e list OBJECT", note: "one list command; not the prompt", hint: "dbmcli -e list alerthistory", rule: Rule::Custom(dbmcli) },
    Program { names: &["imageinfo"], form: "imageinfo", note: "installed image", hint: "imageinfo", rule: Rule::Script },
    Program { names: &["imagehistory"], form: "imagehistory", note: "installed images", hint: "imagehistory", rule: Rule::Script },
    Program { names: &["crontab"], form: "crontab -l", note: "shows; does not edit or install", hint: "crontab -l", rule: Rule::Checked(&CRONTAB, crontab) },
];

const HOSTNAME: Options = Options::flags("aAdfiIsyV", &["alias", "all-fqdns", "all-ip-addresses", "domain", "fqdn", "help", "ip-address", "long", "short", "version"]);
const MOUNT: Options = Options::flags("lvV", &["show-labels", "help", "version"]).valued("t");

fn no_operands(_: &Call<'_>, arguments: &Arguments<'_>) -> Result<(), Refusal> {
    if arguments.operands.is_empty() { Ok(()) } else { Err(Refusal::new("operand", "with an operand it would change something")) }
}

const DMESG: Options = Options::flags(
    "deHhkLPrSTtuVwWx",
    &["color?", "ctime", "decode", "facility=", "follow", "follow-new", "help", "human", "kernel", "level=", "nopager", "notime", "reltime", "since=", "until=", "userspace", "version"],
)
.valued("fls");

const LSOF: Options = Options::flags("abCEhHlnNOPRtTUVXw", &[]).valued("ucdgpK").attached("iFLors");

/// `+D` and `+d` search a folder; others that begin with a plus change how it works.
fn lsof(_: &Call<'_>, arguments: &Arguments<'_>) -> Result<(), Refusal> {
    let fine = |operand: &&[u8]| !operand.starts_with(b"+") || matches!(operand.get(1), Some(b'D' | b'd' | b'L'));
    if arguments.operands.iter().all(fine) { Ok(()) } else { Err(Refusal::new("option", "of the options with a plus +D, +d and +L are allowed")) }
}

const CRONTAB: Options = Options::flags("l", &[]);

fn crontab(_: &Call<'_>, arguments: &Arguments<'_>) -> Result<(), Refusal> {
    if arguments.has(b'l', "") && arguments.operands.is_empty() { Ok(()) } else { Err(Refusal::new("option", "only -l is allowed: the rest would install jobs")) }
}

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

fn ipmitool(call: &Call<'_>) -> Result<(), Refusal> {
    let words = match call.args.split_first() {
        Some((&(b"-v" | b"-vv" | b"-c"), rest)) => rest,
        _ => call.args,
    };
    if words.first().is_some_and(|word| word.starts_with(b"-")) {
        return Err(Refusal::new("option", "of the options -v and -c are allowed: it talks to this machine only"));
    }
    let matches = |form: &&[&str]| match form.split_last() {
        Some((&"*", fixed)) => words.len() <= form.len() && words.len() >= fixed.len() && fixed.iter().zip(words).all(|(f, w)| f.as_bytes() == *w),
        _ => words.len() == form.len() && form.iter().zip(words).all(|(f, w)| f.as_bytes() == *w),
    };
    if IPMI.iter().any(matches) { Ok(()) } else { Err(Refusal::new("subcommand", "only what reads sensors, events and states is allowed")) }
}

/// `-e` and one `list`; what separates commands or reads a file is no part of one.
fn dbmcli(call: &Call<'_>) -> Result<(), Refusal> {
    let Some((&b"-e", words)) = call.args.split_first() else {
        return Err(Refusal::new("option", "only -e with one list command is allowed: what its prompt is given cannot be judged"));
    };
    let text = words.join(&b' ').to_ascii_lowercase();
    let lists = text.split(|b| *b == b' ').find(|word| !word.is_empty()) == Some(b"list");
    let one = !text.iter().any(|b| matches!(b, b';' | b'@' | b'!' | b'>' | b'|' | b'\n' | b'\r' | b'`' | b'$'));
    if lists && one { Ok(()) } else { Err(Refusal::new("subcommand", "only list is allowed")) }
}
