//! `net/dev`, `net/sockstat`, `net/sockstat6` and `net/route` of a network namespace.

use std::net::Ipv4Addr;

use plimsoll_model::{InterfaceSlot, Slot, Values};

use super::{Numbers, number, words};

/// The numbers of an interface.
pub type InterfaceNumbers = Values<InterfaceSlot, { InterfaceSlot::COUNT }>;

/// `net/dev`: two head lines, then `NAME: ` and sixteen numbers a line. The loopback interface is left
/// out: its traffic never leaves the container, and counts each byte twice.
pub fn dev(bytes: &[u8], mut each: impl FnMut(&[u8], &InterfaceNumbers)) {
    use InterfaceSlot as S;
    const COLUMNS: [Option<S>; 16] = [
        Some(S::RxBytes),
        Some(S::RxPackets),
        Some(S::RxErrors),
        Some(S::RxDropped),
        None,
        None,
        None,
        None,
        Some(S::TxBytes),
        Some(S::TxPackets),
        Some(S::TxErrors),
        Some(S::TxDropped),
        None,
        None,
        None,
        None,
    ];
    for line in bytes.split(|byte| *byte == b'\n').skip(2) {
        // A name can hold a colon (an alias), a number cannot: the last one ends the name.
        let Some(colon) = line.iter().rposition(|byte| *byte == b':') else { continue };
        let name = line[..colon].trim_ascii();
        if name.is_empty() || name == b"lo" {
            continue;
        }
        let mut numbers = InterfaceNumbers::default();
        for (slot, word) in COLUMNS.iter().zip(words(&line[colon + 1..])) {
            if let Some(slot) = slot {
                numbers.set_option(*slot, number(word));
            }
        }
        each(name, &numbers);
    }
}

/// `net/sockstat` and `net/sockstat6`. Only what belongs to the namespace is taken: the kernel prints
/// `orphan`, `alloc` and `mem` of TCP and `mem` of UDP for the whole machine, whichever namespace asks
/// (`sockstat_seq_show` in `net/ipv4/proc.c`).
pub fn sockstat(bytes: &[u8], out: &mut Numbers) {
    for line in bytes.split(|byte| *byte == b'\n') {
        let mut words = words(line);
        let protocol = words.next();
        while let (Some(key), Some(value)) = (words.next(), words.next()) {
            let slot = match (protocol, key) {
                (Some(b"TCP:"), b"inuse") => Slot::SocketsTcp,
                (Some(b"TCP:"), b"tw") => Slot::SocketsTcpTimeWait,
                (Some(b"UDP:"), b"inuse") => Slot::SocketsUdp,
                (Some(b"RAW:"), b"inuse") => Slot::SocketsRaw,
                (Some(b"TCP6:"), b"inuse") => Slot::SocketsTcp6,
                (Some(b"UDP6:"), b"inuse") => Slot::SocketsUdp6,
                (Some(b"RAW6:"), b"inuse") => Slot::SocketsRaw6,
                _ => continue,
            };
            out.set_option(slot, number(value));
        }
    }
}

/// A subnet that is reached directly through an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The interface.
    pub interface: String,
    /// The subnet's address.
    pub subnet: Ipv4Addr,
    /// Its mask.
    pub mask: Ipv4Addr,
}

impl Route {
    /// Whether `address` is in the subnet.
    #[must_use]
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        address.to_bits() & self.mask.to_bits() == self.subnet.to_bits()
    }
}

/// `net/route`: the directly connected subnets (no gateway, not the default route). Addresses stand there
/// as hexadecimal numbers in the machine's byte order.
#[must_use]
pub fn routes(bytes: &[u8]) -> Vec<Route> {
    let address = |hex: &[u8]| {
        let number = u32::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()?;
        Some(Ipv4Addr::from(number.to_ne_bytes()))
    };
    let route = |line: &[u8]| {
        let columns: Vec<_> = words(line).take(8).collect();
        let [interface, subnet, gateway, _, _, _, _, mask] = columns[..] else { return None };
        let (subnet, gateway, mask) = (address(subnet)?, address(gateway)?, address(mask)?);
        (gateway.is_unspecified() && !mask.is_unspecified()).then(|| Route {
            interface: String::from_utf8_lossy(interface).into_owned(),
            subnet,
            mask,
        })
    };
    bytes.split(|byte| *byte == b'\n').skip(1).filter_map(route).take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces() {
        let text = b"Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     100       1    0    0    0     0          0         0      100       1    0    0    0     0       0          0
  eth0:     200       2    3    4    0     0          0         0        5       6    7    8    0     0       0          0
we\"ird:1:1 2 3 4 0 0 0 0 5 6
";
        let mut seen = vec![];
        dev(text, |name, numbers| seen.push((String::from_utf8_lossy(name).into_owned(), numbers.clone())));
        assert_eq!(seen.len(), 2, "not lo");
        let (name, eth0) = &seen[0];
        assert_eq!(name, "eth0");
        let expected = [200, 2, 3, 4, 5, 6, 7, 8];
        for (slot, value) in InterfaceSlot::ALL.iter().zip(expected) {
            assert_eq!(eth0.get(*slot), Some(value), "{slot:?}");
        }
        assert_eq!(seen[1].0, "we\"ird:1");
        assert_eq!(seen[1].1.get(InterfaceSlot::TxErrors), None, "the line ended early");
    }

    #[test]
    fn sockets_of_the_namespace_only() {
        let mut out = Numbers::default();
        sockstat(
            b"sockets: used 9\nTCP: inuse 3 orphan 5 tw 2 alloc 50 mem 7\nUDP: inuse 1 mem 3\nRAW: inuse 0\n",
            &mut out,
        );
        sockstat(b"TCP6: inuse 4\nUDP6: inuse 0\nFRAG6: inuse 0 memory 0\n", &mut out);
        assert_eq!(out.get(Slot::SocketsTcp), Some(3));
        assert_eq!(out.get(Slot::SocketsTcpTimeWait), Some(2));
        assert_eq!(out.get(Slot::SocketsTcp6), Some(4));
        assert_eq!(out.get(Slot::SocketsRaw), Some(0));
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn connected_subnets() {
        let text = b"Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
            eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
            eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n";
        let routes = routes(text);
        assert_eq!(routes.len(), 1);
        assert!(routes[0].contains("172.17.0.9".parse().unwrap()));
        assert!(!routes[0].contains("172.18.0.9".parse().unwrap()));
    }
}
