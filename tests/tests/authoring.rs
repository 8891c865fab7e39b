//! What an author of policies does at the desk, with the real program: build, check, test, explain, show, and replay over recordings
//! of real sessions.

use anyhow::{Context as _, Result, ensure};
use portcullis_tests::{Stage, StageOptions, wait};
use serde_json::Value;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder with a copy of the example, and the program.
struct Desk {
    folder: tempfile::TempDir,
    program: PathBuf,
    modules: PathBuf,
}

impl Desk {
    fn new() -> Result<Self> {
        let options = StageOptions::from_environment()?;
        let folder = tempfile::tempdir()?;
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/rack-diag");
        for file in ["profile.toml", "cases.toml"] {
            std::fs::copy(example.join(file), folder.path().join(file)).with_context(|| format!("examples/rack-diag/{file}"))?;
        }
        let modules = options.modules.first().context("there is no folder of modules")?.clone();
        Ok(Self { folder, program: options.programs.join("portcullis"), modules })
    }

    /// `portcullis policy ARGS` in the folder, where there is no configuration.
    fn policy(&self, args: &[&str]) -> Result<(Option<i32>, String, String)> {
        let mut command = Command::new(&self.program);
        command.args(["--config", "/nonexistent/portcullis.toml", "policy"]).args(args).current_dir(self.folder.path());
        let Output { status, stdout, stderr } = command.output().context("cannot start portcullis")?;
        Ok((status.code(), String::from_utf8_lossy(&stdout).into_owned(), String::from_utf8_lossy(&stderr).into_owned()))
    }

    fn json(&self, args: &[&str]) -> Result<(Option<i32>, Value)> {
        let (status, out, err) = self.policy(&[&["--json"], args].concat())?;
        Ok((status, serde_json::from_str(&out).with_context(|| format!("{args:?}: {out}{err}"))?))
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        Ok(std::fs::write(self.folder.path().join(name), text)?)
    }
}

#[test]
fn the_example_is_built_without_a_compiler_and_passes_its_tests() -> Result<()> {
    let desk = Desk::new()?;
    let (status, built) = desk.json(&["build", "profile.toml"])?;
    ensure!(status == Some(0) && built["pure"] == false && built["name"] == "RACK_DIAG", "{built}");
    let (status, tested) = desk.json(&["test", "cases.toml", "--module", "INFRA_DIAG.cps.wasm"])?;
    ensure!(status == Some(0) && tested["failed"] == 0 && tested["passed"].as_u64() > Some(25), "{tested}");
    ensure!(tested["digest"] == built["digest"], "another module was tested: {tested} {built}");
    let (status, checked) = desk.json(&["check", "INFRA_DIAG.cps.wasm"])?;
    ensure!(status == Some(0) && checked["ok"] == true && checked["digest"] == built["digest"], "{checked}");
    let imports = checked["imports"].as_array().context("no imports")?;
    ensure!(imports.iter().all(|name| name.as_str().is_some_and(|name| name.starts_with("portcullis:policy/"))), "it imports more than a module may: {checked}");
    let (status, shown, _) = desk.policy(&["show", "INFRA_DIAG.cps.wasm"])?;
    ensure!(status == Some(0) && shown.contains("systemctl restart sshd\tin office hours"), "{shown}");
    let again = desk.json(&["build", "profile.toml", "-o", "again.wasm"])?.1;
    ensure!(again["digest"] == built["digest"], "the same profile gives another module: {again}");
    Ok(())
}

#[test]
fn a_wrong_profile_is_refused_with_its_place_and_leaves_the_old_module() -> Result<()> {
    let desk = Desk::new()?;
    desk.write("INFRA_DIAG.cps.wasm", "old")?;
    desk.write("wrong.toml", "[module]\nname = 'x'\nversion = '1'\naction = 'INFRA_DIAG'\nroles = ['cps']\n\n[[command]]\nname = ['ls']\n")?;
    let (status, out, err) = desk.policy(&["build", "wrong.toml"])?;
    ensure!(status == Some(1) && out.is_empty(), "{status:?} {out}");
    ensure!(err == "wrong.toml:8:1: unknown key `name`; did you mean `names`?\n 8 | name = ['ls']\n   | ^^^^\n", "{err}");
    ensure!(std::fs::read_to_string(desk.folder.path().join("INFRA_DIAG.cps.wasm"))? == "old");
    let (status, problems) = desk.json(&["build", "wrong.toml"])?;
    ensure!(status == Some(1) && problems["problems"][0]["line"] == 8 && problems["problems"][0]["column"] == 1, "{problems}");
    let (status, _, err) = desk.policy(&["build", "missing.toml"])?;
    ensure!(status == Some(1) && err.starts_with("missing.toml: cannot be read"), "{err}");
    Ok(())
}

#[test]
fn a_failing_test_shows_what_differs_and_an_unusable_file_is_another_status() -> Result<()> {
    let desk = Desk::new()?;
    desk.write("failing.toml", "profile = 'profile.toml'\n[[case]]\nexec = 'reboot'\nexpect = 'allow'\n")?;
    let (status, out, _) = desk.policy(&["test", "failing.toml"])?;
    ensure!(status == Some(1), "{out}");
    for want in ["failing.toml:2: FAILED reboot", "exec /usr/bin/reboot [reboot]", "- verdict: allow", "+ verdict: deny", "deny reboot: reboot: it ends the work of others", "0 passed, 1 failed"] {
        ensure!(out.contains(want), "{want:?} is not in\n{out}");
    }
    for (text, want) in [
        ("[[case]]\nexec = 'x'\nexpect = 'allow'\n", "names neither module nor profile"),
        ("profile = 'profile.toml'\n[[case]]\nexpect = 'allow'\n", "a test asks one question"),
        ("profile = 'profile.toml'\n[[case]]\nline = 'ls )'\nexpect = 'allow'\n", ":3:8: the shell refuses this line"),
        ("profile = 'profile.toml'\n[[case]]\nexec = 'ls | x'\nexpect = 'allow'\n", ":3:8: `ls | x` is more than one simple command"),
        ("profile = 'profile.toml'\n[[cases]]\n", "did you mean `case`?"),
        ("profile = 'nowhere.toml'\n[[case]]\nexec = 'x'\nexpect = 'allow'\n", "nowhere.toml: cannot be read"),
    ] {
        desk.write("unusable.toml", text)?;
        let (status, out, err) = desk.policy(&["test", "unusable.toml"])?;
        ensure!(status == Some(2) && err.contains(want), "{text}\n{status:?} {out}{err}");
    }
    Ok(())
}

#[test]
fn what_is_no_module_is_refused_with_a_reason() -> Result<()> {
    let desk = Desk::new()?;
    desk.write("text.wasm", "not at all")?;
    std::fs::write(desk.folder.path().join("core.wasm"), b"\0asm\x01\0\0\0")?;
    std::fs::write(desk.folder.path().join("empty.wasm"), b"\0asm\x0d\0\x01\0")?;
    for (file, want) in [("text.wasm", "it is not a WebAssembly component"), ("core.wasm", "it is not a WebAssembly component"), ("empty.wasm", "describe")] {
        let (status, checked) = desk.json(&["check", file])?;
        ensure!(status == Some(1) && checked["ok"] == false && checked["refused"].as_str().is_some_and(|why| why.contains(want)), "{checked}");
    }
    let (status, _, err) = desk.policy(&["check", "/nonexistent.wasm"])?;
    ensure!(status == Some(1) && err.contains("cannot read /nonexistent.wasm"), "{err}");
    Ok(())
}

#[test]
fn an_explanation_says_what_was_compared_and_what_is_allowed_instead() -> Result<()> {
    let desk = Desk::new()?;
    let module = desk.modules.join("INFRA_DIAG.cps.wasm");
    let module = module.to_str().context("the modules' folder has a path that is not UTF-8")?;
    let (status, denied) = desk.json(&["explain", "profile.toml", "--path", "/usr/bin/systemctl", "--at", "2026-03-02T10:00:00Z", "--", "systemctl", "restart", "nginx"])?;
    let question = &denied["questions"][0];
    ensure!(status == Some(3) && question["answer"]["rule"] == "restart-sshd-operand" && question["nearest"][0]["form"] == "systemctl restart sshd", "{denied}");
    ensure!(question["subject"]["Exec"]["path"] == "/usr/bin/systemctl" && question["subject"]["Exec"]["cwd"] == "/home/ann" && denied["module"]["pure"] == false, "{denied}");
    let (status, allowed) = desk.json(&["explain", "profile.toml", "--path", "/usr/bin/systemctl", "--at", "2026-03-02T10:00:00Z", "--", "systemctl", "restart", "sshd"])?;
    ensure!(status == Some(0) && allowed["questions"][0]["answer"]["confinement"]["run-as"] == "root", "{allowed}");
    let (status, line) = desk.json(&["explain", module, "--line", "ls /var/log | head; PATH=/tmp ls"])?;
    ensure!(status == Some(3) && line["questions"][0]["answer"]["rule"] == "assignment" && line["questions"].as_array().is_some_and(|all| all.len() == 4), "{line}");
    let (status, _, err) = desk.policy(&["explain", module, "--line", "ls ("])?;
    ensure!(status == Some(3) && err.contains("the shell refuses this line"), "{err}");
    ensure!(desk.policy(&["explain", module])?.0 == Some(2), "a question without a command");
    Ok(())
}

#[test]
fn a_replay_lists_every_flip_and_names_what_cannot_be_read() -> Result<()> {
    let desk = Desk::new()?;
    let stage = Stage::start()?;
    let access = stage.grant("INFRA_DIAG")?;
    for command in ["ls /var/log", "ls /var/log", "uname -a", "docker run x", "df -h"] {
        access.run(command)?;
    }
    stage.revoke(&access)?;
    let evidence = stage.data().join("evidence");
    let evidence = evidence.to_str().context("a path that is not UTF-8")?;
    let own = desk.modules.join("INFRA_DIAG.cps.wasm");
    let own = own.to_str().context("a path that is not UTF-8")?;
    let closed = || desk.json(&["replay", own, "--evidence", evidence]).ok().filter(|(_, found)| found["still-open"] == 0 && found["sessions"] == 5);
    let (status, same) = wait::until("the recordings to be closed", wait::LONG, closed)?;
    ensure!(status == Some(0) && same["flips"] == 0 && same["subjects"].as_u64() >= Some(9) && same["unread"].as_array().is_some_and(Vec::is_empty), "{same}");
    ensure!(desk.json(&["replay", own, "--evidence", evidence, "--fresh"])?.1["same"] == same["same"]);

    let (status, other) = desk.json(&["replay", "profile.toml", "--evidence", evidence])?;
    let groups = other["groups"].as_array().context("no groups")?;
    let group = |command: &str| groups.iter().find(|group| group["command"] == command && group["subject"] == "exec");
    ensure!(status == Some(1) && other["flips"].as_u64() >= Some(2), "{other}");
    let flipped = group("/usr/bin/uname -a").with_context(|| other.to_string())?;
    ensure!(flipped["change"] == "now-denied" && flipped["rule"] == "not-listed" && flipped["count"] == 1, "{flipped}");
    ensure!(group("/usr/bin/ls /var/log").is_none(), "what stays allowed is listed: {other}");

    let over_the_api = stage.json(&["policy", "replay", own])?;
    ensure!(over_the_api["subjects"] == same["subjects"] && over_the_api["flips"] == 0, "{over_the_api}");
    let (_, none) = desk.json(&["replay", own, "--evidence", evidence, "--since", "1s"])?;
    ensure!(none["subjects"].as_u64() <= same["subjects"].as_u64(), "{none}");

    let copy = desk.folder.path().join("evidence");
    let mut names: Vec<PathBuf> = std::fs::read_dir(evidence)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    names.sort();
    for (number, from) in names.iter().enumerate() {
        let to = copy.join(from.file_name().context("a session without a name")?);
        std::fs::create_dir_all(&to)?;
        let mut bytes = Vec::new();
        portcullis_recording::Source::open(&from.join("recording"))?.0.read_to_end(&mut bytes)?;
        match number {
            0 => *bytes.get_mut(400).context("a short recording")? ^= 1,
            1 => bytes.truncate(bytes.len() - 10),
            2 => bytes = b"no recording".to_vec(),
            _ => {}
        }
        std::fs::write(to.join("recording"), bytes)?;
    }
    std::fs::create_dir(copy.join("s-empty"))?;
    let (status, damaged) = desk.json(&["replay", own, "--evidence", "evidence"])?;
    let unread = damaged["unread"].as_array().context("no list")?;
    ensure!(status == Some(1) && unread.len() == 4 && damaged["flips"] == 0, "{damaged}");
    ensure!(unread.iter().any(|one| one["recording"] == "s-empty") && unread.iter().any(|one| one["problem"].as_str().is_some_and(|why| why.contains("not what was written"))), "{damaged}");
    Ok(())
}
