//! What the tests of the store share.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part")]
#![allow(clippy::cast_possible_wrap, clippy::cast_sign_loss, reason = "times of this century fit")]

pub mod fleet;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use plimsoll_model::{InterfaceSlot, Slot, Snapshot};
use plimsoll_store::{Error, ExportQuery, History, Millis, Options, Range, Selector, Tier};

/// A time that is a multiple of an hour.
pub const START: Millis = 1_763_700_000_000 / 3_600_000 * 3_600_000;

pub const ALWAYS: Range = Range { from: 0, until: Millis::MAX };

/// What is compared: of each kind of series some.
const METRICS: [&str; 4] = [
    "container_cpu_usage_seconds_total",
    "container_memory_usage_bytes",
    "container_network_receive_bytes_total",
    "container_restarts_total",
];

/// Samples: by time and the container's full id, its metrics' values.
pub type Samples = BTreeMap<(Millis, String), BTreeMap<&'static str, u64>>;

/// A store that writes only when it is told to.
pub fn options(folder: &Path) -> Options {
    Options { flush_every: Duration::from_secs(3600), ..Options::new(folder.join("history.db")) }
}

/// What a snapshot should leave behind.
pub fn expect(snapshot: &Snapshot, samples: &mut Samples) {
    let at = (snapshot.at / 1_000_000) as Millis;
    for row in &snapshot.containers {
        let values = [
            row.values.get(Slot::CpuUsage),
            row.values.get(Slot::MemoryUsage),
            row.interfaces.first().and_then(|row| row.values.get(InterfaceSlot::RxBytes)),
            row.values.get(Slot::Restarts),
        ];
        let values = METRICS.into_iter().zip(values).filter_map(|(metric, value)| Some((metric, value?)));
        samples.insert((at, row.container.id.clone()), values.collect());
    }
}

/// The samples of a range.
pub fn samples(history: &History, range: Range) -> Samples {
    try_samples(history, range).unwrap()
}

/// The samples of a range, if the file can be read.
pub fn try_samples(history: &History, range: Range) -> Result<Samples, Error> {
    let query = ExportQuery {
        selector: Selector::default(),
        metrics: METRICS.map(str::to_owned).to_vec(),
        range,
        tier: Tier::Raw,
    };
    let mut samples = Samples::new();
    history.export(&query, &mut |sample| {
        let id = sample.member.map(|member| member.id.clone()).unwrap_or_default();
        samples.entry((sample.at, id)).or_default().insert(sample.family.name, sample.value);
        ControlFlow::Continue(())
    })?;
    Ok(samples)
}
