//! The judge: answers the keepers of one node with the verdicts of its policy modules.
//!
//! Its life: read the command line, load every module of the node's own, listen, give up what answering does not need, say READY,
//! answer until SIGTERM. With a socket for the warden it answers nobody before the warden has said which modules judge. Whatever goes wrong before READY is one line on stderr and exit status 1; nothing is answered then.

use anyhow::Context as _;
use clap::Parser;
use portcullis_policy::server::{self, CONNECTIONS, Judge, Others};
use portcullis_model::admins::{InvalidAdmins, PolicyAdmins};
use portcullis_policy::{Evaluator, Limits, Modules, confine, confine_answering};
use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
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
    /// Socket on which the warden says which modules judge; without it, those of the folder do
    #[arg(long, value_name = "PATH")]
    policies: Option<PathBuf>,
    /// File with the SSH public keys of those who may push modules, one a line; without it nobody may
    #[arg(long, value_name = "FILE", requires = "policies")]
    policy_admins: Option<PathBuf>,
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
    let (judge, assignable) = match &arguments.policies {
        None => (Judge::fixed(&modules, peers).context("cannot start a thread")?, None),
        Some(socket) => {
            let admins = arguments.policy_admins.as_deref().map_or(Ok(None), admins)?;
            let listener = server::listen_for_warden(socket)?;
            let (judge, assignable) = Judge::assignable(&evaluator, modules, admins, listener, peers).context("cannot start a thread")?;
            (judge, Some(assignable))
        }
    };

    // from here on no thread is started and no descriptor opened but for connections
    let workers = std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 8);
    let confined = Arc::new(OnceLock::new());
    let waits = Arc::clone(&confined);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .on_thread_start(move || {
            let () = waits.wait();
            if let Err(error) = confine_answering() {
                tracing::error!(error = &error as &dyn std::error::Error, "a thread that answers cannot be confined");
                std::process::abort();
            }
        })
        .build()
        .context("cannot start the runtime")?;
    let _inside = runtime.enter();
    let listener = tokio::net::UnixListener::from_std(listener).context("cannot wait for connections")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    confine(CONNECTIONS as u64 + 64)?;
    confined.get_or_init(|| ());
    confine_answering()?;

    readiness.announce()?;
    let stop = CancellationToken::new();
    runtime.block_on(async {
        let judge = Arc::new(judge);
        let mut serving = std::pin::pin!(judge.serve(listener, stop.clone()));
        let assigning = async {
            match assignable {
                Some(assignable) => assignable.serve(stop.clone()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = &mut serving => anyhow::bail!("the listener ended by itself"),
            ended = assigning => {
                ended.context("cannot wait for the warden")?;
                anyhow::bail!("the warden's listener ended by itself");
            }
            _ = terminate.recv() => stop.cancel(),
        }
        serving.await;
        Ok(())
    })
}

/// Most bytes of the list of policy admins.
const ADMINS_BYTES: u64 = 1 << 20;

/// Those who may sign modules; nobody when the list is not there, or has nobody in it.
fn admins(file: &Path) -> anyhow::Result<Option<PolicyAdmins>> {
    let named = || format!("cannot use the list of policy admins {}", file.display());
    let opened = match std::fs::File::open(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        opened => Some(opened.with_context(named)?),
    };
    let admins = match opened {
        None => None,
        Some(opened) => {
            let mut text = String::new();
            let length = opened.take(ADMINS_BYTES + 1).read_to_string(&mut text).with_context(named)?;
            anyhow::ensure!(length as u64 <= ADMINS_BYTES, "{}: it is larger than {ADMINS_BYTES} bytes", named());
            match PolicyAdmins::parse(&text) {
                Err(InvalidAdmins::Empty) => None,
                parsed => Some(parsed.with_context(named)?),
            }
        }
    };
    if admins.is_none() {
        tracing::info!(file = %file.display(), "there is no policy admin: no module can be pushed");
    }
    Ok(admins)
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
