//! Who there is and was, what happened, and what the history holds.

use std::collections::BTreeMap;

use plimsoll_model::catalog::Profile;
use plimsoll_model::{Family, Selection, Sink};
use plimsoll_store::{
    Event, EventQuery, Happening, History, Line, Member, Millis, Range, SeriesCost, Summary,
};
use serde::Serialize;

use super::body::Out;
use super::failure::Failure;
use super::numbers::{Metric, Number, in_unit};
use super::parameters::{Asked, USUAL_EVENTS};

/// The events that the answer about one container has.
const RECENT_EVENTS: usize = 100;

/// Every moment.
const EVER: Range = Range { from: 0, until: Millis::MAX };

#[derive(Serialize)]
struct Containers<'a> {
    from: Millis,
    until: Millis,
    containers: Vec<Whole<'a>>,
}

/// A line with all that is known of it.
#[derive(Serialize)]
pub(super) struct Whole<'a> {
    line: u32,
    name: &'a str,
    engine: &'a str,
    members: Vec<Who<'a>>,
}

#[derive(Serialize)]
struct Who<'a> {
    id: &'a str,
    name: &'a str,
    image: &'a str,
    labels: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<Millis>,
    since: Millis,
    last: Millis,
}

impl<'a> From<&'a Line> for Whole<'a> {
    fn from(line: &'a Line) -> Self {
        let members = line.containers.iter().map(Who::from).collect();
        Self { line: line.id, name: &line.name, engine: &line.engine, members }
    }
}

impl<'a> From<&'a Member> for Who<'a> {
    fn from(member: &'a Member) -> Self {
        Self {
            id: &member.id,
            name: &member.name,
            image: &member.image,
            labels: &member.labels,
            created: member.created,
            since: member.since,
            last: member.last,
        }
    }
}

pub(super) fn containers(history: &History, asked: &Asked, out: &mut Out) -> Result<(), Failure> {
    let range = asked.range();
    let lines = history.containers(&asked.selector, range)?;
    write_containers(&lines, range, out)
}

pub(super) fn write_containers(
    lines: &[Line],
    range: Range,
    out: &mut impl std::io::Write,
) -> Result<(), Failure> {
    let containers = lines.iter().map(Whole::from).collect();
    Ok(serde_json::to_writer(out, &Containers { from: range.from, until: range.until, containers })?)
}

#[derive(Serialize)]
struct Container<'a> {
    #[serde(flatten)]
    line: Whole<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<Last<'a>>,
    metrics: Vec<Cost<'a>>,
    events: Vec<Happened<'a>>,
}

/// The last numbers of a container.
#[derive(Serialize)]
struct Last<'a> {
    at: Millis,
    values: &'a [Value],
}

/// A number.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Value {
    metric: &'static str,
    labels: BTreeMap<String, String>,
    value: Number,
}

/// What a metric of a container costs.
#[derive(Serialize)]
struct Cost<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'static str>,
    series: u64,
    values: u64,
    bytes: u64,
}

impl<'a> From<&'a SeriesCost> for Cost<'a> {
    fn from(cost: &'a SeriesCost) -> Self {
        // A metric of an older version may be in the catalog no more.
        let metric = Family::by_name(&cost.metric).map(Metric::from);
        Self {
            name: &cost.metric,
            kind: metric.as_ref().map(|metric| metric.kind),
            unit: metric.as_ref().map(|metric| metric.unit),
            help: metric.as_ref().map(|metric| metric.help),
            series: cost.series,
            values: cost.values,
            bytes: cost.bytes,
        }
    }
}

pub(super) fn container(history: &History, asked: &Asked, out: &mut Out) -> Result<(), Failure> {
    let lines = history.containers(&asked.selector, EVER)?;
    // A container that was renamed is in the lines of both names: the last is the one that it has.
    let latest = |line: &&Line| line.containers.last().map(|member| member.last);
    let Some(line) = lines.iter().max_by_key(latest) else {
        // There are no samples of it, so there is nothing to tell.
        let asked = asked.selector.container.clone().unwrap_or_default();
        return Err(plimsoll_store::Error::NoSuchContainer { asked, nearest: Vec::new() }.into());
    };
    if lines.iter().any(|other| other.engine != line.engine) {
        let message =
            "several engines have a container of that name; give the parameter engine too, or the id";
        let nearest = lines.iter().map(|line| line.engine.clone()).collect();
        return Err(Failure::Question { message: message.to_owned(), nearest });
    }
    let costs = history.costs(&asked.selector)?;
    let events = history.events(&EventQuery {
        selector: asked.selector.clone(),
        range: EVER,
        count: RECENT_EVENTS,
    })?;
    let last = match line.containers.last() {
        Some(member) => Some((member.last, last_values(history, member)?)),
        None => None,
    };
    write_container(line, last.as_ref().map(|(at, values)| (*at, &**values)), &costs, &events, out)
}

pub(super) fn write_container(
    line: &Line,
    last: Option<(Millis, &[Value])>,
    costs: &[SeriesCost],
    events: &[Event],
    out: &mut impl std::io::Write,
) -> Result<(), Failure> {
    let answer = Container {
        line: line.into(),
        last: last.map(|(at, values)| Last { at, values }),
        metrics: costs.iter().map(Cost::from).collect(),
        events: events.iter().map(Happened::from).collect(),
    };
    Ok(serde_json::to_writer(out, &answer)?)
}

/// Every number of a container at its last sample, the derived ones included.
fn last_values(history: &History, member: &Member) -> Result<Vec<Value>, Failure> {
    let mut snapshot = history.at(member.last)?;
    snapshot.containers.retain(|row| *row.container.id == *member.id);
    let mut values = Values::default();
    snapshot.visit(&Selection::of_profile(Profile::Full), &mut values);
    Ok(values.taken)
}

/// Takes the numbers of containers.
#[derive(Default)]
struct Values {
    family: Option<&'static Family>,
    labels: BTreeMap<String, String>,
    taken: Vec<Value>,
}

impl Sink for Values {
    fn family(&mut self, family: &'static Family) {
        self.family = Some(family).filter(|family| family.kind != plimsoll_model::Kind::Info);
    }

    fn labels(&mut self, names: &[&str], values: &[&str]) {
        let pairs = names.iter().zip(values).filter(|(_, value)| !value.is_empty());
        self.labels = pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    }

    fn sample(&mut self, container: Option<usize>, value: u64, _: Option<u64>) {
        if let (Some(family), Some(_)) = (self.family, container) {
            let labels = self.labels.clone();
            self.taken.push(Value { metric: family.name, labels, value: in_unit(family, value) });
        }
    }
}

#[derive(Serialize)]
struct Events<'a> {
    from: Millis,
    until: Millis,
    more: bool,
    events: Vec<Happened<'a>>,
}

/// An event. What does not concern its kind is absent.
#[derive(Default, Serialize)]
struct Happened<'a> {
    at: Millis,
    id: &'a str,
    name: &'a str,
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    health: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    old_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metric: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Number>,
}

impl<'a> From<&'a Event> for Happened<'a> {
    fn from(event: &'a Event) -> Self {
        let plain = Self {
            at: event.at,
            id: &event.container,
            name: &event.name,
            event: event.what.word(),
            ..Self::default()
        };
        match &event.what {
            Happening::Restarted { count } | Happening::OomKilled { count } => {
                Self { count: Some(*count), ..plain }
            }
            Happening::Exited { code, count } => Self { exit_code: *code, count: Some(*count), ..plain },
            Happening::Health { now } => Self { health: Some(now), ..plain },
            Happening::Renamed { from } => Self { old_name: Some(from), ..plain },
            Happening::Limit { metric, from, to } => {
                let limit = |value: &Option<u64>| Some(in_unit(Family::by_name(metric)?, (*value)?));
                Self { metric: Some(metric), before: limit(from), after: limit(to), ..plain }
            }
            Happening::Created
            | Happening::Started
            | Happening::Paused
            | Happening::Unpaused
            | Happening::Removed => plain,
        }
    }
}

pub(super) fn events(history: &History, asked: &Asked, out: &mut Out) -> Result<(), Failure> {
    let range = asked.range();
    let wanted = asked.count.unwrap_or(USUAL_EVENTS);
    // One more, to know whether there are more.
    let query = EventQuery { selector: asked.selector.clone(), range, count: wanted + 1 };
    let events = history.events(&query)?;
    write_events(&events, wanted, range, out)
}

pub(super) fn write_events(
    events: &[Event],
    wanted: usize,
    range: Range,
    out: &mut impl std::io::Write,
) -> Result<(), Failure> {
    let before = events.len().saturating_sub(wanted);
    let answer = Events {
        from: range.from,
        until: range.until,
        more: before > 0,
        events: events.iter().skip(before).map(Happened::from).collect(),
    };
    Ok(serde_json::to_writer(out, &answer)?)
}

#[derive(Serialize)]
struct Status {
    now: Millis,
    file_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_bytes: Option<u64>,
    free_bytes: u64,
    containers: u64,
    lines: u64,
    events: u64,
    series: u64,
    tiers: Vec<Kept>,
}

/// What a tier holds.
#[derive(Serialize)]
struct Kept {
    tier: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<Millis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<Millis>,
    blocks: u64,
    bytes: u64,
    values: u64,
}

pub(super) fn status(history: &History, asked: &Asked, out: &mut Out) -> Result<(), Failure> {
    write_status(&history.summary()?, asked.now, out)
}

pub(super) fn write_status(
    summary: &Summary,
    now: Millis,
    out: &mut impl std::io::Write,
) -> Result<(), Failure> {
    let tiers = summary.tiers.iter().map(|tier| Kept {
        tier: tier.tier.name(),
        first: tier.span.map(|(first, _)| first),
        last: tier.span.map(|(_, last)| last),
        blocks: tier.blocks,
        bytes: tier.bytes,
        values: tier.values,
    });
    let answer = Status {
        now,
        file_bytes: summary.file_bytes,
        max_bytes: summary.max_bytes,
        free_bytes: summary.free_bytes,
        containers: summary.containers,
        lines: summary.lines,
        events: summary.events,
        series: summary.series,
        tiers: tiers.collect(),
    };
    Ok(serde_json::to_writer(out, &answer)?)
}
