//! What is wrong with the world, or with what was asked: one message that says what and what to do, and the exit code.

use std::fs::{File, Permissions};
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use plimsoll_testkit::fake_engine::{Behaviour, FakeContainer, id_of};
use plimsoll_testkit::wait_until;

use crate::agent::{Agent, LISTENING, SOON};
use crate::exposition::{Exposition, promtool};
use crate::machine::{Machine, containers};
use crate::process::{COMMAND_MAX, Lines, Running, command, command_of_nobody, finish, run, run_with};

#[track_caller]
pub(crate) fn says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{part:?} is missing: {message}");
    }
    let told = message.lines().filter(|line| line.starts_with("plimsoll: ")).count();
    assert_eq!(told, 1, "one message: {message}");
}

#[test]
fn a_port_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let message = run(&["agent", "--listen", &address]).failed(1);
    says(&message, &["cannot listen on", &address, "in use", "to do:", "--listen"]);
    let message = run(&["agent", "--listen", "192.0.2.1:8003"]).failed(1);
    says(&message, &["192.0.2.1:8003", "address of this machine"]);
}

#[test]
fn mistakes_on_the_command_line() {
    let unknown = run(&["agent", "--lisen", ":1"]).failed(2);
    assert!(unknown.contains("--lisen") && unknown.contains("--listen"), "{unknown}");
    let unknown = run(&["agnt"]).failed(2);
    assert!(unknown.contains("agnt") && unknown.contains("agent"), "{unknown}");
    let unknown = run(&["agent", "--profile", "huge"]).failed(2);
    assert!(unknown.contains("huge") && unknown.contains("minimal"), "{unknown}");
    for (flag, value, expected) in [
        ("--interval", "fast", "100ms to 1h"),
        ("--interval", "1ms", "100ms to 1h"),
        ("--listen", "8003", "127.0.0.1:8003"),
        ("--engine", "ftp://x", "unix:///var/run/docker.sock"),
        ("--include-name", "[", "pattern"),
    ] {
        let message = run(&["agent", flag, value]).failed(2);
        says(&message, &[flag, &format!("`{value}`"), expected]);
    }
    let message = run(&["stats", "--format", "{{.Nmae}}"]).failed(2);
    says(&message, &["{{.Nmae}}", "{{.Name}}"]);
    let escape = run(&["agent", "--interval", "\u{1b}[31mred"]).failed(2);
    assert!(!escape.contains('\u{1b}'), "{escape:?}");
}

#[test]
fn mistakes_in_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plimsoll.toml");
    let path = path.to_str().unwrap();
    let cases = [
        ("listen = ':0'\n\nintervall = '2s'\n", ":3: unknown key `intervall`", "`interval`"),
        ("# one\n[collectors]\ncpus = true\n", ":3: unknown collector `cpus`", "`cpu`"),
        ("interval = true\n", ":1: bad value `true` for interval", "100ms to 1h"),
        ("interval = '2s'\ninterval = '3s'\n", ":2: not valid TOML", "duplicate"),
        ("[[[\n", ":1: not valid TOML", ""),
        ("config = 'x'\n", ":1: a configuration cannot name", "--config"),
    ];
    for (contents, what, part) in cases {
        std::fs::write(path, contents).unwrap();
        says(&run(&["agent", "--config", path]).failed(2), &[path, what, part]);
    }
    says(
        &run_with(&[("PLIMSOLL_INTERVALL", "2s")], &["agent"]).failed(2),
        &["`PLIMSOLL_INTERVALL`", "`PLIMSOLL_INTERVAL`"],
    );
    says(&run_with(&[("POLL_INTERVAL", "soon")], &["agent"]).failed(2), &["POLL_INTERVAL", "`soon`"]);
    says(
        &run_with(&[("EXPORTER_PORT", "70000")], &["agent"]).failed(2),
        &["EXPORTER_PORT", "`70000`", "65535"],
    );
}

#[test]
fn a_configuration_that_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let absent = folder.path().join("absent.toml");
    for path in [&*absent, folder.path()] {
        let path = path.to_str().unwrap();
        let message = run(&["agent", "--config", path]).failed(1);
        says(&message, &["cannot read the configuration", path, "flag --config", "to do:"]);
        let message = run_with(&[("PLIMSOLL_CONFIG", path)], &["agent", "--print-config"]).failed(1);
        says(&message, &["PLIMSOLL_CONFIG"]);
    }
    let large = folder.path().join("large.toml");
    std::fs::write(&large, "#".repeat(2 << 20)).unwrap();
    let message = run(&["agent", "--config", large.to_str().unwrap()]).failed(1);
    says(&message, &["larger than"]);
}

#[test]
fn no_cgroups() {
    let machine = Machine::new();
    let empty = tempfile::tempdir().unwrap();
    let root = empty.path().to_str().unwrap();
    for command in ["agent", "metrics", "stats", "check"] {
        let message = run(&machine.on(&[command, "--cgroup-root", root])).failed(1);
        says(&message, &["cgroup", root, "--cgroup-root"]);
    }
}

#[test]
fn an_engine_that_is_not_there() {
    let machine = Machine::new();
    let absent = machine.root().join("absent.sock");
    let url = format!("unix://{}", absent.display());
    let agent = Agent::start(&machine, &["--engine", &url]);
    agent.wait_ready();
    let scrape = agent.wait_for("several attempts", |scrape| {
        scrape.value("plimsoll_engine_requests_total", &[]).is_some_and(|requests| requests >= 5.0)
    });
    assert_eq!(scrape.value("plimsoll_engine_up", &[("endpoint", &url)]), Some(0.0));
    assert_eq!(scrape.value("plimsoll_capability", &[("feature", "docker_socket")]), Some(0.0));
    assert_eq!(scrape.containers().len(), 0);
    assert_eq!(agent.get("/health", &[]).code, 503);
    let lines = agent.log().with("does not answer");
    assert_eq!(lines.len(), 1, "{}", agent.log().all());
    assert!(lines[0].contains("WARN") && lines[0].contains(&url), "{lines:?}");
    assert!(agent.log().with("ERROR").is_empty(), "{}", agent.log().all());
}

/// Commands that end by themselves need the engine, and say within their patience that it is not there.
#[test]
fn commands_do_not_wait_for_ever() {
    let machine = Machine::new();
    let absent = ["--engine", "unix:///nonexistent/docker.sock"];
    for command in ["stats", "metrics"] {
        let message = run(&machine.on(&[command, absent[0], absent[1]])).failed(1);
        says(&message, &["/nonexistent/docker.sock", "to do:", "--engine"]);
    }
    let done = run(&machine.on(&["check", absent[0], absent[1], "--listen", "127.0.0.1:0"]));
    assert_eq!(done.code, Some(1), "{done:#?}");
    says_of_check(&done.out, "docker_socket", "missing", &["/nonexistent/docker.sock", "--engine"]);

    for hanging in ["/", "/containers/json"] {
        let machine = Machine::new();
        machine.engine.set_behaviour(hanging, Behaviour::Hang);
        for command in ["metrics", "check"] {
            let done = run(&machine.on(&[command]));
            assert_eq!(done.code, Some(1), "{command} with {hanging} hanging: {done:#?}");
        }
    }
}

#[track_caller]
fn says_of_check(out: &str, feature: &str, word: &str, parts: &[&str]) {
    let mut lines = out.lines().skip_while(|line| !line.contains(&format!(" {feature} ")));
    let line = lines.next().unwrap_or_else(|| panic!("nothing on {feature}: {out}"));
    let whole = format!("{line}\n{}", lines.next().unwrap_or(""));
    assert_eq!(line.split_whitespace().next(), Some(word), "{out}");
    for part in parts {
        assert!(whole.contains(part), "{part:?} is missing: {out}");
    }
}

#[test]
fn check_tells_what_works() {
    let machine = Machine::new();
    let out = run(&machine.on(&["check", "--listen", "127.0.0.1:0"])).ok();
    for feature in ["cpu", "memory", "pids", "psi", "docker_socket", "containers", "listen"] {
        says_of_check(&out, feature, "ok", &[]);
    }
    assert!(out.contains("8 known, 8 running, 8 of these can be read"), "{out}");
    assert!(out.ends_with("The agent would work.\n"), "{out}");

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let done = run(&machine.on(&["check", "--listen", &address]));
    says_of_check(&done.out, "listen", "missing", &[&address, "in use", "to do:"]);

    // The engine's containers run elsewhere than where the cgroups are looked for.
    let elsewhere = tempfile::tempdir().unwrap();
    for folder in ["cgroup/memory", "cgroup/cpuacct", "proc", "sys"] {
        std::fs::create_dir_all(elsewhere.path().join(folder)).unwrap();
    }
    let at = |name: &str| elsewhere.path().join(name).to_str().unwrap().to_owned();
    let (cgroup, proc) = (at("cgroup"), at("proc"));
    let roots = ["check", "--cgroup-root", &cgroup, "--procfs", &proc, "--listen", "127.0.0.1:0"];
    let done = run(&machine.on(&roots));
    assert_eq!(done.code, Some(1), "{done:#?}");
    says_of_check(&done.out, "containers", "missing", &["0 of these can be read", "--cgroup-root"]);
}

#[test]
fn without_permission() {
    if !can_run_as_nobody() {
        return;
    }
    let machine = Machine::new();
    let for_root_alone = |path: &Path| std::fs::set_permissions(path, Permissions::from_mode(0o700)).unwrap();
    for_root_alone(machine.root());
    for_root_alone(machine.engine.socket().parent().unwrap());
    let as_nobody = |arguments: &[&str]| command_of_nobody(arguments);
    let engine = format!("unix://{}", machine.engine.socket().display());

    let done = finish(as_nobody(&["check", "--engine", &engine, "--listen", "127.0.0.1:0"]));
    assert_eq!(done.code, Some(1), "{done:#?}");
    says_of_check(&done.out, "docker_socket", "missing", &["ermission denied", "to do:", "user"]);

    let agent = Agent::spawn(as_nobody(&[&LISTENING[..], &["--engine", &engine]].concat()));
    wait_until(SOON, "the refusal is told", || agent.log().with("does not answer").len() == 1);
    assert!(agent.log().with("does not answer")[0].contains("ermission denied"), "{}", agent.log().all());
    // A scrape may be answered with a sample that is a little older than the line in the log.
    wait_until(SOON, "it shows", || agent.metrics().value("plimsoll_engine_up", &[]) == Some(0.0));

    let config = machine.root().join("secret.toml");
    std::fs::write(&config, "").unwrap();
    let config = config.to_str().unwrap();
    let message = finish(as_nobody(&["agent", "--config", config])).failed(1);
    says(&message, &["cannot read the configuration", config, "ermission denied", "to do: make it readable"]);

    let root = machine.root().join("cgroup");
    let root = root.to_str().unwrap();
    let message =
        finish(as_nobody(&[&LISTENING[..], &["--source", "kernel", "--cgroup-root", root]].concat()))
            .failed(1);
    says(&message, &["cgroup", root, "ermission denied"]);
}

/// Whether a user without rights can be had here, and reaches the binary.
pub(crate) fn can_run_as_nobody() -> bool {
    let all_may_enter =
        |path: &Path| std::fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o001 != 0);
    let binary = Path::new(env!("CARGO_BIN_EXE_plimsoll"));
    rustix::process::geteuid().is_root() && binary.ancestors().all(all_may_enter)
}

/// `plimsoll metrics | head -1`, and a disk that is full.
#[test]
fn output_that_nobody_takes() {
    let machine = Machine::new();
    let whole = machine.on(&["metrics", "--profile", "full"]);
    let mut metrics = Running(command(&whole).spawn().unwrap());
    let told = Lines::of(metrics.0.stderr.take().unwrap());
    let mut first = String::new();
    BufReader::with_capacity(16, metrics.0.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.starts_with("# HELP "), "{first}");
    assert_eq!(metrics.wait(COMMAND_MAX).code(), Some(0), "{}", told.all());
    assert_eq!(told.all(), "");

    let mut full = command(&whole);
    full.stdout(File::create("/dev/full").unwrap());
    let mut metrics = Running(full.spawn().unwrap());
    let told = Lines::of(metrics.0.stderr.take().unwrap());
    assert_eq!(metrics.wait(COMMAND_MAX).code(), Some(1));
    wait_until(SOON, "it is told", || told.with("cannot write to standard output").len() == 1);
}

/// What no engine would say, and one that was broken into might.
#[test]
fn names_that_mean_harm() {
    let machine = Machine::new();
    let (_, id, pid) = containers().next().unwrap();
    let name = "a\"b\\c\nevil 1\r\t\u{1b}[2J\u{9b}31m\u{202e}⛴";
    let image = format!("x\"}} 1\n{}", "i".repeat(1 << 20));
    let hostile =
        FakeContainer::new(name).id(id).pid(pid).image(&image).label("l\"\n", &"v\n".repeat(1 << 19));
    machine.engine.put(hostile);
    machine.engine.put(FakeContainer::new("").id(&id_of("nameless")).state("never seen before"));
    machine.engine.put(FakeContainer::new("../../x").id("../../../etc").pid(1));

    let text = run(&machine.on(&["metrics", "--label", "*", "--profile", "full"])).ok();
    promtool(&text);
    assert!(text.len() < 1 << 20, "{} bytes", text.len());
    let exposition = Exposition::parse(&text);
    assert!(exposition.samples.iter().all(|sample| sample.name != "evil"));
    let short = [("id", &id[..12])];
    assert_eq!(exposition.all("container_state", &short)[0].label("name"), name);
    assert!(exposition.value("container_memory_usage_bytes", &short).is_some());
    let openmetrics = run(&machine.on(&["metrics", "--label", "*", "--format", "openmetrics"])).ok();
    assert!(openmetrics.ends_with("\n# EOF\n"));

    for format in ["table", "json", "{{.Name}} {{.ID}} {{.Container}}"] {
        let shown = run(&machine.on(&["stats", "--no-stream", "--all", "--format", format])).ok();
        let harmful = |shown: char| (shown.is_control() && shown != '\n') || shown == '\u{202e}';
        assert!(!shown.contains(harmful), "{shown:?}");
        assert!(shown.lines().all(|line| !line.starts_with("evil")), "{shown}");
    }
    let agent = Agent::start(&machine, &["--label", "*"]);
    agent.wait_ready();
    let page = agent.get("/", &[]);
    assert!(page.code == 200 && page.body.len() < 1 << 16, "{} bytes", page.body.len());
    assert!(!agent.log().all().contains('\u{1b}'), "{}", agent.log().all());
}
