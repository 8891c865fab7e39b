//! Versions of policy modules and all that happened to them. What is in force where is in [`seats`], what targets are told
//! in [`assignments`], what trials showed in [`trials`].

mod assignments;
mod seats;
mod trials;

pub use assignments::{Assignment, Content};
pub use seats::Seat;
pub use trials::StoredTrial;

use super::row::{Cursor, Of, sql, time};
use super::{StoreError, View, Write};
use crate::domain::act::Author;
use crate::domain::actor::UserRole;
use crate::domain::policy::claim::TestClaim;
use crate::domain::policy::module_id::ModuleId;
use crate::domain::policy::stage::{Event, Stage};
use crate::domain::policy::{Facts, Label, PolicyVersion, Transition};
use crate::domain::text::PersonName;
use portcullis_model::action::{Action, Role};
use portcullis_model::id::PolicyDigest;
use portcullis_model::policy::{Bounds, Trial};
use portcullis_model::time::UnixMs;
use portcullis_model::wire::judge::AllowedForm;
use serde::{Deserialize, Serialize};

/// What a module says about itself, beside what it is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// Whether equal questions get equal answers.
    pub pure: bool,
    /// What it allows, for people.
    pub allowed: Vec<AllowedForm>,
}

/// Which versions a list has.
#[derive(Debug, Clone, Default)]
pub struct PolicyFilter {
    /// In this stage only.
    pub stage: Option<Stage>,
    /// For this action only.
    pub action: Option<Action>,
    /// For this role only.
    pub role: Option<Role>,
    /// Whose digest begins with these hexadecimal digits only.
    pub prefix: String,
    /// Behind this place only.
    pub after: Option<Cursor>,
}

/// A kind of event, by the name that customers subscribe to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub enum PolicyEventKind {
    #[serde(rename = "Policy.Push")]
    Push,
    #[serde(rename = "Policy.Test")]
    Test,
    #[serde(rename = "Policy.Shadow")]
    Shadow,
    #[serde(rename = "Policy.Canary")]
    Canary,
    #[serde(rename = "Policy.Activate")]
    Activate,
    #[serde(rename = "Policy.Rollback")]
    Rollback,
    #[serde(rename = "Policy.Retire")]
    Retire,
    #[serde(rename = "Policy.Fault")]
    Fault,
}

/// Something that happened to a version, or to a target with one.
#[derive(Debug, Clone)]
pub struct PolicyEvent {
    /// Its number; grows.
    pub number: u64,
    /// When.
    pub at: UnixMs,
    /// What.
    pub kind: PolicyEventKind,
    /// To which version; none when it is about a target alone.
    pub policy: Option<PolicyDigest>,
    /// The stage before.
    pub from: Option<Stage>,
    /// The stage after.
    pub to: Option<Stage>,
    /// On which target, when it was about one.
    pub target: Option<String>,
    /// Who; `system` for what a node's report did.
    pub actor: String,
    /// In which role.
    pub role: Option<UserRole>,
    /// Why, or what went wrong.
    pub reason: String,
}

/// An event that is about to be written.
pub(crate) struct NewEvent<'a> {
    pub(crate) at: UnixMs,
    pub(crate) kind: PolicyEventKind,
    pub(crate) policy: Option<&'a PolicyDigest>,
    /// number in the version's history, and the stages before and after
    pub(crate) moved: Option<(u64, Option<Stage>, Stage)>,
    pub(crate) target: Option<&'a str>,
    pub(crate) author: &'a Author,
    pub(crate) reason: &'a str,
}

#[derive(sqlx::FromRow)]
struct Row {
    digest: String,
    name: String,
    version: String,
    action: String,
    abi: String,
    size: i64,
    author: String,
    author_name: String,
    signature: String,
    pushed_by: String,
    pushed_ms: i64,
    stage: String,
    test: Option<String>,
    trial: Option<String>,
    bounds: Option<String>,
    entries: i64,
    roles: String,
}

#[derive(sqlx::FromRow)]
struct EventRow {
    number: i64,
    at_ms: i64,
    kind: String,
    policy: Option<String>,
    from_stage: Option<String>,
    to_stage: Option<String>,
    target: Option<String>,
    actor: String,
    actor_role: Option<String>,
    reason: String,
}

/// From the columns of a [`Row`]: all but the description, which is long.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT digest, name, version, action, roles, abi, size, author, author_name, signature, pushed_by, pushed_ms,
                    stage, test, trial, bounds, entries FROM policies ",
            $rest
        )
    };
}

/// A digest of a column.
pub(super) fn digest(of: Of<'_>, column: &'static str, text: &str) -> Result<PolicyDigest, StoreError> {
    of.get(column, text.parse::<ModuleId>().ok().map(|id| id.0))
}

impl Row {
    fn read(self) -> Result<PolicyVersion, StoreError> {
        let of = Of { table: "policy", id: &self.digest };
        let label = |column, text: String| of.get(column, Label::try_from(text).ok());
        let mut roles = self.roles.split(',').map(|role| of.get("role", role.parse().ok())).collect::<Result<Vec<Role>, _>>()?;
        roles.sort_unstable();
        let facts = Facts {
            digest: digest(of, "digest", &self.digest)?,
            name: label("name", self.name)?,
            version: label("version", self.version)?,
            action: of.get("action", self.action.parse().ok())?,
            roles,
            abi: label("abi", self.abi)?,
            size: of.number("size", self.size)?,
            author: self.author,
            author_name: self.author_name,
            signature: self.signature,
            pushed_by: of.get("pushed_by", PersonName::try_from(self.pushed_by).ok())?,
            pushed: time(self.pushed_ms),
        };
        let stage = of.get("stage", Stage::from_name(&self.stage))?;
        let test: Option<TestClaim> = self.test.map(|text| of.json("test", &text)).transpose()?;
        let trial: Option<Trial> = self.trial.map(|text| of.json("trial", &text)).transpose()?;
        let bounds: Option<Bounds> = self.bounds.map(|text| of.json("bounds", &text)).transpose()?;
        let entries = of.number("entries", self.entries)?;
        of.get("stage", PolicyVersion::restore(facts, stage, test, trial.zip(bounds), entries))
    }
}

/// The event that a transition is, to who subscribes.
fn kind_of(event: Event) -> PolicyEventKind {
    match event {
        Event::Pass => PolicyEventKind::Test,
        Event::Shadow => PolicyEventKind::Shadow,
        Event::Canary => PolicyEventKind::Canary,
        Event::Activate | Event::Restore => PolicyEventKind::Activate,
        Event::Fail | Event::RollBack => PolicyEventKind::Rollback,
        Event::Replace | Event::Retire => PolicyEventKind::Retire,
    }
}

impl View {
    /// One version.
    ///
    /// # Errors
    /// When the database fails or the row does not read.
    pub async fn policy(&mut self, id: &PolicyDigest) -> Result<Option<PolicyVersion>, StoreError> {
        let row: Option<Row> = sqlx::query_as(select!("WHERE digest = $1"))
            .bind(id.to_string())
            .fetch_optional(self.connection())
            .await?;
        row.map(Row::read).transpose()
    }

    /// What a version says about itself; none when there is no such version.
    ///
    /// # Errors
    /// When the database fails or the row does not read.
    pub async fn description(&mut self, id: &PolicyDigest) -> Result<Option<Description>, StoreError> {
        let id = id.to_string();
        let text: Option<String> =
            sqlx::query_scalar("SELECT description FROM policies WHERE digest = $1").bind(&id).fetch_optional(self.connection()).await?;
        text.map(|text| Of { table: "policy", id: &id }.json("description", &text)).transpose()
    }

    /// Versions, newest first, at most `limit`.
    ///
    /// # Errors
    /// When the database fails or a row does not read.
    pub async fn policies(&mut self, filter: &PolicyFilter, limit: u32) -> Result<Vec<PolicyVersion>, StoreError> {
        let (at, id) = filter.after.as_ref().map_or((i64::MAX, ""), |after| (sql(after.at.0), after.id.as_str()));
        let rows: Vec<Row> = sqlx::query_as(select!(
            "WHERE (pushed_ms < $1 OR (pushed_ms = $1 AND digest < $2))
               AND ($3 IS NULL OR stage = $3) AND ($4 IS NULL OR action = $4)
               AND ($5 IS NULL OR ',' || roles || ',' LIKE '%,' || $5 || ',%')
               AND SUBSTR(digest, 1, $6) = $7
             ORDER BY pushed_ms DESC, digest DESC LIMIT $8"
        ))
            .bind(at)
            .bind(id)
            .bind(filter.stage.map(Stage::name))
            .bind(filter.action.map(Action::name))
            .bind(filter.role.map(Role::name))
            .bind(i64::try_from(filter.prefix.len()).unwrap_or(0))
            .bind(&filter.prefix)
            .bind(i64::from(limit))
            .fetch_all(self.connection())
            .await?;
        rows.into_iter().map(Row::read).collect()
    }

    /// How many versions there are.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn policy_count(&mut self) -> Result<u64, StoreError> {
        let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM policies").fetch_one(self.connection()).await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// What happened, after the event of this number, oldest first; to one version only, if one is given.
    ///
    /// # Errors
    /// When the database fails or a row does not read.
    pub async fn policy_events(&mut self, of: Option<&PolicyDigest>, after: u64, limit: u32) -> Result<Vec<PolicyEvent>, StoreError> {
        let rows: Vec<EventRow> = sqlx::query_as(
            "SELECT number, at_ms, kind, policy, from_stage, to_stage, target, actor, actor_role, reason FROM policy_events
             WHERE number > $1 AND ($2 IS NULL OR policy = $2) ORDER BY number LIMIT $3",
        )
        .bind(sql(after))
        .bind(of.map(ToString::to_string))
        .bind(i64::from(limit))
        .fetch_all(self.connection())
        .await?;
        rows.into_iter()
            .map(|row| {
                let number = row.number.to_string();
                let of = Of { table: "policy event", id: &number };
                let stage = |column, name: Option<String>| name.map(|name| of.get(column, Stage::from_name(&name))).transpose();
                Ok(PolicyEvent {
                    number: of.number("number", row.number)?,
                    at: time(row.at_ms),
                    kind: of.json("kind", &format!("{:?}", row.kind))?,
                    policy: row.policy.map(|text| digest(of, "policy", &text)).transpose()?,
                    from: stage("from_stage", row.from_stage)?,
                    to: stage("to_stage", row.to_stage)?,
                    target: row.target,
                    actor: row.actor,
                    role: row.actor_role.map(|name| of.get("actor_role", UserRole::from_name(&name))).transpose()?,
                    reason: row.reason,
                })
            })
            .collect()
    }
}

impl Write {
    /// A new version, with the first line of its history.
    ///
    /// # Errors
    /// When the database fails; [`StoreError::is_repeated`] when it is there already.
    pub async fn insert_policy(&mut self, version: &PolicyVersion, description: &Description, author: &Author) -> Result<(), StoreError> {
        let facts = version.facts();
        let id = facts.digest.to_string();
        sqlx::query(
            "INSERT INTO policies (digest, name, version, action, roles, abi, size, description, author, author_name, signature, pushed_by,
                                   pushed_ms, stage, entries)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
        )
        .bind(&id)
        .bind(facts.name.as_str())
        .bind(facts.version.as_str())
        .bind(facts.action.name())
        .bind(facts.roles.iter().map(|role| role.name()).collect::<Vec<_>>().join(","))
        .bind(facts.abi.as_str())
        .bind(sql(facts.size))
        .bind(serde_json::to_string(description)?)
        .bind(&facts.author)
        .bind(&facts.author_name)
        .bind(&facts.signature)
        .bind(facts.pushed_by.as_str())
        .bind(sql(facts.pushed.0))
        .bind(version.stage().name())
        .bind(sql(version.entries()))
        .execute(self.connection())
        .await?;
        let first = NewEvent {
            at: facts.pushed,
            kind: PolicyEventKind::Push,
            policy: Some(&facts.digest),
            moved: Some((0, None, version.stage())),
            target: None,
            author,
            reason: "",
        };
        self.policy_event(&first).await
    }

    /// A transition, with its line of history. `version` is the version after it; `target` is whose report caused it.
    ///
    /// # Errors
    /// [`StoreError::Moved`] when the version is not any more what the transition was made from.
    pub async fn record_policy(&mut self, version: &PolicyVersion, done: &Transition, target: Option<&str>) -> Result<(), StoreError> {
        let digest = &version.facts().digest;
        let test = version.test().map(serde_json::to_string).transpose()?;
        let (trial, bounds) = version.trial().unzip();
        let moved = sqlx::query(
            "UPDATE policies SET stage = $1, test = $2, trial = $3, bounds = $4, entries = $5 WHERE digest = $6 AND stage = $7 AND entries = $8",
        )
        .bind(done.to().name())
        .bind(test)
        .bind(trial.map(|trial| serde_json::to_string(&trial)).transpose()?)
        .bind(bounds.map(|bounds| serde_json::to_string(&bounds)).transpose()?)
        .bind(sql(version.entries()))
        .bind(digest.to_string())
        .bind(done.from().name())
        .bind(sql(done.entry()))
        .execute(self.connection())
        .await?;
        if moved.rows_affected() != 1 {
            return Err(StoreError::Moved);
        }
        let act = done.act();
        let line = NewEvent {
            at: act.at(),
            kind: kind_of(act.event()),
            policy: Some(digest),
            moved: Some((done.entry(), Some(done.from()), done.to())),
            target,
            author: act.author(),
            reason: act.why().as_str(),
        };
        self.policy_event(&line).await
    }

    /// Something that happened.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn policy_event(&mut self, event: &NewEvent<'_>) -> Result<(), StoreError> {
        let kind = match serde_json::to_value(event.kind)? {
            serde_json::Value::String(name) => name,
            other => other.to_string(),
        };
        let (entry, from, to) = event.moved.map_or((None, None, None), |(entry, from, to)| (Some(sql(entry)), from, Some(to)));
        sqlx::query(
            "INSERT INTO policy_events (number, at_ms, kind, policy, entry, from_stage, to_stage, target, actor, actor_role, reason)
             VALUES ((SELECT COALESCE(MAX(number), 0) + 1 FROM policy_events), $1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(sql(event.at.0))
        .bind(kind)
        .bind(event.policy.map(ToString::to_string))
        .bind(entry)
        .bind(from.map(Stage::name))
        .bind(to.map(Stage::name))
        .bind(event.target)
        .bind(event.author.name())
        .bind(event.author.role().map(UserRole::name))
        .bind(event.reason)
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
