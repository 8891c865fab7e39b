//! What is no module is refused when it is loaded, with the reason.

use crate::wat_module::{ALLOW, WatModule, component};
use portcullis_policy::{Evaluator, FolderError, Limits, LoadError, Modules, WorldError};

fn load(bytes: &[u8]) -> LoadError {
    let evaluator = Evaluator::new(Limits { questions: 2, ..Limits::default() }).unwrap();
    evaluator.load(bytes).expect_err("it is no module")
}

#[test]
fn wasi_is_named() {
    let wasi = component(r#"(component (import "wasi:io/poll@0.2.12" (instance (export "poll" (func)))))"#);
    assert!(load(&wasi).to_string().contains("wasi:io/poll@0.2.12"), "{}", load(&wasi));
}

#[test]
fn worlds_that_do_not_fit_are_refused() {
    let core = r#"(core module $m (func (export "f"))) (core instance $i (instantiate $m)) (func $f (canon lift (core func $i "f")))"#;
    let world = |exports: &str| load(&component(&format!("(component {core} {exports})")));
    assert!(matches!(world(""), LoadError::World(WorldError::Missing("describe"))));
    assert!(matches!(world(r#"(export "run" (func $f))"#), LoadError::World(WorldError::Export(name)) if name == "run"));
    assert!(matches!(world(r#"(export "describe" (func $f))"#), LoadError::World(WorldError::Missing("judge"))));
    assert!(matches!(world(r#"(export "describe" (func $f)) (export "judge" (func $f))"#), LoadError::World(WorldError::NoVersion)));
    let steering = component("(component (import \"a-b\" (func)))");
    assert!(matches!(load(&steering), LoadError::World(WorldError::Import(_))));
}

#[test]
fn what_is_no_component_is_refused() {
    let core = component("(module)");
    for bytes in [&b""[..], b"\0asm", b"MZ", &core, b"(component)", b"\x7fELF\x02\x01\x01"] {
        assert!(matches!(load(bytes), LoadError::NotAComponent), "{bytes:?}");
    }
    assert!(matches!(load(&vec![0; (32 << 20) + 1]), LoadError::TooLarge(_)));
}

#[test]
fn every_flipped_bit_is_refused_or_is_still_a_module() {
    let good = ALLOW.build();
    let evaluator = Evaluator::new(Limits { questions: 2, ..Limits::default() }).unwrap();
    for at in (0..good.len()).step_by(29) {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        drop(evaluator.load(&bad));
    }
    assert!(evaluator.load(&good[..good.len() / 2]).is_err());
}

#[test]
fn features_that_are_off_are_refused() {
    for extra in [
        "(func (drop (i32x4.splat (i32.const 1))))",
        "(func $t (result i32) return_call $t)",
        "(memory 1)",
    ] {
        let result = std::panic::catch_unwind(|| WatModule { extra, ..ALLOW }.build());
        // what componentising refuses never gets here
        if let Ok(bytes) = result {
            assert!(matches!(load(&bytes), LoadError::Compile(_)), "{extra}");
        }
    }
}

#[test]
fn a_folder_is_loaded_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let evaluator = Evaluator::new(Limits { questions: 2, ..Limits::default() }).unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    let remove = |name: &str| std::fs::remove_file(folder.path().join(name)).unwrap();
    let load = || Modules::load(&evaluator, folder.path());
    assert!(load().unwrap().is_empty());
    write("README", b"x");
    write("INFRA_DIAG.cps.wasm", &ALLOW.build());
    assert!(load().unwrap().get("INFRA_DIAG".parse().unwrap(), "cps".parse().unwrap()).is_some());
    for name in ["INFRA_DIAG.wasm", "INFRA_DIAG.cpu.wasm", "infra_diag.cps.wasm", "INFRA_DIAG.cps.x.wasm", ".wasm.wasm"] {
        write(name, &ALLOW.build());
        assert!(matches!(load(), Err(FolderError::Name(_))), "{name}");
        remove(name);
    }
    write("INFRA_DIAG.host.wasm", &ALLOW.build());
    assert!(matches!(load(), Err(FolderError::Purpose { .. })), "its role is another");
    remove("INFRA_DIAG.host.wasm");
    write("INFRA_FULL.cps.wasm", &ALLOW.build());
    assert!(matches!(load(), Err(FolderError::Purpose { .. })), "its action is another");
    write("INFRA_FULL.cps.wasm", b"garbage");
    assert!(matches!(load(), Err(FolderError::Load(..))));
    assert!(matches!(Modules::load(&evaluator, &folder.path().join("none")), Err(FolderError::Folder(..))));
}
