//! What the kernel itself says was executed: its own tracer, which knows nothing of the guard.

use anyhow::{Context as _, Result, ensure};
use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const TRACEFS: &str = "/sys/kernel/tracing";
/// Room for a processor's events, in KiB.
const BUFFER_KIB: &str = "16384";

/// An exec that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executed {
    /// When, in microseconds since 1970.
    pub at: u64,
    /// The process, as the node numbers it.
    pub pid: u32,
    /// The file, as the caller named it.
    pub file: String,
}

/// A tracer of this machine's execs and forks; gone when dropped.
#[derive(Debug)]
pub struct Tracer {
    instance: PathBuf,
}

impl Tracer {
    /// Starts it; none where the kernel has none for us, with the reason.
    ///
    /// # Errors
    /// When it is there and cannot be used.
    pub fn start() -> Result<Result<Self, String>> {
        if !Path::new(TRACEFS).join("instances").exists() {
            let mounted = Command::new("mount").args(["-t", "tracefs", "nodev", TRACEFS]).output()?;
            if !mounted.status.success() {
                return Ok(Err(format!("no tracefs: {}", String::from_utf8_lossy(&mounted.stderr))));
            }
        }
        let instance = Path::new(TRACEFS).join("instances").join(format!("portcullis-{}", std::process::id()));
        if let Err(error) = fs::create_dir(&instance) {
            return Ok(Err(format!("no tracer of one's own: {error}")));
        }
        let tracer = Self { instance };
        tracer.set("buffer_size_kb", BUFFER_KIB)?;
        tracer.set("trace_clock", "mono")?;
        tracer.set("events/sched/sched_process_exec/enable", "1")?;
        tracer.set("events/sched/sched_process_fork/enable", "1")?;
        Ok(Ok(tracer))
    }

    fn set(&self, file: &str, value: &str) -> Result<()> {
        fs::write(self.instance.join(file), value).with_context(|| format!("the tracer's {file}"))
    }

    /// The execs so far in the jails below `warden` whose first program is `first`: of that program, and of everything that
    /// descends from the process that started it.
    ///
    /// # Errors
    /// When the tracer cannot be read, or has lost events.
    pub fn executed(&self, warden: u32, first: &str) -> Result<Vec<Executed>> {
        self.set("tracing_on", "0")?;
        for cpu in fs::read_dir(self.instance.join("per_cpu"))?.flatten() {
            let stats = fs::read_to_string(cpu.path().join("stats"))?;
            let mut lost = stats.lines().filter(|line| line.starts_with("overrun:") || line.starts_with("dropped events:"));
            ensure!(lost.all(|line| line.ends_with(": 0")), "the tracer has lost events: {stats}");
        }
        let text = fs::read_to_string(self.instance.join("trace"))?;
        let offset = clock_offset()?;
        let mut parents: HashMap<u32, u32> = HashMap::new();
        // others on this machine have jails too
        let (mut ours, mut jailed) = (HashSet::from([warden]), HashSet::new());
        let mut found = Vec::new();
        for line in text.lines() {
            if let Some((_, fork)) = line.split_once(" sched_process_fork: ") {
                let (Some(from), Some(to)) = (number(fork, " pid="), number(fork, "child_pid=")) else { continue };
                if to == warden {
                    continue;
                }
                parents.insert(to, from);
                // a number that is used again is another process
                for set in [&mut ours, &mut jailed] {
                    if set.contains(&from) { set.insert(to) } else { set.remove(&to) };
                }
            } else if let Some((head, exec)) = line.split_once(" sched_process_exec: ") {
                let (Some(pid), Some((file, _))) = (number(exec, " pid="), exec.strip_prefix("filename=").and_then(|rest| rest.rsplit_once(" pid="))) else { continue };
                if file == first && ours.contains(&pid) {
                    jailed.extend(parents.get(&pid).copied().into_iter().chain([pid]));
                }
                if jailed.contains(&pid) {
                    let seconds = head.split_whitespace().last().and_then(|word| word.strip_suffix(':')).context("a line without a time")?;
                    let (whole, part) = seconds.split_once('.').context("a time without a fraction")?;
                    found.push(Executed { at: whole.parse::<u64>()? * 1_000_000 + part.parse::<u64>()? + offset, pid, file: file.to_owned() });
                }
            }
        }
        Ok(found)
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.instance);
    }
}

/// How far the time of day is ahead of the tracer's clock, in microseconds.
fn clock_offset() -> Result<u64> {
    let since_start = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let day = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let since_start = Duration::new(since_start.tv_sec.try_into()?, since_start.tv_nsec.try_into()?);
    Ok(u64::try_from(day.saturating_sub(since_start).as_micros())?)
}

fn number(text: &str, name: &str) -> Option<u32> {
    // the pid of a thread that forks may be that of its process' leader or not: the tracer names the thread
    let (_, rest) = text.rsplit_once(name)?;
    rest.split_whitespace().next()?.parse().ok()
}
