//! Questions to people, their answers, and how they ended.

use super::row::{Cursor, Of, sql, time};
use super::{StoreError, View, Write};
use crate::api::types::QuestionState;
use crate::domain::text::PersonName;
use portcullis_model::asking::{AskEnd, Asked, Choice, SignedAnswer};
use portcullis_model::id::{QuestionId, RequestId, SessionId};
use portcullis_model::time::UnixMs;

/// A question as the store has it.
#[derive(Debug, Clone)]
pub struct StoredQuestion {
    /// All of it.
    pub asked: Asked,
    /// The request that its session runs under.
    pub request: RequestId,
    /// The answer, once there is one.
    pub answer: Option<StoredAnswer>,
    /// How and when it ended.
    pub end: Option<(AskEnd, UnixMs)>,
}

/// An answer as the store has it.
#[derive(Debug, Clone)]
pub struct StoredAnswer {
    /// The answer.
    pub choice: Choice,
    /// Who gave it.
    pub by: String,
    /// When.
    pub at: UnixMs,
    /// What was said with it.
    pub comment: String,
}

/// Which questions a list has.
#[derive(Debug, Clone, Default)]
pub struct QuestionFilter {
    /// Of this request only.
    pub request: Option<RequestId>,
    /// In this state only.
    pub state: Option<QuestionState>,
    /// Of requests made with this token only.
    pub requested_by: Option<PersonName>,
    /// Behind this place only.
    pub after: Option<Cursor>,
}

/// Whether an answer was taken down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Taken {
    /// It was.
    Down,
    /// The question is not open any more.
    Late,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    request: String,
    asked: String,
    choice: Option<String>,
    answered_ms: Option<i64>,
    answered_by: Option<String>,
    comment: Option<String>,
    ended: Option<String>,
    ended_ms: Option<i64>,
}

fn name_of(choice: Choice) -> &'static str {
    match choice {
        Choice::Approve => "approve",
        Choice::Reject => "reject",
    }
}

impl Row {
    fn read(self) -> Result<StoredQuestion, StoreError> {
        let of = Of { table: "question", id: &self.id };
        let answer = match (self.choice.as_deref(), self.answered_ms, self.answered_by) {
            (None, _, _) => None,
            (Some(choice), Some(at), Some(by)) => {
                let choice = of.get("choice", [Choice::Approve, Choice::Reject].into_iter().find(|one| name_of(*one) == choice))?;
                Some(StoredAnswer { choice, by, at: time(at), comment: self.comment.unwrap_or_default() })
            }
            (Some(_), _, _) => return Err(of.bad("answered_by")),
        };
        let end = self.ended.zip(self.ended_ms).map(|(end, at)| Ok::<_, StoreError>((of.get("ended", AskEnd::from_name(&end))?, time(at)))).transpose()?;
        Ok(StoredQuestion { asked: of.json("asked", &self.asked)?, request: of.get("request", self.request.parse().ok())?, answer, end })
    }
}

impl View {
    /// One question.
    ///
    /// # Errors
    /// When the database fails or the row does not read.
    pub async fn question(&mut self, id: &QuestionId) -> Result<Option<StoredQuestion>, StoreError> {
        let row: Option<Row> = sqlx::query_as("SELECT * FROM questions WHERE id = $1").bind(id.as_str()).fetch_optional(self.connection()).await?;
        row.map(Row::read).transpose()
    }

    /// Questions, newest first, at most `limit`. What has lapsed by `now` is not open, whether or not its node has said so.
    ///
    /// # Errors
    /// When the database fails or a row does not read.
    pub async fn questions(&mut self, filter: &QuestionFilter, now: UnixMs, limit: u32) -> Result<Vec<StoredQuestion>, StoreError> {
        let (at, id) = filter.after.as_ref().map_or((i64::MAX, ""), |after| (sql(after.at.0), after.id.as_str()));
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT q.* FROM questions q JOIN requests r ON r.id = q.request
             WHERE (q.asked_ms < $1 OR (q.asked_ms = $1 AND q.id < $2))
               AND ($3 IS NULL OR q.request = $3) AND ($4 IS NULL OR r.requested_by = $4)
               AND ($5 IS NULL OR $5 = CASE WHEN q.ended IS NOT NULL THEN 'over' WHEN q.choice IS NOT NULL THEN 'answered'
                                            WHEN q.expiry_ms <= $6 THEN 'over' ELSE 'open' END)
             ORDER BY q.asked_ms DESC, q.id DESC LIMIT $7",
        )
        .bind(at)
        .bind(id)
        .bind(filter.request.as_ref().map(RequestId::as_str))
        .bind(filter.requested_by.as_ref().map(PersonName::as_str))
        .bind(filter.state.map(QuestionState::name))
        .bind(sql(now.0))
        .bind(i64::from(limit))
        .fetch_all(self.connection())
        .await?;
        rows.into_iter().map(Row::read).collect()
    }

    /// How many questions a session has asked.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn questions_of(&mut self, session: &SessionId) -> Result<u64, StoreError> {
        let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM questions WHERE session = $1").bind(session.as_str()).fetch_one(self.connection()).await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Answers that a target has not acted on yet, oldest first.
    ///
    /// # Errors
    /// When the database fails or a row does not read.
    pub(super) async fn answers(&mut self, target: &str, limit: u32) -> Result<Vec<(QuestionId, SignedAnswer)>, StoreError> {
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT id, signed FROM questions WHERE target = $1 AND ended IS NULL AND choice IS NOT NULL ORDER BY answered_ms, id LIMIT $2",
        )
        .bind(target)
        .bind(i64::from(limit))
        .fetch_all(self.connection())
        .await?;
        let read = rows.into_iter().map(|(id, signed)| {
            let of = Of { table: "question", id: &id };
            Ok((of.get("id", id.parse().ok())?, of.json("signed", &signed)?))
        });
        read.collect()
    }
}

impl Write {
    /// A question that was asked.
    ///
    /// # Errors
    /// When the database fails, or there is one of this id already.
    pub async fn insert_question(&mut self, asked: &Asked, request: &RequestId) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO questions (id, session, request, target, asked_ms, expiry_ms, asked) VALUES ($1, $2, $3, $4, $5, $6, $7)")
            .bind(asked.id.as_str())
            .bind(asked.session.as_str())
            .bind(request.as_str())
            .bind(&asked.target)
            .bind(sql(asked.at.0))
            .bind(sql(asked.ask.expiry.0))
            .bind(serde_json::to_string(asked)?)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// The answer to a question; the first one stays.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn answer_question(&mut self, id: &QuestionId, answer: &StoredAnswer, signed: &SignedAnswer) -> Result<Taken, StoreError> {
        let done = sqlx::query(
            "UPDATE questions SET choice = $1, answered_ms = $2, answered_by = $3, comment = $4, signed = $5
             WHERE id = $6 AND choice IS NULL AND ended IS NULL",
        )
        .bind(name_of(answer.choice))
        .bind(sql(answer.at.0))
        .bind(&answer.by)
        .bind(&answer.comment)
        .bind(serde_json::to_string(signed)?)
        .bind(id.as_str())
        .execute(self.connection())
        .await?;
        Ok(if done.rows_affected() == 1 { Taken::Down } else { Taken::Late })
    }

    /// How a question of this session ended; the first word stays.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_question(&mut self, session: &SessionId, id: &QuestionId, end: AskEnd, now: UnixMs) -> Result<(), StoreError> {
        sqlx::query("UPDATE questions SET ended = $1, ended_ms = $2 WHERE id = $3 AND session = $4 AND ended IS NULL")
            .bind(end.name())
            .bind(sql(now.0))
            .bind(id.as_str())
            .bind(session.as_str())
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// A session is over, and with it every question of it.
    ///
    /// # Errors
    /// When the database fails.
    pub(super) async fn end_questions_of(&mut self, session: &SessionId, now: UnixMs) -> Result<(), StoreError> {
        sqlx::query("UPDATE questions SET ended = $1, ended_ms = $2 WHERE session = $3 AND ended IS NULL")
            .bind(AskEnd::SessionEnded.name())
            .bind(sql(now.0))
            .bind(session.as_str())
            .execute(self.connection())
            .await?;
        Ok(())
    }
}
