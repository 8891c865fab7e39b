//! The forwarder of a session: started by the jail in the shell's place, ended by either end of the connection or with the session.

use portcullis_sftp::forward::{Failed, run};
use portcullis_sftp::keeper::tell;
use std::process::ExitCode;

/// The status of what was refused, as a shell has it.
const REFUSED: u8 = 126;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&format!("{error}"));
            if matches!(error, Failed::Refused(_)) { ExitCode::from(REFUSED) } else { ExitCode::FAILURE }
        }
    }
}
