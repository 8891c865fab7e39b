//! Services, containers and their logs: tools with subcommands, of which some change things.

use portcullis_sdk::path::{normal, within};
use portcullis_sdk::{Arguments, Call, Options, Program, Refusal, Rule, quote};

pub(super) const ROWS: &[Program] = &[
    Program {
        names: &["systemctl"],
        form: "systemctl status|show|cat|list-*|is-*|get-default",
        note: "reads the state of units of this machine",
        hint: "systemctl status UNIT",
        rule: Rule::Checked(&SYSTEMCTL, systemctl),
    },
    Program {
        names: &["journalctl"],
        form: "journalctl -u UNIT -n 100",
        note: "reads the journal; the files in /var/log/journal and /run/log/journal only",
        hint: "journalctl -u UNIT",
        rule: Rule::Checked(&JOURNALCTL, journalctl),
    },
    Program {
        names: &["docker"],
        form: "docker ps|images|inspect|logs|top|port|version|info|stats --no-stream",
        note: "reads the state of containers of this machine",
        hint: "docker ps",
        rule: Rule::Checked(&DOCKER, docker),
    },
];

/// No other machine, no other root, no `--force`.
const SYSTEMCTL: Options = Options::flags(
    "alqr",
    &[
        "all", "after", "before", "failed", "full", "help", "legend?", "lines=", "no-ask-password", "no-legend", "no-pager", "output=", "plain", "property=", "quiet", "recursive",
        "reverse", "state=", "system", "type=", "value", "version", "with-dependencies",
    ],
)
.valued("notpP");

const UNITS: &[&str] = &[
    "cat", "get-default", "is-active", "is-enabled", "is-failed", "is-system-running", "list-automounts", "list-dependencies", "list-jobs", "list-paths", "list-sockets",
    "list-timers", "list-unit-files", "list-units", "show", "status",
];

fn systemctl(_: &Call<'_>, arguments: &Arguments<'_>) -> Result<(), Refusal> {
    match arguments.operands.first() {
        None => Ok(()),
        Some(verb) if is_in(UNITS, verb) => Ok(()),
        Some(verb) => Err(Refusal::new("subcommand", format!("{} is not allowed: only what reads the state of units is", quote(verb)))),
    }
}

/// Digits are for `-b -1`. Nothing that rotates, deletes or writes (a cursor file), and no other machine, root or image.
const JOURNALCTL: Options = Options::flags(
    "0123456789aefkmNqrx",
    &[
        "after-cursor=", "all", "boot?", "case-sensitive?", "catalog", "cursor=", "directory=", "disk-usage", "dmesg", "facility=", "field=", "fields", "file=", "follow", "full", "grep=",
        "header", "help", "identifier=", "lines?", "list-boots", "list-catalog", "merge", "no-full", "no-hostname", "no-pager", "no-tail", "output=", "output-fields=", "pager-end",
        "priority=", "quiet", "reverse", "show-cursor", "since=", "system", "truncate-newline", "unit=", "until=", "utc", "verify", "version",
    ],
)
.valued("cDFgiopStuU")
.attached("bn");

fn journalctl(call: &Call<'_>, arguments: &Arguments<'_>) -> Result<(), Refusal> {
    let files = arguments.values(b'D', "directory").chain(arguments.values(b'i', "file")).flatten();
    for file in files {
        let file = normal(file, call.cwd);
        if !within(&file, b"/var/log/journal") && !within(&file, b"/run/log/journal") {
            return Err(Refusal::new("path", format!("{} is outside /var/log/journal and /run/log/journal", quote(&file))));
        }
    }
    Ok(())
}

/// No other daemon, configuration or context in front of the subcommand.
const DOCKER: Options = Options::flags("v", &["version", "help"]).first();

/// The subcommands, and their options.
const DOCKER_COMMANDS: &[(&str, Options)] = &[
    ("ps", PS),
    ("images", IMAGES),
    ("inspect", Options::flags("s", &["format=", "size", "type="]).valued("f")),
    ("logs", Options::flags("ft", &["details", "follow", "since=", "tail=", "timestamps", "until="]).valued("n")),
    ("top", Options::NONE),
    ("port", Options::NONE),
    ("diff", Options::NONE),
    ("history", Options::flags("Hq", &["format=", "human", "no-trunc", "quiet"])),
    ("version", Options::flags("", &["format="]).valued("f")),
    ("info", Options::flags("", &["format="]).valued("f")),
    ("stats", Options::flags("a", &["all", "format=", "no-stream", "no-trunc"])),
];
const PS: Options = Options::flags("alnqs", &["all", "filter=", "format=", "last=", "latest", "no-trunc", "quiet", "size"]).valued("fn");
const IMAGES: Options = Options::flags("aq", &["all", "digests", "filter=", "format=", "no-trunc", "quiet"]).valued("f");
const LIST: Options = Options::flags("q", &["filter=", "format=", "no-trunc", "quiet"]).valued("f");

/// `docker container ls` and the like, as the subcommand that they stand for.
const DOCKER_GROUPS: &[(&str, &str, &str)] = &[
    ("container", "ls", "ps"), ("container", "list", "ps"), ("container", "ps", "ps"), ("container", "inspect", "inspect"), ("container", "logs", "logs"),
    ("container", "top", "top"), ("container", "port", "port"), ("container", "stats", "stats"), ("image", "ls", "images"), ("image", "list", "images"),
    ("image", "inspect", "inspect"), ("image", "history", "history"), ("system", "info", "info"),
];

fn docker(_: &Call<'_>, arguments: &Arguments<'_>) -> Result<(), Refusal> {
    let refuse = |word: &[u8]| Refusal::new("subcommand", format!("{} is not allowed: only what reads the state of containers is", quote(word)));
    let Some((&command, rest)) = arguments.operands.split_first() else { return Ok(()) };
    let group = DOCKER_GROUPS.iter().find(|(group, verb, _)| group.as_bytes() == command && rest.first() == Some(&verb.as_bytes()));
    let (name, rest) = match group {
        Some((_, _, name)) => (name.as_bytes(), rest.get(1..).unwrap_or_default()),
        None => (command, rest),
    };
    if matches!((command, rest.first()), (b"network" | b"volume", Some(&b"ls"))) {
        return LIST.parse(rest.get(1..).unwrap_or_default()).map(drop);
    }
    let Some((_, options)) = DOCKER_COMMANDS.iter().find(|(known, _)| known.as_bytes() == name) else { return Err(refuse(command)) };
    options.parse(rest).map(drop)
}

fn is_in(list: &[&str], word: &[u8]) -> bool {
    list.iter().any(|known| known.as_bytes() == word)
}
