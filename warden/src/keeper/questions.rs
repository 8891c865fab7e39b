//! Questions that the judge has not answered yet. Each has a number, somebody who waits, and a deadline; an answer without a
//! question is nobody's.

use portcullis_model::subject::Subject;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long the judge has for one question.
pub(crate) const ANSWER_DEADLINE: Duration = Duration::from_secs(2);

/// One question.
#[derive(Debug)]
pub(crate) struct Open<W> {
    /// Who waits for the answer.
    pub(crate) waiting: W,
    /// What was asked about.
    pub(crate) subject: Subject,
    deadline: Instant,
}

/// All of them. Each has the same time, so the oldest is the first to be late.
#[derive(Debug)]
pub(crate) struct Questions<W> {
    open: BTreeMap<u64, Open<W>>,
    next: u64,
}

impl<W> Default for Questions<W> {
    fn default() -> Self {
        Self { open: BTreeMap::new(), next: 1 }
    }
}

impl<W> Questions<W> {
    /// A number that no other question ever has.
    pub(crate) fn number(&mut self) -> u64 {
        let id = self.next;
        self.next += 1;
        id
    }

    /// Puts down a question that was asked under this number.
    pub(crate) fn put(&mut self, id: u64, waiting: W, subject: Subject, now: Instant) {
        self.open.insert(id, Open { waiting, subject, deadline: now + ANSWER_DEADLINE });
    }

    /// Takes back the question with this number.
    pub(crate) fn take(&mut self, id: u64) -> Option<Open<W>> {
        self.open.remove(&id)
    }

    /// Takes back the question of one who no longer waits.
    pub(crate) fn withdraw(&mut self, is_it: impl Fn(&W) -> bool) -> Option<Open<W>> {
        let id = self.open.iter().find(|(_, open)| is_it(&open.waiting)).map(|(id, _)| *id)?;
        self.open.remove(&id)
    }

    /// Takes one question whose time is over.
    pub(crate) fn late(&mut self, now: Instant) -> Option<Open<W>> {
        let oldest = self.open.first_entry()?;
        (oldest.get().deadline <= now).then(|| oldest.remove())
    }

    /// Takes one question, the oldest, whatever its time.
    pub(crate) fn give_up(&mut self) -> Option<Open<W>> {
        self.open.pop_first().map(|(_, open)| open)
    }

    /// When the next one is late.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.open.first_key_value().map(|(_, open)| open.deadline)
    }

    /// How many are open.
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    /// How many of them have one like this waiting.
    pub(crate) fn count(&self, is_it: impl Fn(&W) -> bool) -> usize {
        self.open.values().filter(|open| is_it(&open.waiting)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_model::subject::Forward;

    fn subject(port: u16) -> Subject {
        Subject::Forward(Forward { host: "h".into(), port })
    }

    fn ask(questions: &mut Questions<&'static str>, waiting: &'static str, now: Instant) -> u64 {
        let id = questions.number();
        questions.put(id, waiting, subject(1), now);
        id
    }

    #[test]
    fn an_answer_finds_its_question_once() {
        let mut questions = Questions::default();
        let now = Instant::now();
        let (a, b) = (ask(&mut questions, "a", now), ask(&mut questions, "b", now));
        assert_ne!(a, b);
        let open = questions.take(b).unwrap();
        assert_eq!((open.waiting, open.subject), ("b", subject(1)));
        assert!(questions.take(b).is_none(), "answered twice");
        assert!(questions.take(99).is_none(), "never asked");
        assert_eq!((questions.len(), questions.count(|w| *w == "a"), questions.count(|w| *w == "b")), (1, 1, 0));
        assert_ne!(ask(&mut questions, "c", now), b, "numbers are not used again");
    }

    #[test]
    fn the_oldest_is_late_first_and_only_when_it_is() {
        let mut questions = Questions::default();
        let start = Instant::now();
        ask(&mut questions, "a", start);
        ask(&mut questions, "b", start + Duration::from_millis(5));
        assert_eq!(questions.next_deadline(), Some(start + ANSWER_DEADLINE));
        assert!(questions.late(start).is_none());
        assert_eq!(questions.late(start + ANSWER_DEADLINE).unwrap().waiting, "a");
        assert!(questions.late(start + ANSWER_DEADLINE).is_none());
        assert_eq!(questions.give_up().unwrap().waiting, "b");
        assert!(questions.next_deadline().is_none());
    }

    #[test]
    fn a_withdrawn_question_is_gone() {
        let mut questions = Questions::default();
        let id = ask(&mut questions, "a", Instant::now());
        assert!(questions.withdraw(|w| *w == "b").is_none());
        assert!(questions.withdraw(|w| *w == "a").is_some());
        assert!(questions.take(id).is_none());
    }
}
