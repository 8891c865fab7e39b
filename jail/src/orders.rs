//! What the guard tells the helper: by which name it is run, how it asks, and what it is answered.
//!
//! The helper is a program of ours in the jail which the guard has a caller become when a permit confines what it wants to run.
//! It asks by executing names that are no files: the guard answers such a call itself, and only to a process that it has just
//! seen become the helper. So there is no socket that others could use, and nothing that the caller could have said.

use portcullis_model::verdict::Confinement;
use serde::{Deserialize, Serialize};
use std::ffi::CStr;

/// Where the jail has the helper.
pub(crate) const HELPER: &str = "/run/portcullis/confine";
/// The same, as system calls take it.
pub(crate) const HELPER_PATH: &CStr = c"/run/portcullis/confine";
/// Its name, and its only argument.
pub(crate) const HELPER_NAME: &CStr = c"portcullis-confine";
/// The question for orders: answered with the number of a descriptor that they are read from.
pub(crate) const ORDERS: &CStr = c"/run/portcullis/confine/orders";

/// What the helper is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Orders {
    /// The program, by the name that leads to what was judged.
    #[serde(with = "portcullis_model::bytes")]
    pub(crate) name: Vec<u8>,
    /// Its arguments, as the caller gave them.
    #[serde(with = "portcullis_model::bytes::list")]
    pub(crate) arguments: Vec<Vec<u8>>,
    /// Its whole environment.
    #[serde(with = "portcullis_model::bytes::list")]
    pub(crate) environment: Vec<Vec<u8>>,
    /// What it is held to.
    pub(crate) confinement: Confinement,
}
