//! What the fake engine says of one container.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// A container of the fake engine. Made running, with plausible values; the methods change one thing each.
#[derive(Clone, Debug)]
pub struct FakeContainer {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) image: String,
    pub(super) image_id: String,
    pub(super) labels: BTreeMap<String, String>,
    state: String,
    pub(super) pid: u32,
    exit_code: i64,
    created: u64,
    pub(super) started_at: Option<u64>,
    finished_at: Option<u64>,
    restart_count: u64,
    restart_policy: String,
    oom_killed: bool,
    health: Option<(String, u64)>,
    network_mode: String,
    hostname: String,
    runtime: String,
    cgroup_parent: String,
    networks: Vec<(String, String, u8, String)>,
    volumes: Vec<(String, String)>,
    pub(super) pod: Option<String>,
}

impl FakeContainer {
    /// A running container. Its id follows from its name: see [`id_of`].
    pub fn new(name: &str) -> Self {
        let created = 1_700_000_000_000_000_000;
        let id = id_of(name);
        Self {
            hostname: id[..12].to_owned(),
            id,
            name: name.to_owned(),
            image: "busybox:local".to_owned(),
            image_id: format!("sha256:{}", id_of("busybox:local")),
            labels: BTreeMap::new(),
            state: "running".to_owned(),
            pid: 1000,
            exit_code: 0,
            created,
            started_at: Some(created + 123_456_789),
            finished_at: None,
            restart_count: 0,
            restart_policy: "no".to_owned(),
            oom_killed: false,
            health: None,
            network_mode: "default".to_owned(),
            runtime: "runc".to_owned(),
            cgroup_parent: String::new(),
            networks: Vec::new(),
            volumes: Vec::new(),
            pod: None,
        }
    }

    /// Its id, if not the one that follows from the name.
    #[must_use]
    pub fn id(mut self, id: &str) -> Self {
        self.id = id.to_owned();
        self
    }

    /// The reference of its image; the image's id follows from it.
    #[must_use]
    pub fn image(mut self, image: &str) -> Self {
        self.image = image.to_owned();
        self.image_id = format!("sha256:{}", id_of(image));
        self
    }

    /// Adds a label.
    #[must_use]
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.labels.insert(key.to_owned(), value.to_owned());
        self
    }

    /// `running`, `created`, `paused`, `restarting`, `exited`, … Other than `running` and `paused` takes the process
    /// away, `created` the start too.
    #[must_use]
    pub fn state(mut self, state: &str) -> Self {
        self.state = state.to_owned();
        if !matches!(state, "running" | "paused") {
            self.pid = 0;
        }
        if state == "created" {
            self.started_at = None;
        }
        self
    }

    /// The id of its first process on the host; 0 for none.
    #[must_use]
    pub fn pid(mut self, pid: u32) -> Self {
        self.pid = pid;
        self
    }

    /// Ended with this code at this moment (Unix nanoseconds): state `exited`, no process.
    #[must_use]
    pub fn exited(self, exit_code: i64, finished_at: u64) -> Self {
        let mut exited = self.state("exited");
        exited.exit_code = exit_code;
        exited.finished_at = Some(finished_at);
        exited
    }

    /// When it was created, in Unix nanoseconds.
    #[must_use]
    pub fn created(mut self, nanos: u64) -> Self {
        self.created = nanos;
        self
    }

    /// When it was started, in Unix nanoseconds.
    #[must_use]
    pub fn started_at(mut self, nanos: u64) -> Self {
        self.started_at = Some(nanos);
        self
    }

    /// When it last ended, in Unix nanoseconds.
    #[must_use]
    pub fn finished_at(mut self, nanos: u64) -> Self {
        self.finished_at = Some(nanos);
        self
    }

    /// How often its restart policy started it again.
    #[must_use]
    pub fn restart_count(mut self, count: u64) -> Self {
        self.restart_count = count;
        self
    }

    /// The name of its restart policy.
    #[must_use]
    pub fn restart_policy(mut self, policy: &str) -> Self {
        self.restart_policy = policy.to_owned();
        self
    }

    /// The engine saw the kernel kill it.
    #[must_use]
    pub fn oom_killed(mut self) -> Self {
        self.oom_killed = true;
        self
    }

    /// The state of its health check, and how many checks failed in a row. Listings tell it from API 1.52 on.
    #[must_use]
    pub fn health(mut self, status: &str, failing_streak: u64) -> Self {
        self.health = Some((status.to_owned(), failing_streak));
        self
    }

    /// `default`, `host`, `none`, `container:<id>` or the name of a network.
    #[must_use]
    pub fn network_mode(mut self, mode: &str) -> Self {
        self.network_mode = mode.to_owned();
        self
    }

    /// Attaches it to a network.
    #[must_use]
    pub fn network(mut self, name: &str, ip_address: &str, prefix_len: u8, mac: &str) -> Self {
        self.networks.push((name.to_owned(), ip_address.to_owned(), prefix_len, mac.to_owned()));
        self
    }

    /// Mounts a volume.
    #[must_use]
    pub fn volume(mut self, name: &str, destination: &str) -> Self {
        self.volumes.push((name.to_owned(), destination.to_owned()));
        self
    }

    /// The name of its pod, as Podman tells it; the pod's id follows from it.
    #[must_use]
    pub fn pod(mut self, name: &str) -> Self {
        self.pod = Some(name.to_owned());
        self
    }

    /// The host name inside.
    #[must_use]
    pub fn hostname(mut self, hostname: &str) -> Self {
        self.hostname = hostname.to_owned();
        self
    }

    /// The OCI runtime.
    #[must_use]
    pub fn runtime(mut self, runtime: &str) -> Self {
        self.runtime = runtime.to_owned();
        self
    }

    /// The parent cgroup.
    #[must_use]
    pub fn cgroup_parent(mut self, parent: &str) -> Self {
        self.cgroup_parent = parent.to_owned();
        self
    }

    fn networks_json(&self) -> Value {
        let network = |(name, ip, bits, mac): &(String, String, u8, String)| {
            let endpoint = json!({
                "IPAMConfig": null, "Links": null, "Aliases": null, "NetworkID": id_of(name), "EndpointID": "",
                "Gateway": "", "IPAddress": ip, "IPPrefixLen": bits, "IPv6Gateway": "", "GlobalIPv6Address": "",
                "GlobalIPv6PrefixLen": 0, "MacAddress": mac, "DriverOpts": null,
            });
            (name.clone(), endpoint)
        };
        Value::Object(self.networks.iter().map(network).collect())
    }

    fn mounts_json(&self) -> Value {
        let mount = |(name, destination): &(String, String)| {
            json!({
                "Type": "volume", "Name": name, "Source": "", "Destination": destination, "Driver": "local", "Mode": "z",
                "RW": true, "Propagation": "",
            })
        };
        self.volumes.iter().map(mount).collect()
    }

    pub(super) fn summary_json(&self, api: (u16, u16)) -> Value {
        let mut summary = json!({
            "Id": self.id, "Names": [format!("/{}", self.name)], "Image": self.image, "ImageID": self.image_id,
            "Command": "sleep 1000", "Created": self.created / 1_000_000_000, "Ports": [], "Labels": self.labels,
            "State": self.state, "Status": "Up 2 minutes", "HostConfig": {"NetworkMode": self.network_mode},
            "NetworkSettings": {"Networks": self.networks_json()}, "Mounts": self.mounts_json(),
        });
        if api >= (1, 52) {
            let (status, streak) = self.health.clone().unwrap_or(("none".to_owned(), 0));
            summary["Health"] = json!({"Status": status, "FailingStreak": streak});
        }
        summary
    }

    pub(super) fn member_json(&self) -> Value {
        let pod = self.pod.as_deref();
        json!({"Id": self.id, "Pod": pod.map(id_of), "PodName": pod, "IsInfra": false})
    }

    pub(super) fn details_json(&self) -> Value {
        let is = |state: &str| self.state == state;
        let mut details = json!({
            "Id": self.id, "Created": rfc3339(Some(self.created)), "Path": "sleep", "Args": ["1000"],
            "State": {
                "Status": self.state, "Running": is("running") || is("paused") || is("restarting"), "Paused": is("paused"),
                "Restarting": is("restarting"), "OOMKilled": self.oom_killed, "Dead": is("dead"), "Pid": self.pid,
                "ExitCode": self.exit_code, "Error": "", "StartedAt": rfc3339(self.started_at),
                "FinishedAt": rfc3339(self.finished_at),
            },
            "Image": self.image_id, "Name": format!("/{}", self.name), "RestartCount": self.restart_count,
            "Driver": "overlay2", "Platform": "linux", "ExecIDs": null,
            "HostConfig": {
                "NetworkMode": self.network_mode, "RestartPolicy": {"Name": self.restart_policy, "MaximumRetryCount": 0},
                "Runtime": self.runtime, "CgroupParent": self.cgroup_parent, "Memory": 0, "NanoCpus": 0,
            },
            "Mounts": self.mounts_json(),
            "Config": {"Hostname": self.hostname, "Image": self.image, "Labels": self.labels, "Env": null},
            "NetworkSettings": {"Ports": {}, "Networks": self.networks_json()},
        });
        if let Some((status, streak)) = &self.health {
            details["State"]["Health"] = json!({"Status": status, "FailingStreak": streak, "Log": []});
        }
        details
    }
}

/// The id that a thing of this name gets: 64 hexadecimal digits, always the same.
pub fn id_of(name: &str) -> String {
    let mut id = String::new();
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    while id.len() < 64 {
        // FNV-1a, over and over: nothing here is secret.
        for byte in name.bytes().chain([b'\n']) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        id.push_str(&format!("{hash:016x}"));
    }
    id
}

pub(super) fn rfc3339(nanos: Option<u64>) -> String {
    match nanos {
        Some(nanos) => jiff::Timestamp::from_nanosecond(nanos.into()).unwrap().to_string(),
        None => "0001-01-01T00:00:00Z".to_owned(),
    }
}
