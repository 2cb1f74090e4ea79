//! Small worlds by chance.

use fastrand::Rng;
use plimsoll_store::census::{Facts, GrowthDay, LatestRow, WeekImage};
use plimsoll_wire::census::images::trend_name;

use crate::table::DAY_MS;

/// A small world: many images on few installations, versions that few have, tags of one name, several registries,
/// installations that leave images out.
pub(super) fn make(rng: &mut Rng, now_ms: i64) -> Facts {
    let mut facts = Facts { taken_ms: now_ms, days: 365, ..Facts::default() };
    let mut names = Vec::new();
    for name in 0..rng.usize(1..8) {
        let registries: &[&str] =
            &["", "ghcr.io/", "quay.io/", "registry.corp.example/", "localhost:5000/", "docker.io/"];
        for tag in 0..rng.usize(1..5) {
            let registry = registries[rng.usize(..registries.len())];
            names.push((format!("{registry}team/app{name}:{tag}"), rng.f64().powi(2)));
        }
    }
    // Nested by purpose: whoever has the first nearly always has the second.
    let is_nested = rng.bool();
    let installations = rng.usize(0..60);
    let spread = rng.u32(1..8);
    for _ in 0..installations {
        let start = facts.uses.len() as u32;
        let mut sum = 0;
        let mut had = false;
        for (name, share) in &names {
            had = if is_nested && had { rng.u32(..12) > 0 } else { rng.f64() < *share };
            if had {
                let containers = rng.u32(1..4);
                facts.uses.push((facts.images.intern(name), containers));
                sum += containers;
            }
        }
        // Some do not say all of their images.
        let unsaid = if rng.u32(..20) == 0 { rng.u32(1..5) } else { 0 };
        let seldom = |rng: &mut Rng| if rng.u32(..6) == 0 { rng.u32(1..4) } else { 0 };
        facts.installations.push(LatestRow {
            timestamp_ms: now_ms - rng.i64(0..40 * DAY_MS),
            version: facts.versions.intern(&format!("1.{}", rng.u32(..spread))),
            timezone: facts.timezones.intern(["", "UTC", "Europe/Berlin", "Asia/Tokyo"][rng.usize(..4)]),
            scan_interval: [0, 60, 300][rng.usize(..3)],
            hosts: rng.u32(1..3),
            agents: seldom(rng),
            containers: sum + unsaid,
            compose_projects: seldom(rng),
            in_compose: seldom(rng),
            networks: rng.u32(..3),
            avg_connections: rng.f32(),
            uses: start..facts.uses.len() as u32,
            ..LatestRow::default()
        });
    }
    let today = (now_ms / DAY_MS) as i32;
    // Who reported on a day of the window has reported in the window.
    let recent = facts.installations.iter().filter(|row| row.timestamp_ms >= now_ms - 30 * DAY_MS).count();
    for day in today - 60..=today {
        let installations = rng.u64(0..=recent as u64);
        facts.growth.push(GrowthDay { day, installations, containers: installations * 7 + rng.u64(..9) });
    }
    let monday = today - (today + 3).rem_euclid(7);
    for (name, _) in &names {
        let image = facts.trends.intern(trend_name(name));
        if facts.first_seen.iter().all(|(known, _)| *known != image) {
            facts.first_seen.push((image, today - rng.i32(0..80)));
            for week in 0..6 {
                let week = monday - 7 * week;
                facts.weeks.push(WeekImage {
                    week,
                    image,
                    containers: rng.u64(1..50),
                    installations: rng.u64(1..40),
                });
            }
        }
    }
    facts.total_submissions = facts.installations.len() as u64 + rng.u64(..20);
    facts
}
