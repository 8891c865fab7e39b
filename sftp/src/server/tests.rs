use super::*;
use crate::files::Names;
use portcullis_model::subject::FileOp;
use portcullis_model::transfer::Moved;
use rustix::pipe::pipe;

/// Allows everything.
struct Everything;

impl Ask for Everything {
    fn ask(&mut self, _: FileOp) -> Result<u32, FileError> {
        Ok(1)
    }

    fn moved(&mut self, _: u32, _: Moved, _: bool) -> Result<(), FileError> {
        Ok(())
    }
}

/// Serves these packets; what came back, cut into packets.
fn talk(packets: &[u8], folder: &std::path::Path) -> (Result<(), ServerError>, Vec<Vec<u8>>) {
    use std::os::unix::ffi::OsStrExt as _;
    let ((input, feed), (back, output)) = (pipe().unwrap(), pipe().unwrap());
    let sent = packets.to_vec();
    let feeder = std::thread::spawn(move || {
        let mut rest = sent.as_slice();
        while let Ok(n @ 1..) = rustix::io::write(&feed, rest) {
            rest = &rest[n..];
        }
    });
    let reader = std::thread::spawn(move || {
        let (mut frames, mut room, mut packets) = (Frames::default(), [0; 4096], Vec::new());
        while let Ok(n @ 1..) = read(&back, &mut room) {
            frames.push(&room[..n]);
            while let Ok(Some(packet)) = frames.next() {
                packets.push(packet.to_vec());
            }
        }
        packets
    });
    let files = Files { ask: Everything, names: Names::new(folder.as_os_str().as_bytes().to_vec()) };
    let mut server = Server::new(files, output);
    let served = server.serve(&input);
    drop((server, input));
    feeder.join().unwrap();
    (served, reader.join().unwrap())
}

#[test]
fn requests_that_were_sent_ahead_are_answered_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut sent = Request::Init { version: 3 }.encode();
    let handle = 0_u32.to_be_bytes();
    sent.extend(Request::Open { id: 10, path: b"x", flags: OpenFlags(2 | 8), attributes: Attributes::default() }.encode());
    let data = vec![b'd'; 1000];
    for n in 0..200 {
        sent.extend(Request::Write { id: 100 + n, handle: &handle, offset: u64::from(n) * 1000, data: &data }.encode());
    }
    sent.extend(Request::Close { id: 11, handle: &handle }.encode());
    let (served, replies) = talk(&sent, folder.path());
    assert!(served.is_ok(), "{served:?}");
    let ids: Vec<u32> = replies.iter().skip(1).map(|reply| u32::from_be_bytes(reply[1..5].try_into().unwrap())).collect();
    let wanted: Vec<u32> = std::iter::once(10).chain(100..300).chain([11]).collect();
    assert_eq!(ids, wanted);
    assert_eq!(std::fs::metadata(folder.path().join("x")).unwrap().len(), 200_000);
}

#[test]
fn who_does_not_begin_as_he_should_is_not_served() {
    let folder = tempfile::tempdir().unwrap();
    let stat = Request::Stat { id: 1, path: b"." }.encode();
    assert!(matches!(talk(&stat, folder.path()), (Err(ServerError::NoVersion), replies) if replies.is_empty()));
    let init = Request::Init { version: 3 }.encode();
    assert!(matches!(talk(&[&init[..], &init].concat(), folder.path()).0, Err(ServerError::NoVersion)));
    assert!(matches!(talk(&[&init[..], &stat[..6]].concat(), folder.path()).0, Err(ServerError::Cut)));
    assert!(matches!(talk(b"SSH-2.0-x\r\n", folder.path()).0, Err(ServerError::Protocol(_))));
    assert!(talk(&[&init[..], &stat].concat(), folder.path()).0.is_ok());
}
