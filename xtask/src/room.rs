//! Room on the disk, asked for before a build that would take minutes to find out.

use crate::build;
use anyhow::{Context as _, Result, bail};
use std::path::Path;

const GIB: u64 = 1 << 30;
/// What a build from nothing and the tests leave in the target folder, with some to spare.
const FROM_NOTHING: u64 = 12 * GIB;
/// What they take when most of it is there.
const AGAIN: u64 = 3 * GIB;

/// Whether everything can be built and tested where cargo puts it.
pub(crate) fn ensure(root: &Path) -> Result<()> {
    let target = build::target(root);
    std::fs::create_dir_all(&target).with_context(|| format!("cannot make {}", target.display()))?;
    let wanted = if target.join("debug/portcullis").exists() { AGAIN } else { FROM_NOTHING };
    let disk = rustix::fs::statvfs(&target).with_context(|| format!("cannot ask how much room there is for {}", target.display()))?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free < wanted {
        bail!("{} is on a disk with {:.1} GiB free, and this takes up to {} GiB: make room there, or name a folder elsewhere in CARGO_TARGET_DIR", target.display(), free as f64 / GIB as f64, wanted / GIB);
    }
    Ok(())
}
