//! The walk that schemas with one point for each sample share. They differ in words alone: what a family is called, and by
//! which tags a container is known.

use std::collections::HashSet;
use std::ops::Range;

use plimsoll_model::catalog::Shape;
use plimsoll_model::custom::{CustomFamily, CustomKind, CustomSample};
use plimsoll_model::text::{MAX_TEXT, bounded};
use plimsoll_model::{Container, Family, Kind, Scale, Selection, Sink, Snapshot};

use crate::point::{Meta, Point, Value};
use crate::prometheus::rows::Seen;

/// Pairs of words: names with values, or old names with new ones.
pub(super) type Pairs = &'static [(&'static str, &'static str)];

/// The tags that a container is known by, sorted by name and bounded. Those without a value are left out.
pub(super) type Identity<'a> = [(&'static str, &'a str); 4];

/// The words of a schema.
pub(super) struct Words {
    /// Who a container is.
    pub(super) identity: fn(&Container) -> Identity<'_>,
    /// How a family is shown.
    pub(super) shown: fn(&'static Family) -> Shown,
}

/// How a family is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    /// The name.
    pub(super) name: &'static str,
    /// The unit in UCUM.
    pub(super) unit: &'static str,
    /// Other names for labels; the rest keep theirs.
    pub(super) labels: Pairs,
    /// Other words for values of labels; the rest stay.
    pub(super) values: Pairs,
    /// Tags that every sample of the family has.
    pub(super) fixed: Pairs,
    /// What a value is divided by: 100 where a percentage becomes a fraction.
    pub(super) divisor: u64,
}

fn word(pairs: Pairs, known: &str) -> &str {
    pairs.iter().find(|(from, _)| *from == known).map_or(known, |(_, to)| to)
}

/// What is kept from one snapshot to the next, so that nothing is allocated for a point.
#[derive(Debug, Default)]
pub(super) struct Walker {
    point: Point,
    seen: Seen,
    labels: Labels,
}

impl Walker {
    /// Hands a point to `out` for each sample of what `selection` and `chosen` leave of `snapshot`.
    pub(super) fn points(
        &mut self,
        words: &Words,
        snapshot: &Snapshot,
        selection: &Selection,
        chosen: &dyn Fn(&Container) -> bool,
        out: &mut dyn FnMut(&mut Point),
    ) {
        // A container without an id, and one with the tags of a container before it, chosen or not, cannot be told from another.
        let mut known = HashSet::with_capacity(snapshot.containers.len());
        let identities = snapshot.containers.iter().map(|row| {
            let container = &*row.container;
            let identity = (words.identity)(container);
            let is_someone = !container.id.is_empty() && known.insert(identity);
            (is_someone && chosen(container)).then_some(identity)
        });
        let identities = identities.collect();
        let mut walk = Walk {
            words,
            identities,
            time: i64::try_from(snapshot.at).unwrap_or(i64::MAX),
            shown: None,
            meta: Meta::UNKNOWN,
            scale: Scale::One,
            may_repeat: false,
            custom: String::new(),
            custom_name: 0,
            custom_kind: CustomKind::Untyped,
            walker: self,
            out,
        };
        snapshot.visit(selection, &mut walk);
    }
}

/// Labels of the samples that follow, sorted by name; none has an empty value, none comes twice.
#[derive(Debug, Default)]
struct Labels {
    text: String,
    /// Names and values with a byte between them that occurs in no text: what tells one set of labels from another.
    key: Vec<u8>,
    places: Vec<(Range<usize>, Range<usize>)>,
}

impl Labels {
    fn clear(&mut self) {
        self.text.clear();
        self.key.clear();
        self.places.clear();
    }

    fn add(&mut self, name: &str, value: &str) {
        let value = bounded(value, MAX_TEXT);
        if value.is_empty() {
            return;
        }
        let text = &self.text;
        let found = self.places.binary_search_by(|(known, _)| (*text)[known.clone()].cmp(name));
        let Err(at) = found else { return };
        for part in [name, value] {
            self.key.extend_from_slice(part.as_bytes());
            self.key.push(u8::MAX);
        }
        let start = self.text.len();
        self.text.push_str(name);
        let middle = self.text.len();
        self.text.push_str(value);
        self.places.insert(at, (start..middle, middle..self.text.len()));
    }

    fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.places.iter().map(|(name, value)| (&self.text[name.clone()], &self.text[value.clone()]))
    }
}

struct Walk<'a> {
    words: &'a Words,
    /// By row of the snapshot; `None` where the container has no points.
    identities: Vec<Option<Identity<'a>>>,
    time: i64,
    /// The family whose samples come; `None` while they are a custom family's.
    shown: Option<Shown>,
    meta: Meta,
    scale: Scale,
    /// Whether samples of this family could come out the same.
    may_repeat: bool,
    /// The name of the custom series.
    custom: String,
    /// How much of that is the family's.
    custom_name: usize,
    custom_kind: CustomKind,
    walker: &'a mut Walker,
    out: &'a mut dyn FnMut(&mut Point),
}

impl Sink for Walk<'_> {
    fn family(&mut self, family: &'static Family) {
        let shown = (self.words.shown)(family);
        self.meta = Meta { kind: family.kind, unit: shown.unit, help: family.help, start: None };
        self.shown = Some(shown);
        self.scale = family.scale;
        self.may_repeat = !matches!(family.shape, Shape::Container(_));
        self.walker.seen.clear();
    }

    fn labels(&mut self, names: &[&str], values: &[&str]) {
        let labels = &mut self.walker.labels;
        labels.clear();
        let Some(shown) = self.shown else { return };
        for (name, value) in names.iter().zip(values) {
            labels.add(word(shown.labels, name), word(shown.values, value));
        }
        for (name, value) in shown.fixed {
            labels.add(name, value);
        }
    }

    fn sample(&mut self, container: Option<usize>, value: u64, start: Option<u64>) {
        let Some(shown) = self.shown else { return };
        let value = value / shown.divisor.max(1);
        let value = match self.scale {
            Scale::One => Value::Unsigned(value),
            Scale::Nano => Value::Nano(value),
        };
        self.meta.start = start.filter(|_| self.meta.kind == Kind::Counter);
        self.give(container, value);
    }

    fn custom_family(&mut self, family: &CustomFamily) {
        self.shown = None;
        self.custom.clone_from(&family.name);
        self.custom_kind = family.kind;
        self.custom_name = family.name.len();
        self.may_repeat = true;
        self.walker.seen.clear();
    }

    fn custom_sample(&mut self, container: Option<usize>, sample: &CustomSample) {
        self.custom.truncate(self.custom_name);
        self.custom.push_str(sample.suffix);
        let kind = match self.custom_kind.of_part(sample.suffix) {
            CustomKind::Counter => Kind::Counter,
            CustomKind::Gauge => Kind::Gauge,
            _ => Kind::Untyped,
        };
        self.meta = Meta { kind, ..Meta::UNKNOWN };
        let labels = &mut self.walker.labels;
        labels.clear();
        for (name, value) in &sample.labels {
            labels.add(name, value);
        }
        // What tells the series of a family apart that have different names.
        labels.key.extend_from_slice(sample.suffix.as_bytes());
        self.give(container, Value::Float(sample.value));
    }
}

impl Walk<'_> {
    fn give(&mut self, container: Option<usize>, value: Value<'_>) {
        let Walker { point, seen, labels } = &mut *self.walker;
        let nobody = Some([("", ""); 4]);
        let Some(identity) = container.map_or(nobody, |row| self.identities[row]) else { return };
        if self.may_repeat && !seen.is_new(container, &labels.key) {
            return;
        }
        point.begin(self.shown.map_or(&*self.custom, |shown| shown.name), self.time);
        let mut identity = identity.into_iter().filter(|(_, value)| !value.is_empty()).peekable();
        let mut last = "";
        for (name, value) in labels.iter() {
            while let Some((known, value)) = identity.next_if(|(known, _)| *known <= name) {
                point.tag(known, value);
                last = known;
            }
            // A collector does not say who a container is.
            if last != name {
                point.tag(name, value);
            }
        }
        for (name, value) in identity {
            point.tag(name, value);
        }
        point.field_with("", value, self.meta);
        (self.out)(point);
    }
}
