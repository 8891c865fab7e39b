//! A module without a compiler: a profile is written into the memory of the prebuilt `rules` component, which reads and arranges it,
//! and a snapshot of that memory becomes the new module.
//!
//! The code that runs here is Portcullis's own, from the file that was installed with it, under a bound of instructions. What comes
//! out is then loaded by the [`Evaluator`] as any module is, so a profile that the judge would not take is refused here.

use crate::evaluator::Evaluator;
use crate::module::{LoadError, Module};
use portcullis_profile::Profile;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use wasmtime::{Config, Engine, Instance, Linker, OptLevel, Store, Val};
use wasmtime_wizer::{InstanceState, SnapshotVal, ValType, Wizer};

/// Name of the prebuilt component's file.
const FILE: &str = "rules.core.wasm";
/// Largest file that is taken for it.
const CORE_MAX: u64 = 4 << 20;
/// Instructions that reading a profile may take: some hundred times what a large one does.
const FUEL: u64 = 5_000_000_000;
const ROOM: &str = "portcullis-profile-room";
const READ: &str = "portcullis-profile-read";

/// The prebuilt `rules` component, as a core module.
#[derive(Debug, Clone)]
pub struct Core {
    file: PathBuf,
    bytes: Vec<u8>,
}

/// Why there is no module.
#[derive(Debug, thiserror::Error)]
pub enum BakeError {
    /// The prebuilt component is not installed.
    #[error("{FILE} is not there; looked for {}. It is installed with Portcullis, and `cargo xtask policies` builds it", .0.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", "))]
    Missing(Vec<PathBuf>),
    /// The file cannot be read.
    #[error("cannot read {}", .0.display())]
    Read(PathBuf, #[source] std::io::Error),
    /// The file is not the one that belongs to this program.
    #[error("{} is not the rules component of this version: {problem}", file.display())]
    Core {
        /// the file
        file: PathBuf,
        /// what is wrong with it
        problem: String,
    },
    /// The profile cannot be written down.
    #[error("the profile cannot be written into the component: {0}")]
    Profile(String),
    /// What came out is no module.
    #[error("the module that was built does not load")]
    Load(#[source] LoadError),
}

impl Core {
    /// Finds the prebuilt component: the file that was named, or else the one that was installed beside `program`: in its folder, in
    /// `../lib/portcullis` or, in a build folder, in `../rules`.
    ///
    /// # Errors
    /// [`BakeError`] when there is none, or it cannot be read.
    pub fn find(named: Option<&Path>, program: &Path) -> Result<Self, BakeError> {
        let folder = program.parent().unwrap_or(Path::new("/"));
        let up = folder.parent().unwrap_or(Path::new("/"));
        let places = match named {
            Some(file) => vec![file.to_owned()],
            None => vec![folder.join(FILE), up.join("lib/portcullis").join(FILE), up.join("rules").join(FILE)],
        };
        let Some(file) = places.iter().find(|place| place.is_file()) else { return Err(BakeError::Missing(places)) };
        let read = || -> std::io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut std::io::Read::take(std::fs::File::open(file)?, CORE_MAX), &mut bytes)?;
            Ok(bytes)
        };
        let bytes = read().map_err(|error| BakeError::Read(file.clone(), error))?;
        Ok(Self { file: file.clone(), bytes })
    }

    /// Bakes a profile into a component, and loads that to be sure of it.
    ///
    /// # Errors
    /// [`BakeError`] when the prebuilt component does not fit this program, or the evaluator refuses what came out.
    pub fn bake(&self, profile: &Profile, evaluator: &Evaluator) -> Result<(Vec<u8>, Module), BakeError> {
        let profile = postcard::to_allocvec(profile).map_err(|error| BakeError::Profile(error.to_string()))?;
        let component = self.snapshot(&profile).map_err(|problem| BakeError::Core { file: self.file.clone(), problem })?;
        let module = evaluator.load(&component).map_err(BakeError::Load)?;
        Ok((component, module))
    }

    fn snapshot(&self, profile: &[u8]) -> Result<Vec<u8>, String> {
        let said = |error: wasmtime::Error| format!("{error:#}").replace('\n', " ");
        let mut wizer = Wizer::new();
        wizer.init_func(READ);
        let (context, instrumented) = wizer.instrument(&self.bytes).map_err(|error| format!("{error:#}").replace('\n', " "))?;
        let mut config = Config::new();
        config.consume_fuel(true).cranelift_opt_level(OptLevel::None);
        let engine = Engine::new(&config).map_err(said)?;
        let module = wasmtime::Module::new(&engine, &instrumented).map_err(said)?;
        let mut linker = Linker::new(&engine);
        // reading a profile calls nothing: whatever it would call, traps
        linker.define_unknown_imports_as_traps(&module).map_err(said)?;
        let mut store = Store::new(&engine, ());
        store.set_fuel(FUEL).map_err(said)?;
        let instance = linker.instantiate(&mut store, &module).map_err(said)?;
        let length = u32::try_from(profile.len()).map_err(|_| "the profile is too large".to_owned())?;
        let room = instance.get_typed_func::<u32, u32>(&mut store, ROOM).map_err(said)?.call(&mut store, length).map_err(said)?;
        let memory = instance.get_memory(&mut store, "memory").ok_or("it has no memory")?;
        memory.write(&mut store, room as usize, profile).map_err(|error| error.to_string())?;
        instance.get_typed_func::<(), ()>(&mut store, READ).map_err(said)?.call(&mut store, ()).map_err(said)?;
        let baked = at_once(wizer.snapshot(&context, &mut Live { store: &mut store, instance }))?.map_err(|error| format!("{error:#}").replace('\n', " "))?;
        let encoder = wit_component::ComponentEncoder::default().validate(true).module(&baked);
        encoder.and_then(|mut encoder| encoder.encode()).map_err(|error| format!("{error:#}").replace('\n', " "))
    }
}

/// What the snapshot is taken of.
struct Live<'a> {
    store: &'a mut Store<()>,
    instance: Instance,
}

impl InstanceState for Live<'_> {
    async fn global_get(&mut self, name: &str, _: ValType) -> SnapshotVal {
        let global = self.instance.get_global(&mut *self.store, name);
        match global.map(|global| global.get(&mut *self.store)) {
            Some(Val::I64(value)) => SnapshotVal::I64(value),
            Some(Val::F32(value)) => SnapshotVal::F32(value),
            Some(Val::F64(value)) => SnapshotVal::F64(value),
            Some(Val::I32(value)) => SnapshotVal::I32(value),
            // the instrumented module exports each global that it is asked about, and has no others
            _ => SnapshotVal::I32(0),
        }
    }

    async fn memory_contents(&mut self, name: &str, contents: impl FnOnce(&[u8]) + Send) {
        let memory = self.instance.get_memory(&mut *self.store, name);
        contents(memory.map_or(&[][..], |memory| memory.data(&*self.store)));
    }
}

/// The result of a future that waits for nothing.
fn at_once<T>(future: impl Future<Output = T>) -> Result<T, String> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => Ok(result),
        Poll::Pending => Err("the snapshot waits for something".to_owned()),
    }
}
