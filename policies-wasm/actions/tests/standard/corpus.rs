//! A table of commands, judged under every action and role, as an exec and as a line.

use crate::asking::{BUILTINS, Under, typed};
use actions::{INFRA_CPS_ONLY, INFRA_DIAG, INFRA_HYPERVISOR, INFRA_UPDATE_RESTART, full};
use portcullis_sdk::testing::{line, session};
use portcullis_sdk::{Subject, Verdict};

const ROLES: [&str; 3] = ["cps", "host", "cell"];

/// A command, and the five letters of its heading.
pub(crate) struct Case {
    pub(crate) command: &'static str,
    letters: [u8; 5],
}

/// The commands, each under its heading.
pub(crate) fn cases() -> Vec<Case> {
    let mut letters = [b'?'; 5];
    let mut cases = Vec::new();
    for line in include_str!("corpus.txt").lines() {
        if let Some(heading) = line.strip_prefix("== ") {
            let mut bytes = heading.bytes().filter(|b| *b != b' ');
            letters = std::array::from_fn(|_| bytes.next().unwrap());
            let chain = letters[1..4].iter().all(|b| b"duh-".contains(b));
            assert!(chain && b"y-".contains(&letters[0]) && b"y-".contains(&letters[4]), "{line}");
        } else if !line.is_empty() && !line.starts_with('#') {
            cases.push(Case { command: line, letters });
        }
    }
    cases
}

impl Case {
    /// Whether the first so many actions of the chain allow it on a role.
    fn in_chain(&self, levels: &[u8], role: usize) -> bool {
        levels.contains(&self.letters[1 + role])
    }
}

fn allows(judge: impl Fn(&Subject) -> Verdict, command: &str) -> (bool, bool) {
    let is_allowed = |subject| matches!(judge(&subject), Verdict::Allow(_));
    (is_allowed(typed(command)), is_allowed(line(command, BUILTINS)))
}

/// All commands under one action and role; the mistakes in one list.
fn check(what: &str, judge: impl Fn(&Subject) -> Verdict, expected: impl Fn(&Case) -> bool) {
    let cases = cases();
    let mut wrong = Vec::new();
    for case in &cases {
        let want = expected(case);
        let (exec, line) = allows(&judge, case.command);
        // a line with words that are not literal is left to its exec
        let line_is_right = line == want || (line && case.command.contains(['$', '*']));
        if exec != want || !line_is_right {
            let answer = match judge(&typed(case.command)) {
                Verdict::Deny(denial) => format!("{}: {}", denial.rule, denial.reason),
                verdict => format!("{verdict:?}"),
            };
            wrong.push(format!("{}: exec {exec}, line {line}, wanted {want}; {answer}", case.command));
        }
    }
    let allowed = cases.iter().filter(|case| expected(case)).count();
    assert!(cases.len() >= 200 && allowed >= 50 && cases.len() - allowed >= 50, "{what}: {allowed} of {}", cases.len());
    assert!(wrong.is_empty(), "{what}:\n{}", wrong.join("\n"));
}

#[test]
fn infra_cps_only() {
    let under = Under { action: &INFRA_CPS_ONLY, role: "cps" };
    check("INFRA_CPS_ONLY on cps", |subject| under.judge(subject), |case| case.letters[0] == b'y');
}

#[test]
fn infra_diag() {
    for (n, role) in ROLES.into_iter().enumerate() {
        let under = Under { action: &INFRA_DIAG, role };
        check(&format!("INFRA_DIAG on {role}"), |subject| under.judge(subject), |case| case.in_chain(b"d", n));
    }
}

#[test]
fn infra_update_restart() {
    for (n, role) in ROLES.into_iter().enumerate() {
        let under = Under { action: &INFRA_UPDATE_RESTART, role };
        check(&format!("INFRA_UPDATE_RESTART on {role}"), |subject| under.judge(subject), |case| case.in_chain(b"du", n));
    }
}

#[test]
fn infra_hypervisor() {
    for (n, role) in ROLES.into_iter().enumerate() {
        let under = Under { action: &INFRA_HYPERVISOR, role };
        check(&format!("INFRA_HYPERVISOR on {role}"), |subject| under.judge(subject), |case| case.in_chain(b"duh", n));
    }
}

#[test]
fn infra_full() {
    for role in ROLES {
        check(&format!("INFRA_FULL on {role}"), |subject| full::judge(&session(full::NAME, role), subject), |case| case.letters[4] == b'y');
    }
}

/// Whatever an action allows, the one that contains it allows, with the same confinement.
#[test]
fn what_is_contained_is_allowed_as_it_was() {
    let chain = [&INFRA_DIAG, &INFRA_UPDATE_RESTART, &INFRA_HYPERVISOR];
    for role in ROLES {
        for pair in chain.windows(2) {
            let [inner, outer] = pair else { unreachable!() };
            for case in cases() {
                for subject in [typed(case.command), line(case.command, BUILTINS)] {
                    let verdict = Under { action: inner, role }.judge(&subject);
                    if matches!(verdict, Verdict::Allow(_)) {
                        assert_eq!(Under { action: outer, role }.judge(&subject), verdict, "{} in {} on {role}: {}", inner.name, outer.name, case.command);
                    }
                }
            }
        }
    }
}

#[test]
fn other_roles_are_refused() {
    for (action, role) in [(&INFRA_CPS_ONLY, "host"), (&INFRA_CPS_ONLY, "cell"), (&INFRA_DIAG, "generic"), (&INFRA_HYPERVISOR, ""), (&INFRA_UPDATE_RESTART, "CPS")] {
        assert_eq!(Under { action, role }.exec_rule("ls"), "role", "{} on {role}", action.name);
    }
    assert!(matches!(full::judge(&session(full::NAME, "generic"), &typed("ls")), Verdict::Deny(_)));
}

/// Every command that the requirement names is judged in the table: allowed under some action in some form, and refused in
/// another form or elsewhere.
#[test]
fn every_command_of_the_requirement_is_asked_about() {
    const NAMED: &[&str] = &[
        "systemctl", "reboot", "ifconfig", "lsof", "docker", "ipmitool", "dbmcli", "traceroute", "tcptraceroute", "journalctl", "exacloud", "du", "imageinfo", "imagehistory", "arping", "curl", "tcpdump",
        "crontab", "sundiag.sh", "sosreport", "ethtool", "rootexec", "sudols", "sudocp", "sudocat", "sudotail", "sudohead", "sudovi", "sudorm", "su", "sudo", "virsh", "xm", "podman", "cellcli", "lspci",
        "ipmitool_interactive", "xentop", "vm_maker", "virsh_interactive", "xm_interactive", "docker_interactive", "podman_interactive", "ops_console.sh", "ssh",
    ];
    let cases = cases();
    let mut missing = Vec::new();
    for name in NAMED {
        let of = |case: &&Case| case.command.split(' ').next().is_some_and(|word| word.rsplit('/').next() == Some(name));
        // INFRA_FULL, which is the last letter, allows nearly everything
        let (mut allowed, mut refused) = (false, false);
        for case in cases.iter().filter(of) {
            allowed |= case.letters[..4].iter().any(|letter| *letter != b'-');
            refused |= case.letters[..4].contains(&b'-');
        }
        if !allowed || !refused {
            missing.push(format!("{name}: allowed {allowed}, refused {refused}"));
        }
    }
    assert!(missing.is_empty(), "not in the table in both ways:\n{}", missing.join("\n"));
}
