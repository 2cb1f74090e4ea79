//! What happened to containers: found by comparing a container's row with its row before, and written as a word with details.

use plimsoll_model::catalog::{CATALOG, Shape};
use plimsoll_model::happened::{Happened, Told};
use plimsoll_model::{ContainerRow, Health, Slot};
use serde_json::{Value, json};

use crate::Millis;
use crate::query::Happening;

/// The limits whose changes are events.
const LIMITS: [Slot; 8] = [
    Slot::MemoryLimit,
    Slot::MemoryReservation,
    Slot::MemoryHigh,
    Slot::MemorySwapLimit,
    Slot::CpuLimit,
    Slot::CpuShares,
    Slot::CpuWeight,
    Slot::ThreadsMax,
];

/// A limit counts as changed once so many rows in a row show it: while a container starts, some limits are read before others.
const LIMIT_SETTLES: u8 = 2;

const MILLI: u64 = 1_000_000;

/// What events are found by: facts of a container's last row. Times are Unix nanoseconds, as in the slots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) name: String,
    pub(crate) status: Option<u64>,
    pub(crate) health: Option<Health>,
    pub(crate) life: Told,
    /// Limits by [`LIMITS`], once they were read.
    pub(crate) limits: Option<[Option<u64>; LIMITS.len()]>,
}

/// A container's facts, and limits that may have changed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watch {
    pub(crate) facts: Facts,
    /// Limits that differ from the known ones, in how many rows, and since when.
    unsettled: Option<([Option<u64>; LIMITS.len()], u8, Millis)>,
}

impl Watch {
    /// A container of which nothing is known yet. If it was made while somebody watched, all that its first row tells has just
    /// happened; else its first row is where watching begins.
    pub(crate) fn new(row: &ContainerRow, made_under_watch: bool) -> Self {
        let mut watch = Self::default();
        if made_under_watch {
            let facts = &mut watch.facts;
            row.container.name.clone_into(&mut facts.name);
            facts.life = Told::of_new();
            facts.health = Some(Health::None);
        } else {
            let limits = watch.facts.limits;
            watch.facts = Facts { limits, ..Facts::of(row) };
        }
        watch
    }

    /// A container that an earlier agent knew.
    pub(crate) fn resumed(facts: Facts) -> Self {
        Self { facts, unsettled: None }
    }

    /// Compares a row with what is known, tells what happened, and says whether anything that is known changed.
    pub(crate) fn update(
        &mut self,
        row: &ContainerRow,
        at: Millis,
        tell: &mut impl FnMut(Millis, Happening),
    ) -> bool {
        let mut changed = self.limits(row, at, tell);
        let known = &self.facts;
        let values = &row.values;
        // The usual case first, and without a copy of the name.
        let life = Told::of(row).after(&known.life);
        let same = known.status == values.get(Slot::Status)
            && known.life == life
            && known.health == Some(row.container.health)
            && known.name == row.container.name;
        if !same {
            let now = Facts { life, limits: known.limits, ..Facts::of(row) };
            compare(known, &now, values.get(Slot::ExitCode), at, tell);
            self.facts = now;
            changed = true;
        }
        changed
    }

    fn limits(&mut self, row: &ContainerRow, at: Millis, tell: &mut impl FnMut(Millis, Happening)) -> bool {
        // Limits are read where usage is; a container that does not run shows none and has not lost them.
        if row.values.get(Slot::CpuUsage).is_none() && row.values.get(Slot::MemoryUsage).is_none() {
            self.unsettled = None;
            return false;
        }
        let now = LIMITS.map(|slot| row.values.get(slot));
        if self.facts.limits == Some(now) {
            self.unsettled = None;
            return false;
        }
        let (seen, since) = match self.unsettled {
            Some((before, seen, since)) if before == now => (seen + 1, since),
            _ => (1, at),
        };
        if seen < LIMIT_SETTLES {
            self.unsettled = Some((now, seen, since));
            return false;
        }
        self.unsettled = None;
        if let Some(known) = self.facts.limits.replace(now) {
            for ((slot, from), to) in LIMITS.into_iter().zip(known).zip(now) {
                if from != to {
                    tell(since, Happening::Limit { metric: metric_of(slot).to_owned(), from, to });
                }
            }
        }
        true
    }
}

impl Facts {
    fn of(row: &ContainerRow) -> Self {
        Self {
            name: row.container.name.clone(),
            status: row.values.get(Slot::Status),
            health: Some(row.container.health),
            life: Told::of(row),
            limits: None,
        }
    }

    /// As JSON, for the file.
    pub(crate) fn to_json(&self) -> String {
        json!({
            "name": self.name,
            "status": self.status,
            "health": self.health.map(Health::word),
            "started": self.life.started,
            "finished": self.life.finished,
            "exits": self.life.exits,
            "restarts": self.life.restarts,
            "ooms": self.life.ooms,
            "limits": self.limits,
        })
        .to_string()
    }

    /// From the file; what is not understood is not known.
    pub(crate) fn from_json(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        let number = |key: &str| value.get(key).and_then(Value::as_u64);
        let limits = value.get("limits").and_then(Value::as_array);
        let limits = limits.and_then(|limits| {
            <[Option<u64>; LIMITS.len()]>::try_from(limits.iter().map(Value::as_u64).collect::<Vec<_>>()).ok()
        });
        Some(Self {
            name: value.get("name").and_then(Value::as_str)?.to_owned(),
            status: number("status"),
            health: value.get("health").and_then(Value::as_str).and_then(Health::from_engine),
            life: Told {
                started: number("started"),
                finished: number("finished"),
                exits: number("exits"),
                restarts: number("restarts"),
                ooms: number("ooms"),
            },
            limits,
        })
    }
}

/// Tells what lies between two rows, in the order in which such things happen.
fn compare(
    known: &Facts,
    now: &Facts,
    exit_code: Option<u64>,
    at: Millis,
    tell: &mut impl FnMut(Millis, Happening),
) {
    // The engine's own time where it tells one; it cannot be later than the row.
    let exact = |time: Option<u64>| {
        time.and_then(|time| Millis::try_from(time / MILLI).ok())
            .filter(|time| *time > 0 && *time <= at)
            .unwrap_or(at)
    };
    if known.name != now.name && !known.name.is_empty() {
        tell(at, Happening::Renamed { from: known.name.clone() });
    }
    // What the first inspection tells is no news, however the row before looked.
    let is_first_inspection = known.life.restarts.is_none() && now.life.restarts.is_some();
    let Happened { started, exits, ooms, restarts, finished_anew, started_anew } =
        now.life.since(&known.life);
    if started {
        // Of a start that was followed by others before anybody looked, the time is lost.
        tell(if restarts > 0 { at } else { exact(now.life.started) }, Happening::Started);
    }
    if exits > 0 {
        let when = if finished_anew { exact(now.life.finished) } else { at };
        tell(when, Happening::Exited { code: exit_code, count: exits });
    }
    if ooms > 0 {
        let when = if exits > 0 && finished_anew { exact(now.life.finished) } else { at };
        tell(when, Happening::OomKilled { count: ooms });
    }
    if restarts > 0 {
        let when = if started_anew || started { exact(now.life.started) } else { at };
        tell(when, Happening::Restarted { count: restarts });
    }
    const PAUSED: Option<u64> = Some(2);
    const RUNNING: Option<u64> = Some(1);
    if known.status != PAUSED && now.status == PAUSED {
        tell(at, Happening::Paused);
    }
    if known.status == PAUSED && now.status == RUNNING && restarts == 0 {
        tell(at, Happening::Unpaused);
    }
    let health = now.health.filter(|health| known.health.is_some_and(|known| known != *health));
    if let Some(health) = health.filter(|_| !is_first_inspection) {
        tell(at, Happening::Health { now: health.word().to_owned() });
    }
}

/// The metric that shows a slot.
fn metric_of(slot: Slot) -> &'static str {
    let shows = |shape: &Shape| matches!(shape, Shape::Container(cells) if cells.iter().any(|cell| cell.slot == slot));
    CATALOG.iter().find(|family| shows(&family.shape)).map_or("", |family| family.name)
}

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
