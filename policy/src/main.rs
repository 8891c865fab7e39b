//! The judge: answers the keepers of one node with the verdicts of its policy modules.
//!
//! Its life: read the command line, load every module, listen, give up what answering does not need, say READY, answer until
//! SIGTERM. Whatever goes wrong before READY is one line on stderr and exit status 1; nothing is answered then.

use anyhow::Context as _;
use clap::Parser;
use portcullis_policy::server::{self, CONNECTIONS, Judge, Others};
use portcullis_policy::{Evaluator, Limits, Modules, confine};
use std::ffi::OsString;
use std::io::Write as _;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Judges what sessions want to do, with WebAssembly policy modules.
#[derive(Parser)]
#[command(name = "portcullis-judge", version)]
struct Arguments {
    /// Folder of the modules, each named ACTION.role.wasm
    #[arg(long, value_name = "DIR")]
    modules: PathBuf,
    /// Socket that keepers connect to
    #[arg(long, value_name = "PATH")]
    socket: PathBuf,
    /// User that keepers run as, beside root and the judge's own user
    #[arg(long, value_name = "UID")]
    keeper_uid: Option<u32>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).with_target(false).init();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "portcullis-judge: {}", format!("{error:#}").replace('\n', " "));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let evaluator = Evaluator::new(Limits::default())?;
    let modules = Modules::load(&evaluator, &arguments.modules)?;
    if modules.is_empty() {
        tracing::warn!(folder = %arguments.modules.display(), "there is no module: everything will be denied");
    }
    let own = rustix::process::geteuid().as_raw();
    let peers = [Some(0), Some(own), arguments.keeper_uid].into_iter().flatten().collect();
    let others = if arguments.keeper_uid.is_none_or(|uid| uid == own || uid == 0) { Others::MayNotConnect } else { Others::MayConnect };
    let listener = server::listen(&arguments.socket, others)?;
    let readiness = Readiness::open()?;

    // from here on no thread is started and no descriptor opened but for connections
    let workers = std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 8);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build().context("cannot start the runtime")?;
    let _inside = runtime.enter();
    let listener = tokio::net::UnixListener::from_std(listener).context("cannot wait for connections")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    confine(CONNECTIONS as u64 + 64)?;

    readiness.announce()?;
    let stop = CancellationToken::new();
    runtime.block_on(async {
        let judge = Arc::new(Judge::new(modules, peers));
        let mut serving = std::pin::pin!(judge.serve(listener, stop.clone()));
        tokio::select! {
            () = &mut serving => anyhow::bail!("the listener ended by itself"),
            _ = terminate.recv() => stop.cancel(),
        }
        serving.await;
        Ok(())
    })
}

/// The service manager's socket, opened while sockets can be opened.
struct Readiness(Option<UnixDatagram>);

impl Readiness {
    fn open() -> anyhow::Result<Self> {
        let Some(name) = std::env::var_os("NOTIFY_SOCKET") else { return Ok(Self(None)) };
        let open = |name: &OsString| {
            let socket = UnixDatagram::unbound()?;
            let address = match name.as_bytes().strip_prefix(b"@") {
                Some(name) => SocketAddr::from_abstract_name(name)?,
                None => SocketAddr::from_pathname(name)?,
            };
            socket.connect_addr(&address)?;
            Ok::<_, std::io::Error>(socket)
        };
        let socket = open(&name).with_context(|| format!("cannot reach the service manager at NOTIFY_SOCKET={}", name.display()))?;
        Ok(Self(Some(socket)))
    }

    fn announce(self) -> anyhow::Result<()> {
        if let Some(socket) = self.0 {
            socket.send(b"READY=1").context("cannot tell the service manager that the judge is ready")?;
        }
        Ok(())
    }
}
