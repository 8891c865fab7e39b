//! Alerts of sessions.

use super::row::{Of, sql, time};
use super::{StoreError, View, Write};
use crate::domain::text::PersonName;
use portcullis_model::alert::Alert;
use portcullis_model::id::{RequestId, SessionId};
use portcullis_model::time::UnixMs;

/// An alert as the store has it.
#[derive(Debug, Clone)]
pub struct StoredAlert {
    /// The alert.
    pub alert: Alert,
    /// The request that its session ran under.
    pub request: RequestId,
    /// Who worked.
    pub operator: String,
    /// When the controller heard of it.
    pub heard: UnixMs,
}

/// Which alerts a list has.
#[derive(Debug, Clone, Default)]
pub struct AlertFilter {
    /// Of this session only.
    pub session: Option<SessionId>,
    /// Heard at this time or later.
    pub since: Option<UnixMs>,
    /// Of requests made with this token only.
    pub requested_by: Option<PersonName>,
}

#[derive(sqlx::FromRow)]
struct Row {
    session: String,
    request: String,
    operator: String,
    heard_ms: i64,
    alert: String,
}

impl View {
    /// Alerts, newest first, at most `limit`.
    ///
    /// # Errors
    /// When the database fails or a row does not read.
    pub async fn alerts(&mut self, filter: &AlertFilter, limit: u32) -> Result<Vec<StoredAlert>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT a.session, a.request, r.operator, a.heard_ms, a.alert FROM alerts a JOIN requests r ON r.id = a.request
             WHERE ($1 IS NULL OR a.session = $1) AND a.heard_ms >= $2 AND ($3 IS NULL OR r.requested_by = $3)
             ORDER BY a.heard_ms DESC, a.session DESC, a.number DESC LIMIT $4",
        )
        .bind(filter.session.as_ref().map(SessionId::as_str))
        .bind(sql(filter.since.map_or(0, |since| since.0)))
        .bind(filter.requested_by.as_ref().map(PersonName::as_str))
        .bind(i64::from(limit))
        .fetch_all(self.connection())
        .await?;
        let read = rows.into_iter().map(|row| {
            let of = Of { table: "alert of session", id: &row.session };
            Ok(StoredAlert { alert: of.json("alert", &row.alert)?, request: of.get("request", row.request.parse().ok())?, operator: row.operator.clone(), heard: time(row.heard_ms) })
        });
        read.collect()
    }

    /// How many alerts of a session there are.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn alerts_of(&mut self, session: &SessionId) -> Result<u64, StoreError> {
        let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM alerts WHERE session = $1").bind(session.as_str()).fetch_one(self.connection()).await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }
}

impl Write {
    /// An alert; one that is told again changes nothing.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_alert(&mut self, alert: &Alert, request: &RequestId, now: UnixMs) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO alerts (session, number, grant_id, request, target, at_ms, heard_ms, kind, alert) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             ON CONFLICT (session, number) DO NOTHING",
        )
        .bind(alert.session.as_str())
        .bind(sql(alert.number))
        .bind(alert.grant.as_str())
        .bind(request.as_str())
        .bind(&alert.target)
        .bind(sql(alert.at.0))
        .bind(sql(now.0))
        .bind(alert.kind.name())
        .bind(serde_json::to_string(alert)?)
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
