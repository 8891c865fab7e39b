//! From the books' types to the API's.

use crate::api::types::{AmendmentView, AmendmentKind, AnswerView, EndResult, Ended, GrantView, HistoryEntry, MessageView, QuestionState, QuestionView, RequestView, RevocationView, SessionView, TargetEnd};
use crate::domain::amendment::Amendment;
use crate::store::{HistoryRow, StoredAmendment, StoredAnswer, StoredGrant, StoredMessage, StoredQuestion, StoredRequest, StoredSession};
use portcullis_model::time::UnixMs;
use std::time::Duration;

pub(super) fn request(stored: &StoredRequest) -> RequestView {
    let facts = stored.request.facts();
    let term = stored.request.term();
    RequestView {
        id: facts.id.clone(),
        state: stored.request.state(),
        operator: facts.operator.to_string(),
        requested_by: facts.requested_by.to_string(),
        key_fingerprint: facts.key.fingerprint().to_owned(),
        action: facts.action,
        targets: facts.targets.iter().map(ToString::to_string).collect(),
        ticket: facts.ticket.to_string(),
        reason: facts.reason.to_string(),
        duration_s: term.map_or(facts.duration_s, |term| term.not_after.since(term.not_before) / 1000),
        start: facts.start,
        idle_timeout_s: facts.idle_timeout_s,
        created: facts.created,
        lapses: facts.lapses,
        not_before: term.map(|term| term.not_before),
        not_after: term.map(|term| term.not_after),
        account: stored.account.clone(),
        shared_from: facts.shared_from.clone(),
    }
}

pub(super) fn history(row: HistoryRow) -> HistoryEntry {
    HistoryEntry { at: row.at, event: row.event, from: row.from, to: row.to, by: row.actor, role: row.role, reason: row.reason }
}

pub(super) fn grant(stored: StoredGrant) -> GrantView {
    GrantView {
        id: stored.id,
        target: stored.target.to_string(),
        account: stored.account,
        uid: stored.uid.get(),
        not_before: stored.not_before,
        not_after: stored.not_after,
        deployment: stored.deployment,
        error: stored.error,
        revocation: stored.revocation.map(|revocation| {
            let (answered, receipt) = revocation.answer.unzip();
            RevocationView { issued: revocation.issued, answered, receipt }
        }),
    }
}

pub(super) fn session(stored: StoredSession) -> SessionView {
    SessionView {
        facts: stored.facts,
        state: stored.state,
        ended: stored.ended,
        receipt: stored.receipt,
        exit: stored.exit,
        termination: stored.termination,
    }
}

pub(super) fn question(stored: StoredQuestion, of: &StoredRequest, now: UnixMs) -> QuestionView {
    let StoredQuestion { asked, request, answer, end } = stored;
    let facts = of.request.facts();
    let state = match (&end, &answer) {
        (Some(_), _) => QuestionState::Over,
        (None, Some(_)) => QuestionState::Answered,
        (None, None) if now >= asked.ask.expiry => QuestionState::Over,
        (None, None) => QuestionState::Open,
    };
    let answer = answer.map(|StoredAnswer { choice, by, at, comment }| AnswerView { choice, by, at, comment });
    let (end, ended) = end.unzip();
    QuestionView { asked, state, request, operator: facts.operator.to_string(), action: facts.action, answer, end, ended }
}

pub(super) fn amendment(stored: StoredAmendment, of: &StoredRequest) -> AmendmentView {
    let facts = of.request.facts();
    let what = stored.what.to_string();
    let kind = match stored.what {
        Amendment::Extend { for_s } => AmendmentKind::Extend { for_s },
        Amendment::Share { operator, key, known_from } => AmendmentKind::Share {
            operator: operator.to_string(),
            key_fingerprint: key.fingerprint().to_owned(),
            public_key: key.as_str().to_owned(),
            known_from,
        },
    };
    let (decided_by, decided) = stored.decided.unzip();
    AmendmentView {
        id: stored.id,
        request: stored.request,
        operator: facts.operator.to_string(),
        action: facts.action,
        session: stored.session,
        at: stored.at,
        by: stored.by,
        reason: stored.reason,
        kind,
        what,
        not_after: of.request.term().map(|term| term.not_after),
        state: stored.state,
        decided,
        decided_by,
        comment: stored.comment,
        shared_as: stored.shared_as,
    }
}

pub(super) fn message(stored: StoredMessage) -> MessageView {
    let StoredMessage { at, by, role, session, text } = stored;
    MessageView { at, by, role, session, text }
}

pub(super) fn ended(stored: &StoredRequest, grants: Vec<StoredGrant>) -> Ended {
    let targets: Vec<_> = grants
        .into_iter()
        .map(|grant| {
            let receipt = grant.revocation.and_then(|revocation| revocation.answer).map(|(_, receipt)| receipt);
            let result = receipt.map(|receipt| EndResult {
                sessions: receipt.sessions.len(),
                killed: receipt.sessions.iter().map(|session| u64::from(session.killed)).sum(),
                survivors: receipt.survivors(),
                micros: receipt.micros,
                ms: Duration::from_micros(receipt.micros).as_secs_f64() * 1000.0,
                receipt,
            });
            TargetEnd { target: grant.target.to_string(), grant: grant.id, result }
        })
        .collect();
    Ended { request: request(stored), complete: targets.iter().all(|target| target.result.is_some()), targets }
}
