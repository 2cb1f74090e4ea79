//! A second listener to the engine's events, beside the agent: what it heard is certain to have happened.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::SystemTime;

use plimsoll_testkit::dockerd::Api;
use serde_json::Value;

/// What was heard of one container.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard {
    pub(crate) starts: u64,
    /// Exit codes of its ends, in order.
    pub(crate) ends: Vec<i64>,
    /// `oom` events in each of its runs; the last one is the run that goes on.
    pub(crate) ooms: Vec<u64>,
    /// All of it in order, for whoever reads a failure.
    pub(crate) story: Vec<String>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Witness(Arc<Mutex<HashMap<String, Heard>>>);

impl Witness {
    /// Listens until the engine ends the stream, beginning with what happened since then.
    pub(crate) fn listen(&self, api: &Api, since: SystemTime) {
        let all = Arc::clone(&self.0);
        let listening = api.events(since, move |event| take(&mut all.lock().unwrap(), &event));
        listening.expect("the engine tells its events");
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Heard>> {
        self.0.lock().unwrap()
    }

    /// What was heard of this container.
    pub(crate) fn of(&self, id: &str) -> Heard {
        self.lock().get(id).cloned().unwrap_or_default()
    }
}

fn take(all: &mut HashMap<String, Heard>, event: &Value) {
    let (Some(id), Some(action)) = (event["Actor"]["ID"].as_str(), event["Action"].as_str()) else { return };
    let heard = all.entry(id.to_owned()).or_default();
    let code = event["Actor"]["Attributes"]["exitCode"].as_str().and_then(|code| code.parse().ok());
    let at = event["timeNano"].as_u64().unwrap_or(0) / 1_000_000 % 10_000_000;
    heard
        .story
        .push(format!("{action}{} at {at}", code.map(|code: i64| format!(" {code}")).unwrap_or_default()));
    match action {
        "start" => {
            heard.starts += 1;
            heard.ooms.push(0);
        }
        "die" => heard.ends.push(code.unwrap_or(-1)),
        "oom" => {
            if let Some(kills) = heard.ooms.last_mut() {
                *kills += 1;
            }
        }
        _ => {}
    }
}
