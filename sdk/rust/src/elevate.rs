//! `sudo`, `su` and `rootexec`: requests for a process of another user. Nothing of theirs runs: a node answers them with that process, so
//! there is no password, no configuration of theirs and no set-uid program in it.
//!
//! | form | is |
//! | --- | --- |
//! | `sudo [-n] [-u USER] [--] COMMAND ...` | the command as USER, root when there is none |
//! | `su [-] [USER]`, `sudo -i`, `sudo -s` | a shell as USER, root when there is none |
//!
//! | `rootexec SCRIPT` | the script as root, by its absolute path |
//!
//! Everything else of theirs is refused: another root (`-R`), another host (`-h`), an editor (`-e`), a kept environment (`-E`,
//! `NAME=VALUE`), a text for a shell (`su -c`), another shell (`su -s`), numbers in place of names (`-u#-1`).

use crate::argv::Options;
use crate::denial::{Refusal, quote};

/// What `sudo` or `su` is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elevation<'a> {
    /// The user.
    pub user: &'a [u8],
    /// The command and its arguments; empty for a shell.
    pub command: Vec<&'a [u8]>,
}

const SUDO: Options = Options::flags("niHs", &["non-interactive", "login", "set-home", "shell", "user="]).valued("u").first();
const SU: Options = Options::flags("l", &["login"]);

/// Reads the arguments of `sudo`.
///
/// # Errors
/// What is not one of the forms above.
pub fn sudo<'a>(args: &[&'a [u8]]) -> Result<Elevation<'a>, Refusal> {
    let parsed = SUDO.parse(args)?;
    let user = parsed.values(b'u', "user").flatten().last().unwrap_or(b"root");
    user_name(user)?;
    let shell = [(b'i', "login"), (b's', "shell")].into_iter().any(|(short, long)| parsed.has(short, long));
    match (shell, parsed.operands.first()) {
        (true, None) => {}
        (true, Some(_)) => return Err(Refusal::new("option", "a text for a shell cannot be judged; leave -i and -s away").hint("sudo COMMAND")),
        (false, None) => return Err(Refusal::new("command", "it lacks the command")),
        (false, Some(first)) if first.contains(&b'=') => return Err(Refusal::new("environment", "variables for the command are not passed on")),
        (false, Some(_)) => {}
    }
    Ok(Elevation { user, command: parsed.operands })
}

/// Reads the arguments of `su`.
///
/// # Errors
/// What is not one of the forms above.
pub fn su<'a>(args: &[&'a [u8]]) -> Result<Elevation<'a>, Refusal> {
    let parsed = SU.parse(args).map_err(|refusal| refusal.hint("sudo -u USER COMMAND"))?;
    let user = match parsed.operands.as_slice() {
        [] | [b"-"] => b"root",
        [user] | [b"-", user] => *user,
        _ => return Err(Refusal::new("operand", "what follows the user would be given to a shell").hint("sudo -u USER COMMAND")),
    };
    user_name(user)?;
    Ok(Elevation { user, command: Vec::new() })
}

/// Reads the arguments of `rootexec`.
///
/// # Errors
/// What is not one absolute path.
pub fn rootexec<'a>(args: &[&'a [u8]]) -> Result<Elevation<'a>, Refusal> {
    match args {
        [script] if script.starts_with(b"/") => Ok(Elevation { user: b"root", command: vec![script] }),
        _ => Err(Refusal::new("operand", "one script is allowed, by its absolute path and without arguments")),
    }
}

/// A name as user names are, no number: `#0` and `-1` mean others than they seem to.
fn user_name(user: &[u8]) -> Result<(), Refusal> {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    match user.first() {
        Some(first) if (first.is_ascii_alphabetic() || *first == b'_') && user.iter().all(plain) => Ok(()),
        _ => Err(Refusal::new("user", format!("{} is not the name of a user", quote(user)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(read: fn(&[&'static [u8]]) -> Result<Elevation<'static>, Refusal>, line: &'static str) -> Result<String, &'static str> {
        let args: Vec<&[u8]> = line.split(' ').filter(|word| !word.is_empty()).map(str::as_bytes).collect();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        read(&args).map(|asked| format!("{}: {}", text(asked.user), text(&asked.command.join(&b' ')))).map_err(|refusal| refusal.what)
    }

    #[test]
    fn sudo_is_a_command_as_a_user() {
        for (line, want) in [
            ("cat -n x", Ok("root: cat -n x")), ("-n -u ecra ls -u x", Ok("ecra: ls -u x")), ("-uecra -- ls", Ok("ecra: ls")), ("--user=ecra ls", Ok("ecra: ls")),
            ("-i", Ok("root: ")), ("-s -u ecra", Ok("ecra: ")), ("-u a -u b id", Ok("b: id")),
            ("", Err("command")), ("-u ecra", Err("command")), ("-e /etc/passwd", Err("option")), ("-E id", Err("option")), ("X=1 id", Err("environment")), ("-R / id", Err("option")),
            ("-h host id", Err("option")), ("-u#-1 id", Err("user")), ("-u #0 id", Err("user")), ("-u -1 id", Err("user")), ("-g root id", Err("option")), ("-l", Err("option")),
            ("-i id", Err("option")), ("-s id", Err("option")), ("-C 9 id", Err("option")), ("-D / id", Err("option")), ("-b id", Err("option")), ("--preserve-env=X id", Err("option")),
            ("--us=ecra id", Err("option")), ("-A id", Err("option")), ("-T 1 id", Err("option")), ("-u", Err("option")),
        ] {
            assert_eq!(read(sudo, line), want.map(str::to_owned), "sudo {line}");
        }
    }

    #[test]
    fn rootexec_is_a_script_as_root() {
        assert_eq!(read(rootexec, "/root/x.sh"), Ok("root: /root/x.sh".to_owned()));
        for line in ["", "x.sh", "/root/x.sh y", "-c /x", "-- /root/x.sh"] {
            assert_eq!(read(rootexec, line), Err("operand"), "{line}");
        }
    }

    #[test]
    fn su_is_a_shell_of_a_user() {
        for (line, want) in [
            ("", Ok("root: ")), ("-", Ok("root: ")), ("- ecra", Ok("ecra: ")), ("-l ecra", Ok("ecra: ")), ("ecra", Ok("ecra: ")), ("--login ecra", Ok("ecra: ")),
            ("ecra -c id", Err("option")), ("- ecra -c id", Err("option")), ("-c id ecra", Err("option")), ("-s /tmp/x ecra", Err("option")), ("ecra id", Err("operand")), ("- ecra -- -c id", Err("operand")),
            ("-m ecra", Err("option")), ("-p", Err("option")), ("-w PATH ecra", Err("option")), ("-P ecra", Err("option")), ("0", Err("user")), ("#0", Err("user")), ("-G root ecra", Err("option")),
        ] {
            assert_eq!(read(su, line), want.map(str::to_owned), "su {line}");
        }
    }
}
