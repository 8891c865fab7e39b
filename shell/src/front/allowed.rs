//! What `allowed` lists: the forms that the module names, in groups of those that are run in the same way.

use super::messages::safe;
use crate::parse::is_builtin;
use portcullis_model::wire::judge::AllowedForm;

/// How what a form names is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    Programs,
    Another,
    Shell,
}

impl Group {
    const ALL: [Self; 3] = [Self::Programs, Self::Another, Self::Shell];

    fn of(form: &AllowedForm) -> Self {
        let first = form.form.split_whitespace().next().unwrap_or_default();
        if matches!(first, "sudo" | "su") || form.note.contains("as root") {
            Self::Another
        } else if first.starts_with(['>', '<']) || is_builtin(first.as_bytes()) {
            Self::Shell
        } else {
            Self::Programs
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Programs => "Programs",
            Self::Another => "As another user",
            Self::Shell => "Of the shell",
        }
    }
}

/// The forms that contain `word`: in groups and two columns where there is a width, one a line otherwise; and the status.
pub(super) fn allowed(forms: &[AllowedForm], word: Option<&str>, width: Option<usize>) -> (String, u8) {
    let wanted = word.unwrap_or_default().to_lowercase();
    let forms: Vec<&AllowedForm> = forms.iter().filter(|form| form.form.to_lowercase().contains(&wanted) || form.note.to_lowercase().contains(&wanted)).collect();
    if forms.is_empty() {
        let what = word.map_or("nothing is listed as allowed here".to_owned(), |word| format!("nothing that is allowed here matches {}", safe(word)));
        return (what, 1);
    }
    let Some(width) = width.filter(|width| *width >= 40) else {
        return (forms.iter().map(|form| format!("{}\t{}", safe(&form.form), safe(&form.note))).collect::<Vec<_>>().join("\n"), 0);
    };
    let column = forms.iter().map(|form| safe(&form.form).chars().count()).max().unwrap_or_default().min(width / 2);
    let groups: Vec<(Group, Vec<&AllowedForm>)> = Group::ALL.into_iter().map(|group| (group, forms.iter().copied().filter(|form| Group::of(form) == group).collect::<Vec<_>>())).filter(|(_, of)| !of.is_empty()).collect();
    let titled = groups.len() > 1;
    let groups = groups.iter().map(|(group, forms)| {
        let rows = forms.iter().flat_map(|form| row(form, column, width));
        let title = titled.then(|| format!("{}:", group.title()));
        title.into_iter().chain(rows).collect::<Vec<_>>().join("\n")
    });
    (groups.collect::<Vec<_>>().join("\n\n"), 0)
}

fn row(form: &AllowedForm, column: usize, width: usize) -> Vec<String> {
    let (form, note) = (safe(&form.form), safe(&form.note));
    let fits = form.chars().count() <= column;
    let mut wrapped = wrap(&note, width.saturating_sub(column + 2));
    let first = if fits && !wrapped.is_empty() { wrapped.remove(0) } else { String::new() };
    let head = format!("{form:column$}  {first}").trim_end().to_owned();
    std::iter::once(head).chain(wrapped.into_iter().map(|line| format!("{:column$}  {line}", ""))).collect()
}

/// Breaks text into lines of at most `width` characters, at spaces where it can.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_filtered_and_fit_the_terminal() {
        let form = |form: &str, note: &str| AllowedForm { form: form.into(), note: note.into() };
        let forms = [form("docker ps [-a]", "lists containers, running ones or all of them"), form("journalctl -u UNIT", "logs\x1b[2J")];
        assert_eq!(allowed(&forms, None, None), ("docker ps [-a]\tlists containers, running ones or all of them\njournalctl -u UNIT\tlogs\\x1b[2J".into(), 0));
        let (text, _) = allowed(&forms, Some("DOCKER"), Some(40));
        assert_eq!(text, "docker ps [-a]  lists containers,\n                running ones or all of\n                them");
        assert_eq!(allowed(&forms, Some("rm"), Some(80)).1, 1);
    }

    #[test]
    fn what_is_run_in_the_same_way_stands_together() {
        let form = |form: &str, note: &str| AllowedForm { form: form.into(), note: note.into() };
        let forms = [form("cd FOLDER", "goes"), form("ls", "lists"), form("sudo ls", "lists"), form("systemctl restart x", "restarts; as root"), form("> FILE", "writes")];
        let (text, _) = allowed(&forms, None, Some(60));
        let lines: Vec<&str> = text.lines().map(|line| line.split("  ").next().unwrap_or_default()).collect();
        assert_eq!(lines, ["Programs:", "ls", "", "As another user:", "sudo ls", "systemctl restart x", "", "Of the shell:", "cd FOLDER", "> FILE"]);
    }
}
