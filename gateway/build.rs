//! Lists the files that `portcullis policy new` writes, so that the program carries them with it: the templates of `sdk/`, the
//! Rust kit, and the interface.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// What is left by those who work on a template in its place.
const LEFT: &[&str] = &["node_modules", ".venv", "__pycache__", "target", "wit", "policy.wasm", "policy.core.wasm", "policy.test"];

fn main() -> io::Result<()> {
    let sdk = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sdk");
    let interface = sdk.join("wit/policy.wit");
    let mut list = String::new();
    for (name, folder) in [("JS", "js"), ("PYTHON", "python"), ("C", "c"), ("RUST", "rust/template")] {
        let mut files = Vec::new();
        below(&sdk.join(folder), Path::new(""), &mut files)?;
        match name {
            "RUST" => {
                below(&sdk.join("rust/src"), Path::new("portcullis/rust/src"), &mut files)?;
                files.push((PathBuf::from("portcullis/wit/policy.wit"), interface.clone()));
            }
            _ => files.push((PathBuf::from("wit/policy.wit"), interface.clone())),
        }
        files.sort();
        let _ = writeln!(list, "const {name}: &[(&str, &str)] = &[");
        for (place, file) in files {
            let file = file.canonicalize()?;
            let _ = writeln!(list, "    ({:?}, include_str!({:?})),", place.display().to_string(), file.display().to_string());
        }
        list.push_str("];\n");
    }
    let out = std::env::var_os("OUT_DIR").map(PathBuf::from).ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    std::fs::write(out.join("templates.rs"), list)?;
    let mut cargo = io::stdout().lock();
    for part in ["js", "python", "c", "rust", "wit"] {
        writeln!(cargo, "cargo::rerun-if-changed={}", sdk.join(part).display())?;
    }
    Ok(())
}

/// The files below a folder, each with its place in a project.
fn below(folder: &Path, place: &Path, files: &mut Vec<(PathBuf, PathBuf)>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if LEFT.iter().any(|left| name == *left) {
            continue;
        }
        let place = place.join(&name);
        if entry.file_type()?.is_dir() {
            below(&entry.path(), &place, files)?;
        } else {
            files.push((place, entry.path()));
        }
    }
    Ok(())
}
