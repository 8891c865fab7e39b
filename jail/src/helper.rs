//! The helper: the program that a process becomes on its way to one that is confined. It asks the guard for its orders, holds
//! itself to them, and becomes what was judged; see [`guard`](crate::guard) for how it comes to run at all.
//!
//! It is trusted because it is verified like any program before it runs, and because nothing of the caller reaches it: neither
//! arguments nor environment, only descriptors, limits and signals, which can make it fail and nothing else.

use crate::chain::with_sources;
use crate::hold;
use crate::orders::{ORDERS, Orders};
use crate::sys::process::{self, Image};
use portcullis_model::bytes::printable;
use rustix::process::DumpableBehavior;
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
    let shown = printable(&orders.name);
    let failed = become_program(orders);
    say(&format!("portcullis: {shown}: cannot be confined as the policy wants it: {failed}\n"))
}

fn orders() -> io::Result<Orders> {
    let file = File::from(process::given(process::ask_guard(ORDERS)?)?);
    serde_json::from_reader(io::BufReader::new(file)).map_err(io::Error::from)
}

fn become_program(orders: Orders) -> String {
    let Orders { name, arguments, environment, confinement } = orders;
    let strings = |list: Vec<Vec<u8>>| list.into_iter().map(CString::new).collect::<Result<Vec<_>, _>>();
    let (Ok(name), Ok(arguments), Ok(environment)) = (CString::new(name), strings(arguments), strings(environment)) else {
        return "its arguments are not strings".to_owned();
    };
    let image = Image::new(name, arguments, environment);
    match hold::hold(&confinement) {
        Ok(marks) => image.run_marked(marks).to_string(),
        Err(error) => with_sources(&error),
    }
}

fn say(text: &str) -> i32 {
    process::write_to(2, text.as_bytes());
    FAILED
}
