//! The nouns of Portcullis and the one rule that joins them.
//!
//! A customer approves a request; the controller signs a [`Grant`](grant::Grant); a session runs under it; everything
//! the session wants to do is a [`Subject`](subject::Subject); a policy module answers with a
//! [`Verdict`](verdict::Verdict); [`decide`](decision::decide) turns what was heard (or not heard) into a
//! [`Decision`](decision::Decision); only a [`Committed`](decision::Committed) permit lets anything continue.
//!
//! This crate does no I/O, spawns nothing and knows no clock: time and entropy are passed in.
#![forbid(unsafe_code)]

pub mod account;
pub mod action;
pub mod admins;
pub mod alert;
pub mod asking;
pub mod audit;
pub mod boot;
pub mod bytes;
pub mod decision;
pub mod digest;
pub mod event;
pub mod grant;
pub mod id;
pub mod layer;
pub mod policy;
pub mod receipt;
pub mod scp;
pub mod session;
pub mod subject;
pub mod time;
pub mod transfer;
pub mod verdict;
pub mod wire;
pub mod wish;
