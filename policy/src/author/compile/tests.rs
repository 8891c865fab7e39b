//! Profiles that are refused, with the place and the words; and the schemas.

use super::*;
use crate::author::profile;
use std::path::Path;

const HEAD: &str = "[module]\nname = 'm'\nversion = '1'\naction = 'INFRA_DIAG'\nroles = ['cps']\n";

fn problems(text: &str) -> Vec<String> {
    match compile(&Source::new(Path::new("p.toml"), format!("{HEAD}{text}"))) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.0.iter().map(|p| format!("{}:{} {}", p.line, p.column, p.message)).collect(),
    }
}

fn compiled(text: &str) -> baked::Profile {
    compile(&Source::new(Path::new("p.toml"), format!("{HEAD}{text}"))).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_what_would_be_right() {
    for (text, want) in [
        ("[[command]]\nnames = ['ls']\noption = ['-l']", "8:1 unknown key `option`; did you mean `options`?"),
        ("[[comand]]\n", "6:3 unknown key `comand`; did you mean `command`?"),
        ("[[command]]\nnames = ['ls']\nconfine = { networks = 'none' }", "8:13 unknown key `networks`; did you mean `network`?"),
        ("[window.x]\nfrom = '8'\nto = '18:00'\nzone = 'UTC'", "7:8 `8` is no time of day: write hours and minutes, as in 08:30"),
        ("[[command]]\nnames = ['ls']\nwhen = ['offic']\n[window.office]\nfrom='08:00'\nto='09:00'\nzone='UTC'", "8:9 there is no window `offic`; did you mean `office`?"),
        ("[[command]]\nnames = ['cat']\noperands = ['@log']\n[paths]\nlogs = ['/var/log']", "8:13 there is no set of paths `log`; did you mean `@logs`?"),
        ("[[command]]\nnames = ['ls']\nat-most = 0", "8:11 never is said by deny, with a reason"),
        ("[[command]]\nnames = ['ls']\noptions = ['-l', '-l']", "8:18 this option stands there already"),
        ("[[command]]\nnames = []", "1:1 a row is about at least one program: names is empty"),
        ("[[command]]\nnames = ['l s']", "7:10 `l s` is no name of a program: a name has no blanks and no patterns"),
        ("[[command]]\nnames = ['ls']\narguments = 'any'\noperands = ['*']", "8:13 arguments = \"any\" leaves nothing for options, operands and subcommands to say"),
        ("[[command]]\nnames = ['ls']\ndeny = 'no'\nrun-as = 'root'", "9:10 a confinement goes with a row that allows: what is refused does not run, and what people allow runs as the session does"),
        ("[[command]]\nnames = ['ls']\nconfine = { time-limit = '8d' }", "8:26 a program may run for 7d at most"),
        ("[[command]]\nnames = ['ls']\nconfine = { read = ['var'] }", "8:21 `var` is not an absolute path: it begins with / or {home}"),
        ("[[command]]\nnames = ['ls']\nconfine = { capabilities = ['net_raw'] }", "8:29 `net_raw` is no capability: they are named as CAP_NET_RAW is"),
        ("[[command]]\nnames = ['ls']\nconfine = { network = 'session', ports = [1] }", "8:42 ports and network = session exclude each other: take one of them"),
        ("[[command]]\nnames = ['ls']\nask = { prompt = '{who}?', expires = '10m' }", "8:18 there is no placeholder {who} here; there are home, account, operator, target, role, action, request, ticket, command"),
        ("[[command]]\nnames = ['ls']\nscript = true", "7:10 a script's arguments stand behind those of its interpreter and are not judged: it takes arguments = \"any\""),
        ("[shell]\nbuiltins = ['eval']", "7:13 the built-in eval cannot be allowed: it runs, loads or hides what nobody judged"),
        ("[forward]\nallow = ['host']", "7:10 `host` is not HOST:PORT"),
    ] {
        let found = problems(text);
        assert!(found.iter().any(|problem| problem == want), "{text}\nwant {want}\nfound {found:#?}");
    }
    let wrong = Source::new(Path::new("p.toml"), "[module]\nname = 'm'\nversion = '1'\naction = 'INFRA_DIG'\nroles = ['cps']\n".to_owned());
    assert!(compile(&wrong).unwrap_err().to_string().starts_with("p.toml:4:10: \"INFRA_DIG\" is not an action; there are INFRA_CPS_ONLY"));
    let torn = Source::new(Path::new("p.toml"), "[module]\nname = 'm\n".to_owned());
    assert!(compile(&torn).unwrap_err().to_string().starts_with("p.toml:2:"));
}

#[test]
fn all_problems_are_told_at_once_in_their_order() {
    let found = problems("[[command]]\nnames = ['l s']\nat-most = 0\n[[command]]\nnames = ['x']\noperands = ['@x']");
    assert_eq!(found.len(), 3, "{found:#?}");
    assert!(found.is_sorted_by_key(|problem| problem.split(':').next().unwrap().parse::<usize>().unwrap()), "{found:#?}");
}

#[test]
fn what_is_not_said_has_safe_defaults() {
    let profile = compiled("[[command]]\nnames = ['systemctl', '/opt/x/bin/tool']\noptions = ['--no-pager']\noperands = ['status *']\n[[command]]\nnames = ['reboot']\ndeny = 'it ends the work of others'");
    assert_eq!(profile.programs, PROGRAMS);
    assert!(profile.files_read.is_empty() && profile.forward.is_empty() && profile.redirects.is_empty() && profile.is_pure());
    let [systemctl, reboot] = profile.commands.as_slice() else { panic!("{:?}", profile.commands) };
    assert_eq!((systemctl.rule.as_str(), systemctl.form.as_str()), ("systemctl", "systemctl [--no-pager] status *"));
    assert_eq!(reboot.arguments, baked::Arguments::Any);
    assert_eq!(compiled("[[command]]\nnames = ['ls']").commands[0].arguments, baked::Arguments::Grammar(baked::Grammar { options: vec![], first: false, rest: baked::Rest::Shapes(vec![baked::Shape { words: vec![], more: None }]) }));
}

#[test]
fn windows_counts_and_questions_make_a_module_that_is_not_pure() {
    assert!(compiled("[[command]]\nnames = ['ls']\nrun-as = 'root'").is_pure());
    for row in ["at-most = 3", "ask = { prompt = 'x', expires = '5m' }", "when = ['w']\n[window.w]\nfrom = '08:00'\nto = '09:00'\nzone = 'UTC'"] {
        assert!(!compiled(&format!("[[command]]\nnames = ['ls']\n{row}")).is_pure(), "{row}");
    }
}

/// With `PORTCULLIS_WRITE_SCHEMA` set, writes the schema instead.
fn schema_is(name: &str, schema: schemars::Schema, checked_in: &str) {
    let text = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
    if std::env::var_os("PORTCULLIS_WRITE_SCHEMA").is_some() {
        std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("../sdk/profile").join(name), text).unwrap();
        return;
    }
    assert_eq!(checked_in, text, "sdk/profile/{name} is not what the types say; write it with PORTCULLIS_WRITE_SCHEMA=1 cargo test -p portcullis-policy --lib schema");
}

#[test]
fn the_schema_is_what_the_types_say() {
    schema_is("profile.schema.json", schemars::schema_for!(profile::Profile), SCHEMA);
    schema_is("cases.schema.json", crate::author::cases::schema(), crate::author::cases::SCHEMA);
}
