//! Modules built for other versions of the interface: what is older and fits is taken, everything else refused with its reason.

use crate::facts::{exec, session};
use crate::wat_module::{ALLOW, WIT, WIT_1_0_0, WatModule};
use portcullis_model::time::UnixMs;
use portcullis_model::verdict::Verdict;
use portcullis_model::wire::judge::Counters;
use portcullis_policy::{ABI, Evaluator, Limits, LoadError, Module, Sitting, WorldError};

fn load(wit: String, version: &str, calls: &str) -> Result<Module, LoadError> {
    // every interface is imported, so that each is looked for under its version
    let imports = format!(
        r#"(import "portcullis:policy/log@{version}" "write" (func $write (param i32 i32 i32)))
        (import "portcullis:policy/memo@{version}" "get" (func $get (param i32 i32 i32)))
        {calls}"#
    );
    let judge = "(call $write (i32.const 1) (i32.const 4096) (i32.const 1)) (call $get (i32.const 4096) (i32.const 1) (i32.const 9000)) i32.const 2048";
    let component = WatModule { imports: imports.leak(), judge, wit: wit.leak(), ..ALLOW }.build();
    Evaluator::new(Limits { questions: 2, ..Limits::default() }).unwrap().load(&component)
}

fn current(version: &str) -> String {
    let from = format!("package portcullis:policy@{ABI};");
    assert!(WIT.contains(&from), "the host's version is not the one of policy.wit");
    WIT.replace(&from, &format!("package portcullis:policy@{version};"))
}

#[test]
fn a_module_for_each_version_that_there_was_is_asked() {
    let increment = format!(r#"(import "portcullis:policy/memo@{ABI}" "increment" (func $increment (param i32 i32) (result i64)))"#);
    for (wit, version, calls) in [(WIT_1_0_0.to_owned(), "1.0.0", ""), (current("1.1.0"), "1.1.0", &increment)] {
        let module = load(wit, version, calls).unwrap();
        assert_eq!(module.abi().to_string(), version);
        let verdict = module.judge(&mut Sitting::new(&session("cps")), UnixMs(1), Counters::default(), exec("/usr/bin/ls", &[]));
        assert!(matches!(verdict, Ok(Verdict::Allow(_))), "{version}: {verdict:?}");
    }
}

#[test]
fn a_newer_minor_version_and_another_major_one_are_refused() {
    let refused = |version: &str| match load(current(version), version, "") {
        Err(LoadError::World(error)) => error,
        other => panic!("{version}: {other:?}"),
    };
    assert!(matches!(refused("1.2.0"), WorldError::Newer(_)));
    assert_eq!(refused("1.2.0").to_string(), "it is built for portcullis:policy@1.2.0, this node knows 1.1.0");
    for other in ["0.1.0", "2.0.0", "2.1.0"] {
        assert!(matches!(refused(other), WorldError::Major(_)), "{other}");
    }
    assert!(matches!(refused("1.1.0-rc.1"), WorldError::Import(_)), "a draft is no version");
}

#[test]
fn types_that_differ_are_refused_though_the_version_fits() {
    let other = WIT.replace("        uid: u32,", "        uid: u64,");
    assert_ne!(other, WIT);
    let error = load(other, "1.1.0", "").expect_err("a session has another layout");
    assert!(matches!(error, LoadError::Types(_)), "{error}");
}

#[test]
fn a_function_that_there_is_not_is_refused_though_the_version_fits() {
    let other = WIT.replace("    get: func(", "    forget: func();\n    get: func(");
    let forget = r#"(import "portcullis:policy/memo@1.1.0" "forget" (func $forget))"#;
    let error = load(other, "1.1.0", forget).expect_err("there is no such function");
    assert!(matches!(&error, LoadError::Types(reason) if reason.contains("forget")), "{error}");
}

#[test]
fn a_minor_version_only_adds_functions() {
    // a line of the older version that the newer one does not have is a change
    let code = |wit: &'static str| wit.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("///") && !line.starts_with("package "));
    let mut old = code(WIT_1_0_0).peekable();
    let mut added = Vec::new();
    for line in code(WIT) {
        if old.peek() == Some(&line) {
            old.next();
        } else {
            added.push(line);
        }
    }
    assert_eq!(old.next(), None);
    assert_eq!(added, ["increment: func(key: string) -> u64;"]);
}
