//! What databases answer, in one form.

use serde_json::Value as Json;

use super::{Found, Value, series};

const NANOS_OF_MILLI: i64 = 1_000_000;

/// Reads an answer of InfluxDB 1 to `SELECT … GROUP BY *` with times in nanoseconds (`epoch=ns`). Labels in `ignored` are
/// left out.
///
/// # Errors
/// If it is no such answer, or not the whole one; the text says what is wrong.
pub fn influx(answer: &Json, ignored: &[&str]) -> Result<Found, String> {
    let mut found = Found::new();
    for result in array(answer, "results")? {
        for key in ["error", "partial"] {
            if let Some(value) = result.get(key) {
                return Err(format!("the answer has {key}: {value}"));
            }
        }
        for of_measurement in result["series"].as_array().into_iter().flatten() {
            let name = text(of_measurement, "name")?;
            let columns = array(of_measurement, "columns")?;
            // There are none in a database that has no tags.
            let labels: Vec<_> = labels(&of_measurement["tags"], ignored).collect();
            // One key for each column: made once, not for every row.
            let key = |column: &Json| {
                let field = column.as_str().ok_or_else(|| format!("a column without a name: {column}"))?;
                Ok(series(&format!("{name}_{field}"), labels.iter().copied()))
            };
            let keys = columns.iter().map(key).collect::<Result<Vec<_>, String>>()?;
            let is_time = columns.first().is_some_and(|column| column == "time");
            for row in array(of_measurement, "values")? {
                let row = row.as_array().filter(|row| row.len() == columns.len() && is_time);
                let row = row.ok_or_else(|| format!("{name}: rows do not fit the columns {columns:?}"))?;
                let time =
                    row[0].as_i64().ok_or_else(|| format!("{name}: no time in nanoseconds: {}", row[0]))?;
                for (key, value) in keys.iter().zip(row).skip(1).filter(|(_, value)| !value.is_null()) {
                    add(&mut found, key, time, plain(value)?);
                }
            }
        }
    }
    Ok(found)
}

/// Reads what VictoriaMetrics exports at `/api/v1/export`: JSON lines with times in milliseconds. Labels in `ignored` are
/// left out. A sample without a value (NaN) has NaN.
///
/// # Errors
/// If it is no such export; the text says what is wrong.
pub fn victoria(export: &str, ignored: &[&str]) -> Result<Found, String> {
    let mut found = Found::new();
    for line in export.lines().filter(|line| !line.is_empty()) {
        let line: Json = serde_json::from_str(line).map_err(|error| format!("a line is no JSON: {error}"))?;
        let key = of_metric(&line["metric"], ignored)?;
        let (values, times) = (array(&line, "values")?, array(&line, "timestamps")?);
        if values.len() != times.len() {
            return Err(format!("{key}: {} values at {} times", values.len(), times.len()));
        }
        for (value, time) in values.iter().zip(times) {
            let value = match value {
                Json::Null => Value::Float(f64::NAN),
                Json::String(text) => special(text)?,
                value => plain(value)?,
            };
            let time = time.as_i64().ok_or_else(|| format!("{key}: no time in milliseconds: {time}"))?;
            add(&mut found, &key, time * NANOS_OF_MILLI, value);
        }
    }
    Ok(found)
}

/// Reads an answer of Prometheus to a query: a vector, or the matrix of a range. Labels in `ignored` are left out.
///
/// # Errors
/// If it is no such answer; the text says what is wrong.
pub fn prometheus(answer: &Json, ignored: &[&str]) -> Result<Found, String> {
    if answer["status"] != "success" {
        return Err(format!("the query failed: {answer}"));
    }
    let mut found = Found::new();
    for of_series in array(&answer["data"], "result")? {
        let key = of_metric(&of_series["metric"], ignored)?;
        let samples = match of_series.get("value") {
            Some(sample) => std::slice::from_ref(sample),
            None => array(of_series, "values")?,
        };
        for sample in samples {
            let (time, value) = (sample[0].as_f64(), sample[1].as_str());
            let (Some(time), Some(value)) = (time, value) else {
                return Err(format!("{key}: no sample: {sample}"));
            };
            // Seconds with three decimals: the nearest millisecond is the one that was meant.
            let time = (time * 1000.0).round() as i64;
            add(&mut found, &key, time * NANOS_OF_MILLI, special(value)?);
        }
    }
    Ok(found)
}

fn add(found: &mut Found, series: &str, time: i64, value: Value) {
    // Not `entry`: it wants a copy of the series for every point.
    match found.get_mut(series) {
        Some(points) => points.entry(time).or_default().push(value),
        None => drop(found.insert(series.to_owned(), [(time, vec![value])].into())),
    }
}

fn array<'a>(of: &'a Json, key: &str) -> Result<&'a [Json], String> {
    of[key].as_array().map(Vec::as_slice).ok_or_else(|| format!("there is no list {key} in {}", start(of)))
}

fn text<'a>(of: &'a Json, key: &str) -> Result<&'a str, String> {
    of[key].as_str().ok_or_else(|| format!("there is no text {key} in {}", start(of)))
}

/// As much of it as a message can bear.
fn start(of: &Json) -> String {
    of.to_string().chars().take(200).collect()
}

fn labels<'a>(of: &'a Json, ignored: &[&str]) -> impl Iterator<Item = (&'a str, &'a str)> {
    let all = of.as_object().into_iter().flatten();
    all.filter(|(name, _)| !ignored.contains(&name.as_str()))
        .map(|(name, value)| (name.as_str(), value.as_str().unwrap_or_default()))
}

fn of_metric(metric: &Json, ignored: &[&str]) -> Result<String, String> {
    let name = text(metric, "__name__")?;
    Ok(series(name, labels(metric, ignored).filter(|(label, _)| *label != "__name__")))
}

fn plain(value: &Json) -> Result<Value, String> {
    match value {
        Json::Bool(value) => Ok(Value::Bool(*value)),
        Json::String(value) => Ok(Value::Text(value.clone())),
        // Its text, so that every digit counts.
        Json::Number(value) => special(&value.to_string()),
        _ => Err(format!("no value of a point: {}", start(value))),
    }
}

/// A number as text: whole, with a fraction, `NaN`, `+Inf`, `Infinity`.
fn special(text: &str) -> Result<Value, String> {
    match text.parse() {
        Ok(whole) => Ok(Value::Number(whole)),
        Err(_) => text.parse().map(Value::Float).map_err(|_| format!("not a number: {text}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn point(found: &Found, series: &str, time: i64) -> Vec<Value> {
        found.get(series).and_then(|points| points.get(&time)).cloned().unwrap_or_default()
    }

    #[test]
    fn influx_answers_rows_of_fields() {
        let answer = json!({"results": [{"statement_id": 0, "series": [
            {"name": "memory", "tags": {"db": "x", "name": "web", "gone": ""}, "columns": ["time", "limit", "usage", "note"],
             "values": [[5, 1, null, "a"], [6, 18_446_744_073_709_551_615_u64, 0.5, true]]},
        ]}]});
        let found = influx(&answer, &["db"]).unwrap();
        assert_eq!(point(&found, "memory_limit{name=\"web\"}", 5), [Value::Number(1)]);
        assert_eq!(point(&found, "memory_limit{name=\"web\"}", 6), [Value::Number(u64::MAX.into())]);
        assert_eq!(point(&found, "memory_usage{name=\"web\"}", 5), []);
        assert_eq!(point(&found, "memory_usage{name=\"web\"}", 6), [Value::Float(0.5)]);
        assert_eq!(point(&found, "memory_note{name=\"web\"}", 5), [Value::Text("a".to_owned())]);
        assert_eq!(point(&found, "memory_note{name=\"web\"}", 6), [Value::Bool(true)]);
        assert_eq!(influx(&json!({"results": [{"statement_id": 0}]}), &[]), Ok(Found::new()));
    }

    #[test]
    fn victoria_answers_lines_of_samples() {
        let export = "{\"metric\":{\"__name__\":\"a\",\"x\":\"1\"},\"values\":[1.5,null,2,2,\"-Infinity\"],\"timestamps\":[1,2,3,3,4]}\n\n\
                      {\"metric\":{\"__name__\":\"a\",\"x\":\"1\"},\"values\":[7],\"timestamps\":[5]}\n";
        let found = victoria(export, &[]).unwrap();
        let key = "a{x=\"1\"}";
        assert_eq!(point(&found, key, 1_000_000), [Value::Float(1.5)]);
        assert!(matches!(point(&found, key, 2_000_000)[..], [Value::Float(nan)] if nan.is_nan()));
        assert_eq!(point(&found, key, 3_000_000), [Value::Number(2), Value::Number(2)]);
        assert_eq!(point(&found, key, 4_000_000), [Value::Float(f64::NEG_INFINITY)]);
        assert_eq!(point(&found, key, 5_000_000), [Value::Number(7)]);
        assert_eq!(victoria(export, &["x"]).unwrap().keys().collect::<Vec<_>>(), ["a{}"]);
    }

    #[test]
    fn prometheus_answers_vectors_and_matrices() {
        let of = |result: Json| json!({"status": "success", "data": {"resultType": "", "result": result}});
        let matrix = of(
            json!([{"metric": {"__name__": "a"}, "values": [[1_700_000_000.123, "1"], [2, "+Inf"], [3, "NaN"]]}]),
        );
        let found = prometheus(&matrix, &[]).unwrap();
        assert_eq!(point(&found, "a{}", 1_700_000_000_123_000_000), [Value::Number(1)]);
        assert_eq!(point(&found, "a{}", 2_000_000_000), [Value::Float(f64::INFINITY)]);
        assert!(matches!(point(&found, "a{}", 3_000_000_000)[..], [Value::Float(nan)] if nan.is_nan()));
        let vector = of(json!([{"metric": {"__name__": "a"}, "value": [0.001, "-2.5e3"]}]));
        assert_eq!(point(&prometheus(&vector, &[]).unwrap(), "a{}", 1_000_000), [Value::Float(-2500.0)]);
        assert_eq!(prometheus(&of(json!([])), &[]), Ok(Found::new()));
    }

    #[test]
    fn what_is_not_the_whole_answer_is_refused() {
        let series = |row: Json| json!({"results": [{"series": [{"name": "m", "columns": ["time", "f"], "values": [row]}]}]});
        for (answer, says) in [
            (json!({}), "no list results"),
            (json!({"results": [{"error": "timeout"}]}), "error: \"timeout\""),
            (json!({"results": [{"series": [], "partial": true}]}), "partial"),
            (series(json!([1])), "do not fit"),
            (series(json!(["2020-01-01T00:00:00Z", 1])), "nanoseconds"),
            (series(json!([1, {}])), "no value"),
        ] {
            let error = influx(&answer, &[]).unwrap_err();
            assert!(error.contains(says), "{answer}: {error}");
        }
        for (export, says) in [
            ("{\"metric\":{\"__na", "no JSON"),
            ("{\"metric\":{},\"values\":[],\"timestamps\":[]}", "__name__"),
            ("{\"metric\":{\"__name__\":\"a\"},\"values\":[1],\"timestamps\":[]}", "1 values at 0 times"),
            ("{\"metric\":{\"__name__\":\"a\"},\"values\":[\"x\"],\"timestamps\":[1]}", "not a number"),
        ] {
            let error = victoria(export, &[]).unwrap_err();
            assert!(error.contains(says), "{export}: {error}");
        }
        for (answer, says) in [
            (json!({"status": "error", "error": "x"}), "failed"),
            (json!({"status": "success", "data": {"result": [{"metric": {"__name__": "a"}}]}}), "values"),
            (
                json!({"status": "success", "data": {"result": [{"metric": {"__name__": "a"}, "value": [1, 2]}]}}),
                "no sample",
            ),
        ] {
            let error = prometheus(&answer, &[]).unwrap_err();
            assert!(error.contains(says), "{answer}: {error}");
        }
    }
}
