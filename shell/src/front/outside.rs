//! A line that is edited by a program: Ctrl-X Ctrl-E.
//!
//! The program is the configuration's (VISUAL, or else EDITOR), and it is started by a line like any other: judged, recorded,
//! and refused where the policy has none of it. What it leaves comes back to the prompt, where it has to be entered.

use super::{Front, FrontError, Outcome};
use crate::engine::{Engine, value};
use crate::terminal::Terminal;
use portcullis_model::subject::LINE_MAX;
use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use std::ffi::OsString;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// The program, and where the line lies meanwhile.
#[derive(Debug)]
pub(super) struct Outside {
    program: Option<String>,
    place: Option<PathBuf>,
}

impl Outside {
    /// What the engine's environment says.
    pub(super) fn new(environment: &[(OsString, OsString)]) -> Self {
        let program = value(environment, "VISUAL").or_else(|| value(environment, "EDITOR")).and_then(|program| program.to_str()).filter(|program| is_plain(program));
        let home = value(environment, "HOME").filter(|home| home.to_str().is_some_and(is_plain));
        // the end of the name tells an editor what it is
        let place = home.map(|home| Path::new(home).join(format!(".portcullis_line_{}.sh", std::process::id())));
        Self { program: program.map(str::to_owned), place }
    }
}

/// Whether a shell takes it for words, and for nothing else.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._+- ".contains(&byte))
}

impl Front {
    /// Has a line edited; what is left of it.
    pub(super) fn outside(&mut self, outside: &Outside, text: Vec<u8>, engine: &mut Engine, terminal: &Terminal) -> Result<Vec<u8>, FrontError> {
        let (Some(program), Some(place)) = (&outside.program, &outside.place) else {
            super::say("portcullis: no editor is configured");
            return Ok(text);
        };
        if let Err(error) = write(place, &text) {
            super::say(&format!("portcullis: the line cannot be edited in {}: {error}", place.display()));
            return Ok(text);
        }
        let line = [program.as_bytes(), b" ", place.as_os_str().as_bytes()].concat();
        let outcome = self.line(&line, engine, Some(terminal));
        let read = read(place);
        let _ = std::fs::remove_file(place);
        match (outcome?, read) {
            (Outcome::Ran(0), Ok(edited)) if edited.len() <= LINE_MAX => Ok(edited.trim_ascii_end().to_vec()),
            (Outcome::Ran(0), _) => {
                super::say("portcullis: what the editor left cannot be read, or is too long");
                Ok(text)
            }
            (_, _) => Ok(text),
        }
    }
}

fn write(place: &Path, text: &[u8]) -> std::io::Result<()> {
    let _ = std::fs::remove_file(place);
    let fd = open(place, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::RUSR | Mode::WUSR)?;
    File::from(fd).write_all(&[text, b"\n"].concat())
}

fn read(place: &Path) -> std::io::Result<Vec<u8>> {
    let fd = open(place, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
    if FileType::from_raw_mode(fstat(&fd)?.st_mode) != FileType::RegularFile {
        return Err(std::io::ErrorKind::InvalidInput.into());
    }
    let mut text = Vec::new();
    File::from(fd).take(LINE_MAX as u64 + 2).read_to_end(&mut text)?;
    Ok(text)
}
