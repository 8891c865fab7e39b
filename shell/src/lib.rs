//! The mediating shell: the operator's lines are parsed, judged by way of the session's keeper, and handed to the host's
//! bash when they are accepted.
//!
//! [`parse`] is pure. The rest talks to the keeper ([`client`]), to the [`terminal`] and to the [`engine`]; [`front`] is
//! the life of a line. Nothing here is trusted by the rest of Portcullis: what a line leads to is judged again, exec by exec.

pub mod client;
pub mod edit;
pub mod engine;
pub mod front;
pub mod parse;
pub mod signals;
pub mod terminal;
pub mod wait;
