use std::sync::Arc;

use plimsoll_model::agent::{Engine, EngineFacts, EngineState};
use plimsoll_model::container::LabelChoice;
use plimsoll_model::{DeviceRow, InterfaceRow};

use super::*;
use crate::line_protocol::{Encoder, Precision};
use crate::point::Tally;

const S: u64 = 1_000_000_000;

fn snapshot(at: u64, usage: u64) -> Snapshot {
    let mut container = Container::new("a1", "docker".into());
    container.name = "web".to_owned();
    container.image = "registry:5000/nginx:1.29".to_owned();
    container.state = State::Running;
    container.health = Health::Healthy;
    let labels = [("com.docker.compose.project", "shop"), ("container_name", "liar"), ("secret", "x")];
    let keys = labels[..2].iter().map(|(key, _)| (*key).to_owned()).collect();
    let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    container.set_labels(labels, &LabelChoice { all: false, keys });
    let mut row = ContainerRow::new(Arc::new(container));
    for (slot, value) in [
        (Slot::CpuUsage, usage),
        (Slot::CfsThrottledTime, 7),
        (Slot::MemoryWorkingSet, 512),
        (Slot::MemoryRss, 100),
        (Slot::MemoryEventMax, 3),
        (Slot::HealthFailingStreak, 0),
        (Slot::OomKilled, 0),
        (Slot::ExitCode, 0),
        (Slot::Restarts, 2),
        (Slot::Started, 4 * S),
        (Slot::Finished, 3 * S),
        (Slot::Uptime, 6 * S),
    ] {
        row.values.set(slot, value);
    }
    for (name, received) in [("eth0", 5), ("eth1", 6)] {
        let mut values = Values::default();
        values.set(InterfaceSlot::RxBytes, received);
        row.interfaces.push(InterfaceRow { name: name.into(), network: "".into(), values });
    }
    let mut values = Values::default();
    values.set(DeviceSlot::ReadBytes, 8);
    values.set(DeviceSlot::WriteBytes, 9);
    row.devices = vec![DeviceRow { name: "8:0".into(), number: Some((8, 0)), values }];
    let mut snapshot = Snapshot { at, containers: vec![row], ..Snapshot::default() };
    let facts = EngineFacts { version: "29.0.1".to_owned(), ..EngineFacts::default() };
    let engine =
        Engine { state: EngineState::Up, facts: Some(Arc::new(facts)), ..Engine::new("docker", "unix:///x") };
    snapshot.agent.engines = vec![engine];
    snapshot.agent.machine.memory = Some(2048);
    snapshot.agent.machine.cores = Some(2);
    snapshot
}

#[test]
fn names_and_types_are_telegrafs() {
    let mut schema = TelegrafDocker::new("node1");
    let mut lines = Vec::new();
    for (at, usage) in [(5 * S, S), (10 * S, 2 * S)] {
        let (mut encoder, mut tally) = (Encoder::new(Precision::Seconds), Tally::default());
        schema.points(&snapshot(at, usage), &|_| true, &mut |point| encoder.push(point, &mut tally));
        assert_eq!((tally.refused.len(), tally.fields_refused), (0, 0));
        lines = String::from_utf8(encoder.take()).unwrap().lines().map(str::to_owned).collect();
    }
    let of = "engine_host=node1,server_version=29.0.1";
    let tags = format!(
        "{of},container_image=registry:5000/nginx,container_name=web,container_status=running,container_version=1.29,\
         com.docker.compose.project=shop"
    );
    let mem = "total_rss=100i,fail_count=3i,usage=512i,limit=2048i,usage_percent=25";
    let expected = [
        format!(
            "docker,{of} n_containers=1i,n_containers_running=1i,n_containers_stopped=0i,n_containers_paused=0i,n_cpus=2i 10"
        ),
        format!("docker,{of},unit=bytes memory_total=2048i 10"),
        format!(
            "docker_container_cpu,{tags},cpu=cpu-total usage_total=2000000000i,throttling_throttled_time=7i,usage_percent=20,\
             container_id=\"a1\" 10"
        ),
        format!("docker_container_mem,{tags} rss=100i,{mem},container_id=\"a1\" 10"),
        format!("docker_container_net,{tags},network=eth0 rx_bytes=5i,container_id=\"a1\" 10"),
        format!("docker_container_net,{tags},network=eth1 rx_bytes=6i,container_id=\"a1\" 10"),
        format!("docker_container_net,{tags},network=total rx_bytes=11i,container_id=\"a1\" 10"),
    ];
    assert_eq!(lines[..7], expected);
    for (line, device) in lines[7..9].iter().zip(["8:0", "total"]) {
        let fields = "io_service_bytes_recursive_read=8i,io_service_bytes_recursive_write=9i,io_service_bytes_recursive_total=17i";
        assert_eq!(
            *line,
            format!("docker_container_blkio,{tags},device={device} {fields},container_id=\"a1\" 10")
        );
    }
    let expected = [
        format!("docker_container_health,{tags} health_status=\"healthy\",failing_streak=0i 10"),
        format!(
            "docker_container_status,{tags} oomkilled=false,exitcode=0i,restart_count=2i,started_at=4000000000i,\
             finished_at=3000000000i,uptime_ns=6000000000i,container_id=\"a1\" 10"
        ),
    ];
    assert_eq!(lines[9..], expected);
}

#[test]
fn images_are_split_as_telegraf_does_it() {
    for (image, expected) in [
        ("nginx", ("nginx", "unknown")),
        ("nginx:1.29", ("nginx", "1.29")),
        ("registry:5000/shop/web:1.2", ("registry:5000/shop/web", "1.2")),
        ("localhost:5000/nginx", ("localhost:5000/nginx", "unknown")),
        ("localhost:5000/team/nginx:1", ("localhost:5000/team/nginx", "1")),
        ("", ("", "unknown")),
    ] {
        assert_eq!(image_and_version(image), expected);
    }
}

#[test]
fn the_uptime_of_a_run_that_is_over_is_its_length() {
    let mut values = Values::default();
    assert_eq!(uptime(&values, 10), None);
    values.set(Slot::Started, 4);
    assert_eq!(uptime(&values, 10), None, "whether it runs is not known");
    values.set(Slot::Finished, 9);
    assert_eq!(uptime(&values, 10), Some(5));
    values.set(Slot::Uptime, 6);
    assert_eq!(uptime(&values, 10), Some(6));
    values.set(Slot::Started, 11);
    assert_eq!(uptime(&values, 10), None);
}
