//! `[[target]]` tables of the configuration file.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::failure::Failure;
use crate::settings::assignment::{bad_value, unknown};
use crate::settings::document::{in_order, raw};
use crate::settings::origin::Origin;
use crate::settings::target::key::Form;
use crate::settings::target::{Draft, Given, KEY, NOT_SHOWN, keys};
use crate::settings::value::Raw;

/// Reads the tables.
pub(in crate::settings) fn tables(
    value: &Spanned<DeValue<'_>>,
    place: &Origin,
    origin: &impl Fn(Range<usize>) -> Origin,
) -> Result<Vec<Draft>, Failure> {
    // What stands there may hold a secret.
    let wrong = || bad_value(place, KEY, NOT_SHOWN, &"tables, each under [[target]]");
    let entries = value.get_ref().as_array().ok_or_else(wrong)?;
    let drafts = entries.iter().map(|entry| {
        let table = entry.get_ref().as_table().ok_or_else(wrong)?;
        Ok(Draft { origin: origin(entry.span()), given: given(table, origin)? })
    });
    drafts.collect()
}

/// What a table says, in the order in which it stands there.
fn given(table: &DeTable<'_>, place_of: &impl Fn(Range<usize>) -> Origin) -> Result<Vec<Given>, Failure> {
    let mut found = Vec::new();
    for (name, value) in in_order(table) {
        let (name, origin) = (name.get_ref().as_ref(), place_of(name.span()));
        let key = keys().find(|key| key.key == name).ok_or_else(|| {
            let known: Vec<&str> = keys().map(|key| key.key).collect();
            unknown(&origin.to_string(), "key of a target", name, &known)
        })?;
        let raw = match (key.form, value.get_ref()) {
            (Form::Pairs | Form::SecretPairs, DeValue::Table(table)) => {
                pairs(key.key, key.form, table, place_of)?
            }
            (_, value) => raw(value),
        };
        found.push(Given { key, raw, origin });
    }
    Ok(found)
}

/// A table of texts. What is none is told with its own line.
fn pairs(
    key: &str,
    form: Form,
    table: &DeTable<'_>,
    place_of: &impl Fn(Range<usize>) -> Origin,
) -> Result<Raw, Failure> {
    let pairs = in_order(table).into_iter().map(|(name, value)| {
        let text = value.get_ref().as_str().ok_or_else(|| {
            let shown = match form {
                Form::SecretPairs => NOT_SHOWN.to_owned(),
                _ => raw(value.get_ref()).quoted(),
            };
            let key = crate::text::printable(&format!("{KEY}.{key}.{}", name.get_ref()));
            bad_value(&place_of(name.span()), &key, &shown, &"a text")
        })?;
        Ok((name.get_ref().to_string(), text.to_owned()))
    });
    Ok(Raw::Pairs(pairs.collect::<Result<_, Failure>>()?))
}
