//! What an answer means for the batch that was sent. A pure function of status, headers and body, for every kind of target.

use std::time::{Duration, SystemTime};

use crate::backoff::retry_after;
use crate::config::TargetKind;

/// What a target answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The header `Retry-After`.
    pub retry_after: Option<String>,
    /// Samples that were written, where remote write 2.0 is understood.
    pub written: Option<u64>,
    /// The body, as much of it as is kept.
    pub body: Vec<u8>,
}

/// Why there was no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// A word for metrics: `connect`, `tls`, `timeout`, `broken`.
    pub reason: &'static str,
    /// What happened, in a sentence.
    pub message: String,
    /// Whether the target may have the batch all the same.
    pub may_have_arrived: bool,
}

/// What becomes of a batch, or of a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The target has all of it.
    Delivered,
    /// The target has all but so many points.
    Partial {
        /// How many it refused.
        rejected: u64,
        /// Which, counted from 0, where the target says so.
        lines: Vec<u64>,
        /// Why, for metrics.
        reason: &'static str,
        /// Why, in the target's words.
        message: String,
    },
    /// Something in it is not wanted, and nothing of it was taken: halves will tell what.
    Malformed {
        /// In the target's words.
        message: String,
    },
    /// It comes from an earlier time than what the target has.
    OutOfOrder {
        /// In the target's words.
        message: String,
    },
    /// Too much at once.
    TooLarge,
    /// The target does not understand this form of it.
    Unsupported,
    /// Later.
    Retry {
        /// A word for metrics.
        reason: &'static str,
        /// How long at least.
        after: Option<Duration>,
        /// Why.
        message: String,
    },
    /// Somebody has to change something; the data is kept.
    Hold {
        /// `unauthorized` or `not_found`.
        reason: &'static str,
        /// Why.
        message: String,
    },
}

/// The longest excerpt of an answer that is shown, in characters.
const MAX_MESSAGE: usize = 300;

/// Judges an answer to a batch of `points` points.
///
/// ```
/// use plimsoll_deliver::config::TargetKind;
/// use plimsoll_deliver::verdict::{Answer, Verdict, judge};
///
/// let answer = Answer { status: 204, ..Answer::default() };
/// assert_eq!(judge(TargetKind::InfluxV2, &answer, 1000, std::time::SystemTime::now()), Verdict::Delivered);
/// ```
#[must_use]
pub fn judge(kind: TargetKind, answer: &Answer, points: u64, now: SystemTime) -> Verdict {
    let message = || excerpt(&answer.body);
    let after = || answer.retry_after.as_deref().and_then(|value| retry_after(value, now));
    let influx = matches!(kind, TargetKind::InfluxV1 | TargetKind::InfluxV2 | TargetKind::InfluxV3);
    match answer.status {
        200..=299 if kind == TargetKind::Otlp => otlp_success(answer, points),
        200..=299 => Verdict::Delivered,
        300..=399 => Verdict::Hold {
            reason: "redirect",
            message: format!("the target redirects ({}), which is not followed", answer.status),
        },
        400 | 422 if kind == TargetKind::RemoteWrite && answer.written.is_some_and(|written| written > 0) => {
            let rejected = points.saturating_sub(answer.written.unwrap_or_default());
            let reason = if says(&answer.body, &SAYS_OUT_OF_ORDER) { OUT_OF_ORDER } else { "refused" };
            Verdict::Partial { rejected, lines: Vec::new(), reason, message: message() }
        }
        400 if matches!(kind, TargetKind::RemoteWrite | TargetKind::Otlp)
            && says(&answer.body, &SAYS_OUT_OF_ORDER) =>
        {
            Verdict::OutOfOrder { message: message() }
        }
        400 if influx => influx_bad_request(kind, answer, points),
        400 => Verdict::Malformed { message: message() },
        401 | 403 | 407 => Verdict::Hold { reason: "unauthorized", message: message() },
        404 => Verdict::Hold { reason: "not_found", message: message() },
        413 => Verdict::TooLarge,
        415 => Verdict::Unsupported,
        // What could be taken is taken: a retry would be refused in the same way.
        422 if influx => partial(answer, points),
        408 | 425 | 429 => Verdict::Retry { reason: "throttled", after: after(), message: message() },
        // InfluxDB 2.0 answered so where later ones say 422.
        500 if influx && says(&answer.body, &["partial write"]) => partial(answer, points),
        500..=599 => Verdict::Retry { reason: "server_error", after: after(), message: message() },
        _ => Verdict::Malformed { message: message() },
    }
}

/// Why points were refused that are older than what the target has, for metrics.
pub(crate) const OUT_OF_ORDER: &str = "out_of_order";

/// How Prometheus and those like it say that a sample is older than what they have.
const SAYS_OUT_OF_ORDER: [&str; 5] =
    ["out of order", "out of bounds", "too old", "duplicate sample", "err-mimir-sample-out-of-order"];

fn says(body: &[u8], words: &[&str]) -> bool {
    let body = String::from_utf8_lossy(body).to_lowercase();
    words.iter().any(|word| body.contains(word))
}

fn otlp_success(answer: &Answer, points: u64) -> Verdict {
    match plimsoll_wire::otlp::parse_response(&answer.body) {
        Some((rejected, message)) if rejected > 0 => Verdict::Partial {
            rejected: u64::try_from(rejected).unwrap_or(0).min(points),
            lines: Vec::new(),
            reason: "refused",
            message: excerpt(message.as_bytes()),
        },
        _ => Verdict::Delivered,
    }
}

/// 400 means two things: nothing could be read, or all but some points were stored.
fn influx_bad_request(kind: TargetKind, answer: &Answer, points: u64) -> Verdict {
    if kind == TargetKind::InfluxV3
        && let Some(verdict) = named_lines(answer, points)
    {
        return verdict;
    }
    // Of lines that cannot be read v1 says `partial write` too, but not how many. The good ones are stored, and sending them
    // once more with the halves changes nothing for them.
    if says(&answer.body, &["partial write"]) && !says(&answer.body, &["unable to parse"]) {
        return partial(answer, points);
    }
    Verdict::Malformed { message: excerpt(&answer.body) }
}

fn partial(answer: &Answer, points: u64) -> Verdict {
    let rejected = dropped(&answer.body).unwrap_or(0).min(points);
    Verdict::Partial { rejected, lines: Vec::new(), reason: "refused", message: excerpt(&answer.body) }
}

/// The number in `dropped=N`.
fn dropped(body: &[u8]) -> Option<u64> {
    let body = String::from_utf8_lossy(body);
    let rest = body.split_once("dropped=")?.1;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// InfluxDB 3 names each line that it refused, counted from 1.
fn named_lines(answer: &Answer, points: u64) -> Option<Verdict> {
    let told: serde_json::Value = serde_json::from_slice(&answer.body).ok()?;
    let error = told.get("error")?.as_str()?;
    let lines = told.get("data")?.as_array()?;
    let mut numbers: Vec<u64> = lines
        .iter()
        .filter_map(|line| line.get("line_number")?.as_u64()?.checked_sub(1))
        .filter(|line| *line < points)
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    if numbers.is_empty() || !error.to_lowercase().contains("partial write") {
        return None;
    }
    let first = lines.iter().find_map(|line| line.get("error_message")?.as_str()).unwrap_or(error);
    Some(Verdict::Partial {
        rejected: numbers.len() as u64,
        lines: numbers,
        reason: "refused",
        message: excerpt(first.as_bytes()),
    })
}

/// The beginning of what somebody said, in one line that no terminal acts on.
pub(crate) fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(4 * MAX_MESSAGE)]);
    let text = text.trim();
    if text.is_empty() {
        return "(nothing was said)".to_owned();
    }
    let mut shown: String = text.chars().take(MAX_MESSAGE).flat_map(plimsoll_model::text::visible).collect();
    if text.chars().nth(MAX_MESSAGE).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use TargetKind::{InfluxV1, InfluxV2, InfluxV3, Otlp, RemoteWrite};

    fn word(verdict: &Verdict) -> String {
        match verdict {
            Verdict::Delivered => "delivered".to_owned(),
            Verdict::Partial { rejected, lines, .. } => format!("partial {rejected} {lines:?}"),
            Verdict::Malformed { .. } => "malformed".to_owned(),
            Verdict::OutOfOrder { .. } => "out of order".to_owned(),
            Verdict::TooLarge => "too large".to_owned(),
            Verdict::Unsupported => "unsupported".to_owned(),
            Verdict::Retry { reason, after, .. } => format!("retry {reason} {after:?}"),
            Verdict::Hold { reason, .. } => format!("hold {reason}"),
        }
    }

    #[test]
    fn answers_are_judged() {
        let v1_partial = r#"{"error":"partial write: field type conflict: input field \"v\" … dropped=2"}"#;
        let v1_parse = r#"{"error":"unable to parse 'x': missing fields"}"#;
        let v1_mixed = r#"{"error":"partial write: unable to parse 'x': missing fields dropped=0"}"#;
        let v3 = r#"{"error":"partial write of line protocol occurred","data":[
            {"original_line":"a","line_number":3,"error_message":"bad"},{"original_line":"b","line_number":1,"error_message":"bad"},
            {"original_line":"c","line_number":99,"error_message":"no such line"}]}"#;
        let prometheus = "out of order sample";
        for (kind, status, body, expected) in [
            (InfluxV1, 204, "", "delivered"),
            (InfluxV2, 200, "", "delivered"),
            (InfluxV1, 400, v1_partial, "partial 2 []"),
            (InfluxV1, 400, v1_parse, "malformed"),
            (InfluxV1, 400, v1_mixed, "malformed"),
            (InfluxV2, 422, v1_partial, "partial 2 []"),
            (InfluxV2, 422, "no number", "partial 0 []"),
            (InfluxV2, 500, "partial write: … dropped=1", "partial 1 []"),
            (InfluxV2, 500, "", "retry server_error None"),
            (InfluxV3, 400, v3, "partial 2 [0, 2]"),
            (InfluxV3, 400, "not JSON", "malformed"),
            (RemoteWrite, 400, prometheus, "out of order"),
            (RemoteWrite, 400, "label", "malformed"),
            (RemoteWrite, 415, "", "unsupported"),
            (Otlp, 200, "", "delivered"),
            (Otlp, 400, prometheus, "out of order"),
            (Otlp, 400, "no data points", "malformed"),
            (InfluxV1, 401, "", "hold unauthorized"),
            (InfluxV1, 403, "", "hold unauthorized"),
            (InfluxV1, 404, "", "hold not_found"),
            (InfluxV1, 302, "", "hold redirect"),
            (InfluxV1, 413, "", "too large"),
            (InfluxV1, 429, "", "retry throttled Some(7s)"),
            (InfluxV1, 503, "", "retry server_error Some(7s)"),
            (InfluxV1, 418, "", "malformed"),
        ] {
            let asks = matches!(status, 429 | 503).then(|| "7".to_owned());
            let answer = Answer { status, retry_after: asks, written: None, body: body.as_bytes().to_vec() };
            let verdict = judge(kind, &answer, 10, SystemTime::now());
            assert_eq!(word(&verdict), expected, "{kind:?} {status} {body}");
        }
    }

    #[test]
    fn what_was_refused_for_its_order_alone_is_known() {
        for (body, expected) in [
            ("out of order sample for series a", "out_of_order"),
            ("duplicate sample for timestamp", "out_of_order"),
            ("invalid metric name or labels", "refused"),
        ] {
            let answer =
                Answer { status: 400, retry_after: None, written: Some(3), body: body.as_bytes().to_vec() };
            let verdict = judge(RemoteWrite, &answer, 10, SystemTime::now());
            assert!(
                matches!(verdict, Verdict::Partial { rejected: 7, reason, .. } if reason == expected),
                "{verdict:?}"
            );
        }
    }

    #[test]
    fn what_a_server_says_is_shown_in_one_bounded_line() {
        assert_eq!(excerpt(b" a\nb\x1b[31m "), "a\\u{a}b\\u{1b}[31m");
        assert_eq!(excerpt(b" "), "(nothing was said)");
        assert_eq!(excerpt("é".repeat(1000).as_bytes()).chars().count(), MAX_MESSAGE + 1);
    }
}
