//! Series, figures and ranks.

use std::collections::BTreeMap;
use std::io::Write;

use plimsoll_model::catalog::Unit;
use plimsoll_model::{Family, Kind, Scale};
use plimsoll_store::{
    Aggregate, AggregateAnswer, AggregateQuery, Function, History, Line, Millis, Range, Rank, SeriesAnswer,
    SeriesQuery, TopAnswer, TopQuery,
};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::body::Out;
use super::failure::Failure;
use super::parameters::{Asked, FUNCTIONS, RANKS, USUAL_TOP};

/// The largest whole number up to which all have a float of their own.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A number as short as it can be: whole ones without a point, what is no number as `null`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Number(pub(super) f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.fract() == 0.0 && self.0.abs() <= EXACT {
            #[expect(clippy::cast_possible_truncation, reason = "it is whole and in bounds")]
            let whole = self.0 as i64;
            serializer.serialize_i64(whole)
        } else {
            // Infinities and what is no number become `null` here.
            serializer.serialize_f64(self.0)
        }
    }
}

/// A stored integer in its family's unit.
pub(super) fn in_unit(family: &Family, value: u64) -> Number {
    #[expect(clippy::cast_precision_loss, reason = "JSON's numbers are floats for most who read them")]
    let value = value as f64;
    Number(match family.scale {
        Scale::One => value,
        Scale::Nano => value / 1e9,
    })
}

/// Labels, which are pairs in the answers of the history.
pub(super) struct Labels<'a>(pub(super) &'a [(String, String)]);

impl Serialize for Labels<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

struct Values<'a>(&'a [Option<f64>]);

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|value| value.map(Number)))
    }
}

/// Whose numbers they are, in short.
#[derive(serde::Serialize)]
struct Whose<'a> {
    line: u32,
    name: &'a str,
    engine: &'a str,
    /// The last container of the line.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<&'a str>,
    /// When each container of the line but the first took over.
    seams: Vec<Millis>,
}

impl<'a> From<&'a Line> for Whose<'a> {
    fn from(line: &'a Line) -> Self {
        let last = line.containers.last();
        Self {
            line: line.id,
            name: &line.name,
            engine: &line.engine,
            id: last.map(|member| &*member.id),
            image: last.map(|member| &*member.image),
            seams: line.containers.iter().skip(1).map(|member| member.since).collect(),
        }
    }
}

/// What a metric is.
#[derive(serde::Serialize)]
pub(super) struct Metric {
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    pub(super) unit: &'static str,
    pub(super) help: &'static str,
}

impl From<&'static Family> for Metric {
    fn from(family: &'static Family) -> Self {
        let kind = match family.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Info => "info",
            Kind::Untyped => "untyped",
        };
        Self { name: family.name, kind, unit: family.unit.word(), help: family.help }
    }
}

/// The metrics of an answer, each once.
fn metrics(families: impl Iterator<Item = &'static Family>) -> Vec<Metric> {
    let named: BTreeMap<&str, &'static Family> = families.map(|family| (family.name, family)).collect();
    named.into_values().map(Metric::from).collect()
}

/// The unit of a rate.
fn a_second(unit: Unit) -> String {
    match unit {
        Unit::None => "per second".to_owned(),
        // Processor seconds a second are cores.
        Unit::Seconds => "seconds per second".to_owned(),
        unit => format!("{} per second", unit.word()),
    }
}

fn unit_of(family: &Family, function: Function) -> String {
    match function {
        Function::Rate => a_second(family.unit),
        Function::Count => "samples".to_owned(),
        _ => family.unit.word().to_owned(),
    }
}

fn name_of<T: PartialEq>(names: &[(&'static str, T)], value: &T) -> &'static str {
    names.iter().find(|(_, known)| known == value).map_or("", |(name, _)| name)
}

pub(super) fn series(history: &History, asked: &Asked, out: &mut Out) -> Result<(), Failure> {
    let answer = history.series(&SeriesQuery {
        selector: asked.selector.clone(),
        metrics: asked.metrics.clone(),
        range: asked.range(),
        step: asked.step,
        function: asked.function,
    })?;
    write_series(&answer, out)
}

pub(super) fn write_series(answer: &SeriesAnswer, out: &mut impl Write) -> Result<(), Failure> {
    #[derive(serde::Serialize)]
    struct Json<'a> {
        from: Millis,
        step: Millis,
        tier: &'static str,
        containers: Vec<Whose<'a>>,
        metrics: Vec<Metric>,
        series: Vec<One<'a>>,
    }
    #[derive(serde::Serialize)]
    struct One<'a> {
        /// A position in `containers`.
        container: usize,
        metric: &'static str,
        labels: Labels<'a>,
        function: &'static str,
        unit: String,
        values: Values<'a>,
    }
    let series = answer.series.iter().map(|series| One {
        container: series.line,
        metric: series.family.name,
        labels: Labels(&series.labels),
        function: name_of(FUNCTIONS, &series.function),
        unit: unit_of(series.family, series.function),
        values: Values(&series.points),
    });
    let json = Json {
        from: answer.from,
        step: answer.step,
        tier: answer.tier.name(),
        containers: answer.lines.iter().map(Whose::from).collect(),
        metrics: metrics(answer.series.iter().map(|series| series.family)),
        series: series.collect(),
    };
    Ok(serde_json::to_writer(out, &json)?)
}

pub(super) fn aggregate(history: &History, asked: &Asked, out: &mut Out) -> Result<(), Failure> {
    let query = AggregateQuery {
        selector: asked.selector.clone(),
        metrics: asked.metrics.clone(),
        range: asked.range(),
    };
    write_aggregate(&history.aggregate(&query)?, query.range, out)
}

/// Figures of one series.
struct Figures<'a>(&'a Aggregate);

impl Serialize for Figures<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(figures) = self;
        let is_counter = figures.family.kind == Kind::Counter;
        let function = if is_counter { Function::Rate } else { Function::Last };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("metric", figures.family.name)?;
        map.serialize_entry("labels", &Labels(&figures.labels))?;
        map.serialize_entry("unit", &unit_of(figures.family, function))?;
        map.serialize_entry("samples", &figures.samples)?;
        let [p50, p90, p95, p99] = figures.percentiles;
        for (name, value) in [
            ("min", figures.min),
            ("max", figures.max),
            ("mean", figures.mean),
            ("last", figures.last),
            ("p50", p50),
            ("p90", p90),
            ("p95", p95),
            ("p99", p99),
        ] {
            map.serialize_entry(name, &Number(value))?;
        }
        if let Some(increase) = figures.increase {
            map.serialize_entry("increase", &Number(increase))?;
        }
        map.end()
    }
}

pub(super) fn write_aggregate(
    answer: &AggregateAnswer,
    range: Range,
    out: &mut impl Write,
) -> Result<(), Failure> {
    #[derive(serde::Serialize)]
    struct Json<'a> {
        from: Millis,
        until: Millis,
        tier: &'static str,
        metrics: Vec<Metric>,
        containers: Vec<Of<'a>>,
    }
    #[derive(serde::Serialize)]
    struct Of<'a> {
        #[serde(flatten)]
        whose: Whose<'a>,
        figures: Vec<Figures<'a>>,
    }
    let all = answer.lines.iter().flat_map(|(_, figures)| figures);
    let containers = answer
        .lines
        .iter()
        .map(|(line, figures)| Of { whose: line.into(), figures: figures.iter().map(Figures).collect() });
    let json = Json {
        from: range.from,
        until: range.until,
        tier: answer.tier.name(),
        metrics: metrics(all.map(|figures| figures.family)),
        containers: containers.collect(),
    };
    Ok(serde_json::to_writer(out, &json)?)
}

pub(super) fn top(history: &History, asked: &Asked, out: &mut Out) -> Result<(), Failure> {
    let query = TopQuery {
        selector: asked.selector.clone(),
        metric: asked.metrics.first().cloned().unwrap_or_default(),
        range: asked.range(),
        rank: asked.rank,
        count: asked.count.unwrap_or(USUAL_TOP),
    };
    write_top(&history.top(&query)?, query.range, query.rank, out)
}

pub(super) fn write_top(
    answer: &TopAnswer,
    range: Range,
    rank: Rank,
    out: &mut impl Write,
) -> Result<(), Failure> {
    #[derive(serde::Serialize)]
    struct Json<'a> {
        from: Millis,
        until: Millis,
        tier: &'static str,
        metric: Metric,
        rank: &'static str,
        unit: String,
        containers: Vec<Ranked<'a>>,
    }
    #[derive(serde::Serialize)]
    struct Ranked<'a> {
        #[serde(flatten)]
        whose: Whose<'a>,
        value: Number,
    }
    let is_rate = answer.family.kind == Kind::Counter && rank != Rank::Increase;
    let containers =
        answer.lines.iter().map(|(line, value)| Ranked { whose: line.into(), value: Number(*value) });
    let json = Json {
        from: range.from,
        until: range.until,
        tier: answer.tier.name(),
        metric: answer.family.into(),
        rank: name_of(RANKS, &rank),
        unit: unit_of(answer.family, if is_rate { Function::Rate } else { Function::Last }),
        containers: containers.collect(),
    };
    Ok(serde_json::to_writer(out, &json)?)
}
