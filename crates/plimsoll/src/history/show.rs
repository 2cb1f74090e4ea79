//! What `plimsoll history` prints: tables for people, JSON for programs.
//!
//! Names come from engines, so none reaches the terminal raw.

use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use plimsoll_model::{Family, Scale, Unit};
use plimsoll_store::{Event, Happening, Line, Millis, SeriesCost, Summary, TierSummary};
use serde_json::{Value, json};

use crate::stats::format::binary_size;
use crate::stats::template::aligned;
use crate::text::printable;

/// What stands where nothing is known.
const NONE: &str = "--";

const SHORT_ID: usize = 12;

/// A moment as people of here read it.
pub(crate) fn local(at: Millis) -> String {
    Timestamp::from_millisecond(at).map_or_else(
        |_| NONE.to_owned(),
        |time| time.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
    )
}

/// The zone of [`local`], for headings.
pub(crate) fn zone() -> String {
    TimeZone::system().iana_name().unwrap_or("local time").to_owned()
}

/// A moment as programs read it.
fn rfc3339(at: Millis) -> Value {
    Timestamp::from_millisecond(at).map_or(Value::Null, |time| time.to_string().into())
}

/// Rows as an aligned table.
fn table<const N: usize>(headings: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut lines = headings.join("\t");
    lines.push('\n');
    for row in rows {
        lines.push_str(&row.map(|cell| printable(&cell)).join("\t"));
        lines.push('\n');
    }
    aligned(&lines)
}

fn bytes_per_value(tier: &TierSummary) -> Option<f64> {
    (tier.values > 0).then(|| tier.bytes as f64 / tier.values as f64)
}

pub(super) fn summary(summary: &Summary, path: &Path, setting: u64) -> String {
    // A file alone does not tell its bound.
    let bound = match summary.max_bytes {
        Some(bound) => format!(" of at most {}", binary_size(bound)),
        None => format!(" (history_size is {})", binary_size(setting)),
    };
    let free = match summary.free_bytes {
        0 => String::new(),
        free => format!(", {} of them to be used again", binary_size(free)),
    };
    let of = aligned(&format!(
        "file\t{}\nsize\t{}{bound}{free}\ncontainers\t{} (in {} lines)\nseries\t{} names\nevents\t{}\n",
        printable(&path.display().to_string()),
        binary_size(summary.file_bytes),
        summary.containers,
        summary.lines,
        summary.series,
        summary.events,
    ));
    let zone = zone();
    let headings = [
        "TIER",
        &format!("FIRST ({zone})"),
        &format!("LAST ({zone})"),
        "BLOCKS",
        "SIZE",
        "VALUES",
        "BYTES / VALUE",
    ];
    let tiers = table(
        headings,
        summary.tiers.iter().map(|tier| {
            let [first, last] = match tier.span {
                Some((first, last)) => [local(first), local(last)],
                None => [NONE.to_owned(), NONE.to_owned()],
            };
            [
                tier.tier.name().to_owned(),
                first,
                last,
                tier.blocks.to_string(),
                binary_size(tier.bytes),
                tier.values.to_string(),
                bytes_per_value(tier).map_or_else(|| NONE.to_owned(), |bytes| format!("{bytes:.3}")),
            ]
        }),
    );
    format!("{of}\n{tiers}")
}

pub(super) fn summary_json(summary: &Summary, path: &Path) -> Value {
    let tiers = summary.tiers.iter().map(|tier| {
        json!({
            "tier": tier.tier.name(),
            "first": tier.span.map_or(Value::Null, |(first, _)| rfc3339(first)),
            "last": tier.span.map_or(Value::Null, |(_, last)| rfc3339(last)),
            "blocks": tier.blocks,
            "bytes": tier.bytes,
            "values": tier.values,
            "bytes_per_value": bytes_per_value(tier),
        })
    });
    json!({
        "file": path.display().to_string(),
        "bytes": summary.file_bytes,
        "max_bytes": summary.max_bytes,
        "free_bytes": summary.free_bytes,
        "containers": summary.containers,
        "lines": summary.lines,
        "series": summary.series,
        "events": summary.events,
        "tiers": tiers.collect::<Vec<_>>(),
    })
}

fn short(id: &str) -> String {
    id.chars().take(SHORT_ID).collect()
}

/// A row for each container; those of one line stand together, the first under the line's name.
pub(super) fn lines(lines: &[Line]) -> String {
    let zone = zone();
    let headings = [
        "NAME",
        "CONTAINER ID",
        "IMAGE",
        "ENGINE",
        &format!("SINCE ({zone})"),
        &format!("LAST SEEN ({zone})"),
    ];
    let rows = lines.iter().flat_map(|line| {
        line.containers.iter().enumerate().map(|(index, member)| {
            let name = if index == 0 { line.name.clone() } else { format!("  then {}", member.name) };
            let engine = line.engine.clone();
            [name, short(&member.id), member.image.clone(), engine, local(member.since), local(member.last)]
        })
    });
    table(headings, rows)
}

pub(super) fn lines_json(lines: &[Line]) -> Value {
    let line = |line: &Line| {
        let containers = line.containers.iter().map(|member| {
            json!({
                "id": member.id,
                "name": member.name,
                "image": member.image,
                "labels": member.labels,
                "created": member.created.map_or(Value::Null, rfc3339),
                "since": rfc3339(member.since),
                "last": rfc3339(member.last),
            })
        });
        json!({ "name": line.name, "engine": line.engine, "containers": containers.collect::<Vec<_>>() })
    };
    lines.iter().map(line).collect()
}

pub(super) fn events(events: &[Event]) -> String {
    let headings = [&format!("TIME ({})", zone()), "NAME", "CONTAINER ID", "EVENT", "DETAILS"];
    let rows = events.iter().map(|event| {
        let word = event.what.word().replace('_', " ");
        [local(event.at), event.name.clone(), short(&event.container), word, details(&event.what)]
    });
    table(headings, rows)
}

/// What a word does not say; empty where there is nothing more.
fn details(what: &Happening) -> String {
    let times = |count: u64| if count > 1 { format!("{count} times") } else { String::new() };
    match what {
        Happening::Restarted { count } => times(*count),
        Happening::Exited { code, count } => {
            let code = code.map_or_else(|| "code unknown".to_owned(), |code| format!("code {code}"));
            if *count > 1 { format!("{}, last {code}", times(*count)) } else { code }
        }
        Happening::OomKilled { count: 1 } => "1 process".to_owned(),
        Happening::OomKilled { count } => format!("{count} processes"),
        Happening::Health { now } => now.clone(),
        Happening::Renamed { from } => format!("before: {from}"),
        Happening::Limit { metric, from, to } => {
            format!("{metric}: {} to {}", amount(metric, *from), amount(metric, *to))
        }
        Happening::Created
        | Happening::Started
        | Happening::Paused
        | Happening::Unpaused
        | Happening::Removed => String::new(),
    }
}

/// A number on the scale of its metric, with its unit.
fn amount(metric: &str, value: Option<u64>) -> String {
    let Some(value) = value else { return "none".to_owned() };
    match Family::by_name(metric) {
        Some(family) if family.unit == Unit::Bytes => binary_size(value),
        Some(family) => format!("{} {}", scaled(family, value), family.unit.word()).trim_end().to_owned(),
        None => value.to_string(),
    }
}

fn scaled(family: &Family, value: u64) -> f64 {
    match family.scale {
        Scale::One => value as f64,
        Scale::Nano => value as f64 / 1e9,
    }
}

pub(super) fn events_json(events: &[Event]) -> Value {
    let event = |event: &Event| {
        let mut told = json!({
            "time": rfc3339(event.at),
            "name": event.name,
            "id": event.container,
            "event": event.what.word(),
        });
        let number = |metric: &str, value: Option<u64>| {
            value.map(|value| Family::by_name(metric).map_or(value as f64, |family| scaled(family, value)))
        };
        let more = match &event.what {
            Happening::Restarted { count } | Happening::OomKilled { count } => json!({ "count": count }),
            Happening::Exited { code, count } => json!({ "code": code, "count": count }),
            Happening::Health { now } => json!({ "health": now }),
            Happening::Renamed { from } => json!({ "from": from }),
            Happening::Limit { metric, from, to } => {
                json!({ "metric": metric, "from": number(metric, *from), "to": number(metric, *to) })
            }
            _ => Value::Null,
        };
        if let (Value::Object(told), Value::Object(more)) = (&mut told, more) {
            told.extend(more);
        }
        told
    };
    events.iter().map(event).collect()
}

pub(super) fn costs(costs: &[SeriesCost]) -> String {
    let all: u64 = costs.iter().map(|cost| cost.bytes).sum();
    let headings = ["METRIC", "SERIES", "VALUES", "BYTES", "SHARE %"];
    let rows = costs.iter().map(|cost| {
        let share = cost.bytes as f64 * 100.0 / all.max(1) as f64;
        let [series, values, bytes] = [cost.series, cost.values, cost.bytes].map(|number| number.to_string());
        [cost.metric.clone(), series, values, bytes, format!("{share:.1}")]
    });
    table(headings, rows)
}

pub(super) fn costs_json(costs: &[SeriesCost]) -> Value {
    let cost = |cost: &SeriesCost| {
        json!({
            "metric": cost.metric,
            "series": cost.series,
            "values": cost.values,
            "bytes": cost.bytes,
        })
    };
    costs.iter().map(cost).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_store::{Member, Tier};

    #[test]
    fn a_summary() {
        let held = Summary {
            file_bytes: 3 << 20,
            max_bytes: Some(1 << 30),
            free_bytes: 0,
            containers: 3,
            lines: 2,
            events: 7,
            series: 120,
            tiers: vec![
                TierSummary {
                    tier: Tier::Raw,
                    span: Some((1_795_269_725_000, 1_795_269_726_000)),
                    blocks: 9,
                    bytes: 1500,
                    values: 10_000,
                },
                TierSummary { tier: Tier::Hour, span: None, blocks: 0, bytes: 0, values: 0 },
            ],
        };
        let text = summary(&held, Path::new("/x/h\u{1b}.db"), 0);
        for part in ["/x/h\\u{1b}.db", "3MiB of at most 1GiB", "3 (in 2 lines)", "raw", "0.150", "--"] {
            assert!(text.contains(part), "{part} is missing:\n{text}");
        }
        let value = summary_json(&held, Path::new("/x"));
        assert_eq!(value["tiers"][0]["bytes_per_value"], 0.15);
        assert_eq!(value["tiers"][0]["first"], "2026-11-21T14:02:05Z");
        assert_eq!(value["tiers"][1]["last"], Value::Null);
    }

    #[test]
    fn containers_of_a_line_stand_together() {
        let member = |id: &str, name: &str| Member {
            id: id.repeat(16),
            name: name.to_owned(),
            image: "nginx".to_owned(),
            labels: [("a".to_owned(), "b".to_owned())].into(),
            created: None,
            since: 0,
            last: 1000,
        };
        let web = Line {
            id: 1,
            name: "web".to_owned(),
            engine: "docker".to_owned(),
            containers: vec![member("abcd", "web"), member("ef01", "we\u{1b}b")],
        };
        let text = lines(std::slice::from_ref(&web));
        let rows: Vec<&str> = text.lines().collect();
        assert!(rows[0].starts_with("NAME") && rows[1].starts_with("web "), "{text}");
        assert!(rows[2].starts_with("  then we\\u{1b}b") && rows[2].contains("ef01ef01ef01 "), "{text}");
        assert_eq!(lines_json(&[web])[0]["containers"][1]["since"], "1970-01-01T00:00:00Z");
    }

    #[test]
    fn what_happened() {
        let memory = "container_memory_limit_bytes".to_owned();
        let cores = "container_cpu_limit_cores".to_owned();
        let cases = [
            (Happening::Created, "created", "", json!({})),
            (Happening::Restarted { count: 1 }, "restarted", "", json!({ "count": 1 })),
            (
                Happening::Exited { code: Some(137), count: 1 },
                "exited",
                "code 137",
                json!({ "code": 137, "count": 1 }),
            ),
            (
                Happening::Exited { code: None, count: 3 },
                "exited",
                "3 times, last code unknown",
                json!({ "code": null, "count": 3 }),
            ),
            (Happening::OomKilled { count: 2 }, "oom killed", "2 processes", json!({ "count": 2 })),
            (
                Happening::Health { now: "unhealthy".into() },
                "health",
                "unhealthy",
                json!({ "health": "unhealthy" }),
            ),
            (Happening::Renamed { from: "old".into() }, "renamed", "before: old", json!({ "from": "old" })),
            (
                Happening::Limit { metric: memory.clone(), from: None, to: Some(64 << 20) },
                "limit",
                "container_memory_limit_bytes: none to 64MiB",
                json!({ "metric": memory, "from": null, "to": 67_108_864.0 }),
            ),
            (
                Happening::Limit { metric: cores.clone(), from: Some(1_500_000_000), to: None },
                "limit",
                "container_cpu_limit_cores: 1.5 cores to none",
                json!({ "metric": cores, "from": 1.5, "to": null }),
            ),
        ];
        for (what, word, expected, more) in cases {
            let event = Event {
                at: 1_795_269_725_000,
                container: "0123456789abcdef".into(),
                name: "web".into(),
                what,
            };
            let text = events(std::slice::from_ref(&event));
            assert!(text.contains(word) && text.trim_end().ends_with(expected), "{text}");
            let value = events_json(&[event]);
            for (key, wanted) in more.as_object().unwrap() {
                assert_eq!(&value[0][key], wanted, "{value}");
            }
        }
    }

    #[test]
    fn shares_of_costs() {
        let cost = |metric: &str, bytes| SeriesCost { metric: metric.into(), series: 1, values: 100, bytes };
        let text = costs(&[cost("a", 75), cost("b", 25)]);
        assert!(text.lines().nth(1).is_some_and(|row| row.trim_end().ends_with("75.0")), "{text}");
        assert!(costs(&[]).starts_with("METRIC"), "nothing to divide by");
        assert_eq!(costs_json(&[cost("a", 1)])[0]["bytes"], 1);
    }
}
