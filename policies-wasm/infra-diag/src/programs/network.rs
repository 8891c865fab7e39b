//! The network, looked at.

use super::{any, options};
use portcullis_sdk::{Arguments, Call, Options, Program, Refusal, Rule, quote};

pub(super) const ROWS: &[Program] = &[
    Program { names: &["ip"], form: "ip addr|link|route|neigh|rule|maddr [show ...]", note: "shows; does not change", hint: "ip addr show", rule: Rule::Custom(ip) },
    options(&["ss"], "ss -tlnp", "sockets; does not close them or write a dump", "ss -tln", &SS),
    options(&["netstat"], "netstat -tln", "sockets", "netstat -tln", &NETSTAT),
    Program { names: &["ifconfig"], form: "ifconfig [-a] [INTERFACE]", note: "shows; does not change", hint: "ifconfig -a", rule: Rule::Checked(&IFCONFIG, ifconfig) },
    options(&["ping", "ping4", "ping6"], "ping -c 3 HOST", "not flooding", "ping -c 3 HOST", &PING),
    options(&["arping"], "arping -c 3 HOST", "who has an address", "arping -c 3 HOST", &ARPING),
    any(&["traceroute", "traceroute.db", "traceroute6", "traceroute6.db"], "traceroute HOST", "the way to a host"),
    any(&["tcptraceroute", "tcptraceroute.mt"], "tcptraceroute HOST PORT", "the way to a port"),
    any(&["tracepath"], "tracepath HOST", "the way to a host"),
    any(&["host"], "host NAME", "asks the name server"),
    any(&["nslookup"], "nslookup NAME", "asks the name server"),
    options(&["dig"], "dig NAME", "asks the name server; not from a file", "dig NAME", &DIG),
    options(&["tcpdump"], "tcpdump -nn -c 100 -i INTERFACE", "shows packets; writes no file and starts nothing", "tcpdump -nn -c 100", &TCPDUMP),
    Program { names: &["ethtool"], form: "ethtool [-i|-k|-S|-g|-a|-c|-l|-T|-P|-m|-n] INTERFACE", note: "shows; does not change", hint: "ethtool INTERFACE", rule: Rule::Custom(ethtool) },
];

/// iproute2 takes any beginning of a word, in an order of its own (`ip link s` is `set`): so words are listed as they are typed.
fn ip(call: &Call<'_>) -> Result<(), Refusal> {
    const OPTIONS: &[&str] = &[
        "-4", "-6", "-0", "-s", "-ss", "-stats", "-statistics", "-d", "-details", "-j", "-json", "-p", "-pretty", "-br", "-brief", "-o", "-oneline", "-c", "-color", "-h", "-human",
        "-t", "-ts", "-r", "-resolve", "-V", "-Version",
    ];
    const OBJECTS: &[&str] =
        &["a", "addr", "address", "l", "link", "r", "ro", "route", "n", "neigh", "neighbour", "ru", "rule", "maddr", "maddress", "mroute", "tunnel", "vrf", "ntable"];
    const VERBS: &[&str] = &["show", "sh", "sho", "list", "ls", "lst"];
    let mut words = call.args.iter().skip_while(|word| is_in(OPTIONS, word));
    let Some(object) = words.next() else { return Ok(()) };
    if object.starts_with(b"-") {
        return Err(Refusal::new("option", format!("{} is not among the allowed options", quote(object))));
    }
    if !is_in(OBJECTS, object) {
        return Err(Refusal::new("object", format!("{} is not among the objects that may be shown", quote(object))));
    }
    match words.next() {
        None => Ok(()),
        Some(verb) if is_in(VERBS, verb) || (*verb == b"get" && matches!(*object, b"r" | b"ro" | b"route")) => Ok(()),
        Some(verb) => Err(Refusal::new("subcommand", format!("{} is not allowed: only show and route get are", quote(verb)))),
    }
}

const SS: Options = Options::flags(
    "046abeghHilmnoOprsStTuVwWxZz",
    &[
        "all", "extended", "family=", "help", "info", "ipv4", "ipv6", "listening", "memory", "no-header", "numeric", "oneline", "options", "processes", "query=", "raw", "resolve", "summary",
        "tcp", "udp", "unix", "version",
    ],
)
.valued("fA");

const NETSTAT: Options = Options::flags(
    "46aceghilMnNoprstuvVwWx",
    &["all", "continuous", "extend", "groups", "help", "interfaces", "listening", "numeric", "program", "raw", "route", "statistics", "tcp", "timers", "udp", "unix", "verbose", "wide"],
)
.valued("A")
.attached("I");

const IFCONFIG: Options = Options::flags("asv", &[]);

fn ifconfig(_: &Call<'_>, arguments: &Arguments<'_>) -> Result<(), Refusal> {
    if arguments.operands.len() > 1 { Err(Refusal::new("operand", "what follows the interface would change it")) } else { Ok(()) }
}

const PING: Options = Options::flags("46aABCdDhLnOqrRUvV", &[]).valued("cFiIlmMNpQsStTwW");
const ARPING: Options = Options::flags("AbDfhqUVv0adeprRuz", &[]).valued("cCiIsStTwW");
const DIG: Options = Options::flags("46hmruv", &[]).valued("bcpqtxy");

/// Listed are those that choose and shape what is shown; `-w`, `-G`, `-C` and `-W` write, `-z` starts a program, `-Z` changes the
/// user, `-F` and `-V` read lists of files.
const TCPDUMP: Options = Options::flags(
    "AbDefhHJKlLnNOpqStuUvxX#",
    &["absolute-tcp-sequence-numbers", "count", "direction=", "help", "interface=", "list-data-link-types", "list-interfaces", "list-time-stamp-types", "no-promiscuous-mode", "number", "print", "snapshot-length=", "version"],
)
.valued("BcijMQrsyT");

fn ethtool(call: &Call<'_>) -> Result<(), Refusal> {
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

fn is_in(list: &[&str], word: &[u8]) -> bool {
    list.iter().any(|known| known.as_bytes() == word)
}
