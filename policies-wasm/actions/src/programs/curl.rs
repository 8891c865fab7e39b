//! curl: one GET or HEAD over HTTP, to the terminal.
//!
//! `-q` has to come first: curl otherwise reads `~/.curlrc`, and an operator who can write there could give it any option.

use portcullis_sdk::{Arguments, Call, Options, Program, Refusal, quote};

pub(crate) const ROWS: &[Program] = &[Program::checked(&["curl"], "curl -q [-sSfiIvkL46] [-H HEADER] [-m SECONDS] [-w FORMAT] [-o /dev/null] http(s)://URL", "asks; sends nothing and writes no file; -q first, so that no configuration file counts", &CURL, curl).example("curl -q -sS http://HOST/")];

const CURL: Options = Options::flags(
    "46fgIiklLNqsSv#V",
    &[
        "compressed", "connect-timeout=", "disable", "fail", "globoff", "head", "header=", "help", "include", "insecure", "ipv4", "ipv6", "location", "max-redirs=", "max-time=", "no-buffer",
        "no-progress-meter", "output=", "request=", "resolve=", "connect-to=", "retry=", "show-error", "silent", "user-agent=", "url=", "verbose", "version", "write-out=", "cacert=", "http1.1", "http2", "tlsv1.2", "tlsv1.3",
    ],
)
.valued("AHmoXw");

fn curl(call: &Call<'_>, arguments: &Arguments<'_>) -> Result<(), Refusal> {
    if arguments.has(b'V', "version") || arguments.has(0, "help") {
        return Ok(());
    }
    // it counts only as the very first argument; `-q` may lead a group
    let first = call.args.first().copied().unwrap_or_default();
    if first != b"--disable" && !(first.starts_with(b"-q")) {
        return Err(Refusal::new("config", "-q has to be the first option, or ~/.curlrc would add options of its own"));
    }
    if arguments.values(b'X', "request").flatten().any(|method| method != b"GET" && method != b"HEAD") {
        return Err(Refusal::new("method", "only GET and HEAD are allowed"));
    }
    if arguments.values(b'o', "output").flatten().any(|file| file != b"/dev/null") {
        return Err(Refusal::new("output", "only -o /dev/null is allowed").hint("curl -q -sS http://HOST/ > /tmp/FILE"));
    }
    if arguments.values(b'H', "header").flatten().any(|header| header.starts_with(b"@")) {
        return Err(Refusal::new("file", "headers from a file would be sent"));
    }
    let formats = || arguments.values(b'w', "write-out").flatten();
    if formats().any(|format| format.starts_with(b"@") || format.windows(8).any(|part| part == b"%output{" || part == b"output{>")) {
        return Err(Refusal::new("output", "a format from a file, or one that writes a file, is not allowed"));
    }
    let urls = arguments.operands.iter().copied().chain(arguments.values(0, "url").flatten());
    for url in urls {
        let lower = url.to_ascii_lowercase();
        if !lower.starts_with(b"http://") && !lower.starts_with(b"https://") {
            return Err(Refusal::new("url", format!("{} does not start with http:// or https://", quote(url))));
        }
    }
    Ok(())
}
