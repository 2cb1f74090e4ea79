//! A key that this process alone has, and what is told apart with it: passwords, tokens and addresses, none of which is
//! kept itself.

use ring::hmac::{self, HMAC_SHA256};
use ring::rand::SystemRandom;

use super::error::SecurityError;

/// A text under this process' key. Nobody else can make it, and nothing leads back from it.
pub(super) type Tag = [u8; 32];

#[derive(Clone, Debug)]
pub(super) struct Secret(hmac::Key);

impl Secret {
    pub(super) fn new() -> Result<Self, SecurityError> {
        let key = hmac::Key::generate(HMAC_SHA256, &SystemRandom::new());
        key.map(Self).map_err(|_| {
            SecurityError::new(
                "the system has no random numbers",
                "make /dev/urandom available to this program",
            )
        })
    }

    /// The tag of texts, which cannot run into each other.
    pub(super) fn tag(&self, parts: &[&[u8]]) -> Tag {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part);
        }
        let mut tag = Tag::default();
        tag.copy_from_slice(context.sign().as_ref());
        tag
    }

    /// A number between 0 and `below`, the same for the same text. `below` is not 0.
    pub(super) fn place(&self, parts: &[&[u8]], below: usize) -> usize {
        let tag = self.tag(parts);
        let number = tag.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        usize::try_from(number % below as u64).unwrap_or(0)
    }
}
