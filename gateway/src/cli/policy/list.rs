//! `portcullis policy list`

use super::super::api::{Api, As};
use super::super::request::word;
use super::super::screen::time;
use super::super::{CliError, Desk, Outcome};
use super::digest::short;
use clap::Args;
use portcullis_control::api::types::{Page, PolicyView};
use portcullis_control::domain::policy::stage::Stage;
use portcullis_model::action::{Action, Role};

#[derive(Debug, Args)]
pub(in crate::cli) struct List {
    /// Only those in this stage: draft, tested, shadow, canary, active, retired
    #[arg(long, value_parser = stage)]
    stage: Option<Stage>,
    /// Only those for this action
    #[arg(long)]
    action: Option<Action>,
    /// Only those for this role
    #[arg(long)]
    role: Option<Role>,
    /// At most so many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
    limit: u32,
}

fn stage(text: &str) -> Result<Stage, String> {
    let names: Vec<_> = Stage::ALL.into_iter().map(Stage::name).collect();
    Stage::from_name(text).ok_or_else(|| format!("there are {}", names.join(", ")))
}

pub(super) async fn run(desk: &Desk, list: List) -> Result<Outcome, CliError> {
    let mut path = format!("/v1/policies?limit={}", list.limit);
    for (name, value) in [("stage", list.stage.map(Stage::name)), ("action", list.action.map(Action::name)), ("role", list.role.map(Role::name))] {
        if let Some(value) = value {
            path = format!("{path}&{name}={value}");
        }
    }
    let page: Page<PolicyView> = Api::new(desk, As::Auditor)?.get(&path).await?;
    desk.screen.show(&page, |screen| {
        let rows = page.items.iter().map(|policy| {
            let roles: Vec<_> = policy.roles.iter().map(|role| role.name()).collect();
            let author = if policy.author_name.is_empty() { policy.author.clone() } else { policy.author_name.clone() };
            [short(&policy.digest), word(&policy.stage), policy.action.to_string(), roles.join(","), policy.name.clone(), policy.version.clone(), author, time(policy.pushed)]
        });
        screen.table(["DIGEST", "STAGE", "ACTION", "ROLES", "NAME", "VERSION", "SIGNED BY", "PUSHED"], rows.collect())
    })?;
    Ok(Outcome::Done)
}
