use super::*;
use crate::asking::{Answer, SignedAnswer};
use crate::grant::Signed;
use crate::subject::{Command, CommandKind, Line, Word};
use crate::verdict::{Ask, Enforcement};
use ed25519_dalek::SigningKey;

const POLICY: PolicyDigest = PolicyDigest([4; 32]);
const STANDING: Standing = Standing { now: UnixMs(10), end: UnixMs(100), ending: false, enforcement: Enforcement::Nothing };

fn exec(argv: &[&str]) -> Subject {
    let argv: Vec<Vec<u8>> = argv.iter().map(|one| one.as_bytes().to_vec()).collect();
    Subject::Exec(Exec { path: b"/usr/bin/systemctl".to_vec(), argv, scripts: vec![], cwd: b"/".to_vec(), uid: 70_000, tty: true, parents: vec![], line: None })
}

fn word(text: &str) -> Word {
    Word { text: text.into(), kind: if text.contains('$') { WordKind::Dynamic } else { WordKind::Literal } }
}

fn line(commands: &[&[&str]]) -> Subject {
    let commands = commands.iter().map(|words| Command {
        words: words.iter().map(|text| word(text)).collect(),
        assignments: vec![],
        redirects: vec![],
        depth: 0,
        kind: CommandKind::External,
    });
    let text = commands_text(commands.clone().collect::<Vec<_>>().as_slice());
    Subject::Line(Line { text, commands: commands.collect(), cwd: b"/".to_vec() })
}

fn commands_text(commands: &[Command]) -> Vec<u8> {
    let words = commands.iter().map(|command| command.words.iter().map(|word| word.text.clone()).collect::<Vec<_>>().join(&b' '));
    words.collect::<Vec<_>>().join(&b"; "[..])
}

fn question(subject: Subject) -> Question {
    let ask = Ask { prompt: "may it?".into(), approvers: vec!["bo".into()], expiry: UnixMs(50) };
    match decide(subject, Heard::Verdict { digest: POLICY, verdict: Verdict::Ask(ask) }, STANDING) {
        Decision::Ask(question) => question,
        other => panic!("{other:?}"),
    }
}

fn put(subject: Subject) -> Asked {
    let asker = Asker { session: SessionId::from_entropy([2; 10]), grant: GrantId::from_entropy([3; 10]), target: "node1".into() };
    question(subject).put(QuestionId::from_entropy([1; 10]), &asker, STANDING)
}

fn answer(asked: &Asked, choice: Choice) -> Answer {
    Answer {
        question: asked.id.clone(),
        session: asked.session.clone(),
        target: asked.target.clone(),
        asked: asked.digest(),
        policy: asked.policy,
        expiry: asked.ask.expiry,
        choice,
        by: "bo".into(),
        at: UnixMs(9),
        comment: "not today".into(),
    }
}

fn verified(answer: &Answer) -> VerifiedAnswer {
    let key = SigningKey::from_bytes(&[7; 32]);
    let signed: SignedAnswer = Signed::sign(answer, &key).unwrap();
    VerifiedAnswer::of(&signed, &key.verifying_key(), "node1").unwrap()
}

fn rule(answered: Answered) -> String {
    match answered.decision {
        Decision::Allow(_) => "allowed".into(),
        Decision::Deny(refusal) => refusal.denial().rule.clone(),
        Decision::Ask(_) => "asked".into(),
    }
}

#[test]
fn an_approval_of_exactly_this_in_time_allows() {
    let asked = put(exec(&["systemctl", "restart", "x"]));
    let answer = answer(&asked, Choice::Approve);
    let subject = asked.subject.clone();
    let Decision::Allow(permit) = answered(asked, verified(&answer), Some(POLICY), STANDING).decision else { panic!("allowed") };
    assert_eq!(permit.subject(), &subject);
    assert!(matches!(permit.authority(), Authority::Answer { by, policy: POLICY, .. } if by == "bo"));
}

#[test]
fn whatever_is_not_exactly_that_is_refused() {
    let asked = put(exec(&["systemctl", "restart", "x"]));
    let good = answer(&asked, Choice::Approve);
    let other = put(exec(&["systemctl", "stop", "x"]));
    let cases = [
        (answer(&asked, Choice::Reject), Some(POLICY), STANDING, "not-approved"),
        (Answer { asked: other.digest(), ..good.clone() }, Some(POLICY), STANDING, "answer-mismatch"),
        (Answer { session: SessionId::from_entropy([9; 10]), ..good.clone() }, Some(POLICY), STANDING, "answer-mismatch"),
        (Answer { question: QuestionId::from_entropy([9; 10]), ..good.clone() }, Some(POLICY), STANDING, "answer-mismatch"),
        (Answer { policy: PolicyDigest([9; 32]), ..good.clone() }, Some(POLICY), STANDING, "answer-mismatch"),
        (Answer { expiry: UnixMs(90), ..good.clone() }, Some(POLICY), STANDING, "answer-mismatch"),
        (good.clone(), Some(PolicyDigest([9; 32])), STANDING, "policy-changed"),
        (good.clone(), None, STANDING, "policy-changed"),
        (good.clone(), Some(POLICY), Standing { now: UnixMs(50), ..STANDING }, "question-lapsed"),
        (good.clone(), Some(POLICY), Standing { ending: true, ..STANDING }, "ending"),
    ];
    for (answer, judges, standing, expected) in cases {
        assert_eq!(rule(answered(asked.clone(), verified(&answer), judges, standing)), expected, "{answer:?}");
    }
}

#[test]
fn a_question_lapses_with_the_grant_at_the_latest() {
    let asker = Asker { session: SessionId::from_entropy([2; 10]), grant: GrantId::from_entropy([3; 10]), target: "node1".into() };
    let put = question(exec(&["x"])).put(QuestionId::from_entropy([1; 10]), &asker, Standing { end: UnixMs(30), ..STANDING });
    assert_eq!((put.at, put.ask.expiry), (UnixMs(10), UnixMs(30)));
}

#[test]
fn an_approved_line_covers_its_own_words_once() {
    let asked = put(line(&[&["/bin/systemctl", "restart", "x"], &["systemctl", "restart", "$y"]]));
    let answer = answer(&asked, Choice::Approve);
    let Answered { decision: Decision::Allow(_), coverage: Some(mut coverage), .. } = answered(asked, verified(&answer), Some(POLICY), STANDING) else { panic!("allowed") };
    let mut take = |subject| matches!(coverage.take(question(subject), STANDING), Decision::Allow(_));
    assert!(!take(exec(&["systemctl", "restart", "y"])), "nobody has read the value");
    assert!(!take(exec(&["systemctl", "restart", "x", "z"])));
    assert!(!take(exec(&["sh", "restart", "x"])), "a name that the program is not called by in the line");
    assert!(take(exec(&["systemctl", "restart", "x"])));
    assert!(!take(exec(&["systemctl", "restart", "x"])), "once");
}

#[test]
fn an_approval_covers_only_what_the_same_people_were_to_be_asked_by_the_same_module() {
    let asked = put(line(&[&["systemctl", "restart", "x"]]));
    let answer = answer(&asked, Choice::Approve);
    let Some(mut coverage) = answered(asked, verified(&answer), Some(POLICY), STANDING).coverage else { panic!("covered") };
    let with = |digest, approvers: &[&str]| {
        let approvers = approvers.iter().map(|name| (*name).to_owned()).collect();
        Question { subject: exec(&["systemctl", "restart", "x"]), ask: Ask { prompt: "?".into(), approvers, expiry: UnixMs(50) }, digest }
    };
    assert!(matches!(coverage.take(with(PolicyDigest([9; 32]), &["bo"]), STANDING), Decision::Ask(_)));
    assert!(matches!(coverage.take(with(POLICY, &["chris"]), STANDING), Decision::Ask(_)));
    assert!(matches!(coverage.take(with(POLICY, &["bo"]), Standing { now: UnixMs(60), ..STANDING }), Decision::Ask(_)));
    assert!(matches!(coverage.take(with(POLICY, &["bo"]), STANDING), Decision::Allow(_)));
}

#[test]
fn an_approval_covers_what_was_read_and_where_it_was_entered() {
    let covers = |subject: Subject, change: fn(&mut Exec)| {
        let asked = put(subject);
        let answer = answer(&asked, Choice::Approve);
        let Some(mut coverage) = answered(asked, verified(&answer), Some(POLICY), STANDING).coverage else { panic!("covered") };
        let Subject::Exec(mut exec) = exec(&["systemctl", "stop", "x"]) else { panic!("an exec") };
        change(&mut exec);
        matches!(coverage.take(question(Subject::Exec(exec)), STANDING), Decision::Allow(_))
    };
    let entered = || line(&[&["systemctl", "stop", "x"]]);
    assert!(covers(entered(), |_| {}));
    assert!(!covers(entered(), |exec| exec.cwd = b"/srv".to_vec()), "elsewhere");
    assert!(!covers(entered(), |exec| exec.uid = 0), "as root");
    assert!(covers(line(&[&["/bin/systemctl", "stop", "x"]]), |_| {}), "by a link's path");
    assert!(!covers(line(&[&["/bin/systemctl", "stop", "x"]]), |exec| exec.path = b"/opt/bin/systemctl".to_vec()), "another program of that name");
    let Subject::Line(said) = entered() else { panic!("a line") };
    let other = Subject::Line(Line { text: b"systemctl status x".to_vec(), ..said });
    assert!(!covers(other, |_| {}), "the shell read out what is not in the text");
}
