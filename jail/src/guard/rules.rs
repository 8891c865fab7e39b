//! The guard's own refusals: what no policy can allow, because then what the policy said would not be what runs. Each has a
//! rule name by which it is found in records and in the manual.
//!
//! Set-uid and set-gid bits need no rule: every mount of the jail is `nosuid` and its processes have `no_new_privs`.

use portcullis_model::bytes::printable;
use portcullis_model::verdict::Denial;

fn denial(rule: &str, reason: String, hint: &str) -> Denial {
    Denial { rule: rule.to_owned(), reason, hint: hint.to_owned() }
}

/// More or longer strings than can be judged.
pub(super) fn limit(what: &str) -> Denial {
    denial("exec-limit", format!("{what}; what cannot be judged as a whole does not run"), "")
}

/// The caller's memory cannot be read.
pub(super) fn unreadable(error: &std::io::Error) -> Denial {
    denial("exec-unreadable", format!("the arguments could not be read: {error}"), "")
}

/// The image itself cannot be read.
pub(super) fn unreadable_image(path: &[u8], error: rustix::io::Errno) -> Denial {
    denial("image-unreadable", format!("{} could not be read: {error}", printable(path)), "")
}

/// The file has no name: memfd, deleted, a temporary file.
pub(super) fn unlinked(path: &[u8]) -> Denial {
    denial("image-unlinked", format!("{} is not a file with a name: it is in memory only, or deleted", printable(path)), "run a program that is installed")
}

/// The file is where programs are not to be run from.
pub(super) fn no_exec(path: &[u8]) -> Denial {
    denial("image-noexec", format!("{} is in a place where nothing may be executed", printable(path)), "run a program that is installed")
}

/// The file is where the session can write.
pub(super) fn writable(path: &[u8]) -> Denial {
    denial("image-writable", format!("{} is in a place that the session can write to", printable(path)), "run a program that is installed")
}

/// The file is a dynamic loader.
pub(super) fn loader(path: &[u8]) -> Denial {
    let reason = format!("{} is a dynamic loader or shared library, which would run a program that nobody judges", printable(path));
    denial("image-loader", reason, "run the program itself")
}

/// The file is nothing that the kernel runs.
pub(super) fn foreign(path: &[u8], why: &str) -> Denial {
    denial("image-format", format!("{} cannot be run: {why}", printable(path)), "")
}

/// The script's name can be made to mean another file.
pub(super) fn script_name(name: &[u8], why: &str) -> Denial {
    let reason = format!("the script {} is run by a name that {why}, so another could take its place", printable(name));
    denial("script-name", reason, "run it by its full path")
}

/// The name leads through a link of /proc.
pub(super) fn proc_link(name: &[u8]) -> Denial {
    denial("image-proc-link", format!("{} leads through a link of /proc", printable(name)), "run it by its full path")
}

/// A variable that makes programs run other code.
pub(super) fn environment(name: &[u8], reader: &str) -> Denial {
    let hint = format!("unset {}", printable(name));
    denial("environment", format!("the environment variable {} makes {reader} run other code than the program's own", printable(name)), &hint)
}

/// The helper, run by somebody.
pub(super) fn helper() -> Denial {
    denial("helper", "this program is run by Portcullis itself, for a command that a policy confines".to_owned(), "")
}

/// A process on its way to a confined program wants to run another one.
pub(super) fn another(path: &[u8]) -> Denial {
    denial("confined", format!("{} is not what was allowed, or not any more", printable(path)), "")
}

/// The verdict names a user that the jail does not have.
pub(super) fn no_user(name: &str) -> Denial {
    denial("no-user", format!("it would run as {}, who does not exist here", printable(name.as_bytes())), "")
}

/// Something that is held asks for a program of another user, which would not be held by the same.
pub(super) fn held(name: &str) -> Denial {
    let reason = format!("it is asked for by a program that a policy, or the program itself, holds to more than the session is; as {} it would not be held", printable(name.as_bytes()));
    denial("held", reason, "run it from the shell")
}

/// Who asks for a confined program has a filter of system calls that is not ours.
pub(super) fn filtered() -> Denial {
    denial("held", "the policy confines it, and it is asked for by a program that is held by a filter of system calls already".to_owned(), "run it from the shell")
}

/// Who is to become a trusted program has children.
pub(super) fn has_children() -> Denial {
    denial("children", "its children are trusted, and whoever asks for it has some of its own already, which would be taken for them".to_owned(), "run it from the shell, without exec")
}

/// `sudo` or `su` in a form that stands for no command, or for another user than the verdict names.
pub(super) fn elevation(name: &str) -> Denial {
    denial("elevation", format!("it is not a request for a command as {}", printable(name.as_bytes())), "sudo -u USER COMMAND")
}

/// `sudo` of something that is not installed.
pub(super) fn no_command(name: &[u8]) -> Denial {
    denial("no-command", format!("{} is not found among the installed programs", printable(name)), "")
}

/// Too much waits already.
pub(super) fn overload() -> Denial {
    denial("exec-overload", "too many execs wait for a decision".to_owned(), "")
}

/// Whether a path is that of a dynamic loader by its name, whatever its content.
pub(super) fn is_loader_name(path: &[u8]) -> bool {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    name == b"ld.so" || name == b"linker64" || name.starts_with(b"ld-linux") || name.starts_with(b"ld-musl-") || name.starts_with(b"ld64.so")
        || (name.starts_with(b"ld-") && name.ends_with(b".so"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loaders_by_name() {
        let loaders = [
            "/lib64/ld-linux-x86-64.so.2", "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", "/lib/ld-musl-x86_64.so.1", "/usr/bin/ld.so",
            "/lib/ld-2.31.so", "/lib64/ld64.so.1",
        ];
        for path in loaders {
            assert!(is_loader_name(path.as_bytes()), "{path}");
        }
        for path in ["/usr/bin/ld", "/usr/bin/ldd", "/usr/sbin/ldconfig", "/usr/bin/x86_64-linux-gnu-ld.bfd", "/usr/bin/ld.gold"] {
            assert!(!is_loader_name(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn nothing_from_outside_steers_a_terminal() {
        for denial in [writable(b"/tmp/\x1b[2J"), environment(b"LD_\x07", "x"), script_name(b"\n", "y")] {
            assert!(!denial.reason.chars().any(char::is_control) && !denial.hint.chars().any(char::is_control), "{denial:?}");
        }
    }
}
