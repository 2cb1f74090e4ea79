//! What the fuzzers do with their bytes: a function for each target, which panics if the bytes break a promise.
//!
//! The programs in `fuzz/` hand these functions what libFuzzer makes up, and `tests/replay.rs` hands them the corpora
//! in `fuzz/corpus` and the captured files in `fixtures/`, so the ordinary tests meet everything that a fuzzer ever
//! found worth keeping.
//!
//! Every input goes through every parser of its group. So a captured file is a seed as it is, and no input loses its
//! meaning when a parser is added: add it to the list in its module. A new group is a function here, a line in
//! [`TARGETS`], a program in `fuzz/fuzz_targets`, and its seeds in `tests/seeds`.
//!
//! Beyond "no crash", the targets hold the parsers to what their documentation promises: the same bytes give the same
//! answer, what is foreign is passed over, broken elements leave their neighbours alone, and bounds are kept.
//!
//! ```
//! for (name, target) in plimsoll_fuzz::TARGETS {
//!     println!("{name}");
//!     target(b"usage_usec 18446744073709551616\n");
//! }
//! ```

#![cfg(target_os = "linux")]

mod census;
mod chunks;
mod custom;
mod engine;
mod http;
mod kernel;
mod points;
mod wire;

pub use census::census;
pub use custom::custom;
pub use engine::{endpoint, engine_replies, event_stream, state_files};
pub use http::http;
pub use kernel::{kernel_files, locate, proc};
pub use points::points;
pub use wire::{label_escaping, prometheus_accept};

/// A function that panics if the bytes break a promise.
pub type Target = fn(&[u8]);

/// Every target by its name, which is that of its program and of its corpus.
pub const TARGETS: &[(&str, Target)] = &[
    ("kernel_files", kernel_files),
    ("proc", proc),
    ("locate", locate),
    ("endpoint", endpoint),
    ("engine_replies", engine_replies),
    ("event_stream", event_stream),
    ("state_files", state_files),
    ("http", http),
    ("prometheus_accept", prometheus_accept),
    ("label_escaping", label_escaping),
    ("custom", custom),
    ("points", points),
    ("census", census),
];
