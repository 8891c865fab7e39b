//! Programs that run another command. It is judged with them as far as it is known, and by its own exec in any case.

use portcullis_sdk::{Options, Program, Rest};

pub(crate) const ROWS: &[Program] = &[
    Program::runs(&["timeout"], "timeout 10 COMMAND", &TIMEOUT, 1, Rest::Complete).example("timeout 10 ls"),
    Program::runs(&["nice"], "nice COMMAND", &NICE, 0, Rest::Complete).example("nice ls"),
    Program::runs(&["ionice"], "ionice -c3 COMMAND", &IONICE, 0, Rest::Complete).example("ionice -c3 ls"),
    Program::runs(&["nohup"], "nohup COMMAND", &NOHUP, 0, Rest::Complete).example("nohup ls"),
    Program::runs(&["setsid"], "setsid COMMAND", &SETSID, 0, Rest::Complete).example("setsid ls"),
    Program::runs(&["time"], "time COMMAND", &TIME, 0, Rest::Complete).example("time ls"),
    Program::runs(&["xargs"], "xargs COMMAND", &XARGS, 0, Rest::Grows).example("xargs ls"),
    Program::runs(&["watch"], "watch -x COMMAND", &WATCH, 0, Rest::Complete).example("watch -x ls"),
];

const TIMEOUT: Options = Options::flags("fpv", &["foreground", "preserve-status", "verbose", "kill-after=", "signal=", "help", "version"]).valued("ks").first();
const NICE: Options = Options::flags("", &["adjustment=", "help", "version"]).valued("n").first();
const IONICE: Options = Options::flags("t", &["class=", "classdata=", "ignore", "help", "version"]).valued("cnpPu").first();
const NOHUP: Options = Options::flags("", &["help", "version"]).first();
const SETSID: Options = Options::flags("cfwVh", &["ctty", "fork", "wait", "help", "version"]).first();
/// Not `-o`, which writes a file.
const TIME: Options = Options::flags("pvqV", &["portability", "verbose", "quiet", "help", "version", "format="]).valued("f").first();
const XARGS: Options = Options::flags(
    "0prtxo",
    &["null", "no-run-if-empty", "verbose", "exit", "open-tty", "arg-file=", "delimiter=", "max-args=", "max-lines=", "max-procs=", "max-chars=", "replace=", "help", "version"],
)
.valued("adEILnPs")
.first();
/// Without `-x` it hands the command to a shell, whose exec is then refused.
const WATCH: Options = Options::flags("bcdegpqtwxvh", &["beep", "color", "differences?", "errexit", "chgexit", "interval=", "precise", "no-title", "exec", "help", "version"]).valued("n").first();
