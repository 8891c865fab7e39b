//! One loaded component, and the questions to it.

use crate::abi::{self, PolicyPre, types};
use crate::answer::{self, Description, InvalidAnswer};
use crate::evaluator::Evaluator;
use crate::fault::Fault;
use crate::host::Memo;
use crate::instance::Instances;
use crate::world::{self, ABI, AbiVersion, WorldError};
use portcullis_model::action::{Action, Role};
use portcullis_model::bytes::printable;
use portcullis_model::id::PolicyDigest;
use portcullis_model::session::SessionFacts;
use portcullis_model::subject::Subject;
use portcullis_model::time::UnixMs;
use portcullis_model::verdict::Verdict;
use portcullis_model::wire::judge::{Counters, ModuleInfo};
use std::borrow::Cow;
use std::sync::Arc;
use wasmtime::component::Component;

/// Why bytes are no module.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// More bytes than a component may have.
    #[error("it is larger than {0} bytes")]
    TooLarge(usize),
    /// It does not start as a WebAssembly component does.
    #[error("it is not a WebAssembly component")]
    NotAComponent,
    /// It does not compile, or needs more than modules may use.
    #[error("it does not compile: {0}")]
    Compile(String),
    /// It is for another world than this host's: another version, other imports or exports.
    #[error(transparent)]
    World(#[from] WorldError),
    /// Its imports and exports have the right names and the wrong types.
    #[error("it does not fit portcullis:policy@{ABI}: {0}")]
    Types(String),
    /// It does not say what it is for.
    #[error("describe() failed: {}", .0.line())]
    Describe(Fault),
}

/// A module that can be asked.
pub struct Module {
    instances: Instances,
    info: ModuleInfo,
    abi: AbiVersion,
    action: String,
    roles: Vec<String>,
}

/// One session's side of the questions: its facts, and what modules put into its memo.
#[derive(Debug, Clone)]
pub struct Sitting {
    session: types::Session,
    memo: Memo,
}

impl Sitting {
    /// The sitting of a session.
    #[must_use]
    pub fn new(facts: &SessionFacts) -> Self {
        Self { session: abi::session(facts), memo: Memo::default() }
    }

    /// The session at a moment.
    pub(crate) fn at(&mut self, now: UnixMs, counters: Counters) -> &types::Session {
        abi::set_moment(&mut self.session, now, counters);
        &self.session
    }

    pub(crate) fn memo(&self) -> &Memo {
        &self.memo
    }

    pub(crate) fn memo_mut(&mut self) -> &mut Memo {
        &mut self.memo
    }
}

impl Evaluator {
    /// Makes a module of a component's bytes: compiles it, checks what it imports and exports, and asks what it is for.
    ///
    /// # Errors
    /// [`LoadError`] when it is no module, or does not answer `describe` within the limits.
    pub fn load(&self, component: &[u8]) -> Result<Module, LoadError> {
        let room = self.room(component.len()).ok_or(LoadError::TooLarge(self.large_limits().component))?;
        // the magic number, and the version and layer of a component
        if !component.starts_with(b"\0asm\x0d\0\x01\0") {
            return Err(LoadError::NotAComponent);
        }
        let compiled = Component::from_binary(&room.engine, component).map_err(|error| LoadError::Compile(said(&error)))?;
        let abi = world::check(&room.engine, &compiled)?;
        let linked = room.linker.instantiate_pre(&compiled).map_err(|error| LoadError::Types(said(&error)))?;
        let pre = PolicyPre::new(linked).map_err(|error| LoadError::Types(said(&error)))?;
        let instances = Instances::new(Arc::clone(room), pre);
        let answer = instances.ask(Memo::default(), |policy, store| policy.call_describe(store)).map_err(LoadError::Describe)?.0;
        let about = answer::description(answer).map_err(|error: InvalidAnswer| LoadError::Describe(error.into()))?;
        let Description { name, version, action, roles, pure, allowed } = about;
        let info = ModuleInfo { digest: PolicyDigest::of(component), name, version, pure, allowed };
        instances.prepare();
        Ok(Module { instances, info, abi, action, roles })
    }
}

impl Module {
    /// What the module says about itself, and its digest.
    #[must_use]
    pub fn info(&self) -> &ModuleInfo {
        &self.info
    }

    /// The version of the policy ABI that it was built for.
    #[must_use]
    pub fn abi(&self) -> AbiVersion {
        self.abi
    }

    /// The action that it is for, by its own word.
    #[must_use]
    pub fn action(&self) -> &str {
        &self.action
    }

    /// The roles that it is for, by its own word.
    #[must_use]
    pub fn roles(&self) -> &[String] {
        &self.roles
    }

    /// Whether it says itself that it is for this action on targets of this role.
    #[must_use]
    pub fn is_for(&self, action: Action, role: Role) -> bool {
        self.action == action.name() && self.roles.iter().any(|name| name == role.name())
    }

    /// Whether it is for no role at all: such a module withdraws its action where it is put in force.
    #[must_use]
    pub fn is_withdrawal(&self) -> bool {
        self.roles.is_empty()
    }

    /// Asks one question, in a fresh instance. What the module remembers is kept in the sitting when it answers, and only then.
    ///
    /// # Errors
    /// [`Fault`] when there is no well-formed answer in time.
    pub fn judge(&self, sitting: &mut Sitting, now: UnixMs, counters: Counters, subject: Subject) -> Result<Verdict, Fault> {
        abi::set_moment(&mut sitting.session, now, counters);
        let subject = abi::subject(subject).map_err(Fault::Question)?;
        let (session, memo) = (&sitting.session, sitting.memo.clone());
        let (answer, memo) = self.instances.ask(memo, |policy, store| policy.call_judge(store, session, &subject))?;
        let verdict = answer::verdict(answer)?;
        sitting.memo = memo;
        Ok(verdict)
    }

    /// Its instances, for a replay, which asks one of them more than once.
    pub(crate) fn instances(&self) -> &Instances {
        &self.instances
    }

    /// Makes an instance ready for the next question, and cleans up after the last one. To be called when nobody waits for an
    /// answer: the next one is there sooner then. Nothing else depends on it.
    pub fn prepare(&self) {
        self.instances.prepare();
    }
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Module").field("digest", &self.info.digest).field("name", &self.info.name).finish_non_exhaustive()
    }
}

/// wasmtime's error in one line.
fn said(error: &wasmtime::Error) -> String {
    const LENGTH: usize = 300;
    let text: Cow<'_, str> = format!("{error:#}").replace('\n', " ").into();
    printable(text.as_bytes()).chars().take(LENGTH).collect()
}
