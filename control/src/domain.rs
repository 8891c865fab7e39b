//! What a request is, who may do what to it, and what it may become. Pure: time and entropy are passed in.
//!
//! [`life`] is the table of a request's states; [`act`] says who may move it, as types; [`request`] joins them;
//! [`deployment`] is what became of a grant on its node, which is never mixed with the request's own state.
//! [`amendment`] is a change of a request in force, which is decided as the request was.
//! [`policy`] is a version of a policy module and its life.

pub mod act;
pub mod actor;
pub mod amendment;
pub mod deployment;
pub mod key;
pub mod life;
pub mod policy;
pub mod request;
pub mod text;
