//! The `#!` line, exactly as Linux reads it (`load_script` in fs/binfmt_script.c): what is not an interpreter for the kernel must
//! not be one for the guard, and the other way round.

/// How much of a file the kernel looks at (`BINPRM_BUF_SIZE`, include/uapi/linux/binfmts.h).
pub(super) const HEAD_LEN: usize = 256;
/// How many `#!` may lead from one to the next (`exec_binprm` in fs/exec.c); one more is `ELOOP`.
pub(super) const DEPTH_MAX: usize = 5;

/// The first bytes of a file, filled up with zeros.
pub(super) type Head = [u8; HEAD_LEN];

/// What a `#!` line names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Interpreter {
    /// The interpreter's name; may be relative to the working directory.
    pub(super) name: Vec<u8>,
    /// Everything after it as one argument, if there is anything.
    pub(super) argument: Option<Vec<u8>>,
}

/// The interpreter that a file starting with `head` names; none when the kernel would say `ENOEXEC`.
pub(super) fn interpreter(head: &Head) -> Option<Interpreter> {
    let text = head.strip_prefix(b"#!")?;
    // a newline counts only when no NUL comes before it
    let line_end = text.iter().position(|byte| matches!(byte, b'\n' | 0)).filter(|end| text.get(*end) == Some(&b'\n'));
    let line = match line_end {
        Some(end) => text.get(..end)?,
        None => {
            // the line may be cut off: its name must be seen to end. The argument may be cut, the interpreter reads it again.
            let start = text.iter().position(|byte| !blank(*byte))?;
            text.get(start..)?.iter().position(|byte| ends_word(*byte))?;
            // the last byte is overwritten with a terminator
            text.get(..text.len().checked_sub(1)?)?
        }
    };
    let line = trim(line);
    let end = line.iter().position(|byte| ends_word(*byte)).unwrap_or(line.len());
    let (name, rest) = line.split_at_checked(end)?;
    let argument = match rest.first() {
        Some(0) | None => None,
        Some(_) => Some(until_nul(trim(rest)).to_vec()),
    };
    Some(Interpreter { name: Some(name).filter(|name| !name.is_empty())?.to_vec(), argument })
}

fn blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn ends_word(byte: u8) -> bool {
    blank(byte) || byte == 0
}

fn trim(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text && blank(*first) {
        text = rest;
    }
    while let [rest @ .., last] = text && blank(*last) {
        text = rest;
    }
    text
}

fn until_nul(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == 0).next().unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(file: &[u8], expect: Option<(&str, Option<&str>)>) {
        let mut head = [0; HEAD_LEN];
        let len = file.len().min(HEAD_LEN);
        head[..len].copy_from_slice(&file[..len]);
        let found = interpreter(&head).map(|i| (String::from_utf8(i.name).unwrap(), i.argument.map(|a| String::from_utf8(a).unwrap())));
        let expect = expect.map(|(name, argument)| (name.to_owned(), argument.map(str::to_owned)));
        assert_eq!(found, expect, "{:?}", String::from_utf8_lossy(file));
    }

    #[test]
    fn lines() {
        check(b"#!/bin/sh\n", Some(("/bin/sh", None)));
        check(b"#! \t/bin/sh \t\nx", Some(("/bin/sh", None)));
        check(b"#!/bin/sh -e\n", Some(("/bin/sh", Some("-e"))));
        check(b"#!/usr/bin/env -S a  b \t \n", Some(("/usr/bin/env", Some("-S a  b"))));
        check(b"#!sh\r\n", Some(("sh\r", None)));
        check(b"#!/bin/sh", Some(("/bin/sh", None)));
        check(b"#!/bin/sh -x", Some(("/bin/sh", Some("-x"))));
        for none in [&b"#!\n"[..], b"#! \t \n", b"#!", b"#", b"", b" #!/bin/sh\n", b"#\n!/bin/sh\n", b"\x7fELF", b"#!\0\n/bin/sh\n"] {
            check(none, None);
        }
    }

    #[test]
    fn a_nul_ends_the_name_or_the_argument() {
        check(b"#!/bin/sh\0 -e\n", Some(("/bin/sh", None)));
        check(b"#!/bin/sh -e\0f\n", Some(("/bin/sh", Some("-e"))));
        check(b"#!/bin/sh \0\n", Some(("/bin/sh", Some(""))));
    }

    #[test]
    fn what_does_not_fit_is_not_guessed() {
        let long = |name: usize, tail: &str| format!("#!/{}{tail}", "n".repeat(name - 1));
        // 254 bytes after #!: a name that reaches the end may be cut off
        check(long(253, "\n").as_bytes(), Some((long(253, "").trim_start_matches("#!"), None)));
        check(long(254, "\n").as_bytes(), None);
        check(long(254, " -e\n").as_bytes(), None);
        check(long(253, " -e\n").as_bytes(), Some((long(253, "").trim_start_matches("#!"), None)));
        check(long(400, "\n").as_bytes(), None);
        check(" ".repeat(300).as_bytes(), None);
        // an argument may be cut, after the last byte but one
        let cut = format!("#!/bin/sh {}", "a".repeat(400));
        check(cut.as_bytes(), Some(("/bin/sh", Some(&"a".repeat(245)))));
    }
}
