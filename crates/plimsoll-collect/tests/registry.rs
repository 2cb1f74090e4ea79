//! The built-in collectors in a registry, on containers of a real Docker and a real Podman at the same time: what they tell
//! is what engines and kernel say, and whatever other collectors do changes none of it.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use plimsoll_collect::metrics::{
    Collected, Collector, CollectorConfig, CollectorError, CollectorFactory, CollectorRegistry,
    ContainerMetricsCollector, MetricKind, MetricValue, Readings, Reason, SystemMetricsCollector,
    register_built_in,
};
use plimsoll_engine::{Discovery, Endpoint, Found};
use plimsoll_testkit::podman::Podman;
use plimsoll_testkit::{docker, podman, wait_until, wait_until_async};
use tokio::sync::{RwLock, RwLockReadGuard};

use common::agent::SOON;
use common::{cgroup_file, number};

const MIB: f64 = 1024.0 * 1024.0;
const BUILT_IN: [&str; 5] = ["cpu", "disk", "lifecycle", "memory", "network"];
const BUSY: [&str; 3] = ["sh", "-c", "while :; do :; done"];

/// Who starts samplers holds it for reading, who counts threads alone.
static SAMPLERS: RwLock<()> = RwLock::const_new(());

/// The built-in collectors on these engines, not ready yet. Failures that pass are tried again at once.
fn built_in(endpoints: &[Endpoint]) -> (CollectorRegistry, Arc<Readings>) {
    let found = endpoints
        .iter()
        .map(|endpoint| Found { qualifier: String::new(), ..Found::new(endpoint.clone(), "a test") });
    let discovery = Discovery { found: found.collect(), problems: Vec::new() };
    let readings = Arc::new(Readings::of_engines(discovery));
    let factory = CollectorFactory::default();
    register_built_in(&factory, &readings).unwrap();
    let registry = CollectorRegistry::new();
    for (name, collector) in factory.create_default_collectors().unwrap() {
        assert!(BUILT_IN.contains(&&*name), "{name}");
        registry.register_collector(collector).unwrap();
    }
    (registry, readings)
}

fn docker_socket() -> Endpoint {
    Endpoint::Unix("/var/run/docker.sock".into())
}

/// A container of either engine, asked through the engine's own command.
struct Asked<'a> {
    podman: Option<&'a Podman>,
    id: String,
    name: String,
    image: &'static str,
}

impl<'a> Asked<'a> {
    fn docker(container: &docker::Container) -> Self {
        let (id, name) = (container.id().to_owned(), container.name().to_owned());
        Self { podman: None, id, name, image: docker::IMAGE }
    }

    fn podman(podman: &'a Podman, name: &str, args: &[&str]) -> Self {
        let name = docker::unique_name(name);
        let id = podman.run(&name, args);
        Self { podman: Some(podman), id, name, image: podman::IMAGE }
    }

    #[track_caller]
    fn run(&self, verb: &[&str], command: &[&str]) -> String {
        let whole = [verb, &[&*self.id], command].concat();
        self.podman.map_or_else(|| docker::docker(&whole), |podman| podman.expect(&whole))
    }

    #[track_caller]
    fn inspect(&self, template: &str) -> String {
        self.run(&["inspect", "--format", template], &[])
    }
}

/// The values of one container by name, all with the same labels.
#[track_caller]
fn by_name(values: &[MetricValue], asked: &Asked<'_>) -> BTreeMap<String, f64> {
    let labels = BTreeMap::from([
        ("container_id".into(), asked.id[..12].to_owned()),
        ("container_name".into(), asked.name.clone()),
        ("image".into(), asked.image.to_owned()),
    ]);
    let mut found = BTreeMap::new();
    for value in values {
        assert_eq!(value.labels, labels, "{value:?}");
        let is_counter = value.name.ends_with("_total");
        let kind = if is_counter { MetricKind::Counter } else { MetricKind::Gauge };
        assert_eq!(value.kind, kind, "{value:?}");
        assert!(!value.help.is_empty(), "{value:?}");
        let unit = if value.name.contains("_bytes") {
            "bytes"
        } else if value.name.ends_with("_percent") {
            "percent"
        } else if value.name.ends_with("_seconds") {
            "seconds"
        } else {
            ""
        };
        assert_eq!(value.unit, unit, "{value:?}");
        let age = SystemTime::now().duration_since(value.timestamp).unwrap_or_default();
        assert!(age < SOON, "{value:?}");
        assert!(found.insert(value.name.to_string(), value.value).is_none(), "{value:?} twice");
    }
    found
}

/// Waits until what is told of a container is as wanted.
async fn wait_for(
    registry: &CollectorRegistry,
    asked: &Asked<'_>,
    what: &str,
    mut is_wanted: impl FnMut(&BTreeMap<String, f64>) -> bool,
) -> BTreeMap<String, f64> {
    let mut told = BTreeMap::new();
    let what = format!("{}: {what}", asked.name);
    wait_until_async(SOON, &what, async || {
        told = by_name(&registry.collect_all_metrics(&asked.id).await, asked);
        is_wanted(&told)
    })
    .await;
    told
}

/// When it was started, by the engine's own word.
fn started(asked: &Asked<'_>) -> SystemTime {
    let text = match asked.podman {
        None => asked.inspect("{{.State.StartedAt}}"),
        Some(_) => asked.inspect("{{.State.StartedAt.UnixMilli}}"),
    };
    let since = match text.parse::<u64>() {
        Ok(millis) => Duration::from_millis(millis),
        Err(_) => {
            let stamp: jiff::Timestamp = text.parse().unwrap();
            Duration::from_nanos(u64::try_from(stamp.as_nanosecond()).unwrap())
        }
    };
    UNIX_EPOCH + since
}

#[tokio::test]
async fn docker_and_podman_are_told_alike() {
    if !docker::available() {
        return;
    }
    let _sampling = SAMPLERS.read().await;
    let podman = Podman::start();
    let docked = docker::Container::run("reg-limited", &["--memory", "96m", "--cpus", "0.5"], &BUSY);
    let ended = docker::Container::run("reg-ended", &[], &["sh", "-c", "exit 7"]);
    let quiet = docker::Container::run("reg-quiet", &[], &["sleep", "100000"]);
    let busy = [&["--memory", "48m", "--cpus", "0.5", "--"][..], &BUSY].concat();
    let limited = [Asked::docker(&docked), Asked::podman(&podman, "reg-limited", &busy)];
    let ends = ["--", "sh", "-c", "exit 8"];
    let ended = [Asked::docker(&ended), Asked::podman(&podman, "reg-ended", &ends)];
    let quiet = [Asked::docker(&quiet), Asked::podman(&podman, "reg-quiet", &[])];
    for asked in &ended {
        wait_until(SOON, "it has ended", || asked.inspect("{{.State.Status}}") == "exited");
    }

    let (registry, readings) = built_in(&[docker_socket(), Endpoint::Unix(podman.socket())]);
    assert!(readings.container(&limited[0].id).is_none(), "nobody looks before somebody is ready");
    let failed = registry.initialize_all().await;
    assert!(failed.is_empty(), "{failed:?}");

    for (asked, limit) in limited.iter().zip([96.0, 48.0]) {
        let told = wait_for(&registry, asked, "everything", |told| {
            [
                "container_cpu_usage_percent",
                "container_uptime_seconds",
                "container_network_receive_bytes_total",
            ]
            .iter()
            .all(|name| told.contains_key(*name))
                && told.get("container_cpu_usage_percent") > Some(&0.0)
        })
        .await;
        let is = |name: &str, value: f64| assert_eq!(told.get(name), Some(&value), "{name}: {told:?}");
        is("container_memory_limit_bytes", limit * MIB);
        is("container_status", 1.0);
        is("container_restarts_total", 0.0);
        assert!(!told.contains_key("container_exit_code"), "it has never ended: {told:?}");
        let usage = told["container_memory_usage_bytes"];
        assert!(usage > 0.0 && usage <= limit * MIB, "{told:?}");
        assert!((0.0..=100.0).contains(&told["container_memory_usage_percent"]), "{told:?}");
        // Half a processor; a busy machine gives less, and a second's measure is off by a few ticks.
        assert!(told["container_cpu_usage_percent"] < 65.0, "{told:?}");
        let direct = ["container_network_receive_packets_total", "container_network_transmit_packets_total"];
        assert!(direct.iter().all(|name| told.contains_key(*name)), "{told:?}");

        // Its uptime is since the moment that the engine tells.
        let values = registry.collect_all_metrics(&asked.id).await;
        let uptime = values.iter().find(|value| value.name == "container_uptime_seconds").unwrap();
        let began = uptime.timestamp - Duration::from_secs_f64(uptime.value);
        let engines = started(asked);
        let apart = began.duration_since(engines).or_else(|_| engines.duration_since(began)).unwrap();
        assert!(apart < Duration::from_secs(1), "{began:?}, the engine says {engines:?}");
    }

    // Memory and traffic of containers that rest are the kernel's own numbers.
    for asked in &quiet {
        let pid = asked.inspect("{{.State.Pid}}");
        let file = cgroup_file(&pid, "memory.usage_in_bytes", "memory.current");
        let traffic = |direction: &str| -> f64 {
            let interface = format!("/sys/class/net/eth0/statistics/{direction}");
            asked.run(&["exec"], &["cat", &interface]).parse().unwrap()
        };
        wait_until_async(SOON, "memory as in its file", async || {
            let before = number(&file);
            let told = by_name(&registry.collect_all_metrics(&asked.id).await, asked);
            number(&file) == before && told.get("container_memory_usage_bytes") == Some(&(before as f64))
        })
        .await;
        for (direction, name) in [
            ("rx_bytes", "container_network_receive_bytes_total"),
            ("tx_bytes", "container_network_transmit_bytes_total"),
            ("rx_packets", "container_network_receive_packets_total"),
            ("tx_packets", "container_network_transmit_packets_total"),
        ] {
            wait_until_async(SOON, &format!("{name} as inside"), async || {
                let before = traffic(direction);
                let told = by_name(&registry.collect_all_metrics(&asked.id).await, asked);
                traffic(direction) == before && told.get(name) == Some(&before)
            })
            .await;
        }
    }

    for (asked, code) in ended.iter().zip([7.0, 8.0]) {
        let told =
            wait_for(&registry, asked, "its end", |told| told.contains_key("container_exit_code")).await;
        assert_eq!((told["container_status"], told["container_exit_code"]), (0.0, code), "{told:?}");
        let lives =
            ["container_cpu_usage_percent", "container_memory_usage_bytes", "container_uptime_seconds"];
        assert!(lives.iter().all(|name| !told.contains_key(*name)), "{told:?}");
    }

    // What happens to one shows: a restart, a pause.
    for asked in &quiet {
        asked.run(&["restart", "-t", "0"], &[]);
        let restarted = |told: &BTreeMap<String, f64>| {
            told.get("container_restarts_total") == Some(&1.0) && told.get("container_status") == Some(&1.0)
        };
        let told = wait_for(&registry, asked, "its restart", restarted).await;
        assert_eq!(told.get("container_exit_code"), Some(&137.0), "it was killed: {told:?}");
        asked.run(&["pause"], &[]);
        let is = |status: f64| move |told: &BTreeMap<String, f64>| told["container_status"] == status;
        wait_for(&registry, asked, "its pause", is(2.0)).await;
        asked.run(&["unpause"], &[]);
        wait_for(&registry, asked, "its end of the pause", is(1.0)).await;
    }

    // By whatever it is called, it is the same container.
    for asked in limited.iter().chain(&ended).chain(&quiet) {
        let names =
            |values: Vec<MetricValue>| -> Vec<String> { by_name(&values, asked).into_keys().collect() };
        let whole = names(registry.collect_all_metrics(&asked.id).await);
        for called in [&*asked.name, &asked.id[..12], &asked.id[..32]] {
            assert_eq!(names(registry.collect_all_metrics(called).await), whole, "{called}");
            assert_eq!(readings.container(called).unwrap().id, asked.id);
        }
        let engine = if asked.podman.is_some() { "podman" } else { "docker" };
        assert_eq!(&*readings.container(&asked.id).unwrap().engine, engine);
    }
    registry.cleanup_all().await;
}

#[tokio::test]
async fn who_is_unknown_has_no_values_and_is_no_failure() {
    if !docker::available() {
        return;
    }
    let _sampling = SAMPLERS.read().await;
    let known = docker::Container::run("reg-known", &[], &["sleep", "100000"]);
    let (registry, readings) = built_in(&[docker_socket()]);
    assert!(registry.initialize_all().await.is_empty());
    // The beginnings of every id, and of none.
    let unknown = ["", "no-such-container", "zz", &"0".repeat(64), "\0", "../..", known.name().split_at(5).0];
    for id in unknown {
        assert!(registry.collect_all_metrics(id).await.is_empty(), "{id:?}");
        assert!(readings.container(id).is_none(), "{id:?}");
        for name in BUILT_IN {
            let collector = registry.get_collector(name).unwrap();
            match collector.collect_with_error_handling(id).await {
                Err(CollectorError::NoSuchContainer { id: told }) => assert_eq!(told, id),
                other => panic!("{name} {id:?}: {other:?}"),
            }
        }
    }
    let all = registry.collect_all_metrics_of(&unknown).await;
    assert!(all.len() == unknown.len() && all.iter().all(|of_one| of_one.metrics.is_empty()), "{all:?}");
    for (name, status) in registry.statuses() {
        assert!(status.is_healthy && status.error_count == 0 && status.runs == 0, "{name}: {status:?}");
        assert_eq!((status.last_error, status.unhealthy_containers), (None, 0), "{name}");
    }
    // One that is gone is unknown again.
    wait_until_async(SOON, "it is known", async || {
        !registry.collect_all_metrics(known.name()).await.is_empty()
    })
    .await;
    known.docker(&["rm", "-f"]);
    wait_until_async(SOON, "it is unknown", async || {
        registry.collect_all_metrics(known.id()).await.is_empty()
    })
    .await;
    let memory = registry.get_collector("memory").unwrap();
    let gone = memory.collect_with_error_handling(known.id()).await;
    assert!(matches!(gone, Err(CollectorError::NoSuchContainer { .. })), "{gone:?}");
    assert!(memory.get_status().is_healthy && memory.get_status().error_count == 0);
    registry.cleanup_all().await;
}

/// The threads of this process that sample.
fn samplers() -> usize {
    let threads = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let names = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("comm")).ok());
    names.filter(|name| name.trim_end() == "sampler").count()
}

#[tokio::test]
async fn cleaning_up_ends_the_sampler_and_it_can_begin_anew() {
    if !docker::available() {
        return;
    }
    let _alone = SAMPLERS.write().await;
    let known = docker::Container::run("reg-again", &[], &["sleep", "100000"]);
    let (registry, readings) = built_in(&[docker_socket()]);
    assert_eq!(samplers(), 0);
    for round in 1..=3 {
        // Who collects without having been made ready gets ready.
        if round < 3 {
            assert!(registry.initialize_all().await.is_empty());
            assert!(registry.initialize_all().await.is_empty(), "twice is once");
        }
        wait_until_async(SOON, "values", async || {
            let told = registry.collect_all_metrics(known.name()).await;
            told.iter().any(|value| value.name == "container_memory_usage_bytes")
        })
        .await;
        assert_eq!(samplers(), 1, "all share one");
        assert_eq!(readings.container(known.name()).unwrap().id, known.id());
        // As long as one uses it, it is there.
        let memory = registry.get_collector("memory").unwrap();
        memory.cleanup().await;
        memory.cleanup().await;
        assert_eq!(samplers(), 1);
        assert!(registry.get_collector("cpu").unwrap().collect_with_error_handling(known.id()).await.is_ok());
        registry.cleanup_all().await;
        // The kernel takes a thread that has been waited for off its list a moment later.
        wait_until(SOON, "the sampler's thread is gone", || samplers() == 0);
        registry.cleanup_all().await;
        assert!(readings.container(known.name()).is_none());
    }
    // Who forgets to clean up leaves no thread either, once nobody can use it any more.
    registry.initialize_all().await;
    assert_eq!(samplers(), 1);
    drop((registry, readings));
    wait_until(SOON, "the sampler's thread is gone", || samplers() == 0);
}

/// Waits until these are known to the registry, and measured.
async fn ready(registry: &CollectorRegistry, containers: &[&docker::Container]) {
    assert!(registry.initialize_all().await.is_empty());
    for container in containers {
        wait_until_async(SOON, "it is measured", async || {
            let told = registry.collect_all_metrics(container.id()).await;
            told.iter().any(|value| value.name == "container_cpu_usage_percent")
        })
        .await;
    }
}

#[tokio::test]
async fn many_at_once_keep_their_order() {
    if !docker::available() {
        return;
    }
    let _sampling = SAMPLERS.read().await;
    let containers: Vec<_> =
        (0..4).map(|n| docker::Container::run(&format!("reg-many-{n}"), &[], &["sleep", "100000"])).collect();
    let (registry, _readings) = built_in(&[docker_socket()]);
    ready(&registry, &containers.iter().collect::<Vec<_>>()).await;
    // What belongs to no container is not theirs.
    struct Machine;
    impl SystemMetricsCollector for Machine {
        async fn collect_system_metrics(&self) -> Collected {
            Ok(vec![MetricValue::new("of_the_machine", 1.0)])
        }
    }
    registry
        .register_collector(Collector::of_system(CollectorConfig::new("machine"), Machine).unwrap())
        .unwrap();
    // The first is slower than those behind it.
    struct Slow(String);
    impl ContainerMetricsCollector for Slow {
        async fn collect_container_metrics(&self, id: &str) -> Collected {
            if id == self.0 {
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
            Ok(vec![MetricValue::new("slow", 1.0)])
        }
    }
    let slow = Slow(containers[0].id().to_owned());
    registry
        .register_collector(Collector::of_container(CollectorConfig::new("slow"), slow).unwrap())
        .unwrap();

    let asked: Vec<&str> = (0..100)
        .map(|n| match n % 6 {
            4 => "nobody",
            5 => containers[n % 4].name(),
            n => containers[n].id(),
        })
        .collect();
    let told = registry.collect_all_metrics_of(&asked).await;
    assert_eq!(told.iter().map(|of_one| &*of_one.container_id).collect::<Vec<_>>(), asked);
    for of_one in &told {
        let container = containers
            .iter()
            .find(|container| [container.id(), container.name()].contains(&&*of_one.container_id));
        let names: Vec<&str> = of_one.metrics.iter().map(|value| &*value.name).collect();
        assert!(!names.contains(&"of_the_machine"), "{names:?}");
        let Some(container) = container else {
            assert_eq!(names, ["slow"], "nobody but a collector that takes every name knows nobody");
            continue;
        };
        assert!(names.contains(&"container_memory_usage_bytes") && names.contains(&"slow"), "{names:?}");
        let built_in = of_one.metrics.iter().filter(|value| value.name != "slow");
        for value in built_in {
            assert_eq!(value.labels["container_id"], container.id()[..12], "{value:?}");
        }
    }
    assert!(registry.collect_all_metrics_of(&[]).await.is_empty());
    registry.cleanup_all().await;
}

/// What goes wrong with it.
enum Bad {
    Panics,
    Hangs,
    Fails,
    NeverReady,
}

impl ContainerMetricsCollector for Bad {
    async fn initialize(&self) -> Result<(), plimsoll_collect::metrics::BoxError> {
        match self {
            Self::NeverReady => Err("no way to get ready".into()),
            _ => Ok(()),
        }
    }

    async fn collect_container_metrics(&self, _: &str) -> Collected {
        match self {
            // As a panic does, but for the message on standard error.
            Self::Panics => std::panic::resume_unwind(Box::new("as told")),
            Self::Hangs => std::future::pending().await,
            Self::Fails | Self::NeverReady => Err("no reason".into()),
        }
    }
}

#[tokio::test]
async fn what_goes_wrong_beside_them_takes_nothing_from_the_others() {
    if !docker::available() {
        return;
    }
    let _sampling: RwLockReadGuard<'_, ()> = SAMPLERS.read().await;
    let known = docker::Container::run("reg-beside", &["--memory", "64m"], &["sleep", "100000"]);
    let (registry, _readings) = built_in(&[docker_socket()]);
    ready(&registry, &[&known]).await;
    let names = |values: &[MetricValue]| {
        let mut names: Vec<String> = values.iter().map(|value| value.name.to_string()).collect();
        names.sort();
        names
    };
    let alone = names(&registry.collect_all_metrics(known.id()).await);
    assert!(alone.len() >= 9, "{alone:?}");
    for (name, bad) in [
        ("panics", Bad::Panics),
        ("hangs", Bad::Hangs),
        ("fails", Bad::Fails),
        ("never-ready", Bad::NeverReady),
    ] {
        let config = CollectorConfig {
            timeout: Duration::from_millis(100),
            retry_attempts: 1,
            retry_delay: Duration::from_millis(1),
            ..CollectorConfig::new(name)
        };
        registry.register_collector(Collector::of_container(config, bad).unwrap()).unwrap();
    }
    let failed = registry.initialize_all().await;
    assert_eq!(failed.keys().collect::<Vec<_>>(), ["never-ready"]);
    for _ in 0..4 {
        assert_eq!(names(&registry.collect_all_metrics(known.id()).await), alone);
        let of_all = registry.collect_all_metrics_of(&[known.id(), known.name()]).await;
        assert!(of_all.iter().all(|of_one| names(&of_one.metrics) == alone), "{of_all:?}");
    }
    let statuses = registry.statuses();
    for (name, reason, said) in [
        ("panics", Reason::Panic, "it panicked: as told"),
        ("hangs", Reason::Timeout, "it took longer than 100ms"),
        ("fails", Reason::Error, "no reason"),
        ("never-ready", Reason::Error, "no way to get ready"),
    ] {
        let status = &statuses[name];
        assert!(!status.is_healthy, "{name}: {status:?}");
        let of_reason: u64 =
            status.failures.iter().filter(|(of, _)| *of == reason).map(|(_, count)| count).sum();
        assert!(of_reason >= 3 && of_reason == status.error_count, "{name}: {status:?}");
        assert!(status.last_error.as_ref().unwrap().contains(said), "{name}: {status:?}");
    }
    for name in BUILT_IN {
        let status = &statuses[name];
        assert!(
            status.is_healthy && status.error_count == 0 && status.last_error.is_none(),
            "{name}: {status:?}"
        );
    }
    // Even cleaning up is nobody's problem.
    registry.cleanup_all().await;
}

/// The device that holds this machine's root, where it is a device.
fn root_device() -> Option<String> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    let of_root =
        mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>()).rfind(|words| words[1] == "/")?;
    of_root[0].starts_with("/dev/").then(|| of_root[0].to_owned())
}

/// Bytes and operations written to block devices, as a container's cgroup counts them.
fn written(pid: &str) -> (f64, f64) {
    let read = |v1: &str| std::fs::read_to_string(cgroup_file(pid, v1, "io.stat")).unwrap();
    let sum = |text: &str, v1: &str, v2: &str| -> f64 {
        let of_line = |line: &str| -> Option<f64> {
            match line.split_once(v1) {
                Some((_, count)) => count.parse().ok(),
                None => line.split_once(v2)?.1.split(' ').next()?.parse().ok(),
            }
        };
        text.lines().filter_map(of_line).sum()
    };
    let (bytes, operations) =
        (read("blkio.throttle.io_service_bytes_recursive"), read("blkio.throttle.io_serviced_recursive"));
    (sum(&bytes, " Write ", " wbytes="), sum(&operations, " Write ", " wios="))
}

#[tokio::test]
async fn what_is_written_to_disk_is_what_the_kernel_counts() {
    let Some(device) = root_device().filter(|_| docker::available()) else { return };
    let _sampling = SAMPLERS.read().await;
    // v1 counts only for devices with a rule, so there is one that nobody reaches.
    let limit = format!("{device}:100gb");
    let rules = ["--device-write-bps", &*limit, "--device-read-bps", &limit];
    let script = "dd if=/dev/zero of=/file bs=1M count=4 conv=fsync; exec sleep 100000";
    let writes = docker::Container::run("reg-writes", &rules, &["sh", "-c", script]);
    let pid = writes.inspect("{{.State.Pid}}");
    let (registry, _readings) = built_in(&[docker_socket()]);
    assert!(registry.initialize_all().await.is_empty());
    let disk = registry.get_collector("disk").unwrap();
    wait_until_async(SOON, "what the kernel counts", async || {
        let before = written(&pid);
        let Ok(told) = disk.collect_with_error_handling(writes.name()).await else { return false };
        let value = |name: &str| told.iter().find(|value| value.name == name).map(|value| value.value);
        let pair = value("container_disk_write_bytes_total").zip(value("container_disk_write_ops_total"));
        before.0 >= 4.0 * MIB && pair == Some(before)
    })
    .await;
    registry.cleanup_all().await;
}
