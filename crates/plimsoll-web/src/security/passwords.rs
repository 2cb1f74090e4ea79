//! Names and passwords: checked with bcrypt, at the same cost for names that exist and for those that do not.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bcrypt::HashParts;
use tokio::sync::Semaphore;

use super::error::SecurityError;
use super::secret::{Secret, Tag};
use super::throttle::{Addresses, Allowance};

/// Wrong passwords from one address: ten at once, then one each two seconds.
const WRONG: Allowance = Allowance { interval: Duration::from_secs(2), burst: 10 };

/// Pairs that were found right and are not computed again.
const REMEMBERED: usize = 64;

/// Passwords that wait for their turn.
const WAITING: usize = 32;

/// The most that a hash may cost: each step doubles, and 15 takes some two seconds.
const COST_MAX: u32 = 15;

/// The names with the hashes of their passwords.
pub(super) type Users = BTreeMap<String, String>;

/// Refuses hashes that could never be right, or whose check would take too long.
pub(super) fn check(users: &Users) -> Result<(), SecurityError> {
    for (name, hash) in users {
        // The hash itself is a secret of sorts.
        let bad = |what: &str| {
            SecurityError::new(
                format!("basic_auth_users: the hash of {name:?} {what}"),
                "make one with `htpasswd -nBC 10 NAME`, and take what follows the colon",
            )
        };
        if name.is_empty() || name.contains(':') || name.chars().any(char::is_control) {
            return Err(SecurityError::new(
                format!("basic_auth_users: no client could send the name {name:?}"),
                "take another name, without a colon",
            ));
        }
        let parts: HashParts = hash.parse().map_err(|_| bad("is none of bcrypt"))?;
        match parts.get_cost() {
            4..=COST_MAX => {}
            cost if cost < 4 => return Err(bad("has a cost below 4, which bcrypt does not have")),
            cost => {
                return Err(bad(&format!(
                    "has the cost {cost}; more than {COST_MAX} takes seconds of a core"
                )));
            }
        }
        // What is wrong beyond the cost shows only here; the cheapest cost says it as well.
        bcrypt::verify(b"", &with_cost(hash, 4)).map_err(|_| bad("is none of bcrypt"))?;
    }
    Ok(())
}

/// The same hash with another cost, which no password fits.
fn with_cost(hash: &str, cost: u32) -> String {
    let (version, rest) = (hash.get(..4).unwrap_or_default(), hash.get(6..).unwrap_or_default());
    format!("{version}{cost:02}{rest}")
}

/// What came of a name and a password.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Right,
    Wrong,
    /// This address has tried too often.
    TooOften(Duration),
    /// Too many are being checked.
    Busy,
}

/// Checks passwords.
#[derive(Debug)]
pub(super) struct Passwords {
    secret: Secret,
    addresses: Addresses,
    right: Mutex<VecDeque<Tag>>,
    /// One at a time: bcrypt takes a whole core.
    turn: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl Passwords {
    pub(super) fn new(secret: &Secret) -> Self {
        Self {
            secret: secret.clone(),
            addresses: Addresses::new(secret.clone(), WRONG),
            right: Mutex::default(),
            turn: Arc::new(Semaphore::new(1)),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Checks a pair. Each attempt uses up some of what the address has, and a right one gives it back.
    pub(super) async fn verify(
        &self,
        users: &Users,
        name: &str,
        password: &[u8],
        peer: SocketAddr,
    ) -> Verdict {
        // Before anything is compared, or what is remembered could be guessed as fast as one can ask.
        if let Err(wait) = self.addresses.take(peer, Instant::now()) {
            return Verdict::TooOften(wait);
        }
        let known = users.get(name);
        let Some(hash) = known.or_else(|| self.stand_in(users, name)) else { return Verdict::Wrong };
        let tag = self.secret.tag(&[b"password", name.as_bytes(), hash.as_bytes(), password]);
        let verdict = if known.is_some() && self.right().contains(&tag) {
            Verdict::Right
        } else {
            match self.compute(hash, password).await {
                None => Verdict::Busy,
                Some(fits) if fits && known.is_some() => {
                    self.remember(tag);
                    Verdict::Right
                }
                Some(_) => Verdict::Wrong,
            }
        };
        if verdict != Verdict::Wrong {
            self.addresses.give_back(peer);
        }
        verdict
    }

    /// Whose hash is computed for a name that there is not: always the same one's, so that the time tells nothing, even
    /// where costs differ.
    fn stand_in<'a>(&self, users: &'a Users, name: &str) -> Option<&'a String> {
        let place = self.secret.place(&[b"name", name.as_bytes()], users.len().max(1));
        users.values().nth(place)
    }

    /// Whether a password fits a hash; `None` where there was no turn for it.
    async fn compute(&self, hash: &str, password: &[u8]) -> Option<bool> {
        let _place = Place::take(&self.waiting)?;
        let turn = Arc::clone(&self.turn).acquire_owned().await.ok()?;
        let (hash, password) = (hash.to_owned(), password.to_owned());
        // The turn goes along: whoever asked may leave, and the core is busy until the end.
        let computing = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            bcrypt::verify(password, &hash).unwrap_or(false)
        });
        computing.await.ok()
    }

    fn right(&self) -> MutexGuard<'_, VecDeque<Tag>> {
        self.right.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, tag: Tag) {
        let mut right = self.right();
        if right.contains(&tag) {
            return;
        }
        if right.len() >= REMEMBERED {
            right.pop_front();
        }
        right.push_back(tag);
    }
}

/// A place among those that wait.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize) -> Option<Self> {
        let place = Self(waiting);
        // Dropped again where there are too many.
        (waiting.fetch_add(1, Ordering::Relaxed) < WAITING).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The passwords are `right` and `other`.
    fn users() -> Users {
        let hash = |password: &str| bcrypt::hash(password, 4).unwrap();
        [("ann", hash("right")), ("bob", hash("other"))].map(|(name, hash)| (name.to_owned(), hash)).into()
    }

    fn peer() -> SocketAddr {
        "192.0.2.1:1".parse().unwrap()
    }

    #[tokio::test]
    async fn a_pair_is_right_or_wrong() {
        let passwords = Passwords::new(&Secret::new().unwrap());
        let users = users();
        for (name, password, expected) in [
            ("ann", "right", Verdict::Right),
            ("ann", "right", Verdict::Right),
            ("ann", "other", Verdict::Wrong),
            ("ann", "", Verdict::Wrong),
            ("bob", "other", Verdict::Right),
            ("eve", "right", Verdict::Wrong),
            ("eve", "other", Verdict::Wrong),
            ("", "", Verdict::Wrong),
        ] {
            let found = passwords.verify(&users, name, password.as_bytes(), peer()).await;
            assert_eq!(found, expected, "{name} {password}");
        }
        assert_eq!(passwords.right().len(), 2);
        assert_eq!(passwords.verify(&Users::new(), "ann", b"right", peer()).await, Verdict::Wrong);
    }

    #[tokio::test]
    async fn another_hash_ends_what_was_remembered() {
        let passwords = Passwords::new(&Secret::new().unwrap());
        assert_eq!(passwords.verify(&users(), "ann", b"right", peer()).await, Verdict::Right);
        let changed: Users = [("ann".to_owned(), bcrypt::hash("new", 4).unwrap())].into();
        assert_eq!(passwords.verify(&changed, "ann", b"right", peer()).await, Verdict::Wrong);
        assert_eq!(passwords.verify(&changed, "ann", b"new", peer()).await, Verdict::Right);
    }

    #[tokio::test]
    async fn wrong_ones_are_held_back_and_right_ones_never() {
        let passwords = Passwords::new(&Secret::new().unwrap());
        let users = users();
        for _ in 0..50 {
            assert_eq!(passwords.verify(&users, "ann", b"right", peer()).await, Verdict::Right);
        }
        for index in 0..10 {
            let name = format!("name{index}");
            assert_eq!(passwords.verify(&users, &name, b"wrong", peer()).await, Verdict::Wrong);
        }
        let held = passwords.verify(&users, "ann", b"right", peer()).await;
        assert!(
            matches!(held, Verdict::TooOften(_)),
            "guessing at what is remembered is held back, too: {held:?}"
        );
        let other = "192.0.2.2:1".parse().unwrap();
        assert_eq!(passwords.verify(&users, "ann", b"right", other).await, Verdict::Right);
    }

    #[tokio::test]
    async fn what_is_remembered_is_bounded() {
        let passwords = Passwords::new(&Secret::new().unwrap());
        for index in 0..(REMEMBERED as u64 * 2) {
            passwords.remember(passwords.secret.tag(&[&index.to_le_bytes()]));
        }
        assert_eq!(passwords.right().len(), REMEMBERED);
        passwords.waiting.store(WAITING, Ordering::Relaxed);
        assert_eq!(passwords.verify(&users(), "ann", b"right", peer()).await, Verdict::Busy);
        assert_eq!(passwords.waiting.load(Ordering::Relaxed), WAITING);
    }

    #[test]
    fn unknown_names_stand_in_for_the_same_known_one() {
        let passwords = Passwords::new(&Secret::new().unwrap());
        let users = users();
        let mut seen = std::collections::BTreeSet::new();
        for index in 0..200 {
            let name = format!("name{index}");
            assert_eq!(passwords.stand_in(&users, &name), passwords.stand_in(&users, &name));
            seen.insert(passwords.stand_in(&users, &name).unwrap());
        }
        assert_eq!(seen.len(), 2, "each of the costs occurs");
    }

    #[test]
    fn hashes_are_looked_at() {
        let good = bcrypt::hash("right", 4).unwrap();
        let cases = [
            ("ann", good.clone(), true),
            ("ann", good.replacen("$2b$", "$2y$", 1), true),
            ("ann", good.replacen("$2b$", "$2a$", 1), true),
            ("ann", with_cost(&good, 15), true),
            ("ann", with_cost(&good, 16), false),
            ("ann", with_cost(&good, 31), false),
            ("ann", with_cost(&good, 3), false),
            ("ann", with_cost(&good, 99), false),
            ("ann", good[..59].to_owned(), false),
            ("ann", "secret".to_owned(), false),
            ("ann", String::new(), false),
            ("ann", format!("{}!", &good[..59]), false),
            ("", good.clone(), false),
            ("a:b", good, false),
        ];
        for (name, hash, is_good) in cases {
            let checked = check(&[(name.to_owned(), hash.clone())].into());
            assert_eq!(checked.is_ok(), is_good, "{name} {hash}: {checked:?}");
            if let Err(error) = checked {
                assert!(hash.is_empty() || !error.to_string().contains(&hash), "{error}");
            }
        }
    }
}
