//! The WebAssembly host of policy modules, and the process that judges with them.
//!
//! ```text
//! file --read, digest--> bytes --Evaluator::load--> Module --Module::judge--> Verdict | Fault
//!                                  compile, check imports and exports, ask `describe`
//! ```
//!
//! * [`Evaluator`] is the engine with its limits: memory, stack, time, instances. The clock that ends late answers is a part of
//!   it, so neither exists without the other.
//! * [`Module`] is one loaded component. Every question runs in a fresh instance, which is dropped with its answer: nothing of one
//!   question, or one session, is there for the next but what a module put into the session's [`Sitting`].
//! * [`Modules`] is a folder of them, one for an action and a role.
//! * [`server`] answers the keepers of a node on a local socket; [`confine`] takes from the process what answering does not need.
//!
//! What is not a well-formed answer in time is a [`Fault`]; whoever asked makes a denial of it.
//!
//! Modules are only ever compiled from WebAssembly, here. Machine code from a disk would be believed as it is: wasmtime checks
//! neither its origin nor its integrity.
#![forbid(unsafe_code)]

mod abi;
mod answer;
mod confine;
mod evaluator;
mod fault;
mod host;
mod limits;
mod module;
mod modules;
pub mod server;
mod ticker;
mod world;

pub use confine::{ConfineError, confine};
pub use evaluator::{EngineError, Evaluator};
pub use fault::Fault;
pub use limits::Limits;
pub use module::{LoadError, Module, Sitting};
pub use modules::{FolderError, Modules};
pub use world::{ABI, AbiVersion, WorldError};
