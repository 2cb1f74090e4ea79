//! Numbers of the fake engine's containers: Docker's stream for each of them, and Podman's one for all.
//!
//! Containers have plausible numbers from the start; [`FakeEngine::set_stats`] gives them others, or trouble.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep};

use super::answer::{head_of, send_chunk};
use super::container::rfc3339;
use super::{FakeContainer, FakeEngine, Shared};

/// What Podman's own path looks like, in the version that clients ask for.
const OF_PODMAN: &str = "/v4.0.0/libpod/containers/stats";

/// What a container's samples say.
#[derive(Clone, Debug)]
pub struct FakeStats {
    /// Processor time that is added from sample to sample, in nanoseconds.
    pub cpu_per_sample: u64,
    /// Memory in bytes, of which none is cache.
    pub memory: u64,
    /// Its limit in bytes; the fake host's memory for none.
    pub memory_limit: u64,
    /// Received and sent bytes by interface.
    pub networks: Vec<(String, u64, u64)>,
    /// How often a sample is sent.
    pub every: Duration,
    /// What is wrong with the stream.
    pub trouble: Trouble,
}

/// What may be wrong with a stream of samples after its head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing.
    #[default]
    None,
    /// Nothing comes.
    Silence,
    /// Lines that are no samples.
    Garbage,
    /// Lines of so many bytes.
    LongLines(usize),
    /// It ends when the first sample is due.
    Ends,
}

impl Default for FakeStats {
    fn default() -> Self {
        Self {
            cpu_per_sample: 10_000_000,
            memory: 4 << 20,
            memory_limit: super::HOST_MEMORY,
            networks: vec![("eth0".to_owned(), 1000, 500)],
            every: Duration::from_millis(50),
            trouble: Trouble::None,
        }
    }
}

impl FakeEngine {
    /// What the container's samples say from now on.
    pub fn set_stats(&self, id: &str, stats: FakeStats) {
        self.shared.state().stats.insert(id.to_owned(), stats);
    }
}

/// By container. What is not in it is as by default.
pub(super) type AllStats = BTreeMap<String, FakeStats>;

/// True for a path whose answer is a stream of samples.
pub(super) fn is_stream(path: &str) -> bool {
    path == OF_PODMAN || of_docker(path).is_some()
}

fn of_docker(path: &str) -> Option<&str> {
    path.strip_prefix("/containers/")?.strip_suffix("/stats")
}

/// Sends samples until the client goes.
pub(super) async fn stream(mut stream: UnixStream, shared: &Shared, path: &str) -> io::Result<()> {
    stream.write_all(head_of(200, None).as_bytes()).await?;
    let mut before = None;
    let mut next = Instant::now();
    let mut nothing = [0; 64];
    loop {
        let now = Moment::now();
        let (sample, stats) = {
            let state = shared.state();
            let of = |container: &FakeContainer| state.stats.get(&container.id).cloned().unwrap_or_default();
            match of_docker(path) {
                Some(id) => match state.containers.iter().find(|container| container.id == id) {
                    Some(container) => {
                        let stats = of(container);
                        (docker(container, &stats, &now, before.as_ref()), stats)
                    }
                    // It was removed.
                    None => return Ok(()),
                },
                None => {
                    let runs = state.containers.iter().filter(|container| container.pid > 0);
                    let all: Vec<_> = runs.map(|container| podman(container, &of(container), &now)).collect();
                    (json!({"Error": null, "Stats": all}), FakeStats::default())
                }
            }
        };
        match stats.trouble {
            Trouble::None => send_chunk(&mut stream, format!("{sample}\n").as_bytes()).await?,
            Trouble::Silence => {}
            Trouble::Garbage => send_chunk(&mut stream, b"}{ nonsense \xff\n").await?,
            Trouble::Ends => return send_chunk(&mut stream, b"").await,
            Trouble::LongLines(length) => {
                let part = vec![b' '; 64 * 1024];
                for _ in 0..length / part.len() {
                    send_chunk(&mut stream, &part).await?;
                }
                send_chunk(&mut stream, b"\n").await?;
            }
        }
        before = Some(now);
        next = Instant::now().max(next + stats.every);
        tokio::select! {
            () = sleep(next - Instant::now()) => {}
            // A client that goes away is noticed at once.
            read = stream.read(&mut nothing) => if read? == 0 { return Ok(()) },
        }
    }
}

/// When a sample is taken. Counters follow from it, so that a stream that begins anew goes on where the last was.
struct Moment {
    /// Unix time in nanoseconds.
    wall: u64,
}

impl Moment {
    fn now() -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        Self { wall: u64::try_from(since.as_nanos()).unwrap() }
    }

    /// Processor time since the container's start.
    fn cpu(&self, container: &FakeContainer, stats: &FakeStats) -> u64 {
        let run = self.wall.saturating_sub(container.started_at.unwrap_or(self.wall));
        let samples = u128::from(run) / stats.every.as_nanos();
        u64::try_from(samples * u128::from(stats.cpu_per_sample)).unwrap()
    }

    fn cpu_json(&self, container: &FakeContainer, stats: &FakeStats) -> Value {
        let total = self.cpu(container, stats);
        json!({
            "cpu_usage": {"total_usage": total, "usage_in_kernelmode": total / 4, "usage_in_usermode": total - total / 4},
            // Two processors, whose time passes whatever they do.
            "system_cpu_usage": self.wall * 2, "online_cpus": 2,
            "throttling_data": {"periods": 0, "throttled_periods": 0, "throttled_time": 0},
        })
    }
}

fn networks(stats: &FakeStats) -> Value {
    let interface = |(name, received, sent): &(String, u64, u64)| {
        let counts = json!({
            "rx_bytes": received, "rx_packets": received / 100, "rx_errors": 0, "rx_dropped": 0,
            "tx_bytes": sent, "tx_packets": sent / 100, "tx_errors": 0, "tx_dropped": 0,
        });
        (name.clone(), counts)
    };
    Value::Object(stats.networks.iter().map(interface).collect())
}

fn docker(container: &FakeContainer, stats: &FakeStats, now: &Moment, before: Option<&Moment>) -> Value {
    let names = json!({"id": container.id, "name": format!("/{}", container.name)});
    if container.pid == 0 {
        let nothing =
            json!({"read": rfc3339(None), "preread": rfc3339(None), "cpu_stats": {}, "memory_stats": {}});
        return merged(names, nothing);
    }
    let precpu = before.map_or(json!({}), |before| before.cpu_json(container, stats));
    let sample = json!({
        "read": rfc3339(Some(now.wall)), "preread": rfc3339(before.map(|before| before.wall)),
        "pids_stats": {"current": 1}, "num_procs": 0, "storage_stats": {},
        "cpu_stats": now.cpu_json(container, stats), "precpu_stats": precpu,
        "memory_stats": {
            "usage": stats.memory, "limit": stats.memory_limit,
            "stats": {"anon": stats.memory, "file": 0, "inactive_file": 0, "active_file": 0, "pgfault": 7, "pgmajfault": 0},
        },
        "blkio_stats": {"io_service_bytes_recursive": null, "io_serviced_recursive": null},
        "networks": networks(stats),
    });
    merged(names, sample)
}

fn merged(mut first: Value, second: Value) -> Value {
    if let (Value::Object(first), Value::Object(second)) = (&mut first, second) {
        first.extend(second);
    }
    first
}

fn podman(container: &FakeContainer, stats: &FakeStats, now: &Moment) -> Value {
    let cpu = now.cpu(container, stats);
    json!({
        "AvgCPU": 0.1, "ContainerID": container.id, "Name": container.name, "CPU": 0.1, "CPUNano": cpu,
        "CPUSystemNano": cpu / 4, "SystemNano": now.wall, "MemUsage": stats.memory, "MemLimit": stats.memory_limit,
        "MemPerc": 0.1, "Network": networks(stats), "BlockInput": 0, "BlockOutput": 0, "PIDs": 1, "UpTime": cpu,
        "Duration": cpu,
    })
}
