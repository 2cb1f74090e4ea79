//! Captured samples of three kernels and two engines, and the formulas of the `docker` command on them.

use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

macro_rules! fixture {
    ($path:literal) => {
        include_str!(concat!("../../../../fixtures/", $path))
    };
}

fn parse(json: &str) -> Stats {
    Stats::parse(json.as_bytes()).unwrap_or_else(|| panic!("{json}"))
}

fn about(percent: Option<f64>) -> Option<String> {
    percent.map(|percent| format!("{percent:.4}"))
}

#[test]
fn the_newest_engine_on_both_cgroups() {
    let v1 = parse(fixture!("engine/docker-api-1.56/stats.json"));
    assert_eq!((v1.read, v1.preread), (Some(1_795_223_758_106_954_929), None));
    assert_eq!((v1.cpu.usage.total, v1.cpu.usage.percpu), (Some(340_658_726), 2));
    assert_eq!((v1.cpu.usage.user, v1.cpu.usage.kernel), (Some(240_000_000), Some(90_000_000)));
    assert_eq!((v1.cpu.throttling.periods, v1.cpu.throttling.throttled_time), (Some(34), Some(0)));
    assert_eq!((v1.memory.usage, v1.memory.max_usage), (Some(1_482_752), Some(5_115_904)));
    assert_eq!(v1.memory.stat.total_rss, Some(49_152));
    assert_eq!(v1.memory.stat.hierarchical_memory_limit, Some(134_217_728));
    assert_eq!((v1.pids.current, v1.pids.limit), (Some(1), None));
    assert_eq!((v1.os_type.as_deref(), v1.is_windows()), (Some("linux"), false));
    assert_eq!(v1.memory_used(), Some(1_482_752 - 57_344));
    assert_eq!(about(v1.memory_percent()).as_deref(), Some("1.0620"));
    assert_eq!(v1.cpu_percent(), None, "it is the first of its stream");
    assert_eq!((v1.block_io(), v1.network_io()), (None, None));

    let v2 = parse(fixture!("engine/docker-api-1.56/stats-v2-two.json"));
    // 40 ms of 1030 ms on one processor.
    assert_eq!(about(v2.cpu_percent()).as_deref(), Some("3.8835"));
    assert_eq!(v2.memory_used(), Some(1_105_920), "nothing of the file cache is inactive");
    assert_eq!((v2.memory.stat.shmem, v2.memory.stat.total_shmem), (Some(655_360), None));
    assert_eq!((v2.memory.max_usage, v2.cpu.usage.percpu), (None, 0));
    assert_eq!((v2.pids.current, v2.pids.limit), (Some(2), None));

    let before = parse(fixture!("engine/docker-api-1.56/stats-v2.json"));
    assert_eq!(about(v2.cpu_percent_since(&before)).as_deref(), Some("3.4483"));
    assert_eq!(before.cpu_percent_since(&v2), Some(0.0), "a clock that went back used nothing");

    let paused = parse(fixture!("engine/docker-api-1.56/stats-paused.json"));
    assert_eq!((paused.is_running(), paused.cpu_percent()), (true, Some(0.0)));
}

#[test]
fn an_older_engine_with_networks_and_disks() {
    let captured = fixture!("kernel/v1-docker-20.10.stats.jsonl").lines().map(parse);
    let captured: Vec<Stats> = captured
        .chain(fixture!("kernel/hybrid-docker-20.10.stats.jsonl").lines().map(parse))
        .chain(fixture!("kernel/v2-docker-20.10-uml-6.1.stats.jsonl").lines().map(parse))
        .collect();
    let networks: Vec<_> = captured.iter().filter_map(Stats::network_io).collect();
    assert!(networks.contains(&(1364, 0)), "{networks:?}");
    let (bytes, operations): (Vec<_>, Vec<_>) = captured
        .iter()
        .flat_map(|stats| stats.block.operations.iter().map(|entry| (stats.block_io(), entry)))
        .filter(|(_, entry)| entry.operation == Some(Operation::Read))
        .map(|(io, entry)| (io, entry.value))
        .unzip();
    assert!(operations.contains(&Some(8642)), "{operations:?}");
    assert!(bytes.iter().all(|io| io.is_some_and(|(read, _)| read > 0)), "{bytes:?}");
}

#[test]
fn podmans_own_kind_of_docker() {
    let old = parse(fixture!("engine/podman-4.3/stats.json"));
    assert_eq!((old.networks.len(), old.networks[0].0.as_str()), (1, "network"));
    assert!(old.memory_used().is_some() && old.network_io().is_some());
    assert_eq!((old.cpu_percent(), old.is_windows()), (None, false));
    let new = parse(fixture!("engine/podman-6.0/stats.json"));
    assert_eq!((new.memory_used(), new.memory.limit), (Some(229_376), Some(67_108_864)));
}

#[test]
fn memory_without_cache_that_is_not_used() {
    for (stat, used) in [
        (json!({}), 1000),
        (json!({"inactive_file": 300}), 700),
        (json!({"total_inactive_file": 400, "inactive_file": 300}), 600),
        // As the command does: where the first test fails, the container's own value is taken.
        (json!({"total_inactive_file": 1000, "inactive_file": 300}), 700),
        (json!({"total_inactive_file": 2000, "inactive_file": 2000}), 1000),
        (json!({"inactive_file": 1000}), 1000),
    ] {
        let stats = json!({"read": "2026-01-01T00:00:00Z", "memory_stats": {"usage": 1000, "stats": stat}});
        let stats = parse(&stats.to_string());
        assert_eq!((stats.memory_used(), stats.memory_percent()), (Some(used), None), "{stat}");
    }
}

#[test]
fn processors_of_unix() {
    for (cpu, percent) in [
        (json!({"cpu_usage": {"total_usage": 30}, "system_cpu_usage": 200, "online_cpus": 4}), Some(80.0)),
        // Before API 1.27 only the list tells how many there are.
        (
            json!({"cpu_usage": {"total_usage": 30, "percpu_usage": [1, 2]}, "system_cpu_usage": 200}),
            Some(40.0),
        ),
        (
            json!({"cpu_usage": {"total_usage": 30, "percpu_usage": [1]}, "system_cpu_usage": 200, "online_cpus": 0}),
            Some(20.0),
        ),
        (json!({"cpu_usage": {"total_usage": 10}, "system_cpu_usage": 200, "online_cpus": 4}), Some(0.0)),
        (json!({"cpu_usage": {"total_usage": 30}, "system_cpu_usage": 100, "online_cpus": 4}), Some(0.0)),
        (json!({"cpu_usage": {"total_usage": 30}, "system_cpu_usage": 200}), None),
        (json!({"cpu_usage": {"total_usage": 30}, "online_cpus": 4}), None),
        (json!({"system_cpu_usage": 200, "online_cpus": 4}), None),
    ] {
        let stats = json!({
            "read": "2026-01-01T00:00:01Z", "preread": "2026-01-01T00:00:00Z", "cpu_stats": cpu,
            "precpu_stats": {"cpu_usage": {"total_usage": 10}, "system_cpu_usage": 100},
        });
        assert_eq!(parse(&stats.to_string()).cpu_percent(), percent, "{cpu}");
    }
}

#[test]
fn windows_has_its_own_formulas() {
    let mut stats = json!({
        "read": "2026-01-01T00:00:02Z", "preread": "2026-01-01T00:00:01Z", "num_procs": 4,
        "cpu_stats": {"cpu_usage": {"total_usage": 6_000_000}},
        "precpu_stats": {"cpu_usage": {"total_usage": 2_000_000}},
        "memory_stats": {"commitbytes": 9, "privateworkingset": 77},
        "storage_stats": {"read_size_bytes": 11, "write_size_bytes": 22, "read_count_normalized": 1},
        "blkio_stats": {"io_service_bytes_recursive": null},
        "networks": {"f4b5": {"rx_bytes": 1, "tx_bytes": 2, "endpoint_id": "f4b5"}},
    });
    for os in [json!(null), json!("windows")] {
        stats["os_type"] = os;
        let stats = parse(&stats.to_string());
        // 0.4 s of processor time in a second of four processors.
        assert_eq!(stats.cpu_percent(), Some(10.0));
        assert_eq!((stats.memory_used(), stats.memory_percent()), (Some(77), None));
        assert_eq!((stats.block_io(), stats.network_io()), (Some((11, 22)), Some((1, 2))));
        assert_eq!(stats.storage.reads, Some(1));
    }
    stats["os_type"] = json!("linux");
    assert_eq!(parse(&stats.to_string()).memory_used(), None);
}

#[test]
fn block_io_by_the_first_letter() {
    let io = |list: Value| {
        let stats =
            json!({"read": "2026-01-01T00:00:00Z", "blkio_stats": {"io_service_bytes_recursive": list}});
        parse(&stats.to_string()).block_io()
    };
    let entry = |op: &str, value: u64| json!({"major": 8, "minor": 0, "op": op, "value": value});
    assert_eq!(
        io(json!([entry("Read", 1), entry("Write", 2), entry("Total", 3), entry("", 9)])),
        Some((1, 2))
    );
    assert_eq!(io(json!([entry("read", 1), entry("write", 2), entry("read", 4)])), Some((5, 2)));
    assert_eq!(io(json!([entry("read", u64::MAX), entry("read", 1)])), None);
    assert_eq!(io(json!([])), None);
    assert_eq!(io(json!(null)), None);
    let many = vec![entry("read", 1); MAX_BLOCK_ENTRIES + 5];
    assert_eq!(io(json!(many)), Some((MAX_BLOCK_ENTRIES as u64, 0)));
}

#[test]
fn what_does_not_run_has_nothing_in_it() {
    let stopped = r#"{"read":"0001-01-01T00:00:00Z","pids_stats":{},"num_procs":0,"cpu_stats":{"cpu_usage":{"total_usage":0}},"memory_stats":{},"name":"/x","id":"x"}"#;
    let stats = parse(stopped);
    assert_eq!((stats.is_running(), &stats), (false, &Stats::default()));
    for body in ["", "5", "[]", "null", "{", r#"{"read":"2026"#] {
        assert_eq!(Stats::parse(body.as_bytes()), None, "{body}");
    }
}

#[test]
fn odd_fields_do_not_take_the_others() {
    let whole = parse(fixture!("engine/docker-api-1.56/stats.json"));
    let original: Value = serde_json::from_str(fixture!("engine/docker-api-1.56/stats.json")).unwrap();
    let fields: Vec<String> = original.as_object().unwrap().keys().cloned().collect();
    for field in fields.iter().filter(|field| *field != "read") {
        for odd in [json!(null), json!(-1), json!(1e300), json!("x"), json!([[1]]), json!({"a": []})] {
            let mut changed = original.clone();
            changed[field] = odd.clone();
            let stats = parse(&changed.to_string());
            assert_eq!(stats.read, whole.read, "{field} {odd}");
            assert!(field == "cpu_stats" || stats.cpu == whole.cpu, "{field} {odd}");
            assert!(field == "memory_stats" || stats.memory == whole.memory, "{field} {odd}");
        }
    }
}

proptest! {
    #[test]
    fn damaged_samples(
        cut in any::<prop::sample::Index>(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
    ) {
        let mut bytes = fixture!("engine/docker-api-1.56/stats.json").as_bytes().to_vec();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        for bytes in [&bytes[..], &bytes[..cut.index(bytes.len())]] {
            if let Some(stats) = Stats::parse(bytes) {
                prop_assert!(stats.memory_used() <= stats.memory.usage);
                let _ = (stats.cpu_percent(), stats.block_io(), stats.network_io());
            }
            crate::podman::sample(bytes);
        }
    }
}
