//! Reading a history file. A row whose checksum is wrong is left out; whoever reads is told how many there were.

use std::collections::BTreeMap;

use rusqlite::{Row, params};

use super::{File, Mark};
use crate::error::{Error, reading};
use crate::query::Happening;
use crate::{Millis, Range, Tier, events};

/// The name of a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SeriesRecord {
    /// Its number.
    pub(crate) id: u32,
    /// The metric's name in the catalog.
    pub(crate) metric: String,
    /// Labels beyond those that say whose it is.
    pub(crate) labels: Vec<(String, String)>,
}

/// A container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ContainerRecord {
    /// Its number in this file, from 1.
    pub(crate) id: u32,
    pub(crate) engine: String,
    /// The full id.
    pub(crate) container: String,
    pub(crate) name: String,
    pub(crate) image: String,
    pub(crate) image_id: String,
    /// Engine labels.
    pub(crate) labels: BTreeMap<String, String>,
    /// The Compose project and service; empty where there is none.
    pub(crate) project: String,
    pub(crate) service: String,
    pub(crate) created: Option<Millis>,
    pub(crate) first_seen: Millis,
    /// The last sample that is in a sealed block, or an event; open chunks may have later ones.
    pub(crate) last_seen: Millis,
}

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LineRecord {
    pub(crate) id: u32,
    pub(crate) engine: String,
    pub(crate) key: String,
}

/// That a container belongs to a line from a moment on, until its next span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SpanRecord {
    pub(crate) line: u32,
    pub(crate) container: u32,
    pub(crate) since: Millis,
}

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EventRecord {
    pub(crate) at: Millis,
    pub(crate) container: u32,
    /// The container's name then.
    pub(crate) name: String,
    pub(crate) what: Happening,
}

/// What the file says of a sealed block beside its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockHead {
    pub(crate) tier: Tier,
    /// The container's number; 0 is the host.
    pub(crate) container: u32,
    pub(crate) first: Millis,
    pub(crate) last: Millis,
    pub(crate) samples: u32,
    pub(crate) values: u64,
    /// The size of its bytes.
    pub(crate) bytes: u64,
    /// The number of its bytes in `data`; a larger one was begun later.
    pub(crate) data: i64,
}

impl BlockHead {
    /// The checksum of the row.
    pub(crate) fn mark(&self) -> i64 {
        Mark::new()
            .number(self.tier as i64)
            .number(i64::from(self.container))
            .number(self.first)
            .number(self.last)
            .number(i64::from(self.samples))
            .number(self.values.cast_signed())
            .number(self.bytes.cast_signed())
            .number(self.data)
            .column()
    }

    /// Reads the columns `tier, container, first, last, samples, vals, bytes, data, mark`.
    pub(crate) fn read(row: &Row<'_>) -> rusqlite::Result<Option<Self>> {
        let tier: i64 = row.get(0)?;
        let Some(tier) = u8::try_from(tier).ok().and_then(Tier::from_number) else { return Ok(None) };
        let (Some(container), Some(samples)) = (small(row.get(1)?), small(row.get(4)?)) else {
            return Ok(None);
        };
        let head = Self {
            tier,
            container,
            first: row.get(2)?,
            last: row.get(3)?,
            samples,
            values: row.get::<_, i64>(5)?.cast_unsigned(),
            bytes: row.get::<_, i64>(6)?.cast_unsigned(),
            data: row.get(7)?,
        };
        Ok((head.mark() == row.get::<_, i64>(8)?).then_some(head))
    }
}

/// A number of 32 bits.
fn small(number: i64) -> Option<u32> {
    u32::try_from(number).ok()
}

/// How many rows were left out because their checksums were wrong.
pub(crate) type LeftOut = u64;

impl File {
    /// The blocks of a tier and container that share a moment with the range, in the order of their writing, with their bytes. Of
    /// blocks that overlap, the one told later holds.
    pub(crate) fn blocks(
        &self,
        tier: Tier,
        container: u32,
        range: Range,
        mut each: impl FnMut(&BlockHead, &[u8]),
    ) -> Result<LeftOut, Error> {
        let mut read = || -> rusqlite::Result<LeftOut> {
            // A container has a few hundred blocks of a tier: the index of all of them is read faster than one of ends.
            let mut statement = self.connection().prepare_cached(
                "SELECT tier, container, first, last, samples, vals, blocks.bytes, data, mark, data.bytes \
                 FROM blocks JOIN data ON data.id = blocks.data \
                 WHERE tier = ?1 AND container = ?2 AND first < ?3 AND last >= ?4 ORDER BY +data",
            )?;
            let mut rows = statement.query(params![tier as u8, container, range.until, range.from])?;
            let mut left_out = 0;
            while let Some(row) = rows.next()? {
                match BlockHead::read(row)? {
                    Some(head) => each(&head, row.get_ref(9)?.as_blob()?),
                    None => left_out += 1,
                }
            }
            Ok(left_out)
        };
        read().map_err(reading(self.path()))
    }

    /// The block of a tier and container that was begun last, with its bytes.
    pub(crate) fn last_block(
        &self,
        tier: Tier,
        container: u32,
    ) -> Result<Option<(BlockHead, Vec<u8>)>, Error> {
        let read = || -> rusqlite::Result<Option<(BlockHead, Vec<u8>)>> {
            let mut statement = self.connection().prepare_cached(
                "SELECT tier, container, first, last, samples, vals, blocks.bytes, data, mark, data.bytes \
                 FROM blocks JOIN data ON data.id = blocks.data \
                 WHERE tier = ?1 AND container = ?2 ORDER BY +data DESC LIMIT 1",
            )?;
            let mut rows = statement.query(params![tier as u8, container])?;
            let Some(row) = rows.next()? else { return Ok(None) };
            BlockHead::read(row)?.map(|head| Ok((head, row.get(9)?))).transpose()
        };
        read().map_err(reading(self.path()))
    }

    /// What stands beside the blocks, without their bytes, of every tier and container.
    #[cfg(test)]
    pub(crate) fn block_heads(&self, mut each: impl FnMut(&BlockHead)) -> Result<LeftOut, Error> {
        self.rows(
            "SELECT tier, container, first, last, samples, vals, bytes, data, mark FROM blocks",
            [],
            BlockHead::read,
            |head| each(&head),
        )
    }

    /// The tier's last sample of a container, or where its last point's time begins.
    pub(crate) fn last_time(&self, tier: Tier, container: u32) -> Result<Option<Millis>, Error> {
        let read = || -> rusqlite::Result<Option<Millis>> {
            self.connection()
                .prepare_cached("SELECT max(last) FROM blocks WHERE tier = ?1 AND container = ?2")?
                .query_row(params![tier as u8, container], |row| row.get(0))
        };
        read().map_err(reading(self.path()))
    }

    /// Every name of a series.
    pub(crate) fn series(&self, each: impl FnMut(SeriesRecord)) -> Result<LeftOut, Error> {
        let read = |row: &Row<'_>| -> rusqlite::Result<Option<SeriesRecord>> {
            let (metric, labels): (String, String) = (row.get(1)?, row.get(2)?);
            if SeriesRecord::mark(row.get(0)?, &metric, &labels) != row.get::<_, i64>(3)? {
                return Ok(None);
            }
            let labels = serde_json::from_str::<Vec<(String, String)>>(&labels).ok();
            Ok(small(row.get(0)?).zip(labels).map(|(id, labels)| SeriesRecord { id, metric, labels }))
        };
        self.rows("SELECT id, metric, labels, mark FROM series", [], read, each)
    }

    /// The number, engine and full id of every container: less than [`File::containers`] reads.
    pub(crate) fn identities(&self, mut each: impl FnMut(u32, &str, &str)) -> Result<(), Error> {
        let mut all = || -> rusqlite::Result<()> {
            let mut statement =
                self.connection().prepare_cached("SELECT id, engine, container FROM containers")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let (engine, container) = (row.get_ref(1)?.as_str()?, row.get_ref(2)?.as_str()?);
                if let Some(id) = small(row.get(0)?) {
                    each(id, engine, container);
                }
            }
            Ok(())
        };
        all().map_err(reading(self.path()))
    }

    /// The bytes of a block.
    pub(crate) fn block_bytes(&self, data: i64) -> Result<Option<Vec<u8>>, Error> {
        let read = || -> rusqlite::Result<Option<Vec<u8>>> {
            let mut statement = self.connection().prepare_cached("SELECT bytes FROM data WHERE id = ?1")?;
            let mut rows = statement.query(params![data])?;
            rows.next()?.map(|row| row.get(0)).transpose()
        };
        read().map_err(reading(self.path()))
    }

    /// The blocks of a tier that were begun first, at most `count`.
    pub(crate) fn oldest_blocks(&self, tier: Tier, count: usize) -> Result<(Vec<BlockHead>, LeftOut), Error> {
        let mut heads = Vec::new();
        let left_out = self.rows(
            "SELECT tier, container, first, last, samples, vals, bytes, data, mark FROM blocks \
             WHERE tier = ?1 ORDER BY data LIMIT ?2",
            params![tier as u8, i64::try_from(count).unwrap_or(i64::MAX)],
            BlockHead::read,
            |head| heads.push(head),
        )?;
        Ok((heads, left_out))
    }

    /// Every container.
    pub(crate) fn containers(&self, each: impl FnMut(ContainerRecord)) -> Result<LeftOut, Error> {
        self.rows(CONTAINERS, [], container, each)
    }

    /// Every line.
    pub(crate) fn lines(&self, each: impl FnMut(LineRecord)) -> Result<LeftOut, Error> {
        let read = |row: &Row<'_>| -> rusqlite::Result<Option<LineRecord>> {
            let (engine, key): (String, String) = (row.get(1)?, row.get(2)?);
            let right = LineRecord::mark(row.get(0)?, &engine, &key) == row.get::<_, i64>(3)?;
            Ok(small(row.get(0)?).filter(|_| right).map(|id| LineRecord { id, engine, key }))
        };
        self.rows("SELECT id, engine, key, mark FROM lines", [], read, each)
    }

    /// Every span, by container and in order of time.
    pub(crate) fn spans(&self, each: impl FnMut(SpanRecord)) -> Result<LeftOut, Error> {
        let read = |row: &Row<'_>| -> rusqlite::Result<Option<SpanRecord>> {
            let (Some(line), Some(container)) = (small(row.get(2)?), small(row.get(0)?)) else {
                return Ok(None);
            };
            Ok(Some(SpanRecord { line, container, since: row.get(1)? }))
        };
        self.rows("SELECT container, since, line FROM spans ORDER BY container, since", [], read, each)
    }

    /// The events of a range, the latest first: of one container, or of all. Stops where `each` says so.
    pub(crate) fn events(
        &self,
        range: Range,
        container: Option<u32>,
        mut each: impl FnMut(EventRecord) -> bool,
    ) -> Result<LeftOut, Error> {
        let sql = match container {
            None => {
                "SELECT at, container, name, kind, detail, mark FROM events \
                 WHERE at >= ?1 AND at < ?2 AND ?3 IS NULL ORDER BY at DESC, id DESC"
            }
            Some(_) => {
                "SELECT at, container, name, kind, detail, mark FROM events \
                 WHERE container = ?3 AND at >= ?1 AND at < ?2 ORDER BY at DESC, id DESC"
            }
        };
        let mut read = || -> rusqlite::Result<LeftOut> {
            let mut statement = self.connection().prepare_cached(sql)?;
            let mut rows = statement.query(params![range.from, range.until, container])?;
            let mut left_out = 0;
            while let Some(row) = rows.next()? {
                match event(row)? {
                    Some(event) => {
                        if !each(event) {
                            break;
                        }
                    }
                    None => left_out += 1,
                }
            }
            Ok(left_out)
        };
        read().map_err(reading(self.path()))
    }

    /// The records of the journal, in the order of their writing.
    pub(crate) fn journal(&self, mut each: impl FnMut(i64, &[u8])) -> Result<(), Error> {
        let mut read = || -> rusqlite::Result<()> {
            let mut statement =
                self.connection().prepare_cached("SELECT id, bytes FROM journal ORDER BY id")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                each(row.get(0)?, row.get_ref(1)?.as_blob()?);
            }
            Ok(())
        };
        read().map_err(reading(self.path()))
    }

    /// The life of each container that is not removed: its number, and what `lives.rs` wrote.
    pub(crate) fn lives(&self, mut each: impl FnMut(u32, Option<String>, String)) -> Result<LeftOut, Error> {
        let read = |row: &Row<'_>| -> rusqlite::Result<Option<(u32, Option<String>, String)>> {
            let (id, saved, known): (i64, Option<String>, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let right = life_mark(id, saved.as_deref(), &known) == row.get::<_, i64>(3)?;
            Ok(small(id).filter(|_| right).map(|id| (id, saved, known)))
        };
        self.rows("SELECT container, saved, known, mark FROM lives", [], read, |(id, saved, known)| {
            each(id, saved, known);
        })
    }

    /// One number.
    pub(crate) fn number(&self, sql: &str) -> Result<i64, Error> {
        let read = || self.connection().prepare_cached(sql)?.query_row([], |row| row.get(0));
        read().map_err(reading(self.path()))
    }

    /// Runs a query and hands on what `read` makes of each row; counts those of which it makes nothing.
    fn rows<T>(
        &self,
        sql: &str,
        parameters: impl rusqlite::Params,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<Option<T>>,
        mut each: impl FnMut(T),
    ) -> Result<LeftOut, Error> {
        let all = || -> rusqlite::Result<LeftOut> {
            let mut statement = self.connection().prepare_cached(sql)?;
            let mut rows = statement.query(parameters)?;
            let mut left_out = 0;
            while let Some(row) = rows.next()? {
                match read(row)? {
                    Some(record) => each(record),
                    None => left_out += 1,
                }
            }
            Ok(left_out)
        };
        all().map_err(reading(self.path()))
    }
}

const CONTAINERS: &str = "SELECT containers.id, engine, container, name, image, image_id, label_sets.labels, project, \
     service, created, first_seen, last_seen, mark \
     FROM containers LEFT JOIN label_sets ON label_sets.id = containers.labels";

/// Reads the columns of [`CONTAINERS`].
fn container(row: &Row<'_>) -> rusqlite::Result<Option<ContainerRecord>> {
    let labels = row.get::<_, Option<String>>(6)?;
    let Some(id) = small(row.get(0)?) else { return Ok(None) };
    let record = ContainerRecord {
        id,
        engine: row.get(1)?,
        container: row.get(2)?,
        name: row.get(3)?,
        image: row.get(4)?,
        image_id: row.get(5)?,
        labels: labels.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default(),
        project: row.get(7)?,
        service: row.get(8)?,
        created: row.get(9)?,
        first_seen: row.get(10)?,
        last_seen: row.get(11)?,
    };
    Ok((record.mark() == row.get::<_, i64>(12)?).then_some(record))
}

fn event(row: &Row<'_>) -> rusqlite::Result<Option<EventRecord>> {
    let (kind, detail): (String, String) = (row.get(3)?, row.get(4)?);
    let (at, name): (i64, String) = (row.get(0)?, row.get(2)?);
    let Some(container) = small(row.get(1)?) else { return Ok(None) };
    if EventRecord::mark(at, container, &name, &kind, &detail) != row.get::<_, i64>(5)? {
        return Ok(None);
    }
    // A kind that a later version writes into this format is no damage, and not understood either.
    Ok(events::from_detail(&kind, &detail).map(|what| EventRecord { at, container, name, what }))
}

impl SeriesRecord {
    pub(super) fn mark(id: i64, metric: &str, labels: &str) -> i64 {
        Mark::new().number(id).text(metric).text(labels).column()
    }
}

impl LineRecord {
    pub(super) fn mark(id: i64, engine: &str, key: &str) -> i64 {
        Mark::new().number(id).text(engine).text(key).column()
    }
}

impl EventRecord {
    pub(super) fn mark(at: Millis, container: u32, name: &str, kind: &str, detail: &str) -> i64 {
        Mark::new().number(at).number(i64::from(container)).text(name).text(kind).text(detail).column()
    }
}

impl ContainerRecord {
    /// The checksum of the row with its labels, without `first_seen` and `last_seen`, which change with blocks.
    pub(super) fn mark(&self) -> i64 {
        let mut mark = Mark::new()
            .number(i64::from(self.id))
            .text(&self.engine)
            .text(&self.container)
            .text(&self.name)
            .text(&self.image)
            .text(&self.image_id)
            .text(&self.project)
            .text(&self.service)
            .number(self.created.unwrap_or(-1));
        for (key, value) in &self.labels {
            mark = mark.text(key).text(value);
        }
        mark.column()
    }
}

pub(super) fn life_mark(container: i64, saved: Option<&str>, known: &str) -> i64 {
    Mark::new().number(container).text(saved.unwrap_or("")).text(known).column()
}
