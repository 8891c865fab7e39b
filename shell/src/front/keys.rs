//! Keys: emacs' by default, vi's after `set -o vi`.

use portcullis_model::subject::{Line, WordKind};
use reedline::{EditCommand, EditMode, Emacs, KeyCode, KeyModifiers, Keybindings, ReedlineEvent, Vi, default_emacs_keybindings, default_vi_insert_keybindings, default_vi_normal_keybindings, default_vi_visual_keybindings};

/// Name of the menu of completions.
pub(super) const COMPLETIONS: &str = "completions";

/// Which keys edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Keys {
    /// As in bash without configuration.
    #[default]
    Emacs,
    /// As in vi.
    Vi,
}

impl Keys {
    /// The keys that a line asks for (`set -o vi`), if it does.
    pub(super) fn asked_by(line: &Line) -> Option<Self> {
        let [command] = line.commands.as_slice() else { return None };
        let words: Vec<&[u8]> = command.words.iter().filter(|word| word.kind == WordKind::Literal).map(|word| word.text.as_slice()).collect();
        match words.as_slice() {
            [b"set", b"-o", b"vi"] | [b"set", b"+o", b"emacs"] => Some(Self::Vi),
            [b"set", b"-o", b"emacs"] | [b"set", b"+o", b"vi"] => Some(Self::Emacs),
            _ => None,
        }
    }

    pub(super) fn edit_mode(self) -> Box<dyn EditMode> {
        match self {
            Self::Emacs => Box::new(Emacs::new(with_menu(default_emacs_keybindings()))),
            Self::Vi => Box::new(Vi::new(with_menu(default_vi_insert_keybindings()), default_vi_normal_keybindings(), default_vi_visual_keybindings())),
        }
    }
}

fn with_menu(mut keys: Keybindings) -> Keybindings {
    let menu = ReedlineEvent::UntilFound(vec![ReedlineEvent::Menu(COMPLETIONS.to_owned()), ReedlineEvent::MenuNext]);
    keys.add_binding(KeyModifiers::NONE, KeyCode::Tab, menu);
    keys.add_binding(KeyModifiers::SHIFT, KeyCode::BackTab, ReedlineEvent::MenuPrevious);
    keys.add_binding(KeyModifiers::ALT, KeyCode::Enter, ReedlineEvent::Edit(vec![EditCommand::InsertNewline]));
    keys
}
