//! What is said about a request, and what its sessions are to be told.

use super::row::{Of, sql, time};
use super::{StoreError, View, Write};
use crate::domain::actor::UserRole;
use portcullis_model::id::{RequestId, SessionId};
use portcullis_model::time::UnixMs;
use portcullis_model::wish::{News, Note};

/// Most messages of one request.
pub const MESSAGES_MAX: u64 = 500;

/// A message in the thread of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMessage {
    /// When.
    pub at: UnixMs,
    /// Who.
    pub by: String,
    /// In which role.
    pub role: UserRole,
    /// The session that it came from; none for one that came over the API.
    pub session: Option<SessionId>,
    /// What.
    pub text: String,
}

#[derive(sqlx::FromRow)]
struct Row {
    at_ms: i64,
    author: String,
    author_role: String,
    session: Option<String>,
    text: String,
}

impl View {
    /// The thread of a request, in order.
    ///
    /// # Errors
    /// When the database fails or a row does not read.
    pub async fn messages(&mut self, request: &RequestId) -> Result<Vec<StoredMessage>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as("SELECT at_ms, author, author_role, session, text FROM messages WHERE request = $1 ORDER BY number")
            .bind(request.as_str())
            .fetch_all(self.connection())
            .await?;
        let of = Of { table: "message of request", id: request.as_str() };
        rows.into_iter()
            .map(|row| {
                Ok(StoredMessage {
                    at: time(row.at_ms),
                    by: row.author,
                    role: of.get("author_role", UserRole::from_name(&row.author_role))?,
                    session: row.session.map(|id| of.get("session", id.parse().ok())).transpose()?,
                    text: row.text,
                })
            })
            .collect()
    }

    /// What sessions of a target are still to be told, the oldest first.
    ///
    /// # Errors
    /// When the database fails or a row does not read.
    pub(super) async fn notes(&mut self, target: &str, limit: u32) -> Result<Vec<(SessionId, Note)>, StoreError> {
        let rows: Vec<(i64, String, String)> = sqlx::query_as(
            "SELECT n.number, n.session, n.news FROM notes n JOIN sessions s ON s.id = n.session
             WHERE n.target = $1 AND n.done = 0 AND s.state = 'running' ORDER BY n.number LIMIT $2",
        )
        .bind(target)
        .bind(i64::from(limit))
        .fetch_all(self.connection())
        .await?;
        let read = rows.into_iter().map(|(number, session, news)| {
            let of = Of { table: "note of session", id: &session };
            Ok((of.get("session", session.parse().ok())?, Note { number: of.number("number", number)?, news: of.json("news", &news)? }))
        });
        read.collect()
    }
}

impl Write {
    /// A message; says whether there was room for it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_message(&mut self, request: &RequestId, message: &StoredMessage) -> Result<bool, StoreError> {
        let next: i64 = sqlx::query_scalar("SELECT COALESCE(MAX(number) + 1, 0) FROM messages WHERE request = $1")
            .bind(request.as_str())
            .fetch_one(self.connection())
            .await?;
        if u64::try_from(next).is_ok_and(|next| next >= MESSAGES_MAX) {
            return Ok(false);
        }
        sqlx::query("INSERT INTO messages (request, number, at_ms, author, author_role, session, text) VALUES ($1, $2, $3, $4, $5, $6, $7)")
            .bind(request.as_str())
            .bind(next)
            .bind(sql(message.at.0))
            .bind(&message.by)
            .bind(message.role.name())
            .bind(message.session.as_ref().map(SessionId::as_str))
            .bind(&message.text)
            .execute(self.connection())
            .await?;
        Ok(true)
    }

    /// Something that a session is to be told.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_note(&mut self, session: &SessionId, target: &str, news: &News) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO notes (number, session, target, news, done) SELECT COALESCE(MAX(number) + 1, 1), $1, $2, $3, 0 FROM notes")
            .bind(session.as_str())
            .bind(target)
            .bind(serde_json::to_string(news)?)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// A session of this target has a note.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn noted(&mut self, target: &str, session: &SessionId, number: u64) -> Result<(), StoreError> {
        sqlx::query("UPDATE notes SET done = 1 WHERE number = $1 AND session = $2 AND target = $3")
            .bind(sql(number))
            .bind(session.as_str())
            .bind(target)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// A session is over, and nobody there to be told.
    ///
    /// # Errors
    /// When the database fails.
    pub(super) async fn drop_notes_of(&mut self, session: &SessionId) -> Result<(), StoreError> {
        sqlx::query("UPDATE notes SET done = 1 WHERE session = $1 AND done = 0").bind(session.as_str()).execute(self.connection()).await?;
        Ok(())
    }
}
