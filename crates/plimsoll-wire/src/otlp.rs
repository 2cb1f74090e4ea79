//! OTLP, OpenTelemetry's protocol, as far as metrics need it: bodies for `POST /v1/metrics` from points, what is done with a body
//! that was refused, and what a receiver answers.
//!
//! Bodies are protobuf ([`CONTENT_TYPE`]) and not compressed.
//!
//! | of a point | is |
//! |---|---|
//! | measurement, and name of the field if it has one | name of the metric, with `.` between |
//! | tags | attributes of the data point |
//! | field of a counter | a data point of a cumulative, monotonic sum, with its start where that is known |
//! | field of any other kind | a data point of a gauge |
//! | whole number, yes or no | an integer; a decimal where it is beyond `i64` |
//! | decimal | a decimal |
//! | [`crate::point::Value::Stale`] | a data point without a value, with the flag [`NO_RECORDED_VALUE`] |
//! | [`crate::point::Value::Text`] | refused as `text` |
//! | time | in nanoseconds; before 1970 it is refused as `time` |
//! | [`crate::point::Meta`] | description, unit and kind of the metric |
//!
//! A field's type does not depend on its value, but for whole numbers beyond `i64`: databases that fix a type with the first
//! value would refuse the others.
//!
//! Sources: [the specification](https://opentelemetry.io/docs/specs/otlp/), and the numbers of fields of
//! `opentelemetry/proto/metrics/v1/metrics.proto` and its neighbours.
//!
//! ```
//! use plimsoll_wire::otlp::{Encoder, retain};
//! use plimsoll_wire::point::{Point, Tally, Value};
//!
//! let mut point = Point::default();
//! point.begin("container.threads", 1_700_000_000_000_000_000);
//! point.tag("container.name", "web");
//! point.field("", Value::Unsigned(7));
//!
//! let mut encoder = Encoder::new(vec![("service.name".into(), "plimsoll".into())]);
//! let mut tally = Tally::default();
//! encoder.push(&point, &mut tally);
//! let body = encoder.take();
//! assert_eq!(tally.accepted, 1);
//! assert_eq!(retain(&body, &mut |_, _| true).unwrap().points, 1);
//! ```

mod change;
mod encoder;
pub mod messages;

pub use change::{parse_response, retain};
pub use encoder::Encoder;

/// The value of the `Content-Type` header.
pub const CONTENT_TYPE: &str = "application/x-protobuf";

/// The flag of a data point that says that there is no value any more.
pub const NO_RECORDED_VALUE: u32 = 1;
