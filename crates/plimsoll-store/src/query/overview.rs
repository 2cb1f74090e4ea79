//! What there is, and what it costs.

use std::collections::{BTreeMap, HashSet};

use rusqlite::params;

use crate::asking::Asking;
use crate::block::{Block, SeriesId, Stat};
use crate::error::reading;
use crate::query::select::select;
use crate::query::{Selector, SeriesCost, Summary, TierSummary};
use crate::{Error, Millis, Range, Tier};

/// How many blocks of a tier are looked into, at most, to say what metrics cost. Of more, these are taken from all over
/// and stand for the others.
const MAX_LOOKED_INTO: u64 = 500;

/// The name under which the times of samples, and how many a point has, are accounted for.
const ROW: &str = "(times)";

/// What a file holds.
pub(crate) fn summary(asking: &Asking<'_>) -> Result<Summary, Error> {
    let file = asking.file();
    let (_, free_bytes) = file.page_bytes()?;
    let mut tiers: Vec<TierSummary> = Tier::ALL
        .into_iter()
        .map(|tier| TierSummary { tier, span: None, blocks: 0, bytes: 0, values: 0 })
        .collect();
    let mut read = || -> rusqlite::Result<()> {
        let mut statement = file.connection().prepare_cached(
            "SELECT tier, min(first), max(last), count(*), sum(bytes), sum(vals) FROM blocks GROUP BY tier",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let number: u8 = row.get(0)?;
            let Some(found) = tiers.iter_mut().find(|known| known.tier as u8 == number) else { continue };
            found.span = Some((row.get(1)?, row.get(2)?));
            found.blocks = row.get::<_, i64>(3)?.unsigned_abs();
            found.bytes = row.get::<_, i64>(4)?.unsigned_abs();
            found.values = row.get::<_, i64>(5)?.unsigned_abs();
        }
        Ok(())
    };
    read().map_err(reading(file.path()))?;
    let directory = asking.directory();
    Ok(Summary {
        file_bytes: file.size_on_disk(),
        max_bytes: asking.max_bytes(),
        free_bytes,
        tiers,
        containers: directory.containers.len() as u64,
        lines: directory.lines.len() as u64,
        events: file.number("SELECT count(*) FROM events")?.unsigned_abs(),
        series: directory.series_count() as u64,
    })
}

/// What each metric costs, the dearest first.
pub(crate) fn costs(asking: &Asking<'_>, selector: &Selector) -> Result<Vec<SeriesCost>, Error> {
    let ever = Range { from: Millis::MIN, until: Millis::MAX };
    let chosen = select(asking.directory(), &asking.newest(), selector, ever)?;
    let mut containers: Vec<u32> =
        chosen.iter().flat_map(|chosen| &chosen.members).map(|member| member.container).collect();
    containers.sort_unstable();
    containers.dedup();
    let mut costs: BTreeMap<String, (HashSet<SeriesId>, u64, u64)> = BTreeMap::new();
    for tier in Tier::ALL {
        for_blocks(asking, tier, &containers, |samples, bytes, weight| {
            let Ok(columns) = Block::columns_of(bytes) else { return };
            // What stands before the columns is nobody's own: it is the row's.
            let encoded: u64 = columns.iter().map(|(_, bytes)| bytes + COLUMN_HEAD).sum::<u64>().max(1);
            for (key, size) in columns {
                let metric = match asking.directory().name_of(key.series) {
                    Some((metric, _)) => metric,
                    None => ROW,
                };
                let (series, values, cost) = costs.entry(metric.to_owned()).or_default();
                series.insert(key.series);
                *values += if key.stat == Stat::Last { u64::from(samples) * weight } else { 0 };
                *cost += bytes.len() as u64 * weight * (size + COLUMN_HEAD) / encoded;
            }
        })?;
    }
    let mut costs: Vec<SeriesCost> = costs
        .into_iter()
        .map(|(metric, (series, values, bytes))| SeriesCost {
            metric,
            series: series.len() as u64,
            values: values / WHOLE,
            bytes: bytes / WHOLE,
        })
        .collect();
    costs.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.metric.cmp(&b.metric)));
    Ok(costs)
}

/// About what a column costs that has no bytes of its own: its key and its length.
const COLUMN_HEAD: u64 = 2;

/// The weight of a block that stands for itself alone.
const WHOLE: u64 = 1_000;

/// Hands on blocks of a tier: their samples, their bytes, and how many blocks each stands for (see [`WHOLE`]).
fn for_blocks(
    asking: &Asking<'_>,
    tier: Tier,
    containers: &[u32],
    mut each: impl FnMut(u32, &[u8], u64),
) -> Result<(), Error> {
    let file = asking.file();
    let mut read = || -> rusqlite::Result<()> {
        let mut heads = Vec::new();
        let mut statement = file
            .connection()
            .prepare_cached("SELECT samples, data FROM blocks WHERE tier = ?1 AND container = ?2")?;
        for container in containers {
            let mut rows = statement.query(params![tier as u8, container])?;
            while let Some(row) = rows.next()? {
                heads.push((row.get::<_, u32>(0)?, row.get::<_, i64>(1)?));
            }
        }
        let stride = (heads.len() as u64).div_ceil(MAX_LOOKED_INTO).max(1);
        let taken: Vec<_> = heads.iter().step_by(usize::try_from(stride).unwrap_or(1)).collect();
        let weight = heads.len() as u64 * WHOLE / taken.len().max(1) as u64;
        let mut bytes = file.connection().prepare_cached("SELECT bytes FROM data WHERE id = ?1")?;
        for (samples, data) in taken {
            let mut rows = bytes.query([data])?;
            // One may have been rolled up or dropped since.
            if let Some(row) = rows.next()? {
                each(*samples, row.get_ref(0)?.as_blob()?, weight);
            }
        }
        Ok(())
    };
    read().map_err(reading(file.path()))
}
