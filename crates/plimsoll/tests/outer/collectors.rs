//! Collectors of the configuration: what they tell is shown, how they do is told, and whatever one of them does hurts nobody
//! else. A configuration that changes changes them while the agent runs.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use plimsoll_testkit::docker::{self, Container};
use plimsoll_testkit::wait_until;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::agent::{Agent, LISTENING, SOON};
use crate::exposition::{Exposition, promtool};
use crate::faults::says;
use crate::machine::Machine;
use crate::process::{command, run, run_with};

const OPENMETRICS: (&str, &str) = ("Accept", "application/openmetrics-text; version=1.0.0");

/// What an agent needs to end, whatever its commands are at.
const END: Duration = Duration::from_secs(4);

/// Labels, or variables of the environment.
type Pairs<'a> = &'a [(&'a str, &'a str)];

/// A folder with a configuration and the scripts that it names. They run in that folder, and so does what they start: that
/// is how it is found, and ended with the test, as an agent that is killed cannot do that any more.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        // Links in the path would hide that a process is in it.
        let root = std::env::temp_dir().canonicalize().unwrap();
        Self(tempfile::tempdir_in(root).unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A collector that runs this script in `sh`, with more lines for its table.
    fn exec(&self, name: &str, script: &str, more: &str) -> String {
        // A line for each start, written before anything else.
        let script = format!("echo $$ >>{name}.starts\n{script}\n");
        std::fs::write(self.path(name), script).unwrap();
        let folder = self.0.path().display();
        format!(
            "[[collector]]\nname = '{name}'\ntype = 'exec'\ncommand = ['sh', '{name}']\ndirectory = '{folder}'\n{more}\n"
        )
    }

    /// How often a script was started.
    fn starts(&self, name: &str) -> usize {
        std::fs::read_to_string(self.path(&format!("{name}.starts"))).map_or(0, |text| text.lines().count())
    }

    /// Puts a configuration there, at once, so that nobody reads half of it, and gives its path.
    fn configure(&self, text: &str) -> String {
        let path = self.path("plimsoll.toml");
        std::fs::write(self.path("new"), text).unwrap();
        std::fs::rename(self.path("new"), &path).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// The processes that run here, with what they were started as. Zombies are nowhere.
    fn processes(&self) -> Vec<(i32, String)> {
        let entries = std::fs::read_dir("/proc").unwrap().flatten();
        let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        let is_here = |number: &i32| {
            std::fs::read_link(format!("/proc/{number}/cwd"))
                .is_ok_and(|folder| folder.starts_with(self.0.path()))
        };
        let here = numbers.filter(is_here);
        let called = |number: i32| std::fs::read_to_string(format!("/proc/{number}/cmdline"));
        here.map(|number| (number, called(number).unwrap_or_default().replace('\0', " "))).collect()
    }

    #[track_caller]
    fn wait_deserted(&self) {
        wait_until(SOON, "nothing of the commands is left", || self.processes().is_empty());
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for (number, _) in self.processes() {
            // One that has ended meanwhile is what is wanted.
            let _ = kill_process(Pid::from_raw(number).unwrap(), Signal::KILL);
        }
    }
}

/// A server that answers every request with the same, until it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(body: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let ends = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&ends);
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        let thread = std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                if is_over.load(Ordering::SeqCst) {
                    return;
                }
                let head = BufReader::new(&stream).lines().map_while(Result::ok);
                head.take_while(|line| !line.is_empty()).for_each(drop);
                // Whoever goes away in between is no concern of a test's.
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        Self { address, ends, thread: Some(thread) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// How a collector does, as the API tells it.
#[track_caller]
pub(crate) fn state(agent: &Agent, name: &str) -> Value {
    let answer = agent.get("/api/v1/collectors", &[]);
    assert_eq!(answer.code, 200, "{}", answer.text());
    let all: Value = serde_json::from_str(answer.text()).unwrap();
    let found = all["collectors"].as_array().unwrap().iter().find(|one| one["name"] == name);
    found.cloned().unwrap_or_else(|| panic!("no collector {name}: {all}"))
}

pub(crate) fn of(collector: &str) -> [(&str, &str); 1] {
    [("collector", collector)]
}

fn runs(scrape: &Exposition, collector: &str) -> Option<f64> {
    scrape.value("plimsoll_collector_runs_total", &of(collector))
}

#[test]
fn what_they_tell_is_in_the_metrics() {
    let machine = Machine::new();
    let place = Place::new();
    let server = Server::start("# TYPE answers_total counter\nanswers_total{image=\"kept\"} 12\n");
    let prometheus = "cat <<'END'\n\
        # HELP backup_age_seconds Age of the last \\\\ backup.\n\
        # TYPE backup_age_seconds gauge\n\
        backup_age_seconds{volume=\"a \\\"b\\\"\"} 86400.5\n\
        backup_age_seconds{volume=\"b\"} 1e3\n\
        # TYPE backups_total counter\n\
        backups_total 7\n\
        END";
    let json = r#"echo '{"pool": {"size": 8, "is-open": true}, "metrics": [{"name": "jobs_total", "value": 3, "labels": {"queue": "a"}}]}'"#;
    let config = [
        place.exec("text", prometheus, "format = 'prometheus'\ninterval = '1s'\nlabels = { env = 'prod' }"),
        place.exec("json", json, "format = 'json'\nprefix = 'app'\ninterval = '1m'"),
        format!("[[collector]]\nname = 'server'\ntype = 'http'\nurl = 'http://{}/metrics'\n", server.address),
        place.exec("off", "echo never 1", "enabled = false"),
    ];
    let config = place.configure(&config.concat());
    let agent = Agent::start(&machine, &["--config", &config]);
    agent.wait_ready();
    let names = ["text", "json", "server"];
    agent.wait_for("all have told", |scrape| {
        names.iter().all(|name| scrape.value("plimsoll_collector_success", &of(name)) == Some(1.0))
            && runs(scrape, "text") >= Some(2.0)
    });

    let answer = agent.get("/metrics", &[]);
    promtool(answer.text());
    let scrape = Exposition::parse(answer.text());
    let custom: [(&str, Pairs<'_>, f64); 7] = [
        ("backup_age_seconds", &[("volume", "a \"b\""), ("env", "prod")], 86400.5),
        ("backup_age_seconds", &[("volume", "b"), ("env", "prod")], 1000.0),
        ("backups_total", &[("env", "prod")], 7.0),
        ("app_pool_size", &[("env", "")], 8.0),
        ("app_pool_is_open", &[], 1.0),
        ("app_jobs_total", &[("queue", "a")], 3.0),
        ("answers_total", &[("image", "kept")], 12.0),
    ];
    for (name, labels, value) in custom {
        assert_eq!(scrape.value(name, labels), Some(value), "{name} {labels:?}");
        assert!(scrape.families.contains(name), "{name} has no type");
    }
    assert!(!scrape.has("never"), "who is not enabled does not run");
    assert_eq!(place.starts("off"), 0);
    for line in [
        "# HELP backup_age_seconds Age of the last \\\\ backup.",
        "# TYPE backup_age_seconds gauge",
        "# TYPE backups_total counter",
    ] {
        assert!(answer.text().contains(&format!("{line}\n")), "{line} is missing");
    }
    assert_eq!(scrape.value("plimsoll_series", &[]), Some(scrape.samples.len() as f64));
    let open = agent.get("/metrics", &[OPENMETRICS]);
    for line in [
        "# TYPE backups counter\n",
        "\nbackups_total{env=\"prod\"} 7\n",
        "\nbackup_age_seconds{volume=\"a \\\"b\\\"\",env=\"prod\"} 86400.5\n",
        "\napp_jobs_total{queue=\"a\"} 3\n",
        "\nanswers_total{image=\"kept\"} 12\n",
    ] {
        let sorted =
            line.replace("volume=\"a \\\"b\\\"\",env=\"prod\"", "env=\"prod\",volume=\"a \\\"b\\\"\"");
        assert!(open.text().contains(line) || open.text().contains(&sorted), "{line:?} is missing");
    }
    assert!(open.text().ends_with("\n# EOF\n"));

    // How they do: in the metrics and in the API alike.
    for (name, kind, interval, timeout, values) in
        [("text", "exec", 1.0, 1.0, 3), ("json", "exec", 60.0, 10.0, 3), ("server", "http", 30.0, 10.0, 1)]
    {
        let metric = |metric: &str| scrape.value(&format!("plimsoll_collector_{metric}"), &of(name));
        assert_eq!((metric("healthy"), metric("success")), (Some(1.0), Some(1.0)), "{name}");
        assert_eq!(metric("values"), Some(f64::from(values)), "{name}");
        assert_eq!(
            (metric("runs_skipped_total"), metric("timeouts_total")),
            (Some(0.0), Some(0.0)),
            "{name}"
        );
        assert!(metric("last_success_timestamp_seconds") > Some(1e9), "{name}");
        assert!(metric("duration_seconds") > Some(0.0), "{name}");
        for (counter, reasons) in [("failures_total", 3), ("values_dropped_total", 7)] {
            let all = scrape.all(&format!("plimsoll_collector_{counter}"), &of(name));
            assert_eq!(all.len(), reasons, "{name} {counter}");
            assert!(all.iter().all(|sample| sample.value == 0.0), "{all:?}");
        }
        let state = state(&agent, name);
        for (key, expected) in [
            ("type", Value::from(kind)),
            ("healthy", true.into()),
            ("success", true.into()),
            ("interval", interval.into()),
            ("timeout", timeout.into()),
            ("values", values.into()),
            ("skipped", 0.into()),
        ] {
            assert_eq!(state[key], expected, "{name}: {state}");
        }
        assert!(state["runs"].as_f64() >= runs(&scrape, name), "{state}");
        assert!(state.get("last_error").is_none(), "{state}");
    }
    let page = agent.get("/", &[]);
    for name in names {
        assert!(page.text().contains(&format!("<td>{name}</td>")), "{name} is missing:\n{}", page.text());
    }
    assert_eq!(agent.log().with("collectors of the configuration: text, json, server").len(), 1);
    assert!(agent.log().with("WARN").is_empty(), "{}", agent.log().all());
}

#[test]
fn containers_are_asked_by_their_label() {
    if !docker::available() {
        return;
    }
    let key = docker::unique_name("metrics");
    // A page that claims to be of another container.
    let serve = "mkdir -p /www; echo 'requests_total{path=\"/\",image=\"other\",name=\"other\"} 5' >/www/metrics; \
                 echo 'depth 2' >/www/other; exec busybox httpd -f -p 9100 -h /www";
    let labelled = |name: &str, label: &str, command: &[&str]| {
        Container::run(name, &["--label", &format!("{key}={label}")], command)
    };
    let web = labelled("asked-web", "9100", &["sh", "-c", serve]);
    let other = labelled("asked-other", "9100/other", &["sh", "-c", serve]);
    let deaf = labelled("asked-deaf", "9101", &["sleep", "100000"]);
    let plain = Container::run("asked-plain", &[], &["sleep", "100000"]);
    let place = Place::new();
    let config = place.configure(&format!(
        "[[collector]]\nname = 'of-containers'\ntype = 'http'\ncontainer_label = '{key}'\nretry_attempts = 0\n\
         interval = '1s'\nlabels = {{ env = 'prod' }}\n"
    ));
    let names = format!("plimsoll-test-{}-*-asked-*", std::process::id());
    let agent = Agent::start_here(&["--config", &config, "--include-name", &names]);
    agent.wait_ready();
    let failures = |scrape: &Exposition| {
        let labels = [("collector", "of-containers"), ("reason", "error")];
        scrape.value("plimsoll_collector_failures_total", &labels)
    };
    let scrape = agent.wait_for("both have told, and the deaf one was asked three times", |scrape| {
        scrape.value("requests_total", &[]).is_some()
            && scrape.value("depth", &[]).is_some()
            && failures(scrape) >= Some(3.0)
    });
    wait_until(SOON, "nobody can ask it", || state(&agent, "of-containers")["unhealthy_containers"] == 1);
    promtool(agent.get("/metrics", &[]).text());
    let told = scrape.all("requests_total", &[])[0];
    let expected = [
        ("name", web.name()),
        ("image", docker::IMAGE),
        ("id", &web.id()[..12]),
        ("exported_name", "other"),
        ("exported_image", "other"),
        ("path", "/"),
        ("env", "prod"),
    ];
    // The same labels as the container's other series have, and the page's.
    let usual = scrape.all("container_memory_usage_bytes", &[("name", web.name())])[0];
    let mut labels: BTreeMap<_, _> = usual.labels.iter().map(|(key, text)| (&**key, &**text)).collect();
    labels.extend(expected);
    let shown: BTreeMap<_, _> = told.labels.iter().map(|(key, text)| (&**key, &**text)).collect();
    assert_eq!(shown, labels);
    assert_eq!(told.value, 5.0);
    assert_eq!(scrape.value("depth", &[("name", other.name()), ("id", &other.id()[..12])]), Some(2.0));
    let open = agent.get("/metrics", &[OPENMETRICS]);
    let line = open.text().lines().find(|line| line.starts_with("requests_total{")).unwrap();
    assert!(line.contains(&format!("name=\"{}\"", web.name())) && line.ends_with(" 5"), "{line}");

    let of = of("of-containers");
    let trouble = state(&agent, "of-containers")["last_error"].as_str().unwrap().to_owned();
    let address = deaf.inspect("{{.NetworkSettings.IPAddress}}");
    assert!(trouble.contains(&format!("http://{address}:9101/metrics")), "{trouble}");
    for silent in [&deaf, &plain] {
        let of = [("name", silent.name())];
        assert!(scrape.value("container_state", &of).is_some(), "{} is known", silent.name());
        assert!(scrape.all("requests_total", &of).is_empty() && scrape.all("depth", &of).is_empty());
    }
    // A container that has ended tells nothing any more, and the one that cannot be asked is forgotten when it is gone.
    web.docker(&["stop", "-t", "0"]);
    agent.wait_for("its values are gone", |scrape| scrape.value("requests_total", &[]).is_none());
    deaf.docker(&["rm", "-f"]);
    let scrape = agent.wait_for("nobody is left who cannot be asked", |scrape| {
        scrape.value("plimsoll_collector_success", &of) == Some(1.0)
    });
    assert_eq!(scrape.value("depth", &[("name", other.name())]), Some(2.0));
    wait_until(SOON, "it is forgotten", || state(&agent, "of-containers")["unhealthy_containers"] == 0);
}

#[test]
fn trouble_is_named_and_is_nobody_elses() {
    let machine = Machine::new();
    let place = Place::new();
    // A second, so that nobody who is well is late on a busy machine.
    let often = "interval = '1s'\nretry_attempts = 0";
    // The counter begins anew each time, a little lower.
    let nonsense = "cat <<END\n\
        # TYPE falls_total counter\n\
        falls_total $((1000 - $(wc -l <nonsense.starts)))\n\
        no_number NaN\n\
        endless +Inf\n\
        9bad 1\n\
        odd{__odd=\"x\"} 1\n\
        twice{a=\"b\"} 1\n\
        twice{a=\"b\"} 2\n\
        container_memory_usage_bytes 5\n\
        plimsoll_made_up 1\n\
        sound 1\n\
        END";
    let config = [
        place.exec("good", "echo good_total $(wc -l <good.starts)", often),
        place.exec("fails", "echo half 1; echo no disk >&2; exit 1", often),
        place.exec("hangs", "sleep 1000 & sleep 1000", &format!("{often}\ntimeout = '100ms'")),
        place.exec("nonsense", nonsense, often),
        place.exec("chatty", "echo this is no metric", often),
        format!("[[collector]]\nname = 'absent'\ntype = 'exec'\ncommand = '/nonexistent/program'\n{often}\n"),
        format!("[[collector]]\nname = 'refused'\ntype = 'http'\nurl = 'http://127.0.0.1:1/x'\n{often}\n"),
    ];
    let config = place.configure(&config.concat());
    let agent = Agent::start(&machine, &["--config", &config]);
    agent.wait_ready();
    let sick = [
        ("fails", "error", "\"sh\": it ended with status 1, and said last: no disk"),
        ("hangs", "timeout", "it took longer than 100ms"),
        ("chatty", "error", "line 1, \"this is no metric\""),
        ("absent", "error", "\"/nonexistent/program\""),
        ("refused", "error", "http://127.0.0.1:1/x"),
    ];
    let scrape =
        agent.wait_for("the sick have failed three times, and nonsense was told three times", |scrape| {
            sick.iter().all(|(name, ..)| scrape.value("plimsoll_collector_healthy", &of(name)) == Some(0.0))
                && runs(scrape, "nonsense") >= Some(3.0)
                && scrape.value("falls_total", &[]).is_none()
        });
    let page = agent.get("/", &[]);
    let page = page.text().replace("&quot;", "\"");
    for (name, reason, said) in sick {
        let failures = |reason| {
            let labels = [("collector", name), ("reason", reason)];
            scrape.value("plimsoll_collector_failures_total", &labels)
        };
        for other in ["error", "timeout", "panic"] {
            assert_eq!(failures(other) >= Some(3.0), other == reason, "{name} {other}");
        }
        assert_eq!(scrape.value("plimsoll_collector_success", &of(name)), Some(0.0), "{name}");
        assert_eq!(scrape.value("plimsoll_collector_values", &of(name)), Some(0.0), "{name}");
        let row = page.lines().find(|line| line.contains(&format!("<td>{name}</td>"))).unwrap();
        assert!(row.contains("unhealthy") && row.contains(said), "{row}");
        let lines = agent.log().with(&format!("the collector \"{name}\" keeps failing"));
        assert!(lines.len() == 1 && lines[0].contains("WARN") && lines[0].contains(said), "{lines:?}");
        let state = state(&agent, name);
        assert!(state["last_error"].as_str().unwrap().contains(said) && state["healthy"] == false, "{state}");
    }
    let left_out = |reason| {
        let labels = [("collector", "nonsense"), ("reason", reason)];
        scrape.value("plimsoll_collector_values_dropped_total", &labels).unwrap()
    };
    let count = runs(&scrape, "nonsense").unwrap();
    let failed = scrape.all("plimsoll_collector_failures_total", &of("nonsense"));
    assert!(failed.iter().all(|sample| sample.value == 0.0), "nonsense is no failure: {failed:?}");
    for (reason, of_each_run) in [
        ("not_finite", 2.0),
        ("bad_name", 1.0),
        ("bad_label", 1.0),
        ("duplicate", 1.0),
        ("reserved_name", 2.0),
    ] {
        assert_eq!(left_out(reason), of_each_run * count, "{reason}");
        assert_eq!(agent.log().with(&format!("\"nonsense\" are left out: {reason}")).len(), 1, "{reason}");
    }
    assert_eq!(left_out("counter_fell"), count - 1.0, "the first time it had not fallen yet");
    assert_eq!(left_out("too_many"), 0.0);
    let row = page.lines().find(|line| line.contains("<td>nonsense</td>")).unwrap();
    for reason in ["not_finite", "bad_name", "bad_label", "duplicate", "counter_fell", "reserved_name"] {
        assert!(row.contains("works") && row.contains(&format!(" {reason} ")), "{row}");
    }
    let broken = agent.log().with("line 5, \"9bad 1\"");
    assert!(broken.len() == 1 && broken[0].contains("WARN"), "{}", agent.log().all());

    // What is sound in between is there, and what is the catalog's is the catalog's alone.
    assert_eq!(scrape.value("sound", &[]), Some(1.0));
    assert_eq!(scrape.value("twice", &[("a", "b")]), Some(1.0));
    for absent in ["no_number", "endless", "odd", "half", "plimsoll_made_up"] {
        assert!(!scrape.has(absent), "{absent}");
    }
    assert_eq!(scrape.all("container_memory_usage_bytes", &[("name", "")]), Vec::<&_>::new());
    assert_eq!(scrape.all("container_memory_usage_bytes", &[]).len(), 8);
    assert_eq!(scrape.value("plimsoll_collector_success", &of("nonsense")), Some(1.0));
    promtool(agent.get("/metrics", &[]).text());

    // The healthy one goes on at its pace, and so do the ticks.
    let before = scrape.value("good_total", &[]).unwrap();
    let ticks = scrape.value("plimsoll_ticks_total", &[]).unwrap();
    let scrape = agent.wait_for("the others go on", |scrape| {
        scrape.value("good_total", &[]) >= Some(before + 2.0)
            && scrape.value("plimsoll_ticks_total", &[]) >= Some(ticks + 2.0)
    });
    assert_eq!(
        scrape.all("plimsoll_collector_failures_total", &of("good")).iter().map(|s| s.value).sum::<f64>(),
        0.0
    );
    assert_eq!(scrape.containers().len(), 8);
    // A tick is a second, so this is not the machine being busy for a moment.
    let missed = scrape.value("plimsoll_ticks_missed_total", &[]).unwrap();
    let ticks = scrape.value("plimsoll_ticks_total", &[]).unwrap();
    assert!(missed <= 1.0, "{missed} of {ticks} ticks were missed");
    // One that hangs leaves nothing behind between its attempts.
    wait_until(SOON, "what hung is gone", || {
        place.processes().iter().all(|(_, called)| !called.starts_with("sleep"))
    });
}

#[test]
fn with_the_agent_ends_what_its_commands_started() {
    let machine = Machine::new();
    for signal in [Signal::TERM, Signal::INT] {
        let place = Place::new();
        let config = [
            place.exec("waits", "sleep 1000 & sleep 1000 & wait", "interval = '1h'\ntimeout = '1h'"),
            place.exec(
                "spins",
                "(while :; do :; done) & touch spinning; wait",
                "interval = '1h'\ntimeout = '1h'",
            ),
            place.exec(
                "deaf",
                "trap '' TERM INT HUP; sleep 1000; sleep 1000",
                "interval = '1h'\ntimeout = '1h'",
            ),
            // Its output is held open by what it leaves behind.
            place.exec("leaves", "sleep 1000 & echo left 1", "interval = '1s'"),
        ];
        let config = place.configure(&config.concat());
        let mut agent = Agent::start(&machine, &["--config", &config]);
        agent.wait_for("one has told", |scrape| scrape.value("left", &[]).is_some());
        wait_until(SOON, "all run", || {
            ["waits", "spins", "deaf"].iter().all(|name| place.starts(name) == 1)
                && place.path("spinning").exists()
                && place.processes().len() >= 7
        });
        let status = agent.end(signal, END);
        assert_eq!(status.code(), Some(0), "{status}: {}", agent.log().all());
        place.wait_deserted();
    }
}

/// A new configuration, and what the log has to say once it is in force.
#[track_caller]
fn reload(agent: &Agent, place: &Place, config: &str, said: &str) {
    let before = agent.log().with(said).len();
    place.configure(config);
    kill_process(Pid::from_raw(agent.id().cast_signed()).unwrap(), Signal::HUP).unwrap();
    let lines = || agent.log().with(said).len();
    wait_until(SOON, &format!("the log says {said:?}"), || lines() > before);
    assert_eq!(lines(), before + 1, "{}", agent.log().all());
}

#[test]
fn a_changed_configuration_starts_stops_and_keeps() {
    let machine = Machine::new();
    let place = Place::new();
    let once = "interval = '1h'\ntimeout = '1h'";
    let often = "interval = '500ms'";
    let kept = place.exec("kept", "echo kept_total $(wc -l <kept.starts)", often);
    let patient = place.exec("patient", "echo patient 1; echo told >>patient.ends", once);
    let under_way = place.exec("under-way", "sleep 1000", once);
    let leaves = place.exec("leaves", "sleep 1000", once);
    let changes = |value: u32| {
        place.exec("changes", "echo changes $VALUE", &format!("environment = {{ VALUE = '{value}' }}"))
    };
    let config = [&*kept, &patient, &under_way, &leaves, &changes(1)].concat();
    let agent = Agent::start(&machine, &["--config", &place.configure(&config), "--interval", "500ms"]);
    let first = agent.wait_for("all have begun", |scrape| {
        scrape.value("kept_total", &[]) >= Some(2.0)
            && scrape.value("patient", &[]).is_some()
            && scrape.value("changes", &[]) == Some(1.0)
            && place.starts("under-way") == 1
            && place.starts("leaves") == 1
    });
    let never_less = |before: &Exposition, after: &Exposition| {
        for name in ["kept", "patient"] {
            assert!(runs(after, name).unwrap() >= runs(before, name).unwrap(), "{name}");
        }
        // Each of its runs is one start of its script, and what it counted is not begun anew.
        assert!(runs(after, "kept").unwrap() <= place.starts("kept") as f64);
        for name in ["patient", "under-way"] {
            assert_eq!(place.starts(name), 1, "{name} was started anew");
        }
    };

    // Other places in the file, and other spellings of the same, are no change. One comes, one goes, one is another.
    let comes = place.exec("comes", "echo comes 1", often);
    let respelled = kept.replace("'500ms'", "0.5");
    let config = ["# Moved.\n\n", &comes, &changes(2), &under_way, &respelled, &patient].concat();
    reload(
        &agent,
        &place,
        &config,
        "collectors started: comes, changes; stopped: changes, leaves; untouched: ",
    );
    let second = agent.wait_for("the new ones tell", |scrape| {
        never_less(&first, scrape);
        scrape.value("comes", &[]) == Some(1.0) && scrape.value("changes", &[]) == Some(2.0)
    });
    assert_eq!(runs(&second, "leaves"), None, "who is stopped is not shown any more");
    wait_until(SOON, "what it ran is gone", || {
        place.processes().iter().filter(|(_, called)| called.starts_with("sleep")).count() == 1
    });
    assert_eq!(second.value("plimsoll_collector_healthy", &of("host")), Some(1.0), "the agent's own stay");

    // What is wrong changes nothing, and the log says where.
    let path = place.path("plimsoll.toml");
    let path = path.display();
    let broken = [
        (format!("{kept}[[collector]\n"), format!("{path}:7: not valid TOML")),
        (
            format!("{kept}{}", changes(3).replace("exec", "exce")),
            format!("{path}:7: unknown collector type `exce`"),
        ),
        (format!("{kept}{kept}"), format!("{path}:7: there is a collector `kept` already, at {path}:1")),
        (format!("intervall = 1\n{kept}"), format!("{path}:1: unknown key `intervall`")),
        (format!("{comes}\ntimeout = '2s'"), format!("{path}:1: collector `comes`: timeout is 2s")),
    ];
    for (config, said) in &broken {
        reload(&agent, &place, config, said);
        let line = agent.log().with(said).pop().unwrap();
        assert!(line.contains("ERROR") && line.contains("everything stays as it was"), "{line}");
    }
    std::fs::remove_file(place.path("plimsoll.toml")).unwrap();
    kill_process(Pid::from_raw(agent.id().cast_signed()).unwrap(), Signal::HUP).unwrap();
    wait_until(SOON, "the log says that the file is gone", || {
        agent.log().with("is wrong, so everything stays").len() == broken.len() + 1
    });
    let third = agent.wait_for("everybody goes on", |scrape| {
        never_less(&second, scrape);
        runs(scrape, "kept") >= runs(&second, "kept").map(|runs| runs + 2.0)
            && runs(scrape, "comes") > runs(&second, "comes")
    });
    assert_eq!(third.value("changes", &[]), Some(2.0));
    assert_eq!((place.starts("changes"), place.starts("leaves")), (2, 1));

    // None at all, and one that was there before begins from nothing.
    reload(
        &agent,
        &place,
        "",
        "collectors started: none; stopped: changes, comes, kept, patient, under-way; untouched: 2",
    );
    let bare = agent.wait_for("none is left", |scrape| runs(scrape, "kept").is_none());
    assert!(!bare.has("kept_total") && !bare.has("patient") && !bare.has("comes") && !bare.has("changes"));
    place.wait_deserted();
    reload(&agent, &place, &patient, "collectors started: patient; stopped: none; untouched: 2");
    agent.wait_for("it tells anew", |scrape| {
        runs(scrape, "patient") == Some(1.0) && scrape.value("patient", &[]).is_some()
    });
    assert_eq!(place.starts("patient"), 2);
    assert_eq!(agent.metrics().containers().len(), 8, "the agent lives on");
}

#[test]
fn what_cannot_be_run_is_refused_with_its_line() {
    let place = Place::new();
    let head = "# A collector.\n[[collector]]\nname = 'one'\n";
    let exec = format!("{head}type = 'exec'\ncommand = 'true'\n");
    let http = format!("{head}type = 'http'\n");
    // The file, the line that is named, and what is said of it.
    let cases: [(String, usize, &[&str]); 35] = [
        (
            format!("{head}type = 'exce'\ncommand = 'true'\n"),
            2,
            &["unknown collector type `exce`", "known are exec, http"],
        ),
        (format!("{head}type = 'cpu'\n"), 2, &["unknown collector type `cpu`", "known are exec, http"]),
        (format!("{exec}interval = 0\n"), 6, &["bad value `0` for collector.interval", "100ms to 24h"]),
        (format!("{exec}interval = '25h'\n"), 6, &["`25h`", "100ms to 24h"]),
        (format!("{exec}interval = -1\n"), 6, &["`-1`", "100ms to 24h"]),
        (
            format!("{exec}interval = '1s'\ntimeout = '2s'\n"),
            2,
            &["`one`", "timeout is 2s", "longer than", "1s"],
        ),
        (format!("{exec}timeout = 0\n"), 6, &["bad value `0` for collector.timeout", "1ms to 1h"]),
        (
            format!("{exec}labels = {{ id = 'x' }}\n"),
            2,
            &["`one`", "\"id\"", "what container a value is about"],
        ),
        (format!("{exec}labels = {{ container_id = 'x' }}\n"), 2, &["\"container_id\"", "what container"]),
        (format!("{exec}labels = {{ name = 'x' }}\n"), 2, &["\"name\"", "what container"]),
        (format!("{exec}labels = {{ __x = 'x' }}\n"), 2, &["\"__x\"", "not '__' first"]),
        (format!("{exec}labels = {{ 'a b' = 'x' }}\n"), 2, &["\"a b\"", "letters, digits"]),
        (format!("{exec}labels = {{ a = 1 }}\n"), 6, &["bad value `1` for collector.labels.a", "a text"]),
        (format!("{exec}[collector.labels]\nb = 'c'\na = []\n"), 8, &["collector.labels.a", "a text"]),
        (format!("{exec}labels = 'a'\n"), 6, &["collector.labels", "a table of texts"]),
        (
            format!("{exec}\n{exec}"),
            8,
            &["there is a collector `one` already, at", ":2", "a name of its own"],
        ),
        (exec.replace("'one'", "'cpu'"), 2, &["`cpu`", "the agent's own collectors", "another name"]),
        (exec.replace("'one'", "'filesystem'"), 2, &["`filesystem`", "the agent's own collectors"]),
        (exec.replace("'one'", "'a b'"), 2, &["name is \"a b\"", "letters, digits, '_', '-' and '.'"]),
        (exec.replace("'one'", "''"), 3, &["collector.name", "expected a text"]),
        (exec.replace("'one'", "7"), 3, &["`7`", "collector.name", "expected a text"]),
        (exec.replace("type = 'exec'\n", ""), 2, &["this collector has no type", "type = \"…\""]),
        (exec.replace("name = 'one'\n", ""), 2, &["this collector has no name", "name = \"…\""]),
        (exec.replace("type =", "typ ="), 2, &["unknown key `typ`", "`type`"]),
        (format!("{exec}intervall = '1s'\n"), 2, &["`one`", "parameters have no \"intervall\""]),
        (format!("{exec}comand = 'x'\n"), 2, &["have no \"comand\": did you mean \"command\"?"]),
        (format!("{exec}url = 'http://localhost'\n"), 2, &["have no \"url\"", "command, format"]),
        (format!("{head}type = 'exec'\n"), 2, &["`one`", "have no \"command\"", "program and its arguments"]),
        (format!("{head}type = 'exec'\ncommand = []\n"), 2, &["have no \"command\""]),
        (format!("{exec}format = 'xml'\n"), 2, &["there is no format \"xml\"", "auto, prometheus, json"]),
        (format!("{exec}since = 2020-01-01\n"), 6, &["collector.since", "no date"]),
        (format!("{http}url = 'https://localhost/metrics'\n"), 2, &["https", "exec run curl"]),
        (http, 2, &["`one`", "url", "container_label"]),
        (format!("{exec}retry_attempts = 1000\n"), 6, &["`1000`", "collector.retry_attempts", "0 to 100"]),
        ("collector = 5\n".to_owned(), 1, &["collector", "each under [[collector]]"]),
    ];
    for (config, line, parts) in &cases {
        let path = place.configure(config);
        let whole = format!("plimsoll: {path}:{line}: ");
        // A mistake in a table is found wherever the table is read; what a type makes of it, before anything starts.
        for command in ["agent", "metrics", "check"] {
            let message = run(&[command, "--config", &path, "--engine", "none"]).failed(2);
            assert!(message.starts_with(&whole), "{config}{message}");
            says(&message, parts);
        }
    }
    // As many as one likes, but not without end.
    let many: String = (0..4097)
        .map(|n| format!("[[collector]]\nname = 'n{n}'\ntype = 'exec'\ncommand = 'true'\n"))
        .collect();
    let path = place.configure(&many);
    says(
        &run(&["agent", "--config", &path]).failed(2),
        &[&format!("{path}:16385: more than 4096 collectors")],
    );
}

#[test]
fn variables_decide_what_a_table_does_not_say() {
    let machine = Machine::new();
    let place = Place::new();
    let config = [
        place.exec("usual", "exit 3", "retry_delay = '1ms'"),
        place.exec(
            "own",
            "exit 3",
            "interval = '1h'\ntimeout = '4s'\nretry_attempts = 1\nretry_delay = '1ms'",
        ),
    ];
    let config = place.configure(&config.concat());
    let start = |variables: Pairs<'_>| {
        let mut command = command(&machine.on(&[&LISTENING[..], &["--config", &config]].concat()));
        command.envs(variables.iter().copied());
        Agent::spawn(command)
    };
    // Variables, then interval and timeout in seconds, and the attempts of one collection.
    let cases: [(Pairs<'_>, f64, f64, u64); 4] = [
        (&[], 30.0, 10.0, 4),
        (
            &[
                ("METRICS_COLLECTION_INTERVAL", "20"),
                ("METRICS_TIMEOUT", "2.5"),
                ("METRICS_RETRY_ATTEMPTS", "2"),
            ],
            20.0,
            2.5,
            3,
        ),
        // A timeout is never longer than its interval.
        (&[("METRICS_COLLECTION_INTERVAL", "8"), ("METRICS_RETRY_ATTEMPTS", "0")], 8.0, 8.0, 1),
        // Plimsoll's own are stronger, and empty ones are none.
        (
            &[
                ("METRICS_COLLECTION_INTERVAL", "20"),
                ("PLIMSOLL_COLLECTION_INTERVAL", "40s"),
                ("METRICS_TIMEOUT", ""),
                ("METRICS_RETRY_ATTEMPTS", "7"),
                ("PLIMSOLL_COLLECTION_RETRIES", "1"),
            ],
            40.0,
            10.0,
            2,
        ),
    ];
    for (variables, interval, timeout, attempts) in cases {
        let agent = start(variables);
        let first = |name| {
            agent.wait_for("a collection has ended", |scrape| {
                scrape.value("plimsoll_collector_success", &of(name)) == Some(0.0)
            });
            state(&agent, name)
        };
        let usual = first("usual");
        assert_eq!(
            (&usual["interval"], &usual["timeout"]),
            (&interval.into(), &timeout.into()),
            "{variables:?}"
        );
        assert_eq!(usual["runs"], attempts, "{variables:?}");
        let own = first("own");
        assert_eq!((&own["interval"], &own["timeout"]), (&3600.0.into(), &4.0.into()), "{variables:?}");
        assert_eq!(own["runs"], 2, "{variables:?}");
    }

    // The level, of collectors alone: each attempt, or not even that one keeps failing.
    let place = Place::new();
    let config = place.configure(&place.exec("fails", "exit 3", "interval = '100ms'\nretry_attempts = 0"));
    let attempt = "DEBUG collecting with \"fails\"";
    let ill = "WARN the collector \"fails\" keeps failing";
    for (level, shows_attempts, shows_illness) in [
        ("", false, true),
        ("DEBUG", true, true),
        ("debug", true, true),
        ("INFO", false, true),
        ("WARNING", false, true),
        ("ERROR", false, false),
        ("CRITICAL", false, false),
    ] {
        let mut command = command(&machine.on(&[&LISTENING[..], &["--config", &config]].concat()));
        command.env("METRICS_LOG_LEVEL", level);
        let mut agent = Agent::spawn(command);
        agent.wait_for("it is unhealthy", |scrape| {
            scrape.value("plimsoll_collector_healthy", &of("fails")) == Some(0.0)
        });
        // With its end, all that it said is there.
        agent.end(Signal::TERM, END);
        wait_until(SOON, "the last word", || !agent.log().with("INFO ended").is_empty());
        let (attempts, illness) = (agent.log().with(attempt).len(), agent.log().with(ill).len());
        assert_eq!(
            (attempts >= 3, illness == 1),
            (shows_attempts, shows_illness),
            "{level}\n{}",
            agent.log().all()
        );
        assert!(agent.log().with(" DEBUG ").len() == attempts, "of collectors alone: {}", agent.log().all());
    }
}

#[test]
fn variables_are_read_or_refused_by_name() {
    for (name, value, line) in [
        ("METRICS_COLLECTION_INTERVAL", "15", "collection_interval = \"15s\""),
        ("METRICS_COLLECTION_INTERVAL", "0.5", "collection_interval = \"500ms\""),
        ("METRICS_COLLECTION_INTERVAL", "", "collection_interval = \"30s\""),
        ("METRICS_TIMEOUT", "3", "collection_timeout = \"3s\""),
        ("METRICS_RETRY_ATTEMPTS", "0", "collection_retries = 0"),
        ("METRICS_RETRY_ATTEMPTS", "100", "collection_retries = 100"),
        ("METRICS_LOG_LEVEL", "DEBUG", "collection_log_level = \"debug\""),
        ("METRICS_LOG_LEVEL", "Warning", "collection_log_level = \"warn\""),
        ("METRICS_LOG_LEVEL", "WARN", "collection_log_level = \"warn\""),
        ("METRICS_LOG_LEVEL", "CRITICAL", "collection_log_level = \"error\""),
    ] {
        let origin = if value.is_empty() { "default".to_owned() } else { format!("environment {name}") };
        let text = run_with(&[(name, value)], &["agent", "--print-config"]).ok();
        assert!(text.contains(&format!("{line} # {origin}\n")), "{name}={value}: {text}");
    }
    for (name, value, expected) in [
        ("METRICS_COLLECTION_INTERVAL", "0", "100ms to 24h"),
        ("METRICS_COLLECTION_INTERVAL", "-5", "100ms to 24h"),
        ("METRICS_COLLECTION_INTERVAL", "often", "100ms to 24h"),
        ("METRICS_COLLECTION_INTERVAL", "NaN", "100ms to 24h"),
        ("METRICS_TIMEOUT", "0", "1ms to 1h"),
        ("METRICS_TIMEOUT", "inf", "1ms to 1h"),
        ("METRICS_RETRY_ATTEMPTS", "101", "0 to 100"),
        ("METRICS_RETRY_ATTEMPTS", "-1", "0 to 100"),
        ("METRICS_RETRY_ATTEMPTS", "1.5", "0 to 100"),
        ("METRICS_LOG_LEVEL", "LOUD", "error, warn, info, debug, trace"),
    ] {
        for arguments in [&["agent"][..], &["agent", "--print-config"], &["metrics"]] {
            let message = run_with(&[(name, value)], arguments).failed(2);
            says(&message, &[&format!("environment {name}: "), &format!("`{value}`"), expected]);
        }
    }
}

#[test]
fn what_is_printed_is_the_same_collectors() {
    let place = Place::new();
    let path = place.configure(
        "collection_interval = '45s'\n\
         [[collector]]\nname = 'full'\ntype = 'exec'\ncommand = ['sh', '-c', \"echo 'a\\\\b' \\\"$X\\\"\\necho 2\"]\n\
         format = 'json'\nprefix = 'x'\ninterval = '1m 30s'\ntimeout = 1.5\nretry_attempts = 0\nretry_delay = '0s'\n\
         enabled = false\nlabels = { env = 'prod', zone = 'a \"b\" é' }\nenvironment = { TOKEN = 'a=b', 'odd.name' = '' }\n\
         [[collector]]\nname = 'asks'\ntype = 'http'\nurl = 'http://localhost:9100/metrics?a=b'\n\
         [collector.headers]\nAuthorization = 'Bearer x'\n'X-Y' = 'z'\n\
         [[collector]]\ntype = 'http'\nname = 'labelled'\ncontainer_label = 'metrics'\nport = 9100\npath = '/m'\n\
         [[collector]]\nname = 'split'\ntype = 'exec'\ncommand = 'true  --all'\n[collector.labels]\na = 'b'\n\
         [collectors]\nnetwork = false\n",
    );
    let plain =
        |text: &str| -> toml::Table { text.parse().unwrap_or_else(|error| panic!("{error}:\n{text}")) };
    let printed = run(&["agent", "--print-config", "--config", &path]).ok();
    for line in [2, 15, 22, 28] {
        assert!(printed.contains(&format!("# {path}:{line}\n[[collector]]")), "{line}: {printed}");
    }
    let mut given = plain(&std::fs::read_to_string(&path).unwrap());
    let copy = place.path("copy.toml");
    std::fs::write(&copy, &printed).unwrap();
    let copy = copy.to_str().unwrap();
    let again = run(&["agent", "--print-config", "--config", copy]).ok();
    assert_eq!(plain(&printed), plain(&again), "{printed}\n{again}");
    // Nothing of a table is lost or changed, apart from how times are written.
    let mut shown = plain(&printed);
    let tables = |whole: &mut toml::Table| {
        let Some(toml::Value::Array(tables)) = whole.remove("collector") else { panic!("{whole}") };
        tables
            .into_iter()
            .map(|table| {
                let mut table = table.as_table().unwrap().clone();
                table.remove("timeout");
                table.remove("interval");
                table.remove("retry_delay");
                table.entry("enabled").or_insert(true.into());
                table
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(tables(&mut shown), tables(&mut given), "{printed}");
    for part in ["interval = \"1m 30s\"", "timeout = \"1s 500ms\"", "retry_delay = \"0s\""] {
        assert!(printed.contains(part), "{part} is missing: {printed}");
    }
    // And they can be run.
    run(&["metrics", "--engine", "none", "--config", copy, "--print-config"]).ok();
}

#[test]
fn one_exposition_has_them_too() {
    let machine = Machine::new();
    let place = Place::new();
    // A counter by a name that OpenMetrics has for none.
    let server = Server::start("# TYPE answers counter\nanswers 12\n");
    let config = [
        place.exec("slow", "sleep 1; echo slow 1", ""),
        place.exec("fails", "exit 1", "retry_attempts = 0"),
        place.exec("leaves", "sleep 1000 & echo left 1", ""),
        format!("[[collector]]\nname = 'server'\ntype = 'http'\nurl = 'http://{}/'\n", server.address),
    ];
    let config = place.configure(&config.concat());
    let text = run(&machine.on(&["metrics", "--config", &config])).ok();
    let shown = Exposition::parse(&text);
    for (name, value) in [("slow", 1.0), ("left", 1.0), ("answers", 12.0)] {
        assert_eq!(shown.value(name, &[]), Some(value), "{text}");
    }
    assert_eq!(shown.value("plimsoll_collector_success", &of("fails")), Some(0.0));
    assert_eq!(shown.containers().len(), 8);
    assert!(shown.value("node_load1", &[]).is_some(), "{text}");
    let open = run(&machine.on(&["metrics", "--config", &config, "--format", "openmetrics"])).ok();
    for part in ["\nslow 1\n", "\n# TYPE answers unknown\n", "\nanswers 12\n"] {
        assert!(open.contains(part), "{part:?} is missing: {open}");
    }
    assert!(open.ends_with("\n# EOF\n"), "{open}");
    place.wait_deserted();

    // It does not wait for ever, and leaves nothing behind.
    let hangs = place.exec("hangs", "sleep 1000", "interval = '1h'\ntimeout = '1h'");
    let good = place.exec("good", "echo good 1", "");
    let config = place.configure(&[hangs, good].concat());
    let shown = Exposition::parse(&run(&machine.on(&["metrics", "--config", &config])).ok());
    assert_eq!(shown.value("good", &[]), Some(1.0));
    assert_eq!(shown.value("plimsoll_collector_success", &of("hangs")), None);
    assert_eq!(place.starts("hangs"), 1);
    place.wait_deserted();
}

#[test]
fn the_machine_is_shown_unless_it_is_switched_off() {
    let machine = Machine::new();
    let of_host = ["node_load1", "node_cpu_seconds_total", "node_memory_MemTotal_bytes"];
    let of_filesystem = ["node_filesystem_size_bytes"];
    let off = ["--no-collector.host", "--no-collector.filesystem"];
    for (arguments, host, filesystem) in
        [(&[][..], true, true), (&off[..1], false, true), (&off[1..], true, false), (&off[..], false, false)]
    {
        // The captured machine has no file systems of its own, so it is this one that is looked at.
        let agent = Agent::start_here(&[&["--engine", "none"], arguments].concat());
        let scrape = agent.wait_for("what is wanted is there", |scrape| {
            scrape.has("node_load1") == host && scrape.has("node_filesystem_size_bytes") == filesystem
        });
        for (families, wanted) in [(&of_host[..], host), (&of_filesystem[..], filesystem)] {
            for family in families {
                assert_eq!(scrape.has(family), wanted, "{family} with {arguments:?}");
            }
        }
        if !host && !filesystem {
            assert!(!scrape.has("node_"), "{:?}", scrape.families);
        }
        for (name, wanted) in [("host", host), ("filesystem", filesystem)] {
            assert_eq!(runs(&scrape, name).is_some(), wanted, "{name} with {arguments:?}");
        }
        let shown = Exposition::parse(&run(&machine.on(&[&["metrics"], arguments].concat())).ok());
        assert_eq!(shown.has("node_load1"), host, "{arguments:?}");
    }
}
