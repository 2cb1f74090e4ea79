//! Small histories of which the answers are known.

use std::ops::ControlFlow;
use std::sync::Arc;

use plimsoll_model::agent::Engine;
use plimsoll_model::{DeviceSlot, Family, Host, HostRow, InterfaceSlot, Slot, Snapshot, State};

use super::world::{DAY_ZERO, World, every_second};
use crate::{
    AggregateQuery, Error, ErrorKind, Event, EventQuery, ExportQuery, Function, Happening, Millis, Range,
    Rank, Sample, Selector, SeriesQuery, Statistics, Tier, TopQuery,
};

const ID: &str = "aaaa1111000000000000000000000000000000000000000000000000000000aa";
const USAGE: &str = "container_memory_usage_bytes";
const CPU: &str = "container_cpu_usage_seconds_total";

fn range(from: Millis, until: Millis) -> Range {
    Range { from: DAY_ZERO + from, until: DAY_ZERO + until }
}

fn series(metrics: &[&str], range: Range, step: Option<Millis>, function: Option<Function>) -> SeriesQuery {
    let metrics = metrics.iter().map(|metric| (*metric).to_owned()).collect();
    SeriesQuery { selector: Selector::default(), metrics, range, step, function }
}

/// One container with an hour of samples, rolled up but for the last minutes.
fn an_hour() -> World {
    let mut world = World::new();
    let number = world.container(ID, "web", DAY_ZERO);
    let borders: Vec<usize> = (1..12).map(|block| block * 300).collect();
    world.add(number, &every_second(DAY_ZERO, 3_600, i64::unsigned_abs), &borders);
    world
}

#[test]
fn questions_that_make_no_sense_are_refused() {
    let history = an_hour().history();
    let ask = |query: SeriesQuery| history.series(&query).unwrap_err();
    let minute = range(0, 60_000);
    let usual = |metric: &str| series(&[metric], minute, None, None);
    for (error, kind, is_it) in [
        (
            ask(series(&[USAGE], Range { from: 10, until: 5 }, None, None)),
            ErrorKind::Bad,
            (|error| matches!(error, Error::UpsideDown { .. })) as fn(&Error) -> bool,
        ),
        (ask(series(&[USAGE], minute, Some(0), None)), ErrorKind::Bad, |error| {
            matches!(error, Error::NoStep(0))
        }),
        (ask(series(&[USAGE], minute, Some(-1), None)), ErrorKind::Bad, |error| {
            matches!(error, Error::NoStep(-1))
        }),
        (ask(series(&[USAGE], range(0, 86_400_000), Some(1_000), None)), ErrorKind::Bad, |error| {
            matches!(error, Error::TooManyPoints { .. })
        }),
        (
            ask(usual("container_memory_usag_bytes")),
            ErrorKind::Bad,
            |error| matches!(error, Error::UnknownMetric { nearest, .. } if nearest[0] == USAGE),
        ),
        (ask(usual("container_info")), ErrorKind::Bad, |error| matches!(error, Error::NotKept { .. })),
        (ask(series(&[USAGE], minute, None, Some(Function::Rate))), ErrorKind::Bad, |error| {
            matches!(error, Error::NotACounter { .. })
        }),
        (
            ask(SeriesQuery { selector: Selector::of_container("nobody"), ..usual(USAGE) }),
            ErrorKind::NotFound,
            |error| matches!(error, Error::NoSuchContainer { .. }),
        ),
    ] {
        assert_eq!(error.kind(), kind, "{error}");
        assert!(is_it(&error), "{error:?}");
    }
    let rank = TopQuery {
        selector: Selector::default(),
        metric: USAGE.to_owned(),
        range: minute,
        rank: Rank::Increase,
        count: 1,
    };
    assert!(matches!(history.top(&rank), Err(Error::NotACounter { .. })));
}

#[test]
fn the_step_is_raised_where_only_coarser_tiers_reach_back() {
    let mut world = an_hour();
    world.forget(Tier::Raw, DAY_ZERO + 30 * 60_000);
    let history = world.history();
    let ask = |from: Millis, step| {
        history.series(&series(&[USAGE], range(from, from + 120_000), Some(step), None)).unwrap()
    };
    // Samples are there.
    assert_eq!((ask(40 * 60_000, 1_000).step, ask(40 * 60_000, 1_000).tier), (1_000, Tier::Raw));
    // They are not: the next tier answers, with a step that it has.
    for (step, raised) in [(1_000, 10_000), (10_000, 10_000), (15_000, 20_000)] {
        let answer = ask(10 * 60_000, step);
        assert_eq!((answer.step, answer.tier), (raised, Tier::TenSeconds), "{step}");
        assert!(answer.series[0].points.iter().all(Option::is_some), "{answer:?}");
    }
    let answer = ask(10 * 60_000, 10_000);
    assert_eq!(answer.series[0].points[0], Some(605.0), "the mean of 600 to 609, rounded");
}

#[test]
fn gaps_stay_gaps_and_points_are_at_multiples_of_the_step() {
    let mut world = World::new();
    let number = world.container(ID, "web", DAY_ZERO);
    let mut samples = every_second(DAY_ZERO, 100, i64::unsigned_abs);
    samples.retain(|(at, _)| !(20..50).contains(&((at - DAY_ZERO) / 1_000)));
    world.add(number, &samples, &[30]);
    let history = world.history();
    let answer =
        history.series(&series(&[USAGE], range(-5_500, 105_000), Some(10_000), Some(Function::Max))).unwrap();
    assert_eq!((answer.from, answer.step), (DAY_ZERO - 10_000, 10_000));
    let points: Vec<_> =
        answer.series[0].points.iter().map(|point| point.map(|value| value as i64)).collect();
    let (none, some) = (None, Some);
    assert_eq!(
        points,
        [none, some(9), some(19), none, none, none, some(59), some(69), some(79), some(89), some(99), none]
    );
    let answer = history.series(&series(&[CPU], range(0, 60_000), Some(10_000), None)).unwrap();
    assert_eq!(
        answer.series[0].points,
        [Some(0.5), Some(0.5), None, None, None, Some(0.5)],
        "half a core, and nothing across the gap"
    );
}

#[test]
fn interfaces_have_series_of_their_own_and_are_added_up_to_rank() {
    let world = an_hour();
    let history = world.history();
    let received = "container_network_receive_bytes_total";
    let answer = history.series(&series(&[received], range(0, 600_000), None, None)).unwrap();
    assert_eq!(answer.series[0].labels, [("interface".to_owned(), "eth0".to_owned())]);
    assert_eq!(answer.series[0].function, Function::Rate);
    assert_eq!(answer.series[0].points[1], Some(100.0));
    let top = TopQuery {
        selector: Selector::default(),
        metric: received.to_owned(),
        range: range(0, 600_000),
        rank: Rank::Mean,
        count: 3,
    };
    let answer = history.top(&top).unwrap();
    assert_eq!(answer.lines.len(), 1);
    assert!((answer.lines[0].1 - 100.0).abs() < 1e-9, "{:?}", answer.lines);
}

#[test]
fn after_a_clock_that_was_set_back_the_later_written_holds() {
    let mut world = World::new();
    let number = world.container(ID, "web", DAY_ZERO);
    world.add(number, &every_second(DAY_ZERO, 60, |_| 1), &[60]);
    world.add(number, &every_second(DAY_ZERO + 20_000, 10, |_| 2), &[10]);
    let history = world.history();
    let answer = history.series(&series(&[USAGE], range(0, 60_000), Some(1_000), None)).unwrap();
    let points: Vec<_> = answer.series[0].points.iter().map(|point| point.unwrap_or(0.0)).collect();
    let expected: Vec<_> = (0..60).map(|second| if (20..30).contains(&second) { 2.0 } else { 1.0 }).collect();
    assert_eq!(points, expected);
}

#[test]
fn a_block_that_is_damaged_is_a_gap() {
    let mut world = World::new();
    let number = world.container(ID, "web", DAY_ZERO);
    world.add(number, &every_second(DAY_ZERO, 30, |_| 1), &[10, 20, 30]);
    world.file().connection().execute("UPDATE data SET bytes = x'0102030405' WHERE id = 2", []).unwrap();
    let history = world.history();
    // A step that only samples have: the tier was rolled up before.
    let answer = history.series(&series(&[USAGE], range(0, 30_000), Some(1_000), None)).unwrap();
    let known = answer.series[0].points.iter().flatten().count();
    assert!((20..30).contains(&known), "{answer:?}");
}

#[test]
fn the_host_has_series_and_stands_in_snapshots() {
    let mut world = an_hour();
    let samples: Vec<Snapshot> = (0..20u64)
        .map(|second| {
            let at = (DAY_ZERO.unsigned_abs() + second * 1_000) * 1_000_000;
            let mut snapshot = Snapshot { at, ..Snapshot::default() };
            snapshot.agent.machine.memory = Some(1 << 34);
            snapshot.agent.process.cpu = Some(second * 10_000_000);
            snapshot.agent.started = DAY_ZERO.unsigned_abs() * 1_000_000;
            snapshot.agent.engines.push(Engine::new("docker", "unix:///run/docker.sock"));
            snapshot
        })
        .collect();
    world.add_host(&samples);
    let history = world.history();
    let query = SeriesQuery {
        selector: Selector { host: true, ..Selector::default() },
        ..series(&["machine_memory_bytes", "process_cpu_seconds_total"], range(0, 20_000), Some(5_000), None)
    };
    let answer = history.series(&query).unwrap();
    assert_eq!((answer.lines[0].name.as_str(), answer.lines[0].containers.len()), ("host", 0));
    assert_eq!(answer.series[0].points, [Some(17_179_869_184.0); 4]);
    assert_eq!(answer.series[1].points, [Some(0.01); 4]);
    let snapshot = history.at(DAY_ZERO + 10_000).unwrap();
    assert_eq!(
        (snapshot.agent.machine.memory, snapshot.agent.process.cpu),
        (Some(1 << 34), Some(100_000_000))
    );
    assert_eq!(snapshot.agent.engines.len(), 1);
    let mut exported = Vec::new();
    let query = ExportQuery {
        selector: query.selector,
        metrics: vec!["process_cpu_seconds_total".to_owned()],
        range: range(0, 2_000),
        tier: Tier::Raw,
    };
    let mut take = |sample: &Sample<'_>| {
        exported.push((sample.at - DAY_ZERO, sample.value, sample.start, sample.member.is_none()));
        ControlFlow::Continue(())
    };
    history.export(&query, &mut take).unwrap();
    let started = Some(DAY_ZERO.unsigned_abs() * 1_000_000);
    assert_eq!(exported, [(0, 0, started, true), (1_000, 10_000_000, started, true)]);
}

/// A row of the machine.
fn host_row(name: &str, labels: &[&str], value: u64) -> HostRow {
    let family = u16::try_from(Family::by_name(name).unwrap().index()).unwrap();
    HostRow { family, labels: labels.iter().map(|label| Box::from(*label)).collect(), value }
}

#[test]
fn the_machine_has_a_history_too() {
    let mut world = an_hour();
    let booted = (DAY_ZERO.unsigned_abs() - 60_000) * 1_000_000;
    let samples: Vec<Snapshot> = (0..20u64)
        .map(|second| {
            let at = (DAY_ZERO.unsigned_abs() + second * 1_000) * 1_000_000;
            let mut snapshot = Snapshot { at, ..Snapshot::default() };
            let system = vec![
                host_row("node_cpu_seconds_total", &["0", "user"], second * 500_000_000),
                host_row("node_cpu_seconds_total", &["1", "user"], 7),
                host_row("node_boot_time_seconds", &[], booted),
                host_row("node_vmstat_pgfault", &[], second),
            ];
            let mounts = vec![host_row("node_filesystem_avail_bytes", &["/dev/vda", "/", "ext4"], 1 << 30)];
            snapshot.host.system = Some(Arc::new(Host::new(at, Some(booted), system)));
            snapshot.host.filesystem = Some(Arc::new(Host::new(at, None, mounts)));
            snapshot
        })
        .collect();
    world.add_host(&samples);
    let history = world.history();
    let of_host = Selector { host: true, ..Selector::default() };
    let names = ["node_cpu_seconds_total", "node_filesystem_avail_bytes", "node_vmstat_pgfault"];
    let query =
        SeriesQuery { selector: of_host.clone(), ..series(&names, range(0, 20_000), Some(20_000), None) };
    let answer = history.series(&query).unwrap();
    let points: Vec<_> = answer.series.iter().map(|series| series.points[0]).collect();
    assert_eq!(points, [Some(0.5), Some(0.0), Some(1_073_741_824.0), Some(9.5)], "untyped is no counter");
    assert_eq!(history.at(DAY_ZERO + 10_000).unwrap().host, samples[10].host);
    let mut starts = Vec::new();
    let query = ExportQuery {
        selector: of_host,
        metrics: vec!["node_cpu_seconds_total".to_owned()],
        range: range(0, 1_000),
        tier: Tier::Raw,
    };
    let mut take = |sample: &Sample<'_>| {
        starts.push((sample.labels[0].1.clone(), sample.start));
        ControlFlow::Continue(())
    };
    history.export(&query, &mut take).unwrap();
    assert_eq!(starts, [("0".to_owned(), Some(booted)), ("1".to_owned(), Some(booted))]);
}

#[test]
fn those_with_most_come_first() {
    let mut world = World::new();
    for (index, level) in [50u64, 700, 300].into_iter().enumerate() {
        let number = world.container(&format!("{index}{ID}"), &format!("c{index}"), DAY_ZERO);
        world.add(number, &every_second(DAY_ZERO, 60, |second| level + second.unsigned_abs() % 2), &[40]);
    }
    let history = world.history();
    let ask = |rank, count| {
        let query = TopQuery {
            selector: Selector::default(),
            metric: USAGE.to_owned(),
            range: range(0, 60_000),
            rank,
            count,
        };
        let answer = history.top(&query).unwrap();
        answer.lines.into_iter().map(|(line, value)| (line.name, value)).collect::<Vec<_>>()
    };
    let named = |name: &str, value| (name.to_owned(), value);
    assert_eq!(ask(Rank::Mean, 2), [named("c1", 700.5), named("c2", 300.5)]);
    assert_eq!(ask(Rank::Max, 1), [named("c1", 701.0)]);
    assert_eq!(ask(Rank::Min, 9).last(), Some(&named("c0", 50.0)));
    assert_eq!(ask(Rank::P95, 1), [named("c1", 701.0)]);
}

#[test]
fn figures_of_a_window() {
    let history = an_hour().history();
    let ask = |range| {
        let metrics = vec![USAGE.to_owned(), CPU.to_owned()];
        let answer =
            history.aggregate(&AggregateQuery { selector: Selector::default(), metrics, range }).unwrap();
        (answer.tier, answer.lines.into_iter().next().unwrap().1)
    };
    let (tier, figures) = ask(range(0, 100_000));
    assert_eq!(tier, Tier::Raw);
    let [usage, cpu] = &figures[..] else { panic!("{figures:?}") };
    assert_eq!((usage.samples, usage.min, usage.max, usage.mean, usage.last), (100, 0.0, 99.0, 49.5, 99.0));
    assert_eq!((usage.percentiles, usage.increase), ([49.0, 89.0, 94.0, 98.0], None));
    assert_eq!((cpu.min, cpu.max, cpu.mean, cpu.last), (0.5, 0.5, 0.5, 0.5), "of its rate");
    assert_eq!(cpu.increase, Some(49.5), "the first sample grew from nothing that is known");
}

#[test]
fn a_moment_of_the_past_is_a_snapshot() {
    let world = an_hour();
    let history = world.history();
    for (second, shown) in [(1_800, 1_800u64), (3_599, 3_599), (3_605, 3_599)] {
        let snapshot = history.at(DAY_ZERO + second * 1_000 + 400).unwrap();
        assert_eq!(snapshot.containers.len(), 1, "at {second}");
        let row = &snapshot.containers[0];
        let get = |slot| row.values.get(slot);
        assert_eq!(row.container.id, ID);
        assert_eq!(row.container.state, State::Running);
        assert_eq!(get(Slot::MemoryUsage), Some(shown));
        assert_eq!(get(Slot::MemoryWorkingSet), Some(shown));
        assert_eq!(get(Slot::MemoryUsagePercent), Some(shown * 100_000_000));
        assert_eq!(get(Slot::CpuPercent), Some(50_000_000_000));
        assert_eq!(get(Slot::Uptime), Some(shown * 1_000_000_000));
        assert_eq!(row.network_total(InterfaceSlot::RxBytes), Some(shown * 100));
        assert_eq!(row.device_total(DeviceSlot::ReadBytes), None);
    }
    for second in [-1, 3_620] {
        assert!(history.at(DAY_ZERO + second * 1_000).unwrap().containers.is_empty(), "at {second}");
    }
    // Where samples are gone, a coarser tier's point stands for them.
    let mut world = world;
    world.forget(Tier::Raw, DAY_ZERO + 30 * 60_000);
    let snapshot = world.history().at(DAY_ZERO + 605_000).unwrap();
    let get = |slot| snapshot.containers[0].values.get(slot);
    assert_eq!((get(Slot::MemoryUsage), get(Slot::CpuPercent)), (Some(609), Some(50_000_000_000)));
}

#[test]
fn what_is_exported_is_what_was_stored() {
    let world = an_hour();
    let history = world.history();
    let export = |metrics: &[&str], range: Range, tier| {
        let metrics = metrics.iter().map(|metric| (*metric).to_owned()).collect();
        let query = ExportQuery { selector: Selector::of_container("web"), metrics, range, tier };
        let mut rows = Vec::new();
        history
            .export(&query, &mut |sample: &Sample<'_>| {
                assert_eq!(
                    (sample.line.name.as_str(), sample.member.map(|member| member.id.as_str())),
                    ("web", Some(ID))
                );
                rows.push((
                    sample.at - DAY_ZERO,
                    sample.family.name,
                    sample.value,
                    sample.start,
                    sample.statistics,
                ));
                ControlFlow::Continue(())
            })
            .unwrap();
        rows
    };
    let started = Some(DAY_ZERO.unsigned_abs() * 1_000_000);
    let all = export(&[USAGE, CPU], range(-1_000, 90_000_000), Tier::Raw);
    assert_eq!(all.len(), 7_200);
    for (second, pair) in (0u64..).zip(all.chunks(2)) {
        let at = (second * 1_000).cast_signed();
        assert_eq!(pair[0], (at, USAGE, second, None, None));
        assert_eq!(pair[1], (at, CPU, second * 500_000_000, started, None));
    }
    // All metrics, those that follow from others among them.
    let every = export(&[], range(5_000, 6_000), Tier::Raw);
    let names: Vec<_> = every.iter().map(|row| row.1).collect();
    for name in [
        "container_memory_working_set_bytes",
        "container_last_seen",
        "container_network_transmit_bytes_total",
    ] {
        assert!(names.contains(&name), "{name} is not in {names:?}");
    }
    let percent = export(&["container_cpu_usage_percent"], range(0, 200_000), Tier::Raw);
    assert_eq!(percent.len(), 199);
    assert!(percent.iter().all(|row| row.2 == 50_000_000_000));
    let minutes = export(&[USAGE, CPU], range(0, 180_000), Tier::TenSeconds);
    assert_eq!(minutes.len(), 36);
    let usage = Statistics { min: 10, max: 19, mean: 15, count: 10, increase: None };
    assert_eq!(minutes[2], (10_000, USAGE, 19, None, Some(usage)));
    assert_eq!(minutes[3].4.unwrap().increase, Some(5_000_000_000));

    let mut left = 10;
    let query = ExportQuery {
        selector: Selector::default(),
        metrics: Vec::new(),
        range: range(0, 3_600_000),
        tier: Tier::Raw,
    };
    let mut take = |_: &Sample<'_>| {
        left -= 1;
        if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    history.export(&query, &mut take).unwrap();
    assert_eq!(left, 0, "it stops where it is told to");
}

#[test]
fn events_are_the_latest_in_order_of_time() {
    let mut world = an_hour();
    let other = world.container(&ID.replace("aaaa", "bbbb"), "db", DAY_ZERO);
    world.add(other, &every_second(DAY_ZERO, 5, |_| 1), &[]);
    for (second, container, name, what) in [
        (1, 1, "web", Happening::Started),
        (2, other, "db", Happening::Started),
        (50, 1, "web", Happening::Exited { code: Some(137), count: 1 }),
        (60, 1, "web", Happening::Restarted { count: 1 }),
    ] {
        let record = crate::file::EventRecord {
            at: DAY_ZERO + second * 1_000,
            container,
            name: name.to_owned(),
            what,
        };
        world.file().put_event(&record).unwrap();
    }
    let history = world.history();
    let ask = |selector, range, count| {
        let found = history.events(&EventQuery { selector, range, count }).unwrap();
        found
            .iter()
            .map(|Event { at, name, what, .. }| format!("{} {name} {}", (at - DAY_ZERO) / 1_000, what.word()))
            .collect::<Vec<_>>()
    };
    let ever = range(0, 3_600_000);
    assert_eq!(ask(Selector::default(), ever, 3), ["2 db started", "50 web exited", "60 web restarted"]);
    assert_eq!(
        ask(Selector::of_container("web"), ever, 10),
        ["1 web started", "50 web exited", "60 web restarted"]
    );
    assert_eq!(ask(Selector::of_container("web"), ever, 1), ["60 web restarted"]);
    assert_eq!(ask(Selector::of_container("db"), range(3_000, 9_000_000), 10), [""; 0]);
}

#[test]
fn what_there_is_and_what_it_costs() {
    let world = an_hour();
    let history = world.history();
    let summary = history.summary().unwrap();
    assert_eq!((summary.containers, summary.lines, summary.max_bytes), (1, 1, None));
    let raw = &summary.tiers[0];
    assert_eq!((raw.tier, raw.blocks, raw.span), (Tier::Raw, 11, Some((DAY_ZERO, DAY_ZERO + 3_299_000))));
    assert!(summary.file_bytes > raw.bytes && raw.bytes > 0);
    let costs = history.costs(&Selector::of_container("web")).unwrap();
    let stored: u64 = summary.tiers.iter().map(|tier| tier.bytes).sum();
    let told: u64 = costs.iter().map(|cost| cost.bytes).sum();
    assert!(told <= stored && told + 2 * costs.len() as u64 >= stored, "{told} of {stored}");
    assert!(costs.iter().any(|cost| cost.metric == CPU && cost.values >= 3_300));
    assert!(costs.is_sorted_by(|a, b| a.bytes >= b.bytes));
}
