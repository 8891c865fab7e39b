use super::*;

fn key(name: &str, n: u8) -> LogKey {
    LogKey::new(name, [n; 32]).unwrap()
}

#[test]
fn the_key_of_the_note_package_of_go_is_read_and_written() {
    // the example of golang.org/x/mod/sumdb/note: its key, its text, its signature
    let verifier: VerifierKey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW".parse().unwrap();
    assert_eq!(verifier.to_string(), "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW");
    let note = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
    let (text, signatures) = parts(note).unwrap();
    verify(&verifier, text.as_bytes(), &signature_of(signatures, &verifier).unwrap()).unwrap();
    assert_eq!(open_checkpoint(note, &verifier), Err(NoteError::Checkpoint("its size is no number")));
}

#[test]
fn a_checkpoint_is_read_by_its_logs_key_only() {
    let (log, root) = (key("portcullis/node1", 1), Digest::of(b"x"));
    let note = log.sign(300, &root);
    assert_eq!(open_checkpoint(&note, &log.verifier()).unwrap(), Checkpoint { origin: "portcullis/node1".into(), size: 300, root });
    assert!(matches!(open_checkpoint(&note, &key("portcullis/node1", 2).verifier()), Err(NoteError::Unsigned(_))));
    assert!(matches!(open_checkpoint(&note, &key("portcullis/node2", 1).verifier()), Err(NoteError::Unsigned(_))));
    for at in 0..note.len() {
        let mut changed = note.clone().into_bytes();
        changed[at] ^= 1;
        let Ok(changed) = String::from_utf8(changed) else { continue };
        assert!(open_checkpoint(&changed, &log.verifier()).is_err(), "byte {at}: {changed}");
    }
    for cut in 0..note.len() {
        assert!(note.get(..cut).is_none_or(|cut| open_checkpoint(cut, &log.verifier()).is_err()));
    }
}

#[test]
fn a_witness_signs_beside_the_log_and_says_when() {
    let (log, witness) = (key("portcullis/node1", 1), key("portcullis/node2", 2));
    let note = log.sign(1, &Digest::of(b"x"));
    let cosigned = cosign(&note, &witness, UnixMs(1_700_000_000_999)).unwrap();
    assert_eq!(open_checkpoint(&cosigned, &log.verifier()), open_checkpoint(&note, &log.verifier()));
    assert_eq!(open_cosigned(&cosigned, &witness.verifier()).unwrap(), UnixMs(1_700_000_000_000));
    assert!(matches!(open_cosigned(&note, &witness.verifier()), Err(NoteError::Unsigned(_))));
    assert!(matches!(open_cosigned(&cosigned, &key("portcullis/node2", 3).verifier()), Err(NoteError::Unsigned(_))));
    // it is no signature of the text, and the log's is no cosignature
    assert!(open_checkpoint(&cosigned, &witness.verifier()).is_err());
    assert!(open_cosigned(&cosigned, &log.verifier()).is_err());
    // moved to another checkpoint it says nothing
    let other = log.sign(2, &Digest::of(b"y"));
    let moved = format!("{other}{}", cosigned.strip_prefix(&note).unwrap());
    assert!(matches!(open_cosigned(&moved, &witness.verifier()), Err(NoteError::Signature(_))));
}

#[test]
fn a_secret_is_read_back_and_not_shown() {
    let log = key("portcullis/node1", 9);
    let again = LogKey::from_secret(&log.to_secret()).unwrap();
    assert_eq!(again.verifier(), log.verifier());
    let seed = STANDARD.encode([&[ED25519], [9; 32].as_slice()].concat());
    assert!(log.to_secret().contains(&seed) && !format!("{log:?}").contains(&seed));
    for bad in ["", "PRIVATE+KEY+x", &log.verifier().to_string(), &log.to_secret().replace("node1", "node2")] {
        assert!(LogKey::from_secret(bad).is_err(), "{bad}");
    }
    assert_eq!(log.verifier().to_string().parse::<VerifierKey>().unwrap(), log.verifier());
    for name in ["", "a b", "a+b", "a\nb"] {
        assert!(LogKey::new(name, [1; 32]).is_err());
    }
}
