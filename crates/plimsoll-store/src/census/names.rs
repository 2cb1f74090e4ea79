//! Each name once.

use std::hash::BuildHasher as _;

use hashbrown::{DefaultHashBuilder, HashTable};

/// Names, each of which has a number from 0.
///
/// Private images make up most of a census' names, so they stand in one piece of text: a name costs its own length and
/// eight bytes.
#[derive(Clone, Debug, Default)]
pub struct Names {
    text: String,
    ends: Vec<u32>,
    numbers: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Names {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The name with a number; empty if there is none.
    #[must_use]
    pub fn get(&self, number: u32) -> &str {
        name(&self.text, &self.ends, number)
    }

    /// The number of a name.
    #[must_use]
    pub fn find(&self, wanted: &str) -> Option<u32> {
        let hash = self.hasher.hash_one(wanted);
        self.numbers.find(hash, |number| self.get(*number) == wanted).copied()
    }

    /// All names in the order of their numbers.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        (0..self.ends.len()).map(|number| name(&self.text, &self.ends, number as u32))
    }

    /// The number of a name, which is given one if it has none. Text beyond 4 GiB is not kept: what has no room becomes
    /// the first name.
    pub fn intern(&mut self, wanted: &str) -> u32 {
        let Self { text, ends, numbers, hasher } = self;
        let hash = hasher.hash_one(wanted);
        if let Some(number) = numbers.find(hash, |number| name(text, ends, *number) == wanted) {
            return *number;
        }
        let (Ok(number), Ok(end)) = (u32::try_from(ends.len()), u32::try_from(text.len() + wanted.len()))
        else {
            return 0;
        };
        text.push_str(wanted);
        ends.push(end);
        numbers.insert_unique(hash, number, |number| hasher.hash_one(name(text, ends, *number)));
        number
    }

    /// Bytes of memory that it takes.
    pub(super) fn bytes(&self) -> usize {
        self.text.capacity() + self.ends.capacity() * 4 + self.numbers.allocation_size()
    }
}

fn name<'a>(text: &'a str, ends: &[u32], number: u32) -> &'a str {
    let number = number as usize;
    let begin = number.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or(0);
    let end = ends.get(number).copied().unwrap_or(begin);
    text.get(begin as usize..end as usize).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_has_one_number() {
        let mut names = Names::default();
        let words = ["", "nginx:latest", "redis", "", "nginx:latest", "nginx"];
        let numbers: Vec<u32> = words.iter().map(|word| names.intern(word)).collect();
        assert_eq!(numbers, [0, 1, 2, 0, 1, 3]);
        assert_eq!(names.iter().collect::<Vec<_>>(), ["", "nginx:latest", "redis", "nginx"]);
        assert_eq!((names.find("redis"), names.find("redi")), (Some(2), None));
        assert_eq!((names.get(3), names.get(4), names.len()), ("nginx", "", 4));
    }
}
