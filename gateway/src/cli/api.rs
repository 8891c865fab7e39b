//! The controller's API, from the command line.

use super::screen::shown;
use super::{CliError, Desk};
use anyhow::Context as _;
use portcullis_control::api::types::Problem;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// A revoke waits up to half of this for the nodes.
const DEADLINE: Duration = Duration::from_secs(60);
/// Most bytes of an answer that is read into memory.
const ANSWER_MAX: usize = 64 * 1024 * 1024;

/// Who asks, when no token was given: one of the first users that the controller made.
#[derive(Debug, Clone, Copy)]
pub(super) enum As {
    Operator,
    Approver,
    PolicyAdmin,
    Auditor,
}

impl As {
    fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Approver => "approver",
            Self::PolicyAdmin => "policy-admin",
            Self::Auditor => "auditor",
        }
    }
}

/// The API, with a token.
pub(super) struct Api {
    base: String,
    token: String,
    client: reqwest::Client,
}

impl Api {
    pub(super) fn new(desk: &Desk, who: As) -> Result<Self, CliError> {
        let client = reqwest::Client::builder().no_proxy().timeout(DEADLINE).build().context("cannot make a client")?;
        Ok(Self { base: format!("http://{}", desk.config.api.listen), token: token(desk, who)?, client })
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CliError> {
        parse(self.send(self.request(Method::GET, path)).await?).await
    }

    pub(super) async fn post<B: Serialize, T: DeserializeOwned>(&self, path: &str, body: &B) -> Result<T, CliError> {
        parse(self.send(self.request(Method::POST, path).json(body)).await?).await
    }

    /// The answer as it comes.
    pub(super) async fn download(&self, path: &str) -> Result<Response, CliError> {
        self.send(self.request(Method::GET, path)).await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token)
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, CliError> {
        let response = request.send().await.with_context(|| format!("no answer from the controller at {}", self.base))?;
        if response.status().is_success() { Ok(response) } else { Err(refusal(response).await) }
    }
}

async fn parse<T: DeserializeOwned>(response: Response) -> Result<T, CliError> {
    let bytes = body(response).await?;
    Ok(serde_json::from_slice(&bytes).context("the controller's answer is not understood")?)
}

async fn body(mut response: Response) -> Result<Vec<u8>, CliError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.context("the controller's answer broke off")? {
        if bytes.len() + chunk.len() > ANSWER_MAX {
            return Err(anyhow::anyhow!("the controller's answer is over {ANSWER_MAX} bytes").into());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

async fn refusal(response: Response) -> CliError {
    let status = response.status();
    let problem = body(response).await.ok().and_then(|bytes| serde_json::from_slice::<Problem>(&bytes).ok());
    let text = problem.map_or_else(|| format!("the controller answered {status}"), |problem| shown(&problem.detail));
    match status {
        // what the API says is for programs: a person has a file or a variable to look at
        StatusCode::UNAUTHORIZED => CliError::NotAuthenticated("the controller does not know this token; see --token-file and PORTCULLIS_TOKEN".to_owned()),
        StatusCode::FORBIDDEN => CliError::Denied(text),
        StatusCode::UNPROCESSABLE_ENTITY => CliError::Usage(text),
        _ => anyhow::anyhow!(text).into(),
    }
}

fn token(desk: &Desk, who: As) -> Result<String, CliError> {
    let not_authenticated = |error: portcullis_control::token::TokenError| CliError::NotAuthenticated(crate::chain(&error));
    if let Some(file) = &desk.token_file {
        return portcullis_control::token::read(file).map(|token| token.expose().to_owned()).map_err(not_authenticated);
    }
    if let Some(text) = std::env::var_os("PORTCULLIS_TOKEN").filter(|text| !text.is_empty()) {
        let text = text.into_string().ok().filter(|text| text.bytes().all(|b| b.is_ascii_graphic()));
        return text.ok_or_else(|| CliError::NotAuthenticated("PORTCULLIS_TOKEN is not a token".to_owned()));
    }
    portcullis_control::token::read(&desk.layout.api_token(who.name())).map(|token| token.expose().to_owned()).map_err(not_authenticated)
}
