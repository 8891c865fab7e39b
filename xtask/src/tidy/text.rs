//! Rules on the text of files.

use std::path::Path;

/// Longest source file, in lines.
const LINES_MAX: usize = 800;

/// What may stand only in some folders, and why. Written in two halves, so that this file does not break its own rules.
const PLACES: &[(&str, &[&str], &str)] = &[
    (concat!("russh", "::"), &["gateway/src/ssh/", "gateway/src/ssh.rs", "gateway/tests/"], "the SSH library is named in gateway/src/ssh alone"),
    (concat!("wasmtime", "::"), &["policy/"], "the WebAssembly engine is named in policy alone"),
    (concat!("unsafe", " {"), &["jail/"], "unsafe code stands in jail alone"),
    (concat!("unsafe", " fn"), &["jail/"], "unsafe code stands in jail alone"),
    (concat!("unsafe", " impl"), &["jail/"], "unsafe code stands in jail alone"),
    (concat!("Command", "::new("), &["jail/", "xtask/", "tests/", "shell/src/engine", "cage/src/edit/front.rs", "/tests/", "/tests.rs"], "processes are started in jail alone; the shell starts its engine, sudovi its parts"),
    (concat!("unbounded", "_channel"), &[], "every queue is bounded"),
    (concat!("mpsc", "::channel()"), &[], "every queue is bounded"),
    (concat!("tokio", "::spawn("), &["tests/", "/tests/", "/tests.rs"], "every task is tracked"),
    (concat!("set", "_var("), &[], "the environment is not changed in a running process"),
];

/// What stands nowhere.
const NOWHERE: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X:"),
    concat!("to", "do!("),
    concat!("unimpl", "emented!("),
    concat!("dbg", "!("),
    concat!("#[ig", "nore"),
    concat!("/wo", "rk/"),
];

/// What the pure crate may not touch.
const IMPURE: &[&str] = &["std::fs", "std::net", "std::process", "std::env", "std::thread", "SystemTime::now", "Instant::now", "std::io"];

/// Lists what breaks a rule in one file.
pub(crate) fn check(file: &Path, content: &str, broken: &mut Vec<String>) {
    let name = file.to_string_lossy();
    if name.ends_with(".lock") {
        return;
    }
    let rust = name.ends_with(".rs");
    if rust && content.lines().count() > LINES_MAX {
        broken.push(format!("{name}: over {LINES_MAX} lines; it is probably several ideas"));
    }
    for (number, line) in content.lines().enumerate() {
        let mut say = |what: &str| broken.push(format!("{name}:{}: {what}", number + 1));
        for marker in NOWHERE {
            if line.contains(marker) {
                say(&format!("{marker:?} stands nowhere"));
            }
        }
        if !rust || line.trim_start().starts_with("//") {
            continue;
        }
        for (what, places, why) in PLACES {
            if line.contains(what) && !places.iter().any(|place| if place.starts_with('/') { name.contains(place) } else { name.starts_with(place) }) {
                say(&format!("{what:?}: {why}"));
            }
        }
        if name.starts_with("model/src/") {
            for what in IMPURE {
                if line.contains(what) && !line.contains("std::time::SystemTime)") {
                    say(&format!("{what:?}: the model does no I/O and knows no clock"));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(name: &str, content: &str) -> usize {
        let mut broken = Vec::new();
        check(Path::new(name), content, &mut broken);
        broken.len()
    }

    #[test]
    fn each_rule_bites_outside_its_place_and_not_inside() {
        assert_eq!(broken("control/src/a.rs", concat!("use russh", "::server;")), 1);
        assert_eq!(broken("gateway/src/ssh/a.rs", concat!("use russh", "::server;")), 0);
        assert_eq!(broken("shell/src/a.rs", concat!("let x = unsafe", " { 1 };")), 1);
        assert_eq!(broken("jail/src/sys/a.rs", concat!("let x = unsafe", " { 1 };")), 0);
        assert_eq!(broken("gateway/src/a.rs", concat!("std::process::Command", "::new(\"sh\")")), 1);
        assert_eq!(broken("warden/tests/a.rs", concat!("std::process::Command", "::new(\"sh\")")), 0);
        assert_eq!(broken("docs/a.md", concat!("TO", "DO later")), 1);
        assert_eq!(broken("model/src/a.rs", "std::fs::read(x)"), 1);
        assert_eq!(broken("jail/src/a.rs", &"x\n".repeat(LINES_MAX + 1)), 1);
    }
}
