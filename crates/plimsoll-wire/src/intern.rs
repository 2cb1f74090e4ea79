//! Texts, each kept once and known by a number.

use std::hash::BuildHasher;
use std::ops::Range;

use hashbrown::{DefaultHashBuilder, HashTable};

/// The texts of a batch. Forgetting them keeps the room.
#[derive(Clone, Debug, Default)]
pub(crate) struct Texts {
    text: String,
    places: Vec<Range<usize>>,
    known: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Texts {
    /// Forgets all texts.
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.places.clear();
        self.known.clear();
    }

    /// The number of a text, which is new if it is the number of texts before; `None` if there is no number left.
    #[inline]
    pub(crate) fn add(&mut self, text: &str) -> Option<u32> {
        let hash = self.hasher.hash_one(text);
        let Self { text: all, places, known, hasher } = self;
        let place = |number: &u32| &all[places[*number as usize].clone()];
        if let Some(number) = known.find(hash, |number| place(number) == text) {
            return Some(*number);
        }
        let number = u32::try_from(places.len()).ok()?;
        known.insert_unique(hash, number, |number| hasher.hash_one(place(number)));
        let start = all.len();
        all.push_str(text);
        places.push(start..all.len());
        Some(number)
    }

    /// The text with this number; empty if there is none.
    #[inline]
    pub(crate) fn get(&self, number: u32) -> &str {
        self.places.get(number as usize).map_or("", |place| &self.text[place.clone()])
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// How long they are together, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.text.len()
    }

    /// All of them, by number.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.places.iter().map(|place| &self.text[place.clone()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_one_number() {
        let mut texts = Texts::default();
        for _ in 0..2 {
            for _ in 0..2 {
                for n in 0..1000_u32 {
                    assert_eq!(texts.add(&format!("text {n}")), Some(n));
                }
            }
            assert_eq!((texts.len(), texts.get(7), texts.get(1000)), (1000, "text 7", ""));
            assert_eq!(texts.iter().nth(999), Some("text 999"));
            texts.clear();
        }
    }
}
