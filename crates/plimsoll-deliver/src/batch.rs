//! The batch stage: points become bytes, until a batch is full, old enough, or asked for.

use std::time::Duration;

use plimsoll_wire::point::{Point, Tally};
use plimsoll_wire::{json_lines, line_protocol, otlp, remote_write};
use tokio::time::Instant;

use crate::format::{Coding, Content, Format};

/// A closed batch, as it will be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// What the body is written in.
    pub format: Format,
    /// Points in it.
    pub points: u64,
    /// Its size before compression.
    pub raw_bytes: u64,
    /// The earliest time in it, in Unix nanoseconds.
    pub first: i64,
    /// The latest time in it, in Unix nanoseconds.
    pub last: i64,
    /// The body, compressed.
    pub body: Vec<u8>,
}

/// Why a batch was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// It had all the points that it may have.
    Points,
    /// It had all the bytes that it may have.
    Bytes,
    /// It was old enough.
    Time,
    /// The tick was over, and each is to be on disk at once.
    Tick,
    /// Somebody asked.
    Flush,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Self; 5] = [Self::Points, Self::Bytes, Self::Time, Self::Tick, Self::Flush];

    /// The name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Points => "points",
            Self::Bytes => "bytes",
            Self::Time => "time",
            Self::Tick => "tick",
            Self::Flush => "flush",
        }
    }
}

/// When a batch is closed.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Points.
    pub points: u64,
    /// Bytes before compression.
    pub bytes: u64,
    /// The age of its first point.
    pub wait: Duration,
    /// Points, while the target is down.
    pub unhurried: u64,
}

/// How a batch is compressed that will wait. It is compressed for the target when its turn comes.
pub(crate) const PACKED: Coding = Coding::Zstd;

/// How much longer a batch may be filled while its target is down.
const LONGER: u32 = 10;

/// Collects points into batches.
#[derive(Debug)]
pub struct Batcher {
    format: Format,
    bounds: Bounds,
    /// Whether nobody waits for batches: the target is down.
    is_unhurried: bool,
    encoder: Encoder,
    points: u64,
    first: i64,
    last: i64,
    opened: Option<Instant>,
}

#[derive(Debug)]
enum Encoder {
    Lines(line_protocol::Encoder),
    Json(json_lines::Encoder),
    RemoteWrite(remote_write::Encoder),
    Otlp(otlp::Encoder),
}

/// A batch that was closed, and why.
pub type Closed = (Batch, Cause);

impl Batcher {
    /// An empty batch. `resource` is what OTLP says of the sender.
    #[must_use]
    pub fn new(format: Format, bounds: Bounds, resource: Vec<(String, String)>) -> Self {
        let encoder = match format.content {
            Content::Lines(precision) => Encoder::Lines(line_protocol::Encoder::new(precision)),
            Content::Json => Encoder::Json(json_lines::Encoder::default()),
            Content::RemoteWrite(version) => Encoder::RemoteWrite(remote_write::Encoder::new(version)),
            Content::Otlp => Encoder::Otlp(otlp::Encoder::new(resource)),
        };
        Self {
            format,
            bounds,
            is_unhurried: false,
            encoder,
            points: 0,
            first: i64::MAX,
            last: i64::MIN,
            opened: None,
        }
    }

    /// Adds a point. What the format cannot carry is counted in `tally`.
    pub fn push(&mut self, point: &Point, now: Instant, tally: &mut Tally) {
        let before = tally.accepted;
        match &mut self.encoder {
            Encoder::Lines(encoder) => encoder.push(point, tally),
            Encoder::Json(encoder) => encoder.push(point, tally),
            Encoder::RemoteWrite(encoder) => encoder.push(point, tally),
            Encoder::Otlp(encoder) => encoder.push(point, tally),
        }
        let added = tally.accepted - before;
        if added > 0 {
            self.points += added;
            self.first = self.first.min(point.time());
            self.last = self.last.max(point.time());
            self.opened.get_or_insert(now);
        }
    }

    /// Points in it.
    #[must_use]
    pub fn points(&self) -> u64 {
        self.points
    }

    /// Bytes in it, before compression.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let length = match &self.encoder {
            Encoder::Lines(encoder) => encoder.len(),
            Encoder::Json(encoder) => encoder.len(),
            Encoder::RemoteWrite(encoder) => encoder.len(),
            Encoder::Otlp(encoder) => encoder.len(),
        };
        length as u64
    }

    /// Makes batches smaller from now on: the target has refused one of that size.
    pub fn shrink(&mut self, bytes: u64) {
        self.bounds.bytes = self.bounds.bytes.min(bytes.max(1));
    }

    /// Makes batches as large as they may be at all, and packs them tightly, while their target is down: they have to wait anyhow,
    /// and several ticks together take a fifth of the space, as each is like the one before.
    pub fn set_unhurried(&mut self, is_unhurried: bool) {
        self.is_unhurried = is_unhurried;
    }

    /// Points after which it is closed.
    #[must_use]
    pub fn most_points(&self) -> u64 {
        if self.is_unhurried { self.bounds.unhurried } else { self.bounds.points }
    }

    /// Why it should be closed now, if it should.
    #[must_use]
    pub fn due(&self, now: Instant) -> Option<Cause> {
        if self.points == 0 {
            None
        } else if self.points >= self.most_points() {
            Some(Cause::Points)
        } else if self.bytes() >= self.bounds.bytes {
            Some(Cause::Bytes)
        } else {
            self.closes_at().is_some_and(|at| at <= now).then_some(Cause::Time)
        }
    }

    /// When it will be old enough.
    #[must_use]
    pub fn closes_at(&self) -> Option<Instant> {
        let longer = if self.is_unhurried { LONGER } else { 1 };
        Some(self.opened? + self.bounds.wait * longer)
    }

    /// Whether batches are written in remote write 2.0.
    #[must_use]
    pub fn speaks_version_2(&self) -> bool {
        self.format.content == Content::RemoteWrite(remote_write::Version::V2)
    }

    /// Closes the batch if it should be, and begins another.
    pub fn close_due(&mut self, now: Instant) -> Option<Closed> {
        let cause = self.due(now)?;
        self.close().map(|batch| (batch, cause))
    }

    /// Closes the batch and begins another; `None` while it is empty.
    pub fn close(&mut self) -> Option<Batch> {
        if self.points == 0 {
            return None;
        }
        let raw = match &mut self.encoder {
            Encoder::Lines(encoder) => encoder.take(),
            Encoder::Json(encoder) => encoder.take(),
            Encoder::RemoteWrite(encoder) => encoder.take(),
            Encoder::Otlp(encoder) => encoder.take(),
        };
        let coding = match self.format.coding {
            Coding::None => Coding::None,
            _ if self.is_unhurried => PACKED,
            coding => coding,
        };
        let batch = Batch {
            format: Format { coding, ..self.format },
            points: self.points,
            raw_bytes: raw.len() as u64,
            first: self.first,
            last: self.last,
            body: coding.compress(&raw),
        };
        (self.points, self.first, self.last, self.opened) = (0, i64::MAX, i64::MIN, None);
        Some(batch)
    }
}
