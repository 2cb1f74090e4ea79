//! Metrics of applications: of containers whose labels ask for it, of addresses, and of files. What they tell is passed on, and
//! what is hostile in it is bounded, counted, and nobody else's concern.

use std::collections::BTreeMap;

use plimsoll_testkit::docker::{self, Container};
use plimsoll_testkit::sink::Sink;
use plimsoll_testkit::wait_until;

use crate::agent::{Agent, SOON};
use crate::collectors::{Server, of, state};
use crate::delivery::{Place, influx};
use crate::exposition::{Exposition, promtool};
use crate::faults::says;
use crate::machine::Machine;
use crate::process::run;

/// What an application tells that has everything, and some of what it may not.
const TOLD: &str = "# HELP requests_total Requests.\n\
    # TYPE requests_total counter\n\
    requests_total{path=\"/\",name=\"other\"} 5\n\
    requests_total{path=\"/\",name=\"other\"} 6\n\
    # HELP wait_seconds How long requests waited.\n\
    # TYPE wait_seconds histogram\n\
    wait_seconds_bucket{le=\"0.5\"} 3\n\
    wait_seconds_bucket{le=\"+Inf\"} 5\n\
    wait_seconds_sum 2.5\n\
    wait_seconds_count 5\n\
    # HELP size_bytes How large answers were.\n\
    # TYPE size_bytes summary\n\
    size_bytes{quantile=\"0.5\"} 512\n\
    size_bytes_sum 2048\n\
    size_bytes_count 5\n\
    # TYPE container_memory_usage_bytes gauge\n\
    container_memory_usage_bytes 7\n\
    container_made_up 7\n\
    node_load1 9\n\
    plimsoll_up 1\n\
    machine_cpu_cores 1000\n";

fn dropped(scrape: &Exposition, collector: &str, reason: &str) -> f64 {
    let labels = [("collector", collector), ("reason", reason)];
    scrape.value("plimsoll_collector_values_dropped_total", &labels).unwrap()
}

#[track_caller]
fn contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing: {text}");
    }
}

/// The families of several series, as every format tells them.
fn tells_families(text: &str) {
    for line in ["# TYPE wait_seconds histogram\n", "# TYPE size_bytes summary\n"] {
        assert_eq!(text.matches(line).count(), 1, "{line}");
    }
    assert!(!text.contains("# TYPE wait_seconds_bucket"), "its parts have no headers of their own");
}

#[test]
fn containers_are_asked_that_say_so_by_labels() {
    if !docker::available() {
        return;
    }
    let serve = |told: &str| {
        let told = told.replace('\n', "\\n").replace('"', "\\\"");
        format!("mkdir -p /www; printf \"{told}\" >/www/metrics; exec busybox httpd -f -p 9100 -h /www")
    };
    let labelled = |name: &str, options: &[&str], script: &str| {
        let scrape = ["--label", "prometheus.io/scrape=true"];
        Container::run(name, &[&scrape[..], options].concat(), &["sh", "-c", script])
    };
    let port = ["--label", "prometheus.io/port=9100"];
    // Whoever asks is heard out first, as every server does it.
    let answers = |body: &str| {
        let head =
            "while read -r line; do [ ${#line} -gt 1 ] || break; done; printf 'HTTP/1.1 200 OK\\r\\n\\r\\n'";
        format!(
            "cat >/answer <<'END'\n{head}; {body}\nEND\nwhile :; do busybox nc -l -p 9100 -e /bin/sh /answer; done"
        )
    };
    let web = labelled("app-web", &port, &serve(TOLD));
    let exposed = Container::run(
        "app-exposed",
        &["--label", "prometheus.scrape=true", "--expose", "9100"],
        &["sh", "-c", &serve("depth 2\nrequests_total{path=\"/\"} 1\n")],
    );
    let portless = labelled("app-portless", &[], "sleep 100000");
    let elsewhere = labelled(
        "app-elsewhere",
        &[&port[..], &["--label", "prometheus.io/path=http://169.254.169.254/latest"]].concat(),
        "sleep 100000",
    );
    // A hundred megabytes of the same, a line without an end, and an answer that trickles.
    let flood = labelled("app-flood", &port, &answers("yes 'flood 1' | busybox head -c 100000000"));
    let endless = labelled("app-endless", &port, &answers("busybox tr '\\0' x </dev/zero"));
    let slow = labelled("app-slow", &port, &answers("while :; do echo 'slow 1'; sleep 1; done"));
    let silent = Container::run("app-silent", &port, &["sh", "-c", &serve("silent 1\n")]);

    let names = format!("plimsoll-test-{}-*-app-*", std::process::id());
    let often = ["--collection-interval", "2s", "--collection-timeout", "2s", "--include-name", &names];
    let agent = Agent::start_here(&[&["--scrape-labels"], &often[..]].concat());
    agent.wait_ready();
    let collector = |container: &Container| format!("container:{}", container.name());
    let sick = [&portless, &elsewhere, &flood, &endless, &slow];
    let scrape = agent.wait_for("the healthy have told, and the sick are known to be sick", |scrape| {
        let is_healthy = |container| scrape.value("plimsoll_collector_healthy", &of(&collector(container)));
        scrape.value("requests_total", &[("name", web.name())]).is_some()
            && scrape.value("depth", &[]).is_some()
            && sick.iter().all(|container| is_healthy(container) == Some(0.0))
    });
    let answer = agent.get("/metrics", &[]);
    promtool(answer.text());
    tells_families(answer.text());

    // With the labels of the container's other series, and the application's own beside them.
    let told = scrape.all("requests_total", &[("name", web.name())])[0];
    let usual = scrape.all("container_memory_usage_bytes", &[("name", web.name())])[0];
    let mut labels: BTreeMap<_, _> = usual.labels.iter().map(|(key, text)| (&**key, &**text)).collect();
    labels.extend([("path", "/"), ("exported_name", "other")]);
    let shown: BTreeMap<_, _> = told.labels.iter().map(|(key, text)| (&**key, &**text)).collect();
    assert_eq!((shown, told.value), (labels, 5.0));
    let of_web = |more: &[(&'static str, &'static str)]| {
        [&[("name", web.name()), ("image", docker::IMAGE), ("id", &web.id()[..12])], more].concat()
    };
    assert_eq!(scrape.value("wait_seconds_bucket", &of_web(&[("le", "+Inf")])), Some(5.0));
    assert_eq!(scrape.value("size_bytes", &of_web(&[("quantile", "0.5")])), Some(512.0));
    assert_eq!(scrape.value("depth", &[("name", exposed.name())]), Some(2.0));

    // What is not its own to tell is counted; so is what it tells twice.
    let name = collector(&web);
    let failed = scrape.all("plimsoll_collector_failures_total", &of(&name));
    let failed: f64 = failed.iter().map(|sample| sample.value).sum();
    let told = scrape.value("plimsoll_collector_runs_total", &of(&name)).unwrap() - failed;
    assert_eq!(dropped(&scrape, &name, "reserved_name"), 5.0 * told);
    assert_eq!(dropped(&scrape, &name, "duplicate"), told);
    assert_eq!(scrape.all("container_memory_usage_bytes", &[("name", web.name())]).len(), 1);
    assert_ne!(scrape.value("machine_cpu_cores", &[]), Some(1000.0));
    for absent in ["container_made_up", "plimsoll_up", "flood", "slow", "silent"] {
        assert!(!scrape.has(absent), "{absent}");
    }

    // Each shows how it does, with what is wrong.
    for (container, parts) in [
        (&portless, &["it exposes no port; say which with a label prometheus.io/port"][..]),
        (&elsewhere, &["its label has a path that is none"]),
        (&flood, &[":9100/metrics", "longer than 4194304 bytes"]),
        (&endless, &["longer than 4194304 bytes"]),
        (&slow, &["it took longer than 2s"]),
    ] {
        let state = state(&agent, &collector(container));
        assert_eq!((&state["type"], &state["healthy"]), (&"scrape-labels".into(), &false.into()), "{state}");
        contains(state["last_error"].as_str().unwrap(), parts);
    }
    assert_eq!(state(&agent, "scrape-labels")["values"], 7);
    assert_eq!(scrape.value("plimsoll_collector_success", &of(&collector(&silent))), None);
    assert_eq!(scrape.value("container_state", &[("name", silent.name())]).map(|_| ()), Some(()));

    // Who ends takes what it told along, and the others go on.
    web.docker(&["stop", "-t", "0"]);
    let scrape = agent.wait_for("it is not asked any more", |scrape| {
        scrape.value("plimsoll_collector_success", &of(&name)).is_none() && !scrape.has("wait_seconds")
    });
    assert_eq!(scrape.value("depth", &[("name", exposed.name())]), Some(2.0));
    assert_eq!(scrape.value("plimsoll_collector_healthy", &of(&collector(&exposed))), Some(1.0));

    // Nobody is asked unless it is wanted.
    let told = run(&[&["metrics", "--collector.custom"], &often[..]].concat()).ok();
    assert!(!Exposition::parse(&told).has("depth"), "{told}");
    let told = run(&[&["metrics", "--scrape-labels"], &often[..]].concat()).ok();
    assert!(Exposition::parse(&told).has("depth"), "{told}");
    let told = run(&[&["check", "--scrape-labels", "--listen", "127.0.0.1:0"], &often[..4]].concat()).out;
    contains(&told, &[&collector(&exposed), "scrape-labels, ", "it exposes no port"]);
}

#[test]
fn files_are_passed_on() {
    let machine = Machine::new();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let put = |name: &str, text: &str| {
        std::fs::write(path("new"), text).unwrap();
        std::fs::rename(path("new"), path(name)).unwrap();
    };
    put("backup.prom", "# HELP backups_total Backups.\n# TYPE backups_total counter\nbackups_total 3\n");
    put("apps.prom", TOLD);
    put("reboot.prom", "node_reboot_required 0\n");
    put("half.prom", "half 1\nhalf{a=\"b");
    put("timed.prom", "timed 1 1640995200000\n");
    let whole = folder.path().to_str().unwrap();
    let agent = Agent::start(&machine, &["--textfile", whole, "--collection-interval", "1s"]);
    agent.wait_ready();
    let scrape =
        agent.wait_for("the files are read", |scrape| scrape.value("backups_total", &[]) == Some(3.0));
    let answer = agent.get("/metrics", &[]);
    promtool(answer.text());
    tells_families(answer.text());
    assert_eq!(scrape.value("node_reboot_required", &[]), Some(0.0));
    assert_eq!(scrape.value("node_textfile_scrape_error", &[]), Some(1.0));
    let file = |name: &str| path(name).to_str().unwrap().to_owned();
    for (name, is_read) in
        [("backup.prom", true), ("apps.prom", true), ("half.prom", false), ("timed.prom", false)]
    {
        let written = scrape.value("node_textfile_mtime_seconds", &[("file", &file(name))]);
        assert_eq!(written.is_some(), is_read, "{name}");
        assert!(written.is_none_or(|written| written > 1e9), "{written:?}");
        if !is_read {
            let lines = agent.log().with(&file(name));
            assert!(lines.len() == 1 && lines[0].contains("WARN"), "{lines:?}");
        }
    }
    // Names that are somebody else's: node_load1 is the agent's own, container_made_up is nobody's.
    assert_eq!(scrape.value("container_made_up", &[]), Some(7.0));
    assert!(dropped(&scrape, "textfile", "reserved_name") >= 4.0);
    assert!(dropped(&scrape, "textfile", "bad_name") >= 2.0, "the two files");
    assert!(!scrape.has("half") && !scrape.has("timed"));

    put("half.prom", "half 1\n");
    std::fs::remove_file(path("timed.prom")).unwrap();
    put("backup.prom", "backups_total 4\n");
    let scrape = agent.wait_for("all is well", |scrape| {
        scrape.value("node_textfile_scrape_error", &[]) == Some(0.0)
            && scrape.value("backups_total", &[]) == Some(4.0)
    });
    assert_eq!(scrape.value("half", &[]), Some(1.0));
    // A folder that is not there yet is told of, and waited for.
    let absent = path("absent");
    let told = run(&machine.on(&["metrics", "--textfile", absent.to_str().unwrap()])).ok();
    assert_eq!(Exposition::parse(&told).value("node_textfile_scrape_error", &[]), Some(1.0));
}

#[test]
fn what_an_address_tells_reaches_the_targets() {
    let server = Server::start(TOLD);
    let (sink, once) = (Sink::start(), Sink::start());
    let schema = "schema = 'prometheus'\nmax_wait = '100ms'";
    let url = format!("http://{}/metrics", server.address);
    let instance = server.address.to_string();
    let place = Place::new(&[influx("db", &sink.url(), schema)]);
    let agent = place.agent(&["--scrape", &url]);
    agent.wait_ready();
    let scrape = agent.wait_for("it has told", |scrape| scrape.has("wait_seconds"));
    let answer = agent.get("/metrics", &[]);
    promtool(answer.text());
    tells_families(answer.text());
    let at = [("instance", &*instance)];
    assert_eq!(scrape.value("requests_total", &[at[0], ("name", "other")]), Some(5.0));
    let name = format!("scrape-{}", instance.replace(':', "-"));
    assert_eq!(state(&agent, &name)["type"], "http");
    let open = agent.get("/metrics", &[("Accept", "application/openmetrics-text; version=1.0.0")]);
    tells_families(open.text());

    // By measurement and tags; who collected is a tag, too.
    let has = |sink: &Sink, (name, tags): (&str, &[&str])| {
        let fits = |line: &str| {
            let series = line.split(' ').next().unwrap_or_default();
            let mut words = series.split(',');
            words.next() == Some(name)
                && words.clone().any(|tag| tag == format!("instance={instance}"))
                && tags.iter().all(|wanted| words.clone().any(|tag| tag == *wanted))
        };
        sink.requests().iter().any(|request| request.text().lines().any(fits))
    };
    let series: [(&str, &[&str]); 4] = [
        ("requests_total", &["name=other", "path=/"]),
        ("wait_seconds_bucket", &["le=+Inf"]),
        ("wait_seconds_sum", &[]),
        ("size_bytes", &["quantile=0.5"]),
    ];
    for one in series {
        wait_until(SOON, &format!("{one:?} is delivered"), || has(&sink, one));
    }

    // By hand, too.
    let place = Place::new(&[influx("db", &once.url(), schema)]);
    run(&place.measuring(&["deliver", "--once", "--interval", "100ms", "--scrape", &url])).ok();
    for one in series {
        assert!(has(&once, one), "{one:?}");
    }

    let said = run(&["agent", "--engine", "none", "--scrape", "localhost:9100"]).failed(2);
    says(&said, &["flag --scrape", "\"localhost:9100\"", "no address of http"]);
}
