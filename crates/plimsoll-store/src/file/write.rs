//! Writing a history file. Everything that belongs together is one transaction.

use std::collections::BTreeMap;

use plimsoll_model::Container;
use rusqlite::{OptionalExtension as _, params};

use super::File;
use super::read::{BlockHead, ContainerRecord, EventRecord, LineRecord, SeriesRecord, life_mark};
use crate::block::Sealed;
use crate::error::{Error, writing};
use crate::identity;
use crate::{Millis, Tier, events};

impl File {
    /// Does all of `work` or nothing.
    pub(crate) fn transaction<T>(&self, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        let run = |sql| self.connection().execute_batch(sql).map_err(writing(self.path()));
        run("BEGIN IMMEDIATE")?;
        let done = work().and_then(|done| run("COMMIT").map(|()| done));
        if done.is_err() {
            // SQLite itself rolls back where the disk is full; then there is nothing left to do.
            let _ = self.connection().execute_batch("ROLLBACK");
        }
        done
    }

    /// Runs a statement.
    pub(crate) fn run(&self, sql: &str, parameters: impl rusqlite::Params) -> Result<usize, Error> {
        let run = || self.connection().prepare_cached(sql)?.execute(parameters);
        run().map_err(writing(self.path()))
    }

    /// Adds the name of a series.
    pub(crate) fn put_series(&self, record: &SeriesRecord) -> Result<(), Error> {
        let labels = serde_json::json!(record.labels).to_string();
        let id = i64::from(record.id);
        let mark = SeriesRecord::mark(id, &record.metric, &labels);
        // A row of the same name is there only if it was damaged when the file was opened.
        self.run(
            "INSERT OR REPLACE INTO series(id, metric, labels, mark) VALUES (?1, ?2, ?3, ?4)",
            params![id, record.metric, labels, mark],
        )?;
        Ok(())
    }

    /// Adds a container or brings it up to date, and its line. `at` is when it was found to be like this.
    pub(crate) fn put_container(
        &self,
        id: u32,
        container: &Container,
        created: Option<Millis>,
        at: Millis,
    ) -> Result<(), Error> {
        let (project, service) = identity::compose(container);
        let labels = self.label_set(&container.labels)?;
        let first_seen = || -> rusqlite::Result<Option<Millis>> {
            let mut statement =
                self.connection().prepare_cached("SELECT first_seen FROM containers WHERE id = ?1")?;
            statement.query_row(params![id], |row| row.get(0)).optional()
        };
        let first_seen = first_seen().map_err(writing(self.path()))?;
        let record = ContainerRecord {
            id,
            engine: container.engine.to_string(),
            container: container.id.clone(),
            name: container.display_name().to_owned(),
            image: container.image.clone(),
            image_id: container.image_id.clone(),
            labels: container.labels.clone(),
            project: project.to_owned(),
            service: service.to_owned(),
            created,
            first_seen: first_seen.unwrap_or(at),
            last_seen: at,
        };
        self.run(
            "INSERT OR REPLACE INTO containers(id, engine, container, name, image, image_id, labels, project, service, \
             created, first_seen, last_seen, mark) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
            params![
                id,
                record.engine,
                record.container,
                record.name,
                record.image,
                record.image_id,
                labels,
                record.project,
                record.service,
                record.created,
                record.first_seen,
                record.last_seen,
                record.mark()
            ],
        )?;
        self.put_span(id, &record.engine, &identity::line_key(container), at)
    }

    /// Says that a container belongs to a line from now on, if it did not yet.
    fn put_span(&self, container: u32, engine: &str, key: &str, at: Millis) -> Result<(), Error> {
        let find = || -> rusqlite::Result<(Option<i64>, Option<i64>)> {
            let line = self
                .connection()
                .prepare_cached("SELECT id FROM lines WHERE engine = ?1 AND key = ?2")?
                .query_row(params![engine, key], |row| row.get(0))
                .optional()?;
            let present = self
                .connection()
                .prepare_cached("SELECT line FROM spans WHERE container = ?1 ORDER BY since DESC LIMIT 1")?
                .query_row(params![container], |row| row.get(0))
                .optional()?;
            Ok((line, present))
        };
        let (line, present) = find().map_err(writing(self.path()))?;
        let line = match line {
            Some(line) => line,
            None => {
                let id = self.number("SELECT coalesce(max(id), 0) + 1 FROM lines")?;
                let mark = LineRecord::mark(id, engine, key);
                self.run(
                    "INSERT INTO lines(id, engine, key, mark) VALUES (?1, ?2, ?3, ?4)",
                    params![id, engine, key, mark],
                )?;
                id
            }
        };
        if present != Some(line) {
            self.run(
                "INSERT OR REPLACE INTO spans(container, since, line) VALUES (?1, ?2, ?3)",
                params![container, at, line],
            )?;
        }
        Ok(())
    }

    /// The number of a set of engine labels.
    fn label_set(&self, labels: &BTreeMap<String, String>) -> Result<i64, Error> {
        let text = serde_json::json!(labels).to_string();
        let find = || -> rusqlite::Result<Option<i64>> {
            let mut statement =
                self.connection().prepare_cached("SELECT id FROM label_sets WHERE labels = ?1")?;
            statement.query_row(params![text], |row| row.get(0)).optional()
        };
        if let Some(id) = find().map_err(writing(self.path()))? {
            return Ok(id);
        }
        self.run("INSERT INTO label_sets(labels) VALUES (?1)", params![text])?;
        Ok(self.connection().last_insert_rowid())
    }

    /// Notes when a container was seen. It can be earlier than ever before, where the clock was set back.
    pub(crate) fn touch_container(&self, id: u32, first: Millis, last: Millis) -> Result<(), Error> {
        self.run(
            "UPDATE containers SET first_seen = min(first_seen, ?2), last_seen = max(last_seen, ?3) WHERE id = ?1",
            params![id, first, last],
        )?;
        Ok(())
    }

    /// Adds a sealed block.
    pub(crate) fn put_block(&self, tier: Tier, container: u32, sealed: &Sealed) -> Result<BlockHead, Error> {
        self.run("INSERT INTO data(bytes) VALUES (?1)", params![sealed.bytes])?;
        let head = head_of(tier, container, sealed, self.connection().last_insert_rowid());
        self.put_head(&head)?;
        Ok(head)
    }

    /// Puts a block that has grown in the place of what it was.
    pub(crate) fn replace_block(&self, old: &BlockHead, sealed: &Sealed) -> Result<BlockHead, Error> {
        self.run("UPDATE data SET bytes = ?2 WHERE id = ?1", params![old.data, sealed.bytes])?;
        let head = head_of(old.tier, old.container, sealed, old.data);
        if old.first != head.first {
            self.forget_head(old)?;
        }
        self.put_head(&head)?;
        Ok(head)
    }

    /// Removes a block.
    pub(crate) fn delete_block(&self, head: &BlockHead) -> Result<(), Error> {
        self.run("DELETE FROM data WHERE id = ?1", params![head.data])?;
        self.forget_head(head)
    }

    fn forget_head(&self, head: &BlockHead) -> Result<(), Error> {
        self.run(
            "DELETE FROM blocks WHERE tier = ?1 AND container = ?2 AND first = ?3 AND data = ?4",
            params![head.tier as u8, head.container, head.first, head.data],
        )?;
        Ok(())
    }

    fn put_head(&self, head: &BlockHead) -> Result<(), Error> {
        self.run(
            "INSERT OR REPLACE INTO blocks(tier, container, first, last, samples, vals, bytes, data, mark) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![
                head.tier as u8,
                head.container,
                head.first,
                head.last,
                head.samples,
                head.values.cast_signed(),
                head.bytes.cast_signed(),
                head.data,
                head.mark()
            ],
        )?;
        Ok(())
    }

    /// Adds a record of the journal and gives its number.
    pub(crate) fn put_journal(&self, bytes: &[u8]) -> Result<i64, Error> {
        self.run("INSERT INTO journal(bytes) VALUES (?1)", params![bytes])?;
        Ok(self.connection().last_insert_rowid())
    }

    /// Removes the records of the journal up to this one.
    pub(crate) fn delete_journal(&self, until: i64) -> Result<(), Error> {
        self.run("DELETE FROM journal WHERE id <= ?1", params![until])?;
        Ok(())
    }

    /// Adds an event.
    pub(crate) fn put_event(&self, event: &EventRecord) -> Result<(), Error> {
        let (kind, detail) = (event.what.word(), events::detail(&event.what));
        let mark = EventRecord::mark(event.at, event.container, &event.name, kind, &detail);
        self.run(
            "INSERT INTO events(at, container, name, kind, detail, mark) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![event.at, event.container, event.name, kind, detail, mark],
        )?;
        Ok(())
    }

    /// Keeps a container's life.
    pub(crate) fn put_life(&self, container: u32, saved: Option<&str>, known: &str) -> Result<(), Error> {
        let mark = life_mark(i64::from(container), saved, known);
        self.run(
            "INSERT OR REPLACE INTO lives(container, saved, known, mark) VALUES (?1, ?2, ?3, ?4)",
            params![container, saved, known, mark],
        )?;
        Ok(())
    }

    /// Forgets the life of a container that was removed.
    pub(crate) fn delete_life(&self, container: u32) -> Result<(), Error> {
        self.run("DELETE FROM lives WHERE container = ?1", params![container])?;
        Ok(())
    }

    /// Gives pages that are free back to the file system, at most so many.
    pub(crate) fn give_back(&self, pages: u32) -> Result<(), Error> {
        let vacuum = || {
            let mut statement = self.connection().prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
            // Each page is a step, with a row of nothing.
            let mut given = statement.query([])?;
            while given.next()?.is_some() {}
            Ok(())
        };
        vacuum().map_err(writing(self.path()))
    }

    /// Brings the log into the file. What a reader still looks at stays for the next time.
    pub(crate) fn checkpoint(&self) -> Result<(), Error> {
        let checkpoint = || self.connection().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        checkpoint().map_err(writing(self.path()))
    }
}

fn head_of(tier: Tier, container: u32, sealed: &Sealed, data: i64) -> BlockHead {
    BlockHead {
        tier,
        container,
        first: sealed.first,
        last: sealed.last,
        samples: sealed.samples,
        values: sealed.values,
        bytes: sealed.bytes.len() as u64,
        data,
    }
}
