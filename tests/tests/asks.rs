//! Questions to people: a session waits for an approver's answer, and does what it says.
#![expect(clippy::indexing_slicing, reason = "a test")]

use anyhow::{Context as _, Result, ensure};
use portcullis_tests::client::finish;
use portcullis_tests::stage::{keygen, processes_with, signal};
use portcullis_tests::{Access, Stage, StageOptions, Terminal, wait};
use serde_json::Value;
use std::io::Read as _;
use std::process::{Child, Stdio};

const ACTION: &str = "INFRA_HYPERVISOR";

/// A stage whose INFRA_HYPERVISOR has people asked about what has `ASK` among its arguments.
fn stage() -> Result<Stage> {
    Stage::with(&StageOptions::from_environment()?.with_canary()?)
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn questions(stage: &Stage, state: &str) -> Result<Vec<Value>> {
    let page = stage.json(&["request", "questions", "--state", state, "--limit", "200"])?;
    page.get("items").and_then(Value::as_array).cloned().context("no list")
}

fn open(stage: &Stage, count: usize) -> Result<Vec<Value>> {
    wait::until(&format!("{count} open questions"), wait::LONG, || questions(stage, "open").ok().filter(|open| open.len() == count)).with_context(|| stage.output())
}

fn only_open(stage: &Stage) -> Result<String> {
    Ok(text(&open(stage, 1)?[0], "/asked/id").to_owned())
}

fn answer(stage: &Stage, id: &str, answer: &str, reason: &str) -> Result<Value> {
    let given = finish({
        let mut cli = stage.cli(&["request", "answer", id, answer, "--json"]);
        cli.args(["--reason", reason]);
        cli
    })?;
    ensure!(given.status == Some(0), "{given:?}\n{}", stage.output());
    Ok(serde_json::from_str(&given.stdout)?)
}

/// How a question ended, once it has.
fn end(stage: &Stage, id: &str) -> Result<String> {
    wait::until("the question's end", wait::LONG, || {
        let question = stage.json(&["request", "question", id]).ok()?;
        question.get("end")?.as_str().map(str::to_owned)
    })
}

fn start(access: &Access, command: &str) -> Result<Child> {
    Ok(access.ssh(&[], &[command]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?)
}

fn finished(child: Child) -> Result<(Option<i32>, String, String)> {
    let output = child.wait_with_output()?;
    Ok((output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned()))
}

fn shell(access: &Access) -> Result<Terminal> {
    let mut terminal = access.terminal()?;
    terminal.expect(ACTION)?;
    Ok(terminal)
}

/// What the recordings say, all of it.
fn recorded(stage: &Stage) -> Result<String> {
    let mut all = String::new();
    for folder in std::fs::read_dir(stage.data().join("evidence"))?.flatten() {
        let mut bytes = Vec::new();
        portcullis_recording::Source::open(&folder.path().join("recording"))?.0.read_to_end(&mut bytes)?;
        all.push_str(&String::from_utf8_lossy(&bytes));
    }
    Ok(all)
}

#[test]
fn a_program_waits_and_runs_once_it_is_approved() -> Result<()> {
    let stage = stage()?;
    let access = stage.grant(ACTION)?;
    let waiting = start(&access, "/bin/echo ran-$((40+2)) ASK; echo after")?;
    let id = only_open(&stage)?;
    let question = stage.json(&["request", "question", &id])?;
    ensure!(text(&question, "/asked/ask/prompt") == "may this be run?" && question.to_string().contains("ran-42"), "{question}");
    let shown = finish(stage.cli(&["request", "question", &id]))?;
    ensure!(shown.stdout.contains("ran-42 ASK") && shown.stdout.contains("/usr/bin/echo"), "{shown:?}");
    ensure!(answer(&stage, &id, "approve", "fine by me")?["end"] == "went-on");
    let (status, stdout, stderr) = finished(waiting)?;
    ensure!((status, stdout.as_str()) == (Some(0), "ran-42 ASK\nafter\n"), "{status:?} {stdout} {stderr}");
    ensure!(stderr.contains("waits for an approval: may this be run?") && stderr.contains(&id) && stderr.contains("the request's approvers"), "{stderr}");
    let record = recorded(&stage)?;
    for wanted in ["\"asked\"", "\"answered\"", "fine by me", &id] {
        ensure!(record.contains(wanted), "{wanted} is not in the recording");
    }
    // an answer is for one question, once
    let again = finish(stage.cli(&["request", "answer", &id, "approve"]))?;
    ensure!(again.status == Some(1) && again.stderr.contains("answered it already"), "{again:?}");
    Ok(())
}

#[test]
fn what_is_rejected_does_not_run_and_the_operator_reads_why() -> Result<()> {
    let stage = stage()?;
    let access = stage.grant(ACTION)?;
    let waiting = start(&access, "/bin/echo ran ASK")?;
    let id = only_open(&stage)?;
    answer(&stage, &id, "reject", "not on a Friday")?;
    let (status, stdout, stderr) = finished(waiting)?;
    ensure!(status == Some(126) && stdout.is_empty(), "{status:?} {stdout} {stderr}");
    ensure!(stderr.contains("rule not-approved") && stderr.contains("not on a Friday") && stderr.contains("denied by approver"), "{stderr}");
    ensure!(questions(&stage, "over")?.len() == 1, "a search along PATH asks again");
    Ok(())
}

#[test]
fn an_approved_line_covers_what_it_says_once() -> Result<()> {
    let stage = stage()?;
    let access = stage.grant(ACTION)?;
    let mut terminal = shell(&access)?;
    terminal.line("/bin/echo ASK-LINE one-$((1+1))")?;
    terminal.expect("this line waits for an approval")?;
    let line = only_open(&stage)?;
    answer(&stage, &line, "approve", "")?;
    // nobody could read the value of a dynamic word in the line: that is a question of its own
    terminal.expect("a program waits for an approval")?;
    let exec = only_open(&stage)?;
    answer(&stage, &exec, "approve", "")?;
    terminal.expect("ASK-LINE one-2")?;
    terminal.line("/bin/echo ASK-LINE two; /bin/echo ASK-LINE three")?;
    terminal.expect("this line waits for an approval")?;
    answer(&stage, &only_open(&stage)?, "approve", "")?;
    terminal.expect("ASK-LINE two")?;
    terminal.expect("ASK-LINE three")?;
    terminal.line("for i in 1 2; do /bin/echo ASK-LINE again; done")?;
    terminal.expect("this line waits for an approval")?;
    answer(&stage, &only_open(&stage)?, "approve", "")?;
    terminal.expect("a program waits for an approval")?;
    answer(&stage, &only_open(&stage)?, "reject", "once is enough")?;
    terminal.expect("once is enough")?;
    terminal.line("exit")?;
    terminal.wait()?;
    Ok(())
}

#[test]
fn ctrl_c_withdraws_a_line_and_a_program() -> Result<()> {
    let stage = stage()?;
    let access = stage.grant(ACTION)?;
    let mut terminal = shell(&access)?;
    terminal.line("/bin/echo ASK-LINE never")?;
    terminal.expect("Ctrl-C withdraws it")?;
    let line = only_open(&stage)?;
    terminal.send("\x03")?;
    terminal.expect("the line was withdrawn")?;
    ensure!(end(&stage, &line)? == "withdrawn");
    terminal.line("/bin/echo ASK never")?;
    terminal.expect("a program waits for an approval")?;
    let exec = only_open(&stage)?;
    terminal.send("\x03")?;
    ensure!(end(&stage, &exec)? == "withdrawn");
    for id in [line, exec] {
        let late = finish(stage.cli(&["request", "answer", &id, "approve"]))?;
        ensure!(late.status == Some(1) && late.stderr.contains("over: withdrawn"), "{late:?}");
    }
    terminal.line("echo status-$?; echo alive-$((20+2))")?;
    terminal.expect("alive-22")?;
    ensure!(!terminal.rest().contains("ASK never\r\nASK"), "it ran");
    terminal.line("exit")?;
    terminal.wait()?;
    Ok(())
}

#[test]
fn a_question_lapses() -> Result<()> {
    let stage = stage()?;
    let access = stage.grant(ACTION)?;
    let output = access.run("/bin/echo ran ASK-BRIEFLY")?;
    ensure!(output.status == Some(126) && output.stdout.is_empty() && output.stderr.contains("nobody answered in time"), "{output:?}");
    let over = questions(&stage, "over")?;
    ensure!(over.len() == 1);
    ensure!(end(&stage, text(&over[0], "/asked/id"))? == "lapsed");
    Ok(())
}

#[test]
fn only_who_was_asked_answers_and_never_the_operator() -> Result<()> {
    let stage = stage()?;
    let access = stage.grant(ACTION)?;
    let mut waiting = start(&access, "/bin/echo ran ASK-BO")?;
    let id = only_open(&stage)?;
    let others = finish(stage.cli(&["request", "answer", &id, "approve"]))?;
    ensure!(others.status == Some(3) && others.stderr.contains("put to others by name"), "{others:?}");
    for role in ["operator", "policy-admin", "auditor"] {
        let token = stage.data().join("controller/tokens").join(role);
        let token = token.to_str().context("a path")?;
        let refused = finish(stage.cli(&["request", "answer", &id, "approve", "--token-file", token]))?;
        ensure!(refused.status == Some(3), "{role}: {refused:?}");
    }
    ensure!(questions(&stage, "open")?.len() == 1);
    waiting.kill()?;
    finished(waiting)?;
    // the client has gone, and its session with it
    ensure!(end(&stage, &id)? == "session-ended");
    Ok(())
}

#[test]
fn revoke_does_not_wait_for_an_answer() -> Result<()> {
    let stage = stage()?;
    let access = stage.grant(ACTION)?;
    let mut terminal = shell(&access)?;
    terminal.line("/bin/echo ASK never")?;
    terminal.expect("a program waits for an approval")?;
    let id = only_open(&stage)?;
    let receipt = stage.revoke(&access)?;
    ensure!(receipt.survivors == 0 && receipt.killed >= 1, "{receipt:?}");
    terminal.wait()?;
    ensure!(end(&stage, &id)? == "session-ended");
    let late = finish(stage.cli(&["request", "answer", &id, "approve"]))?;
    ensure!(late.status == Some(1), "{late:?}");
    Ok(())
}

#[test]
fn a_policy_swap_refuses_what_waits() -> Result<()> {
    let folder = tempfile::Builder::new().prefix("portcullis-admin-").tempdir()?;
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    keygen(&folder.path().join("admin"), "ed25519", &[])?;
    let admins = folder.path().join("admins");
    std::fs::copy(folder.path().join("admin.pub"), &admins)?;
    std::fs::set_permissions(&admins, std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    let mut options = StageOptions::from_environment()?.with_canary()?;
    options.extra_config += &format!("\n[policy]\nadmins = '{}'\n", admins.display());
    let stage = Stage::with(&options)?;
    let access = stage.grant(ACTION)?;
    let waiting = start(&access, "/bin/echo ran ASK")?;
    let id = only_open(&stage)?;
    // the same module under another digest: with a section that nobody reads
    let shipped = std::fs::read(stage.folder().join("modules/INFRA_HYPERVISOR.cps.wasm"))?;
    let path = folder.path().join("second.wasm");
    std::fs::write(&path, [&shipped, &[0, 7, 6][..], b"second"].concat())?;
    let key = folder.path().join("admin");
    let (path, key) = (path.to_str().context("a path")?, key.to_str().context("a path")?);
    let pushed = stage.json(&["policy", "push", path, "--key", key, "--untested", "a test"])?;
    let digest = pushed.pointer("/policy/digest").or_else(|| pushed.get("digest")).and_then(Value::as_str).with_context(|| pushed.to_string())?;
    let activated = finish(stage.cli(&["policy", "activate", digest]))?;
    ensure!(activated.status == Some(0), "{activated:?}");
    let (status, stdout, stderr) = finished(waiting)?;
    ensure!(status == Some(126) && stdout.is_empty() && stderr.contains("the policy was replaced while people were asked"), "{status:?} {stdout} {stderr}");
    ensure!(end(&stage, &id)? == "policy-changed");
    Ok(())
}

#[test]
fn a_session_has_a_bounded_number_of_questions_open() -> Result<()> {
    let stage = stage()?;
    let access = stage.grant(ACTION)?;
    let mut terminal = shell(&access)?;
    terminal.line("for i in $(seq 200); do /bin/echo n-$i ASK & done; wait; echo all-d'o'ne")?;
    let refused = || recorded(&stage).map(|record| record.matches("this session has 16 questions open already").count());
    wait::until("184 refusals", wait::LONG, || refused().ok().filter(|refused| *refused == 200 - 16))?;
    let open = open(&stage, 16)?;
    for (number, question) in open.iter().enumerate() {
        answer(&stage, text(question, "/asked/id"), if number % 2 == 0 { "approve" } else { "reject" }, "by number")?;
    }
    terminal.expect_within("all-done", wait::LONG)?;
    ensure!(questions(&stage, "open")?.is_empty());
    let over = questions(&stage, "over")?;
    ensure!(over.len() == 16 && over.iter().filter(|question| question["end"] == "went-on").count() == 8, "{over:?}");
    terminal.line("exit")?;
    terminal.wait()?;
    Ok(())
}

#[test]
fn two_hundred_questions_of_many_sessions_each_get_their_own_answer() -> Result<()> {
    let stage = stage()?;
    let grants = [stage.grant(ACTION)?, stage.grant(ACTION)?];
    let mut sessions = Vec::new();
    for number in 0..20 {
        let command = format!("for i in 1 2 3 4 5 6 7 8 9 10; do /bin/echo s{number}-$i ASK & done; wait");
        sessions.push((number, start(&grants[number % 2], &command)?));
    }
    let open = open(&stage, 200)?;
    for question in &open {
        // the last argument but one says which it is: even ones may
        let name = text(question, "/asked/subject/Exec/argv/1");
        let even = name.bytes().last().is_some_and(|digit| digit % 2 == 0);
        answer(&stage, text(question, "/asked/id"), if even { "approve" } else { "reject" }, "by number")?;
    }
    for (number, session) in sessions {
        let (_, stdout, stderr) = finished(session)?;
        let mut ran: Vec<&str> = stdout.lines().collect();
        ran.sort_unstable();
        let mut expected: Vec<String> = [2, 4, 6, 8, 10].map(|i| format!("s{number}-{i} ASK")).to_vec();
        expected.sort_unstable();
        ensure!(ran == expected, "{ran:?} {stderr}");
    }
    ensure!(questions(&stage, "over")?.len() == 200);
    Ok(())
}

#[test]
fn without_a_controller_nobody_can_be_asked() -> Result<()> {
    let stage = stage()?;
    let access = stage.grant(ACTION)?;
    let mut terminal = shell(&access)?;
    let controller = processes_with(&format!("portcullis controller --config {}", stage.folder().display())).into_iter().next().context("no controller")?;
    signal(controller, rustix::process::Signal::STOP)?;
    terminal.line("/bin/echo ASK never")?;
    let told = terminal.expect_within("the controller cannot be reached", 2 * wait::LONG);
    signal(controller, rustix::process::Signal::CONT)?;
    told?;
    terminal.line("echo alive-$((20+2))")?;
    terminal.expect("alive-22")?;
    terminal.line("exit")?;
    terminal.wait()?;
    Ok(())
}
