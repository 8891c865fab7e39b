//! Names of users and groups, from the two files of the jail, without any library that could ask elsewhere.

use std::collections::HashMap;

/// Most bytes that are read of each file.
const FILE_MAX: u64 = 4 * 1024 * 1024;

/// Names by number.
#[derive(Debug, Default)]
pub struct Names {
    users: HashMap<u32, String>,
    groups: HashMap<u32, String>,
}

impl Names {
    /// Those that the jail knows.
    #[must_use]
    pub fn of_the_jail() -> Self {
        Self { users: named(&read("/etc/passwd")), groups: named(&read("/etc/group")) }
    }

    /// A user's name, or number.
    #[must_use]
    pub fn user(&self, uid: u32) -> String {
        self.users.get(&uid).cloned().unwrap_or_else(|| uid.to_string())
    }

    /// A group's name, or number.
    #[must_use]
    pub fn group(&self, gid: u32) -> String {
        self.groups.get(&gid).cloned().unwrap_or_else(|| gid.to_string())
    }
}

fn read(path: &str) -> String {
    use std::io::Read as _;
    let mut text = String::new();
    // what cannot be read names nobody
    let _ = std::fs::File::open(path).and_then(|file| file.take(FILE_MAX).read_to_string(&mut text));
    text
}

/// `name:x:number:...`, in both files; the first of a number counts.
fn named(text: &str) -> HashMap<u32, String> {
    let mut names = HashMap::new();
    for line in text.lines() {
        let mut fields = line.split(':');
        if let (Some(name), _, Some(Ok(number))) = (fields.next(), fields.next(), fields.next().map(str::parse)) {
            names.entry(number).or_insert_with(|| name.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_by_number() {
        let users = named("root:x:0:0::/root:/bin/sh\ntoor:x:0:0::/:\nann:x:70001:70001::/home/ann:\nbad\nx:y:z\n");
        let names = Names { users, groups: HashMap::new() };
        assert_eq!((names.user(0), names.user(70_001), names.user(5), names.group(0)), ("root".into(), "ann".into(), "5".into(), "0".into()));
    }
}
