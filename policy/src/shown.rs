//! Answers for people and for programs.

use portcullis_model::verdict::{Children, Confinement, Network, Verdict};
use serde_json::{Value, json};

/// The parts of a confinement, as authors name them.
pub const CONFINEMENT: [&str; 9] = ["run-as", "read", "write", "execute", "network", "children", "capabilities", "environment", "time-limit-ms"];

/// A confinement by its parts; what adds nothing is null.
#[must_use]
pub fn confinement(confinement: &Confinement) -> Value {
    let Confinement { run_as, read, write, execute, network, children, capabilities, environment, time_limit_ms } = confinement;
    let network = match network {
        Network::Session => Value::Null,
        Network::None => json!("none"),
        Network::Ports(ports) => json!(ports),
    };
    let children = match children {
        Children::Judged => Value::Null,
        Children::Trusted => json!("trusted"),
        Children::Forbidden => json!("forbidden"),
    };
    let capabilities = if capabilities.is_empty() { Value::Null } else { json!(capabilities) };
    json!({
        "run-as": run_as, "read": read, "write": write, "execute": execute, "network": network, "children": children, "capabilities": capabilities,
        "environment": environment, "time-limit-ms": time_limit_ms,
    })
}

/// A verdict in one line. Texts of the module are in it as they are: it has no control characters.
#[must_use]
pub fn verdict(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Allow(confined) if *confined == Confinement::default() => "allow".to_owned(),
        Verdict::Allow(confined) => {
            let parts = confinement(confined);
            let parts = CONFINEMENT.iter().filter_map(|name| parts.get(name).filter(|value| !value.is_null()).map(|value| format!("{name} {value}")));
            format!("allow, confined: {}", parts.collect::<Vec<_>>().join(", "))
        }
        Verdict::Deny(denial) if denial.hint.is_empty() => format!("deny {}: {}", denial.rule, denial.reason),
        Verdict::Deny(denial) => format!("deny {}: {} (allowed: {})", denial.rule, denial.reason, denial.hint),
        Verdict::Ask(ask) => format!("ask: {}", ask.prompt),
    }
}
