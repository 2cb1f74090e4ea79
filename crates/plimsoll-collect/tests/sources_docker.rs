//! Both sources side by side: the real kernel, and the API of the real Docker, on the same containers.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use plimsoll_collect::{Filter, Options, Pace, SourceChoice};
use plimsoll_engine::{Endpoint, Timeouts};
use plimsoll_kernel::{Kernel, Roots};
use plimsoll_model::agent::Source;
use plimsoll_model::{ContainerRow, DeviceSlot, InterfaceSlot, Profile, Selection, Slot};
use plimsoll_testkit::docker::{Container, available, try_docker};
use plimsoll_testkit::wait_until;

use common::agent::{Agent, SOON, Setup};

const SOCKET: &str = "/var/run/docker.sock";
const SLEEP: &[&str] = &["sleep", "1000"];

/// How long two sources may take to agree: a figure may change between the two readings.
const AGREE: Duration = Duration::from_secs(60);

/// What both sources tell of any running container, in the words of either cgroup version.
const BOTH: &[Slot] = &[
    Slot::CpuUsage,
    Slot::CpuUser,
    Slot::CpuSystem,
    Slot::MemoryUsage,
    Slot::MemoryWorkingSet,
    Slot::MemoryRss,
    Slot::MemoryCache,
    Slot::MemoryMappedFile,
    Slot::MemoryInactiveFile,
    Slot::MemoryActiveFile,
    Slot::FileDirty,
    Slot::FileWriteback,
    Slot::PgfaultContainer,
    Slot::PgmajfaultContainer,
    Slot::PgfaultHierarchy,
    Slot::PgmajfaultHierarchy,
    Slot::Threads,
];

/// And of one that is on cgroup v1.
const BOTH_V1: &[Slot] = &[Slot::MemoryMaxUsage, Slot::MemoryEventMax];

/// What differs with the moment of a reading, not with its source.
const OF_THE_MOMENT: &[Slot] = &[Slot::CpuPercent, Slot::LastSeen, Slot::Uptime, Slot::Started];

struct Sources {
    kernel: Agent,
    api: Agent,
}

impl Sources {
    /// Two agents for the containers with this word in their names; `None` where there is no Docker.
    fn start(word: &str) -> Option<Self> {
        if !available() || !Path::new(SOCKET).exists() {
            return None;
        }
        let agent = |source| {
            let pattern = format!("plimsoll-test-{}-*-{word}*", std::process::id());
            let filter = Filter::default().include_names([pattern.as_str()]).unwrap();
            let selection = Selection::of_profile(Profile::Full);
            let setup = Setup {
                options: Options { source, filter, selection: selection.clone(), ..Options::default() },
                pace: Pace::default(),
                timeouts: Timeouts::default(),
                interval: Duration::from_secs(1),
            };
            let kernel = Kernel::probe(Roots::default(), &selection).unwrap();
            let mut agent = Agent::start(kernel, Endpoint::Unix(SOCKET.into()), setup);
            agent.scrapes = true;
            agent.wait_ready();
            agent
        };
        Some(Self { kernel: agent(SourceChoice::Kernel), api: agent(SourceChoice::Api) })
    }

    fn rows(&self, container: &Container) -> Option<(ContainerRow, ContainerRow)> {
        Some((self.kernel.row(container.name())?, self.api.row(container.name())?))
    }

    fn wait_measured(&self, container: &Container) {
        for agent in [&self.kernel, &self.api] {
            agent.wait_row(container.name(), "numbers", |row| row.values.get(Slot::CpuUsage).is_some());
        }
    }

    /// Waits until both sources say the same, wherever the API says anything.
    #[track_caller]
    fn wait_equal(&self, container: &Container) -> (ContainerRow, ContainerRow) {
        let began = Instant::now();
        loop {
            let rows = self.rows(container);
            let difference =
                rows.as_ref().map_or_else(|| "no rows".to_owned(), |(kernel, api)| differs(kernel, api));
            match rows {
                Some(rows) if difference.is_empty() => return rows,
                _ => assert!(began.elapsed() < AGREE, "{}: {difference}", container.name()),
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Where the two differ. What the kernel alone tells is no difference.
fn differs(kernel: &ContainerRow, api: &ContainerRow) -> String {
    let mut text = String::new();
    let mut compare = |what: &dyn std::fmt::Debug, kernel: Option<u64>, api: Option<u64>| {
        if api.is_some() && api != kernel {
            writeln!(text, "{what:?}: kernel {kernel:?}, API {api:?}").unwrap();
        }
    };
    for slot in Slot::ALL.iter().filter(|slot| !OF_THE_MOMENT.contains(slot)) {
        compare(slot, kernel.values.get(*slot), api.values.get(*slot));
    }
    for slot in DeviceSlot::ALL {
        compare(slot, kernel.device_total(*slot), api.device_total(*slot));
    }
    let interface = |row: &ContainerRow, name: &str, slot| {
        row.interfaces.iter().find(|interface| &*interface.name == name)?.values.get(slot)
    };
    for found in &api.interfaces {
        for slot in InterfaceSlot::ALL {
            compare(&(&found.name, slot), interface(kernel, &found.name, *slot), found.values.get(*slot));
        }
    }
    compare(&"interfaces", Some(kernel.interfaces.len() as u64), Some(api.interfaces.len() as u64));
    text
}

#[test]
fn quiet_containers_are_equal_slot_by_slot() {
    let Some(sources) = Sources::start("equal") else { return };
    let script = "dd if=/dev/zero of=/tmp/file bs=1M count=8 2>/dev/null; cat /bin/busybox >/dev/null; sleep 1000 & exec sleep 1000";
    let limits = ["--memory", "64m", "--memory-swap", "96m", "--pids-limit", "50", "--tmpfs", "/tmp"];
    let limited = Container::run("equal-limited", &limits, &["sh", "-c", script]);
    let free = Container::run(
        "equal-free",
        &[],
        &["sh", "-c", "dd if=/dev/zero of=/file bs=1M count=4 conv=fsync; exec sleep 1000"],
    );
    let peer = Container::run("equal-peer", &["--network", &format!("container:{}", free.name())], SLEEP);
    let host = Container::run("equal-host", &["--network", "host"], SLEEP);
    let none = Container::run("equal-none", &["--network", "none"], SLEEP);
    let gateway = limited.inspect("{{.NetworkSettings.Gateway}}");
    limited.exec(&["ping", "-c", "3", "-i", "0.2", "-s", "5000", &gateway]);
    for container in [&limited, &free, &peer, &host, &none] {
        sources.wait_measured(container);
        let (kernel, api) = sources.wait_equal(container);
        let is_v1 =
            kernel.values.get(Slot::MemoryMaxUsage).is_some() && Path::new("/sys/fs/cgroup/memory").exists();
        let v1 = if is_v1 { BOTH_V1 } else { &[] };
        let missing: Vec<_> = BOTH
            .iter()
            .chain(v1)
            .filter(|slot| kernel.values.get(**slot).is_some() && api.values.get(**slot).is_none())
            .collect();
        assert!(missing.is_empty(), "the API tells them, and they are lost: {missing:?}");
        let has_network = container.name() == limited.name() || container.name() == free.name();
        assert_eq!((kernel.interfaces.is_empty(), api.interfaces.is_empty()), (!has_network, !has_network));
        let has_limit = container.name() == limited.name();
        for row in [&kernel, &api] {
            assert_eq!(row.values.get(Slot::MemoryLimit), has_limit.then_some(64 << 20));
            assert_eq!(row.values.get(Slot::ThreadsMax).filter(|max| *max == 50).is_some(), has_limit);
        }
    }
    let (kernel, api) = sources.wait_equal(&limited);
    let only: Vec<_> = Slot::ALL
        .iter()
        .filter(|slot| kernel.values.get(**slot).is_some() && api.values.get(**slot).is_none())
        .collect();
    let equal =
        Slot::ALL.iter().filter(|slot| api.values.get(**slot).is_some()).count() - OF_THE_MOMENT.len();
    println!("{equal} numbers equal; the kernel alone tells {only:?}");
    let source = |agent: &Agent| agent.engine().source;
    assert_eq!((source(&sources.kernel), source(&sources.api)), (Some(Source::Kernel), Some(Source::Api)));

    // When the one that speaks is gone, so are its numbers, and at once.
    free.docker(&["stop", "-t", "0"]);
    for agent in [&sources.kernel, &sources.api] {
        agent.wait_row(free.name(), "its end", |row| {
            let ended = row.values.get(Slot::State) == Some(0);
            assert!(!ended || row.values.get(Slot::MemoryUsage).is_none());
            ended
        });
    }
    free.docker(&["start"]);
    sources.wait_measured(&free);
    let (_, api) = sources.wait_equal(&free);
    assert_eq!(api.values.get(Slot::Restarts), Some(1));
    assert_eq!(api.values.get(Slot::ExitsSignal), Some(1));
}

/// The kernel's own count of a container's processor time, in nanoseconds.
fn processor_time(container: &Container) -> u64 {
    let pid = container.inspect("{{.State.Pid}}");
    let memberships = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let path = |controller: &str| {
        let of = |line: &&str| {
            line.split(':').nth(1).is_some_and(|names| names.split(',').any(|name| name == controller))
        };
        memberships.lines().find(of)?.splitn(3, ':').nth(2)
    };
    let file = |root: &str, path: &str, file: &str| -> PathBuf {
        Path::new(root).join(path.trim_start_matches('/')).join(file)
    };
    if let Some(path) = path("cpuacct") {
        return std::fs::read_to_string(file("/sys/fs/cgroup/cpuacct", path, "cpuacct.usage"))
            .unwrap()
            .trim()
            .parse()
            .unwrap();
    }
    let text = std::fs::read_to_string(file("/sys/fs/cgroup", path("").unwrap(), "cpu.stat")).unwrap();
    let micros = text.lines().find_map(|line| line.strip_prefix("usage_usec ")).unwrap();
    micros.parse::<u64>().unwrap() * 1000
}

#[test]
fn ten_loaded_seconds_are_as_many_in_both_sources() {
    let Some(sources) = Sources::start("load") else { return };
    let container = Container::run("load", &["--network", "none"], SLEEP);
    sources.wait_measured(&container);
    // Quiet before and after, so that all three counts are of the same time.
    let counts = || {
        let mut found = (0, 0, 0);
        wait_until(SOON, "three equal counts", || {
            let usage = |agent: &Agent| agent.get(container.name(), Slot::CpuUsage).unwrap_or(0);
            found = (processor_time(&container), usage(&sources.kernel), usage(&sources.api));
            found.1 == found.0 && found.2 == found.0
        });
        found
    };
    let before = counts();
    try_docker(&["exec", container.name(), "timeout", "10", "sh", "-c", "while :; do :; done"]).ok();
    let after = counts();
    let seconds = |now: u64, then: u64| (now - then) as f64 / 1e9;
    let (truth, kernel, api) =
        (seconds(after.0, before.0), seconds(after.1, before.1), seconds(after.2, before.2));
    println!(
        "CPU seconds over ten loaded seconds: cgroup {truth:.3}, kernel source {kernel:.3}, API source {api:.3}"
    );
    assert!(truth > 2.0, "{truth}");
    for shown in [kernel, api] {
        assert!((shown / truth - 1.0).abs() <= 0.01, "{shown} instead of {truth}");
    }
}

/// Bytes as the `docker` command writes them: `7.625MiB`, `1.2kB`.
fn bytes(text: &str) -> f64 {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let factor = match &text[digits.len()..] {
        "B" => 1.0,
        "kB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        "KiB" => 1024.0,
        "MiB" => 1_048_576.0,
        "GiB" => 1_073_741_824.0,
        unit => panic!("{unit:?} in {text:?}"),
    };
    digits.parse::<f64>().unwrap() * factor
}

#[test]
fn views_are_those_of_docker_stats() {
    let Some(sources) = Sources::start("view") else { return };
    let quiet = Container::run("view-quiet", &["--memory", "64m"], SLEEP);
    let half = ["--network", "none", "--cpus", "0.5"];
    let busy = Container::run("view-busy", &half, &["sh", "-c", "while :; do :; done"]);
    sources.wait_measured(&quiet);
    sources.wait_measured(&busy);
    let theirs = |container: &Container| -> Vec<String> {
        let format = "{{.MemUsage}} / {{.NetIO}} / {{.BlockIO}} / {{.PIDs}} / {{.CPUPerc}}";
        let text = container.docker(&["stats", "--no-stream", "--format", format]);
        text.split(" / ").map(str::to_owned).collect()
    };
    wait_until(AGREE, "memory, network, block I/O and PIDs as docker shows them", || {
        let theirs = theirs(&quiet);
        let row = sources.api.row(quiet.name()).unwrap();
        let get = |slot| row.values.get(slot);
        let ours = [
            get(Slot::MemoryWorkingSet),
            get(Slot::MemoryLimit),
            row.network_total(InterfaceSlot::RxBytes),
            row.network_total(InterfaceSlot::TxBytes),
            row.device_total(DeviceSlot::ReadBytes).or(Some(0)),
            row.device_total(DeviceSlot::WriteBytes).or(Some(0)),
        ];
        // They write four digits at most, of network and block I/O three.
        let is_same = |theirs: &String, ours: Option<u64>| {
            ours.is_some_and(|ours| (bytes(theirs) - ours as f64).abs() <= ours as f64 * 0.005)
        };
        theirs.iter().zip(ours).all(|(theirs, ours)| is_same(theirs, ours))
            && get(Slot::Threads) == theirs[6].parse().ok()
    });
    wait_until(AGREE, "half a core within two points of docker's", || {
        let theirs: f64 = theirs(&busy)[7].trim_end_matches('%').parse().unwrap();
        let ours = sources.api.get(busy.name(), Slot::CpuPercent);
        ours.is_some_and(|ours| (ours as f64 / 1e9 - theirs).abs() <= 2.0)
    });
}
