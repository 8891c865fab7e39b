//! The rules as Rego: one rule over data, looked up by the program's path, on regorus's bytecode machine, which is kept.

use crate::rules::{Question, Rules};
use anyhow::{Context as _, Result};
use regorus::languages::rego::compiler::Compiler;
use regorus::rvm::vm::RegoVM;
use regorus::{Engine, Rc, Value};
use serde_json::json;

const POLICY: &str = "\
package peers

default allow := false

allow if {
    rule := object.get(data.rules, input.program, null)
    rule != null
    every option in input.options { object.get(rule.options, option, false) }
    every path in input.operands { inside(path, rule.paths) }
}

inside(path, places) if { some place in places; path == place }
inside(path, places) if { some place in places; startswith(path, concat(\"\", [place, \"/\"])) }
";
const ALLOW: &str = "data.peers.allow";

/// The engine.
pub(crate) struct Rego(RegoVM);

impl Rego {
    /// Compiles the rules.
    pub(crate) fn new(rules: &Rules) -> Result<Self> {
        let rows = rules.0.iter().map(|(program, rule)| {
            let options: serde_json::Map<_, _> = rule.options.iter().map(|option| (option.clone(), json!(true))).collect();
            (program.clone(), json!({ "options": options, "paths": rule.paths }))
        });
        let data = json!({ "rules": rows.collect::<serde_json::Map<_, _>>() }).to_string();
        let data = Value::from_json_str(&data)?;
        let mut engine = Engine::new();
        engine.add_policy("peers.rego".to_owned(), POLICY.to_owned())?;
        engine.add_data(data.clone())?;
        let entry: Rc<str> = ALLOW.into();
        let compiled = engine.compile_with_entrypoint(&entry)?;
        let program = Compiler::compile_from_policy(&compiled, &[ALLOW])?;
        let mut machine = RegoVM::new();
        machine.load_program(program);
        machine.set_data(data)?;
        Ok(Self(machine))
    }

    /// The verdict.
    pub(crate) fn allow(&mut self, question: &Question) -> Result<bool> {
        let words = |words: &[String]| Value::from(words.iter().map(|word| Value::from(word.as_str())).collect::<Vec<_>>());
        let mut input = Value::new_object();
        let fields = input.as_object_mut()?;
        fields.insert("program".into(), question.program.as_str().into());
        fields.insert("options".into(), words(&question.options));
        fields.insert("operands".into(), words(&question.operands));
        self.0.set_input(input);
        self.0.execute()?.as_bool().copied().context("no verdict")
    }
}
