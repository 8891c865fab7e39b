//! One instance that answers many questions, under the limits of each.

use crate::abi::types;
use crate::answer;
use crate::fault::Fault;
use crate::host::Memo;
use crate::instance::Instance;
use crate::module::Module;
use portcullis_model::verdict::Verdict;

/// Questions after which an instance makes room for a new one: what a module forgets to free does not add up for long.
const QUESTIONS: u32 = 4096;

/// An instance that is asked again and again.
pub(super) struct Seat<'a> {
    module: &'a Module,
    instance: Instance,
    left: u32,
}

impl<'a> Seat<'a> {
    /// Starts an instance.
    pub(super) fn take(module: &'a Module) -> Result<Self, Fault> {
        Ok(Self { module, instance: module.instances().start()?, left: QUESTIONS })
    }

    /// Whether it may answer another question.
    pub(super) fn is_good(&self) -> bool {
        self.left > 0
    }

    /// Asks one question. After a fault the seat is not to be used again.
    pub(super) fn judge(&mut self, session: &types::Session, memo: Memo, subject: &types::Subject) -> Result<(Verdict, Memo), Fault> {
        self.left = self.left.saturating_sub(1);
        let (answer, memo) = self.module.instances().ask_again(&mut self.instance, memo, |policy, store| policy.call_judge(store, session, subject))?;
        Ok((answer::verdict(answer)?, memo))
    }
}
