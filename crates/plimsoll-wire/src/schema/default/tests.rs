use std::collections::HashSet;
use std::sync::Arc;

use plimsoll_model::{DeviceRow, InterfaceRow, Values};

use super::*;
use crate::line_protocol::{Encoder, Precision};
use crate::point::Tally;

const S: u64 = 1_000_000_000;

fn row(id: &str, values: &[(Slot, u64)]) -> ContainerRow {
    let mut container = Container::new(id, "docker".into());
    container.name = format!("{id}-name");
    container.state = State::Running;
    let mut row = ContainerRow::new(Arc::new(container));
    values.iter().for_each(|(slot, value)| row.values.set(*slot, *value));
    row.started = Some(S);
    row
}

fn snapshot(at: u64, containers: &[ContainerRow]) -> Snapshot {
    Snapshot { at, containers: containers.to_vec(), ..Snapshot::default() }
}

/// The points of a snapshot as lines, without those of the agent.
fn lines(schema: &mut DefaultSchema, snapshot: &Snapshot) -> Vec<String> {
    let (mut encoder, mut tally) = (Encoder::new(Precision::Seconds), Tally::default());
    schema.points(snapshot, &|container| !container.id.starts_with("not"), &mut |point| {
        encoder.push(point, &mut tally);
    });
    assert_eq!((tally.refused.len(), tally.fields_refused), (0, 0));
    let text = String::from_utf8(encoder.take()).unwrap();
    text.lines().filter(|line| !line.starts_with("agent")).map(str::to_owned).collect()
}

#[test]
fn the_four_measurements_are_as_they_are_promised() {
    let mut web = row(
        "a1",
        &[(Slot::MemoryUsage, 4096), (Slot::MemoryLimit, 8192), (Slot::MemoryUsagePercent, 25 * S)],
    );
    let mut values = Values::default();
    for slot in
        [InterfaceSlot::RxBytes, InterfaceSlot::TxBytes, InterfaceSlot::RxPackets, InterfaceSlot::TxPackets]
    {
        values.set(slot, 7);
    }
    web.interfaces = vec![InterfaceRow { name: "eth0".into(), network: "".into(), values }];
    let mut values = Values::default();
    for slot in [DeviceSlot::ReadBytes, DeviceSlot::WriteBytes, DeviceSlot::Reads, DeviceSlot::Writes] {
        values.set(slot, 9);
    }
    web.devices = vec![DeviceRow { name: "/dev/vda".into(), number: None, values }];
    let mut schema = DefaultSchema::default();
    let cpu = |web: &mut ContainerRow, usage, user, system| {
        web.values.set(Slot::CpuUsage, usage);
        web.values.set(Slot::CpuUser, user);
        web.values.set(Slot::CpuSystem, system);
    };
    cpu(&mut web, S, 0, S);
    lines(&mut schema, &snapshot(100 * S, &[web.clone()]));
    cpu(&mut web, 6 * S, 4 * S, 2 * S);
    let expected = [
        "cpu,container_id=a1,container_name=a1-name usage_percent=50,system_percent=10,user_percent=40,usage_seconds=6,\
         system_seconds=2,user_seconds=4 110",
        "memory,container_id=a1,container_name=a1-name usage_bytes=4096i,limit_bytes=8192i,usage_percent=25 110",
        "network,container_id=a1,container_name=a1-name,interface=eth0 rx_bytes=7i,tx_bytes=7i,rx_packets=7i,tx_packets=7i 110",
        "blockio,container_id=a1,container_name=a1-name,device=/dev/vda read_bytes=9i,write_bytes=9i,read_ops=9i,write_ops=9i 110",
        "lifecycle,container_id=a1,container_name=a1-name state=\"running\" 110",
    ];
    assert_eq!(
        lines(&mut schema, &snapshot(110 * S, &[web, row("not-me", &[(Slot::CpuUsage, 1)])])),
        expected
    );
}

/// The percentage of all processor use in each of these snapshots.
fn usage(ticks: &[(u64, Option<u64>, Option<u64>)]) -> Vec<Option<u64>> {
    let mut schema = DefaultSchema::default();
    let mut found = Vec::new();
    for (at, started, usage) in ticks {
        let mut web = row("a1", &[]);
        web.values.set_option(Slot::CpuUsage, *usage);
        web.started = *started;
        let mut percent = None;
        schema.points(&snapshot(*at, &[web.clone(), web]), &|_| true, &mut |point| {
            for field in
                point.fields().filter(|field| point.measurement() == "cpu" && field.name == "usage_percent")
            {
                let Value::Nano(value) = field.value else { panic!("{field:?}") };
                assert_eq!(percent.replace(value), None, "the container is told twice");
            }
        });
        found.push(percent);
    }
    found
}

#[test]
fn a_percentage_is_right_or_absent() {
    let started = Some(S);
    let usage_of = |ticks: &[(u64, Option<u64>, Option<u64>)]| usage(ticks).last().copied().flatten();
    let first = (10 * S, started, Some(5 * S));
    for (then, expected) in [
        (vec![], None),
        (vec![(20 * S, started, Some(25 * S))], Some(200 * S)),
        (vec![(20 * S, started, Some(5 * S))], Some(0)),
        // It was started anew: even a larger count is another one.
        (vec![(20 * S, Some(15 * S), Some(6 * S))], None),
        (vec![(20 * S, Some(15 * S), Some(6 * S)), (30 * S, Some(15 * S), Some(7 * S))], Some(10 * S)),
        (vec![(20 * S, started, Some(S))], None),
        // It was not read in between.
        (vec![(20 * S, started, None), (30 * S, started, Some(9 * S))], None),
        // The clock stands still, or was set back.
        (vec![(10 * S, started, Some(9 * S))], None),
        (vec![(9 * S, started, Some(9 * S))], None),
        (vec![(20 * S, started, Some(u64::MAX))], None),
    ] {
        let ticks: Vec<_> = std::iter::once(first).chain(then).collect();
        assert_eq!(usage_of(&ticks), expected, "{ticks:?}");
    }
}

/// What is told of these containers as events, after a first tick at 10 with `before`.
fn events(before: &[ContainerRow], now: &[ContainerRow]) -> Vec<String> {
    let mut schema = DefaultSchema::default();
    let is_event = |line: &String| line.starts_with("events");
    let at_first = lines(&mut schema, &snapshot(10 * S, before));
    assert!(!at_first.iter().any(is_event), "what was before is no news: {at_first:?}");
    let found = lines(&mut schema, &snapshot(20 * S, now)).into_iter().filter(is_event).collect();
    assert!(!lines(&mut schema, &snapshot(30 * S, now)).iter().any(is_event), "each is told once");
    found
}

#[test]
fn events_are_told_once_and_with_their_exit_code() {
    let life = [
        (Slot::Started, S),
        (Slot::ExitsError, 1),
        (Slot::Restarts, 1),
        (Slot::OomEvents, 0),
        (Slot::Created, S),
    ];
    let before = row("a", &life);
    let mut after = before.clone();
    for (slot, value) in
        [(Slot::ExitsSignal, 2), (Slot::ExitCode, 137), (Slot::OomEvents, 1), (Slot::Restarts, 3)]
    {
        after.values.set(slot, value);
    }
    let expected = [
        "events,container_id=a,container_name=a-name,event=exited count=2i,exit_code=137i 20",
        "events,container_id=a,container_name=a-name,event=oom_killed count=1i 20",
        "events,container_id=a,container_name=a-name,event=restarted count=2i 20",
    ];
    assert_eq!(events(&[before], &[after]), expected);
    // One that was made, ran and ended since the tick before, and one that was made earlier, and is only now seen.
    let ran = |created| {
        row(
            "b",
            &[
                (Slot::Created, created),
                (Slot::Started, 12 * S),
                (Slot::ExitsZero, 1),
                (Slot::Restarts, 0),
                (Slot::ExitCode, 0),
            ],
        )
    };
    let expected = [
        "events,container_id=b,container_name=b-name,event=started count=1i 20",
        "events,container_id=b,container_name=b-name,event=exited count=1i,exit_code=0i 20",
    ];
    assert_eq!(events(&[], &[ran(11 * S)]), expected);
    assert_eq!(events(&[], &[ran(9 * S)]), [""; 0]);
}

#[test]
fn containers_that_are_gone_are_forgotten() {
    let mut schema = DefaultSchema::default();
    let usage = |used| row("a", &[(Slot::CpuUsage, used)]);
    let has_percent = |schema: &mut DefaultSchema, at: u64, used| {
        lines(schema, &snapshot(at * S, &[usage(used)])).iter().any(|line| line.contains("usage_percent"))
    };
    assert!(!has_percent(&mut schema, 10, S));
    lines(&mut schema, &snapshot(20 * S, &[]));
    assert!(has_percent(&mut schema, 30, 2 * S), "an engine that was away for a moment");
    for n in 4..20 {
        lines(&mut schema, &snapshot(n * 10 * S, &[]));
    }
    assert!(!has_percent(&mut schema, 200, 3 * S));
}

#[test]
fn every_number_has_one_field() {
    // Told in another way: health as a word, and the percentage over the target's own interval.
    let elsewhere = [
        Slot::HealthNone,
        Slot::HealthStarting,
        Slot::HealthHealthy,
        Slot::HealthUnhealthy,
        Slot::LastSeen,
        Slot::CpuPercent,
        Slot::PgfaultContainer,
        Slot::PgmajfaultContainer,
    ];
    let tables = [CPU, MEMORY, PRESSURE, PROCESSES, SOCKETS, LIFECYCLE];
    for slot in Slot::ALL {
        let count = tables.iter().flat_map(|table| table.iter()).filter(|(_, its)| its == slot).count();
        assert_eq!(count, usize::from(!elsewhere.contains(slot)), "{slot:?}");
    }
    for table in tables {
        let names: HashSet<_> = table.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), table.len());
    }
    assert_eq!((NETWORK.len(), BLOCKIO.len()), (InterfaceSlot::COUNT, DeviceSlot::COUNT));
    let schema = DefaultSchema::new(Profile::Full);
    assert_eq!((schema.cpu.len(), schema.agent.len()), (CPU.len(), AGENT.len()));
    assert!(
        DefaultSchema::default().others[0].1.len() < schema.others[0].1.len(),
        "the profile leaves averages out"
    );
}

#[test]
fn fields_know_what_the_catalog_says() {
    let mut web = row("a", &[(Slot::CpuUsage, S), (Slot::Restarts, 2), (Slot::MemoryUsage, 1)]);
    (web.created, web.seen) = (Some(5), 6);
    let mut found = Vec::new();
    DefaultSchema::default().points(&snapshot(10 * S, &[web]), &|_| true, &mut |point| {
        let fields = point.fields().map(|field| (field.name.to_owned(), field.meta));
        found.extend(
            fields.filter(|(name, _)| ["usage_seconds", "restarts", "usage_bytes"].contains(&&**name)),
        );
    });
    let of = |family: &str| plimsoll_model::Family::by_name(family).unwrap();
    for ((name, meta), (family, unit, start)) in found.iter().zip([
        ("container_cpu_usage_seconds_total", "s", Some(S)),
        ("container_memory_usage_bytes", "By", None),
        ("container_restarts_total", "", Some(5)),
    ]) {
        let family = of(family);
        assert_eq!(*meta, Meta { kind: family.kind, unit, help: family.help, start }, "{name}");
    }
    assert_eq!(found.len(), 3);
}
