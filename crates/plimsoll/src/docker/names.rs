//! Names of containers, made of a node's and a session's id, whatever is in those.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// The label with the id of the node, as it was given.
pub const NODE_LABEL: &str = "plimsoll.node_id";

/// The label with the id of the session, as it was given.
pub const SESSION_LABEL: &str = "plimsoll.session_id";

/// How much of each id is shown in the name, in characters. The name is also a host name to others in a network, and a
/// part of those has room for 63.
const MAX_PART: usize = 20;

/// How many bytes of the digest tell apart what looks the same: six are enough for millions of names.
const DIGEST_BYTES: usize = 6;

/// The name of the container of a node and a session: `plimsoll-NODE-SESSION-DIGEST`. What engines take no names of
/// becomes `_`, what is long is cut, and a digest of both ids, as they were given, makes the name their own.
///
/// ```
/// use plimsoll::docker::container_name;
///
/// let name = container_name("camera 1", "Übung/7");
/// assert!(name.starts_with("plimsoll-camera_1-_bung_7-"));
/// assert_ne!(name, container_name("camera_1", "Übung/7"));
/// assert_eq!(name, container_name("camera 1", "Übung/7"), "the same ids have the same name");
/// ```
#[must_use]
pub fn container_name(node_id: &str, session_id: &str) -> String {
    let mut digest = Sha256::new();
    // With its length before it, the end of one id cannot pass for the beginning of the other.
    digest.update((node_id.len() as u64).to_le_bytes());
    digest.update(node_id);
    digest.update(session_id);
    let mut name = format!("plimsoll-{}-{}-", part(node_id), part(session_id));
    for byte in digest.finalize().iter().take(DIGEST_BYTES) {
        // Writing to a string cannot fail.
        write!(name, "{byte:02x}").ok();
    }
    name
}

fn part(id: &str) -> String {
    let safe = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    id.chars().take(MAX_PART).map(|letter| if safe(letter) { letter } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_pair_of_ids_has_a_name_of_its_own(
            one in (any::<String>(), any::<String>()),
            other in (any::<String>(), any::<String>()),
        ) {
            let name = container_name(&one.0, &one.1);
            let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            prop_assert!(name.bytes().all(good) && name.len() <= 63, "{}", name);
            prop_assert_eq!(one == other, name == container_name(&other.0, &other.1));
        }
    }

    #[test]
    fn what_looks_the_same_differs() {
        let long = "n".repeat(10_000);
        let pairs = [
            ("", ""),
            ("a b", "c"),
            ("a_b", "c"),
            ("a", "b-c"),
            ("a-b", "c"),
            ("ab", ""),
            ("", "ab"),
            ("ä", ""),
            ("ö", ""),
            (&*long, ""),
            (&long[1..], ""),
            ("../..", "?x=1"),
            ("\0", "\n"),
            ("_", "_"),
        ];
        let mut names: Vec<_> = pairs.iter().map(|(node, session)| container_name(node, session)).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), pairs.len());
    }
}
