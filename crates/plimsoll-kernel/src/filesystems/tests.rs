use std::sync::Condvar;

use plimsoll_testkit::wait_until;

use super::*;

/// Long enough for what answers, short enough to wait for what does not.
const PATIENCE: Duration = Duration::from_millis(500);

/// File systems that hang while their place is in the list.
#[derive(Default)]
struct Hanging {
    places: Mutex<HashSet<PathBuf>>,
    changed: Condvar,
    asked: AtomicUsize,
}

impl Hanging {
    fn set(&self, places: &[&str]) {
        *lock(&self.places) = places.iter().map(PathBuf::from).collect();
        self.changed.notify_all();
    }

    fn ask(&self, path: &Path) -> Result<Usage, Errno> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let _free = self.changed.wait_while(lock(&self.places), |places| places.contains(path)).unwrap();
        if path == Path::new("/broken") {
            return Err(Errno::IO);
        }
        Ok(Usage { size: Some(4096), free: Some(100), avail: None, files: 7, files_free: 0 })
    }
}

/// A `/proc` with these mounts, and a reader of it.
fn reader(points: &[String]) -> (tempfile::TempDir, Arc<Hanging>, FilesystemReader) {
    let procfs = tempfile::tempdir().unwrap();
    let line =
        |(id, point): (usize, &String)| format!("{} 1 8:1 / {point} rw - nfs server:/x rw\n", id + 100);
    let list: String = points.iter().enumerate().map(line).collect();
    for process in ["1", "self"] {
        std::fs::create_dir(procfs.path().join(process)).unwrap();
        std::fs::write(procfs.path().join(process).join("mountinfo"), &list).unwrap();
    }
    let hanging = Arc::new(Hanging::default());
    let roots = Roots { procfs: procfs.path().to_owned(), ..Roots::default() };
    let asking = Arc::clone(&hanging);
    (procfs, hanging, FilesystemReader::new(&roots, Arc::new(move |path: &Path| asking.ask(path))))
}

fn points(points: &[&str]) -> Vec<String> {
    points.iter().map(|point| (*point).to_owned()).collect()
}

/// The mount points that have an error, and those that have a size.
fn told(host: &Host) -> (Vec<String>, Vec<String>) {
    let of = |field, only: u64| {
        let found = host.iter().filter(|(family, _, value)| {
            family.shape == Shape::Host(HostField::Mount(field)) && *value == only
        });
        found.map(|(_, labels, _)| labels[1].to_string()).collect()
    };
    (of(MountField::DeviceError, 1), of(MountField::Size, 4096))
}

#[test]
fn every_mount_answers() {
    let (_procfs, hanging, reader) = reader(&points(&["/", "/home", "/broken", "/run/x", "/home"]));
    let host = reader.read(PATIENCE);
    assert_eq!(told(&host), (points(&["/broken"]), points(&["/", "/home"])));
    let avail = Shape::Host(HostField::Mount(MountField::Avail));
    assert!(host.iter().all(|(family, ..)| family.shape != avail), "what is not told is absent");
    assert_eq!(hanging.asked.load(Ordering::Relaxed), 3, "each once, and none that is not shown");
    assert_eq!(reader.waiting(), 0);
    let first: Vec<_> = host.iter().next().map(|(_, labels, _)| labels.to_vec()).unwrap();
    assert_eq!(first, ["server:/x", "/", "nfs"].map(Box::from));
}

#[test]
fn a_mount_that_hangs_holds_up_no_other_and_is_left_alone() {
    let (_procfs, hanging, reader) = reader(&points(&["/", "/dead", "/home", "/gone"]));
    hanging.set(&["/dead", "/gone"]);
    let (errors, sizes) = told(&reader.read(PATIENCE));
    assert_eq!((errors, sizes), (points(&["/dead", "/gone"]), points(&["/", "/home"])));
    assert_eq!((reader.waiting(), hanging.asked.load(Ordering::Relaxed)), (2, 4));
    let before = Instant::now();
    let (errors, sizes) = told(&reader.read(Duration::from_secs(60)));
    assert_eq!((errors, sizes), (points(&["/dead", "/gone"]), points(&["/", "/home"])));
    assert!(before.elapsed() < Duration::from_secs(30), "what is stuck is not waited for again");
    assert_eq!(hanging.asked.load(Ordering::Relaxed), 6, "nor asked");
    hanging.set(&["/gone"]);
    wait_until(Duration::from_secs(10), "the thread has come back", || reader.waiting() == 1);
    assert_eq!(told(&reader.read(PATIENCE)).1, points(&["/", "/dead", "/home"]));
    hanging.set(&[]);
    wait_until(Duration::from_secs(10), "no thread is left", || {
        reader.helpers.threads.load(Ordering::Relaxed) == 0
    });
}

#[test]
fn threads_are_bounded() {
    let many: Vec<String> = (0..MAX_MOUNT_THREADS + 4).map(|at| format!("/dead{at}")).collect();
    let (_procfs, hanging, reader) = reader(&many);
    hanging.set(&many.iter().map(String::as_str).collect::<Vec<_>>());
    let (errors, sizes) = told(&reader.read(Duration::from_secs(2)));
    assert_eq!((errors.len(), sizes.len()), (many.len(), 0));
    assert_eq!(reader.helpers.threads.load(Ordering::Relaxed), MAX_MOUNT_THREADS);
    assert_eq!(told(&reader.read(PATIENCE)).0.len(), many.len());
    assert_eq!(hanging.asked.load(Ordering::Relaxed), MAX_MOUNT_THREADS);
    hanging.set(&[]);
    wait_until(Duration::from_secs(10), "no thread is left", || {
        reader.helpers.threads.load(Ordering::Relaxed) == 0
    });
    assert_eq!(told(&reader.read(PATIENCE)).1.len(), many.len());
}

#[test]
fn mounts_are_bounded_and_what_is_left_out_is_counted() {
    let many: Vec<String> = (0..MAX_MOUNTS + 3).map(|at| format!("/m{at}")).collect();
    let (_procfs, _hanging, reader) = reader(&many);
    for reading in 1..=2 {
        let host = reader.read(Duration::from_secs(60));
        assert_eq!((told(&host).1.len(), host.left_out), (MAX_MOUNTS, 3 * reading));
    }
}

#[test]
fn mounts_of_another_namespace_are_reached_through_its_root() {
    let procfs = tempfile::tempdir().unwrap();
    let write = |process: &str, id: u64| {
        std::fs::create_dir_all(procfs.path().join(process)).unwrap();
        let line = format!("{id} 1 8:1 / /home rw - ext4 /dev/sda rw\n");
        std::fs::write(procfs.path().join(process).join("mountinfo"), line).unwrap();
    };
    let reach = || {
        let roots = Roots { procfs: procfs.path().to_owned(), ..Roots::default() };
        FilesystemReader::open(&roots).reach
    };
    write("1", 5);
    assert_eq!(reach(), Reach::Plain, "nothing speaks against it");
    write("self", 6);
    assert_eq!(reach(), Reach::Not);
    let roots = Roots { procfs: procfs.path().to_owned(), ..Roots::default() };
    let reader = FilesystemReader::open(&roots);
    assert_eq!(
        told(&reader.read(PATIENCE)),
        (points(&["/home"]), vec![]),
        "no number of another file system"
    );
    let root = procfs.path().join("1/root");
    std::fs::create_dir(&root).unwrap();
    assert_eq!(reach(), Reach::Below(root.clone()));
    assert_eq!(reach().path_of(b"/home"), Some(root.join("home")));
    assert_eq!(reach().path_of(b"/"), Some(root.join("")));
    write("self", 5);
    assert_eq!(reach(), Reach::Plain);
}

#[test]
fn a_list_that_cannot_be_read_is_counted() {
    let procfs = tempfile::tempdir().unwrap();
    let roots = Roots { procfs: procfs.path().to_owned(), ..Roots::default() };
    let reader = FilesystemReader::open(&roots);
    assert!(reader.read(PATIENCE).is_empty());
    assert_eq!(reader.read_errors(), 1);
}

#[test]
fn what_answers_has_a_size() {
    let host = FilesystemReader::open(&Roots::default()).read(Duration::from_secs(10));
    let of = |wanted, only: Option<u64>| {
        let wanted = Shape::Host(HostField::Mount(wanted));
        let found = host
            .iter()
            .filter(|(family, _, value)| family.shape == wanted && only.is_none_or(|only| only == *value));
        found.map(|(_, labels, _)| Arc::clone(labels)).collect::<Vec<_>>()
    };
    assert_eq!(of(MountField::DeviceError, Some(0)), of(MountField::Size, None));
    assert_eq!(of(MountField::ReadOnly, None), of(MountField::Files, None));
}
