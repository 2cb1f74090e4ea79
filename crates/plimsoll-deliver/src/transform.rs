//! The transform stage: which points go, under which labels, and which series have ended since the tick before.

use std::collections::HashMap;
use std::sync::Arc;

use plimsoll_model::Container;
use plimsoll_wire::point::Point;
use xxhash_rust::xxh3::Xxh3Default;

use crate::config::Choice;

/// Names with `*` for anything and `?` for one character.
///
/// ```
/// use plimsoll_deliver::transform::matches;
/// assert!(matches("container_memory_*", "container_memory_usage_bytes"));
/// assert!(!matches("web-?", "web-10"));
/// ```
#[must_use]
pub fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // Where the last star stands, and up to where it has eaten.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, eaten)) => {
                    star = Some((at, eaten + 1));
                    p = at + 1;
                    n = eaten + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

fn chosen(name: &str, include: &[String], exclude: &[String]) -> bool {
    (include.is_empty() || include.iter().any(|pattern| matches(pattern, name)))
        && !exclude.iter().any(|pattern| matches(pattern, name))
}

impl Choice {
    /// Whether points of a container go.
    #[must_use]
    pub fn wants(&self, container: &Container) -> bool {
        chosen(container.display_name(), &self.containers, &self.exclude_containers)
    }
}

/// Filters and relabels.
#[derive(Debug)]
pub struct Transform {
    choice: Arc<Choice>,
    families: Names,
    labels: Names,
}

impl Transform {
    /// What goes, and under which labels.
    #[must_use]
    pub fn new(choice: Choice) -> Self {
        Self { choice: Arc::new(choice), families: Names::default(), labels: Names::default() }
    }

    /// What was chosen.
    #[must_use]
    pub fn choice(&self) -> &Arc<Choice> {
        &self.choice
    }

    /// Changes a point as the target wants it; `false` where it does not want it.
    pub fn apply(&mut self, point: &mut Point) -> bool {
        let Self { choice, families, labels } = self;
        if !families.is_wanted(point.measurement(), &choice.families, &choice.exclude_families) {
            return false;
        }
        for (name, value) in &choice.tags {
            point.set_tag(name, value);
        }
        if !choice.labels.is_empty() || !choice.exclude_labels.is_empty() {
            point.retain_tags(|name, _| labels.is_wanted(name, &choice.labels, &choice.exclude_labels));
        }
        for (from, to) in &choice.rename_labels {
            point.rename_tag(from, to);
        }
        point.sort_tags();
        true
    }
}

/// Answers about names, remembered: there are few, and each comes again with every tick.
#[derive(Debug, Default)]
struct Names(HashMap<String, bool>);

/// Names that are remembered: more of them come from nobody well-meaning.
const MAX_REMEMBERED: usize = 10_000;

impl Names {
    fn is_wanted(&mut self, name: &str, include: &[String], exclude: &[String]) -> bool {
        if include.is_empty() && exclude.is_empty() {
            return true;
        }
        if let Some(decision) = self.0.get(name) {
            return *decision;
        }
        let decision = chosen(name, include, exclude);
        if self.0.len() < MAX_REMEMBERED {
            self.0.insert(name.to_owned(), decision);
        }
        decision
    }
}

/// Remembers the series of the last tick, so that the end of one can be told: a database that hears nothing goes on showing
/// the last value for minutes.
#[derive(Debug, Default)]
pub struct Series {
    known: HashMap<u64, (u64, Point)>,
    generation: u64,
}

/// Series that are remembered for a target; those beyond end without a marker.
const MAX_SERIES: usize = 200_000;

impl Series {
    /// A tick begins.
    pub fn begin(&mut self) {
        self.generation += 1;
    }

    /// A point of this tick.
    pub fn seen(&mut self, point: &Point) {
        let key = key_of(point);
        if let Some((generation, _)) = self.known.get_mut(&key) {
            *generation = self.generation;
        } else if self.known.len() < MAX_SERIES {
            self.known.insert(key, (self.generation, point.clone()));
        }
    }

    /// The tick is over: hands out a stale point for each series that was not in it.
    pub fn end(&mut self, time: i64, out: &mut dyn FnMut(&mut Point)) {
        let generation = self.generation;
        self.known.retain(|_, (seen, point)| {
            if *seen == generation {
                return true;
            }
            point.make_stale(time);
            out(point);
            false
        });
    }
}

/// What makes a series: measurement, tags and names of fields.
fn key_of(point: &Point) -> u64 {
    let mut hash = Xxh3Default::new();
    let mut add = |text: &str| {
        hash.update(text.as_bytes());
        hash.update(&[0xff]);
    };
    add(point.measurement());
    for (name, value) in point.tags() {
        add(name);
        add(value);
    }
    for field in point.fields() {
        add(field.name);
    }
    hash.digest()
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_wire::point::Value;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, name, expected) in [
            ("", "", true),
            ("*", "", true),
            ("**", "anything", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("w?b", "web", true),
            ("w?b", "wb", false),
            ("é*", "étude", true),
            ("cpu", "cpu2", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
        assert!(!matches(&"*a".repeat(50), &"b".repeat(10_000)), "and takes no exponential time");
    }

    fn point(measurement: &str, tags: &[(&str, &str)]) -> Point {
        let mut point = Point::default();
        point.begin(measurement, 1);
        for (name, value) in tags {
            point.tag(name, value);
        }
        point.field("f", Value::Unsigned(1));
        point
    }

    #[test]
    fn points_are_chosen_and_relabelled() {
        let choice = Choice {
            families: vec!["cpu".into(), "mem*".into()],
            exclude_families: vec!["memory_old".into()],
            exclude_labels: vec!["image*".into()],
            rename_labels: vec![("container_name".into(), "app".into())],
            tags: vec![("host".into(), "h1".into())],
            ..Choice::default()
        };
        let mut transform = Transform::new(choice);
        for (measurement, expected) in
            [("cpu", true), ("memory", true), ("memory_old", false), ("network", false)]
        {
            for _ in 0..2 {
                assert_eq!(transform.apply(&mut point(measurement, &[])), expected, "{measurement}");
            }
        }
        let mut changed = point("cpu", &[("container_name", "web"), ("image_id", "1"), ("z", "2")]);
        assert!(transform.apply(&mut changed));
        assert_eq!(changed.tags().collect::<Vec<_>>(), [("app", "web"), ("host", "h1"), ("z", "2")]);
    }

    #[test]
    fn a_series_that_ends_is_told_once() {
        let mut series = Series::default();
        let mut ended = Vec::new();
        for (tick, present) in (0..).zip([&["a", "b"][..], &["a"], &["a"], &[], &["b"]]) {
            series.begin();
            for name in present {
                series.seen(&point("cpu", &[("name", name)]));
            }
            series.end(tick, &mut |point| {
                assert!(point.fields().all(|field| field.value == Value::Stale));
                ended.push((point.time(), point.tag_value("name").to_owned()));
            });
        }
        assert_eq!(ended, [(1, "b".to_owned()), (3, "a".to_owned())]);
    }
}
