//! A controller with folders of its own, and clients for each of its tokens.

use base64::Engine as _;
use portcullis_control::api::types::{CreateRequest, Problem, RequestDetail, RequestView};
use portcullis_control::desk::Desk;
use portcullis_control::domain::actor::{Actor, UserRole};
use portcullis_control::domain::text::PersonName;
use portcullis_control::{Controller, ControllerConfig, Limits, RunError, TargetConfig, token};
use portcullis_model::action::{Action, Role};
use portcullis_model::id::RequestId;
use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJFNQwNQEPTZIEpOYK7cC+jgv5vSvkU/PyhsCoVlCXJb";

/// Folders, and how to start a controller in them.
pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) limits: Limits,
    /// Targets beside node1 and node2.
    pub(crate) more_targets: Vec<(String, Role)>,
}

/// A running controller.
pub(crate) struct Running {
    pub(crate) url: String,
    pub(crate) address: std::net::SocketAddr,
    desk: Arc<Desk>,
    tokens: PathBuf,
    stop: CancellationToken,
    task: JoinHandle<Result<(), RunError>>,
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["trust", "evidence"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self { folder, limits: Limits { duration_min_s: 1, receipt_wait_ms: 300, policy_wait_ms: 300, ..Limits::default() }, more_targets: vec![] }
    }

    pub(crate) fn config(&self) -> ControllerConfig {
        let target = |name: &str, role| TargetConfig { name: name.to_owned(), role };
        let more = self.more_targets.iter().map(|(name, role)| target(name, *role));
        ControllerConfig {
            data: self.folder.path().join("controller"),
            trust: self.folder.path().join("trust"),
            policy_admins: self.folder.path().join("policy-admins"),
            evidence: self.folder.path().join("evidence"),
            listen: "127.0.0.1:0".parse().unwrap(),
            targets: [target("node1", Role::Cps), target("node2", Role::Host)].into_iter().chain(more).collect(),
            limits: self.limits.clone(),
        }
    }

    pub(crate) async fn start(&self) -> Running {
        let controller = Controller::start(self.config()).await.unwrap();
        let (address, desk) = (controller.address(), controller.desk());
        let stop = CancellationToken::new();
        let task = tokio::spawn(controller.run(stop.clone()));
        Running { url: format!("http://{address}"), address, desk, tokens: self.folder.path().join("controller/tokens"), stop, task }
    }

    /// The key that nodes trust.
    pub(crate) fn controller_key(&self) -> ed25519_dalek::VerifyingKey {
        let line = std::fs::read_to_string(self.folder.path().join("trust/controller.pub")).unwrap();
        let bytes = base64::engine::general_purpose::STANDARD.decode(line.trim_end()).unwrap();
        ed25519_dalek::VerifyingKey::from_bytes(&bytes.try_into().unwrap()).unwrap()
    }

    pub(crate) fn node_token(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("trust/node.token")).unwrap().trim_end().to_owned()
    }
}

impl Running {
    pub(crate) fn token(&self, who: &str) -> String {
        token::read(&self.tokens.join(who)).unwrap().expose().to_owned()
    }

    /// Adds a holder of a token, as an administrator would.
    pub(crate) async fn add_holder(&self, name: &str, role: UserRole) -> String {
        let token = token::Token::generate().unwrap();
        let actor = Actor { name: PersonName::try_from(name.to_owned()).unwrap(), role };
        self.desk.grant_token(&actor, &token).await.unwrap();
        token.expose().to_owned()
    }

    /// A call with the token of `who`, or with none.
    pub(crate) async fn call(&self, who: Option<&str>, method: Method, path: &str, body: Option<&impl Serialize>) -> reqwest::Response {
        let mut call = client().request(method, format!("{}{path}", self.url)).timeout(Duration::from_secs(30));
        if let Some(who) = who {
            call = call.bearer_auth(self.token(who));
        }
        if let Some(body) = body {
            call = call.json(body);
        }
        call.send().await.unwrap()
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, who: &str, path: &str) -> T {
        let response = self.call(Some(who), Method::GET, path, None::<&()>).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        response.json().await.unwrap()
    }

    pub(crate) async fn post<T: DeserializeOwned>(&self, who: &str, path: &str, body: &impl Serialize) -> T {
        let response = self.call(Some(who), Method::POST, path, Some(body)).await;
        let (status, text) = (response.status(), response.text().await.unwrap());
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// A call that has to fail, and how it does.
    pub(crate) async fn refused(&self, who: &str, path: &str, body: &impl Serialize) -> (u16, String) {
        let response = self.call(Some(who), Method::POST, path, Some(body)).await;
        assert_eq!(response.headers()["content-type"], "application/problem+json", "{path}: {}", response.status());
        let status = response.status().as_u16();
        let problem: Problem = response.json().await.unwrap();
        assert_eq!(problem.status, status);
        (status, problem.kind.trim_start_matches("urn:portcullis:problem:").to_owned())
    }

    pub(crate) async fn create(&self, new: &CreateRequest) -> RequestView {
        self.post::<RequestDetail>("operator", "/v1/requests", new).await.request
    }

    pub(crate) async fn approved(&self, new: &CreateRequest) -> RequestDetail {
        let id = self.create(new).await.id;
        self.post("approver", &act(&id, "approve"), &why("go ahead")).await
    }

    pub(crate) async fn show(&self, id: &RequestId) -> RequestDetail {
        self.get("auditor", &format!("/v1/requests/{id}")).await
    }

    /// Waits until `test` holds of the request; a test that waits for more than 15 seconds fails.
    pub(crate) async fn until(&self, id: &RequestId, test: impl Fn(&RequestDetail) -> bool) -> RequestDetail {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(15);
        loop {
            let detail = self.show(id).await;
            if test(&detail) {
                return detail;
            }
            assert!(tokio::time::Instant::now() < deadline, "waited in vain: {detail:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(Duration::from_secs(25), self.task).await.expect("the controller stops").unwrap().unwrap();
    }
}

/// A client that no proxy of the environment gets between.
pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

pub(crate) fn act(id: &RequestId, what: &str) -> String {
    format!("/v1/requests/{id}/{what}")
}

pub(crate) fn why(reason: &str) -> serde_json::Value {
    serde_json::json!({ "reason": reason })
}

pub(crate) fn new_request() -> CreateRequest {
    CreateRequest {
        operator: "alice".into(),
        public_key: format!("{KEY} alice@laptop"),
        action: Action::InfraDiag,
        targets: vec!["node1".into()],
        ticket: "OPS-1".into(),
        reason: "fan fails".into(),
        duration_s: Some(600),
        start: None,
        idle_timeout_s: None,
    }
}
