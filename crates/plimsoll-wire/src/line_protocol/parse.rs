//! Lines of others to points.

use std::borrow::Cow;
use std::fmt;

use super::{MAX_LINE, MAX_NAMES, Precision};
use crate::point::{Point, Value};

/// What is wrong with a line, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// The byte of the line, from 0, at which it was noticed.
    pub at: usize,
    /// What is wrong.
    pub what: &'static str,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {}: {}", self.at + 1, self.what)
    }
}

impl std::error::Error for ParseError {}

/// Reads one line, without its line feed, into `point`. Gives `false` for what is no point: a comment, or nothing.
///
/// A time counts in units of `precision`; a line without one gets `now`, in Unix nanoseconds. Escapes mean what they mean
/// to InfluxDB 1 and 2. Within the quotes of a text, a line feed is part of it. Whole numbers become
/// [`Value::Integer`] and [`Value::Unsigned`], others [`Value::Float`].
///
/// # Errors
/// If it is no line of line protocol, or beyond [`MAX_LINE`] or [`MAX_NAMES`]. What `point` holds then is of no use.
pub fn parse_line(
    line: &[u8],
    precision: Precision,
    now: i64,
    point: &mut Point,
) -> Result<bool, ParseError> {
    let mut reader = Reader { text: text_of(line)?, at: 0 };
    reader.skip(|byte| matches!(byte, b' ' | b'\t' | 0));
    match reader.peek() {
        None | Some(b'#') => return Ok(false),
        Some(_) => {}
    }
    reader.point(precision, now, point)?;
    Ok(true)
}

pub(super) const TOO_LONG: &str = "the line is too long; the longest that is read has 1 MiB";

/// The text of a line of somebody else's, without the carriage return at its end.
pub(crate) fn text_of(line: &[u8]) -> Result<&str, ParseError> {
    if line.len() > MAX_LINE {
        return Err(ParseError { at: MAX_LINE, what: TOO_LONG });
    }
    let text = std::str::from_utf8(line)
        .map_err(|error| ParseError { at: error.valid_up_to(), what: "it is no UTF-8" })?;
    Ok(text.strip_suffix('\r').unwrap_or(text))
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip(&mut self, skips: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&skips) {
            self.at += 1;
        }
    }

    fn fault<T>(&self, what: &'static str) -> Result<T, ParseError> {
        Err(ParseError { at: self.at, what })
    }

    fn point(&mut self, precision: Precision, now: i64, point: &mut Point) -> Result<(), ParseError> {
        let measurement = self.until(b", ", b", ");
        if measurement.is_empty() {
            return self.fault("the measurement is missing");
        }
        point.begin(&measurement, now);
        while self.peek() == Some(b',') {
            self.at += 1;
            self.tag(point)?;
        }
        self.skip(|byte| byte == b' ');
        loop {
            self.field(point)?;
            if self.peek() != Some(b',') {
                break;
            }
            self.at += 1;
        }
        self.time(precision, point)
    }

    fn tag(&mut self, point: &mut Point) -> Result<(), ParseError> {
        let start = self.at;
        let name = self.until(b"=, ", b",= ");
        if name.is_empty() || self.peek() != Some(b'=') {
            self.at = start;
            return self.fault("a tag has no name or no value: NAME=VALUE is expected");
        }
        self.at += 1;
        let value = self.until(b",= ", b",= ");
        match self.peek() {
            _ if value.is_empty() => self.fault("a tag has no value"),
            Some(b'=') => self.fault("a tag's value has a '=' that is not escaped"),
            None => self.fault("there are no fields"),
            _ if point.tags().len() == MAX_NAMES => self.fault("it has too many tags; at most 1024 are read"),
            // Few enough to be compared with each.
            _ if !point.tag_value(&name).is_empty() => self.fault("a tag comes twice"),
            _ => {
                point.tag(&name, &value);
                Ok(())
            }
        }
    }

    fn field(&mut self, point: &mut Point) -> Result<(), ParseError> {
        let start = self.at;
        let name = self.until(b"=, ", b",= \"");
        if name.is_empty() || self.peek() != Some(b'=') {
            self.at = start;
            return self.fault("a field has no name or no value: NAME=VALUE is expected");
        }
        if point.fields().len() == MAX_NAMES {
            return self.fault("it has too many fields; at most 1024 are read");
        }
        self.at += 1;
        if self.peek() == Some(b'"') {
            let text = self.quoted()?;
            point.field(&name, Value::Text(&text));
            return match self.peek() {
                None | Some(b',' | b' ') => Ok(()),
                Some(_) => self.fault("something follows the text of a field"),
            };
        }
        let start = self.at;
        self.skip(|byte| !matches!(byte, b',' | b' '));
        match number_or_bool(&self.text[start..self.at]) {
            Ok(value) => {
                point.field(&name, value);
                Ok(())
            }
            Err(what) => Err(ParseError { at: start, what }),
        }
    }

    fn time(&mut self, precision: Precision, point: &mut Point) -> Result<(), ParseError> {
        self.skip(|byte| byte == b' ');
        let start = self.at;
        self.skip(|byte| byte != b' ');
        let told = &self.text[start..self.at];
        if !told.is_empty() {
            let time = told.parse().ok().and_then(|number| precision.read(number));
            let what = "the time is no whole number that InfluxDB keeps; is the precision right?";
            point.set_time(time.ok_or(ParseError { at: start, what })?);
        }
        self.skip(|byte| matches!(byte, b' ' | b'\t' | 0));
        if self.at < self.text.len() { self.fault("something follows the time") } else { Ok(()) }
    }

    /// Reads up to one of `ends` that has no backslash before it, and takes away those before one of `escaped`.
    fn until(&mut self, ends: &[u8], escaped: &[u8]) -> Cow<'a, str> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        let (mut before, mut has_escapes) = (b' ', false);
        while let Some(byte) = self.peek() {
            match before {
                // Only texts may have lines.
                _ if byte == b'\n' => break,
                b'\\' => has_escapes |= escaped.contains(&byte),
                _ if ends.contains(&byte) => break,
                _ => {}
            }
            before = byte;
            self.at += 1;
        }
        let raw = &self.text[start..self.at];
        if !has_escapes {
            return Cow::Borrowed(raw);
        }
        let is_escape =
            |at: usize| bytes[at] == b'\\' && at + 1 < start + raw.len() && escaped.contains(&bytes[at + 1]);
        let kept =
            raw.char_indices().filter(|(at, _)| !is_escape(start + at)).map(|(_, character)| character);
        Cow::Owned(kept.collect())
    }

    /// Reads a text in quotation marks.
    fn quoted(&mut self) -> Result<Cow<'a, str>, ParseError> {
        let open = self.at;
        let bytes = self.text.as_bytes();
        let (mut at, mut has_escapes) = (open + 1, false);
        loop {
            match (bytes.get(at), bytes.get(at + 1)) {
                (None, _) => return self.fault("the text of a field does not end"),
                (Some(b'"'), _) => break,
                (Some(b'\\'), Some(b'"' | b'\\')) => {
                    has_escapes = true;
                    at += 2;
                }
                _ => at += 1,
            }
        }
        self.at = at + 1;
        let raw = &self.text[open + 1..at];
        if !has_escapes {
            return Ok(Cow::Borrowed(raw));
        }
        let mut plain = String::with_capacity(raw.len());
        let mut rest = raw;
        while let Some(at) = rest.find('\\') {
            plain.push_str(&rest[..at]);
            let behind = &rest[at + 1..];
            match behind.chars().next().filter(|next| matches!(next, '"' | '\\')) {
                Some(same) => {
                    plain.push(same);
                    rest = &behind[1..];
                }
                None => {
                    plain.push('\\');
                    rest = behind;
                }
            }
        }
        plain.push_str(rest);
        Ok(Cow::Owned(plain))
    }
}

fn number_or_bool(text: &str) -> Result<Value<'static>, &'static str> {
    match text {
        "" => return Err("a field has no value"),
        "t" | "T" | "true" | "True" | "TRUE" => return Ok(Value::Bool(true)),
        "f" | "F" | "false" | "False" | "FALSE" => return Ok(Value::Bool(false)),
        _ => {}
    }
    let is_whole = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    if let Some(digits) = text.strip_suffix('i').filter(|digits| is_whole(digits)) {
        return digits
            .parse()
            .map(Value::Integer)
            .map_err(|_| "it is no whole number from -2^63 to 2^63 - 1");
    }
    if let Some(digits) = text.strip_suffix('u').filter(|digits| is_whole(digits)) {
        return digits.parse().map(Value::Unsigned).map_err(|_| "it is no whole number from 0 to 2^64 - 1");
    }
    let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    match text.parse::<f64>() {
        Ok(value) if is_decimal && value.is_finite() => Ok(Value::Float(value)),
        Ok(_) if is_decimal => Err("the number is too large"),
        _ => Err("a value is neither a number, nor true or false, nor a text in quotation marks"),
    }
}

#[cfg(test)]
mod tests;
