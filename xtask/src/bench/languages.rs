//! What a module costs by the language that it is written in: the template of `portcullis policy new` in each, which have the same
//! rules and are asked the same, and the shipped INFRA_DIAG. For each a question to an instance made ready before, one to an instance
//! that is started for it, the time to load it (compiling is nearly all of that), and the memory of an instance that has answered.

use super::Plan;
use super::ground::{Ground, numbers};
use super::samples::Samples;
use super::table::{Row, Unit};
use crate::templates;
use anyhow::{Result, ensure};
use std::path::Path;
use std::process::Command;

/// The rows.
pub(super) const ROWS: &[&str] = &[
    "question-in-rust", "started-in-rust", "load-rust", "memory-rust",
    "question-in-c", "started-in-c", "load-c", "memory-c",
    "question-in-js", "started-in-js", "load-js", "memory-js",
    "question-in-python", "started-in-python", "load-python", "memory-python",
    "load-infra-diag", "memory-infra-diag",
];
const COMMANDS: &str = include_str!("first-policy.txt");

/// How often a module in a language is asked in a round, in how many rounds, loaded in all, and held at once. Each round begins with
/// loading it, which takes an interpreter half a minute.
struct Language {
    name: &'static str,
    rounds: usize,
    questions: &'static str,
    loads: usize,
    instances: &'static str,
}

const LANGUAGES: &[Language] = &[
    Language { name: "rust", rounds: 5, questions: "2000", loads: 5, instances: "40" },
    Language { name: "c", rounds: 5, questions: "2000", loads: 5, instances: "40" },
    Language { name: "js", rounds: 1, questions: "500", loads: 1, instances: "8" },
    Language { name: "python", rounds: 1, questions: "500", loads: 1, instances: "8" },
];

/// All rows.
pub(super) fn measure(ground: &Ground, plan: &Plan) -> Result<Vec<Row>> {
    let program = ground.example("verdict_cost")?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    let made = templates::build(root, ground.stage.program("portcullis").parent().unwrap_or(root))?;
    let commands = ground.folder.join("first-policy.txt");
    std::fs::write(&commands, COMMANDS)?;
    let run = |what: &str, module: &Path, rest: &[&str]| {
        let mut command = Command::new(&program);
        command.arg(what).arg(module);
        if what != "load" {
            command.arg(&commands);
        }
        numbers(command.args(rest))
    };
    let mut rows = Vec::new();
    let mut expected = None;
    let mut rust = None;
    for Language { name, rounds, questions, loads, instances } in LANGUAGES {
        let module = made.join(format!("{name}.wasm"));
        if !module.exists() {
            eprintln!("SKIPPED: what a module in {name} costs: its tools are not here");
            continue;
        }
        let verdicts = run("verdicts", &module, &[])?;
        ensure!(*expected.get_or_insert_with(|| verdicts.clone()) == verdicts, "the template in {name} answers otherwise than the first: {verdicts:?}");
        let (mut ready, mut started, mut load, mut memory) = (Samples::default(), Samples::default(), Samples::default(), Samples::default());
        for _ in 0..*rounds {
            ready.add(run("ready", &module, &[questions])?);
            started.add(run("started", &module, &[questions])?);
        }
        load.add(run("load", &module, &[&loads.to_string()])?);
        memory.add(run("memory", &module, &[instances])?);
        let ratio_to = rust.get_or_insert_with(|| ready.clone());
        rows.extend([
            Row::new(&format!("question-in-{name}"), Unit::Us, &ready, Some(("the template in Rust", ratio_to))),
            Row::new(&format!("started-in-{name}"), Unit::Us, &started, None),
            Row::new(&format!("load-{name}"), Unit::Ms, &load, None),
            Row::new(&format!("memory-{name}"), Unit::KiB, &memory, None),
        ]);
    }
    let shipped = ground.stage.folder().join("modules/INFRA_DIAG.cps.wasm");
    let (mut load, mut memory) = (Samples::default(), Samples::default());
    load.add(run("load", &shipped, &["5"])?);
    memory.add(run("memory", &shipped, &["40"])?);
    rows.extend([Row::new("load-infra-diag", Unit::Ms, &load, None), Row::new("memory-infra-diag", Unit::KiB, &memory, None)]);
    Ok(rows.into_iter().filter(|row| plan.wants(&row.name)).collect())
}
