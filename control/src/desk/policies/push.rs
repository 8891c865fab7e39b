//! A push: checked as far as can be without an engine, kept, and written down, in this order.

use super::super::{Desk, DeskError, now};
use crate::domain::act::{Author, Forbidden};
use crate::domain::actor::{Actor, UserRole};
use crate::domain::policy::{Facts, Label, PolicyVersion};
use crate::files;
use crate::store::Description;
use portcullis_model::action::{Action, Role};
use portcullis_model::admins::{Admin, PolicyAdmins, SignatureError};
use portcullis_model::id::PolicyDigest;
use portcullis_model::policy::{MODULE_MAX, SIGNATURE_MAX};
use std::path::Path;

/// How every component begins: the magic, and the version of the layer of components.
const COMPONENT: [u8; 8] = *b"\0asm\x0d\0\x01\0";
/// Most versions that the books take.
const VERSIONS_MAX: u64 = 1000;
/// Most rows of what a module allows, and most bytes of each part of one.
const ALLOWED_MAX: usize = 512;
const FORM_MAX: usize = 256;
const NOTE_MAX: usize = 512;

/// What is pushed: each field checked by its type, all of them together by [`Desk::push`].
#[derive(Debug, Clone)]
pub struct NewPolicy {
    /// The component.
    pub component: Vec<u8>,
    /// A policy admin's signature over it, armoured.
    pub signature: String,
    /// The module's name.
    pub name: Label,
    /// Its version.
    pub version: Label,
    /// The action that it judges.
    pub action: Action,
    /// The roles that it judges it on.
    pub roles: Vec<Role>,
    /// The interface that it was built for.
    pub abi: Label,
    /// What else it says about itself.
    pub description: Description,
}

/// Whether a push made something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Pushed {
    /// The version is new.
    New(PolicyDigest),
    /// It was there already, and stays as it is.
    Known(PolicyDigest),
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, DeskError> + Send + 'static) -> Result<T, DeskError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| DeskError::Interrupted)?
}

fn invalid(field: &'static str, problem: impl ToString) -> DeskError {
    DeskError::Invalid { field, problem: problem.to_string() }
}

/// The admin who signed it, from the file as it is now.
fn author(admins: &Path, component: &[u8], signature: &str) -> Result<Admin, DeskError> {
    let shown = admins.display();
    let text = files::read_trusted(admins)
        .map_err(|error| DeskError::Conflict(format!("the policy admins' file cannot be used: {error}")))?
        .ok_or_else(|| DeskError::Conflict(format!("nobody may push: there is no file of policy admins, {shown}")))?;
    let admins = PolicyAdmins::parse(&text).map_err(|error| DeskError::Conflict(format!("the policy admins' file {shown} cannot be used: {error}")))?;
    match admins.verify(component, signature) {
        Ok(admin) => Ok(admin.clone()),
        Err(error @ (SignatureError::Stranger(_) | SignatureError::Untouched)) => Err(DeskError::NotSigned(error)),
        Err(error) => Err(invalid("signature", error)),
    }
}

impl Desk {
    /// Takes a new version. One that is there already stays as it is.
    ///
    /// # Errors
    /// When this person may not, no policy admin signed it, or it cannot be a module.
    pub async fn push(&self, actor: &Actor, mut new: NewPolicy) -> Result<Pushed, DeskError> {
        if actor.role != UserRole::PolicyAdmin {
            return Err(Forbidden::Policies(actor.role).into());
        }
        if new.component.len() > MODULE_MAX {
            return Err(invalid("component", format_args!("{} bytes, at most {MODULE_MAX} are taken", new.component.len())));
        }
        if !new.component.starts_with(&COMPONENT) {
            return Err(invalid("component", "it is not a WebAssembly component"));
        }
        if new.signature.len() > SIGNATURE_MAX {
            return Err(invalid("signature", "it is too long"));
        }
        new.roles.sort_unstable();
        new.roles.dedup();
        if new.roles.is_empty() {
            return Err(invalid("roles", "one at least"));
        }
        let rows = &new.description.allowed;
        if rows.len() > ALLOWED_MAX || rows.iter().any(|row| row.form.len() > FORM_MAX || row.note.len() > NOTE_MAX) {
            return Err(invalid("allowed", format_args!("at most {ALLOWED_MAX} rows of {FORM_MAX} and {NOTE_MAX} bytes")));
        }
        let (admins, signature) = (self.policy_admins.clone(), new.signature.clone());
        let size = new.component.len() as u64;
        let component = std::mem::take(&mut new.component);
        let (author, digest, component) = blocking(move || {
            let author = author(&admins, &component, &signature)?;
            Ok((author, PolicyDigest::of(&component), component))
        })
        .await?;
        {
            let mut read = self.store.read().await?;
            if read.policy(&digest).await?.is_some() {
                return Ok(Pushed::Known(digest));
            }
            if read.policy_count().await? >= VERSIONS_MAX {
                return Err(DeskError::Limit(format!("{VERSIONS_MAX} versions are here already")));
            }
        }
        // on the disk before the books name it
        let modules = self.modules.clone();
        blocking(move || Ok(modules.put(&component)?)).await?;
        let facts = Facts {
            digest,
            name: new.name,
            version: new.version,
            action: new.action,
            roles: new.roles,
            abi: new.abi,
            size,
            author: author.fingerprint(),
            author_name: author.comment().chars().take(200).collect(),
            signature: new.signature,
            pushed_by: actor.name.clone(),
            pushed: now(),
        };
        let version = PolicyVersion::push(facts);
        let mut write = self.store.write().await?;
        if write.policy(&digest).await?.is_some() {
            return Ok(Pushed::Known(digest));
        }
        write.insert_policy(&version, &new.description, &Author::Person(actor.clone())).await?;
        write.commit().await?;
        tracing::info!(policy = %digest, by = %actor.name, "policy pushed");
        Ok(Pushed::New(digest))
    }
}
