//! The rules as the profile says them, and what they mean: the peers' native side, and what the translations start from.

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Most operands of a question: a language without quantifiers needs to know.
pub(crate) const OPERANDS: usize = 4;

/// What one program may be given.
#[derive(Debug)]
pub(crate) struct Rule {
    /// Options, as whole words.
    pub(crate) options: BTreeSet<String>,
    /// Folders and files that operands lie in; none: no operands.
    pub(crate) paths: Vec<String>,
}

/// All of it, by the programs' paths.
#[derive(Debug)]
pub(crate) struct Rules(pub(crate) HashMap<String, Rule>);

/// A command, taken apart.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) program: String,
    pub(crate) options: Vec<String>,
    pub(crate) operands: Vec<String>,
}

/// As much of a profile as the comparison has a use for; what else stands in it is an error.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Profile {
    module: Module,
    paths: BTreeMap<String, Vec<String>>,
    command: Vec<Command>,
}

#[derive(Deserialize)]
struct Module {
    programs: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Command {
    names: Vec<String>,
    #[serde(default)]
    options: Vec<String>,
    #[serde(default)]
    operands: Vec<String>,
}

impl Rules {
    /// The rules of a profile.
    pub(crate) fn parse(profile: &str) -> Result<Self> {
        let Profile { module, paths, command } = toml::from_str(profile).context("the profile uses what the others cannot say")?;
        let mut rules = HashMap::new();
        for Command { names, options, operands } in command {
            let mut folders = Vec::new();
            for pattern in operands {
                let sets = pattern.strip_suffix("...").with_context(|| format!("{pattern}: only sets..."))?;
                for set in sets.split('|') {
                    let name = set.strip_prefix('@').with_context(|| format!("{pattern}: only sets"))?;
                    folders.extend(paths.get(name).with_context(|| format!("{pattern}: no such set"))?.iter().cloned());
                }
            }
            for (folder, name) in module.programs.iter().flat_map(|folder| names.iter().map(move |name| (folder, name))) {
                let rule = Rule { options: options.iter().cloned().collect(), paths: folders.clone() };
                ensure!(rules.insert(format!("{folder}/{name}"), rule).is_none(), "{name} has two rows");
            }
        }
        Ok(Self(rules))
    }

    /// The verdict.
    pub(crate) fn allow(&self, question: &Question) -> bool {
        self.0.get(&question.program).is_some_and(|rule| {
            let lies_in = |path: &str, place: &str| path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            question.options.iter().all(|option| rule.options.contains(option))
                && question.operands.iter().all(|path| rule.paths.iter().any(|place| lies_in(path, place)))
        })
    }
}

impl Question {
    /// A line of the file of commands.
    pub(crate) fn parse(line: &str) -> Result<Self> {
        let mut words = line.split(' ').map(str::to_owned);
        let program = words.next().filter(|program| program.starts_with('/')).with_context(|| format!("{line:?} does not begin with a path"))?;
        let (options, operands): (Vec<_>, Vec<_>) = words.partition(|word| word.starts_with('-'));
        ensure!(operands.len() <= OPERANDS, "{line:?} has more than {OPERANDS} operands");
        Ok(Self { program, options, operands })
    }
}
