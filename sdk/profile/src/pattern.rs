//! What one word may be.

use serde::{Deserialize, Serialize};

/// What one word may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pattern {
    /// Anything, also nothing.
    Any,
    /// Text in which `*` stands for any bytes and `?` for one; without them, that text.
    Glob(String),
    /// A decimal number between two bounds, both included; no sign, no leading zeros.
    Number(u64, u64),
    /// A path that lies in one of these folders, or is one of them, once it was made absolute and freed of `..`.
    Path(Vec<Text>),
    /// Text with a session's placeholders.
    Text(Text),
    /// One of these.
    Either(Vec<Pattern>),
}

/// Text with placeholders for facts of the session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text(pub Vec<Piece>);

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Piece {
    /// As it stands.
    Plain(String),
    /// `{home}`: `/home/` and the account.
    Home,
    /// `{account}`
    Account,
    /// `{operator}`
    Operator,
    /// `{target}`
    Target,
    /// `{role}`
    Role,
    /// `{action}`
    Action,
    /// `{request}`
    Request,
    /// `{ticket}`
    Ticket,
    /// `{command}`: what was asked for, in prompts only.
    Command,
}

impl Piece {
    /// The placeholders by their names.
    pub const NAMES: &'static [(&'static str, Self)] = &[
        ("home", Self::Home),
        ("account", Self::Account),
        ("operator", Self::Operator),
        ("target", Self::Target),
        ("role", Self::Role),
        ("action", Self::Action),
        ("request", Self::Request),
        ("ticket", Self::Ticket),
        ("command", Self::Command),
    ];
}
