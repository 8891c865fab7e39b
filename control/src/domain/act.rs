//! An act: an event of a request's life together with who caused it, when and why. An [`Act`] can only be made here,
//! and only for somebody who may; so a request cannot be moved by anybody else, and never without a trace.
//!
//! | event | by | and |
//! | --- | --- | --- |
//! | approve | approver | neither the requester nor the operator that the request is for |
//! | reject | approver | - |
//! | withdraw, close | operator | the requester |
//! | close | operator | whom the request is for, from inside a session |
//! | revoke | approver, provider-security | - |
//! | lapse, start, expire | the clock | - |

use super::actor::{Actor, UserRole};
use super::life::Event;
use super::request::Facts;
use super::text::{Comment, Reason};
use portcullis_model::time::UnixMs;

/// Who caused something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Author {
    /// A person.
    Person(Actor),
    /// The controller's clock.
    System,
}

impl Author {
    /// The name for history and signatures.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Person(actor) => actor.name.as_str(),
            Self::System => "system",
        }
    }

    /// The role; none for the clock.
    #[must_use]
    pub fn role(&self) -> Option<UserRole> {
        match self {
            Self::Person(actor) => Some(actor.role),
            Self::System => None,
        }
    }
}

/// Why somebody may not do something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// The role does not have this right.
    #[error("the role {role} may not {event} a request")]
    Role {
        /// the role
        role: UserRole,
        /// what was wanted
        event: Event,
    },
    /// Only operators make requests.
    #[error("the role {0} may not make a request")]
    Submit(UserRole),
    /// Segregation of duties.
    #[error("a request cannot be approved by the person who made it or whom it is for")]
    OwnRequest,
    /// Only policy admins change policies.
    #[error("the role {0} may not change policies")]
    Policies(UserRole),
    /// The module named others.
    #[error("this question is put to others by name")]
    NotAsked,
    /// Another operator's request.
    #[error("only the requester may {0} a request")]
    NotRequester(Event),
}

/// Somebody who may approve one request, and has nothing to do with it otherwise. Made by [`Approver::of`] only.
#[derive(Debug)]
#[must_use]
pub struct Approver(Actor);

impl Approver {
    /// The actor as approver of this request.
    ///
    /// # Errors
    /// When the role is not approver's, or the actor made the request or is the operator whom it is for.
    pub fn of(request: &Facts, actor: &Actor) -> Result<Self, Forbidden> {
        if actor.role != UserRole::Approver {
            return Err(Forbidden::Role { role: actor.role, event: Event::Approve });
        }
        if actor.name.is_same_person(&request.requested_by) || actor.name.is_same_person(&request.operator) {
            return Err(Forbidden::OwnRequest);
        }
        Ok(Self(actor.clone()))
    }
}

/// What a person may do to a request, beside approving it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Say no.
    Reject,
    /// Take it back.
    Withdraw,
    /// Be done.
    Close,
    /// End it before its time.
    Revoke,
}

/// What the clock does to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tick {
    /// Nobody answered in time.
    Lapse,
    /// Its time has come.
    Start,
    /// Its time is over.
    Expire,
}

/// An event with who, when and why.
#[derive(Debug)]
#[must_use]
pub struct Act {
    event: Event,
    author: Author,
    at: UnixMs,
    why: Comment,
    duration_s: Option<u64>,
}

impl Act {
    /// An approval, for a shorter duration if one is given.
    pub fn approve(by: Approver, at: UnixMs, why: Comment, duration_s: Option<u64>) -> Self {
        Self { event: Event::Approve, author: Author::Person(by.0), at, why, duration_s }
    }

    /// A person's step.
    ///
    /// # Errors
    /// When this person may not.
    pub fn step(step: Step, request: &Facts, actor: &Actor, at: UnixMs, why: Comment) -> Result<Self, Forbidden> {
        let (event, roles): (Event, &[UserRole]) = match step {
            Step::Reject => (Event::Reject, &[UserRole::Approver]),
            Step::Withdraw => (Event::Withdraw, &[UserRole::Operator]),
            Step::Close => (Event::Close, &[UserRole::Operator]),
            Step::Revoke => (Event::Revoke, &[UserRole::Approver, UserRole::ProviderSecurity]),
        };
        if !roles.contains(&actor.role) {
            return Err(Forbidden::Role { role: actor.role, event });
        }
        if actor.role == UserRole::Operator && actor.name != request.requested_by {
            return Err(Forbidden::NotRequester(event));
        }
        Ok(Self { event, author: Author::Person(actor.clone()), at, why, duration_s: None })
    }

    /// The operator closes the request from inside a session, whose key is the operator's.
    pub fn close_within(request: &Facts, at: UnixMs, why: Reason) -> Self {
        let actor = Actor { name: request.operator.clone(), role: UserRole::Operator };
        Self { event: Event::Close, author: Author::Person(actor), at, why: why.into(), duration_s: None }
    }

    /// The clock's doing.
    pub fn tick(tick: Tick, at: UnixMs, why: Comment) -> Self {
        let event = match tick {
            Tick::Lapse => Event::Lapse,
            Tick::Start => Event::Start,
            Tick::Expire => Event::Expire,
        };
        Self { event, author: Author::System, at, why, duration_s: None }
    }

    /// What happens.
    #[must_use]
    pub fn event(&self) -> Event {
        self.event
    }

    /// Who causes it.
    #[must_use]
    pub fn author(&self) -> &Author {
        &self.author
    }

    /// When.
    #[must_use]
    pub fn at(&self) -> UnixMs {
        self.at
    }

    /// Why; may be empty.
    #[must_use]
    pub fn why(&self) -> &Comment {
        &self.why
    }

    /// The shorter duration of an approval.
    #[must_use]
    pub fn duration_s(&self) -> Option<u64> {
        self.duration_s
    }
}
