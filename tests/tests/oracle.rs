//! The kernel as a witness: every exec that its tracer saw in a session has one decision of its own in the recording, made
//! before it.

use anyhow::{Context as _, Result, ensure};
use portcullis_tests::stage::processes_with;
use portcullis_tests::tracer::{Executed, Tracer};
use portcullis_tests::{Access, Stage, StageOptions, forms, wait};
use serde_json::Value;
use std::collections::HashMap;

/// The first program of a session.
const FIRST: &str = "/run/portcullis/shell";
/// Forms in one session.
const FORMS_A_SESSION: usize = 30;

/// What an operator might type, with much going on at the same time.
const MIXED: &[&str] = &[
    "for i in 1 2 3 4 5 6 7 8 9 10; do for j in 1 2 3 4 5; do true | cat | cat; /bin/true & done; wait; done",
    "seq 60 | xargs -P 4 -I% sh -c 'true; /usr/bin/true %'",
    "find /usr/bin -maxdepth 1 -name 'a*' -exec test -x {} ';'",
    "for i in 1 2 3 4 5 6 7 8; do (for j in 1 2 3 4 5 6; do id -un; whoami; done) > /dev/null & done; wait",
    "bash -c 'for i in 1 2 3 4 5; do env true; nice true; command -p true; done'",
    "f() { [ $1 -gt 0 ] && { /usr/bin/true; f $(($1 - 1)); }; }; f 40",
    "no-such-program; /no/such/file; PATH=/nowhere:/usr/bin; true; /etc/passwd; /usr/bin",
    "exec 3>&1; for i in $(seq 20); do x=$(date +%s | tr 0-9 a-j); done; echo done >&3",
    "timeout 5 sh -c 'while :; do true; done & sleep 0.3; kill $!'; python3 -c 'import os\nfor i in range(20):\n  pid = os.fork()\n  if not pid: os.execv(\"/usr/bin/true\", [\"true\"])\n  os.waitpid(pid, 0)'",
    "python3 -c 'import threading, subprocess\ndef run():\n  for i in range(10): subprocess.run([\"true\"])\nts = [threading.Thread(target=run) for i in range(4)]\n[t.start() for t in ts]; [t.join() for t in ts]'",
];

/// A decision to let something run, as the recording has it.
#[derive(Debug)]
struct Decided {
    /// Milliseconds since 1970.
    at: u64,
    text: String,
}

/// The decisions of all sessions by process, in their order.
fn decided(stage: &Stage) -> Result<HashMap<u32, Vec<Decided>>> {
    let mut all: HashMap<u32, Vec<Decided>> = HashMap::new();
    for session in stage.sessions()? {
        let id = session.pointer("/facts/id").and_then(Value::as_str).context("a session without id")?;
        let shown = wait::until("the recording to be complete", wait::LONG, || {
            let shown = stage.json(&["session", "show", id]).ok()?;
            (shown.pointer("/recording/state")? == "complete").then_some(shown)
        })?;
        let recording = shown.get("recording").context("no recording")?;
        ensure!(recording.get("truncated") == Some(&Value::Bool(false)), "there is more in the recording than is shown");
        for command in recording.get("commands").and_then(Value::as_array).into_iter().flatten() {
            let field = |name: &str| command.get(name).cloned().unwrap_or_default();
            if field("kind") != "exec" || field("allowed") != true {
                continue;
            }
            let (pid, at) = (field("pid").as_u64().context("no pid")?, field("at").as_u64().context("no time")?);
            let text = field("text").as_str().unwrap_or_default().to_owned();
            all.entry(u32::try_from(pid)?).or_default().push(Decided { at, text });
        }
    }
    all.values_mut().for_each(|list| list.sort_by_key(|decided| decided.at));
    Ok(all)
}

fn script(access: &Access, lines: &[String]) -> Result<()> {
    // each in a subshell: some forms end their shell
    let script: String = lines.iter().map(|line| format!("( {line}\n)\n")).collect();
    access.run_with_input(&[], script.as_bytes()).map(drop)
}

/// Whether the file is what the word of a decision names. Where a link of the session's own leads cannot be seen any more.
fn is(file: &str, word: &str) -> bool {
    let known = std::fs::canonicalize(file);
    file == word || known.is_err() || known.is_ok_and(|path| path.as_os_str() == word)
}

/// What is wrong with an exec, if anything is; takes the decision that it had.
fn without_decision(exec: &Executed, decided: &mut HashMap<u32, Vec<Decided>>) -> Option<String> {
    let list = decided.entry(exec.pid).or_default();
    // a decision may come to nothing (the file is no program), so there may be more decisions than execs; the other way never
    let before = |decided: &Decided| decided.at <= exec.at / 1000 && decided.text.split(' ').any(|word| is(&exec.file, word));
    match list.iter().position(before) {
        Some(index) => {
            list.remove(index);
            None
        }
        None => Some(format!("{exec:?} has no decision before it; the process has {list:?}")),
    }
}

/// The alerts of the last two sessions, which are those of the mixed workload. The module allows `id -un` as a line and refuses it as an exec:
/// that it contradicts itself there is true.
fn mixed_alerts(stage: &Stage) -> Result<Vec<Value>> {
    let mut found = Vec::new();
    for session in stage.sessions()?.iter().take(2) {
        let id = session.pointer("/facts/id").and_then(Value::as_str).context("a session without id")?;
        let page = stage.json(&["alert", "list", "--limit", "200", "--session", id])?;
        let alerts = page.get("items").and_then(Value::as_array).cloned().context("no list")?;
        let of_id = |alert: &Value| alert.pointer("/alert/kind/contradicted").is_some() && alert.pointer("/alert/exec/path").is_some_and(|path| path == "/usr/bin/id");
        found.extend(alerts.into_iter().filter(|alert| !of_id(alert) && alert.pointer("/alert/kind").is_none_or(|kind| kind != "suppressed")));
    }
    Ok(found)
}

#[test]
fn every_exec_that_the_kernel_saw_was_decided_before_it() -> Result<()> {
    let stage = Stage::with(&StageOptions::from_environment()?.with_canary()?)?;
    // from here on: what the node tried out at its start was in a jail too, and in no session
    let tracer = match Tracer::start()? {
        Ok(tracer) => tracer,
        Err(why) => {
            eprintln!("SKIPPED: {why}");
            return Ok(());
        }
    };
    let warden = *processes_with(&stage.program("portcullis-warden").display().to_string()).iter().min().context("no warden")?;
    let access = stage.grant("INFRA_FULL")?;
    let lines: Vec<String> = forms::FORMS.iter().chain(forms::REFUSED).filter(|form| forms::there(form)).map(|form| forms::line(form, "whoami")).collect();
    let mixed: Vec<String> = MIXED.iter().map(|line| (*line).to_owned()).collect();
    for batch in lines.chunks(FORMS_A_SESSION).chain([mixed.as_slice()]) {
        script(&access, batch)?;
    }
    let mut terminal = access.terminal()?;
    terminal.expect("INFRA_FULL")?;
    for line in MIXED {
        terminal.line(&line.replace('\n', "'$'\\n''"))?;
    }
    terminal.line("echo all-$((40 + 2))-done")?;
    terminal.expect_within("all-42-done", wait::LONG)?;
    terminal.line("exit")?;
    terminal.wait()?;
    let seen = tracer.executed(warden, FIRST)?;
    let mut decisions = decided(&stage)?;
    let made: usize = decisions.values().map(Vec::len).sum();
    let undecided: Vec<String> = seen.iter().filter_map(|exec| without_decision(exec, &mut decisions)).collect();
    eprintln!("the kernel saw {} execs, {made} were decided to run", seen.len());
    let alerts = mixed_alerts(&stage)?;
    eprintln!("alerts of the mixed workload, but for a module that contradicts itself about id: {}", alerts.len());
    ensure!(alerts.is_empty(), "{alerts:?}");
    ensure!(undecided.is_empty(), "{} of {} execs:\n{}", undecided.len(), seen.len(), undecided.iter().take(20).cloned().collect::<Vec<_>>().join("\n"));
    ensure!(seen.len() > 1000, "the tracer saw {} execs only", seen.len());
    Ok(())
}
