//! Single values: what is wanted, what stands there, and what Go says if that is not the same.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::DecodeError;
use crate::census::{MAX_AGENT_VERSIONS, MAX_VERSION, time};

/// The most of a value that a message shows, in characters.
const MAX_SHOWN: usize = 40;

/// What a reading leaves behind beside its result.
#[derive(Default)]
pub(super) struct Notes {
    /// Why the reading ended. The parser's errors carry text alone, and that with a place behind it.
    pub(super) fault: Cell<Option<DecodeError>>,
    /// Whether a value was passed over.
    pub(super) skipped: Cell<bool>,
}

/// Where a value stands, and of what type it should be.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) notes: &'a Notes,
    /// The keys that lead to it, with dots between them; empty for the whole body.
    pub(super) path: &'static str,
    /// Go's name of its type.
    pub(super) go: &'static str,
}

impl At<'_> {
    pub(super) fn fault<E: Error>(self, fault: DecodeError) -> E {
        self.notes.fault.set(Some(fault));
        E::custom("")
    }

    pub(super) fn invalid<E: Error>(self, reason: String) -> E {
        self.fault(DecodeError::Invalid(reason))
    }

    /// There is something else; `what` is Go's word for it.
    pub(super) fn wrong<E: Error>(self, what: &str) -> E {
        let (path, go) = (self.path, self.go);
        self.invalid(if path.is_empty() {
            format!("json: cannot unmarshal {what} into Go value of type {go}")
        } else {
            format!("json: cannot unmarshal {what} into Go struct field TelemetryReport.{path} of type {go}")
        })
    }
}

/// A value of one of the types that JSON has. What it is not asked for it refuses.
pub(super) trait Want<'de>: Sized {
    type Value;

    fn at(&self) -> At<'_>;

    fn null(self) -> Self::Value;

    fn text<E: Error>(self, _: &str) -> Result<Self::Value, E> {
        Err(self.at().wrong("string"))
    }

    fn list<A: SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
        Err(self.at().wrong("array"))
    }

    fn map<A: MapAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
        Err(self.at().wrong("object"))
    }

    /// It is a number or a truth, which is never wanted by these.
    fn other<E: Error>(self, what: &str) -> Result<Self::Value, E> {
        Err(self.at().wrong(what))
    }
}

/// Makes a visitor of what is wanted.
pub(super) struct Wanted<W>(pub(super) W);

impl<'de, W: Want<'de>> DeserializeSeed<'de> for Wanted<W> {
    type Value = W::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<W::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, W: Want<'de>> Visitor<'de> for Wanted<W> {
    type Value = W::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.at().go)
    }

    fn visit_unit<E: Error>(self) -> Result<W::Value, E> {
        Ok(self.0.null())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<W::Value, E> {
        self.0.text(text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<W::Value, A::Error> {
        self.0.list(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<W::Value, A::Error> {
        self.0.map(map)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<W::Value, E> {
        self.0.other("bool")
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<W::Value, E> {
        self.0.other("number")
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<W::Value, E> {
        self.0.other("number")
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<W::Value, E> {
        self.0.other("number")
    }
}

/// A text of at most so many characters. `None` for `null`.
pub(super) struct Text<'a> {
    pub(super) at: At<'a>,
    pub(super) most: usize,
}

impl<'de> Want<'de> for Text<'_> {
    type Value = Option<String>;

    fn at(&self) -> At<'_> {
        self.at
    }

    fn null(self) -> Option<String> {
        None
    }

    fn text<E: Error>(self, text: &str) -> Result<Option<String>, E> {
        check(text, self.most, self.at)?;
        Ok(Some(text.to_owned()))
    }
}

fn check<E: Error>(text: &str, most: usize, at: At<'_>) -> Result<(), E> {
    let path = at.path;
    if text.len() > most {
        let count = text.chars().count();
        if count > most {
            return Err(
                at.invalid(format!("{path} has a text of {count} characters; at most {most} are taken"))
            );
        }
    }
    let is_plain = |byte: u8| (0x20..0x7f).contains(&byte);
    if !text.bytes().all(is_plain) && text.contains(char::is_control) {
        return Err(at.invalid(format!("{path} has a text with control characters")));
    }
    Ok(())
}

/// A time. `None` for `null`, `Some(None)` for Go's time that is none.
pub(super) struct Moment<'a> {
    pub(super) at: At<'a>,
}

impl<'de> Want<'de> for Moment<'_> {
    type Value = Option<Option<i64>>;

    fn at(&self) -> At<'_> {
        self.at
    }

    fn null(self) -> Self::Value {
        None
    }

    fn text<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        match time::parse(text) {
            Some(time::NO_TIME_MS) => Ok(Some(None)),
            Some(moment) => Ok(Some(Some(moment))),
            None => {
                let shown = text.chars().take(MAX_SHOWN).collect::<String>();
                let shown = shown.escape_debug();
                let reason =
                    format!("parsing time \"{shown}\" as \"2006-01-02T15:04:05Z07:00\": it is no such time");
                Err(self.at.invalid(reason))
            }
        }
    }

    fn list<A: SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
        self.other("array")
    }

    fn map<A: MapAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
        self.other("object")
    }

    fn other<E: Error>(self, _: &str) -> Result<Self::Value, E> {
        Err(self.at.invalid("Time.UnmarshalJSON: input is not a JSON string".to_owned()))
    }
}

/// How many agents there are of each version, beside those that are known.
pub(super) struct AgentVersions<'a> {
    pub(super) at: At<'a>,
    pub(super) into: BTreeMap<String, u64>,
}

impl<'de> Want<'de> for AgentVersions<'_> {
    type Value = BTreeMap<String, u64>;

    fn at(&self) -> At<'_> {
        self.at
    }

    fn null(self) -> Self::Value {
        BTreeMap::new()
    }

    fn map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut count = 0;
        while let Some(version) = map.next_key_seed(KeyName(str::to_owned))? {
            check(&version, MAX_VERSION, self.at)?;
            count += 1;
            if count > MAX_AGENT_VERSIONS {
                let reason = format!("agent_versions has too many; at most {MAX_AGENT_VERSIONS} are taken");
                return Err(self.at.fault(DecodeError::TooLarge(reason)));
            }
            let agents = map.next_value_seed(Count { at: At { go: "int", ..self.at } })?;
            self.into.insert(version, agents.unwrap_or_default());
        }
        Ok(self.into)
    }
}

/// A whole number; one below zero is 0. `None` for `null`.
pub(super) struct Count<'a> {
    pub(super) at: At<'a>,
}

impl<'de> DeserializeSeed<'de> for Count<'_> {
    type Value = Option<u64>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        let read = |digits: &str| digits.parse::<i64>().ok();
        let number = number(self.at, deserializer, read)?;
        Ok(number.map(|number| u64::try_from(number).unwrap_or_default()))
    }
}

/// A decimal; one below zero is 0. `None` for `null`.
pub(super) struct Decimal<'a> {
    pub(super) at: At<'a>,
}

impl<'de> DeserializeSeed<'de> for Decimal<'_> {
    type Value = Option<f64>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        let read = |digits: &str| digits.parse::<f64>().ok().filter(|number| number.is_finite());
        let number = number(self.at, deserializer, read)?;
        // Which also makes -0 a zero.
        Ok(number.map(|number| if number > 0.0 { number } else { 0.0 }))
    }
}

fn number<'de, T, D: Deserializer<'de>>(
    at: At<'_>,
    deserializer: D,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, D::Error> {
    let raw = <&RawValue>::deserialize(deserializer)?.get();
    let what = match raw.as_bytes().first() {
        Some(b'n') => return Ok(None),
        Some(b'"') => "string",
        Some(b'[') => "array",
        Some(b'{') => "object",
        Some(b't' | b'f') => "bool",
        _ => match read(raw) {
            Some(number) => return Ok(Some(number)),
            None => return Err(at.wrong(&format!("number {}", &raw[..raw.len().min(MAX_SHOWN)]))),
        },
    };
    Err(at.wrong(what))
}

/// The name of a member, and what the function makes of it.
pub(super) struct KeyName<F>(pub(super) F);

impl<'de, T, F: FnOnce(&str) -> T> DeserializeSeed<'de> for KeyName<F> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<T, F: FnOnce(&str) -> T> Visitor<'_> for KeyName<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<T, E> {
        Ok(self.0(name))
    }
}

/// A value that is passed over.
pub(super) struct Skip<'a>(pub(super) &'a Notes);

impl<'de> DeserializeSeed<'de> for Skip<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.0.skipped.set(true);
        IgnoredAny::deserialize(deserializer).map(|_| ())
    }
}
