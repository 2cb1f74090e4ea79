//! Prometheus 3, which takes remote write 1.0 and 2.0 and OTLP: each way has a server of its own, so that nobody else's samples
//! are there and its counters tell of one way alone. OTLP has two: one that keeps OpenTelemetry's names, and one that is set up
//! as it comes.
//!
//! The servers start late, so that each way has a backlog to drain first, in order.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use plimsoll_testkit::databases::Prometheus;
use plimsoll_testkit::databases::compare::{self, Expected, Found};

use crate::compared::{self, Grey};
use crate::ends;
use crate::random::Random;
use crate::run::Run;
use crate::servers::milliseconds;
use crate::targets::{Schema, common, file, table};

/// How long the servers are not there at first.
const LATE: Duration = Duration::from_secs(20);

/// A target with a server of its own.
#[derive(Clone, Copy, Debug)]
struct Way {
    name: &'static str,
    schema: Schema,
    kind: &'static str,
    /// What else its table has.
    settings: &'static str,
    /// What the server's configuration has.
    server: &'static str,
    /// How its queries call the label that has a container's name.
    container: &'static str,
}

const WAYS: [Way; 4] = [
    Way {
        name: "remote-write-1",
        schema: Schema::Prometheus,
        kind: "remote-write",
        settings: "remote_write_version = \"1.0\"",
        server: "",
        container: "name",
    },
    Way {
        name: "remote-write-2",
        schema: Schema::Prometheus,
        kind: "remote-write",
        settings: "remote_write_version = \"2.0\"",
        server: "",
        container: "name",
    },
    Way {
        name: "otlp",
        schema: Schema::Semconv,
        kind: "otlp",
        settings: "",
        server: "otlp:\n  translation_strategy: NoTranslation\n",
        container: "\"container.name\"",
    },
    Way {
        name: "otlp-translated",
        schema: Schema::SemconvEscaped,
        kind: "otlp",
        settings: "",
        server: "",
        container: "container_name",
    },
];

impl Way {
    /// Its table in the configuration.
    fn table(self, server: &Prometheus, timeout: &str) -> String {
        let url = if self.kind == "otlp" { server.otlp_url() } else { server.write_url() };
        let common = common("interval");
        let settings = self.settings;
        table(
            self.name,
            self.kind,
            &format!("url = \"{url}\"\ntimeout = \"{timeout}\"\n{common}\n{settings}"),
        )
    }
}

/// The agent and the servers.
pub(crate) struct World {
    // The order is that of the end.
    run: Run,
    servers: Vec<Prometheus>,
}

impl World {
    /// Starts everything, the servers last. `program` is a Prometheus 3.
    #[track_caller]
    pub(crate) fn start(program: &Path, timeout: &str, containers: usize, random: &mut Random) -> Self {
        let mut servers: Vec<_> =
            WAYS.iter().map(|way| Prometheus::start_version_3(program, way.server)).collect();
        servers.iter_mut().for_each(|server| server.stop());
        let configuration = |folder: &Path| {
            let common = common("interval");
            let files = [Schema::Prometheus, Schema::Semconv].map(|schema| file(schema, folder, &common));
            let ways = WAYS.iter().zip(&servers).map(|(way, server)| way.table(server, timeout));
            format!("drain_timeout = \"30s\"\n{}{}", files.concat(), ways.collect::<String>())
        };
        let run = Run::start(configuration, containers, random);
        let mut world = Self { run, servers };
        world.run.watch(Instant::now() + LATE);
        let backlog = WAYS.map(|way| world.run.ledger.queued(way.name));
        assert!(backlog.iter().all(|points| *points > 0.0), "{backlog:?}");
        println!("points that wait when the servers come: {backlog:?}");
        world.servers.iter_mut().for_each(|server| server.restart());
        world
    }

    /// A container that is removed has no series any more in any server.
    #[track_caller]
    pub(crate) fn a_removed_container_is_stale(&mut self) {
        let servers = &self.servers;
        ends::a_removed_container_is_stale(|name| {
            let alive = WAYS.iter().zip(servers).map(|(way, server)| {
                let answer = server.query(&format!("{{{}=\"{name}\"}}", way.container), milliseconds());
                compare::prometheus(&answer, &[]).unwrap().len()
            });
            let alive: Vec<usize> = alive.collect();
            (alive.iter().copied().min().unwrap(), alive.iter().copied().max().unwrap())
        });
    }

    /// Changes containers until then.
    #[track_caller]
    pub(crate) fn change_until(&mut self, until: Instant, random: &mut Random) {
        while Instant::now() < until {
            self.run.change(random);
        }
    }

    /// Lets one server after the other take requests and answer nothing for a while, until then; and changes containers.
    #[track_caller]
    pub(crate) fn hang_until(&mut self, until: Instant, random: &mut Random) {
        let mut hangs = 0;
        while Instant::now() < until {
            let server = &self.servers[hangs % WAYS.len()];
            server.hang();
            let resumed = Instant::now() + Duration::from_millis(random.next() % 4000);
            self.run.watch(resumed);
            self.servers[hangs % WAYS.len()].resume();
            hangs += 1;
            self.run.change(random);
        }
        println!("servers hung: {hangs}");
    }

    /// Ends the agent in order, asks the servers, prints figures, and fails if anything is wrong. `may_complain` is said of
    /// servers that got some batches twice, as they did not answer the first time.
    #[track_caller]
    pub(crate) fn end(mut self, time: Duration, may_complain: bool) {
        let log = self.run.end(time);
        let mut wrong = Vec::new();
        for (way, server) in WAYS.iter().zip(&self.servers) {
            let truth = self.run.truth(way.schema);
            wrong.extend(self.compare(*way, server, &truth, &log));
            let complaints = server.complaints();
            println!("{}: complaints: {complaints:?}", way.name);
            if !may_complain && !complaints.is_empty() {
                wrong.push(format!("{}: {complaints:?}\n{}", way.name, server.log()));
            }
        }
        assert!(wrong.is_empty(), "{}\n{log}", wrong.join("\n"));
    }

    /// Compares a server with the truth, and says what is wrong, if anything is.
    #[track_caller]
    fn compare(&self, way: Way, server: &Prometheus, truth: &Expected, log: &str) -> Option<String> {
        let name = way.name;
        let began = Instant::now();
        let answer = server.query("{__name__!=\"\"}[3h]", milliseconds());
        let mut found = compare::prometheus(&answer, &[]).unwrap_or_else(|error| panic!("{name}: {error}"));
        // It makes them itself, of what OTLP says of the sender.
        let infos: usize = found
            .extract_if(.., |series, _| series.starts_with("target_info{"))
            .map(|(_, points)| points.len())
            .sum();
        if way.schema == Schema::SemconvEscaped {
            found = without_suffixes(&found, truth);
        }
        let grey = Grey::of(truth, &found, &self.run.lives, self.run.missed(name, way.schema));
        // Seconds of a start have more digits as nanoseconds than a decimal holds, and are rounded twice.
        let outcome = compared::held(truth, &found, 1e-15, &grey, false);

        // What it does not show are the markers of ends; what it counts once are samples that come twice.
        let (delivered, stored) = (Run::delivered(log, name), server.appended());
        let shown: usize = found.values().flat_map(|points| points.values()).map(Vec::len).sum();
        let markers = stored - (infos + shown) as f64;
        let expected = ends::of(truth, &self.run.lives);
        let least = expected.iter().filter(|(_, time)| !grey.has(*time)).count() as f64;
        let most = (expected.len() + outcome.grey) as f64;
        println!(
            "{name}: {} samples of {} series at {} ticks compared in {:?}; {} in {} grey ticks; delivered {delivered}, stored {stored} with {infos} of target_info and {markers} markers",
            outcome.samples,
            truth.len(),
            outcome.ticks,
            began.elapsed(),
            outcome.grey,
            outcome.grey_ticks.len(),
        );
        let mut wrong = String::new();
        if !outcome.wrong.is_empty() {
            wrong.push_str(&outcome.wrong.to_string());
        }
        if delivered != stored - infos as f64 {
            wrong.push_str("what was delivered is not what is stored\n");
        }
        if !(least..=most).contains(&markers) {
            wrong.push_str(&format!("{markers} markers, from {least} to {most} expected\n"));
        }
        if outcome.ticks < self.run.least_ticks() {
            wrong.push_str("the ticks are too few to mean anything\n");
        }
        (!wrong.is_empty()).then(|| format!("{name}: {wrong}"))
    }
}

/// What Prometheus appends to the name of a counter, and to names for their units.
const TOTAL: &str = "_total";
const UNITS: [&str; 5] = ["_bytes", "_seconds", "_microseconds", "_ratio", "_percent"];

/// What was found under the names of the truth, which have neither unit nor kind. A name that is none of the truth's stays.
fn without_suffixes(found: &Found, truth: &Expected) -> Found {
    fn split(series: &str) -> (&str, &str) {
        series.split_at(series.find('{').unwrap_or(series.len()))
    }
    let names: BTreeSet<&str> = truth.keys().map(|series| split(series).0).collect();
    let mut renamed = Found::new();
    for (series, points) in found {
        let (name, labels) = split(series);
        let base = name.strip_suffix(TOTAL).unwrap_or(name);
        let plain = UNITS.iter().find_map(|unit| base.strip_suffix(unit)).unwrap_or(base);
        let known = [name, base, plain].into_iter().find(|name| names.contains(name)).unwrap_or(name);
        let of_series = renamed.entry(format!("{known}{labels}")).or_default();
        for (time, values) in points {
            // Two that come out the same are told as what is there twice.
            of_series.entry(*time).or_default().extend(values.iter().cloned());
        }
    }
    renamed
}

#[test]
fn suffixes_are_taken_from_what_has_them() {
    use plimsoll_testkit::databases::compare::Value::Number;

    let truth = ["a_io{}", "b_bytes{}", "c{x=\"1\"}", "d_time{}"];
    let truth: Expected =
        truth.into_iter().map(|series| (series.to_owned(), [(1, Number(1))].into())).collect();
    let found = |names: &[&str]| -> Found {
        names.iter().map(|series| ((*series).to_owned(), [(1, vec![Number(1)])].into())).collect()
    };
    let there = found(&["a_io_bytes_total{}", "b_bytes{}", "c_ratio{x=\"1\"}", "d_time_seconds{}"]);
    assert!(compare::compare(&truth, &without_suffixes(&there, &truth), 0.0).is_empty());
    let twice = found(&["a_io_bytes_total{}", "a_io_bytes{}", "other_total{}"]);
    let differences = compare::compare(&truth, &without_suffixes(&twice, &truth), 0.0);
    assert_eq!((differences.duplicate.len(), differences.extra.len(), differences.missing.len()), (1, 1, 3));
}
