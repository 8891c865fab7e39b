//! The greeting of the warden: thousands of grants come in pages, and a warden that does not tell what it announced is none.
#![allow(clippy::panic, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

#[cfg(test)]
mod support;

use portcullis_gateway::session::warden::{Event, Warden};
use portcullis_model::action::Role;
use portcullis_model::grant::SignedGrant;
use portcullis_model::wire::PROTOCOL;
use portcullis_model::wire::warden::{FromWarden, ToWarden};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::path::Path;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A warden that says `announced`, then the pages of each connection in turn, then nothing.
fn warden(path: &Path, announced: u32, connections: Vec<Vec<usize>>) {
    let listener = rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
    rustix::net::bind(&listener, &SocketAddrUnix::new(path).unwrap()).unwrap();
    rustix::net::listen(&listener, 4).unwrap();
    std::thread::spawn(move || {
        let key = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
        let grant = SignedGrant::sign(&support::grant(1, support::ACCOUNT, "ssh-ed25519 AAAA"), &key).unwrap();
        for pages in connections {
            let socket = rustix::net::accept(&listener).unwrap();
            assert!(matches!(support::receive(&socket), Some(ToWarden::Hello { protocol: PROTOCOL })));
            let hello = FromWarden::Hello { protocol: PROTOCOL, target: "node1".into(), role: Role::Cps, layers: vec![], grants: announced };
            let mut heard = support::send(&socket, &hello);
            for length in pages {
                heard = heard && support::send(&socket, &FromWarden::Kept(vec![grant.clone(); length]));
            }
            // until the gateway goes
            let _ = support::receive::<ToWarden>(&socket);
        }
    });
}

async fn up(announced: u32, connections: Vec<Vec<usize>>) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("warden.sock");
    warden(&path, announced, connections);
    let (events, mut said) = tokio::sync::mpsc::channel(8);
    let (_warden, client) = Warden::new(path, events, CancellationToken::new());
    tokio::spawn(client);
    match tokio::time::timeout(Duration::from_secs(60), said.recv()).await.expect("the gateway has a warden") {
        Some(Event::Up(about)) => about.grants.len(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn grants_come_in_pages() {
    assert_eq!(up(0, vec![vec![]]).await, 0);
    assert_eq!(up(2000, vec![vec![50; 40]]).await, 2000);
}

#[tokio::test]
async fn a_warden_that_tells_too_many_or_nothing_is_left_and_dialled_again() {
    assert_eq!(up(3, vec![vec![2, 2], vec![0, 3], vec![1, 2]]).await, 3);
}
