//! `native-verdict COUNT [COMMANDS]`: asks the rules of INFRA_DIAG, compiled for this machine, about `ls -l /var/log` or about the
//! commands of a file, one a line, in turn, and prints the nanoseconds of each verdict, one a line. What a question is made of is
//! copied each time, as a module gets it.

use infra_diag::InfraDiag;
use portcullis_sdk::{Guest as _, Verdict, testing};
use std::error::Error;
use std::io::Write as _;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let count: usize = args.next().ok_or("the number of questions is missing")?.parse()?;
    let commands = args.next().map_or_else(|| Ok("/usr/bin/ls -l /var/log".to_owned()), std::fs::read_to_string)?;
    let session = testing::session("INFRA_DIAG", "cps");
    let mut subjects = Vec::new();
    for command in commands.lines() {
        let words: Vec<&str> = command.split(' ').collect();
        subjects.push(testing::exec(words.first().ok_or("an empty command")?, &words));
    }
    if !matches!(InfraDiag::judge(session.clone(), subjects.first().ok_or("there are no commands")?.clone()), Verdict::Allow(_)) {
        return Err("the first command is refused".into());
    }
    let mut taken = Vec::with_capacity(count);
    for subject in subjects.iter().cycle().take(count) {
        let begin = Instant::now();
        let verdict = InfraDiag::judge(session.clone(), subject.clone());
        taken.push(begin.elapsed().as_nanos());
        drop(verdict);
    }
    let mut out = std::io::stdout().lock();
    Ok(taken.iter().try_for_each(|nanoseconds| writeln!(out, "{nanoseconds}"))?)
}
