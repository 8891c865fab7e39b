//! Which start of the node this is, and how long it was ago.

use portcullis_model::boot::BootId;
use rustix::time::{ClockId, clock_gettime};
use std::io;

/// The number of this start of the node, which the kernel drew. To be asked for where /proc is the host's.
///
/// # Errors
/// The system's, and a kernel that answers with something else.
pub fn boot_id() -> io::Result<BootId> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    text.trim().parse().map_err(io::Error::other)
}

/// Nanoseconds since the node booted, time asleep included; never runs backwards.
#[must_use]
pub fn since_boot_ns() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    u64::try_from(now.tv_sec).unwrap_or(0).saturating_mul(1_000_000_000).saturating_add(u64::try_from(now.tv_nsec).unwrap_or(0))
}
