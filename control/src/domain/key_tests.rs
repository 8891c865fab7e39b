use super::*;

/// Made by ssh-keygen, with the fingerprint that it prints.
const GOOD: [(&str, &str); 5] = [
    (
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJFNQwNQEPTZIEpOYK7cC+jgv5vSvkU/PyhsCoVlCXJb",
        "SHA256:AlgtU3DIkqxm323Yt89pcNLts+S0owEv2kOaL8KPTNQ",
    ),
    (
        "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBGSDma6K1/6wxOJppP/uINKtbKn7RWyjf2ZNufZue1W+c+VuT17nYJFVOoNtvo+Q0vksBwj8tItt2iqkUxbsIb0=",
        "SHA256:srPvMPN2uXiC7xViZ5XdKy0FDFMpP1Tcmk2hAwoE5vw",
    ),
    (
        "ecdsa-sha2-nistp384 AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhBI/uPi50UQHYT8QOChdvN8IzNr7YdoPVclpom60hhOG/jeVEckqm3BVY7NqaSxfKgcHERMPBbPp5TdVQ2cUO9UHTP5nKxzPhdFMFzDi/MZ7wf1ZFYG9551O2mqm3EK08UQ==",
        "SHA256:M6226ofcTyEaS81e5biOnWcxiQ/LpVOacIgSst4bcUc",
    ),
    (
        "ecdsa-sha2-nistp521 AAAAE2VjZHNhLXNoYTItbmlzdHA1MjEAAAAIbmlzdHA1MjEAAACFBAHDbUOhJ2O5CLYIdN9VGQY6c1RQTVkZ5suWe0tiFwdD1CID5mt3t4lLJ8F06664gkj5+p/sUM3d7o4TrgdJM2paLAALsX3YELvm9q+IaMI1QcWLIxMEzYHYQyuZ9DevNb29B8XFgrCLnkOj3bV3TWOKyLo/cK34KONBMSnSa7Fz0NZUpA==",
        "SHA256:+OfEVl7jo/W7Wmk55WQeT/pHdgiCN0+YB1ou+1m3eJ0",
    ),
    (
        "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQDdeipHfg/B3BY6ieZDvdrIvcG2T5b28Vll0jGJEsTxcXOCxqZxVp2FCxrx/k51esy8Vcut2AUBb4dfO87+mPpyetb2OnhWxZIsrp47iRkW6T6y4f6gPlbS44tE6RLkhPgChASrQj4ujhInexXM1H+IBZ3ysb5/LzWrCHRIgzRZaTbPlc02aqS+PxM8iqu68MiLMU9AFClFMUvcnlBEO0kKevlHfAswIzejZ2CXE+iFCgxOnxr4YvnpevhmUyShJoPzpiXvnI+sOLn/Qt/wIey2B91y2k3VlxJ+XM4WnX0UIWjUkUZAJkUJjfARbNB5/UZyyM7cfih29S124j58XPbqmxfitvwj5T2AuCYvkPWtD3DmiNu6l+sQNEgkwqT1keKZJ6euH1eyJbZSqi4bgpveIg+yw9leFEPoT631DIUqrLfRNNQZdG0hbQeEM2SP3F4V2N9th/z9N47QyiUo/mktA3d0o91sz1EYy+4QHKIdYdkgKg/SD/y3Jad6D6JM5RM=",
        "SHA256:ETiBPuhHKdYgroVb1F7+5QTeTsVAVPkLAnwyfBDy5GE",
    ),
];
const RSA_2048: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDbN2Lx1+qRgRZ50OddR7iBVXr/yy0bOBeFQfIK/JqLbwFg4eByuEKanYFAKwTt0Lx8i/0rJQgfS95Ph2ijkrMyuzK24fLMINZKXIedg659OFi+QHyESpFUpNukPqLtmLvBclU98WglGaJZY22KieP0A9cMzREBrvRZUh93gap5feTfAG8ndKgmymLwICdhG9zUMwUtuUe9vJ2FxdCjZ7gK2lIPnQUWBjGWGVnPQOZcU59v1lO8UXTmCsMshIv5Bw2pdjBjo1qabZdduOZIB7c6rXnZd4ZwFTxkI1Fb6EB9hM49N7mSonQoyGl+ecFtVAuqA/PXVapdE2xMqsc+ZcEr";
const CERTIFICATE: &str = "ssh-ed25519-cert-v01@openssh.com AAAAIHNzaC1lZDI1NTE5LWNlcnQtdjAxQG9wZW5zc2guY29tAAAAIBiFm5hgI3sT/rFLj08+E04a6f0FLhuinJAb+etSlby4AAAAIJFNQwNQEPTZIEpOYK7cC+jgv5vSvkU/PyhsCoVlCXJbAAAAAAAAAAAAAAABAAAAAmlkAAAABQAAAAF1AAAAAAAAAAD//////////wAAAAAAAACCAAAAFXBlcm1pdC1YMTEtZm9yd2FyZGluZwAAAAAAAAAXcGVybWl0LWFnZW50LWZvcndhcmRpbmcAAAAAAAAAFnBlcm1pdC1wb3J0LWZvcndhcmRpbmcAAAAAAAAACnBlcm1pdC1wdHkAAAAAAAAADnBlcm1pdC11c2VyLXJjAAAAAAAAAAAAAAAzAAAAC3NzaC1lZDI1NTE5AAAAIJFNQwNQEPTZIEpOYK7cC+jgv5vSvkU/PyhsCoVlCXJbAAAAUwAAAAtzc2gtZWQyNTUxOQAAAEB/TxKJO+5KP7bhe/56l5+eKn58Dlo1Hqez49XVSqxV6AYH6KKUuFsW/PwsLUw01ixQj+tLTPosGQ6PzcIm0SsN";

fn line(kind: &str, fields: &[&[u8]]) -> String {
    let mut blob = vec![];
    for field in fields {
        blob.extend((field.len() as u32).to_be_bytes());
        blob.extend(*field);
    }
    format!("{kind} {}", STANDARD.encode(blob))
}

fn good_ed25519() -> [u8; 32] {
    ed25519_dalek::SigningKey::from_bytes(&[7; 32]).verifying_key().to_bytes()
}

#[test]
fn what_ssh_keygen_makes_is_taken_with_its_fingerprint() {
    for (key, fingerprint) in GOOD {
        let parsed: PublicKey = format!("{key} alice@laptop with a comment\n").parse().unwrap();
        assert_eq!(parsed.as_str(), key);
        assert_eq!(parsed.fingerprint(), fingerprint);
        assert_eq!(parsed.as_str().parse::<PublicKey>().unwrap(), parsed);
    }
}

#[test]
fn security_keys_are_taken() {
    let kind = "sk-ssh-ed25519@openssh.com";
    assert!(line(kind, &[kind.as_bytes(), &good_ed25519(), b"ssh:"]).parse::<PublicKey>().is_ok());
    assert!(line(kind, &[kind.as_bytes(), &good_ed25519(), b"https://x"]).parse::<PublicKey>().is_err());
    let kind = "sk-ecdsa-sha2-nistp256@openssh.com";
    let point = [&[4u8][..], &[1; 64]].concat();
    assert!(line(kind, &[kind.as_bytes(), b"nistp256", &point, b"ssh:x"]).parse::<PublicKey>().is_ok());
    assert!(line(kind, &[kind.as_bytes(), b"nistp384", &point, b"ssh:x"]).parse::<PublicKey>().is_err());
}

#[test]
fn what_is_not_one_plain_key_is_refused() {
    let (key, _) = GOOD[0];
    let blob = key.split(' ').nth(1).unwrap();
    for bad in [
        String::new(),
        "ssh-ed25519".to_owned(),
        format!("{key}\n{key}"),
        format!("{key}\r\n"),
        format!("{key}\0"),
        format!("command=\"sh\" {key}"),
        format!("# {key}"),
        format!("ssh-dss {blob}"),
        format!("ssh-rsa {blob}"),
        format!("ssh-ed25519 {blob}="),
        format!("ssh-ed25519 {}", blob.get(..blob.len() - 4).unwrap()),
        format!("{key} {}", "x".repeat(LINE_MAX)),
        CERTIFICATE.to_owned(),
        RSA_2048.to_owned(),
        line("ssh-ed25519", &[b"ssh-ed25519", &good_ed25519(), b"more"]),
        line("ssh-ed25519", &[b"ssh-ed25519", &[0; 32]]),
        line("ssh-ed25519", &[b"ssh-ed25519", &[1; 31]]),
        line("ssh-rsa", &[b"ssh-rsa", &[3], &[0x7f; 384]]),
        line("ssh-rsa", &[b"ssh-rsa", &[1, 0, 1], &[0xff; 384]]),
        line("ssh-rsa", &[b"ssh-rsa", &[1, 0, 1], &[&[0x7f; 383][..], &[2]].concat()]),
        line("ssh-rsa", &[b"ssh-rsa", &[1, 0, 1], &[0x7f; 2000]]),
        line("ssh-rsa", &[b"ssh-rsa", &[0, 1, 0, 1], &[0x7f; 385]]),
        "ssh-ed25519 AAAAC////w==".to_owned(),
    ] {
        assert!(bad.parse::<PublicKey>().is_err(), "{bad}");
    }
    assert_eq!(CERTIFICATE.parse::<PublicKey>(), Err(InvalidKey::Certificate));
    assert_eq!(RSA_2048.parse::<PublicKey>(), Err(InvalidKey::RsaBits(2048)));
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(kind in 0usize..8, blob in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200), text in ".*") {
        let _ = text.parse::<PublicKey>();
        let named = KINDS.get(kind).copied().unwrap_or("x");
        let mut whole = (named.len() as u32).to_be_bytes().to_vec();
        whole.extend(named.as_bytes());
        whole.extend(&blob);
        let _ = format!("{named} {}", STANDARD.encode(whole)).parse::<PublicKey>();
    }
}
