//! Tables of sockets, which may have a line for each of a hundred thousand connections: they are read in pieces, a bounded one
//! in each pass, and counted line by line, so that neither a tick nor the memory grows with them.
//!
//! For each reading of a namespace's TCP table the kernel goes through the hash table of the whole machine, which takes it
//! milliseconds where that is large, whoever asks and however few connections there are. So a table is left alone while
//! nothing can have changed in it ([`Table::begin`]), and a reading that took long is paid for with a longer pause.

use std::os::fd::OwnedFd;

use plimsoll_model::{DetailField as Field, DetailPass, Details};
use rustix::io::Errno;

use crate::parse::sockets::{Connections, Datagrams, TCP_STATES};

/// The most bytes of a table that are read in one pass: about 3,500 lines.
const PIECE: usize = 512 * 1024;

/// After a reading, the table is left alone for this many times as long as the reading took, …
const PAUSE: u64 = 20_000;

/// … but not for longer than this, in nanoseconds.
const MAX_PAUSE: u64 = 120_000_000_000;

/// A line is a lot shorter; what is longer is none.
const MAX_LINE: usize = 1024;

/// The two tables of a protocol, with the value of the label `family`.
const FAMILIES: [&str; 2] = ["ipv4", "ipv6"];

/// Whose sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Tcp,
    Udp,
}

impl Protocol {
    /// The files, in the order of [`FAMILIES`].
    const fn files(self) -> [&'static str; 2] {
        match self {
            Self::Tcp => ["net/tcp", "net/tcp6"],
            Self::Udp => ["net/udp", "net/udp6"],
        }
    }

    fn tally(self) -> Tally {
        match self {
            Self::Tcp => Tally::Tcp(Connections::default()),
            Self::Udp => Tally::Udp(Datagrams::default()),
        }
    }
}

/// What was counted so far.
#[derive(Clone, Copy, Debug)]
enum Tally {
    Tcp(Connections),
    Udp(Datagrams),
}

impl Tally {
    fn add(&mut self, line: &[u8]) {
        match self {
            Self::Tcp(tally) => tally.add(line),
            Self::Udp(tally) => tally.add(line),
        }
    }
}

/// A protocol's tables of one namespace.
#[derive(Debug)]
pub(crate) struct Table {
    protocol: Protocol,
    round: Option<Round>,
    /// When it may be read again, in monotonic nanoseconds.
    earliest: u64,
    /// What the namespace's state was when the last reading began.
    state: Option<u64>,
}

/// A reading, from its beginning to its end.
#[derive(Debug)]
struct Round {
    /// Which of the two files is read.
    at: usize,
    open: Option<OwnedFd>,
    /// The beginning of a line whose end has not been read yet.
    rest: Vec<u8>,
    /// Absent where the kernel does not have the table.
    tallies: [Option<Tally>; 2],
    /// Which tables are known to be empty.
    empty: [bool; 2],
    /// Nanoseconds that went into it.
    spent: u64,
}

impl Table {
    pub(crate) fn new(protocol: Protocol) -> Self {
        Self { protocol, round: None, earliest: 0, state: None }
    }

    /// Whether a reading has begun and not ended.
    pub(crate) fn is_going(&self) -> bool {
        self.round.is_some()
    }

    /// Begins a reading, if it is time and there may be something new. `look`, which is asked only if it is time, tells how many
    /// sockets there are of each family, as far as that is known, and a number that is another one whenever a socket can have
    /// changed.
    pub(crate) fn begin(&mut self, now: u64, look: impl FnOnce() -> ([Option<u64>; 2], Option<u64>)) {
        if now < self.earliest {
            return;
        }
        let (sockets, state) = look();
        if state.is_some() && state == self.state {
            return;
        }
        self.state = state;
        let empty = sockets.map(|count| count == Some(0));
        self.round = Some(Round { at: 0, open: None, rest: Vec::new(), tallies: [None; 2], empty, spent: 0 });
    }

    /// Reads one piece more. At the end of both tables, `details` says what was found.
    pub(crate) fn go_on(
        &mut self,
        open: impl Fn(&str) -> Result<OwnedFd, Errno>,
        buffer: &mut [u8],
        details: &mut Details,
    ) -> Result<(), Errno> {
        let Some(mut round) = self.round.take() else { return Ok(()) };
        let began = crate::monotonic();
        let is_done = round.go_on(self.protocol, open, buffer).inspect_err(|_| self.state = None)?;
        let now = crate::monotonic();
        round.spent += now - began;
        if is_done {
            self.earliest = now.saturating_add(round.spent.saturating_mul(PAUSE).min(MAX_PAUSE));
            publish(&round.tallies, &mut details.refill());
        } else {
            self.round = Some(round);
        }
        Ok(())
    }
}

impl Round {
    /// Returns whether both tables have been read to their ends.
    fn go_on(
        &mut self,
        protocol: Protocol,
        open: impl Fn(&str) -> Result<OwnedFd, Errno>,
        buffer: &mut [u8],
    ) -> Result<bool, Errno> {
        let mut left = PIECE;
        while let Some(name) = protocol.files().get(self.at) {
            if self.tallies[self.at].is_none() {
                if self.empty[self.at] {
                    self.tallies[self.at] = Some(protocol.tally());
                    self.at += 1;
                    continue;
                }
                self.open = match open(name) {
                    Ok(descriptor) => Some(descriptor),
                    // A kernel without IPv6 does not have the second one.
                    Err(Errno::NOENT) => None,
                    Err(error) => return Err(error),
                };
                if self.open.is_some() {
                    self.tallies[self.at] = Some(protocol.tally());
                }
            }
            while let Some(descriptor) = &self.open {
                if left == 0 {
                    return Ok(false);
                }
                // Where the last piece ended, the kernel goes on.
                let most = buffer.len().min(left);
                let read = rustix::io::read(descriptor, &mut buffer[..most])?;
                left -= read;
                if read == 0 {
                    self.open = None;
                } else if let Some(tally) = &mut self.tallies[self.at] {
                    each_line(&mut self.rest, &buffer[..read], |line| tally.add(line));
                }
            }
            self.rest.clear();
            self.at += 1;
        }
        Ok(true)
    }
}

/// Takes the lines out of a piece. What is left of the last one waits for the next piece.
fn each_line(rest: &mut Vec<u8>, piece: &[u8], mut each: impl FnMut(&[u8])) {
    let mut lines = piece.split_inclusive(|byte| *byte == b'\n');
    for part in lines.by_ref() {
        let Some(line) = part.strip_suffix(b"\n") else {
            if rest.len() + part.len() <= MAX_LINE {
                rest.extend_from_slice(part);
            }
            return;
        };
        if rest.is_empty() {
            each(line);
        } else {
            rest.extend_from_slice(line);
            each(rest);
            rest.clear();
        }
    }
}

fn publish(tallies: &[Option<Tally>; 2], pass: &mut DetailPass<'_>) {
    for (family, tally) in FAMILIES.iter().zip(tallies) {
        if let Some(Tally::Tcp(connections)) = tally {
            for (state, count) in TCP_STATES.iter().zip(connections.states) {
                pass.set(Field::TcpConnections, &[family, state], count);
            }
        }
    }
    type Get = fn(&Datagrams) -> u64;
    const NUMBERS: [(Field, Get); 4] = [
        (Field::UdpSockets, |found| found.sockets),
        (Field::UdpDrops, |found| found.drops),
        (Field::UdpReceived, |found| found.received),
        (Field::UdpSending, |found| found.sending),
    ];
    for (field, get) in NUMBERS {
        for (family, tally) in FAMILIES.iter().zip(tallies) {
            if let Some(Tally::Udp(datagrams)) = tally {
                pass.set(field, &[family], get(datagrams));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const HEAD: &str = "  sl  local_address rem_address   st tx_queue rx_queue\n";

    fn open(directory: &std::path::Path) -> impl Fn(&str) -> Result<OwnedFd, Errno> {
        let directory = directory.to_owned();
        move |name| {
            let flags = rustix::fs::OFlags::RDONLY;
            rustix::fs::open(directory.join(name), flags, rustix::fs::Mode::empty())
        }
    }

    fn count(details: &Details, labels: [&str; 2]) -> Option<u64> {
        let is_it = |row: &&plimsoll_model::DetailRow| row.labels.iter().map(|label| &**label).eq(labels);
        details.rows().iter().find(is_it).map(|row| row.value)
    }

    #[test]
    fn a_large_table_takes_several_passes_and_shows_nothing_half_read() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("net")).unwrap();
        let line = format!("{:147}\n", "    0: 0100007F:1F90 0100007F:9C40 01 00000000:00000000");
        let connections = 100_000;
        fs::write(directory.path().join("net/tcp"), format!("{HEAD}{}", line.repeat(connections))).unwrap();
        let (mut table, mut details, mut buffer) =
            (Table::new(Protocol::Tcp), Details::default(), vec![0; 4096]);
        table.begin(0, || ([None; 2], None));
        let mut passes = 0;
        while table.is_going() {
            assert!(details.rows().is_empty());
            table.go_on(open(directory.path()), &mut buffer, &mut details).unwrap();
            passes += 1;
        }
        assert!(passes > 10, "{passes}");
        assert_eq!(count(&details, ["ipv4", "established"]), Some(connections as u64));
        assert_eq!(count(&details, ["ipv4", "listen"]), Some(0));
        assert_eq!(count(&details, ["ipv6", "listen"]), None, "there is no such table");
    }

    #[test]
    fn what_cannot_have_changed_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let (mut table, mut details, mut buffer) =
            (Table::new(Protocol::Tcp), Details::default(), vec![0; 4096]);
        // The table that has no sockets is not opened: there is none.
        table.begin(0, || ([Some(0), Some(0)], Some(7)));
        table.go_on(|_| panic!("it was opened"), &mut buffer, &mut details).unwrap();
        assert_eq!(count(&details, ["ipv6", "established"]), Some(0));
        table.begin(u64::MAX, || ([Some(0), Some(0)], Some(7)));
        assert!(!table.is_going(), "nothing changed");
        table.begin(0, || panic!("it is too early, and nothing is looked at"));
        assert!(!table.is_going(), "it is too early");
        table.begin(u64::MAX, || ([Some(1), Some(0)], Some(8)));
        assert!(table.is_going());
        let denied = |_: &str| Err(Errno::ACCESS);
        assert_eq!(table.go_on(denied, &mut buffer, &mut details), Err(Errno::ACCESS));
        table.begin(u64::MAX, || ([Some(1), Some(0)], Some(8)));
        assert!(table.is_going(), "what failed is tried again");
        table.go_on(open(directory.path()), &mut buffer, &mut details).unwrap();
        assert_eq!(count(&details, ["ipv4", "established"]), None);
    }

    #[test]
    fn lines_that_are_torn_are_put_together() {
        let (mut rest, mut lines) = (Vec::new(), Vec::new());
        for piece in ["ab", "c\nde\n", "\nf", &"x".repeat(2 * MAX_LINE), "\n", "g\nh"] {
            each_line(&mut rest, piece.as_bytes(), |line| {
                lines.push(String::from_utf8_lossy(line).into_owned());
            });
        }
        assert_eq!(lines, ["abc", "de", "", "f", "g"]);
        assert_eq!(rest, b"h");
    }
}
