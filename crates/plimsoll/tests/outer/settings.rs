//! Settings: where they come from, which place wins, and what they do.

use plimsoll_model::catalog::CATALOG;
use toml::Table;

use crate::exposition::Exposition;
use crate::machine::{Machine, PREFIX};
use crate::process::{run, run_with};

/// Variables of the environment.
type Variables<'a> = &'a [(&'a str, &'a str)];

/// What `--print-config` shows.
#[track_caller]
fn printed(variables: Variables<'_>, arguments: &[&str]) -> (String, Table) {
    let text = run_with(variables, &[&["agent", "--print-config"], arguments].concat()).ok();
    let table = text.parse().unwrap_or_else(|error| panic!("{error}:\n{text}"));
    (text, table)
}

#[test]
fn what_is_printed_can_be_read_back() {
    let flags = [
        "--listen",
        "[::1]:9",
        "--interval",
        "1500ms",
        "--profile",
        "full",
        "--no-collector.network",
        "--collector.sockets",
        "--label",
        "a\"b\\c",
        "--label",
        "tier",
        "--include-name",
        "web-*",
        "--exclude-label",
        "tier=ba[ck]k",
        "--openmetrics-created",
        "--log-format",
        "json",
        "--engine",
        "/run/x.sock",
    ];
    let (text, given) = printed(&[], &flags);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plimsoll.toml");
    std::fs::write(&path, &text).unwrap();
    let (again, read) = printed(&[], &["--config", path.to_str().unwrap()]);
    assert_eq!(given, read, "{text}\n{again}");
    assert!(text.contains("interval = \"1s 500ms\" # flag --interval"), "{text}");
    assert!(again.contains(&format!("# Read: {}", path.display())), "{again}");
    assert_eq!(printed(&[], &[]).1["listen"].as_str(), Some("127.0.0.1:8003"));
    // The settings in force are printed although the engine that they name is not there.
    for command in ["stats", "metrics", "check"] {
        assert!(run(&[command, "--print-config"]).ok().parse::<Table>().is_ok(), "{command}");
    }
}

#[test]
fn the_environment() {
    let cases: [(Variables<'_>, &str, &str); 18] = [
        (&[("EXPORTER_PORT", "9100")], "listen", "127.0.0.1:9100"),
        (&[("EXPORTER_PORT", "9100"), ("PLIMSOLL_LISTEN", ":1")], "listen", "0.0.0.0:1"),
        (&[("POLL_INTERVAL", "15")], "interval", "15s"),
        (&[("POLL_INTERVAL", "15"), ("PLIMSOLL_INTERVAL", "2s")], "interval", "2s"),
        (&[("POLL_INTERVAL", "")], "interval", "1s"),
        (&[("DOCKER_SOCKET_PATH", "/run/a.sock")], "engine", "unix:///run/a.sock"),
        (&[("PLIMSOLL_ENGINE", "context:a,/run/b.sock")], "engine", "context:a,unix:///run/b.sock"),
        (&[("PLIMSOLL_ENGINE", "none")], "engine", "none"),
        (
            &[("DOCKER_HOST", "unix:///run/b.sock"), ("DOCKER_SOCKET_PATH", "/run/a.sock")],
            "engine",
            "unix:///run/a.sock",
        ),
        (&[("PLIMSOLL_SOURCE", "api")], "source", "api"),
        (
            &[("DOCKER_SOCKET_PATH", "/run/a.sock"), ("PLIMSOLL_ENGINE", "/run/c.sock")],
            "engine",
            "unix:///run/c.sock",
        ),
        (&[("PLIMSOLL_PROFILE", "minimal")], "profile", "minimal"),
        (&[("PLIMSOLL_LABELS", "a, b")], "labels", "a,b"),
        (&[("PLIMSOLL_INCLUDE_NAME", "web-*")], "include_name", "web-*"),
        (&[("PLIMSOLL_COLLECTORS", "cpu,-network")], "collectors", "cpu=true,network=false"),
        (&[("PLIMSOLL_OPENMETRICS_CREATED", "yes")], "openmetrics_created", "true"),
        (&[("PLIMSOLL_PROCFS", "/host/proc")], "procfs", "/host/proc"),
        (&[("PLIMSOLL_LOG_LEVEL", "debug")], "log_level", "debug"),
    ];
    for (variables, key, expected) in cases {
        let (text, table) = printed(variables, &[]);
        assert_eq!(plain(&table[key]), expected, "{variables:?}\n{text}");
        if let Some((name, _)) = variables.iter().rfind(|(_, value)| !value.is_empty()) {
            assert!(text.contains(&format!("# environment {name}")), "{text}");
        }
    }
}

/// A target needs no file; its secrets are not shown; a mistake in one keeps the agent from starting.
#[test]
fn targets_of_the_environment() {
    let good = [
        ("PLIMSOLL_TARGET_TYPE", "influxdb-v2"),
        ("PLIMSOLL_TARGET_URL", "http://127.0.0.1:8086/"),
        ("PLIMSOLL_TARGET_BUCKET", "containers"),
        ("PLIMSOLL_TARGET_TOKEN", "s3cret"),
    ];
    let (text, table) = printed(&good, &[]);
    let target = &table["target"][0];
    assert_eq!(plain(&target["name"]), "default");
    assert_eq!(plain(&target["url"]), "http://127.0.0.1:8086");
    assert!(
        !text.contains("s3cret") && text.contains("# environment PLIMSOLL_TARGET_TOKEN, not shown"),
        "{text}"
    );
    let wrong: [(Variables<'_>, &str); 3] = [
        (&[("PLIMSOLL_TARGET_TYPE", "influx")], "influxdb-v1, influxdb-v2 or influxdb-v3"),
        (&[("PLIMSOLL_TARGET_TYPE", "otlp")], "set PLIMSOLL_TARGET_URL"),
        (&[("PLIMSOLL_TARGET_BUKET", "x")], "`PLIMSOLL_TARGET_BUCKET`"),
    ];
    for (variables, expected) in wrong {
        let message = run_with(variables, &["agent", "--listen", "127.0.0.1:0"]).failed(2);
        assert!(message.contains(expected), "{message}");
    }
}

/// A value in a word.
fn plain(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Array(entries) => entries.iter().map(plain).collect::<Vec<_>>().join(","),
        toml::Value::Table(entries) => {
            entries.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
        }
        other => other.to_string(),
    }
}

#[test]
fn flags_win_over_environment_over_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plimsoll.toml");
    std::fs::write(&path, "interval = '2s'\nprofile = 'full'\n[collectors]\ncpu = false\nmemory = false\n")
        .unwrap();
    let path = path.to_str().unwrap();
    let file = [("PLIMSOLL_CONFIG", path)];
    let with_variable =
        [("PLIMSOLL_CONFIG", path), ("PLIMSOLL_INTERVAL", "3s"), ("PLIMSOLL_COLLECTORS", "memory")];
    let cases: [(Variables<'_>, &[&str], &str); 5] = [
        (&[], &["--config", path], "2s"),
        (&file, &[], "2s"),
        (&with_variable, &[], "3s"),
        (&with_variable, &["--interval", "4s"], "4s"),
        (&with_variable, &["--interval", "4s", "--config", path], "4s"),
    ];
    for (variables, flags, interval) in cases {
        let (text, table) = printed(variables, flags);
        assert_eq!(table["interval"].as_str(), Some(interval), "{text}");
        assert_eq!(table["profile"].as_str(), Some("full"), "what nobody overrides is the file's");
        assert_eq!(table["collectors"]["cpu"].as_bool(), Some(false), "{text}");
        let memory = table["collectors"]["memory"].as_bool();
        assert_eq!(memory, Some(variables.len() == 3), "{text}");
    }
    let (text, _) = printed(&with_variable, &["--collector.cpu", "--interval", "4s"]);
    assert!(text.contains("cpu = true # flag --collector.cpu"), "{text}");
    assert!(text.contains("memory = true # environment PLIMSOLL_COLLECTORS"), "{text}");
    assert!(text.contains(&format!("profile = \"full\" # {path}:2")), "{text}");
}

/// One exposition of the captured machine.
#[track_caller]
fn shown(machine: &Machine, arguments: &[&str]) -> Exposition {
    Exposition::parse(&run(&machine.on(&[&["metrics"], arguments].concat())).ok())
}

#[test]
fn collectors_one_by_one() {
    let machine = Machine::new();
    let whole = shown(&machine, &["--profile", "full"]);
    for collector in plimsoll_model::Collector::ALL.iter().filter(|collector| collector.is_optional()) {
        let name = collector.name();
        let left = shown(&machine, &["--profile", "full", &format!("--no-collector.{name}")]);
        for family in CATALOG.iter().filter(|family| whole.families.contains(family.name)) {
            let stays = family.collector != *collector;
            assert_eq!(left.families.contains(family.name), stays, "{} without {name}", family.name);
        }
    }
    // What a profile leaves out comes back whole.
    let back = shown(&machine, &["--profile", "minimal", "--collector.sockets", "--no-collector.cpu"]);
    assert!(back.has("container_network_sockets") && !back.has("container_cpu_"), "{:?}", back.families);
    // The later flag holds.
    assert!(shown(&machine, &["--no-collector.cpu", "--collector.cpu"]).has("container_cpu_"));
    assert!(!shown(&machine, &["--collector.cpu", "--no-collector.cpu"]).has("container_cpu_"));
}

#[test]
fn profiles() {
    let machine = Machine::new();
    let [minimal, default, full] =
        ["minimal", "default", "full"].map(|profile| shown(&machine, &["--profile", profile]));
    for container in minimal.containers() {
        let [few, more, most] = [&minimal, &default, &full].map(|shown| shown.series_of(container));
        assert!(few <= 32 && few < more && more < most, "{container}: {few}, {more}, {most}");
    }
    assert!(minimal.families.is_subset(&default.families) && default.families.is_subset(&full.families));
    assert_eq!(default.families, shown(&machine, &[]).families);
}

#[test]
fn labels_are_shown_by_permission_alone() {
    let machine = Machine::new();
    assert!(!shown(&machine, &[]).has("container_labels_info"));
    let one = shown(&machine, &["--label", "tier"]);
    let front = one.all("container_labels_info", &[("label_tier", "front")]);
    assert_eq!(front.len(), 1);
    assert_eq!((front[0].label("name"), front[0].label("label_owner")), ("plimsoll-cap-net", ""));
    let every = shown(&machine, &["--label", "*"]);
    assert_eq!(every.all("container_labels_info", &[("label_owner", "x")]).len(), 8);
}

#[test]
fn containers_in_and_out() {
    let machine = Machine::new();
    let cases: [(&[&str], &str); 9] = [
        (&["--include-name", "*-net"], "net"),
        (&["--include-name", "*-net", "--include-name", "*-o*"], "net oom"),
        (&["--include-name", "plimsoll-cap-n*", "--exclude-name", "*-nested"], "net"),
        (&["--exclude-name", "plimsoll-cap-[!n]*"], "nested net"),
        (&["--include-image", "example.org/*"], "net"),
        (&["--exclude-image", "busybox:*"], "net"),
        (&["--include-label", "tier=fr*"], "net"),
        (&["--include-label", "tier", "--exclude-label", "tier=back"], "net"),
        (&["--include-label", "absent"], ""),
    ];
    for (arguments, expected) in cases {
        let exposition = shown(&machine, arguments);
        let mut names: Vec<&str> =
            exposition.containers().into_iter().map(|name| name.trim_start_matches(PREFIX)).collect();
        names.sort_unstable();
        assert_eq!(names.join(" "), expected, "{arguments:?}");
        assert_eq!(
            exposition.all("plimsoll_containers", &[]).iter().map(|sample| sample.value).sum::<f64>(),
            names.len() as f64,
            "{arguments:?}"
        );
    }
}

/// The log: as much as was asked for, as text or as JSON.
#[test]
fn the_log() {
    let machine = Machine::new();
    let absent =
        ["metrics", "--engine", "unix:///nonexistent", "--log-format", "json", "--log-level", "warn"];
    let done = run_with(&[("PLIMSOLL_LOG_LEVEL", "error")], &machine.on(&absent));
    let line = done.err.lines().find(|line| line.starts_with('{')).expect("flags win, so there is a line");
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(line["level"], "WARN");
    assert!(line["message"].as_str().unwrap().contains("/nonexistent"), "{line}");
}
