//! Modules on their way to one node, a part at a time: between two parts everything else is told, so that no revocation
//! waits for a module.

use crate::desk::{Desk, DeskError};
use crate::domain::text::TargetName;
use portcullis_model::id::PolicyDigest;
use portcullis_model::wire::link::{MODULE_CHUNK_MAX, ModuleChunk, ToNode};
use std::collections::VecDeque;

/// Most modules that a node may wait for.
const QUEUE_MAX: usize = 64;

/// A module that is being sent.
#[derive(Debug)]
struct Sending {
    digest: PolicyDigest,
    signature: String,
    bytes: Vec<u8>,
    offset: usize,
}

/// What a node wants, and how far it got.
#[derive(Debug, Default)]
pub(super) struct Supply {
    queue: VecDeque<PolicyDigest>,
    sending: Option<Sending>,
}

impl Supply {
    /// The node wants a module. What is under way already is not begun again.
    pub(super) fn want(&mut self, digest: PolicyDigest) {
        let known = self.queue.contains(&digest) || self.sending.as_ref().is_some_and(|sending| sending.digest == digest);
        if !known && self.queue.len() < QUEUE_MAX {
            self.queue.push_back(digest);
        }
    }

    /// Whether there is something to send.
    pub(super) fn is_open(&self) -> bool {
        self.sending.is_some() || !self.queue.is_empty()
    }

    /// The next part; none when there is nothing of a module that the node may have.
    pub(super) async fn part(&mut self, desk: &Desk, target: &TargetName) -> Result<Option<ToNode>, DeskError> {
        if self.sending.is_none()
            && let Some(digest) = self.queue.pop_front()
        {
            self.sending = desk.wanted(target, &digest).await?.map(|(bytes, signature)| Sending { digest, signature, bytes, offset: 0 });
        }
        let Some(sending) = &mut self.sending else { return Ok(None) };
        let rest = sending.bytes.get(sending.offset..).unwrap_or_default();
        let part = rest.get(..MODULE_CHUNK_MAX).unwrap_or(rest);
        let chunk = ModuleChunk {
            digest: sending.digest,
            signature: sending.signature.clone(),
            size: sending.bytes.len() as u64,
            offset: sending.offset as u64,
            bytes: part.to_vec(),
        };
        sending.offset += part.len();
        if sending.offset >= sending.bytes.len() {
            self.sending = None;
        }
        Ok(Some(ToNode::Module(chunk)))
    }
}
