//! `judge-verdict SOCKET COUNT`: asks a running judge about `ls -l /var/log` under INFRA_DIAG, as a keeper does, and prints the
//! nanoseconds from the question to the answer, one a line, writing and reading of the messages included.

use portcullis_model::action::{Action, Role};
use portcullis_model::id::{GrantId, RequestId, SessionId};
use portcullis_model::session::SessionFacts;
use portcullis_model::subject::{Exec, Subject};
use portcullis_model::time::UnixMs;
use portcullis_model::verdict::Verdict;
use portcullis_model::wire::PROTOCOL;
use portcullis_model::wire::frame::{Frames, encode};
use portcullis_model::wire::judge::{Counters, FromJudge, ToJudge};
use std::error::Error;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant, SystemTime};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let socket = args.next().ok_or("the judge's socket is missing")?;
    let count: u64 = args.next().ok_or("the number of questions is missing")?.parse()?;
    let mut judge = Judge::connect(&socket)?;
    let mut taken = Vec::new();
    // the first ones find nothing in any cache
    let warm = 200;
    for id in 0..warm + count {
        let subject = exec();
        let begin = Instant::now();
        let question = ToJudge::Ask { id, now: now(), counters: Counters::default(), subject };
        let answer = judge.ask(&question)?;
        let duration = begin.elapsed();
        match answer {
            FromJudge::Answer { id: answered, verdict: Verdict::Allow(_), .. } if answered == id => {}
            other => return Err(format!("the judge answered {other:?}").into()),
        }
        if id >= warm {
            taken.push(duration.as_nanos());
        }
    }
    let mut out = std::io::stdout().lock();
    taken.iter().try_for_each(|nanoseconds| writeln!(out, "{nanoseconds}"))?;
    Ok(())
}

struct Judge {
    stream: UnixStream,
    frames: Frames,
}

impl Judge {
    fn connect(socket: &str) -> Result<Self, Box<dyn Error>> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut judge = Self { stream, frames: Frames::default() };
        match judge.ask(&ToJudge::Hello { protocol: PROTOCOL, facts: Box::new(facts()) })? {
            FromJudge::Ready { .. } => Ok(judge),
            other => Err(format!("the judge answered {other:?}").into()),
        }
    }

    fn ask(&mut self, message: &ToJudge) -> Result<FromJudge, Box<dyn Error>> {
        self.stream.write_all(&encode(message)?)?;
        let mut buffer = [0; 64 * 1024];
        loop {
            if let Some(answer) = self.frames.next()? {
                return Ok(answer);
            }
            let got = self.stream.read(&mut buffer)?;
            let bytes = buffer.get(..got).filter(|bytes| !bytes.is_empty()).ok_or("the judge hung up")?;
            self.frames.push(bytes);
        }
    }
}

fn now() -> UnixMs {
    UnixMs::from_system(SystemTime::now())
}

fn facts() -> SessionFacts {
    let start = now();
    SessionFacts {
        id: SessionId::from_entropy([1; 10]),
        grant: GrantId::from_entropy([1; 10]),
        request: RequestId::from_entropy([1; 5]),
        ticket: "OPS-1".into(),
        operator: "ann@provider.example".into(),
        account: "op-ann".into(),
        uid: 70_000,
        action: Action::InfraDiag,
        target: "node1".into(),
        role: Role::Cps,
        source: "127.0.0.1:40000".into(),
        key_fingerprint: "SHA256:0000000000000000000000000000000000000000000".into(),
        start,
        end: start.plus(3_600_000),
        tty: true,
    }
}

fn exec() -> Subject {
    Subject::Exec(Exec {
        path: b"/usr/bin/ls".to_vec(),
        argv: vec![b"ls".to_vec(), b"-l".to_vec(), b"/var/log".to_vec()],
        scripts: vec![],
        cwd: b"/home/op-ann".to_vec(),
        uid: 70_000,
        tty: true,
        parents: vec![b"bash".to_vec(), b"portcullis-shell".to_vec()],
        line: Some(b"ls -l /var/log".to_vec()),
    })
}
