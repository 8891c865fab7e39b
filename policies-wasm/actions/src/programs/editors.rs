//! Editors and pagers. They start what they are told to from inside, by `:!` and the like: an exec as any other, which is judged as
//! one. So none of them is trusted, and none needs a confinement of its own.

use portcullis_sdk::{Arguments, Call, Options, Program, Refusal};

pub(crate) const ROWS: &[Program] = &[
    Program::checked(&["vim", "vi", "view", "vimdiff", "rvim", "rview", "vim.basic", "vim.tiny", "vim.nox"], "vim FILE", "editor; it can write in the home and the writable folders only, and what it starts (:!) is judged like all else", &VIM, vim),
];

/// No script, command or log file at start: they are not wanted to look at a file.
pub(super) const VIM: Options = Options::flags("RMnbdLNvXZmhyoOp", &["clean", "help", "version", "noplugin", "not-a-term"]).first();

pub(super) fn vim(_: &Call<'_>, arguments: &Arguments<'_>) -> Result<(), Refusal> {
    let fine = |operand: &&[u8]| match operand {
        [b'+', command @ ..] => command.iter().all(u8::is_ascii_digit),
        [b'-', _, ..] => false,
        _ => true,
    };
    if arguments.operands.iter().all(fine) { Ok(()) } else { Err(Refusal::new("command", "of the commands at start +NUMBER is allowed, and options come first")) }
}
