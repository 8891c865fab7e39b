//! Grants, their ends, and what their targets said about both.

use super::row::{Of, sql, time};
use super::{StoreError, View, Write};
use crate::domain::deployment::{Deployment, Report};
use crate::domain::text::TargetName;
use portcullis_model::account::{AccountName, AccountUid, UID_FIRST, UID_LAST};
use portcullis_model::asking::SignedAnswer;
use portcullis_model::grant::{Grant, SignedGrant, SignedRevocation};
use portcullis_model::id::{GrantId, QuestionId, RequestId, SessionId};
use portcullis_model::policy::SignedPolicyAssignment;
use portcullis_model::receipt::RevokeReceipt;
use portcullis_model::time::UnixMs;
use portcullis_model::wish::Note;
use std::collections::BTreeSet;

/// A grant as the store has it.
#[derive(Debug, Clone)]
pub struct StoredGrant {
    /// Its id.
    pub id: GrantId,
    /// The request.
    pub request: RequestId,
    /// The target.
    pub target: TargetName,
    /// The account.
    pub account: AccountName,
    /// Its uid.
    pub uid: AccountUid,
    /// Not valid before.
    pub not_before: UnixMs,
    /// Not valid from then on.
    pub not_after: UnixMs,
    /// What became of it.
    pub deployment: Deployment,
    /// Why the target does not enforce it, or what it left; may be empty.
    pub error: String,
    /// What the target was, or is to be, told.
    pub signed: SignedGrant,
    /// Its end, once there is one.
    pub revocation: Option<StoredRevocation>,
}

/// The end of a grant.
#[derive(Debug, Clone)]
pub struct StoredRevocation {
    /// When it was ordered.
    pub issued: UnixMs,
    /// When the target first answered, and what.
    pub answer: Option<(UnixMs, RevokeReceipt)>,
}

/// All that a target has to be told.
#[derive(Debug, Clone)]
pub struct Orders {
    /// Grants in force, and what became of each.
    pub grants: Vec<(GrantId, Deployment, SignedGrant)>,
    /// Ends that it has not done yet, oldest first.
    pub revocations: Vec<(GrantId, SignedRevocation)>,
    /// Running sessions that it is to end.
    pub ends: Vec<SessionId>,
    /// Which modules are to judge, with its number; none when nothing was ever put in force.
    pub policies: Option<(u64, SignedPolicyAssignment)>,
    /// Answers to questions of its sessions, oldest first.
    pub answers: Vec<(QuestionId, SignedAnswer)>,
    /// What its sessions are to be told, oldest first.
    pub notes: Vec<(SessionId, Note)>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    request: String,
    target: String,
    account: String,
    uid: i64,
    not_before_ms: i64,
    not_after_ms: i64,
    signed: String,
    deployment: String,
    error: String,
    issued_ms: Option<i64>,
    answered_ms: Option<i64>,
    receipt: Option<String>,
}

impl Row {
    fn read(self) -> Result<StoredGrant, StoreError> {
        let of = Of { table: "grant", id: &self.id };
        let answer = match (self.answered_ms, self.receipt) {
            (Some(at), Some(receipt)) => Some((time(at), of.json("receipt", &receipt)?)),
            _ => None,
        };
        Ok(StoredGrant {
            id: of.get("id", self.id.parse().ok())?,
            request: of.get("request", self.request.parse().ok())?,
            target: of.get("target", TargetName::try_from(self.target).ok())?,
            account: of.get("account", AccountName::try_from(self.account).ok())?,
            uid: of.get("uid", u32::try_from(self.uid).ok().and_then(|uid| AccountUid::try_from(uid).ok()))?,
            not_before: time(self.not_before_ms),
            not_after: time(self.not_after_ms),
            deployment: of.get("deployment", Deployment::from_name(&self.deployment))?,
            error: self.error,
            signed: of.json("signed", &self.signed)?,
            revocation: self.issued_ms.map(|at| StoredRevocation { issued: time(at), answer }),
        })
    }
}

impl View {
    /// One grant.
    ///
    /// # Errors
    /// When the database fails or the row does not read.
    pub async fn grant(&mut self, id: &GrantId) -> Result<Option<StoredGrant>, StoreError> {
        let row: Option<Row> = sqlx::query_as(
            "SELECT g.*, v.issued_ms, v.answered_ms, v.receipt FROM grants g LEFT JOIN revocations v ON v.grant_id = g.id WHERE g.id = $1",
        )
        .bind(id.as_str())
        .fetch_optional(self.connection())
        .await?;
        row.map(Row::read).transpose()
    }

    /// The grants of a request.
    ///
    /// # Errors
    /// When the database fails or a row does not read.
    pub async fn grants(&mut self, request: &RequestId) -> Result<Vec<StoredGrant>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT g.*, v.issued_ms, v.answered_ms, v.receipt FROM grants g LEFT JOIN revocations v ON v.grant_id = g.id
             WHERE g.request = $1 ORDER BY g.target",
        )
        .bind(request.as_str())
        .fetch_all(self.connection())
        .await?;
        rows.into_iter().map(Row::read).collect()
    }

    /// How many grants are in force on a target.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn grants_in_force(&mut self, target: &TargetName) -> Result<u64, StoreError> {
        let count: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM grants g JOIN requests r ON r.id = g.request WHERE g.target = $1 AND g.live = 1 AND r.state = 'active'",
        )
        .bind(target.as_str())
        .fetch_one(self.connection())
        .await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// What a target has to be told; at most `limit` ends of grants and of sessions.
    ///
    /// # Errors
    /// When the database fails or a row does not read.
    pub async fn orders(&mut self, target: &TargetName, limit: u32) -> Result<Orders, StoreError> {
        let grants: Vec<(String, String, String)> = sqlx::query_as(
            "SELECT g.id, g.deployment, g.signed FROM grants g JOIN requests r ON r.id = g.request
             WHERE g.target = $1 AND g.live = 1 AND r.state = 'active' ORDER BY g.id",
        )
        .bind(target.as_str())
        .fetch_all(self.connection())
        .await?;
        let revocations: Vec<(String, String)> =
            sqlx::query_as("SELECT grant_id, signed FROM revocations WHERE target = $1 AND done = 0 ORDER BY issued_ms, grant_id LIMIT $2")
                .bind(target.as_str())
                .bind(i64::from(limit))
                .fetch_all(self.connection())
                .await?;
        let ends: Vec<String> = sqlx::query_scalar(
            "SELECT id FROM sessions WHERE target = $1 AND state = 'running' AND terminate_ms IS NOT NULL ORDER BY terminate_ms, id LIMIT $2",
        )
        .bind(target.as_str())
        .bind(i64::from(limit))
        .fetch_all(self.connection())
        .await?;
        let answers = self.answers(target.as_str(), limit).await?;
        let notes = self.notes(target.as_str(), limit).await?;
        let policies = self.assignment(target).await?.map(|told| (told.sequence, told.signed));
        let grants = grants.into_iter().map(|(id, deployment, signed)| {
            let of = Of { table: "grant", id: &id };
            Ok((of.get("id", id.parse().ok())?, of.get("deployment", Deployment::from_name(&deployment))?, of.json("signed", &signed)?))
        });
        let revocations = revocations.into_iter().map(|(id, signed)| {
            let of = Of { table: "revocation", id: &id };
            Ok((of.get("grant_id", id.parse().ok())?, of.json("signed", &signed)?))
        });
        let ends = ends.into_iter().map(|id| Of { table: "session", id: &id }.get("id", id.parse().ok()));
        Ok(Orders {
            grants: grants.collect::<Result<_, StoreError>>()?,
            revocations: revocations.collect::<Result<_, StoreError>>()?,
            ends: ends.collect::<Result<_, StoreError>>()?,
            policies,
            answers,
            notes,
        })
    }
}

/// Where the count begins: two controllers that come to the same node one after the other do not begin with the same uid.
fn somewhere(first: i64, last: i64) -> i64 {
    let mut random = [0; 4];
    match getrandom::fill(&mut random) {
        Ok(()) => first + i64::from(u32::from_le_bytes(random)) % (last - first + 1),
        Err(_) => first,
    }
}

impl Write {
    /// The next uid that nothing can be using any more. The count goes on over restarts, and around at the end of the
    /// range, so that a uid rests as long as possible.
    ///
    /// # Errors
    /// [`StoreError::NoUid`] when all are in use.
    pub async fn take_uid(&mut self) -> Result<AccountUid, StoreError> {
        let live: Vec<i64> = sqlx::query_scalar("SELECT uid FROM grants WHERE live = 1").fetch_all(self.connection()).await?;
        let live: BTreeSet<i64> = live.into_iter().collect();
        let next: Option<i64> = sqlx::query_scalar("SELECT value FROM counters WHERE name = 'uid'").fetch_optional(self.connection()).await?;
        let (first, last) = (i64::from(UID_FIRST), i64::from(UID_LAST));
        let next = next.filter(|uid| (first..=last).contains(uid)).unwrap_or_else(|| somewhere(first, last));
        let uid = (next..=last).chain(first..next).find(|uid| !live.contains(uid)).ok_or(StoreError::NoUid)?;
        let after = if uid == last { first } else { uid + 1 };
        sqlx::query("INSERT INTO counters (name, value) VALUES ('uid', $1) ON CONFLICT (name) DO UPDATE SET value = excluded.value")
            .bind(after)
            .execute(self.connection())
            .await?;
        u32::try_from(uid).ok().and_then(|uid| AccountUid::try_from(uid).ok()).ok_or(StoreError::NoUid)
    }

    /// A new grant, pending.
    ///
    /// # Errors
    /// When the database fails; [`StoreError::is_repeated`] when the id, or a live account or uid, is taken.
    pub async fn insert_grant(&mut self, grant: &Grant, signed: &SignedGrant) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO grants (id, request, target, account, uid, not_before_ms, not_after_ms, signed, live, deployment, error)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9, '')",
        )
        .bind(grant.id.as_str())
        .bind(grant.request.as_str())
        .bind(&grant.target)
        .bind(grant.account.as_str())
        .bind(i64::from(grant.uid.get()))
        .bind(sql(grant.not_before.0))
        .bind(sql(grant.not_after.0))
        .bind(serde_json::to_string(signed)?)
        .bind(Deployment::Pending.name())
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// A grant that ends later: pending again until its target has it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn extend_grant(&mut self, grant: &Grant, signed: &SignedGrant) -> Result<(), StoreError> {
        sqlx::query("UPDATE grants SET not_after_ms = $1, signed = $2, deployment = $3, error = '' WHERE id = $4 AND live = 1")
            .bind(sql(grant.not_after.0))
            .bind(serde_json::to_string(signed)?)
            .bind(Deployment::Pending.name())
            .bind(grant.id.as_str())
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// The order to end a grant.
    ///
    /// # Errors
    /// When the database fails; [`StoreError::is_repeated`] when there is one already.
    pub async fn insert_revocation(&mut self, grant: &StoredGrant, signed: &SignedRevocation, now: UnixMs) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO revocations (grant_id, target, issued_ms, signed, done) VALUES ($1, $2, $3, $4, 0)")
            .bind(grant.id.as_str())
            .bind(grant.target.as_str())
            .bind(sql(now.0))
            .bind(serde_json::to_string(signed)?)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// What a target said about a grant.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn report(&mut self, grant: &StoredGrant, report: Report, error: &str) -> Result<Deployment, StoreError> {
        let after = grant.deployment.after(report);
        let live = i64::from(after != Deployment::Removed);
        sqlx::query("UPDATE grants SET deployment = $1, error = $2, live = $3 WHERE id = $4")
            .bind(after.name())
            .bind(if after == Deployment::Removed { "" } else { error })
            .bind(live)
            .bind(grant.id.as_str())
            .execute(self.connection())
            .await?;
        Ok(after)
    }

    /// A target's receipt for the end of a grant. The first one stays; one without survivors settles it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn answer_revocation(&mut self, receipt: &RevokeReceipt, now: UnixMs) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE revocations SET answered_ms = COALESCE(answered_ms, $1), receipt = COALESCE(receipt, $2),
                    done = CASE WHEN $3 = 0 THEN 1 ELSE done END
             WHERE grant_id = $4",
        )
        .bind(sql(now.0))
        .bind(serde_json::to_string(receipt)?)
        .bind(i64::try_from(receipt.survivors()).unwrap_or(i64::MAX))
        .bind(receipt.grant.as_str())
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
