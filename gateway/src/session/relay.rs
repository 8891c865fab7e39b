//! The pump between a client and a session's keeper, one for each direction, both in one task.
//!
//! Back-pressure is passed on, never absorbed: output is taken from the keeper when the client has room for it, input is
//! taken from the client when the keeper has. Neither direction waits for the other, so a client that sends much and a
//! program that answers much do not lock each other up.

use super::keeper::Keeper;
use super::packet::{Buffer, PacketFault};
use portcullis_jail::socket::SocketError;
use portcullis_model::session::{ExitStatus, SessionSignal, WindowSize};
use portcullis_model::wire::keeper::{FromKeeper, ToKeeper};
use portcullis_model::wire::packet::CHUNK_MAX;
use std::future::Future;

/// What a client does during a session.
#[derive(Debug)]
pub enum Deed {
    /// It sent bytes.
    Input(bytes::Bytes),
    /// It sends no more.
    Eof,
    /// Its window has this size now.
    Resize(WindowSize),
    /// It wants a signal sent.
    Signal(SessionSignal),
    /// It closed the session.
    Gone,
}

/// The client does not take any more.
#[derive(Debug, thiserror::Error)]
#[error("the client has gone")]
pub struct ClientGone;

/// Where a client's deeds come from.
pub trait Deeds: Send {
    /// The next one; waits for it.
    fn next(&mut self) -> impl Future<Output = Deed> + Send;
}

/// A client, as a session sees it. Each call waits until the client has room.
pub trait Client: Sync {
    /// Terminal or standard output.
    fn output(&self, bytes: Vec<u8>) -> impl Future<Output = Result<(), ClientGone>> + Send;
    /// Standard error.
    fn error_output(&self, bytes: Vec<u8>) -> impl Future<Output = Result<(), ClientGone>> + Send;
    /// How the program ended.
    fn exit(&self, status: ExitStatus) -> impl Future<Output = Result<(), ClientGone>> + Send;
    /// A line of Portcullis' own, before the session is ended.
    fn notice(&self, line: &str) -> impl Future<Output = Result<(), ClientGone>> + Send;
}

/// How a relay ended.
#[derive(Debug)]
pub enum End {
    /// The keeper closed the session.
    Session,
    /// The client went away.
    Client,
    /// The keeper said something that it cannot have said.
    Fault(PacketFault),
}

/// Relays until one side is done. The session ends with it: the keeper's socket is closed on return.
pub async fn relay(keeper: Keeper, deeds: &mut impl Deeds, client: &impl Client) -> End {
    tokio::select! {
        end = outwards(&keeper, client) => end,
        () = inwards(&keeper, deeds) => End::Client,
    }
}

async fn outwards(keeper: &Keeper, client: &impl Client) -> End {
    let mut buffer = Buffer::default();
    loop {
        let delivered = match keeper.receive(&mut buffer).await {
            Ok(Some(FromKeeper::Output(bytes))) => client.output(bytes).await,
            Ok(Some(FromKeeper::ErrorOutput(bytes))) => client.error_output(bytes).await,
            Ok(Some(FromKeeper::Exit(status))) => client.exit(status).await,
            Ok(Some(FromKeeper::Ending(line))) => client.notice(&line).await,
            // who waited for it has heard it
            Ok(Some(FromKeeper::Connected)) => Ok(()),
            Ok(None) => return End::Session,
            Err(PacketFault::Socket(SocketError::Call { .. })) => return End::Session,
            Err(fault) => return End::Fault(fault),
        };
        if delivered.is_err() {
            return End::Client;
        }
    }
}

/// Returns when the client is gone. A keeper that takes no more is not the end: what it said before is still on its way out.
async fn inwards(keeper: &Keeper, deeds: &mut impl Deeds) {
    let mut open = true;
    loop {
        let message = match deeds.next().await {
            Deed::Input(bytes) => {
                for chunk in bytes.chunks(CHUNK_MAX) {
                    open = open && keeper.send(&ToKeeper::Input(chunk.to_vec())).await.is_ok();
                }
                continue;
            }
            Deed::Eof => ToKeeper::Eof,
            Deed::Resize(size) => ToKeeper::Resize(size),
            Deed::Signal(signal) => ToKeeper::Signal(signal),
            Deed::Gone => return,
        };
        open = open && keeper.send(&message).await.is_ok();
    }
}

#[cfg(test)]
mod tests {
    use super::super::packet::PacketSocket;
    use super::*;
    use portcullis_jail::socket::{self, Kind};
    use std::collections::VecDeque;
    use std::sync::Mutex;
    use std::time::Duration;

    struct Script(VecDeque<Deed>);

    impl Deeds for Script {
        async fn next(&mut self) -> Deed {
            match self.0.pop_front() {
                Some(deed) => deed,
                None => std::future::pending().await,
            }
        }
    }

    #[derive(Default)]
    struct Seen(Mutex<Vec<String>>);

    impl Seen {
        fn note(&self, what: String) -> Result<(), ClientGone> {
            self.0.lock().unwrap().push(what);
            Ok(())
        }
    }

    impl Client for Seen {
        async fn output(&self, bytes: Vec<u8>) -> Result<(), ClientGone> {
            self.note(format!("out {}", String::from_utf8_lossy(&bytes)))
        }
        async fn error_output(&self, bytes: Vec<u8>) -> Result<(), ClientGone> {
            self.note(format!("err {}", String::from_utf8_lossy(&bytes)))
        }
        async fn exit(&self, status: ExitStatus) -> Result<(), ClientGone> {
            self.note(format!("{status:?}"))
        }
        async fn notice(&self, line: &str) -> Result<(), ClientGone> {
            self.note(format!("notice {line}"))
        }
    }

    fn pair() -> (Keeper, PacketSocket) {
        let (ours, theirs) = socket::pair(Kind::Packets).unwrap();
        (Keeper::new(ours).unwrap(), PacketSocket::from_fd(theirs).unwrap())
    }

    #[tokio::test]
    async fn everything_a_keeper_said_before_it_closed_arrives() {
        let (keeper, peer) = pair();
        for message in [
            FromKeeper::Output(b"a".to_vec()),
            FromKeeper::ErrorOutput(b"b".to_vec()),
            FromKeeper::Ending("over".into()),
            FromKeeper::Exit(ExitStatus::Code(3)),
        ] {
            peer.send(&message).await.unwrap();
        }
        drop(peer);
        let seen = Seen::default();
        // the client goes on typing into a session that has ended
        let mut deeds = Script([Deed::Input(bytes::Bytes::from_static(b"x")), Deed::Eof].into());
        assert!(matches!(relay(keeper, &mut deeds, &seen).await, End::Session));
        assert_eq!(*seen.0.lock().unwrap(), ["out a", "err b", "notice over", "Code(3)"]);
    }

    #[tokio::test]
    async fn input_is_cut_into_chunks_and_a_client_that_leaves_closes_the_session() {
        let (keeper, peer) = pair();
        let big = bytes::Bytes::from(vec![b'z'; CHUNK_MAX + 5]);
        let mut deeds = Script([Deed::Input(big), Deed::Signal(SessionSignal::Int), Deed::Gone].into());
        let seen = Seen::default();
        let (end, sizes) = tokio::join!(relay(keeper, &mut deeds, &seen), async {
            let (mut sizes, mut buffer) = (Vec::new(), Buffer::default());
            while let Some((message, _)) = peer.receive::<ToKeeper>(&mut buffer).await.unwrap() {
                sizes.push(format!("{message:?}"));
            }
            sizes
        });
        assert!(matches!(end, End::Client));
        assert_eq!(sizes, [format!("Input({CHUNK_MAX} bytes)"), "Input(5 bytes)".into(), "Signal(Int)".into()]);
    }

    #[tokio::test]
    async fn a_keeper_that_reads_nothing_does_not_stop_output() {
        let (keeper, peer) = pair();
        // far more than the socket holds: the input direction is stuck
        let mut deeds = Script((0..64).map(|_| Deed::Input(bytes::Bytes::from(vec![0; CHUNK_MAX]))).collect());
        let seen = Seen::default();
        let talk = async {
            for n in 0..100 {
                peer.send(&FromKeeper::Output(format!("{n}").into_bytes())).await.unwrap();
            }
            drop(peer);
        };
        let both = async { tokio::join!(relay(keeper, &mut deeds, &seen), talk) };
        let (end, ()) = tokio::time::timeout(Duration::from_secs(20), both).await.unwrap();
        assert!(matches!(end, End::Session));
        assert_eq!(seen.0.lock().unwrap().len(), 100);
    }
}
