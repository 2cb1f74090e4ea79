//! What the agent serves, on a captured machine with a fake engine.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::time::Duration;

use flate2::read::GzDecoder;
use plimsoll_model::catalog::CATALOG;
use plimsoll_testkit::wait_until;

use crate::agent::{Agent, SOON};
use crate::exposition::{Exposition, promtool};
use crate::machine::{self, Machine, PREFIX};

/// How soon everything is whole again after the engine came back.
const BACK_WITHIN: Duration = Duration::from_secs(5);

const PROTOBUF: &str =
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";

#[test]
fn a_scrape_is_valid_and_holds_every_container() {
    let machine = Machine::new();
    let agent = Agent::start(&machine, &["--profile", "full", "--label", "*"]);
    agent.wait_ready();
    let answer = agent.get("/metrics", &[]);
    assert_eq!(
        (answer.code, answer.header("content-type")),
        (200, Some("text/plain; version=0.0.4; charset=utf-8"))
    );
    promtool(answer.text());

    let scrape = Exposition::parse(answer.text());
    let known: BTreeSet<&str> = CATALOG.iter().map(|family| family.name).collect();
    for family in &scrape.families {
        assert!(known.contains(family.as_str()), "{family} is not in the catalog");
    }
    for sample in &scrape.samples {
        assert!(scrape.families.contains(&sample.name), "{} has no # TYPE", sample.name);
    }
    assert_eq!(scrape.value("plimsoll_series", &[]), Some(scrape.samples.len() as f64));

    let names: BTreeSet<&str> = machine::containers().map(|(name, ..)| name).collect();
    assert_eq!(names.len(), 8);
    assert_eq!(scrape.containers(), names);
    for (name, id, _) in machine::containers() {
        let usage = scrape.all("container_memory_usage_bytes", &[("name", name)])[0];
        assert!(id.starts_with(usage.label("id")) && usage.value > 0.0, "{usage:?}");
        let labels = scrape.all("container_labels_info", &[("name", name)])[0];
        assert_eq!(labels.label("label_owner"), "x", "{labels:?}");
    }
}

/// Numbers of the tree, as `fixtures/kernel` has them.
#[test]
fn the_numbers_are_those_of_the_kernels_files() {
    let machine = Machine::new();
    let agent = Agent::start(&machine, &[]);
    agent.wait_ready();
    let scrape = agent.metrics();
    let file = |path: &str| std::fs::read_to_string(machine.root().join(path)).unwrap();
    for (name, id, _) in machine::containers().filter(|(name, ..)| !name.ends_with("nested")) {
        let of = [("name", name)];
        let number = |path: String| file(&path).trim().parse::<f64>().unwrap();
        let memory = number(format!("cgroup/memory/docker/{id}/memory.usage_in_bytes"));
        assert_eq!(scrape.value("container_memory_usage_bytes", &of), Some(memory), "{name}");
        let cpu = number(format!("cgroup/cpuacct/docker/{id}/cpuacct.usage")) / 1e9;
        assert_eq!(scrape.value("container_cpu_usage_seconds_total", &of), Some(cpu), "{name}");
        let tasks = number(format!("cgroup/pids/docker/{id}/pids.current"));
        assert_eq!(scrape.value("container_threads", &of), Some(tasks), "{name}");
    }
    let of = |name: &'static str| [("name", name)];
    let (busy, nested) = (of("plimsoll-cap-busy"), of("plimsoll-cap-nested"));
    assert_eq!(scrape.value("container_cpu_limit_cores", &busy), Some(0.5));
    assert_eq!(scrape.value("container_memory_limit_bytes", &busy), Some(67_108_864.0));
    // The nested one has no limit of its own for the processor, and a larger one for memory, than its parent.
    assert_eq!(scrape.value("container_cpu_limit_cores", &nested), Some(0.25));
    assert_eq!(scrape.value("container_memory_limit_bytes", &nested), Some(33_554_432.0));
    // Traffic is told once for each network namespace, and the host's is no container's.
    let traffic = |name| scrape.all("container_network_receive_bytes_total", &of(name)).len();
    let [net, peer, host] = ["plimsoll-cap-net", "plimsoll-cap-peer", "plimsoll-cap-host"].map(traffic);
    assert_eq!((net + peer, host), (1, 0));
}

#[test]
fn formats_by_accept() {
    let machine = Machine::new();
    let agent = Agent::start(&machine, &[]);
    agent.wait_ready();
    let openmetrics = agent.get("/metrics", &[("Accept", "application/openmetrics-text; version=1.0.0")]);
    assert_eq!(
        openmetrics.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    assert!(openmetrics.text().ends_with("\n# EOF\n"));
    assert!(!openmetrics.text().contains("_created{"), "_created samples are for those who ask for them");

    let text = agent.get("/metrics", &[("Accept", "*/*")]);
    assert_eq!(text.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));

    let binary = agent.get("/metrics", &[("Accept", PROTOBUF)]);
    let kind = binary.header("content-type").unwrap();
    assert!(kind.starts_with("application/vnd.google.protobuf"), "{kind}");
    let families = protobuf_families(&binary.body);
    assert_eq!(families, Exposition::parse(text.text()).families.into_iter().collect::<BTreeSet<_>>());

    for accept in ["text/plain", "application/openmetrics-text; version=1.0.0", PROTOBUF] {
        let packed = agent.get("/metrics", &[("Accept", accept), ("Accept-Encoding", "gzip")]);
        assert_eq!(packed.header("content-encoding"), Some("gzip"), "{accept}");
        let mut plain = Vec::new();
        GzDecoder::new(&*packed.body).read_to_end(&mut plain).unwrap();
        assert!(plain.len() > 3 * packed.body.len(), "{accept}");
        assert!(plain.windows(PREFIX.len()).any(|part| part == PREFIX.as_bytes()), "{accept}");
    }
    assert_eq!(text.header("content-encoding"), None);

    let created = Agent::start(&machine, &["--openmetrics-created"]);
    created.wait_ready();
    let openmetrics = created.get("/metrics", &[("Accept", "application/openmetrics-text; version=1.0.0")]);
    assert!(openmetrics.text().contains("container_cpu_usage_seconds_created{"));
}

/// The names of the families in length-delimited protobuf messages: field 1 of each.
fn protobuf_families(mut bytes: &[u8]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    while !bytes.is_empty() {
        let (length, rest) = varint(bytes);
        let (message, rest) = rest.split_at(length);
        assert_eq!(message[0], 0x0a, "a family begins with its name");
        let (length, name) = varint(&message[1..]);
        names.insert(String::from_utf8(name[..length].to_vec()).unwrap());
        bytes = rest;
    }
    names
}

fn varint(bytes: &[u8]) -> (usize, &[u8]) {
    let end = bytes.iter().position(|byte| byte & 0x80 == 0).unwrap();
    let value = bytes[..=end].iter().rev().fold(0, |value, byte| value << 7 | usize::from(byte & 0x7f));
    (value, &bytes[end + 1..])
}

#[test]
fn a_scrape_can_be_narrowed() {
    let machine = Machine::new();
    let agent = Agent::start(&machine, &[]);
    agent.wait_ready();
    let narrowed = |query: &str| Exposition::parse(agent.get(&format!("/metrics?{query}"), &[]).text());
    let only = narrowed("collect[]=cpu&collect%5B%5D=memory");
    assert!(only.has("container_cpu_") && only.has("container_memory_"));
    assert!(!only.has("container_network_") && !only.has("machine_") && !only.has("container_state"));
    let without = narrowed("exclude[]=network");
    assert!(without.has("container_cpu_") && !without.has("container_network_receive"));
    let unknown = agent.get("/metrics?collect[]=cpus", &[]);
    assert_eq!(unknown.code, 400);
    assert!(unknown.text().contains("\"cpus\"") && unknown.text().contains("memory"), "{}", unknown.text());
}

#[test]
fn health_follows_the_engine() {
    let mut machine = Machine::new();
    let agent = Agent::start(&machine, &[]);
    agent.wait_ready();
    let health = || {
        let answer = agent.get("/health", &[]);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        (answer.code, answer.text().to_owned())
    };
    let healthy = (200, r#"{"status":"healthy","docker":"connected"}"#.to_owned());
    let unhealthy = (503, r#"{"status":"unhealthy","docker":"disconnected"}"#.to_owned());
    assert_eq!(health(), healthy);

    machine.engine.stop();
    wait_until(SOON, "the engine's absence shows", || health() == unhealthy);
    let scrape = agent
        .wait_for("the metric shows it, too", |scrape| scrape.value("plimsoll_engine_up", &[]) == Some(0.0));
    assert_eq!(scrape.containers().len(), 8, "what is known is still measured");
    assert!(scrape.value("container_memory_usage_bytes", &[("name", "plimsoll-cap-idle")]).is_some());
    assert_eq!(agent.get("/-/healthy", &[]).code, 200, "the process lives");
    assert_eq!(agent.get("/-/ready", &[]).code, 200, "and has numbers to show");

    machine.engine.restart();
    wait_until(BACK_WITHIN, "the engine is back", || health() == healthy);
    agent.wait_for("the metric is back", |scrape| scrape.value("plimsoll_engine_up", &[]) == Some(1.0));
    // A stream that ends and a socket that is gone may be told one after the other.
    let told = agent.log().with("does not answer").len();
    assert!((1..=2).contains(&told), "{}", agent.log().all());
    assert_eq!(agent.log().with("answers at").len(), 2, "{}", agent.log().all());
}

#[test]
fn paths_and_methods() {
    let machine = Machine::new();
    let agent = Agent::start(&machine, &[]);
    agent.wait_ready();
    let page = agent.get("/", &[]);
    assert_eq!((page.code, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    for part in
        [env!("CARGO_PKG_VERSION"), "/metrics", "/health", "docker", "connected", "<b>8</b> running", "psi"]
    {
        assert!(page.text().contains(part), "{part} is missing:\n{}", page.text());
    }
    for path in ["/metrics/", "/nope", "/-/nope", "//", "/%00"] {
        let unknown = agent.get(path, &[]);
        assert_eq!(unknown.code, 404, "{path}");
        for known in ["/metrics", "/health", "/-/healthy", "/-/ready"] {
            assert!(unknown.text().contains(known), "{}", unknown.text());
        }
    }
    for path in ["/", "/metrics", "/health", "/-/healthy", "/-/ready"] {
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            assert_eq!(agent.ask(method, path, &[]).code, 405, "{method} {path}");
        }
        let head = agent.ask("HEAD", path, &[]);
        assert_eq!((head.code, head.body.len()), (200, 0), "{path}");
    }
}
