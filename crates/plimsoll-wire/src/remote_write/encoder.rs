//! From points to a body.

use hashbrown::{DefaultHashBuilder, HashTable};
use plimsoll_model::Kind;
use prost::Message as _;
use prost::encoding::{encode_varint, encoded_len_varint};
use std::hash::BuildHasher;
use std::ops::Range;

use super::labels::Labels;
use super::messages::{Metadata, MetricType, Sample, SymbolSeries};
use super::{STALE, Version};
use crate::intern::Texts;
use crate::point::{Meta, Point, Tally, Value};

/// Makes bodies of points: samples of one series stand together, in the order of time. One that is used again allocates little:
/// texts are kept once for a batch.
#[derive(Clone, Debug)]
pub struct Encoder {
    version: Version,
    texts: Texts,
    labels: Labels,
    /// The labels of all series, as numbers of texts.
    refs: Vec<u32>,
    series: Vec<Series>,
    /// Series by their labels.
    known: HashTable<u32>,
    hasher: DefaultHashBuilder,
    samples: Vec<Stored>,
    scratch: Vec<u32>,
    length: usize,
}

#[derive(Clone, Debug)]
struct Series {
    refs: Range<usize>,
    /// What the labels take in a body.
    labels: usize,
    metadata: Metadata,
    first: usize,
    last: usize,
    /// Whether its samples came in the order of time.
    sorted: bool,
}

#[derive(Clone, Copy, Debug)]
struct Stored {
    sample: Sample,
    /// The next sample of the series.
    next: Option<usize>,
}

/// What a sample takes in a body at most, with its start or without.
const SAMPLE: [usize; 2] = [2 + 9 + 11, 2 + 9 + 11 + 11];
/// What a series takes beside labels and samples: its own length, metadata.
const SERIES: usize = 16;

impl Encoder {
    /// An encoder without points.
    #[must_use]
    pub fn new(version: Version) -> Self {
        let mut encoder = Self {
            version,
            texts: Texts::default(),
            labels: Labels::default(),
            refs: Vec::new(),
            series: Vec::new(),
            known: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            samples: Vec::new(),
            scratch: Vec::new(),
            length: 0,
        };
        encoder.clear();
        encoder
    }

    /// Adds each field of a point as a sample. What cannot be one is counted in `tally`, by reason: `text`, or `duplicate` for
    /// a second sample of a series at one time.
    pub fn push(&mut self, point: &Point, tally: &mut Tally) {
        let timestamp = point.time().div_euclid(NANOSECONDS);
        for field in point.fields() {
            let Some(value) = number(field.value) else {
                tally.refuse("text");
                continue;
            };
            let start_timestamp = match (self.version, field.meta.start) {
                (Version::V2, Some(start)) => i64::try_from(start).unwrap_or(0).div_euclid(NANOSECONDS),
                _ => 0,
            };
            match self.add(point, field.name, &field.meta, Sample { value, timestamp, start_timestamp }) {
                Ok(()) => tally.accepted += 1,
                Err(reason) => tally.refuse(reason),
            }
        }
    }

    fn add(&mut self, point: &Point, field: &str, meta: &Meta, sample: Sample) -> Result<(), &'static str> {
        self.scratch.clear();
        self.labels.put(point, field, &mut self.texts, &mut self.scratch).ok_or(FULL)?;
        let hash = self.hasher.hash_one(&*self.scratch);
        let (series, refs, scratch) = (&self.series, &self.refs, &self.scratch);
        let of = |number: &u32| &refs[series[*number as usize].refs.clone()];
        let at = match self.known.find(hash, |number| of(number) == &**scratch) {
            Some(number) => *number as usize,
            None => self.add_series(hash, meta)?,
        };
        self.add_sample(at, sample)
    }

    fn add_series(&mut self, hash: u64, meta: &Meta) -> Result<usize, &'static str> {
        let metadata = match self.version {
            Version::V1 => Metadata::default(),
            Version::V2 => self.metadata(meta).ok_or(FULL)?,
        };
        let at = self.series.len();
        let number = u32::try_from(at).map_err(|_| FULL)?;
        let start = self.refs.len();
        self.refs.extend_from_slice(&self.scratch);
        let labels = self.labels_length(&self.scratch);
        self.length += SERIES + labels;
        let refs = start..self.refs.len();
        self.series.push(Series {
            refs,
            labels,
            metadata,
            first: usize::MAX,
            last: usize::MAX,
            sorted: true,
        });
        let (series, refs, hasher) = (&self.series, &self.refs, &self.hasher);
        self.known.insert_unique(hash, number, |number| {
            hasher.hash_one(&refs[series[*number as usize].refs.clone()])
        });
        Ok(at)
    }

    fn metadata(&mut self, meta: &Meta) -> Option<Metadata> {
        let kind = match meta.kind {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
            Kind::Info => MetricType::Info,
            Kind::Untyped => MetricType::Unspecified,
        };
        let unit = unit(meta.unit, self.labels.metric());
        Some(Metadata {
            r#type: kind.into(),
            help_ref: self.texts.add(meta.help)?,
            unit_ref: self.texts.add(unit)?,
        })
    }

    fn add_sample(&mut self, at: usize, sample: Sample) -> Result<(), &'static str> {
        let series = &mut self.series[at];
        let number = self.samples.len();
        match self.samples.get(series.last).map(|last| last.sample.timestamp) {
            None => series.first = number,
            Some(last) if last < sample.timestamp && series.sorted => {}
            Some(_) => {
                let mut next = Some(series.first);
                while let Some(known) = next.and_then(|next| self.samples.get(next)) {
                    if known.sample.timestamp == sample.timestamp {
                        return Err("duplicate");
                    }
                    next = known.next;
                }
                series.sorted = false;
            }
        }
        if let Some(last) = self.samples.get_mut(series.last) {
            last.next = Some(number);
        }
        series.last = number;
        self.samples.push(Stored { sample, next: None });
        self.length += SAMPLE[usize::from(sample.start_timestamp != 0)];
        Ok(())
    }

    /// Whether there are no samples.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// About how long the body is so far, in bytes; it does not get longer than this.
    #[must_use]
    pub fn len(&self) -> usize {
        match self.version {
            Version::V1 => self.length,
            // Each symbol has its key and its length.
            Version::V2 => self.length + self.texts.bytes() + 4 * self.texts.len(),
        }
    }

    /// The body, not compressed. The encoder is empty afterwards.
    #[must_use]
    pub fn take(&mut self) -> Vec<u8> {
        let mut body = Vec::with_capacity(self.len());
        match self.version {
            Version::V1 => self.put_v1(&mut body),
            Version::V2 => self.put_v2(&mut body),
        }
        self.clear();
        body
    }

    fn clear(&mut self) {
        self.texts.clear();
        self.refs.clear();
        self.series.clear();
        self.known.clear();
        self.samples.clear();
        self.length = 0;
        if self.version == Version::V2 {
            self.texts.add("");
        }
    }

    /// The samples of a series in the order of time.
    fn samples_of(&self, series: &Series, samples: &mut Vec<Sample>) {
        samples.clear();
        let mut next = Some(series.first);
        while let Some(stored) = next.and_then(|next| self.samples.get(next)) {
            samples.push(stored.sample);
            next = stored.next;
        }
        if !series.sorted {
            samples.sort_by_key(|sample| sample.timestamp);
        }
    }

    fn put_v1(&self, body: &mut Vec<u8>) {
        let mut samples = Vec::new();
        for series in &self.series {
            self.samples_of(series, &mut samples);
            let refs = &self.refs[series.refs.clone()];
            let length: usize = samples.iter().map(|sample| within(sample.encoded_len())).sum();
            body.push(key(1));
            put_length(series.labels + length, body);
            for (name, value) in self.pairs(refs) {
                body.push(key(1));
                put_length(label_length(name, value), body);
                for (field, text) in [(1, name), (2, value)] {
                    body.push(key(field));
                    put_length(text.len(), body);
                    body.extend_from_slice(text.as_bytes());
                }
            }
            for sample in &samples {
                body.push(key(2));
                put_length(sample.encoded_len(), body);
                sample.encode_raw(body);
            }
        }
    }

    fn put_v2(&self, body: &mut Vec<u8>) {
        for symbol in self.texts.iter() {
            body.push(key(4));
            put_length(symbol.len(), body);
            body.extend_from_slice(symbol.as_bytes());
        }
        let mut message = SymbolSeries::default();
        for series in &self.series {
            message.labels_refs.clear();
            message.labels_refs.extend_from_slice(&self.refs[series.refs.clone()]);
            self.samples_of(series, &mut message.samples);
            message.metadata = Some(series.metadata);
            prost::encoding::message::encode(5, &message, body);
        }
    }

    fn pairs(&self, refs: &[u32]) -> impl Iterator<Item = (&str, &str)> {
        refs.chunks_exact(2).map(|pair| (self.texts.get(pair[0]), self.texts.get(pair[1])))
    }

    /// What labels take in a body.
    fn labels_length(&self, refs: &[u32]) -> usize {
        match self.version {
            Version::V1 => self.pairs(refs).map(|(name, value)| within(label_length(name, value))).sum(),
            Version::V2 => refs.iter().map(|number| encoded_len_varint(u64::from(*number))).sum(),
        }
    }
}

/// Why a sample is refused when there are four billion texts or series in a batch.
const FULL: &str = "full";

/// Nanoseconds of a millisecond.
const NANOSECONDS: i64 = 1_000_000;

/// The key of a field that has a length.
const fn key(field: u8) -> u8 {
    (field << 3) | 2
}

fn put_length(length: usize, body: &mut Vec<u8>) {
    encode_varint(length as u64, body);
}

/// What a field of this length takes with its key and its length.
fn within(length: usize) -> usize {
    1 + encoded_len_varint(length as u64) + length
}

/// The length of a label's fields. Both are written also where they are empty, which nobody's are.
fn label_length(name: &str, value: &str) -> usize {
    within(name.len()) + within(value.len())
}

#[expect(clippy::cast_precision_loss, reason = "the format has no other numbers")]
fn number(value: Value<'_>) -> Option<f64> {
    Some(match value {
        Value::Unsigned(value) => value as f64,
        Value::Integer(value) => value as f64,
        Value::Nano(value) => value as f64 / 1e9,
        // Of the many NaNs one says that a series has ended, and that is said by `Stale` alone.
        Value::Float(value) if value.is_nan() => f64::NAN,
        Value::Float(value) => value,
        Value::Bool(value) => f64::from(u8::from(value)),
        Value::Stale => f64::from_bits(STALE),
        Value::Text(_) => return None,
    })
}

/// The unit's word, where the name ends in it, as Prometheus demands of a unit.
fn unit(ucum: &str, name: &str) -> &'static str {
    let word = match ucum {
        "By" => "bytes",
        "s" => "seconds",
        "%" => "percent",
        "{cpu}" => "cores",
        "us" => "microseconds",
        _ => return "",
    };
    let base = name.strip_suffix("_total").unwrap_or(name);
    let is_in_name = base.strip_suffix(word).is_some_and(|rest| rest.ends_with('_'));
    if is_in_name { word } else { "" }
}
