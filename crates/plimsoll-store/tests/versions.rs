//! Files of every version of the format that was ever written are read for good.
//!
//! `fixtures/history-vN.db.zst` is a file of version N with what [`snapshots`] tells. A new version gets a new file, made by
//! `PLIMSOLL_BLESS=1 cargo test -p plimsoll-store --test versions`; the old ones stay as they are.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::cast_possible_wrap, clippy::cast_sign_loss, reason = "times of this century fit")]

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::{ALWAYS, START, Samples, expect, options, samples};
use plimsoll_model::lifecycle::{Inspection, Lifecycle, Saved};
use plimsoll_model::oom::OomLedger;
use plimsoll_model::{Container, ContainerRow, InterfaceRow, InterfaceSlot, Slot, Snapshot, State, Values};
use plimsoll_store::{
    AggregateQuery, EventQuery, Function, Happening, History, Options, Range, Selector, SeriesQuery, Store,
    Tier,
};

/// The versions there were.
const VERSIONS: &[u32] = &[1];

const SECONDS: u64 = 1_500;

fn fixture(version: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/history-v{version}.db.zst"))
}

/// What a file of every version has: `web` and `db` over 25 minutes, `web` created anew half way, `db` restarted once.
fn snapshots() -> impl Iterator<Item = Snapshot> {
    (0..SECONDS).map(|second| {
        let at = (START as u64 + second * 1_000) * 1_000_000;
        let is_second = second >= SECONDS / 2;
        let restarts = u64::from(second >= 1_000);
        let containers = vec![
            row("web", if is_second { 2 } else { 1 }, second % (SECONDS / 2), 0),
            row("db", 3, second, restarts),
        ];
        Snapshot { at, sequence: second + 1, containers, ..Snapshot::default() }
    })
}

fn row(name: &str, id: u32, second: u64, restarts: u64) -> ContainerRow {
    let mut container = Container::new(&format!("{id:064x}"), "docker".into());
    name.clone_into(&mut container.name);
    container.image = "example.org/shop:1".to_owned();
    container.state = State::Running;
    container.labels.insert("team".to_owned(), "shop".to_owned());
    let mut row = ContainerRow::new(Arc::new(container));
    for (slot, value) in [
        (Slot::Status, 1),
        (Slot::State, 1),
        (Slot::Restarts, restarts),
        (Slot::ExitsZero, restarts),
        (Slot::ExitsSignal, 0),
        (Slot::ExitsError, 0),
        (Slot::OomEvents, 0),
        (Slot::CpuUsage, second * 250_000_000),
        (Slot::MemoryUsage, (second % 7) << 20 | 1 << 26),
        (Slot::MemoryInactiveFile, 1 << 20),
        (Slot::MemoryLimit, 1 << 28),
    ] {
        row.values.set(slot, value);
    }
    let mut values = Values::default();
    values.set(InterfaceSlot::RxBytes, second * 1_000);
    row.interfaces.push(InterfaceRow { name: "eth0".into(), network: "bridge".into(), values });
    let mut life = Lifecycle::first_seen(1);
    life.inspected(&Inspection {
        running: true,
        started: Some(5),
        restart_count: Some(restarts),
        ..Inspection::default()
    });
    row.life = Some(Saved::new(&life, &OomLedger::default()));
    row
}

/// Writes the file of the present version, if it is asked for.
#[expect(clippy::disallowed_methods, reason = "a test is told by its environment to write a fixture")]
fn bless() {
    let path = fixture(*VERSIONS.last().unwrap());
    if std::env::var_os("PLIMSOLL_BLESS").is_none() || path.exists() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let store =
        Store::open(Options { keep_every: std::time::Duration::MAX, ..options(folder.path()) }).unwrap();
    snapshots().for_each(|snapshot| store.append(&snapshot));
    store.close();
    let bytes = std::fs::read(folder.path().join("history.db")).unwrap();
    std::fs::write(path, zstd::encode_all(&*bytes, 19).unwrap()).unwrap();
}

/// The file of a version, unpacked.
fn unpack(version: u32, folder: &Path) -> PathBuf {
    let path = folder.join("history.db");
    let packed = std::fs::read(fixture(version)).unwrap();
    std::fs::write(&path, zstd::decode_all(&*packed).unwrap()).unwrap();
    path
}

#[test]
fn every_version_is_read() {
    bless();
    let mut expected = Samples::new();
    snapshots().for_each(|snapshot| expect(&snapshot, &mut expected));
    let whole = Range { from: START, until: START + SECONDS as i64 * 1_000 };
    for version in VERSIONS {
        let folder = tempfile::tempdir().unwrap();
        let history = History::open(&unpack(*version, folder.path())).unwrap();
        assert!(samples(&history, ALWAYS) == expected, "version {version}");

        let lines = history.containers(&Selector::default(), whole).unwrap();
        let told: Vec<_> = lines.iter().map(|line| (&*line.name, line.containers.len())).collect();
        assert_eq!(told, [("db", 1), ("web", 2)], "version {version}");
        assert_eq!(lines[0].containers[0].labels["team"], "shop");

        // From the tiers, too.
        let query = SeriesQuery {
            selector: Selector::of_container("db"),
            metrics: vec!["container_cpu_usage_seconds_total".to_owned()],
            range: whole,
            step: Some(60_000),
            function: Some(Function::Rate),
        };
        let answer = history.series(&query).unwrap();
        assert_eq!(answer.tier, Tier::Minute, "version {version}");
        assert_eq!(answer.series[0].points.len(), 25);
        assert!(
            answer.series[0].points.iter().all(|point| point.is_some_and(|rate| (rate - 0.25).abs() < 1e-9))
        );
        let query = AggregateQuery {
            selector: Selector::of_container("db"),
            metrics: vec!["container_memory_working_set_bytes".to_owned()],
            range: whole,
        };
        let figures = &history.aggregate(&query).unwrap().lines[0].1[0];
        assert_eq!((figures.min, figures.max), (66_060_288.0, 72_351_744.0), "version {version}");
        let query = EventQuery { selector: Selector::of_container("db"), range: whole, count: 10 };
        let restarted = Happening::Restarted { count: 1 };
        assert!(
            history.events(&query).unwrap().iter().any(|event| event.what == restarted),
            "version {version}"
        );
    }
}

#[test]
fn every_version_is_gone_on_with() {
    bless();
    for version in VERSIONS {
        let folder = tempfile::tempdir().unwrap();
        let path = unpack(*version, folder.path());
        let store =
            Store::open(Options { keep_every: std::time::Duration::MAX, ..options(folder.path()) }).unwrap();
        let figures = store.figures();
        assert_eq!((figures.set_aside, figures.damaged), (0, 0), "version {version}");
        assert_eq!(store.past().lives.len(), 2, "version {version}: those that were not removed");
        let mut snapshot = snapshots().last().unwrap();
        let mut expected = Samples::new();
        snapshots().for_each(|snapshot| expect(&snapshot, &mut expected));
        snapshot.at += 1_000_000_000;
        expect(&snapshot, &mut expected);
        store.append(&snapshot);
        store.close();
        assert!(samples(&History::open(&path).unwrap(), ALWAYS) == expected, "version {version}");
    }
}
