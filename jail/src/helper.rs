//! The helper: the program that a process becomes on its way to one that is confined. It asks the guard for its orders, holds
//! itself to them, and becomes what was judged, or stands for it when that runs as another user; see [`guard`](crate::guard) for how it comes to run at all.
//!
//! It is trusted because it is verified like any program before it runs, and because nothing of the caller reaches it: neither
//! arguments nor environment, only descriptors, limits and signals, which can make it fail and nothing else.

use crate::chain::with_sources;
use crate::hold;
use crate::orders::{NEWS, News, ORDERS, Orders};
use crate::sys::process::{self, Image};
use portcullis_model::bytes::printable;
use portcullis_model::verdict::Confinement;
use rustix::process::{DumpableBehavior, Pid, Signal};
use std::ffi::CString;
use std::fs::File;
use std::io;

/// The exit status of a program that could not be started as it was to be, as shells have it.
const FAILED: i32 = 126;

/// Does what the guard orders; returns the exit status when that failed.
#[must_use]
pub fn run() -> i32 {
    // what it knows is for nobody else of the same user to read
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let orders = match orders() {
        Ok(orders) => orders,
        Err(_) => return say("portcullis: this program is run by Portcullis itself, for a command that a policy confines\n"),
    };
    match orders {
        Orders::Stand => stand(),
        Orders::Become { name, arguments, environment, confinement } => {
            let shown = printable(&name);
            let failed = become_program(name, arguments, environment, &confinement);
            say(&format!("portcullis: {shown}: cannot be confined as the policy wants it: {failed}\n"))
        }
    }
}

/// Stands for a program of another user in the job that it belongs to: whatever it does that a job does, this process does.
fn stand() -> i32 {
    // its own stop is the program's: what the terminal sends goes to both, and counts for the program
    for signal in [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU] {
        process::ignore(signal);
    }
    loop {
        let news = match process::ask_guard(NEWS) {
            Ok(number) => News::decode(number),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => None,
        };
        match news {
            // before that ^C ends this process, and with it the program; and always where the program cannot be in the job, because that
            // is another session's than init's
            Some(News::Joined) if rustix::process::getsid(None) == Ok(Pid::INIT) => {
                process::ignore(libc::SIGINT);
                process::ignore(libc::SIGQUIT);
            }
            Some(News::Joined) => {}
            Some(News::Exited(status)) => return i32::from(status),
            Some(News::Killed(signal)) => return die(i32::from(signal)),
            Some(News::Stopped(signal)) => stop(i32::from(signal)),
            Some(News::NotStarted) => return say("portcullis: it could not be run as another user\n"),
            None => return FAILED,
        }
    }
}

/// Stops as the program was stopped, until it is let go on. Where the signal stops nothing, because nobody could let it go on, the
/// program does not stay stopped either.
fn stop(signal: i32) {
    let Some(stop) = Signal::from_named_raw(signal) else { return };
    process::restore(signal);
    let _ = rustix::process::kill_process(rustix::process::getpid(), stop);
    process::ignore(signal);
}

/// Ends as the program was ended.
fn die(signal: i32) -> i32 {
    process::default_signals();
    if let Some(signal) = Signal::from_named_raw(signal) {
        let _ = rustix::process::kill_process(rustix::process::getpid(), signal);
    }
    128 + signal
}

fn orders() -> io::Result<Orders> {
    let file = File::from(process::given(process::ask_guard(ORDERS)?)?);
    serde_json::from_reader(io::BufReader::new(file)).map_err(io::Error::from)
}

fn become_program(name: Vec<u8>, arguments: Vec<Vec<u8>>, environment: Vec<Vec<u8>>, confinement: &Confinement) -> String {
    let strings = |list: Vec<Vec<u8>>| list.into_iter().map(CString::new).collect::<Result<Vec<_>, _>>();
    let (Ok(name), Ok(arguments), Ok(environment)) = (CString::new(name), strings(arguments), strings(environment)) else {
        return "its arguments are not strings".to_owned();
    };
    let image = Image::new(name, arguments, environment);
    match hold::hold(confinement) {
        Ok(marks) => image.run_marked(marks).to_string(),
        Err(error) => with_sources(&error),
    }
}

fn say(text: &str) -> i32 {
    process::write_to(2, text.as_bytes());
    FAILED
}
