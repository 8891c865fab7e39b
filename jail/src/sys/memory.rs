//! Another process's memory (process_vm_readv(2), process_vm_writev(2)).
#![expect(unsafe_code, reason = "process_vm_readv(2) and process_vm_writev(2) have no safe wrapper")]

use rustix::process::Pid;
use std::io;

/// Most pieces that one call takes (`UIO_MAXIOV`, include/uapi/linux/uio.h).
pub(crate) const PIECES_MAX: usize = 1024;

/// A piece of another process's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Its address there.
    pub(crate) address: u64,
    /// How many bytes.
    pub(crate) len: usize,
}

/// Reads `pieces` one after the other into `into`, whose length is the sum of theirs. Returns how many bytes were read: reading
/// ends before the first page that is not readable.
///
/// What is read can change at once: it is the memory of a process whose other threads run.
pub(crate) fn read_pieces(process: Pid, pieces: &[Piece], into: &mut [u8]) -> io::Result<usize> {
    let local = libc::iovec { iov_base: into.as_mut_ptr().cast(), iov_len: into.len() };
    let mut few = [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; 16];
    let many: Vec<libc::iovec>;
    let remote = if let Some(few) = few.get_mut(..pieces.len()) {
        for (slot, piece) in few.iter_mut().zip(pieces) {
            *slot = iovec(*piece);
        }
        &*few
    } else {
        many = pieces.iter().take(PIECES_MAX).map(|piece| iovec(*piece)).collect();
        &many
    };
    // SAFETY: `local` describes `into`, which is exclusively borrowed; the remote addresses are only meant for the other process
    let read = unsafe {
        libc::process_vm_readv(process.as_raw_pid(), &raw const local, 1, remote.as_ptr(), remote.len() as libc::c_ulong, 0)
    };
    usize::try_from(read).map_err(|_| io::Error::last_os_error())
}

/// Writes `bytes` at `address` of another process, where it may write itself; all of them or it is an error.
pub(crate) fn write_piece(process: Pid, address: u64, bytes: &[u8]) -> io::Result<()> {
    let local = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let remote = iovec(Piece { address, len: bytes.len() });
    // SAFETY: `local` describes `bytes`, which the call only reads; the remote address is only meant for the other process
    let written = unsafe { libc::process_vm_writev(process.as_raw_pid(), &raw const local, 1, &raw const remote, 1, 0) };
    match usize::try_from(written) {
        Ok(written) if written == bytes.len() => Ok(()),
        Ok(_) => Err(io::ErrorKind::WriteZero.into()),
        Err(_) => Err(io::Error::last_os_error()),
    }
}

fn iovec(piece: Piece) -> libc::iovec {
    libc::iovec { iov_base: std::ptr::without_provenance_mut(piece.address as usize), iov_len: piece.len }
}
