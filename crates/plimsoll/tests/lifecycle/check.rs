//! Whether the agent says of a container what the model says.

use std::collections::HashMap;

use serde_json::Value;

use crate::exposition::{Exposition, Sample};
use crate::model::{Exits, Subject};
use crate::witness::Heard;

/// An exposition by container, under its short id.
pub(crate) struct Rows<'a>(HashMap<&'a str, Vec<&'a Sample>>);

impl<'a> Rows<'a> {
    pub(crate) fn of(exposition: &'a Exposition) -> Self {
        let mut rows: HashMap<&str, Vec<&Sample>> = HashMap::new();
        for sample in exposition.samples.iter().filter(|sample| sample.name.starts_with("container_")) {
            rows.entry(sample.label("id")).or_default().push(sample);
        }
        Self(rows)
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.keys().copied()
    }

    /// The one value of a name and perhaps a label.
    pub(crate) fn value(&self, id: &str, name: &str, label: Option<(&str, &str)>) -> Option<f64> {
        let all = self.0.get(id)?;
        let is_it = |sample: &&&Sample| {
            sample.name == name && label.is_none_or(|(key, value)| sample.label(key) == value)
        };
        all.iter().find(is_it).map(|sample| sample.value)
    }

    /// The names under which a container is shown.
    fn names(&self, id: &str) -> Vec<&str> {
        let mut names: Vec<_> =
            self.0.get(id).into_iter().flatten().map(|sample| sample.label("name")).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// Everything in which the agent is wrong about a container.
pub(crate) fn differences(subject: &Subject, heard: &Heard, details: &Value, rows: &Rows<'_>) -> Vec<String> {
    let id = subject.short();
    if !rows.0.contains_key(id) {
        return vec!["it is not shown".to_owned()];
    }
    let mut wrong = Vec::new();
    let mut expect = |what: &str, label: Option<(&str, &str)>, wanted: Option<f64>| {
        let found = rows.value(id, what, label);
        let is_same = match (found, wanted) {
            (Some(found), Some(wanted)) => (found - wanted).abs() < 1e-3,
            (found, wanted) => found == wanted,
        };
        if !is_same {
            wrong.push(format!("{what}{label:?} is {found:?} instead of {wanted:?}"));
        }
    };
    expect("container_status", None, Some(subject.phase.code()));
    expect("container_restarts_total", None, Some(subject.restarts() as f64));
    if subject.by_either == 0 {
        let by_hand = subject.restarts() - subject.by_policy;
        expect("container_starts_total", Some(("cause", "policy")), Some(subject.by_policy as f64));
        expect("container_starts_total", Some(("cause", "manual")), Some(by_hand as f64));
    }
    expect("container_start_time_seconds", None, seconds(&details["State"]["StartedAt"]));
    expect("container_finish_time_seconds", None, seconds(&details["State"]["FinishedAt"]));
    if !subject.phase.lives() && subject.starts > 0 {
        expect("container_exit_code", None, details["State"]["ExitCode"].as_f64());
    } else if subject.unheard.is_empty() {
        expect("container_exit_code", None, heard.ends.last().map(|code| *code as f64));
    }
    let lives = subject.phase.lives();
    expect("container_memory_limit_bytes", None, lives.then_some(subject.memory as f64));
    let cores = (lives && subject.nano_cpus > 0).then(|| subject.nano_cpus as f64 / 1e9);
    expect("container_cpu_limit_cores", None, cores);
    if rows.value(id, "container_cpu_usage_seconds_total", None).is_some() != lives {
        wrong.push(format!("it should {}have processor time", if lives { "" } else { "not " }));
    }
    for (class, range) in Exits::CLASSES.into_iter().zip(subject.exits(heard).0) {
        let found = rows.value(id, "container_exits_total", Some(("exit_code", class)));
        if !found.is_some_and(|found| range.has(found)) {
            wrong.push(format!("container_exits_total of {class} is {found:?} instead of {range:?}"));
        }
    }
    let kills = subject.all_kills(heard, details);
    let found = rows.value(id, "container_oom_events_total", None);
    if !found.is_some_and(|found| kills.has(found)) {
        wrong.push(format!("container_oom_events_total is {found:?} instead of {kills:?}"));
    }
    let names = rows.names(id);
    if names != [subject.name.as_str()] {
        wrong.push(format!("it is called {names:?} instead of {}", subject.name));
    }
    wrong
}

/// A moment as the engine writes it, in Unix time; `None` for never.
fn seconds(moment: &Value) -> Option<f64> {
    let text = moment.as_str().filter(|text| !text.starts_with("0001-"))?;
    let moment: jiff::Timestamp = text.parse().ok()?;
    Some(moment.as_nanosecond() as f64 / 1e9)
}
