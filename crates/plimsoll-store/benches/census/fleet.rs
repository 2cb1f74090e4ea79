//! Installations by rule, with sizes as in the field.

use plimsoll_model::census::{ImageUse, Report};

/// Names that many installations use.
const POPULAR: u64 = 3000;

const ZONES: [&str; 12] = [
    "Europe/Berlin",
    "America/New_York",
    "UTC",
    "Europe/London",
    "America/Los_Angeles",
    "Asia/Tokyo",
    "Europe/Paris",
    "Australia/Sydney",
    "America/Sao_Paulo",
    "Asia/Kolkata",
    "Africa/Lagos",
    "",
];

/// The same numbers for the same installation each time: splitmix64.
pub(crate) struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ (number >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// From 0 to below 1.
    fn part(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Whether an installation reports daily: one of three does, the others weekly.
pub(crate) fn is_daily(installation: u64) -> bool {
    installation.is_multiple_of(3)
}

pub(crate) fn id(installation: u64) -> String {
    let mut dice = Dice(installation);
    let (high, low) = (dice.next(), dice.next());
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        high >> 32,
        high & 0xffff,
        low >> 52,
        low & 0xfff,
        low >> 8 & 0xffff_ffff_ffff
    )
}

/// Most have 5 to 60 containers; a few have hundreds. With `images` given, all have so many.
pub(crate) fn report(installation: u64, images: Option<u64>) -> Report {
    let mut dice = Dice(installation ^ 0xfeed);
    let size = 5.0 * (12.0_f64).powf(dice.part()) * if dice.below(100) == 0 { 8.0 } else { 1.0 };
    let wanted = images.unwrap_or((size * 0.8) as u64);
    let mut uses: Vec<ImageUse> = Vec::new();
    for _ in 0..wanted {
        // The n-th name is used n times less than the first.
        let name = ((POPULAR as f64).powf(dice.part()) as u64).min(POPULAR - 1);
        let containers = 1 + dice.below(4) / 3;
        uses.push(ImageUse { image: popular(name), containers, size_bytes: 10_000_000 * (1 + name % 90) });
    }
    uses.sort();
    uses.dedup_by(|a, b| a.image == b.image);
    while (uses.len() as u64) < images.unwrap_or(0) {
        let name = popular(POPULAR + uses.len() as u64);
        uses.push(ImageUse { image: name, containers: 1, size_bytes: 0 });
    }
    if installation.is_multiple_of(7) {
        let image = format!("registry.site{installation}.example/team/app:{}", dice.below(50));
        uses.push(ImageUse { image, containers: 2, size_bytes: 0 });
    }
    let containers: u64 = uses.iter().map(|image| image.containers).sum();
    Report {
        installation_id: id(installation),
        version: format!("1.{}.{}", 9 - dice.below(6).min(dice.below(10)), dice.below(4)),
        host_count: 1 + dice.below(4),
        agent_count: dice.below(3),
        total_containers: containers,
        scan_interval_seconds: [300, 300, 300, 60, 900, 3600][dice.below(6) as usize],
        unique_images: uses.len() as u64,
        images: uses,
        agent_versions: [("1.6.0".to_owned(), 1)].into(),
        containers_running: containers,
        avg_cpu_percent: dice.part() * 10.0,
        avg_memory_bytes: dice.below(1 << 30),
        timezone: ZONES[dice.below(12).min(dice.below(12)) as usize].to_owned(),
        compose_project_count: dice.below(12),
        containers_in_compose: containers / 2,
        network_count: 3 + dice.below(9),
        custom_network_count: dice.below(9),
        avg_connections_per_container: dice.part() * 3.0,
        ..Report::default()
    }
}

fn popular(name: u64) -> String {
    let registry = ["", "", "", "library/", "ghcr.io/", "lscr.io/linuxserver/", "quay.io/", "docker.io/"];
    format!("{}project{}/service{name}:{}.{}", registry[(name % 8) as usize], name % 400, name % 7, name % 13)
}
