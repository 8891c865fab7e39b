//! What the gateway says about a session to be opened, checked: it faces the network, so nothing that it repeats from
//! there goes on unbounded or unlooked at.

use portcullis_model::bytes::printable;
use portcullis_model::session::{PtyRequest, Purpose};
use portcullis_model::wire::warden::OpenSession;

/// Most bytes of a command.
const COMMAND_MAX: usize = 32 * 1024;
/// Most characters of the source address and of the client's identification.
const TEXT_MAX: usize = 255;
/// Most terminal modes; RFC 4254 has some sixty.
const MODES_MAX: usize = 128;
/// Most variables that a client may set.
const VARIABLES_MAX: usize = 32;
/// What a terminal is called whose name cannot be a terminal's.
const PLAIN_TERMINAL: &str = "dumb";

/// Why a session is not opened as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Inadmissible {
    /// Over a limit.
    #[error("{what} is longer than {most}")]
    TooLong {
        /// which part
        what: &'static str,
        /// the limit
        most: usize,
    },
}

/// Checks what is asked for: refuses what is too much, drops what only decorates.
///
/// # Errors
/// [`Inadmissible`].
pub(crate) fn check(open: &mut OpenSession) -> Result<(), Inadmissible> {
    let bounded = |what, length, most| if length <= most { Ok(()) } else { Err(Inadmissible::TooLong { what, most }) };
    bounded("the source address", open.source.len(), TEXT_MAX)?;
    bounded("the key's fingerprint", open.key_fingerprint.len(), TEXT_MAX)?;
    if let Purpose::Command(command) = &open.purpose {
        bounded("the command", command.len(), COMMAND_MAX)?;
    }
    if let Purpose::Forward(forward) = &open.purpose {
        bounded("the host's name", forward.host.len(), TEXT_MAX)?;
    }
    // neither a file transfer nor a forwarded connection has a terminal
    if matches!(open.purpose, Purpose::Sftp | Purpose::Forward(_)) {
        open.pty = None;
    }
    if let Some(pty) = &mut open.pty {
        check_terminal(pty)?;
    }
    open.client = printable(open.client.as_bytes()).chars().take(TEXT_MAX).collect();
    open.source = printable(open.source.as_bytes());
    open.environment.retain(|(name, value)| is_locale(name) && value.len() <= 64 && value.bytes().all(is_locale_byte));
    open.environment.truncate(VARIABLES_MAX);
    Ok(())
}

fn check_terminal(pty: &mut PtyRequest) -> Result<(), Inadmissible> {
    if pty.modes.len() > MODES_MAX {
        return Err(Inadmissible::TooLong { what: "the list of terminal modes", most: MODES_MAX });
    }
    let named = |b: u8| b.is_ascii_alphanumeric() || b"-_.+".contains(&b);
    if pty.term.is_empty() || pty.term.len() > 64 || !pty.term.bytes().all(named) || pty.term.starts_with('.') {
        PLAIN_TERMINAL.clone_into(&mut pty.term);
    }
    Ok(())
}

/// Whether a client may set the variable.
fn is_locale(name: &str) -> bool {
    let rest = |text: &str| !text.is_empty() && text.len() <= 32 && text.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    name == "LANG" || name.strip_prefix("LC_").is_some_and(rest)
}

/// Whether the byte occurs in a locale's name. A slash does not: a locale is never a path.
fn is_locale_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.@:".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_model::id::GrantId;
    use portcullis_model::session::WindowSize;

    fn open() -> OpenSession {
        OpenSession {
            grant: GrantId::from_entropy([1; 10]),
            source: "127.0.0.1:5".into(),
            key_fingerprint: "SHA256:x".into(),
            client: "SSH-2.0-x".into(),
            purpose: Purpose::Shell,
            pty: None,
            environment: vec![],
        }
    }

    fn terminal(term: &str) -> PtyRequest {
        PtyRequest { term: term.into(), size: WindowSize { cols: 80, rows: 24, width_px: 0, height_px: 0 }, modes: vec![] }
    }

    #[test]
    fn only_locales_are_passed_on() {
        let set = ["LANG=de_DE.UTF-8", "LC_ALL=C", "LC_TIME=../../x", "LD_PRELOAD=x", "PATH=/tmp", "LC_=x", "LANGUAGE=de", "LC_A=\n", "lang=C"];
        let mut open = OpenSession { environment: set.map(|v| v.split_once('=').unwrap()).map(|(n, v)| (n.into(), v.into())).to_vec(), ..open() };
        check(&mut open).unwrap();
        let names: Vec<_> = open.environment.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["LANG", "LC_ALL"]);
    }

    #[test]
    fn a_terminals_name_is_a_name() {
        for (given, taken) in [("xterm-256color", "xterm-256color"), ("../../etc", "dumb"), ("x\u{1b}[2J", "dumb"), ("", "dumb"), ("a/b", "dumb"), (".x", "dumb")] {
            let mut open = OpenSession { pty: Some(terminal(given)), ..open() };
            check(&mut open).unwrap();
            assert_eq!(open.pty.unwrap().term, taken, "{given:?}");
        }
    }

    #[test]
    fn what_is_too_much_is_refused() {
        let mut long = OpenSession { purpose: Purpose::Command(vec![b'x'; COMMAND_MAX + 1]), ..open() };
        assert!(matches!(check(&mut long), Err(Inadmissible::TooLong { what: "the command", .. })));
        let mut modes = OpenSession { pty: Some(PtyRequest { modes: vec![(1, 1); 129], ..terminal("vt100") }), ..open() };
        assert!(check(&mut modes).is_err());
        let mut source = OpenSession { source: "x".repeat(256), ..open() };
        assert!(check(&mut source).is_err());
    }

    #[test]
    fn what_the_client_says_of_itself_steers_no_terminal() {
        let mut open = OpenSession { client: "SSH-2.0-\u{1b}[2J".into(), ..open() };
        check(&mut open).unwrap();
        assert!(!open.client.contains('\u{1b}'));
    }
}
