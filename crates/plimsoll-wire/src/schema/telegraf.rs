//! The names of Telegraf's docker plugin, so that its users can switch without touching a dashboard.
//!
//! Measurements, tags, fields and their types are those of the plugin's documentation, times in nanoseconds included: `docker`,
//! and for each container `docker_container_cpu`, `_mem`, `_net`, `_blkio`, `_health` and `_status`. What a snapshot does
//! not know is absent: numbers of single processors, of the machine's processor time, of images and of the daemon's
//! insides. Beyond a container's own tags there are the labels that the settings allow, under the engine's own keys.
//!
//! `usage` of memory is without inactive page cache, and its percentage of the container's limit, or of the machine's memory
//! where there is none; `fail_count` counts how often the limit was hit. Sums over devices have the tag's value `total`.

use plimsoll_model::rate::percent;
use plimsoll_model::text::{MAX_TEXT, bounded, label_name};
use plimsoll_model::{
    Container, ContainerRow, DeviceSlot, Health, InterfaceSlot, Slot, Snapshot, State, Values,
};

use super::distinct::distinct;
use super::intervals::Intervals;
use crate::point::{Point, Value};

/// Makes points of snapshots. What they are stands in [the module](self).
#[derive(Clone, Debug, Default)]
pub struct TelegrafDocker {
    engine_host: String,
    intervals: Intervals,
    point: Point,
}

/// What the points of one engine's containers have in common.
struct Origin<'a> {
    at: i64,
    engine_host: &'a str,
    server_version: &'a str,
    /// The machine's memory in bytes.
    memory: Option<u64>,
}

impl TelegrafDocker {
    /// A schema that has seen no snapshot yet. `engine_host` is the value of the tag with that name: Telegraf has the host name
    /// that the engine tells. Where it is empty, there is no such tag.
    #[must_use]
    pub fn new(engine_host: &str) -> Self {
        Self { engine_host: engine_host.to_owned(), ..Self::default() }
    }

    /// Hands the points of a snapshot to `out`: engine by engine, and then those of the containers that `accepts`. Their time is
    /// the snapshot's.
    pub fn points(
        &mut self,
        snapshot: &Snapshot,
        accepts: &dyn Fn(&Container) -> bool,
        out: &mut dyn FnMut(&mut Point),
    ) {
        self.intervals.begin(snapshot.at);
        let engines = &snapshot.agent.engines;
        let mut origin = Origin {
            at: i64::try_from(snapshot.at).unwrap_or(i64::MAX),
            engine_host: &self.engine_host,
            server_version: "",
            memory: snapshot.agent.machine.memory,
        };
        for (index, engine) in engines.iter().enumerate() {
            let Some(facts) = engine.facts.as_deref().filter(|_| engine.is_up()) else { continue };
            if engines[..index].iter().all(|other| other.name != engine.name) {
                origin.server_version = &facts.version;
                self::engine(snapshot, &engine.name, &origin, &mut self.point, out);
            }
        }
        for row in snapshot.containers.iter().filter(|row| accepts(&row.container)) {
            let engine = engines.iter().find(|engine| engine.name == row.container.engine);
            let facts = engine.and_then(|engine| engine.facts.as_deref());
            origin.server_version = facts.map_or("", |facts| &facts.version);
            let Some((_, percent)) = self.intervals.meet(row) else { continue };
            let labels = shown_labels(&row.container);
            let mut writer = Writer { row, labels: &labels, origin: &origin, point: &mut self.point, out };
            writer.cpu(percent[0]);
            writer.mem();
            writer.net();
            writer.blkio();
            writer.health();
            writer.status();
        }
        self.intervals.end();
    }
}

fn engine(
    snapshot: &Snapshot,
    name: &str,
    origin: &Origin<'_>,
    point: &mut Point,
    out: &mut dyn FnMut(&mut Point),
) {
    let mut counts = [0; 4];
    for container in snapshot.containers.iter().map(|row| &row.container).filter(|of| &*of.engine == name) {
        counts[0] += 1;
        match container.state {
            State::Running | State::Restarting | State::Removing => counts[1] += 1,
            State::Paused => counts[3] += 1,
            _ => counts[2] += 1,
        }
    }
    let names = ["n_containers", "n_containers_running", "n_containers_stopped", "n_containers_paused"];
    origin.begin("docker", point);
    for (name, count) in names.into_iter().zip(counts) {
        point.field(name, Value::Unsigned(count));
    }
    point.field_option("n_cpus", snapshot.agent.machine.cores.map(Value::Unsigned));
    out(point);
    if let Some(memory) = origin.memory {
        origin.begin("docker", point);
        point.tag("unit", "bytes");
        point.field("memory_total", Value::Unsigned(memory));
        out(point);
    }
}

impl Origin<'_> {
    fn begin(&self, measurement: &str, point: &mut Point) {
        point.begin(measurement, self.at);
        point.tag("engine_host", bounded(self.engine_host, MAX_TEXT));
        point.tag("server_version", bounded(self.server_version, MAX_TEXT));
    }
}

/// Writes the points of one container.
struct Writer<'a> {
    row: &'a ContainerRow,
    labels: &'a [(&'a str, &'a str)],
    origin: &'a Origin<'a>,
    point: &'a mut Point,
    out: &'a mut dyn FnMut(&mut Point),
}

/// The statistics of memory by their names on cgroup v1, as the plugin has them, also where it is v2 that they come from.
const MEMORY: &[(&str, Slot)] = &[
    ("active_file", Slot::MemoryActiveFile),
    ("cache", Slot::MemoryCache),
    ("inactive_file", Slot::MemoryInactiveFile),
    ("mapped_file", Slot::MemoryMappedFile),
    ("pgfault", Slot::PgfaultContainer),
    ("pgmajfault", Slot::PgmajfaultContainer),
    ("rss", Slot::MemoryRss),
    ("writeback", Slot::FileWriteback),
    ("total_active_file", Slot::MemoryActiveFile),
    ("total_cache", Slot::MemoryCache),
    ("total_inactive_file", Slot::MemoryInactiveFile),
    ("total_mapped_file", Slot::MemoryMappedFile),
    ("total_pgfault", Slot::PgfaultHierarchy),
    ("total_pgmajfault", Slot::PgmajfaultHierarchy),
    ("total_rss", Slot::MemoryRss),
    ("total_writeback", Slot::FileWriteback),
    ("hierarchical_memory_limit", Slot::MemoryLimit),
    ("max_usage", Slot::MemoryMaxUsage),
    ("fail_count", Slot::MemoryEventMax),
    ("usage", Slot::MemoryWorkingSet),
];

const CPU: &[(&str, Slot)] = &[
    ("usage_total", Slot::CpuUsage),
    ("usage_in_usermode", Slot::CpuUser),
    ("usage_in_kernelmode", Slot::CpuSystem),
    ("throttling_periods", Slot::CfsPeriods),
    ("throttling_throttled_periods", Slot::CfsThrottledPeriods),
    ("throttling_throttled_time", Slot::CfsThrottledTime),
];

const NET: &[(&str, InterfaceSlot)] = &[
    ("rx_bytes", InterfaceSlot::RxBytes),
    ("rx_packets", InterfaceSlot::RxPackets),
    ("rx_errors", InterfaceSlot::RxErrors),
    ("rx_dropped", InterfaceSlot::RxDropped),
    ("tx_bytes", InterfaceSlot::TxBytes),
    ("tx_packets", InterfaceSlot::TxPackets),
    ("tx_errors", InterfaceSlot::TxErrors),
    ("tx_dropped", InterfaceSlot::TxDropped),
];

/// What is read, written, discarded, and how the sum of these is called.
const BLKIO: &[(&str, [(&str, DeviceSlot); 3])] = &[
    (
        "io_service_bytes_recursive_total",
        [
            ("io_service_bytes_recursive_read", DeviceSlot::ReadBytes),
            ("io_service_bytes_recursive_write", DeviceSlot::WriteBytes),
            ("io_service_bytes_recursive_discard", DeviceSlot::DiscardBytes),
        ],
    ),
    (
        "io_serviced_recursive_total",
        [
            ("io_serviced_recursive_read", DeviceSlot::Reads),
            ("io_serviced_recursive_write", DeviceSlot::Writes),
            ("io_serviced_recursive_discard", DeviceSlot::Discards),
        ],
    ),
];

impl Writer<'_> {
    fn begin(&mut self, measurement: &str) {
        let container = &*self.row.container;
        let point = &mut *self.point;
        self.origin.begin(measurement, point);
        let (image, version) = image_and_version(&container.image);
        point.tag("container_image", bounded(image, MAX_TEXT));
        point.tag("container_name", bounded(container.display_name(), MAX_TEXT));
        point.tag("container_status", container.state.word());
        point.tag("container_version", bounded(version, MAX_TEXT));
        for (key, value) in self.labels {
            // What Telegraf says itself is not to be said otherwise.
            if point.tag_value(key).is_empty() {
                point.tag(key, value);
            }
        }
    }

    /// Hands the point out if it says more than the container's id.
    fn end(&mut self, with_id: bool) {
        if self.point.fields().len() == 0 {
            return;
        }
        if with_id {
            self.point.field("container_id", Value::Text(&self.row.container.id));
        }
        (self.out)(self.point);
    }

    fn numbers(&mut self, names: &[(&str, Slot)]) {
        for (name, slot) in names {
            self.point.field_option(name, self.row.values.get(*slot).map(Value::Unsigned));
        }
    }

    fn cpu(&mut self, percent: Option<u64>) {
        self.begin("docker_container_cpu");
        self.point.tag("cpu", "cpu-total");
        self.numbers(CPU);
        self.point.field_option("usage_percent", percent.map(Value::Nano));
        self.end(true);
    }

    fn mem(&mut self) {
        self.begin("docker_container_mem");
        self.numbers(MEMORY);
        let values = &self.row.values;
        if let Some(usage) = values.get(Slot::MemoryWorkingSet)
            && let Some(limit) = values.get(Slot::MemoryLimit).or(self.origin.memory)
        {
            self.point.field("limit", Value::Unsigned(limit));
            self.point.field_option("usage_percent", percent(usage, limit).map(Value::Nano));
        }
        self.end(true);
    }

    fn net(&mut self) {
        let row = self.row;
        for (interface, name) in distinct(&row.interfaces, |interface| &interface.name) {
            if name != "total" {
                self.net_of(name, |slot| interface.values.get(slot));
            }
        }
        if !row.interfaces.is_empty() {
            self.net_of("total", |slot| row.network_total(slot));
        }
    }

    fn net_of(&mut self, network: &str, value: impl Fn(InterfaceSlot) -> Option<u64>) {
        self.begin("docker_container_net");
        self.point.tag("network", network);
        for (name, slot) in NET {
            self.point.field_option(name, value(*slot).map(Value::Unsigned));
        }
        self.end(true);
    }

    fn blkio(&mut self) {
        let row = self.row;
        for (device, name) in distinct(&row.devices, |device| &device.name) {
            if name != "total" {
                self.blkio_of(name, |slot| device.values.get(slot));
            }
        }
        if !row.devices.is_empty() {
            self.blkio_of("total", |slot| row.device_total(slot));
        }
    }

    fn blkio_of(&mut self, device: &str, value: impl Fn(DeviceSlot) -> Option<u64>) {
        self.begin("docker_container_blkio");
        self.point.tag("device", device);
        for (total, parts) in BLKIO {
            for (name, slot) in parts {
                self.point.field_option(name, value(*slot).map(Value::Unsigned));
            }
            let sum = parts.iter().filter_map(|(_, slot)| value(*slot)).reduce(u64::saturating_add);
            self.point.field_option(total, sum.map(Value::Unsigned));
        }
        self.end(true);
    }

    fn health(&mut self) {
        let health = self.row.container.health;
        if health == Health::None {
            return;
        }
        self.begin("docker_container_health");
        self.point.field("health_status", Value::Text(health.word()));
        self.numbers(&[("failing_streak", Slot::HealthFailingStreak)]);
        self.end(false);
    }

    fn status(&mut self) {
        self.begin("docker_container_status");
        let values = &self.row.values;
        let point = &mut *self.point;
        point.field_option("oomkilled", values.get(Slot::OomKilled).map(|killed| Value::Bool(killed != 0)));
        self.numbers(&[
            ("exitcode", Slot::ExitCode),
            ("restart_count", Slot::Restarts),
            ("started_at", Slot::Started),
            ("finished_at", Slot::Finished),
        ]);
        let uptime = uptime(&self.row.values, self.origin.at);
        self.point.field_option("uptime_ns", uptime.map(Value::Unsigned));
        self.end(true);
    }
}

/// The labels that the settings allow, under the engine's own keys.
fn shown_labels(container: &Container) -> Vec<(&str, &str)> {
    if container.shown_labels.is_empty() {
        return Vec::new();
    }
    let labels = container.labels.iter().filter(|(key, value)| {
        let name = label_name(key);
        container.shown_labels.iter().any(|(shown, text)| *shown == name && text == *value)
    });
    labels.map(|(key, value)| (&**key, &**value)).collect()
}

/// How long the last run lasted, or has lasted so far, in nanoseconds.
fn uptime(values: &Values<Slot, { Slot::COUNT }>, now: i64) -> Option<u64> {
    let started = values.get(Slot::Started)?;
    let is_over = values.get(Slot::Uptime).is_none();
    let end = if is_over { values.get(Slot::Finished)? } else { u64::try_from(now).ok()? };
    end.checked_sub(started)
}

/// An image's name and its tag, `unknown` where it has none. A colon before the last part is that of a registry's port.
fn image_and_version(image: &str) -> (&str, &str) {
    let last_part = image.rfind('/').map_or(0, |slash| slash + 1);
    match image[last_part..].rfind(':') {
        Some(colon) => (&image[..last_part + colon], &image[last_part + colon + 1..]),
        None => (image, "unknown"),
    }
}

#[cfg(test)]
mod tests;
