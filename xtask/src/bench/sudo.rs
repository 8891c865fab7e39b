//! The peer of the exec guard: sudo's intercept mode, in which sudo checks each exec of the command that it runs against its policy.
//!
//! Debian's sudo, whose policy here allows everything to root and logs what it allows; by tracing (`intercept_type=trace`), because
//! the other way is a preloaded library that any program may go without. It has a file of rules of its own, which only the
//! benchmark's mount namespace sees. Sudo asks its policy within its own process, records no terminal here, and does not compare what
//! was loaded with what it decided about.

use super::ground::numbers;
use crate::step::run;
use anyhow::{Context as _, Result, ensure};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

const RULES: &str = "Defaults !authenticate, !lecture, !use_pty, intercept, intercept_type=trace, log_allowed\nroot ALL=(ALL:ALL) ALL\n";

/// A sudo that intercepts.
pub(super) struct Sudo(());

impl Sudo {
    /// What the table calls it.
    pub(super) const NAME: &'static str = "the same under sudo's intercept mode";

    /// Gives sudo its rules.
    pub(super) fn prepare(folder: &Path) -> Result<Self> {
        let rules = folder.join("sudoers");
        // sudo takes no rules that somebody else may write
        std::fs::write(&rules, RULES).and_then(|()| std::fs::set_permissions(&rules, std::fs::Permissions::from_mode(0o440))).with_context(|| format!("cannot write {}", rules.display()))?;
        run(Command::new("mount").arg("--bind").arg(&rules).arg("/etc/sudoers"))?;
        std::fs::remove_file(&rules)?;
        let listed = Command::new("sudo").arg("-l").output().context("cannot start sudo")?;
        ensure!(String::from_utf8_lossy(&listed.stdout).contains("intercept_type=trace"), "this sudo has no intercept mode by tracing: {}", String::from_utf8_lossy(&listed.stderr));
        Ok(Self(()))
    }

    /// Runs a measuring program under it.
    pub(super) fn run(&self, meter: &Path, args: &str) -> Result<Vec<f64>> {
        numbers(Command::new("sudo").arg(meter).args(args.split(' ')).current_dir("/"))
    }
}
