//! Programs that run another command. It is judged with them as far as it is known, and by its own exec in any case.

use portcullis_sdk::{Options, Program, Rest, Rule};

pub(super) const ROWS: &[Program] = &[
    runs(&["timeout"], "timeout 10 COMMAND", &TIMEOUT, 1),
    runs(&["nice"], "nice COMMAND", &NICE, 0),
    runs(&["ionice"], "ionice -c3 COMMAND", &IONICE, 0),
    runs(&["nohup"], "nohup COMMAND", &NOHUP, 0),
    runs(&["setsid"], "setsid COMMAND", &SETSID, 0),
    runs(&["time"], "time COMMAND", &TIME, 0),
    Program { rule: Rule::Runs(&XARGS, 0, Rest::Grows), ..runs(&["xargs"], "xargs COMMAND", &XARGS, 0) },
    runs(&["watch"], "watch -x COMMAND", &WATCH, 0),
];

const fn runs(names: &'static [&'static str], form: &'static str, options: &'static Options, operands: usize) -> Program {
    Program { names, form, note: "the command is judged as if it stood alone", hint: form, rule: Rule::Runs(options, operands, Rest::Complete) }
}

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
