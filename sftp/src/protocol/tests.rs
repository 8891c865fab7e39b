use super::*;
use proptest::prelude::*;

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..200)
}

fn attributes() -> impl Strategy<Value = Attributes> {
    (any::<Option<u64>>(), any::<Option<(u32, u32)>>(), any::<Option<u32>>(), any::<Option<(u32, u32)>>()).prop_map(|(size, owner, mode, times)| Attributes { size, owner, mode, times })
}

/// Every kind of request over these fields.
fn requests<'a>(id: u32, a: &'a [u8], b: &'a [u8], attributes: Attributes, number: u64) -> Vec<Request<'a>> {
    let small = number as u32;
    vec![
        Request::Init { version: small },
        Request::Open { id, path: a, flags: OpenFlags(small), attributes },
        Request::Close { id, handle: a },
        Request::Read { id, handle: a, offset: number, length: small },
        Request::Write { id, handle: a, offset: number, data: b },
        Request::Lstat { id, path: a },
        Request::Fstat { id, handle: a },
        Request::Setstat { id, path: a, attributes },
        Request::Fsetstat { id, handle: a, attributes },
        Request::Opendir { id, path: a },
        Request::Readdir { id, handle: a },
        Request::Remove { id, path: a },
        Request::Mkdir { id, path: a, attributes },
        Request::Rmdir { id, path: a },
        Request::Realpath { id, path: a },
        Request::Stat { id, path: a },
        Request::Rename { id, from: a, to: b },
        Request::Readlink { id, path: a },
        Request::Symlink { id, target: a, link: b },
        Request::Extended { id, request: Extended::PosixRename { from: a, to: b } },
        Request::Extended { id, request: Extended::Hardlink { from: a, to: b } },
        Request::Extended { id, request: Extended::Fsync { handle: a } },
        Request::Extended { id, request: Extended::Statvfs { path: a } },
        Request::Extended { id, request: Extended::Fstatvfs { handle: a } },
        Request::Extended { id, request: Extended::Limits },
        Request::Extended { id, request: Extended::Unknown },
        Request::Unknown { id, kind: 77 },
    ]
}

proptest! {
    #[test]
    fn what_a_client_sends_is_what_is_understood(id: u32, a in bytes(), b in bytes(), attributes in attributes(), number: u64, cut in 1_usize..50) {
        let mut stream = Vec::new();
        let sent = requests(id, &a, &b, attributes, number);
        sent.iter().for_each(|request| stream.extend(request.encode()));
        let (mut frames, mut heard) = (Frames::default(), 0);
        // however the stream is cut
        for piece in stream.chunks(cut) {
            frames.push(piece);
            while let Some(packet) = frames.next().unwrap() {
                prop_assert_eq!(Request::decode(packet).unwrap(), sent[heard]);
                heard += 1;
            }
        }
        prop_assert_eq!(heard, sent.len());
        prop_assert!(!frames.is_in_the_middle());
    }

    #[test]
    fn no_bytes_make_the_decoder_panic_or_allocate(packet in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Request::decode(&packet);
        let mut frames = Frames::default();
        frames.push(&packet);
        while let Ok(Some(packet)) = frames.next() {
            let _ = Request::decode(packet);
        }
    }

    #[test]
    fn a_request_that_is_cut_or_has_more_is_refused_by_its_number(id: u32, a in bytes(), b in bytes(), attributes in attributes(), number: u64, extra in 1_usize..5) {
        for request in requests(id, &a, &b, attributes, number) {
            // what is not known, and what a client says of itself, may have any fields
            if matches!(request, Request::Init { .. } | Request::Unknown { .. } | Request::Extended { request: Extended::Unknown, .. }) {
                continue;
            }
            let packet = &request.encode()[4..];
            for end in 5..packet.len() {
                prop_assert_eq!(Request::decode(&packet[..end]).map_err(|(id, _)| id), Err(Some(id)));
            }
            let longer = [packet, &vec![0; extra]].concat();
            prop_assert_eq!(Request::decode(&longer), Err((Some(id), DecodeError::Trailing(extra))));
        }
    }
}

#[test]
fn lengths_over_the_limit_end_the_stream_before_anything_is_held() {
    for length in [0_u32, PACKET_MAX as u32 + 1, u32::MAX] {
        let mut frames = Frames::default();
        frames.push(&length.to_be_bytes());
        assert_eq!(frames.next(), Err(DecodeError::Length(length as usize)));
    }
    // a string longer than its packet
    assert_eq!(Request::decode(&[17, 0, 0, 0, 9, 0xff, 0xff, 0xff, 0xff, b'x']), Err((Some(9), DecodeError::Short)));
    // more extended attributes than there are bytes
    assert_eq!(Request::decode(&[9, 0, 0, 0, 9, 0, 0, 0, 1, b'x', 0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]), Err((Some(9), DecodeError::Short)));
}

#[test]
fn replies_are_as_the_protocol_has_them() {
    let encoded = |reply: Reply<'_>| {
        let mut out = Vec::new();
        reply.encode(&mut out);
        assert_eq!(out.len() - 4, u32::from_be_bytes(out[..4].try_into().unwrap()) as usize);
        out.split_off(4)
    };
    assert_eq!(encoded(Reply::Version)[..5], [2, 0, 0, 0, 3]);
    assert_eq!(encoded(Reply::Status { id: 7, status: Status::PermissionDenied, message: "no" }), [&[101, 0, 0, 0, 7, 0, 0, 0, 3, 0, 0, 0, 2][..], b"no", &[0, 0, 0, 2], b"en"].concat());
    assert_eq!(encoded(Reply::Handle { id: 7, handle: [1, 2, 3, 4] }), [102, 0, 0, 0, 7, 0, 0, 0, 4, 1, 2, 3, 4]);
    assert_eq!(encoded(Reply::Data { id: 7, data: b"ab" }), [103, 0, 0, 0, 7, 0, 0, 0, 2, b'a', b'b']);
    let attributes = Attributes { size: Some(1), owner: None, mode: Some(0o100_644), times: None };
    assert_eq!(encoded(Reply::Attributes { id: 7, attributes }), [105, 0, 0, 0, 7, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0x81, 0xa4]);
    let entries = [Entry { name: b"\xff".to_vec(), long: b"l".to_vec(), attributes: Attributes::default() }];
    assert_eq!(encoded(Reply::Name { id: 7, entries: &entries }), [104, 0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 1, 0xff, 0, 0, 0, 1, b'l', 0, 0, 0, 0]);
    assert_eq!(encoded(Reply::Numbers { id: 7, numbers: &Reply::limits(5) }).len(), 5 + 32);
}
