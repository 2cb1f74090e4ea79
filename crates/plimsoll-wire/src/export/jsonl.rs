//! JSON lines: an object for each sample, with what is absent left out.

use itoa::Buffer;
use plimsoll_model::text::{MAX_TEXT, bounded};
use plimsoll_model::{Scale, Unit};

use super::{Sample, Time, rfc3339};
use crate::prometheus::text::write_number;

pub(super) fn sample(sample: &Sample<'_>, time: &mut Time, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"time\":");
    write_string(time.text(sample.at), out);
    if let Some(container) = &sample.container {
        field("container", out);
        write_string(container.shown_name(), out);
        if !container.image.is_empty() {
            field("image", out);
            write_string(bounded(container.image, MAX_TEXT), out);
        }
        field("id", out);
        write_string(bounded(container.id, MAX_TEXT), out);
    }
    let family = sample.family;
    field("metric", out);
    write_string(family.name, out);
    if !sample.labels.is_empty() {
        field("labels", out);
        for (index, (name, value)) in sample.labels.iter().enumerate() {
            out.push(if index == 0 { b'{' } else { b',' });
            write_string(name, out);
            out.push(b':');
            write_string(bounded(value, MAX_TEXT), out);
        }
        out.push(b'}');
    }
    number("value", family.scale, sample.value, out);
    if family.unit != Unit::None {
        field("unit", out);
        write_string(family.unit.word(), out);
    }
    if let Some(start) = sample.start {
        field("since", out);
        write_string(&rfc3339(i64::try_from(start / 1_000_000).unwrap_or(i64::MAX)), out);
    }
    if let Some(point) = &sample.statistics {
        number("min", family.scale, point.min, out);
        number("max", family.scale, point.max, out);
        number("mean", family.scale, point.mean, out);
        number("count", Scale::One, point.count, out);
        if let Some(increase) = point.increase {
            number("increase", family.scale, increase, out);
        }
    }
    out.extend_from_slice(b"}\n");
}

fn field(name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn number(name: &str, scale: Scale, value: u64, out: &mut Vec<u8>) {
    field(name, out);
    write_number(scale, value, &mut Buffer::new(), out);
}

fn write_string(text: &str, out: &mut Vec<u8>) {
    // A string always is JSON, and a buffer always takes it.
    let _ = serde_json::to_writer(out, text);
}
