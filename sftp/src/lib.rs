//! What a session serves without a shell: SFTP, the protocol of `scp -O`, and a forwarded connection.
//!
//! Two programs, each the only one of its session, started by the jail as the operator's uid: `portcullis-sftp` and `portcullis-forward`.
//! Both ask the session's keeper ([`keeper`]) before they do anything that a policy judges, and do it only when it is allowed *and*
//! recorded. Neither is trusted: a program that a client's bytes took over has what the jail gives that uid, and can start nothing.
//!
//! [`protocol`] is pure: bytes to requests, replies to bytes. [`files`] resolves names without races and does what was judged; [`server`]
//! and [`scp`] are the two ways to ask for it. [`forward`] looks a name up, has each address judged, and passes bytes on.

pub mod files;
pub mod forward;
pub mod keeper;
pub mod protocol;
pub mod scp;
pub mod server;
