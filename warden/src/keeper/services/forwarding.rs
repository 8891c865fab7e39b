//! A forwarded connection, and the addresses that it never goes to.
//!
//! The module judges what the client named. What the name stands for is Portcullis' own question: a name that leads back to this node, or to
//! its link, would make the node's own services, which trust their neighbours, the operator's. Only the node's configuration can let a
//! connection go there, address by address, and the module has to allow it as well.

use portcullis_model::subject::Forward;
use portcullis_model::verdict::Denial;
use rustix::net::{AddressFamily, SocketType, bind, socket_with};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Addresses and ports of this node, or near it, that connections may be forwarded to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Near(pub(crate) Vec<SocketAddr>);

/// The connection of one session.
#[derive(Debug)]
pub(crate) struct Forwarding {
    wanted: Forward,
    near: Near,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing was allowed yet.
    New,
    /// The name was, by this decision.
    Named(u64),
    /// An address of it was, too.
    Addressed(u64, SocketAddr),
    /// The connection stands; the client is to be told.
    Connected,
    /// It was told.
    Told,
}

impl Forwarding {
    /// To what the client named.
    pub(crate) fn new(wanted: Forward, near: Near) -> Self {
        Self { wanted, near, state: State::New }
    }

    /// What the client named.
    pub(crate) fn wanted(&self) -> &Forward {
        &self.wanted
    }

    /// The module allowed the name.
    pub(crate) fn named(&mut self, decision: u64) {
        self.state = State::Named(decision);
    }

    /// Whether an address may be connected to: the decision that let it. A refusal is in words for the operator.
    pub(crate) fn address(&mut self, address: SocketAddr) -> Result<u64, Denial> {
        let denial = |reason: String| Denial { rule: "forward-address".to_owned(), reason, hint: String::new() };
        let (State::Named(decision) | State::Addressed(decision, _)) = self.state else {
            return Err(denial("the connection was not allowed".to_owned()));
        };
        if address.port() != self.wanted.port {
            return Err(denial(format!("port {} is not the one that was asked for", address.port())));
        }
        let allowed = self.near.0.iter().any(|near| near.port() == address.port() && near.ip() == plain(address.ip()));
        if !allowed && let Some(what) = forbidden(address.ip()) {
            return Err(denial(format!("{} leads to {}, which is {what}", self.wanted.host, address.ip())));
        }
        self.state = State::Addressed(decision, address);
        Ok(decision)
    }

    /// The connection stands; the decision that let it, if it is to the address that was allowed.
    pub(crate) fn connected(&mut self, address: SocketAddr) -> Option<u64> {
        let State::Addressed(decision, allowed) = self.state else { return None };
        (allowed == address).then(|| {
            self.state = State::Connected;
            decision
        })
    }

    /// Whether the client is to be told now that the connection stands.
    pub(crate) fn is_to_be_told(&mut self) -> bool {
        let now = self.state == State::Connected;
        if now {
            self.state = State::Told;
        }
        now
    }
}

/// An address that is another one in disguise, as that one.
fn plain(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(v6) => v6.to_ipv4_mapped().or_else(|| embedded(v6)).map_or(ip, IpAddr::V4),
    }
}

/// IPv4 in NAT64's well-known prefix, and the deprecated IPv4-compatible form.
fn embedded(v6: std::net::Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = v6.segments();
    let prefix = segments.get(..6)?;
    let [.., high, low] = segments;
    let v4 = Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    let nat64 = *prefix == [0x64, 0xff9b, 0, 0, 0, 0];
    // ::1 and :: are IPv6's own
    let compatible = *prefix == [0; 6] && high != 0;
    (nat64 || compatible).then_some(v4)
}

/// What kind of address this is that is never forwarded to; none for others.
fn forbidden(ip: IpAddr) -> Option<&'static str> {
    let ip = plain(ip);
    if ip.is_loopback() {
        return Some("this node itself");
    }
    if ip.is_unspecified() {
        return Some("no address of a host");
    }
    if ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST) {
        return Some("not one host");
    }
    let link_local = match ip {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    if link_local {
        return Some("on this node's own link");
    }
    is_own(ip).then_some("this node itself")
}

/// Whether an address is one of this node's interfaces: only such a one can be bound. One that cannot be tried is taken for its own.
fn is_own(ip: IpAddr) -> bool {
    let family = if ip.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let Ok(socket) = socket_with(family, SocketType::DGRAM, rustix::net::SocketFlags::CLOEXEC, None) else { return true };
    !matches!(bind(&socket, &SocketAddr::new(ip, 0)), Err(rustix::io::Errno::ADDRNOTAVAIL))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forwarding(near: &[&str]) -> Forwarding {
        let near = Near(near.iter().map(|text| text.parse().unwrap()).collect());
        Forwarding::new(Forward { host: "node2".into(), port: 22 }, near)
    }

    fn at(ip: &str) -> SocketAddr {
        SocketAddr::new(ip.parse().unwrap(), 22)
    }

    #[test]
    fn a_name_never_leads_back_to_this_node() {
        for ip in [
            "127.0.0.1", "127.8.8.8", "::1", "::", "0.0.0.0", "169.254.169.254", "fe80::1", "::ffff:127.0.0.1", "::ffff:169.254.1.1", "64:ff9b::7f00:1", "::127.0.0.1", "224.0.0.1", "ff02::1",
            "255.255.255.255",
        ] {
            let mut forwarding = forwarding(&[]);
            forwarding.named(1);
            let denial = forwarding.address(at(ip)).unwrap_err();
            assert_eq!(denial.rule, "forward-address", "{ip}");
            assert_eq!(forwarding.connected(at(ip)), None, "{ip}");
        }
        // TEST-NET-1 is nobody's
        let mut forwarding = forwarding(&[]);
        forwarding.named(1);
        assert_eq!(forwarding.address(at("192.0.2.7")), Ok(1));
        assert_eq!(forwarding.connected(at("192.0.2.8")), None, "another address");
        assert_eq!(forwarding.connected(at("192.0.2.7")), Some(1));
        assert!(forwarding.is_to_be_told() && !forwarding.is_to_be_told());
    }

    #[test]
    fn the_node_can_say_what_near_it_may_be_reached_and_on_which_port() {
        let mut forwarding = forwarding(&["127.0.0.1:22"]);
        assert!(forwarding.address(at("127.0.0.1")).is_err(), "the module first");
        forwarding.named(7);
        assert_eq!(forwarding.address(at("127.0.0.1")), Ok(7));
        assert_eq!(forwarding.address(at("::ffff:127.0.0.1")), Ok(7), "the same address");
        assert!(forwarding.address(at("127.0.0.2")).is_err());
        assert!(forwarding.address("127.0.0.1:23".parse().unwrap()).is_err());
    }
}
