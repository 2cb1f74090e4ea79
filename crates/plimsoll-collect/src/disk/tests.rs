//! The thread and its table, on folders that look like an engine's.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use plimsoll_engine::{Mount, Sizes};
use plimsoll_kernel::Roots;
use plimsoll_model::{Collector, DetailField, DetailRow, Selection};
use plimsoll_testkit::wait_until;
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::thread::{Look, go_round};
use super::visit::Found;
use super::{Disk, DiskPace, DiskThread, DiskWork, Storage, Subject};
use crate::inbox::{Change, Inbox};
use crate::source::{Origin, SourceChoice};

const SOON: Duration = Duration::from_secs(60);

/// An engine's folder, and what watchers would tell of containers in it.
struct Engine {
    folder: TempDir,
    inbox: Arc<Inbox>,
    disk: Disk,
    ask: mpsc::Sender<String>,
    questions: mpsc::Receiver<String>,
}

impl Engine {
    fn new(opt_in: &[Collector]) -> Self {
        let inbox = Arc::new(Inbox::default());
        let mut selection = Selection::default();
        opt_in.iter().for_each(|collector| selection.switch(*collector, true));
        // Each container has one turn in the time of a test.
        let pace = DiskPace { interval: Duration::from_secs(3600), ..DiskPace::default() };
        let disk = Disk::new(pace, &selection, Arc::clone(&inbox)).unwrap();
        let (ask, questions) = mpsc::channel(8);
        Self { folder: tempfile::tempdir().unwrap(), inbox, disk, ask, questions }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// A container whose layer has a file of this many bytes.
    fn container(&self, id: &str, bytes: usize) -> Storage {
        let layer = self.path(&format!("overlay2/{id}/diff"));
        fs::create_dir_all(&layer).unwrap();
        fs::write(layer.join("file"), vec![b'x'; bytes]).unwrap();
        fs::write(self.path(&format!("{id}.log")), vec![b'x'; 10_000]).unwrap();
        Storage {
            is_known: true,
            upper_dir: Some(self.text(&format!("overlay2/{id}/diff"))),
            log_path: Some(self.text(&format!("{id}.log"))),
            mounts: Vec::new(),
        }
    }

    fn know(&self, id: &str, storage: Storage, source: SourceChoice) {
        self.disk.know(Subject {
            id: id.to_owned(),
            name: id.to_owned(),
            pid: None,
            storage: Arc::new(storage),
            is_near: true,
            origin: Arc::new(Origin::new(source)),
            ask: self.ask.clone(),
        });
    }

    /// Looks at every container once, and gives what was told.
    fn look(&self, looked_at: usize) -> (Vec<(String, Vec<DetailRow>)>, DiskWork) {
        let thread = DiskThread::start(&self.disk, &Roots::default()).unwrap();
        let mut told = Vec::new();
        let mut work = DiskWork::default();
        wait_until(SOON, "all were looked at", || {
            for change in self.inbox.take(Vec::new()) {
                match change {
                    Change::Disk { id, mut numbers } => told.push((id, numbers.rows_at(0).to_vec())),
                    Change::DiskWork { work: now } => work = *now,
                    _ => {}
                }
            }
            told.len() >= looked_at
        });
        thread.stop();
        // The account comes right behind the last of them.
        for change in self.inbox.take(Vec::new()) {
            if let Change::DiskWork { work: now } = change {
                work = *now;
            }
        }
        (told, work)
    }
}

fn values(rows: &[DetailRow], field: DetailField) -> Vec<u64> {
    rows.iter().filter(|row| row.field == field).map(|row| row.value).collect()
}

fn volume(name: &str, source: String, destination: &str) -> Mount {
    let destination = destination.to_owned();
    Mount { kind: "volume".into(), name: name.into(), source, destination, writable: true }
}

fn blocks(path: &Path) -> u64 {
    std::os::unix::fs::MetadataExt::blocks(&path.metadata().unwrap()) * 512
}

#[test]
fn a_layer_a_log_and_volumes_are_measured() {
    let engine = Engine::new(&[Collector::Volumes, Collector::Mounts]);
    let mut storage = engine.container("one", 300_000);
    fs::create_dir_all(engine.path("volumes/data")).unwrap();
    fs::write(engine.path("volumes/data/file"), vec![b'x'; 100_000]).unwrap();
    storage.mounts = vec![
        volume("data", engine.text("volumes/data"), "/data"),
        volume("gone", engine.text("volumes/gone"), "/gone"),
    ];
    engine.know("one", storage, SourceChoice::Kernel);
    let (told, work) = engine.look(1);
    let rows = &told[0].1;
    let usage = values(rows, DetailField::DiskUsage);
    assert!((300_000..600_000).contains(&usage[0]), "{usage:?}");
    assert_eq!(values(rows, DetailField::DiskLog), [blocks(&engine.path("one.log"))]);
    assert_eq!(values(rows, DetailField::DiskAge).len(), 1);
    assert!(values(rows, DetailField::DiskLimit)[0] > usage[0]);
    let sizes = values(rows, DetailField::DiskVolume);
    assert_eq!(sizes.len(), 1, "what is not there has no size");
    assert!(sizes[0] >= 100_000);
    assert_eq!(values(rows, DetailField::Mount).len(), 2);
    assert_eq!((work.report.success, work.report.timeouts), (Some(true), Some(0)));
    assert_eq!(work.capability().map(|capability| capability.available), Some(true));
}

#[test]
fn a_container_that_cannot_be_measured_stops_no_other() {
    let mut engine = Engine::new(&[]);
    // One whose log is a folder, one that is not where its engine says, one without a layer, and one that is as it should be.
    let odd = engine.container("a", 1);
    fs::remove_file(engine.path("a.log")).unwrap();
    fs::create_dir(engine.path("a.log")).unwrap();
    engine.know("a", odd, SourceChoice::Kernel);
    let elsewhere = Storage { upper_dir: Some("/nowhere/diff".into()), is_known: true, ..Storage::default() };
    engine.know("b", elsewhere, SourceChoice::Kernel);
    engine.know("c", Storage { is_known: true, ..Storage::default() }, SourceChoice::Kernel);
    let fine = engine.container("d", 50_000);
    engine.know("d", fine, SourceChoice::Kernel);
    let (told, work) = engine.look(4);
    let rows = |id: &str| &told.iter().find(|(of, _)| of == id).unwrap().1;
    assert!(values(rows("d"), DetailField::DiskUsage)[0] >= 50_000);
    assert_eq!(values(rows("a"), DetailField::DiskUsage).len(), 1);
    assert!(values(rows("a"), DetailField::DiskLog).is_empty());
    assert!(rows("b").is_empty() && rows("c").is_empty(), "what was not read is absent");
    assert_eq!((work.report.success, work.errors[1]), (Some(false), ("log", 1)));
    // The engine is asked for those that are not seen.
    let mut asked = [engine.questions.try_recv().unwrap(), engine.questions.try_recv().unwrap()];
    asked.sort();
    assert_eq!(asked, ["b", "c"]);
    assert!(engine.questions.try_recv().is_err() && !engine.disk.is_settled());
    engine.disk.counted("b", Some(Sizes { rw: Some(7), rootfs: Some(9) }));
    engine.disk.counted("c", None);
    assert!(engine.disk.is_settled());
    let counted = engine.inbox.take(Vec::new()).into_iter().find_map(|change| match change {
        Change::Disk { id, mut numbers } if id == "b" => Some(numbers.rows_at(0).to_vec()),
        _ => None,
    });
    assert_eq!(values(&counted.unwrap(), DetailField::DiskUsage), [7]);
}

#[test]
fn paths_of_another_machine_are_not_looked_at() {
    let mut engine = Engine::new(&[]);
    let storage = engine.container("far", 50_000);
    engine.know("far", storage, SourceChoice::Api);
    let (told, work) = engine.look(1);
    assert!(told[0].1.is_empty(), "the same path is another folder there");
    assert_eq!(engine.questions.try_recv().as_deref(), Ok("far"));
    assert_eq!(work.capability(), None);
}

#[test]
fn who_is_forgotten_or_not_inspected_has_no_turn() {
    let engine = Engine::new(&[]);
    let storage = engine.container("gone", 1);
    engine.know("gone", storage, SourceChoice::Kernel);
    engine.disk.forget("gone");
    engine.know("listed", Storage::default(), SourceChoice::Kernel);
    assert!(engine.disk.is_settled());
    let storage = engine.container("kept", 1);
    engine.know("kept", storage, SourceChoice::Kernel);
    let (told, _) = engine.look(1);
    assert_eq!(told.iter().map(|(id, _)| &**id).collect::<Vec<_>>(), ["kept"]);
    engine.disk.counted("gone", Some(Sizes { rw: Some(1), rootfs: None }));
    assert!(engine.inbox.take(Vec::new()).is_empty(), "nothing is told of a container that is gone");
}

#[test]
fn who_is_stuck_is_left_alone_and_the_others_have_their_turns() {
    let engine = Engine::new(&[]);
    for id in ["a-stuck", "b-fine"] {
        engine.know(id, Storage { is_known: true, ..Storage::default() }, SourceChoice::Kernel);
    }
    // A file system that does not answer until it is let.
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = Arc::new(std::sync::Mutex::new(held));
    let look = || -> Look {
        let held = Arc::clone(&held);
        Box::new(move |subject, _| {
            if subject.id == "a-stuck" {
                let _ignored = held.lock().unwrap().recv();
            }
            Found { log: Some(5), ..Found::default() }
        })
    };
    let shared = &engine.disk.shared;
    std::thread::scope(|scope| {
        let patience = |subject: &Subject| {
            if subject.id == "a-stuck" { Duration::from_millis(10) } else { SOON }
        };
        scope.spawn(move || go_round(shared, &look, &patience));
        let mut told = Vec::new();
        let mut work = DiskWork::default();
        wait_until(SOON, "both had their turn", || {
            for change in engine.inbox.take(Vec::new()) {
                match change {
                    Change::Disk { id, mut numbers } => told.push((id, numbers.rows_at(0).to_vec())),
                    Change::DiskWork { work: now } => work = *now,
                    _ => {}
                }
            }
            told.len() == 2
        });
        assert_eq!((&*told[0].0, told[0].1.len()), ("a-stuck", 0));
        assert_eq!((&*told[1].0, values(&told[1].1, DetailField::DiskLog)), ("b-fine", vec![5]));
        assert_eq!((work.errors[0], work.report.timeouts), (("layer", 1), Some(1)));
        release.send(()).unwrap();
        shared.stop();
    });
}

#[test]
fn nothing_is_measured_where_nothing_is_wanted() {
    let mut selection = Selection::default();
    selection.switch(Collector::Disk, false);
    assert!(Disk::new(DiskPace::default(), &selection, Arc::default()).is_none());
    let minimal = Selection::of_profile(plimsoll_model::Profile::Minimal);
    assert!(Disk::new(DiskPace::default(), &minimal, Arc::default()).is_none());
}
