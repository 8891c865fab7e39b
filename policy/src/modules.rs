//! A folder of modules: `ACTION.role.wasm`, for instance `INFRA_DIAG.cps.wasm`.

use crate::evaluator::Evaluator;
use crate::module::{LoadError, Module};
use portcullis_model::action::{Action, Role};
use portcullis_model::bytes::printable;
use portcullis_model::id::PolicyDigest;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a folder of modules is not used. Each names the file.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The folder cannot be read.
    #[error("cannot read the folder of modules {}", printable(.0.as_os_str().as_bytes()))]
    Folder(PathBuf, #[source] std::io::Error),
    /// A file cannot be read.
    #[error("cannot read the module {}", printable(.0.as_os_str().as_bytes()))]
    File(PathBuf, #[source] std::io::Error),
    /// A file's name does not say what it is for.
    #[error("the module {} is not named ACTION.role.wasm, as INFRA_DIAG.cps.wasm is", printable(.0.as_os_str().as_bytes()))]
    Name(PathBuf),
    /// A file is no module.
    #[error("cannot load the module {}", printable(.0.as_os_str().as_bytes()))]
    Load(PathBuf, #[source] LoadError),
    /// A module is for something else than its file's name says.
    #[error("the module {} says that it is for {said}, not for what its name says", printable(path.as_os_str().as_bytes()))]
    Purpose {
        /// the file
        path: PathBuf,
        /// what `describe` said
        said: String,
    },
}

/// The modules of a node, at most one for an action and a role.
#[derive(Debug, Default)]
pub struct Modules(BTreeMap<(Action, Role), Arc<Module>>);

impl Modules {
    /// Loads every module of `folder`. Files that do not end in `.wasm` are left alone.
    ///
    /// # Errors
    /// [`FolderError`] on the first file that is no module for what its name says: a node starts with all of them or not at all.
    pub fn load(evaluator: &Evaluator, folder: &Path) -> Result<Self, FolderError> {
        let unreadable = |error| FolderError::Folder(folder.to_owned(), error);
        let mut modules = BTreeMap::new();
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(unreadable)? {
            files.push(entry.map_err(unreadable)?.path());
        }
        files.sort();
        for path in files.into_iter().filter(|path| path.extension() == Some(OsStr::new("wasm"))) {
            let purpose = purpose(&path).ok_or_else(|| FolderError::Name(path.clone()))?;
            let bytes = read(&path, evaluator.large_limits().component).map_err(|error| FolderError::File(path.clone(), error))?;
            // one component may be for several roles: it is compiled once
            let digest = PolicyDigest::of(&bytes);
            let known = modules.values().find(|module: &&Arc<Module>| module.info().digest == digest).cloned();
            let module = known.map_or_else(|| evaluator.load(&bytes).map(Arc::new), Ok).map_err(|error| FolderError::Load(path.clone(), error))?;
            let (action, role) = purpose;
            if !module.is_for(action, role) {
                let said = printable(format!("{} on {}", module.action(), module.roles().join(", ")).as_bytes());
                return Err(FolderError::Purpose { path, said });
            }
            tracing::info!(file = %path.display(), digest = %module.info().digest, version = %module.info().version, "module loaded");
            modules.insert(purpose, module);
        }
        Ok(Self(modules))
    }

    /// The module for an action on a role.
    #[must_use]
    pub fn get(&self, action: Action, role: Role) -> Option<&Arc<Module>> {
        self.0.get(&(action, role))
    }

    /// All of them, each with what it is for.
    pub fn iter(&self) -> impl Iterator<Item = ((Action, Role), &Arc<Module>)> {
        self.0.iter().map(|(purpose, module)| (*purpose, module))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn purpose(path: &Path) -> Option<(Action, Role)> {
    let name = path.file_name()?.to_str()?.strip_suffix(".wasm")?;
    let (action, role) = name.split_once('.')?;
    Some((action.parse().ok()?, role.parse().ok()?))
}

/// At most one byte more than a component may have, which loading then refuses.
fn read(path: &Path, limit: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
