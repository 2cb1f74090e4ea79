//! The census, from outside: scans of real and fake engines, what is printed, what is sent and what is not, and the agent as
//! a Census server sees it.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use plimsoll_testkit::client::{Client, Response};
use plimsoll_testkit::docker::{self, Container, available};
use plimsoll_testkit::fake_engine::{Behaviour, FakeContainer, FakeEngine, IMAGE_SIZE};
use plimsoll_testkit::sink::{Answer, Sink};
use plimsoll_testkit::wait_until;
use serde_json::Value;
use tempfile::TempDir;

use crate::agent::{Agent, SOON};
use crate::machine::{Machine, PREFIX};
use crate::process::{Done, Lines, Running, command, run, run_with};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/census-v1");

fn fixture(name: &str) -> Value {
    let text = fs::read_to_string(Path::new(FIXTURES).join(name)).unwrap();
    json(&text)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn keys(of: &Value) -> BTreeSet<&str> {
    of.as_object().unwrap().keys().map(String::as_str).collect()
}

/// A command of the census on a captured machine.
pub(crate) fn census(machine: &Machine, arguments: &[&str]) -> Vec<String> {
    let mut whole = machine.on(arguments);
    whole.insert(0, "census".to_owned());
    whole
}

/// The containers that a scan found, by name.
fn containers(scan: &Value) -> Vec<(&str, &Value)> {
    let hosts = scan["hosts"].as_array().unwrap();
    let all = hosts.iter().filter_map(|host| host["containers"].as_array()).flatten();
    all.map(|container| (container["name"].as_str().unwrap(), container)).collect()
}

#[test]
fn a_scan_tells_what_the_engine_and_the_kernel_say() {
    let machine = Machine::new();
    machine.engine.put(FakeContainer::new("old").exited(1, 5).restart_count(3).volume("data", "/data"));
    machine.engine.forget();
    let scan = json(&run(&census(&machine, &["scan", "--format", "json"])).ok());
    let found = containers(&scan);
    let captured = crate::machine::containers().count();
    assert_eq!(found.len(), captured + 1, "{scan}");
    for (name, container) in &found {
        assert_eq!(container["image_size"], IMAGE_SIZE, "{container}");
        if name.starts_with(PREFIX) {
            assert_eq!((&container["state"], &container["restart_count"]), (&"running".into(), &0.into()));
            assert!(container["memory_bytes"].as_u64().unwrap() > 0, "{container}");
            assert!(container["cpu_percent"].as_f64().is_some(), "{container}");
        }
    }
    let (_, old) = found.iter().find(|(name, _)| *name == "old").unwrap();
    assert_eq!(old["volumes"][0], "data");
    assert_eq!(
        (&old["state"], &old["restart_count"], old.get("memory_bytes")),
        (&"exited".into(), &3.into(), None)
    );
    // Nothing is asked for but readings, nobody's numbers, and no container twice.
    let asked = machine.engine.requests();
    assert!(asked.iter().all(|(method, _)| method == "GET"), "{asked:?}");
    let inspections =
        asked.iter().filter(|(_, path)| path.ends_with("/json") && path.matches('/').count() == 4);
    assert_eq!(inspections.count(), captured + 1, "each container once: {asked:?}");
    assert!(!asked.iter().any(|(_, path)| path.contains("stats")), "{asked:?}");

    let table = run(&census(&machine, &["scan", "--resources", "none"])).ok();
    assert!(table.contains("HOST") && table.contains(&format!("{} containers", captured + 1)), "{table}");
}

#[test]
fn hosts_that_fail_are_told_and_cost_nobody_else() {
    let machine = Machine::new();
    let hangs = FakeEngine::start();
    hangs.set_behaviour("/", Behaviour::Hang);
    let hanging = format!("unix://{}", hangs.socket().display());
    let well = format!("unix://{}", machine.engine.socket().display());
    let arguments = [
        "scan",
        "--timeout",
        "2s",
        "--format",
        "json",
        "--host",
        &hanging,
        "--host",
        &well,
        "--host",
        "/nowhere.sock",
    ];
    let done = run(&census(&machine, &arguments));
    let scan = json(&done.out);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!(scan["hosts"][0]["error"], "no answer within 2s");
    assert_eq!(containers(&scan).len(), crate::machine::containers().count());
    assert!(scan["hosts"][2]["error"].as_str().unwrap().contains("/nowhere.sock"), "{scan}");
    assert!(done.err.contains("was not scanned"), "{}", done.err);
    let none = run(&census(&machine, &["scan", "--host", "/nowhere.sock"]));
    assert_eq!(none.code, Some(1), "{none:?}");
    run(&census(&machine, &["scan", "--host", "nowhere"])).failed(2);
}

/// A report of a captured machine, with its identifier in this folder.
fn report(machine: &Machine, folder: &TempDir, variables: &[(&str, &str)], arguments: &[&str]) -> Done {
    let state = folder.path().to_str().unwrap();
    let whole = [&["report", "--census-state", state][..], arguments].concat();
    run_with(variables, &census(machine, &whole))
}

#[test]
fn what_is_printed_is_what_is_sent() {
    let (machine, folder) = (Machine::new(), tempfile::tempdir().unwrap());
    let (sink, other) = (Sink::start(), Sink::start());
    sink.answer(|_| Answer::new(201).body("{\"status\":\"success\"}"));
    other.answer(|_| Answer::new(400).body("{\"error\":\"no\"}"));
    let key = folder.path().join("key");
    fs::write(&key, "secret\n").unwrap();
    let with_key = format!("{}/api/ingest key={}", sink.url(), key.display());
    let without = format!("{}/api/ingest", other.url());
    let endpoints = ["--send", "--census-endpoint", &with_key, "--census-endpoint", &without];
    let done = report(&machine, &folder, &[], &endpoints);
    assert_eq!(done.code, Some(1), "one endpoint did not take it: {done:?}");
    assert!(done.err.contains("it answers 201") && done.err.contains("it answers 400"), "{}", done.err);
    assert!(!done.err.contains("secret") && !done.out.contains("secret"), "{done:?}");
    let printed = json(&done.out);
    let requests = sink.requests();
    assert_eq!((requests.len(), other.count()), (1, 1));
    assert_eq!(json(requests[0].text()), printed);
    assert_eq!(requests[0].header("authorization"), Some("Bearer secret"));
    assert_eq!(other.requests()[0].header("authorization"), None);

    // Every key that has something to say, with v1's types.
    for (key, is_whole) in [
        ("host_count", true),
        ("agent_count", true),
        ("total_containers", true),
        ("scan_interval_seconds", true),
        ("containers_running", true),
        ("containers_stopped", true),
        ("containers_paused", true),
        ("containers_other", true),
        ("avg_memory_bytes", true),
        ("total_image_size", true),
        ("unique_images", true),
    ] {
        assert_eq!(printed[key].is_u64(), is_whole, "{key}: {printed}");
    }
    assert_eq!(printed["total_containers"], crate::machine::containers().count());
    assert_eq!(printed["unique_images"], 2);
    assert!(printed["agent_versions"].is_object() && printed["timestamp"].is_string(), "{printed}");
    assert_eq!(keys(&printed["image_stats"][0]), BTreeSet::from(["count", "image", "size_bytes"]));
    assert_eq!(printed["installation_id"].as_str().unwrap().len(), 36);
}

#[test]
fn who_does_not_want_to_be_counted_is_not() {
    let (machine, folder) = (Machine::new(), tempfile::tempdir().unwrap());
    let sink = Sink::start();
    let send = ["--send", "--census-endpoint", &sink.url()];
    for value in ["1", "true"] {
        let told = report(&machine, &folder, &[("DO_NOT_TRACK", value)], &send).failed(1);
        assert!(told.contains("DO_NOT_TRACK is set"), "{told}");
    }
    assert_eq!(sink.accepted(), 0);
    report(&machine, &folder, &[("DO_NOT_TRACK", "0")], &send).ok();
    assert_eq!(sink.count(), 1);
    let told = report(&machine, &folder, &[], &["--send"]).failed(2);
    assert!(told.contains("nobody to send"), "{told}");
}

#[test]
fn names_of_images_and_the_identifier_are_the_users() {
    let (machine, folder) = (Machine::new(), tempfile::tempdir().unwrap());
    let made = |arguments: &[&str]| json(&report(&machine, &folder, &[], arguments).ok());
    let names = |report: &Value| -> Vec<String> {
        let images = report["image_stats"].as_array().unwrap();
        images.iter().map(|image| image["image"].as_str().unwrap().to_owned()).collect()
    };
    let plain = made(&[]);
    assert!(names(&plain).contains(&"example.org/web:1".to_owned()), "{plain}");
    let hashed = made(&["--images", "hashed"]);
    assert!(names(&hashed).iter().all(|name| name.starts_with("sha256:")), "{hashed}");
    assert_eq!(names(&made(&["--census-images", "hashed"])), names(&hashed));
    let omitted = made(&["--images", "omitted"]);
    assert!(names(&omitted).is_empty() && omitted["unique_images"] == 2, "{omitted}");
    let rotated = made(&["--images", "hashed", "--rotate-id"]);
    assert_ne!(rotated["installation_id"], hashed["installation_id"]);
    assert_ne!(names(&rotated), names(&hashed), "another salt");
    let state = ["--census-state", folder.path().to_str().unwrap()];
    let id = run(&[&["census", "id"], &state[..]].concat()).ok();
    assert_eq!(id.trim(), rotated["installation_id"]);
    let explained = report(&machine, &folder, &[], &["--explain"]);
    assert!(explained.err.contains("What this report reveals"), "{}", explained.err);
}

/// Where an agent answers scans, from its log.
fn role(agent: &Agent) -> SocketAddr {
    let mut address = None;
    wait_until(SOON, "the agent answers scans", || {
        let line = agent.log().with("answering scans by Census servers at http://").pop();
        address = line.and_then(|line| line.split_once("http://")?.1.split('/').next()?.parse().ok());
        address.is_some()
    });
    address.unwrap()
}

#[test]
fn a_census_server_can_scan_the_agent_and_do_no_more() {
    let (machine, folder) = (Machine::new(), tempfile::tempdir().unwrap());
    let state = folder.path().to_str().unwrap();
    let agent = Agent::start(&machine, &["--census-agent-listen", "127.0.0.1:0", "--census-state", state]);
    agent.wait_ready();
    let address = role(&agent);
    let file = folder.path().join("agent-token");
    let token = fs::read_to_string(&file).unwrap().trim().to_owned();
    assert_eq!(token.len(), 64);
    let client = Client::new(address);
    let ask = |method: &str, path: &str, headers: &[(&str, &str)]| -> Response {
        client.request(method, path, headers, b"").unwrap()
    };
    let with_token = [("X-API-Token", &*token)];
    for (path, fixture_of, headers) in [
        ("/health", "agent-health.json", &[][..]),
        ("/info", "agent-info.json", &[]),
        ("/api/telemetry", "agent-api-telemetry.json", &with_token),
    ] {
        let answer = json(&ask("GET", path, headers).text());
        assert_eq!(keys(&answer), keys(&fixture(fixture_of)), "{path}: {answer}");
    }
    // Processor use is over the time between two ticks.
    let stats = "/api/containers?stats=true";
    wait_until(SOON, "processor use is known", || {
        ask("GET", stats, &with_token).text().contains("cpu_percent")
    });
    for (path, fixture_of) in
        [(stats, "agent-api-containers-stats.json"), ("/api/images", "agent-api-images.json")]
    {
        let (answer, theirs) = (json(&ask("GET", path, &with_token).text()), fixture(fixture_of));
        let missing: Vec<_> =
            keys(&theirs[0]).difference(&keys(&answer[0])).copied().map(str::to_owned).collect();
        // The captured machine's containers are in no network.
        assert!(missing.iter().all(|key| key == "networks"), "{path}: {missing:?} {answer}");
        let apart = |key: &&str| {
            let (ours, theirs) = (&answer[0][*key], &theirs[0][*key]);
            std::mem::discriminant(ours) != std::mem::discriminant(theirs)
                && !ours.is_null()
                && !theirs.is_null()
        };
        let apart: Vec<_> = keys(&theirs[0]).into_iter().filter(apart).collect();
        assert!(apart.is_empty(), "other types: {apart:?} {answer}");
    }
    for (method, path, headers, status) in [
        ("GET", "/api/containers", &[][..], 401),
        ("GET", "/api/containers", &[("Authorization", "Bearer x")], 401),
        ("POST", "/api/containers/x/stop", &with_token, 403),
        ("DELETE", "/api/images/x/remove", &with_token, 403),
        ("GET", "/api/containers/x/logs", &with_token, 404),
    ] {
        assert_eq!(ask(method, path, headers).status, status, "{method} {path}");
    }
    assert!(!agent.log().all().contains(&token), "the token is in the log");

    // Our own scan finds through the agent what it finds at the engine.
    let host = format!("agent://{address}");
    let through = ["scan", "--format", "json", "--host", &host, "--token-file", file.to_str().unwrap()];
    let through = json(&run(&census(&machine, &through)).ok());
    let direct = json(&run(&census(&machine, &["scan", "--format", "json"])).ok());
    assert_eq!(through["hosts"][0]["via"], "agent");
    assert_eq!(through["hosts"][0]["agent_version"], env!("CARGO_PKG_VERSION"));
    let told = |scan: &Value| -> Vec<String> {
        let of = [
            "name",
            "image",
            "image_size",
            "state",
            "restart_count",
            "memory_bytes",
            "memory_limit",
            "volumes",
        ];
        let one = |(_, container): (&str, &Value)| of.map(|key| container[key].to_string()).join(" ");
        containers(scan).into_iter().map(one).collect()
    };
    assert_eq!(told(&through), told(&direct));
    let without = run(&census(&machine, &["scan", "--host", &host]));
    assert!(without.code == Some(1) && without.err.contains("does not take the token"), "{without:?}");
}

/// A census server on a free port with a database of its own.
fn server(folder: &TempDir) -> (Running, SocketAddr) {
    let database = folder.path().join("census.db");
    let arguments = ["census", "serve", "--listen", "127.0.0.1:0", "--min-installations", "0", "--database"];
    let mut command = command(&[&arguments[..], &[database.to_str().unwrap()]].concat());
    command.env("STATS_API_KEY", "secret");
    let mut process = Running(command.spawn().unwrap());
    let log = Lines::of(process.0.stderr.take().unwrap());
    let mut address = None;
    wait_until(SOON, "the server listens", || {
        let line = log.with("counts installations at http://").pop();
        address = line.and_then(|line| line.split_once("http://")?.1.split('/').next()?.parse().ok());
        address.is_some()
    });
    (process, address.unwrap())
}

#[test]
fn a_report_is_counted_exported_and_forgotten() {
    let (machine, folder) = (Machine::new(), tempfile::tempdir().unwrap());
    let (_server, address) = server(&folder);
    let endpoint = format!("http://{address}/api/ingest");
    let printed = json(&report(&machine, &folder, &[], &["--send", "--census-endpoint", &endpoint]).ok());
    let id = printed["installation_id"].as_str().unwrap();
    let key = [("X-API-Key", "secret")];
    let client = Client::new(address);
    wait_until(SOON, "it is counted", || {
        let answer = client.request("GET", "/api/stats/summary", &key, b"").unwrap();
        answer.status == 200 && json(&answer.text())["installations"] == 1
    });
    let database = folder.path().join("census.db");
    let with = |arguments: &[&str]| {
        run(&[&["census"], arguments, &["--database", database.to_str().unwrap()]].concat())
    };
    let exported = json(&with(&["export"]).ok());
    assert_eq!((exported.as_array().unwrap().len(), &exported[0]["installation_id"]), (1, &id.into()));
    let csv = with(&["export", "--format", "csv"]).ok();
    assert!(csv.lines().count() == 2 && csv.contains(id), "{csv}");
    let forgotten = with(&["forget", id]).ok();
    assert!(forgotten.contains(id), "{forgotten}");
    with(&["forget", id]).failed(1);
    assert_eq!(json(&with(&["export"]).ok()), Value::Array(Vec::new()));
    let dump = format!("{FIXTURES}/database-2025-10-23.sql");
    assert!(with(&["import", &dump]).ok().starts_with("imported: "));
    assert!(!json(&with(&["export"]).ok()).as_array().unwrap().is_empty());
    let told = run(&["census", "export", "--database", "mysql://u:secret@h/x"]).failed(2);
    assert!(!told.contains("secret"), "{told}");
}

#[test]
fn an_agent_that_is_not_asked_to_reports_and_answers_nothing() {
    let machine = Machine::new();
    let agent = Agent::start(&machine, &[]);
    agent.wait_ready();
    assert!(agent.log().with("ensus").is_empty(), "{}", agent.log().all());
    let on = Agent::start(&machine, &["--census"]);
    on.wait_ready();
    assert!(!on.log().with("census is on, but there is nobody to send a report to").is_empty());
}

#[test]
fn a_scan_of_docker_is_what_docker_says() {
    if !available() {
        return;
    }
    let volume = docker::unique_name("volume");
    let mount = format!("{volume}:/data");
    let label = [
        "--label",
        "com.docker.compose.project=shop",
        "--label",
        "com.docker.compose.depends_on=db:x:y,cache",
    ];
    let options = [&["-v", &mount, "--memory", "64m"][..], &label].concat();
    let web = Container::run("census-web", &options, &["sh", "-c", "while :; do :; done"]);
    let idle = Container::run("census-idle", &["--network", "none"], &["sleep", "100000"]);
    let made = Container::create("census-made", &["--network", "host"], &["true"]);
    let paused = Container::run("census-paused", &["--network", "none"], &["sleep", "100000"]);
    paused.docker(&["pause"]);
    let restless =
        Container::run("census-restless", &["--network", "none", "--restart", "on-failure:3"], &["false"]);
    wait_until(SOON, "it is given up", || {
        restless.inspect("{{.State.Status}} {{.RestartCount}}") == "exited 3"
    });
    for resources in ["auto", "none"] {
        let scan = json(&run(&["census", "scan", "--format", "json", "--resources", resources]).ok());
        let found = containers(&scan);
        let of = |container: &Container| {
            let found = found.iter().find(|(name, _)| *name == container.name());
            found.unwrap_or_else(|| panic!("{} is missing", container.name())).1
        };
        for container in [&web, &idle, &made, &paused, &restless] {
            let told = of(container);
            let word = |value: &Value| value.as_str().unwrap().to_owned();
            assert_eq!(word(&told["state"]), container.inspect("{{.State.Status}}"));
            assert_eq!(told["restart_count"].to_string(), container.inspect("{{.RestartCount}}"));
            assert_eq!(word(&told["image_id"]), container.inspect("{{.Image}}"));
            let size = docker::docker(&["image", "inspect", "--format", "{{.Size}}", docker::IMAGE]);
            assert_eq!(told["image_size"].to_string(), size);
            assert_eq!(
                word(&told["networks"][0]),
                container.inspect("{{range $n, $_ := .NetworkSettings.Networks}}{{$n}}{{end}}")
            );
        }
        assert_eq!(of(&web)["volumes"][0], *volume);
        assert_eq!(
            (&of(&web)["compose_project"], &of(&web)["depends_on"][0]),
            (&"shop".into(), &"db".into())
        );
        if resources == "auto" {
            assert_eq!(of(&web)["memory_limit"], 64 << 20);
            assert!(of(&web)["cpu_percent"].as_f64().unwrap() > 1.0, "{}", of(&web));
            assert!(of(&idle)["memory_bytes"].as_u64().is_some() && of(&idle).get("memory_limit").is_none());
            assert!(of(&made).get("memory_bytes").is_none());
        }
    }
    drop(web);
    docker::docker(&["volume", "rm", &volume]);
}
