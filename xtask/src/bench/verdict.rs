//! What a verdict costs: one question about `ls -l /var/log` to the running judge, over its own socket, each answered by a
//! fresh instance of the shipped INFRA_DIAG. The peers are the same rules compiled for this machine, called directly, and
//! messages of the same length to another process and back, which is what asking another process costs before any judging.

use super::Plan;
use super::ground::Ground;
use super::samples::Samples;
use super::table::{Row, Unit};
use anyhow::{Context as _, Result};

const ROUNDS: usize = 7;
const QUESTIONS: &str = "2000";
/// Bytes of the question and of the answer on the socket, about.
const MESSAGES: &str = "echo 2000 160 60";

/// Both rows.
pub(super) fn measure(ground: &Ground, plan: &Plan) -> Result<Vec<Row>> {
    let socket = ground.stage.data().join("run/judge/judge.sock");
    let socket = socket.to_str().context("the judge's socket has a path that is not UTF-8")?;
    let (mut judge, mut native, mut echo) = (Samples::default(), Samples::default(), Samples::default());
    for _ in 0..ROUNDS {
        judge.add(ground.verdict_program("judge-verdict", &[socket, QUESTIONS])?);
        native.add(ground.verdict_program("native-verdict", &[QUESTIONS])?);
        echo.add(ground.plain(MESSAGES)?);
    }
    let rows = [
        Row::new("verdict", Unit::Us, &judge, Some(("messages to another process and back", &echo))),
        Row::new("verdict-vs-native", Unit::Us, &judge, Some(("the same rules compiled natively", &native))),
    ];
    Ok(rows.into_iter().filter(|row| plan.wants(&row.name)).collect())
}
