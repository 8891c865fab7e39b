//! An act: an event of a request's life together with who caused it, when and why. An [`Act`] can only be made here,
//! and only for somebody who may; so a request cannot be moved by anybody else, and never without a trace.
//!
//! | event | by | and |
//! | --- | --- | --- |
//! | approve | approver | neither the requester nor the operator that the request is for |
//! | reject | approver | - |
//! | withdraw, close | operator | the requester |
//! | propose, retract (an amendment) | operator | the requester |
//! | close, propose, retract | operator | whom the request is for, from inside a session |
//! | extend, share, decline (an amendment) | approver | neither the requester nor the operator that the request is for |
//! | revoke | approver, provider-security | - |
//! | lapse, start, expire | the clock | - |

use super::actor::{Actor, UserRole};
use super::life::Event;
use super::request::{Extension, Facts};
use super::text::Comment;
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
    /// Only those who have a say in a request talk about it.
    #[error("the role {0} may not say anything about a request")]
    Message(UserRole),
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
    /// Propose an amendment.
    Propose,
    /// Take an amendment back.
    Retract,
}

/// What an operator does to the request from inside a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Within {
    /// Be done.
    Close,
    /// Propose an amendment.
    Propose,
    /// Take an amendment back.
    Retract,
}

/// What an approver says to an amendment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decided {
    /// More time.
    Extend(Extension),
    /// Another operator.
    Share,
    /// No.
    Decline,
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
    extension: Option<Extension>,
}

impl Act {
    /// An approval, for a shorter duration if one is given.
    pub fn approve(by: Approver, at: UnixMs, why: Comment, duration_s: Option<u64>) -> Self {
        Self { event: Event::Approve, author: Author::Person(by.0), at, why, duration_s, extension: None }
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
            Step::Propose => (Event::Propose, &[UserRole::Operator]),
            Step::Retract => (Event::Retract, &[UserRole::Operator]),
        };
        if !roles.contains(&actor.role) {
            return Err(Forbidden::Role { role: actor.role, event });
        }
        if actor.role == UserRole::Operator && actor.name != request.requested_by {
            return Err(Forbidden::NotRequester(event));
        }
        Ok(Self { event, author: Author::Person(actor.clone()), at, why, duration_s: None, extension: None })
    }

    /// What the operator whom the request is for does from inside a session, whose key is that operator's.
    pub fn within(within: Within, request: &Facts, at: UnixMs, why: Comment) -> Self {
        let actor = Actor { name: request.operator.clone(), role: UserRole::Operator };
        let event = match within {
            Within::Close => Event::Close,
            Within::Propose => Event::Propose,
            Within::Retract => Event::Retract,
        };
        Self { event, author: Author::Person(actor), at, why, duration_s: None, extension: None }
    }

    /// What an approver says to an amendment.
    pub fn decide(by: Approver, decided: Decided, at: UnixMs, why: Comment) -> Self {
        let (event, extension) = match decided {
            Decided::Extend(extension) => (Event::Extend, Some(extension)),
            Decided::Share => (Event::Share, None),
            Decided::Decline => (Event::Decline, None),
        };
        Self { event, author: Author::Person(by.0), at, why, duration_s: None, extension }
    }

    /// The same, for a request that was shared from the one that it was done to.
    pub fn follow(&self) -> Self {
        Self { event: self.event, author: self.author.clone(), at: self.at, why: self.why.clone(), duration_s: None, extension: self.extension }
    }

    /// The clock's doing.
    pub fn tick(tick: Tick, at: UnixMs, why: Comment) -> Self {
        let event = match tick {
            Tick::Lapse => Event::Lapse,
            Tick::Start => Event::Start,
            Tick::Expire => Event::Expire,
        };
        Self { event, author: Author::System, at, why, duration_s: None, extension: None }
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

    /// The time that it gives, for an extension.
    #[must_use]
    pub fn extension(&self) -> Option<Extension> {
        self.extension
    }

    /// The shorter duration of an approval.
    #[must_use]
    pub fn duration_s(&self) -> Option<u64> {
        self.duration_s
    }
}
