//! The shell of a session: started by the jail, ended by the operator or with the session.

use portcullis_model::session::ExitStatus;
use rustix::fd::AsFd as _;
use std::io::Write as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(ExitStatus::Code(code)) => ExitCode::from(code),
        Ok(ExitStatus::Signal { number, .. }) => die_by(number),
        Err(error) => {
            let _ = std::io::stderr().write_all(format!("portcullis-shell: {error:#}\n").as_bytes());
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<ExitStatus> {
    // descriptor 0 is the keeper's socket; nothing else may have it
    let socket = rustix::io::fcntl_dupfd_cloexec(std::io::stdin().as_fd(), 3)?;
    Ok(portcullis_shell::front::run(socket, std::env::vars_os().collect())?)
}

/// Ends as the command did, so that the client is told of the same signal.
fn die_by(number: i32) -> ExitCode {
    if let Ok(signal) = nix::sys::signal::Signal::try_from(number) {
        let _ = nix::sys::signal::SigSet::from(signal).thread_unblock();
        // a core of this process would be no help to anybody
        let _ = rustix::process::setrlimit(rustix::process::Resource::Core, rustix::process::Rlimit { current: Some(0), maximum: Some(0) });
        let _ = signal_hook::low_level::emulate_default_handler(number);
    }
    ExitCode::from(u8::try_from(128 + number).unwrap_or(255))
}
