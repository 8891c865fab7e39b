//! What a verdict costs: asks a module a few hundred thousand times and prints the median and the 99th percentile.
//!
//! `cargo run -p portcullis-policy --example verdict_cost -- MODULE.wasm [QUESTIONS]`

use anyhow::Context as _;
use portcullis_model::session::SessionFacts;
use portcullis_model::subject::{Exec, Subject};
use portcullis_model::time::UnixMs;
use portcullis_model::wire::judge::Counters;
use portcullis_policy::{Evaluator, Limits, Sitting};
use std::io::Write as _;
use std::time::{Duration, Instant};

const COMMANDS: [&str; 12] = [
    "ls -la /var/log",
    "cat /var/log/messages",
    "grep -rn error /var/log",
    "find / -name core -mtime -1 -print",
    "find / -exec sh ;",
    "docker ps -a",
    "docker run -v /:/mnt debian sh",
    "systemctl --no-pager status sshd",
    "journalctl -u sshd -n 100",
    "curl -q -sS https://localhost/",
    "python3 -c x",
    "sed -n 1,20p /var/log/messages",
];

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().context("usage: verdict_cost MODULE.wasm [QUESTIONS]")?;
    let questions: usize = arguments.next().map_or(Ok(100_000), |text| text.parse())?;
    // what is late is told by the figures here
    let evaluator = Evaluator::new(Limits { time: Duration::from_secs(5), ..Limits::default() })?;
    let bytes = std::fs::read(&path).with_context(|| format!("cannot read {path}"))?;
    let begun = Instant::now();
    let module = evaluator.load(&bytes)?;
    let loaded = begun.elapsed();
    let mut sitting = Sitting::new(&facts()?);
    let subjects: Vec<Subject> = COMMANDS.iter().map(|command| exec(command)).collect();
    let mut out = std::io::stdout().lock();
    writeln!(out, "load {} ms", loaded.as_millis())?;
    for (what, prepared) in [("an instance made ready before", true), ("an instance started for it", false)] {
        let mut nanoseconds = Vec::with_capacity(questions);
        for (n, subject) in subjects.iter().cycle().take(questions + 1000).enumerate() {
            let subject = subject.clone();
            let begun = Instant::now();
            let verdict = module.judge(&mut sitting, UnixMs(1), Counters::default(), subject);
            let taken = begun.elapsed().as_nanos();
            drop(verdict?);
            if prepared {
                module.prepare();
            }
            if n >= 1000 {
                nanoseconds.push(taken);
            }
        }
        nanoseconds.sort_unstable();
        let at = |part: usize| nanoseconds.get(nanoseconds.len() * part / 100).copied().unwrap_or_default() as f64 / 1000.0;
        writeln!(out, "{what}: p50 {:.1} us, p99 {:.1} us, {questions} questions", at(50), at(99))?;
    }
    Ok(())
}

fn exec(command: &str) -> Subject {
    let words: Vec<Vec<u8>> = command.split(' ').map(|word| word.as_bytes().to_vec()).collect();
    let path = [b"/usr/bin/".to_vec(), words.first().cloned().unwrap_or_default()].concat();
    let parents = vec![b"bash".to_vec(), b"portcullis-shel".to_vec()];
    Subject::Exec(Exec { path, argv: words, scripts: vec![], cwd: b"/home/ann".to_vec(), uid: 70_000, tty: true, parents, line: Some(command.into()) })
}

fn facts() -> anyhow::Result<SessionFacts> {
    Ok(SessionFacts {
        id: "s-0000000000000000".parse()?,
        grant: "g-0000000000000000".parse()?,
        request: "r-00000000".parse()?,
        ticket: "OPS-1".into(),
        operator: "ann@provider.example".into(),
        account: "ann".into(),
        uid: 70_000,
        action: "INFRA_DIAG".parse()?,
        target: "rack1-cps1".into(),
        role: "cps".parse()?,
        source: "127.0.0.1:40000".into(),
        key_fingerprint: "SHA256:0000000000000000000000000000000000000000000".into(),
        start: UnixMs(1),
        end: UnixMs(2),
        tty: true,
    })
}
