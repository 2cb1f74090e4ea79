//! How often something may happen: requests as `rate_limit` has it, and wrong passwords from one address.
//!
//! Both are the same arithmetic: a time stands for what was used up, and moves on with each use. Nothing is stored of an
//! address but times in places that a secret key chooses, which several addresses share.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::secret::Secret;

/// One allowance: a use each `interval`, and `burst` of them at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    pub(super) interval: Duration,
    pub(super) burst: u32,
}

/// When what was used would be all given back; `None` where nothing was.
type Used = Option<Instant>;

impl Allowance {
    /// How long to wait until another use is allowed; nothing if it is now.
    fn wait(self, used: Used, now: Instant) -> Duration {
        let until = used.map_or(Duration::ZERO, |used| used.saturating_duration_since(now));
        (until + self.interval).saturating_sub(self.interval.saturating_mul(self.burst))
    }

    fn take(self, used: &mut Used, now: Instant) {
        *used = Some(used.unwrap_or(now).max(now) + self.interval);
    }

    fn give_back(self, used: &mut Used) {
        *used = used.and_then(|used| used.checked_sub(self.interval));
    }
}

/// One allowance for everybody.
#[derive(Debug, Default)]
pub(super) struct Everybody(Mutex<Used>);

impl Everybody {
    /// Takes one use.
    ///
    /// # Errors
    /// How long to wait.
    pub(super) fn take(&self, allowance: Allowance, now: Instant) -> Result<(), Duration> {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = allowance.wait(*used, now);
        if !wait.is_zero() {
            return Err(wait);
        }
        allowance.take(&mut used, now);
        Ok(())
    }
}

/// An allowance for each address.
///
/// An address has a place in each of two rows, and is held back only when both are used up: for one address to suffer from
/// others, they have to hit both.
#[derive(Debug)]
pub(super) struct Addresses {
    secret: Secret,
    allowance: Allowance,
    rows: Mutex<[Box<[Used]>; 2]>,
}

/// Places in a row.
const PLACES: usize = 4096;

impl Addresses {
    pub(super) fn new(secret: Secret, allowance: Allowance) -> Self {
        let row = || vec![None; PLACES].into_boxed_slice();
        Self { secret, allowance, rows: Mutex::new([row(), row()]) }
    }

    /// Takes one use.
    ///
    /// # Errors
    /// How long to wait.
    pub(super) fn take(&self, peer: SocketAddr, now: Instant) -> Result<(), Duration> {
        let places = self.places(peer);
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = rows.iter().zip(places).map(|(row, place)| self.allowance.wait(row[place], now)).min();
        if let Some(wait) = wait.filter(|wait| !wait.is_zero()) {
            return Err(wait);
        }
        for (row, place) in rows.iter_mut().zip(places) {
            self.allowance.take(&mut row[place], now);
        }
        Ok(())
    }

    /// Gives one use back.
    pub(super) fn give_back(&self, peer: SocketAddr) {
        let places = self.places(peer);
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        for (row, place) in rows.iter_mut().zip(places) {
            self.allowance.give_back(&mut row[place]);
        }
    }

    fn places(&self, peer: SocketAddr) -> [usize; 2] {
        let bytes = match peer.ip().to_canonical() {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            // One machine usually has a whole network of these.
            IpAddr::V6(ip) => ip.octets()[..8].to_vec(),
        };
        [0, 1].map(|row| self.secret.place(&[b"address", &[row], &bytes], PLACES))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWANCE: Allowance = Allowance { interval: Duration::from_secs(2), burst: 3 };

    #[test]
    fn a_burst_then_one_each_interval() {
        let everybody = Everybody::default();
        let start = Instant::now();
        for _ in 0..3 {
            assert_eq!(everybody.take(ALLOWANCE, start), Ok(()));
        }
        assert_eq!(everybody.take(ALLOWANCE, start), Err(Duration::from_secs(2)));
        let later = start + Duration::from_millis(500);
        assert_eq!(everybody.take(ALLOWANCE, later), Err(Duration::from_millis(1500)));
        let later = start + Duration::from_secs(2);
        assert_eq!(everybody.take(ALLOWANCE, later), Ok(()));
        assert!(everybody.take(ALLOWANCE, later).is_err());
        let much_later = start + Duration::from_secs(3600);
        for _ in 0..3 {
            assert_eq!(everybody.take(ALLOWANCE, much_later), Ok(()));
        }
        assert!(everybody.take(ALLOWANCE, much_later).is_err());
    }

    #[test]
    fn addresses_are_held_back_one_by_one() {
        let addresses = Addresses::new(Secret::new().unwrap(), ALLOWANCE);
        let now = Instant::now();
        let peer = |text: &str| SocketAddr::new(text.parse().unwrap(), 1);
        let [bad, same, other] = [peer("2001:db8::1"), peer("2001:db8::2"), peer("192.0.2.1")];
        for _ in 0..3 {
            assert_eq!(addresses.take(bad, now), Ok(()));
        }
        assert!(addresses.take(bad, now).is_err());
        assert!(addresses.take(same, now).is_err(), "of one network");
        assert!(addresses.take(SocketAddr::new(bad.ip(), 2), now).is_err(), "the port is nobody");
        assert_eq!(addresses.take(other, now), Ok(()));
        addresses.give_back(bad);
        assert_eq!(addresses.take(bad, now), Ok(()));
        assert!(addresses.take(bad, now).is_err());
    }
}
