//! What a sample is made of: names, words, labels.

use std::borrow::Cow;

use crate::line_protocol::{MAX_NAMES, ParseError};
use crate::point::Point;

/// A line, and how far it has been read.
pub(super) struct Cursor<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub(super) fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
    }

    fn fault<T>(&self, what: &'static str) -> Result<T, ParseError> {
        Err(ParseError { at: self.at, what })
    }

    /// The name that comes next; empty if none does.
    pub(super) fn name(&mut self, colons: bool) -> &'a str {
        let start = self.at;
        while let Some(byte) = self.peek() {
            let begins = byte.is_ascii_alphabetic() || byte == b'_' || (colons && byte == b':');
            let follows = byte.is_ascii_digit() && self.at > start;
            if !begins && !follows {
                break;
            }
            self.at += 1;
        }
        &self.text[start..self.at]
    }

    /// The word that comes next, and where; empty if none does.
    pub(super) fn word(&mut self) -> (usize, &'a str) {
        self.skip_blanks();
        let start = self.at;
        while self.peek().is_some_and(|byte| !matches!(byte, b' ' | b'\t')) {
            self.at += 1;
        }
        (start, &self.text[start..self.at])
    }

    /// Reads labels behind their `{`, and the `}`. With `names`, the first may be the name of the metric, in quotation marks.
    pub(super) fn labels(&mut self, names: bool, now: i64, point: &mut Point) -> Result<(), ParseError> {
        let mut count = 0;
        loop {
            self.skip_blanks();
            if self.peek() == Some(b'}') {
                self.at += 1;
                return Ok(());
            }
            let start = self.at;
            let key = match self.peek() {
                Some(b'"') => self.quoted()?,
                _ => Cow::Borrowed(self.name(false)),
            };
            if key.is_empty() {
                return self.fault("a label has no name");
            }
            self.skip_blanks();
            let is_metric = names && count == 0 && self.text.as_bytes()[start] == b'"';
            if is_metric && matches!(self.peek(), Some(b',' | b'}')) {
                point.begin(&key, now);
            } else {
                self.value(&key, point)?;
            }
            count += 1;
            if count > MAX_NAMES {
                return self.fault("it has too many labels; at most 1024 are read");
            }
            self.skip_blanks();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {}
                _ => return self.fault("the labels do not end"),
            }
        }
    }

    fn value(&mut self, key: &str, point: &mut Point) -> Result<(), ParseError> {
        if self.peek() != Some(b'=') {
            return self.fault("a label has no '='");
        }
        self.at += 1;
        self.skip_blanks();
        if self.peek() != Some(b'"') {
            return self.fault("a label's value is not in quotation marks");
        }
        let value = self.quoted()?;
        if !point.tag_value(key).is_empty() {
            return self.fault("it has a label twice");
        }
        point.tag(key, &value);
        Ok(())
    }

    /// Reads a text in quotation marks. What only looks like an escape stays, as Prometheus does it.
    fn quoted(&mut self) -> Result<Cow<'a, str>, ParseError> {
        let bytes = self.text.as_bytes();
        let start = self.at + 1;
        let (mut end, mut has_escapes) = (start, false);
        loop {
            match bytes.get(end) {
                None => return self.fault("a text in quotation marks does not end"),
                Some(b'"') => break,
                Some(b'\\') => {
                    has_escapes = true;
                    end += 2;
                }
                Some(_) => end += 1,
            }
        }
        self.at = end + 1;
        let raw = &self.text[start..end];
        if !has_escapes {
            return Ok(Cow::Borrowed(raw));
        }
        let mut plain = String::with_capacity(raw.len());
        let mut characters = raw.chars();
        while let Some(character) = characters.next() {
            match (character, if character == '\\' { characters.next() } else { None }) {
                ('\\', Some('n')) => plain.push('\n'),
                ('\\', Some(same @ ('\\' | '"'))) => plain.push(same),
                (_, Some(other)) => plain.extend(['\\', other]),
                (other, None) => plain.push(other),
            }
        }
        Ok(Cow::Owned(plain))
    }
}
