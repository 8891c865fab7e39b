//! tar: archives are listed, made and unpacked, in old style or new, without a program in between.
//!
//! Whatever names a program (`-I`, `--to-command`, `--checkpoint-action`, `-F`, `--rsh-command`) or has one started (`-z`, `-j`, an
//! archive on another host, which a colon says) is not among the options; nor is what makes it read options or names from a file.

use super::outside;
use portcullis_sdk::{Arguments, Call, Options, Program, Refusal, path};

pub(crate) const ROWS: &[Program] = &[Program::checked(
    &["tar"],
    "tar -tvf FILE, tar -cf FILE PATH..., tar -xf FILE -C FOLDER",
    "lists, makes and unpacks archives that are not compressed, in the home and the writable folders",
    &TAR,
    tar,
)
.example("tar -tvf FILE")];

const TAR: Options = Options::flags(
    "ctxhkmvpnS",
    &["create", "list", "extract", "get", "dereference", "directory=", "exclude=", "file=", "force-local", "full-time", "keep-old-files", "numeric-owner", "one-file-system", "sparse", "strip-components=", "totals", "verbose", "wildcards", "help", "version"],
)
.valued("fC");

fn tar(call: &Call<'_>, arguments: &Arguments<'_>) -> Result<(), Refusal> {
    if arguments.has(0, "help") || arguments.has(0, "version") {
        return Ok(());
    }
    let modes = [(b'c', "create"), (b't', "list"), (b'x', "extract")].map(|(short, long)| arguments.has(short, long) || (short == b'x' && arguments.has(0, "get")));
    let files: Vec<&[u8]> = arguments.values(b'f', "file").flatten().collect();
    if files.iter().any(|file| file.contains(&b':') && !arguments.has(0, "force-local")) {
        return Err(Refusal::new("host", "a colon names an archive on another host").hint("tar --force-local -tvf FILE"));
    }
    let folders: Vec<&[u8]> = arguments.values(b'C', "directory").flatten().collect();
    match modes {
        [false, true, false] => Ok(()),
        [true, false, false] if files.iter().all(|file| *file == b"-" || call.may_write(file)) => Ok(()),
        // a folder is taken from the one before it, so all of them have to be absolute or only one be there
        [false, false, true] if files.len() == 1 && folders.len() <= 1 && unpacks_into(call, &folders) => Ok(()),
        [true, false, false] | [false, false, true] => Err(outside(call)),
        _ => Err(Refusal::new("option", "one of -t, -c and -x has to be given, with a dash")),
    }
}

fn unpacks_into(call: &Call<'_>, folders: &[&[u8]]) -> bool {
    let folder = folders.first().copied().unwrap_or(b".");
    call.may_write(&path::normal(folder, call.cwd))
}
