use super::*;
use crate::protocol::Attributes;
use portcullis_model::subject::{FileOp, FileOpKind};
use portcullis_model::transfer::Moved;
use portcullis_model::verdict::Denial;
use portcullis_model::wire::shell::Notice;
use rustix::io::Errno;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use tempfile::TempDir;

/// Allows what is below one folder, and does something between each question and its answer.
struct Below<F> {
    folder: Vec<u8>,
    meanwhile: F,
    asked: Vec<FileOp>,
    moved: Vec<(u32, Moved, bool)>,
}

impl<F: FnMut(&FileOp)> Ask for Below<F> {
    fn ask(&mut self, operation: FileOp) -> Result<u32, FileError> {
        let below = |path: &Vec<u8>| path.starts_with(&self.folder);
        let allowed = below(&operation.path) && operation.to.as_ref().is_none_or(below);
        (self.meanwhile)(&operation);
        self.asked.push(operation);
        let denial = Denial { rule: "below".into(), reason: "outside".into(), hint: String::new() };
        if allowed { Ok(u32::try_from(self.asked.len()).unwrap()) } else { Err(FileError::Refused(Box::new(Notice { by: "TEST@0".into(), denial }))) }
    }

    fn moved(&mut self, id: u32, moved: Moved, closed: bool) -> Result<(), FileError> {
        self.moved.push((id, moved, closed));
        Ok(())
    }
}

struct Bench {
    _temporary: TempDir,
    inside: std::path::PathBuf,
    outside: std::path::PathBuf,
}

fn bench() -> Bench {
    let temporary = tempfile::tempdir().unwrap();
    let root = temporary.path().canonicalize().unwrap();
    let (inside, outside) = (root.join("inside"), root.join("outside"));
    for folder in [&inside, &outside] {
        std::fs::create_dir(folder).unwrap();
        std::fs::write(folder.join("file"), folder.as_os_str().as_bytes()).unwrap();
    }
    Bench { _temporary: temporary, inside, outside }
}

impl Bench {
    fn files<F: FnMut(&FileOp)>(&self, meanwhile: F) -> Files<Below<F>> {
        let folder = bytes(&self.inside);
        Files { ask: Below { folder: folder.clone(), meanwhile, asked: vec![], moved: vec![] }, names: Names::new(folder) }
    }
}

fn bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().to_vec()
}

fn is_refused<T>(result: &Result<T, FileError>) -> bool {
    matches!(result, Err(FileError::Refused(_)))
}

const READ: How = How { read: true, write: false, append: false, create: false, exclusive: false, truncate: false, mode: 0o666 };
const WRITE: How = How { read: false, write: true, append: false, create: true, exclusive: false, truncate: true, mode: 0o666 };

#[test]
fn every_way_out_is_judged_by_where_it_leads() {
    let bench = bench();
    symlink(&bench.outside, bench.inside.join("folder")).unwrap();
    symlink(bench.outside.join("file"), bench.inside.join("link")).unwrap();
    symlink(bench.outside.join("new"), bench.inside.join("dangling")).unwrap();
    let mut files = bench.files(|_| ());
    let absolute = bytes(&bench.outside.join("file"));
    for name in [&b"link"[..], b"folder/file", b"../outside/file", b"./folder/../outside/file", b"/proc/self/root/etc/passwd", b"/proc/self/cwd", &absolute] {
        let opened = files.open(name, READ);
        assert!(opened.is_err(), "{:?}", name.escape_ascii().to_string());
        assert!(files.open(name, WRITE).is_err(), "{:?}", name.escape_ascii().to_string());
    }
    assert!(is_refused(&files.stat(b"link")) && files.lstat(b"link").is_ok(), "the link itself is inside");
    assert!(files.open(b"dangling", WRITE).is_err() && !bench.outside.join("new").exists());
    assert!(is_refused(&files.list(b"folder")) && is_refused(&files.make_folder(b"folder/x", 0o777)) && is_refused(&files.remove(b"folder/file")));
    assert!(is_refused(&files.rename(b"file", b"folder/x", Renaming::Replaces)) && is_refused(&files.rename(b"folder/file", b"x", Renaming::Replaces)));
    assert!(is_refused(&files.hard_link(b"folder/file", b"x")) && is_refused(&files.soft_link(b"../outside/file", b"x")) && is_refused(&files.set_attributes(b"link", &Attributes::default())));
    // what is not there is told to nobody who may not look
    assert!(is_refused(&files.stat(b"../outside/nothing")) && is_refused(&files.stat(b"../nothing/at/all")));
    assert!(matches!(files.stat(b"nothing"), Err(FileError::System(Errno::NOENT))));
    assert_eq!(std::fs::read(bench.outside.join("file")).unwrap(), bytes(&bench.outside), "untouched");
    assert!(files.ask.moved.iter().all(|(_, moved, closed)| moved.bytes == 0 && *closed), "what was not opened is told as closed");
}

#[test]
fn what_changes_between_question_and_deed_changes_nothing_outside() {
    let (bench, victim) = (bench(), b"outside");
    let (inside, outside) = (bench.inside.clone(), bench.outside.clone());
    // the name becomes a link to the outside while the question about it is open
    let swap = |_: &FileOp| {
        let _ = std::fs::rename(inside.join("file"), inside.join("kept"));
        let _ = symlink(outside.join("file"), inside.join("file"));
    };
    let mut files = bench.files(swap);
    let written = files.open(b"file", WRITE).map(|mut held| held.write(&mut files.ask, 0, b"evil"));
    assert!(written.is_err() || std::fs::read(bench.inside.join("kept")).unwrap() == b"evil");
    assert_eq!(std::fs::read(bench.outside.join("file")).unwrap(), bytes(&bench.outside), "{victim:?}");
    // the folder becomes a link to the outside
    std::fs::create_dir(bench.inside.join("sub")).unwrap();
    std::fs::write(bench.inside.join("sub/file"), "x").unwrap();
    let (inside, outside) = (bench.inside.clone(), bench.outside.clone());
    let swap = |_: &FileOp| {
        let _ = std::fs::rename(inside.join("sub"), inside.join("kept-sub"));
        let _ = symlink(&outside, inside.join("sub"));
    };
    let mut files = bench.files(swap);
    assert!(matches!(files.remove(b"sub/file"), Err(FileError::System(Errno::STALE))));
    assert!(bench.outside.join("file").exists() && bench.inside.join("kept-sub/file").exists());
    // the folder itself is moved out
    let (inside, outside) = (bench.inside.clone(), bench.outside.clone());
    std::fs::create_dir(bench.inside.join("moved")).unwrap();
    let mut files = bench.files(|_: &FileOp| drop(std::fs::rename(inside.join("moved"), outside.join("moved"))));
    assert!(matches!(files.open(b"moved/new", WRITE), Err(FileError::System(Errno::STALE))));
    assert!(!bench.outside.join("moved/new").exists());
}

#[test]
fn a_new_file_is_never_made_through_a_link_that_appears() {
    let bench = bench();
    let (inside, outside) = (bench.inside.clone(), bench.outside.clone());
    let mut files = bench.files(move |_: &FileOp| drop(symlink(outside.join("made"), inside.join("new"))));
    assert!(matches!(files.open(b"new", WRITE), Err(FileError::System(Errno::EXIST))));
    assert!(!bench.outside.join("made").exists());
}

#[test]
fn what_is_not_a_plain_file_is_not_opened() {
    let bench = bench();
    rustix::fs::mknodat(rustix::fs::CWD, bench.inside.join("pipe"), rustix::fs::FileType::Fifo, rustix::fs::Mode::from_raw_mode(0o666), 0).unwrap();
    let mut files = bench.files(|_| ());
    assert!(matches!(files.open(b"pipe", READ), Err(FileError::Odd(_))), "and this test has not waited for a writer");
    assert!(matches!(files.open(b".", READ), Err(FileError::System(Errno::ISDIR))));
    assert!(matches!(files.open(b"x\0y", READ), Err(FileError::System(Errno::INVAL))));
    assert!(matches!(files.stat(&[b'x'; 5000]), Err(FileError::System(Errno::NAMETOOLONG))));
}

#[test]
fn what_is_allowed_is_done() {
    let bench = bench();
    let mut files = bench.files(|_| ());
    let mut held = files.open(b"new\xff", How { read: true, ..WRITE }).unwrap();
    held.write(&mut files.ask, 0, b"abcdef").unwrap();
    let mut room = [0; 10];
    assert_eq!((held.read(&mut files.ask, 2, &mut room).unwrap(), &room[..4]), (4, &b"cdef"[..]));
    held.close(&mut files.ask).unwrap();
    let sizes: Vec<_> = files.ask.moved.iter().map(|(_, moved, closed)| (moved.bytes, *closed)).collect();
    assert_eq!(sizes, [(4, true), (6, true)]);
    let mut more = files.open(b"new\xff", How { append: true, truncate: false, ..WRITE }).unwrap();
    more.write(&mut files.ask, 0, b"gh").unwrap();
    assert_eq!(more.write(&mut files.ask, 99, b"i").ok().map(|()| files.ask.moved.len()), Some(2));
    more.leave(&mut files.ask).unwrap();
    assert_eq!(files.stat(b"new\xff").unwrap().st_size, 9);
    files.set_attributes(b"new\xff", &Attributes { size: Some(3), mode: Some(0o106_640), times: Some((5, 6)), owner: None }).unwrap();
    let stat = files.stat(b"new\xff").unwrap();
    assert_eq!((stat.st_size, stat.st_mode & 0o7777, stat.st_atime, stat.st_mtime), (3, 0o640, 5, 6), "and no set-uid bit");
    let set = files.ask.asked.iter().find_map(|operation| operation.attributes).unwrap();
    assert_eq!(set.to_string(), "mode 0640, size 3, times 5 6", "what is asked about is what is set");
    files.make_folder(b"d/", 0o755).unwrap();
    files.rename(b"new\xff", b"d/x", Renaming::Keeps).unwrap();
    assert!(matches!(files.rename(b"file", b"d/x", Renaming::Keeps), Err(FileError::System(Errno::EXIST))));
    files.rename(b"file", b"d/x", Renaming::Replaces).unwrap();
    files.hard_link(b"d/x", b"d/y").unwrap();
    files.soft_link(b"x", b"d/z").unwrap();
    assert_eq!(files.read_link(b"d/z").unwrap(), b"x");
    let asked: Vec<_> = files.ask.asked.iter().map(|operation| operation.kind).collect();
    for kind in [FileOpKind::Write, FileOpKind::Read, FileOpKind::SetAttributes, FileOpKind::MakeDirectory, FileOpKind::Rename, FileOpKind::Link, FileOpKind::Stat] {
        assert!(asked.contains(&kind), "{kind:?}");
    }
    for name in [&b"d/x"[..], b"d/y", b"d/z"] {
        files.remove(name).unwrap();
    }
    files.remove_folder(b"d").unwrap();
    assert!(matches!(files.remove(b".."), Err(FileError::Refused(_) | FileError::System(_))));
}

#[test]
fn a_name_by_its_text_is_absolute_and_plain() {
    let names = Names::new(b"/home/ann".to_vec());
    for (name, normal) in [("", "/home/ann"), (".", "/home/ann"), ("x", "/home/ann/x"), ("../..", "/"), ("../../../../etc", "/etc"), ("/a//b/./c/..", "/a/b"), ("/", "/")] {
        assert_eq!(String::from_utf8(names.normal(name.as_bytes())).unwrap(), normal, "{name}");
    }
}
