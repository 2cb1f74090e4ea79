//! The protobuf exposition, and the messages of `io.prometheus.client` that it consists of, as far as this
//! project uses them.
//!
//! The encoder does not build the messages: a scrape of a thousand containers would make some hundred
//! thousand of them, most of their bytes the same few labels. It renders each container's labels once and
//! puts the parts together, which the encoding allows. [`MetricFamily`] reads them back.
//!
//! ```
//! use plimsoll_model::{Selection, Snapshot};
//! use plimsoll_wire::prometheus::{Format, encode, protobuf::MetricFamily};
//! use prost::Message;
//!
//! let mut body = Vec::new();
//! encode(Format::Protobuf, &Snapshot::default(), &Selection::default(), &mut body);
//! let first = MetricFamily::decode_length_delimited(&body[..]).unwrap();
//! assert_eq!(first.name(), "process_start_time_seconds");
//! ```

use std::collections::HashMap;

use plimsoll_model::catalog::Shape;
use plimsoll_model::custom::{CustomFamily, CustomKind, CustomSample};
use plimsoll_model::text::{MAX_TEXT, bounded};
use plimsoll_model::{Family, Kind, Scale, Selection, Sink, Snapshot};
use prost::Message;

use super::custom::help;
use super::rows::{Identities, Seen, visit};
use super::unit_in_name;

/// What a family's values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum MetricType {
    /// Only grows.
    Counter = 0,
    /// Goes up and down.
    Gauge = 1,
    /// Quantiles.
    Summary = 2,
    /// Nobody says.
    Untyped = 3,
    /// Counts by upper bounds.
    Histogram = 4,
}

/// One label of a series.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct LabelPair {
    /// The label's name.
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    /// The label's value.
    #[prost(string, optional, tag = "2")]
    pub value: Option<String>,
}

/// `google.protobuf.Timestamp`.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Timestamp {
    /// Seconds of Unix time.
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    /// Nanoseconds after it.
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

/// The value of a gauge.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Gauge {
    /// The value.
    #[prost(double, optional, tag = "1")]
    pub value: Option<f64>,
}

/// The value of a counter.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Counter {
    /// The value.
    #[prost(double, optional, tag = "1")]
    pub value: Option<f64>,
    /// Since when it counts.
    #[prost(message, optional, tag = "3")]
    pub created_timestamp: Option<Timestamp>,
}

/// A value of which nobody says how it behaves.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Untyped {
    /// The value.
    #[prost(double, optional, tag = "1")]
    pub value: Option<f64>,
}

/// A quantile of what was observed.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Quantile {
    /// Which: 0 to 1.
    #[prost(double, optional, tag = "1")]
    pub quantile: Option<f64>,
    /// Its value.
    #[prost(double, optional, tag = "2")]
    pub value: Option<f64>,
}

/// What a summary says.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Summary {
    /// How often something was observed.
    #[prost(uint64, optional, tag = "1")]
    pub sample_count: Option<u64>,
    /// The sum of what was.
    #[prost(double, optional, tag = "2")]
    pub sample_sum: Option<f64>,
    /// Its quantiles.
    #[prost(message, repeated, tag = "3")]
    pub quantile: Vec<Quantile>,
}

/// How often something was observed that was no more than a bound.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Bucket {
    /// How often, that below lower bounds included.
    #[prost(uint64, optional, tag = "1")]
    pub cumulative_count: Option<u64>,
    /// The bound.
    #[prost(double, optional, tag = "2")]
    pub upper_bound: Option<f64>,
}

/// What a histogram with given bounds says.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Histogram {
    /// How often something was observed.
    #[prost(uint64, optional, tag = "1")]
    pub sample_count: Option<u64>,
    /// The sum of what was.
    #[prost(double, optional, tag = "2")]
    pub sample_sum: Option<f64>,
    /// Its buckets.
    #[prost(message, repeated, tag = "3")]
    pub bucket: Vec<Bucket>,
}

/// One series, or one histogram or summary.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Metric {
    /// Its labels.
    #[prost(message, repeated, tag = "1")]
    pub label: Vec<LabelPair>,
    /// Its value, if it is a gauge.
    #[prost(message, optional, tag = "2")]
    pub gauge: Option<Gauge>,
    /// Its value, if it is a counter.
    #[prost(message, optional, tag = "3")]
    pub counter: Option<Counter>,
    /// What it says, if it is a summary.
    #[prost(message, optional, tag = "4")]
    pub summary: Option<Summary>,
    /// Its value, if it is untyped.
    #[prost(message, optional, tag = "5")]
    pub untyped: Option<Untyped>,
    /// What it says, if it is a histogram.
    #[prost(message, optional, tag = "7")]
    pub histogram: Option<Histogram>,
}

/// One family with all of its series.
#[derive(Clone, PartialEq, prost::Message)]
pub struct MetricFamily {
    /// The name, `_total` included.
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    /// What it means.
    #[prost(string, optional, tag = "2")]
    pub help: Option<String>,
    /// What its values are.
    #[prost(enumeration = "MetricType", optional, tag = "3")]
    pub r#type: Option<i32>,
    /// The series.
    #[prost(message, repeated, tag = "4")]
    pub metric: Vec<Metric>,
    /// The unit, where the name ends in it.
    #[prost(string, optional, tag = "5")]
    pub unit: Option<String>,
}

/// Keys of fields: the field's number and the wire type, 2 for what has a length, 1 for a double.
const FAMILY_METRIC: u8 = (4 << 3) | 2;
const METRIC_LABEL: u8 = (1 << 3) | 2;
const METRIC_GAUGE: u8 = (2 << 3) | 2;
const METRIC_COUNTER: u8 = (3 << 3) | 2;
const METRIC_UNTYPED: u8 = (5 << 3) | 2;
const LABEL_NAME: u8 = (1 << 3) | 2;
const LABEL_VALUE: u8 = (2 << 3) | 2;
const NUMBER_VALUE: u8 = (1 << 3) | 1;
const COUNTER_CREATED: u8 = (3 << 3) | 2;

pub(super) fn encode(snapshot: &Snapshot, selection: &Selection, out: &mut Vec<u8>) {
    let identities = Identities::new(snapshot, selection.naming(), |labels, arena| {
        for (name, value) in labels {
            put_label(name, value, arena);
        }
    });
    let mut writer = Writer {
        out,
        identities,
        family: None,
        custom: None,
        body: Vec::new(),
        may_repeat: false,
        value: Vec::new(),
        labels: Vec::new(),
        seen: Seen::default(),
    };
    visit(snapshot, selection, &mut writer);
    writer.close();
}

struct Writer<'a> {
    out: &'a mut Vec<u8>,
    /// Each container's labels as fields of a [`Metric`].
    identities: Identities,
    family: Option<&'static Family>,
    /// The custom family.
    custom: Option<Custom>,
    /// The family's message so far; its length goes in front once it is known. Empty until a sample comes:
    /// what may not be shown leaves no header behind.
    body: Vec<u8>,
    may_repeat: bool,
    /// The value as a field of a [`Metric`].
    value: Vec<u8>,
    /// The family's own labels as fields of a [`Metric`].
    labels: Vec<u8>,
    seen: Seen,
}

/// The custom family that is written.
struct Custom {
    header: MetricFamily,
    kind: CustomKind,
    /// Histograms and summaries so far, which stand in several samples each: their labels as fields of a [`Metric`], and the rest
    /// of it. The samples of one usually come one after the other.
    whole: Vec<(Vec<u8>, Metric)>,
    places: HashMap<Vec<u8>, usize>,
}

impl Custom {
    /// The histogram or summary with these labels.
    fn whole(&mut self, labels: Vec<u8>) -> &mut Metric {
        let next = self.whole.len();
        let place = *self.places.entry(labels).or_insert_with_key(|labels| {
            self.whole.push((labels.clone(), Metric::default()));
            next
        });
        &mut self.whole[place].1
    }

    /// Adds a sample of a histogram or summary. `bound` is the value of its label `le` or `quantile`.
    fn add(&mut self, labels: Vec<u8>, suffix: &str, bound: Option<f64>, value: f64) {
        let kind = self.kind;
        let metric = self.whole(labels);
        if kind == CustomKind::Histogram {
            let histogram = metric.histogram.get_or_insert_default();
            match (suffix, bound) {
                ("_count", _) => histogram.sample_count = Some(count(value)),
                ("_sum", _) => histogram.sample_sum = Some(value),
                (_, upper_bound) => {
                    histogram.bucket.push(Bucket { cumulative_count: Some(count(value)), upper_bound });
                }
            }
        } else {
            let summary = metric.summary.get_or_insert_default();
            match (suffix, bound) {
                ("_count", _) => summary.sample_count = Some(count(value)),
                ("_sum", _) => summary.sample_sum = Some(value),
                (_, quantile) => summary.quantile.push(Quantile { quantile, value: Some(value) }),
            }
        }
    }
}

/// A count as the format has them.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the format has no other counts")]
fn count(value: f64) -> u64 {
    value.round() as u64
}

impl Sink for Writer<'_> {
    fn family(&mut self, family: &'static Family) {
        self.close();
        self.family = Some(family);
        self.may_repeat = !matches!(family.shape, Shape::Container(_));
        self.seen.clear();
    }

    fn labels(&mut self, names: &[&str], values: &[&str]) {
        self.labels.clear();
        for (name, value) in names.iter().zip(values) {
            put_label(name, value, &mut self.labels);
        }
    }

    fn sample(&mut self, container: Option<usize>, value: u64, start: Option<u64>) {
        let Some(family) = self.family else { return };
        let identity = match container {
            Some(row) => match self.identities.get(row) {
                Some(identity) => identity,
                None => return,
            },
            None => &[],
        };
        if self.may_repeat && !self.seen.is_new(container, &self.labels) {
            return;
        }
        if self.body.is_empty() {
            let kind = match family.kind {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge | Kind::Info => MetricType::Gauge,
                Kind::Untyped => MetricType::Untyped,
            };
            let header = MetricFamily {
                name: Some(family.name.to_owned()),
                help: Some(family.help.to_owned()),
                r#type: Some(kind.into()),
                ..MetricFamily::default()
            };
            put(&header, &mut self.body);
        }
        self.value.clear();
        put_value(family, value, start, &mut self.value);
        put_metric(identity, &self.labels, &self.value, &mut self.body);
    }

    fn custom_family(&mut self, family: &CustomFamily) {
        self.close();
        self.seen.clear();
        let kind = match family.kind {
            CustomKind::Counter => MetricType::Counter,
            CustomKind::Gauge => MetricType::Gauge,
            CustomKind::Histogram => MetricType::Histogram,
            CustomKind::Summary => MetricType::Summary,
            CustomKind::Untyped => MetricType::Untyped,
        };
        let header = MetricFamily {
            name: Some(family.name.clone()),
            help: Some(help(family).to_owned()),
            r#type: Some(kind.into()),
            ..MetricFamily::default()
        };
        self.custom = Some(Custom { header, kind: family.kind, whole: Vec::new(), places: HashMap::new() });
    }

    fn custom_sample(&mut self, container: Option<usize>, sample: &CustomSample) {
        let identity = container.map_or(Some(&[][..]), |row| self.identities.get(row));
        let (Some(custom), Some(identity)) = (&mut self.custom, identity) else { return };
        let bound_name = match (custom.kind, sample.suffix) {
            (CustomKind::Histogram, "_bucket") => "le",
            (CustomKind::Summary, "") => "quantile",
            _ => "",
        };
        self.labels.clear();
        let mut bound = None;
        for (name, value) in &sample.labels {
            if name == bound_name {
                bound = value.parse().ok();
            } else {
                put_label(name, value, &mut self.labels);
            }
        }
        let end = self.labels.len();
        self.labels.extend_from_slice(sample.suffix.as_bytes());
        self.labels.extend(bound.map(f64::to_le_bytes).into_iter().flatten());
        let is_new = self.seen.is_new(container, &self.labels);
        self.labels.truncate(end);
        if !is_new {
            return;
        }
        let key = match custom.kind {
            CustomKind::Counter => METRIC_COUNTER,
            CustomKind::Gauge => METRIC_GAUGE,
            CustomKind::Untyped => METRIC_UNTYPED,
            CustomKind::Histogram | CustomKind::Summary => {
                let labels = [identity, &self.labels].concat();
                custom.add(labels, sample.suffix, bound, sample.value);
                return;
            }
        };
        if self.body.is_empty() {
            put(&custom.header, &mut self.body);
        }
        self.value.clear();
        self.value.push(key);
        put_length(NUMBER, &mut self.value);
        self.value.push(NUMBER_VALUE);
        self.value.extend_from_slice(&sample.value.to_le_bytes());
        put_metric(identity, &self.labels, &self.value, &mut self.body);
    }
}

impl Writer<'_> {
    /// Ends the family that is open, if one is.
    fn close(&mut self) {
        let family = self.family.take();
        if let Some(custom) = self.custom.take().filter(|custom| !custom.whole.is_empty()) {
            put(&custom.header, &mut self.body);
            for (labels, metric) in custom.whole {
                put_metric(&labels, &[], &metric.encode_to_vec(), &mut self.body);
            }
        }
        if self.body.is_empty() {
            return;
        }
        if let Some(unit) = family.and_then(unit_in_name) {
            put(&MetricFamily { unit: Some(unit.to_owned()), ..MetricFamily::default() }, &mut self.body);
        }
        put_length(self.body.len(), self.out);
        self.out.append(&mut self.body);
    }
}

/// The length of a field with a double.
const NUMBER: usize = 1 + size_of::<f64>();

/// A [`Metric`] as a field of a [`MetricFamily`], put together of its fields.
fn put_metric(identity: &[u8], labels: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.push(FAMILY_METRIC);
    put_length(identity.len() + labels.len() + value.len(), out);
    for part in [identity, labels, value] {
        out.extend_from_slice(part);
    }
}

/// A value as a field of a [`Metric`].
fn put_value(family: &Family, value: u64, start: Option<u64>, out: &mut Vec<u8>) {
    let is_counter = family.kind == Kind::Counter;
    out.push(match family.kind {
        Kind::Counter => METRIC_COUNTER,
        Kind::Gauge | Kind::Info => METRIC_GAUGE,
        Kind::Untyped => METRIC_UNTYPED,
    });
    let created = start.filter(|_| is_counter).map(timestamp);
    let created_length = created.as_ref().map_or(0, Message::encoded_len);
    // A timestamp is at most 16 bytes long, so that its length takes one.
    put_length(NUMBER + if created.is_some() { 2 + created_length } else { 0 }, out);
    out.push(NUMBER_VALUE);
    out.extend_from_slice(&double(family.scale, value).to_le_bytes());
    if let Some(created) = created {
        out.push(COUNTER_CREATED);
        put_length(created_length, out);
        put(&created, out);
    }
}

/// A label as a field of a [`Metric`]; nothing where it is empty.
fn put_label(name: &str, value: &str, out: &mut Vec<u8>) {
    let value = bounded(value, MAX_TEXT);
    if value.is_empty() {
        return;
    }
    let field = |text: &str| 1 + prost::length_delimiter_len(text.len()) + text.len();
    out.push(METRIC_LABEL);
    put_length(field(name) + field(value), out);
    for (key, text) in [(LABEL_NAME, name), (LABEL_VALUE, value)] {
        out.push(key);
        put_length(text.len(), out);
        out.extend_from_slice(text.as_bytes());
    }
}

fn put(message: &impl Message, out: &mut Vec<u8>) {
    message.encode(out).expect("a vector has room for every message");
}

fn put_length(length: usize, out: &mut Vec<u8>) {
    prost::encode_length_delimiter(length, out).expect("a vector has room for every length");
}

#[expect(clippy::cast_precision_loss, reason = "the format has no other numbers")]
fn double(scale: Scale, value: u64) -> f64 {
    match scale {
        Scale::One => value as f64,
        Scale::Nano => value as f64 / 1e9,
    }
}

fn timestamp(nanoseconds: u64) -> Timestamp {
    const NANO: u64 = 1_000_000_000;
    let part = |value| i64::try_from(value).unwrap_or(i64::MAX);
    Timestamp {
        seconds: part(nanoseconds / NANO),
        nanos: i32::try_from(nanoseconds % NANO).unwrap_or(i32::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_put_together_is_a_label() {
        let mut bytes = Vec::new();
        let long = "é".repeat(400);
        put_label("name", "web", &mut bytes);
        put_label("empty", "", &mut bytes);
        put_label("image", &long, &mut bytes);
        let pair = |name: &str, value: &str| LabelPair { name: Some(name.into()), value: Some(value.into()) };
        let metric = Metric::decode(&bytes[..]).unwrap();
        assert_eq!(metric.label, [pair("name", "web"), pair("image", &long)]);
        assert_eq!(metric.encode_to_vec(), bytes);
    }

    #[test]
    fn a_start_keeps_its_nanoseconds() {
        let expected = Timestamp { seconds: 1_795_223_743, nanos: 3_874_862 };
        assert_eq!(timestamp(1_795_223_743_003_874_862), expected);
    }
}
