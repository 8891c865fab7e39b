//! Names that bash runs itself: no exec follows, so nobody but the line's policy sees them.

/// Sorted, for a binary search.
const BUILTINS: &[&str] = &[
    ".", ":", "[", "alias", "bg", "bind", "break", "builtin", "caller", "cd", "command", "compgen", "complete", "compopt", "continue",
    "declare", "dirs", "disown", "echo", "enable", "eval", "exec", "exit", "export", "false", "fc", "fg", "getopts", "hash", "help",
    "history", "jobs", "kill", "let", "local", "logout", "mapfile", "popd", "printf", "pushd", "pwd", "read", "readarray", "readonly",
    "return", "set", "shift", "shopt", "source", "suspend", "test", "times", "trap", "true", "type", "typeset", "ulimit", "umask",
    "unalias", "unset", "wait",
];

/// All of them.
pub(crate) fn all() -> &'static [&'static str] {
    BUILTINS
}

/// Whether bash runs `name` itself.
#[must_use]
pub fn is_builtin(name: &[u8]) -> bool {
    std::str::from_utf8(name).is_ok_and(|name| BUILTINS.binary_search(&name).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(BUILTINS.is_sorted());
        assert!(is_builtin(b"cd") && is_builtin(b".") && is_builtin(b"[") && !is_builtin(b"ls") && !is_builtin(b"\xff"));
    }
}
