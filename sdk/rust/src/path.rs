//! Sets of paths, compared component by component: `/home/ann` does not contain `/home/anna`.

/// A path made absolute and freed of `.`, `..` and doubled slashes, by its text alone.
///
/// Links are not followed: nobody but the kernel can do that without a race. Use it for early, understandable answers; what a
/// process may read and write is held by the mounts, and by the path sets of its confinement.
#[must_use]
#[inline(never)]
pub fn normal(path: &[u8], cwd: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = Vec::new();
    let absolute = path.first() == Some(&b'/');
    let base = if absolute { &[][..] } else { cwd };
    for part in base.split(|b| *b == b'/').chain(path.split(|b| *b == b'/')) {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let mut normal = Vec::with_capacity(path.len() + cwd.len() + 1);
    for part in parts {
        normal.push(b'/');
        normal.extend_from_slice(part);
    }
    if normal.is_empty() {
        normal.push(b'/');
    }
    normal
}

/// Whether `path` is `folder` or lies below it; both normal.
#[must_use]
pub fn within(path: &[u8], folder: &[u8]) -> bool {
    match path.strip_prefix(folder) {
        Some(rest) => rest.is_empty() || rest.first() == Some(&b'/') || folder == b"/",
        None => false,
    }
}

/// The last component; empty for `/`.
#[must_use]
pub fn name(path: &[u8]) -> &[u8] {
    path.rsplit(|b| *b == b'/').next().unwrap_or_default()
}

/// The folder of a path with a slash in it; empty for one without.
#[must_use]
pub fn folder(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|b| *b == b'/') {
        Some(0) => b"/",
        Some(slash) => path.get(..slash).unwrap_or_default(),
        None => b"",
    }
}

/// Whether `path` is what `pattern` says, in which `*` stands for anything within one component.
#[must_use]
pub fn matches(pattern: &str, path: &[u8]) -> bool {
    let mut patterns = pattern.as_bytes().split(|b| *b == b'/');
    let mut parts = path.split(|b| *b == b'/');
    loop {
        match (patterns.next(), parts.next()) {
            (None, None) => return true,
            (Some(pattern), Some(part)) if component_matches(pattern, part) => {}
            _ => return false,
        }
    }
}

/// With at most one `*`; none of it stands for `.` or `..`.
fn component_matches(pattern: &[u8], part: &[u8]) -> bool {
    let Some(star) = pattern.iter().position(|b| *b == b'*') else { return pattern == part };
    let (before, after) = (pattern.get(..star).unwrap_or_default(), pattern.get(star + 1..).unwrap_or_default());
    part.len() >= before.len() + after.len() && part.starts_with(before) && part.ends_with(after) && !matches!(part, b"." | b"..")
}

/// Folders and files, and everything below the folders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathSet(pub &'static [&'static str]);

impl PathSet {
    /// In a confinement: the account's home.
    pub const HOME: &'static str = "~";
    /// In a confinement: the files that the command names, and nothing beside them.
    pub const OPERANDS: &'static str = "&";
    /// What a program needs to read to start and to name users, times and errors; on most nodes some of it is not there.
    pub const SYSTEM: Self = Self(&[
        "/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives", "/etc/localtime", "/etc/passwd", "/etc/group",
        "/etc/nsswitch.conf", "/etc/terminfo", "/dev", "/proc", "/run/portcullis/bin",
    ]);
    /// Where programs lie that a node installs, and the dynamic loader, which the kernel executes for them.
    pub const PROGRAMS: Self = Self(&["/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib64", "/usr/libexec", "/usr/local/bin", "/usr/local/sbin", "/bin", "/sbin", "/lib", "/lib64"]);

    /// Devices that keep nothing, and the terminals.
    pub const SINKS: Self = Self(&["/dev/null", "/dev/zero", "/dev/tty", "/dev/pts"]);

    /// Whether `path`, taken from `cwd`, lies in it.
    #[must_use]
    pub fn contains(&self, path: &[u8], cwd: &[u8]) -> bool {
        let path = normal(path, cwd);
        self.0.iter().any(|folder| within(&path, folder.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_normal() {
        for (path, cwd, want) in [
            ("/var/log/../../etc/shadow", "/", "/etc/shadow"),
            ("../x", "/home/ann", "/home/x"),
            ("./a//b/.", "/tmp", "/tmp/a/b"),
            ("../../../..", "/tmp", "/"),
            ("", "/tmp", "/tmp"),
            ("x", "", "/x"),
        ] {
            assert_eq!(normal(path.as_bytes(), cwd.as_bytes()), want.as_bytes(), "{path}");
        }
    }

    #[test]
    fn a_star_stays_within_its_component() {
        for (pattern, path, want) in [
            ("/opt/oracle/cell*/cellsrv/bin", "/opt/oracle/cell22.1_LINUX/cellsrv/bin", true),
            ("/opt/oracle/cell*/cellsrv/bin", "/opt/oracle/cell/cellsrv/bin", true),
            ("/opt/oracle/cell*/cellsrv/bin", "/opt/oracle/cell/x/cellsrv/bin", false),
            ("/opt/oracle/cell*/cellsrv/bin", "/opt/oracle/sell/cellsrv/bin", false),
            ("/opt/*/bin", "/opt/../bin", false),
            ("/opt/a*a/bin", "/opt/a/bin", false),
            ("/usr/bin", "/usr/bin", true),
            ("/usr/bin", "/usr/bin/x", false),
        ] {
            assert_eq!(matches(pattern, path.as_bytes()), want, "{pattern} {path}");
        }
    }

    #[test]
    fn a_prefix_of_a_name_is_not_its_folder() {
        let set = PathSet(&["/tmp", "/home/ann"]);
        for (path, inside) in [
            ("/tmp", true),
            ("/tmp/x", true),
            ("/tmpx", false),
            ("/home/anna", false),
            ("/home/ann/../anna", false),
            ("/home/ann/a", true),
            ("/tmp/../etc/passwd", false),
            ("x", true),
        ] {
            assert_eq!(set.contains(path.as_bytes(), b"/tmp"), inside, "{path}");
        }
        assert!(PathSet(&["/"]).contains(b"/etc", b"/"));
    }
}
