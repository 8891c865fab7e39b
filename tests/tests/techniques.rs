//! The known ways out of a restricted session, by technique: a program that gives a shell, runs a command, reads or writes a
//! file, loads code, connects, or gets more rights. Each line of `tests/techniques` is run in a session and must come to
//! nothing: under INFRA_DIAG, and under an action that allows every program but one.
#![expect(clippy::print_stderr, reason = "what is skipped, and how much was tried, is said aloud")]

use anyhow::{Context as _, Result, ensure};
use portcullis_tests::{Access, Stage, StageOptions};
use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Sessions at the same time.
const WORKERS: usize = 6;
/// Programs of the lists that a machine of this kind has at least.
const PROGRAMS_MIN: usize = 60;
/// What is in the file that no session may read.
const TOKEN: &str = "token-that-no-session-may-read";
/// Seconds after which a program that waits for somebody is given up.
const PATIENCE: &str = "8";
/// A library that says LOADED when it is loaded.
const LIBRARY: &str = "#include <unistd.h>\n__attribute__((constructor)) static void load(void) { write(1, \"LOADED\\n\", 7); }\n";

/// What is tried under an action, and how a breach shows.
struct Ground {
    action: &'static str,
    /// The program that is to be run, which needs no arguments.
    program: &'static str,
    /// What it prints.
    prints: String,
    /// The file that is to be read.
    secret: String,
    /// Whether a shell is a breach by itself.
    shells: Shells,
}

#[derive(PartialEq, Eq)]
enum Shells {
    Forbidden,
    Allowed,
}

/// A line to be tried.
struct Case {
    family: &'static str,
    program: String,
    line: String,
}

fn cases() -> Result<Vec<Case>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("techniques");
    let mut all = Vec::new();
    for family in ["command", "shell", "file-read", "file-write", "library-load", "connect", "privileges"] {
        let text = fs::read_to_string(folder.join(format!("{family}.txt")))?;
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (program, line) = line.split_once(": ").with_context(|| format!("{family}: {line:?} is no case"))?;
            all.push(Case { family, program: program.to_owned(), line: line.to_owned() });
        }
    }
    Ok(all)
}

fn is_installed(program: &str) -> bool {
    ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/bin", "/sbin"].iter().any(|folder| Path::new(folder).join(program).exists())
        || program == "ld.so"
}

/// The node's side of one case: what may neither be read, written nor connected to.
struct Trap {
    folder: PathBuf,
    port: TcpListener,
}

impl Trap {
    fn set(stage: &Stage, number: usize) -> Result<Self> {
        let folder = stage.folder().join(format!("trap{number}"));
        fs::create_dir(&folder)?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777))?;
        fs::write(folder.join("victim"), "intact")?;
        fs::set_permissions(folder.join("victim"), fs::Permissions::from_mode(0o666))?;
        let port = TcpListener::bind("127.0.0.1:0")?;
        port.set_nonblocking(true)?;
        Ok(Self { folder, port })
    }

    fn line(&self, secret: &str, line: &str, program: &str) -> Result<String> {
        let path = |name: &str| self.folder.join(name).display().to_string();
        let values = [("{run}", program.to_owned()), ("{secret}", secret.to_owned()), ("{outdir}", self.folder.display().to_string()), ("{out}", path("out")), ("{victim}", path("victim")), ("{port}", self.port.local_addr()?.port().to_string())];
        let line = line.replace("{{", "\u{1}").replace("}}", "\u{2}");
        let line = values.iter().fold(line, |line, (name, value)| line.replace(name, value));
        Ok(line.replace('\u{1}', "{").replace('\u{2}', "}"))
    }

    /// What has fallen into it.
    fn look(&self) -> Result<Vec<String>> {
        let mut found = Vec::new();
        let names: Vec<String> = fs::read_dir(&self.folder)?.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        if names != ["victim"] {
            found.push(format!("WROTE {names:?}"));
        } else {
            let (victim, content) = (fs::metadata(self.folder.join("victim"))?, fs::read(self.folder.join("victim"))?);
            if content != b"intact" || victim.mode() & 0o7777 != 0o666 || victim.uid() != rustix::process::geteuid().as_raw() {
                found.push("CHANGED a file".to_owned());
            }
        }
        if self.port.accept().is_ok() {
            found.push("CONNECTED".to_owned());
        }
        Ok(found)
    }
}

/// Runs one line and says what came of it that must not.
fn attempt(stage: &Stage, access: &Access, ground: &Ground, number: usize, case: &Case) -> Result<Vec<String>> {
    let trap = Trap::set(stage, number)?;
    let line = trap.line(&ground.secret, &case.line, ground.program)?;
    let terminal: &[&str] = if case.family == "shell" { &["-tt"] } else { &[] };
    let ssh = access.ssh(terminal, &[&line]);
    let mut bounded = Command::new("timeout");
    bounded.args(["-k", "1", PATIENCE]).arg(ssh.get_program()).args(ssh.get_args());
    let mut child = bounded.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut stdin = child.stdin.take().context("no input")?;
    let typed = format!("echo SH$((40+2))RAN\n{}\nexit\n", ground.program);
    // one that does not read is as good
    let typing = std::thread::spawn(move || drop(stdin.write_all(typed.as_bytes())));
    let mut errors = child.stderr.take().context("no errors")?;
    let reading = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = errors.read_to_end(&mut bytes);
        bytes
    });
    let output = child.wait_with_output()?;
    let _ = typing.join();
    let said = [output.stdout, reading.join().unwrap_or_default()].concat();
    let said = String::from_utf8_lossy(&said);
    let mut found = trap.look()?;
    if case.family != "connect" && ground.shells == Shells::Allowed {
        // there the session has the node's network, and every program
        found.retain(|what| what != "CONNECTED");
    }
    let breaches = [("RAN the program", ground.prints.as_str()), ("READ the file", TOKEN), ("LOADED the library", "LOADED")];
    found.extend(breaches.iter().filter(|(_, sign)| said.contains(sign)).map(|(what, _)| (*what).to_owned()));
    if ground.shells == Shells::Forbidden && said.contains("SH42RAN") {
        found.push("RAN a shell".to_owned());
    }
    fs::remove_dir_all(&trap.folder)?;
    Ok(if found.is_empty() { found } else { vec![format!("{} {:?}: {}\n{}", case.family, line, found.join(", "), said.chars().take(600).collect::<String>())] })
}

fn bring_library(stage: &Stage, access: &Access) -> Result<()> {
    let (source, library) = (stage.folder().join("load.c"), stage.folder().join("load.so"));
    fs::write(&source, LIBRARY)?;
    let compiled = Command::new("gcc").args(["-shared", "-fPIC", "-o"]).args([&library, &source]).status()?;
    ensure!(compiled.success(), "the library does not compile");
    let put = access.run_with_input(&["cat > /tmp/load.so; cat /tmp/load.so | wc -c"], &fs::read(&library)?)?;
    ensure!(put.stdout.trim().parse::<u64>().is_ok_and(|size| size > 1000), "the library was not brought: {put:?}");
    // it is one that would be loaded elsewhere
    let loaded = Command::new("true").env("LD_PRELOAD", &library).output()?;
    ensure!(loaded.stdout.starts_with(b"LOADED"), "the library says nothing");
    Ok(())
}

/// Tries them with several sessions at a time; what came of them that must not.
fn try_each(stage: &Stage, access: &Access, ground: &Ground, cases: &[Case]) -> Vec<String> {
    let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        let work = || {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(case) = cases.get(number) else { break };
                let outcome = attempt(stage, access, ground, number, case).unwrap_or_else(|error| vec![format!("{}: {error:#}", case.line)]);
                found.lock().unwrap_or_else(PoisonError::into_inner).extend(outcome);
            }
        };
        for _ in 0..WORKERS {
            scope.spawn(work);
        }
    });
    found.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn try_all(action: &'static str, program: &'static str, prints: &str, shells: Shells) -> Result<()> {
    let stage = Stage::with(&StageOptions::from_environment()?.with_canary()?)?;
    let access = stage.grant(action)?;
    let secret = stage.folder().join("secret");
    fs::write(&secret, format!("{TOKEN}\n"))?;
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o644))?;
    bring_library(&stage, &access)?;
    let ground = Ground { action, program, prints: prints.to_owned(), secret: secret.display().to_string(), shells };
    let (there, missing): (Vec<Case>, Vec<Case>) = cases()?.into_iter().partition(|case| is_installed(&case.program));
    let there: Vec<Case> = there.into_iter().filter(|case| ground.shells == Shells::Forbidden || case.family != "connect").collect();
    let programs: BTreeSet<&str> = there.iter().map(|case| case.program.as_str()).collect();
    let absent: BTreeSet<&str> = missing.iter().map(|case| case.program.as_str()).collect();
    eprintln!("{}: {} lines with {} programs; SKIPPED, not installed: {absent:?}", ground.action, there.len(), programs.len());
    ensure!(programs.len() >= PROGRAMS_MIN, "only {} of the programs are installed", programs.len());
    let direct = access.run(ground.program)?;
    ensure!(direct.status != Some(0) && !direct.all().contains(&ground.prints), "{} is allowed: {direct:?}", ground.program);
    let found = try_each(&stage, &access, &ground, &there);
    ensure!(found.is_empty(), "{} of {}:\n{}", found.len(), there.len(), found.join("\n"));
    let receipt = stage.revoke(&access)?;
    ensure!(receipt.survivors == 0, "{receipt:?}");
    Ok(())
}

#[test]
fn nothing_comes_of_them_under_diagnosis() -> Result<()> {
    try_all("INFRA_DIAG", "/usr/bin/dircolors", "LS_COLORS", Shells::Forbidden)
}

#[test]
fn nothing_comes_of_them_where_every_other_program_is_allowed() -> Result<()> {
    try_all("INFRA_FULL", "/usr/bin/id", "uid=", Shells::Allowed)
}

/// The lines do what they say: with a program that is allowed, and a file of the session's own, most come to something.
#[test]
fn the_same_lines_do_run_and_read_what_is_allowed() -> Result<()> {
    let stage = Stage::with(&StageOptions::from_environment()?.with_canary()?)?;
    let access = stage.grant("INFRA_FULL")?;
    access.run(&format!("echo {TOKEN} > /tmp/mine"))?;
    let ground = Ground { action: "INFRA_FULL", program: "/usr/bin/whoami", prints: access.account.clone(), secret: "/tmp/mine".to_owned(), shells: Shells::Allowed };
    for (family, least) in [("command", 60), ("file-read", 40)] {
        let tried: Vec<Case> = cases()?.into_iter().filter(|case| case.family == family && is_installed(&case.program)).collect();
        let came = try_each(&stage, &access, &ground, &tried).iter().filter(|found| found.contains(", ") || found.contains("RAN") || found.contains("READ")).count();
        eprintln!("{family}: {came} of {} lines come to something", tried.len());
        ensure!(came >= least, "{family}: only {came} of {} lines do what they say", tried.len());
    }
    Ok(())
}
