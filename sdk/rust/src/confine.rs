//! What a process that a row allows is held to by the kernel, as data.
//!
//! Most rows have none: their programs run as the session does. A row with one is refused by a node that cannot enforce it, so
//! what needs none should have none.
//!
//! ```
//! use portcullis_sdk::{Children, Confine, PathSet};
//!
//! /// Root, for reading logs: nothing else is read, nothing is written, nothing is started.
//! const READS_LOGS: Confine = Confine::as_user("root")
//!     .reads(&[PathSet::SYSTEM, PathSet(&["/var/log"])])
//!     .writes(&[])
//!     .children(Children::Forbidden)
//!     .capabilities(&["CAP_DAC_READ_SEARCH"])
//!     .network(portcullis_sdk::confine::Reach::None);
//! ```

use crate::path::PathSet;
use crate::{Children, Confinement, Network, Session};

/// What a process is held to, beyond what the session's jail does already.
#[derive(Debug, Clone, Copy)]
pub struct Confine {
    /// The user that it runs as; none for the session's own.
    pub run_as: Option<&'static str>,
    /// What it may read, sets joined; none for all that the jail shows.
    pub read: Option<&'static [PathSet]>,
    /// What it may write, sets joined; none for all that the jail lets be written.
    pub write: Option<&'static [PathSet]>,
    /// What it may execute, sets joined; none for all that the jail lets be executed.
    pub execute: Option<&'static [PathSet]>,
    /// The network that it may use.
    pub network: Reach,
    /// What its children may be.
    pub children: Children,
    /// Capabilities of a process that runs as root; without them it is root by its number alone.
    pub capabilities: &'static [&'static str],
    /// Environment variables that it keeps; none for all.
    pub environment: Option<&'static [&'static str]>,
    /// Milliseconds that it may run; none for the session's time.
    pub time_limit_ms: Option<u64>,
}

/// The network that a process may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// What the session has.
    Session,
    /// None.
    None,
    /// TCP connections to these ports.
    Ports(&'static [u16]),
}

impl Confine {
    /// Adds nothing.
    pub const NOTHING: Self = Self {
        run_as: None,
        read: None,
        write: None,
        execute: None,
        network: Reach::Session,
        children: Children::Judged,
        capabilities: &[],
        environment: None,
        time_limit_ms: None,
    };

    /// As a user, and nothing else.
    #[must_use]
    pub const fn as_user(user: &'static str) -> Self {
        Self { run_as: Some(user), ..Self::NOTHING }
    }

    /// The same, reading these sets only. [`PathSet::SYSTEM`] belongs to them, or no program starts.
    #[must_use]
    pub const fn reads(self, sets: &'static [PathSet]) -> Self {
        Self { read: Some(sets), ..self }
    }

    /// The same, writing these sets only.
    #[must_use]
    pub const fn writes(self, sets: &'static [PathSet]) -> Self {
        Self { write: Some(sets), ..self }
    }

    /// The same, executing these sets only. [`PathSet::PROGRAMS`] belongs to them, or no program starts.
    #[must_use]
    pub const fn executes(self, sets: &'static [PathSet]) -> Self {
        Self { execute: Some(sets), ..self }
    }

    /// The same with this network.
    #[must_use]
    pub const fn network(self, network: Reach) -> Self {
        Self { network, ..self }
    }

    /// The same with children of this kind.
    #[must_use]
    pub const fn children(self, children: Children) -> Self {
        Self { children, ..self }
    }

    /// The same with these capabilities.
    #[must_use]
    pub const fn capabilities(self, capabilities: &'static [&'static str]) -> Self {
        Self { capabilities, ..self }
    }

    /// The same, keeping these environment variables only.
    #[must_use]
    pub const fn environment(self, names: &'static [&'static str]) -> Self {
        Self { environment: Some(names), ..self }
    }

    /// The same for at most so many milliseconds.
    #[must_use]
    pub const fn time_limit_ms(self, ms: u64) -> Self {
        Self { time_limit_ms: Some(ms), ..self }
    }

    /// What the node is told for a process of `session`. `operands` are absolute paths, for [`PathSet::OPERANDS`].
    #[must_use]
    pub fn told(&self, session: &Session, operands: &[String]) -> Confinement {
        let set = |sets: &'static [PathSet]| sets.iter().flat_map(|set| set.0).flat_map(|path| places(path, session, operands)).collect();
        let names = |names: &'static [&'static str]| names.iter().map(|name| (*name).to_owned()).collect();
        Confinement {
            run_as: self.run_as.map(str::to_owned),
            read: self.read.map(set),
            write: self.write.map(set),
            execute: self.execute.map(set),
            network: match self.network {
                Reach::Session => Network::Session,
                Reach::None => Network::None,
                Reach::Ports(ports) => Network::Ports(ports.to_vec()),
            },
            children: self.children,
            capabilities: names(self.capabilities),
            environment: self.environment.map(names),
            time_limit_ms: self.time_limit_ms,
        }
    }

    /// Whether any of its sets has what the operands name.
    pub(crate) fn wants_operands(&self) -> bool {
        [self.read, self.write, self.execute].into_iter().flatten().flatten().any(|set| set.0.contains(&PathSet::OPERANDS))
    }
}

fn places(path: &str, session: &Session, operands: &[String]) -> Vec<String> {
    match path {
        PathSet::HOME => vec![format!("/home/{}", session.account)],
        PathSet::OPERANDS => operands.to_vec(),
        path => vec![path.to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::session;

    #[test]
    fn what_stands_in_a_row_is_what_the_node_is_told() {
        const ROW: Confine = Confine::as_user("root").reads(&[PathSet(&["/a"]), PathSet(&["/b", PathSet::HOME])]).writes(&[PathSet(&[PathSet::OPERANDS])]).children(Children::Forbidden);
        let confinement = ROW.told(&session("INFRA_DIAG", "cps"), &["/x".to_owned(), "/y".to_owned()]);
        assert_eq!(confinement.run_as.as_deref(), Some("root"));
        assert_eq!(confinement.read.unwrap(), ["/a", "/b", "/home/ann"]);
        assert_eq!((confinement.write.unwrap().as_slice(), confinement.execute, confinement.children), (&["/x".to_owned(), "/y".to_owned()][..], None, Children::Forbidden));
        assert_eq!(crate::Verdict::Allow(Confine::NOTHING.told(&session("INFRA_DIAG", "cps"), &[])), crate::allow());
    }
}
