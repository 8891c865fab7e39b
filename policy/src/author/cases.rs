//! Tests of a module as data: what is asked, and what it should say.

use super::question::{LineParser, Setting, exec_subject, words};
use super::source::{Problem, Problems, Source};
use super::{keys, nearest};
use crate::module::{Module, Sitting};
use crate::shown;
use portcullis_model::subject::{FileOp, FileOpKind, Forward, Subject};
use portcullis_model::time::UnixMs;
use portcullis_model::verdict::Verdict;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use toml::Spanned;

/// The JSON Schema of the file, for editors.
pub(super) const SCHEMA: &str = include_str!("../../../sdk/profile/cases.schema.json");

type Text = Spanned<String>;

/// A moment of 2026, a Monday at ten in the morning UTC: when nothing else is said, questions are asked then.
const MONDAY: UnixMs = UnixMs(1_772_445_600_000);

/// Tests of a policy module, for `portcullis policy test`.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    /// The module's file, beside this one.
    module: Option<String>,
    /// The profile to build the module of, beside this one.
    profile: Option<String>,
    /// The session that is asked for.
    #[serde(default)]
    session: Session,
    /// The tests.
    #[serde(default)]
    case: Vec<Written>,
}

/// The session that is asked for.
#[derive(Debug, Default, Clone, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Session {
    /// The operator. Without it: ann@provider.example.
    operator: Option<String>,
    /// The temporary account; its home is below /home. Without it: ann.
    account: Option<String>,
    /// The target. Without it: rack1- and the role and 1.
    target: Option<String>,
    /// The target's role. Without it: the module's first.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    role: Option<Text>,
    /// The customer's ticket.
    ticket: Option<String>,
    /// When it is asked, with an offset from UTC: 2026-03-02T10:00:00Z, which it is without it.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    at: Option<Spanned<toml::value::Datetime>>,
}

/// One test: one of exec, argv, line, file and forward, and what is expected.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Written {
    /// What it is about, for people.
    name: Option<String>,
    /// An exec, as one would type it: words and quotes, nothing is expanded.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    exec: Option<Text>,
    /// An exec, argument by argument.
    #[cfg_attr(test, schemars(with = "Option<Vec<String>>"))]
    argv: Option<Spanned<Vec<String>>>,
    /// A line of the shell, which reads it first.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    line: Option<Text>,
    /// A file operation: read, write, list, stat, rename, remove, make-directory, set-attributes or link, a path, and a new name where there is one.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    file: Option<Text>,
    /// A connection to forward: HOST:PORT.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    forward: Option<Text>,
    /// Canonical path of the exec's image. Without it: below /usr/bin.
    path: Option<String>,
    /// Canonical paths of the scripts that #! led through, outermost first.
    #[serde(default)]
    scripts: Vec<String>,
    /// The directory that it would run in. Without it: the home.
    cwd: Option<String>,
    /// When it is asked, if not when the session says.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    at: Option<Spanned<toml::value::Datetime>>,
    /// Execs that were asked about before, in the same session.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    after: Vec<Text>,
    /// allow, deny or ask.
    expect: Answer,
    /// The rule that refuses it.
    rule: Option<String>,
    /// The hint, or the prompt.
    hint: Option<String>,
    /// What the kernel is to enforce, as far as it matters: run-as, read, write, execute, network, children, capabilities, environment, time-limit-ms.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "BTreeMap<String, Value>"))]
    confined: BTreeMap<String, Spanned<toml::Value>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
enum Answer {
    Allow,
    Deny,
    Ask,
}

/// A file of tests.
#[derive(Debug)]
pub struct Cases {
    /// The module's file that it names.
    pub module: Option<PathBuf>,
    /// The profile that it names.
    pub profile: Option<PathBuf>,
    source: Source,
    file: File,
}

/// One test, ready to be asked.
#[derive(Debug, Clone)]
pub struct Case {
    /// Its line in the file.
    pub line: usize,
    /// What it is about.
    pub name: String,
    /// What is asked.
    pub subject: Subject,
    /// What should be said.
    pub expected: Expected,
    before: Vec<Subject>,
    setting: Setting,
}

/// What should be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    verdict: &'static str,
    rule: Option<String>,
    hint: Option<String>,
    confined: BTreeMap<String, Value>,
}

/// What came of one test.
#[derive(Debug)]
pub struct Outcome {
    /// The test.
    pub case: Case,
    /// What differs; none when the module said what was expected.
    pub failure: Option<Failure>,
}

/// What differs, as pairs of lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// A field's name, what was expected of it, and what it was.
    pub fields: Vec<(String, String, String)>,
    /// The whole answer, in words.
    pub answer: String,
}

/// What came of a file.
#[derive(Debug)]
pub struct Report {
    /// One for each test, in their order.
    pub outcomes: Vec<Outcome>,
}

impl Report {
    /// How many failed.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.outcomes.iter().filter(|outcome| outcome.failure.is_some()).count()
    }
}

/// Reads a file of tests.
///
/// # Errors
/// [`Problems`]: everything that is wrong with its form.
pub fn read_cases(source: Source) -> Result<Cases, Problems> {
    let one = |error: &toml::de::Error| Problems(vec![source.toml_problem(error)]);
    let document = toml::de::DeTable::parse(source.text()).map_err(|error| one(&error))?;
    let schema = serde_json::from_str(SCHEMA).map_err(|error| Problems(vec![source.problem(0..0, format!("the schema of this program is broken: {error}"))]))?;
    let unknown = keys::unknown(&source, document.get_ref(), &schema);
    if !unknown.is_empty() {
        return Err(Problems(unknown));
    }
    let file: File = toml::from_str(source.text()).map_err(|error| one(&error))?;
    if file.case.is_empty() {
        return Err(Problems(vec![source.problem(0..0, "there are no tests in it: a test begins with [[case]]")]));
    }
    let beside = |name: &Option<String>| name.as_ref().map(|name| source.file().parent().unwrap_or(std::path::Path::new("")).join(name));
    let (module, profile) = (beside(&file.module), beside(&file.profile));
    Ok(Cases { module, profile, source, file })
}

impl Cases {
    /// Asks a module all of it, each test in a session of its own.
    ///
    /// # Errors
    /// [`Problems`]: everything that cannot be asked. Nothing is asked then.
    pub fn run(&self, module: &Module, parse: LineParser) -> Result<Report, Problems> {
        let starts = self.starts();
        let mut problems = Vec::new();
        let mut cases = Vec::new();
        for (written, at) in self.file.case.iter().zip(starts.into_iter().chain(std::iter::repeat(0))) {
            match self.case(written, at, module, parse) {
                Ok(case) => cases.push(case),
                Err(problem) => problems.push(problem),
            }
        }
        if !problems.is_empty() {
            return Err(Problems(problems));
        }
        Ok(Report { outcomes: cases.into_iter().map(|case| ask(module, case)).collect() })
    }

    /// Where each test begins.
    fn starts(&self) -> Vec<usize> {
        let Ok(document) = toml::de::DeTable::parse(self.source.text()) else { return Vec::new() };
        let cases = document.get_ref().get("case").and_then(|cases| cases.get_ref().as_array());
        cases.map(|cases| cases.iter().map(|case| case.span().start).collect()).unwrap_or_default()
    }

    fn case(&self, written: &Written, at: usize, module: &Module, parse: LineParser) -> Result<Case, Problem> {
        let here = |problem: String| self.source.problem(at..at + 8, problem);
        let session = &self.file.session;
        let moment = match written.at.as_ref().or(session.at.as_ref()) {
            Some(time) => unix_ms(time.get_ref()).ok_or_else(|| self.source.problem(time.span(), "a time has a date, a time of day and an offset, as in 2026-03-02T10:00:00Z"))?,
            None => MONDAY,
        };
        let role = session.role.as_ref().map(|role| role.get_ref().clone()).or_else(|| module.roles().first().cloned()).unwrap_or_default();
        let mut setting = Setting::new(module.action(), &role, moment).map_err(|problem| session.role.as_ref().map_or_else(|| here(problem.clone()), |role| self.source.problem(role.span(), problem.clone())))?;
        let facts = &mut setting.facts;
        for (fact, value) in [(&mut facts.operator, &session.operator), (&mut facts.account, &session.account), (&mut facts.target, &session.target), (&mut facts.ticket, &session.ticket)] {
            if let Some(value) = value {
                fact.clone_from(value);
            }
        }
        let cwd = written.cwd.as_ref().map_or_else(|| setting.home(), |cwd| cwd.clone().into_bytes());
        let exec = |text: &Text| words(text.get_ref()).map(|words| words.into_iter().map(String::into_bytes).collect::<Vec<_>>()).map_err(|problem| self.source.problem(text.span(), problem));
        let mut subjects: Vec<(Subject, String)> = Vec::new();
        let image = |argv: Vec<Vec<u8>>| {
            let mut subject = exec_subject(argv, written.path.clone().map(String::into_bytes), cwd.clone(), &setting);
            if let Subject::Exec(exec) = &mut subject {
                exec.scripts = written.scripts.iter().map(|path| path.clone().into_bytes()).collect();
            }
            subject
        };
        if let Some(text) = &written.exec {
            subjects.push((image(exec(text)?), text.get_ref().clone()));
        }
        if let Some(argv) = &written.argv {
            subjects.push((image(argv.get_ref().iter().map(|arg| arg.clone().into_bytes()).collect()), argv.get_ref().join(" ")));
        }
        if let Some(text) = &written.line {
            let line = parse(text.get_ref().as_bytes(), &cwd).map_err(|problem| self.source.problem(text.span(), format!("the shell refuses this line before any policy is asked: {problem}")))?;
            subjects.push((Subject::Line(line), text.get_ref().clone()));
        }
        if let Some(text) = &written.file {
            subjects.push((file(text.get_ref()).map_err(|problem| self.source.problem(text.span(), problem))?, text.get_ref().clone()));
        }
        if let Some(text) = &written.forward {
            subjects.push((forward(text.get_ref()).map_err(|problem| self.source.problem(text.span(), problem))?, text.get_ref().clone()));
        }
        let Ok([(subject, text)]) = <[(Subject, String); 1]>::try_from(subjects) else {
            return Err(here("a test asks one question: one of exec, argv, line, file and forward".to_owned()));
        };
        let before = written.after.iter().map(|text| exec(text).map(|argv| exec_subject(argv, None, cwd.clone(), &setting))).collect::<Result<_, _>>()?;
        let mut confined = BTreeMap::new();
        for (name, value) in &written.confined {
            if !shown::CONFINEMENT.contains(&name.as_str()) {
                let advice = nearest::meant(name, shown::CONFINEMENT).map_or_else(|| format!("there are {}", shown::CONFINEMENT.join(", ")), |near| format!("did you mean `{near}`?"));
                return Err(self.source.problem(value.span(), format!("`{}` is not a part of a confinement; {advice}", name.escape_debug())));
            }
            let value = serde_json::to_value(value.get_ref()).map_err(|error| self.source.problem(value.span(), error.to_string()))?;
            confined.insert(name.clone(), value);
        }
        let verdict = match written.expect {
            Answer::Allow => "allow",
            Answer::Deny => "deny",
            Answer::Ask => "ask",
        };
        let expected = Expected { verdict, rule: written.rule.clone(), hint: written.hint.clone(), confined };
        let name = written.name.clone().unwrap_or(text);
        Ok(Case { line: self.source.line_of(at), name, subject, expected, before, setting })
    }
}

fn ask(module: &Module, case: Case) -> Outcome {
    let mut sitting = Sitting::new(&case.setting.facts);
    let mut counters = case.setting.counters;
    for subject in &case.before {
        // what came before is only there for what the module remembers of it
        match module.judge(&mut sitting, case.setting.now, counters, subject.clone()) {
            Ok(Verdict::Allow(_)) => counters.execs += 1,
            Ok(Verdict::Deny(_)) | Err(_) => counters.denials += 1,
            Ok(Verdict::Ask(_)) => {}
        }
    }
    let answer = module.judge(&mut sitting, case.setting.now, counters, case.subject.clone());
    let fields = differences(&case.expected, answer.as_ref().map_err(crate::Fault::line));
    let failure = (!fields.is_empty()).then(|| Failure { fields, answer: answer.map_or_else(|fault| format!("fault: {}", fault.line()), |verdict| shown::verdict(&verdict)) });
    Outcome { case, failure }
}

fn differences(expected: &Expected, answer: Result<&Verdict, String>) -> Vec<(String, String, String)> {
    let (verdict, rule, hint, confinement) = match answer {
        Ok(Verdict::Allow(confinement)) => ("allow", "", "", shown::confinement(confinement)),
        Ok(Verdict::Deny(denial)) => ("deny", denial.rule.as_str(), denial.hint.as_str(), Value::Null),
        Ok(Verdict::Ask(ask)) => ("ask", "", ask.prompt.as_str(), Value::Null),
        Err(_) => ("fault", "", "", Value::Null),
    };
    let mut fields = Vec::new();
    let mut compare = |name: &str, want: &str, got: &str| {
        if want != got {
            fields.push((name.to_owned(), want.to_owned(), got.to_owned()));
        }
    };
    compare("verdict", expected.verdict, verdict);
    if let Some(want) = &expected.rule {
        compare("rule", want, rule);
    }
    if let Some(want) = &expected.hint {
        compare("hint", want, hint);
    }
    for (name, want) in &expected.confined {
        compare(name, &want.to_string(), &confinement.get(name).unwrap_or(&Value::Null).to_string());
    }
    fields
}

fn file(text: &str) -> Result<Subject, String> {
    const KINDS: [(&str, FileOpKind); 9] = [
        ("read", FileOpKind::Read), ("write", FileOpKind::Write), ("list", FileOpKind::List), ("stat", FileOpKind::Stat), ("rename", FileOpKind::Rename), ("remove", FileOpKind::Remove),
        ("make-directory", FileOpKind::MakeDirectory), ("set-attributes", FileOpKind::SetAttributes), ("link", FileOpKind::Link),
    ];
    let words = words(text)?;
    let (kind, path, to) = match words.as_slice() {
        [kind, path] => (kind, path, None),
        [kind, path, to] => (kind, path, Some(to.clone().into_bytes())),
        _ => return Err("a file operation is its kind and a path, as in `read /var/log/messages`".to_owned()),
    };
    let Some((_, kind)) = KINDS.iter().find(|(name, _)| name == kind) else {
        return Err(format!("`{}` is no file operation; there are {}", kind.escape_debug(), KINDS.map(|(name, _)| name).join(", ")));
    };
    Ok(Subject::File(FileOp { kind: *kind, path: path.clone().into_bytes(), to, attributes: None }))
}

fn forward(text: &str) -> Result<Subject, String> {
    let parts = text.rsplit_once(':').and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
    let (host, port) = parts.ok_or_else(|| format!("`{}` is not HOST:PORT", text.escape_debug()))?;
    Ok(Subject::Forward(Forward { host, port }))
}

/// Milliseconds since 1970 of a whole date and time.
fn unix_ms(time: &toml::value::Datetime) -> Option<UnixMs> {
    let (date, clock) = (time.date?, time.time?);
    let ahead = match time.offset? {
        toml::value::Offset::Z => 0,
        toml::value::Offset::Custom { minutes } => i64::from(minutes),
    };
    // days since 1970-03-01 in years that begin in March, so that a leap day is a year's last
    let (year, month) = if date.month > 2 { (i64::from(date.year), i64::from(date.month) - 3) } else { (i64::from(date.year) - 1, i64::from(date.month) + 9) };
    let days = year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + (month * 153 + 2) / 5 + i64::from(date.day) - 1 - 719_468;
    let minutes = days * 1440 + i64::from(clock.hour) * 60 + i64::from(clock.minute) - ahead;
    let ms = (minutes * 60 + i64::from(clock.second.unwrap_or(0))) * 1000 + i64::from(clock.nanosecond.unwrap_or(0) / 1_000_000);
    u64::try_from(ms).ok().map(UnixMs)
}

/// The schema as the types say it.
#[cfg(test)]
pub(super) fn schema() -> schemars::Schema {
    schemars::schema_for!(File)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_with_their_offsets() {
        for (text, want) in [("1970-01-01T00:00:00Z", 0), ("2026-03-02T10:00:00Z", MONDAY.0), ("2026-03-02T12:00:00+02:00", MONDAY.0), ("2000-02-29T00:00:00Z", 951_782_400_000), ("2026-11-25T00:00:00Z", 1_795_564_800_000)] {
            assert_eq!(unix_ms(&text.parse().unwrap()), Some(UnixMs(want)), "{text}");
        }
        assert_eq!(unix_ms(&"2026-03-02T10:00:00".parse().unwrap()), None);
    }
}
