//! `portcullis policy push`: checked by the evaluator that judges with it, signed, and given to the controller.

use super::super::api::{Api, As};
use super::super::{CliError, Desk, Outcome};
use super::{change, sign};
use anyhow::Context as _;
use clap::Args;
use portcullis_control::api::types::{PolicyChange, PolicyView, PushPolicy, TestPassed};
use portcullis_control::domain::policy::claim::TestClaim;
use portcullis_control::domain::policy::stage::Stage;
use portcullis_control::domain::text::Reason;
use portcullis_policy::{Evaluator, Limits};
use std::io::Read as _;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(in crate::cli) struct Push {
    /// The component
    module: PathBuf,
    /// A policy admin's SSH key to sign it with; asks for its passphrase when it has one
    #[arg(long, value_name = "FILE", conflicts_with = "signature")]
    key: Option<PathBuf>,
    /// The signature, made by `ssh-keygen -Y sign -n policy@portcullis -f KEY MODULE`, for agents and hardware keys
    /// [default: MODULE.sig]
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,
    /// Let it be tried and put in force though it was not tested, for this reason
    #[arg(long, value_name = "REASON")]
    untested: Option<String>,
}

fn read(path: &Path, most: usize) -> Result<Vec<u8>, CliError> {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        std::fs::File::open(path)?.take(most as u64 + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    Ok(read().with_context(|| format!("{}: cannot be read", path.display()))?)
}

/// What the module says about itself, asked as a judge asks it.
fn examine(path: &Path, component: &[u8], evaluator: &Evaluator) -> Result<PushPolicy, CliError> {
    let named = |problem: String| CliError::Failed(anyhow::anyhow!("{}: {problem}", path.display()));
    let module = evaluator.load(component).map_err(|error| named(error.to_string()))?;
    let info = module.info();
    let roles = module.roles().iter().map(|role| role.parse()).collect::<Result<_, portcullis_model::action::UnknownRole>>();
    Ok(PushPolicy {
        component: component.to_owned(),
        signature: String::new(),
        name: info.name.clone(),
        version: info.version.clone(),
        action: module.action().parse().map_err(|error: portcullis_model::action::UnknownAction| named(error.to_string()))?,
        roles: roles.map_err(|error| named(error.to_string()))?,
        abi: format!("portcullis:policy@{}", module.abi()),
        pure: info.pure,
        allowed: info.allowed.clone(),
    })
}

pub(super) async fn run(desk: &Desk, push: Push) -> Result<Outcome, CliError> {
    let untested = push.untested.map(Reason::try_from).transpose().map_err(|error| CliError::Usage(format!("--untested: {error}")))?;
    let evaluator = Evaluator::new(Limits::default()).context("there is no WebAssembly engine here")?;
    let component = read(&push.module, evaluator.limits().component)?;
    let mut body = examine(&push.module, &component, &evaluator)?;
    body.signature = match (&push.key, &push.signature) {
        (Some(key), _) => sign::with_key(key, &component)?,
        (None, Some(signature)) => sign::made(signature)?,
        (None, None) => {
            let mut beside = push.module.clone().into_os_string();
            beside.push(".sig");
            if !Path::new(&beside).exists() {
                return Err(CliError::Usage("a module needs a policy admin's signature: give --key FILE, or --signature FILE".to_owned()));
            }
            sign::made(Path::new(&beside))?
        }
    };
    let api = Api::new(desk, As::PolicyAdmin)?;
    let mut policy: PolicyView = api.post("/v1/policies", &body).await?;
    if let Some(reason) = untested
        && policy.stage == Stage::Draft
    {
        let claim = TestPassed { claim: TestClaim::Untested { reason } };
        let change: PolicyChange = api.post(&format!("/v1/policies/{}/test-passed", policy.digest), &claim).await?;
        policy = change.policy.unwrap_or(policy);
    }
    desk.screen.show(&policy, |screen| {
        screen.line(&policy.digest.to_string())?;
        screen.line(&change::line(&policy))
    })?;
    Ok(Outcome::Done)
}
