//! What waits, and whether it is as it was written.

use std::fmt::Write as _;

use jiff::Timestamp;
use plimsoll_deliver::spool::{Spool, Verified};
use serde_json::{Value, json};

use super::Place;
use crate::history::show::{local, zone};
use crate::output;
use crate::settings::Settings;
use crate::stats::format::binary_size;
use crate::stats::template::aligned;
use crate::text::printable;

/// Nanoseconds in a millisecond.
const MILLI: i64 = 1_000_000;

/// What waits for a target.
struct Waiting {
    batches: usize,
    points: u64,
    bytes: u64,
    /// The earliest and the latest time, in Unix nanoseconds.
    times: Option<(i64, i64)>,
}

/// Prints what waits. Gives whether all of it could be read.
pub(super) fn list(settings: &Settings, places: &[Place<'_>], as_json: bool) -> anyhow::Result<bool> {
    let zone = zone();
    let mut table = format!("TARGET\tBATCHES\tPOINTS\tSIZE\tOLDEST ({zone})\tNEWEST ({zone})\tFILE\n");
    let mut rows = Vec::new();
    let mut is_well = true;
    for place in places {
        let name = &place.name;
        let waiting = match waiting(place) {
            Ok(waiting) => waiting,
            Err(error) => {
                is_well = false;
                output::warn(&format!("{name}: {error}; `plimsoll spool verify` says more"));
                continue;
            }
        };
        let (oldest, newest) = waiting.times.unzip();
        let shown = |time: Option<i64>| time.map_or_else(|| "-".to_owned(), |time| local(time / MILLI));
        let _ = writeln!(
            table,
            "{name}\t{}\t{}\t{}\t{}\t{}\t{}",
            waiting.batches,
            waiting.points,
            binary_size(waiting.bytes),
            shown(oldest),
            shown(newest),
            printable(&place.path.display().to_string()),
        );
        rows.push(json!({
            "name": name,
            "configured": place.table.is_some(),
            "batches": waiting.batches,
            "points": waiting.points,
            "bytes": waiting.bytes,
            "oldest": rfc3339(oldest),
            "newest": rfc3339(newest),
            "file": place.path.display().to_string(),
            "set_aside": set_aside(place),
        }));
    }
    if as_json {
        output::print(&format!("{}\n", json!({ "targets": rows })))?;
        return Ok(is_well);
    }
    let mut told = if rows.is_empty() {
        format!("no target has a spool in {}\n", printable(&settings.spool_folder().display().to_string()))
    } else {
        aligned(&table)
    };
    for place in places {
        if place.table.is_none() {
            let _ = writeln!(told, "{} is no target of the configuration any more", place.name);
        }
        for file in set_aside(place) {
            let _ = writeln!(told, "{}: damaged and set aside: {}", place.name, printable(&file));
        }
    }
    output::print(&told)?;
    Ok(is_well)
}

fn waiting(place: &Place<'_>) -> Result<Waiting, plimsoll_deliver::spool::SpoolError> {
    let rows = place.rows()?;
    let first = rows.iter().map(|row| row.first).min();
    let last = rows.iter().map(|row| row.last).max();
    Ok(Waiting {
        batches: rows.len(),
        points: rows.iter().map(|row| row.points).sum(),
        bytes: rows.iter().map(|row| row.bytes).sum(),
        times: first.zip(last),
    })
}

fn rfc3339(time: Option<i64>) -> Value {
    let time = time.and_then(|time| Timestamp::from_nanosecond(time.into()).ok());
    time.map_or(Value::Null, |time| time.to_string().into())
}

fn set_aside(place: &Place<'_>) -> Vec<String> {
    Spool::set_aside(&place.path).iter().map(|path| path.display().to_string()).collect()
}

/// Reads every batch. Gives whether all are as they were written.
pub(super) fn verify(places: &[Place<'_>], as_json: bool) -> anyhow::Result<bool> {
    let mut told = String::new();
    let mut rows = Vec::new();
    let mut is_well = true;
    for place in places {
        let name = &place.name;
        let found = if place.path.exists() { Spool::verify(&place.path)? } else { Verified::default() };
        is_well &= found.damaged.is_empty() && found.broken.is_none();
        let _ = writeln!(told, "{name}: whole batches {}, points {}", found.rows, found.points);
        for row in &found.damaged {
            let _ = writeln!(told, "  batch {} is damaged, points {}", row.seq, row.points);
        }
        if let Some(why) = &found.broken {
            let _ = writeln!(told, "  the file is damaged: {}", printable(why));
        }
        for file in set_aside(place) {
            let _ = writeln!(told, "  set aside before: {}", printable(&file));
        }
        let damaged = found.damaged.iter().map(|row| json!({ "batch": row.seq, "points": row.points }));
        rows.push(json!({
            "name": name,
            "batches": found.rows,
            "points": found.points,
            "damaged": damaged.collect::<Vec<_>>(),
            "broken": found.broken,
            "set_aside": set_aside(place),
        }));
    }
    let told = if as_json { format!("{}\n", json!({ "targets": rows })) } else { told };
    output::print(if told.is_empty() { "there is no spool\n" } else { &told })?;
    Ok(is_well)
}
