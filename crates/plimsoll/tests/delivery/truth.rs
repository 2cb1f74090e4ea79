//! What the agent wrote into its files: the truth that databases are held to.

use std::path::Path;

use plimsoll_testkit::databases::compare::{Expected, Value, series};
use plimsoll_wire::line_protocol::{Parser, Precision};
use plimsoll_wire::point::{Point, Value as Wire};

use crate::targets::Schema;

/// Reads a file that a target wrote, with the labels that databases have. A line may come twice, since the agent may die
/// between writing it and noting that; what it says must be the same then.
#[track_caller]
pub(crate) fn read(file: &Path, schema: Schema) -> Expected {
    let bytes = std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    assert!(bytes.ends_with(b"\n"), "{} ends within a line", file.display());
    let mut truth = Expected::new();
    let mut parser = Parser::new(Precision::Milliseconds, 0);
    let mut each = |line: u64, point: Result<&mut Point, _>| {
        let point = point.unwrap_or_else(|error| panic!("{}:{line}: {error}", file.display()));
        add(&mut truth, point, schema);
    };
    parser.push(&bytes, &mut each);
    parser.finish(&mut each);
    truth
}

fn add(truth: &mut Expected, point: &Point, schema: Schema) {
    for field in point.fields() {
        let key = match schema {
            Schema::Default => series(&format!("{}_{}", point.measurement(), field.name), point.tags()),
            Schema::Prometheus | Schema::Semconv => {
                // The one field of a sample has no name of its own. In a file the machine is `host`; a scrape, and so remote
                // write, has it as `instance`, and Prometheus makes the same of a resource.
                assert_eq!(field.name, "value");
                let tags = point.tags().map(|(name, value)| match name {
                    "host" => ("instance", value),
                    _ => (name, value),
                });
                series(point.measurement(), tags.chain([("job", "plimsoll")]))
            }
            Schema::SemconvEscaped => {
                let tags: Vec<_> = point.tags().map(|(name, value)| (escaped(name), value)).collect();
                let tags = tags.iter().map(|(name, value)| match &**name {
                    "host" => ("instance", *value),
                    name => (name, *value),
                });
                series(&escaped(point.measurement()), tags.chain([("job", "plimsoll")]))
            }
        };
        let value = match field.value {
            Wire::Integer(value) => Value::Number(value.into()),
            Wire::Unsigned(value) => Value::Number(value.into()),
            Wire::Float(value) => Value::Float(value),
            Wire::Bool(value) => Value::Bool(value),
            Wire::Text(text) => Value::Text(text.to_owned()),
            Wire::Nano(_) | Wire::Stale => panic!("no line has {:?}", field.value),
        };
        let before = truth.entry(key.clone()).or_default().insert(point.time(), value.clone());
        if let Some(before) = before {
            assert_eq!(before, value, "the truth contradicts itself: {key} at {}", point.time());
        }
    }
}

/// A name in the characters that every Prometheus knows.
fn escaped(name: &str) -> String {
    name.replace(|character: char| !character.is_ascii_alphanumeric(), "_")
}

/// The texts taken away from a truth: the series that have them.
pub(crate) fn without_texts(truth: &Expected) -> (Expected, Vec<String>) {
    let is_text = |points: &std::collections::BTreeMap<i64, Value>| {
        points.values().all(|value| matches!(value, Value::Text(_)))
    };
    let (texts, numbers): (Expected, Expected) =
        truth.clone().into_iter().partition(|(_, points)| is_text(points));
    (numbers, texts.into_keys().collect())
}
