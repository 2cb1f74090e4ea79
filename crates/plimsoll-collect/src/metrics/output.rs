//! From what collectors return to what a snapshot carries.

use std::collections::BTreeMap;
use std::sync::Arc;

use plimsoll_model::custom::{CustomFamily, CustomSample};

use super::config::BUILT_IN_LABELS;
use super::value::MetricValue;

/// Puts values together by name. `container` is what they are about; the labels by which the framework says so are not
/// needed then, as every series of a container has such labels already.
pub(crate) fn families(
    values: impl IntoIterator<Item = (Option<Arc<str>>, MetricValue)>,
) -> Arc<[CustomFamily]> {
    let mut families: BTreeMap<String, CustomFamily> = BTreeMap::new();
    for (container, mut value) in values {
        if container.is_some() {
            value.labels.retain(|name, _| !BUILT_IN_LABELS.contains(&&**name));
        }
        let labels = value.labels.into_iter().map(|(name, text)| (name.into_owned(), text));
        let sample = CustomSample { labels: labels.collect(), value: value.value, container };
        match families.get_mut(&*value.name) {
            Some(family) => family.samples.push(sample),
            None => {
                let name = value.name.into_owned();
                let help =
                    plimsoll_model::text::bounded(&value.help, plimsoll_model::text::MAX_TEXT).to_owned();
                let family =
                    CustomFamily { name: name.clone(), help, kind: value.kind, samples: vec![sample] };
                families.insert(name, family);
            }
        }
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
}
