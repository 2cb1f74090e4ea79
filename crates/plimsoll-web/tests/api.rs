//! `/api/v1/` on a real socket.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is a test's purpose")]

mod harness;
mod schema;

use std::path::Path;
use std::sync::Arc;

use plimsoll_model::agent::{Figure, Target};
use plimsoll_model::catalog::DeliveryField;
use plimsoll_model::custom::{CollectorState, CustomCollector};
use plimsoll_model::{Collector, Snapshot};
use plimsoll_web::{Limits, NoHistory};
use serde_json::Value;

use crate::harness::{Fake, Reply, Server, fake};

/// A server without a history, for what is decided before one is asked.
async fn without_history(why: NoHistory) -> Server {
    Server::start(Fake { history: Err(why), ..fake() }, Limits::default()).await
}

fn json(reply: &Reply) -> Value {
    assert_eq!(reply.header("content-type"), "application/json", "{}", reply.text());
    serde_json::from_slice(&reply.body).unwrap()
}

/// The message of an error, which must be as the document has it.
fn message(document: &Value, reply: &Reply, code: u16, kind: &str) -> (String, Vec<String>) {
    assert_eq!(reply.code, code, "{}", reply.text());
    let error = json(reply);
    let wrong = schema::wrong(document, &document["components"]["schemas"]["Error"], &error);
    assert!(wrong.is_empty(), "{wrong:?}: {error}");
    assert_eq!(error["error"]["kind"], kind, "{error}");
    let nearest = error["error"]["nearest"].as_array().unwrap();
    let nearest = nearest.iter().map(|name| name.as_str().unwrap().to_owned()).collect();
    (error["error"]["message"].as_str().unwrap().to_owned(), nearest)
}

/// What a path does, whichever method it takes.
fn operation(path: &Value) -> &Value {
    path.get("post").unwrap_or(&path["get"])
}

async fn document(server: &Server) -> Value {
    json(&server.get("/api/v1/openapi.json", "").await)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_the_committed_one() {
    let server = without_history(NoHistory::Off).await;
    let reply = server.get("/api/v1/openapi.json", "").await;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    #[expect(clippy::disallowed_methods, reason = "whoever changed the API says so by hand")]
    if std::env::var_os("PLIMSOLL_BLESS").is_some() {
        std::fs::write(&path, &reply.body).unwrap();
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        known == reply.text(),
        "docs/openapi.json is not what the API is; PLIMSOLL_BLESS=1 cargo test -p plimsoll-web --test api writes it anew"
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_path_is_described_and_takes_what_the_document_names() {
    let server = without_history(NoHistory::Off).await;
    let document = document(&server).await;
    let page = server.get("/", "").await;
    let listed: Vec<_> = page.text().split("href=\"").filter_map(|part| part.split('"').next()).collect();
    let paths = document["paths"].as_object().unwrap();
    let described: Vec<_> = paths.keys().map(String::as_str).collect();
    for path in listed.iter().filter(|path| path.starts_with("/api/")) {
        assert!(described.contains(path), "{path} is not described");
    }
    let all_parameters: Vec<&str> = paths
        .values()
        .flat_map(|path| operation(path)["parameters"].as_array().unwrap())
        .map(|parameter| parameter["name"].as_str().unwrap())
        .collect();
    for (path, description) in paths {
        let method = if description.get("post").is_some() { "POST" } else { "GET" };
        assert_eq!(listed.contains(&&**path), method == "GET", "a link is for {path} if it can be followed");
        let own = operation(description)["parameters"].as_array().unwrap();
        let named = |name: &str| own.iter().find(|parameter| parameter["name"] == name);
        for name in &all_parameters {
            let reply = server.ask(method, &format!("{path}?{name}=%20"), "").await;
            let takes = !reply.text().contains("there is no parameter");
            assert_eq!(takes, named(name).is_some(), "{path}?{name}: {}", reply.text());
            let Some(parameter) = named(name) else { continue };
            let reply = server.ask(method, &format!("{path}?{name}=10&{name}=10"), "").await;
            let repeats = !reply.text().contains("may stand only once");
            let is_list = parameter["schema"]["type"] == "array";
            assert!(repeats == is_list || reply.text().contains("cannot be"), "{path}?{name}");
            // With all that is needed but this one, this one is missing.
            let others: Vec<_> = own
                .iter()
                .filter(|other| other["required"] == true && other["name"] != *name)
                .map(|other| format!("{}=x", other["name"].as_str().unwrap()))
                .collect();
            let reply = server.ask(method, &format!("{path}?{}", others.join("&")), "").await;
            let is_missing = reply.text().contains(&format!("the parameter {name} is missing"));
            assert_eq!(is_missing, parameter["required"] == true, "{path} without {name}: {}", reply.text());
        }
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn collectors_tell_how_they_do_without_a_history() {
    let mut fake = fake();
    let mut snapshot = Snapshot::clone(&fake.snapshot);
    snapshot.agent.collectors[Collector::Cpu].success = Some(false);
    let state = |name: &str, success| CollectorState {
        name: name.to_owned(),
        type_name: "exec".to_owned(),
        healthy: success != Some(false),
        success,
        interval: 30_000_000_000,
        failures: vec![("timeout", 4)],
        last_error: "it printed \"<b>\"".to_owned(),
        last_success: Some(1_795_223_743_003_874_862),
        ..CollectorState::default()
    };
    let collector = |state| Arc::new(CustomCollector { state, ..CustomCollector::default() });
    snapshot.custom = [("backup", Some(false)), ("new", None)]
        .map(|(name, success)| collector(state(name, success)))
        .into();
    fake.snapshot = Arc::new(snapshot);
    let server = Server::start(fake, Limits::default()).await;
    let document = document(&server).await;
    let answer = json(&server.get("/api/v1/collectors", "").await);
    let schema = &document["paths"]["/api/v1/collectors"]["get"]["responses"]["200"]["content"]["application/json"]
        ["schema"];
    let wrong = schema::wrong(&document, schema, &answer);
    assert!(wrong.is_empty(), "{wrong:?}: {answer}");
    let [cpu, backup, new] = &answer["collectors"].as_array().unwrap()[..] else { panic!("{answer}") };
    assert_eq!(
        (&cpu["name"], &cpu["type"], &cpu["healthy"]),
        (&"cpu".into(), &"built-in".into(), &false.into())
    );
    assert_eq!((&backup["healthy"], &backup["interval"]), (&false.into(), &30.0.into()));
    assert_eq!(backup["failures"]["timeout"], 4);
    assert_eq!(backup["last_success"], 1_795_223_743_003_i64);
    assert!(new.get("success").is_none());
    let page = server.get("/", "").await;
    let page = page.text();
    assert!(page.contains("backup") && page.contains("it printed &quot;&lt;b&gt;"), "{page}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_cannot_be_understood_says_why() {
    let server = without_history(NoHistory::Off).await;
    let document = document(&server).await;
    for (target, part, near) in [
        ("containers?contianer=web", "no parameter \"contianer\"", "container"),
        ("series?metric=x&steps=10s", "no parameter \"steps\"", "step"),
        ("status?from=now", "no parameter \"from\"", ""),
        ("containers?%3Cb%3E%00=1", "no parameter \"<b>\\0\"", ""),
        ("series", "the parameter metric is missing", ""),
        ("series?metric=", "the parameter metric has no value", ""),
        ("container", "the parameter container is missing", ""),
        ("top?metric=x&metric=y", "metric may stand only once", ""),
        ("containers?from=now&from=now", "from may stand only once", ""),
        ("containers?from=yesterday", "from cannot be \"yesterday\"; expected a time", ""),
        ("containers?until=1763740943000", "until cannot be \"1763740943000\"", ""),
        ("containers?until=%F0%9F%90%B3", "until cannot be \"🐳\"", ""),
        ("series?metric=x&step=fast", "step cannot be \"fast\"; expected a duration", ""),
        ("series?metric=x&step=-10s", "step cannot be \"-10s\"", ""),
        ("series?metric=x&function=avg", "expected one of last, min, max, mean", ""),
        ("top?metric=x&rank=most", "expected one of mean, max", ""),
        ("top?metric=x&n=0", "a whole number from 1 to 1000", ""),
        ("events?limit=many", "a whole number from 1 to 5000", ""),
        ("events?limit=99999999999999999999", "a whole number", ""),
        ("export?format=xml", "expected one of jsonl, csv, openmetrics", ""),
        ("export?tier=5s", "expected one of raw, 10s, 1m, 1h", ""),
        ("containers?label==x", "expected KEY or KEY=PATTERN", ""),
        ("containers?host=maybe", "expected one of true, false", ""),
    ] {
        let reply = server.get(&format!("/api/v1/{target}"), "").await;
        let (message, nearest) = message(&document, &reply, 400, "bad_request");
        assert!(message.contains(part), "{target}: {message}");
        assert_eq!(nearest.first().map_or("", String::as_str), near, "{target}: {nearest:?}");
    }
    let long = format!("/api/v1/containers?from={}", "x".repeat(10_000));
    let reply = server.get(&long, "").await;
    assert!(reply.body.len() < 1_000, "{} bytes", reply.body.len());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_and_methods_that_there_are_not() {
    let server = without_history(NoHistory::Off).await;
    let document = document(&server).await;
    for (path, near) in
        [("/api/v1/serie", "/api/v1/series"), ("/api/v1/top/", "/api/v1/top"), ("/api/v2", ""), ("/api/", "")]
    {
        let reply = server.get(path, "").await;
        let (message, nearest) = message(&document, &reply, 404, "not_found");
        assert!(message.contains("/api/v1/openapi.json"), "{message}");
        if !near.is_empty() {
            assert_eq!(nearest[0], near, "{path}");
        }
    }
    for (path, description) in document["paths"].as_object().unwrap() {
        let takes = if description.get("post").is_some() { "POST" } else { "GET,HEAD" };
        for method in
            ["GET", "POST", "PUT", "DELETE", "OPTIONS"].into_iter().filter(|method| !takes.contains(method))
        {
            let reply = server.ask(method, path, "Content-Length: 0\r\n").await;
            let (message, _) = message(&document, &reply, 405, "method_not_allowed");
            assert!(message.contains("GET and HEAD"), "{message}");
            assert_eq!(reply.header("allow"), takes);
            assert_eq!(reply.header("x-content-type-options"), "nosniff");
        }
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_tell_how_they_do_and_are_flushed() {
    let mut fake = fake();
    let mut snapshot = Snapshot::clone(&fake.snapshot);
    let figure = |field, labels: &[&str], value| Figure {
        field,
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        value,
    };
    snapshot.agent.targets = vec![Target {
        name: "tsdb<b>".to_owned(),
        type_name: "influxdb-v2",
        address: "http://h:1".to_owned(),
        state: "retrying",
        trouble: "connect: <i>".to_owned(),
        figures: vec![
            figure(DeliveryField::Points, &["collected", ""], 10),
            figure(DeliveryField::Points, &["delivered", ""], 5),
            figure(DeliveryField::Points, &["rejected", "malformed"], 2),
            figure(DeliveryField::Points, &["dropped", ""], 0),
            figure(DeliveryField::QueuePoints, &["memory"], 1),
            figure(DeliveryField::QueuePoints, &["disk"], 2),
            figure(DeliveryField::Lag, &[], 1_500_000_000),
        ],
    }]
    .into();
    fake.snapshot = Arc::new(snapshot);
    let server = Server::start(fake, Limits::default()).await;
    let document = document(&server).await;
    let told = json(&server.get("/api/v1/targets", "").await);
    let content = &document["paths"]["/api/v1/targets"]["get"]["responses"]["200"]["content"];
    let wrong = schema::wrong(&document, &content["application/json"]["schema"], &told);
    assert!(wrong.is_empty(), "{wrong:?}");
    let target = &told["targets"][0];
    let numbers = ["collected", "delivered", "queued"].map(|key| target[key].as_u64().unwrap());
    assert_eq!(numbers, [10, 5, 3]);
    assert_eq!((&target["rejected"]["malformed"], &target["lag"]), (&2.into(), &1.5.into()));
    let page = server.get("/", "").await;
    assert!(page.text().contains("tsdb&lt;b&gt;") && page.text().contains("connect: &lt;i&gt;"));

    let flushed = server.ask("POST", "/api/v1/flush", "").await;
    assert_eq!(
        (flushed.code, &json(&flushed)["targets"][0]["delivered"]),
        (200, &7.into()),
        "{}",
        flushed.text()
    );
    let one = server.ask("POST", "/api/v1/flush?target=nobody", "").await;
    message(&document, &one, 400, "bad_request");
    let foreign = server.ask("POST", "/api/v1/flush", "Origin: http://evil.example\r\n").await;
    message(&document, &foreign, 403, "forbidden");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_history_every_question_says_so() {
    let why = "/var/lib/plimsoll/history.db is locked by another agent";
    for (reason, code, kind, part) in [
        (NoHistory::Off, 404, "not_found", "keeps no history"),
        (NoHistory::Unavailable(why.to_owned()), 503, "unavailable", why),
    ] {
        let server = without_history(reason).await;
        let document = document(&server).await;
        for target in [
            "containers",
            "container?container=web",
            "series?metric=x",
            "aggregate?metric=x",
            "top?metric=x",
            "events",
            "export",
            "status",
        ] {
            let reply = server.get(&format!("/api/v1/{target}"), "").await;
            let (message, _) = message(&document, &reply, code, kind);
            assert!(message.contains(part), "{target}: {message}");
        }
        assert_eq!(server.get("/metrics", "").await.code, 200, "the numbers of now are there");
        server.stop().await;
    }
}
