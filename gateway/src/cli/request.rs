//! `portcullis request ...`: from asking for access to the receipt of its end.

use super::api::{Api, As};
use super::screen::{Screen, shown, time};
use super::{CliError, Desk, Outcome, amendment, question};
use crate::config::duration;
use anyhow::Context as _;
use clap::{Args, Subcommand};
use portcullis_control::api::types::{Approval, CreateRequest, Ended, Page, RequestDetail, RequestView, TargetEnd, TargetView, Why};
use portcullis_control::domain::deployment::Deployment;
use portcullis_control::domain::key::PublicKey;
use portcullis_control::domain::life::State;
use portcullis_model::action::Action;
use portcullis_model::asking::Choice;
use portcullis_model::id::{AmendmentId, QuestionId, RequestId};
use serde::Serialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Most bytes of a public key's file.
const KEY_FILE_MAX: u64 = 16 * 1024;

/// The states of a request, by the names that the API knows.
const STATES: [&str; 9] = ["waiting", "approved", "active", "completed", "rejected", "withdrawn", "lapsed", "revoked", "expired"];

/// For the nodes to enforce what was approved, before the answer is shown.
const SETTLE: Duration = Duration::from_secs(3);

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Ask for access
    Create(Create),
    /// List requests, newest first
    List {
        /// Only those in this state: waiting, approved, active, completed, rejected, withdrawn, lapsed, revoked, expired
        #[arg(long)]
        state: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
    },
    /// Show one request, and how to log in when it is active
    Show {
        id: RequestId,
    },
    /// Allow it
    Approve {
        id: RequestId,
        /// Why
        #[arg(long, default_value = "")]
        reason: String,
        /// For a shorter time than was asked for
        #[arg(long = "for", value_name = "TIME", value_parser = duration::parse)]
        duration: Option<Duration>,
    },
    /// Refuse it
    Reject {
        id: RequestId,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// Take it back before it is answered
    Withdraw {
        id: RequestId,
        /// Why
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Say that the work is done; ends access
    Close {
        id: RequestId,
        /// What was done
        #[arg(long)]
        reason: String,
    },
    /// Ask for more time; an approver decides
    Extend {
        id: RequestId,
        /// How much more, as in 1h
        #[arg(long = "for", value_name = "TIME", value_parser = duration::parse)]
        duration: Duration,
        /// Why
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Ask that another operator work beside the first, with an account and a key of their own; an approver decides
    Share {
        id: RequestId,
        /// The other operator's name
        #[arg(long)]
        operator: String,
        /// That operator's public key file [default: the key that was approved for that operator last]
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// Why
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// List what operators propose to change in requests in force, newest first
    Amendments {
        /// Only those in this state: open, approved, declined, retracted or lapsed
        #[arg(long)]
        state: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
    },
    /// Show one of them, all of it
    Amendment {
        id: AmendmentId,
    },
    /// Decide about one
    Decide {
        id: AmendmentId,
        /// approve or reject
        #[arg(value_parser = choice)]
        answer: Choice,
        /// Why; the operator sees it
        #[arg(long, default_value = "")]
        reason: String,
        /// Less time than was asked for
        #[arg(long = "for", value_name = "TIME", value_parser = duration::parse)]
        duration: Option<Duration>,
    },
    /// Take one back before it is decided
    Retract {
        id: AmendmentId,
        /// Why
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Read what was said about a request
    Messages {
        id: RequestId,
    },
    /// Say something about a request; its operators read it in their sessions
    Say {
        id: RequestId,
        /// What
        text: String,
        /// Say it as the requester, not as an approver
        #[arg(long)]
        as_operator: bool,
    },
    /// List what sessions wait for an approver's answer to, newest first
    Questions {
        /// Only those in this state: open, answered or over
        #[arg(long)]
        state: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
    },
    /// Show one of them, all of it
    Question {
        id: QuestionId,
    },
    /// Answer one
    Answer {
        id: QuestionId,
        /// approve or reject
        #[arg(value_parser = choice)]
        answer: Choice,
        /// Why; the operator sees it
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// End access now: every process, terminal and connection of it
    Revoke {
        id: RequestId,
        /// Why
        #[arg(long)]
        reason: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// INFRA_CPS_ONLY, INFRA_DIAG, INFRA_UPDATE_RESTART, INFRA_HYPERVISOR or INFRA_FULL
    action: Action,
    /// Who will log in
    #[arg(long)]
    operator: String,
    /// That person's public key file, as in ~/.ssh/id_ed25519.pub
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// For how long, as in 2h
    #[arg(long = "for", value_name = "TIME", value_parser = duration::parse)]
    duration: Option<Duration>,
    /// End a session after so much time without input; at most what the customer has set, which is the default
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    idle: Option<Duration>,
    /// The ticket that the work is done under
    #[arg(long, default_value = "")]
    ticket: String,
    /// Why
    #[arg(long)]
    reason: String,
    /// The node; may be repeated [default: this one]
    #[arg(long)]
    target: Vec<String>,
}

fn choice(text: &str) -> Result<Choice, String> {
    match text {
        "approve" => Ok(Choice::Approve),
        "reject" => Ok(Choice::Reject),
        _ => Err("there are approve and reject".to_owned()),
    }
}

pub(super) async fn run(desk: &Desk, verb: Verb) -> Result<Outcome, CliError> {
    match verb {
        Verb::Create(create) => self::create(desk, create).await,
        Verb::List { state, limit } => list(desk, state, limit).await,
        Verb::Show { id } => {
            let api = Api::new(desk, As::Auditor)?;
            let detail = api.get(&format!("/v1/requests/{id}")).await?;
            show(desk, &api, detail).await
        }
        Verb::Approve { id, reason, duration } => {
            let api = Api::new(desk, As::Approver)?;
            let body = Approval { reason, duration_s: duration.map(|length| length.as_secs()) };
            let detail = api.post(&format!("/v1/requests/{id}/approve"), &body).await?;
            let detail = settled(&api, detail).await?;
            show(desk, &api, detail).await
        }
        Verb::Reject { id, reason } => change(desk, As::Approver, &id, "reject", reason).await,
        Verb::Withdraw { id, reason } => change(desk, As::Operator, &id, "withdraw", reason).await,
        Verb::Close { id, reason } => end(desk, As::Operator, &id, "close", reason).await,
        Verb::Extend { id, duration, reason } => amendment::extend(desk, &id, duration, reason).await,
        Verb::Share { id, operator, key, reason } => {
            let public_key = key.map(|file| read_public_key(&file)).transpose()?;
            amendment::share(desk, &id, operator, public_key, reason).await
        }
        Verb::Amendments { state, limit } => amendment::list(desk, state, limit).await,
        Verb::Amendment { id } => amendment::show(desk, &id).await,
        Verb::Decide { id, answer, reason, duration } => amendment::decide(desk, &id, answer, reason, duration).await,
        Verb::Retract { id, reason } => amendment::retract(desk, &id, reason).await,
        Verb::Messages { id } => amendment::messages(desk, &id).await,
        Verb::Say { id, text, as_operator } => amendment::say(desk, &id, text, if as_operator { As::Operator } else { As::Approver }).await,
        Verb::Questions { state, limit } => question::list(desk, state, limit).await,
        Verb::Question { id } => question::show(desk, &id).await,
        Verb::Answer { id, answer, reason } => question::answer(desk, &id, answer, reason).await,
        Verb::Revoke { id, reason } => end(desk, As::Approver, &id, "revoke", reason).await,
    }
}

async fn create(desk: &Desk, create: Create) -> Result<Outcome, CliError> {
    let body = CreateRequest {
        public_key: read_public_key(&create.key)?,
        operator: create.operator,
        action: create.action,
        targets: if create.target.is_empty() { vec![desk.config.node.target.clone()] } else { create.target },
        ticket: create.ticket,
        reason: create.reason,
        duration_s: create.duration.map(|length| length.as_secs()),
        start: None,
        idle_timeout_s: create.idle.map(|time| u32::try_from(time.as_secs()).unwrap_or(u32::MAX)),
    };
    let detail: RequestDetail = Api::new(desk, As::Operator)?.post("/v1/requests", &body).await?;
    desk.screen.show(&detail, |screen| screen.line(detail.request.id.as_str()))?;
    Ok(Outcome::Done)
}

/// A private key is never sent, not even by mistake.
fn read_public_key(path: &Path) -> Result<String, CliError> {
    let read = || -> std::io::Result<String> {
        use std::io::Read as _;
        let mut text = String::new();
        std::fs::File::open(path)?.take(KEY_FILE_MAX).read_to_string(&mut text)?;
        Ok(text)
    };
    let text = read().with_context(|| format!("--key {}: cannot be read", path.display()))?;
    let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    match line {
        // by the controller's own rules, so that what it would refuse is told with the file's name
        Some(line) if !line.contains("PRIVATE KEY") => match line.parse::<PublicKey>() {
            Ok(key) => Ok(key.as_str().to_owned()),
            Err(error) => Err(CliError::Usage(format!("--key {}: {error}", path.display()))),
        },
        Some(_) => Err(CliError::Usage(format!("--key {}: this is a private key; give the public one, {}.pub", path.display(), path.display()))),
        None => Err(CliError::Usage(format!("--key {}: no public key in it", path.display()))),
    }
}

async fn list(desk: &Desk, state: Option<String>, limit: u32) -> Result<Outcome, CliError> {
    let filter = match state {
        Some(state) if STATES.contains(&state.as_str()) => format!("&state={state}"),
        Some(state) => return Err(CliError::Usage(format!("--state {state:?} is not a state; there are {}", STATES.join(", ")))),
        None => String::new(),
    };
    let page: Page<RequestView> = Api::new(desk, As::Auditor)?.get(&format!("/v1/requests?limit={limit}{filter}")).await?;
    desk.screen.show(&page, |screen| {
        let rows = page.items.iter().map(|request| {
            let targets = request.targets.join(",");
            let end = request.not_after.map_or(String::new(), time);
            [request.id.to_string(), word(&request.state), request.operator.clone(), request.action.to_string(), targets, request.ticket.clone(), end]
        });
        screen.table(["ID", "STATE", "OPERATOR", "ACTION", "TARGETS", "TICKET", "UNTIL"], rows.collect())
    })?;
    Ok(Outcome::Done)
}

async fn change(desk: &Desk, who: As, id: &RequestId, verb: &str, reason: String) -> Result<Outcome, CliError> {
    let api = Api::new(desk, who)?;
    let detail: RequestDetail = api.post(&format!("/v1/requests/{id}/{verb}"), &Why { reason }).await?;
    desk.screen.show(&detail, |screen| screen.line(&format!("{id}: {}", word(&detail.request.state))))?;
    Ok(Outcome::Done)
}

async fn end(desk: &Desk, who: As, id: &RequestId, verb: &str, reason: String) -> Result<Outcome, CliError> {
    let ended: Ended = Api::new(desk, who)?.post(&format!("/v1/requests/{id}/{verb}"), &Why { reason }).await?;
    desk.screen.show(&ended, |screen| {
        screen.line(&format!("{id}: {}", word(&ended.request.state)))?;
        ended.targets.iter().try_for_each(|target| screen.line(&receipt(target)))
    })?;
    let clean = ended.targets.iter().all(|target| target.result.as_ref().is_some_and(|result| result.survivors == 0));
    Ok(if ended.complete && clean { Outcome::Done } else { Outcome::Failed })
}

fn receipt(end: &TargetEnd) -> String {
    let target = shown(&end.target);
    match &end.result {
        None => format!("{target}: no receipt yet"),
        Some(result) => {
            format!("{target}: sessions {}, killed {}, survivors {}, {:.1} ms", result.sessions, result.killed, result.survivors, result.ms)
        }
    }
}

/// Gives the nodes a moment to say that they enforce it, so that the line that is printed works when it is pasted.
async fn settled(api: &Api, mut detail: RequestDetail) -> Result<RequestDetail, CliError> {
    let start = std::time::Instant::now();
    while start.elapsed() < SETTLE && detail.grants.iter().any(|grant| grant.deployment == Deployment::Pending) {
        tokio::time::sleep(Duration::from_millis(100)).await;
        detail = api.get(&format!("/v1/requests/{}", detail.request.id)).await?;
    }
    Ok(detail)
}

/// A request, with the lines that log in under it.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    detail: RequestDetail,
    ssh: Vec<String>,
}

async fn show(desk: &Desk, api: &Api, detail: RequestDetail) -> Result<Outcome, CliError> {
    let active = detail.request.state == State::Active;
    let ssh = if active { ssh_lines(&detail, &api.get::<Page<TargetView>>("/v1/targets").await?.items) } else { Vec::new() };
    let shown = Shown { detail, ssh };
    desk.screen.show(&shown, |screen| describe(screen, &shown))?;
    Ok(Outcome::Done)
}

fn describe(screen: Screen, shown: &Shown) -> std::io::Result<()> {
    let Shown { detail: RequestDetail { request, public_key: _, history, grants, sessions, shared, amendments, messages }, ssh } = shown;
    screen.fields(&[
        ("request", request.id.to_string()),
        ("state", word(&request.state)),
        ("action", request.action.to_string()),
        ("targets", request.targets.join(", ")),
        ("operator", request.operator.clone()),
        ("key", request.key_fingerprint.clone()),
        ("ticket", request.ticket.clone()),
        ("reason", request.reason.clone()),
        ("for", duration::show(Duration::from_secs(request.duration_s))),
        ("created", time(request.created)),
        ("from", request.not_before.map_or(String::new(), time)),
        ("until", request.not_after.map_or(String::new(), time)),
        ("account", request.account.as_ref().map_or(String::new(), ToString::to_string)),
        ("shared from", request.shared_from.as_ref().map_or(String::new(), ToString::to_string)),
    ])?;
    for entry in history {
        let reason = if entry.reason.is_empty() { String::new() } else { format!("  reason: {}", entry.reason) };
        screen.line(&self::shown(&format!("  {}  {} by {}{reason}", time(entry.at), entry.event, entry.by)))?;
    }
    for grant in grants {
        let error = if grant.error.is_empty() { String::new() } else { format!(": {}", grant.error) };
        screen.line(&self::shown(&format!("grant {} on {}: {}{error}", grant.id, grant.target, word(&grant.deployment))))?;
    }
    for session in sessions {
        screen.line(&self::shown(&format!("session {} on {}: {}", session.facts.id, session.facts.target, word(&session.state))))?;
    }
    for other in shared {
        let account = other.account.as_ref().map_or(String::new(), |account| format!(" as {account}"));
        screen.line(&self::shown(&format!("shared with {}{account}: request {}, {}", other.operator, other.id, word(&other.state))))?;
    }
    for amendment in amendments {
        screen.line(&self::shown(&amendment::line(amendment)))?;
    }
    for message in messages {
        screen.line(&self::shown(&amendment::said(message)))?;
    }
    ssh.iter().try_for_each(|line| screen.line(&self::shown(line)))
}

/// One line for each target that has said where it listens.
fn ssh_lines(detail: &RequestDetail, targets: &[TargetView]) -> Vec<String> {
    detail.grants.iter().filter_map(|grant| {
        let target = targets.iter().find(|target| target.name == grant.target)?;
        let address: SocketAddr = target.listen.iter().find_map(|address| address.parse().ok())?;
        // an address that stands for all of them is no address to dial
        let host = if address.ip().is_unspecified() { target.name.clone() } else { address.ip().to_string() };
        Some(format!("ssh -p {} {}@{host}", address.port(), grant.account))
    }).collect()
}

/// A value whose JSON is one word, as that word.
pub(super) fn word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_its_name() {
        for name in STATES {
            let state: Result<State, _> = serde_json::from_value(serde_json::Value::String(name.to_owned()));
            assert_eq!(state.map(|state| word(&state)).ok().as_deref(), Some(name));
        }
    }

    #[test]
    fn a_private_key_is_not_taken_for_a_public_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("id");
        std::fs::write(&path, "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n").unwrap();
        assert!(matches!(read_public_key(&path), Err(CliError::Usage(text)) if text.contains("private")));
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHUJU6lN9FCt/jEGkQLVaHcST6w+5tfv+E9nwRw/8FY+";
        std::fs::write(&path, format!("# mine\n\n{key} me@here\n")).unwrap();
        assert_eq!(read_public_key(&path).unwrap(), key);
        std::fs::write(&path, "this is not a key\n").unwrap();
        assert!(matches!(read_public_key(&path), Err(CliError::Usage(text)) if text.contains(path.to_str().unwrap())));
        std::fs::write(&path, "\n").unwrap();
        assert!(matches!(read_public_key(&path), Err(CliError::Usage(_))));
    }
}
