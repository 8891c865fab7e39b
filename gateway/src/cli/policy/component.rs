//! `portcullis policy component`: a core module, as compilers of C and Rust leave it, becomes a component.
//!
//! A core module names its imports and exports, but not their types. Those made with Rust's bindings carry them in a section of
//! their own; to others the interface is added that this Portcullis has.

use super::super::screen::{Screen, shown};
use super::super::{CliError, Outcome};
use anyhow::{Context as _, ensure};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

const INTERFACE: &str = include_str!("../../../../sdk/wit/policy.wit");
/// Bytes of a core module that is worth a try: more is over every limit of a module.
const LARGEST: u64 = 64 << 20;

#[derive(Debug, Args)]
pub(in crate::cli) struct Component {
    /// The core module
    core: PathBuf,
    /// Where the component is written to
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
}

pub(super) fn run(screen: Screen, args: &Component) -> Result<Outcome, CliError> {
    let name = shown(&args.core.display().to_string());
    let unreadable = || format!("cannot read {name}");
    let length = std::fs::metadata(&args.core).with_context(unreadable)?.len();
    if length > LARGEST {
        return Err(CliError::Failed(anyhow::anyhow!("{name} has {length} bytes, more than any module may have")));
    }
    let core = std::fs::read(&args.core).with_context(unreadable)?;
    let component = componentise(core).with_context(|| format!("{name} does not become a component"))?;
    std::fs::write(&args.out, &component).with_context(|| format!("cannot write {}", shown(&args.out.display().to_string())))?;
    let made = json!({ "file": args.out, "bytes": component.len() });
    screen.show(&made, |screen| screen.line(&format!("{}: {} bytes", shown(&args.out.display().to_string()), component.len())))?;
    Ok(Outcome::Done)
}

fn componentise(mut core: Vec<u8>) -> anyhow::Result<Vec<u8>> {
    ensure!(!core.starts_with(b"\0asm\x0d\0\x01\0"), "it is a component already");
    ensure!(core.starts_with(b"\0asm\x01\0\0\0"), "it is not a WebAssembly module");
    let (described, _) = wit_component::metadata::decode(&core)?;
    if described.is_none() {
        let mut resolve = Resolve::default();
        let package = resolve.push_str("policy.wit", INTERFACE)?;
        let world = resolve.select_world(&[package], Some("policy"))?;
        embed_component_metadata(&mut core, &resolve, world, StringEncoding::UTF8)?;
    }
    ComponentEncoder::default().module(&core)?.validate(true).encode()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A core module with the exports of the interface, and more.
    fn core(more: &str) -> Vec<u8> {
        wat::parse_str(format!(
            r#"(module {more} (memory (export "memory") 1)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
            (func (export "describe") (result i32) unreachable) (func (export "judge") (param i32) (result i32) unreachable))"#
        ))
        .unwrap()
    }

    #[test]
    fn a_core_module_becomes_a_component_of_the_interface() {
        let component = componentise(core("")).unwrap();
        assert!(component.starts_with(b"\0asm\x0d\0\x01\0"));
        let names = |name: &[u8]| component.windows(name.len()).any(|window| window == name);
        assert!(names(b"portcullis:policy/types@1.1.0"));
        assert!(!names(b"portcullis:policy/memo@1.1.0"), "it imports what it uses and no more");
        let counts = componentise(core(r#"(import "portcullis:policy/memo@1.1.0" "increment" (func (param i32 i32) (result i64)))"#)).unwrap();
        assert!(counts.len() > component.len(), "and what it uses");
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_reason() {
        let refused = |bytes: Vec<u8>| format!("{:#}", componentise(bytes).unwrap_err());
        assert!(refused(b"\x7fELF".to_vec()).contains("not a WebAssembly module"));
        assert!(refused(componentise(core("")).unwrap()).contains("a component already"));
        assert!(refused(core(r#"(import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))"#)).contains("wasi_snapshot_preview1"));
        assert!(refused(wat::parse_str("(module)").unwrap()).contains("describe"));
    }
}
