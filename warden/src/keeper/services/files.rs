//! The files that the file server has open, each by the decision that let it.

use portcullis_model::event::EventKind;
use portcullis_model::subject::FileOp;
use portcullis_model::transfer::{Moved, TransferEnd};
use std::collections::BTreeMap;

/// Files that may be open: twice what the file server allows itself, for files that are both read and written.
const OPEN_MAX: usize = 1024;
/// Longest path, as the kernel has it.
const PATH_MAX: usize = 4096;

/// The open files of a session.
#[derive(Debug, Default)]
pub(crate) struct Files(BTreeMap<u32, Open>);

#[derive(Debug)]
struct Open {
    decision: u64,
    moved: Moved,
}

/// The file server says what it cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Impossible {
    /// More files than it allows itself.
    #[error("it opens too many files")]
    TooMany,
    /// A number that is in use.
    #[error("it opens two files under one number")]
    Twice,
    /// A number that stands for nothing.
    #[error("it tells of a file that is not open")]
    NotOpen,
}

impl Files {
    /// Takes note of a file that may be opened.
    pub(crate) fn opened(&mut self, id: u32, decision: u64) -> Result<(), Impossible> {
        if self.0.len() >= OPEN_MAX {
            return Err(Impossible::TooMany);
        }
        match self.0.insert(id, Open { decision, moved: Moved::default() }) {
            None => Ok(()),
            Some(_) => Err(Impossible::Twice),
        }
    }

    /// Takes note of what was moved; what is to be recorded when the file was closed.
    pub(crate) fn moved(&mut self, id: u32, moved: Moved, closed: bool) -> Result<Option<EventKind>, Impossible> {
        let open = self.0.get_mut(&id).ok_or(Impossible::NotOpen)?;
        open.moved = moved;
        let decision = open.decision;
        if !closed {
            return Ok(None);
        }
        self.0.remove(&id);
        Ok(Some(EventKind::Transferred { decision, moved, end: TransferEnd::Closed }))
    }

    /// What is open at the session's end: cut.
    pub(crate) fn cut(&mut self) -> Vec<EventKind> {
        std::mem::take(&mut self.0).into_values().map(|open| EventKind::Transferred { decision: open.decision, moved: open.moved, end: TransferEnd::Cut }).collect()
    }
}

/// Why an operation cannot be put to a module, if so.
pub(crate) fn unaskable(operation: &FileOp) -> Option<String> {
    let bad = |path: &Vec<u8>| path.first() != Some(&b'/') || path.len() > PATH_MAX || path.contains(&0);
    (bad(&operation.path) || operation.to.as_ref().is_some_and(bad)).then(|| "the path is not an absolute one of at most 4096 bytes".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_model::subject::FileOpKind;

    fn moved(bytes: u64) -> Moved {
        Moved { bytes, ..Moved::default() }
    }

    #[test]
    fn what_is_closed_is_recorded_once_and_what_is_not_is_cut() {
        let mut files = Files::default();
        files.opened(1, 10).unwrap();
        files.opened(2, 20).unwrap();
        assert_eq!(files.opened(2, 30), Err(Impossible::Twice));
        assert_eq!(files.moved(1, moved(5), false), Ok(None));
        assert_eq!(files.moved(1, moved(7), true), Ok(Some(EventKind::Transferred { decision: 10, moved: moved(7), end: TransferEnd::Closed })));
        assert_eq!(files.moved(1, moved(7), true), Err(Impossible::NotOpen));
        files.opened(3, 40).unwrap();
        files.moved(3, moved(9), false).unwrap();
        let cut = files.cut();
        assert_eq!(cut.len(), 2);
        assert!(cut.contains(&EventKind::Transferred { decision: 40, moved: moved(9), end: TransferEnd::Cut }), "{cut:?}");
        assert!(files.cut().is_empty());
    }

    #[test]
    fn open_files_are_bounded() {
        let mut files = Files::default();
        let opened = (0..2000).take_while(|n| files.opened(*n, 0).is_ok()).count();
        assert_eq!((opened, files.opened(5000, 0)), (OPEN_MAX, Err(Impossible::TooMany)));
    }

    #[test]
    fn only_absolute_paths_are_asked_about() {
        let of = |path: &[u8], to: Option<&[u8]>| unaskable(&FileOp { kind: FileOpKind::Read, path: path.to_vec(), to: to.map(<[u8]>::to_vec), attributes: None }).is_none();
        assert!(of(b"/x", None) && of(b"/\xff", Some(b"/y")));
        assert!(!of(b"x", None) && !of(b"", None) && !of(b"/x\0", None) && !of(b"/x", Some(b"y")) && !of(&[b'/'; PATH_MAX + 1], None));
    }
}
