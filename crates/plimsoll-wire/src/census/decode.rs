//! The body of a report, read as Go's decoder reads it into v1's structure, and within bounds.
//!
//! | the body has | what becomes of it |
//! |---|---|
//! | keys that v1 does not know | passed over |
//! | keys in another case | taken, as in Go |
//! | a key twice | the later wins; `agent_versions` are put together, as in Go |
//! | `null` | as if the key were not there; it empties `image_stats` and `agent_versions`, as in Go |
//! | a value of another type, a decimal for an integer, a number beyond 64 bits | refused with Go's message |
//! | a negative number | 0 |
//! | an image twice | one, with the sum of the containers and the larger size |
//! | an image without a name | left out: nothing can be counted under it |
//! | 0001-01-01T00:00:00Z | no time: it is what a Go program says that has none |
//! | control characters in a text | refused: no name has them, and SQL cannot hold a NUL |
//! | more than one value, broken UTF-8 | refused, where Go reads over it |

mod images;
mod values;

use std::fmt;

use plimsoll_model::census::Report;
use serde::de::{DeserializeSeed, MapAccess};
use serde_json::Deserializer;

use self::images::Images;
use self::values::{AgentVersions, At, Count, Decimal, KeyName, Moment, Notes, Skip, Text, Want, Wanted};
use super::keys::{self, KEYS, Slot};
use super::{MAX_BODY, MAX_DEPTH};

/// Why a report is refused. Its text is what v1 answers under `error`: one line without control characters, of at most
/// [`DecodeError::MAX_TEXT`] bytes. It may have quotes, so whoever puts it into JSON has to escape it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// It does not say whose it is.
    MissingInstallationId,
    /// It is no report, for the reason given.
    Invalid(String),
    /// It is beyond the bound that is given.
    TooLarge(String),
}

impl DecodeError {
    /// The most bytes of a message.
    pub const MAX_TEXT: usize = 512;

    /// The status of the HTTP answer: 413 for what is too large, else 400.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::TooLarge(_) => 413,
            Self::MissingInstallationId | Self::Invalid(_) => 400,
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingInstallationId => f.write_str("Missing installation_id"),
            Self::Invalid(reason) | Self::TooLarge(reason) => write!(f, "Invalid request body: {reason}"),
        }
    }
}

impl std::error::Error for DecodeError {}

/// Reads the body of a report.
///
/// ```
/// use plimsoll_wire::census::decode;
///
/// let error = decode(br#"{"installation_id":"x","host_count":"a"}"#).unwrap_err();
/// assert_eq!(error.status(), 400);
/// assert_eq!(
///     error.to_string(),
///     "Invalid request body: json: cannot unmarshal string into Go struct field TelemetryReport.host_count of type int"
/// );
/// ```
///
/// # Errors
/// If it is longer than [`MAX_BODY`], is no JSON, has values of other types, says not whose it is, or has anything beyond the
/// bounds of the [module above](super).
pub fn decode(body: &[u8]) -> Result<Report, DecodeError> {
    if body.len() > MAX_BODY {
        let reason = format!("it has {} bytes; at most {MAX_BODY} are read", body.len());
        return Err(DecodeError::TooLarge(reason));
    }
    let text = std::str::from_utf8(body).map_err(|error| {
        DecodeError::Invalid(format!("invalid UTF-8 at byte {}", error.valid_up_to() + 1))
    })?;
    let notes = Notes::default();
    let mut reader = Deserializer::from_str(text);
    let at = At { notes: &notes, path: "", go: "models.TelemetryReport" };
    let read = Wanted(Whole { at }).deserialize(&mut reader);
    let report = read
        .and_then(|report| reader.end().map(|()| report))
        .map_err(|error| notes.fault.take().unwrap_or_else(|| syntax(&error, text)))?;
    // Passing over a value takes no stack, so it was not noticed yet how deep it is.
    if notes.skipped.get() && depth(body) > MAX_DEPTH {
        return Err(DecodeError::Invalid("exceeded max depth".to_owned()));
    }
    if report.installation_id.is_empty() {
        return Err(DecodeError::MissingInstallationId);
    }
    Ok(report)
}

/// The whole report.
struct Whole<'a> {
    at: At<'a>,
}

impl<'de> Want<'de> for Whole<'_> {
    type Value = Report;

    fn at(&self) -> At<'_> {
        self.at
    }

    fn null(self) -> Report {
        Report::default()
    }

    fn map<A: MapAccess<'de>>(self, mut map: A) -> Result<Report, A::Error> {
        let mut report = Report::default();
        let mut next = 0;
        while let Some(found) = map.next_key_seed(KeyName(|name: &str| keys::find(name, next)))? {
            let Some(found) = found else {
                map.next_value_seed(Skip(self.at.notes))?;
                continue;
            };
            next = found + 1;
            let key = &KEYS[found];
            let at = At { path: key.name, ..self.at };
            match key.slot {
                Slot::Text { most, set, .. } => {
                    let at = At { go: "string", ..at };
                    if let Some(text) = map.next_value_seed(Wanted(Text { at, most }))? {
                        *set(&mut report) = text;
                    }
                }
                Slot::Count { go, set, .. } => {
                    if let Some(count) = map.next_value_seed(Count { at: At { go, ..at } })? {
                        *set(&mut report) = count;
                    }
                }
                Slot::Decimal { set, .. } => {
                    let at = At { go: "float64", ..at };
                    if let Some(value) = map.next_value_seed(Decimal { at })? {
                        *set(&mut report) = value;
                    }
                }
                Slot::Timestamp => {
                    if let Some(moment) = map.next_value_seed(Wanted(Moment { at }))? {
                        report.timestamp_ms = moment;
                    }
                }
                Slot::Images => {
                    let at = At { go: "[]models.ImageStat", ..at };
                    report.images = map.next_value_seed(Wanted(Images { at }))?;
                }
                Slot::AgentVersions => {
                    let at = At { go: "map[string]int", ..at };
                    let into = std::mem::take(&mut report.agent_versions);
                    report.agent_versions = map.next_value_seed(Wanted(AgentVersions { at, into }))?;
                }
            }
        }
        Ok(report)
    }
}

/// What is wrong with a body that is no JSON.
fn syntax(error: &serde_json::Error, text: &str) -> DecodeError {
    DecodeError::Invalid(match error.classify() {
        serde_json::error::Category::Eof if text.trim_ascii().is_empty() => "EOF".to_owned(),
        serde_json::error::Category::Eof => "unexpected EOF".to_owned(),
        // Its words and a place: nothing of the body is in it.
        _ => error.to_string(),
    })
}

/// How deep brackets lie in each other in a body that is JSON.
fn depth(body: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut is_text, mut is_escaped) = (false, false);
    for byte in body {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => is_text = !is_text,
            b'[' | b'{' if !is_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !is_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests;
