//! The places of connections: so many there are, and when all are taken, who waits longest for nothing makes room.
//!
//! Whoever opens thousands of connections and asks nothing must not keep others out. So a new connection takes the place
//! of one that is not being answered: of the address that holds the most places, first of those that never asked
//! anything, the one that has been like that longest. Only where every place is being answered does it wait, and all of those
//! have deadlines.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::future::Future;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};

use crate::connection::Clock;

/// Who holds places together: an address, or a network of version 6, which one machine usually has; `None` for all clients of
/// unix sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Holder(Option<IpAddr>);

impl Holder {
    pub(crate) const LOCAL: Self = Self(None);

    pub(crate) fn of(address: IpAddr) -> Self {
        Self(Some(match address.to_canonical() {
            IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
            ip => ip,
        }))
    }
}

/// All places.
#[derive(Debug)]
pub(crate) struct Seats {
    most: usize,
    table: Mutex<Table>,
    /// Told when a place is free, or held by one that waits.
    changed: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    seated: HashMap<u64, Seated>,
}

#[derive(Debug)]
struct Seated {
    holder: Holder,
    clock: Clock,
    leave: oneshot::Sender<Left>,
}

/// Dropped once the connection that was told to leave is gone.
type Left = oneshot::Sender<()>;

/// A place. It is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    seats: Arc<Seats>,
    number: u64,
    leave: oneshot::Receiver<Left>,
}

impl Seats {
    /// So many places, at least one.
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most: most.max(1), table: Mutex::default(), changed: Arc::default() })
    }

    /// What clocks tell when a connection begins to wait for its client.
    pub(crate) fn changed(&self) -> Arc<Notify> {
        Arc::clone(&self.changed)
    }

    /// Takes a place, once there is one.
    pub(crate) async fn take(self: &Arc<Self>, holder: Holder, clock: &Clock) -> Seat {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if let Some((seat, left)) = self.try_take(holder, clock) {
                if let Some(left) = left {
                    // Its memory and its descriptor first, or there would be more than there are places.
                    let _ = left.await;
                }
                return seat;
            }
            changed.await;
        }
    }

    /// A place, and what ends when the connection is gone that had it.
    fn try_take(
        self: &Arc<Self>,
        holder: Holder,
        clock: &Clock,
    ) -> Option<(Seat, Option<oneshot::Receiver<()>>)> {
        let mut table = self.table();
        let mut left = None;
        if table.seated.len() >= self.most {
            let number = table.who_leaves()?;
            let (leaving, has_left) = oneshot::channel();
            // One that just ends has left already.
            let _ = table.seated.remove(&number)?.leave.send(leaving);
            left = Some(has_left);
        }
        let number = table.next;
        table.next += 1;
        let (tell, leave) = oneshot::channel();
        table.seated.insert(number, Seated { holder, clock: clock.clone(), leave: tell });
        Some((Seat { seats: Arc::clone(self), number, leave }, left))
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Whose place is given away; nobody's while all are being answered.
    fn who_leaves(&self) -> Option<u64> {
        let mut held = HashMap::<Holder, usize>::new();
        for seated in self.seated.values() {
            *held.entry(seated.holder).or_default() += 1;
        }
        let waiting = self.seated.iter().filter_map(|(number, seated)| {
            let (has_asked, since) = seated.clock.waits()?;
            Some((Reverse(held[&seated.holder]), has_asked, since, *number))
        });
        waiting.min().map(|(.., number)| number)
    }
}

impl Seat {
    /// Runs a connection on this place, to its end or until the place is given away.
    pub(crate) async fn hold(mut self, connection: impl Future<Output = ()>) {
        // The connection is gone when this ends, and only then is it said.
        let told = tokio::select! {
            () = connection => None,
            told = &mut self.leave => Some(told),
        };
        if told.is_some() {
            tracing::debug!("a connection was cut to make room for another");
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        // Where the place was given away, it is not this one's any more.
        let was_held = self.seats.table().seated.remove(&self.number).is_some();
        if was_held {
            self.seats.changed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    fn clock(seats: &Seats) -> Clock {
        Clock::start(Limits::default(), seats.changed())
    }

    fn address(text: &str) -> Holder {
        Holder::of(text.parse().unwrap())
    }

    #[test]
    fn machines_are_networks_of_version_6() {
        assert_eq!(address("2001:db8::1"), address("2001:db8::2:1"));
        assert_ne!(address("2001:db8::1"), address("2001:db8:0:1::1"));
        assert_eq!(address("192.0.2.1"), address("::ffff:192.0.2.1"));
        assert_ne!(address("192.0.2.1"), address("192.0.2.2"));
        assert_ne!(address("127.0.0.1"), Holder::LOCAL);
    }

    #[test]
    fn who_waits_for_nothing_makes_room() {
        let seats = Seats::new(4);
        let (one, many) = (address("192.0.2.1"), address("192.0.2.2"));
        let mut held = Vec::new();
        // The oldest is of another address; of the many, the first has asked before, the last is being answered.
        for (holder, prepare) in [
            (one, (|_| ()) as fn(&Clock)),
            (many, |clock| {
                clock.request_came();
                clock.body_done();
                clock.flushed();
            }),
            (many, |_| ()),
            (many, Clock::request_came),
        ] {
            let clock = clock(&seats);
            held.push((seats.try_take(holder, &clock).unwrap().0, clock.clone()));
            prepare(&clock);
        }
        let is_gone = |held: &mut Vec<(Seat, Clock)>, index: usize| held[index].0.leave.try_recv().is_ok();
        let mut others = Vec::new();
        for expected in [2, 0, 1] {
            let clock = clock(&seats);
            let taken = seats.try_take(one, &clock).unwrap();
            clock.request_came();
            assert!(taken.1.is_some(), "somebody has to leave");
            others.push(taken);
            for index in 0..held.len() {
                assert_eq!(is_gone(&mut held, index), index == expected, "{expected}: {index}");
            }
        }
        let mine = clock(&seats);
        assert!(seats.try_take(one, &mine).is_none(), "all are being answered");
        others.pop();
        let taken = seats.try_take(many, &mine).unwrap();
        assert!(taken.1.is_none(), "there is a free one");
        assert_eq!(seats.table().seated.len(), 4);
        drop((held, others, taken));
        assert!(seats.table().seated.is_empty());
    }

    #[tokio::test]
    async fn whoever_comes_waits_until_the_other_is_gone() {
        let seats = Seats::new(1);
        let (first, second) = (clock(&seats), clock(&seats));
        let seat = seats.take(Holder::LOCAL, &first).await;
        let (ended, end) = oneshot::channel::<()>();
        first.request_came();
        let held = tokio::spawn(seat.hold(async move {
            let _ended = ended;
            std::future::pending::<()>().await;
        }));
        let mut end = std::pin::pin!(end);
        let mut take = std::pin::pin!(seats.take(Holder::LOCAL, &second));
        tokio::select! {
            biased;
            _ = &mut take => panic!("it is being answered"),
            () = tokio::task::yield_now() => {}
        }
        first.body_done();
        first.flushed();
        let _second = take.await;
        assert!(end.try_recv().is_err_and(|error| error == oneshot::error::TryRecvError::Closed));
        held.await.unwrap();
        assert_eq!(seats.table().seated.len(), 1);
    }
}
