//! The request from inside a session: `request`, `request close`.

use anyhow::{Result, ensure};
use portcullis_tests::{Stage, wait};

#[test]
fn an_operator_sees_and_closes_the_request_from_inside() -> Result<()> {
    let stage = Stage::start()?;
    let access = stage.grant("INFRA_DIAG")?;
    let shown = access.run("request")?;
    ensure!(shown.status == Some(0) && shown.stdout.contains(&access.request) && shown.stdout.contains("active") && shown.stdout.contains("sessions  1 running"), "{shown:?}");
    let helped = access.run("request extend 1h")?;
    ensure!(helped.status == Some(2) && helped.stderr.contains("request close REASON"), "{helped:?}");
    let mut other = access.terminal()?;
    other.expect("INFRA_DIAG")?;
    let mut terminal = access.terminal()?;
    terminal.expect("INFRA_DIAG")?;
    terminal.line("request close 'disk 3 is replaced'")?;
    terminal.expect("session ended: the request was closed")?;
    terminal.wait()?;
    other.expect("session ended: the request was closed")?;
    other.wait()?;
    let request = stage.json(&["request", "show", &access.request])?;
    let text = request.to_string();
    ensure!(request.pointer("/request/state").is_some_and(|state| state == "completed") && text.contains("disk 3 is replaced"), "{text}");
    ensure!(access.run("true")?.status == Some(255), "somebody got in");
    wait::until("the recordings", wait::LONG, || {
        let folders = std::fs::read_dir(stage.data().join("evidence")).ok()?.flatten();
        let recordings = folders.filter_map(|folder| std::fs::read(folder.path().join("recording")).ok());
        recordings.into_iter().any(|bytes| String::from_utf8_lossy(&bytes).contains("\"wished\":{\"close\":{\"reason\":\"disk 3 is replaced\"")).then_some(())
    })
}
