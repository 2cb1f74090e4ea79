//! Fields of points as the catalog describes them, looked up once.

use plimsoll_model::catalog::{AgentFamily, CATALOG, Shape, SlotIndex, Start};
use plimsoll_model::{DeviceSlot, Family, InterfaceSlot, Kind, Profile, Scale, Slot, Values};

use super::ucum;
use crate::point::{Meta, Point, Value};

/// A field: its name, where its number stands, and what the catalog says of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column<S> {
    name: &'static str,
    slot: S,
    scale: Scale,
    meta: Meta,
    start: Start,
}

/// The columns of a container whose family belongs to the profile.
pub(super) fn of_container(named: &[(&'static str, Slot)], profile: Profile) -> Vec<Column<Slot>> {
    let has =
        |shape, slot| matches!(shape, Shape::Container(cells) if cells.iter().any(|cell| cell.slot == slot));
    columns(named, profile, has)
}

/// The columns of an interface.
pub(super) fn of_interface(named: &[(&'static str, InterfaceSlot)]) -> Vec<Column<InterfaceSlot>> {
    columns(named, Profile::Full, |shape, slot| shape == Shape::Interface(slot))
}

/// The columns of a block device.
pub(super) fn of_device(named: &[(&'static str, DeviceSlot)]) -> Vec<Column<DeviceSlot>> {
    columns(named, Profile::Full, |shape, slot| shape == Shape::Device(slot))
}

/// The columns of the agent's own families.
pub(super) fn of_agent(named: &[(&'static str, AgentFamily)]) -> Vec<Column<AgentFamily>> {
    columns(named, Profile::Full, |shape, which| shape == Shape::Agent(which))
}

fn columns<S: Copy>(
    named: &[(&'static str, S)],
    profile: Profile,
    has: impl Fn(Shape, S) -> bool,
) -> Vec<Column<S>> {
    let column = |(name, slot): &(&'static str, S)| {
        let family = CATALOG.iter().find(|family| has(family.shape, *slot))?;
        (family.profile <= profile).then(|| Column {
            name,
            slot: *slot,
            scale: family.scale,
            meta: meta(family),
            start: family.start,
        })
    };
    named.iter().filter_map(column).collect()
}

fn meta(family: &Family) -> Meta {
    Meta { kind: family.kind, unit: ucum(family.unit), help: family.help, start: None }
}

impl<S: Copy> Column<S> {
    /// What it reads.
    pub(super) fn slot(&self) -> S {
        self.slot
    }

    /// Adds the field to a point. `since` says when its counters began.
    pub(super) fn add(&self, value: u64, since: impl Fn(Start) -> Option<u64>, point: &mut Point) {
        let value = match self.scale {
            Scale::One => Value::Unsigned(value),
            Scale::Nano => Value::Nano(value),
        };
        let start = if self.meta.kind == Kind::Counter { since(self.start) } else { None };
        point.field_with(self.name, value, Meta { start, ..self.meta });
    }
}

/// Adds every field that has a value.
pub(super) fn add_all<S: SlotIndex, const N: usize>(
    columns: &[Column<S>],
    values: &Values<S, N>,
    since: impl Fn(Start) -> Option<u64>,
    point: &mut Point,
) {
    for column in columns {
        if let Some(value) = values.get(column.slot) {
            column.add(value, &since, point);
        }
    }
}
