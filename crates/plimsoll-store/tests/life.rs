//! Lines, events and lives: across containers that are created anew, across agents, and whatever the clock does.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::cast_possible_wrap, clippy::cast_sign_loss, reason = "times of this century fit")]

mod common;

use std::sync::Arc;

use common::fleet::Fleet;
use common::{ALWAYS, START, Samples, expect, options, samples};
use plimsoll_model::{Container, ContainerRow, Health, Slot, Snapshot, State};
use plimsoll_store::{EventQuery, Happening, History, Millis, Selector, Store, Tier};

const NANO: u64 = 1_000_000;

fn nanos(at: Millis) -> u64 {
    at as u64 * NANO
}

/// What happened, in order of time: when in seconds since the start, to whom, what.
fn events(history: &History) -> Vec<(Millis, String, Happening)> {
    let events =
        history.events(&EventQuery { selector: Selector::default(), range: ALWAYS, count: 1000 }).unwrap();
    events.into_iter().map(|event| ((event.at - START) / 1000, event.name, event.what)).collect()
}

/// A container that the test does things to.
struct One {
    row: ContainerRow,
}

impl One {
    fn new(name: &str, id: u32) -> Self {
        let mut container = Container::new(&format!("{id:064x}"), "docker".into());
        name.clone_into(&mut container.name);
        container.state = State::Running;
        let mut row = ContainerRow::new(Arc::new(container));
        for (slot, value) in [
            (Slot::Status, 1),
            (Slot::Created, nanos(START - 3_600_000)),
            (Slot::Started, nanos(START - 3_600_000)),
            (Slot::Restarts, 0),
            (Slot::ExitsZero, 0),
            (Slot::ExitsSignal, 0),
            (Slot::ExitsError, 0),
            (Slot::OomEvents, 0),
            (Slot::CpuUsage, 1),
            (Slot::MemoryUsage, 1 << 20),
            (Slot::MemoryLimit, 64 << 20),
        ] {
            row.values.set(slot, value);
        }
        Self { row }
    }

    fn set(&mut self, slots: &[(Slot, u64)]) -> &mut Self {
        slots.iter().for_each(|(slot, value)| self.row.values.set(*slot, *value));
        self
    }

    fn identity(&mut self, change: impl FnOnce(&mut Container)) -> &mut Self {
        let mut container = (*self.row.container).clone();
        change(&mut container);
        self.row.container = Arc::new(container);
        self
    }
}

fn snapshot(second: Millis, rows: &[&One]) -> Snapshot {
    Snapshot {
        at: nanos(START + second * 1000),
        containers: rows.iter().map(|one| one.row.clone()).collect(),
        ..Snapshot::default()
    }
}

#[test]
fn what_happens_to_a_container_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(options(folder.path())).unwrap();
    let mut one = One::new("web", 1);
    let sample = |store: &Store, from: Millis, one: &One| {
        for second in from..from + 5 {
            store.append(&snapshot(second, &[one]));
        }
    };
    sample(&store, 0, &one);
    // It ended, for lack of memory, and was started again, all between two samples.
    let at = |second: Millis| nanos(START + second * 1000 + 300);
    one.set(&[(Slot::ExitsSignal, 1), (Slot::Finished, at(10)), (Slot::ExitCode, 137), (Slot::OomEvents, 2)]);
    one.set(&[(Slot::Restarts, 1), (Slot::Started, at(11))]);
    sample(&store, 12, &one);
    one.set(&[(Slot::Status, 2)]);
    sample(&store, 20, &one);
    one.set(&[(Slot::Status, 1)]);
    sample(&store, 30, &one);
    one.identity(|container| container.health = Health::Unhealthy);
    sample(&store, 40, &one);
    one.identity(|container| container.name = "shop".into());
    sample(&store, 50, &one);
    one.set(&[(Slot::MemoryLimit, 128 << 20)]);
    sample(&store, 60, &one);
    // Stopped: no limits to be seen, and none that changed.
    let mut stopped = One::new("shop", 1);
    stopped.set(&[(Slot::Status, 0), (Slot::Restarts, 1), (Slot::Started, at(11)), (Slot::OomEvents, 2)]);
    stopped.set(&[
        (Slot::ExitsZero, 1),
        (Slot::ExitsSignal, 1),
        (Slot::Finished, at(69)),
        (Slot::ExitCode, 0),
    ]);
    stopped.identity(|container| container.health = Health::Unhealthy);
    let mut bare = stopped.row.clone();
    bare.values.clear();
    for slot in [
        Slot::Status,
        Slot::Restarts,
        Slot::Started,
        Slot::OomEvents,
        Slot::ExitsZero,
        Slot::ExitsSignal,
        Slot::ExitsError,
        Slot::Finished,
        Slot::ExitCode,
    ] {
        bare.values.set_option(slot, stopped.row.values.get(slot));
    }
    stopped.row = bare;
    sample(&store, 70, &stopped);
    for second in 80..95 {
        store.append(&snapshot(second, &[]));
    }
    store.flush();
    let name = |name: &str| name.to_owned();
    let limit = "container_memory_limit_bytes";
    let expected = [
        (0, name("web"), Happening::Created),
        (10, name("web"), Happening::Exited { code: Some(137), count: 1 }),
        (10, name("web"), Happening::OomKilled { count: 2 }),
        (11, name("web"), Happening::Restarted { count: 1 }),
        (20, name("web"), Happening::Paused),
        (30, name("web"), Happening::Unpaused),
        (40, name("web"), Happening::Health { now: "unhealthy".into() }),
        (50, name("shop"), Happening::Renamed { from: "web".into() }),
        (
            60,
            name("shop"),
            Happening::Limit { metric: limit.into(), from: Some(64 << 20), to: Some(128 << 20) },
        ),
        (69, name("shop"), Happening::Exited { code: Some(0), count: 1 }),
        (80, name("shop"), Happening::Removed),
    ];
    assert_eq!(events(&store.history()), expected);
}

#[test]
fn a_container_that_is_made_while_somebody_watches_is_told_from_its_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(options(folder.path())).unwrap();
    store.append(&snapshot(0, &[]));
    store.append(&snapshot(1, &[]));
    let mut one = One::new("job", 1);
    one.set(&[
        (Slot::Created, nanos(START + 2000)),
        (Slot::Started, nanos(START + 3000)),
        (Slot::Finished, nanos(START + 4000)),
    ]);
    one.set(&[(Slot::ExitsError, 1), (Slot::ExitCode, 3), (Slot::Status, 0)]);
    store.append(&snapshot(5, &[&one]));
    store.flush();
    let expected = [
        (2, "job".to_owned(), Happening::Created),
        (3, "job".to_owned(), Happening::Started),
        (4, "job".to_owned(), Happening::Exited { code: Some(3), count: 1 }),
    ];
    assert_eq!(events(&store.history()), expected);
}

#[test]
fn what_happened_while_the_agent_was_away_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(options(folder.path())).unwrap();
    let (mut one, two) = (One::new("web", 1), One::new("gone", 2));
    store.append(&snapshot(0, &[&one, &two]));
    store.append(&snapshot(1, &[&one, &two]));
    store.close();
    let store = Store::open(options(folder.path())).unwrap();
    assert_eq!(store.past().until, Some(nanos(START + 1000)));
    one.set(&[(Slot::Restarts, 2), (Slot::Started, nanos(START + 40_000))]);
    one.set(&[(Slot::ExitsError, 2), (Slot::Finished, nanos(START + 39_000)), (Slot::ExitCode, 1)]);
    for second in 60..75 {
        store.append(&snapshot(second, &[&one]));
    }
    store.flush();
    let expected = [
        (0, "web".to_owned(), Happening::Created),
        (0, "gone".to_owned(), Happening::Created),
        (39, "web".to_owned(), Happening::Exited { code: Some(1), count: 2 }),
        (40, "web".to_owned(), Happening::Restarted { count: 2 }),
        (60, "gone".to_owned(), Happening::Removed),
    ];
    assert_eq!(events(&store.history()), expected);
    store.close();
    let store = Store::open(options(folder.path())).unwrap();
    store.append(&snapshot(100, &[&one]));
    store.flush();
    assert_eq!(events(&store.history()).len(), expected.len(), "nothing is told twice");
}

#[test]
fn a_container_created_anew_continues_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(options(folder.path())).unwrap();
    let labels = |number: &str| {
        [("project", "shop"), ("service", "db"), ("container-number", number)]
            .map(|(key, value)| (format!("com.docker.compose.{key}"), value.to_owned()))
    };
    let mut all =
        [One::new("web", 1), One::new("web", 2), One::new("shop-db-1", 3), One::new("x_shop-db-1", 4)];
    for (index, number) in [(2, "1"), (3, "1")] {
        all[index].identity(|container| container.labels = labels(number).into());
    }
    let mut second = 0;
    for turn in 0..4 {
        let (web, db) = (&all[turn % 2], &all[2 + turn / 2]);
        for _ in 0..20 {
            second += 1;
            store.append(&snapshot(second, &[web, db]));
        }
        store.flush();
    }
    let lines = store.history().containers(&Selector::default(), ALWAYS).unwrap();
    let members: Vec<_> = lines.iter().map(|line| (&*line.name, line.containers.len())).collect();
    assert_eq!(members, [("web", 2), ("x_shop-db-1", 2)]);
}

#[test]
fn samples_survive_clock_steps() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(options(folder.path())).unwrap();
    let mut fleet = Fleet::new(2, 3);
    let mut expected = Samples::new();
    let mut at = START + 7_200_000;
    for step in [0, -3_600_000, 7_200_000, -2000, 50_000, -30_000] {
        at += step;
        let first = at + 1000;
        for _ in 0..200 {
            at += 1000;
            store.append(fleet.at(at));
            if at == first {
                // What the clock said before of this time and later holds no longer, as far as it is told anew.
                expected.retain(|(known, _), _| !(first..first + 200_000).contains(known));
            }
            expect(&fleet.snapshot, &mut expected);
        }
        // The last two minutes of each stretch are one block.
        store.flush();
    }
    // The same time again is no other sample.
    store.append(fleet.at(at));
    assert_eq!(store.figures().lost_time, 3);
    let check = |history: &History| {
        let found = samples(history, ALWAYS);
        for (key, values) in &found {
            assert_eq!(expected.get(key), Some(values), "{key:?}");
        }
        let missing: Vec<_> = expected.keys().filter(|key| !found.contains_key(key)).collect();
        assert!(missing.is_empty(), "{} are missing from {:?}", missing.len(), missing[0].0 - START);
    };
    check(&store.history());
    store.close();
    check(&History::open(&folder.path().join("history.db")).unwrap());
}

#[test]
fn coarser_tiers_follow() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(options(folder.path())).unwrap();
    let mut fleet = Fleet::new(1, 5);
    let (hour, minute) = (3_600_000, 60_000);
    let mut at = START;
    while at < START + 2 * hour + 10 * minute {
        at += 1000;
        store.append(fleet.at(at));
        if at % minute == 0 {
            store.flush();
        }
        if at % (hour / 2) == 0 {
            // What was rolled up until when is known from the file.
            store.abandon();
            store = Store::open(options(folder.path())).unwrap();
        }
    }
    let ends = |store: &Store| {
        let summary = store.history().summary().unwrap();
        let last =
            |tier| summary.tiers.iter().find(|of| of.tier == tier).and_then(|of| of.span).map(|span| span.1);
        [Tier::TenSeconds, Tier::Minute, Tier::Hour].map(last)
    };
    let [ten, minutes, hours] = ends(&store).map(Option::unwrap);
    assert!(at - ten < 6 * minute, "{}", at - ten);
    assert!(at - minutes < 31 * minute, "{}", at - minutes);
    assert!(hours >= START && hours + hour <= minutes + minute, "an hour's point is made of its minutes");
    // Of a container that is removed, the last points are made though they are not complete.
    fleet.snapshot.containers.clear();
    for _ in 0..20 {
        at += 1000;
        store.append(fleet.at(at));
    }
    store.flush();
    let last = at - 20_000;
    let floor = |step: Millis| Some(last - last % step);
    assert_eq!(ends(&store), [floor(10_000), floor(minute), floor(hour)]);
}
