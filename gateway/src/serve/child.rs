//! One running process: started, waited for, ended.

use super::notify::Notify;
use super::plan::{Order, Part, Plan};
use anyhow::{Context as _, bail};
use portcullis_jail::spawn::{self, Child, Limit, ParentDeath, Program, User};
use portcullis_model::session::ExitStatus;
use std::ffi::OsString;
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::{Duration, Instant};
use tokio::io::unix::AsyncFd;

/// Variables of this process that the others get; everything else they get is made here.
const PASSED_ON: [&str; 1] = ["RUST_LOG"];
/// A warden holds a few descriptors for each session, a gateway a few for each connection.
const OPEN_FILES: u64 = 65_536;

/// A process that was started.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) part: Part,
    /// What it said about itself when it came up.
    pub(super) status: String,
    pub(super) since: Instant,
    child: Child,
    /// Readable when the process has ended.
    end: AsyncFd<OwnedFd>,
    notify: Notify,
}

impl Running {
    pub(super) fn spawn(plan: &Plan<'_>, part: Part) -> anyhow::Result<Self> {
        let Order { program, arguments, account } = plan.order(part);
        let notify = Notify::new(plan.layout.run().join(format!("{}.ready", part.name())), account.unwrap_or(plan.users.own))?;
        let mut environment = vec![
            ("PATH".into(), "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into()),
            ("LANG".into(), "C.UTF-8".into()),
            ("NOTIFY_SOCKET".into(), notify.path().as_os_str().to_owned()),
        ];
        environment.extend(PASSED_ON.iter().filter_map(|name| Some((OsString::from(name), std::env::var_os(name)?))));
        let child = spawn::spawn(Program {
            path: program,
            args: arguments,
            environment,
            user: account.map(|account| User { uid: account.uid, gid: account.gid, extra_gid: None }),
            descriptors: Vec::new(),
            // a warden that is asked closes the recordings; it ends by itself then
            on_parent_death: ParentDeath::Terminate,
            limits: vec![(Limit::OpenFiles, OPEN_FILES), (Limit::Core, 0)],
        })?;
        #[expect(deprecated, reason = "deprecated for types that may change or close their descriptor while it is watched; this one cannot")]
        let end = AsyncFd::new(child.as_fd().try_clone_to_owned()?)?;
        Ok(Self { part, status: String::new(), since: Instant::now(), child, end, notify })
    }

    /// Waits until it says that it is up.
    pub(super) async fn ready(&mut self) -> anyhow::Result<()> {
        let deadline = self.part.start_deadline();
        let said = tokio::select! {
            // what it said before it ended is not worth more than that it ended
            biased;
            how = ended(&mut self.child, &self.end) => bail!("it ended at once ({how}); its own line above says why"),
            said = self.notify.ready() => said.context("its readiness cannot be heard")?,
            () = tokio::time::sleep(deadline) => bail!("it is not up after {} s", deadline.as_secs()),
        };
        self.status = said;
        Ok(())
    }

    /// Waits until it ends; says how it did.
    pub(super) async fn ended(&mut self) -> String {
        ended(&mut self.child, &self.end).await
    }

    /// Asks it to end, and kills it when it does not.
    pub(super) async fn end(mut self) {
        let part = self.part;
        if let Err(error) = self.child.terminate() {
            tracing::error!(%part, %error, "cannot be asked to end");
        }
        if let Ok(how) = tokio::time::timeout(part.end_deadline(), self.ended()).await {
            tracing::info!(%part, %how, "ended");
            return;
        }
        tracing::error!(%part, "did not end in time and is killed");
        let killed = self.child.kill();
        if killed.is_err() || tokio::time::timeout(Duration::from_secs(5), self.ended()).await.is_err() {
            tracing::error!(%part, "cannot be killed");
        }
    }
}

async fn ended(child: &mut Child, end: &AsyncFd<OwnedFd>) -> String {
    loop {
        match child.try_wait() {
            Ok(Some(ExitStatus::Code(code))) => return format!("status {code}"),
            Ok(Some(ExitStatus::Signal { number, .. })) => return format!("signal {number}"),
            Ok(None) => {}
            Err(error) => return format!("unknown: {error}"),
        }
        match end.readable().await {
            Ok(mut ready) => ready.clear_ready(),
            Err(error) => return format!("unknown: {error}"),
        }
    }
}
