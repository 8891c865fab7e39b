//! What each target is told: signed once for each change, and kept until the next.

use super::super::row::{Of, sql, time};
use super::super::{StoreError, View, Write};
use crate::domain::text::TargetName;
use portcullis_model::id::PolicyDigest;
use portcullis_model::policy::{Assigned, SignedPolicyAssignment};
use portcullis_model::time::UnixMs;
use serde::{Deserialize, Serialize};

/// What an assignment says, without its number and time: two that say the same are not told apart.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Content {
    /// What judges.
    pub modules: Vec<Assigned>,
    /// What is held ready.
    pub staged: Vec<PolicyDigest>,
}

/// What a target is told.
#[derive(Debug, Clone)]
pub struct Assignment {
    /// Its number; grows for this target.
    pub sequence: u64,
    /// When it was made.
    pub at: UnixMs,
    /// What it says.
    pub content: Content,
    /// What is sent.
    pub signed: SignedPolicyAssignment,
}

#[derive(sqlx::FromRow)]
struct Row {
    sequence: i64,
    at_ms: i64,
    content: String,
    signed: String,
}

impl View {
    /// What a target is told; none when nothing was ever put in force for it.
    ///
    /// # Errors
    /// When the database fails or the row does not read.
    pub async fn assignment(&mut self, target: &TargetName) -> Result<Option<Assignment>, StoreError> {
        let row: Option<Row> = sqlx::query_as("SELECT sequence, at_ms, content, signed FROM policy_assignments WHERE target = $1")
            .bind(target.as_str())
            .fetch_optional(self.connection())
            .await?;
        let of = Of { table: "policy assignment", id: target.as_str() };
        row.map(|row| {
            Ok(Assignment {
                sequence: of.number("sequence", row.sequence)?,
                at: time(row.at_ms),
                content: of.json("content", &row.content)?,
                signed: of.json("signed", &row.signed)?,
            })
        })
        .transpose()
    }
}

impl Write {
    /// What a target is told from now on.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn put_assignment(&mut self, target: &TargetName, assignment: &Assignment) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO policy_assignments (target, sequence, at_ms, content, signed) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (target) DO UPDATE SET sequence = excluded.sequence, at_ms = excluded.at_ms, content = excluded.content,
                 signed = excluded.signed
             WHERE excluded.sequence > policy_assignments.sequence",
        )
        .bind(target.as_str())
        .bind(sql(assignment.sequence))
        .bind(sql(assignment.at.0))
        .bind(serde_json::to_string(&assignment.content)?)
        .bind(serde_json::to_string(&assignment.signed)?)
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
