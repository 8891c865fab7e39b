//! `ssh host < script`: lines from a pipe, judged one by one.
//!
//! As in bash, the script and what it runs share the input: it is read byte by byte, so that `cat` gets the lines after its
//! own. A line that is denied has status 126 and the script goes on, as after a command that failed; `set -e` ends it.

use super::{Front, FrontError};
use crate::engine::{Engine, Mode};
use crate::parse::Collector;
use crate::wait;
use portcullis_model::session::ExitStatus;
use rustix::fd::AsFd;
use rustix::io::fcntl_dupfd_cloexec;
use std::ffi::OsString;

/// Runs the session.
pub(super) fn run(mut front: Front, program: &str, environment: Vec<(OsString, OsString)>) -> Result<ExitStatus, FrontError> {
    let input = fcntl_dupfd_cloexec(std::io::stdin().as_fd(), 3)?;
    let mut engine = Engine::start(program, Mode::Script { input: fcntl_dupfd_cloexec(&input, 3)? }, environment)?;
    engine.ready(None, &mut front.keeper)?;
    let mut collector = Collector::default();
    let mut line = Vec::new();
    loop {
        let [more, said] = wait::readable([input.as_fd(), front.keeper.as_fd()], None)?;
        if said {
            front.keeper.pump()?;
            front.say_notices();
        }
        if !more {
            continue;
        }
        let mut byte = [0];
        match rustix::io::read(&input, &mut byte) {
            Ok(0) => break,
            Ok(_) => line.extend_from_slice(&byte),
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        if line.ends_with(b"\n") {
            let unit = collector.push(&line, &front.parser);
            line.clear();
            if let Some(unit) = unit {
                front.line(unit.strip_suffix(b"\n").unwrap_or(&unit), &mut engine, None)?;
            }
        }
    }
    let last = if line.is_empty() { None } else { collector.push(&line, &front.parser) };
    if let Some(unit) = last.or_else(|| collector.finish()) {
        front.line(&unit, &mut engine, None)?;
    }
    let status = engine.close()?;
    front.keeper.poll()?;
    front.say_notices();
    Ok(status)
}
