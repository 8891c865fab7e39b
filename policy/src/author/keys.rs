//! Keys that the schema does not have, each with the one that was probably meant. The schema is the one that editors use, so that
//! there is one list of keys.

use super::nearest::meant;
use super::source::{Problem, Source};
use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// All unknown keys of a document.
pub(super) fn unknown(source: &Source, document: &DeTable<'_>, schema: &Value) -> Vec<Problem> {
    let mut walk = Walk { source, root: schema, problems: Vec::new() };
    walk.table(document, schema);
    walk.problems
}

struct Walk<'a> {
    source: &'a Source,
    root: &'a Value,
    problems: Vec<Problem>,
}

impl<'a> Walk<'a> {
    /// What a reference leads to; of what may be missing, what it is when it is there.
    fn resolve(&self, mut schema: &'a Value) -> &'a Value {
        for _ in 0..8 {
            if let Some(place) = schema.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix('#')) {
                schema = self.root.pointer(place).unwrap_or(&Value::Null);
            } else if let Some(there) = schema.get("anyOf").and_then(Value::as_array).and_then(|all| all.iter().find(|one| one.get("type") != Some(&Value::from("null")))) {
                schema = there;
            } else {
                break;
            }
        }
        schema
    }

    fn table(&mut self, table: &DeTable<'_>, schema: &'a Value) {
        let schema = self.resolve(schema);
        let properties = schema.get("properties").and_then(Value::as_object);
        let others = schema.get("additionalProperties").filter(|others| others.is_object());
        for (key, value) in table.iter() {
            let known = properties.and_then(|all| all.get(key.get_ref().as_ref())).or(others);
            if let Some(known) = known {
                self.value(value, known);
                continue;
            }
            let Some(properties) = properties else { continue };
            let names = properties.keys().map(String::as_str);
            let advice = meant(key.get_ref(), names.clone()).map_or_else(|| format!("there are {}", names.collect::<Vec<_>>().join(", ")), |name| format!("did you mean `{name}`?"));
            self.problems.push(self.source.problem(key.span(), format!("unknown key `{}`; {advice}", key.get_ref().escape_debug())));
        }
    }

    fn value(&mut self, value: &Spanned<DeValue<'_>>, schema: &'a Value) {
        match value.get_ref() {
            DeValue::Table(table) => self.table(table, schema),
            DeValue::Array(array) => {
                let Some(items) = self.resolve(schema).get("items") else { return };
                array.iter().for_each(|item| self.value(item, items));
            }
            _ => {}
        }
    }
}
