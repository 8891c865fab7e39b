//! The state of the machine.

use super::no_operands;
use portcullis_sdk::{Call, Options, Program, Refusal, quote};

pub(crate) const ROWS: &[Program] = &[
    Program::any(&["ps"], "ps -ef", "processes"),
    Program::any(&["pgrep"], "pgrep -a NAME", "processes"),
    Program::any(&["pstree"], "pstree -p", "processes"),
    Program::any(&["top"], "top", "processes; what it starts is judged like all else"),
    Program::any(&["uptime"], "uptime", "load"),
    Program::any(&["free"], "free -h", "memory"),
    Program::any(&["vmstat"], "vmstat 1 5", "memory and processors"),
    Program::any(&["iostat"], "iostat -x 1 5", "disks"),
    Program::any(&["mpstat"], "mpstat 1 5", "processors"),
    Program::custom(&["pidstat"], "pidstat 1 5", "processes; without -e, which starts a program", pidstat),
    Program::any(&["nproc"], "nproc", "processors"),
    Program::any(&["lscpu"], "lscpu", "processors"),
    Program::any(&["lsmem"], "lsmem", "memory"),
    Program::any(&["lsblk"], "lsblk", "disks"),
    Program::options(&["lspci"], "lspci -v", "devices; not from files, and without a cache of names", &LSPCI),
    Program::any(&["lsusb"], "lsusb", "devices"),
    Program::any(&["findmnt"], "findmnt", "file systems"),
    Program::any(&["arch"], "arch", "machine"),
    Program::any(&["uname"], "uname -a", "machine"),
    Program::any(&["hostid"], "hostid", "machine"),
    Program::checked(&["hostname"], "hostname -f", "name; does not set it", &HOSTNAME, no_operands).example("hostname"),
    Program::checked(&["mount"], "mount", "lists file systems", &MOUNT, no_operands),
    Program::options(&["dmesg"], "dmesg -T", "kernel's messages; does not clear them", &DMESG).example("dmesg -T"),
];

const HOSTNAME: Options = Options::flags("aAdfiIsyV", &["alias", "all-fqdns", "all-ip-addresses", "domain", "fqdn", "help", "ip-address", "long", "short", "version"]);
const MOUNT: Options = Options::flags("lvV", &["show-labels", "help", "version"]).valued("t");

const DMESG: Options = Options::flags(
    "deHhkLPrSTtuVwWx",
    &["color?", "ctime", "decode", "facility=", "follow", "follow-new", "help", "human", "kernel", "level=", "nopager", "notime", "reltime", "since=", "until=", "userspace", "version"],
)
.valued("fls");

const LSPCI: Options = Options::flags("bDkmnPtvx", &["help", "version"]).valued("ds");

/// `-e` starts a program; every letter of a group is one by itself.
fn pidstat(call: &Call<'_>) -> Result<(), Refusal> {
    const LETTERS: &[u8] = b"dHhIlRrsUuVvw";
    let mut words = call.args.iter().copied();
    while let Some(word) = words.next() {
        let fine = match word {
            b"-p" | b"-C" | b"-G" | b"-T" => words.next().is_some(),
            b"--dec=0" | b"--dec=1" | b"--dec=2" | b"--human" => true,
            [b'-', b'-', ..] => false,
            [b'-', letters @ ..] => letters.iter().all(|letter| LETTERS.contains(letter)),
            _ => true,
        };
        if !fine {
            return Err(Refusal::new("option", format!("{} is not among the allowed options, or not by itself", quote(word))));
        }
    }
    Ok(())
}
