//! Prometheus remote write, 1.0 and 2.0: bodies from points, and what is done with a body that was refused.
//!
//! Bodies are protobuf and not compressed; what is sent is [`compress`]ed as a block of snappy, in which every receiver of
//! remote write wants it.
//!
//! | of a point | 1.0 | 2.0 |
//! |---|---|---|
//! | measurement, and name of the field if it has one | label `__name__`, with `_` between | the same |
//! | tags | labels, sorted by name | the same, as numbers of symbols |
//! | number, yes or no | value; yes is 1 | the same |
//! | [`crate::point::Value::Stale`] | the NaN [`STALE`] | the same |
//! | [`crate::point::Value::Text`] | refused as `text` | the same |
//! | time | in milliseconds, rounded down | the same |
//! | [`crate::point::Meta`] | – | type, help, and the unit where the name ends in it; the start with each sample |
//!
//! Characters that names may not have become `_`. Tags whose names are the same after that become one label, with `;` between
//! the values in the order of the original names, so that series that were different stay so. A second sample of a series at the
//! same millisecond is refused as `duplicate`: receivers would refuse the whole batch.
//!
//! Sources: [1.0](https://prometheus.io/docs/specs/prw/remote_write_spec/),
//! [2.0-rc.4](https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/).
//!
//! ```
//! use plimsoll_wire::point::{Point, Tally, Value};
//! use plimsoll_wire::remote_write::{Encoder, Version, retain};
//!
//! let mut point = Point::default();
//! point.begin("up", 1_700_000_000_000_000_000);
//! point.tag("job", "plimsoll");
//! point.field("", Value::Bool(true));
//!
//! let (mut encoder, mut tally) = (Encoder::new(Version::V2), Tally::default());
//! encoder.push(&point, &mut tally);
//! let body = encoder.take();
//! assert_eq!(tally.accepted, 1);
//!
//! let nothing = retain(Version::V2, &body, &mut |_, _| false).unwrap();
//! assert_eq!((nothing.points, nothing.removed), (0, 1));
//! ```

mod change;
mod encoder;
mod labels;
pub mod messages;
mod snappy;

pub use change::{retain, v2_to_v1};
pub use encoder::Encoder;
pub use snappy::{MAX_BODY, compress, decompress};

/// The bits of the NaN that says that a series has ended.
pub const STALE: u64 = 0x7ff0_0000_0000_0002;

/// Which remote write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// `prometheus.WriteRequest`.
    V1,
    /// `io.prometheus.write.v2.Request`.
    V2,
}

impl Version {
    /// The value of the `Content-Type` header.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::V1 => "application/x-protobuf",
            Self::V2 => "application/x-protobuf;proto=io.prometheus.write.v2.Request",
        }
    }

    /// The value of the `X-Prometheus-Remote-Write-Version` header.
    #[must_use]
    pub const fn header(self) -> &'static str {
        match self {
            Self::V1 => "0.1.0",
            Self::V2 => "2.0.0",
        }
    }
}
