//! The request from inside a session: `request`, with what it lets an operator see, ask for, say and close.

use anyhow::{Context as _, Result, ensure};
use portcullis_tests::client::{Output, finish};
use portcullis_tests::stage::keygen;
use portcullis_tests::{Access, Stage, Terminal, wait};
use serde_json::Value;
use std::io::Read as _;
use std::time::{Duration, Instant};

const ACTION: &str = "INFRA_DIAG";

fn shell(access: &Access) -> Result<Terminal> {
    let mut terminal = access.terminal()?;
    terminal.expect(ACTION)?;
    Ok(terminal)
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The only amendment in this state, once there is one.
fn only(stage: &Stage, state: &str) -> Result<Value> {
    wait::until(&format!("one amendment that is {state}"), wait::LONG, || {
        let page = stage.json(&["request", "amendments", "--state", state]).ok()?;
        let [one] = page.get("items")?.as_array()?.as_slice() else { return None };
        Some(one.clone())
    })
    .with_context(|| stage.output())
}

fn decide(stage: &Stage, amendment: &str, args: &[&str]) -> Result<Output> {
    let mut cli = stage.cli(&["request", "decide", amendment]);
    cli.args(args);
    finish(cli)
}

fn recorded(stage: &Stage, wanted: &str) -> Result<()> {
    wait::until(&format!("{wanted} in a recording"), wait::LONG, || {
        let folders = std::fs::read_dir(stage.data().join("evidence")).ok()?.flatten();
        let read = |folder: std::fs::DirEntry| {
            let mut bytes = Vec::new();
            portcullis_recording::Source::open(&folder.path().join("recording")).ok()?.0.read_to_end(&mut bytes).ok()?;
            Some(bytes)
        };
        let mut recordings = folders.filter_map(read);
        recordings.any(|bytes| String::from_utf8_lossy(&bytes).contains(wanted)).then_some(())
    })
}

fn events(stage: &Stage, request: &str) -> Result<Vec<String>> {
    let shown = stage.json(&["request", "show", request])?;
    let history = shown.get("history").and_then(Value::as_array).context("no history")?;
    Ok(history.iter().map(|entry| format!("{} by {}", text(entry, "/event"), text(entry, "/by"))).collect())
}

#[test]
fn an_operator_sees_and_closes_the_request_from_inside() -> Result<()> {
    let stage = Stage::start()?;
    let access = stage.grant(ACTION)?;
    let shown = access.run("request")?;
    ensure!(shown.status == Some(0) && shown.stdout.contains(&access.request) && shown.stdout.contains("active") && shown.stdout.contains("sessions  1 running"), "{shown:?}");
    let wrong = access.run("request extend 1h")?;
    ensure!(wrong.status == Some(2) && wrong.stderr.contains("'1h' is too much"), "{wrong:?}");
    let helped = access.run("request help")?;
    ensure!(helped.status == Some(0) && helped.stdout.contains("request extend --for TIME"), "{helped:?}");
    let mut other = shell(&access)?;
    let mut terminal = shell(&access)?;
    terminal.line("request close 'disk 3 is replaced'")?;
    terminal.expect("session ended: the request was closed")?;
    terminal.wait()?;
    other.expect("session ended: the request was closed")?;
    other.wait()?;
    let request = stage.json(&["request", "show", &access.request])?;
    ensure!(text(&request, "/request/state") == "completed" && request.to_string().contains("disk 3 is replaced"), "{request}");
    ensure!(access.run("true")?.status == Some(255), "somebody got in");
    recorded(&stage, "\"wished\":{\"close\":{\"reason\":\"disk 3 is replaced\"")
}

#[test]
fn more_time_is_asked_for_approved_and_holds_over_the_old_end() -> Result<()> {
    let mut stage = Stage::start()?;
    let access = stage.grant_for(ACTION, "1m")?;
    let begun = Instant::now();
    let mut beside = shell(&access)?;
    let mut terminal = shell(&access)?;
    terminal.line("request extend --for 3h --reason the rebuild is slow")?;
    terminal.expect("extend by 3h waits for an approver")?;
    terminal.expect("Ctrl-C withdraws it")?;
    let open = only(&stage, "open")?;
    let id = text(&open, "/id").to_owned();
    ensure!(text(&open, "/reason") == "the rebuild is slow" && text(&open, "/by") == text(&open, "/operator") && !text(&open, "/session").is_empty(), "{open}");
    // an approver gives less, and not more
    let more = decide(&stage, &id, &["approve", "--for", "4h"])?;
    ensure!(more.status == Some(2) && more.stderr.contains("at most the 10800 seconds"), "{more:?}");
    let decided = decide(&stage, &id, &["approve", "--for", "2h", "--reason", "until the shift ends"])?;
    ensure!(decided.status == Some(0) && decided.stdout.contains("approved by approver: until the shift ends"), "{decided:?}");
    terminal.expect("approver approved 2h more: until the shift ends")?;
    terminal.expect("2h00m")?;
    beside.expect("this access was extended: it ends at")?;
    beside.expect("2h00m")?;
    let again = decide(&stage, &id, &["approve"])?;
    ensure!(again.status == Some(1) && again.stderr.contains("it is approved already"), "{again:?}");
    let history = events(&stage, &access.request)?;
    ensure!(history.ends_with(&["propose by operator0".to_owned(), "extend by approver".to_owned()]), "{history:?}");
    let deployed = || stage.json(&["request", "show", &access.request]).ok().filter(|request| text(request, "/grants/0/deployment") == "deployed");
    wait::until("the longer grant to be deployed", wait::LONG, deployed)?;
    recorded(&stage, "\"extended\":{\"end\":")?;
    // the old end is over: nothing has ended, neither here nor in the books, nor by a warden that starts anew
    wait::until("the old end to be over", Duration::from_secs(90), || (begun.elapsed() > Duration::from_secs(64)).then_some(()))?;
    terminal.line("echo still-$((40+2))")?;
    terminal.expect("still-42")?;
    ensure!(access.run("request")?.stdout.contains("active"), "the request is over");
    stage.restart()?;
    let after = access.run("echo again-$((40+2))")?;
    ensure!(after.stdout.contains("again-42"), "{after:?}\n{}", stage.output());
    Ok(())
}

#[test]
fn what_is_declined_withdrawn_or_too_much_changes_nothing() -> Result<()> {
    let stage = Stage::start()?;
    let access = stage.grant(ACTION)?;
    let end = text(&stage.json(&["request", "show", &access.request])?, "/request/not_after").to_owned();
    let too_long = access.run("request extend --for 24h")?;
    ensure!(too_long.status == Some(1) && too_long.stderr.contains("86400 s is the longest"), "{too_long:?}");
    let mut terminal = shell(&access)?;
    terminal.line("request extend --for 1h")?;
    terminal.expect("waits for an approver")?;
    let withdrawn = text(&only(&stage, "open")?, "/id").to_owned();
    terminal.send("\x03")?;
    terminal.expect("withdrawn, unless an approver was faster")?;
    terminal.expect("[130]")?;
    only(&stage, "retracted")?;
    let late = decide(&stage, &withdrawn, &["approve"])?;
    ensure!(late.status == Some(1) && late.stderr.contains("it is retracted already"), "{late:?}");
    terminal.line("request extend --for 1h")?;
    terminal.expect("waits for an approver")?;
    let declined = text(&only(&stage, "open")?, "/id").to_owned();
    let decided = decide(&stage, &declined, &["reject", "--reason", "go home"])?;
    ensure!(decided.status == Some(0), "{decided:?}");
    terminal.expect("request: approver said no: go home")?;
    terminal.expect("[1]")?;
    let after = stage.json(&["request", "show", &access.request])?;
    ensure!(text(&after, "/request/not_after") == end, "{after}");
    // an operator's token decides nothing
    let operator = finish({
        let mut cli = stage.cli(&["request", "decide", &declined, "approve"]);
        cli.arg("--token-file").arg(stage.data().join("controller/tokens/operator"));
        cli
    })?;
    ensure!(operator.status == Some(3), "{operator:?}");
    // what is open at the request's end lapses, and who waits goes with it
    terminal.line("request extend --for 1h")?;
    terminal.expect("waits for an approver")?;
    let open = text(&only(&stage, "open")?, "/id").to_owned();
    stage.revoke(&access)?;
    terminal.wait()?;
    let lapsed = stage.json(&["request", "amendment", &open])?;
    ensure!(text(&lapsed, "/state") == "lapsed" && text(&lapsed, "/decided_by") == "system", "{lapsed}");
    ensure!(decide(&stage, &open, &["approve"])?.status == Some(1), "a request that is over was extended");
    Ok(())
}

#[test]
fn another_operator_is_let_in_beside_the_first_and_leaves_with_the_first() -> Result<()> {
    let stage = Stage::start()?;
    // somebody whose key an approver knows
    let known = stage.grant(ACTION)?;
    stage.revoke(&known)?;
    let access = stage.grant(ACTION)?;
    let mut terminal = shell(&access)?;
    terminal.line("request share nobody")?;
    terminal.expect("no key of nobody was approved before")?;
    terminal.line("request share operator1")?;
    terminal.expect("operator1 has access under this request already")?;
    // a key of a request that was revoked is not known any more: it is given
    let key = stage.folder().join("bob");
    keygen(&key, "ed25519", &[])?;
    let public = std::fs::read_to_string(key.with_extension("pub"))?;
    let line = public.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    terminal.line(&format!("request share bob --key '{line}' --reason knows the cells"))?;
    terminal.expect("waits for an approver")?;
    let open = only(&stage, "open")?;
    ensure!(text(&open, "/kind/share/operator") == "bob" && text(&open, "/kind/share/public_key") == line, "{open}");
    let decided = decide(&stage, text(&open, "/id"), &["approve", "--reason", "fine"])?;
    ensure!(decided.status == Some(0), "{decided:?}\n{}", stage.output());
    terminal.expect("bob logs in as op-")?;
    let shared = text(&only(&stage, "approved")?, "/shared_as").to_owned();
    let account = wait::until("bob's grant to be deployed", wait::LONG, || {
        let request = stage.json(&["request", "show", &shared]).ok()?;
        (text(&request, "/grants/0/deployment") == "deployed").then(|| text(&request, "/request/account").to_owned())
    })?;
    ensure!(account != access.account, "one account for two");
    let bob = Access { request: shared.clone(), account, key, ..access.clone() };
    // neither key opens the other's account
    ensure!(Access { key: access.key.clone(), ..bob.clone() }.run("true")?.status == Some(255), "alice's key opens bob's account");
    ensure!(Access { key: bob.key.clone(), ..access.clone() }.run("true")?.status == Some(255), "bob's key opens alice's account");
    let status = bob.run("request")?;
    ensure!(status.stdout.contains(&format!("shared    from {}", access.request)) && status.stdout.contains("bob"), "{status:?}");
    let further = bob.run("request share carol")?;
    ensure!(further.status == Some(1) && further.stderr.contains("was shared itself"), "{further:?}");
    let longer = bob.run("request extend --for 1h")?;
    ensure!(longer.status == Some(1) && longer.stderr.contains("ends with the one that it was shared from"), "{longer:?}");
    // more time for the first is more time for the second
    let mut beside = shell(&bob)?;
    terminal.line("request extend --for 1h")?;
    terminal.expect("waits for an approver")?;
    decide(&stage, text(&only(&stage, "open")?, "/id"), &["approve"])?;
    beside.expect("this access was extended: it ends at")?;
    let request = stage.json(&["request", "show", &access.request])?;
    let of_bob = stage.json(&["request", "show", &shared])?;
    let end = |request: &Value| request.pointer("/request/not_after").and_then(Value::as_u64).unwrap_or_default();
    ensure!(end(&of_bob) <= end(&request) && end(&request) - end(&of_bob) < 1000, "{} {}", end(&request), end(&of_bob));
    // and the end of the first the end of the second
    let ended = stage.revoke(&access)?;
    ensure!(ended.survivors == 0, "{ended:?}");
    beside.expect("session ended: access was revoked")?;
    beside.wait()?;
    ensure!(bob.run("true")?.status == Some(255), "bob is still there");
    ensure!(text(&stage.json(&["request", "show", &shared])?, "/request/state") == "revoked", "bob's request is not revoked");
    Ok(())
}

#[test]
fn a_key_that_was_approved_before_need_not_be_given() -> Result<()> {
    let stage = Stage::start()?;
    let known = stage.grant(ACTION)?;
    let access = stage.grant(ACTION)?;
    let mut terminal = shell(&access)?;
    terminal.line("request share operator0")?;
    terminal.expect(&format!("(as approved in {})", known.request))?;
    // nobody is let in by the one whom it is for: there is no approver of that name, and the first operator is none
    let open = text(&only(&stage, "open")?, "/id").to_owned();
    ensure!(decide(&stage, &open, &["reject"])?.status == Some(2), "no reason was asked for");
    decide(&stage, &open, &["approve"])?;
    terminal.expect("operator0 logs in as op-")?;
    let shared = text(&only(&stage, "approved")?, "/shared_as").to_owned();
    let account = wait::until("the grant to be deployed", wait::LONG, || {
        let request = stage.json(&["request", "show", &shared]).ok()?;
        (text(&request, "/grants/0/deployment") == "deployed").then(|| text(&request, "/request/account").to_owned())
    })?;
    let other = Access { request: shared, account, ..known };
    let mut beside = shell(&other)?;
    // who was let in leaves alone
    beside.line("request close that was all")?;
    beside.expect("session ended: the request was closed")?;
    beside.wait()?;
    terminal.line("echo still-$((40+2))")?;
    terminal.expect("still-42")?;
    Ok(())
}

#[test]
fn operators_and_approvers_talk_to_each_other() -> Result<()> {
    let stage = Stage::start()?;
    let access = stage.grant(ACTION)?;
    let mut terminal = shell(&access)?;
    terminal.line("request message which of the two fans is it?")?;
    terminal.expect("can read it; what they answer is shown here")?;
    let read = finish(stage.cli(&["request", "messages", &access.request]))?;
    ensure!(read.stdout.contains("operator0 (operator) in s-") && read.stdout.contains("which of the two fans is it?"), "{read:?}");
    let said = finish(stage.cli(&["request", "say", &access.request, "the left one"]))?;
    ensure!(said.status == Some(0) && said.stdout.contains("approver (approver): the left one"), "{said:?}");
    terminal.expect("approver says: the left one")?;
    // at the prompt as while something runs: it does not wait for the next line
    terminal.line("sleep 60")?;
    stage.json(&["request", "say", &access.request, "and do not touch the right one"])?;
    terminal.send("\x03")?;
    terminal.expect("approver says: and do not touch the right one")?;
    let inside = access.run("request messages")?;
    ensure!(inside.stdout.lines().count() == 3 && inside.stdout.contains("approver (approver), 0s ago: the left one"), "{inside:?}");
    // what would steer a terminal is not taken
    let steering = finish(stage.cli(&["request", "say", &access.request, "a\u{1b}[2Jb"]))?;
    ensure!(steering.status == Some(2), "{steering:?}");
    recorded(&stage, "\"noted\":{\"message\":{\"by\":\"approver\",\"text\":\"the left one\"")?;
    recorded(&stage, "\"wished\":{\"message\":{\"text\":\"which of the two fans is it?\"")
}
