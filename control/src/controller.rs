//! The life of the controller: check, bind, lock, keys, books, tokens; then serve; then drain and close.
//!
//! Until [`Controller::run`] nothing is served and no task runs; a start that fails leaves nothing behind but files that
//! the next start uses.

use crate::api::{self, App};
use crate::config::{ConfigError, ControllerConfig};
use crate::connection::Door;
use crate::desk::{Desk, DeskError, now};
use crate::domain::actor::Actor;
use crate::domain::text::PersonName;
use crate::files::{self, FileError};
use crate::keys::{self, KeyError};
use crate::link::Hub;
use crate::modules::Modules;
use crate::store::{Store, StoreError};
use crate::timer;
use crate::token::{FIRST, Origin, Token, TokenError};
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long calls and links may take to end at shutdown.
const DRAIN: Duration = Duration::from_secs(10);

/// Why the controller does not start. One line each, with its sources.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration does not hold together.
    #[error("the controller's configuration is not usable")]
    Config(#[from] ConfigError),
    /// The address is taken, or is not this machine's.
    #[error("cannot listen on {address}")]
    Listen {
        /// the address
        address: SocketAddr,
        /// the system's word
        source: io::Error,
    },
    /// A file or folder is missing, not private, or holds something else.
    #[error(transparent)]
    File(#[from] FileError),
    /// The folder of what nodes trust is not there.
    #[error("{0} is not a folder")]
    NoFolder(PathBuf),
    /// Another controller has it.
    #[error("{0} is in use by another controller")]
    InUse(PathBuf),
    /// The signing key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A token cannot be read or made.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// What targets are to be told about policies cannot be written down.
    #[error("cannot assign policies to targets")]
    Policies(#[source] Box<DeskError>),
    /// The books cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why the controller stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The listener failed.
    #[error("the listener failed")]
    Serve(#[from] io::Error),
}

/// A controller that has everything, and serves nothing yet.
#[derive(Debug)]
#[must_use = "it serves nothing until it is run"]
pub struct Controller {
    desk: Arc<Desk>,
    listener: TcpListener,
    address: SocketAddr,
    // held as long as the books are open
    _lock: File,
}

impl Controller {
    /// Opens everything that is needed.
    ///
    /// # Errors
    /// [`StartError`]; nothing runs then.
    pub async fn start(config: ControllerConfig) -> Result<Self, StartError> {
        let targets = config.check()?;
        let listen = |source| StartError::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        files::private_folder(&config.data)?;
        if !config.trust.is_dir() {
            return Err(StartError::NoFolder(config.trust));
        }
        let lock = lock(&config.data.join("lock"))?;
        let key = keys::signing_key(&config.data.join("signing.key"), &config.trust.join("controller.pub"))?;
        let node_token = node_token(&config.data.join("node-token"), &config.trust.join("node.token"))?;
        let modules = Modules::open(config.data.join("modules"))?;
        let store = Store::open(&config.data.join("portcullis.sqlite")).await?;
        if let Err(error) = first_tokens(&store, &config.data.join("tokens")).await {
            store.close().await;
            return Err(error);
        }
        let desk = Desk {
            hub: Arc::new(Hub::new(targets.keys().cloned())),
            store,
            targets,
            limits: config.limits,
            evidence: config.evidence,
            modules,
            policy_admins: config.policy_admins,
            node_token: node_token.hash(),
            key,
        };
        if let Err(error) = desk.assign_all().await {
            desk.store.close().await;
            return Err(StartError::Policies(Box::new(error)));
        }
        Ok(Self { desk: Arc::new(desk), listener, address, _lock: lock })
    }

    /// The address that it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The desk, for who embeds the controller.
    #[must_use]
    pub fn desk(&self) -> Arc<Desk> {
        Arc::clone(&self.desk)
    }

    /// Serves until `shutdown`; then ends calls and links, at most for ten seconds, and closes the books.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), RunError> {
        let tasks = TaskTracker::new();
        // also ends everything when the listener fails
        let stop = shutdown.child_token();
        tasks.spawn(timer::run(Arc::clone(&self.desk), stop.clone()));
        tasks.spawn(timer::search(Arc::clone(&self.desk), stop.clone()));
        let router = api::router(App::new(Arc::clone(&self.desk), tasks.clone(), stop.clone()));
        tracing::info!(address = %self.address, targets = self.desk.targets.len(), "controller is up");
        let serve = axum::serve(Door::new(self.listener), router).with_graceful_shutdown(stop.clone().cancelled_owned());
        let served = tokio::select! {
            served = serve.into_future() => served,
            () = async { stop.cancelled().await; tokio::time::sleep(DRAIN).await } => {
                tracing::warn!("calls did not end in time");
                Ok(())
            }
        };
        stop.cancel();
        tasks.close();
        if tokio::time::timeout(DRAIN, tasks.wait()).await.is_err() {
            tracing::warn!("tasks did not end in time");
        }
        self.desk.store.close().await;
        tracing::info!("controller is down");
        Ok(served?)
    }
}

fn lock(path: &Path) -> Result<File, StartError> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path).map_err(FileError::io("open", path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StartError::InUse(path.parent().unwrap_or(path).to_owned())),
        Err(TryLockError::Error(error)) => Err(FileError::io("lock", path)(error).into()),
    }
}

/// The nodes' token, and its copy where nodes find it. A copy with the right content is left alone: somebody may have
/// given it to the gateway's group.
fn node_token(path: &Path, copy: &Path) -> Result<Token, StartError> {
    let (token, _) = Token::ensure(path)?;
    let line = format!("{}\n", token.expose());
    if files::read_shared(copy)?.as_deref() != Some(line.as_str()) {
        files::write(copy, &line, 0o640)?;
    }
    Ok(token)
}

/// A token for each of the first roles. The files decide: a token whose file was removed is replaced by a new one, and
/// void.
async fn first_tokens(store: &Store, folder: &Path) -> Result<(), StartError> {
    files::private_folder(folder)?;
    let holders = store.read().await?.holders().await?;
    for role in FIRST {
        let path = folder.join(role.name());
        let (token, origin) = Token::ensure(&path)?;
        let name = PersonName::try_from(role.name().to_owned()).map_err(|error| StartError::Config(error.into()))?;
        let actor = Actor { name, role };
        let known = holders.iter().any(|holder| holder.actor == actor && holder.hash.matches(&token.hash()));
        if !known {
            let mut write = store.write().await?;
            write.put_token(&actor, token.hash(), now()).await?;
            write.commit().await?;
        }
        if origin == Origin::Made {
            tracing::info!(%role, path = %path.display(), "token made");
        }
    }
    Ok(())
}
