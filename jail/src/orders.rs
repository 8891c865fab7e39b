//! What the guard tells the helper: by which name it is run, how it asks, and what it is answered.
//!
//! The helper is a program of ours in the jail which the guard has a caller become when a permit confines what it wants to run.
//! It asks by executing names that are no files: the guard answers such a call itself, and only to a process that it has just
//! seen become the helper. So there is no socket that others could use, and nothing that the caller could have said.

use portcullis_model::session::ExitStatus;
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
/// The question of a helper that stands for a program: what has become of it? Answered, once there is something, with [`News`]. To ask
/// again after it was stopped says that it may go on.
pub(crate) const NEWS: &CStr = c"/run/portcullis/confine/news";

/// What the helper is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::large_enum_variant, reason = "one is made, written and forgotten")]
pub(crate) enum Orders {
    /// To hold itself to something and become the program.
    Become {
        /// The program, by the name that leads to what was judged.
        #[serde(with = "portcullis_model::bytes")]
        name: Vec<u8>,
        /// Its arguments, as the caller gave them.
        #[serde(with = "portcullis_model::bytes::list")]
        arguments: Vec<Vec<u8>>,
        /// Its whole environment.
        #[serde(with = "portcullis_model::bytes::list")]
        environment: Vec<Vec<u8>>,
        /// What it is held to.
        confinement: Confinement,
    },
    /// To stand, in its job, for the program that runs as another user.
    Stand,
}

/// What has become of a program, as one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum News {
    /// It is in the job from now on, and hears what the terminal says to that.
    Joined,
    /// It ended with this status.
    Exited(u8),
    /// It was ended by this signal.
    Killed(u8),
    /// It was stopped by this signal.
    Stopped(u8),
    /// It was not started.
    NotStarted,
}

impl News {
    pub(crate) fn encode(self) -> u32 {
        match self {
            Self::Exited(status) => 0x100 | u32::from(status),
            Self::Killed(signal) => 0x200 | u32::from(signal),
            Self::Stopped(signal) => 0x300 | u32::from(signal),
            Self::NotStarted => 0x400,
            Self::Joined => 0x500,
        }
    }

    pub(crate) fn decode(number: i64) -> Option<Self> {
        let low = u8::try_from(number & 0xff).ok()?;
        match number >> 8 {
            1 => Some(Self::Exited(low)),
            2 => Some(Self::Killed(low)),
            3 => Some(Self::Stopped(low)),
            4 => Some(Self::NotStarted),
            5 => Some(Self::Joined),
            _ => None,
        }
    }
}

impl From<ExitStatus> for News {
    fn from(status: ExitStatus) -> Self {
        match status {
            ExitStatus::Code(code) => Self::Exited(code),
            ExitStatus::Signal { number, .. } => Self::Killed(u8::try_from(number).unwrap_or(9)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_survive() {
        for news in [News::Exited(0), News::Exited(255), News::Killed(2), News::Stopped(20), News::NotStarted, News::Joined] {
            assert_eq!(News::decode(news.encode().into()), Some(news));
        }
        for nonsense in [0, 7, 0x600, -1, i64::MAX] {
            assert_eq!(News::decode(nonsense), None, "{nonsense:x}");
        }
    }
}
