//! Every way that a shell knows to start a program, with the whole product in between. Each form runs a program that the
//! policy allows, so the operator's shell is a whole one; and the same form with the program that the policy forbids does not.
#![expect(clippy::print_stderr, reason = "what is skipped is said aloud")]

use anyhow::{Result, ensure};
use portcullis_tests::client::finish;
use portcullis_tests::{Access, Output, Stage, StageOptions, forms};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

fn run(access: &Access, form: &str, program: &str) -> Result<Output> {
    let line = forms::line(form, program);
    let ssh = access.ssh(&[], &[&line]);
    let mut bounded = Command::new("timeout");
    bounded.arg("60").arg(ssh.get_program()).args(ssh.get_args()).stdin(Stdio::null());
    let output = finish(bounded)?;
    ensure!(output.status != Some(124), "{form:?} with {program} does not end: {}", output.all());
    Ok(output)
}

/// What is wrong with a form, if anything is.
fn wrong(access: &Access, form: &str, runs: bool) -> Result<Option<String>> {
    if !forms::there(form) {
        eprintln!("SKIPPED: {form:?}: its program is not on this machine");
        return Ok(None);
    }
    let allowed = run(access, form, "whoami")?;
    let forbidden = run(access, form, "id")?;
    // on a line of its own where nothing is to run: a message may name a file of the account's
    let ran = if runs { allowed.all().contains(&access.account) } else { allowed.all().lines().any(|line| line == access.account) };
    if forbidden.all().contains("uid=") {
        return Ok(Some(format!("{form:?} RAN THE FORBIDDEN PROGRAM: {}", forbidden.all())));
    }
    Ok((ran != runs).then(|| format!("{form:?} with an allowed program: {}", allowed.all())))
}

#[test]
fn every_form_runs_what_is_allowed_and_nothing_else() -> Result<()> {
    let stage = Stage::with(&StageOptions::from_environment()?.with_canary()?)?;
    let access = stage.grant("INFRA_FULL")?;
    let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let all: Vec<(&str, bool)> = forms::FORMS.iter().map(|form| (*form, true)).chain(forms::REFUSED.iter().map(|form| (*form, false))).collect();
    std::thread::scope(|scope| {
        let work = || {
            while let Some((form, runs)) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                let outcome = wrong(&access, form, *runs).unwrap_or_else(|error| Some(format!("{error:#}")));
                found.lock().unwrap().extend(outcome);
            }
        };
        for _ in 0..4 {
            scope.spawn(work);
        }
    });
    let found = found.into_inner().unwrap();
    ensure!(found.is_empty(), "{} of {}:\n{}", found.len(), all.len(), found.join("\n"));
    Ok(())
}
