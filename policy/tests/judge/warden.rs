//! The warden's side of a judge, and an admin who signs.

use crate::running::{DEADLINE, Judge};
use portcullis_model::action::{Action, Role};
use portcullis_model::id::PolicyDigest;
use portcullis_model::policy::{Assigned, Candidate, PolicyAssignment, PolicyState, SIGNATURE_NAMESPACE, TrialReport};
use portcullis_model::time::UnixMs;
use portcullis_model::wire::PROTOCOL;
use portcullis_model::wire::packet;
use portcullis_model::wire::policies::{EndedTrial, FromJudge, JudgeState, ToJudge};
use rustix::net::{AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType};
use ssh_key::private::{Ed25519Keypair, PrivateKey};
use ssh_key::{HashAlg, LineEnding};
use std::io::{IoSlice, Seek as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, OwnedFd};

/// A key by its number.
pub(crate) fn key(number: u8) -> PrivateKey {
    Ed25519Keypair::from_seed(&[number; 32]).into()
}

/// The admin's.
pub(crate) fn admin() -> PrivateKey {
    key(7)
}

pub(crate) fn sign(key: &PrivateKey, component: &[u8]) -> String {
    key.sign(SIGNATURE_NAMESPACE, HashAlg::Sha512, component).unwrap().to_pem(LineEnding::LF).unwrap()
}

/// A judge that waits for its warden.
pub(crate) fn judge(baseline: &[(&str, Vec<u8>)]) -> Judge {
    Judge::start_with(baseline, |folder| {
        std::fs::write(folder.join("admins"), format!("# admins\n{}\n", admin().public_key().to_openssh().unwrap())).unwrap();
    })
}

pub(crate) struct Warden {
    socket: OwnedFd,
}

impl Warden {
    /// Connected and greeted.
    pub(crate) fn of(judge: &Judge) -> Self {
        let warden = Self::connect(judge);
        warden.send(&ToJudge::Hello { protocol: PROTOCOL }, None);
        assert_eq!(warden.next(), Some(FromJudge::Hello { protocol: PROTOCOL }));
        warden
    }

    pub(crate) fn connect(judge: &Judge) -> Self {
        let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        rustix::net::sockopt::set_socket_timeout(&socket, rustix::net::sockopt::Timeout::Recv, Some(DEADLINE)).unwrap();
        rustix::net::connect(&socket, &SocketAddrUnix::new(judge.folder.path().join("policies.sock")).unwrap()).unwrap();
        Self { socket }
    }

    pub(crate) fn send(&self, message: &ToJudge, file: Option<&std::fs::File>) {
        let bytes = packet::encode(message).unwrap();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fds = file.map(|file| [file.as_fd()]);
        if let Some(fds) = &fds {
            control.push(SendAncillaryMessage::ScmRights(fds));
        }
        rustix::net::sendmsg(&self.socket, &[IoSlice::new(&bytes)], &mut control, SendFlags::NOSIGNAL).unwrap();
    }

    /// Gives a module that claims to be `digest`.
    pub(crate) fn give(&self, digest: PolicyDigest, bytes: &[u8], signature: String) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.rewind().unwrap();
        self.send(&ToJudge::Module { digest, signature }, Some(&file));
    }

    /// Gives a module that the admin has signed.
    pub(crate) fn push(&self, bytes: &[u8]) -> PolicyDigest {
        let digest = PolicyDigest::of(bytes);
        self.give(digest, bytes, sign(&admin(), bytes));
        digest
    }

    pub(crate) fn assign(&self, assignment: Option<PolicyAssignment>, ended: Vec<EndedTrial>) {
        self.send(&ToJudge::Assign { assignment: assignment.map(Box::new), ended }, None);
    }

    /// The next message; none when the judge has hung up.
    pub(crate) fn next(&self) -> Option<FromJudge> {
        let mut room = vec![0; packet::PACKET_MAX];
        match rustix::net::recv(&self.socket, &mut room, rustix::net::RecvFlags::empty()) {
            Ok((_, 0)) | Err(rustix::io::Errno::CONNRESET) => None,
            Ok((_, length)) => Some(packet::decode(&room[..length]).unwrap()),
            Err(error) => panic!("{error}"),
        }
    }

    /// The state once it is like this; reports of trials are left out.
    pub(crate) fn state(&self, is_it: impl Fn(&JudgeState) -> bool) -> PolicyState {
        loop {
            match self.next().expect("the judge is there") {
                FromJudge::State(state) if is_it(&state) => return state.state,
                FromJudge::State(_) | FromJudge::Trial(_) | FromJudge::Rejected { .. } => {}
                FromJudge::Hello { .. } => panic!("greeted twice"),
            }
        }
    }

    /// The state once this assignment is decided on.
    pub(crate) fn decided(&self, sequence: u64) -> PolicyState {
        self.state(|state| state.decided == sequence)
    }

    /// Why a module is rejected.
    pub(crate) fn rejected(&self) -> (PolicyDigest, String) {
        loop {
            match self.next().expect("the judge is there") {
                FromJudge::Rejected { digest, reason } => return (digest, reason),
                FromJudge::State(_) | FromJudge::Trial(_) | FromJudge::Hello { .. } => {}
            }
        }
    }

    /// A report of a trial that is like this.
    pub(crate) fn report(&self, is_it: impl Fn(&TrialReport) -> bool) -> TrialReport {
        loop {
            match self.next().expect("the judge is there") {
                FromJudge::Trial(report) if is_it(&report) => return *report,
                FromJudge::State(_) | FromJudge::Trial(_) | FromJudge::Rejected { .. } | FromJudge::Hello { .. } => {}
            }
        }
    }
}

/// An assignment of one module for INFRA_DIAG on cps.
pub(crate) fn assignment(sequence: u64, active: Option<PolicyDigest>, candidate: Option<Candidate>, staged: &[PolicyDigest]) -> PolicyAssignment {
    let modules = vec![Assigned { action: Action::InfraDiag, role: Role::Cps, active, candidate }];
    PolicyAssignment { target: "node1".into(), sequence, at: UnixMs(1), modules, staged: staged.to_vec() }
}
