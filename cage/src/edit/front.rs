//! `sudovi FILE`, as the operator: has the file read, edited and written by programs of their own, each judged by itself.
//!
//! The editor is the node's vi in its restricted mode: no shell, no filters, no suspending, no other interpreters. It reads no
//! configuration (`-u NONE`), no history (`-i NONE`), loads no plug-ins, so no netrw, obeys no modelines, and writes no swap and no backup
//! files. What that leaves open, `:w OTHER` and `:source`, the kernel closes: the policy holds this one exec to the copy.

use super::{NEW, NOT_THERE, SIZE_MAX, digest, read_all};
use crate::failure::{Failure, Report, Usage, words};
use crate::grammar::Arguments;
use portcullis_model::bytes::printable;
use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::hash::{BuildHasher as _, RandomState};
use std::io::Write as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Where the jail has the other two parts.
const BIN: &str = "/run/portcullis/bin";
/// Where the node may have a vi; the first that is there.
const EDITORS: &[&str] = &["/usr/bin/vim", "/usr/bin/vi", "/usr/bin/vim.basic", "/usr/bin/vim.tiny", "/bin/vi"];
/// The name that it is called by, for which the policy has a row.
const EDITOR_NAME: &str = "sudovi-editor";
/// What it is told before anything else, as that row has it.
const SETTINGS: &str = "set nomodeline noexrc nobackup nowritebackup";
/// How many names are tried for the folder of the copy.
const NAMES_MAX: usize = 64;

/// `sudovi [-R] [+LINE] FILE`
///
/// # Errors
/// Not exactly one file.
pub fn run(arguments: &Arguments, report: &mut Report) -> Result<(), Usage> {
    let is_line = |operand: &&Vec<u8>| operand.strip_prefix(b"+").is_some_and(|line| !line.is_empty() && line.iter().all(u8::is_ascii_digit));
    let (lines, files): (Vec<_>, Vec<_>) = arguments.operands.iter().partition(is_line);
    let ([file], [] | [_]) = (files.as_slice(), lines.as_slice()) else { return Err(Usage::Operands("one file is edited at a time")) };
    let edit = Edit { file, line: lines.first().copied(), looks: arguments.has("R", "") };
    match edit.run(report) {
        Ok(()) => {}
        Err(failure) => report.fail(&failure),
    }
    Ok(())
}

struct Edit<'a> {
    file: &'a [u8],
    line: Option<&'a Vec<u8>>,
    looks: bool,
}

impl Edit<'_> {
    fn run(&self, report: &mut Report) -> Result<(), Failure> {
        // what the terminal says is for the programs that run in it
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGQUIT] {
            signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
        }
        let Some(before) = self.read(report)? else { return Ok(()) };
        let copy = Scratch::make(before.as_deref().unwrap_or_default(), self.file)?;
        let edited = self.edit(&copy).and_then(|()| copy.read());
        let after = match edited {
            Ok(after) => after,
            Err(failure) => {
                report.fail(&failure);
                return copy.keep(report);
            }
        };
        let is_same = before.as_ref().map_or(after.is_empty(), |before| *before == after);
        if is_same || self.looks {
            return copy.remove();
        }
        if self.write(before.as_deref(), &copy, report)? { copy.remove() } else { copy.keep(report) }
    }

    /// The file's content; none inside for one that is not there, none at all when it was told why not.
    fn read(&self, report: &mut Report) -> Result<Option<Option<Vec<u8>>>, Failure> {
        let mut child = part("sudovi-read").arg("--").arg(OsStr::from_bytes(self.file)).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(|error| refused("sudovi-read", error))?;
        let content = child.stdout.take().map_or(Ok(Vec::new()), read_all);
        let status = child.wait()?;
        match (status.code(), content) {
            (Some(0), Ok(content)) => Ok(Some(Some(content))),
            (Some(0), Err(failure)) => Err(failure),
            (Some(code), _) if code == i32::from(NOT_THERE) => Ok(Some(None)),
            _ => {
                // it has said why
                report.end(1);
                Ok(None)
            }
        }
    }

    fn edit(&self, copy: &Scratch) -> Result<(), Failure> {
        let editor = EDITORS.iter().find(|path| Path::new(path).exists()).ok_or_else(|| Failure::Other("there is no vi on this node".to_owned()))?;
        let mut command = Command::new(editor);
        command.arg0(EDITOR_NAME).args(["-Z", "-N", "-n", "-u", "NONE", "-i", "NONE", "--noplugin", "--cmd", SETTINGS]);
        if self.looks {
            command.arg("-R");
        }
        command.args(self.line.map(|line| OsStr::from_bytes(line))).arg("--").arg(&copy.path);
        let status = command.status().map_err(|error| refused(editor, error))?;
        if status.success() { Ok(()) } else { Err(Failure::Other(format!("the editor ended with {status}; nothing is written"))) }
    }

    /// Has the copy written; whether it was.
    fn write(&self, before: Option<&[u8]>, copy: &Scratch, report: &mut Report) -> Result<bool, Failure> {
        let was = before.map_or_else(|| NEW.to_vec(), |before| digest(before).into_bytes());
        let status = part("sudovi-write").arg("--").arg(OsString::from_vec(was)).arg(OsStr::from_bytes(self.file)).stdin(copy.open()?).status();
        match status {
            Ok(status) if status.success() => return Ok(true),
            // it has said why
            Ok(_) => report.end(1),
            Err(error) => report.fail(&refused("sudovi-write", error)),
        }
        Ok(false)
    }
}

fn part(name: &str) -> Command {
    let mut command = Command::new(Path::new(BIN).join(name));
    command.arg0(name);
    command
}

#[expect(clippy::needless_pass_by_value, reason = "what map_err hands over")]
fn refused(name: &str, error: std::io::Error) -> Failure {
    Failure::Other(match Errno::from_io_error(&error) {
        Some(Errno::ACCESS) => format!("{name} may not be run here"),
        Some(errno) => format!("{name}: {}", words(errno)),
        None => format!("{name}: {error}"),
    })
}

/// The copy, alone in a folder that nobody else gets into.
struct Scratch {
    folder: PathBuf,
    path: PathBuf,
}

impl Scratch {
    fn make(content: &[u8], of: &[u8]) -> Result<Self, Failure> {
        let home = std::env::var_os("HOME").filter(|home| home.as_bytes().starts_with(b"/")).ok_or_else(|| Failure::Other("HOME does not say where the copy can lie".to_owned()))?;
        for _ in 0..NAMES_MAX {
            let folder = Path::new(&home).join(format!(".sudovi-{:016x}", RandomState::new().hash_one(std::process::id())));
            match mkdirat(CWD, &folder, Mode::from_raw_mode(0o700)) {
                Err(Errno::EXIST) => continue,
                Err(errno) => return Err(Failure::Other(format!("{}: {}", printable(folder.as_os_str().as_bytes()), words(errno)))),
                Ok(()) => {}
            }
            let path = folder.join(shown_name(of));
            let copy = Self { folder, path };
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file = openat(CWD, &copy.path, flags, Mode::from_raw_mode(0o600))?;
            File::from(file).write_all(content)?;
            return Ok(copy);
        }
        Err(Errno::EXIST.into())
    }

    fn open(&self) -> Result<File, Failure> {
        Ok(openat(CWD, &self.path, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?.into())
    }

    fn read(&self) -> Result<Vec<u8>, Failure> {
        let file = self.open()?;
        if file.metadata()?.len() > SIZE_MAX {
            return Err(Failure::Other(format!("it has become larger than {} MiB; it is not written", SIZE_MAX / 1024 / 1024)));
        }
        read_all(file)
    }

    fn remove(&self) -> Result<(), Failure> {
        std::fs::remove_file(&self.path)?;
        Ok(std::fs::remove_dir(&self.folder)?)
    }

    fn keep(&self, report: &mut Report) -> Result<(), Failure> {
        report.say(&format!("what you have is in {}", printable(self.path.as_os_str().as_bytes())));
        Ok(())
    }
}

/// The name of the copy: that of the file, as far as it is plain. A name that the editor could take for something else is none.
fn shown_name(of: &[u8]) -> String {
    let name = of.rsplit(|b| *b == b'/').find(|part| !part.is_empty()).unwrap_or_default();
    let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let name: String = name.iter().take(64).map(|b| if plain(b) { char::from(*b) } else { '_' }).collect();
    if name.is_empty() || name.starts_with(['.', '-']) { format!("file{name}") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_have_plain_names() {
        for (of, want) in [(&b"/etc/hosts"[..], "hosts"), (b"/u01/a b\xff/", "a_b_"), (b"..", "file.."), (b"-c", "file-c"), (b"/", "file"), ("/u01/\u{fc}".as_bytes(), "__")] {
            assert_eq!(shown_name(of), want);
        }
    }

    /// The policy lets exactly this be run.
    #[test]
    fn the_policys_table_has_the_same_settings() {
        let table = include_str!("../../../policies-wasm/actions/src/programs/cage.rs");
        assert!(table.contains(&format!("{SETTINGS:?}")) && table.contains(&format!("{EDITOR_NAME:?}")));
    }
}
