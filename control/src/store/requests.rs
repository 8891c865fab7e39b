//! Requests and their history.

use super::row::{Cursor, Of, sql, time};
use super::{StoreError, View, Write};
use crate::domain::act::Act;
use crate::domain::actor::UserRole;
use crate::domain::life::State;
use crate::domain::request::{AccessRequest, Facts, Term, Transition};
use crate::domain::text::{PersonName, Reason, TargetName, Ticket};
use portcullis_model::account::AccountName;
use portcullis_model::id::RequestId;
use portcullis_model::time::UnixMs;

/// A request as the store has it.
#[derive(Debug, Clone)]
pub struct StoredRequest {
    /// The request.
    pub request: AccessRequest,
    /// The temporary account of its grants, if there are any.
    pub account: Option<AccountName>,
}

/// Which requests a list has.
#[derive(Debug, Clone, Default)]
pub struct RequestFilter {
    /// In this state only.
    pub state: Option<State>,
    /// Made with this token only.
    pub requested_by: Option<PersonName>,
    /// Behind this place only.
    pub after: Option<Cursor>,
}

/// A line of a request's history.
#[derive(Debug, Clone)]
pub struct HistoryRow {
    /// When.
    pub at: UnixMs,
    /// `submit`, or the event's name.
    pub event: String,
    /// The state before.
    pub from: Option<State>,
    /// The state after.
    pub to: State,
    /// Who.
    pub actor: String,
    /// In which role; none for the clock.
    pub role: Option<UserRole>,
    /// Why.
    pub reason: String,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    operator: String,
    requested_by: String,
    public_key: String,
    action: String,
    ticket: String,
    reason: String,
    duration_s: i64,
    start_ms: Option<i64>,
    idle_timeout_s: i64,
    created_ms: i64,
    lapses_ms: i64,
    state: String,
    not_before_ms: Option<i64>,
    not_after_ms: Option<i64>,
    entries: i64,
    shared_from: Option<String>,
    account: Option<String>,
}

#[derive(sqlx::FromRow)]
struct History {
    at_ms: i64,
    event: String,
    from_state: Option<String>,
    to_state: String,
    actor: String,
    actor_role: Option<String>,
    reason: String,
}

impl Row {
    fn read(self, targets: Vec<String>) -> Result<StoredRequest, StoreError> {
        let of = Of { table: "request", id: &self.id };
        let targets = targets.into_iter().map(TargetName::try_from).collect::<Result<Vec<_>, _>>().map_err(|_| of.bad("target"))?;
        let facts = Facts {
            id: of.get("id", self.id.parse().ok())?,
            operator: of.get("operator", PersonName::try_from(self.operator).ok())?,
            requested_by: of.get("requested_by", PersonName::try_from(self.requested_by).ok())?,
            key: of.get("public_key", self.public_key.parse().ok())?,
            action: of.get("action", self.action.parse().ok())?,
            targets,
            ticket: of.get("ticket", Ticket::try_from(self.ticket).ok())?,
            reason: of.get("reason", Reason::try_from(self.reason).ok())?,
            duration_s: of.number("duration_s", self.duration_s)?,
            start: self.start_ms.map(time),
            idle_timeout_s: of.number("idle_timeout_s", self.idle_timeout_s)?,
            created: time(self.created_ms),
            lapses: time(self.lapses_ms),
            shared_from: self.shared_from.map(|id| of.get("shared_from", id.parse().ok())).transpose()?,
        };
        let state = of.get("state", State::from_name(&self.state))?;
        let term = match (self.not_before_ms, self.not_after_ms) {
            (Some(before), Some(after)) => Some(Term { not_before: time(before), not_after: time(after) }),
            (None, None) => None,
            _ => return Err(of.bad("not_after_ms")),
        };
        let account = self.account.map(|name| of.get("account", AccountName::try_from(name).ok())).transpose()?;
        let entries = of.number("entries", self.entries)?;
        Ok(StoredRequest { request: AccessRequest::restore(facts, state, term, entries), account })
    }
}

impl View {
    /// One request.
    ///
    /// # Errors
    /// When the database fails or the row does not read.
    pub async fn request(&mut self, id: &RequestId) -> Result<Option<StoredRequest>, StoreError> {
        let row: Option<Row> = sqlx::query_as(
            "SELECT r.*, (SELECT MIN(g.account) FROM grants g WHERE g.request = r.id) AS account FROM requests r WHERE r.id = $1",
        )
        .bind(id.as_str())
        .fetch_optional(self.connection())
        .await?;
        match row {
            Some(row) => Ok(Some(self.with_targets(row).await?)),
            None => Ok(None),
        }
    }

    async fn with_targets(&mut self, row: Row) -> Result<StoredRequest, StoreError> {
        let targets = sqlx::query_scalar("SELECT target FROM request_targets WHERE request = $1 ORDER BY position")
            .bind(&row.id)
            .fetch_all(self.connection())
            .await?;
        row.read(targets)
    }

    /// Requests, newest first, at most `limit`.
    ///
    /// # Errors
    /// When the database fails or a row does not read.
    pub async fn requests(&mut self, filter: &RequestFilter, limit: u32) -> Result<Vec<StoredRequest>, StoreError> {
        let (at, id) = filter.after.as_ref().map_or((i64::MAX, ""), |after| (sql(after.at.0), after.id.as_str()));
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT r.*, (SELECT MIN(g.account) FROM grants g WHERE g.request = r.id) AS account FROM requests r
             WHERE (r.created_ms < $1 OR (r.created_ms = $1 AND r.id < $2))
               AND ($3 IS NULL OR r.state = $3) AND ($4 IS NULL OR r.requested_by = $4)
             ORDER BY r.created_ms DESC, r.id DESC LIMIT $5",
        )
        .bind(at)
        .bind(id)
        .bind(filter.state.map(State::name))
        .bind(filter.requested_by.as_ref().map(PersonName::as_str))
        .bind(i64::from(limit))
        .fetch_all(self.connection())
        .await?;
        let mut requests = Vec::with_capacity(rows.len());
        for row in rows {
            requests.push(self.with_targets(row).await?);
        }
        Ok(requests)
    }

    /// Requests that were shared from this one, and are in force or to be.
    ///
    /// # Errors
    /// When the database fails or a row does not read.
    pub async fn shared_from(&mut self, id: &RequestId) -> Result<Vec<StoredRequest>, StoreError> {
        let ids: Vec<String> = sqlx::query_scalar("SELECT id FROM requests WHERE shared_from = $1 AND state IN ('approved', 'active') ORDER BY id")
            .bind(id.as_str())
            .fetch_all(self.connection())
            .await?;
        self.all_of(ids).await
    }

    /// All requests that were ever shared from this one.
    ///
    /// # Errors
    /// When the database fails or a row does not read.
    pub async fn ever_shared_from(&mut self, id: &RequestId) -> Result<Vec<StoredRequest>, StoreError> {
        let ids: Vec<String> =
            sqlx::query_scalar("SELECT id FROM requests WHERE shared_from = $1 ORDER BY created_ms, id").bind(id.as_str()).fetch_all(self.connection()).await?;
        self.all_of(ids).await
    }

    async fn all_of(&mut self, ids: Vec<String>) -> Result<Vec<StoredRequest>, StoreError> {
        let mut requests = Vec::with_capacity(ids.len());
        for id in ids {
            let of = Of { table: "request", id: &id };
            requests.extend(self.request(&of.get("id", id.parse().ok())?).await?);
        }
        Ok(requests)
    }

    /// The request with which a key of this operator was approved last, of those that were made with this token.
    ///
    /// # Errors
    /// When the database fails or a row does not read.
    pub async fn last_approved_of(&mut self, operator: &PersonName, requested_by: &PersonName) -> Result<Option<StoredRequest>, StoreError> {
        let ids: Vec<String> = sqlx::query_scalar(
            "SELECT id FROM requests WHERE operator = $1 AND requested_by = $2 AND not_after_ms IS NOT NULL AND state <> 'revoked'
             ORDER BY created_ms DESC, id DESC LIMIT 1",
        )
        .bind(operator.as_str())
        .bind(requested_by.as_str())
        .fetch_all(self.connection())
        .await?;
        Ok(self.all_of(ids).await?.pop())
    }

    /// What happened to a request, in order.
    ///
    /// # Errors
    /// When the database fails or a row does not read.
    pub async fn history(&mut self, id: &RequestId) -> Result<Vec<HistoryRow>, StoreError> {
        let rows: Vec<History> = sqlx::query_as(
            "SELECT at_ms, event, from_state, to_state, actor, actor_role, reason FROM request_history WHERE request = $1 ORDER BY entry",
        )
        .bind(id.as_str())
        .fetch_all(self.connection())
        .await?;
        let of = Of { table: "history of request", id: id.as_str() };
        rows.into_iter()
            .map(|row| {
                Ok(HistoryRow {
                    at: time(row.at_ms),
                    event: row.event,
                    from: row.from_state.map(|name| of.get("from_state", State::from_name(&name))).transpose()?,
                    to: of.get("to_state", State::from_name(&row.to_state))?,
                    actor: row.actor,
                    role: row.actor_role.map(|name| of.get("actor_role", UserRole::from_name(&name))).transpose()?,
                    reason: row.reason,
                })
            })
            .collect()
    }

    /// Requests on which the clock has something to do at `now`, at most `limit`. An end is due `grace_ms` after the
    /// time is over: the nodes have ended it themselves by then.
    ///
    /// # Errors
    /// When the database fails or a row does not read.
    pub async fn due(&mut self, now: UnixMs, grace_ms: u64, limit: u32) -> Result<Vec<RequestId>, StoreError> {
        let rows: Vec<String> = sqlx::query_scalar(
            "SELECT id FROM requests WHERE state IN ('waiting', 'approved', 'active')
               AND ((state = 'waiting' AND lapses_ms <= $1)
                 OR (state = 'approved' AND not_before_ms <= $1)
                 OR (state = 'active' AND not_after_ms <= $2))
             ORDER BY id LIMIT $3",
        )
        .bind(sql(now.0))
        .bind(sql(now.0.saturating_sub(grace_ms)))
        .bind(i64::from(limit))
        .fetch_all(self.connection())
        .await?;
        rows.into_iter().map(|id| Of { table: "request", id: &id }.get("id", id.parse().ok())).collect()
    }

    /// How many requests of this token wait, and how many it made since `since`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn load_of(&mut self, requested_by: &PersonName, since: UnixMs) -> Result<(u64, u64), StoreError> {
        let (waiting, recent): (i64, i64) = sqlx::query_as(
            "SELECT (SELECT COUNT(*) FROM requests WHERE state = 'waiting' AND requested_by = $1),
                    (SELECT COUNT(*) FROM requests WHERE requested_by = $1 AND created_ms >= $2)",
        )
        .bind(requested_by.as_str())
        .bind(sql(since.0))
        .fetch_one(self.connection())
        .await?;
        Ok((u64::try_from(waiting).unwrap_or(0), u64::try_from(recent).unwrap_or(0)))
    }
}

impl Write {
    /// A new request, with the first line of its history.
    ///
    /// # Errors
    /// When the database fails; [`StoreError::is_repeated`] when the id is taken.
    pub async fn insert_request(&mut self, request: &AccessRequest) -> Result<(), StoreError> {
        let facts = request.facts();
        sqlx::query(
            "INSERT INTO requests (id, operator, requested_by, public_key, action, ticket, reason, duration_s, start_ms, idle_timeout_s,
                                   created_ms, lapses_ms, state, not_before_ms, not_after_ms, entries, shared_from)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, NULL, NULL, $14, $15)",
        )
        .bind(facts.id.as_str())
        .bind(facts.operator.as_str())
        .bind(facts.requested_by.as_str())
        .bind(facts.key.as_str())
        .bind(facts.action.name())
        .bind(facts.ticket.as_str())
        .bind(facts.reason.as_str())
        .bind(sql(facts.duration_s))
        .bind(facts.start.map(|at| sql(at.0)))
        .bind(i64::from(facts.idle_timeout_s))
        .bind(sql(facts.created.0))
        .bind(sql(facts.lapses.0))
        .bind(request.state().name())
        .bind(sql(request.entries()))
        .bind(facts.shared_from.as_ref().map(RequestId::as_str))
        .execute(self.connection())
        .await?;
        for (position, target) in (0i64..).zip(&facts.targets) {
            sqlx::query("INSERT INTO request_targets (request, position, target) VALUES ($1, $2, $3)")
                .bind(facts.id.as_str())
                .bind(position)
                .bind(target.as_str())
                .execute(self.connection())
                .await?;
        }
        let first = HistoryRow {
            at: facts.created,
            event: "submit".to_owned(),
            from: None,
            to: request.state(),
            actor: facts.requested_by.to_string(),
            role: Some(UserRole::Operator),
            reason: facts.reason.to_string(),
        };
        self.insert_history(&facts.id, 0, &first).await
    }

    /// A transition, with its line of history. `request` is the request after it.
    ///
    /// # Errors
    /// [`StoreError::Moved`] when the request is not any more what the transition was made from.
    pub async fn record(&mut self, request: &AccessRequest, transition: &Transition) -> Result<(), StoreError> {
        let id = &request.facts().id;
        let act: &Act = transition.act();
        let moved = sqlx::query(
            "UPDATE requests SET state = $1, not_before_ms = $2, not_after_ms = $3, entries = $4 WHERE id = $5 AND state = $6 AND entries = $7",
        )
        .bind(transition.to().name())
        .bind(request.term().map(|term| sql(term.not_before.0)))
        .bind(request.term().map(|term| sql(term.not_after.0)))
        .bind(sql(transition.entry() + 1))
        .bind(id.as_str())
        .bind(transition.from().name())
        .bind(sql(transition.entry()))
        .execute(self.connection())
        .await?;
        if moved.rows_affected() != 1 {
            return Err(StoreError::Moved);
        }
        let line = HistoryRow {
            at: act.at(),
            event: act.event().name().to_owned(),
            from: Some(transition.from()),
            to: transition.to(),
            actor: act.author().name().to_owned(),
            role: act.author().role(),
            reason: act.why().to_string(),
        };
        self.insert_history(id, transition.entry(), &line).await?;
        if transition.to().is_terminal() {
            self.lapse_amendments(id, act.at()).await?;
        }
        Ok(())
    }

    async fn insert_history(&mut self, id: &RequestId, entry: u64, line: &HistoryRow) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO request_history (request, entry, at_ms, event, from_state, to_state, actor, actor_role, reason)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(id.as_str())
        .bind(sql(entry))
        .bind(sql(line.at.0))
        .bind(&line.event)
        .bind(line.from.map(State::name))
        .bind(line.to.name())
        .bind(&line.actor)
        .bind(line.role.map(UserRole::name))
        .bind(&line.reason)
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
