//! Connections that a client wants to have forwarded: to the SSH port of another node, where that node's own Portcullis decides.

use portcullis_sdk::{Forward, Verdict, allow, deny, quote};

/// Names of the node itself, whose own ports are not what forwarding is for. A name that only resolves to it is not known here.
const SELF: &[&str] = &["", "localhost", "ip6-localhost", "ip6-loopback", "0", "::"];

/// Judges a connection to forward.
pub(crate) fn judge(ports: &[u16], connection: &Forward) -> Verdict {
    if ports.is_empty() {
        return deny("forward", "connections are not forwarded in this action", "");
    }
    let host = connection.host.trim_start_matches('[').trim_end_matches([']', '.']).to_ascii_lowercase();
    let plain = host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':'));
    if !plain {
        return deny("forward-host", &format!("{} is not the name or address of a host", quote(connection.host.as_bytes())), "");
    }
    let is_self = SELF.contains(&host.as_str()) || host.ends_with(".localhost") || is_loopback(&host) || is_odd_ipv4(&host);
    if is_self {
        return deny("forward-host", "it leads back to this node", "");
    }
    if !ports.contains(&connection.port) {
        return deny("forward-port", &format!("port {} is not one for SSH", connection.port), "");
    }
    allow()
}

/// Loopback, unspecified and IPv4-mapped addresses.
fn is_loopback(host: &str) -> bool {
    if let Ok(address) = host.parse::<std::net::Ipv4Addr>() {
        return address.is_loopback() || address.is_unspecified();
    }
    match host.parse::<std::net::Ipv6Addr>() {
        Ok(address) => address.is_loopback() || address.is_unspecified() || address.to_ipv4_mapped().is_some_and(|address| address.is_loopback() || address.is_unspecified()),
        Err(_) => false,
    }
}

/// `127.1`, `2130706433` and `0x7f.1` are addresses to a resolver, and to nobody else: a name's last part is no number.
fn is_odd_ipv4(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    let number = last.bytes().all(|b| b.is_ascii_digit()) || last.strip_prefix("0x").is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
    number && host.parse::<std::net::Ipv4Addr>().is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ssh_on_other_nodes_is_reached() {
        let allows = |ports: &[u16], host: &str, port| matches!(judge(ports, &Forward { host: host.into(), port }), Verdict::Allow(_));
        for host in ["node2", "node2.rack.example", "10.0.0.2", "fe80::2", "[2001:db8::2]", "node2."] {
            assert!(allows(&[22], host, 22), "{host}");
            assert!(!allows(&[22], host, 80) && !allows(&[], host, 22), "{host}");
        }
        for host in [
            "localhost", "LOCALHOST", "localhost.", "x.localhost", "127.0.0.1", "127.9.9.9", "0.0.0.0", "0", "::1", "[::1]", "::", "::ffff:127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "", "a b",
            "a\nb", "-oProxyCommand=x/y", "a/b", "0177.0.0.1",
        ] {
            assert!(!allows(&[22], host, 22), "{host}");
        }
    }
}
