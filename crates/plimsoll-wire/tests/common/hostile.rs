//! A small snapshot made by hand, with everything in it that has broken exporters before.

use std::collections::BTreeMap;
use std::sync::Arc;

use plimsoll_model::agent::{
    Agent, Build, Capability, CollectorReport, Engine, EngineFacts, EngineState, Machine, Process, Source,
};
use plimsoll_model::catalog::Collector;
use plimsoll_model::container::{ImageFacts, LabelChoice, LabelLoss};
use plimsoll_model::custom::{CollectorState, CustomCollector, CustomFamily, CustomKind, CustomSample};
use plimsoll_model::{
    Container, ContainerRow, DeviceRow, DeviceSlot, Family, Host, HostParts, HostRow, InterfaceRow,
    InterfaceSlot, Slot, Snapshot, State, Values,
};

const START: u64 = 1_795_223_743_003_874_862;

/// Five containers: a well-behaved one, one whose every text is hostile, one with a name of a megabyte,
/// one without a name, and one that cannot be told from the first.
pub(crate) fn snapshot() -> Snapshot {
    let containers = vec![well_behaved(), hostile(), enormous(), nameless(), twin()];
    Snapshot { at: START, sequence: 7, containers, agent: agent(), host: host(), custom: custom() }
}

/// A machine with a disk and a mount that have hostile names, two mounts that are the same once their names are cut, and one of
/// each kind of family.
fn host() -> HostParts {
    let nasty = "\"quotes\" \\back\\slash\\ new\nline \t 🚢 {a=\"b\"} # HELP";
    let megabyte = "é🚢".repeat((1 << 20) / 6);
    let (one, two) = (format!("/{megabyte}a"), format!("/{megabyte}b"));
    let system = [
        host_row("node_cpu_seconds_total", &["0", "user"], 396_770_000_000),
        host_row("node_cpu_seconds_total", &["0", "idle"], 0),
        host_row("node_load1", &[], 520_000_000),
        host_row("node_memory_MemTotal_bytes", &[], 25_276_510_208),
        host_row("node_memory_Active_anon_bytes", &[], 1_667_072),
        host_row("node_memory_HugePages_Total", &[], 3),
        host_row("node_disk_io_now", &["vda"], 1),
        host_row("node_disk_io_now", &[nasty], 2),
        host_row("node_disk_read_bytes_total", &["vda"], 1536),
        host_row("node_network_receive_bytes_total", &["eth0"], u64::MAX),
        host_row("node_boot_time_seconds", &[], 1_795_222_999_000_000_000),
        host_row("node_vmstat_pgfault", &[], 21_223_873),
    ];
    let filesystem = [
        host_row("node_filesystem_size_bytes", &["/dev/vda", "/", "ext4"], 270_553_174_016),
        host_row("node_filesystem_size_bytes", &["", nasty, "\\n"], 1),
        host_row("node_filesystem_size_bytes", &["tmpfs", &one, "tmpfs"], 2),
        host_row("node_filesystem_size_bytes", &["tmpfs", &two, "tmpfs"], 3),
        host_row("node_filesystem_device_error", &["server:/x", "/gone", "nfs"], 1),
    ];
    let mut system = Host::new(START, Some(START - 744_000_000_000), system.into());
    system.left_out = 5;
    HostParts {
        system: Some(Arc::new(system)),
        filesystem: Some(Arc::new(Host::new(START, None, filesystem.into()))),
    }
}

fn host_row(name: &str, labels: &[&str], value: u64) -> HostRow {
    let family = u16::try_from(Family::by_name(name).unwrap().index()).unwrap();
    HostRow { family, labels: labels.iter().map(|label| Box::from(*label)).collect(), value }
}

/// Collectors of somebody's own: one whose every text is hostile, and one that tells the same and then fails.
fn custom() -> Arc<[Arc<CustomCollector>]> {
    let nasty = "\"quotes\" \\back\\slash\\ new\nline 🚢 {a=\"b\"} # HELP";
    let sample = |labels: &[(&str, &str)], value, container: Option<&str>| CustomSample {
        labels: labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        value,
        container: container.map(Arc::from),
        ..CustomSample::default()
    };
    let part = |suffix, labels: &[(&str, &str)], value, container| CustomSample {
        suffix,
        ..sample(labels, value, container)
    };
    let family = |name: &str, kind, samples| CustomFamily {
        name: name.to_owned(),
        help: if kind == CustomKind::Untyped { String::new() } else { nasty.to_owned() },
        kind,
        samples,
    };
    let web = "0a1b2c3d4e5f".repeat(5);
    let families: [_; 7] = [
        family(
            "backup_age_seconds",
            CustomKind::Gauge,
            vec![
                sample(&[("volume", nasty)], -0.5, None),
                sample(&[("volume", nasty)], 7.0, None),
                sample(&[("empty", "")], 1e300, None),
            ],
        ),
        family("jobs", CustomKind::Gauge, vec![sample(&[], 3.0, Some(&web)), sample(&[], 4.0, Some("gone"))]),
        family("jobs_total", CustomKind::Counter, vec![sample(&[("queue", "a")], 5.0, Some(&web))]),
        family("odd_name", CustomKind::Untyped, vec![sample(&[], 12.25, None)]),
        family(
            "wait_seconds",
            CustomKind::Histogram,
            vec![
                part("_bucket", &[("le", "0.5"), ("path", nasty)], 3.0, Some(&web)),
                part("_bucket", &[("le", "+Inf"), ("path", nasty)], 4.0, Some(&web)),
                part("_bucket", &[("le", "+Inf"), ("path", nasty)], 9.0, Some(&web)),
                part("_sum", &[("path", nasty)], 2.5, Some(&web)),
                part("_count", &[("path", nasty)], 4.0, Some(&web)),
            ],
        ),
        // A part of the histogram before it, by its name.
        family("wait_seconds_count", CustomKind::Counter, vec![sample(&[("path", "x")], 5.0, None)]),
        family(
            "size_bytes",
            CustomKind::Summary,
            vec![
                part("", &[("quantile", "0.99")], 512.0, None),
                part("_sum", &[], 1024.0, None),
                part("_count", &[], 3.0, None),
            ],
        ),
    ];
    let state = CollectorState {
        name: "backups".to_owned(),
        type_name: "exec".to_owned(),
        healthy: true,
        success: Some(true),
        duration: Some(1_500_000),
        runs: 9,
        failures: vec![("error", 0), ("timeout", 2), ("panic", 0)],
        left_out: vec![("duplicate", 1)],
        skipped: 1,
        values: Some(7),
        last_success: Some(START),
        ..CollectorState::default()
    };
    let failed =
        CollectorState { name: "twin".to_owned(), success: Some(false), ..CollectorState::default() };
    // A histogram is no gauge because somebody else says so.
    let other = family("wait_seconds", CustomKind::Gauge, vec![sample(&[], 1.0, None)]);
    let again: Arc<[_]> = [families[3].clone(), other].into();
    [
        Arc::new(CustomCollector { state, families: families.into() }),
        Arc::new(CustomCollector { state: failed, families: again }),
    ]
    .into()
}

fn well_behaved() -> ContainerRow {
    let mut container = Container::new(&"0a1b2c3d4e5f".repeat(5), "docker".into());
    container.name = "web".to_owned();
    container.image = "nginx:1.29".to_owned();
    container.state = State::Running;
    container.runtime = "runc".to_owned();
    container.restart_policy = "always".to_owned();
    let labels = [
        ("com.docker.compose.project", "shop"),
        ("com.docker.compose.service", "web"),
        ("team", "checkout"),
        ("empty", ""),
    ];
    let labels: BTreeMap<_, _> = labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    container
        .set_labels(labels, &LabelChoice { all: false, keys: vec!["team".to_owned(), "empty".to_owned()] });
    container.image_facts =
        Some(Arc::new(ImageFacts { version: "1.29".to_owned(), ..ImageFacts::default() }));
    let mut row = ContainerRow::new(Arc::new(container));
    for (slot, value) in [
        (Slot::State, 1),
        (Slot::Started, START),
        (Slot::ExitsZero, 0),
        (Slot::ExitsSignal, 2),
        (Slot::CpuUsage, 1_500_000_000),
        (Slot::CpuUser, 1_000_000_001),
        (Slot::CpuLimit, 500_000_000),
        (Slot::CpuPercent, 0),
        (Slot::MemoryUsage, 4096),
        (Slot::MemoryRss, u64::MAX),
        (Slot::Restarts, 3),
    ] {
        row.values.set(slot, value);
    }
    row.interfaces = vec![interface("eth0", "shop_default", 1), interface("eth1", "", 2)];
    row.devices = vec![device("/dev/vda", 1), device("253:0", 2)];
    row.cgroup = Some("/system.slice/docker-0a1b.scope".into());
    row.started = Some(START);
    row.created = Some(START - 1_000_000_000);
    row.seen = START + 1;
    row
}

fn hostile() -> ContainerRow {
    let nasty = "\"quotes\" \\back\\slash\\ new\nline \r\t 🚢 é {a=\"b\"} # HELP";
    let mut container = Container::new("\"\n\\quoted-id-of-an-engine", "docker".into());
    container.name = nasty.to_owned();
    container.image = format!("\\{nasty}\\");
    container.state = State::from_engine(nasty);
    container.hostname = "\n".to_owned();
    container.network_mode = "\\n".to_owned();
    let labels =
        [("com.docker.compose.project", nasty), ("bad-key\n\"{}🚢", nasty), ("bad.key\n\"{}🚢", "loses")];
    let labels = labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    container.set_labels(labels, &LabelChoice { all: true, keys: vec![] });
    let mut row = ContainerRow::new(Arc::new(container));
    row.values.set(Slot::CpuUsage, 1);
    row.values.set(Slot::State, 0);
    row.interfaces = vec![interface("\"eth\\0\n", nasty, 1)];
    row.devices = vec![device("/dev/\"\n", 1)];
    row
}

fn enormous() -> ContainerRow {
    let megabyte = "é🚢".repeat((1 << 20) / 6);
    let mut container = Container::new("cccccccccccccccc", "docker".into());
    container.name.clone_from(&megabyte);
    container.image = format!("x{megabyte}");
    container.state = State::Running;
    container.hostname.clone_from(&megabyte);
    let mut row = ContainerRow::new(Arc::new(container));
    row.values.set(Slot::CpuUsage, 2);
    // After the cut they are the same, and only the first may be shown.
    row.interfaces =
        vec![interface(&format!("{megabyte}a"), "one", 1), interface(&format!("{megabyte}b"), "two", 2)];
    row.devices =
        vec![device(&format!("{megabyte}a"), 1), device(&format!("{megabyte}b"), 2), device("last", 3)];
    row
}

fn nameless() -> ContainerRow {
    let mut row = ContainerRow::new(Arc::new(Container::new("dddddddddddddddd", "docker".into())));
    row.values.set(Slot::CpuUsage, 3);
    row
}

fn twin() -> ContainerRow {
    let mut row = well_behaved();
    row.values.set(Slot::CpuUsage, 4);
    row
}

fn interface(name: &str, network: &str, value: u64) -> InterfaceRow {
    let mut values = Values::default();
    values.set(InterfaceSlot::RxBytes, value);
    values.set(InterfaceSlot::TxDropped, value);
    InterfaceRow { name: name.into(), network: network.into(), values }
}

fn device(name: &str, value: u64) -> DeviceRow {
    let mut values = Values::default();
    values.set(DeviceSlot::ReadBytes, value);
    values.set(DeviceSlot::CostWait, value);
    DeviceRow { name: name.into(), number: None, values }
}

fn agent() -> Agent {
    let facts = EngineFacts {
        version: "29.0.1\"".to_owned(),
        api_version: "1.52".to_owned(),
        cgroup_version: "2".to_owned(),
        rootless: true,
        ..EngineFacts::default()
    };
    let engine = Engine {
        state: EngineState::Up,
        source: Some(Source::Kernel),
        facts: Some(Arc::new(facts)),
        requests: 5,
        failures: 1,
        broken: 1,
        ..Engine::new("docker", r"npipe:////./pipe/docker_engine\n")
    };
    // Told of twice: the second must not be shown.
    let again = Engine { state: EngineState::Denied, ..engine.clone() };
    let mut agent = Agent {
        started: START,
        build: Build { version: "0.1.0", revision: "", rustc: "1.95.0", target: "x86_64-unknown-linux-musl" },
        engines: vec![engine, again],
        machine: Machine { cores: Some(2), memory: Some(1 << 33), swap: None },
        process: Process { cpu: Some(12_345_678), open_fds: Some(9), ..Process::default() },
        capabilities: vec![Capability {
            feature: "psi",
            available: false,
            reason: "psi=1".to_owned(),
            remedy: String::new(),
        }]
        .into(),
        ticks: 10,
        ticks_missed: 0,
        pass_duration: Some(1_234_567),
        containers_read: 3,
        label_loss: LabelLoss { collision: 1, ..LabelLoss::default() },
        read_errors: vec![("memory.current", 2)],
        ..Agent::default()
    };
    agent.collectors[Collector::Cpu] =
        CollectorReport { duration: Some(5_000), success: Some(true), timeouts: None };
    agent
}
