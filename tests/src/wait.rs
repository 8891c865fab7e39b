//! Waiting for conditions, never for time; each wait has a deadline.

use anyhow::{Result, bail};
use std::time::{Duration, Instant};

/// How long a condition may take on a busy machine.
pub const LONG: Duration = Duration::from_secs(60);

/// Asks until the answer is there.
///
/// # Errors
/// When `deadline` is over, naming `what`.
pub fn until<T>(what: &str, deadline: Duration, mut ask: impl FnMut() -> Option<T>) -> Result<T> {
    let begin = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return Ok(answer);
        }
        if begin.elapsed() > deadline {
            bail!("waited {deadline:?} for {what}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
