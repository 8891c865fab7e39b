//! A running Portcullis of its own: programs, modules, configuration, data, servers.

use crate::client::Access;
use crate::wait;
use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use std::fmt::Write as _;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Whose processes the servers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The caller; root's servers change to users of their own.
    Caller,
    /// This ordinary user; only root can ask for it.
    Ordinary {
        /// uid and gid
        id: u32,
    },
}

/// How a stage is set up.
#[derive(Debug, Clone)]
pub struct StageOptions {
    /// Folder with the programs.
    pub programs: PathBuf,
    /// Folders with `ACTION.role.wasm`; a later one replaces modules of an earlier one.
    pub modules: Vec<PathBuf>,
    /// Whose processes.
    pub owner: Owner,
    /// Added to the configuration; a section that it opens must not be one that the stage writes.
    pub extra_config: String,
    /// `ssh.profile`.
    pub profile: &'static str,
    /// Only modules of these names, for a judge that has nothing else to compile; all when it is empty.
    pub only: &'static [&'static str],
    /// Profiles of sessions of the node's own: `INFRA_DIAG.cps`, and what is in it.
    pub profiles: Vec<(&'static str, String)>,
    /// Lines of `/etc/passwd` that the node has beside this machine's own; the machine itself never does. Needs root.
    pub accounts: String,
}

impl StageOptions {
    /// What the environment of the tests says: PORTCULLIS_PROGRAMS and PORTCULLIS_MODULES, set by `cargo xtask`.
    ///
    /// # Errors
    /// When one of them is not set.
    pub fn from_environment() -> Result<Self> {
        let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).with_context(|| format!("{name} is not set; run the tests by `cargo xtask test` or `cargo xtask attack`"));
        Ok(Self::new(folder("PORTCULLIS_PROGRAMS")?, folder("PORTCULLIS_MODULES")?))
    }

    /// With the module for attacks: INFRA_FULL allows everything but `/usr/bin/id` and the argument FORBIDDEN.
    ///
    /// # Errors
    /// When PORTCULLIS_CANARY is not set.
    pub fn with_canary(mut self) -> Result<Self> {
        self.modules.push(std::env::var_os("PORTCULLIS_CANARY").map(PathBuf::from).context("PORTCULLIS_CANARY is not set; run the tests by `cargo xtask`")?);
        Ok(self)
    }

    /// The caller's servers with the programs and modules of these folders.
    #[must_use]
    pub fn new(programs: PathBuf, modules: PathBuf) -> Self {
        Self { programs, modules: vec![modules], owner: Owner::Caller, extra_config: String::new(), profile: "default", only: &[], profiles: Vec::new(), accounts: String::new() }
    }
}

/// A running Portcullis; dropped, it is stopped and its folder removed.
pub struct Stage {
    folder: tempfile::TempDir,
    serve: Option<Child>,
    output: Arc<Mutex<String>>,
    ssh_port: u16,
    owner: Owner,
    next_operator: std::sync::atomic::AtomicU32,
}

/// What a revoke did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// processes that were killed
    pub killed: u64,
    /// processes that were left
    pub survivors: u64,
    /// microseconds that it took
    pub micros: u64,
}

/// The name of the stage's only target.
pub const TARGET: &str = "node1";

impl Stage {
    /// Starts one with what the environment says.
    ///
    /// # Errors
    /// When it does not come up; the servers' output is in the error.
    pub fn start() -> Result<Self> {
        Self::with(&StageOptions::from_environment()?)
    }

    /// Starts one.
    ///
    /// # Errors
    /// When it does not come up; the servers' output is in the error.
    pub fn with(options: &StageOptions) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("portcullis-").tempdir()?;
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))?;
        let ssh_port = free_port()?;
        install(folder.path(), options, ssh_port)?;
        let mut stage = Self { folder, serve: None, output: Arc::default(), ssh_port, owner: options.owner, next_operator: 0.into() };
        stage.serve()?;
        Ok(stage)
    }

    /// The accounts of the node, if they are not this machine's.
    fn accounts(&self) -> PathBuf {
        self.folder.path().join("passwd")
    }

    fn serve(&mut self) -> Result<()> {
        let mut command = match self.owner {
            // in mounts of its own, where the accounts are others
            Owner::Caller if self.accounts().exists() => {
                let mut unshare = Command::new("unshare");
                let bind = "mount --bind \"$1\" /etc/passwd && shift && exec \"$@\"";
                unshare.args(["--mount", "--propagation", "private", "--", "sh", "-c", bind, "sh"]).arg(self.accounts()).arg(self.program("portcullis"));
                unshare
            }
            Owner::Caller => Command::new(self.program("portcullis")),
            Owner::Ordinary { id } => {
                let mut setpriv = Command::new("setpriv");
                setpriv.args(["--reuid", &id.to_string(), "--regid", &id.to_string(), "--clear-groups", "--inh-caps=-all", "--"]).arg(self.program("portcullis"));
                setpriv
            }
        };
        command.arg("serve").arg("--config").arg(self.config()).env_remove("NOTIFY_SOCKET").env("RUST_BACKTRACE", "0");
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).current_dir("/").spawn().context("cannot start portcullis serve")?;
        for pipe in [child.stdout.take().map(|p| Box::new(p) as Box<dyn std::io::Read + Send>), child.stderr.take().map(|p| Box::new(p) as Box<dyn std::io::Read + Send>)].into_iter().flatten() {
            let output = Arc::clone(&self.output);
            std::thread::spawn(move || {
                for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                    if let Ok(mut output) = output.lock() {
                        output.push_str(&String::from_utf8_lossy(&line));
                        output.push('\n');
                    }
                }
            });
        }
        self.serve = Some(child);
        // up when the node is linked: a grant that is made now reaches it at once
        let up = wait::until("portcullis serve to come up", wait::LONG, || {
            if let Some(Ok(Some(status))) = self.serve.as_mut().map(Child::try_wait) {
                return Some(Err(anyhow::anyhow!("portcullis serve ended: {status}")));
            }
            let ready = self.cli(&["doctor", "--json"]).stderr(Stdio::null()).output().ok()?;
            let report: Value = serde_json::from_slice(&ready.stdout).ok()?;
            let linked = report.pointer("/targets/0/connected") == Some(&Value::Bool(true));
            linked.then_some(Ok(()))
        });
        match up {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) | Err(error) => Err(error.context(format!("output of portcullis serve:\n{}", self.output()))),
        }
    }

    /// The stage's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its configuration file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("portcullis.toml")
    }

    /// The data folder.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// One of the installed programs.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.path().join("bin").join(name)
    }

    /// The port of the SSH server.
    #[must_use]
    pub fn ssh_port(&self) -> u16 {
        self.ssh_port
    }

    /// What the servers said so far.
    #[must_use]
    pub fn output(&self) -> String {
        self.output.lock().map(|o| o.clone()).unwrap_or_default()
    }

    /// The pid of `portcullis serve`.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.serve.as_ref().map_or(0, Child::id)
    }

    /// `portcullis ARGS...`, as the customer would type it.
    #[must_use]
    pub fn cli(&self, args: &[&str]) -> Command {
        let mut command = Command::new(self.program("portcullis"));
        command.args(args).env("PORTCULLIS_CONFIG", self.config()).current_dir("/").stdin(Stdio::null());
        command
    }

    /// `portcullis ARGS... --json`, parsed.
    ///
    /// # Errors
    /// When it fails or prints anything but JSON.
    pub fn json(&self, args: &[&str]) -> Result<Value> {
        let output = self.cli(args).arg("--json").output()?;
        if !output.status.success() {
            bail!("portcullis {}: {}\n{}\n{}", args.join(" "), output.status, String::from_utf8_lossy(&output.stderr), self.output());
        }
        serde_json::from_slice(&output.stdout).with_context(|| format!("portcullis {} --json printed {:?}", args.join(" "), String::from_utf8_lossy(&output.stdout)))
    }

    /// Makes an operator key, requests `action` with it and approves: the way in.
    ///
    /// # Errors
    /// When any step of it fails.
    pub fn grant(&self, action: &str) -> Result<Access> {
        self.grant_for(action, "1h")
    }

    /// The same, for a given time.
    ///
    /// # Errors
    /// When any step of it fails.
    pub fn grant_for(&self, action: &str, duration: &str) -> Result<Access> {
        let number = self.next_operator.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let key = self.folder.path().join(format!("operator{number}"));
        keygen(&key, "ed25519", &[])?;
        self.grant_key(action, duration, &key, &format!("operator{number}"))
    }

    /// The same, with a key that is there already.
    ///
    /// # Errors
    /// When any step of it fails.
    pub fn grant_key(&self, action: &str, duration: &str, key: &Path, operator: &str) -> Result<Access> {
        let public = key.with_extension("pub");
        let public = public.to_str().context("the key's path is not UTF-8")?;
        let request = self.json(&["request", "create", action, "--operator", operator, "--key", public, "--for", duration, "--ticket", "OPS-1", "--reason", "a test", "--target", TARGET])?;
        let id = request.pointer("/request/id").and_then(Value::as_str).context("the request has no id")?.to_owned();
        self.json(&["request", "approve", &id, "--reason", "go on"])?;
        let account = wait::until("the grant to be deployed", wait::LONG, || {
            let request = self.json(&["request", "show", &id]).ok()?;
            let grant = request.pointer("/grants/0")?;
            let deployed = grant.get("deployment")? == "deployed";
            deployed.then(|| grant.get("account").and_then(Value::as_str).map(str::to_owned))?
        })
        .with_context(|| self.output())?;
        Ok(Access { request: id, account, key: key.to_owned(), port: self.ssh_port, home: self.folder.path().to_owned() })
    }

    /// Revokes and gives the receipt, summed over targets.
    ///
    /// # Errors
    /// When the command fails, or a target has not answered.
    pub fn revoke(&self, access: &Access) -> Result<Ended> {
        let ended = self.json(&["request", "revoke", &access.request, "--reason", "enough"])?;
        let results: Vec<&Value> = ended.get("targets").and_then(Value::as_array).into_iter().flatten().filter_map(|target| target.get("result")).collect();
        let sum = |field: &str| results.iter().map(|result| result.get(field).and_then(Value::as_u64)).sum::<Option<u64>>();
        match (results.is_empty(), sum("killed"), sum("survivors"), sum("micros")) {
            (false, Some(killed), Some(survivors), Some(micros)) => Ok(Ended { killed, survivors, micros }),
            _ => bail!("a target has not answered: {ended}"),
        }
    }

    /// The sessions, newest first.
    ///
    /// # Errors
    /// When the command fails.
    pub fn sessions(&self) -> Result<Vec<Value>> {
        let page = self.json(&["session", "list"])?;
        page.get("items").and_then(Value::as_array).cloned().with_context(|| format!("session list printed no list: {page}"))
    }

    /// Stops and starts again with the same data.
    ///
    /// # Errors
    /// When it does not stop or not come up.
    pub fn restart(&mut self) -> Result<()> {
        self.stop()?;
        self.serve()
    }

    /// Starts again what was stopped, with the same data.
    ///
    /// # Errors
    /// When it does not come up; the servers' output is in the error.
    pub fn restart_stopped(&mut self) -> Result<()> {
        let started = self.serve();
        if started.is_err() {
            self.serve = None;
        }
        started
    }

    /// Ends the servers in the orderly way.
    ///
    /// # Errors
    /// When they do not end within the deadline.
    pub fn stop(&mut self) -> Result<std::process::ExitStatus> {
        let Some(mut child) = self.serve.take() else { bail!("it is stopped already") };
        signal(child.id(), rustix::process::Signal::TERM)?;
        let ended = wait::until("portcullis serve to end", wait::LONG, || child.try_wait().ok().flatten());
        if ended.is_err() {
            let _ = child.kill();
        }
        ended.with_context(|| self.output())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if self.serve.is_some()
            && let Err(error) = self.stop()
        {
            eprintln!("the stage did not stop: {error:#}");
        }
    }
}

/// Sends a signal to a process by its id.
///
/// # Errors
/// When there is no such process, or it may not be signalled.
pub fn signal(pid: u32, signal: rustix::process::Signal) -> Result<()> {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw).context("not a pid")?;
    Ok(rustix::process::kill_process(pid, signal)?)
}

/// Makes a key pair with OpenSSH's ssh-keygen.
///
/// # Errors
/// When ssh-keygen fails.
pub fn keygen(path: &Path, kind: &str, more: &[&str]) -> Result<()> {
    let output = Command::new("ssh-keygen").args(["-q", "-t", kind, "-N", "", "-C", "test", "-f"]).arg(path).args(more).output().context("cannot start ssh-keygen")?;
    if !output.status.success() {
        bail!("ssh-keygen: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// A loopback port that nothing listens on now.
///
/// # Errors
/// When the kernel has none.
pub fn free_port() -> Result<u16> {
    // not one that the kernel gives to whoever asks for any: a server takes seconds to come up
    (0..1000).map(|_| 10_000 + u16::try_from(RandomState::new().hash_one(0_u8) % 20_000).unwrap_or(0)).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).context("no port is free")
}

fn install(folder: &Path, options: &StageOptions, ssh_port: u16) -> Result<()> {
    // users other than the caller must be able to start them, whatever folder the checkout is in
    let bin = folder.join("bin");
    std::fs::create_dir(&bin)?;
    for name in ["portcullis", "portcullis-warden", "portcullis-judge", "portcullis-shell", "portcullis-confine", "portcullis-cage", "portcullis-sftp", "portcullis-forward"] {
        let from = options.programs.join(name);
        std::fs::copy(&from, bin.join(name)).with_context(|| format!("cannot copy {}", from.display()))?;
    }
    let modules = folder.join("modules");
    std::fs::create_dir(&modules)?;
    for folder in &options.modules {
        for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
            let entry = entry?;
            let wanted = options.only.is_empty() || options.only.iter().any(|name| entry.file_name() == *name);
            if wanted && entry.path().extension().is_some_and(|e| e == "wasm") {
                std::fs::copy(entry.path(), modules.join(entry.file_name()))?;
            }
        }
    }
    let data = folder.join("data");
    std::fs::create_dir(&data)?;
    if let Owner::Ordinary { id } = options.owner {
        for path in [&bin, &modules, &data] {
            chown(path, Some(id), Some(id))?;
        }
    }
    let mut config = String::new();
    let (api_port, userdb) = (free_port()?, data.join("userdb"));
    write!(
        config,
        "data = {data:?}\n\n[node]\ntarget = {TARGET:?}\nrole = \"cps\"\nuserdb = {userdb:?}\n\n[ssh]\nlisten = [\"127.0.0.1:{ssh_port}\"]\nprofile = {:?}\n\n[api]\nlisten = \"127.0.0.1:{api_port}\"\n\n[modules]\npath = {modules:?}\n",
        options.profile
    )?;
    if !options.accounts.is_empty() {
        std::fs::write(folder.join("passwd"), std::fs::read_to_string("/etc/passwd")? + &options.accounts)?;
    }
    if !options.profiles.is_empty() {
        let profiles = folder.join("profiles");
        std::fs::create_dir(&profiles)?;
        std::fs::set_permissions(&profiles, std::fs::Permissions::from_mode(0o755))?;
        for (name, text) in &options.profiles {
            let file = profiles.join(format!("{name}.toml"));
            std::fs::write(&file, text)?;
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644))?;
        }
        config = config.replacen("\n[ssh]\n", &format!("profiles = {profiles:?}\n\n[ssh]\n"), 1);
    }
    if options.owner == Owner::Caller && rustix::process::geteuid().is_root() {
        // numbers, so that nothing has to be added to the machine's accounts
        config.push_str("\n[users]\ngateway = 89997\njudge = 89998\ncontroller = 89999\n");
    }
    config.push('\n');
    config.push_str(&options.extra_config);
    std::fs::write(folder.join("portcullis.toml"), config)?;
    Ok(())
}

/// Whether a process with this id exists.
#[must_use]
pub fn alive(pid: u32) -> bool {
    // a zombie has ended
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('Z')))
}

/// Ids of processes whose command line contains `text`.
#[must_use]
pub fn processes_with(text: &str) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| String::from_utf8_lossy(&line).replace('\0', " ").contains(text)))
        .filter(|pid| alive(*pid))
        .collect()
}

/// A pause between two looks at something that has no event, for use inside loops with a deadline.
pub const PAUSE: Duration = Duration::from_millis(10);
