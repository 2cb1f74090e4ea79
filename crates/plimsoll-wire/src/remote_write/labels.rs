//! The labels of a series from a point's name and tags: valid, sorted, each name once.

use std::borrow::Cow;

use crate::intern::Texts;
use crate::point::Point;

/// Puts labels together. Using it again saves allocations.
#[derive(Clone, Debug, Default)]
pub(super) struct Labels {
    name: String,
    /// Where a tag has to be renamed: the new name, the old one, and the value.
    renamed: Vec<(String, String, String)>,
}

const NAME: &str = "__name__";

impl Labels {
    /// Appends the numbers of names and values of the labels of `point`'s field `field` to `refs`. `None` if there is no number
    /// left for a text.
    #[inline]
    pub(super) fn put(
        &mut self,
        point: &Point,
        field: &str,
        texts: &mut Texts,
        refs: &mut Vec<u32>,
    ) -> Option<()> {
        self.set_name(point.measurement(), field);
        if self.put_plain(point, texts, refs)? {
            return Some(());
        }
        refs.clear();
        self.put_renamed(point, texts, refs)
    }

    /// The name of the series without its field.
    pub(super) fn metric(&self) -> &str {
        &self.name
    }

    fn set_name(&mut self, measurement: &str, field: &str) {
        self.name.clear();
        self.name.push_str(measurement);
        if !field.is_empty() {
            self.name.push('_');
            self.name.push_str(field);
        }
        if let Cow::Owned(valid) = valid(&self.name, true) {
            self.name = valid;
        }
    }

    /// The labels of a point whose tags are sorted and have valid names, which is the rule; whether it is such a one.
    #[inline]
    fn put_plain(&self, point: &Point, texts: &mut Texts, refs: &mut Vec<u32>) -> Option<bool> {
        let mut last = "";
        let mut named = false;
        for (name, value) in point.tags() {
            if name <= last || name == NAME || !is_valid(name, false) {
                return Some(false);
            }
            if !named && name > NAME {
                refs.extend([texts.add(NAME)?, texts.add(&self.name)?]);
                named = true;
            }
            refs.extend([texts.add(name)?, texts.add(value)?]);
            last = name;
        }
        if !named {
            refs.extend([texts.add(NAME)?, texts.add(&self.name)?]);
        }
        Some(true)
    }

    fn put_renamed(&mut self, point: &Point, texts: &mut Texts, refs: &mut Vec<u32>) -> Option<()> {
        self.renamed.clear();
        self.renamed.push((NAME.to_owned(), String::new(), self.name.clone()));
        for (name, value) in point.tags() {
            // As Prometheus does with a label of a target that is its own.
            let new = if name == NAME { Cow::Borrowed("exported___name__") } else { valid(name, false) };
            let new = if new == NAME { "exported___name__".to_owned() } else { new.into_owned() };
            self.renamed.push((new, name.to_owned(), value.to_owned()));
        }
        self.renamed.sort();
        for same in self.renamed.chunk_by(|(a, ..), (b, ..)| a == b) {
            let number = match same {
                [(_, _, value)] => texts.add(value)?,
                _ => {
                    let values: Vec<_> = same.iter().map(|(_, _, value)| &**value).collect();
                    texts.add(&values.join(";"))?
                }
            };
            refs.extend([texts.add(&same[0].0)?, number]);
        }
        Some(())
    }
}

fn is_valid(name: &str, colon: bool) -> bool {
    let is_letter = |b: u8| b.is_ascii_alphabetic() || b == b'_' || (colon && b == b':');
    let mut bytes = name.bytes();
    bytes.next().is_some_and(is_letter) && bytes.all(|b| is_letter(b) || b.is_ascii_digit())
}

/// A name with `_` for what it may not have, and in front of a digit. Names of metrics may have colons.
fn valid(name: &str, colon: bool) -> Cow<'_, str> {
    if is_valid(name, colon) {
        return Cow::Borrowed(name);
    }
    let needs_start = name.chars().next().is_none_or(|c| c.is_ascii_digit());
    let is_fine = |c: char| c.is_ascii_alphanumeric() || c == '_' || (colon && c == ':');
    let start = needs_start.then_some('_').into_iter();
    Cow::Owned(start.chain(name.chars().map(|c| if is_fine(c) { c } else { '_' })).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(measurement: &str, field: &str, tags: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut point = Point::default();
        point.begin(measurement, 0);
        for (name, value) in tags {
            point.tag(name, value);
        }
        let (mut texts, mut refs) = (Texts::default(), Vec::new());
        Labels::default().put(&point, field, &mut texts, &mut refs).unwrap();
        refs.chunks(2).map(|pair| (texts.get(pair[0]).to_owned(), texts.get(pair[1]).to_owned())).collect()
    }

    #[test]
    fn labels_are_sorted_valid_and_unique() {
        type Tags<'a> = &'a [(&'a str, &'a str)];
        let cases: &[(&str, &str, Tags<'_>, Tags<'_>)] = &[
            ("up", "", &[], &[("__name__", "up")]),
            ("cpu", "usage", &[("a", "1"), ("b", "2")], &[("__name__", "cpu_usage"), ("a", "1"), ("b", "2")]),
            ("cpu", "", &[("b", "2"), ("a", "1")], &[("__name__", "cpu"), ("a", "1"), ("b", "2")]),
            ("cpu", "", &[("B", "2"), ("a", "1")], &[("B", "2"), ("__name__", "cpu"), ("a", "1")]),
            ("a.b:c", "d-e", &[], &[("__name__", "a_b:c_d_e")]),
            ("", "", &[("", "x")], &[("_", "x"), ("__name__", "_")]),
            ("1é", "", &[("9", "x")], &[("_9", "x"), ("__name__", "_1_")]),
            ("m", "", &[("a_b", "2"), ("a:b", "1")], &[("__name__", "m"), ("a_b", "1;2")]),
            ("m", "", &[("a", "2"), ("a", "1")], &[("__name__", "m"), ("a", "1;2")]),
            (
                "m",
                "",
                &[("__name__", "evil"), ("..name..", "too")],
                &[("__name__", "m"), ("exported___name__", "too;evil")],
            ),
            (
                "m",
                "",
                &[("a", "line\nbreak\0 \"é\u{202e}")],
                &[("__name__", "m"), ("a", "line\nbreak\0 \"é\u{202e}")],
            ),
        ];
        for (measurement, field, tags, expected) in cases {
            let expected: Vec<_> =
                expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            assert_eq!(labels(measurement, field, tags), expected, "{measurement} {field} {tags:?}");
        }
    }
}
