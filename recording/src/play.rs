//! A recording as a film: what to show, and how long to wait before.

use crate::filter::Filter;
use crate::reader::{Body, ReadError, Reader};
use std::time::Duration;

/// How fast a recording is played: 1 is as it was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speed(f64);

/// A number that is no speed.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("{0} is not a speed; it takes a number from 0.01 to 1000")]
pub struct InvalidSpeed(f64);

impl TryFrom<f64> for Speed {
    type Error = InvalidSpeed;
    fn try_from(speed: f64) -> Result<Self, InvalidSpeed> {
        if (0.01..=1000.0).contains(&speed) { Ok(Self(speed)) } else { Err(InvalidSpeed(speed)) }
    }
}

/// One thing to show.
#[derive(Clone, PartialEq, Eq)]
pub struct Step {
    /// How long to wait before.
    pub delay: Duration,
    /// What to write to the terminal; only draws (see [`Filter`]). Never empty.
    pub bytes: Vec<u8>,
}

// terminal bytes do not belong into a log
impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Step({:?}, {} bytes)", self.delay, self.bytes.len())
    }
}

/// Steps through the output of a recording. What was typed is seen by its echo only, as the operator saw it.
///
/// The caller waits, writes, and at the end, or when it stops before, writes [`restore`](Self::restore).
#[derive(Debug)]
pub struct Player {
    reader: Reader,
    speed: Speed,
    idle_limit: Option<Duration>,
    filter: Filter,
    shown: Duration,
}

impl Player {
    /// A player that waits at most `idle_limit` of the session's time between two steps.
    #[must_use]
    pub fn new(reader: Reader, speed: Speed, idle_limit: Option<Duration>) -> Self {
        Self { reader, speed, idle_limit, filter: Filter::default(), shown: Duration::ZERO }
    }

    /// What is played, for its end: [`Reader::tail`].
    #[must_use]
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// What puts the viewer's terminal back in order.
    #[must_use]
    pub fn restore(&self) -> Vec<u8> {
        self.filter.restore()
    }
}

impl Iterator for Player {
    type Item = Result<Step, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let frame = match self.reader.next()? {
                Ok(frame) => frame,
                Err(error) => return Some(Err(error)),
            };
            let (Body::Output(raw) | Body::ErrorOutput(raw)) = frame.body else { continue };
            let bytes = self.filter.pass(&raw);
            if bytes.is_empty() {
                continue;
            }
            let pause = frame.elapsed.saturating_sub(self.shown);
            self.shown = frame.elapsed;
            let pause = self.idle_limit.map_or(pause, |limit| pause.min(limit));
            // the speed is at least 0.01 and a pause fits a century, so this is finite
            let delay = Duration::try_from_secs_f64(pause.as_secs_f64() / self.speed.0).unwrap_or(pause);
            return Some(Ok(Step { delay, bytes }));
        }
    }
}
