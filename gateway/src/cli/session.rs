//! `portcullis session ...`: what runs, what ran, and the film of it.

use super::api::{Api, As};
use super::request::word;
use super::audit::verify;
use super::screen::{Screen, shown, time};
use super::{CliError, Desk, Outcome, export, play};
use clap::Subcommand;
use portcullis_control::api::types::{Page, SessionDetail, SessionView, Why};
use portcullis_model::id::SessionId;
use portcullis_model::receipt::EndCause;
use portcullis_recording::log::Kept;
use std::ops::ControlFlow;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// List sessions, newest first
    List {
        /// Only those in this state: running, ended or lost
        #[arg(long)]
        state: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
    },
    /// Show one session, and what it asked for
    Show {
        id: SessionId,
    },
    /// Play the recording on this terminal
    Play {
        id: SessionId,
        /// 2 is twice as fast
        #[arg(long, default_value_t = 1.0)]
        speed: f64,
        /// Wait at most so many seconds where nothing happened
        #[arg(long, value_name = "SECONDS")]
        idle_limit: Option<f64>,
    },
    /// Write the recording in the form of another program
    Export(export::Export),
    /// Check a recording, by its files alone
    Verify {
        /// A session of this node, or the folder of one, such as that of an export
        #[arg(value_name = "ID|DIR")]
        what: String,
        /// The audit log's folder [default: the node's, or the export's]
        #[arg(long, value_name = "DIR")]
        audit: Option<PathBuf>,
    },
    /// End one session; the grant goes on
    Terminate {
        id: SessionId,
        /// Why
        #[arg(long)]
        reason: String,
    },
}

/// What is done without a configuration; everything else is handed back.
pub(super) fn local(screen: Screen, verb: Verb) -> ControlFlow<Result<Outcome, CliError>, Verb> {
    match verb {
        Verb::Verify { what, audit } if what.parse::<SessionId>().is_err() => ControlFlow::Break(verify::folder(screen, what.as_ref(), audit.as_deref())),
        other => ControlFlow::Continue(other),
    }
}

pub(super) async fn run(desk: &Desk, verb: Verb) -> Result<Outcome, CliError> {
    match verb {
        Verb::List { state, limit } => list(desk, state, limit).await,
        Verb::Show { id } => show(desk, &id).await,
        Verb::Play { id, speed, idle_limit } => play::run(desk, &id, speed, idle_limit).await,
        Verb::Export(wanted) => export::run(desk, wanted).await,
        Verb::Verify { what, audit } => {
            let id = id_of(&what)?;
            let (audit, kept) = audit.map_or_else(|| (desk.layout.audit(), Kept::Node), |audit| (audit, Kept::Copy));
            verify::one(desk.screen, &desk.layout.evidence().join(id.as_str()), &id, Some((&audit, kept)))
        }
        Verb::Terminate { id, reason } => terminate(desk, &id, reason).await,
    }
}

fn id_of(text: &str) -> Result<SessionId, CliError> {
    text.parse().map_err(|error| CliError::Usage(format!("{error}")))
}

async fn list(desk: &Desk, state: Option<String>, limit: u32) -> Result<Outcome, CliError> {
    let filter = match state {
        Some(state) if ["running", "ended", "lost"].contains(&state.as_str()) => format!("&state={state}"),
        Some(state) => return Err(CliError::Usage(format!("--state {state:?} is not a state; there are running, ended and lost"))),
        None => String::new(),
    };
    let page: Page<SessionView> = Api::new(desk, As::Auditor)?.get(&format!("/v1/sessions?limit={limit}{filter}")).await?;
    desk.screen.show(&page, |screen| {
        let rows = page.items.iter().map(|session| {
            let facts = &session.facts;
            let cause = session.receipt.as_ref().map_or(String::new(), |receipt| cause(&receipt.cause));
            [facts.id.to_string(), word(&session.state), facts.operator.clone(), facts.action.to_string(), facts.target.clone(), time(facts.start), cause]
        });
        screen.table(["ID", "STATE", "OPERATOR", "ACTION", "TARGET", "STARTED", "END"], rows.collect())
    })?;
    Ok(Outcome::Done)
}

async fn show(desk: &Desk, id: &SessionId) -> Result<Outcome, CliError> {
    let detail: SessionDetail = Api::new(desk, As::Auditor)?.get(&format!("/v1/sessions/{id}")).await?;
    desk.screen.show(&detail, |screen| {
        let SessionView { facts, state, ended, receipt, exit, termination } = &detail.session;
        screen.fields(&[
            ("session", facts.id.to_string()),
            ("state", word(state)),
            ("request", facts.request.to_string()),
            ("operator", facts.operator.clone()),
            ("account", format!("{} (uid {})", facts.account, facts.uid)),
            ("action", facts.action.to_string()),
            ("target", format!("{} ({})", facts.target, facts.role)),
            ("ticket", facts.ticket.clone()),
            ("from", facts.source.clone()),
            ("key", facts.key_fingerprint.clone()),
            ("terminal", if facts.tty { "yes".to_owned() } else { "no".to_owned() }),
            ("started", time(facts.start)),
            ("ended", ended.map_or(String::new(), time)),
            ("exit", exit.as_ref().map_or(String::new(), word)),
            ("termination", termination.as_ref().map_or(String::new(), |order| format!("by {}: {}", order.by, order.reason))),
        ])?;
        if let Some(receipt) = receipt {
            let ms = receipt.micros as f64 / 1000.0;
            screen.line(&format!("receipt: {}, killed {}, survivors {}, {ms:.1} ms", shown(&cause(&receipt.cause)), receipt.killed, receipt.survivors.len()))?;
        }
        for alert in &detail.alerts {
            screen.line(&shown(&super::alert::line(alert)))?;
        }
        let Some(recording) = &detail.recording else { return Ok(()) };
        let ended = recording.ended.as_ref().map_or_else(String::new, |end| format!(", ended by {}", shown(&cause(end))));
        screen.line(&format!("recording: {} bytes, {}{ended}", recording.bytes, shown(&recording.state)))?;
        for policy in &recording.policies {
            let judge = policy.digest.as_ref().map_or_else(|| "no module".to_owned(), |digest| format!("module {digest}"));
            screen.line(&format!("judged by {judge} since {}", time(policy.since)))?;
        }
        let rows = recording.commands.iter().map(|command| {
            let answer = if command.allowed { "allowed".to_owned() } else { format!("denied {}: {}", command.rule, command.reason) };
            [time(command.at), command.kind.clone(), command.text.clone(), answer, command.outcome.clone()]
        });
        screen.table(["TIME", "KIND", "WHAT", "ANSWER", "OUTCOME"], rows.collect())?;
        if recording.truncated { screen.line("there were more") } else { Ok(()) }
    })?;
    Ok(Outcome::Done)
}

fn cause(cause: &EndCause) -> String {
    match cause {
        EndCause::Fault(text) => format!("fault: {text}"),
        plain => word(plain),
    }
}

async fn terminate(desk: &Desk, id: &SessionId, reason: String) -> Result<Outcome, CliError> {
    let session: SessionView = Api::new(desk, As::Approver)?.post(&format!("/v1/sessions/{id}/terminate"), &Why { reason }).await?;
    let clean = session.receipt.as_ref().is_some_and(|receipt| receipt.survivors.is_empty());
    desk.screen.show(&session, |screen| {
        let receipt = session.receipt.as_ref().map_or_else(
            || "no receipt yet".to_owned(),
            |receipt| format!("killed {}, survivors {}, {:.1} ms", receipt.killed, receipt.survivors.len(), receipt.micros as f64 / 1000.0),
        );
        screen.line(&format!("{id}: {}, {receipt}", word(&session.state)))
    })?;
    Ok(if clean { Outcome::Done } else { Outcome::Failed })
}
