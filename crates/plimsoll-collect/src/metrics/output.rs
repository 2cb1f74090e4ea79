//! From what collectors return to what a snapshot carries.

use std::collections::BTreeMap;
use std::sync::Arc;

use plimsoll_model::custom::{CustomFamily, CustomKind, CustomSample};
use plimsoll_model::text::{MAX_TEXT, bounded};

use super::config::BUILT_IN_LABELS;
use super::value::MetricValue;

/// Puts values together by name. `container` is what they are about; the labels by which the framework says so are not
/// needed then, as every series of a container has such labels already.
pub(crate) fn families(
    values: impl IntoIterator<Item = (Option<Arc<str>>, MetricValue)>,
) -> Arc<[CustomFamily]> {
    // What has parts comes before what is called the same and has none: a stray series of the name does not hide it.
    let mut families: BTreeMap<(String, usize), CustomFamily> = BTreeMap::new();
    for (container, mut value) in values {
        let part = value.kind.part(&value.name, value.labels.contains_key("quantile"));
        let (kind, suffix) = part.map_or((CustomKind::Untyped, ""), |suffix| (value.kind, suffix));
        let place = match kind {
            CustomKind::Histogram => 0,
            CustomKind::Summary => 1,
            _ => 2,
        };
        if container.is_some() {
            value.labels.retain(|name, _| !BUILT_IN_LABELS.contains(&&**name));
        }
        let labels = value.labels.into_iter().map(|(name, text)| (name.into_owned(), text));
        let sample = CustomSample { suffix, labels: labels.collect(), value: value.value, container };
        let mut name = value.name.into_owned();
        name.truncate(name.len() - suffix.len());
        let family = families.entry((name, place)).or_insert_with_key(|(name, _)| CustomFamily {
            name: name.clone(),
            help: bounded(&value.help, MAX_TEXT).to_owned(),
            kind,
            samples: Vec::new(),
        });
        family.samples.push(sample);
    }
    families.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_one_name_are_one_family() {
        let one: Arc<str> = "abc".into();
        let told = [
            (Some(Arc::clone(&one)), MetricValue::new("b", 1.0).label("container_id", "abc").label("l", "x")),
            (None, MetricValue::new("a_total", 2.0).help("It counts.").label("id", "kept")),
            (None, MetricValue::new("b", 3.0)),
        ];
        let families = families(told);
        let names: Vec<_> = families.iter().map(|family| (&*family.name, family.samples.len())).collect();
        assert_eq!(names, [("a_total", 1), ("b", 2)]);
        assert_eq!(families[0].help, "It counts.");
        assert_eq!(families[0].samples[0].labels, [("id".to_owned(), "kept".to_owned())]);
        assert_eq!(families[1].samples[0].labels, [("l".to_owned(), "x".to_owned())]);
        assert_eq!(families[1].samples[0].container, Some(one));
    }

    #[test]
    fn parts_are_one_family() {
        let part = |name: &'static str, bound: Option<(&'static str, &str)>| {
            let value = MetricValue::new(name, 1.0);
            let value = bound.into_iter().fold(value, |value, (name, text)| value.label(name, text));
            (None, value)
        };
        let of = |kind, (container, value): (_, MetricValue)| (container, value.kind(kind));
        let told = [
            part("wait", None),
            of(CustomKind::Histogram, part("wait_bucket", Some(("le", "+Inf")))),
            of(CustomKind::Histogram, part("wait_sum", None)),
            of(CustomKind::Histogram, part("wait_count", None)),
            of(CustomKind::Summary, part("size_sum", Some(("quantile", "0.5")))),
            of(CustomKind::Summary, part("size_sum_sum", None)),
        ];
        let families = families(told);
        let shown: Vec<_> = families
            .iter()
            .map(|family| {
                let suffixes: Vec<_> = family.samples.iter().map(|sample| sample.suffix).collect();
                (&*family.name, family.kind, suffixes)
            })
            .collect();
        let expected = [
            ("size_sum", CustomKind::Summary, vec!["", "_sum"]),
            ("wait", CustomKind::Histogram, vec!["_bucket", "_sum", "_count"]),
            ("wait", CustomKind::Gauge, vec![""]),
        ];
        assert_eq!(shown, expected);
    }
}
