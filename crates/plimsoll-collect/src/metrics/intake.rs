//! What the collectors without Rust have in common: how they read what was said to them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use super::check::MAX_VALUES;
use super::config::ConfigError;
use super::parameters::{Parameters, wrong};
use super::parse::{Format, ParseError};
use super::value::{MetricValue, is_metric_name};

/// The longest prefix, in bytes.
const MAX_PREFIX: usize = 64;

/// How what was said is read.
pub(super) struct Intake {
    pub(super) format: Format,
    /// With its `_`.
    prefix: String,
    /// Whether it was said that something is broken. It is a matter of the log alone, and once is enough there.
    has_warned: AtomicBool,
}

impl Intake {
    /// Of this format, with names as they are.
    pub(super) fn of_format(format: Format) -> Self {
        Self { format, prefix: String::new(), has_warned: AtomicBool::new(false) }
    }

    /// Of `format` and `prefix`. A prefix that does not end in `_` or `:` gets a `_`.
    pub(super) fn from_parameters(parameters: Parameters<'_>) -> Result<Self, ConfigError> {
        let format = parameters.text("format")?.map(str::parse).transpose();
        let format = format.map_err(|error| wrong(format!("have a bad \"format\": {error}")))?;
        let mut prefix = parameters.text("prefix")?.unwrap_or_default().to_owned();
        if !prefix.is_empty() {
            if prefix.len() > MAX_PREFIX || !is_metric_name(&prefix) {
                return Err(wrong(format!(
                    "have {:?} as \"prefix\": it takes letters, digits, '_' and ':', no digit first, {MAX_PREFIX} at most",
                    plimsoll_model::text::bounded(&prefix, MAX_PREFIX)
                )));
            }
            if !prefix.ends_with(['_', ':']) {
                prefix.push('_');
            }
        }
        Ok(Self { format: format.unwrap_or_default(), prefix, has_warned: AtomicBool::new(false) })
    }

    /// Reads what `who` said. What is broken in it is told once; it has no name among the values, and no place in the end.
    pub(super) fn read(
        &self,
        who: &str,
        bytes: &[u8],
        content_type: Option<&str>,
    ) -> Result<Vec<MetricValue>, ParseError> {
        let parsed = self.format.read(bytes, content_type, &self.prefix, SystemTime::now())?;
        if let Some(first) = &parsed.first
            && !self.has_warned.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(
                "{} of what {who} told cannot be used and is left out, now and from now on; {first}",
                parsed.broken
            );
        }
        if parsed.surplus > 0 {
            tracing::debug!("{who} told {} values too many", parsed.surplus);
        }
        let mut values = parsed.values;
        // What cannot be used is handed on without a name, so that it is counted as every other nonsense is.
        let room = MAX_VALUES.saturating_sub(values.len());
        let broken = usize::try_from(parsed.broken).unwrap_or(room).min(room);
        values.extend(std::iter::repeat_n(MetricValue::new("", 0.0), broken));
        Ok(values)
    }
}
