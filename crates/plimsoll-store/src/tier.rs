//! How finely time is kept, and spans of it.

/// Unix time in milliseconds.
pub type Millis = i64;

/// A span of time, `from` included, `until` not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first moment.
    pub from: Millis,
    /// The first moment that is not in it any more.
    pub until: Millis,
}

impl Range {
    /// Whether a moment is in it.
    #[must_use]
    pub fn contains(&self, at: Millis) -> bool {
        (self.from..self.until).contains(&at)
    }

    /// Whether it shares a moment with the samples from `first` to `last`.
    #[must_use]
    pub fn touches(&self, first: Millis, last: Millis) -> bool {
        first < self.until && last >= self.from
    }

    /// How long it is, in milliseconds; 0 where it is upside down.
    #[must_use]
    pub fn length(&self) -> Millis {
        self.until.saturating_sub(self.from).max(0)
    }
}

/// How finely samples are kept. The finest is what was sampled; each of the others has a point for every so many seconds,
/// at multiples of that time since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Tier {
    /// Every sample.
    Raw = 0,
    /// A point for ten seconds.
    TenSeconds = 1,
    /// A point for a minute.
    Minute = 2,
    /// A point for an hour.
    Hour = 3,
}

impl Tier {
    /// Every tier, the finest first.
    pub const ALL: [Self; 4] = [Self::Raw, Self::TenSeconds, Self::Minute, Self::Hour];

    /// The time that a point stands for, in milliseconds; `None` for samples.
    #[must_use]
    pub const fn step(self) -> Option<Millis> {
        match self {
            Self::Raw => None,
            Self::TenSeconds => Some(10_000),
            Self::Minute => Some(60_000),
            Self::Hour => Some(3_600_000),
        }
    }

    /// The name in answers and tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::TenSeconds => "10s",
            Self::Minute => "1m",
            Self::Hour => "1h",
        }
    }

    /// The tier that points of this one are made of.
    #[must_use]
    pub const fn finer(self) -> Option<Self> {
        match self {
            Self::Raw => None,
            Self::TenSeconds => Some(Self::Raw),
            Self::Minute => Some(Self::TenSeconds),
            Self::Hour => Some(Self::Minute),
        }
    }

    /// The tier with this number in a file.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|tier| *tier as u8 == number)
    }
}
