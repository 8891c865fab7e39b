//! The WebAssembly host of policy modules, and the process that judges with them.
//!
//! ```text
//! file --read, digest--> bytes --Evaluator::load--> Module --Module::judge--> Verdict | Fault
//!                                  compile, check imports and exports, ask `describe`
//! ```
//!
//! * [`Evaluator`] is the engines with their limits: memory, stack, time, instances; one for components of the standard size, one for
//!   larger ones. The clock that ends late answers is a part of it, so neither exists without the other.
//! * [`Module`] is one loaded component. Every question runs in a fresh instance, which is dropped with its answer: nothing of one
//!   question, or one session, is there for the next but what a module put into the session's [`Sitting`].
//! * [`Modules`] is a folder of them, one for an action and a role.
//! * [`author`] is for those who write modules: profiles without a compiler, tests, explanations.
//! * [`replay`] asks a candidate what recorded sessions asked.
//! * [`server`] answers the keepers of a node on a local socket, and hears from the warden which modules are to; [`confine`] takes
//!   from the process what that does not need.
//!
//! What is not a well-formed answer in time is a [`Fault`]; whoever asked makes a denial of it.
//!
//! Modules are only ever compiled from WebAssembly, here. Machine code from a disk would be believed as it is: wasmtime checks
//! neither its origin nor its integrity.
#![forbid(unsafe_code)]

mod abi;
mod answer;
pub mod author;
mod beside;
mod confine;
mod evaluator;
mod fault;
mod host;
mod instance;
mod library;
mod limits;
mod module;
mod modules;
mod posts;
pub mod replay;
pub mod server;
pub mod shown;
mod ticker;
mod trial;
mod world;

pub use confine::{ConfineError, confine, confine_answering};
pub use evaluator::{EngineError, Evaluator};
pub use fault::Fault;
pub use limits::{Limits, Parts};
pub use module::{LoadError, Module, Sitting};
pub use modules::{FolderError, Modules};
pub use world::{ABI, AbiVersion, WorldError};

/// A thread whose work is nobody's answer.
#[derive(Debug)]
struct Background(rustix::process::Pid);

impl Background {
    /// Starts one. When this returns it runs, so the process may be confined after it.
    fn start(name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<Self> {
        let (say, started) = std::sync::mpsc::sync_channel(1);
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            let _ = say.send(rustix::thread::gettid());
            work();
        })?;
        started.recv().map(Self).map_err(|_| std::io::Error::other("the thread has ended"))
    }

    /// From now on it gives way to everybody else.
    fn give_way(&self) -> std::io::Result<()> {
        Ok(rustix::process::setpriority_process(Some(self.0), LOWEST)?)
    }
}

/// The priority of who gives way to everybody else.
const LOWEST: i32 = 19;
