//! What fuzzing begins with: what real kernels and engines said, from `fixtures/`.

use std::fs;
use std::path::{Path, PathBuf};

use plimsoll_testkit::tree;

/// The largest seed, in bytes. A fuzzer gets on with small ones.
const MAX_SEED: usize = 6 * 1024;

/// How many lines of an event stream are a seed.
const EVENTS: usize = 3;

/// The seeds of a target.
pub(crate) fn of(target: &str) -> Vec<Vec<u8>> {
    let mut seeds = match target {
        "kernel_files" => kernel(|path| path.starts_with("cgroup")),
        "proc" => kernel(|path| !path.starts_with("cgroup")),
        "locate" => PLACES.iter().map(|path| path.replace("ID", &"0123456789abcdef".repeat(4)).into_bytes()).collect(),
        "endpoint" => ADDRESSES.iter().map(|address| address.as_bytes().to_vec()).collect(),
        "engine_replies" => replies(),
        "state_files" => STATES.iter().map(|file| file.as_bytes().to_vec()).collect(),
        "event_stream" => streams(),
        "http" => replies().iter().chain(&streams()).flat_map(|body| answers(body)).collect(),
        "prometheus_accept" => ACCEPTED.iter().map(|header| header.as_bytes().to_vec()).collect(),
        "label_escaping" => vec![
            b"0a1b2c3d4e5f\xffweb\xffnginx:1.29\xffhost\xffrunning\xffeth0\xffshop\xffteam.a\xff1\xffteam_a\xff2".to_vec(),
            [b"0a1b\xff", "\u{e9}\u{1f6a2}".repeat(200).as_bytes(), b"\xffimage"].concat(),
            b"\"\xff\\\xff\n\xff\\n\xff} 1\n\xff\xff,a=\"\xff\"eth\\0\n\xff# HELP\xff\xf0\x9f\x9a\xa2\xff\xc3\xa9".to_vec(),
        ],
        "custom" => CUSTOM.iter().map(|text| text.as_bytes().to_vec()).collect(),
        "points" => POINTS.iter().chain(CUSTOM).map(|text| text.as_bytes().to_vec()).collect(),
        "census" => census(),
        _ => Vec::new(),
    };
    seeds.sort();
    seeds.dedup();
    seeds
}

/// Where engines put a container with this id.
const PLACES: &[&str] = &[
    "/docker/ID",
    "/system.slice/docker-ID.scope/init.scope",
    "/user.slice/user-1000.slice/user@1000.service/user.slice/docker-ID.scope",
    "/machine.slice/libpod-ID.scope/container\n/machine.slice/libpod-conmon-ID.scope",
    "/libpod_parent/ID/libpod-ID",
    "/machine.slice/machine-libpod_pod_ID.slice/libpod-ID.scope",
    "/user.slice/user-1000.slice/user@1000.service/app.slice/web.service/libpod-payload-ID",
    "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod2c48913c_b29f_11e7_9350_020968147796.slice/cri-containerd-ID.scope",
    "/kubepods/besteffort/pod2c48913c-b29f-11e7-9350-020968147796/ID",
    "/kubepods.slice/kubepods-pod2c48913c_b29f.slice:cri-containerd:ID",
    "/kubepods.slice/kubepods-pod2c48913c_b29f.slice/crio-ID.scope\n/crio-conmon-ID.scope",
    "/k8s.io/web\n/default/ID\n/a/../docker/ID",
];

/// Points as others write them.
const POINTS: &[&str] = &[
    "cpu,host=a usage=1.5,n=2i,ok=true,s=\"x\\\"y\" 1700000000000000000\nmem used=1u\n# comment\n\nbad line\n",
    "a\\ b,c\\,d=e\\=f g\\ h=\"\\\\\",i=-1e3 5",
    "{\"measurement\":\"cpu\",\"tags\":{\"a\":\"b\"},\"fields\":{\"v\":1},\"time\":5}\n",
];

/// Reports with every key, with what is nearly one, and names of images.
const REPORTS: &[&str] = &[
    r#"{"installation_id":"a1b2c3d4-e5f6-7890-abcd-ef1234567890","version":"0.6.0","timestamp":"2025-10-16T20:00:00.5+02:00","host_count":3,"agent_count":2,"total_containers":25,"scan_interval_seconds":300,"image_stats":[{"image":"ghcr.io/a/b:1@sha256:00","count":5,"size_bytes":142000000},{"IMAGE":"lscr.io/x","Count":-3},null,{"image":"lscr.io/x","count":3}],"agent_versions":{"0.5.0":1,"0.6.0":null},"containers_running":20,"containers_stopped":4,"containers_paused":1,"containers_other":0,"avg_cpu_percent":0.5e1,"avg_memory_bytes":9,"total_memory_limit":9,"avg_restarts":0.48,"high_restart_containers":2,"total_image_size":5368709120,"unique_images":15,"timezone":"America/New_York","compose_project_count":1,"containers_in_compose":2,"network_count":3,"custom_network_count":1,"shared_volume_count":1,"containers_with_deps":1,"total_dependencies":2,"avg_connections_per_container":1.3928571428571428}"#,
    r#"{"installation_id":"x","timestamp":"0001-01-01T00:00:00Z","foreign":{"a":[[{"b":"]\""}],1e999]},"timezone":"\u0000"}"#,
    r#"{"installation_id":"\ud83d\udea2","timestamp":"9999-12-31T23:59:59-23:59","image_stats":null,"agent_versions":{"\u00e9":1}}"#,
    r#"[{"name":"web","image":"localhost:5000/x:dev","state":"running","volumes":[{"name":"d","type":"volume"}],"labels":{"com.docker.compose.depends_on":"db:service_healthy:true,cache"},"memory_limit":1048576,"created":"2026-11-21T01:28:07Z","links":["a:b"],"ports":[{"private_port":80}],"started_at":"x","network_details":[{"aliases":null}]}]"#,
    "registry.example.com:5000/team/library/app:1.2@sha256:0123abcd",
];

/// Addresses of every form, and of some that are none.
const ADDRESSES: &[&str] = &[
    "unix:///var/run/docker.sock",
    "/run/podman/podman.sock",
    "tcp://localhost:2375\ntcp://10.0.0.1:2375/\nhttp://host:1",
    "https://[::1]:2376",
    "ssh://me@host.example:22/run/user/1000/podman/podman.sock\nssh://host\nssh://[fe80::1]",
    "npipe:////./pipe/docker_engine\nfd://\ntcp://user@host:1",
];

/// What engines write for themselves: Docker, Podman, containerd for Kubernetes, CRI-O, nerdctl.
const STATES: &[&str] = &[
    r#"{"Name":"/web-1","Created":"2026-11-21T12:52:11.387456814Z","Config":{"Image":"nginx:1","Labels":{"a":"b"}}}"#,
    r#"[5,{"id":"0a1b","names":["web"],"metadata":"{\"image-name\":\"busybox:local\",\"name\":\"web\"}","created":"2026-11-21T12:32:06Z"}]"#,
    r#"{"annotations":{"io.kubernetes.cri.container-type":"container","io.kubernetes.cri.container-name":"web","io.kubernetes.cri.image-name":"reg/web:1","io.kubernetes.cri.sandbox-name":"shop-1","io.kubernetes.cri.sandbox-namespace":"default","io.kubernetes.cri.sandbox-uid":"u-1"}}"#,
    r#"{"annotations":{"io.kubernetes.cri-o.ContainerType":"sandbox","io.kubernetes.cri-o.ImageName":"pause:3","io.kubernetes.cri-o.Created":"2026-11-21T12:32:06Z","io.kubernetes.cri-o.Labels":"{\"io.kubernetes.pod.name\":\"shop\",\"io.kubernetes.pod.namespace\":\"x\"}"}}"#,
    r#"{"annotations":{"nerdctl/name":"web"}}"#,
];

/// What Prometheus 2 and 3, vmagent, Telegraf and browsers ask for.
const ACCEPTED: &[&str] = &[
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=1.0.0;q=0.4,text/plain;version=0.0.4;q=0.3",
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,text/plain;version=0.0.4;q=0.3",
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8",
    "Application/OpenMetrics-Text; Version=\"1.0.0\"; Q=0.001, text/*",
];

/// What commands and servers print: both dialects of Prometheus' text, both forms of JSON, and what is nearly that.
const CUSTOM: &[&str] = &[
    "# HELP http_requests_total The total\\nnumber.\n# TYPE http_requests_total counter\nhttp_requests_total{method=\"post\",code=\"200\"} 1027 1395066363000\n\nmsdos_file_access_time_seconds{path=\"C:\\\\DIR\\\\FILE.TXT\",error=\"Cannot find file:\\n\\\"FILE.TXT\\\"\"} 1.458255915e9\nsomething_weird{problem=\"division by zero\"} +Inf -3982045\n",
    "# TYPE rpc_seconds summary\nrpc_seconds{quantile=\"0.99\"} NaN\nrpc_seconds_sum 1.7560473e+07\nrpc_seconds_count 2693\n# TYPE wait histogram\nwait_bucket{le=\"0.05\",} 24054\nwait_bucket{le=\"+Inf\"}144320\nwait_sum 53423\nwait_count 144320\r\n",
    "# TYPE foo_seconds counter\n# UNIT foo_seconds seconds\nfoo_seconds_total{a=\"b\"} 17.0 1520879607.789 # {trace_id=\"KOO5S4vxi0o\"} 0.67\nfoo_seconds_created 1520430000.123\n# TYPE up stateset\nup{up=\"on\"} 1\n# TYPE build info\nbuild_info{v=\"1\"} 1\n# EOF\n",
    r#"{"queue depth": 12.5, "pool": {"size": 8, "open": true, "idle": null, "name": "x", "list": [1]}, "5m": -1e-3}"#,
    r#"[{"name": "jobs_total", "value": 3, "labels": {"queue": "a\"b", "n": 1, "on": true}, "type": "counter", "unit": "seconds", "help": "Jobs.", "timestamp": 1640995200.5}, {"name": ""}, 5]"#,
    r#" {"metrics": [{"name": "a-b", "value": 1}], "metrics": {"d": {"d": {"d": 1}}}}"#,
    "a{b=\"c\",b=\"d\"} 1\na{b=\"c} 1\n9a 1\na 1 2 3\na\n{\"a.b\"} 1\n#\n# TYPE\n# HELP a\n",
];

/// The files of the captured trees whose path below the tree's root is wanted, each content once.
fn kernel(is_wanted: fn(&Path) -> bool) -> Vec<Vec<u8>> {
    let trees = fs::read_dir(fixtures().join("kernel")).expect("captured trees").flatten();
    let trees =
        trees.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "tree"));
    let mut seeds = Vec::new();
    for tree in trees {
        let folder = tempfile::tempdir().expect("a temporary folder");
        tree::unpack(&fs::read_to_string(tree).expect("a tree is text"), folder.path());
        let files = files_below(folder.path());
        let wanted = files.iter().filter(|path| path.strip_prefix(folder.path()).is_ok_and(is_wanted));
        // What could not be read when it was captured cannot be read here.
        seeds.extend(wanted.filter_map(|path| fs::read(path).ok()).map(first_part));
    }
    seeds
}

fn replies() -> Vec<Vec<u8>> {
    let files = files_below(&fixtures().join("engine"));
    let replies = files.iter().filter(|path| path.extension().is_some_and(|end| end == "json"));
    let whole = replies.map(|path| fs::read(path).expect("a captured reply"));
    whole.filter(|reply| reply.len() <= MAX_SEED).collect()
}

/// What a Census agent answered, and the bodies that a Census collector was given.
fn census() -> Vec<Vec<u8>> {
    let folder = fixtures().join("census-v1");
    let is_agents =
        |path: &&PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("agent-"));
    let files = files_below(&folder);
    let answers = files.iter().filter(is_agents).map(|path| fs::read(path).expect("a captured answer"));
    let table = fs::read_to_string(folder.join("ingest-answers.tsv")).expect("captured bodies");
    let bodies =
        table.lines().filter_map(|line| line.split('\t').next()).map(|body| body.as_bytes().to_vec());
    answers.chain(bodies).chain(REPORTS.iter().map(|body| body.as_bytes().to_vec())).collect()
}

fn streams() -> Vec<Vec<u8>> {
    let files = files_below(&fixtures().join("engine"));
    let streams = files.iter().filter(|path| path.extension().is_some_and(|end| end == "jsonl"));
    let text: String = streams.map(|path| fs::read_to_string(path).expect("captured events")).collect();
    let lines: Vec<_> = text.split_inclusive('\n').collect();
    lines.chunks(EVENTS).map(|lines| first_part(lines.concat().into_bytes())).collect()
}

/// The body as an engine may send it.
fn answers(body: &[u8]) -> Vec<Vec<u8>> {
    let head = "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Type: application/json\r\nServer: Docker/20.10.24 (linux)\r\n";
    let half = body.len() / 2;
    let part = |part: &[u8]| [format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat();
    let [first, second] = [part(&body[..half]), part(&body[half..])];
    let heads = [
        format!("{head}Content-Length: {}\r\n\r\n", body.len()),
        format!("{head}Transfer-Encoding: chunked\r\n\r\n"),
        "HTTP/1.0 200 OK\r\n\r\n".to_owned(),
        format!("HTTP/1.1 404 Not Found\r\nContent-Length: {}\r\n\r\n", body.len()),
    ];
    let [length, chunked, old, refused] = heads.map(String::into_bytes);
    vec![
        [&*length, body].concat(),
        [&*chunked, &first, &second, b"0\r\n\r\n"].concat(),
        [&*chunked, &first].concat(),
        [&*old, body].concat(),
        [&*refused, body].concat(),
    ]
}

fn first_part(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(MAX_SEED);
    bytes
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let (mut waiting, mut files) = (vec![folder.to_owned()], Vec::new());
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder).expect("a folder").flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => waiting.push(entry.path()),
                Ok(kind) if kind.is_file() => files.push(entry.path()),
                _ => {}
            }
        }
    }
    files
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}
