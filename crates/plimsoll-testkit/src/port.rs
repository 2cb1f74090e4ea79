//! Ports of the loopback interface that stay ours while nobody listens on them.
//!
//! A server that is killed and started again needs the same port. Two things can take it meanwhile: another test that
//! looks for a free one, and the kernel, which chooses ports for outgoing connections. The latter is no rarity: a
//! client that tries again and again to reach the killed server, on a port from which the kernel chooses, ends up
//! connected to itself. So a [`Port`] lies below those that the kernel chooses, and is reserved among tests.
//!
//! ```
//! use plimsoll_testkit::port::Port;
//!
//! let port = Port::reserve();
//! assert!(std::net::TcpStream::connect(port.address()).is_err());
//! ```

use std::hash::{BuildHasher as _, RandomState};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::UnixListener;

/// Below it are the well-known ones.
const FIRST: u16 = 10_000;

/// Where Linux begins to choose if nobody has set it otherwise.
const USUAL_END: u16 = 32_768;

/// A port that nobody else gets, until this is dropped.
#[derive(Debug)]
pub struct Port {
    number: u16,
    /// Bound to a name that has the number in it: no file is left behind, and the kernel lets go of it with the process.
    _reserved: UnixListener,
}

impl Port {
    /// Reserves a port that is free.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn reserve() -> Self {
        let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
        let end = range.split_whitespace().next().and_then(|word| word.parse().ok());
        let end = end.filter(|end| *end > FIRST + 1000).unwrap_or(USUAL_END);
        // Tests that start together do not all try the same ports one after the other.
        let start = u16::try_from(RandomState::new().hash_one(0) % u64::from(end - FIRST)).unwrap();
        let mut numbers = (FIRST + start..end).chain(FIRST..FIRST + start);
        numbers.find_map(Self::try_reserve).expect("no port is free on the loopback interface")
    }

    fn try_reserve(number: u16) -> Option<Self> {
        let name = format!("plimsoll-testkit-port-{number}");
        let name = std::os::unix::net::SocketAddr::from_abstract_name(name).ok()?;
        let reserved = UnixListener::bind_addr(&name).ok()?;
        // Somebody who does not reserve may listen there.
        TcpListener::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
        Some(Self { number, _reserved: reserved })
    }

    /// Its number.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }

    /// It on the loopback interface.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.number).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_else_gets_it_until_it_is_dropped() {
        let port = Port::reserve();
        assert!((FIRST..USUAL_END).contains(&port.number()));
        assert!(Port::try_reserve(port.number()).is_none());
        let number = port.number();
        drop(port);
        let again = Port::try_reserve(number).unwrap();
        drop(again);
        let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, number)).unwrap();
        assert!(Port::try_reserve(number).is_none());
    }
}
