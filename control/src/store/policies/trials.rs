//! What targets said about trials: the last report of each.

use super::super::row::{Of, sql, time};
use super::super::{StoreError, View, Write};
use crate::domain::text::TargetName;
use portcullis_model::id::PolicyDigest;
use portcullis_model::policy::TrialReport;
use portcullis_model::time::UnixMs;

/// What a target said about a trial.
#[derive(Debug, Clone)]
pub struct StoredTrial {
    /// The target.
    pub target: String,
    /// When it said so.
    pub at: UnixMs,
    /// What.
    pub report: TrialReport,
}

impl View {
    /// What each target last said about the trial of a version.
    ///
    /// # Errors
    /// When the database fails or a row does not read.
    pub async fn trials(&mut self, policy: &PolicyDigest) -> Result<Vec<StoredTrial>, StoreError> {
        let rows: Vec<(String, i64, String)> =
            sqlx::query_as("SELECT target, at_ms, report FROM policy_trials WHERE policy = $1 ORDER BY target, role")
                .bind(policy.to_string())
                .fetch_all(self.connection())
                .await?;
        rows.into_iter()
            .map(|(target, at, report)| {
                let report = Of { table: "trial on target", id: &target }.json("report", &report)?;
                Ok(StoredTrial { target, at: time(at), report })
            })
            .collect()
    }
}

impl Write {
    /// What a target said, in the place of what it said before.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn put_trial(&mut self, target: &TargetName, report: &TrialReport, now: UnixMs) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO policy_trials (policy, target, role, at_ms, report) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (policy, target, role) DO UPDATE SET at_ms = excluded.at_ms, report = excluded.report",
        )
        .bind(report.candidate.to_string())
        .bind(target.as_str())
        .bind(report.role.name())
        .bind(sql(now.0))
        .bind(serde_json::to_string(report)?)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Forgets what targets said about an earlier trial of a version.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_trials(&mut self, policy: &PolicyDigest) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM policy_trials WHERE policy = $1").bind(policy.to_string()).execute(self.connection()).await?;
        Ok(())
    }
}
