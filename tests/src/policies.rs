//! Policy modules put in force faster than a person could: pushed by the command line, activated over the controller's API.

use crate::Stage;
use crate::stage::keygen;
use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use std::fs::Permissions;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long the controller may take for one answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Somebody who may push modules: the key `admin` in a folder.
#[derive(Debug)]
pub struct Admin {
    folder: tempfile::TempDir,
}

impl Admin {
    /// One with a new key, and a stranger's key beside it.
    ///
    /// # Errors
    /// When ssh-keygen fails.
    pub fn new() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("portcullis-admin-").tempdir()?;
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        for name in ["admin", "stranger"] {
            keygen(&folder.path().join(name), "ed25519", &[])?;
        }
        let admins = folder.path().join("admins");
        std::fs::copy(folder.path().join("admin.pub"), &admins)?;
        std::fs::set_permissions(&admins, Permissions::from_mode(0o644))?;
        Ok(Self { folder })
    }

    /// What the configuration has to say, so that a stage knows the key.
    #[must_use]
    pub fn configuration(&self) -> String {
        format!("\n[policy]\nadmins = '{}'\n", self.folder.path().join("admins").display())
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The private key.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.folder.path().join("admin")
    }

    /// The shipped INFRA_DIAG under another digest: with a section that nobody reads.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn variant(&self, stage: &Stage, name: &str) -> Result<PathBuf> {
        let shipped = std::fs::read(stage.folder().join("modules/INFRA_DIAG.cps.wasm"))?;
        let length = u8::try_from(name.len())?;
        let path = self.folder.path().join(format!("{name}.wasm"));
        std::fs::write(&path, [&shipped, &[0, length + 1, length][..], name.as_bytes()].concat())?;
        Ok(path)
    }

    /// Pushes a module, and says by which digest it is known.
    ///
    /// # Errors
    /// When it is not taken.
    pub fn push(&self, stage: &Stage, module: &Path) -> Result<String> {
        let (module, key) = (module.to_str().context("a path")?, self.key());
        let pushed = stage.json(&["policy", "push", module, "--key", key.to_str().context("a path")?, "--untested", "a test"])?;
        find_digest(&pushed).with_context(|| format!("the answer to a push has no digest: {pushed}"))
    }
}

fn find_digest(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) => Some(text.clone()),
        Value::Array(list) => list.iter().find_map(find_digest),
        Value::Object(fields) => fields.values().find_map(find_digest),
        _ => None,
    }
}

/// The controller, as a program of a policy admin talks to it.
#[derive(Debug)]
pub struct Controller {
    address: String,
    token: String,
}

impl Controller {
    /// That of a stage.
    ///
    /// # Errors
    /// When the stage's files do not say where it is, or cannot be read.
    pub fn of(stage: &Stage) -> Result<Self> {
        let config = std::fs::read_to_string(stage.config())?;
        let (_, api) = config.split_once("\n[api]\nlisten = \"").context("the configuration has no [api]")?;
        let address = api.split('"').next().context("[api] has no address")?.to_owned();
        let token = std::fs::read_to_string(stage.data().join("controller/tokens/policy-admin"))?.trim().to_owned();
        Ok(Self { address, token })
    }

    /// Puts a module in force for the three roles of INFRA_DIAG in the place of another, and waits until the stage's node enforces it.
    /// Gives the milliseconds that it took, by the controller's clock, from the order to the node's word.
    ///
    /// # Errors
    /// When it is refused, or not enforced.
    pub fn activate(&self, digest: &str, replaces: Option<&str>) -> Result<u64> {
        let body = json!({ "replaces": { "cps": replaces, "host": replaces, "cell": replaces }, "reason": "a test" }).to_string();
        let change = self.post(&format!("/v1/policies/{digest}/activate"), &body)?;
        let targets = change.get("targets").and_then(Value::as_array).filter(|targets| !targets.is_empty()).with_context(|| format!("no target was told: {change}"))?;
        let ms = |target: &Value| target.get("ms").and_then(Value::as_u64).filter(|_| target.get("state").is_some_and(|state| state == "enforced"));
        targets.iter().map(ms).collect::<Option<Vec<_>>>().and_then(|all| all.into_iter().max()).with_context(|| format!("it is not enforced: {change}"))
    }

    fn post(&self, path: &str, body: &str) -> Result<Value> {
        let Self { address, token } = self;
        let mut stream = TcpStream::connect(address).with_context(|| format!("cannot reach the controller at {address}"))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let head = format!("POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        stream.write_all(format!("{head}{body}").as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("the controller's answer broke off")?;
        ensure!(!head.to_ascii_lowercase().contains("transfer-encoding"), "the answer's length is not told: {head}");
        if !head.starts_with("HTTP/1.1 200") {
            bail!("{path}: {head}\n{body}");
        }
        Ok(serde_json::from_str(body)?)
    }
}
