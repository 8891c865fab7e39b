//! What an exec of a command would be, as far as this machine can tell: the canonical path of its image, and the interpreters of
//! scripts. A node does the same by its own files, in the jail; what is not installed here is taken to lie in `/usr/bin`.

use portcullis_model::subject::{Exec, Subject};
use portcullis_policy::author::{Setting, exec_subject};
use std::io::Read as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

/// Where programs are looked for, as the session's shell would.
const FOLDERS: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
/// How many interpreters the kernel follows.
const SCRIPTS: usize = 4;

/// Where an image's path came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// The author said so.
    Given,
    /// It is there on this machine.
    Here,
    /// It is not, and a usual place was assumed.
    Assumed,
}

impl Found {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Given => "as given",
            Self::Here => "as on this machine",
            Self::Assumed => "assumed: it is not on this machine",
        }
    }
}

/// The exec of a command.
pub(super) fn exec(argv: Vec<Vec<u8>>, given: Option<&Path>, cwd: Vec<u8>, setting: &Setting) -> (Subject, Found) {
    if let Some(path) = given {
        return (exec_subject(argv, Some(path.as_os_str().as_bytes().to_vec()), cwd, setting), Found::Given);
    }
    let name = argv.first().cloned().unwrap_or_default();
    let Some(file) = find(&name) else { return (exec_subject(argv, None, cwd, setting), Found::Assumed) };
    let mut subject = exec_subject(argv, Some(bytes(file.clone())), cwd, setting);
    if let Subject::Exec(exec) = &mut subject {
        follow(exec, file);
    }
    (subject, Found::Here)
}

fn find(name: &[u8]) -> Option<PathBuf> {
    let name = Path::new(std::ffi::OsStr::from_bytes(name));
    if name.as_os_str().as_bytes().contains(&b'/') {
        return name.is_absolute().then(|| name.canonicalize().ok()).flatten();
    }
    FOLDERS.iter().find_map(|folder| Path::new(folder).join(name).canonicalize().ok().filter(|file| file.is_file()))
}

/// Expands `#!` as the kernel does: the interpreter, its one argument, the script's path, and the script's arguments.
fn follow(exec: &mut Exec, mut file: PathBuf) {
    for _ in 0..SCRIPTS {
        let Some((interpreter, argument)) = interpreter(&file) else { return };
        let Ok(image) = Path::new(std::ffi::OsStr::from_bytes(&interpreter)).canonicalize() else { return };
        let rest = exec.argv.get(1..).unwrap_or_default().to_vec();
        exec.argv = [interpreter].into_iter().chain(argument).chain([bytes(file.clone())]).chain(rest).collect();
        exec.scripts.push(bytes(file));
        exec.path = bytes(image.clone());
        file = image;
    }
}

fn interpreter(file: &Path) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
    let mut head = Vec::new();
    std::fs::File::open(file).ok()?.take(256).read_to_end(&mut head).ok()?;
    let line = head.strip_prefix(b"#!")?.split(|b| *b == b'\n').next()?.trim_ascii();
    let end = line.iter().position(|b| matches!(b, b' ' | b'\t')).unwrap_or(line.len());
    let (interpreter, argument) = line.split_at_checked(end)?;
    let argument = argument.trim_ascii();
    (!interpreter.is_empty()).then(|| (interpreter.to_vec(), (!argument.is_empty()).then(|| argument.to_vec())))
}

fn bytes(path: PathBuf) -> Vec<u8> {
    path.into_os_string().into_vec()
}
