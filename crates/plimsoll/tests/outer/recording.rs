//! An agent that writes a history: what it remembers when it comes back, and what it does where it cannot write.

use std::path::Path;
use std::time::{Duration, SystemTime};

use plimsoll_testkit::fake_engine::FakeContainer;
use plimsoll_testkit::wait_until;
use rustix::process::Signal;
use serde_json::Value;

use crate::agent::{Agent, SOON};
use crate::machine::{Machine, PREFIX, containers};

fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_nanos()).unwrap()
}

/// The captured container that is restarted.
struct Busy {
    name: String,
    id: &'static str,
    pid: u32,
    fake: FakeContainer,
}

impl Busy {
    fn of() -> Self {
        let name = format!("{PREFIX}busy");
        let (_, id, pid) = containers().find(|(known, ..)| *known == name).unwrap();
        let fake = FakeContainer::new(&name).id(id).pid(pid).image("busybox:local");
        Self { name, id, pid, fake }
    }

    /// Ends with this code and is started by hand.
    fn restart(&mut self, machine: &Machine, code: i64) {
        let ended = self.fake.clone().exited(code, now());
        machine.engine.put(ended.clone());
        machine.engine.emit("die", self.id, &[("exitCode", &code.to_string())]);
        self.fake = ended.state("running").pid(self.pid).started_at(now());
        machine.engine.put(self.fake.clone());
        machine.engine.emit("start", self.id, &[]);
    }
}

fn start(machine: &Machine, file: &Path) -> Agent {
    let agent = Agent::start(machine, &["--history", file.to_str().unwrap(), "--interval", "100ms"]);
    agent.wait_ready();
    agent
}

#[track_caller]
fn json(agent: &Agent, path: &str) -> Value {
    let answer = agent.get(path, &[]);
    assert_eq!(answer.code, 200, "{}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

/// The points of the only series of an answer.
fn points(answer: &Value) -> Vec<Option<f64>> {
    let series = answer["series"].as_array().unwrap();
    assert_eq!(series.len(), 1, "{answer}");
    series[0]["values"].as_array().unwrap().iter().map(Value::as_f64).collect()
}

#[test]
fn it_goes_on_where_it_ended() {
    let machine = Machine::new();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("below").join("history.db");
    let mut busy = Busy::of();
    let restarts = |agent: &Agent, count: f64| {
        agent.wait_for("restarts", |metrics| {
            metrics.value("container_restarts_total", &[("name", &format!("{PREFIX}busy"))]) == Some(count)
        });
    };

    let mut agent = start(&machine, &file);
    // What the history sees first is where it begins.
    agent.wait_for("a history", |metrics| {
        metrics.value("plimsoll_history_up", &[]) == Some(1.0)
            && metrics.value("plimsoll_history_values_total", &[]).is_some_and(|values| values > 1000.0)
    });
    busy.restart(&machine, 3);
    restarts(&agent, 1.0);
    busy.restart(&machine, 0);
    restarts(&agent, 2.0);
    let ended = agent.end(Signal::TERM, SOON);
    assert!(ended.success(), "{ended:?}");

    // What happened while it was away is counted, and what happened before is not forgotten.
    busy.restart(&machine, 137);
    let agent = start(&machine, &file);
    restarts(&agent, 3.0);
    let metrics = agent.metrics();
    for (class, count) in [("0", 1.0), ("error", 1.0), ("signal", 1.0)] {
        let labels = [("name", &*busy.name), ("exit_code", class)];
        assert_eq!(metrics.value("container_exits_total", &labels), Some(count), "{class}");
    }

    let asked = format!(
        "/api/v1/series?container={}&metric=container_memory_usage_bytes&from=-60s&step=1s",
        busy.name
    );
    wait_until(SOON, "points of both runs", || {
        let points = points(&json(&agent, &asked));
        points.len() >= 60 && points.iter().flatten().count() > 2
    });
    // Events are told once they are written.
    wait_until(SOON, "every event", || {
        let events = json(&agent, &format!("/api/v1/events?container={}", busy.name));
        let count_of = |word: &str| {
            let told = events["events"].as_array().unwrap().iter().filter(|event| event["event"] == word);
            told.map(|event| event["count"].as_u64().unwrap_or(1)).sum::<u64>()
        };
        assert!(count_of("exited") <= 3 && count_of("restarted") <= 3, "{events:#}");
        (count_of("exited"), count_of("restarted")) == (3, 3)
    });
}

#[test]
fn where_it_cannot_write_it_measures_on() {
    let machine = Machine::new();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("history.db");
    let first = start(&machine, &file);
    let second = start(&machine, &file);
    let file_is_no_folder = start(&machine, &file.join("history.db"));
    for (agent, reason) in [(&second, "another"), (&file_is_no_folder, "history.db")] {
        let answer = agent.get("/api/v1/status", &[]);
        assert_eq!(answer.code, 503, "{}", answer.text());
        assert!(answer.text().contains(reason), "{}", answer.text());
        let told = agent.log().with("no history is written");
        assert!(told.iter().any(|line| line.contains(reason)), "{}", agent.log().all());
        agent.wait_for("it measures, and says that there is no history", |metrics| {
            metrics.value("plimsoll_history_up", &[]) == Some(0.0)
                && metrics.containers().len() == containers().count()
        });
    }
    assert_eq!(first.get("/api/v1/status", &[]).code, 200);
    let without = Agent::start(&machine, &[]);
    without.wait_ready();
    let answer = without.get("/api/v1/status", &[]);
    assert!(
        matches!(answer.code, 404 | 503) && answer.text().contains("off"),
        "{} {}",
        answer.code,
        answer.text()
    );
    assert_eq!(without.metrics().value("plimsoll_history_up", &[]), None);
}

/// What was measured until some seconds before a kill is there afterwards, and the time in between is a gap.
#[test]
fn a_kill_costs_seconds() {
    let machine = Machine::new();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("history.db");
    let mut agent = start(&machine, &file);
    wait_until(SOON, "the first seconds are written", || {
        let written = agent.metrics().value("plimsoll_history_written_bytes_total", &[]);
        written.is_some_and(|bytes| bytes > 0.0)
    });
    agent.end(Signal::KILL, Duration::from_secs(5));
    let agent = start(&machine, &file);
    let asked =
        "/api/v1/series?container=plimsoll-cap-idle&metric=container_memory_usage_bytes&from=-60s&step=1s";
    let points = points(&json(&agent, asked));
    assert!(points.iter().flatten().count() >= 3, "{points:?}");
    agent.wait_for("no damage", |metrics| {
        metrics.value("plimsoll_history_damaged_total", &[("what", "part")]) == Some(0.0)
    });
}
