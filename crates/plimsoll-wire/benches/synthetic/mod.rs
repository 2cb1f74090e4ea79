//! A made-up snapshot of many containers, as a busy machine with cgroup v2 would give it.

use std::sync::Arc;

use plimsoll_model::agent::{
    Agent, Build, Capability, Engine, EngineFacts, EngineState, Machine, Process, Source,
};
use plimsoll_model::catalog::{CATALOG, Shape};
use plimsoll_model::container::ImageFacts;
use plimsoll_model::{
    Container, ContainerRow, DeviceSlot, Family, InterfaceSlot, Kind, Profile, Scale, Slot, Snapshot, State,
    Unit, Values,
};
use plimsoll_model::{DeviceRow, InterfaceRow};

const NOW: u64 = 1_795_223_743_003_874_862;
const NANO: u64 = 1_000_000_000;

/// The same numbers in every run.
struct Dice(u64);

impl Dice {
    /// A number below `end`, small ones being likelier, as with real counters.
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end) >> (self.0 >> 60)
    }

    /// A value such as a family of this kind and unit has.
    fn value(&mut self, family: &Family) -> u64 {
        match (family.unit, family.scale, family.kind) {
            (Unit::Seconds, _, Kind::Gauge) => NOW - self.below(100_000 * NANO),
            (Unit::Seconds, ..) => self.below(50_000_000_000) * 1000,
            (_, Scale::Nano, _) => self.below(100 * NANO),
            (Unit::Bytes, ..) => self.below(1 << 21) * 4096,
            (_, _, Kind::Counter) => self.below(1 << 22),
            _ => self.below(200),
        }
    }
}

/// A snapshot of `count` running containers with every number of the default profile on cgroup v2, one
/// interface besides `lo`, and one device.
pub(crate) fn snapshot(count: usize) -> Snapshot {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let images =
        ["postgres:17.2-alpine", "registry.example.com/team/checkout-service:2026.11.3", "nginx", "redis:7"];
    let facts: Vec<_> = images.iter().map(|image| Arc::new(image_facts(image))).collect();
    let containers = (0..count)
        .map(|n| {
            let id = format!("{:016x}{:048x}", (n as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15), n);
            let project = format!("project-{}", n / 12);
            let mut container = Container::new(&id, "docker".into());
            container.name = format!("{project}-service-{}-1", n % 12);
            container.image = images[n % images.len()].to_owned();
            container.state = State::Running;
            container.image_id = format!("sha256:{:064x}", n % images.len());
            container.runtime = "runc".to_owned();
            container.hostname = id[..12].to_owned();
            container.network_mode = format!("{project}_default");
            container.restart_policy = "unless-stopped".to_owned();
            for (key, value) in [
                ("com.docker.compose.project", &*project),
                ("com.docker.compose.service", &format!("service-{}", n % 12)),
                ("com.docker.compose.container-number", "1"),
                ("com.docker.compose.oneoff", "False"),
                ("com.docker.compose.config-hash", &format!("{:064x}", n * 7919)),
            ] {
                container.labels.insert(key.to_owned(), value.to_owned());
            }
            container.image_facts = Some(Arc::clone(&facts[n % images.len()]));
            row(container, &mut dice)
        })
        .collect();
    Snapshot { at: NOW, sequence: 1, containers, agent: agent(count as u64), ..Snapshot::default() }
}

fn row(container: Container, dice: &mut Dice) -> ContainerRow {
    let cgroup = format!("/system.slice/docker-{}.scope", container.id);
    let network = container.network_mode.clone();
    let mut row = ContainerRow::new(Arc::new(container));
    let (mut inner, mut lo) = (Values::default(), Values::default());
    let mut disk = Values::default();
    for family in
        CATALOG.iter().filter(|family| family.profile <= Profile::Default && !family.source.v2.is_empty())
    {
        match family.shape {
            Shape::Container(cells) => {
                for cell in cells {
                    row.values.set(cell.slot, dice.value(family));
                }
            }
            Shape::Interface(slot) => {
                inner.set(slot, dice.value(family));
                lo.set(slot, 0);
            }
            // io.cost is rarely switched on.
            Shape::Device(DeviceSlot::CostUsage | DeviceSlot::CostWait) => {}
            Shape::Device(DeviceSlot::CostIndebt | DeviceSlot::CostIndelay) => {}
            Shape::Device(slot) => disk.set(slot, dice.value(family)),
            Shape::Detail(_) | Shape::Info(_) | Shape::Agent(_) | Shape::Host(_) => {}
        }
    }
    row.values.set(Slot::State, 1);
    row.interfaces = vec![interface("lo", "", lo), interface("eth0", &network, inner)];
    row.devices = vec![DeviceRow { name: "/dev/nvme0n1".into(), number: Some((259, 0)), values: disk }];
    row.cgroup = Some(cgroup.into());
    row.started = Some(NOW - dice.below(100_000 * NANO));
    row.created = row.started;
    row.seen = NOW - NANO;
    row
}

fn interface(
    name: &str,
    network: &str,
    values: Values<InterfaceSlot, { InterfaceSlot::COUNT }>,
) -> InterfaceRow {
    InterfaceRow { name: name.into(), network: network.into(), values }
}

fn image_facts(image: &str) -> ImageFacts {
    ImageFacts {
        digest: format!("{image}@sha256:{:064x}", image.len()),
        version: "2026.11.3".to_owned(),
        revision: "9fceb02d0ae598e95dc970b74767f19372d61af8".to_owned(),
        created: "2026-11-03T10:11:12.123456789Z".to_owned(),
    }
}

fn agent(containers: u64) -> Agent {
    let facts = EngineFacts {
        version: "29.0.1".to_owned(),
        api_version: "1.52".to_owned(),
        cgroup_version: "2".to_owned(),
        cgroup_driver: "systemd".to_owned(),
        storage_driver: "overlayfs".to_owned(),
        rootless: false,
    };
    let capability =
        |feature| Capability { feature, available: true, reason: String::new(), remedy: String::new() };
    Agent {
        started: NOW - 3_600 * NANO,
        build: Build { version: "0.1.0", revision: "9fceb02d0ae5", rustc: "1.95.0", target: "x86_64" },
        engines: vec![Engine {
            state: EngineState::Up,
            source: Some(Source::Kernel),
            facts: Some(Arc::new(facts)),
            requests: 1_234,
            ..Engine::new("docker", "unix:///var/run/docker.sock")
        }],
        machine: Machine { cores: Some(64), memory: Some(1 << 38), swap: Some(0) },
        process: Process { cpu: Some(12 * NANO), resident: Some(1 << 24), ..Process::default() },
        capabilities: ["memory", "io", "psi", "netns"].map(capability).into(),
        ticks: 3_600,
        pass_duration: Some(21_000_000),
        containers_read: containers,
        ..Agent::default()
    }
}
