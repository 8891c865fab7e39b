//! Amendments: what operators propose, and what became of it.

use super::row::{Cursor, Of, sql, time};
use super::{StoreError, View, Write};
use crate::domain::amendment::{Amendment, AmendmentState};
use crate::domain::text::PersonName;
use portcullis_model::id::{AmendmentId, RequestId, SessionId};
use portcullis_model::time::UnixMs;

/// An amendment as the store has it.
#[derive(Debug, Clone)]
pub struct StoredAmendment {
    /// Its id.
    pub id: AmendmentId,
    /// The request that it is of.
    pub request: RequestId,
    /// The session that it was proposed from; none for one that came over the API.
    pub session: Option<SessionId>,
    /// When it was proposed.
    pub at: UnixMs,
    /// By whom.
    pub by: String,
    /// Why; may be empty.
    pub reason: String,
    /// What is to be changed.
    pub what: Amendment,
    /// Where it is in its life.
    pub state: AmendmentState,
    /// Who ended that, and when; none while it is open.
    pub decided: Option<(String, UnixMs)>,
    /// What was said with it; may be empty.
    pub comment: String,
    /// The request that the other operator works under, for an approved share.
    pub shared_as: Option<RequestId>,
}

/// Which amendments a list has.
#[derive(Debug, Clone, Default)]
pub struct AmendmentFilter {
    /// Of this request only.
    pub request: Option<RequestId>,
    /// In this state only.
    pub state: Option<AmendmentState>,
    /// Of requests made with this token only.
    pub requested_by: Option<PersonName>,
    /// Behind this place only.
    pub after: Option<Cursor>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    request: String,
    session: Option<String>,
    proposed_ms: i64,
    proposed_by: String,
    reason: String,
    kind: String,
    for_s: Option<i64>,
    operator: Option<String>,
    public_key: Option<String>,
    known_from: Option<String>,
    state: String,
    decided_ms: Option<i64>,
    decided_by: Option<String>,
    comment: Option<String>,
    shared_as: Option<String>,
}

impl Row {
    fn read(self) -> Result<StoredAmendment, StoreError> {
        let of = Of { table: "amendment", id: &self.id };
        let request = |column, id: Option<String>| id.map(|id| of.get(column, id.parse().ok())).transpose();
        let what = match (self.kind.as_str(), self.for_s, self.operator, self.public_key) {
            ("extend", Some(for_s), None, None) => Amendment::Extend { for_s: of.number("for_s", for_s)? },
            ("share", None, Some(operator), Some(key)) => Amendment::Share {
                operator: of.get("operator", PersonName::try_from(operator).ok())?,
                key: of.get("public_key", key.parse().ok())?,
                known_from: request("known_from", self.known_from)?,
            },
            _ => return Err(of.bad("kind")),
        };
        Ok(StoredAmendment {
            id: of.get("id", self.id.parse().ok())?,
            request: of.get("request", self.request.parse().ok())?,
            session: self.session.map(|id| of.get("session", id.parse().ok())).transpose()?,
            at: time(self.proposed_ms),
            by: self.proposed_by,
            reason: self.reason,
            what,
            state: of.get("state", AmendmentState::from_name(&self.state))?,
            decided: self.decided_by.zip(self.decided_ms.map(time)),
            comment: self.comment.unwrap_or_default(),
            shared_as: request("shared_as", self.shared_as)?,
        })
    }
}

impl View {
    /// One amendment.
    ///
    /// # Errors
    /// When the database fails or the row does not read.
    pub async fn amendment(&mut self, id: &AmendmentId) -> Result<Option<StoredAmendment>, StoreError> {
        let row: Option<Row> = sqlx::query_as("SELECT * FROM amendments WHERE id = $1").bind(id.as_str()).fetch_optional(self.connection()).await?;
        row.map(Row::read).transpose()
    }

    /// Amendments, newest first, at most `limit`.
    ///
    /// # Errors
    /// When the database fails or a row does not read.
    pub async fn amendments(&mut self, filter: &AmendmentFilter, limit: u32) -> Result<Vec<StoredAmendment>, StoreError> {
        let (at, id) = filter.after.as_ref().map_or((i64::MAX, ""), |after| (sql(after.at.0), after.id.as_str()));
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT a.* FROM amendments a JOIN requests r ON r.id = a.request
             WHERE (a.proposed_ms < $1 OR (a.proposed_ms = $1 AND a.id < $2))
               AND ($3 IS NULL OR a.request = $3) AND ($4 IS NULL OR r.requested_by = $4) AND ($5 IS NULL OR a.state = $5)
             ORDER BY a.proposed_ms DESC, a.id DESC LIMIT $6",
        )
        .bind(at)
        .bind(id)
        .bind(filter.request.as_ref().map(RequestId::as_str))
        .bind(filter.requested_by.as_ref().map(PersonName::as_str))
        .bind(filter.state.map(AmendmentState::name))
        .bind(i64::from(limit))
        .fetch_all(self.connection())
        .await?;
        rows.into_iter().map(Row::read).collect()
    }

    /// How many amendments of a request are open, and how many there were.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn amendments_of(&mut self, request: &RequestId) -> Result<(u64, u64), StoreError> {
        let (open, all): (i64, i64) = sqlx::query_as("SELECT COUNT(CASE WHEN state = 'open' THEN 1 END), COUNT(*) FROM amendments WHERE request = $1")
            .bind(request.as_str())
            .fetch_one(self.connection())
            .await?;
        Ok((u64::try_from(open).unwrap_or(0), u64::try_from(all).unwrap_or(0)))
    }
}

impl Write {
    /// A new amendment, open.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_amendment(&mut self, amendment: &StoredAmendment) -> Result<(), StoreError> {
        let (for_s, operator, key, known_from) = match &amendment.what {
            Amendment::Extend { for_s } => (Some(sql(*for_s)), None, None, None),
            Amendment::Share { operator, key, known_from } => (None, Some(operator.as_str()), Some(key.as_str()), known_from.as_ref().map(RequestId::as_str)),
        };
        sqlx::query(
            "INSERT INTO amendments (id, request, session, proposed_ms, proposed_by, reason, kind, for_s, operator, public_key, known_from, state)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'open')",
        )
        .bind(amendment.id.as_str())
        .bind(amendment.request.as_str())
        .bind(amendment.session.as_ref().map(SessionId::as_str))
        .bind(sql(amendment.at.0))
        .bind(&amendment.by)
        .bind(&amendment.reason)
        .bind(amendment.what.name())
        .bind(for_s)
        .bind(operator)
        .bind(key)
        .bind(known_from)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// An open amendment is not open any more.
    ///
    /// # Errors
    /// When the database fails; [`StoreError::Moved`] when it was not open.
    pub async fn settle_amendment(&mut self, settled: &StoredAmendment) -> Result<(), StoreError> {
        let (by, at) = settled.decided.clone().unzip();
        let done = sqlx::query(
            "UPDATE amendments SET state = $1, decided_by = $2, decided_ms = $3, comment = $4, shared_as = $5 WHERE id = $6 AND state = 'open'",
        )
        .bind(settled.state.name())
        .bind(by)
        .bind(at.map(|at| sql(at.0)))
        .bind(&settled.comment)
        .bind(settled.shared_as.as_ref().map(RequestId::as_str))
        .bind(settled.id.as_str())
        .execute(self.connection())
        .await?;
        if done.rows_affected() == 1 { Ok(()) } else { Err(StoreError::Moved) }
    }

    /// A request has ended, and nobody will decide about its amendments.
    ///
    /// # Errors
    /// When the database fails.
    pub(super) async fn lapse_amendments(&mut self, request: &RequestId, now: UnixMs) -> Result<(), StoreError> {
        sqlx::query("UPDATE amendments SET state = 'lapsed', decided_by = 'system', decided_ms = $1 WHERE request = $2 AND state = 'open'")
            .bind(sql(now.0))
            .bind(request.as_str())
            .execute(self.connection())
            .await?;
        Ok(())
    }
}
