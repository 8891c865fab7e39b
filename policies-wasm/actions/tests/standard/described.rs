//! What modules say about themselves, and what the requirement's table asks of them.

use crate::asking::{BUILTINS, Under, is_rule};
use actions::{Action, INFRA_CPS_ONLY, INFRA_DIAG, INFRA_HYPERVISOR, INFRA_UPDATE_RESTART, full};
use portcullis_sdk::testing::{line, session};
use portcullis_sdk::{AllowedForm, Rule, Verdict};

const LISTED: [&Action; 4] = [&INFRA_CPS_ONLY, &INFRA_DIAG, &INFRA_UPDATE_RESTART, &INFRA_HYPERVISOR];

fn is_within_bounds(rows: &[AllowedForm]) {
    assert!(!rows.is_empty() && rows.len() <= 512, "{} rows", rows.len());
    for row in rows {
        assert!((1..=256).contains(&row.form.len()) && row.note.len() <= 512, "{row:?}");
        assert!(!row.form.chars().chain(row.note.chars()).any(char::is_control), "{row:?}");
    }
}

#[test]
fn descriptions_are_within_bounds_and_name_their_action() {
    for action in LISTED {
        let description = action.describe("1");
        assert_eq!((description.name.as_str(), description.action.as_str(), description.pure), (action.name, action.name, true));
        assert_eq!(description.roles, action.roles);
        is_within_bounds(&description.allowed);
    }
    is_within_bounds(&full::describe("1").allowed);
}

/// Each row that allows something has an example, and it is allowed on every role that the row is for, typed and executed.
#[test]
fn every_row_allows_its_example() {
    for action in LISTED {
        for (roles, row) in action.table.rows().filter(|(_, row)| !matches!(row.rule, Rule::Refused(_))) {
            for role in action.roles.iter().filter(|role| roles.is_empty() || roles.contains(role)) {
                let under = Under { action, role };
                let user = action.table.accounts_on(role).next().and_then(|account| account.run_as).unwrap_or("nobody");
                let example = match row.rule {
                    Rule::Sudo => format!("sudo -u {user} ls"),
                    Rule::Su => format!("su - {user}"),
                    _ => row.example.to_owned(),
                };
                assert!(example.split(' ').any(|word| row.names.contains(&word)), "{example} is no example of {:?}", row.names);
                assert_eq!(under.rule(&line(&example, BUILTINS)), "", "{} on {role}: line: {example}", action.name);
                assert_eq!(under.exec_rule(&example), "", "{} on {role}: exec: {example}", action.name);
            }
        }
    }
    for (form, _, example) in full::EXAMPLES {
        for role in full::ROLES {
            assert!(matches!(full::judge(&session(full::NAME, role), &line(example, BUILTINS)), Verdict::Allow(_)), "{form}: {example}");
        }
    }
}

/// What a denial offers instead is allowed, unless it is a pattern of one.
#[test]
fn hints_of_refused_rows_are_allowed_somewhere() {
    for (_, row) in INFRA_HYPERVISOR.table.rows().filter(|(_, row)| matches!(row.rule, Rule::Refused(_)) && !row.example.is_empty() && !row.example.contains("COMMAND")) {
        let allowed = ["cps", "host", "cell"].iter().any(|role| Under { action: &INFRA_HYPERVISOR, role }.line_rule(row.example).is_empty());
        assert!(allowed, "{:?}: {}", row.names, row.example);
    }
}

#[test]
fn names_make_rules() {
    for action in LISTED {
        for (_, row) in action.table.rows() {
            assert!(!row.names.is_empty() && row.names.iter().all(|name| !name.is_empty() && name.len() < 40 && !name.contains('/')), "{row:?}");
            assert!(is_rule(&row.names[0].replace(['.', '_', '['], "-")), "{row:?}");
        }
    }
}

/// The commands of the requirement: every one has a row that allows some form of it, or says why it does not.
#[test]
fn every_command_of_the_requirement_is_there() {
    const CPS: &[&str] = &[
        "systemctl", "reboot", "ifconfig", "lsof", "docker", "ipmitool", "dbmcli", "traceroute", "tcptraceroute", "journalctl", "exacloud", "du", "imageinfo", "imagehistory", "arping", "curl", "tcpdump",
        "crontab", "sundiag.sh", "sosreport", "ethtool",
    ];
    const LOOKS: &[&str] = &["sudols", "sudocp", "sudocat", "sudotail", "sudohead"];
    const CHANGES: &[&str] = &["sudovi", "sudorm"];
    const DIAG_HOST: &[&str] = &["dbmcli", "sundiag.sh", "sosreport", "virsh", "xm", "docker", "podman", "imageinfo", "imagehistory"];
    const DIAG_CELL: &[&str] = &["cellcli", "sundiag.sh", "sosreport", "lspci", "imageinfo", "imagehistory"];
    const UPDATE: &[&str] = &["ethtool", "ipmitool", "ipmitool_interactive", "reboot", "systemctl"];
    const HYPERVISOR_HOST: &[&str] =
        &["virsh", "virsh_interactive", "xm", "xm_interactive", "xentop", "vm_maker", "docker_interactive", "podman_interactive", "ops_console.sh"];
    const SHELL: &[&str] = &["ls", "cat", "grep", "less", "pwd", "id", "date", "head", "tail", "sort", "vi", "find", "sed"];
    let allowed = |action: &'static Action, role: &str, names: &[&str]| {
        for name in names {
            let has = |(roles, row): (&[&str], &portcullis_sdk::Program)| (roles.is_empty() || roles.contains(&role)) && row.names.contains(name) && !matches!(row.rule, Rule::Refused(_));
            assert!(action.table.rows().any(has), "{} on {role} has no form of {name}", action.name);
        }
    };
    for action in LISTED {
        for role in action.roles {
            allowed(action, role, SHELL);
            allowed(action, role, LOOKS);
        }
        // INFRA_DIAG restarts nothing: there reboot has a row that says so
        let restarts = |name: &&&str| action.name != "INFRA_DIAG" || **name != "reboot";
        allowed(action, "cps", &CPS.iter().filter(restarts).copied().collect::<Vec<_>>());
        allowed(action, "cps", CHANGES);
    }
    assert_eq!(Under { action: &INFRA_DIAG, role: "cps" }.exec_rule("reboot"), "reboot");
    allowed(&INFRA_CPS_ONLY, "cps", &["rootexec"]);
    for action in [&INFRA_DIAG, &INFRA_UPDATE_RESTART, &INFRA_HYPERVISOR] {
        allowed(action, "host", DIAG_HOST);
        allowed(action, "cell", DIAG_CELL);
        for role in action.roles {
            allowed(action, role, &["sudo", "su", "ssh"]);
        }
    }
    for action in [&INFRA_UPDATE_RESTART, &INFRA_HYPERVISOR] {
        for role in ["host", "cell"] {
            allowed(action, role, UPDATE);
        }
    }
    allowed(&INFRA_HYPERVISOR, "host", HYPERVISOR_HOST);
    let accounts = |action: &'static Action, role| action.table.accounts_on(role).filter_map(|account| account.run_as).collect::<Vec<_>>();
    assert!(accounts(&INFRA_CPS_ONLY, "cps").is_empty());
    for action in [&INFRA_DIAG, &INFRA_UPDATE_RESTART] {
        assert_eq!((accounts(action, "cps"), accounts(action, "host"), accounts(action, "cell")), (vec!["ecra", "exawatcher", "dbmsvc"], vec!["dbmmonitor"], vec!["cellmonitor"]));
    }
    assert_eq!(accounts(&INFRA_HYPERVISOR, "cell"), ["cellmonitor", "celladmin"]);
}
