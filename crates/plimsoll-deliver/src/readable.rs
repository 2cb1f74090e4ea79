//! Bodies as text, for people who want to see what would be sent.
//!
//! Line protocol and JSON are text as they are. A sample of remote write or OTLP becomes a line `name{labels} value time`, with
//! the time in the format's own unit: milliseconds in remote write, nanoseconds in OTLP. What OTLP says of the sender stands
//! before its samples, as a comment.
//!
//! ```
//! use plimsoll_deliver::format::{Coding, Content, Format};
//! use plimsoll_deliver::readable::readable;
//! use plimsoll_wire::line_protocol::Precision;
//!
//! let format = Format { content: Content::Lines(Precision::Seconds), coding: Coding::Gzip };
//! assert_eq!(readable(format, &format.coding.compress(b"m f=1 5\n"))?, "m f=1 5\n");
//! # Ok::<(), plimsoll_wire::point::Broken>(())
//! ```

use std::fmt::Write as _;

use plimsoll_wire::otlp::messages::{Data, ExportMetricsServiceRequest, KeyValue, NumberDataPoint};
use plimsoll_wire::otlp::{NO_RECORDED_VALUE, messages::Number};
use plimsoll_wire::point::Broken;
use plimsoll_wire::remote_write::messages::{Request, Sample, WriteRequest};
use plimsoll_wire::remote_write::{STALE, Version};
use prost::Message as _;

use crate::format::{Content, Format};

/// The body as text that ends with a line feed, or is empty.
///
/// # Errors
/// If the body is not in this format.
pub fn readable(format: Format, body: &[u8]) -> Result<String, Broken> {
    let raw = format.coding.decompress(body)?;
    match format.content {
        Content::Lines(_) | Content::Json => String::from_utf8(raw).map_err(|_| Broken),
        Content::RemoteWrite(Version::V1) => version_1(&raw),
        Content::RemoteWrite(Version::V2) => version_2(&raw),
        Content::Otlp => otlp(&raw),
    }
}

fn version_1(raw: &[u8]) -> Result<String, Broken> {
    let request = WriteRequest::decode(raw).map_err(|_| Broken)?;
    let mut out = String::new();
    for series in &request.timeseries {
        let labels = series.labels.iter().map(|label| (&*label.name, &*label.value));
        samples(&series_name(labels), &series.samples, &mut out);
    }
    Ok(out)
}

fn version_2(raw: &[u8]) -> Result<String, Broken> {
    let request = Request::decode(raw).map_err(|_| Broken)?;
    let symbol = |number: &u32| {
        request.symbols.get(usize::try_from(*number).unwrap_or(usize::MAX)).map(String::as_str).ok_or(Broken)
    };
    let mut out = String::new();
    for series in &request.timeseries {
        let labels: Vec<(&str, &str)> = series
            .labels_refs
            .chunks(2)
            .map(|pair| match pair {
                [name, value] => Ok((symbol(name)?, symbol(value)?)),
                _ => Err(Broken),
            })
            .collect::<Result<_, _>>()?;
        samples(&series_name(labels.into_iter()), &series.samples, &mut out);
    }
    Ok(out)
}

fn samples(series: &str, samples: &[Sample], out: &mut String) {
    for sample in samples {
        let value =
            if sample.value.to_bits() == STALE { "stale".to_owned() } else { sample.value.to_string() };
        line(series, &value, sample.timestamp, out);
    }
}

fn otlp(raw: &[u8]) -> Result<String, Broken> {
    let request = ExportMetricsServiceRequest::decode(raw).map_err(|_| Broken)?;
    let mut out = String::new();
    for of_resource in &request.resource_metrics {
        if let Some(resource) = &of_resource.resource {
            let said: Vec<_> =
                attributes(&resource.attributes).map(|(name, value)| format!("{name}={value:?}")).collect();
            let _ = writeln!(out, "# resource: {}", said.join(", "));
        }
        for metric in of_resource.scope_metrics.iter().flat_map(|scope| &scope.metrics) {
            let points = match &metric.data {
                Some(Data::Gauge(gauge)) => &gauge.data_points[..],
                Some(Data::Sum(sum)) => &sum.data_points,
                None => &[],
            };
            for point in points {
                let name = std::iter::once(("__name__", &*metric.name));
                let series = series_name(name.chain(attributes(&point.attributes)));
                line(&series, &number(point), point.time_unix_nano, &mut out);
            }
        }
    }
    Ok(out)
}

fn number(point: &NumberDataPoint) -> String {
    match point.value {
        _ if point.flags & NO_RECORDED_VALUE != 0 => "stale".to_owned(),
        Some(Number::AsDouble(value)) => value.to_string(),
        Some(Number::AsInt(value)) => value.to_string(),
        None => "NaN".to_owned(),
    }
}

fn attributes(attributes: &[KeyValue]) -> impl Iterator<Item = (&str, &str)> {
    attributes.iter().map(|pair| {
        let value = pair.value.as_ref().and_then(|value| value.string_value.as_deref());
        (&*pair.key, value.unwrap_or_default())
    })
}

/// A series as it is written in queries; values are escaped, so that none of them ends a line or commands a terminal.
fn series_name<'a>(labels: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let (mut name, mut others) = ("", Vec::new());
    for (label, value) in labels {
        if label == "__name__" {
            name = value;
        } else {
            others.push(format!("{label}={value:?}"));
        }
    }
    if others.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", others.join(",")) }
}

fn line(series: &str, value: &str, time: impl std::fmt::Display, out: &mut String) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{series} {value} {time}");
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use plimsoll_wire::point::{Point, Tally, Value};
    use tokio::time::Instant;

    use super::*;
    use crate::batch::{Batcher, Bounds};
    use crate::format::Coding;

    #[test]
    fn samples_are_lines() {
        let samples = "memory{container=\"a \\\"b\\\"\"} 4096 5000\nmemory{container=\"gone\"} stale 5000\n";
        let of_otlp = "# resource: service.name=\"plimsoll\"\n\
                       memory{container=\"a \\\"b\\\"\"} 4096 5000000000\nmemory{container=\"gone\"} stale 5000000000\n";
        for (content, coding, expected) in [
            (Content::RemoteWrite(Version::V1), Coding::Snappy, samples),
            (Content::RemoteWrite(Version::V2), Coding::Snappy, samples),
            (Content::Otlp, Coding::Gzip, of_otlp),
        ] {
            let format = Format { content, coding };
            let bounds = Bounds { points: 10, bytes: 1000, wait: Duration::from_secs(1), unhurried: 10 };
            let resource = vec![("service.name".to_owned(), "plimsoll".to_owned())];
            let mut batcher = Batcher::new(format, bounds, resource);
            let mut tally = Tally::default();
            for (container, value) in [("a \"b\"", Value::Unsigned(4096)), ("gone", Value::Stale)] {
                let mut point = Point::default();
                point.begin("memory", 5_000_000_000);
                point.tag("container", container);
                point.field("", value);
                batcher.push(&point, Instant::now(), &mut tally);
            }
            let body = batcher.close().unwrap().body;
            assert_eq!(readable(format, &body).as_deref(), Ok(expected), "{content:?}");
            assert_eq!(readable(format, &body[1..]), Err(Broken));
        }
    }
}
