//! `native-verdict COUNT`: asks the rules of INFRA_DIAG, compiled for this machine, about `ls -l /var/log`, and prints the
//! nanoseconds of each verdict, one a line. What a question is made of is copied each time, as a module gets it.

use infra_diag::InfraDiag;
use portcullis_sdk::{Guest as _, Verdict, testing};
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    let Some(count) = std::env::args().nth(1).and_then(|count| count.parse::<usize>().ok()) else { return ExitCode::from(2) };
    let session = testing::session("INFRA_DIAG", "cps");
    let subject = testing::exec("/usr/bin/ls", &["ls", "-l", "/var/log"]);
    let mut out = std::io::stdout().lock();
    let mut taken = Vec::with_capacity(count);
    for _ in 0..count {
        let begin = Instant::now();
        let verdict = InfraDiag::judge(session.clone(), subject.clone());
        taken.push(begin.elapsed().as_nanos());
        if !matches!(verdict, Verdict::Allow(_)) {
            return ExitCode::FAILURE;
        }
    }
    for nanoseconds in taken {
        if writeln!(out, "{nanoseconds}").is_err() {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
