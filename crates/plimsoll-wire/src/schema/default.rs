//! The schema for InfluxDB, and for everybody who is asked for none: a measurement for each resource.
//!
//! Every point of a container has the tags `container_id`, the full id, and `container_name`; those of `network` and `blockio`
//! have `interface` and `device` as well, and those of `events` `event`.
//!
//! | measurement | what |
//! |---|---|
//! | `cpu` | percentages of one core over the target's own interval, seconds, throttling, limits |
//! | `memory` | use by kind, limits, events, faults |
//! | `network` | bytes, packets, errors and drops by interface |
//! | `blockio` | bytes and operations by device |
//! | `pressure` | seconds in which some task, or all, waited; with the full profile, the kernel's averages |
//! | `processes`, `sockets` | how many, and limits |
//! | `lifecycle` | state, health, restarts, exits, times |
//! | `events` | `started`, `exited`, `oom_killed` and `restarted` since the point before: `count`, and `exit_code` of the last exit |
//! | `engine`, with the tag `engine` | whether it answers, and its containers |
//! | `agent` | what the agent itself does and needs |

use plimsoll_model::catalog::AgentFamily;
use plimsoll_model::text::{MAX_TEXT, bounded};
use plimsoll_model::{
    Container, ContainerRow, DeviceSlot, Health, InterfaceSlot, Kind, Profile, Slot, Snapshot, State,
};

use super::columns::{self, Column};
use super::distinct::distinct;
use super::happenings::{self, Happening};
use super::intervals::Intervals;
use crate::point::{Meta, Point, Value};

/// Makes points of snapshots. What they are stands in [the module](self).
#[derive(Clone, Debug)]
pub struct DefaultSchema {
    cpu: Vec<Column<Slot>>,
    memory: Vec<Column<Slot>>,
    /// Measurements whose points come of the container's slots alone.
    others: [(&'static str, Vec<Column<Slot>>); 3],
    lifecycle: Vec<Column<Slot>>,
    network: Vec<Column<InterfaceSlot>>,
    blockio: Vec<Column<DeviceSlot>>,
    agent: Vec<Column<AgentFamily>>,
    intervals: Intervals,
    point: Point,
}

impl Default for DefaultSchema {
    /// With the fields of the default profile.
    fn default() -> Self {
        Self::new(Profile::Default)
    }
}

impl DefaultSchema {
    /// A schema that has seen no snapshot yet. Fields of containers that the profile does not have are left out.
    #[must_use]
    pub fn new(profile: Profile) -> Self {
        let of = |named| columns::of_container(named, profile);
        Self {
            cpu: of(CPU),
            memory: of(MEMORY),
            others: [("pressure", of(PRESSURE)), ("processes", of(PROCESSES)), ("sockets", of(SOCKETS))],
            lifecycle: of(LIFECYCLE),
            network: columns::of_interface(NETWORK),
            blockio: columns::of_device(BLOCKIO),
            agent: columns::of_agent(AGENT),
            intervals: Intervals::default(),
            point: Point::default(),
        }
    }

    /// Hands the points of a snapshot to `out`: container by container for those that `accepts`, and then engines and the
    /// agent. Their time is the snapshot's.
    pub fn points(
        &mut self,
        snapshot: &Snapshot,
        accepts: &dyn Fn(&Container) -> bool,
        out: &mut dyn FnMut(&mut Point),
    ) {
        let at = i64::try_from(snapshot.at).unwrap_or(i64::MAX);
        self.intervals.begin(snapshot.at);
        for row in snapshot.containers.iter().filter(|row| accepts(&row.container)) {
            self.container(row, at, snapshot.agent.started, out);
        }
        self.intervals.end();
        self.engines(snapshot, at, out);
        self.agent(snapshot, at, out);
    }

    fn container(
        &mut self,
        row: &ContainerRow,
        at: i64,
        agent_started: u64,
        out: &mut dyn FnMut(&mut Point),
    ) {
        let Self { point, intervals, .. } = self;
        let Some((past, percent)) = intervals.meet(row) else { return };
        let since = |start| row.since(start, agent_started);
        let container = &*row.container;

        begin("cpu", container, at, point);
        for (name, percent) in ["usage_percent", "system_percent", "user_percent"].into_iter().zip(percent) {
            if let Some(percent) = percent {
                point.field_with(name, Value::Nano(percent), PERCENT);
            }
        }
        columns::add_all(&self.cpu, &row.values, since, point);
        tell(point, out);

        begin("memory", container, at, point);
        columns::add_all(&self.memory, &row.values, since, point);
        tell(point, out);

        for (interface, name) in distinct(&row.interfaces, |interface| &interface.name) {
            begin("network", container, at, point);
            point.tag("interface", name);
            columns::add_all(&self.network, &interface.values, since, point);
            tell(point, out);
        }
        for (device, name) in distinct(&row.devices, |device| &device.name) {
            begin("blockio", container, at, point);
            point.tag("device", name);
            columns::add_all(&self.blockio, &device.values, since, point);
            tell(point, out);
        }
        for (measurement, fields) in &self.others {
            begin(measurement, container, at, point);
            columns::add_all(fields, &row.values, since, point);
            tell(point, out);
        }

        begin("lifecycle", container, at, point);
        point.field("state", Value::Text(container.state.word()));
        if container.health != Health::None {
            point.field("health", Value::Text(container.health.word()));
        }
        columns::add_all(&self.lifecycle, &row.values, since, point);
        tell(point, out);

        happenings::update(&mut past.life, row, |happening| {
            begin("events", container, at, point);
            point.tag("event", happening.word());
            point.field_with("count", Value::Unsigned(happening.count()), COUNT);
            if let Happening::Exited { code: Some(code), .. } = happening {
                point.field("exit_code", Value::Unsigned(code));
            }
            tell(point, out);
        });
    }

    fn engines(&mut self, snapshot: &Snapshot, at: i64, out: &mut dyn FnMut(&mut Point)) {
        let engines = &snapshot.agent.engines;
        for (index, engine) in engines.iter().enumerate() {
            if engines[..index].iter().any(|other| other.name == engine.name) {
                continue;
            }
            let count = |is_its: fn(&State) -> bool| {
                let rows = snapshot.containers.iter().map(|row| &row.container);
                let its =
                    rows.filter(|container| container.engine == engine.name && is_its(&container.state));
                Value::Unsigned(its.count() as u64)
            };
            let point = &mut self.point;
            point.begin("engine", at);
            point.tag("engine", bounded(&engine.name, MAX_TEXT));
            point.field_with("up", Value::Unsigned(u64::from(engine.is_up())), COUNT);
            point.field_with("containers", count(|_| true), COUNT);
            point.field_with("containers_running", count(|state| *state == State::Running), COUNT);
            tell(point, out);
        }
    }

    fn agent(&mut self, snapshot: &Snapshot, at: i64, out: &mut dyn FnMut(&mut Point)) {
        let agent = &snapshot.agent;
        self.point.begin("agent", at);
        for column in &self.agent {
            let value = match column.slot() {
                AgentFamily::Ticks => Some(agent.ticks),
                AgentFamily::TicksMissed => Some(agent.ticks_missed),
                AgentFamily::ScrapeDuration => agent.pass_duration,
                AgentFamily::ContainersScraped => Some(agent.containers_read),
                AgentFamily::ProcessCpu => agent.process.cpu,
                AgentFamily::ProcessResident => agent.process.resident,
                AgentFamily::ProcessOpenFds => agent.process.open_fds,
                _ => None,
            };
            if let Some(value) = value {
                column.add(value, |_| Some(agent.started), &mut self.point);
            }
        }
        tell(&mut self.point, out);
    }
}

/// What is known of a percentage of the processor.
const PERCENT: Meta = Meta {
    kind: Kind::Gauge,
    unit: "%",
    help: "Processor use since the point before; 100 is one core.",
    start: None,
};

/// What is known of a number of things.
const COUNT: Meta = Meta { kind: Kind::Gauge, unit: "1", help: "", start: None };

fn begin(measurement: &str, container: &Container, at: i64, point: &mut Point) {
    point.begin(measurement, at);
    point.tag("container_id", &container.id);
    point.tag("container_name", bounded(container.display_name(), MAX_TEXT));
}

/// Hands out a point that says something.
fn tell(point: &mut Point, out: &mut dyn FnMut(&mut Point)) {
    if point.fields().len() > 0 {
        out(point);
    }
}

mod fields;

use fields::{AGENT, BLOCKIO, CPU, LIFECYCLE, MEMORY, NETWORK, PRESSURE, PROCESSES, SOCKETS};

#[cfg(test)]
mod tests;
