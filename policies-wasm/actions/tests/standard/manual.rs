//! docs/actions.md, written from the tables: what each action allows on which role.
//!
//! `PORTCULLIS_WRITE_DOCS=1 cargo test -p actions --test standard manual` writes it; without that the test fails when the page
//! is not what the tables say.

use actions::{Action, INFRA_CPS_ONLY, INFRA_DIAG, INFRA_HYPERVISOR, INFRA_UPDATE_RESTART, full};
use portcullis_sdk::{Children, On, Program, Rule, Table};
use std::fmt::Write as _;
use std::path::Path;

const INTRODUCTION: &str = "\
# The standard actions

This page is written from the modules' own tables; a test fails when it differs from them. Words in capitals stand for values, `[..]` may be left away, `a|b` is one of them. What a form does not show
is refused: options that are not known, other values, other names of the same program.

- *As root* and *as USER*: the process runs as that user, held by path sets, without capabilities beyond those that it needs. A node that cannot enforce that refuses the command and says so.
- *Helpers* are the programs that a command starts by itself: nobody is asked about them, all are recorded. Without the word each is judged like what the operator types; *starts nothing* means that it may have none.
- Paths are compared by their text, made absolute. Where links lead is the kernel's matter: a session sees what its jail shows, and a process as root what its path sets hold.
- `sudo` and `su` are requests: nothing of theirs runs, and there is no password. `vim` and `less` run as the session's user, and what is started from inside them (`:!`, `!`, `|`) is judged like everything else.
- Asked about a transferred file, the modules say: read where the jail shows it, written in the home and the folders of the role. Asked about a forwarded connection: port 22 of another node where the action leads on.
";

const TRICKS: &str = "\
## What is never allowed below INFRA_FULL

Interpreters and shells as commands, options that name a program or a file of options, writing outside of the folders of the role, another machine's daemon, the units of Portcullis, the audit and the logs, and in `/etc`
secrets, what records, and writing what names users or programs. Where a tool is allowed with *every command*, those that read or write a file of one's choice are still refused.
The list is in `policies-wasm/actions/tests/standard/corpus.txt`: some 850 commands, with the actions that allow each.
";

fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    overview(&mut page);
    let shell = INFRA_DIAG.table.contains.unwrap();
    page.push_str("\n## Every session\n\nExcept INFRA_FULL, which needs no list.\n");
    rows(&mut page, shell.programs, &["cps", "host", "cell"]);
    page.push_str("\nBuilt-ins of the shell work, but for those that run text or code that was not judged: `eval`, `source`, `enable`, `bind`, `complete`, `fc`, `coproc`, `exec` with a command.\n");
    section(&mut page, &INFRA_CPS_ONLY, None);
    section(&mut page, &INFRA_DIAG, None);
    section(&mut page, &INFRA_UPDATE_RESTART, Some(&INFRA_DIAG));
    section(&mut page, &INFRA_HYPERVISOR, Some(&INFRA_UPDATE_RESTART));
    let _ = writeln!(page, "\n## {}\n\n{}\n\n| command | note |\n| --- | --- |", full::NAME, full::ABOUT);
    for (form, note, _) in full::EXAMPLES {
        let _ = writeln!(page, "| {} | {} |", code(form), cell(note));
    }
    page.push_str("\nRefused, for these are what would run something outside of the session, end its evidence or leave its jail:\n\n| program | with | because |\n| --- | --- | --- |\n");
    for (programs, words, why) in full::REFUSED {
        let with = if words.is_empty() { "anything".to_owned() } else { words.join(", ") };
        let _ = writeln!(page, "| {} | {with} | {} |", programs.join(", "), cell(why));
    }
    page.push('\n');
    page.push_str(TRICKS);
    page
}

fn overview(page: &mut String) {
    page.push_str("\n| action | roles | contains | may write | may become | on to other nodes |\n| --- | --- | --- | --- | --- | --- |\n");
    for (action, contains) in [(&INFRA_CPS_ONLY, ""), (&INFRA_DIAG, ""), (&INFRA_UPDATE_RESTART, "INFRA_DIAG"), (&INFRA_HYPERVISOR, "INFRA_UPDATE_RESTART")] {
        let per_role = |what: &dyn Fn(&Table, &str) -> Vec<String>| {
            let each = action.roles.iter().map(|role| (role, what(action.table, role).join(", "))).filter(|(_, list)| !list.is_empty());
            let each: Vec<String> = each.map(|(role, list)| format!("{role}: {list}")).collect();
            if each.is_empty() { "nobody".to_owned() } else { each.join("; ") }
        };
        let write = per_role(&|table, role| table.writable_on(role).map(str::to_owned).collect());
        let users = per_role(&|table, role| table.accounts_on(role).filter_map(|account| account.run_as).map(str::to_owned).collect());
        let onward = if action.onward.is_empty() { "no" } else { "ssh" };
        let _ = writeln!(page, "| {} | {} | {contains} | the home; {write} | {users} | {onward} |", action.name, action.roles.join(", "));
    }
    let _ = writeln!(page, "| {} | {} | everything | what the jail shows writable | root | yes |", full::NAME, full::ROLES.join(", "));
}

fn section(page: &mut String, action: &Action, contains: Option<&Action>) {
    let _ = writeln!(page, "\n## {}\n\n{}", action.name, action.about);
    if let Some(contains) = contains {
        let _ = writeln!(page, "\nAll of {}, and:", contains.name);
    }
    rows(page, action.table.programs, action.roles);
}

fn rows(page: &mut String, groups: &[On<Program>], roles: &[&str]) {
    page.push_str("\n| command | on | held to | note |\n| --- | --- | --- | --- |\n");
    for group in groups {
        let on: Vec<&str> = roles.iter().copied().filter(|role| group.holds(role)).collect();
        for row in group.these.iter().filter(|row| !matches!(row.rule, Rule::Refused(_))) {
            let _ = writeln!(page, "| {} | {} | {} | {} |", code(row.form), on.join(", "), held(row), cell(row.note));
        }
    }
}

fn held(row: &Program) -> String {
    let Some(confine) = row.confine else { return String::new() };
    let user = confine.run_as.map(|user| format!("as {user}"));
    let children = match confine.children {
        Children::Judged => None,
        Children::Trusted => Some("helpers".to_owned()),
        Children::Forbidden => Some("starts nothing".to_owned()),
    };
    user.into_iter().chain(children).collect::<Vec<_>>().join(", ")
}

fn code(text: &str) -> String {
    format!("`{}`", cell(text))
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[test]
fn the_manual_says_what_the_tables_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/actions.md");
    let page = page();
    if std::env::var_os("PORTCULLIS_WRITE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = page.lines().zip(written.lines().chain(std::iter::repeat(""))).find(|(wanted, found)| wanted != found);
    assert!(written == page, "docs/actions.md is not what the tables say (PORTCULLIS_WRITE_DOCS=1 writes it): {differs:?}");
}
