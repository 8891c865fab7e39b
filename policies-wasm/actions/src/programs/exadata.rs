//! Tools of an Exadata rack: the management command lines, and what tells the image.
//!
//! `dbmcli` and `cellcli` are scripts that start a Java program, so their children are not asked about. A command is given with
//! `-e` as one. There is no prompt: nobody would judge what is typed there, and root's `spool` writes any file of the row's path
//! sets.

use super::{is_form, is_name};
use crate::confine::{ROOT, WITH_HELPERS};
use portcullis_sdk::confine::Reach;
use portcullis_sdk::{Call, Children, Confine, PathSet, Program, Refusal};

/// Where the tools lie; the folders' names carry a version.
const DBMCLI: &[&str] = &["/opt/oracle/dbserver*/dbms/bin"];
const CELLCLI: &[&str] = &["/opt/oracle/cell*/cellsrv/bin"];
const CELLOS: &[&str] = &["/opt/oracle.cellos"];
const TOOLS: &[&str] = &["/opt/oracle.SupportTools"];

/// dbmcli, looking.
pub(crate) const DBMCLI_LOOKS: &[Program] = &[Program::custom(&["dbmcli"], "dbmcli -e list|describe|help ...", "one command that looks; not the prompt", looks)
    .example("dbmcli -e list alerthistory")
    .folders(DBMCLI)
    .script()
    .confined(&WITH_HELPERS)];
/// cellcli, looking.
pub(crate) const CELLCLI_LOOKS: &[Program] = &[Program::custom(&["cellcli"], "cellcli -e list|describe|help ...", "one command that looks; not the prompt", looks)
    .example("cellcli -e list celldisk")
    .folders(CELLCLI)
    .script()
    .confined(&WITH_HELPERS)];
/// dbmcli, all of it, writing in the tools' own folders only.
pub(crate) const DBMCLI_ALL: &[Program] = &[Program::custom(&["dbmcli"], "dbmcli [-n|-m|-x|-v] -e COMMAND", ALL, all).example("dbmcli -e alter dbserver shutdown services ms").folders(DBMCLI).script().confined(&MANAGES)];
/// cellcli, all of it, writing in the tools' own folders only.
pub(crate) const CELLCLI_ALL: &[Program] = &[Program::custom(&["cellcli"], "cellcli [-n|-m|-x|-v] -e COMMAND", ALL, all).example("cellcli -e alter celldisk all").folders(CELLCLI).script().confined(&MANAGES)];
const ALL: &str = "every command but those that read or write a file of one's choice; writes in /var and /opt/oracle only";

/// What the tools write, and nobody else.
pub(crate) const TOOLS_WRITE: PathSet = PathSet(&["/var", "/opt/oracle"]);
const MANAGES: Confine = ROOT.writes(&[PathSet::SINKS, TOOLS_WRITE]).children(Children::Trusted).network(Reach::Session).executes(&[PathSet::PROGRAMS, PathSet(&["/opt/oracle"])]).capabilities(&["CAP_DAC_OVERRIDE", "CAP_SETGID", "CAP_SETUID"]);
/// Tools that make and move machines write their administrator's home as well.
const MACHINES: Confine = MANAGES.writes(&[PathSet::SINKS, TOOLS_WRITE, PathSet(&["/home/dbmadmin"])]);

/// Which image is installed.
pub(crate) const IMAGE: &[Program] = &[
    Program::custom(&["imageinfo"], "imageinfo [-all]", "installed image", words).example("imageinfo").folders(CELLOS).script().confined(&WITH_HELPERS),
    Program::custom(&["imagehistory"], "imagehistory [-all]", "installed images", words).example("imagehistory").folders(CELLOS).script().confined(&WITH_HELPERS),
];

/// exacloud's own word on its agent.
pub(crate) const EXACLOUD: &[Program] = &[Program::custom(&["exacloud"], "exacloud --agent status|--version|--help", "the state of its agent; its other commands run what a file says", exacloud)
    .example("exacloud --agent status")
    .folders(&["/opt/oci/exacc/exacloud/bin"])
    .script()
    .confined(&WITH_HELPERS)];

/// Virtual machines of a host, and its console.
pub(crate) const HOST_TOOLS: &[Program] = &[
    Program::custom(
        &["vm_maker"],
        "vm_maker --list-domains|--list ...|--start-domain NAME|--stop-domain NAME [--force]|--autostart NAME|--check",
        "domains that exist; creates none, because a file would say what is run",
        vm_maker,
    )
    .example("vm_maker --list-domains")
    .folders(TOOLS)
    .script()
    .confined(&MACHINES),
    Program::custom(&["ops_console.sh"], "ops_console.sh", "its menu, with a terminal; what it starts is judged", ops_console).folders(TOOLS).script(),
];

/// The command of `-e`, in lower case.
fn command(call: &Call<'_>) -> Option<Vec<u8>> {
    match call.args.split_first() {
        Some((&b"-e", words)) if !words.is_empty() => Some(words.join(&b' ').to_ascii_lowercase()),
        _ => None,
    }
}

/// What separates commands, or reads or writes a file, is no part of one command.
fn is_one(text: &[u8]) -> bool {
    !text.iter().any(|b| matches!(b, b';' | b'@' | b'!' | b'>' | b'|' | b'\n' | b'\r' | b'`' | b'$'))
}

fn verb(text: &[u8]) -> &[u8] {
    text.split(|b| *b == b' ' || *b == b'\t').find(|word| !word.is_empty()).unwrap_or_default()
}

fn looks(call: &Call<'_>) -> Result<(), Refusal> {
    let Some(text) = command(call) else {
        return Err(Refusal::new("option", "only -e with one command that looks is allowed: what its prompt is given cannot be judged"));
    };
    if matches!(verb(&text), b"list" | b"describe" | b"help") && is_one(&text) { Ok(()) } else { Err(Refusal::new("subcommand", "only list, describe and help are allowed")) }
}

fn all(call: &Call<'_>) -> Result<(), Refusal> {
    let options = call.args.iter().take_while(|word| matches!(**word, b"-n" | b"-m" | b"-x" | b"-v" | b"-vv")).count();
    let rest = Call { args: call.args.get(options..).unwrap_or_default(), ..*call };
    let Some(text) = command(&rest) else {
        return Err(Refusal::new("option", "-e with one command is needed, after -n, -m, -x and -v if any: what its prompt is given cannot be judged"));
    };
    if matches!(verb(&text), b"spool" | b"start" | b"set" | b"import" | b"export") || !is_one(&text) {
        return Err(Refusal::new("subcommand", "it would read or write a file, or be more than one command"));
    }
    Ok(())
}

/// Words with dashes and without values.
fn words(call: &Call<'_>) -> Result<(), Refusal> {
    let plain = |word: &&[u8]| word.starts_with(b"-") && word.len() <= 32 && word.iter().all(|b| b.is_ascii_lowercase() || *b == b'-');
    if call.args.iter().all(plain) { Ok(()) } else { Err(Refusal::new("option", "only options without a value are allowed")) }
}

fn exacloud(call: &Call<'_>) -> Result<(), Refusal> {
    const FORMS: &[&[&str]] = &[&["--agent", "status"], &["--version"], &["--help"]];
    if is_form(FORMS, call.args) { Ok(()) } else { Err(Refusal::new("option", "only what tells the state of its agent is allowed")) }
}

fn vm_maker(call: &Call<'_>) -> Result<(), Refusal> {
    const FORMS: &[&[&str]] = &[
        &["--list-domains"], &["--check"], &["--help"], &["--version"], &["--list"], &["--list", "--domain", "?"], &["--list", "--vcpu", "*"], &["--list", "--memory", "*"],
        &["--list", "--disk-image", "--domain", "?"], &["--start-domain", "?"], &["--stop-domain", "?"], &["--stop-domain", "?", "--force"], &["--autostart", "?"],
        &["--autostart", "?", "--enable"], &["--autostart", "?", "--disable"],
    ];
    // a domain is named; a file that describes one has a slash or ends in .xml
    let plain = |word: &&[u8]| word.starts_with(b"--") || (is_name(word) && !word.to_ascii_lowercase().ends_with(b".xml"));
    if is_form(FORMS, call.args) && call.args.iter().all(plain) { Ok(()) } else { Err(Refusal::new("option", "only domains that exist are listed, started and stopped")) }
}

fn ops_console(call: &Call<'_>) -> Result<(), Refusal> {
    if !call.args.is_empty() {
        return Err(Refusal::new("operand", "it is allowed without arguments"));
    }
    if call.terminal { Ok(()) } else { Err(Refusal::new("terminal", "it needs a terminal")) }
}
