//! CSV, as RFC 4180 has it but for the line end, which is a line feed alone, as everything on Unix expects.

use itoa::Buffer;
use plimsoll_model::text::{MAX_TEXT, bounded};
use plimsoll_model::{Family, Scale};

use super::{Sample, Time};
use crate::prometheus::text::write_number;

/// Columns that every table has, before those of labels and behind.
const BEFORE: &str = "time,container,image,id,metric";
const BEHIND: &str = "value,unit";
const OF_POINTS: &str = "min,max,mean,count,increase";

/// The columns of a table.
#[derive(Debug)]
pub(super) struct Columns {
    labels: Vec<&'static str>,
    points: bool,
}

impl Columns {
    pub(super) fn new(families: &[&'static Family], points: bool) -> Self {
        let mut labels = Vec::new();
        for label in families.iter().flat_map(|family| family.labels) {
            if !labels.contains(label) {
                labels.push(*label);
            }
        }
        Self { labels, points }
    }

    pub(super) fn headings(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(BEFORE.as_bytes());
        for label in &self.labels {
            out.push(b',');
            out.extend_from_slice(label.as_bytes());
        }
        out.push(b',');
        out.extend_from_slice(BEHIND.as_bytes());
        if self.points {
            out.push(b',');
            out.extend_from_slice(OF_POINTS.as_bytes());
        }
        out.push(b'\n');
    }

    pub(super) fn sample(&self, sample: &Sample<'_>, time: &mut Time, out: &mut Vec<u8>) {
        out.extend_from_slice(time.text(sample.at).as_bytes());
        let container = sample.container;
        let [name, image, id] = container.map_or([""; 3], |container| {
            [container.shown_name(), bounded(container.image, MAX_TEXT), container.short_id()]
        });
        for text in [name, image, id, sample.family.name] {
            out.push(b',');
            write_text(text, out);
        }
        for label in &self.labels {
            out.push(b',');
            let value = sample.labels.iter().find(|(name, _)| name == label);
            write_text(value.map_or("", |(_, value)| bounded(value, MAX_TEXT)), out);
        }
        let scale = sample.family.scale;
        write_cell(scale, Some(sample.value), out);
        out.push(b',');
        out.extend_from_slice(sample.family.unit.word().as_bytes());
        if self.points {
            let point = sample.statistics;
            write_cell(scale, point.map(|point| point.min), out);
            write_cell(scale, point.map(|point| point.max), out);
            write_cell(scale, point.map(|point| point.mean), out);
            write_cell(Scale::One, point.map(|point| point.count), out);
            write_cell(scale, point.and_then(|point| point.increase), out);
        }
        out.push(b'\n');
    }
}

/// Writes a comma and a number, or nothing behind the comma.
fn write_cell(scale: Scale, value: Option<u64>, out: &mut Vec<u8>) {
    out.push(b',');
    if let Some(value) = value {
        write_number(scale, value, &mut Buffer::new(), out);
    }
}

/// Writes a text cell: quoted where it must be, and never a formula. Programs inside a container choose names of network
/// interfaces, so that is no idle fear.
fn write_text(text: &str, out: &mut Vec<u8>) {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let is_quoted = text.contains(['"', ',', '\n', '\r']);
    if is_quoted {
        out.push(b'"');
    }
    if is_formula {
        out.push(b'\'');
    }
    if is_quoted {
        for (index, piece) in text.split('"').enumerate() {
            if index > 0 {
                out.extend_from_slice(b"\"\"");
            }
            out.extend_from_slice(piece.as_bytes());
        }
        out.push(b'"');
    } else {
        out.extend_from_slice(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells() {
        for (given, expected) in [
            ("", ""),
            ("web-1", "web-1"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("=1+1", "'=1+1"),
            ("-x,\"", "\"'-x,\"\"\""),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\tx", "'\tx"),
            ("größe", "größe"),
        ] {
            let mut out = Vec::new();
            write_text(given, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
