//! `net/tcp`, `net/udp` and their siblings for IPv6, line by line, and the counters of `net/snmp` and `net/netstat`.
//!
//! A table has a line for each socket, and there may be a hundred thousand of them: the parsers take one line at a time.

use super::{number, words};

/// The states of a TCP connection in the order of the kernel's numbers, which begin with 1 (`include/net/tcp_states.h`). The
/// twelfth is another way to be in the third.
pub const TCP_STATES: [&str; 11] = [
    "established",
    "synsent",
    "synrecv",
    "finwait1",
    "finwait2",
    "timewait",
    "close",
    "closewait",
    "lastack",
    "listen",
    "closing",
];

/// The kernel's number for a connection that is being accepted.
const NEW_SYN_RECV: u64 = 12;

/// Where that one counts: among `synrecv`.
const SYN_RECV: u64 = 3;

/// How many connections are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connections {
    /// In the order of [`TCP_STATES`].
    pub states: [u64; TCP_STATES.len()],
}

impl Connections {
    /// Counts a line of `net/tcp` or `net/tcp6`; its state is the fourth word. The head line counts nothing.
    pub fn add(&mut self, line: &[u8]) {
        let state = words(line).nth(3).and_then(hexadecimal);
        let state = state.map(|state| if state == NEW_SYN_RECV { SYN_RECV } else { state });
        let index = state.and_then(|state| usize::try_from(state).ok()?.checked_sub(1));
        if let Some(count) = index.and_then(|index| self.states.get_mut(index)) {
            *count += 1;
        }
    }
}

/// What the UDP sockets of a table have in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Datagrams {
    /// Sockets.
    pub sockets: u64,
    /// Bytes that wait to be sent.
    pub sending: u64,
    /// Bytes that wait to be read.
    pub received: u64,
    /// Datagrams that the sockets dropped.
    pub drops: u64,
}

impl Datagrams {
    /// Adds a line of `net/udp` or `net/udp6`: `SENDING:RECEIVED` in hexadecimal is the fifth word, drops are the last of
    /// thirteen. The head line counts nothing.
    pub fn add(&mut self, line: &[u8]) {
        let mut words = words(line);
        let Some(queues) = words.nth(4) else { return };
        let Some(colon) = queues.iter().position(|byte| *byte == b':') else { return };
        let (sending, received) = (hexadecimal(&queues[..colon]), hexadecimal(&queues[colon + 1..]));
        let (Some(sending), Some(received)) = (sending, received) else { return };
        self.sockets += 1;
        self.sending = self.sending.saturating_add(sending);
        self.received = self.received.saturating_add(received);
        self.drops = self.drops.saturating_add(words.nth(7).and_then(number).unwrap_or(0));
    }
}

/// A whole number of up to eight hexadecimal digits.
fn hexadecimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 8 {
        return None;
    }
    digits.iter().try_fold(0, |value, digit| Some(value << 4 | u64::from(char::from(*digit).to_digit(16)?)))
}

/// `net/snmp` and `net/netstat`: a line of names and a line of values, each behind the group's name and a colon. Values below
/// zero, which mean that there is none, are left out.
pub fn counters(bytes: &[u8], group: &[u8], mut each: impl FnMut(&[u8], u64)) {
    let mut lines =
        bytes.split(|byte| *byte == b'\n').filter_map(|line| line.strip_prefix(group)?.strip_prefix(b":"));
    let (Some(names), Some(values)) = (lines.next(), lines.next()) else { return };
    for (name, value) in words(names).zip(words(values)) {
        if let Some(value) = number(value) {
            each(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TCP: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
        0: 00000000:07E8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1133 1 000000002f6297b7 100 0 0 10 0\n   \
        1: 0100007F:1F90 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 0 1 0 20 4 30 10 -1\n   \
        2: 0100007F:1F90 0100007F:9C41 06 00000000:00000000 03:00001770 00000000     0        0 0 3 0\n   \
        3: 0100007F:1F90 0100007F:9C42 0C 00000000:00000000 03:00001770 00000000     0        0 0 3 0\n   \
        4: 0100007F:1F90 0100007F:9C42 7F 00000000:00000000\n5: short\n";

    #[test]
    fn connections_by_state() {
        let mut found = Connections::default();
        TCP.split('\n').for_each(|line| found.add(line.as_bytes()));
        let of = |state: &str| found.states[TCP_STATES.iter().position(|known| *known == state).unwrap()];
        assert_eq!([of("listen"), of("established"), of("timewait"), of("synrecv")], [1, 1, 1, 1]);
        assert_eq!(found.states.iter().sum::<u64>(), 4, "neither the head nor what is no state");
    }

    #[test]
    fn datagrams_added_up() {
        let head = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops";
        let line = |queues: &str, drops: &str| {
            format!(
                "  101: 00000000:0035 00000000:0000 07 {queues} 00:00000000 00000000     0        0 7001 2 0000 {drops}"
            )
        };
        let mut found = Datagrams::default();
        for text in
            [head.to_owned(), line("00000010:00000200", "7"), line("00000001:00000002", "x"), line("1", "1")]
        {
            found.add(text.as_bytes());
        }
        assert_eq!(found, Datagrams { sockets: 2, sending: 17, received: 514, drops: 7 });
    }

    #[test]
    fn counters_go_by_name() {
        let text = b"Ip: Forwarding\nIp: 1\nTcp: RtoMin MaxConn ActiveOpens New\nTcp: 200 -1 12\nTcpExt: A\nTcpExt: 9\n";
        let mut found = vec![];
        counters(text, b"Tcp", |name, value| found.push((String::from_utf8_lossy(name).into_owned(), value)));
        assert_eq!(found, [("RtoMin".to_owned(), 200), ("ActiveOpens".to_owned(), 12)]);
        counters(b"Tcp: A", b"Tcp", |_, _| panic!("there are no values"));
    }

    #[test]
    fn hexadecimal_numbers() {
        for (digits, expected) in [
            ("0A", Some(10)),
            ("ffFFffFF", Some(0xffff_ffff)),
            ("", None),
            ("100000000", None),
            ("0x1", None),
            ("-1", None),
        ] {
            assert_eq!(hexadecimal(digits.as_bytes()), expected, "{digits}");
        }
    }
}
