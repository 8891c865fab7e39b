//! Pushed modules: checked, compiled, and held until no assignment names them any more.
//!
//! One thread does the work: it reads the file, compares the digest, verifies the admin's signature, and only then compiles. Machine
//! code is never taken from anywhere. The thread has the lowest priority, so that those who answer never wait for it; but for the
//! time until the judge's first assignment is in force, when nobody is answered and everybody waits for it.

use crate::Background;
use crate::evaluator::Evaluator;
use crate::module::{LoadError, Module};
use portcullis_model::id::PolicyDigest;
use portcullis_model::admins::{PolicyAdmins, SignatureError};
use portcullis_model::policy::MODULE_MAX;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read as _;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use tokio::sync::mpsc;

/// Most modules that are held, those that are compiled included: more than an assignment may name.
const MODULES_MAX: usize = 64;

/// Why a pushed module is of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    /// Its file cannot be read.
    #[error("it cannot be read")]
    Read(#[from] std::io::Error),
    /// More than a component has.
    #[error("it is larger than {MODULE_MAX} bytes")]
    TooLarge,
    /// It is something else.
    #[error("it does not have the digest by which it is named")]
    Digest,
    /// Nobody who may has signed it.
    #[error("its signature does not count")]
    Signature(#[from] SignatureError),
    /// Nobody may sign.
    #[error("this node has no policy admins: nothing can be pushed")]
    NoAdmins,
    /// It is no module.
    #[error("it cannot be loaded")]
    Load(#[from] LoadError),
    /// There are enough.
    #[error("{MODULES_MAX} modules are here already")]
    Full,
}

/// What became of a module.
pub(crate) type Checked = (PolicyDigest, Result<Arc<Module>, Unusable>);

#[derive(Debug)]
struct Job {
    digest: PolicyDigest,
    signature: String,
    file: File,
}

/// One module, as far as it has come.
#[derive(Debug)]
pub(crate) enum Held {
    /// It is being checked and compiled.
    Coming,
    /// It can judge.
    Ready(Arc<Module>),
    /// It cannot, for this reason.
    Useless(String),
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Library {
    modules: BTreeMap<PolicyDigest, Held>,
    jobs: SyncSender<Job>,
    compiler: Background,
}

impl Library {
    /// An empty one, the thread that fills it, and what the thread has done.
    pub(crate) fn start(evaluator: Evaluator, admins: Option<PolicyAdmins>) -> std::io::Result<(Self, mpsc::Receiver<Checked>)> {
        let (jobs, waiting) = sync_channel(MODULES_MAX);
        let (done, checked) = mpsc::channel(MODULES_MAX);
        let compiler = Background::start("compiler", move || work(&evaluator, admins.as_ref(), &waiting, &done))?;
        Ok((Self { modules: BTreeMap::new(), jobs, compiler }, checked))
    }

    /// From now on those who answer do not wait for the work.
    pub(crate) fn give_way(&self) {
        if let Err(error) = self.compiler.give_way() {
            tracing::warn!(%error, "the compiler does not give way to those who answer");
        }
    }

    /// Has a module checked and compiled, unless it is here already. One that was of no use is tried again.
    pub(crate) fn add(&mut self, digest: PolicyDigest, signature: String, file: File) -> Result<(), Unusable> {
        if matches!(self.modules.get(&digest), Some(Held::Coming | Held::Ready(_))) {
            return Ok(());
        }
        if self.modules.len() >= MODULES_MAX {
            return Err(Unusable::Full);
        }
        // the thread takes as many as may be held, so the queue has room
        self.jobs.try_send(Job { digest, signature, file }).map_err(|_| Unusable::Full)?;
        self.modules.insert(digest, Held::Coming);
        Ok(())
    }

    /// Puts down what became of a module; gives back why it is of no use, if so.
    pub(crate) fn checked(&mut self, (digest, outcome): Checked) -> Option<String> {
        // nobody waits for it any more
        if !self.modules.contains_key(&digest) {
            return None;
        }
        let (held, why) = match outcome {
            Ok(module) => (Held::Ready(module), None),
            Err(error) => {
                let why = crate::server::chain(&error);
                (Held::Useless(why.clone()), Some(why))
            }
        };
        self.modules.insert(digest, held);
        why
    }

    /// A module, as far as it has come.
    pub(crate) fn get(&self, digest: &PolicyDigest) -> Option<&Held> {
        self.modules.get(digest)
    }

    /// A module that can judge.
    pub(crate) fn ready(&self, digest: &PolicyDigest) -> Option<Arc<Module>> {
        match self.modules.get(digest) {
            Some(Held::Ready(module)) => Some(Arc::clone(module)),
            Some(Held::Coming | Held::Useless(_)) | None => None,
        }
    }

    /// Those that can judge.
    pub(crate) fn held(&self) -> Vec<PolicyDigest> {
        self.modules.iter().filter(|(_, held)| matches!(held, Held::Ready(_))).map(|(digest, _)| *digest).collect()
    }

    /// Forgets all others.
    pub(crate) fn keep(&mut self, named: &BTreeSet<PolicyDigest>) {
        self.modules.retain(|digest, _| named.contains(digest));
    }
}

fn work(evaluator: &Evaluator, admins: Option<&PolicyAdmins>, jobs: &Receiver<Job>, done: &mpsc::Sender<Checked>) {
    while let Ok(Job { digest, signature, file }) = jobs.recv() {
        let outcome = check(evaluator, admins, &digest, &signature, file);
        match &outcome {
            Ok(module) => tracing::info!(%digest, name = module.info().name, version = module.info().version, "a pushed module is ready"),
            Err(error) => tracing::error!(%digest, error = crate::server::chain(error), "a pushed module is of no use"),
        }
        if done.blocking_send((digest, outcome)).is_err() {
            return;
        }
    }
}

fn check(evaluator: &Evaluator, admins: Option<&PolicyAdmins>, digest: &PolicyDigest, signature: &str, file: File) -> Result<Arc<Module>, Unusable> {
    let mut bytes = Vec::new();
    file.take(MODULE_MAX as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > MODULE_MAX {
        return Err(Unusable::TooLarge);
    }
    if PolicyDigest::of(&bytes) != *digest {
        return Err(Unusable::Digest);
    }
    let signer = admins.ok_or(Unusable::NoAdmins)?.verify(&bytes, signature)?.fingerprint();
    tracing::info!(%digest, signer, bytes = bytes.len(), "a pushed module is signed");
    Ok(Arc::new(evaluator.load(&bytes)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use std::io::{Seek as _, Write as _};

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.rewind().unwrap();
        file
    }

    #[test]
    fn digest_and_signature_come_before_the_compiler() {
        let evaluator = Evaluator::new(Limits::default()).unwrap();
        let admins = PolicyAdmins::parse("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJHMgVJUZDmE37BnTD82eI2AciptP/MNgfDEjw0nsWc5").unwrap();
        let digest = PolicyDigest::of(b"garbage");
        assert!(matches!(check(&evaluator, Some(&admins), &PolicyDigest([1; 32]), "", file(b"garbage")), Err(Unusable::Digest)));
        assert!(matches!(check(&evaluator, Some(&admins), &digest, "", file(b"garbage")), Err(Unusable::Signature(_))));
        assert!(matches!(check(&evaluator, None, &digest, "", file(b"garbage")), Err(Unusable::NoAdmins)));
        let large = vec![0; MODULE_MAX + 1];
        assert!(matches!(check(&evaluator, Some(&admins), &PolicyDigest::of(&large), "", file(&large)), Err(Unusable::TooLarge)));
    }

    #[test]
    fn what_is_held_is_bounded_and_what_was_useless_is_tried_again() {
        let (mut library, mut checked) = Library::start(Evaluator::new(Limits::default()).unwrap(), None).unwrap();
        let digests: Vec<_> = (0..=MODULES_MAX).map(|n| PolicyDigest::of(&n.to_le_bytes())).collect();
        for digest in &digests[..MODULES_MAX] {
            library.add(*digest, String::new(), file(b"x")).unwrap();
        }
        assert!(matches!(library.add(digests[MODULES_MAX], String::new(), file(b"x")), Err(Unusable::Full)));
        for _ in 0..MODULES_MAX {
            let done = checked.blocking_recv().unwrap();
            assert!(library.checked(done).is_some());
        }
        assert!(matches!(library.get(&digests[0]), Some(Held::Useless(_))));
        assert!(library.held().is_empty() && library.ready(&digests[0]).is_none());
        library.keep(&BTreeSet::from([digests[0]]));
        assert!(library.get(&digests[1]).is_none());
        library.add(digests[0], String::new(), file(b"x")).unwrap();
        assert!(matches!(library.get(&digests[0]), Some(Held::Coming)));
    }
}
