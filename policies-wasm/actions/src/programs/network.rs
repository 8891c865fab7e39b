//! The network, looked at.

use super::{is_in, is_name};
use crate::confine::ROOT;
use portcullis_sdk::{Arguments, Call, Confine, Options, Program, Refusal, quote};

/// The node's own network, looked at: on every role.
pub(crate) const LOOKS: &[Program] = &[
    Program::custom(&["ip"], "ip addr|link|route|neigh|rule|maddr [show ...]", "shows; does not change", ip).example("ip addr show"),
    Program::options(&["ss"], "ss -tlnp", "sockets; does not close them or write a dump", &SS),
    Program::options(&["netstat"], "netstat -tln", "sockets", &NETSTAT),
];

/// What reaches out, or listens: on control plane servers.
pub(crate) const REACHES: &[Program] = &[
    Program::checked(&["ifconfig"], "ifconfig [-a] [INTERFACE]", "shows; does not change", &IFCONFIG, ifconfig).example("ifconfig -a"),
    Program::checked(&["lsof"], "lsof -nP -i", "open files; without a device cache file", &LSOF, lsof),
    Program::options(&["ping", "ping4", "ping6"], "ping -c 3 HOST", "not flooding", &PING),
    Program::options(&["arping"], "arping -c 3 HOST", "who has an address", &ARPING),
    Program::options(&["traceroute", "traceroute.db", "traceroute6", "traceroute6.db"], "traceroute HOST", "the way to a host", &TRACEROUTE),
    Program::options(&["tcptraceroute", "tcptraceroute.db", "tcptraceroute.mt"], "tcptraceroute HOST PORT", "the way to a port", &TCPTRACEROUTE).script(),
    Program::options(&["tracepath"], "tracepath HOST", "the way to a host", &Options::flags("46nbV", &[]).valued("lmp")),
    Program::any(&["host"], "host NAME", "asks the name server"),
    Program::any(&["nslookup"], "nslookup NAME", "asks the name server"),
    Program::options(&["dig"], "dig NAME", "asks the name server; not from a file", &DIG),
    Program::options(&["tcpdump"], "tcpdump -nn -c 100 -i INTERFACE", "shows packets; writes no file and starts nothing", &TCPDUMP),
];

/// The network, restarted: an interface goes down and up.
pub(crate) const RESTARTS: &[Program] = &[
    Program::custom(&["ip"], "ip link set INTERFACE up|down", "an interface goes down or up", ip_link_set).example("ip link set eth0 up").confined(&NETWORK),
    Program::custom(&["ifconfig"], "ifconfig INTERFACE up|down", "an interface goes down or up", ifconfig_sets).example("ifconfig eth0 down").confined(&NETWORK),
];

const NETWORK: Confine = ROOT.capabilities(&["CAP_NET_ADMIN"]);

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


const LSOF: Options = Options::flags("abCEhHlnNOPRtTUVXw", &[]).valued("ucdgpK").attached("iFLors");

/// `+D` and `+d` search a folder; others that begin with a plus change how it works.
fn lsof(_: &Call<'_>, arguments: &Arguments<'_>) -> Result<(), Refusal> {
    let fine = |operand: &&[u8]| !operand.starts_with(b"+") || matches!(operand.get(1), Some(b'D' | b'd' | b'L'));
    if arguments.operands.iter().all(fine) { Ok(()) } else { Err(Refusal::new("option", "of the options with a plus +D, +d and +L are allowed")) }
}

const TRACEROUTE: Options = Options::flags("46dFIneTUADrV", &["back", "dont-fragment", "extensions", "help", "icmp", "mtu", "tcp", "udp", "version"]).valued("fgilmMNOpPqstwz");
const TCPTRACEROUTE: Options = Options::flags("dnSAEF", &[]).valued("fgilmpqstwx");

fn ip_link_set(call: &Call<'_>) -> Result<(), Refusal> {
    match call.args {
        [b"link", b"set", interface, state] | [b"link", b"set", b"dev", interface, state] if is_name(interface) && matches!(*state, b"up" | b"down") => Ok(()),
        [b"link", b"set", ..] => Err(Refusal::new("subcommand", "of what changes an interface only up and down are allowed")),
        _ => ip(call),
    }
}

fn ifconfig_sets(call: &Call<'_>) -> Result<(), Refusal> {
    match call.args {
        [interface, b"up" | b"down"] if is_name(interface) => Ok(()),
        _ => Err(Refusal::new("operand", "of what changes an interface only up and down are allowed")),
    }
}
