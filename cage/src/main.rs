//! The cage commands, one program: which of them it is, its first argument says, as the policy judged it.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().map(OsString::into_vec);
    let called = arguments.next().unwrap_or_default();
    ExitCode::from(portcullis_cage::run(&called, &arguments.collect::<Vec<_>>()))
}
