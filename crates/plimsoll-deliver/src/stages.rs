//! The way of a point, by its stages: **parse → validate → transform → batch → store**. Each hands on what it accepts, and names
//! what it does not by reason in the account.
//!
//! Parsing makes points: a schema from a snapshot, a parser from text of somebody else. Validating holds them to what every
//! target can take. Transforming chooses and relabels. Batching encodes. Storing queues what is closed.

use std::sync::Arc;

use plimsoll_model::{Container, Selection, Snapshot};
use plimsoll_wire::point::{Point, Tally};
use plimsoll_wire::schema::default::DefaultSchema;
use plimsoll_wire::schema::prometheus::Prometheus;
use plimsoll_wire::schema::semconv::Semconv;
use plimsoll_wire::schema::telegraf::TelegrafDocker;
use tokio::time::Instant;

use crate::batch::{Batcher, Bounds, Closed};
use crate::config::{Compression, FileFormat, MAX_POINTS, Schema, TargetConfig, TargetKind};
use crate::format::{Coding, Content, Format};
use crate::transform::{Series, Transform};
use plimsoll_wire::remote_write::Version;

/// What all targets of an agent have in common.
#[derive(Clone, Debug, Default)]
pub struct Common {
    /// Which families the schema `prometheus` and `semconv` show.
    pub selection: Selection,
    /// The machine's name: the tag `host` of line protocol, the resource of OTLP, the label `instance` of remote write.
    pub host: String,
    /// The program's version.
    pub version: &'static str,
}

/// From snapshots to points.
#[derive(Debug)]
enum Parser {
    Default(DefaultSchema),
    Telegraf(TelegrafDocker),
    Prometheus(Prometheus),
    Semconv(Semconv),
}

impl Parser {
    fn new(schema: Schema) -> Self {
        match schema {
            Schema::Default => Self::Default(DefaultSchema::default()),
            Schema::TelegrafDocker => Self::Telegraf(TelegrafDocker::default()),
            Schema::Prometheus => Self::Prometheus(Prometheus::default()),
            Schema::Semconv => Self::Semconv(Semconv::default()),
        }
    }
}

/// The first four stages of one target.
#[derive(Debug)]
pub struct Stages {
    parser: Parser,
    selection: Selection,
    transform: Transform,
    /// For points of somebody else, which do not come from this machine: only what the configuration says is added to them.
    others: Transform,
    /// The series that there were, for formats that can tell of their end.
    series: Option<Series>,
    batcher: Batcher,
    /// Every how many ticks points are taken, and how many came since the last.
    every: u64,
    ticks: u64,
}

/// The longest name or value of a tag that is taken in, in bytes.
const MAX_TEXT: usize = 64 * 1024;
/// The most tags and fields of a point.
const MAX_PARTS: usize = 1024;

impl Stages {
    /// The stages of a target.
    #[must_use]
    pub fn new(config: &TargetConfig, common: &Common) -> Self {
        let format = format_of(config);
        let mut choice = config.choice.clone();
        for (label, value) in usual_tags(config.kind, config.schema(), common) {
            if !choice.tags.iter().any(|(name, _)| name == label) {
                choice.tags.push((label.to_owned(), value.to_owned()));
            }
        }
        let has_ends = matches!(format.content, Content::RemoteWrite(_) | Content::Otlp);
        Self {
            parser: Parser::new(config.schema()),
            selection: common.selection.clone(),
            transform: Transform::new(choice),
            others: Transform::new(config.choice.clone()),
            series: has_ends.then(Series::default),
            batcher: Batcher::new(format, bounds_of(config), resource_of(common)),
            every: config.every.max(1),
            ticks: 0,
        }
    }

    /// The batch that is being filled.
    #[must_use]
    pub fn batcher(&self) -> &Batcher {
        &self.batcher
    }

    /// The batch that is being filled.
    pub fn batcher_mut(&mut self) -> &mut Batcher {
        &mut self.batcher
    }

    /// Writes remote write 1.0 from the next batch on. The one that is being filled has to be closed before.
    pub fn use_version_1(&mut self, config: &TargetConfig) {
        let format = Format { content: Content::RemoteWrite(Version::V1), coding: Coding::Snappy };
        self.batcher = Batcher::new(format, bounds_of(config), Vec::new());
    }

    /// Takes a tick through the stages. Batches that are full go to `closed`.
    pub fn take(&mut self, snapshot: &Snapshot, now: Instant, tally: &mut Tally, closed: &mut Vec<Closed>) {
        self.ticks += 1;
        if !(self.ticks - 1).is_multiple_of(self.every) {
            return;
        }
        let Self { parser, selection, transform, series, batcher, .. } = self;
        if let Some(series) = series {
            series.begin();
        }
        // Filters on containers have to be asked while the filters on points are in use.
        let choice = Arc::clone(transform.choice());
        let wants = |container: &Container| choice.wants(container);
        let mut each =
            |point: &mut Point| pass(point, transform, series.as_mut(), batcher, now, tally, closed);
        match parser {
            Parser::Default(schema) => schema.points(snapshot, &wants, &mut each),
            Parser::Telegraf(schema) => schema.points(snapshot, &wants, &mut each),
            Parser::Prometheus(schema) => schema.points(snapshot, selection, &wants, &mut each),
            Parser::Semconv(schema) => schema.points(snapshot, selection, &wants, &mut each),
        }
        if let Some(series) = series {
            let at = i64::try_from(snapshot.at).unwrap_or(i64::MAX);
            series.end(at, &mut |point| add(point, batcher, now, tally, closed));
        }
    }

    /// Takes a point of somebody else through the stages. It says itself where it comes from: no host is added to it.
    pub fn take_point(
        &mut self,
        point: &mut Point,
        now: Instant,
        tally: &mut Tally,
        closed: &mut Vec<Closed>,
    ) {
        pass(point, &mut self.others, None, &mut self.batcher, now, tally, closed);
    }
}

fn pass(
    point: &mut Point,
    transform: &mut Transform,
    series: Option<&mut Series>,
    batcher: &mut Batcher,
    now: Instant,
    tally: &mut Tally,
    closed: &mut Vec<Closed>,
) {
    if let Err(reason) = validate(point) {
        tally.refuse(reason);
        return;
    }
    if !transform.apply(point) {
        return;
    }
    if let Some(series) = series {
        series.seen(point);
    }
    add(point, batcher, now, tally, closed);
}

fn add(point: &Point, batcher: &mut Batcher, now: Instant, tally: &mut Tally, closed: &mut Vec<Closed>) {
    batcher.push(point, now, tally);
    closed.extend(batcher.close_due(now));
}

/// Holds a point to what every target can take.
///
/// # Errors
/// The reason why it is not taken.
pub fn validate(point: &Point) -> Result<(), &'static str> {
    if point.measurement().is_empty() {
        return Err("no_measurement");
    }
    if point.fields().len() == 0 {
        return Err("no_fields");
    }
    if point.tags().len() + point.fields().len() > MAX_PARTS {
        return Err("too_many_parts");
    }
    let is_long = |text: &str| text.len() > MAX_TEXT;
    if is_long(point.measurement())
        || point.tags().any(|(name, value)| is_long(name) || is_long(value))
        || point.fields().any(|field| is_long(field.name))
    {
        return Err("too_long");
    }
    Ok(())
}

/// The tags that say on which machine a point was taken, as the target's other points have them.
fn usual_tags(kind: TargetKind, schema: Schema, common: &Common) -> Vec<(&'static str, &str)> {
    match (kind, schema) {
        // There the resource says it.
        (TargetKind::Otlp, _) => Vec::new(),
        // What a scrape would add.
        (TargetKind::RemoteWrite, Schema::Prometheus) => {
            vec![("instance", &common.host), ("job", "plimsoll")]
        }
        (_, Schema::TelegrafDocker) => vec![("engine_host", &common.host)],
        _ => vec![("host", &common.host)],
    }
}

fn resource_of(common: &Common) -> Vec<(String, String)> {
    let pairs = [
        ("service.name", "plimsoll"),
        // What is told of one machine must not be taken for another's.
        ("service.instance.id", &*common.host),
        ("service.version", common.version),
        ("host.name", &common.host),
    ];
    let told = pairs.iter().filter(|(_, value)| !value.is_empty());
    told.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn bounds_of(config: &TargetConfig) -> Bounds {
    // A batch is what gives way in a queue that is full, so it must not be much of it.
    let unhurried = MAX_POINTS.min(config.queue_points / 20).max(config.max_points);
    Bounds { points: config.max_points, bytes: config.max_bytes, wait: config.max_wait, unhurried }
}

/// What a target's batches are written in.
#[must_use]
pub fn format_of(config: &TargetConfig) -> Format {
    let content = match config.kind {
        TargetKind::RemoteWrite if config.remote_write == crate::config::RemoteWriteVersion::V1 => {
            Content::RemoteWrite(Version::V1)
        }
        TargetKind::RemoteWrite => Content::RemoteWrite(Version::V2),
        TargetKind::Otlp => Content::Otlp,
        TargetKind::File | TargetKind::Stdout if config.format == FileFormat::Json => Content::Json,
        _ => Content::Lines(config.precision),
    };
    let usual = match config.kind {
        TargetKind::File | TargetKind::Stdout | TargetKind::Nats => Compression::None,
        _ => Compression::Gzip,
    };
    let coding = match (config.kind, config.compression.unwrap_or(usual)) {
        (TargetKind::RemoteWrite, _) => Coding::Snappy,
        // What somebody reads is not compressed.
        (TargetKind::File | TargetKind::Stdout, _) | (_, Compression::None) => Coding::None,
        (_, Compression::Gzip) => Coding::Gzip,
        (_, Compression::Zstd) => Coding::Zstd,
    };
    Format { content, coding }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prometheus and those like it make the labels `job` and `instance` of these two, and would take the machines' processors
    /// for one another's without the second.
    #[test]
    fn the_resource_tells_machines_apart() {
        let common = Common { host: "node-7".to_owned(), version: "1.2.3", ..Common::default() };
        let resource = resource_of(&common);
        let value =
            |name: &str| resource.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        assert_eq!(value("service.name"), Some("plimsoll"));
        assert_eq!(value("service.instance.id"), Some("node-7"));
        assert_eq!(value("host.name"), Some("node-7"));
        let unknown = resource_of(&Common::default());
        assert!(unknown.iter().all(|(_, value)| !value.is_empty()), "{unknown:?}");
    }
}
