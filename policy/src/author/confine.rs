//! What the kernel is to enforce, from words to the bounds of the policy ABI.

use super::compile::{Bench, Checked};
use super::length::milliseconds;
use super::profile::{Children, Confine, Network, Text};
use portcullis_profile as baked;
use toml::Spanned;

const WEEK_MS: u64 = 7 * 24 * 3_600_000;

/// A confinement; nothing when there is nothing to confine.
pub(super) fn confinement(bench: &mut Bench<'_>, run_as: Option<&Text>, confine: Option<&Spanned<Confine>>) -> baked::Confinement {
    let run_as = run_as.map(|user| bench.bounded(user, 64));
    let Some(confine) = confine.map(Spanned::get_ref) else { return baked::Confinement { run_as, ..baked::Confinement::default() } };
    let mut paths = |all: &Option<Vec<Text>>| all.as_ref().map(|all| bench.paths(all, 64));
    let (read, write, execute) = (paths(&confine.read), paths(&confine.write), paths(&confine.execute));
    let network = match (&confine.network, &confine.ports) {
        (Some(network), Some(ports)) => {
            bench.wrong(ports.span(), format!("ports and network = {:?} exclude each other: take one of them", network.get_ref()).to_lowercase());
            baked::Network::None
        }
        (None, Some(ports)) => {
            if ports.get_ref().is_empty() || ports.get_ref().len() > 64 {
                bench.wrong(ports.span(), "there are 1 to 64 ports; for none, write network = \"none\"");
            }
            baked::Network::Ports(ports.get_ref().clone())
        }
        (Some(network), None) if *network.get_ref() == Network::None => baked::Network::None,
        (Some(_) | None, None) => baked::Network::Session,
    };
    if confine.capabilities.len() > 64 {
        bench.wrong_first(&confine.capabilities, "there are at most 64 capabilities");
    }
    let capability = |name: &Text, bench: &mut Bench<'_>| {
        let fine = name.get_ref().strip_prefix("CAP_").is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_uppercase() || b == b'_' || b.is_ascii_digit()));
        if !fine {
            bench.wrong(name.span(), format!("`{}` is no capability: they are named as CAP_NET_RAW is", name.get_ref().escape_debug()));
        }
        bench.bounded(name, 64)
    };
    let capabilities = confine.capabilities.iter().map(|name| capability(name, bench)).collect();
    let environment = confine.environment.as_ref().map(|names| {
        if names.len() > 64 {
            bench.wrong_first(names, "there are at most 64 variables");
        }
        names.iter().map(|name| bench.bounded(name, 128)).collect()
    });
    let time_limit_ms = confine.time_limit.as_ref().and_then(|text| {
        let length = milliseconds(text.get_ref()).and_then(|ms| if ms <= WEEK_MS { Ok(ms) } else { Err("a program may run for 7d at most".to_owned()) });
        length.checked(bench, text.span())
    });
    let children = match confine.children {
        None | Some(Children::Judged) => baked::Children::Judged,
        Some(Children::Trusted) => baked::Children::Trusted,
        Some(Children::Forbidden) => baked::Children::Forbidden,
    };
    baked::Confinement { run_as, read, write, execute, network, children, capabilities, environment, time_limit_ms }
}
