//! The parameters of a question.
//!
//! v1 takes what it does not understand for the default, so that a misspelt question gets the answer to another one. Here
//! what is no number, and a word that is none of those known, is refused with the reason (400); a number out of range
//! is taken for the nearest that is in it, as many clients ask for more than there is. Unknown parameters are ignored, and
//! of one that stands twice the first counts, as in v1.
//!
//! | parameter | where | default | range | beyond it |
//! |---|---|---|---|---|
//! | `limit` | top-images | 20 | 1 to 1,000 | nearest |
//! | `limit` | image-details, database-view | 100 | 1 to 1,000 | nearest |
//! | `limit` | recent-events | 50 | 1 to 1,000 | nearest |
//! | `limit` | hottest | 20 | 1 to 100 | nearest |
//! | `limit` | movers, new-entries | 10, 20 | 1 to 50 | nearest |
//! | `offset` | image-details, database-view | 0 | 0 to 2³¹ − 1 | nearest |
//! | `days` | growth: 90, hottest: 7, else 30 | | 1 to 365 | nearest; without key always 30 |
//! | `weeks` | movers | 1 | 1 to 4 | nearest |
//! | `min_installations` | movers, new-entries | that of the configuration | 0 to 2³¹ − 1 | nearest; without key never below the configured |
//! | `since` | recent-events | 0 | 0 to 2⁶³ − 1 | nearest |
//! | `search` | image-details | | up to 500 characters, taken literally | 400 |
//! | `sort_by` | image-details | `count` | `name`, `count`, `size` | 400 |
//! | `sort_by` | database-view | the time | columns of the table | 400 |
//! | `sort_order` | image-details, database-view | `desc` | `asc`, `desc`, in any case | 400 |
//! | `metric` | hottest | `both` | `containers`, `adoption`, `both` | 400 |
//! | `table` | database-view | `telemetry_reports` | the four tables | 400 |
//! | `installation_id` | database-view | | up to 255 characters | 400 |

use std::ops::RangeInclusive;

use axum::extract::Query;
use axum::http::Uri;
use plimsoll_model::text::bounded;

/// The largest offset and threshold.
pub(crate) const LARGEST: i64 = i32::MAX as i64;

/// What stands after the question mark.
#[derive(Debug, Default)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(crate) fn of(uri: &Uri) -> Result<Self, String> {
        match Query::try_from_uri(uri) {
            Ok(Query(pairs)) => Ok(Self(pairs)),
            Err(_) => Err("the parameters of the address cannot be read".to_owned()),
        }
    }

    /// What a parameter is set to; an empty one is none.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| &**value).filter(|value| !value.is_empty())
    }

    /// A text of at most so many characters.
    pub(crate) fn short(&self, name: &str, most: usize) -> Result<Option<&str>, String> {
        match self.text(name) {
            Some(text) if text.chars().count() > most => Err(format!("{name} may have {most} characters")),
            text => Ok(text),
        }
    }

    /// A whole number, the nearest in the range, which the type must be able to hold.
    pub(crate) fn number<T: TryFrom<i64>>(
        &self,
        name: &str,
        default: i64,
        range: RangeInclusive<i64>,
    ) -> Result<T, String> {
        let text = self.text(name);
        let number = text.map_or(Some(default), whole);
        let number = number.and_then(|number| T::try_from(number.clamp(*range.start(), *range.end())).ok());
        let given = || bounded(text.unwrap_or_default(), 64);
        number.ok_or_else(|| format!("{name} must be a whole number, and is {:?}", given()))
    }

    /// One of a few words.
    pub(crate) fn word<T: Copy>(&self, name: &str, words: &[(&str, T)], default: T) -> Result<T, String> {
        let Some(text) = self.text(name) else { return Ok(default) };
        let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
        found.map(|(_, value)| *value).ok_or_else(|| {
            let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            format!("{name} must be one of {}, and is {:?}", words.join(", "), bounded(text, 64))
        })
    }
}

/// A whole number, or the end of what can be held on its side.
fn whole(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let beyond = if text.starts_with('-') { i64::MIN } else { i64::MAX };
    is_number.then(|| text.parse().unwrap_or(beyond))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_into_their_range_and_words_must_be_known() {
        let parameters = |query: &str| Parameters::of(&format!("/x?{query}").parse().unwrap()).unwrap();
        let table = [
            ("", Ok(20)),
            ("limit=", Ok(20)),
            ("limit=7&limit=9", Ok(7)),
            ("limit=%2B7", Ok(7)),
            ("limit=0", Ok(1)),
            ("limit=-99999999999999999999999", Ok(1)),
            ("limit=99999999999999999999999", Ok(100)),
            ("limit=1e3", Err("limit must be a whole number, and is \"1e3\"")),
            ("limit=-", Err("limit must be a whole number, and is \"-\"")),
        ];
        for (query, expected) in table {
            let number = parameters(query).number("limit", 20, 1..=100);
            assert_eq!(number, expected.map_err(str::to_owned), "{query}");
        }
        let order = |query| parameters(query).word("sort_order", &[("asc", true), ("desc", false)], false);
        assert_eq!(order("sort_order=ASC"), Ok(true));
        assert!(order("sort_order=up").unwrap_err().contains("one of asc, desc"));
        assert!(parameters("search=aaa").short("search", 2).is_err());
    }
}
