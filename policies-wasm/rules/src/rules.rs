//! The rows about programs. The first row whose names, arguments, window and count all fit decides; where none fits, the row
//! that got farthest says why.

use crate::count::Counts;
use crate::grammar::{Grammar, Mismatch};
use crate::pattern::{Place, plain, prompt};
use crate::{files, line, nearest};
use portcullis_profile::{self as profile, Answer, Profile, Window};
use portcullis_sdk::{
    AllowedForm, Children, Confinement, Denial, Description, Exec, Network, Question, Refusal, Session, Subject, Verdict, allow, path, quote,
};

/// A profile, ready to be asked.
pub(crate) struct Rules {
    pub(crate) profile: Profile,
    rows: Vec<Row>,
    pure: bool,
}

struct Row {
    names: Vec<String>,
    rule: String,
    hint: String,
    script: bool,
    /// none for any arguments
    grammar: Option<Grammar>,
    when: Vec<Window>,
    at_most: Option<u32>,
    answer: Answer,
}

/// A command as somebody typed it or the kernel would run it.
#[derive(Clone, Copy)]
struct Call<'a> {
    name: &'a [u8],
    args: &'a [&'a [u8]],
    place: Place<'a>,
}

/// Whether an answer is counted and put to people: a line is not, because its exec will be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Weight {
    Preview,
    Decides,
}

/// No argument gets so far: the row fitted, and it was not its time, or it was allowed too often.
const FITTED: usize = usize::MAX;

impl Rules {
    pub(crate) fn new(mut profile: Profile) -> Self {
        let pure = profile.is_pure();
        let row = |command: &profile::Command| Row {
            names: command.names.clone(),
            rule: command.rule.clone(),
            hint: command.hint.clone(),
            script: command.script,
            grammar: match &command.arguments {
                profile::Arguments::Any => None,
                profile::Arguments::Grammar(grammar) => Some(Grammar::new(grammar.clone())),
            },
            when: command.when.clone(),
            at_most: command.at_most,
            answer: command.answer.clone(),
        };
        let rows = profile.commands.iter().map(row).collect();
        // of the commands only what people read is still needed; less in the snapshot is less to reset for each question
        profile.commands.retain(|command| !matches!(command.answer, Answer::Deny(_)));
        profile.commands.iter_mut().for_each(|command| command.arguments = profile::Arguments::Any);
        Self { profile, rows, pure }
    }

    pub(crate) fn describe(&self) -> Description {
        let Profile { name, version, action, roles, commands, builtins, .. } = &self.profile;
        let mut allowed: Vec<AllowedForm> = commands.iter().map(|row| AllowedForm { form: row.form.clone(), note: row.note.clone() }).collect();
        if !builtins.is_empty() {
            let names = builtins.join(" ");
            allowed.push(AllowedForm { form: names.get(..names.floor_char_boundary(256)).unwrap_or_default().to_owned(), note: "built into the shell".to_owned() });
        }
        Description { name: name.clone(), version: version.clone(), action: action.clone(), roles: roles.clone(), pure: self.pure, allowed }
    }

    pub(crate) fn judge(&self, session: &Session, subject: &Subject, counts: &mut dyn Counts) -> Verdict {
        let outcome = match subject {
            Subject::Exec(exec) => return self.exec(session, exec, counts).unwrap_or_else(Verdict::Deny),
            Subject::Line(line) => line::judge(self, session, line, counts),
            Subject::File(operation) => files::file(&self.profile, session, operation),
            Subject::Forward(forward) => files::forward(&self.profile, session, forward),
        };
        outcome.map_or_else(Verdict::Deny, |()| allow())
    }

    /// An exec: by the canonical path of the image, or of the script that `#!` led through.
    fn exec(&self, session: &Session, exec: &Exec, counts: &mut dyn Counts) -> Result<Verdict, Denial> {
        let file = exec.scripts.first().unwrap_or(&exec.path);
        let interpreters = exec.scripts.iter().chain([&exec.path]).skip(1);
        let rows = self.rows_of_file(file)?;
        for part in interpreters {
            self.installed(part)?;
        }
        let Some((called, args)) = exec.argv.split_first() else {
            return Err(self.denial("no-name", format!("{} is called without a name", quote(file)), None));
        };
        let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
        let call = Call { name: path::name(called), args: &args, place: Place { session, cwd: &exec.cwd } };
        let is_script = !exec.scripts.is_empty();
        self.first(&rows, Weight::Decides, call, counts, |row| {
            if is_script && !row.script {
                return Err(Refusal::new("script", "it is a script on this node, and only its compiled form is allowed"));
            }
            // the interpreter's own name stands there for a script
            if !is_script && !row.names.iter().any(|name| path::name(name.as_bytes()) == call.name) {
                return Err(Refusal::new("name", format!("it is called by the name {:?}, under which it may be another program", quote(call.name))));
            }
            Ok(())
        })
    }

    /// A program of a line, whose arguments are all known.
    pub(crate) fn command(&self, session: &Session, name: &[u8], args: &[&[u8]], cwd: &[u8], counts: &mut dyn Counts) -> Result<(), Denial> {
        let rows = self.rows_of_name(name)?;
        let call = Call { name: path::name(name), args, place: Place { session, cwd } };
        match self.first(&rows, Weight::Preview, call, counts, |_| Ok(()))? {
            Verdict::Deny(denial) => Err(denial),
            Verdict::Allow(_) | Verdict::Ask(_) => Ok(()),
        }
    }

    /// A program of a line, some of whose arguments are only known when it runs: its exec is judged by them.
    pub(crate) fn name(&self, name: &[u8]) -> Result<(), Denial> {
        let rows = self.rows_of_name(name)?;
        let refused = |row: &&Row| row.grammar.is_none() && row.when.is_empty() && matches!(row.answer, Answer::Deny(_));
        match rows.first() {
            Some(row) if refused(row) => Err(denial_of(row, &Refusal::new("", reason_of(&row.answer)))),
            _ => Ok(()),
        }
    }

    fn rows_of_name(&self, name: &[u8]) -> Result<Vec<&Row>, Denial> {
        if name.contains(&b'/') {
            return self.rows_of_file(name);
        }
        let known = |known: &String| path::name(known.as_bytes()) == name;
        self.some(name, self.rows.iter().filter(|row| row.names.iter().any(known)).collect())
    }

    fn rows_of_file(&self, file: &[u8]) -> Result<Vec<&Row>, Denial> {
        let exact: Vec<&Row> = self.rows.iter().filter(|row| row.names.iter().any(|name| name.contains('/') && name.as_bytes() == file)).collect();
        if !exact.is_empty() {
            return Ok(exact);
        }
        self.installed(file)?;
        let name = path::name(file);
        self.some(name, self.rows.iter().filter(|row| row.names.iter().any(|known| known.as_bytes() == name)).collect())
    }

    fn some<'a>(&'a self, name: &[u8], rows: Vec<&'a Row>) -> Result<Vec<&'a Row>, Denial> {
        if !rows.is_empty() {
            return Ok(rows);
        }
        let names = self.rows.iter().flat_map(|row| row.names.iter().map(move |known| (row, known)));
        let near = names.filter_map(|(row, known)| nearest::distance(name, path::name(known.as_bytes())).map(|distance| (distance, row))).min_by_key(|(distance, _)| *distance);
        // what was meant may be refused itself
        let hint = near.filter(|(_, row)| !matches!(row.answer, Answer::Deny(_))).map(|(_, row)| row.hint.as_str());
        Err(self.denial("not-listed", format!("{} is not on the list of allowed commands", quote(name)), hint))
    }

    fn installed(&self, file: &[u8]) -> Result<(), Denial> {
        let folder = path::folder(file);
        if self.profile.programs.iter().any(|known| known.as_bytes() == folder) {
            return Ok(());
        }
        Err(self.denial("not-installed", format!("{} is not in a folder of installed programs", quote(file)), None))
    }

    /// What the first row that fits says.
    fn first(
        &self,
        rows: &[&Row],
        weight: Weight,
        call: Call<'_>,
        counts: &mut dyn Counts,
        is_for: impl Fn(&Row) -> Result<(), Refusal>,
    ) -> Result<Verdict, Denial> {
        let mut farthest: Option<(&Row, Mismatch)> = None;
        for row in rows {
            match row.fits(call, counts, &is_for) {
                Ok(()) => return row.answer(weight, call, counts),
                Err(mismatch) if farthest.as_ref().is_none_or(|(_, known)| known.depth < mismatch.depth) => farthest = Some((row, mismatch)),
                Err(_) => {}
            }
        }
        Err(match farthest {
            Some((row, mismatch)) => denial_of(row, &mismatch.refusal),
            None => self.denial("not-listed", format!("{} is not on the list of allowed commands", quote(call.name)), None),
        })
    }

    /// A denial that is no row's.
    pub(crate) fn denial(&self, rule: &str, reason: String, hint: Option<&str>) -> Denial {
        Denial { rule: rule.to_owned(), reason, hint: hint.unwrap_or(&self.profile.help).to_owned() }
    }
}

impl Row {
    fn fits(&self, call: Call<'_>, counts: &dyn Counts, is_for: &impl Fn(&Self) -> Result<(), Refusal>) -> Result<(), Mismatch> {
        is_for(self).map_err(|refusal| Mismatch { refusal, depth: 0 })?;
        if let Some(grammar) = &self.grammar {
            grammar.check(call.args, call.place)?;
        }
        if !self.when.is_empty() && !self.when.iter().any(|window| window.contains(call.place.session.now)) {
            let windows: Vec<String> = self.when.iter().map(ToString::to_string).collect();
            let reason = format!("it is only allowed in {}", windows.join(" or "));
            let reason = reason.get(..reason.floor_char_boundary(400)).unwrap_or_default();
            return Err(Mismatch { refusal: Refusal::new("window", reason), depth: FITTED });
        }
        if let Some(most) = self.at_most
            && counts.get(&self.rule) >= most
        {
            return Err(Mismatch { refusal: Refusal::new("count", format!("it was allowed {most} times in this session, which is the most")), depth: FITTED });
        }
        Ok(())
    }

    fn answer(&self, weight: Weight, call: Call<'_>, counts: &mut dyn Counts) -> Result<Verdict, Denial> {
        let session = call.place.session;
        if let Answer::Deny(_) = self.answer {
            return Err(denial_of(self, &Refusal::new("", reason_of(&self.answer))));
        }
        if weight == Weight::Preview {
            return Ok(allow());
        }
        if self.at_most.is_some() {
            counts.set(&self.rule, counts.get(&self.rule).saturating_add(1));
        }
        Ok(match &self.answer {
            Answer::Allow(confinement) => Verdict::Allow(self.confinement(confinement, session)?),
            Answer::Ask { prompt: text, approvers, expires_ms } => {
                let command: Vec<&[u8]> = std::iter::once(call.name).chain(call.args.iter().copied()).collect();
                let expiry = session.now.saturating_add(*expires_ms);
                Verdict::Ask(Question { prompt: prompt(text, session, &command), approvers: approvers.clone(), expiry })
            }
            Answer::Deny(_) => return Err(denial_of(self, &Refusal::new("", reason_of(&self.answer)))),
        })
    }

    fn confinement(&self, wanted: &profile::Confinement, session: &Session) -> Result<Confinement, Denial> {
        let paths = |texts: &Option<Vec<profile::Text>>| -> Result<Option<Vec<String>>, Denial> {
            let Some(texts) = texts else { return Ok(None) };
            let plain = texts.iter().map(|text| plain(text, session)).collect::<Option<Vec<String>>>();
            plain.map(Some).ok_or_else(|| denial_of(self, &Refusal::new("placeholder", "a name of this session cannot stand in a path")))
        };
        Ok(Confinement {
            run_as: wanted.run_as.clone(),
            read: paths(&wanted.read)?,
            write: paths(&wanted.write)?,
            execute: paths(&wanted.execute)?,
            network: match &wanted.network {
                profile::Network::Session => Network::Session,
                profile::Network::None => Network::None,
                profile::Network::Ports(ports) => Network::Ports(ports.clone()),
            },
            children: match wanted.children {
                profile::Children::Judged => Children::Judged,
                profile::Children::Trusted => Children::Trusted,
                profile::Children::Forbidden => Children::Forbidden,
            },
            capabilities: wanted.capabilities.clone(),
            environment: wanted.environment.clone(),
            time_limit_ms: wanted.time_limit_ms,
        })
    }
}

fn reason_of(answer: &Answer) -> &str {
    if let Answer::Deny(reason) = answer { reason } else { "" }
}

fn denial_of(row: &Row, refusal: &Refusal) -> Denial {
    let rule = if refusal.what.is_empty() { row.rule.clone() } else { format!("{}-{}", row.rule, refusal.what) };
    let name = row.names.first().map_or(&[][..], |name| path::name(name.as_bytes()));
    Denial { rule, reason: format!("{}: {}", quote(name), refusal.reason), hint: row.hint.clone() }
}
