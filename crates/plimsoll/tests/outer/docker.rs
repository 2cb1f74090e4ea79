//! On this machine's Docker: the same numbers as `docker stats`, and what happens to containers.
//!
//! Other containers may run here; these tests look at their own alone.

use std::fmt::Debug;
use std::io::{BufRead as _, BufReader};
use std::time::{Duration, Instant};

use plimsoll_testkit::docker::{self, Container, available};
use plimsoll_testkit::wait_until;
use rustix::process::Signal;
use serde_json::Value;

use crate::agent::{Agent, SOON};
use crate::exposition::{Exposition, promtool};
use crate::process::{COMMAND_MAX, Lines, Running, command, run};

/// How long two programs that read one after the other may take to find the same numbers: a figure may change in
/// between, and each of them takes seconds.
const AGREE: Duration = Duration::from_secs(90);

/// How far apart the processor use may be that the two measure over different seconds (percentage points).
const CPU_APART: f64 = 2.0;

/// A container with eight megabytes of memory, three processes, and traffic that has ended.
fn quiet() -> Container {
    let script = "dd if=/dev/zero of=/tmp/memory bs=1M count=8 2>/dev/null; sleep 100000 & sleep 100000 & exec sleep 100000";
    let quiet = Container::run("quiet", &["--tmpfs", "/tmp", "--memory", "64m"], &["sh", "-c", script]);
    let gateway = quiet.inspect("{{.NetworkSettings.Gateway}}");
    quiet.exec(&["ping", "-c", "3", "-i", "0.2", "-s", "5000", &gateway]);
    wait_until(SOON, "the file is written", || quiet.exec(&["stat", "-c", "%s", "/tmp/memory"]) == "8388608");
    quiet
}

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// Has two programs measure until they agree, and gives what both found.
#[track_caller]
fn agree<T: Debug>(what: &str, measure: impl Fn() -> (T, T), is_same: impl Fn(&T, &T) -> bool) -> (T, T) {
    let began = Instant::now();
    loop {
        let (theirs, ours) = measure();
        if is_same(&theirs, &ours) {
            return (theirs, ours);
        }
        assert!(began.elapsed() < AGREE, "waited {AGREE:?} in vain: {what}\n{theirs:?}\n{ours:?}");
    }
}

/// The number in a text such as `12.34%`.
fn percent(value: &Value) -> Option<f64> {
    value.as_str()?.strip_suffix('%')?.parse().ok()
}

#[test]
fn stats_are_those_of_docker() {
    if !available() {
        return;
    }
    let quiet = quiet();
    let half = ["--network", "none", "--cpus", "0.5"];
    let busy = Container::run("busy", &half, &["sh", "-c", "while :; do :; done"]);
    let stopped = Container::create("stopped", &["--network", "none"], &["true"]);
    let of_docker = |arguments: &[&str]| docker::docker(&[&["stats", "--no-stream"], arguments].concat());
    let of_plimsoll = |arguments: &[&str]| run(&[&["stats", "--no-stream"], arguments].concat()).ok();

    let of = ["--format", "json", quiet.name()];
    let same = ["MemUsage", "MemPerc", "NetIO", "PIDs", "ID", "Name", "Container"];
    let (theirs, ours) = agree(
        "both show the same",
        || (json(&of_docker(&of)), json(of_plimsoll(&of).trim_end())),
        |theirs, ours| same.iter().all(|key| theirs[key] == ours[key]),
    );
    assert_eq!(ours["PIDs"], "3", "{ours}");
    assert!(ours["MemUsage"].as_str().unwrap().ends_with("MiB / 64MiB"), "{ours}");
    let keys = |of: &Value| of.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&ours), keys(&theirs));

    let of = ["--format", "json", busy.name()];
    agree(
        "both show half a core",
        || (json(&of_docker(&of)), json(of_plimsoll(&of).trim_end())),
        |theirs, ours| {
            let ours = percent(&ours["CPUPerc"]).unwrap_or_else(|| panic!("{ours}"));
            percent(&theirs["CPUPerc"]).is_some_and(|theirs| (theirs - ours).abs() <= CPU_APART)
        },
    );

    // Ticks that were over before the engine had told of its containers have no processor use to show.
    for _ in 0..5 {
        let shown = of_plimsoll(&["--interval", "100ms", "--format", "{{.CPUPerc}}", busy.name()]);
        assert!(shown.ends_with("%\n"), "{shown}");
    }

    // Columns are as wide as what stands in them, so the same numbers make the same heading and the same line.
    let without_cpu =
        "table {{.ID}}\t{{.Name}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}";
    for format in [&["--format", without_cpu][..], &["--no-trunc", "--format", without_cpu]] {
        let of = [format, &[quiet.name(), quiet.id()]].concat();
        let tables = || (of_docker(&of), of_plimsoll(&of).trim_end().to_owned());
        agree("both print the same table", tables, |theirs, ours| theirs == ours);
    }
    let heading = |table: &str| table.lines().next().unwrap_or("").to_owned();
    let headings = || (heading(&of_docker(&[quiet.name()])), heading(&of_plimsoll(&[quiet.name()])));
    agree("both print the same heading", headings, |theirs, ours| theirs == ours);

    let mine = |arguments: &[&str]| {
        let name =
            ["--format", "{{.Name}}", "--include-name", quiet.name(), "--include-name", stopped.name()];
        of_plimsoll(&[&name, arguments].concat())
    };
    assert_eq!(mine(&[]), format!("{}\n", quiet.name()));
    let mut all: Vec<String> = mine(&["--all"]).lines().map(str::to_owned).collect();
    all.sort();
    assert_eq!(all, [quiet.name(), stopped.name()]);
    let of_stopped = of_plimsoll(&["--format", "{{.PIDs}} {{.MemUsage}}", stopped.name()]);
    assert_eq!(of_stopped, "-- -- / --\n", "what is not running has no numbers");

    let message = run(&["stats", "--no-stream", quiet.name(), "plimsoll-test-unknown"]).failed(1);
    assert!(message.contains("no such container: `plimsoll-test-unknown`"), "{message}");
    a_reader_that_goes_away(&quiet);
    one_exposition(&quiet);
}

/// `plimsoll stats | head -1`.
fn a_reader_that_goes_away(quiet: &Container) {
    let mut stats = Running(command(&["stats", "--interval", "100ms", quiet.name()]).spawn().unwrap());
    let told = Lines::of(stats.0.stderr.take().unwrap());
    let mut first = String::new();
    BufReader::new(stats.0.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.starts_with("CONTAINER ID"), "{first}");
    assert_eq!(stats.wait(COMMAND_MAX).code(), Some(0), "{}", told.all());
    assert_eq!(told.all(), "");
}

/// `plimsoll metrics`.
fn one_exposition(quiet: &Container) {
    let only = ["metrics", "--include-name", quiet.name()];
    let text = run(&only).ok();
    promtool(&text);
    let exposition = Exposition::parse(&text);
    assert_eq!(exposition.containers().into_iter().collect::<Vec<_>>(), [quiet.name()]);
    let of = [("name", quiet.name())];
    assert_eq!(exposition.value("container_threads", &of), Some(3.0));
    assert_eq!(exposition.value("container_memory_limit_bytes", &of), Some(67_108_864.0));
    assert!(exposition.value("container_network_transmit_bytes_total", &of).unwrap() > 15_000.0);
    let openmetrics = run(&[&only[..], &["--format", "openmetrics"]].concat()).ok();
    assert!(openmetrics.ends_with("\n# EOF\n") && openmetrics.contains(quiet.name()));
}

#[test]
fn check_and_healthcheck() {
    if !available() {
        return;
    }
    let report = run(&["check", "--listen", "127.0.0.1:0"]).ok();
    let works = |line: &str| line.split_whitespace().take(2).eq(["ok", "docker_socket"]);
    assert!(report.lines().any(works), "{report}");

    let mut agent = Agent::start_here(&["--include-name", "plimsoll-test-none"]);
    agent.wait_ready();
    let address = agent.address().to_string();
    let healthy = run(&["healthcheck", "--listen", &address]).ok();
    assert_eq!(healthy, format!("http://{address}/health answers 200\n"));
    let ready = format!("http://{address}/-/ready");
    run(&["healthcheck", "--url", &ready]).ok();
    let message = run(&["healthcheck", "--url", &format!("http://{address}/nope")]).failed(1);
    assert!(message.contains("404"), "{message}");
    agent.end(Signal::TERM, SOON);
    let message = run(&["healthcheck", "--listen", &address]).failed(1);
    assert!(message.contains(&format!("http://{address}/health does not answer")), "{message}");
}

#[test]
fn labels_that_mean_harm() {
    if !available() {
        return;
    }
    let labels = [
        ("quotes", "say \"hello\" and \\ and \\n and 'so'"),
        ("lines", "one\ntwo\r\nthree\n# TYPE evil counter\nevil 1\n"),
        ("colours", "\u{1b}[31mred\u{1b}]0;title\u{7}\u{9b}2J"),
        ("ferry", "⛴️ größe 箱 \u{202e}live"),
        ("a.b", "dot"),
        ("a-b", "dash"),
        ("key\"with\"\\everything⛴\u{1b}", "odd"),
        ("empty", ""),
        ("long", &"x".repeat(100_000)),
    ];
    let given: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let mut options = vec!["--network", "none"];
    options.extend(given.iter().flat_map(|label| ["--label", label]));
    let hostile = Container::run("hostile", &options, &["sleep", "100000"]);

    let only = ["metrics", "--label", "*", "--include-name", hostile.name()];
    let text = run(&only).ok();
    promtool(&text);
    let exposition = Exposition::parse(&text);
    let shown = exposition.all("container_labels_info", &[("name", hostile.name())]);
    let [shown] = shown[..] else { panic!("one series: {shown:?}") };
    for (key, value) in &labels[..4] {
        assert_eq!(shown.label(&format!("label_{key}")), *value);
    }
    assert!(!exposition.families.contains("evil"));
    let bounded = shown.label("label_long").len();
    assert!((1..10_000).contains(&bounded), "{bounded} bytes");
    let openmetrics = run(&[&only[..], &["--format", "openmetrics"]].concat()).ok();
    assert!(openmetrics.ends_with("\n# EOF\n"));

    // Labels are of no use to the table, but its options are given by people.
    for format in ["json", "table {{.Name}}\t{{.Container}}"] {
        let table = run(&["stats", "--no-stream", "--format", format, hostile.name()]).ok();
        assert!(!table.contains(|shown: char| shown.is_control() && shown != '\n'), "{table:?}");
    }
    let label = "lines=one*";
    let chosen = run(&["metrics", "--include-label", label, "--include-name", hostile.name()]).ok();
    assert_eq!(Exposition::parse(&chosen).containers().len(), 1);
}

/// A family, labels beside the name, and the value that it is to have.
type Expected<'a> = (&'a str, &'a [(&'a str, &'a str)], f64);

#[test]
fn what_happens_to_containers_shows() {
    if !available() {
        return;
    }
    let agent = Agent::start_here(&["--include-name", "plimsoll-test-*"]);
    agent.wait_ready();
    let health = "test -e /tmp/well";
    let options = ["--network", "none", "--memory", "16m", "--health-cmd", health, "--health-interval", "1s"];
    // Starts no process later on, which would fail when memory is short.
    let script = "trap 'exit 7' TERM; sleep 100000 & wait";
    let life = Container::run("life", &options, &["sh", "-c", script]);
    let shows = |what: &str, name: &str, expected: &[Expected<'_>]| {
        agent.wait_for(what, |scrape| {
            expected.iter().all(|(family, labels, value)| {
                let of: Vec<_> = [&[("name", name)], *labels].concat();
                scrape.value(family, &of) == Some(*value)
            })
        })
    };
    let first = life.name().to_owned();
    let started = shows(
        "start",
        &first,
        &[
            ("container_state", &[], 1.0),
            ("container_status", &[], 1.0),
            ("container_lifecycle_state", &[("state", "running")], 1.0),
            ("container_restarts_total", &[], 0.0),
            ("container_oom_events_total", &[], 0.0),
        ],
    );
    assert_eq!(started.value("container_exit_code", &[("name", &first)]), None, "it never ended");
    life.exec(&["touch", "/tmp/well"]);
    shows("health", &first, &[("container_health_status", &[("health", "healthy")], 1.0)]);
    life.docker(&["pause"]);
    shows(
        "pause",
        &first,
        &[("container_status", &[], 2.0), ("container_lifecycle_state", &[("state", "paused")], 1.0)],
    );
    life.docker(&["unpause"]);
    shows("unpause", &first, &[("container_status", &[], 1.0)]);

    // A process of the container is killed for want of memory, the container lives.
    docker::try_docker(&["exec", &first, "sh", "-c", "tail /dev/zero"]).unwrap_err();
    let killed = agent.wait_for("the kill", |scrape| {
        scrape.value("container_oom_events_total", &[("name", &first)]).is_some_and(|kills| kills >= 1.0)
    });
    assert_eq!(killed.value("container_status", &[("name", &first)]), Some(1.0));

    life.docker(&["stop"]);
    let ended = shows(
        "stop",
        &first,
        &[
            ("container_state", &[], 0.0),
            ("container_status", &[], 0.0),
            ("container_exit_code", &[], 7.0),
            ("container_restarts_total", &[], 0.0),
            ("container_exits_total", &[("exit_code", "error")], 1.0),
        ],
    );
    assert_eq!(ended.value("container_memory_usage_bytes", &[("name", &first)]), None, "absent is absent");
    life.docker(&["start"]);
    shows(
        "start again",
        &first,
        &[
            ("container_status", &[], 1.0),
            ("container_restarts_total", &[], 1.0),
            ("container_starts_total", &[("cause", "manual")], 1.0),
        ],
    );
    let kills = agent.metrics().value("container_oom_events_total", &[("name", &first)]).unwrap();
    assert!(kills >= 1.0, "a kill is remembered over a restart");

    let renamed = format!("{first}-renamed");
    docker::docker(&["rename", &first, &renamed]);
    let guard = Renamed(&renamed);
    let scrape =
        shows("rename", &renamed, &[("container_status", &[], 1.0), ("container_restarts_total", &[], 1.0)]);
    assert!(!scrape.containers().contains(first.as_str()));
    docker::docker(&["update", "--memory", "32m", "--memory-swap", "64m", &renamed]);
    shows("update", &renamed, &[("container_memory_limit_bytes", &[], 33_554_432.0)]);

    drop(guard);
    agent.wait_for("removal", |scrape| !scrape.containers().contains(renamed.as_str()));
    a_restart_policy(&agent);
}

/// A container that its policy starts again and again.
fn a_restart_policy(agent: &Agent) {
    let options = ["--network", "none", "--restart", "on-failure:2"];
    let failing = Container::run("failing", &options, &["sh", "-c", "exit 3"]);
    let of = [("name", failing.name())];
    let end = agent.wait_for("the policy gives up", |scrape| {
        scrape.value("container_restarts_total", &of) == Some(2.0)
            && scrape.value("container_status", &of) == Some(0.0)
            && scrape.value("container_exit_code", &of) == Some(3.0)
    });
    let by_policy = [of[0], ("cause", "policy")];
    assert_eq!(end.value("container_starts_total", &by_policy), Some(2.0));
}

/// A container under a name that its own guard does not know.
struct Renamed<'a>(&'a str);

impl Drop for Renamed<'_> {
    fn drop(&mut self) {
        // One that is gone is what is wanted.
        let _ = docker::try_docker(&["rm", "-f", "-v", self.0]);
    }
}

/// The number of a family about one container, as `plimsoll metrics` prints it.
fn printed(family: &str, name: &str, flags: &[&str]) -> Option<f64> {
    let text = run(&[&["metrics"], flags].concat()).ok();
    let of_it = format!("name=\"{name}\"");
    let line = text.lines().find(|line| line.starts_with(&format!("{family}{{")) && line.contains(&of_it))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[test]
fn what_a_container_writes_shows_as_its_usage_of_the_disk() {
    const WRITTEN: f64 = 10.0 * 1024.0 * 1024.0;
    if !available() {
        return;
    }
    let script = "dd if=/dev/zero of=/file bs=1M count=10 && dd if=/dev/zero of=/data/file bs=1M count=3 && sync && echo written";
    let flags = ["--network", "none", "--volume", "/data"];
    let container = Container::run("disk", &flags, &["sh", "-c", &format!("{script}; exec sleep 100000")]);
    wait_until(SOON, "it has written", || container.docker(&["logs"]).contains("written"));
    let name = container.name();
    let opt_in = ["--collector.rootfs", "--collector.volumes", "--collector.mounts", "--collector.images"];
    let usage = printed("container_fs_usage_bytes", name, &opt_in).unwrap();
    // Docker adds up the lengths of files, and we what they take, which is a little more with the folders.
    let counted = ["container", "inspect", "--size", "--format", "{{.SizeRw}}", container.id()];
    let of_docker: f64 = docker::docker(&counted).parse().unwrap();
    assert!((WRITTEN..WRITTEN * 1.02).contains(&usage), "{usage}");
    assert!((of_docker..of_docker * 1.02).contains(&usage), "{usage} {of_docker}");
    let log = printed("container_log_bytes", name, &opt_in).unwrap();
    assert!(log > 0.0 && log < WRITTEN, "{log}");
    let limit = printed("container_fs_limit_bytes", name, &opt_in).unwrap();
    assert!(limit > usage, "{limit}");
    let volume = printed("container_volume_usage_bytes", name, &opt_in).unwrap();
    assert!((3.0 * 1024.0 * 1024.0..4.0 * 1024.0 * 1024.0).contains(&volume), "{volume}");
    let rootfs = printed("container_fs_rootfs_bytes", name, &opt_in).unwrap();
    assert!(rootfs > of_docker, "{rootfs}");
    assert_eq!(printed("container_mount_info", name, &opt_in), Some(1.0));
    assert!(printed("container_volume_usage_bytes", name, &[]).is_none(), "it is off unless switched on");
    let cadvisor = printed("container_fs_usage_bytes", name, &["--profile", "cadvisor"]).unwrap();
    assert!((WRITTEN..WRITTEN * 1.02).contains(&cadvisor), "{cadvisor}");
    let text = run(&["metrics", "--collector.images"]).ok();
    assert!(text.contains("\nengine_images_bytes{engine=\"docker"), "{text}");
    assert!(run(&["check"]).ok().contains("ok      layers"));
}
