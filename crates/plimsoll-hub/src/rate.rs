//! How many reports an address may send, without keeping addresses.
//!
//! An address is hashed with a key that this process made up and never tells, and the hash chooses one of a fixed number of
//! buckets. Nothing is kept but how full each bucket is. Two addresses that hit the same bucket share it.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::HeaderMap;

use crate::Rate;

/// How many buckets there are: half a mebibyte of them.
const BUCKETS: usize = 1 << 16;

/// The buckets.
pub(crate) struct Limiter {
    rate: Rate,
    key: RandomState,
    start: Instant,
    /// For each bucket the time, in milliseconds since the start, at which it is full again.
    full_at: Mutex<Vec<u64>>,
}

impl Limiter {
    pub(crate) fn new(rate: Rate) -> Self {
        let full_at = Mutex::new(vec![0; BUCKETS]);
        Self { rate, key: RandomState::new(), start: Instant::now(), full_at }
    }

    /// Takes one report of an address, or says how long to wait.
    pub(crate) fn take(&self, address: IpAddr) -> Result<(), Duration> {
        self.take_at(address, u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    fn take_at(&self, address: IpAddr, now: u64) -> Result<(), Duration> {
        let bucket = self.key.hash_one(network(address)) as usize % BUCKETS;
        // A report fills the bucket for so many milliseconds.
        let each = Duration::from_secs_f64(1.0 / self.rate.per_second.max(1e-6)).as_millis();
        let each = u64::try_from(each).unwrap_or(u64::MAX);
        let most = each.saturating_mul(u64::from(self.rate.burst.max(1)));
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let full_at = &mut full_at[bucket];
        let next = (*full_at).max(now).saturating_add(each);
        if next - now > most {
            return Err(Duration::from_millis(next - now - most));
        }
        *full_at = next;
        Ok(())
    }
}

/// What one party has: an address, or in the large world of IPv6 a network of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

/// The address of the client. A proxy on this machine or in a private network is believed who it comes from; without such word
/// there is no limit for this machine (`None`).
pub(crate) fn client(peer: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
    let peer = peer.to_canonical();
    let is_near = match peer {
        IpAddr::V4(address) => address.is_loopback() || address.is_private() || address.is_link_local(),
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    };
    if is_near {
        // The last one is what the proxy itself has seen; those before, the client may have made up.
        let last = headers.get_all("x-forwarded-for").iter().next_back();
        let last = last.and_then(|value| value.to_str().ok()?.rsplit(',').next()?.trim().parse().ok());
        if last.is_some() {
            return last;
        }
    }
    (!peer.is_loopback()).then_some(peer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bursts_are_taken_and_then_the_rate() {
        let limiter = Limiter::new(Rate { burst: 3, per_second: 2.0 });
        let [one, same, other]: [IpAddr; 3] =
            ["2001:db8::1", "2001:db8::2", "2001:db8:1::1"].map(|address| address.parse().unwrap());
        let mut now = 10_000;
        assert!((0..3).all(|_| limiter.take_at(one, now).is_ok()));
        assert_eq!(limiter.take_at(same, now), Err(Duration::from_millis(500)));
        assert!(limiter.take_at(other, now).is_ok());
        now += 499;
        assert_eq!(limiter.take_at(one, now), Err(Duration::from_millis(1)));
        now += 1;
        assert!(limiter.take_at(one, now).is_ok());
        assert!(limiter.take_at(one, now).is_err());
        now += 3_600_000;
        assert_eq!((0..10).filter(|_| limiter.take_at(one, now).is_ok()).count(), 3);
    }

    #[test]
    fn proxies_nearby_are_believed() {
        let table = [
            ("203.0.113.9", "198.51.100.1", Some("203.0.113.9")),
            ("127.0.0.1", "10.1.1.1, 198.51.100.1", Some("198.51.100.1")),
            ("::ffff:172.17.0.1", "198.51.100.1", Some("198.51.100.1")),
            ("172.17.0.1", "unknown", Some("172.17.0.1")),
            ("127.0.0.1", "", None),
            ("::1", "", None),
        ];
        for (peer, header, expected) in table {
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-for", header.parse().unwrap());
            let expected = expected.map(|address| address.parse().unwrap());
            assert_eq!(client(peer.parse().unwrap(), &headers), expected, "{peer} for {header}");
        }
    }
}
