//! Which algorithms are offered, and which keys of users are taken.
//!
//! Both profiles keep the entries that are no algorithms but switches: strict key exchange, without which Terrapin is
//! back, and `ext-info`, without which clients do not learn which signatures are taken. Neither has Diffie-Hellman over
//! groups: a few clients asking for the largest one keep all cores busy before anybody is known. Neither compresses.
//!
//! "fips" means approved algorithms. The code that computes them is not a validated module.

use crate::config::Profile;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PublicKey};
use russh::{Preferred, cipher, compression, kex, mac};
use std::borrow::Cow;

const P256: Algorithm = Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 };
const P384: Algorithm = Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 };
const P521: Algorithm = Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 };
const RSA_512: Algorithm = Algorithm::Rsa { hash: Some(HashAlg::Sha512) };
const RSA_256: Algorithm = Algorithm::Rsa { hash: Some(HashAlg::Sha256) };
/// Below this an RSA key is not taken, in bits.
const RSA_MIN: usize = 2048;

/// What the server offers.
pub(super) fn preferred(profile: Profile) -> Preferred {
    let (kex, cipher, key): (&'static [kex::Name], &'static [cipher::Name], &'static [Algorithm]) = match profile {
        Profile::Default => (
            &[
                kex::MLKEM768X25519_SHA256,
                kex::CURVE25519,
                kex::CURVE25519_PRE_RFC_8731,
                kex::ECDH_SHA2_NISTP256,
                kex::ECDH_SHA2_NISTP384,
                kex::EXTENSION_SUPPORT_AS_SERVER,
                kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER,
            ],
            &[cipher::CHACHA20_POLY1305, cipher::AES_256_GCM, cipher::AES_128_GCM, cipher::AES_256_CTR],
            const { &[Algorithm::Ed25519, P256, P384, P521, Algorithm::SkEd25519, Algorithm::SkEcdsaSha2NistP256, RSA_512, RSA_256] },
        ),
        Profile::Fips => (
            &[kex::ECDH_SHA2_NISTP256, kex::ECDH_SHA2_NISTP384, kex::EXTENSION_SUPPORT_AS_SERVER, kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER],
            &[cipher::AES_256_GCM, cipher::AES_256_CTR],
            const { &[P256, P384, P521, RSA_512, RSA_256] },
        ),
    };
    Preferred {
        kex: Cow::Borrowed(kex),
        key: Cow::Borrowed(key),
        host_key_certificates: Cow::Borrowed(&[]),
        cipher: Cow::Borrowed(cipher),
        mac: Cow::Borrowed(&[mac::HMAC_SHA512_ETM, mac::HMAC_SHA256_ETM, mac::HMAC_SHA512, mac::HMAC_SHA256]),
        compression: Cow::Borrowed(&[compression::NONE]),
    }
}

/// The kinds of host keys that a profile has.
pub(super) fn host_keys(profile: Profile) -> [Algorithm; 2] {
    match profile {
        Profile::Default => [Algorithm::Ed25519, P256],
        Profile::Fips => [P256, P384],
    }
}

/// Whether a user's key may be used with this signature algorithm. russh does not ask its own list about keys of users.
pub(super) fn takes(profile: Profile, key: &PublicKey, algorithm: &Algorithm) -> bool {
    let offered = preferred(profile).key.contains(algorithm);
    let strong = match key.key_data() {
        KeyData::Rsa(rsa) => rsa.n().as_positive_bytes().is_some_and(|n| n.len() * 8 >= RSA_MIN),
        _ => true,
    };
    offered && strong
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_switches_stay_and_groups_are_gone() {
        for profile in [Profile::Default, Profile::Fips] {
            let preferred = preferred(profile);
            assert!(preferred.kex.contains(&kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER));
            assert!(preferred.kex.contains(&kex::EXTENSION_SUPPORT_AS_SERVER));
            assert!(!preferred.kex.iter().any(|name| name.as_ref().starts_with("diffie-hellman")));
            assert!(!preferred.mac.iter().any(|name| name.as_ref().contains("sha1")));
            assert_eq!(preferred.compression.as_ref(), [compression::NONE]);
            assert!(!preferred.key.contains(&Algorithm::Rsa { hash: None }), "SHA-1");
        }
    }

    #[test]
    fn fips_takes_no_edwards_curve() {
        let line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
        let key = PublicKey::from_openssh(line).unwrap();
        assert!(takes(Profile::Default, &key, &Algorithm::Ed25519));
        assert!(!takes(Profile::Fips, &key, &Algorithm::Ed25519));
    }
}
