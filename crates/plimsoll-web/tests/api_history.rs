//! `/api/v1/` over a history that was written a moment ago.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is a test's purpose")]

#[path = "../../plimsoll-store/tests/common/fleet.rs"]
mod fleet;
mod harness;
mod schema;

use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use plimsoll_model::{Health, Slot};
use plimsoll_store::{Options, Store};
use plimsoll_web::Limits;
use serde_json::Value;
use tempfile::TempDir;

use crate::fleet::Fleet;
use crate::harness::{FAR_TOO_LONG, Fake, Reply, Server, fake};

/// A name as nobody should give one.
const NASTY: &str = "we\"b\\\n</script>\u{2028}né🐳";
/// How long the written time is, and the gap in it, in seconds.
const SECONDS: i64 = 600;
const GAP: std::ops::Range<i64> = 200..260;

/// A server with a history of [`SECONDS`] of a few containers.
struct World {
    server: Server,
    document: Value,
    store: Store,
    _folder: TempDir,
    /// The first sample, in Unix milliseconds.
    from: i64,
}

/// Writes a history: `web-0` is created anew half-way, `web-1` has a nasty label and a limit that changes, and the third
/// container has a nasty name.
fn write(folder: &TempDir, containers: usize) -> (Store, i64) {
    let store = Store::open(Options::new(folder.path().join("history.db"))).unwrap();
    let mut fleet = Fleet::new(containers, 1);
    let edit = |fleet: &mut Fleet, index: usize, change: &dyn Fn(&mut plimsoll_model::Container)| {
        change(Arc::make_mut(&mut fleet.snapshot.containers[index].container));
    };
    edit(&mut fleet, 1, &|container| {
        container.labels.insert(NASTY.to_owned(), NASTY.to_owned());
    });
    edit(&mut fleet, 2, &|container| NASTY.clone_into(&mut container.name));
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
    let from = (now - SECONDS - 1) * 1000;
    for second in (0..SECONDS).filter(|second| !GAP.contains(second)) {
        if second == SECONDS / 2 {
            let first = fleet.snapshot.containers.remove(0);
            fleet.add_named(&first.container.name);
            let last = fleet.snapshot.containers.pop().unwrap();
            fleet.snapshot.containers.insert(0, last);
            fleet.snapshot.containers[1].values.set(Slot::MemoryLimit, 1 << 30);
            edit(&mut fleet, 2, &|container| container.health = Health::Unhealthy);
        }
        store.append(fleet.at(from + second * 1000));
    }
    store.flush();
    (store, from)
}

impl World {
    async fn start(containers: usize, limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (store, from) = write(&folder, containers);
        let server = Server::start(Fake { history: Ok(store.history()), ..fake() }, limits).await;
        let document = serde_json::from_slice(&server.get("/api/v1/openapi.json", "").await.body).unwrap();
        Self { server, document, store, _folder: folder, from }
    }

    async fn get(&self, target: &str) -> Reply {
        self.server.get(&format!("/api/v1/{target}"), "").await
    }

    /// An answer, which must be as the document has it.
    async fn answer(&self, target: &str) -> Value {
        let reply = self.get(target).await;
        assert_eq!(reply.code, 200, "{target}: {}", reply.text());
        let answer: Value = serde_json::from_slice(&reply.body).unwrap();
        let path = target.split('?').next().unwrap();
        let operation = &self.document["paths"][format!("/api/v1/{path}")]["get"];
        let schema = &operation["responses"]["200"]["content"]["application/json"]["schema"];
        let wrong = schema::wrong(&self.document, schema, &answer);
        assert!(wrong.is_empty(), "{target}: {wrong:#?}\n{answer:#}");
        answer
    }

    /// Waits until an export has a place.
    async fn place_comes_back(&self) {
        let target = format!("export?{MEMORY}&container=web-1");
        let again = async { while self.get(&target).await.code != 200 {} };
        tokio::time::timeout(FAR_TOO_LONG, again).await.expect("the place comes back");
    }

    /// All of the written time, as parameters.
    fn range(&self) -> String {
        format!("from={}&until={}", self.from / 1000, self.from / 1000 + SECONDS)
    }
}

const CPU: &str = "metric=container_cpu_usage_seconds_total";
const MEMORY: &str = "metric=container_memory_usage_bytes";

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_as_the_document_has_it() {
    let world = World::start(4, Limits::default()).await;
    let range = world.range();

    let containers = world.answer(&format!("containers?{range}")).await;
    let names: Vec<_> =
        containers["containers"].as_array().unwrap().iter().map(|line| &line["name"]).collect();
    assert_eq!(names.len(), 4);
    assert!(names.contains(&&Value::from(NASTY)), "{names:?}");
    let line = |name: &str| {
        containers["containers"].as_array().unwrap().iter().find(|line| line["name"] == name).unwrap().clone()
    };
    assert_eq!(line("web-0")["members"].as_array().unwrap().len(), 2, "created anew");
    assert_eq!(line("web-1")["members"][0]["labels"][NASTY], NASTY);

    let container = world.answer("container?container=web-1").await;
    let usage = container["metrics"].as_array().unwrap().iter().find(|m| m["unit"] == "bytes");
    assert!(usage.unwrap()["values"].as_u64().unwrap() > 0);
    assert_eq!(container["last"]["at"], world.from + (SECONDS - 1) * 1000);
    assert!(container["last"]["values"].as_array().unwrap().len() > 50);
    assert!(container["events"].as_array().unwrap().iter().any(|event| event["event"] == "limit"));

    let series = world.answer(&format!("series?container=web-0&{CPU}&{MEMORY}&{range}&step=10s")).await;
    assert_eq!(series["step"], 10_000);
    assert_eq!(series["containers"][0]["seams"].as_array().unwrap().len(), 1);
    let start = series["from"].as_i64().unwrap();
    for one in series["series"].as_array().unwrap() {
        let values = one["values"].as_array().unwrap();
        let at =
            |second: i64| &values[usize::try_from((world.from + second * 1000 - start) / 10_000).unwrap()];
        assert!(at(100).is_number() && at(450).is_number(), "{one}");
        assert_eq!(at((GAP.start + GAP.end) / 2), &Value::Null, "a gap stays one");
    }

    let aggregate = world.answer(&format!("aggregate?{CPU}&{MEMORY}&{range}")).await;
    let figures = &aggregate["containers"][0]["figures"];
    assert!(figures.as_array().unwrap().iter().any(|one| one.get("increase").is_some()));

    let top = world.answer(&format!("top?{MEMORY}&{range}&n=2&rank=max")).await;
    assert_eq!(top["containers"].as_array().unwrap().len(), 2);

    let events = world.answer(&format!("events?{range}")).await;
    let words: Vec<_> =
        events["events"].as_array().unwrap().iter().map(|event| event["event"].clone()).collect();
    for word in ["limit", "health"] {
        assert!(words.contains(&Value::from(word)), "{word} in {words:?}");
    }
    let one = world.answer(&format!("events?{range}&limit=1")).await;
    assert_eq!((&one["more"], one["events"].as_array().unwrap().len()), (&Value::Bool(true), 1));

    let status = world.answer("status").await;
    assert_eq!(status["containers"], 5);
    assert!(status["max_bytes"].as_u64().unwrap() > 0);

    let host = world.answer(&format!("series?host=true&metric=machine_cpu_cores&{range}&step=1m")).await;
    assert_eq!(host["containers"][0]["name"], "host");

    let nobody = world.answer(&format!("series?project=nobody&{CPU}&{range}")).await;
    assert_eq!(nobody["series"], Value::Array(Vec::new()));
    world.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_history_refuses_has_a_status_and_names_the_nearest() {
    let world = World::start(3, Limits::default()).await;
    for (target, code, kind, part, near) in [
        (format!("series?{CPU}&from=now&until=-1h"), 400, "bad_request", "ends", None),
        (format!("series?{CPU}&step=0"), 400, "bad_request", "more than 0", None),
        (format!("series?{CPU}&step=1s&from=-30d"), 400, "bad_request", "points", None),
        (
            "series?metric=container_cpu_usage_second_total".to_owned(),
            400,
            "bad_request",
            "no metric",
            Some(&CPU[7..]),
        ),
        ("top?metric=x".to_owned(), 400, "bad_request", "no metric \"x\"", None),
        (
            "export?metric=container_cpu_usage_second_total&format=openmetrics".to_owned(),
            400,
            "bad_request",
            "no metric",
            Some(&CPU[7..]),
        ),
        (format!("series?{MEMORY}&function=rate"), 400, "bad_request", "not a counter", None),
        ("series?metric=container_info".to_owned(), 400, "bad_request", "not kept", None),
        ("container?container=web-00".to_owned(), 404, "not_found", "web-00", Some("web-0")),
        (format!("series?{CPU}&container=web-00"), 404, "not_found", "web-00", Some("web-0")),
        ("export?container=web-00".to_owned(), 404, "not_found", "web-00", Some("web-0")),
        ("containers?name=%5Ba".to_owned(), 400, "bad_request", "[a", None),
        ("containers?container=00000000".to_owned(), 400, "bad_request", "more than one", None),
    ] {
        let reply = world.get(&target).await;
        assert_eq!(reply.code, code, "{target}: {}", reply.text());
        let error: Value = serde_json::from_slice(&reply.body).unwrap();
        let wrong = schema::wrong(&world.document, &world.document["components"]["schemas"]["Error"], &error);
        assert!(wrong.is_empty(), "{wrong:?}");
        assert_eq!(error["error"]["kind"], kind, "{target}");
        let message = error["error"]["message"].as_str().unwrap();
        assert!(message.contains(part), "{target}: {message}");
        if let Some(near) = near {
            let nearest = error["error"]["nearest"].as_array().unwrap();
            assert!(nearest.contains(&Value::from(near)), "{target}: {nearest:?}");
        }
    }
    world.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_has_every_sample_in_each_format() {
    let world = World::start(3, Limits::default()).await;
    let range = world.range();
    let samples = usize::try_from(SECONDS - (GAP.end - GAP.start)).unwrap();

    let reply = world.get(&format!("export?{range}&{MEMORY}")).await;
    assert_eq!(reply.header("content-type"), "application/x-ndjson");
    let lines: Vec<Value> = reply.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3 * samples);
    assert!(lines.iter().any(|line| line["container"] == NASTY));

    let reply = world.get(&format!("export?{range}&{MEMORY}&format=csv")).await;
    assert!(reply.header("content-type").starts_with("text/csv"));
    assert!(reply.text().starts_with("time,container,"));

    let devices = "metric=container_fs_writes_bytes_total&metric=container_network_receive_bytes_total";
    let reply = world.get(&format!("export?{range}&{MEMORY}&{devices}&format=openmetrics")).await;
    assert!(reply.header("content-type").starts_with("application/openmetrics-text"));
    let text = reply.text();
    assert!(text.ends_with("\n# EOF\n"));
    // Each series stands together.
    let mut seen = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let series = line.split("} ").next().unwrap();
        if seen.last() != Some(&series) {
            assert!(!seen.contains(&series), "{series} is in two places");
            seen.push(series);
        }
    }
    assert!(seen.len() >= 8, "{seen:?}");

    let points = world.get(&format!("export?{range}&{MEMORY}&tier=10s")).await;
    assert_eq!(points.code, 200, "{}", points.text());
    world.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_answers_and_those_without_a_body() {
    let world = World::start(3, Limits::default()).await;
    for target in [
        "status".to_owned(),
        format!("series?{CPU}&{}&step=1s", world.range()),
        format!("export?{CPU}&{MEMORY}&{}", world.range()),
    ] {
        let target = format!("/api/v1/{target}");
        let (plain, packed) = (
            world.server.get(&target, "").await,
            world.server.get(&target, "Accept-Encoding: gzip\r\n").await,
        );
        assert_eq!((plain.header("content-encoding"), packed.header("content-encoding")), ("", "gzip"));
        assert_eq!(packed.header("vary"), "Accept-Encoding");
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(&packed.body[..]).read_to_end(&mut unpacked).unwrap();
        if target.contains("status") {
            // It tells the time.
            assert_eq!(unpacked.len(), plain.body.len());
        } else {
            assert!(unpacked == plain.body, "{target}");
        }
        let head = world.server.ask("HEAD", &target, "").await;
        assert_eq!((head.code, head.header("content-type")), (200, plain.header("content-type")));
        assert_eq!(head.body.len(), 0);
        if head.headers.contains_key("content-length") {
            assert_eq!(head.header("content-length"), plain.body.len().to_string(), "{target}");
        }
    }
    world.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_readers_hold_up_nobody_and_little_memory() {
    let limits = Limits { exports: 1, wait_time: harness::SHORT, ..harness::patient() };
    let world = World::start(4, limits).await;
    let target = format!("export?from={}&until={}", world.from / 1000, world.from / 1000 + GAP.start);
    let export = format!("GET /api/v1/{target} HTTP/1.1\r\nHost: a\r\n\r\n");
    let before = resident();
    let mut slow = world.server.connect().await;
    slow.send(&export).await;
    assert!(slow.more().await, "it has begun");
    // Its place is taken, so another export has to wait, and says so; questions are answered.
    let busy = world.get("export").await;
    assert_eq!((busy.code, busy.header("retry-after")), (503, "1"), "{}", busy.text());
    assert!(busy.text().contains("too many"), "{}", busy.text());
    world.answer("status").await;
    let while_it_waits = resident();
    let reply = slow.reply(false).await.unwrap();
    assert_eq!(reply.header("transfer-encoding"), "chunked");
    let bytes = reply.body.len();
    assert!(bytes > 16 << 20, "{bytes} bytes is not long");
    let grown = while_it_waits.saturating_sub(before);
    assert!(grown < bytes / 2, "{grown} bytes more in memory for {bytes} in the answer");
    // One that goes away gives its place back.
    let mut gone = world.server.connect().await;
    gone.send(&export).await;
    assert!(gone.more().await);
    drop(gone);
    world.place_comes_back().await;
    world.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_may_take_longer_than_other_answers_if_it_is_read() {
    let response_time = Duration::from_secs(1);
    let limits = Limits { exports: 1, response_time, wait_time: harness::SHORT, ..harness::patient() };
    let world = World::start(4, limits).await;
    let export = format!("GET /api/v1/export?{} HTTP/1.1\r\nHost: a\r\n\r\n", world.range());
    let mut slow = world.server.connect().await;
    slow.send(&export).await;
    let mut pace = tokio::time::interval(Duration::from_millis(10));
    let began = Instant::now();
    while began.elapsed() < 2 * response_time {
        pace.tick().await;
        assert!(slow.more().await, "it was cut");
    }
    assert!(slow.reply(false).await.is_some(), "it comes to its end");

    // One that is not read loses its place, and breaks off.
    let mut silent = world.server.connect().await;
    silent.send(&export).await;
    assert!(silent.more().await, "it has begun");
    world.place_comes_back().await;
    assert!(silent.reply(false).await.is_none(), "nobody takes it for whole");

    // And none goes on for ever.
    let limits = Limits { export_time: harness::SHORT, ..harness::patient() };
    let server = Server::start(Fake { history: Ok(world.store.history()), ..fake() }, limits).await;
    let mut late = server.connect().await;
    late.send(&export).await;
    assert!(late.reply(false).await.is_none(), "it breaks off, although nobody reads it slowly");
    server.stop().await;
    world.server.stop().await;
}

/// What this process has in memory, in bytes.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * rustix::param::page_size()
}
