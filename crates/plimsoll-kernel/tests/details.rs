//! Numbers with labels of their own, from captured kernels and from files written as other kernels write them.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use plimsoll_kernel::{Kernel, Reader, Reading, Roots, Spent, Target};
use plimsoll_model::catalog::{CATALOG, Shape};
use plimsoll_model::{Collector, Container, ContainerRow, DetailField, DeviceSlot, Profile, Selection};
use plimsoll_testkit::tree::unpack;
use tempfile::TempDir;

/// An unpacked capture, and the container in it that has every limit.
struct Tree {
    dir: TempDir,
    id: String,
}

impl Tree {
    fn unpack(capture: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/kernel");
        let text = fs::read_to_string(path.join(format!("{capture}.tree"))).unwrap();
        unpack(&text, dir.path());
        let heads = text.lines().filter_map(|line| line.strip_prefix("# container plimsoll-cap-busy id="));
        let id = heads.map(|head| head.split(' ').next().unwrap().to_owned()).next().unwrap();
        Self { dir, id }
    }

    fn cgroup(&self, hierarchy: &str) -> PathBuf {
        self.dir.path().join("cgroup").join(hierarchy).join("docker").join(&self.id)
    }

    fn write(&self, hierarchy: &str, files: &[(&str, &str)]) {
        fs::create_dir_all(self.cgroup(hierarchy)).unwrap();
        for (name, text) in files {
            fs::write(self.cgroup(hierarchy).join(name), text).unwrap();
        }
    }

    fn has_huge_pages(&self, sizes: &[&str]) {
        for size in sizes {
            let pages = self.dir.path().join("sys/kernel/mm/hugepages");
            fs::create_dir_all(pages.join(format!("hugepages-{size}"))).unwrap();
        }
    }

    fn kernel(&self, collectors: &[Collector]) -> Kernel {
        let mut selection = Selection::of_profile(Profile::Default);
        collectors.iter().for_each(|collector| selection.switch(*collector, true));
        let place = |name: &str| self.dir.path().join(name);
        let roots = Roots { cgroup: place("cgroup"), procfs: place("proc"), sysfs: place("sys") };
        Kernel::probe(roots, &selection).unwrap()
    }

    fn attach(&self, kernel: &mut Kernel) -> Reader {
        kernel.attach(&Target { id: &self.id, ..Target::default() }).unwrap()
    }

    fn read(&self, kernel: &mut Kernel, reader: &mut Reader) -> ContainerRow {
        let mut row = ContainerRow::new(Container::new(&self.id, "docker".into()).into());
        let reading = kernel.read(reader, &mut row, &mut Spent::default());
        assert!(matches!(reading, Reading::Done { .. }));
        assert!(row.details.is_sorted_by_key(|detail| detail.field));
        row
    }

    /// What is told with these collectors on, besides the default ones.
    fn told(&self, collectors: &[Collector]) -> Vec<(DetailField, String, u64)> {
        let mut kernel = self.kernel(collectors);
        let mut reader = self.attach(&mut kernel);
        let first = told(&self.read(&mut kernel, &mut reader));
        let second = told(&self.read(&mut kernel, &mut reader));
        assert_eq!(first, second, "nothing has changed");
        assert_eq!(kernel.read_errors(), []);
        first
    }
}

fn told(row: &ContainerRow) -> Vec<(DetailField, String, u64)> {
    row.details.iter().map(|detail| (detail.field, detail.labels.join(" "), detail.value)).collect()
}

fn owned(expected: &[(DetailField, &str, u64)]) -> Vec<(DetailField, String, u64)> {
    expected.iter().map(|(field, labels, value)| (*field, (*labels).to_owned(), *value)).collect()
}

const HYBRID: &str = "hybrid-docker-20.10";
const V1: &str = "v1-docker-20.10";
const V2: &str = "v2-docker-20.10-uml-6.1";

#[test]
fn nobody_gets_what_was_not_switched_on() {
    for capture in [HYBRID, V1, V2] {
        let tree = Tree::unpack(capture);
        assert_eq!(tree.told(&[]), [], "{capture}");
    }
}

#[test]
fn processor_time_by_processor_is_the_files() {
    for (capture, hierarchy) in [(HYBRID, "cpuacct"), (V1, "cpu,cpuacct")] {
        let tree = Tree::unpack(capture);
        let text = fs::read_to_string(tree.cgroup(hierarchy).join("cpuacct.usage_percpu")).unwrap();
        let used = text.split_whitespace().map(|word| word.parse().unwrap()).enumerate();
        let used = used.filter(|(_, nanos): &(usize, u64)| *nanos > 0);
        let expected: Vec<_> =
            used.map(|(cpu, nanos)| (DetailField::CpuUsage, format!("cpu{cpu:02}"), nanos)).collect();
        assert!(!expected.is_empty());
        assert_eq!(tree.told(&[Collector::Percpu]), expected, "{capture}");
    }
    assert_eq!(Tree::unpack(V2).told(&[Collector::Percpu]), [], "cgroup v2 does not count so");
}

#[test]
fn pages_by_node() {
    use DetailField::NumaPages;
    let tree = Tree::unpack(HYBRID);
    let text = "total=6323 N0=6323\nfile=1281 N0=1281\nanon=374 N0=374\nunevictable=4668 N0=4668\n\
                hierarchical_total=6400 N0=6400\nhierarchical_file=1300 N0=1300\nhierarchical_anon=432 N0=432\n\
                hierarchical_unevictable=4668 N0=4668\n";
    tree.write("memory", &[("memory.numa_stat", text)]);
    let expected = [
        (NumaPages, "file container 0", 1281),
        (NumaPages, "anon container 0", 374),
        (NumaPages, "unevictable container 0", 4668),
        (NumaPages, "file hierarchy 0", 1300),
        (NumaPages, "anon hierarchy 0", 432),
        (NumaPages, "unevictable hierarchy 0", 4668),
    ];
    assert_eq!(tree.told(&[Collector::Numa]), owned(&expected));
    let tree = Tree::unpack(V2);
    assert_eq!(tree.told(&[Collector::Numa]), [], "a kernel without NUMA has no such file");
    let page = rustix::param::page_size();
    tree.write("", &[("memory.numa_stat", &format!("anon N0={} N1=0\nslab N0=5\n", 7 * page))]);
    let expected = [(NumaPages, "anon hierarchy 0", 7), (NumaPages, "anon hierarchy 1", 0)];
    assert_eq!(tree.told(&[Collector::Numa]), owned(&expected));
}

#[test]
fn huge_pages_of_the_sizes_that_the_machine_has() {
    use DetailField::{HugetlbFailures, HugetlbLimit, HugetlbMaxUsage, HugetlbUsage};
    let tree = Tree::unpack(HYBRID);
    tree.has_huge_pages(&["2048kB", "1048576kB"]);
    assert_eq!(tree.told(&[Collector::Hugetlb]), [], "the controller's hierarchy is not mounted");
    let none = "9223372036854771712\n";
    tree.write(
        "hugetlb",
        &[
            ("hugetlb.2MB.usage_in_bytes", "4194304\n"),
            ("hugetlb.2MB.max_usage_in_bytes", "6291456\n"),
            ("hugetlb.2MB.failcnt", "3\n"),
            ("hugetlb.2MB.limit_in_bytes", "8388608\n"),
            ("hugetlb.2MB.rsvd.usage_in_bytes", "77\n"),
            ("hugetlb.1GB.usage_in_bytes", "0\n"),
            ("hugetlb.1GB.max_usage_in_bytes", "0\n"),
            ("hugetlb.1GB.failcnt", "0\n"),
            ("hugetlb.1GB.limit_in_bytes", none),
            // Of no page that the machine has.
            ("hugetlb.16GB.usage_in_bytes", "1\n"),
        ],
    );
    let expected = [
        (HugetlbUsage, "2MB", 4_194_304),
        (HugetlbUsage, "1GB", 0),
        (HugetlbMaxUsage, "2MB", 6_291_456),
        (HugetlbMaxUsage, "1GB", 0),
        (HugetlbFailures, "2MB", 3),
        (HugetlbFailures, "1GB", 0),
        (HugetlbLimit, "2MB", 8_388_608),
    ];
    assert_eq!(tree.told(&[Collector::Hugetlb]), owned(&expected));

    let tree = Tree::unpack(V2);
    tree.has_huge_pages(&["2048kB"]);
    tree.write(
        "",
        &[
            ("hugetlb.2MB.current", "2097152\n"),
            ("hugetlb.2MB.events", "max 5\n"),
            ("hugetlb.2MB.max", "max\n"),
        ],
    );
    let expected = [(HugetlbUsage, "2MB", 2_097_152), (HugetlbFailures, "2MB", 5)];
    assert_eq!(tree.told(&[Collector::Hugetlb]), owned(&expected));
}

#[test]
fn limits_of_devices() {
    use DetailField::{IoLimitBytes, IoLimitOperations};
    for capture in [HYBRID, V1] {
        let tree = Tree::unpack(capture);
        let mut expected = vec![];
        for (field, operation, file) in [
            (IoLimitBytes, "read", "blkio.throttle.read_bps_device"),
            (IoLimitBytes, "write", "blkio.throttle.write_bps_device"),
            (IoLimitOperations, "read", "blkio.throttle.read_iops_device"),
            (IoLimitOperations, "write", "blkio.throttle.write_iops_device"),
        ] {
            for line in fs::read_to_string(tree.cgroup("blkio").join(file)).unwrap().lines() {
                let (number, limit) = line.split_once(' ').unwrap();
                let link = fs::read_link(tree.dir.path().join("sys/dev/block").join(number)).unwrap();
                let name = link.file_name().unwrap().to_str().unwrap();
                expected.push((field, format!("/dev/{name} {operation}"), limit.parse().unwrap()));
            }
        }
        assert!(expected.len() >= 2, "the capture's script set two: {expected:?}");
        assert_eq!(tree.told(&[Collector::Blkio]), expected, "{capture}");
    }
    let tree = Tree::unpack(V2);
    tree.write("", &[("io.max", "98:0 rbps=2097152 wbps=max riops=max wiops=120\n")]);
    let expected = [(IoLimitBytes, "/dev/ubda read", 2_097_152), (IoLimitOperations, "/dev/ubda write", 120)];
    assert_eq!(tree.told(&[Collector::Blkio]), owned(&expected));
}

#[test]
fn limits_are_read_when_limits_are() {
    let tree = Tree::unpack(HYBRID);
    let mut kernel = tree.kernel(&[Collector::Blkio]);
    let mut reader = tree.attach(&mut kernel);
    let bytes = |row: &ContainerRow| told(row).into_iter().find(|(_, labels, _)| labels.ends_with("read"));
    let before = bytes(&tree.read(&mut kernel, &mut reader));
    tree.write("blkio", &[("blkio.throttle.read_bps_device", "254:0 55\n")]);
    assert_eq!(bytes(&tree.read(&mut kernel, &mut reader)), before, "nobody said that it may have changed");
    kernel.refresh(&mut reader);
    let after = bytes(&tree.read(&mut kernel, &mut reader)).unwrap();
    assert_eq!((after.0, after.2), (DetailField::IoLimitBytes, 55));
    tree.write("blkio", &[("blkio.throttle.read_bps_device", ""), ("blkio.throttle.read_iops_device", "")]);
    kernel.refresh(&mut reader);
    assert_eq!(bytes(&tree.read(&mut kernel, &mut reader)), None, "a limit that is gone is no longer shown");
}

#[test]
fn what_the_schedulers_count() {
    // BFQ's files, and those of CFQ in kernels before 5.0.
    for prefix in ["blkio.bfq.", "blkio."] {
        let tree = Tree::unpack(HYBRID);
        let lines = |read: u64, write: u64| {
            let total = read + write;
            format!(
                "254:0 Read {read}\n254:0 Write {write}\n254:0 Sync {total}\n254:0 Async 0\n254:0 Discard 0\n254:0 Total {total}\nTotal {total}\n"
            )
        };
        for (name, text) in [
            ("io_service_time_recursive", lines(3_000, 4_000)),
            ("io_wait_time_recursive", lines(500, 600)),
            ("io_merged_recursive", lines(7, 0)),
            ("io_queued_recursive", lines(1, 2)),
        ] {
            tree.write("blkio", &[(&format!("{prefix}{name}"), &text)]);
        }
        let mut kernel = tree.kernel(&[Collector::Blkio]);
        let mut reader = tree.attach(&mut kernel);
        for _ in 0..2 {
            let row = tree.read(&mut kernel, &mut reader);
            assert_eq!(row.devices.len(), 1, "one row a device, whichever file tells of it");
            let device = &row.devices[0];
            assert_eq!(device.number, Some((254, 0)));
            for (slot, expected) in [
                (DeviceSlot::ReadTime, 3_000),
                (DeviceSlot::WriteTime, 4_000),
                (DeviceSlot::IoTime, 7_000),
                (DeviceSlot::IoWait, 1_100),
                (DeviceSlot::IoTimeWeighted, 8_100),
                (DeviceSlot::ReadsMerged, 7),
                (DeviceSlot::WritesMerged, 0),
                (DeviceSlot::IoCurrent, 3),
            ] {
                assert_eq!(device.values.get(slot), Some(expected), "{prefix}: {slot:?}");
            }
            assert!(
                device.values.get(DeviceSlot::ReadBytes).is_some(),
                "what all kernels count is there too"
            );
        }
    }
}

#[test]
fn details_have_as_many_labels_as_their_family() {
    let tree = Tree::unpack(HYBRID);
    tree.has_huge_pages(&["2048kB"]);
    tree.write("hugetlb", &[("hugetlb.2MB.usage_in_bytes", "1\n")]);
    tree.write("memory", &[("memory.numa_stat", "anon=1 N0=1\n")]);
    let every: Vec<_> = Collector::ALL.iter().copied().filter(|collector| collector.is_opt_in()).collect();
    let mut kernel = tree.kernel(&every);
    let mut reader = tree.attach(&mut kernel);
    let row = tree.read(&mut kernel, &mut reader);
    assert!(row.details.len() >= 5, "{:?}", row.details);
    for detail in &row.details {
        let family = CATALOG.iter().find(|family| family.shape == Shape::Detail(detail.field)).unwrap();
        assert_eq!(detail.labels.len(), family.labels.len(), "{}", family.name);
    }
}
