use super::*;
use ed25519_dalek::SigningKey;
use portcullis_model::account::{AccountName, AccountUid};
use portcullis_model::action::{Action, Role};
use portcullis_model::grant::Ending;
use portcullis_model::id::RequestId;
use portcullis_model::wire::warden::FromWarden;
use std::fs;

const NOW: UnixMs = UnixMs(1_000_000);
const PUBLIC: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
const PRINT: &str = "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU";

fn controller() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

pub(crate) fn grant(n: u8) -> Grant {
    Grant {
        id: GrantId::from_entropy([n; 10]),
        request: RequestId::from_entropy([n; 5]),
        ticket: String::new(),
        operator: "olga".into(),
        public_key: PUBLIC.into(),
        account: AccountName::try_from("op-abcd".to_owned()).unwrap(),
        uid: AccountUid::try_from(70_000).unwrap(),
        action: Action::InfraDiag,
        target: "node1".into(),
        role: Role::Cps,
        not_before: UnixMs(NOW.0 - 10),
        not_after: NOW.plus(1000),
        idle_timeout_s: 0,
    }
}

fn revocation(of: &Grant) -> SignedRevocation {
    let (grant, request, target) = (of.id.clone(), of.request.clone(), of.target.clone());
    SignedRevocation::sign(&Revocation { grant, request, target, at: NOW, by: "carol".into(), reason: "enough".into(), ending: Ending::Revoke }, &controller()).unwrap()
}

fn signed(grant: &Grant) -> SignedGrant {
    SignedGrant::sign(grant, &controller()).unwrap()
}

fn load(folder: &Path, now: UnixMs) -> Grants {
    Grants::load(folder, controller().verifying_key(), "node1".into(), now).unwrap()
}

#[test]
fn only_what_the_controller_signed_for_this_node_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut grants = load(folder.path(), NOW);
    let forged = SignedGrant::sign(&grant(1), &SigningKey::from_bytes(&[8; 32])).unwrap();
    assert!(matches!(grants.install(forged, NOW), Err(GrantsError::Grant(GrantError::Signature(_)))));
    let elsewhere = signed(&Grant { target: "node2".into(), ..grant(1) });
    assert!(matches!(grants.install(elsewhere, NOW), Err(GrantsError::Grant(GrantError::WrongTarget { .. }))));
    let ended = signed(&Grant { not_after: NOW, ..grant(1) });
    assert!(matches!(grants.install(ended, NOW), Err(GrantsError::Ended(_))));
    let no_key = signed(&Grant { public_key: "ssh-ed25519 AAAA".into(), ..grant(1) });
    assert!(matches!(grants.install(no_key, NOW), Err(GrantsError::Key(_))));
    assert!(grants.pages().is_empty());
    assert_eq!(grants.install(signed(&grant(1)), NOW).unwrap(), Installed::News(grant(1).id));
    assert_eq!(grants.install(signed(&grant(1)), NOW).unwrap(), Installed::Known, "repeated");
    let other = signed(&Grant { not_after: NOW.plus(9999), ticket: "another".into(), ..grant(1) });
    assert!(matches!(grants.install(other, NOW), Err(GrantsError::Differs(_))));
}

#[test]
fn a_grant_is_extended_and_never_shortened_over_restarts_too() {
    let folder = tempfile::tempdir().unwrap();
    let mut grants = load(folder.path(), NOW);
    let (first, later) = (grant(1), Grant { not_after: grant(1).not_after.plus(5000), ..grant(1) });
    grants.install(signed(&first), NOW).unwrap();
    assert_eq!(grants.install(signed(&later), NOW).unwrap(), Installed::News(first.id.clone()), "a later end is news");
    assert_eq!(grants.kept(&first.id).unwrap().1, later.not_after);
    // whoever carries grants carries the earlier form again
    grants.install(signed(&first), NOW).unwrap();
    assert_eq!(grants.kept(&first.id).unwrap().1, later.not_after);
    assert_eq!(load(folder.path(), NOW).kept(&first.id).unwrap(), (&signed(&later), later.not_after));
    // between the two ends it holds, and not after the later one
    assert!(grants.is_live(&first.id, first.not_after) && !grants.is_live(&first.id, later.not_after));
    for changed in [Grant { uid: 70_077.try_into().unwrap(), ..later.clone() }, Grant { action: portcullis_model::action::Action::InfraFull, ..later.clone() }] {
        let changed = Grant { not_after: later.not_after.plus(1), ..changed };
        assert!(matches!(grants.install(signed(&changed), NOW), Err(GrantsError::Differs(_))));
    }
}

#[test]
fn a_grant_is_used_in_its_time_with_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let mut grants = load(folder.path(), NOW);
    let id = grant(1).id;
    assert!(matches!(grants.usable(&id, PRINT, NOW), Err(GrantsError::Unknown(_))));
    grants.install(signed(&grant(1)), NOW).unwrap();
    assert_eq!(grants.usable(&id, PRINT, NOW).unwrap(), &grant(1));
    assert!(matches!(grants.usable(&id, "SHA256:x", NOW), Err(GrantsError::WrongKey { .. })));
    assert!(matches!(grants.usable(&id, PRINT, UnixMs(NOW.0 - 11)), Err(GrantsError::Early(_))));
    assert!(matches!(grants.usable(&id, PRINT, NOW.plus(1000)), Err(GrantsError::Ended(_))));
}

#[test]
fn a_restart_keeps_grants_and_revocations() {
    let folder = tempfile::tempdir().unwrap();
    let mut grants = load(folder.path(), NOW);
    grants.install(signed(&grant(1)), NOW).unwrap();
    grants.install(signed(&grant(2)), NOW).unwrap();
    grants.revoke(revocation(&grant(2))).unwrap();
    let mut grants = load(folder.path(), NOW);
    assert_eq!(grants.pages(), [[signed(&grant(1))]]);
    assert!(matches!(grants.usable(&grant(2).id, PRINT, NOW), Err(GrantsError::Revoked(_))));
    assert!(matches!(grants.install(signed(&grant(2)), NOW), Err(GrantsError::Revoked(_))), "a gateway that presents it again");
}

#[test]
fn a_grant_that_was_never_seen_can_be_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let mut grants = load(folder.path(), NOW);
    grants.revoke(revocation(&grant(3))).unwrap();
    grants.purge(UnixMs(u64::MAX));
    assert!(matches!(load(folder.path(), NOW).install(signed(&grant(3)), NOW), Err(GrantsError::Revoked(_))));
}

#[test]
fn an_unsigned_revocation_revokes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut grants = load(folder.path(), NOW);
    grants.install(signed(&grant(1)), NOW).unwrap();
    let revocation = Revocation { grant: grant(1).id, request: grant(1).request, target: "node1".into(), at: NOW, by: String::new(), reason: String::new(), ending: Ending::Revoke };
    let forged = SignedRevocation::sign(&revocation, &SigningKey::from_bytes(&[8; 32])).unwrap();
    assert!(matches!(grants.revoke(forged), Err(RevokeError::Unsigned(_))));
    assert!(grants.usable(&grant(1).id, PRINT, NOW).is_ok());
}

#[test]
fn damaged_files_never_give_access() {
    let folder = tempfile::tempdir().unwrap();
    let mut grants = load(folder.path(), NOW);
    grants.install(signed(&grant(1)), NOW).unwrap();
    grants.install(signed(&grant(2)), NOW).unwrap();
    grants.revoke(revocation(&grant(2))).unwrap();
    let (one, two) = (grant(1).id, grant(2).id);
    let forged = SignedGrant::sign(&grant(1), &SigningKey::from_bytes(&[8; 32])).unwrap();
    fs::write(folder.path().join(format!("grants/{one}.json")), serde_json::to_vec(&forged).unwrap()).unwrap();
    fs::write(folder.path().join(format!("revocations/{two}.json")), "").unwrap();
    let mut grants = load(folder.path(), NOW);
    assert!(matches!(grants.usable(&one, PRINT, NOW), Err(GrantsError::Unknown(_))));
    assert!(matches!(grants.usable(&two, PRINT, NOW), Err(GrantsError::Revoked(_))), "an empty revocation revokes");
    grants.revoke(revocation(&grant(2))).unwrap();
    assert!(!fs::read(folder.path().join(format!("revocations/{two}.json"))).unwrap().is_empty(), "a repeated one repairs the file");
    fs::rename(folder.path().join(format!("grants/{two}.json")), folder.path().join(format!("grants/{one}.json"))).unwrap();
    assert!(matches!(load(folder.path(), NOW).usable(&one, PRINT, NOW), Err(GrantsError::Unknown(_))), "under another name");
}

#[test]
fn what_has_ended_is_forgotten_and_its_revocation_a_week_later() {
    let folder = tempfile::tempdir().unwrap();
    let mut grants = load(folder.path(), NOW);
    grants.install(signed(&grant(1)), NOW).unwrap();
    grants.revoke(revocation(&grant(1))).unwrap();
    let files = |kind: &str| fs::read_dir(folder.path().join(kind)).unwrap().count();
    grants.purge(NOW.plus(1000));
    assert_eq!((files("grants"), files("revocations")), (0, 1));
    grants.purge(NOW.plus(1000 + REVOCATION_KEPT_MS));
    assert_eq!(files("revocations"), 0);
}

#[test]
fn receipts_are_given_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut grants = load(folder.path(), NOW);
    grants.install(signed(&grant(1)), NOW).unwrap();
    grants.revoke(revocation(&grant(1))).unwrap();
    assert!(grants.receipt(&grant(1).id).is_none());
    let receipt = RevokeReceipt { grant: grant(1).id, sessions: vec![], micros: 5 };
    grants.done(&receipt).unwrap();
    assert_eq!(load(folder.path(), NOW).receipt(&grant(1).id), Some(&receipt));
}

#[test]
fn thousands_of_grants_are_told_in_pages_and_more_than_memory_is_for_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut grants = load(folder.path(), NOW);
    let numbered = |n: u16| {
        let [high, low] = n.to_le_bytes();
        signed(&Grant { id: GrantId::from_entropy([high, low, 0, 0, 0, 0, 0, 0, 0, 1]), ..grant(1) })
    };
    // not on the disk, which takes its time for each
    let mut bytes = 0;
    for n in 0..u16::MAX {
        let kept = grants.check(&numbered(n), NOW).unwrap();
        bytes += kept.bytes;
        if bytes > GRANTS_BYTES_MAX {
            break;
        }
        grants.kept.insert(kept.grant.id.clone(), kept);
    }
    assert!(grants.kept.len() > 4000, "{}", grants.kept.len());
    assert!(matches!(grants.install(signed(&grant(2)), NOW), Err(GrantsError::Full)));
    let pages = grants.pages();
    assert_eq!(pages.iter().map(Vec::len).sum::<usize>(), grants.kept.len());
    for page in pages {
        assert!(!page.is_empty() && packet::encode(&FromWarden::Kept(page)).is_ok());
    }
}

#[test]
fn no_page_is_told_of_nothing() {
    let folder = tempfile::tempdir().unwrap();
    assert!(load(folder.path(), NOW).pages().is_empty());
}
