//! ssh: on to another node, where that node's own Portcullis judges.
//!
//! `-F none` is required: ssh otherwise reads `~/.ssh/config`, and an operator who can write there could have it start programs,
//! load libraries and forward ports. For the same reason there is no `-o`, no forwarding, no jump and no file of keys or logs.

use super::is_name;
use portcullis_sdk::{Arguments, Call, Options, Program, Refusal};

pub(crate) const ONWARD: &[Program] = &[
    Program::checked(&["ssh"], "ssh -F none [-46CnqTtv] [-l USER] [-p PORT] [USER@]HOST [COMMAND]", "on to another node; no configuration, forwarding or jump", &SSH, ssh).example("ssh -F none HOST"),
];
pub(crate) const NOT_ONWARD: &[Program] = &[Program::refused(&["ssh"], "onward connections are not part of this action", "")];

const SSH: Options = Options::flags("46CnqTtv", &[]).valued("Flp").first();

fn ssh(_: &Call<'_>, arguments: &Arguments<'_>) -> Result<(), Refusal> {
    let configurations: Vec<&[u8]> = arguments.values(b'F', "").flatten().collect();
    if configurations.is_empty() || configurations.iter().any(|file| !matches!(*file, b"none" | b"/dev/null")) {
        return Err(Refusal::new("config", "-F none has to be given, or ~/.ssh/config would add options of its own"));
    }
    if !arguments.values(b'p', "").flatten().all(|port| port.len() <= 5 && port.iter().all(u8::is_ascii_digit)) {
        return Err(Refusal::new("option", "the port is not a number"));
    }
    if !arguments.values(b'l', "").flatten().all(is_name) {
        return Err(Refusal::new("option", "the user is not a plain name"));
    }
    let host = arguments.operands.first().copied().unwrap_or_default();
    let (user, host) = match host.iter().rposition(|b| *b == b'@') {
        Some(at) => (host.get(..at), host.get(at + 1..).unwrap_or_default()),
        None => (None, host),
    };
    // an option may stand behind the host too
    let plain = user.is_none_or(is_name) && is_name(host) && arguments.operands.get(1).is_none_or(|word| !word.starts_with(b"-"));
    if plain { Ok(()) } else { Err(Refusal::new("operand", "the host is not [USER@]HOST, or an option stands behind it")) }
}
