//! What Podman says beyond Docker's API, under paths of its own (`/libpod`).

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::lenient::{Bounded, Object, Presence, Text, scalar};
use crate::stats::{InterfaceStats, SampleStream, interfaces};
use crate::types::{elements, usable_id};

/// The version in the paths: the oldest that Podman 4 to 6 speak. Newer ones add nothing to what is asked for here, and
/// paths without a version do not exist.
const API: &str = "4.0.0";

/// A path of Podman's own.
pub(crate) fn path(path: &str) -> String {
    format!("/v{API}/libpod{path}")
}

/// To which pod a container belongs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodMembership {
    /// The pod's id.
    pub pod_id: String,
    /// The pod's name.
    pub pod_name: String,
    /// True if the container is the one that Podman itself made to hold the pod's namespaces.
    pub is_infra: bool,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct MemberWire {
    #[serde(deserialize_with = "scalar")]
    id: Option<Text>,
    #[serde(deserialize_with = "scalar")]
    pod: Option<Text>,
    #[serde(deserialize_with = "scalar")]
    pod_name: Option<String>,
    #[serde(deserialize_with = "scalar")]
    is_infra: Option<bool>,
}

/// The pods' members by container id; `None` if it is no complete JSON array.
pub(crate) fn pods(body: &[u8]) -> Option<BTreeMap<String, PodMembership>> {
    let (members, _) = elements::<MemberWire>(body)?;
    let member = |wire: MemberWire| {
        let (id, pod_id) = (usable_id(wire.id)?, usable_id(wire.pod)?);
        let pod_name = wire.pod_name.unwrap_or_default();
        Some((id, PodMembership { pod_id, pod_name, is_infra: wire.is_infra.unwrap_or(false) }))
    };
    Some(members.into_iter().filter_map(member).collect())
}

/// How many containers of one sample are kept; the rest is dropped and counted.
pub const MAX_PODMAN_CONTAINERS: usize = 4096;

/// The samples of all running containers, made by [`Client::libpod_stats`](crate::Client::libpod_stats).
pub type LibpodStatsStream = SampleStream<PodmanSample>;

/// One sample of all running containers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodmanSample {
    /// The containers, in Podman's order.
    pub containers: Vec<PodmanStats>,
    /// Elements that could not be used, and those beyond [`MAX_PODMAN_CONTAINERS`].
    pub dropped: usize,
    /// True if Podman could not take the sample. It ends the stream then, and says why in its own log alone.
    pub failed: bool,
}

/// What Podman tells of one container in its own words.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodmanStats {
    /// The container's full id.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// When the sample was taken, in nanoseconds since the Unix epoch by Podman's clock.
    pub read: Option<u64>,
    /// The processor time that it used since it started, in nanoseconds.
    pub cpu: Option<u64>,
    /// The part of it that was spent in the kernel, in nanoseconds. Podman says 0 on cgroup v2 where it does not know.
    pub cpu_kernel: Option<u64>,
    /// Memory in bytes, page cache included.
    pub memory_usage: Option<u64>,
    /// The limit of it; the host's memory if there is none.
    pub memory_limit: Option<u64>,
    /// How many tasks there are.
    pub pids: Option<u64>,
    /// Bytes read from block devices.
    pub block_read: Option<u64>,
    /// Bytes written to them.
    pub block_written: Option<u64>,
    /// Bytes received over all interfaces; absent from Podman 5.0 on, which tells them by interface.
    pub network_received: Option<u64>,
    /// Bytes sent over all interfaces; absent from Podman 5.0 on.
    pub network_sent: Option<u64>,
    /// The interfaces, by name. From Podman 5.0 on.
    pub networks: Vec<(String, InterfaceStats)>,
}

impl PodmanStats {
    /// Bytes received and sent, over all interfaces. Absent without a network of the container's own; Podman 4 says
    /// zeroes then.
    pub fn network_io(&self) -> Option<(u64, u64)> {
        if self.networks.is_empty() {
            return Some((self.network_received?, self.network_sent?));
        }
        self.networks.iter().try_fold((0_u64, 0_u64), |(received, sent), (_, interface)| {
            Some((received.checked_add(interface.rx_bytes?)?, sent.checked_add(interface.tx_bytes?)?))
        })
    }
}

// Left out: `CPU`, `AvgCPU`, `MemPerc`, which are derived; `UpTime` and `Duration`, which are the processor time again.
#[derive(Deserialize, Default)]
#[serde(default)]
struct StatsWire {
    #[serde(rename = "ContainerID", deserialize_with = "scalar")]
    id: Option<Text>,
    #[serde(rename = "Name", deserialize_with = "scalar")]
    name: Option<String>,
    #[serde(rename = "SystemNano", deserialize_with = "scalar")]
    read: Option<u64>,
    #[serde(rename = "CPUNano", deserialize_with = "scalar")]
    cpu: Option<u64>,
    #[serde(rename = "CPUSystemNano", deserialize_with = "scalar")]
    cpu_kernel: Option<u64>,
    #[serde(rename = "MemUsage", deserialize_with = "scalar")]
    memory_usage: Option<u64>,
    #[serde(rename = "MemLimit", deserialize_with = "scalar")]
    memory_limit: Option<u64>,
    #[serde(rename = "PIDs", deserialize_with = "scalar")]
    pids: Option<u64>,
    #[serde(rename = "BlockInput", deserialize_with = "scalar")]
    block_read: Option<u64>,
    #[serde(rename = "BlockOutput", deserialize_with = "scalar")]
    block_written: Option<u64>,
    #[serde(rename = "NetInput", deserialize_with = "scalar")]
    network_received: Option<u64>,
    #[serde(rename = "NetOutput", deserialize_with = "scalar")]
    network_sent: Option<u64>,
    #[serde(rename = "Network", deserialize_with = "interfaces")]
    networks: Vec<(String, InterfaceStats)>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct SampleWire {
    error: Presence,
    stats: Bounded<StatsWire, MAX_PODMAN_CONTAINERS>,
}

/// Reads one sample; `None` if the bytes are no JSON object.
pub(crate) fn sample(bytes: &[u8]) -> Option<PodmanSample> {
    let wire = serde_json::from_slice::<Object<SampleWire>>(bytes).ok()?.0?;
    let mut sample =
        PodmanSample { failed: wire.error.0, dropped: wire.stats.dropped, ..PodmanSample::default() };
    for wire in wire.stats.items {
        let read = wire.read.filter(|&nanos| nanos > 0);
        match usable_id(wire.id) {
            // While nothing runs at all, Podman lists what does not run, with zeroes.
            Some(_) if read.is_none() => {}
            Some(id) => sample.containers.push(PodmanStats {
                id,
                name: wire.name,
                read,
                cpu: wire.cpu,
                cpu_kernel: wire.cpu_kernel,
                memory_usage: wire.memory_usage,
                memory_limit: wire.memory_limit,
                pids: wire.pids,
                block_read: wire.block_read,
                block_written: wire.block_written,
                network_received: wire.network_received,
                network_sent: wire.network_sent,
                networks: wire.networks,
            }),
            None => sample.dropped += 1,
        }
    }
    Some(sample)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_of_all_containers() {
        let old = sample(include_bytes!("../../../fixtures/engine/podman-4.3/libpod-stats.json")).unwrap();
        assert_eq!((old.containers.len(), old.dropped, old.failed), (3, 0, false));
        let web = old.containers.iter().find(|stats| stats.name.as_deref() == Some("web")).unwrap();
        assert!(
            web.cpu > web.cpu_kernel
                && web.cpu_kernel > Some(0)
                && web.read > Some(1_795_000_000_000_000_000)
        );
        assert!(web.network_io().unwrap().0 > 0 && web.networks.is_empty());

        let new = sample(include_bytes!("../../../fixtures/engine/podman-6.0/libpod-stats.json")).unwrap();
        let web = &new.containers[0];
        assert_eq!((web.cpu, web.memory_usage, web.pids), (Some(610_000_000), Some(229_376), Some(1)));
        assert_eq!((web.memory_limit, web.block_read), (Some(67_108_864), Some(0)));
        assert_eq!(web.network_io(), None, "it has no network of its own");

        let networks = r#"{"Stats":[5,{"ContainerID":"a","SystemNano":7,"Network":{
            "eth0":{"RxBytes":3,"RxDropped":1,"RxErrors":0,"RxPackets":2,"TxBytes":5,"TxDropped":0,"TxErrors":0,"TxPackets":4},
            "eth1":{"RxBytes":10,"TxBytes":20}}}]}"#;
        let sample = sample(networks.as_bytes()).unwrap();
        assert_eq!((sample.containers[0].network_io(), sample.dropped), (Some((13, 25)), 1));
        assert_eq!(sample.containers[0].networks[0].1.rx_packets, Some(2));
    }

    #[test]
    fn odd_samples() {
        for (body, failed, containers) in [
            (r#"{"Error":{},"Stats":null}"#, true, 0),
            (r#"{"Error":null,"Stats":[]}"#, false, 0),
            (
                r#"{"Error":null,"Stats":[{"ContainerID":"a","SystemNano":7,"CPUNano":"x","PIDs":-1,"CPU":1e300}]}"#,
                false,
                1,
            ),
            (r#"{"Error":null,"Stats":[{"ContainerID":"a","SystemNano":0,"CPUNano":0}]}"#, false, 0),
            ("{}", false, 0),
        ] {
            let sample = sample(body.as_bytes()).unwrap();
            assert_eq!((sample.failed, sample.containers.len()), (failed, containers), "{body}");
        }
        for body in ["", "[]", "5", "{", "{\"Stats\":["] {
            assert_eq!(sample(body.as_bytes()), None, "{body}");
        }
        let many = vec![r#"{"ContainerID":"a","SystemNano":7}"#; MAX_PODMAN_CONTAINERS + 3].join(",");
        let sample = sample(format!(r#"{{"Stats":[{many}]}}"#).as_bytes()).unwrap();
        assert_eq!((sample.containers.len(), sample.dropped), (MAX_PODMAN_CONTAINERS, 3));
    }

    #[test]
    fn members_of_pods() {
        for (body, pod_name, infra, others) in [
            (include_bytes!("../../../fixtures/engine/podman-4.3/libpod-list.json").as_slice(), "pod1", 1, 1),
            (include_bytes!("../../../fixtures/engine/podman-6.0/libpod-list.json").as_slice(), "pod1", 1, 1),
        ] {
            let pods = pods(body).unwrap();
            assert!(pods.values().all(|member| member.pod_name == pod_name && member.pod_id.len() == 64));
            let infras = pods.values().filter(|member| member.is_infra).count();
            assert_eq!((infras, pods.len() - infras), (infra, others));
        }
    }

    #[test]
    fn odd_members_do_not_take_the_others() {
        let good = r#"{"Id":"a","Pod":"p","PodName":"n"}"#;
        for odd in ["5", "{}", r#"{"Id":"b"}"#, r#"{"Id":"b","Pod":"../x"}"#, r#"{"Id":"b","Pod":"\ud800"}"#]
        {
            let pods = pods(format!("[{odd},{good}]").as_bytes()).unwrap();
            assert_eq!(pods.len(), 1, "{odd}");
            assert_eq!((pods["a"].pod_name.as_str(), pods["a"].is_infra), ("n", false));
        }
        assert_eq!(pods(b"{}"), None);
        assert_eq!(pods(b"["), None);
    }
}
