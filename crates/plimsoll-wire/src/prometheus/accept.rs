//! Which format a scraper wants, from its `Accept` header.

use super::Format;

/// Chooses the format for an `Accept` header. Text 0.0.4 is the answer to everything that names nothing
/// better: no header, `*/*`, a browser's list, garbage.
///
/// OpenMetrics is chosen for version 1.0.0 (or no version) and not for 0.0.1, protobuf only in the one
/// form that Prometheus reads: `proto=io.prometheus.client.MetricFamily; encoding=delimited`. Quality values
/// decide, then how exactly a format is named, then the order. `escaping` is of no concern, since all names
/// are plain.
///
/// ```
/// use plimsoll_wire::prometheus::{Format, negotiate};
///
/// assert_eq!(negotiate(None), Format::Text);
/// assert_eq!(
///     negotiate(Some("application/openmetrics-text;version=1.0.0;q=0.6,text/plain;q=0.3")),
///     Format::OpenMetrics { created: false },
/// );
/// ```
#[must_use]
pub fn negotiate(accept: Option<&str>) -> Format {
    let candidates = [Format::Text, Format::OpenMetrics { created: false }, Format::Protobuf];
    let ranges: Vec<Range<'_>> = accept.unwrap_or("").split(',').map(Range::parse).collect();
    let best = candidates.into_iter().filter_map(|format| Some((best_range(&ranges, format)?, format)));
    best.filter(|((_, quality, _), _)| *quality > 0)
        // A smaller place in the header is better; a tie beyond that cannot be.
        .max_by_key(|((exactness, quality, place), _)| (*quality, *exactness, std::cmp::Reverse(*place)))
        .map_or(Format::Text, |(_, format)| format)
}

/// Exactness, quality and place of the range that decides about the format: the one that names it most
/// exactly, and of those the first.
fn best_range(ranges: &[Range<'_>], format: Format) -> Option<(u8, u16, usize)> {
    let matching = ranges.iter().enumerate().filter_map(|(place, range)| {
        let exactness = range.exactness(format)?;
        Some((exactness, range.quality, place))
    });
    matching.max_by_key(|(exactness, _, place)| (*exactness, std::cmp::Reverse(*place)))
}

/// One media range of the header.
struct Range<'a> {
    media: &'a str,
    version: Option<&'a str>,
    proto: Option<&'a str>,
    encoding: Option<&'a str>,
    /// In thousandths.
    quality: u16,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let media = parts.next().unwrap_or("");
        let mut range = Self { media, version: None, proto: None, encoding: None, quality: 1000 };
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            let value = value.trim().trim_matches('"');
            match name.trim() {
                name if name.eq_ignore_ascii_case("q") => range.quality = quality(value),
                name if name.eq_ignore_ascii_case("version") => range.version = Some(value),
                name if name.eq_ignore_ascii_case("proto") => range.proto = Some(value),
                name if name.eq_ignore_ascii_case("encoding") => range.encoding = Some(value),
                _ => {}
            }
        }
        range
    }

    /// How exactly the range names the format; `None` where it does not.
    fn exactness(&self, format: Format) -> Option<u8> {
        let is = |media: &str| self.media.eq_ignore_ascii_case(media);
        match format {
            Format::Text if is("text/plain") => match self.version {
                Some("0.0.4") => Some(4),
                None => Some(3),
                Some(_) => None,
            },
            Format::Text if is("text/*") => Some(2),
            Format::Text if is("*/*") => Some(1),
            Format::OpenMetrics { .. } if is("application/openmetrics-text") => match self.version {
                Some("1.0.0") => Some(4),
                None => Some(3),
                Some(_) => None,
            },
            Format::Protobuf if is("application/vnd.google.protobuf") => {
                let is_ours = self.proto == Some("io.prometheus.client.MetricFamily")
                    && self.encoding == Some("delimited");
                is_ours.then_some(4)
            }
            _ => None,
        }
    }
}

/// A quality value in thousandths. What is no quality value asks for nothing.
fn quality(text: &str) -> u16 {
    match text.parse::<f32>() {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 1000")]
        Ok(value) if (0.0..=1.0).contains(&value) => (value * 1000.0).round() as u16,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN_METRICS: Format = Format::OpenMetrics { created: false };
    const PROTOBUF: &str =
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";

    fn check(accept: &str, expected: Format) {
        assert_eq!(negotiate(Some(accept)), expected, "{accept}");
    }

    #[test]
    fn prometheus_gets_what_it_prefers() {
        // Prometheus 2.42.
        check(
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
             text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            OPEN_METRICS,
        );
        // Prometheus 2.26 and older knew only the draft.
        check(
            "application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            Format::Text,
        );
        // Prometheus 2.42 with native histograms.
        check(
            &format!(
                "{PROTOBUF},application/openmetrics-text;version=1.0.0;q=0.8,\
                 application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
            ),
            Format::Protobuf,
        );
        // Prometheus 3.
        check(
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
             application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
             text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            OPEN_METRICS,
        );
        // Prometheus 3 with created timestamps or native histograms.
        check(
            &format!(
                "{PROTOBUF};q=0.6,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
                 application/openmetrics-text;version=0.0.1;q=0.4,\
                 text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
            ),
            Format::Protobuf,
        );
        // Prometheus 3.14, which prefers text.
        check(
            "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.5,\
             application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.4,*/*;q=0.3",
            Format::Text,
        );
        // Prometheus 3 told to use the text formats alone.
        check(
            "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.5",
            Format::Text,
        );
        // VictoriaMetrics' vmagent.
        check("text/plain;version=0.0.4;q=1,*/*;q=0.1", Format::Text);
        // Telegraf.
        check(
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,\
             text/plain;version=0.0.4;q=0.3",
            Format::Protobuf,
        );
    }

    #[test]
    fn people_get_text() {
        check("*/*", Format::Text);
        check("text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8", Format::Text);
        check("application/json", Format::Text);
        check("text/*", Format::Text);
    }

    #[test]
    fn garbage_gets_text() {
        for accept in ["", ",", ";;;,;q=,=,/", "\u{fffd}", "q=1", "application/openmetrics-text;q=x", "*"] {
            check(accept, Format::Text);
        }
        check(&"application/openmetrics-text;version=9,".repeat(1000), Format::Text);
    }

    #[test]
    fn quality_exactness_and_order_decide() {
        check("application/openmetrics-text", OPEN_METRICS);
        check("Application/OpenMetrics-Text; Version=\"1.0.0\"; Q=0.001", OPEN_METRICS);
        check("text/plain;q=0.2, application/openmetrics-text;version=1.0.0;q=0.3", OPEN_METRICS);
        check("text/plain;q=0.4, application/openmetrics-text;version=1.0.0;q=0.3", Format::Text);
        check("*/*, application/openmetrics-text;version=1.0.0", OPEN_METRICS);
        check("text/plain;version=0.0.4, application/openmetrics-text;version=1.0.0", Format::Text);
        check("application/openmetrics-text;version=1.0.0, text/plain;version=0.0.4", OPEN_METRICS);
        check("application/openmetrics-text;version=1.0.0;q=0, */*;q=0.1", Format::Text);
        check("text/plain;q=0, */*, application/openmetrics-text;q=0.5", OPEN_METRICS);
    }

    #[test]
    fn protobuf_comes_only_in_the_form_that_prometheus_reads() {
        check("application/vnd.google.protobuf", Format::Text);
        check("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily", Format::Text);
        check(
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text",
            Format::Text,
        );
        check(PROTOBUF, Format::Protobuf);
        check(
            "application/vnd.google.protobuf; encoding=delimited; proto=io.prometheus.client.MetricFamily",
            Format::Protobuf,
        );
    }
}
