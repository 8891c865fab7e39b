//! The desk: one operation of a person, of the clock or of a node, from beginning to end. Each is one transaction of the
//! books; nodes are woken after it, and find in the books what they are to be told.

mod alerts;
mod amendments;
mod clock;
mod grants;
mod nodes;
mod policies;
mod questions;
mod requests;
mod sessions;
mod thread;
mod view;
mod wishes;

pub use amendments::Proposal;
pub use nodes::Standing;
pub use policies::{Change, NewPolicy, Pushed};
pub use requests::{NewRequest, Wanted};

use crate::config::Limits;
use crate::domain::act::Forbidden;
use crate::domain::actor::Actor;
use crate::domain::policy::stage;
use crate::domain::request::{AccessRequest, Refused};
use crate::domain::text::TargetName;
use crate::files::FileError;
use crate::link::Hub;
use crate::modules::Modules;
use crate::store::{Store, StoreError};
use crate::token::{Token, TokenHash};
use ed25519_dalek::SigningKey;
use portcullis_model::action::Role;
use portcullis_model::admins::SignatureError;
use portcullis_model::grant::GrantError;
use portcullis_model::time::UnixMs;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

/// Why an operation was not done. Nothing was changed then.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// There is none, or none that this person sees.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// This person may not.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// A field is not what it has to be.
    #[error("{field}: {problem}")]
    Invalid {
        /// the field
        field: &'static str,
        /// what is wrong with it
        problem: String,
    },
    /// It does not fit the state of things.
    #[error("{0}")]
    Conflict(String),
    /// There is too much of it already.
    #[error("{0}")]
    Limit(String),
    /// The signature is good, and not by somebody who may.
    #[error("signature: {0}")]
    NotSigned(SignatureError),
    /// A module's file failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The work was interrupted.
    #[error("the work was interrupted")]
    Interrupted,
    /// The books failed.
    #[error(transparent)]
    Store(StoreError),
    /// The system gives no random bytes.
    #[error("no random bytes from the system")]
    Random(#[from] getrandom::Error),
    /// A grant or revocation cannot be signed.
    #[error("cannot sign")]
    Sign(#[from] GrantError),
}

impl From<Refused> for DeskError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Duration { .. } | Refused::TooLong { .. } => Self::Invalid { field: "duration_s", problem: refused.to_string() },
            Refused::Life(_) | Refused::Time(..) => Self::Conflict(refused.to_string()),
        }
    }
}

impl From<stage::Refused> for DeskError {
    fn from(refused: stage::Refused) -> Self {
        Self::Conflict(refused.to_string())
    }
}

impl From<StoreError> for DeskError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Moved => Self::Conflict(error.to_string()),
            StoreError::NoUid => Self::Limit(error.to_string()),
            other => Self::Store(other),
        }
    }
}

/// The desk.
#[derive(Debug)]
pub struct Desk {
    pub(crate) store: Store,
    pub(crate) hub: Arc<Hub>,
    pub(crate) targets: BTreeMap<TargetName, Role>,
    pub(crate) limits: Limits,
    pub(crate) evidence: PathBuf,
    pub(crate) modules: Modules,
    pub(crate) policy_admins: PathBuf,
    pub(crate) node_token: TokenHash,
    pub(crate) key: SigningKey,
}

/// What the wall clock says.
pub(crate) fn now() -> UnixMs {
    UnixMs::from_system(SystemTime::now())
}

/// Random bytes for an id.
pub(crate) fn entropy<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// Who requested something sees it, and whoever's role sees all.
pub(crate) fn sees(actor: &Actor, request: &AccessRequest) -> bool {
    actor.role.sees_all() || actor.name == request.facts().requested_by
}

impl Desk {
    /// Who shows this token; none when nobody holds it.
    ///
    /// # Errors
    /// When the books fail.
    pub async fn holder(&self, token: &Token) -> Result<Option<Actor>, DeskError> {
        let shown = token.hash();
        let holders = self.store.read().await?.holders().await?;
        // all are compared, whichever it is
        let found = holders.into_iter().fold(None, |found, holder| if holder.hash.matches(&shown) { Some(holder.actor) } else { found });
        Ok(found)
    }

    /// Gives a token to a holder; one that the holder had is void.
    ///
    /// # Errors
    /// When the books fail.
    pub async fn grant_token(&self, actor: &Actor, token: &Token) -> Result<(), DeskError> {
        let mut write = self.store.write().await?;
        write.put_token(actor, token.hash(), now()).await?;
        Ok(write.commit().await?)
    }

    /// Whether this is the nodes' token.
    #[must_use]
    pub fn is_node(&self, token: &Token) -> bool {
        self.node_token.matches(&token.hash())
    }
}
