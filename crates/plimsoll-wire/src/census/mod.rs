//! The census: what an installation says of itself, as Container Census' report v1 says it, and what becomes of it.
//!
//! [`decode`] reads the body of a report with the tolerance of Go's decoder and within bounds; [`encode`] writes one with
//! Go's order of keys and omissions. [`inventory`] makes a report of a scan, [`images`] understands names of images,
//! [`zones`] says where a time zone is, and [`agent`] has the JSON of the agents that a server scans. All of it is functions
//! of what they are given: nothing here reads a clock, a file or a socket.
//!
//! ```
//! use plimsoll_wire::census::{DecodeError, decode, encode};
//!
//! let report = decode(br#"{"installation_id":"a1b2","Host_Count":3,"new_key":[1]}"#)?;
//! assert_eq!(report.host_count, 3);
//!
//! let mut body = String::new();
//! encode(&report, &mut body);
//! assert!(body.starts_with(r#"{"installation_id":"a1b2","version":"","timestamp":"0001-01-01T00:00:00Z","host_count":3"#));
//!
//! assert_eq!(decode(b"{}"), Err(DecodeError::MissingInstallationId));
//! # Ok::<(), DecodeError>(())
//! ```

pub mod agent;
mod decode;
mod encode;
pub mod images;
pub mod inventory;
mod keys;
mod time;
pub mod zones;

pub use decode::{DecodeError, decode};
pub use encode::{encode, encode_pretty};

/// The longest body of a report that is read, in bytes.
pub const MAX_BODY: usize = 256 * 1024;

/// The most images of a report, those that come twice included.
pub const MAX_IMAGES: usize = 2_000;

/// The longest name of an image, in characters: as much as v1's table holds.
pub const MAX_IMAGE: usize = 500;

/// The longest identifier of an installation, in characters: as much as v1's table holds.
pub const MAX_INSTALLATION_ID: usize = 255;

/// The longest version, of the reporter or of one of its agents, in characters: as much as v1's table holds.
pub const MAX_VERSION: usize = 50;

/// The longest name of a time zone, in characters: as much as v1's table holds.
pub const MAX_TIMEZONE: usize = 100;

/// The most versions of agents of a report.
pub const MAX_AGENT_VERSIONS: usize = 1_000;

/// How deep arrays and objects of a body may lie in each other.
pub const MAX_DEPTH: usize = 128;

/// The largest number of a report: that of Go and of SQL.
pub const MAX_COUNT: u64 = i64::MAX.unsigned_abs();
