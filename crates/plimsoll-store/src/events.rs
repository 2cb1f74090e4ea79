//! What happened to containers: found by comparing a container's row with its row before, and written as a word with details.

use serde_json::{Value, json};

use crate::query::Happening;

/// The details of an event beside its word, as JSON; an empty object where the word says all.
pub(crate) fn detail(what: &Happening) -> String {
    let value = match what {
        Happening::Created
        | Happening::Started
        | Happening::Paused
        | Happening::Unpaused
        | Happening::Removed => json!({}),
        Happening::Restarted { count } | Happening::OomKilled { count } => json!({ "count": count }),
        Happening::Exited { code: Some(code), count } => json!({ "code": code, "count": count }),
        Happening::Exited { code: None, count } => json!({ "count": count }),
        Happening::Health { now } => json!({ "now": now }),
        Happening::Renamed { from } => json!({ "from": from }),
        Happening::Limit { metric, from, to } => json!({ "metric": metric, "from": from, "to": to }),
    };
    value.to_string()
}

/// The event of a word and its details; `None` where this version does not understand them.
pub(crate) fn from_detail(word: &str, detail: &str) -> Option<Happening> {
    let detail: Value = serde_json::from_str(detail).ok()?;
    let number = |key: &str| detail.get(key).and_then(Value::as_u64);
    let text = |key: &str| detail.get(key).and_then(Value::as_str).map(str::to_owned);
    Some(match word {
        "created" => Happening::Created,
        "started" => Happening::Started,
        "restarted" => Happening::Restarted { count: number("count")? },
        "exited" => Happening::Exited { code: number("code"), count: number("count")? },
        "oom_killed" => Happening::OomKilled { count: number("count")? },
        "paused" => Happening::Paused,
        "unpaused" => Happening::Unpaused,
        "health" => Happening::Health { now: text("now")? },
        "renamed" => Happening::Renamed { from: text("from")? },
        "limit" => Happening::Limit { metric: text("metric")?, from: number("from"), to: number("to") },
        "removed" => Happening::Removed,
        _ => return None,
    })
}
