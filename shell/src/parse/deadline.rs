//! Parsing with a deadline: the one part of the shell that can take too long, in a thread of its own.
//!
//! A thread cannot be stopped from outside. One that is late is left behind and counted; while two are, every line is
//! denied, so that no more of them pile up.

use super::{Functions, Parsed, Refused, denied, parse};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

/// Longest time that one line may take.
const DEADLINE: Duration = Duration::from_secs(1);
/// Stack of the thread: the parser recurses, a few KiB for each of the levels that the caps let through.
const STACK: usize = 128 * 1024 * 1024;
/// Most late threads at one time.
const LATE_MAX: usize = 2;

/// A parser that answers in time.
#[derive(Debug, Default)]
pub struct Deadlined {
    late: Arc<AtomicUsize>,
}

impl Deadlined {
    /// As [`parse`], within a second.
    ///
    /// # Errors
    /// As [`parse`]; and a denial when the parser is late or dies.
    pub fn parse(&self, text: &[u8], cwd: &[u8], functions: &Functions) -> Result<Parsed, Refused> {
        if self.late.load(Ordering::SeqCst) >= LATE_MAX {
            return Err(denied("parser", "the parser is still busy with earlier lines"));
        }
        let (send, receive) = mpsc::sync_channel(1);
        let (text, cwd, functions, late) = (text.to_vec(), cwd.to_vec(), functions.clone(), Arc::clone(&self.late));
        late.fetch_add(1, Ordering::SeqCst);
        let thread = std::thread::Builder::new().name("parser".to_owned()).stack_size(STACK).spawn(move || {
            let counted = Counted(late);
            // the parser has panicked on strange input before: that is one line refused, not the end of the session
            let parsed = std::panic::catch_unwind(|| parse(&text, &cwd, &functions));
            drop(counted);
            let _ = send.send(parsed.ok());
        });
        if thread.is_err() {
            self.late.fetch_sub(1, Ordering::SeqCst);
            return Err(denied("parser", "there is no thread for the parser"));
        }
        match receive.recv_timeout(DEADLINE) {
            Ok(Some(parsed)) => parsed,
            Ok(None) | Err(mpsc::RecvTimeoutError::Disconnected) => Err(denied("parser", "the parser failed on this line")),
            Err(mpsc::RecvTimeoutError::Timeout) => Err(denied("parser", "the line takes too long to parse")),
        }
    }
}

/// Takes its thread out of the count, however the thread ends.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
