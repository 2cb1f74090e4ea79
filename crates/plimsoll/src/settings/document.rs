//! A TOML document, read in the order in which it stands there.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::settings::value::Raw;

/// The entries of a table as they stand in the file, so that the first mistake is the one that is told.
pub(super) fn in_order<'a, 'i>(
    table: &'a DeTable<'i>,
) -> Vec<(&'a Spanned<std::borrow::Cow<'i, str>>, &'a Spanned<DeValue<'i>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

/// A value as settings take it.
pub(super) fn raw(value: &DeValue<'_>) -> Raw {
    match value {
        DeValue::String(text) => Raw::Text(text.to_string()),
        DeValue::Integer(number) => Raw::Number(number.to_string()),
        DeValue::Float(number) => Raw::Number(number.to_string()),
        DeValue::Boolean(on) => Raw::Bool(*on),
        DeValue::Array(entries) => {
            let texts: Option<Vec<String>> =
                entries.iter().map(|entry| entry.get_ref().as_str().map(str::to_owned)).collect();
            texts.map_or_else(|| Raw::Other("an array of other things than strings".into()), Raw::List)
        }
        DeValue::Datetime(time) => Raw::Other(time.to_string()),
        DeValue::Table(_) => Raw::Other("a table".into()),
    }
}

/// Where the lines of a document end. Each key asks for its line, and there may be many thousands: counting from the top
/// for each would take a minute.
pub(super) struct Lines(Vec<usize>);

impl Lines {
    pub(super) fn of(contents: &str) -> Self {
        Self(contents.match_indices('\n').map(|(position, _)| position).collect())
    }

    /// The line of a position, counted from 1.
    pub(super) fn at(&self, position: usize) -> usize {
        self.0.partition_point(|end| *end < position) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_have_lines() {
        for (contents, expected) in
            [("", &[1][..]), ("a", &[1, 1]), ("\n", &[1, 2]), ("a\n\nb", &[1, 1, 2, 3, 3])]
        {
            let lines = Lines::of(contents);
            let found: Vec<_> = (0..=contents.len()).map(|position| lines.at(position)).collect();
            assert_eq!(found, expected, "{contents:?}");
        }
    }
}
