//! A moment of the past, as a snapshot.

use std::collections::HashMap;
use std::sync::Arc;

use plimsoll_model::agent::{Engine, EngineState};
use plimsoll_model::catalog::{AgentFamily, CATALOG, HostField, Shape};
use plimsoll_model::rate::percent;
use plimsoll_model::{
    Collector, Container, ContainerRow, DetailField, DetailLabels, DetailRow, DeviceRow, DeviceSlot, Family,
    Health, Host, HostLabels, HostParts, HostRow, InterfaceRow, InterfaceSlot, Kind, Slot, Snapshot, State,
    Values,
};

use crate::asking::Asking;
use crate::block::{Block, ColumnKey, SeriesId};
use crate::directory::Directory;
use crate::fetch::{Source, Stretch, Wanted};
use crate::file::ContainerRecord;
use crate::point;
use crate::query::Selector;
use crate::query::select::{HOST, Newest, select};
use crate::{Error, Millis, Range, Tier};

/// For how many intervals, and at least for how long, a sample says that a container is there.
const FRESH_INTERVALS: Millis = 3;
const FRESH: Millis = 10_000;

/// Everything as it was.
pub(crate) fn at(asking: &Asking<'_>, at: Millis) -> Result<Snapshot, Error> {
    let directory = asking.directory();
    let places = places(directory);
    // As far back as a point of the coarsest tier may begin.
    let around = Range { from: at.saturating_sub(2 * 3_600_000), until: at.saturating_add(1) };
    let newest = asking.newest();
    let chosen = select(directory, &newest, &Selector::default(), around)?;
    let found = asking.for_each(&chosen, |source, chosen| {
        let mut rows = Vec::new();
        for (member, span) in chosen.line.containers.iter().zip(&chosen.members) {
            let Some(record) = directory.containers.get(&span.container) else { continue };
            if !span.range.contains(at) {
                continue;
            }
            if let Some(moment) = moment(source, &newest, &places, span.container, at)? {
                rows.push((record.id, row(&moment, &places, record, &member.name)));
            }
        }
        Ok(rows)
    })?;
    let mut rows: Vec<(u32, ContainerRow)> = found.into_iter().flatten().collect();
    // In the order in which the agent learned of them.
    rows.sort_by_key(|(id, _)| *id);
    let mut snapshot = Snapshot { at: nanos(at), ..Snapshot::default() };
    snapshot.containers = rows.into_iter().map(|(_, row)| row).collect();
    if let Some(moment) = moment(asking.source(), &newest, &places, HOST, at)? {
        tell_host(&mut snapshot, &moment, &places);
    }
    Ok(snapshot)
}

/// Where a stored series stands in a snapshot.
enum Place {
    Slot(Slot),
    Interface(InterfaceSlot, Arc<str>),
    Device(DeviceSlot, Arc<str>),
    Detail(DetailField, DetailLabels),
    Own(AgentFamily, Vec<String>),
    /// A family of the machine, by its position in the catalog.
    Host(u16, HostLabels),
}

/// A stored series: where it stands, and whether it is a counter.
type Places = HashMap<SeriesId, (Place, bool)>;

fn places(directory: &Directory) -> Places {
    let mut places = Places::new();
    for (metric, series) in directory.names() {
        let Some(family) = Family::by_name(metric) else { continue };
        let values: Vec<&str> = series.labels.iter().map(|(_, value)| value.as_str()).collect();
        let first = || Arc::from(values.first().copied().unwrap_or(""));
        let place = match family.shape {
            Shape::Container(cells) => {
                cells.iter().find(|cell| cell.values == values).map(|cell| Place::Slot(cell.slot))
            }
            Shape::Interface(slot) => Some(Place::Interface(slot, first())),
            Shape::Device(slot) => Some(Place::Device(slot, first())),
            Shape::Detail(field) => {
                Some(Place::Detail(field, values.iter().map(|value| Box::from(*value)).collect()))
            }
            Shape::Agent(which) => {
                Some(Place::Own(which, values.iter().map(|value| (*value).to_owned()).collect()))
            }
            Shape::Host(_) => {
                let labels = values.iter().map(|value| Box::from(*value)).collect();
                u16::try_from(family.index()).ok().map(|family| Place::Host(family, labels))
            }
            Shape::Info(_) => None,
        };
        if let Some(place) = place {
            places.insert(series.id, (place, family.kind == Kind::Counter));
        }
    }
    places
}

/// The numbers of one container at a moment.
struct Moment {
    at: Millis,
    values: Vec<(SeriesId, u64)>,
    /// In billionths of a per cent.
    cpu_percent: Option<u64>,
}

/// Reads a container's numbers from the finest tier that reaches back to the moment.
fn moment(
    source: Source<'_>,
    newest: &Newest,
    places: &Places,
    container: u32,
    at: Millis,
) -> Result<Option<Moment>, Error> {
    for tier in Tier::ALL {
        let unsealed = newest.get(&container).map(|(first, _)| *first).filter(|_| tier == Tier::Raw);
        let first = source.first(tier, container)?.into_iter().chain(unsealed).min();
        if first.is_none_or(|first| first > at) {
            continue;
        }
        let step = tier.step().unwrap_or(1);
        let asked = if tier == Tier::Raw {
            // With the sample before, which processor use is over.
            let interval = source.unsealed.interval();
            Range {
                from: at.saturating_sub(fresh(interval) + point::gap(interval)),
                until: at.saturating_add(1),
            }
        } else {
            let from = at.div_euclid(step).saturating_mul(step);
            Range { from, until: from.saturating_add(step) }
        };
        let stretch = source.only(tier, container, asked, Wanted { columns: &|_, _| true, before: true })?;
        let found = if tier == Tier::Raw { sample(&stretch, places, at) } else { point(&stretch, places) };
        // What is not rolled up yet is in a finer tier, which would have had it.
        return Ok(found);
    }
    Ok(None)
}

/// For how long a sample says that a container is there.
fn fresh(interval: Millis) -> Millis {
    interval.saturating_mul(FRESH_INTERVALS).max(FRESH)
}

/// The last sample that is not later.
fn sample(stretch: &Stretch, places: &Places, at: Millis) -> Option<Moment> {
    let mut rows: Vec<(Millis, &Block, usize)> = Vec::new();
    for piece in &stretch.pieces {
        for (row, time) in piece.block.times.iter().enumerate() {
            if *time <= at && piece.holds.iter().any(|holds| holds.contains(*time)) {
                rows.push((*time, &piece.block, row));
            }
        }
    }
    rows.sort_by_key(|(time, ..)| *time);
    let (time, block, row) = rows.pop()?;
    if at - time > fresh(block.interval) {
        return None;
    }
    let value = |block: &Block, row: usize, key| {
        block.column(key).and_then(|column| column.values.get(row).copied()?)
    };
    let usage = places.iter().find(|(_, (place, _))| matches!(place, Place::Slot(Slot::CpuUsage)));
    let cpu_percent = usage.and_then(|(series, _)| {
        let key = ColumnKey::last(*series);
        let (before, earlier, earlier_row) = rows.pop()?;
        let apart =
            u64::try_from(time - before).ok().filter(|_| time - before <= point::gap(block.interval))?;
        let (now, then) = (value(block, row, key)?, value(earlier, earlier_row, key)?);
        percent(now.checked_sub(then).unwrap_or(now), apart.saturating_mul(1_000_000))
    });
    let columns = block.columns.iter();
    let values =
        columns.filter_map(|column| Some((column.key.series, column.values.get(row).copied()??))).collect();
    Some(Moment { at: time, values, cpu_percent })
}

/// The point that contains the moment.
fn point(stretch: &Stretch, places: &Places) -> Option<Moment> {
    let found = stretch.pieces.iter().find_map(|piece| {
        let row = piece.block.times.iter().position(|time| *time == stretch.asked.from)?;
        piece.holds.iter().any(|holds| holds.contains(stretch.asked.from)).then_some((&piece.block, row))
    });
    let (block, row) = found?;
    let coverage = point::coverage(block, stretch.tier).get(row).copied()?;
    let mut moment = Moment { at: stretch.asked.from, values: Vec::new(), cpu_percent: None };
    let mut known = None;
    for series in block.columns.iter().map(|column| column.key.series) {
        // The columns of a series stand together.
        if known.replace(series) == Some(series) {
            continue;
        }
        let Some((place, counter)) = places.get(&series) else { continue };
        let Some(point) = point::points(block, series, *counter).get(row).copied().flatten() else {
            continue;
        };
        moment.values.push((series, point.last));
        if matches!(place, Place::Slot(Slot::CpuUsage)) {
            let covered = u64::try_from(coverage.covered).unwrap_or(0);
            moment.cpu_percent = percent(point.increase, covered.saturating_mul(1_000_000));
        }
    }
    Some(moment)
}

fn row(moment: &Moment, places: &Places, record: &ContainerRecord, name: &str) -> ContainerRow {
    let mut interfaces: Vec<InterfaceRow> = Vec::new();
    let mut devices: Vec<DeviceRow> = Vec::new();
    let mut details: Vec<DetailRow> = Vec::new();
    let mut values: Values<Slot, { Slot::COUNT }> = Values::default();
    for (series, value) in &moment.values {
        match places.get(series) {
            Some((Place::Slot(slot), _)) => values.set(*slot, *value),
            Some((Place::Interface(slot, name), _)) => {
                let index = interfaces.iter().position(|row| row.name == *name).unwrap_or_else(|| {
                    interfaces.push(InterfaceRow {
                        name: Arc::clone(name),
                        network: "".into(),
                        values: Values::default(),
                    });
                    interfaces.len() - 1
                });
                interfaces[index].values.set(*slot, *value);
            }
            Some((Place::Device(slot, name), _)) => {
                let index = devices.iter().position(|row| row.name == *name).unwrap_or_else(|| {
                    devices.push(DeviceRow {
                        name: Arc::clone(name),
                        number: None,
                        values: Values::default(),
                    });
                    devices.len() - 1
                });
                devices[index].values.set(*slot, *value);
            }
            Some((Place::Detail(field, labels), _)) => {
                details.push(DetailRow { field: *field, labels: Arc::clone(labels), value: *value });
            }
            Some((Place::Own(..) | Place::Host(..), _)) | None => {}
        }
    }
    let mut container = Container::new(&record.container, record.engine.as_str().into());
    name.clone_into(&mut container.name);
    container.image.clone_from(&record.image);
    container.image_id.clone_from(&record.image_id);
    container.labels.clone_from(&record.labels);
    container.state = state(&values);
    container.health = health(&values);
    let may_run = matches!(container.state, State::Running | State::Paused);
    let mut row = ContainerRow::new(container.into());
    row.started = values.get(Slot::Started);
    row.created = values.get(Slot::Created).or_else(|| record.created.map(nanos));
    row.seen = nanos(record.first_seen);
    values.set(Slot::LastSeen, nanos(moment.at));
    values.set_option(Slot::CpuPercent, moment.cpu_percent);
    if may_run {
        let uptime = row.started.map(|started| nanos(moment.at).saturating_sub(started));
        values.set_option(Slot::Uptime, uptime);
    }
    row.values = values;
    row.interfaces = interfaces;
    row.devices = devices;
    details.sort_by_key(|detail| detail.field);
    row.details = details;
    row.derive();
    row
}

/// The state by its code in `container_status`.
fn state(values: &Values<Slot, { Slot::COUNT }>) -> State {
    values.get(Slot::Status).and_then(State::from_code).unwrap_or_else(|| State::Other("unknown".into()))
}

fn health(values: &Values<Slot, { Slot::COUNT }>) -> Health {
    let words = [
        (Slot::HealthStarting, Health::Starting),
        (Slot::HealthHealthy, Health::Healthy),
        (Slot::HealthUnhealthy, Health::Unhealthy),
    ];
    words
        .into_iter()
        .find(|(slot, _)| values.get(*slot) == Some(1))
        .map_or(Health::None, |(_, health)| health)
}

/// What the history knows of engines, the machine and the agent.
fn tell_host(snapshot: &mut Snapshot, moment: &Moment, places: &Places) {
    snapshot.host = host_parts(moment, places);
    let agent = &mut snapshot.agent;
    for (series, value) in &moment.values {
        let Some((Place::Own(which, labels), _)) = places.get(series) else { continue };
        let value = *value;
        match which {
            AgentFamily::MachineCores => agent.machine.cores = Some(value),
            AgentFamily::MachineMemory => agent.machine.memory = Some(value),
            AgentFamily::MachineSwap => agent.machine.swap = Some(value),
            AgentFamily::ProcessCpu => agent.process.cpu = Some(value),
            AgentFamily::ProcessResident => agent.process.resident = Some(value),
            AgentFamily::ProcessVirtual => agent.process.virtual_memory = Some(value),
            AgentFamily::ProcessOpenFds => agent.process.open_fds = Some(value),
            AgentFamily::ProcessMaxFds => agent.process.max_fds = Some(value),
            AgentFamily::ProcessStart => agent.started = value,
            AgentFamily::EngineUp => {
                if let [name, endpoint] = &labels[..] {
                    let mut engine = Engine::new(name, endpoint);
                    engine.trouble = "".into();
                    engine.state = if value == 1 { EngineState::Up } else { EngineState::Unreachable };
                    agent.engines.push(engine);
                }
            }
            _ => {}
        }
    }
}

/// The machine's own numbers. The boot time is one of them, in whole seconds.
fn host_parts(moment: &Moment, places: &Places) -> HostParts {
    let mut rows: [Vec<HostRow>; 2] = Default::default();
    let mut boot = None;
    for (series, value) in &moment.values {
        let Some((Place::Host(family, labels), _)) = places.get(series) else { continue };
        let Some(entry) = CATALOG.get(usize::from(*family)) else { continue };
        if entry.shape == Shape::Host(HostField::Stat("btime")) {
            boot = Some(*value);
        }
        let part = &mut rows[usize::from(entry.collector == Collector::Filesystem)];
        part.push(HostRow { family: *family, labels: Arc::clone(labels), value: *value });
    }
    let part = |boot, rows: Vec<HostRow>| {
        let host = (!rows.is_empty()).then(|| Host::new(nanos(moment.at), boot, rows));
        host.map(Arc::new)
    };
    let [system, filesystem] = rows;
    // File systems have no counters, and so no boot.
    HostParts { system: part(boot, system), filesystem: part(None, filesystem) }
}

fn nanos(at: Millis) -> u64 {
    u64::try_from(at).unwrap_or(0).saturating_mul(1_000_000)
}
