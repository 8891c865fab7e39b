//! Sets of paths, compared component by component: `/home/ann` does not contain `/home/anna`.

/// A path made absolute and freed of `.`, `..` and doubled slashes, by its text alone.
///
/// Links are not followed: nobody but the kernel can do that without a race. Use it for early, understandable answers; what a
/// process may write is held by the mounts.
#[must_use]
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

/// Folders, and everything below them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathSet(pub &'static [&'static str]);

impl PathSet {
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
