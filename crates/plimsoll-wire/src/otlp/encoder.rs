//! From points to a body.

use hashbrown::{DefaultHashBuilder, HashTable};
use plimsoll_model::Kind;
use prost::Message as _;
use prost::encoding::{encode_varint, encoded_len_varint};
use std::hash::BuildHasher;

use super::NO_RECORDED_VALUE;
use super::messages::{AnyValue, CUMULATIVE, InstrumentationScope, KeyValue, Resource};
use crate::point::{Meta, Point, Tally, Value};

/// Makes bodies of points: data points of one metric stand together. One that is used again allocates little, as its buffers stay.
#[derive(Clone, Debug)]
pub struct Encoder {
    /// The resource as a field of a `ResourceMetrics`.
    resource: Vec<u8>,
    /// The scope as a field of a `ScopeMetrics`.
    scope: Vec<u8>,
    /// The metrics; the first `used` are of this batch.
    metrics: Vec<Metric>,
    used: usize,
    /// Metrics by name and whether they are sums.
    known: HashTable<usize>,
    hasher: DefaultHashBuilder,
    /// The metric that had the last data point: most often it has the next one too.
    last: usize,
    name: String,
    attributes: Vec<u8>,
    length: usize,
}

#[derive(Clone, Debug, Default)]
struct Metric {
    name: String,
    is_sum: bool,
    /// Description and unit.
    help: &'static str,
    unit: &'static str,
    /// Data points as fields of a `Gauge` or a `Sum`.
    points: Vec<u8>,
}

/// What a metric takes beside its texts and data points: keys and lengths, and what is said of a sum.
const METRIC: usize = 40;

impl Encoder {
    /// An encoder without points, for a resource with these attributes, such as `service.name` and `host.name`.
    #[must_use]
    pub fn new(resource: Vec<(String, String)>) -> Self {
        let attributes = resource
            .into_iter()
            .map(|(key, value)| KeyValue { key, value: Some(AnyValue { string_value: Some(value) }) })
            .collect();
        let scope = InstrumentationScope {
            name: "plimsoll".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        Self {
            resource: field(1, &Resource { attributes }.encode_to_vec()),
            scope: field(1, &scope.encode_to_vec()),
            metrics: Vec::new(),
            used: 0,
            known: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            last: usize::MAX,
            name: String::new(),
            attributes: Vec::new(),
            length: 0,
        }
    }

    /// Adds each field of a point as a data point. What cannot be one is counted in `tally`, by reason: `text`, or `time` for one
    /// before 1970.
    pub fn push(&mut self, point: &Point, tally: &mut Tally) {
        self.attributes.clear();
        for (name, value) in point.tags() {
            put_attribute(name, value, &mut self.attributes);
        }
        for each in point.fields() {
            let Ok(time) = u64::try_from(point.time()) else {
                tally.refuse("time");
                continue;
            };
            if matches!(each.value, Value::Text(_)) {
                tally.refuse("text");
                continue;
            }
            self.name.clear();
            self.name.push_str(point.measurement());
            if !each.name.is_empty() {
                self.name.push('.');
                self.name.push_str(each.name);
            }
            let at = self.metric(&each.meta);
            // A clock that was set back must not make a counter begin after its end.
            let start = each.meta.start.filter(|start| *start <= time && each.meta.kind == Kind::Counter);
            let points = &mut self.metrics[at].points;
            let before = points.len();
            put_point(&self.attributes, start, time, each.value, points);
            self.length += points.len() - before;
            tally.accepted += 1;
        }
    }

    /// The metric of this name and kind.
    #[inline]
    fn metric(&mut self, meta: &Meta) -> usize {
        let is_sum = meta.kind == Kind::Counter;
        let name = &*self.name;
        let is_it = |metric: &Metric| metric.is_sum == is_sum && metric.name == name;
        if self.metrics[..self.used].get(self.last).is_some_and(is_it) {
            return self.last;
        }
        let hash = self.hasher.hash_one((name, is_sum));
        self.last = match self.known.find(hash, |at| is_it(&self.metrics[*at])) {
            Some(at) => *at,
            None => self.add_metric(hash, is_sum, meta),
        };
        self.last
    }

    fn add_metric(&mut self, hash: u64, is_sum: bool, meta: &Meta) -> usize {
        let at = self.used;
        if at == self.metrics.len() {
            self.metrics.push(Metric::default());
        }
        self.used += 1;
        let metric = &mut self.metrics[at];
        metric.name.clone_from(&self.name);
        (metric.is_sum, metric.help, metric.unit) = (is_sum, meta.help, meta.unit);
        metric.points.clear();
        self.length += METRIC + metric.name.len() + meta.help.len() + meta.unit.len();
        let (metrics, hasher) = (&self.metrics, &self.hasher);
        self.known.insert_unique(hash, at, |at| hasher.hash_one((&*metrics[*at].name, metrics[*at].is_sum)));
        at
    }

    /// Whether there are no data points.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// About how long the body is so far, in bytes; it does not get longer than this.
    #[must_use]
    pub fn len(&self) -> usize {
        // What is around the metrics has three lengths, of five bytes at most here.
        if self.used == 0 { 0 } else { 20 + self.resource.len() + self.scope.len() + self.length }
    }

    /// The body, not compressed. The encoder is empty afterwards.
    #[must_use]
    pub fn take(&mut self) -> Vec<u8> {
        let mut body = Vec::with_capacity(self.len());
        let metrics = &self.metrics[..self.used];
        if !metrics.is_empty() {
            let all: usize = metrics.iter().map(|metric| within(metric.len())).sum();
            let scope_metrics = self.scope.len() + all;
            let resource_metrics = self.resource.len() + within(scope_metrics);
            put_key(1, resource_metrics, &mut body);
            body.extend_from_slice(&self.resource);
            put_key(2, scope_metrics, &mut body);
            body.extend_from_slice(&self.scope);
            for metric in metrics {
                put_key(2, metric.len(), &mut body);
                metric.put(&mut body);
            }
        }
        self.used = 0;
        self.known.clear();
        self.last = usize::MAX;
        self.length = 0;
        body
    }
}

/// That a sum is cumulative and monotonic, as fields of a `Sum`.
const OF_SUM: [u8; 4] = [2 << 3, CUMULATIVE.to_le_bytes()[0], 3 << 3, 1];

impl Metric {
    /// The length of the data.
    fn data(&self) -> usize {
        self.points.len() + if self.is_sum { OF_SUM.len() } else { 0 }
    }

    fn texts(&self) -> impl Iterator<Item = (u8, &str)> {
        let texts = [(1, &*self.name), (2, self.help), (3, self.unit)];
        texts.into_iter().filter(|(_, text)| !text.is_empty())
    }

    fn len(&self) -> usize {
        self.texts().map(|(_, text)| within(text.len())).sum::<usize>() + within(self.data())
    }

    fn put(&self, body: &mut Vec<u8>) {
        for (field, text) in self.texts() {
            put_key(field, text.len(), body);
            body.extend_from_slice(text.as_bytes());
        }
        put_key(if self.is_sum { 7 } else { 5 }, self.data(), body);
        body.extend_from_slice(&self.points);
        if self.is_sum {
            body.extend_from_slice(&OF_SUM);
        }
    }
}

/// A field with what is in it.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut field = Vec::new();
    put_key(number, content.len(), &mut field);
    field.extend_from_slice(content);
    field
}

/// The key and the length of a field that has one.
fn put_key(field: u8, length: usize, body: &mut Vec<u8>) {
    body.push((field << 3) | 2);
    encode_varint(length as u64, body);
}

/// What a field of this length takes with its key and its length.
fn within(length: usize) -> usize {
    1 + encoded_len_varint(length as u64) + length
}

/// An attribute as a field of a data point.
fn put_attribute(name: &str, value: &str, out: &mut Vec<u8>) {
    let any = within(value.len());
    put_key(7, within(name.len()) + within(any), out);
    put_key(1, name.len(), out);
    out.extend_from_slice(name.as_bytes());
    put_key(2, any, out);
    put_key(1, value.len(), out);
    out.extend_from_slice(value.as_bytes());
}

/// A data point as a field of its metric's data.
fn put_point(attributes: &[u8], start: Option<u64>, time: u64, value: Value<'_>, out: &mut Vec<u8>) {
    // Fields of eight bytes: the wire type is 1.
    const START: u8 = (2 << 3) | 1;
    const TIME: u8 = (3 << 3) | 1;
    let start = start.filter(|start| *start != 0);
    let value = number(value);
    let fixed = 9 * (1 + usize::from(start.is_some()) + usize::from(value.is_some()));
    let flags = if value.is_some() { 0 } else { 2 };
    put_key(1, attributes.len() + fixed + flags, out);
    for (key, bytes) in
        [start.map(|start| (START, start.to_le_bytes())), Some((TIME, time.to_le_bytes())), value]
            .into_iter()
            .flatten()
    {
        out.push(key);
        out.extend_from_slice(&bytes);
    }
    out.extend_from_slice(attributes);
    if value.is_none() {
        out.push(8 << 3);
        encode_varint(u64::from(NO_RECORDED_VALUE), out);
    }
}

/// The key and the bytes of a number; `None` where there is none any more.
#[expect(clippy::cast_precision_loss, reason = "there is no larger integer")]
fn number(value: Value<'_>) -> Option<(u8, [u8; 8])> {
    const DOUBLE: u8 = (4 << 3) | 1;
    const INTEGER: u8 = (6 << 3) | 1;
    let double = |value: f64| (DOUBLE, value.to_le_bytes());
    let integer = |value: i64| (INTEGER, value.to_le_bytes());
    Some(match value {
        Value::Unsigned(value) => i64::try_from(value).map_or_else(|_| double(value as f64), integer),
        Value::Integer(value) => integer(value),
        Value::Bool(value) => integer(i64::from(value)),
        Value::Nano(value) => double(value as f64 / 1e9),
        Value::Float(value) => double(value),
        Value::Stale | Value::Text(_) => return None,
    })
}
