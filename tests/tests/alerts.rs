//! Alerts: what the accepted lines do not explain is told at once, with who called it, and everyday work raises none.

use anyhow::{Context as _, Result, ensure};
use portcullis_tests::client::finish;
use portcullis_tests::{Access, Stage, StageOptions, wait};
use serde_json::Value;
use std::io::Read as _;
use std::path::Path;

/// A stage whose INFRA_FULL allows every line that has not the word FORBIDDEN in it, and every program but `/usr/bin/id`.
fn stage() -> Result<(Stage, Access)> {
    let stage = Stage::with(&StageOptions::from_environment()?.with_canary()?)?;
    let access = stage.grant("INFRA_FULL")?;
    Ok((stage, access))
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn alerts(stage: &Stage) -> Result<Vec<Value>> {
    let page = stage.json(&["alert", "list", "--since", "1h", "--limit", "200"])?;
    page.get("items").and_then(Value::as_array).cloned().context("no list")
}

/// What is in an alert under the name of its kind, if it is of that kind.
fn kind<'a>(alert: &'a Value, name: &str) -> Option<&'a Value> {
    let kind = alert.pointer("/alert/kind")?;
    if kind == name { Some(kind) } else { kind.get(name) }
}

fn of_kind(stage: &Stage, name: &str) -> Result<Value> {
    let find = || alerts(stage).ok()?.into_iter().find(|alert| kind(alert, name).is_some());
    wait::until(&format!("an alert that is {name}"), wait::LONG, find).with_context(|| format!("{:?}\n{}", alerts(stage), stage.output()))
}

fn chain(alert: &Value) -> Vec<String> {
    let chain = alert.pointer("/alert/chain").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    chain.iter().map(|one| text(one, "/exe").to_owned()).collect()
}

#[test]
fn a_program_that_no_accepted_line_names_is_an_alert() -> Result<()> {
    let (stage, access) = stage()?;
    // bash runs what is in the index of an array, when the variable is read as a number: in no analysis of the line
    let smuggled = access.run("x='a[$(whoami >&2)0]'; echo $((x)); true")?;
    ensure!(smuggled.stderr.contains(&access.account), "{smuggled:?}");
    let alert = of_kind(&stage, "unexplained")?;
    ensure!(text(&alert, "/alert/exec/path") == "/usr/bin/whoami" && text(&alert, "/text") == "no accepted line names it", "{alert}");
    let chain = chain(&alert);
    ensure!(chain.iter().any(|exe| exe.ends_with("/bash")) && chain.last().is_some_and(|exe| exe == "/run/portcullis/shell"), "{alert}");
    let session = text(&alert, "/alert/session").to_owned();
    let shown = finish(stage.cli(&["session", "show", &session]))?;
    ensure!(shown.stdout.contains("unexplained: /usr/bin/whoami, called by"), "{shown:?}");
    let listed = finish(stage.cli(&["alert", "list", "--session", &session]))?;
    ensure!(listed.stdout.lines().count() == 1 && listed.stdout.contains("/usr/bin/whoami"), "{listed:?}");
    let mut recording = Vec::new();
    portcullis_recording::Source::open(&stage.data().join("evidence").join(&session).join("recording"))?.0.read_to_end(&mut recording)?;
    ensure!(String::from_utf8_lossy(&recording).contains("\"alert\":{\"session\""), "it is not in the recording");
    // who works does not read what was noticed
    let operator = finish({
        let mut cli = stage.cli(&["alert", "list"]);
        cli.arg("--token-file").arg(stage.data().join("controller/tokens/operator"));
        cli
    })?;
    ensure!(operator.status == Some(3), "{operator:?}");
    Ok(())
}

#[test]
fn what_is_allowed_as_a_line_and_refused_as_an_exec_is_an_alert() -> Result<()> {
    let (stage, access) = stage()?;
    ensure!(access.run("id -u")?.status != Some(0), "the canary ran");
    let alert = of_kind(&stage, "contradicted")?;
    ensure!(text(&alert, "/alert/kind/contradicted/rule") == "canary" && text(&alert, "/alert/exec/path") == "/usr/bin/id", "{alert}");
    // a program's own children are judged for themselves, and a line whose words are not known promises nothing
    access.run("env id -u; x=id; $x -u")?;
    access.run("echo over")?;
    ensure!(alerts(&stage)?.len() == 1, "{:?}", alerts(&stage)?);
    Ok(())
}

#[test]
fn a_kill_after_the_fact_is_an_alert_with_who_called_it() -> Result<()> {
    let (stage, access) = stage()?;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("attacks");
    let read = |name: &str| std::fs::read_to_string(folder.join(format!("{name}.py")));
    let script = format!("ROUNDS = 200\nEVIDENCE = ''\n{}\n{}", read("prelude")?, read("argv_race")?);
    let output = access.run_with_input(&["/usr/bin/python3 -"], script.as_bytes())?;
    ensure!(output.stdout.contains("HELD"), "{output:?}");
    let alert = of_kind(&stage, "killed")?;
    ensure!(text(&alert, "/text").contains("other arguments"), "{alert}");
    ensure!(chain(&alert).iter().any(|exe| exe.contains("python3")) && chain(&alert).last().is_some_and(|exe| exe == "/run/portcullis/shell"), "{alert}");
    Ok(())
}

#[test]
fn a_session_cannot_flood() -> Result<()> {
    let (stage, access) = stage()?;
    access.run("for i in $(seq 300); do id -u; done 2> /dev/null; true")?;
    let last = of_kind(&stage, "suppressed")?;
    let all = alerts(&stage)?;
    ensure!((20..60).contains(&all.len()), "{} alerts", all.len());
    let not_told: u64 = all.iter().filter_map(|alert| alert.pointer("/alert/suppressed").and_then(Value::as_u64)).sum();
    ensure!(not_told as usize + all.len() == 301, "{} told, {not_told} not: {last}", all.len());
    Ok(())
}

#[test]
fn everyday_work_raises_no_alert() -> Result<()> {
    let (stage, access) = stage()?;
    let mut terminal = access.terminal()?;
    terminal.expect("INFRA_FULL")?;
    for line in [
        "ls -la / | head -3; cat /etc/hostname | wc -c",
        "for f in /etc/p*; do test -r $f && basename $f; done > /dev/null",
        "f() { grep -c root /etc/passwd; date +%s; }; f; (f; f) | sort | uniq > /dev/null",
        "sleep 0.3 && echo later-$((40 + 2)) &",
        "find /etc -maxdepth 1 -name 'h*' -exec stat -c %n {} ';' > /dev/null",
        "seq 20 | xargs -P 4 -n 1 sh -c 'true; env true' ; nice -n 1 bash -c 'uname -a; whoami' > /dev/null",
        "x=uname; $x -r > /dev/null; eval 'nproc'; alias ll='ls -l'; trap 'tty' EXIT",
        "command -p true; exec 3>&1; python3 -c 'import subprocess; subprocess.run([\"true\"])'; no-such-program",
        "(setsid sh -c 'sleep 0.2; true' &); diff <(seq 3) <(seq 4) > /dev/null; cat <<< here; wait",
    ] {
        terminal.line(line)?;
    }
    terminal.expect("later-42")?;
    terminal.line("echo all-$((40 + 2))-done")?;
    terminal.expect("all-42-done")?;
    terminal.line("exit")?;
    terminal.wait()?;
    access.run("uname; ls / | wc -l")?;
    wait::until("the sessions to be over", wait::LONG, || stage.sessions().ok()?.iter().all(|session| text(session, "/state") == "ended").then_some(()))?;
    ensure!(alerts(&stage)?.is_empty(), "{:?}", alerts(&stage)?);
    Ok(())
}
