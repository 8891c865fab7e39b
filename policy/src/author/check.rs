//! What a file is to the judge: whether it is a module, and if not, why.

use crate::evaluator::Evaluator;
use crate::limits::Limits;
use crate::module::Module;
use portcullis_model::bytes::printable;
use portcullis_model::id::PolicyDigest;
use wasmtime::component::Component;

/// What was found in a component.
#[derive(Debug)]
pub struct Facts {
    /// Its bytes.
    pub size: usize,
    /// Its digest.
    pub digest: PolicyDigest,
    /// What it imports, by name; empty when it does not compile.
    pub imports: Vec<String>,
    /// What it exports, by name; empty when it does not compile.
    pub exports: Vec<String>,
    /// What it may use.
    pub limits: Limits,
    /// The module, or why the judge would refuse it: the error and its causes, in one line.
    pub module: Result<Module, String>,
}

/// Loads a component as the judge would, and tells what was found whether it loads or not.
#[must_use]
pub fn inspect(evaluator: &Evaluator, component: &[u8]) -> Facts {
    let module = evaluator.load(component).map_err(|error| crate::server::chain(&error));
    // compiled a second time, so that names are told of what was refused as well; only a component is handed to the compiler
    let room = evaluator.room(component.len());
    let compiled = room.and_then(|room| Some((&room.engine, Component::from_binary(&room.engine, component).ok()?)));
    let names = |imports: bool| {
        let Some((engine, compiled)) = &compiled else { return Vec::new() };
        let world = compiled.component_type();
        let name = |(name, _): (&str, _)| printable(name.as_bytes());
        if imports { world.imports(engine).map(name).collect() } else { world.exports(engine).map(name).collect() }
    };
    let limits = room.map_or(*evaluator.large_limits(), |room| room.limits);
    Facts { size: component.len(), digest: PolicyDigest::of(component), imports: names(true), exports: names(false), limits, module }
}
