//! The list of images in a row, read without building it.

use std::borrow::Cow;
use std::fmt;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// One image of a list.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Use<'a> {
    pub(super) image: Cow<'a, str>,
    pub(super) containers: u64,
    pub(super) size_bytes: u64,
}

/// Shows each image of a list as `telemetry_reports.image_stats` has it. Whether it could be read to its end.
pub(super) fn each_use<'a>(json: &'a str, show: impl FnMut(Use<'a>)) -> bool {
    serde_json::Deserializer::from_str(json).deserialize_any(List(show)).is_ok()
}

struct List<F>(F);

impl<'a, F: FnMut(Use<'a>)> Visitor<'a> for List<F> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a list of images")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'a>>(mut self, mut list: A) -> Result<(), A::Error> {
        while let Some(image) = list.next_element::<Use<'a>>()? {
            if !image.image.is_empty() {
                (self.0)(image);
            }
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Use<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(One)
    }
}

struct One;

impl<'de> Visitor<'de> for One {
    type Value = Use<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an image with its count")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Use<'de>, A::Error> {
        let mut image = Use::default();
        while let Some(key) = map.next_key::<Text<'de>>()? {
            match &*key.0 {
                "image" => image.image = map.next_value::<Text<'de>>()?.0,
                "count" => image.containers = map.next_value::<Number>()?.0,
                "size_bytes" => image.size_bytes = map.next_value::<Number>()?.0,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(image)
    }
}

/// Text that is borrowed where it has no escapes.
struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Text<'de>;
            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("text")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
            fn visit_unit<E>(self) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed("")))
            }
        }
        from.deserialize_any(Any)
    }
}

/// A number that others may have written: below zero is zero, and so is none.
struct Number(u64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = Number;
            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a number")
            }
            fn visit_u64<E>(self, number: u64) -> Result<Number, E> {
                Ok(Number(number))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Number, E> {
                Ok(Number(u64::try_from(number).unwrap_or(0)))
            }
            #[allow(clippy::cast_sign_loss, reason = "what does not fit becomes the nearest that does")]
            fn visit_f64<E>(self, number: f64) -> Result<Number, E> {
                Ok(Number(number as u64))
            }
            fn visit_unit<E>(self) -> Result<Number, E> {
                Ok(Number(0))
            }
        }
        from.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_any_version_are_read() {
        let read = |json: &str| {
            let mut found = Vec::new();
            let whole = each_use(json, |image| {
                found.push((image.image.into_owned(), image.containers, image.size_bytes));
            });
            (whole, found)
        };
        let one = |name: &str, containers, size| (true, vec![(name.to_owned(), containers, size)]);
        assert_eq!(read("[]"), (true, vec![]));
        assert_eq!(read("null"), (true, vec![]));
        assert_eq!(read(r#"[{"count": 5, "image": "nginx"}]"#), one("nginx", 5, 0));
        assert_eq!(
            read(r#"[{"image": "a\"b", "size_bytes": 9, "more": [{}], "count": -1}]"#),
            one("a\"b", 0, 9)
        );
        assert_eq!(read(r#"[{"image": "", "count": 1}, {"image": "x", "count": 1.5}]"#), one("x", 1, 0));
        assert_eq!(read(r#"[{"image": "x", "count": 1}, 7]"#), (false, vec![("x".to_owned(), 1, 0)]));
        assert!(!read("{}").0);
    }
}
