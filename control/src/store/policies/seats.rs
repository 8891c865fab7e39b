//! What judges an action on a role: the version in force, the one on trial beside it, and what was in force before.

use super::super::row::{Of, sql, time};
use super::super::{StoreError, View, Write};
use super::digest;
use portcullis_model::action::{Action, Role};
use portcullis_model::id::PolicyDigest;
use portcullis_model::time::UnixMs;

/// Most former versions that one seat remembers.
const FORMER_MAX: i64 = 100;

/// What judges an action on a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    /// The action.
    pub action: Action,
    /// The role.
    pub role: Role,
    /// The version in force; none for the nodes' own module.
    pub active: Option<PolicyDigest>,
    /// Since when.
    pub since: UnixMs,
    /// By whom.
    pub by: String,
    /// The version on trial beside it.
    pub candidate: Option<PolicyDigest>,
}

#[derive(sqlx::FromRow)]
struct Row {
    action: String,
    role: String,
    active: Option<String>,
    since_ms: i64,
    by_name: String,
    candidate: Option<String>,
}

impl View {
    /// All seats that anything was ever put in or tried for.
    ///
    /// # Errors
    /// When the database fails or a row does not read.
    pub async fn seats(&mut self) -> Result<Vec<Seat>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as("SELECT action, role, active, since_ms, by_name, candidate FROM policy_seats ORDER BY action, role")
            .fetch_all(self.connection())
            .await?;
        rows.into_iter()
            .map(|row| {
                let id = format!("{}.{}", row.action, row.role);
                let of = Of { table: "policy seat", id: &id };
                Ok(Seat {
                    action: of.get("action", row.action.parse().ok())?,
                    role: of.get("role", row.role.parse().ok())?,
                    active: row.active.map(|text| digest(of, "active", &text)).transpose()?,
                    since: time(row.since_ms),
                    by: row.by_name,
                    candidate: row.candidate.map(|text| digest(of, "candidate", &text)).transpose()?,
                })
            })
            .collect()
    }

    /// What was in force before; none when nothing was put in force yet, `Some(None)` when it was the nodes' own module.
    ///
    /// # Errors
    /// When the database fails or the row does not read.
    pub async fn former(&mut self, action: Action, role: Role) -> Result<Option<Option<PolicyDigest>>, StoreError> {
        let row: Option<Option<String>> =
            sqlx::query_scalar("SELECT policy FROM policy_former WHERE action = $1 AND role = $2 ORDER BY place DESC LIMIT 1")
                .bind(action.name())
                .bind(role.name())
                .fetch_optional(self.connection())
                .await?;
        let id = format!("{action}.{role}");
        row.map(|policy| policy.map(|text| digest(Of { table: "policy seat", id: &id }, "policy", &text)).transpose()).transpose()
    }
}

impl Write {
    /// Puts a version, or the nodes' own module, in force. `seat` is the seat before; what was in force is remembered.
    ///
    /// # Errors
    /// [`StoreError::Moved`] when the seat is not any more as it was.
    pub async fn seat_active(&mut self, seat: &Seat, active: Option<&PolicyDigest>, now: UnixMs, by: &str) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO policy_former (action, role, place, policy)
             VALUES ($1, $2, (SELECT COALESCE(MAX(place), 0) + 1 FROM policy_former WHERE action = $1 AND role = $2), $3)",
        )
        .bind(seat.action.name())
        .bind(seat.role.name())
        .bind(seat.active.map(|active| active.to_string()))
        .execute(self.connection())
        .await?;
        sqlx::query(
            "DELETE FROM policy_former WHERE action = $1 AND role = $2
               AND place <= (SELECT MAX(place) FROM policy_former WHERE action = $1 AND role = $2) - $3",
        )
        .bind(seat.action.name())
        .bind(seat.role.name())
        .bind(FORMER_MAX)
        .execute(self.connection())
        .await?;
        self.seat(seat, active, now, by).await
    }

    /// Puts in force what was in force before, and forgets that it was before.
    ///
    /// # Errors
    /// [`StoreError::Moved`] when the seat is not any more as it was.
    pub async fn seat_former(&mut self, seat: &Seat, former: Option<&PolicyDigest>, now: UnixMs, by: &str) -> Result<(), StoreError> {
        sqlx::query(
            "DELETE FROM policy_former WHERE action = $1 AND role = $2
               AND place = (SELECT MAX(place) FROM policy_former WHERE action = $1 AND role = $2)",
        )
        .bind(seat.action.name())
        .bind(seat.role.name())
        .execute(self.connection())
        .await?;
        self.seat(seat, former, now, by).await
    }

    async fn seat(&mut self, seat: &Seat, active: Option<&PolicyDigest>, now: UnixMs, by: &str) -> Result<(), StoreError> {
        let active = active.map(ToString::to_string);
        // what is put in force is not on trial any more
        let moved = sqlx::query(
            "INSERT INTO policy_seats (action, role, active, since_ms, by_name, candidate) VALUES ($1, $2, $3, $4, $5, NULL)
             ON CONFLICT (action, role) DO UPDATE SET active = excluded.active, since_ms = excluded.since_ms, by_name = excluded.by_name,
                 candidate = CASE WHEN policy_seats.candidate = excluded.active THEN NULL ELSE policy_seats.candidate END
             WHERE policy_seats.active IS NOT DISTINCT FROM $6",
        )
        .bind(seat.action.name())
        .bind(seat.role.name())
        .bind(active)
        .bind(sql(now.0))
        .bind(by)
        .bind(seat.active.map(|active| active.to_string()))
        .execute(self.connection())
        .await?;
        if moved.rows_affected() == 1 { Ok(()) } else { Err(StoreError::Moved) }
    }

    /// Puts a version on trial beside what is in force.
    ///
    /// # Errors
    /// [`StoreError::Moved`] when another one is on trial there.
    pub async fn seat_candidate(&mut self, action: Action, role: Role, candidate: &PolicyDigest, now: UnixMs) -> Result<(), StoreError> {
        let moved = sqlx::query(
            "INSERT INTO policy_seats (action, role, active, since_ms, by_name, candidate) VALUES ($1, $2, NULL, $3, '', $4)
             ON CONFLICT (action, role) DO UPDATE SET candidate = excluded.candidate
             WHERE policy_seats.candidate IS NULL OR policy_seats.candidate = excluded.candidate",
        )
        .bind(action.name())
        .bind(role.name())
        .bind(sql(now.0))
        .bind(candidate.to_string())
        .execute(self.connection())
        .await?;
        if moved.rows_affected() == 1 { Ok(()) } else { Err(StoreError::Moved) }
    }

    /// Takes a version off trial, wherever it was.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_trial(&mut self, candidate: &PolicyDigest) -> Result<(), StoreError> {
        sqlx::query("UPDATE policy_seats SET candidate = NULL WHERE candidate = $1")
            .bind(candidate.to_string())
            .execute(self.connection())
            .await?;
        Ok(())
    }
}
