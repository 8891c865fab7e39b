//! Containers: docker and podman, whose subcommands look, or give a terminal in a container that runs already.
//!
//! What runs in a container is the daemon's child, not the session's: nobody judges it, and a revoke ends the client alone. So
//! only the `_interactive` forms of INFRA_HYPERVISOR start something in one, and no form makes a container.

use super::is_name;
use crate::confine::ROOT;
use portcullis_sdk::{Arguments, Call, Options, Program, Refusal, quote};

const FORM: &str = "reads the state of containers of this machine";

/// docker, looking.
pub(crate) const DOCKER: &[Program] =
    &[Program::checked(&["docker"], "docker ps|images|inspect|logs|top|port|version|info|stats --no-stream", FORM, &GLOBAL, reads).example("docker ps")];
/// podman, looking.
pub(crate) const PODMAN: &[Program] =
    &[Program::checked(&["podman"], "podman ps|images|inspect|logs|top|port|version|info|stats --no-stream", FORM, &GLOBAL, reads).example("podman ps")];
/// A terminal in a container.
pub(crate) const INTERACTIVE: &[Program] = &[
    Program::checked(&["docker_interactive"], "docker_interactive exec -it CONTAINER COMMAND, docker_interactive attach CONTAINER", INTO, &GLOBAL, enters)
        .example("docker_interactive exec -it web bash")
        .confined(&ROOT),
    Program::checked(&["podman_interactive"], "podman_interactive exec -it CONTAINER COMMAND, podman_interactive attach CONTAINER", INTO, &GLOBAL, enters)
        .example("podman_interactive exec -it web bash")
        .confined(&ROOT),
];
const INTO: &str = "a terminal in a running container; what runs there is recorded, not judged";

/// No other daemon, configuration or context in front of the subcommand.
const GLOBAL: Options = Options::flags("v", &["version", "help"]).first();

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

fn reads(_: &Call<'_>, arguments: &Arguments<'_>) -> Result<(), Refusal> {
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

/// No more rights than the container's, no file with variables, nothing in the background.
const EXEC: Options = Options::flags("it", &["interactive", "tty", "user=", "workdir=", "env="]).valued("uwe").first();
const ATTACH: Options = Options::flags("", &["no-stdin", "sig-proxy="]);

fn enters(call: &Call<'_>, arguments: &Arguments<'_>) -> Result<(), Refusal> {
    if !call.terminal {
        return Err(Refusal::new("terminal", "it needs a terminal"));
    }
    let (verb, rest) = match arguments.operands.as_slice() {
        [b"container", verb, rest @ ..] | [verb, rest @ ..] => (*verb, rest),
        [] => return Err(Refusal::new("subcommand", "exec and attach are allowed")),
    };
    let parsed = match verb {
        b"exec" => EXEC.parse(rest)?,
        b"attach" => ATTACH.parse(rest)?,
        other => return Err(Refusal::new("subcommand", format!("{} is not allowed: only exec and attach are", quote(other)))),
    };
    match parsed.operands.first() {
        Some(container) if is_name(container) => Ok(()),
        _ => Err(Refusal::new("operand", "it lacks the container's name")),
    }
}
