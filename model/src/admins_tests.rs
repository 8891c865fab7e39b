//! The keys and signatures in `testdata/admins` are stock ssh-keygen's, over the text `a module`.

use super::*;
use ed25519_dalek::{Signer as _, SigningKey};
use sha2::{Digest as _, Sha256};
use ssh_key::public::{Ed25519PublicKey, SkEd25519};
use ssh_key::{Algorithm, LineEnding, Signature};

const MODULE: &[u8] = b"a module";
const ADMINS: &str = include_str!("../testdata/admins/admins");
const ED25519: &str = include_str!("../testdata/admins/ed.sig");

fn admins() -> PolicyAdmins {
    PolicyAdmins::parse(ADMINS).unwrap()
}

#[test]
fn what_ssh_keygen_signs_with_an_admins_key_verifies() {
    let signatures = [
        (ED25519, "ed@example"),
        (include_str!("../testdata/admins/sha256.sig"), "ed@example"),
        (include_str!("../testdata/admins/p256.sig"), "p256@example"),
        (include_str!("../testdata/admins/p384.sig"), "p384@example"),
    ];
    for (signature, who) in signatures {
        let admins = admins();
        let admin = admins.verify(MODULE, signature).unwrap();
        assert_eq!(admin.comment(), who);
        assert!(admin.fingerprint().starts_with("SHA256:") && admin.fingerprint().len() == 50, "{}", admin.fingerprint());
        assert_eq!(admins.verify(b"a modulf", signature), Err(SignatureError::Wrong), "{who}");
    }
}

#[test]
fn strangers_other_purposes_and_junk_do_not() {
    let stranger = admins().verify(MODULE, include_str!("../testdata/admins/p521.sig")).unwrap_err();
    assert!(matches!(&stranger, SignatureError::Stranger(key) if key.starts_with("SHA256:")), "{stranger}");
    let other = admins().verify(MODULE, include_str!("../testdata/admins/file.sig")).unwrap_err();
    assert_eq!(other, SignatureError::Namespace("file".to_owned()));
    let long = format!("{ED25519}{}", "\n".repeat(SIGNATURE_MAX));
    for junk in ["", "x", ADMINS, ED25519.get(..100).unwrap(), &ED25519.replace("SSH SIGNATURE", "PGP SIGNATURE"), &long] {
        assert_eq!(admins().verify(MODULE, junk), Err(SignatureError::Shape));
    }
    // one bit anywhere in the armour: never a signature of these bytes
    for at in (0..ED25519.len()).filter(|at| ED25519.as_bytes()[*at].is_ascii_alphanumeric()) {
        let mut changed = ED25519.as_bytes().to_vec();
        changed[at] ^= 1;
        let Ok(changed) = String::from_utf8(changed) else { continue };
        assert!(admins().verify(MODULE, &changed).is_err(), "at {at}");
    }
    // and with the stranger among the admins it is one
    let more = format!("{ADMINS}{}", include_str!("../testdata/admins/stranger.pub"));
    assert!(PolicyAdmins::parse(&more).unwrap().verify(MODULE, include_str!("../testdata/admins/p521.sig")).is_ok());
}

/// A hardware key's signature, made as such a key makes it.
fn hardware(flags: u8) -> (PolicyAdmins, String) {
    let key = SigningKey::from_bytes(&[5; 32]);
    let public = KeyData::SkEd25519(SkEd25519::from(Ed25519PublicKey(key.verifying_key().to_bytes())));
    let message = SshSig::signed_data(SIGNATURE_NAMESPACE, HashAlg::Sha512, MODULE).unwrap();
    let trailer = [flags, 0, 0, 0, 9];
    let signed = [Sha256::digest("ssh:").as_slice(), &trailer, Sha256::digest(&message).as_slice()].concat();
    let bytes = [key.sign(&signed).to_bytes().as_slice(), &trailer].concat();
    let signature = Signature::new(Algorithm::SkEd25519, bytes).unwrap();
    let signature = SshSig::new(public.clone(), SIGNATURE_NAMESPACE, HashAlg::Sha512, signature).unwrap();
    let line = PublicKey::new(public, "").to_openssh().unwrap();
    (PolicyAdmins::parse(&line).unwrap(), signature.to_pem(LineEnding::LF).unwrap())
}

#[test]
fn a_hardware_key_must_have_been_touched() {
    let (admins, signature) = hardware(TOUCHED);
    assert!(admins.verify(MODULE, &signature).is_ok());
    assert_eq!(admins.verify(b"other", &signature), Err(SignatureError::Wrong));
    let (admins, signature) = hardware(0);
    assert_eq!(admins.verify(MODULE, &signature), Err(SignatureError::Untouched));
}

#[test]
fn a_list_is_used_as_a_whole_or_not_at_all() {
    assert_eq!(PolicyAdmins::parse(""), Err(InvalidAdmins::Empty));
    assert_eq!(PolicyAdmins::parse("# nobody\n\n"), Err(InvalidAdmins::Empty));
    assert_eq!(PolicyAdmins::parse(&format!("{ADMINS}not a key\n")), Err(InvalidAdmins::Key(6)));
    let options = ADMINS.replace("ssh-ed25519", "namespaces=\"*\" ssh-ed25519");
    assert_eq!(PolicyAdmins::parse(&options), Err(InvalidAdmins::Key(2)));
    let rsa = PolicyAdmins::parse(include_str!("../testdata/admins/rsa.pub")).unwrap_err();
    assert_eq!(rsa, InvalidAdmins::Kind { line: 1, kind: "ssh-rsa".to_owned() });
    let many = ADMINS.lines().nth(1).unwrap().to_owned() + "\n";
    assert_eq!(PolicyAdmins::parse(&many.repeat(ADMINS_MAX + 1)), Err(InvalidAdmins::Many));
}
