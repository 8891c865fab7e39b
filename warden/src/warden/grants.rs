//! The grants that this node enforces, and the revocations that it never forgets in time.
//!
//! Both are kept as the controller signed them and are verified again whenever they are read, so neither the gateway nor
//! whoever can write the state folder's files mints access. A revocation is kept for as long as its grant could still be
//! presented: until a week after the grant's end, for ever when the grant was never seen. A file of revocations that cannot
//! be read still revokes: its name is the grant.

use super::fingerprint;
use super::store::{Store, StoreError};
use ed25519_dalek::VerifyingKey;
use portcullis_model::grant::{Grant, GrantError, Revocation, SignedGrant, SignedRevocation};
use portcullis_model::id::GrantId;
use portcullis_model::receipt::RevokeReceipt;
use portcullis_model::time::UnixMs;
use portcullis_model::wire::packet;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;

/// How long after its grant's end a revocation is forgotten: the wall clock may have been wrong.
const REVOCATION_KEPT_MS: u64 = 7 * 24 * 3600 * 1000;
/// Most bytes of all grants together, some thousands: they are told to a gateway that has just connected, and wait in memory
/// until it has taken them.
const GRANTS_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most bytes of the grants in one packet to the gateway; the rest is for what is around them.
const PAGE_BYTES_MAX: usize = packet::PACKET_MAX - 1024;

/// Why a grant is not kept, not used, or not revoked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GrantsError {
    /// The controller did not sign it, or not for this node.
    #[error(transparent)]
    Grant(#[from] GrantError),
    /// It was revoked.
    #[error("grant {0} was revoked")]
    Revoked(GrantId),
    /// Its time is over.
    #[error("grant {0} has ended")]
    Ended(GrantId),
    /// Its time has not begun.
    #[error("grant {0} is not in force yet")]
    Early(GrantId),
    /// Nobody presented it.
    #[error("grant {0} is not known here")]
    Unknown(GrantId),
    /// Another grant has its id.
    #[error("another grant is kept under the id {0}")]
    Differs(GrantId),
    /// Its key is no key.
    #[error(transparent)]
    Key(#[from] fingerprint::InvalidKey),
    /// The connection was signed by another key.
    #[error("the key {found} is not the key of grant {grant}")]
    WrongKey {
        /// the grant
        grant: GrantId,
        /// the connection's key
        found: String,
    },
    /// No more fit.
    #[error("this node keeps as many grants as it can hold")]
    Full,
    /// It cannot be kept on the disk.
    #[error("cannot be kept")]
    Store(#[from] StoreError),
}

/// A grant that this node keeps.
#[derive(Debug)]
struct Kept {
    signed: SignedGrant,
    grant: Grant,
    fingerprint: String,
    bytes: usize,
}

/// A revocation that this node keeps.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct RevokedFile {
    /// None for a file that could not be read.
    revocation: Option<SignedRevocation>,
    /// What it did, once it is done.
    receipt: Option<RevokeReceipt>,
    /// When it may be forgotten; none for never.
    until: Option<UnixMs>,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Grants {
    key: VerifyingKey,
    target: String,
    kept: HashMap<GrantId, Kept>,
    revoked: HashMap<GrantId, RevokedFile>,
    grant_files: Store,
    revocation_files: Store,
}

/// What a grant that was brought is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Installed {
    /// One that was not kept, or not with so late an end.
    News(GrantId),
    /// Kept already.
    Known,
}

impl Grants {
    /// Reads what is in the state folder.
    ///
    /// # Errors
    /// [`StoreError`] when the folder cannot be used. A file that does not verify is left where it is, with a line in the
    /// log.
    pub(crate) fn load(state: &Path, key: VerifyingKey, target: String, now: UnixMs) -> Result<Self, StoreError> {
        let (grant_files, revocation_files) = (Store::open(state.join("grants"))?, Store::open(state.join("revocations"))?);
        let mut all = Self { key, target, kept: HashMap::new(), revoked: HashMap::new(), grant_files, revocation_files };
        for found in all.revocation_files.load::<RevokedFile>()? {
            let Ok(id) = found.name.parse::<GrantId>() else { continue };
            let file = found.value.unwrap_or_else(|problem| {
                tracing::warn!(grant = %id, problem, "a revocation cannot be read; the grant stays revoked");
                RevokedFile { revocation: None, receipt: None, until: None }
            });
            all.revoked.insert(id, file);
        }
        for found in all.grant_files.load::<SignedGrant>()? {
            let checked = found.value.map_err(|problem| tracing::warn!(file = found.name, problem, "a grant cannot be read"));
            let Ok(signed) = checked else { continue };
            match all.check(&signed, now) {
                Ok(kept) if kept.grant.id.as_str() == found.name => drop(all.kept.insert(kept.grant.id.clone(), kept)),
                Ok(kept) => tracing::warn!(file = found.name, grant = %kept.grant.id, "a grant is not in the file of its name"),
                Err(GrantsError::Ended(_) | GrantsError::Revoked(_)) => {}
                Err(error) => tracing::warn!(file = found.name, %error, "a grant is not taken up again"),
            }
        }
        all.purge(now);
        Ok(all)
    }

    /// Keeps a grant, on the disk as well. Of one that was extended the later end is kept, whichever comes last: who carries grants cannot
    /// shorten one by carrying an earlier form of it again.
    ///
    /// # Errors
    /// [`GrantsError`]; it is not kept then.
    pub(crate) fn install(&mut self, signed: SignedGrant, now: UnixMs) -> Result<Installed, GrantsError> {
        let checked = self.check(&signed, now)?;
        let id = checked.grant.id.clone();
        if let Some(kept) = self.kept.get(&id) {
            if !kept.grant.is_but_for_its_end(&checked.grant) {
                return Err(GrantsError::Differs(id));
            }
            if checked.grant.not_after <= kept.grant.not_after {
                return Ok(Installed::Known);
            }
        }
        let all: usize = self.kept.iter().filter(|(kept, _)| **kept != id).map(|(_, kept)| kept.bytes).sum();
        if checked.bytes > PAGE_BYTES_MAX || all + checked.bytes > GRANTS_BYTES_MAX {
            return Err(GrantsError::Full);
        }
        self.grant_files.put(id.as_str(), &signed)?;
        self.kept.insert(id.clone(), checked);
        Ok(Installed::News(id))
    }

    /// The grant, if a session may be opened under it now by the holder of the key with this fingerprint.
    ///
    /// # Errors
    /// [`GrantsError`] says what is against it.
    pub(crate) fn usable(&self, id: &GrantId, key_fingerprint: &str, now: UnixMs) -> Result<&Grant, GrantsError> {
        if self.revoked.contains_key(id) {
            return Err(GrantsError::Revoked(id.clone()));
        }
        let kept = self.kept.get(id).ok_or_else(|| GrantsError::Unknown(id.clone()))?;
        if now >= kept.grant.not_after {
            return Err(GrantsError::Ended(id.clone()));
        }
        if !kept.grant.is_live(now) {
            return Err(GrantsError::Early(id.clone()));
        }
        if kept.fingerprint != key_fingerprint {
            return Err(GrantsError::WrongKey { grant: id.clone(), found: key_fingerprint.chars().take(80).collect() });
        }
        Ok(&kept.grant)
    }

    /// A grant that is kept, as the controller signed it, and its end.
    pub(crate) fn kept(&self, id: &GrantId) -> Option<(&SignedGrant, UnixMs)> {
        self.kept.get(id).map(|kept| (&kept.signed, kept.grant.not_after))
    }

    /// A grant that is kept, and the fingerprint of its key.
    pub(crate) fn known(&self, id: &GrantId) -> Option<(&Grant, &str)> {
        self.kept.get(id).map(|kept| (&kept.grant, kept.fingerprint.as_str()))
    }

    /// Whether sessions can be opened under the grant now.
    pub(crate) fn is_live(&self, id: &GrantId, now: UnixMs) -> bool {
        !self.revoked.contains_key(id) && self.kept.get(id).is_some_and(|kept| kept.grant.is_live(now))
    }

    /// Records a revocation, first in memory, then on the disk, and gives it back. Repeating it does no harm.
    ///
    /// # Errors
    /// [`GrantsError::Grant`] when the controller did not sign it for this node: nothing is revoked then.
    /// [`GrantsError::Store`] when it is in force but would not survive a restart.
    pub(crate) fn revoke(&mut self, signed: SignedRevocation) -> Result<Revocation, RevokeError> {
        let revocation = signed.verify(&self.key, &self.target).map_err(RevokeError::Unsigned)?;
        let id = revocation.grant.clone();
        if self.revoked.get(&id).is_some_and(|file| file.revocation.is_some()) {
            return Ok(revocation);
        }
        let until = self.kept.get(&id).map(|kept| kept.grant.not_after.plus(REVOCATION_KEPT_MS));
        let file = RevokedFile { revocation: Some(signed), receipt: None, until };
        let written = self.revocation_files.put(id.as_str(), &file);
        // a file that is not written is written when the revocation is repeated
        let remembered = if written.is_ok() { file } else { RevokedFile { revocation: None, receipt: None, until } };
        self.revoked.insert(id, remembered);
        match written {
            Ok(()) => Ok(revocation),
            Err(source) => Err(RevokeError::NotKept { revocation: Box::new(revocation), source }),
        }
    }

    /// The receipt of a revocation that was done before.
    pub(crate) fn receipt(&self, id: &GrantId) -> Option<&RevokeReceipt> {
        self.revoked.get(id)?.receipt.as_ref()
    }

    /// Keeps the receipt of a revocation, and forgets the grant: it is of no more use.
    ///
    /// # Errors
    /// [`StoreError`]; the receipt is then not given again after a restart.
    pub(crate) fn done(&mut self, receipt: &RevokeReceipt) -> Result<(), StoreError> {
        let id = &receipt.grant;
        let Some(file) = self.revoked.get_mut(id) else { return Ok(()) };
        file.receipt = Some(receipt.clone());
        if file.revocation.is_some() {
            self.revocation_files.put(id.as_str(), file)?;
            self.kept.remove(id);
            self.grant_files.remove(id.as_str())?;
        }
        Ok(())
    }

    /// All grants that are kept and not revoked, as the controller signed them, in pages that each fit a packet.
    pub(crate) fn pages(&self) -> Vec<Vec<SignedGrant>> {
        let mut pages = Vec::new();
        let (mut page, mut bytes) = (Vec::new(), 0);
        for (_, kept) in self.kept.iter().filter(|(id, _)| !self.revoked.contains_key(id)) {
            if bytes + kept.bytes > PAGE_BYTES_MAX && !page.is_empty() {
                pages.push(std::mem::take(&mut page));
                bytes = 0;
            }
            page.push(kept.signed.clone());
            bytes += kept.bytes;
        }
        if !page.is_empty() {
            pages.push(page);
        }
        pages
    }

    /// Forgets what has ended.
    pub(crate) fn purge(&mut self, now: UnixMs) {
        let ended: Vec<GrantId> = self.kept.iter().filter(|(_, kept)| now >= kept.grant.not_after).map(|(id, _)| id.clone()).collect();
        let forgotten: Vec<GrantId> =
            self.revoked.iter().filter(|(_, file)| file.until.is_some_and(|until| now >= until)).map(|(id, _)| id.clone()).collect();
        for id in ended {
            self.kept.remove(&id);
            log_failure(&id, self.grant_files.remove(id.as_str()));
        }
        for id in forgotten {
            self.revoked.remove(&id);
            log_failure(&id, self.revocation_files.remove(id.as_str()));
        }
    }

    fn check(&self, signed: &SignedGrant, now: UnixMs) -> Result<Kept, GrantsError> {
        let grant = signed.verify(&self.key, &self.target)?;
        if self.revoked.contains_key(&grant.id) {
            return Err(GrantsError::Revoked(grant.id));
        }
        if now >= grant.not_after {
            return Err(GrantsError::Ended(grant.id));
        }
        let fingerprint = fingerprint::of_line(&grant.public_key)?;
        let bytes = packet::encode(signed).map_or(usize::MAX / 2, |bytes| bytes.len());
        Ok(Kept { signed: signed.clone(), grant, fingerprint, bytes })
    }
}

/// What became of a revocation that could not be recorded as it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RevokeError {
    /// It is not the controller's, or not for this node: nothing is revoked.
    #[error(transparent)]
    Unsigned(GrantError),
    /// It is in force, but not on the disk.
    #[error("the revocation is in force, but cannot be kept over a restart")]
    NotKept {
        /// what is in force
        revocation: Box<Revocation>,
        /// the disk's reason
        source: StoreError,
    },
}

fn log_failure(id: &GrantId, result: Result<(), StoreError>) {
    if let Err(error) = result {
        tracing::warn!(grant = %id, error = &error as &dyn std::error::Error, "a file that has served cannot be removed");
    }
}

#[cfg(test)]
pub(crate) mod tests;
