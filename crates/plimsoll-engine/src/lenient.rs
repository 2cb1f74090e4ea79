//! Reading JSON without believing it.
//!
//! Engines of ten years and two families answer the same questions with fields that are missing, null, renamed or of
//! another type. A number that cannot be read is an absent number, never the end of a whole listing: so every field of
//! the wire structures goes through one of the functions here, which take *any* JSON value and give what they can use.
//! All of it happens in one pass over the bytes, without a tree of values in between, and every text is cut while it is
//! read, so a reply cannot make the client keep more than the bounds below.
//!
//! What counts as usable: text is a JSON string (a number is not: `1.40` would become `1.4`), and an empty text is an
//! absent one, which is how Go encodes "not set". Whole numbers may come as numeric strings, truth values as `"true"`
//! and `"false"`.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The longest text that is kept, in bytes: a name, an image, a label's key or value. Longer ones are cut at a
/// character boundary and counted.
pub const MAX_TEXT: usize = 4 * 1024;

/// How many labels of one container or image are kept; the rest is dropped and counted.
pub const MAX_LABELS: usize = 512;

/// How many elements of an inner list (tags, digests, networks, security options) are kept; the rest is dropped and
/// counted.
pub const MAX_INNER: usize = 256;

/// What can be made from one scalar JSON value. Each method answers `None` for what it cannot use.
pub(crate) trait Scalar: Sized {
    fn from_text(_text: &str) -> Option<Self> {
        None
    }

    fn from_integer(_integer: i128) -> Option<Self> {
        None
    }

    fn from_truth(_truth: bool) -> Option<Self> {
        None
    }
}

/// A text that is at most [`MAX_TEXT`] bytes long.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Text {
    value: String,
    cut: bool,
}

impl Text {
    /// The text, adding 1 to `truncated` if it had to be cut.
    pub(crate) fn count(self, truncated: &mut usize) -> String {
        *truncated += usize::from(self.cut);
        self.value
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.value
    }

    pub(crate) fn into_string(self) -> String {
        self.value
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.cut
    }
}

impl Scalar for Text {
    fn from_text(text: &str) -> Option<Self> {
        let kept = &text[..text.floor_char_boundary(MAX_TEXT)];
        (!text.is_empty()).then(|| Self { value: kept.to_owned(), cut: kept.len() < text.len() })
    }
}

/// A text for which a cut needs no counting: states, addresses, version numbers.
impl Scalar for String {
    fn from_text(text: &str) -> Option<Self> {
        Text::from_text(text).map(|text| text.value)
    }
}

impl Scalar for u64 {
    fn from_text(text: &str) -> Option<Self> {
        text.trim().parse().ok()
    }

    fn from_integer(integer: i128) -> Option<Self> {
        integer.try_into().ok()
    }
}

impl Scalar for i64 {
    fn from_text(text: &str) -> Option<Self> {
        text.trim().parse().ok()
    }

    fn from_integer(integer: i128) -> Option<Self> {
        integer.try_into().ok()
    }
}

impl Scalar for bool {
    fn from_text(text: &str) -> Option<Self> {
        text.trim().parse().ok()
    }

    fn from_truth(truth: bool) -> Option<Self> {
        Some(truth)
    }
}

/// A moment in nanoseconds since the Unix epoch, from RFC 3339 text (inspect) or whole seconds (listings). Anything up
/// to the epoch itself is absent: engines write year 1 or zero for "never".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment(pub(crate) u64);

impl Scalar for Moment {
    fn from_text(text: &str) -> Option<Self> {
        let moment: jiff::Timestamp = text.trim().parse().ok()?;
        u64::try_from(moment.as_nanosecond()).ok().filter(|&nanos| nanos > 0).map(Self)
    }

    fn from_integer(seconds: i128) -> Option<Self> {
        let nanos = u64::try_from(seconds).ok()?.checked_mul(1_000_000_000)?;
        (nanos > 0).then_some(Self(nanos))
    }
}

/// Reads one scalar, whatever stands there.
pub(crate) fn scalar<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Scalar,
    D: Deserializer<'de>,
{
    deserializer.deserialize_any(ScalarVisitor(PhantomData))
}

struct ScalarVisitor<T>(PhantomData<T>);

impl<'de, T: Scalar> Visitor<'de> for ScalarVisitor<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(T::from_text(text))
    }

    fn visit_u64<E>(self, integer: u64) -> Result<Self::Value, E> {
        Ok(T::from_integer(integer.into()))
    }

    fn visit_i64<E>(self, integer: i64) -> Result<Self::Value, E> {
        Ok(T::from_integer(integer.into()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Self::Value, E> {
        Ok(T::from_truth(truth))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        drain_seq(seq).map(|_| None)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        drain_map(map).map(|_| None)
    }
}

/// A scalar as an element of a list or a map.
struct Element<T>(Option<T>);

impl<'de, T: Scalar> Deserialize<'de> for Element<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        scalar(deserializer).map(Self)
    }
}

/// An object read as `T`; anything that is not an object is `None`.
pub(crate) struct Object<T>(pub(crate) Option<T>);

impl<T> Default for Object<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ObjectVisitor(PhantomData)).map(Self)
    }
}

/// Reads a nested object as `T`, and whatever else stands there as `T`'s default.
pub(crate) fn nested<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Deserialize<'de> + Default,
    D: Deserializer<'de>,
{
    Ok(Object::deserialize(deserializer)?.0.unwrap_or_default())
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Some)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        drain_seq(seq).map(|_| None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// The texts of an array, at most [`MAX_INNER`] of them.
#[derive(Default)]
pub(crate) struct Texts {
    pub(crate) items: Vec<Text>,
    /// Elements beyond the bound.
    pub(crate) dropped: usize,
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Collect(Self::default()))
    }
}

/// The string-to-string pairs of an object, at most [`MAX_LABELS`] of them. A value that is no string drops its pair;
/// an empty value is kept, as labels without a value are common.
#[derive(Default)]
pub(crate) struct Labels {
    pub(crate) map: BTreeMap<String, String>,
    /// Keys and values that were cut, and pairs beyond the bound.
    pub(crate) truncated: usize,
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Collect(Self::default()))
    }
}

/// The objects of an object, each with its key, at most [`MAX_INNER`] of them.
pub(crate) struct Entries<T> {
    pub(crate) items: Vec<(Text, T)>,
    /// Keys that were cut, and entries beyond the bound.
    pub(crate) truncated: usize,
}

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self { items: Vec::new(), truncated: 0 }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Collect(Self::default()))
    }
}

/// The elements of an array that are usable objects, and how many were not.
pub(crate) struct Elements<T> {
    pub(crate) items: Vec<T>,
    pub(crate) broken: usize,
    /// True if the value was an array at all.
    pub(crate) is_array: bool,
}

impl<T> Default for Elements<T> {
    fn default() -> Self {
        Self { items: Vec::new(), broken: 0, is_array: false }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Elements<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Collect(Self::default()))
    }
}

/// The usable objects of an array, at most `MAX` of them.
pub(crate) struct Bounded<T, const MAX: usize> {
    pub(crate) items: Vec<T>,
    /// Elements that were no objects or beyond the bound.
    pub(crate) dropped: usize,
}

impl<T, const MAX: usize> Default for Bounded<T, MAX> {
    fn default() -> Self {
        Self { items: Vec::new(), dropped: 0 }
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for Bounded<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Collect(Self::default()))
    }
}

/// How many elements an array has.
#[derive(Default)]
pub(crate) struct Count(pub(crate) usize);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Collect(Self::default()))
    }
}

/// Whether there is a value at all, other than `null`.
#[derive(Default)]
pub(crate) struct Presence(pub(crate) bool);

impl<'de> Deserialize<'de> for Presence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Option::<IgnoredAny>::deserialize(deserializer)?.is_some()))
    }
}

/// What fills itself from an array or an object; the default is to skip over it.
trait Gather<'de> {
    fn seq<A: SeqAccess<'de>>(&mut self, seq: A) -> Result<(), A::Error> {
        drain_seq(seq).map(drop)
    }

    fn map<A: MapAccess<'de>>(&mut self, map: A) -> Result<(), A::Error> {
        drain_map(map).map(drop)
    }
}

impl<'de> Gather<'de> for Texts {
    fn seq<A: SeqAccess<'de>>(&mut self, mut seq: A) -> Result<(), A::Error> {
        while self.items.len() < MAX_INNER {
            match seq.next_element::<Element<Text>>()? {
                Some(Element(text)) => self.items.extend(text),
                None => return Ok(()),
            }
        }
        self.dropped = drain_seq(seq)?;
        Ok(())
    }
}

impl<'de> Gather<'de> for Labels {
    fn map<A: MapAccess<'de>>(&mut self, mut map: A) -> Result<(), A::Error> {
        while self.map.len() < MAX_LABELS {
            match map.next_entry::<LabelText, LabelText>()? {
                Some((LabelText(Some(key)), LabelText(Some(value)))) if !key.value.is_empty() => {
                    let key = key.count(&mut self.truncated);
                    // Two keys that are the same once cut: the first one stays, the cut was counted.
                    self.map.entry(key).or_insert(value.count(&mut self.truncated));
                }
                Some(_) => {}
                None => return Ok(()),
            }
        }
        self.truncated += drain_map(map)?;
        Ok(())
    }
}

impl<'de, T: Deserialize<'de>> Gather<'de> for Entries<T> {
    fn map<A: MapAccess<'de>>(&mut self, mut map: A) -> Result<(), A::Error> {
        while self.items.len() < MAX_INNER {
            match map.next_entry::<Element<Text>, Object<T>>()? {
                Some((Element(Some(key)), Object(Some(value)))) => {
                    self.truncated += usize::from(key.cut);
                    self.items.push((key, value));
                }
                Some(_) => {}
                None => return Ok(()),
            }
        }
        self.truncated += drain_map(map)?;
        Ok(())
    }
}

impl<'de, T: Deserialize<'de>> Gather<'de> for Elements<T> {
    fn seq<A: SeqAccess<'de>>(&mut self, mut seq: A) -> Result<(), A::Error> {
        self.is_array = true;
        while let Some(element) = seq.next_element::<Object<T>>()? {
            match element.0 {
                Some(item) => self.items.push(item),
                None => self.broken += 1,
            }
        }
        Ok(())
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Gather<'de> for Bounded<T, MAX> {
    fn seq<A: SeqAccess<'de>>(&mut self, mut seq: A) -> Result<(), A::Error> {
        while self.items.len() < MAX {
            match seq.next_element::<Object<T>>()? {
                Some(Object(Some(item))) => self.items.push(item),
                Some(Object(None)) => self.dropped += 1,
                None => return Ok(()),
            }
        }
        self.dropped += drain_seq(seq)?;
        Ok(())
    }
}

impl<'de> Gather<'de> for Count {
    fn seq<A: SeqAccess<'de>>(&mut self, seq: A) -> Result<(), A::Error> {
        self.0 = drain_seq(seq)?;
        Ok(())
    }
}

/// A text that may be empty: a label's value.
struct LabelText(Option<Text>);

impl<'de> Deserialize<'de> for LabelText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyText(Text);
        impl Scalar for AnyText {
            fn from_text(text: &str) -> Option<Self> {
                let empty = || Text { value: String::new(), cut: false };
                Some(Self(Text::from_text(text).unwrap_or_else(empty)))
            }
        }
        Ok(Self(scalar::<AnyText, D>(deserializer)?.map(|text| text.0)))
    }
}

/// Hands arrays and objects to `T`, and takes everything else for an empty one.
struct Collect<T>(T);

impl<'de, T: Gather<'de>> Visitor<'de> for Collect<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, seq: A) -> Result<T, A::Error> {
        self.0.seq(seq)?;
        Ok(self.0)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, map: A) -> Result<T, A::Error> {
        self.0.map(map)?;
        Ok(self.0)
    }

    fn visit_str<E>(self, _: &str) -> Result<T, E> {
        Ok(self.0)
    }

    fn visit_u64<E>(self, _: u64) -> Result<T, E> {
        Ok(self.0)
    }

    fn visit_i64<E>(self, _: i64) -> Result<T, E> {
        Ok(self.0)
    }

    fn visit_f64<E>(self, _: f64) -> Result<T, E> {
        Ok(self.0)
    }

    fn visit_bool<E>(self, _: bool) -> Result<T, E> {
        Ok(self.0)
    }

    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(self.0)
    }
}

fn drain_seq<'de, A: SeqAccess<'de>>(mut seq: A) -> Result<usize, A::Error> {
    let mut skipped = 0;
    while seq.next_element::<IgnoredAny>()?.is_some() {
        skipped += 1;
    }
    Ok(skipped)
}

fn drain_map<'de, A: MapAccess<'de>>(mut map: A) -> Result<usize, A::Error> {
    let mut skipped = 0;
    while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
        skipped += 1;
    }
    Ok(skipped)
}

/// The elements of a JSON array as byte slices, without looking into them: the way to save the neighbours of an element
/// that no parser accepts (a lone surrogate, a number out of range, a key given twice). `None` if the array is not
/// closed properly, because half a listing would look as if the other half had been removed.
pub(crate) fn split_array(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let bytes = bytes.trim_ascii();
    let inner = bytes.strip_prefix(b"[")?;
    let mut elements = Vec::new();
    let (mut depth, mut in_string, mut escaped, mut start) = (0_usize, false, false, 0);
    for (at, &byte) in inner.iter().enumerate() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth > 0 => depth -= 1,
            b',' if depth == 0 => {
                elements.push(&inner[start..at]);
                start = at + 1;
            }
            b']' => {
                let last = &inner[start..at];
                if !elements.is_empty() || !last.trim_ascii().is_empty() {
                    elements.push(last);
                }
                return (at + 1 == inner.len()).then_some(elements);
            }
            b'}' => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize as Derive;

    #[derive(Derive, Default)]
    #[serde(default)]
    struct Wire {
        #[serde(deserialize_with = "scalar")]
        text: Option<Text>,
        #[serde(deserialize_with = "scalar")]
        unsigned: Option<u64>,
        #[serde(deserialize_with = "scalar")]
        signed: Option<i64>,
        #[serde(deserialize_with = "scalar")]
        truth: Option<bool>,
        #[serde(deserialize_with = "scalar")]
        moment: Option<Moment>,
        labels: Labels,
        texts: Texts,
        #[serde(deserialize_with = "nested")]
        inner: Inner,
    }

    #[derive(Derive, Default)]
    #[serde(default)]
    struct Inner {
        #[serde(deserialize_with = "scalar")]
        number: Option<u64>,
    }

    fn parse(json: &str) -> Wire {
        serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
    }

    #[test]
    fn every_field_takes_every_type() {
        let values = [
            "null",
            "true",
            "0",
            "-7",
            "1.5",
            "18446744073709551616",
            r#""""#,
            r#""x""#,
            "[[1],{}]",
            r#"{"a":{"b":[]}}"#,
        ];
        for field in ["text", "unsigned", "signed", "truth", "moment", "labels", "texts", "inner"] {
            for value in values {
                parse(&format!(r#"{{"{field}":{value},"inner":{{"number":3}}}}"#).replace(
                    // Two `inner` would be a key given twice, which is another test.
                    r#","inner":{"number":3}"#,
                    if field == "inner" { "" } else { r#","inner":{"number":3}"# },
                ));
            }
        }
    }

    #[test]
    fn numbers_come_as_text_and_text_never_as_numbers() {
        let wire =
            parse(r#"{"text":5,"unsigned":" 12 ","signed":"-3","truth":"true","inner":{"number":"9"}}"#);
        assert_eq!(
            (wire.text, wire.unsigned, wire.signed, wire.truth),
            (None, Some(12), Some(-3), Some(true))
        );
        assert_eq!(wire.inner.number, Some(9));
        let wire = parse(r#"{"unsigned":-1,"signed":9223372036854775808,"truth":1}"#);
        assert_eq!((wire.unsigned, wire.signed, wire.truth), (None, None, None));
    }

    #[test]
    fn moments() {
        for (json, expected) in [
            (r#""1970-01-01T00:00:01.5Z""#, Some(1_500_000_000)),
            (r#""1970-01-01T01:00:01.000000001+01:00""#, Some(1_000_000_001)),
            ("1795223743", Some(1_795_223_743_000_000_000)),
            (r#""0001-01-01T00:00:00Z""#, None),
            ("-62135596800", None),
            ("0", None),
            (r#""yesterday""#, None),
            ("18446744073709551615", None),
        ] {
            let moment = parse(&format!(r#"{{"moment":{json}}}"#)).moment;
            assert_eq!(moment.map(|moment| moment.0), expected, "{json}");
        }
    }

    #[test]
    fn long_text_is_cut_at_a_character_and_counted() {
        let long = format!("a{}", "ü".repeat(MAX_TEXT));
        let text = parse(&format!(r#"{{"text":"{long}"}}"#)).text.expect("a text");
        let mut truncated = 0;
        let kept = text.count(&mut truncated);
        assert_eq!((kept.len(), truncated), (MAX_TEXT - 1, 1));
        assert!(long.starts_with(&kept));
    }

    #[test]
    fn labels_are_bounded_and_survive_odd_neighbours() {
        let wire = parse(
            r#"{"labels":{"a":"1","b":2,"c":null,"d":["x"],"e":"","":"nameless"},"texts":["x",1,null,"y"]}"#,
        );
        let expected = BTreeMap::from([("a".to_owned(), "1".to_owned()), ("e".to_owned(), String::new())]);
        assert_eq!((wire.labels.map, wire.labels.truncated), (expected, 0));
        assert_eq!(wire.texts.items.len(), 2);

        let many: Vec<String> = (0..MAX_LABELS + 3).map(|n| format!(r#""k{n}":"v""#)).collect();
        let wire = parse(&format!(r#"{{"labels":{{{}}}}}"#, many.join(",")));
        assert_eq!((wire.labels.map.len(), wire.labels.truncated), (MAX_LABELS, 3));
    }

    #[test]
    fn split_array_sees_elements_and_refuses_halves() {
        for (text, expected) in [
            (r#" [ {"a":"]},{"} , 5,[1,2] ] "#, Some(vec![r#" {"a":"]},{"} "#, " 5", "[1,2] "])),
            ("[]", Some(vec![])),
            (r#"["\"]"]"#, Some(vec![r#""\"]""#])),
            ("[,]", Some(vec!["", ""])),
            ("[{},", None),
            ("[{}", None),
            ("[{}]]", None),
            ("[{}] x", None),
            ("{}", None),
            ("", None),
        ] {
            let split = split_array(text.as_bytes());
            let split = split
                .map(|parts| parts.into_iter().map(|p| std::str::from_utf8(p).unwrap()).collect::<Vec<_>>());
            assert_eq!(split, expected, "{text}");
        }
    }
}
