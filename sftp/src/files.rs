//! The file layer: a name is resolved to what it stands for, the policy is asked about *that*, and *that* is then worked on.
//!
//! Between the question and the deed nothing is looked up again: files are held by descriptor and opened by it, entries of folders by
//! their folder's descriptor. A name that is changed meanwhile changes nothing about what was judged. What the jail shows is the limit of
//! it all: mounts, Landlock and the operator's uid hold here as for any program of the session.

mod asked;
mod held;
mod moved;
mod name;
mod walk;
mod work;

pub use asked::{Ask, FileError};
pub use held::Held;
pub use moved::Meter;
pub use name::{Entry, Found, Names};
pub use work::{Files, How, Renaming};

/// Handles that may be open at a time.
pub const HANDLES_MAX: usize = 512;

#[cfg(test)]
mod tests;
