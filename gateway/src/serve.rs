//! `portcullis serve`: every process of one machine, started in order, watched, and ended in order.
//!
//! Controller, warden, judge, gateway: each is up before the next is started, because each needs something of the one
//! before (the controller makes the key that the warden checks grants with). A judge that dies is started again; while it
//! is away everything is denied. When one of the others dies, all are ended: a gate with a part missing is not a gate.
//! On the way down the gateway goes first, so that nobody comes in, then the warden, which ends the sessions and closes
//! their recordings, then the judge, and last the controller, which is told of all that.
//!
//! This process opens no socket to the network, parses nothing from it, and holds no secret.

mod child;
mod folders;
mod notify;
mod plan;
mod programs;
mod report;
mod users;

use crate::config::Config;
use crate::layout::Layout;
use anyhow::Context as _;
use child::Running;
use plan::{Part, Plan};
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};

/// Pauses before a judge that died is started again; the last one is repeated.
const RESTARTS: [Duration; 5] =
    [Duration::from_millis(50), Duration::from_millis(250), Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(5)];
/// A judge that held for so long was not broken from the start.
const HELD: Duration = Duration::from_secs(60);

/// Runs everything until SIGTERM or SIGINT.
///
/// # Errors
/// When something cannot be started, after everything that was started has been ended; or when a part dies.
pub async fn run(config: &Config) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    let layers = report::layers()?;
    let users = users::resolve(&config.users)?;
    let programs = programs::find(&config.programs)?;
    let layout = Layout::of(config);
    let _lock = folders::prepare(config, &layout, &users)?;
    let plan = Plan { config, layout: &layout, users: &users, programs: &programs };

    let mut house = House::default();
    let lived = async {
        for part in Part::START_ORDER {
            tokio::select! {
                started = house.start(&plan, part) => started?,
                () = signals.next() => return Ok(()),
            }
        }
        report::up(config, &layout, &users, &layers, house.statuses())?;
        house.watch(&plan, &mut signals).await
    }
    .await;
    house.end().await;
    lived
}

/// The two ways to be told to end.
struct Signals {
    term: tokio::signal::unix::Signal,
    int: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { term: signal(SignalKind::terminate())?, int: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }
}

/// What runs.
#[derive(Default)]
struct House {
    running: Vec<Running>,
}

impl House {
    async fn start(&mut self, plan: &Plan<'_>, part: Part) -> anyhow::Result<()> {
        let mut running = Running::spawn(plan, part).with_context(|| format!("cannot start {part}"))?;
        let ready = running.ready().await;
        // it is to be ended with the others, whether it came up or not
        self.running.push(running);
        ready.with_context(|| format!("{part} did not come up"))
    }

    fn statuses(&self) -> Vec<(Part, String)> {
        self.running.iter().map(|running| (running.part, running.status.clone())).collect()
    }

    /// Returns when told to end.
    async fn watch(&mut self, plan: &Plan<'_>, signals: &mut Signals) -> anyhow::Result<()> {
        let mut deaths = 0;
        let mut judge_due = None;
        loop {
            let (part, since, how) = tokio::select! {
                ended = self.first_to_end() => ended,
                () = due(judge_due) => {
                    judge_due = self.start_judge_again(plan).err().map(|error| {
                        tracing::error!(error = %crate::chain(error.as_ref()), "the judge cannot be started");
                        pause(&mut deaths)
                    });
                    continue;
                }
                () = signals.next() => return Ok(()),
            };
            if part != Part::Judge {
                anyhow::bail!("{part} ended by itself ({how}): everything is ended");
            }
            if since.elapsed() > HELD {
                deaths = 0;
            }
            judge_due = Some(pause(&mut deaths));
            tracing::error!(%how, "the judge ended by itself; everything is denied until it is back");
        }
    }

    /// Whether it comes up is not waited for: until it does everything is denied, and if it dies it is seen as before.
    fn start_judge_again(&mut self, plan: &Plan<'_>) -> anyhow::Result<()> {
        self.running.push(Running::spawn(plan, Part::Judge)?);
        tracing::info!("the judge is started again");
        Ok(())
    }

    /// Waits for the first process to end, and takes it out.
    async fn first_to_end(&mut self) -> (Part, Instant, String) {
        if self.running.is_empty() {
            std::future::pending::<()>().await;
        }
        let ends = self.running.iter_mut().enumerate().map(|(index, running)| Box::pin(async move { (index, running.ended().await) }));
        let ((index, how), _, _) = futures_util::future::select_all(ends).await;
        let ended = self.running.remove(index);
        (ended.part, ended.since, how)
    }

    /// Ends everything, in order.
    async fn end(mut self) {
        for part in Part::END_ORDER {
            for running in self.running.extract_if(.., |running| running.part == part) {
                running.end().await;
            }
        }
    }
}

/// When a judge that died is to be started again.
fn pause(deaths: &mut usize) -> Instant {
    let pause = RESTARTS.get(*deaths).or(RESTARTS.last()).copied().unwrap_or_default();
    *deaths += 1;
    Instant::now() + pause
}

async fn due(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
