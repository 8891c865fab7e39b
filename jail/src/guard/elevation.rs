//! `sudo`, `su` and `rootexec` as requests: which command they stand for. None of them runs; a module has judged that command, and the
//! verdict names the user that it runs as.
//!
//! `rootexec SCRIPT` is the script as root, by its absolute path and without arguments; `sudo rootexec SCRIPT` is the same. The forms of the
//! others are those that modules understand: `sudo [-n] [-H] [-u USER] [--] COMMAND ...`, `sudo -i` or `-s` and `su [-] [USER]` for a shell. Everything else is none, also where a module should have allowed it.

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Elevation {
    pub(super) user: Vec<u8>,
    /// Empty for a shell.
    pub(super) command: Vec<Vec<u8>>,
}

/// What the program at `path` is asked for with these arguments; none when it is another program. `Err` for a form that is none.
pub(super) fn asked(path: &[u8], argv: &[Vec<u8>]) -> Option<Result<Elevation, ()>> {
    let name = path.rsplit(|b| *b == b'/').next().unwrap_or(path);
    let arguments = argv.get(1..).unwrap_or_default();
    match name {
        b"sudo" => Some(sudo(arguments).ok_or(())),
        b"su" => Some(su(arguments).ok_or(())),
        b"rootexec" => Some(rootexec(arguments).ok_or(())),
        _ => None,
    }
}

fn sudo(mut rest: &[Vec<u8>]) -> Option<Elevation> {
    let (mut user, mut shell) = (b"root".to_vec(), false);
    while let Some((first, others)) = rest.split_first() {
        rest = match first.as_slice() {
            b"--" => {
                rest = others;
                break;
            }
            b"-u" | b"--user" => {
                let (name, others) = others.split_first()?;
                user.clone_from(name);
                others
            }
            b"-n" | b"--non-interactive" | b"-H" | b"--set-home" => others,
            b"-i" | b"--login" | b"-s" | b"--shell" => {
                shell = true;
                others
            }
            option if option.starts_with(b"--user=") => {
                user = option.get(b"--user=".len()..)?.to_vec();
                others
            }
            [b'-', b'u', name @ ..] if !name.is_empty() => {
                user = name.to_vec();
                others
            }
            [b'-', ..] => return None,
            _ => break,
        };
    }
    let command = rest.to_vec();
    // variables for the command are not passed on
    let fits = if shell { command.is_empty() } else { command.first().is_some_and(|first| !first.contains(&b'=')) };
    match command.split_first() {
        Some((first, script)) if fits && first.rsplit(|b| *b == b'/').next() == Some(b"rootexec") => rootexec(script).filter(|asked| asked.user == user),
        _ => fits.then_some(Elevation { user, command }),
    }
}

fn rootexec(arguments: &[Vec<u8>]) -> Option<Elevation> {
    match arguments {
        [script] if script.starts_with(b"/") => Some(Elevation { user: b"root".to_vec(), command: vec![script.clone()] }),
        _ => None,
    }
}

fn su(arguments: &[Vec<u8>]) -> Option<Elevation> {
    let words: Vec<&[u8]> = arguments.iter().map(Vec::as_slice).filter(|word| !matches!(*word, b"-" | b"-l" | b"--login")).collect();
    match words.as_slice() {
        [] => Some(Elevation { user: b"root".to_vec(), command: Vec::new() }),
        [user] if !user.starts_with(b"-") => Some(Elevation { user: user.to_vec(), command: Vec::new() }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Option<Result<String, ()>> {
        let argv: Vec<Vec<u8>> = line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        asked(&argv[0], &argv).map(|asked| asked.map(|asked| format!("{}: {}", text(&asked.user), text(&asked.command.join(&b' ')))))
    }

    #[test]
    fn requests_are_read_as_modules_read_them() {
        for (line, want) in [
            ("/usr/bin/sudo cat -n x", "root: cat -n x"), ("/usr/bin/sudo -n -u ecra ls -u x", "ecra: ls -u x"), ("sudo -uecra -- ls", "ecra: ls"),
            ("sudo --user=ecra ls", "ecra: ls"), ("sudo -i", "root: "), ("sudo -s -u ecra", "ecra: "), ("sudo -u a -u b id", "b: id"),
            ("/run/portcullis/bin/rootexec /root/x.sh", "root: /root/x.sh"), ("sudo rootexec /root/x.sh", "root: /root/x.sh"), ("sudo -n /run/portcullis/bin/rootexec /root/x.sh", "root: /root/x.sh"),
            ("/bin/su", "root: "), ("su -", "root: "), ("su - ecra", "ecra: "), ("su -l ecra", "ecra: "),
        ] {
            assert_eq!(read(line), Some(Ok(want.to_owned())), "{line}");
        }
        for line in [
            "sudo", "sudo -u", "sudo -e /etc/passwd", "sudo -E id", "sudo X=1 id", "sudo -R / id", "sudo -h host id", "sudo -g root id", "sudo -i id", "sudo -s id", "sudo -l", "sudo -b id",
            "su ecra -c id", "su -c id ecra", "su -s /tmp/x ecra", "su ecra id", "su - ecra -- -c id", "su -m ecra",
            "rootexec", "rootexec x.sh", "rootexec /root/x.sh y", "sudo rootexec x.sh", "sudo -u ecra rootexec /root/x.sh",
        ] {
            assert_eq!(read(line), Some(Err(())), "{line}");
        }
        assert_eq!(read("/usr/bin/cat sudo id"), None);
    }
}
