//! Sessions: what nodes said about them, and orders to end them.

use super::row::{Cursor, Of, sql, time};
use super::{StoreError, View, Write};
use crate::api::types::{SessionState, Termination};
use crate::domain::text::{PersonName, TargetName};
use portcullis_model::id::{RequestId, SessionId};
use portcullis_model::receipt::Receipt;
use portcullis_model::session::{ExitStatus, SessionFacts};
use portcullis_model::time::UnixMs;

/// A session as the store has it.
#[derive(Debug, Clone)]
pub struct StoredSession {
    /// Whose, for what, from where.
    pub facts: SessionFacts,
    /// Whether it runs.
    pub state: SessionState,
    /// When the controller heard of its end.
    pub ended: Option<UnixMs>,
    /// What its end left.
    pub receipt: Option<Receipt>,
    /// How its program ended.
    pub exit: Option<ExitStatus>,
    /// The order to end it.
    pub termination: Option<Termination>,
}

/// Which sessions a list has.
#[derive(Debug, Clone, Default)]
pub struct SessionFilter {
    /// Of this request only.
    pub request: Option<RequestId>,
    /// On this target only.
    pub target: Option<TargetName>,
    /// In this state only.
    pub state: Option<SessionState>,
    /// Of requests made with this token only.
    pub requested_by: Option<PersonName>,
    /// Behind this place only.
    pub after: Option<Cursor>,
}

/// What became of an order to end a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndOrder {
    /// It was taken down.
    Given,
    /// The session does not run any more, or there is an order already.
    Needless,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    facts: String,
    state: String,
    ended_ms: Option<i64>,
    receipt: Option<String>,
    exit: Option<String>,
    terminate_ms: Option<i64>,
    terminate_by: Option<String>,
    terminate_reason: Option<String>,
}

impl SessionState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Running, Self::Ended, Self::Lost];

    /// The name in the API and in the store.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Ended => "ended",
            Self::Lost => "lost",
        }
    }

    /// The state of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

impl Row {
    fn read(self) -> Result<StoredSession, StoreError> {
        let of = Of { table: "session", id: &self.id };
        let termination = match (self.terminate_ms, self.terminate_by, self.terminate_reason) {
            (Some(at), Some(by), Some(reason)) => Some(Termination { at: time(at), by, reason }),
            _ => None,
        };
        Ok(StoredSession {
            facts: of.json("facts", &self.facts)?,
            state: of.get("state", SessionState::from_name(&self.state))?,
            ended: self.ended_ms.map(time),
            receipt: self.receipt.map(|text| of.json("receipt", &text)).transpose()?,
            exit: self.exit.map(|text| of.json("exit", &text)).transpose()?,
            termination,
        })
    }
}

impl View {
    /// One session.
    ///
    /// # Errors
    /// When the database fails or the row does not read.
    pub async fn session(&mut self, id: &SessionId) -> Result<Option<StoredSession>, StoreError> {
        let row: Option<Row> = sqlx::query_as("SELECT * FROM sessions WHERE id = $1").bind(id.as_str()).fetch_optional(self.connection()).await?;
        row.map(Row::read).transpose()
    }

    /// Sessions, newest first, at most `limit`.
    ///
    /// # Errors
    /// When the database fails or a row does not read.
    pub async fn sessions(&mut self, filter: &SessionFilter, limit: u32) -> Result<Vec<StoredSession>, StoreError> {
        let (at, id) = filter.after.as_ref().map_or((i64::MAX, ""), |after| (sql(after.at.0), after.id.as_str()));
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT s.* FROM sessions s JOIN requests r ON r.id = s.request
             WHERE (s.started_ms < $1 OR (s.started_ms = $1 AND s.id < $2))
               AND ($3 IS NULL OR s.request = $3) AND ($4 IS NULL OR s.target = $4) AND ($5 IS NULL OR s.state = $5)
               AND ($6 IS NULL OR r.requested_by = $6)
             ORDER BY s.started_ms DESC, s.id DESC LIMIT $7",
        )
        .bind(at)
        .bind(id)
        .bind(filter.request.as_ref().map(RequestId::as_str))
        .bind(filter.target.as_ref().map(TargetName::as_str))
        .bind(filter.state.map(SessionState::name))
        .bind(filter.requested_by.as_ref().map(PersonName::as_str))
        .bind(i64::from(limit))
        .fetch_all(self.connection())
        .await?;
        rows.into_iter().map(Row::read).collect()
    }

    /// How many sessions run on a target.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn running_on(&mut self, target: &TargetName) -> Result<u64, StoreError> {
        let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM sessions WHERE target = $1 AND state = 'running'")
            .bind(target.as_str())
            .fetch_one(self.connection())
            .await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Lost sessions, the latest first, at most `limit`.
    ///
    /// # Errors
    /// When the database fails or a row does not read.
    pub async fn lost(&mut self, limit: u32) -> Result<Vec<SessionId>, StoreError> {
        let rows: Vec<String> = sqlx::query_scalar("SELECT id FROM sessions WHERE state = 'lost' ORDER BY ended_ms DESC, id LIMIT $1")
            .bind(i64::from(limit))
            .fetch_all(self.connection())
            .await?;
        rows.into_iter().map(|id| Of { table: "session", id: &id }.get("id", id.parse().ok())).collect()
    }

    /// The sessions that run on a target, as far as the books know.
    ///
    /// # Errors
    /// When the database fails or a row does not read.
    pub async fn running_ids(&mut self, target: &TargetName) -> Result<Vec<SessionId>, StoreError> {
        let rows: Vec<String> = sqlx::query_scalar("SELECT id FROM sessions WHERE target = $1 AND state = 'running'")
            .bind(target.as_str())
            .fetch_all(self.connection())
            .await?;
        rows.into_iter().map(|id| Of { table: "session", id: &id }.get("id", id.parse().ok())).collect()
    }
}

impl Write {
    /// A session that a node said has started. Said again, it changes nothing; but one that was thought lost runs again.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn session_started(&mut self, facts: &SessionFacts) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO sessions (id, grant_id, request, target, started_ms, facts, state) VALUES ($1, $2, $3, $4, $5, $6, 'running')
             ON CONFLICT (id) DO UPDATE SET state = 'running', ended_ms = NULL WHERE sessions.state = 'lost'",
        )
        .bind(facts.id.as_str())
        .bind(facts.grant.as_str())
        .bind(facts.request.as_str())
        .bind(&facts.target)
        .bind(sql(facts.start.0))
        .bind(serde_json::to_string(facts)?)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// The end of a session. The first receipt stays. Says whether the books have a session of that id under that grant.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn session_ended(&mut self, receipt: &Receipt, exit: Option<&ExitStatus>, now: UnixMs) -> Result<bool, StoreError> {
        let exit = exit.map(serde_json::to_string).transpose()?;
        let done = sqlx::query(
            "UPDATE sessions SET ended_ms = CASE WHEN state = 'running' THEN $1 ELSE ended_ms END, state = 'ended',
                    receipt = COALESCE(receipt, $2), exit = COALESCE(exit, $3)
             WHERE id = $4 AND grant_id = $5",
        )
        .bind(sql(now.0))
        .bind(serde_json::to_string(receipt)?)
        .bind(exit)
        .bind(receipt.session.as_str())
        .bind(receipt.grant.as_str())
        .execute(self.connection())
        .await?;
        if done.rows_affected() == 1 {
            self.end_questions_of(&receipt.session, now).await?;
            self.drop_notes_of(&receipt.session).await?;
        }
        Ok(done.rows_affected() == 1)
    }

    /// A session that its node does not know any more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn session_lost(&mut self, id: &SessionId, now: UnixMs) -> Result<(), StoreError> {
        sqlx::query("UPDATE sessions SET state = 'lost', ended_ms = $1 WHERE id = $2 AND state = 'running'")
            .bind(sql(now.0))
            .bind(id.as_str())
            .execute(self.connection())
            .await?;
        self.end_questions_of(id, now).await
    }

    /// The order to end a session; the first one stays.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn order_end(&mut self, id: &SessionId, order: &Termination) -> Result<EndOrder, StoreError> {
        let done = sqlx::query(
            "UPDATE sessions SET terminate_ms = $1, terminate_by = $2, terminate_reason = $3
             WHERE id = $4 AND state = 'running' AND terminate_ms IS NULL",
        )
        .bind(sql(order.at.0))
        .bind(&order.by)
        .bind(&order.reason)
        .bind(id.as_str())
        .execute(self.connection())
        .await?;
        Ok(if done.rows_affected() == 1 { EndOrder::Given } else { EndOrder::Needless })
    }
}
