//! What a fake engine can do to an agent: too much, too slowly, without end.
//!
//! ```
//! use plimsoll_testkit::fake_engine::FakeEngine;
//! use plimsoll_testkit::noise::{NOISES, quiet};
//!
//! let engine = FakeEngine::start();
//! for noise in NOISES {
//!     (noise.make)(&engine);
//!     // The agent has to bear it.
//!     quiet(&engine);
//! }
//! ```

use std::time::{Duration, Instant};

use serde_json::json;

use crate::fake_engine::{Behaviour, FakeContainer, FakeEngine, id_of};

const MIB: usize = 1024 * 1024;

/// Events that are sent in one go.
const AT_ONCE: usize = 100;

/// A way to misbehave.
#[derive(Clone, Copy, Debug)]
pub struct Noise {
    /// What it is, for people.
    pub name: &'static str,
    /// Begins it, with all connections made anew, so that nobody is spared.
    pub make: fn(&FakeEngine),
}

/// All of them.
pub const NOISES: &[Noise] = &[
    Noise {
        name: "a listing of 64 MiB",
        make: |engine| set(engine, "/containers/json", Behaviour::Huge(64 * MIB)),
    },
    Noise {
        name: "inspections of 64 MiB",
        make: |engine| {
            engine.set_behaviour("/containers/json", Behaviour::Normal);
            set(engine, "/containers/", Behaviour::Huge(64 * MIB));
        },
    },
    Noise {
        name: "a container with a label of 24 MiB",
        make: |engine| {
            engine.put(FakeContainer::new(FAT).label("fat", &"x".repeat(24 * MIB)));
            engine.drop_connections();
        },
    },
    Noise { name: "an event without end", make: |engine| set(engine, "/events", Behaviour::Endless) },
    Noise {
        name: "1 byte a second",
        make: |engine| set(engine, "/", Behaviour::Drip(Duration::from_secs(1))),
    },
    Noise {
        name: "inspections of 1 byte a second",
        make: |engine| {
            engine.set_behaviour("/containers/json", Behaviour::Normal);
            set(engine, "/containers/", Behaviour::Drip(Duration::from_secs(1)));
        },
    },
    Noise { name: "half-closed connections", make: |engine| set(engine, "/", Behaviour::HalfClose) },
    Noise { name: "half-closed event streams", make: |engine| set(engine, "/events", Behaviour::HalfClose) },
];

/// The container with the big label.
const FAT: &str = "fat";

fn set(engine: &FakeEngine, prefix: &str, behaviour: Behaviour) {
    engine.set_behaviour(prefix, behaviour);
    engine.drop_connections();
}

/// Ends every noise.
pub fn quiet(engine: &FakeEngine) {
    for prefix in ["/", "/events", "/containers/", "/containers/json"] {
        engine.set_behaviour(prefix, Behaviour::Normal);
    }
    engine.remove(&id_of(FAT));
    engine.drop_connections();
}

/// Sends so many events a second about these containers for so long: commands run in them, checks of their health, and
/// now and then a container that nobody knows. Gives how many were sent.
pub fn events(engine: &FakeEngine, ids: &[String], per_second: usize, time: Duration) -> usize {
    let began = Instant::now();
    let mut sent = 0;
    while began.elapsed() < time {
        let mut lines = String::new();
        for number in sent..sent + AT_ONCE {
            let id = &ids[number % ids.len()];
            let stranger = id_of(&format!("stranger-{}", number / AT_ONCE));
            let (id, action) = match number % AT_ONCE {
                0 => (&stranger, "die"),
                at if at % 10 == 1 => (id, "health_status: healthy"),
                at if at % 3 == 0 => (id, "exec_create: sh -c true"),
                at if at % 3 == 1 => (id, "exec_start: sh -c true"),
                _ => (id, "exec_die"),
            };
            let event = json!({
                "status": action, "id": id, "from": "busybox:local", "Type": "container", "Action": action,
                "Actor": {"ID": id, "Attributes": {"image": "busybox:local", "name": &id[..8], "exitCode": "0"}},
                "scope": "local", "time": 1_700_000_000, "timeNano": 1_700_000_000_000_000_000_u64 + number as u64,
            });
            lines.push_str(&format!("{event}\n"));
        }
        engine.emit_bytes(lines.as_bytes());
        sent += AT_ONCE;
        let due = began + Duration::from_secs_f64(sent as f64 / per_second as f64);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    sent
}
