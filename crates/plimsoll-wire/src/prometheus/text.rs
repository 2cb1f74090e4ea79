//! The two text formats. They differ in headers and in the last line; samples are the same.

use plimsoll_model::catalog::Shape;
use plimsoll_model::custom::{CustomFamily, CustomSample};
use plimsoll_model::text::{MAX_TEXT, bounded};
use plimsoll_model::{Family, Kind, Scale, Selection, Sink, Snapshot};

use super::custom::{Families, help, in_text, write_decimal};
use super::rows::{Identities, Seen, visit};
use super::{base_name, is_counter_by_name, unit_in_name};

/// Which of the two text formats.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Prometheus,
    OpenMetrics { created: bool },
}

pub(super) fn encode(dialect: Dialect, snapshot: &Snapshot, selection: &Selection, out: &mut Vec<u8>) {
    let identities = Identities::new(snapshot, selection.naming(), |labels, arena| {
        arena.push(b'{');
        write_labels(labels.iter().copied(), arena);
    });
    let mut writer = Writer {
        out,
        identities,
        dialect,
        pending: None,
        name: "",
        created: Vec::new(),
        of_container: false,
        may_repeat: false,
        scale: Scale::One,
        tail: Vec::new(),
        seen: Seen::default(),
        custom: Custom::default(),
        digits: itoa::Buffer::new(),
    };
    visit(snapshot, selection, &mut writer);
    if dialect != Dialect::Prometheus {
        out.extend_from_slice(b"# EOF\n");
    }
}

struct Writer<'a> {
    out: &'a mut Vec<u8>,
    /// Each container's labels, from the opening brace on and without a closing one.
    identities: Identities,
    dialect: Dialect,
    /// The family, until its first sample: what may not be shown leaves no header behind.
    pending: Option<&'static Family>,
    /// The name of the family's samples.
    name: &'static str,
    /// The name of its `_created` samples; empty where there are none.
    created: Vec<u8>,
    of_container: bool,
    /// Whether rows of this family could come out the same.
    may_repeat: bool,
    scale: Scale,
    /// The family's own labels, and all that stands between a container's labels and the value.
    tail: Vec<u8>,
    seen: Seen,
    custom: Custom,
    digits: itoa::Buffer,
}

/// The custom family that is written.
#[derive(Default)]
struct Custom {
    /// Its header, until its first sample.
    header: Vec<u8>,
    name: String,
    families: Families,
}

impl Sink for Writer<'_> {
    fn family(&mut self, family: &'static Family) {
        self.name = family.name;
        self.of_container = family.is_of_container();
        self.may_repeat = !matches!(family.shape, Shape::Container(_));
        self.scale = family.scale;
        self.seen.clear();
        self.created.clear();
        if self.dialect == (Dialect::OpenMetrics { created: true }) && is_counter_by_name(family) {
            self.created.extend_from_slice(base_name(family).as_bytes());
            self.created.extend_from_slice(b"_created");
        }
        self.pending = Some(family);
    }

    fn labels(&mut self, names: &[&str], values: &[&str]) {
        let tail = &mut self.tail;
        tail.clear();
        tail.push(if self.of_container { b',' } else { b'{' });
        let has_labels = write_labels(names.iter().copied().zip(values.iter().copied()), tail);
        if has_labels || self.of_container {
            if !has_labels {
                tail.clear();
            }
            tail.extend_from_slice(b"} ");
        } else {
            tail.clear();
            tail.push(b' ');
        }
    }

    #[inline]
    fn sample(&mut self, container: Option<usize>, value: u64, start: Option<u64>) {
        let identity = match container {
            Some(row) => match self.identities.get(row) {
                Some(identity) => identity,
                None => return,
            },
            None => &[],
        };
        if self.may_repeat && !self.seen.is_new(container, &self.tail) {
            return;
        }
        let out = &mut *self.out;
        if let Some(family) = self.pending.take() {
            write_header(family, self.dialect, out);
        }
        out.extend_from_slice(self.name.as_bytes());
        out.extend_from_slice(identity);
        out.extend_from_slice(&self.tail);
        write_number(self.scale, value, &mut self.digits, out);
        out.push(b'\n');
        if let (false, Some(start)) = (self.created.is_empty(), start) {
            out.extend_from_slice(&self.created);
            out.extend_from_slice(identity);
            out.extend_from_slice(&self.tail);
            write_number(Scale::Nano, start, &mut self.digits, out);
            out.push(b'\n');
        }
    }

    fn custom_family(&mut self, family: &CustomFamily) {
        let Custom { header, name, families } = &mut self.custom;
        self.seen.clear();
        name.clone_from(&family.name);
        header.clear();
        let (shown, kind) = match self.dialect {
            Dialect::Prometheus => (&*family.name, in_text(family.kind)),
            Dialect::OpenMetrics { .. } => families.in_openmetrics(family),
        };
        let is_openmetrics = self.dialect != Dialect::Prometheus;
        header.extend_from_slice(format!("# TYPE {shown} {kind}\n").as_bytes());
        header.extend_from_slice(format!("# HELP {shown} ").as_bytes());
        write_escaped(help(family), is_openmetrics, header);
        header.push(b'\n');
    }

    fn custom_sample(&mut self, container: Option<usize>, sample: &CustomSample) {
        if self.identity(container).is_none() {
            return;
        }
        let tail = &mut self.tail;
        tail.clear();
        tail.push(if container.is_some() { b',' } else { b'{' });
        let labels = sample.labels.iter().map(|(name, value)| (&**name, &**value));
        match (write_labels(labels, tail), container) {
            (false, None) => {
                tail.clear();
                tail.push(b' ');
            }
            (has_labels, _) => {
                tail.truncate(if has_labels { tail.len() } else { 0 });
                tail.extend_from_slice(b"} ");
            }
        }
        // Collectors that tell the same are told apart by nothing: who comes first is shown.
        let end = self.tail.len();
        self.tail.extend_from_slice(sample.suffix.as_bytes());
        let is_new = self.seen.is_new(container, &self.tail);
        self.tail.truncate(end);
        if !is_new {
            return;
        }
        self.out.append(&mut self.custom.header);
        self.out.extend_from_slice(self.custom.name.as_bytes());
        self.out.extend_from_slice(sample.suffix.as_bytes());
        let identity = container.and_then(|row| self.identities.get(row)).unwrap_or_default();
        self.out.extend_from_slice(identity);
        self.out.extend_from_slice(&self.tail);
        write_decimal(sample.value, self.out);
        self.out.push(b'\n');
    }
}

impl Writer<'_> {
    /// The labels of a container that may be shown; `None` where its series would be another's.
    #[inline]
    fn identity(&self, container: Option<usize>) -> Option<&[u8]> {
        container.map_or(Some(&[]), |row| self.identities.get(row))
    }
}

pub(crate) fn write_header(family: &Family, dialect: Dialect, out: &mut Vec<u8>) {
    let mut line = |keyword: &str, name: &str, rest: &str, quotes: bool| {
        out.extend_from_slice(b"# ");
        out.extend_from_slice(keyword.as_bytes());
        out.push(b' ');
        out.extend_from_slice(name.as_bytes());
        out.push(b' ');
        write_escaped(rest, quotes, out);
        out.push(b'\n');
    };
    match dialect {
        Dialect::Prometheus => {
            let kind = match family.kind {
                Kind::Counter => "counter",
                Kind::Gauge | Kind::Info => "gauge",
                Kind::Untyped => "untyped",
            };
            line("HELP", family.name, family.help, false);
            line("TYPE", family.name, kind, false);
        }
        Dialect::OpenMetrics { .. } => {
            let name = base_name(family);
            let kind = match family.kind {
                Kind::Counter if is_counter_by_name(family) => "counter",
                Kind::Gauge => "gauge",
                Kind::Info => "info",
                Kind::Counter | Kind::Untyped => "unknown",
            };
            line("TYPE", name, kind, false);
            if let Some(unit) = unit_in_name(family) {
                line("UNIT", name, unit, false);
            }
            line("HELP", name, family.help, true);
        }
    }
}

/// Writes `name="value"` for each label with a value, with commas between. Returns whether there was one.
pub(crate) fn write_labels<'a>(
    labels: impl IntoIterator<Item = (&'a str, &'a str)>,
    out: &mut Vec<u8>,
) -> bool {
    let mut any = false;
    for (name, value) in labels {
        if value.is_empty() {
            continue;
        }
        if any {
            out.push(b',');
        }
        any = true;
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"=\"");
        write_escaped(bounded(value, MAX_TEXT), true, out);
        out.push(b'"');
    }
    any
}

/// Escapes backslash and line feed, and the double quote where it would end something.
fn write_escaped(text: &str, quotes: bool, out: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|b| matches!(b, b'\\' | b'\n') || (quotes && *b == b'"')) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(match rest[at] {
            b'\n' => b"\\n",
            b'"' => b"\\\"",
            _ => b"\\\\",
        });
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

const NANO: u64 = 1_000_000_000;

/// Writes a number exactly: no floating point is on the way.
#[inline]
pub(crate) fn write_number(scale: Scale, value: u64, digits: &mut itoa::Buffer, out: &mut Vec<u8>) {
    match scale {
        Scale::One => out.extend_from_slice(digits.format(value).as_bytes()),
        Scale::Nano => {
            out.extend_from_slice(digits.format(value / NANO).as_bytes());
            let fraction = value % NANO;
            if fraction != 0 {
                // The one in front keeps the zeros after the point; the point takes its place.
                let all = digits.format(NANO + fraction).as_bytes();
                let last = all.iter().rposition(|b| *b != b'0').unwrap_or(0);
                out.push(b'.');
                out.extend_from_slice(&all[1..=last]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(scale: Scale, value: u64) -> String {
        let mut out = Vec::new();
        write_number(scale, value, &mut itoa::Buffer::new(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_are_exact() {
        for (value, expected) in [
            (0, "0"),
            (1, "0.000000001"),
            (500_000_000, "0.5"),
            (1_000_000_000, "1"),
            (10_000_000_000, "10"),
            (1_000_000_010, "1.00000001"),
            (1_795_223_743_003_874_862, "1795223743.003874862"),
            (u64::MAX, "18446744073.709551615"),
        ] {
            assert_eq!(number(Scale::Nano, value), expected);
        }
        assert_eq!(number(Scale::One, u64::MAX), "18446744073709551615");
    }

    proptest! {
        #[test]
        fn a_decimal_reads_back_as_the_same_nanoseconds(value: u64) {
            let text = number(Scale::Nano, value);
            let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
            prop_assert!(!text.contains('.') || !text.ends_with('0'));
            let back = whole.parse::<u64>().unwrap() * NANO + format!("{fraction:0<9}").parse::<u64>().unwrap();
            prop_assert_eq!(back, value);
        }
    }

    #[test]
    fn only_what_would_end_something_is_escaped() {
        let escaped = |text, quotes| {
            let mut out = Vec::new();
            write_escaped(text, quotes, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(escaped("a\\b\"c\nd\te é 🚢", true), "a\\\\b\\\"c\\nd\te é 🚢");
        assert_eq!(escaped("a\\b\"c\nd", false), "a\\\\b\"c\\nd");
    }
}
