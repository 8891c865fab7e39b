//! The books, in SQLite. One [`Write`] is one transaction; a transition and its line of history are never in two.
//! What a write returned from is on the disk: the journal is synchronous.
//!
//! The SQL is portable (numbered parameters, TEXT and BIGINT, `ON CONFLICT`, partial indexes), so that PostgreSQL can be
//! put in the same place; what is SQLite's own is in this file.

mod alerts;
mod amendments;
mod grants;
mod policies;
mod questions;
mod requests;
mod row;
mod sessions;
mod thread;
mod tokens;

pub use alerts::{AlertFilter, StoredAlert};
pub use amendments::{AmendmentFilter, StoredAmendment};
pub use grants::{Orders, StoredGrant, StoredRevocation};
pub use policies::{Assignment, Content, Description, PolicyEvent, PolicyEventKind, PolicyFilter, Seat, StoredTrial};
pub(crate) use policies::NewEvent;
pub use questions::{QuestionFilter, StoredAnswer, StoredQuestion, Taken};
pub use requests::{HistoryRow, RequestFilter, StoredRequest};
pub use row::Cursor;
pub use sessions::{EndOrder, SessionFilter, StoredSession};
pub use thread::{MESSAGES_MAX, StoredMessage};

use crate::files::{self, FileError};
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, Transaction};
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, OwnedMutexGuard};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// How long a connection waits for another process's lock on the file.
const BUSY: Duration = Duration::from_secs(5);
/// Connections for what people read. Writing has one of its own, and so have the nodes' links and the clock: however many
/// people read, a revoke is written down and told.
const READERS: u32 = 4;
/// Connections for the links and the clock.
const INSIDERS: u32 = 2;

/// Why the books cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file is missing, not private, or not writable.
    #[error(transparent)]
    File(#[from] FileError),
    /// The database cannot be opened.
    #[error("cannot open {path}: {problem}", path = .path.display())]
    Open {
        /// the file
        path: PathBuf,
        /// the database's word
        problem: String,
    },
    /// The file is not a database, or is damaged.
    #[error("{path} is not a sound database: {problem}", path = .path.display())]
    Corrupt {
        /// the file
        path: PathBuf,
        /// the first complaint
        problem: String,
    },
    /// The tables cannot be brought to this version; a later version's are refused too.
    #[error("cannot bring {path} to this version", path = .path.display())]
    Migrate {
        /// the file
        path: PathBuf,
        /// why
        source: Box<sqlx::migrate::MigrateError>,
    },
    /// The database said no.
    #[error("the store failed")]
    Database(#[from] sqlx::Error),
    /// A row holds what this version never writes.
    #[error("{table} {id}: column {column} does not read")]
    Row {
        /// the table
        table: &'static str,
        /// the row's id
        id: String,
        /// the column
        column: &'static str,
    },
    /// A value cannot be written as JSON.
    #[error("a value does not write as JSON")]
    Json(#[from] serde_json::Error),
    /// Somebody else moved the request, or the version of a policy, in between.
    #[error("it was changed at the same time")]
    Moved,
    /// All uids of temporary accounts are in use.
    #[error("all uids of temporary accounts are in use")]
    NoUid,
}

impl StoreError {
    /// Whether no connection came free in time.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::Database(sqlx::Error::PoolTimedOut))
    }

    /// Whether the database refused a value because there is one like it already.
    #[must_use]
    pub fn is_repeated(&self) -> bool {
        matches!(self, Self::Database(sqlx::Error::Database(error)) if error.is_unique_violation())
    }
}

/// The books.
#[derive(Debug, Clone)]
pub struct Store {
    writer: SqlitePool,
    readers: SqlitePool,
    insiders: SqlitePool,
    turn: Arc<Mutex<()>>,
}

/// A reading: everything read through it is of one moment.
#[derive(Debug)]
pub struct View {
    transaction: Transaction<'static, Sqlite>,
}

/// A writing: everything or nothing, when [`Write::commit`] returns; nothing when it is dropped.
#[derive(Debug)]
#[must_use = "a writing that is not committed did not happen"]
pub struct Write {
    view: View,
    _turn: OwnedMutexGuard<()>,
}

impl Store {
    /// Opens the books in the file `path`, made when it is missing.
    ///
    /// # Errors
    /// [`StoreError`]; a damaged file is never replaced.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        // made before SQLite does, so that its journal gets the same mode
        files::private_file(path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY);
        let unsound = |error: sqlx::Error| {
            let (path, problem) = (path.to_owned(), first_line(&error));
            // SQLITE_CORRUPT and SQLITE_NOTADB
            let corrupt = error.as_database_error().and_then(|e| e.code()).is_some_and(|code| code == "11" || code == "26");
            if corrupt { StoreError::Corrupt { path, problem } } else { StoreError::Open { path, problem } }
        };
        let pool = |connections| SqlitePoolOptions::new().max_connections(connections).acquire_timeout(BUSY);
        let writer = pool(1).connect_with(options.clone()).await.map_err(unsound)?;
        let found: String = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(&writer).await.map_err(unsound)?;
        if found != "ok" {
            return Err(StoreError::Corrupt { path: path.to_owned(), problem: found.lines().next().unwrap_or_default().to_owned() });
        }
        MIGRATIONS.run(&writer).await.map_err(|source| StoreError::Migrate { path: path.to_owned(), source: Box::new(source) })?;
        let readers = pool(READERS).connect_lazy_with(options.clone());
        let insiders = pool(INSIDERS).connect_lazy_with(options);
        Ok(Self { writer, readers, insiders, turn: Arc::new(Mutex::new(())) })
    }

    /// Begins a reading for a person.
    ///
    /// # Errors
    /// When no connection comes free in time, or the database fails.
    pub async fn read(&self) -> Result<View, StoreError> {
        Ok(View { transaction: self.readers.begin().await? })
    }

    /// Begins a reading for a node's link or the clock.
    ///
    /// # Errors
    /// When no connection comes free in time, or the database fails.
    pub async fn read_inside(&self) -> Result<View, StoreError> {
        Ok(View { transaction: self.insiders.begin().await? })
    }

    /// Begins a writing; one at a time.
    ///
    /// # Errors
    /// When no connection comes free in time, or the database fails.
    pub async fn write(&self) -> Result<Write, StoreError> {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        // the lock is taken at once: a deferred transaction could fail at its first write
        let transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        Ok(Write { view: View { transaction }, _turn: turn })
    }

    /// Whether a row can be read.
    ///
    /// # Errors
    /// When it cannot.
    pub async fn check(&self) -> Result<(), StoreError> {
        let _one: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM counters").fetch_one(&self.readers).await?;
        Ok(())
    }

    /// Waits for what is under way, and closes the file.
    pub async fn close(&self) {
        for pool in [&self.readers, &self.insiders, &self.writer] {
            pool.close().await;
        }
    }
}

impl View {
    fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.transaction
    }
}

impl Write {
    /// Makes it all so; on the disk when this returns.
    ///
    /// # Errors
    /// When the database fails; nothing was written then.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.view.transaction.commit().await?;
        Ok(())
    }
}

impl Deref for Write {
    type Target = View;
    fn deref(&self) -> &View {
        &self.view
    }
}

impl DerefMut for Write {
    fn deref_mut(&mut self) -> &mut View {
        &mut self.view
    }
}

fn first_line(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string().lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
