//! `PLIMSOLL_TARGET_…`: one target without a file, or other values for one of the file's.

use crate::failure::Failure;
use crate::settings::environment::{Environment, split};
use crate::settings::origin::Origin;
use crate::settings::target::key::Form;
use crate::settings::target::{Given, TargetKey, keys};
use crate::settings::value::{Expected, Raw};
use crate::text;

/// What its variables begin with.
pub(in crate::settings) const PREFIX: &str = "PLIMSOLL_TARGET_";

/// What the variables say.
pub(in crate::settings) fn variables(environment: &Environment) -> Result<Vec<Given>, Failure> {
    let given = environment.with_prefix(PREFIX).map(|(name, value)| {
        let key = keys().find(|key| key.env == name).ok_or_else(|| unknown(name))?;
        let given = |raw| Given { key, raw, origin: Origin::Environment(key.env) };
        let text = value.to_str().ok_or_else(|| {
            given(Raw::Text(value.to_string_lossy().into_owned())).refused(&Expected::from("UTF-8"))
        })?;
        match raw(key, text) {
            Ok(raw) => Ok(given(raw)),
            Err(expected) => Err(given(Raw::Text(text.to_owned())).refused(&expected)),
        }
    });
    given.collect()
}

/// The text of a variable as its key is written.
fn raw(key: &TargetKey, text: &str) -> Result<Raw, Expected> {
    Ok(match key.form {
        Form::One | Form::Secret | Form::Address => Raw::Text(text.to_owned()),
        Form::List => Raw::List(split(text).collect()),
        Form::Pairs | Form::SecretPairs => {
            let pair = |entry: String| {
                let (name, value) = entry.split_once('=')?;
                Some((name.trim().to_owned(), value.trim().to_owned()))
            };
            let pairs: Option<Vec<_>> = split(text).map(pair).collect();
            Raw::Pairs(pairs.ok_or_else(|| Expected::from("NAME=VALUE, several with commas"))?)
        }
    })
}

/// The beginning that all share says nothing about which one was meant, so only the rest is compared.
fn unknown(name: &str) -> Failure {
    let failure = Failure::caller(format!("environment: unknown variable {}", text::quoted(name)));
    let known = keys().map(|key| key.env.trim_start_matches(PREFIX));
    failure.remedy(match text::nearest(name.trim_start_matches(PREFIX), known) {
        Some(key) => format!("the nearest known one is `{PREFIX}{key}`"),
        None => format!("known are {PREFIX} and a key of [[target]] in capitals, such as {PREFIX}URL"),
    })
}
