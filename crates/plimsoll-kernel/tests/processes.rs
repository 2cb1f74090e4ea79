//! What is read of a container's processes, tasks and sockets: on captured kernels, and on trees made for the purpose.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use plimsoll_kernel::{Kernel, Reader, Reading, Roots, Spent, Target};
use plimsoll_model::{Collector, Container, ContainerRow, DetailField, Naming, Profile, Selection};
use plimsoll_testkit::tree::unpack;
use tempfile::TempDir;

const CAPTURES: &[&str] =
    &["hybrid-docker-20.10.tree", "v1-docker-20.10.tree", "v2-docker-20.10-uml-6.1.tree"];

const COLLECTORS: [Collector; 7] = [
    Collector::Schedstat,
    Collector::Tasks,
    Collector::Descriptors,
    Collector::Ulimits,
    Collector::Tcp,
    Collector::TcpStats,
    Collector::Udp,
];

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn everything() -> Selection {
    let mut selection = Selection::of_profile(Profile::Full);
    COLLECTORS.iter().for_each(|collector| selection.switch(*collector, true));
    selection
}

fn kernel(root: &Path, selection: &Selection) -> Kernel {
    let at = |name: &str| root.join(name);
    Kernel::probe(Roots { cgroup: at("cgroup"), procfs: at("proc"), sysfs: at("sys") }, selection).unwrap()
}

fn read(kernel: &mut Kernel, reader: &mut Reader) -> ContainerRow {
    let mut row = ContainerRow::new(Container::new(ID, "docker".into()).into());
    let mut spent = Spent::default();
    let reading = kernel.read(reader, &mut row, &mut spent);
    assert!(matches!(reading, Reading::Done { .. }), "{reading:?}");
    row
}

fn get(row: &ContainerRow, field: DetailField, labels: &[&str]) -> Option<u64> {
    let is_it = |detail: &&plimsoll_model::DetailRow| {
        detail.field == field && detail.labels.iter().map(|label| &**label).eq(labels.iter().copied())
    };
    row.details.iter().find(is_it).map(|detail| detail.value)
}

/// Name, id and process of a captured container.
fn captured(text: &str) -> impl Iterator<Item = (&str, &str, u32)> {
    text.lines().filter_map(|line| {
        let mut words = line.strip_prefix("# container plimsoll-cap-")?.split(' ');
        let (name, id, pid) = (words.next()?, words.next()?, words.next()?);
        Some((name, id.strip_prefix("id=")?, pid.strip_prefix("pid=")?.parse().unwrap()))
    })
}

#[test]
fn captured_kernels_tell_what_their_files_say() {
    let (mut ran, mut counted) = (0, 0);
    for capture in CAPTURES {
        let file = format!("{}/../../fixtures/kernel/{capture}", env!("CARGO_MANIFEST_DIR"));
        let text = fs::read_to_string(file).unwrap();
        let root = TempDir::new().unwrap();
        unpack(&text, root.path());
        let mut kernel = kernel(root.path(), &everything());
        for (name, id, pid) in captured(&text) {
            let process = root.path().join("proc").join(pid.to_string());
            let lines = |file: &str| fs::read_to_string(process.join(file)).unwrap_or_default();
            let target = Target { id, pid: Some(pid), ..Target::default() };
            let mut reader = kernel.attach(&target).unwrap();
            let row = read(&mut kernel, &mut reader);
            let what = format!("{capture}: {name}");

            let limits = lines("limits");
            let files = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
            let soft = files.split_whitespace().next().unwrap().parse().ok();
            assert_eq!(get(&row, DetailField::Ulimit, &["max_open_files"]), soft, "{what}");
            assert_eq!(get(&row, DetailField::Ulimit, &["max_cpu_time"]), None, "{what}: it is unlimited");

            if let Some(run) = get(&row, DetailField::SchedRun, &[]) {
                let own: u64 = lines("schedstat").split(' ').next().unwrap().parse().unwrap();
                assert!(run >= own && own > 0, "{what}: {run}");
                ran += 1;
            }
            let snmp = lines("net/snmp");
            let mut tcp = snmp.lines().filter_map(|line| line.strip_prefix("Tcp: "));
            let is_host = name == "host";
            let expected = tcp.next().zip(tcp.next()).filter(|_| !is_host).map(|(names, values)| {
                let at = names.split(' ').position(|name| name == "PassiveOpens").unwrap();
                values.split(' ').nth(at).unwrap().parse().unwrap()
            });
            assert_eq!(get(&row, DetailField::TcpPassiveOpens, &[]), expected, "{what}");
            counted += usize::from(expected.is_some());
            assert!(row.details.is_sorted_by_key(|detail| detail.field), "{what}");
        }
    }
    assert!(ran > 0 || counted > 0, "no capture has any of it");
}

/// A container that is made up file by file.
struct Machine {
    root: TempDir,
}

impl Machine {
    fn new() -> Self {
        let machine = Self { root: TempDir::new().unwrap() };
        fs::create_dir_all(machine.root.path().join("sys")).unwrap();
        machine.put("cgroup/cgroup.controllers", "cpu memory pids");
        machine.cgroup("cpu.stat", "usage_usec 1\nuser_usec 1\nsystem_usec 0\n");
        machine.cgroup("cgroup.procs", "10\n20\n");
        machine.cgroup("cgroup.threads", "10\n11\n20\n");
        machine.put("proc/10/cgroup", &format!("0::/docker/{ID}\n"));
        machine
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn cgroup(&self, file: &str, text: &str) {
        self.put(&format!("cgroup/docker/{ID}/{file}"), text);
    }

    fn task(&self, number: u32, state: &str, schedstat: &str) {
        self.put(&format!("proc/{number}/schedstat"), schedstat);
        self.put(&format!("proc/{number}/task/{number}/stat"), &format!("{number} (a) b) {state} 1 1"));
    }

    fn descriptor(&self, process: u32, number: usize, to: &str) {
        let directory: PathBuf = self.root.path().join(format!("proc/{process}/fd"));
        fs::create_dir_all(&directory).unwrap();
        symlink(to, directory.join(number.to_string())).unwrap();
    }

    fn kernel(&self, selection: &Selection) -> Kernel {
        kernel(self.root.path(), selection)
    }
}

fn target(network_mode: &str) -> Target<'_> {
    Target { id: ID, pid: Some(10), network_mode, ..Target::default() }
}

#[test]
fn tasks_and_descriptors_of_all_processes_are_added_up() {
    let machine = Machine::new();
    machine.cgroup("below/cgroup.procs", "30\n");
    machine.cgroup("below/cgroup.threads", "30\n0\n");
    // 20 has ended since the list was made.
    machine.task(10, "S", "100 10 1\n");
    machine.task(11, "R", "200 20 2\n");
    machine.task(30, "D", "400 40 4\n");
    machine.descriptor(10, 0, "/dev/null");
    machine.descriptor(10, 1, "socket:[1]");
    machine.descriptor(30, 0, "pipe:[2]");
    machine.put("proc/10/limits", "Limit\nMax open files            1024      4096     files\n");
    let mut kernel = machine.kernel(&everything());
    // The host's network changes nothing for what belongs to processes.
    for network_mode in ["bridge", "host"] {
        let mut reader = kernel.attach(&target(network_mode)).unwrap();
        let row = read(&mut kernel, &mut reader);
        let of = |field| get(&row, field, &[]);
        let state = |state: &str| get(&row, DetailField::TasksState, &[state]);
        assert_eq!(of(DetailField::SchedRun), Some(700), "{network_mode}");
        assert_eq!((of(DetailField::SchedWaited), of(DetailField::SchedPeriods)), (Some(70), Some(7)));
        assert_eq!((state("sleeping"), state("running")), (Some(1), Some(1)));
        assert_eq!((state("uninterruptible"), state("stopped")), (Some(1), Some(0)));
        assert_eq!(state("iowaiting"), None);
        assert_eq!((of(DetailField::FileDescriptors), of(DetailField::Sockets)), (Some(3), Some(1)));
        assert_eq!(get(&row, DetailField::Ulimit, &["max_open_files"]), Some(1024));
        kernel.detach(reader);
    }
}

#[test]
fn thousands_take_several_passes() {
    let machine = Machine::new();
    let processes = 200..400;
    let list: String = processes.clone().map(|process| format!("{process}\n")).collect();
    machine.cgroup("cgroup.procs", &list);
    machine.cgroup("cgroup.threads", &list);
    for process in processes.clone() {
        machine.task(process, "S", "1 1 1\n");
        machine.descriptor(process, 3, "socket:[1]");
    }
    for number in 4..1004 {
        machine.descriptor(300, number, "/dev/null");
    }
    let mut kernel = machine.kernel(&everything());
    let mut reader = kernel.attach(&target("")).unwrap();
    let expected = processes.len() as u64;
    let mut passes = 0;
    loop {
        let row = read(&mut kernel, &mut reader);
        passes += 1;
        let (run, sockets) = (get(&row, DetailField::SchedRun, &[]), get(&row, DetailField::Sockets, &[]));
        assert!(run.is_none_or(|run| run == expected) && sockets.is_none_or(|count| count == expected));
        if run.is_some() && sockets.is_some() {
            assert_eq!(get(&row, DetailField::FileDescriptors, &[]), Some(expected + 1000));
            break;
        }
        assert!(passes < 1000, "it never ends");
    }
    assert!(passes > 3, "{passes}");
}

#[test]
fn sums_over_tasks_go_on_when_files_are_opened_anew() {
    let machine = Machine::new();
    machine.task(10, "S", "100 10 1\n");
    machine.task(11, "S", "200 20 2\n");
    let mut kernel = machine.kernel(&everything());
    let mut reader = kernel.attach(&target("")).unwrap();
    assert_eq!(get(&read(&mut kernel, &mut reader), DetailField::SchedRun, &[]), Some(300));
    // One has ended, and the number of the other was given to a new one.
    machine.cgroup("cgroup.threads", "11\n");
    machine.task(11, "S", "5 5 1\n");
    let kept = kernel.detach(reader);
    let mut reader = kernel.attach(&target("")).unwrap();
    reader.resume(kept);
    assert_eq!(get(&read(&mut kernel, &mut reader), DetailField::SchedRun, &[]), Some(305));
}

#[test]
fn sockets_are_those_of_a_namespace_of_its_own() {
    let machine = Machine::new();
    let tcp = "  sl  local_address rem_address   st\n   0: 00000000:0050 00000000:0000 0A 0:0\n";
    machine.put("proc/10/net/tcp", tcp);
    let udp = "  sl  local\n  1: 0:35 0:0 07 00000001:00000002 00:00000000 00000000 0 0 7001 2 0000 3\n";
    machine.put("proc/10/net/udp6", udp);
    machine.put("proc/10/net/udp", "  sl  local\n");
    machine.put("proc/10/net/snmp", "Tcp: MaxConn RetransSegs EstabResets\nTcp: -1 4 5\n");
    machine.put("proc/10/net/netstat", "TcpExt: SyncookiesSent ListenDrops\nTcpExt: 6 7\n");
    let mut kernel = machine.kernel(&everything());
    let mut reader = kernel.attach(&target("bridge")).unwrap();
    let row = read(&mut kernel, &mut reader);
    assert_eq!(get(&row, DetailField::TcpConnections, &["ipv4", "listen"]), Some(1));
    assert_eq!(get(&row, DetailField::TcpConnections, &["ipv6", "listen"]), None, "there is no IPv6");
    let udp = |field| get(&row, field, &["ipv6"]);
    assert_eq!((udp(DetailField::UdpSockets), udp(DetailField::UdpDrops)), (Some(1), Some(3)));
    assert_eq!((udp(DetailField::UdpReceived), udp(DetailField::UdpSending)), (Some(2), Some(1)));
    assert_eq!(get(&row, DetailField::UdpSockets, &["ipv4"]), Some(0));
    let of = |field| get(&row, field, &[]);
    assert_eq!((of(DetailField::TcpRetransmits), of(DetailField::TcpResets)), (Some(4), Some(5)));
    assert_eq!((of(DetailField::ListenDrops), of(DetailField::TcpActiveOpens)), (Some(7), None));
    assert!(row.details.iter().all(|detail| detail.field != DetailField::TcpCounter), "only cAdvisor's");

    kernel.close_network(&mut reader);
    let row = read(&mut kernel, &mut reader);
    assert!(row.details.iter().all(|detail| !detail.field.is_of_network()), "{:?}", row.details);
    let mut reader = kernel.attach(&target("host")).unwrap();
    let row = read(&mut kernel, &mut reader);
    assert!(row.details.iter().all(|detail| !detail.field.is_of_network()), "{:?}", row.details);

    let mut kernel = machine.kernel(&everything().named(Naming::Cadvisor));
    let mut reader = kernel.attach(&target("bridge")).unwrap();
    let row = read(&mut kernel, &mut reader);
    assert_eq!(get(&row, DetailField::TcpCounter, &["retranssegs"]), Some(4));
    assert_eq!(get(&row, DetailField::TcpExtCounter, &["syncookiessent"]), Some(6));
    assert_eq!(get(&row, DetailField::TcpCounter, &["maxconn"]), None, "there is none");
    assert!(row.details.is_sorted_by_key(|detail| detail.field));
}
