//! What a component says that it is built for, by the names of its imports and exports: which version of the policy ABI, and
//! nothing beside it.
//!
//! A module was built for one version of `portcullis:policy`, which stands in the names of the interfaces that it imports. Within
//! a major version types never change and a minor version only adds functions to `log` and `memo`, so a module for an older
//! minor version finds all that it needs. One for a newer minor version may call what is not there; it is refused even when it
//! does not, because what it was tested with is not what would judge with it.
//!
//! The names are checked here; that the types behind them fit is checked when the module is linked.

use portcullis_model::bytes::printable;
use std::fmt;
use std::str::FromStr;
use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

/// What the ABI's interfaces are called, up to their own name.
const PACKAGE: &str = "portcullis:policy/";
/// The interface that every module imports: its answers are made of it.
const TYPES: &str = "types";
/// The interfaces that a module may import besides.
const OFFERED: [&str; 2] = ["log", "memo"];
/// The functions that a module has to export, and all that it may. Whole interfaces that it exports besides (what made it may
/// have had a use for them) are never called.
const EXPORTS: [&str; 2] = ["describe", "judge"];

/// A version of the policy ABI. The last number only changes what is written about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbiVersion {
    /// Modules of another one are never taken.
    pub major: u16,
    /// Modules of a newer one are not taken.
    pub minor: u16,
    /// Of no effect.
    pub patch: u16,
}

/// The newest version that this host offers: the one of `sdk/wit/policy.wit`.
pub const ABI: AbiVersion = AbiVersion { major: 1, minor: 1, patch: 0 };

/// Why a component is not for this host's world.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorldError {
    /// It imports something of WASI.
    #[error("it imports {0}: a module has no WASI, neither clock nor files nor network; build it without")]
    Wasi(String),
    /// It imports what modules are not given.
    #[error("it imports {0}, but a module may only import log and memo of portcullis:policy@{ABI}")]
    Import(String),
    /// It does not say for which version it was built.
    #[error("it does not import portcullis:policy/types, so it does not say which version of the interface it is built for")]
    NoVersion,
    /// It was built for a newer minor version.
    #[error("it is built for portcullis:policy@{0}, this node knows {ABI}")]
    Newer(AbiVersion),
    /// It was built for another major version.
    #[error("it is built for portcullis:policy@{0}, another major version than {ABI}, which this node knows")]
    Major(AbiVersion),
    /// Its parts were built for different versions.
    #[error("it is built for both portcullis:policy@{0} and portcullis:policy@{1}")]
    Mixed(AbiVersion, AbiVersion),
    /// It exports what a module does not have.
    #[error("it exports {0}, but a module exports describe and judge of portcullis:policy@{ABI} only")]
    Export(String),
    /// It lacks an export.
    #[error("it does not export {0} of portcullis:policy@{ABI}")]
    Missing(&'static str),
}

/// The version that a component was built for, when it is one of this host's and the component has its imports and exports.
pub(crate) fn check(engine: &Engine, component: &Component) -> Result<AbiVersion, WorldError> {
    let world = component.component_type();
    let version = imports(world.imports(engine).map(|(name, _)| name))?;
    let functions = world.exports(engine).filter(|(_, item)| matches!(item.ty, ComponentItem::ComponentFunc(_)));
    exports(functions.map(|(name, _)| name))?;
    version.ok_or(WorldError::NoVersion)
}

/// The version in the names; none when there is no name of the types.
fn imports<'a>(names: impl Iterator<Item = &'a str>) -> Result<Option<AbiVersion>, WorldError> {
    let mut built_for = None;
    let mut names_types = false;
    for name in names {
        let interface = Interface::parse(name).ok_or_else(|| stranger(name))?;
        let version = interface.version;
        match built_for {
            None if version.major != ABI.major => return Err(WorldError::Major(version)),
            None if version.minor > ABI.minor => return Err(WorldError::Newer(version)),
            None => built_for = Some(version),
            Some(other) if other != version => return Err(WorldError::Mixed(other, version)),
            Some(_) => {}
        }
        names_types |= interface.name == TYPES;
        if interface.name != TYPES && !OFFERED.contains(&interface.name) {
            return Err(stranger(name));
        }
    }
    Ok(built_for.filter(|_| names_types))
}

fn exports<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), WorldError> {
    let mut missing = EXPORTS.to_vec();
    for name in names {
        if !EXPORTS.contains(&name) {
            return Err(WorldError::Export(printable(name.as_bytes())));
        }
        missing.retain(|wanted| *wanted != name);
    }
    missing.first().map_or(Ok(()), |wanted| Err(WorldError::Missing(wanted)))
}

fn stranger(name: &str) -> WorldError {
    let shown = printable(name.as_bytes());
    if name.starts_with("wasi:") || name.starts_with("wasi_") { WorldError::Wasi(shown) } else { WorldError::Import(shown) }
}

struct Interface<'a> {
    name: &'a str,
    version: AbiVersion,
}

impl<'a> Interface<'a> {
    /// `portcullis:policy/NAME@VERSION`, and nothing else.
    fn parse(import: &'a str) -> Option<Self> {
        let (name, version) = import.strip_prefix(PACKAGE)?.split_once('@')?;
        Some(Self { name, version: version.parse().ok()? })
    }
}

impl fmt::Display for AbiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl FromStr for AbiVersion {
    type Err = ();

    /// Three decimal numbers. What is a draft of a version (`1.2.0-rc.1`) is none.
    fn from_str(text: &str) -> Result<Self, ()> {
        let mut numbers = text.split('.').map(|number| {
            let plain = number.bytes().all(|b| b.is_ascii_digit()) && (number == "0" || !number.starts_with('0'));
            number.parse::<u16>().ok().filter(|_| plain).ok_or(())
        });
        let mut next = || numbers.next().ok_or(())?;
        let version = Self { major: next()?, minor: next()?, patch: next()? };
        if numbers.next().is_some() { Err(()) } else { Ok(version) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[&str]) -> Result<String, String> {
        let version = imports(names.iter().copied()).and_then(|version| version.ok_or(WorldError::NoVersion));
        version.map(|version| version.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn versions_are_three_numbers() {
        for bad in ["", "1", "1.1", "1.1.0.0", "1.1.0-rc.1", "1.1.0+x", "01.1.0", "1.1.", "1.+1.0", "1.1.99999"] {
            assert!(bad.parse::<AbiVersion>().is_err(), "{bad}");
        }
        assert_eq!("1.1.0".parse(), Ok(ABI));
    }

    #[test]
    fn this_minor_version_and_older_ones_are_taken() {
        for version in ["1.0.0", "1.1.0", "1.0.7"] {
            let names = ["types", "log", "memo"].map(|name| format!("portcullis:policy/{name}@{version}"));
            assert_eq!(of(&names.each_ref().map(String::as_str)), Ok(version.into()));
        }
    }

    #[test]
    fn each_refusal_has_its_reason() {
        let types = "portcullis:policy/types@1.1.0";
        for (names, reason) in [
            (&["portcullis:policy/types@1.2.0"][..], "it is built for portcullis:policy@1.2.0, this node knows 1.1.0"),
            (&["portcullis:policy/clock@1.2.0"], "it is built for portcullis:policy@1.2.0, this node knows 1.1.0"),
            (&["portcullis:policy/types@2.0.0"], "another major version than 1.1.0"),
            (&["portcullis:policy/types@0.1.0"], "another major version than 1.1.0"),
            (&[types, "portcullis:policy/log@1.0.0"], "both portcullis:policy@1.1.0 and portcullis:policy@1.0.0"),
            (&[], "does not say which version"),
            (&["portcullis:policy/log@1.1.0"], "does not say which version"),
            (&[types, "wasi:clocks/wall-clock@0.2.0"], "no WASI"),
            (&[types, "portcullis:policy/clock@1.1.0"], "may only import log and memo"),
            (&[types, "portcullis:policy/log"], "may only import log and memo"),
            (&[types, "portcullis:policy/log@1.1.0-rc.1"], "may only import log and memo"),
            (&[types, "other:policy/log@1.1.0"], "other:policy/log@1.1.0"),
            (&["Portcullis:policy/types@1.1.0"], "may only import"),
        ] {
            let error = of(names).expect_err(reason);
            assert!(error.contains(reason), "{names:?}: {error}");
        }
    }
}
