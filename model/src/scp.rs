//! The command that `scp -O` has the server run: `scp -t FILE` to receive, `scp -f FILE` to send. A client writes it, no person does, so
//! exactly what clients write is understood; everything else is a command like any other.
//!
//! No shell reads it: what stands after the options is the name, byte for byte.

/// What the other side is to do with the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The server receives: `-t`.
    ToServer,
    /// The server sends: `-f`.
    FromServer,
}

/// What a client of the old protocol asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Who sends.
    pub direction: Direction,
    /// `-r`: folders with all that is in them.
    pub recursive: bool,
    /// `-p`: times and modes are kept.
    pub preserve: bool,
    /// `-d`: the name has to be that of a folder.
    pub folder: bool,
    /// The file or folder, as written; not empty.
    pub path: Vec<u8>,
}

impl Request {
    /// Reads a command; none when it is not of this form.
    #[must_use]
    pub fn parse(command: &[u8]) -> Option<Self> {
        let mut rest = command.strip_prefix(b"scp ")?;
        let (mut direction, mut recursive, mut preserve, mut folder) = (None, false, false, false);
        while let Some(after) = rest.strip_prefix(b"-") {
            let end = after.iter().position(|byte| *byte == b' ')?;
            let (letters, after) = after.split_at_checked(end)?;
            rest = after.strip_prefix(b" ")?;
            if letters == b"-" {
                break;
            }
            for letter in letters {
                match letter {
                    b't' if direction.is_none() => direction = Some(Direction::ToServer),
                    b'f' if direction.is_none() => direction = Some(Direction::FromServer),
                    b'r' => recursive = true,
                    b'p' => preserve = true,
                    b'd' => folder = true,
                    b'v' => {}
                    _ => return None,
                }
            }
            if letters.is_empty() {
                return None;
            }
        }
        let plain = !rest.is_empty() && !rest.contains(&0) && !rest.contains(&b'\n');
        plain.then_some(Self { direction: direction?, recursive, preserve, folder, path: rest.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_write_is_understood() {
        let parsed = |command: &str| Request::parse(command.as_bytes()).map(|r| (r.direction, r.recursive, r.preserve, r.folder, String::from_utf8(r.path).unwrap()));
        let (to, from) = (Direction::ToServer, Direction::FromServer);
        assert_eq!(parsed("scp -t /tmp/x"), Some((to, false, false, false, "/tmp/x".into())));
        assert_eq!(parsed("scp -r -p -d -t -- a b"), Some((to, true, true, true, "a b".into())));
        assert_eq!(parsed("scp -v -f *.log"), Some((from, false, false, false, "*.log".into())));
        assert_eq!(parsed("scp -rpf -- -x"), Some((from, true, true, false, "-x".into())));
        for other in ["scp", "scp ", "scp a b:c", "scp -t", "scp -t ", "scp -t -f x", "scp -S/bin/sh -t x", "scp -o X -t x", "scp - x", "scpx -t x", "/usr/bin/scp -t x", " scp -t x", "scp -t a\nb", "scp -t a\0b"] {
            assert_eq!(parsed(other), None, "{other:?}");
        }
    }
}
