//! What kind of thing a file is that somebody wants to run: a program, a dynamic loader, a script, or none of them.
//!
//! A dynamic loader run by hand (`ld.so PROG`) runs PROG without an exec of it, from wherever it can be read. A loader is known by
//! what it is: a shared object (type `ET_DYN`, not marked as a position-independent executable) that has a name of its own
//! (`DT_SONAME`) or needs no interpreter. That covers the loaders of glibc, musl, uClibc and bionic under whatever path, and shared
//! libraries that can be run; a static position-independent program is marked, and old unmarked ones have an interpreter.

use super::locate::Identity;
use super::shebang::{HEAD_LEN, Head, Interpreter, interpreter};
use rustix::io::{Errno, pread};
use std::collections::HashMap;
use std::os::fd::OwnedFd;

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Image {
    /// A program for this machine.
    Program,
    /// A dynamic loader, or another shared object that can be run.
    Loader,
    /// A script; its first line names the interpreter.
    Script(Interpreter),
    /// Nothing that the kernel runs by itself; why.
    Foreign(&'static str),
}

/// Remembers what files are, by their identity. Only for files on read-only mounts, of which each change shows as another
/// identity.
#[derive(Debug, Default)]
pub(super) struct Images(HashMap<Identity, Image>);

impl Images {
    /// Most that are remembered.
    const MAX: usize = 512;

    /// What the file with this identity is; `open` is only called when that is not known.
    pub(super) fn get(&mut self, identity: Identity, open: impl FnOnce() -> Result<OwnedFd, Errno>) -> Result<Image, Errno> {
        if let Some(image) = self.0.get(&identity) {
            return Ok(image.clone());
        }
        let image = classify(&open()?)?;
        if self.0.len() >= Self::MAX {
            self.0.clear();
        }
        self.0.insert(identity, image.clone());
        Ok(image)
    }
}

// the ELF constants are those of include/uapi/linux/elf.h and elf-em.h
const ET_EXEC: u16 = 2;
const ET_DYN: u16 = 3;
const EM_X86_64: u16 = 62;
const PT_DYNAMIC: u32 = 2;
const PT_INTERP: u32 = 3;
const DT_NULL: u64 = 0;
const DT_SONAME: u64 = 14;
const DT_FLAGS_1: u64 = 0x6fff_fffb;
/// "The object is a position-independent executable" (elf.h of glibc).
const DF_1_PIE: u64 = 0x0800_0000;
/// Size of a program header, which the kernel insists on.
const PROGRAM_HEADER_LEN: usize = 56;
/// Most program headers (`load_elf_phdrs` in fs/binfmt_elf.c: 64 KiB of them).
const PROGRAM_HEADERS_MAX: usize = 65536 / PROGRAM_HEADER_LEN;
/// Most of a dynamic section that is looked at.
const DYNAMIC_MAX: usize = 64 * 1024;

fn classify(file: &OwnedFd) -> Result<Image, Errno> {
    let mut head: Head = [0; HEAD_LEN];
    read_at(file, 0, &mut head)?;
    if head.starts_with(b"#!") {
        return Ok(interpreter(&head).map_or(Image::Foreign("its #! line names no interpreter"), Image::Script));
    }
    if !head.starts_with(b"\x7fELF") {
        return Ok(Image::Foreign("it is neither an ELF program nor a #! script"));
    }
    elf(file, &head)
}

fn elf(file: &OwnedFd, head: &Head) -> Result<Image, Errno> {
    // 64-bit, little-endian
    if head.get(4..6) != Some(&[2, 1]) || half(head, 18) != EM_X86_64 {
        return Ok(Image::Foreign("it is a program for another machine or interface than x86-64"));
    }
    let kind = half(head, 16);
    let (offset, count) = (long(head, 32), usize::from(half(head, 56)));
    if !matches!(kind, ET_EXEC | ET_DYN) || usize::from(half(head, 54)) != PROGRAM_HEADER_LEN || count == 0 || count > PROGRAM_HEADERS_MAX {
        return Ok(Image::Foreign("it is an ELF file but not a program"));
    }
    if kind == ET_EXEC {
        return Ok(Image::Program);
    }
    let mut headers = vec![0; count * PROGRAM_HEADER_LEN];
    read_at(file, offset, &mut headers)?;
    let segment = |wanted| headers.chunks_exact(PROGRAM_HEADER_LEN).find(|header| word(header, 0) == wanted);
    let interpreted = segment(PT_INTERP).is_some();
    let (mut executable, mut named) = (false, false);
    if let Some(dynamic) = segment(PT_DYNAMIC) {
        let len = usize::try_from(long(dynamic, 32)).unwrap_or(usize::MAX).min(DYNAMIC_MAX);
        let mut entries = vec![0; len];
        read_at(file, long(dynamic, 8), &mut entries)?;
        for entry in entries.chunks_exact(16) {
            match long(entry, 0) {
                DT_NULL => break,
                DT_SONAME => named = true,
                DT_FLAGS_1 => executable |= long(entry, 8) & DF_1_PIE != 0,
                _ => {}
            }
        }
    }
    Ok(if !executable && (named || !interpreted) { Image::Loader } else { Image::Program })
}

/// Fills `buffer` as far as the file goes; the rest stays zero.
fn read_at(file: &OwnedFd, mut offset: u64, mut buffer: &mut [u8]) -> Result<(), Errno> {
    while !buffer.is_empty() {
        match pread(file, &mut *buffer, offset) {
            Ok(0) => break,
            Ok(read) => {
                buffer = buffer.get_mut(read..).unwrap_or_default();
                offset += read as u64;
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

fn bytes<const LEN: usize>(from: &[u8], at: usize) -> [u8; LEN] {
    from.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; LEN])
}

fn half(from: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes(from, at))
}

fn word(from: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes(from, at))
}

fn long(from: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes(from, at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write as _;

    fn check(path: &str) -> Option<Image> {
        Some(classify(&fs::File::open(path).ok()?.into()).unwrap())
    }

    #[test]
    fn programs_of_this_machine() {
        assert_eq!(check("/proc/self/exe"), Some(Image::Program));
        for path in ["/bin/sh", "/bin/bash", "/usr/bin/env", "/usr/bin/python3", "/sbin/ldconfig"] {
            assert!(matches!(check(path), None | Some(Image::Program)), "{path}: {:?}", check(path));
        }
    }

    #[test]
    fn loaders_by_what_they_are() {
        let loader = fs::canonicalize("/lib64/ld-linux-x86-64.so.2").unwrap();
        assert_eq!(check(loader.to_str().unwrap()), Some(Image::Loader));
        let copy = tempfile::NamedTempFile::new().unwrap();
        fs::copy(&loader, copy.path()).unwrap();
        assert_eq!(check(copy.path().to_str().unwrap()), Some(Image::Loader));
        for library in ["/lib/x86_64-linux-gnu/libc.so.6", "/lib/ld-musl-x86_64.so.1", "/lib/x86_64-linux-gnu/libpthread.so.0"] {
            assert!(matches!(check(library), None | Some(Image::Loader)), "{library}: {:?}", check(library));
        }
    }

    #[test]
    fn neither_program_nor_script() {
        let file = |content: &[u8]| {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(content).unwrap();
            classify(&file.reopen().unwrap().into()).unwrap()
        };
        assert!(matches!(file(b""), Image::Foreign(_)));
        assert!(matches!(file(b"echo hello\n"), Image::Foreign(_)));
        assert!(matches!(file(b"#!\n"), Image::Foreign(_)));
        assert!(matches!(file(b"\x7fELF\x01\x01"), Image::Foreign(_)), "32-bit");
        assert!(matches!(file(b"\x7fELF\x02\x01"), Image::Foreign(_)), "no machine");
        assert!(matches!(file(b"MZ"), Image::Foreign(_)));
        assert!(matches!(file(b"#!/bin/sh\n"), Image::Script(_)));
    }
}
