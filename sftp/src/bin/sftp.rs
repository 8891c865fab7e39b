//! The file server of a session: started by the jail in the shell's place, ended by the client or with the session.

use anyhow::bail;
use portcullis_model::scp;
use portcullis_model::session::Purpose;
use portcullis_sftp::files::{Files, Names};
use portcullis_sftp::keeper::{Keeper, Welcome, tell};
use portcullis_sftp::server::Server;
use rustix::fd::AsFd as _;
use std::os::unix::ffi::OsStringExt as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            tell(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<ExitCode> {
    // a file over the session's limit is an error to be told, not a death
    signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
    // descriptor 0 is the keeper's socket
    let socket = rustix::io::fcntl_dupfd_cloexec(std::io::stdin().as_fd(), 3)?;
    let (keeper, Welcome { purpose, input, .. }) = Keeper::connect(socket)?;
    let home = std::env::current_dir()?.into_os_string().into_vec();
    let files = Files { ask: keeper, names: Names::new(home) };
    let output = std::io::stdout();
    match &purpose {
        Purpose::Sftp => {
            Server::new(files, output.as_fd()).serve(input)?;
            Ok(ExitCode::SUCCESS)
        }
        Purpose::Command(command) => match scp::Request::parse(command) {
            Some(request) => Ok(portcullis_sftp::scp::run(files, &request, input.as_fd(), output.as_fd())?),
            None => bail!("this command is not one of scp"),
        },
        Purpose::Shell | Purpose::Forward(_) => bail!("this is not what the file server is for"),
    }
}
