//! The rules as Cedar: one policy for each program. The language has no quantifiers, so operands are attributes, of which there
//! are so many at most.

use crate::rules::{OPERANDS, Question, Rule, Rules};
use anyhow::Result;
use cedar_policy::{Authorizer, Context, Decision, Entities, EntityId, EntityTypeName, EntityUid, PolicySet, Request, RestrictedExpression};
use std::fmt::Write as _;
use std::str::FromStr as _;

/// The engine.
pub(crate) struct Cedar {
    policies: PolicySet,
    authorizer: Authorizer,
    entities: Entities,
    principal: EntityUid,
    action: EntityUid,
    program: EntityTypeName,
}

impl Cedar {
    /// Parses the rules.
    pub(crate) fn new(rules: &Rules) -> Result<Self> {
        let mut text = String::new();
        for (program, rule) in &rules.0 {
            writeln!(text, "permit (principal, action == Action::\"exec\", resource == Program::{program:?}) when {{ {} }};", condition(rule))?;
        }
        let uid = |kind: &str, id: &str| anyhow::Ok(EntityUid::from_type_name_and_id(EntityTypeName::from_str(kind)?, EntityId::new(id)));
        Ok(Self {
            policies: PolicySet::from_str(&text)?,
            authorizer: Authorizer::new(),
            entities: Entities::empty(),
            principal: uid("Operator", "ann")?,
            action: uid("Action", "exec")?,
            program: EntityTypeName::from_str("Program")?,
        })
    }

    /// The verdict.
    pub(crate) fn allow(&self, question: &Question) -> Result<bool> {
        let options = question.options.iter().map(|option| RestrictedExpression::new_string(option.clone()));
        let options = [("options".to_owned(), RestrictedExpression::new_set(options))];
        let operands = question.operands.iter().enumerate().map(|(n, path)| (format!("operand{n}"), RestrictedExpression::new_string(path.clone())));
        let context = Context::from_pairs(options.into_iter().chain(operands))?;
        let resource = EntityUid::from_type_name_and_id(self.program.clone(), EntityId::new(&question.program));
        let request = Request::new(self.principal.clone(), self.action.clone(), resource, context, None)?;
        let response = self.authorizer.is_authorized(&request, &self.policies, &self.entities);
        Ok(response.decision() == Decision::Allow)
    }
}

fn condition(rule: &Rule) -> String {
    let options: Vec<String> = rule.options.iter().map(|option| format!("{option:?}")).collect();
    let mut condition = format!("[{}].containsAll(context.options)", options.join(", "));
    for n in 0..OPERANDS {
        let inside: Vec<String> = rule.paths.iter().map(|place| format!("context.operand{n} == {place:?} || context.operand{n} like \"{place}/*\"")).collect();
        let inside = if inside.is_empty() { String::new() } else { format!(" || {}", inside.join(" || ")) };
        // a String takes all that is written to it
        let _ = write!(condition, " && (!(context has operand{n}){inside})");
    }
    condition
}
