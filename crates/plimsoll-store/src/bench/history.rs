//! A history file of some size, for the benchmark of the queries (`benches/query.rs`).

use std::path::Path;
use std::sync::Arc;

use plimsoll_model::{
    Container, ContainerRow, DeviceRow, DeviceSlot, InterfaceRow, InterfaceSlot, Slot, Values,
};

use crate::block::SeriesId;
use crate::chunk::Chunk;
use crate::file::File;
use crate::roller::Roller;
use crate::row::RowBuffer;
use crate::series::Dictionary;
use crate::{Error, Millis, Range, Tier};

const SECOND: Millis = 1_000;
const HOUR: Millis = 3_600 * SECOND;
const DAY: Millis = 24 * HOUR;

/// What is between samples that are older than those at one second: enough for points of the hour tier as they really are.
const SPARSE: Millis = 300 * SECOND;

/// Writes the history of some containers, `c0`, `c1`, … until a moment: samples of each second for the last hour, of the first
/// container for the last day; for the week before, enough for the hours.
///
/// # Errors
/// Where the file cannot be written.
pub fn write_history(path: &Path, containers: u32, until: Millis) -> Result<(), Error> {
    let (file, _) = File::open(path)?;
    let mut dictionary = Dictionary::new([]);
    let mut rows = RowBuffer::new();
    // Gives all series their numbers.
    rows.container(&row(1, until), &mut dictionary);
    for record in dictionary.take_unsaved() {
        file.put_series(&record)?;
    }
    let mut roller = Roller::default();
    roller.counters = dictionary.counters().to_vec();
    roller.working_set = dictionary.working_set();
    for number in 1..=containers {
        let id = format!("{number:064x}");
        let mut container = Container::new(&id, "docker".into());
        container.name = format!("c{}", number - 1);
        let week = until - 7 * DAY;
        let dense = until - if number == 1 { DAY } else { HOUR };
        file.transaction(|| {
            file.put_container(number, &container, None, week)?;
            let times = (week..dense).step_by(SPARSE as usize).chain((dense..until).step_by(SECOND as usize));
            let mut chunk = Chunk::new(SECOND);
            let mut seal = |chunk: &mut Chunk, until: Millis| -> Result<(), Error> {
                let Some(first) = chunk.first_time() else { return Ok(()) };
                file.put_block(Tier::Raw, number, &chunk.seal())?;
                *chunk = Chunk::new(SECOND);
                roller.sealed(&file, SECOND, number, first, until)
            };
            for at in times {
                let row = row(number, at);
                let row: Vec<(SeriesId, u64)> = rows.container(&row, &mut dictionary).to_vec();
                if chunk.len() >= 300 {
                    seal(&mut chunk, at)?;
                }
                chunk.push(at, &row);
            }
            seal(&mut chunk, until)?;
            // What would not be kept so long.
            let mut old = Vec::new();
            let expired = Range { from: Millis::MIN, until: until - DAY };
            file.blocks(Tier::Raw, number, expired, |head, _| old.push(*head))?;
            for head in old.iter().filter(|head| head.last < expired.until) {
                file.delete_block(head)?;
            }
            file.touch_container(number, week, until)
        })?;
    }
    file.checkpoint()
}

/// About a hundred numbers, a quarter of which change from one sample to the next.
fn row(container: u32, at: Millis) -> ContainerRow {
    let second = at.unsigned_abs() / 1_000;
    // A cheap number that looks like any.
    let noise = |salt: u64| {
        (second ^ u64::from(container) << 20 ^ salt << 40).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40
    };
    let mut row = ContainerRow::new(Arc::new(Container::new("", "docker".into())));
    for (index, slot) in Slot::ALL.iter().enumerate().take(90) {
        let salt = index as u64;
        let value =
            if index % 4 == 0 { second * (salt + 1) * 1_000 + noise(salt) % 1_000 } else { salt * 4_096 };
        row.values.set(*slot, value);
    }
    row.values.set(Slot::Status, 1);
    row.values.set(Slot::CpuUsage, second * 1_000_000 * u64::from(container) + noise(1) % 1_000_000);
    row.values.set(Slot::MemoryUsage, (u64::from(container) << 20) + (noise(2) % 256) * 4_096);
    row.values.set(Slot::MemoryInactiveFile, (noise(3) % 64) * 4_096);
    row.values.set(Slot::MemoryLimit, 1 << 30);
    let mut values = Values::default();
    for (index, slot) in InterfaceSlot::ALL.iter().enumerate() {
        values.set(*slot, if index % 4 == 0 { second * 1_500 + noise(index as u64) } else { 0 });
    }
    row.interfaces.push(InterfaceRow { name: "eth0".into(), network: "".into(), values });
    let mut values = Values::default();
    for slot in &DeviceSlot::ALL[..6] {
        values.set(*slot, second / 10 * 4_096);
    }
    row.devices.push(DeviceRow { name: "/dev/vda".into(), number: None, values });
    row
}
