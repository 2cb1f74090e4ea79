//! The machine's own numbers, from a folder that looks like `/proc` and from the real one.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is a test's purpose")]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use plimsoll_kernel::{
    FilesystemReader, HostReader, MAX_HOST_DISKS, MAX_HOST_INTERFACES, MAX_PROCESSORS, Roots,
};
use plimsoll_model::Host;
use tempfile::TempDir;

const STAT: &str = "cpu  81387 0 19115 35483 1443 0 182 570 0 0
cpu0 39677 0 8406 20330 410 0 17 287 5 0
cpu3 41710 0 10709 15153 1032 0 165 283 0 0
intr 649188 0 0 14
ctxt 1040036
btime 1795799349
processes 23312
procs_running 6
procs_blocked 1
softirq 305223 0 41860
";

const DEV: &str = "Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:   47417      59    0    0    0     0          0         0    47417      59    0    0    0     0       0          0
  eth0: 231015138    5357    0    0    0     0          0         0   254207    2825    0    0    0     0       0          0
veth237e71df:     472       6    0    0    0     0          0         0     1776      20    0    0    0     0       0          0
";

/// A folder that looks like `/proc`.
fn procfs() -> TempDir {
    let procfs = tempfile::tempdir().unwrap();
    for (file, text) in [
        ("stat", STAT),
        ("loadavg", "0.52 12.00 0.09 2/345 6789\n"),
        (
            "meminfo",
            "MemTotal:       24684092 kB\nActive(anon):       1628 kB\nHugePages_Total:       3\nNew:  1 kB\n",
        ),
        ("vmstat", "nr_free_pages 7\npgpgin 3431393\noom_kill 2\n"),
        (
            "diskstats",
            " 254 0 vda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n 254 1 vda1 1 2 3 4 5 6 7 8 9 10 11\n",
        ),
        (
            "pressure/cpu",
            "some avg10=38.90 avg60=20.69 avg300=13.64 total=76404966\nfull avg10=0.00 total=0\n",
        ),
        ("pressure/io", "some avg10=0.00 total=5\n"),
        ("1/net/dev", DEV),
    ] {
        write(procfs.path(), file, text);
    }
    procfs
}

fn write(procfs: &Path, file: &str, text: &str) {
    let path = procfs.join(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn open(procfs: &TempDir) -> HostReader {
    HostReader::open(&Roots { procfs: procfs.path().to_owned(), ..Roots::default() })
}

/// `name{label,label} value` for each number.
fn lines(host: &Host) -> Vec<String> {
    host.iter()
        .map(|(family, labels, value)| format!("{}{{{}}} {value}", family.name, labels.join(",")))
        .collect()
}

#[track_caller]
fn has(host: &Host, expected: &[&str]) {
    let lines = lines(host);
    for line in expected {
        assert!(lines.iter().any(|found| found == line), "no {line} in {lines:#?}");
    }
}

#[track_caller]
fn has_no(host: &Host, start: &str) {
    let found: Vec<_> = lines(host).into_iter().filter(|line| line.starts_with(start)).collect();
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn every_file_is_understood() {
    let host = open(&procfs()).read();
    has(
        &host,
        &[
            "node_cpu_seconds_total{0,user} 396770000000",
            "node_cpu_seconds_total{3,steal} 2830000000",
            "node_cpu_guest_seconds_total{0,user} 50000000",
            "node_load1{} 520000000",
            "node_load5{} 12000000000",
            "node_memory_MemTotal_bytes{} 25276510208",
            "node_memory_Active_anon_bytes{} 1667072",
            "node_memory_HugePages_Total{} 3",
            "node_pressure_cpu_waiting_seconds_total{} 76404966000",
            "node_pressure_io_waiting_seconds_total{} 5000",
            "node_disk_reads_completed_total{vda} 1",
            "node_disk_read_bytes_total{vda} 1536",
            "node_disk_read_time_seconds_total{vda} 4000000",
            "node_disk_discarded_sectors_total{vda} 14",
            "node_disk_flush_requests_time_seconds_total{vda} 17000000",
            "node_network_receive_bytes_total{eth0} 231015138",
            "node_network_transmit_compressed_total{eth0} 0",
            "node_procs_running{} 6",
            "node_forks_total{} 23312",
            "node_context_switches_total{} 1040036",
            "node_intr_total{} 649188",
            "node_boot_time_seconds{} 1795799349000000000",
            "node_vmstat_pgpgin{} 3431393",
            "node_vmstat_oom_kill{} 2",
        ],
    );
    has(&host, &[&format!("node_time_seconds{{}} {}", host.at)]);
    for absent in [
        "node_memory_MemFree",
        "node_pressure_memory",
        "node_pressure_io_stalled",
        "node_disk_reads_completed_total{vda1}",
        "node_network_receive_bytes_total{veth",
        "node_network_receive_bytes_total{lo",
        "node_vmstat_pgfault",
        "node_filesystem",
    ] {
        has_no(&host, absent);
    }
    assert_eq!(host.left_out, 0);
}

#[test]
fn a_kernel_that_has_nothing_makes_nothing_up() {
    let empty = tempfile::tempdir().unwrap();
    let mut reader = open(&empty);
    let host = reader.read();
    assert_eq!(lines(&host), [format!("node_time_seconds{{}} {}", host.at)]);
    assert_eq!(host.boot, None);
    assert_eq!(reader.read_errors(), [], "what there is not cannot fail");
    assert!(!reader.has_pressure());
}

#[test]
fn files_stay_open_and_lists_change() {
    let procfs = procfs();
    let mut reader = open(&procfs);
    let first = reader.read();
    let disks = " 8 0 sda 9 2 3 4\n 254 0 vda 2 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n";
    write(procfs.path(), "diskstats", disks);
    write(procfs.path(), "stat", &STAT.replace("cpu0 39677 0 8406 20330 410", "cpu0 39700 0 8406 20331 400"));
    let host = reader.read();
    has(
        &host,
        &[
            "node_disk_reads_completed_total{sda} 9",
            "node_disk_reads_completed_total{vda} 2",
            "node_cpu_seconds_total{0,user} 397000000000",
            "node_cpu_seconds_total{0,idle} 203310000000",
            "node_cpu_seconds_total{0,iowait} 4100000000",
        ],
    );
    has_no(&host, "node_disk_io_now{sda}");
    assert_eq!(host.boot, first.boot, "a start does not move");
    // The processor was taken away and came back; the other is gone.
    write(procfs.path(), "stat", "cpu0 1 0 1 5 1 0 0 0 0 0\nbtime 1795799349\n");
    write(procfs.path(), "diskstats", " 254 0 vda 3 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n");
    let host = reader.read();
    has(&host, &["node_cpu_seconds_total{0,user} 10000000", "node_disk_reads_completed_total{vda} 3"]);
    has_no(&host, "node_cpu_seconds_total{3");
    has_no(&host, "node_disk_reads_completed_total{sda}");
    has_no(&host, "node_forks_total");
}

#[test]
fn lists_are_bounded_and_what_is_left_out_is_counted() {
    let procfs = procfs();
    let repeated = |count: usize, line: &dyn Fn(usize) -> String| (0..count).map(line).collect::<String>();
    let stat = repeated(MAX_PROCESSORS + 1, &|cpu| format!("cpu{cpu} 1 1 1 1 1 1 1 1 1 1\n"));
    write(procfs.path(), "stat", &stat);
    write(
        procfs.path(),
        "diskstats",
        &repeated(MAX_HOST_DISKS + 2, &|disk| format!("8 {disk} dm-{disk} 1 1 1 1\n")),
    );
    let dev = repeated(MAX_HOST_INTERFACES + 3, &|device| format!("br-{device}: 1 1\n"));
    write(procfs.path(), "1/net/dev", &format!("\n\n{dev}"));
    let mut reader = open(&procfs);
    for reading in 1..=2 {
        let host = reader.read();
        let count = |name: &str| lines(&host).iter().filter(|line| line.starts_with(name)).count();
        assert_eq!(count("node_cpu_seconds_total"), MAX_PROCESSORS * 8);
        assert_eq!(count("node_disk_reads_completed_total"), MAX_HOST_DISKS);
        assert_eq!(count("node_network_receive_bytes_total"), MAX_HOST_INTERFACES);
        // So many network devices are not listed in each reading.
        assert_eq!(host.left_out, 3 * reading + 3);
    }
}

#[test]
fn many_network_devices_are_read_seldom() {
    let procfs = procfs();
    let dev = |bytes: u64, containers: usize| {
        let veths: String = (0..containers).map(|n| format!("veth{n}: 1 1\n")).collect();
        format!("\n\neth0: {bytes} 1\n{veths}")
    };
    let mut reader = open(&procfs);
    for (told, containers, shown) in [
        (1, 3, 1),
        (2, 3, 2),
        (3, 100, 3),
        (4, 100, 3),
        (5, 100, 3),
        (6, 100, 3),
        (7, 100, 3),
        (8, 3, 8),
        (9, 3, 9),
    ] {
        write(procfs.path(), "1/net/dev", &dev(told, containers));
        let host = reader.read();
        has(&host, &[&format!("node_network_receive_bytes_total{{eth0}} {shown}")]);
        has_no(&host, "node_network_receive_bytes_total{veth");
    }
}

/// A file system that is mounted, until this is dropped.
struct Mounted(TempDir);

impl Mounted {
    fn new() -> Self {
        let mounted = Self(tempfile::tempdir().unwrap());
        let status =
            Command::new("mount").args(["-t", "tmpfs", "plimsoll-test"]).arg(mounted.0.path()).status();
        assert!(status.unwrap().success(), "mounting takes root");
        mounted
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn mounts_that_come_and_go_are_noticed() {
    let reader = FilesystemReader::open(&Roots::default());
    let shows = |place: &Path| {
        let host = reader.read(Duration::from_secs(10));
        let place = place.to_str().unwrap().to_owned();
        host.iter().any(|(family, labels, _)| {
            family.name == "node_filesystem_size_bytes" && labels.iter().any(|label| **label == *place)
        })
    };
    for _ in 0..3 {
        let mounted = Mounted::new();
        let place = mounted.0.path().to_owned();
        assert!(shows(&place) && shows(&place));
        drop(mounted);
        assert!(!shows(&place) && !shows(&place));
    }
}

#[test]
fn a_file_that_fails_is_counted_and_tried_again() {
    let procfs = procfs();
    std::fs::remove_file(procfs.path().join("loadavg")).unwrap();
    std::fs::create_dir(procfs.path().join("loadavg")).unwrap();
    let mut reader = open(&procfs);
    for count in 1..=2 {
        has_no(&reader.read(), "node_load");
        assert_eq!(reader.read_errors(), [("loadavg", count)]);
    }
    std::fs::remove_dir(procfs.path().join("loadavg")).unwrap();
    write(procfs.path(), "loadavg", "1.00 1.00 1.00 1/1 1\n");
    has(&reader.read(), &["node_load1{} 1000000000"]);
}

#[test]
fn this_machine_runs() {
    let mut reader = HostReader::open(&Roots::default());
    let (before, after) = (reader.read(), reader.read());
    assert!(before.at <= after.at && before.boot.is_some_and(|boot| boot < before.at));
    let of = |host: &Host, name: &str| {
        host.iter().filter(|(family, ..)| family.name == name).map(|(.., value)| value).sum::<u64>()
    };
    for counter in
        ["node_cpu_seconds_total", "node_context_switches_total", "node_forks_total", "node_intr_total"]
    {
        let (before, after) = (of(&before, counter), of(&after, counter));
        assert!(before > 0 && before <= after, "{counter}: {before}, {after}");
    }
    assert!(of(&after, "node_memory_MemTotal_bytes") > of(&after, "node_memory_MemFree_bytes"));
    assert_eq!(reader.read_errors(), []);
}
