//! Answers made by hand, with everything in them that an answer can have.

use std::collections::{BTreeMap, HashSet};

use plimsoll_model::Family;
use plimsoll_store::{
    Aggregate, AggregateAnswer, Event, Function, Happening, Line, Member, Range, Rank, Series, SeriesAnswer,
    SeriesCost, Summary, Tier, TierSummary, TopAnswer,
};
use serde_json::{Value, json};

use super::answers::{write_container, write_containers, write_events, write_status};
use super::endpoints::ENDPOINTS;
use super::numbers::{write_aggregate, write_series, write_top};
use super::{openapi, schemas};

#[path = "../../tests/schema/mod.rs"]
mod schema;

const NASTY: &str = "we\"b\\\n\u{0}</script>\u{2028}né🐳";
const RANGE: Range = Range { from: 1_000, until: 61_000 };

fn family(name: &str) -> &'static Family {
    Family::by_name(name).unwrap()
}

fn line() -> Line {
    let member = |id: &str, since, created| Member {
        id: id.to_owned(),
        name: NASTY.to_owned(),
        image: "nginx:1.29".to_owned(),
        labels: BTreeMap::from([(NASTY.to_owned(), NASTY.to_owned())]),
        created,
        since,
        last: since + 500,
    };
    Line {
        id: 3,
        name: NASTY.to_owned(),
        engine: "docker".to_owned(),
        containers: vec![member("aa11", 1_000, None), member("bb22", 2_000, Some(1_900))],
    }
}

fn host() -> Line {
    Line { id: 0, name: "host".to_owned(), engine: String::new(), containers: Vec::new() }
}

/// Checks an answer against the document, and returns it.
fn checked(path: &str, bytes: &[u8]) -> Value {
    let document: Value = serde_json::from_str(&openapi::TEXT).unwrap();
    let answer: Value = serde_json::from_slice(bytes).unwrap();
    let escaped = path.replace('/', "~1");
    let schema = document
        .pointer(&format!("/paths/{escaped}/get/responses/200/content/application~1json/schema"))
        .unwrap();
    let wrong = schema::wrong(&document, schema, &answer);
    assert!(wrong.is_empty(), "{path}: {wrong:#?}\n{answer:#}");
    answer
}

#[test]
fn series_have_null_for_gaps_and_short_numbers() {
    let series = |line, name, function, points: &[Option<f64>]| Series {
        line,
        family: family(name),
        labels: vec![("interface".to_owned(), NASTY.to_owned())],
        function,
        points: points.to_vec(),
    };
    let answer = SeriesAnswer {
        step: 10_000,
        from: 0,
        tier: Tier::TenSeconds,
        series: vec![
            series(
                0,
                "container_memory_usage_bytes",
                Function::Mean,
                &[Some(4096.0), None, Some(0.5), Some(-0.0), Some(f64::NAN), Some(1e300)],
            ),
            series(1, "container_cpu_usage_seconds_total", Function::Rate, &[None, Some(1.0 / 3.0)]),
            series(1, "container_cpu_usage_seconds_total", Function::Count, &[Some(10.0)]),
        ],
        lines: vec![line(), host()],
    };
    let mut out = Vec::new();
    write_series(&answer, &mut out).unwrap();
    let text = String::from_utf8(out.clone()).unwrap();
    assert!(text.contains("\"values\":[4096,null,0.5,0,null,1e+300]"), "{text}");
    let json = checked("/api/v1/series", &out);
    assert_eq!(json["containers"][0]["name"], NASTY);
    assert_eq!(json["containers"][0]["seams"], json!([2_000]));
    assert_eq!(json["containers"][0]["id"], "bb22");
    assert_eq!(json["containers"][1].get("id"), None);
    assert_eq!(json["series"][0]["labels"]["interface"], NASTY);
    let units: Vec<_> =
        json["series"].as_array().unwrap().iter().map(|s| s["unit"].as_str().unwrap()).collect();
    assert_eq!(units, ["bytes", "seconds per second", "samples"]);
    assert_eq!(json["metrics"].as_array().unwrap().len(), 2, "each metric once");
    assert_eq!(json["metrics"][0]["kind"], "counter");
}

#[test]
fn figures_and_ranks() {
    let aggregate = |name, increase| Aggregate {
        family: family(name),
        labels: Vec::new(),
        samples: 60,
        min: 0.0,
        max: 9.0,
        mean: 4.5,
        last: 1.0,
        percentiles: [4.0, 8.0, 8.5, 9.0],
        increase,
    };
    let figures = vec![
        aggregate("container_cpu_usage_seconds_total", Some(270.0)),
        aggregate("container_memory_usage_bytes", None),
    ];
    let answer = AggregateAnswer { tier: Tier::Raw, lines: vec![(line(), figures), (host(), Vec::new())] };
    let mut out = Vec::new();
    write_aggregate(&answer, RANGE, &mut out).unwrap();
    let json = checked("/api/v1/aggregate", &out);
    let figures = &json["containers"][0]["figures"];
    assert_eq!((&figures[0]["p95"], &figures[0]["increase"]), (&json!(8.5), &json!(270)));
    assert_eq!(figures[0]["unit"], "seconds per second");
    assert_eq!((figures[1].get("increase"), figures[1]["unit"].as_str()), (None, Some("bytes")));

    for (rank, unit) in [(Rank::Mean, "seconds per second"), (Rank::Increase, "seconds")] {
        let family = family("container_cpu_usage_seconds_total");
        let answer = TopAnswer { family, tier: Tier::Hour, lines: vec![(line(), 3.25)] };
        let mut out = Vec::new();
        write_top(&answer, RANGE, rank, &mut out).unwrap();
        let json = checked("/api/v1/top", &out);
        assert_eq!((json["unit"].as_str(), &json["containers"][0]["value"]), (Some(unit), &json!(3.25)));
    }
}

fn every_event() -> Vec<Event> {
    let limit = |from, to| Happening::Limit { metric: "container_memory_limit_bytes".to_owned(), from, to };
    let all = [
        Happening::Created,
        Happening::Started,
        Happening::Restarted { count: 2 },
        Happening::Exited { code: Some(137), count: 1 },
        Happening::Exited { code: None, count: 1 },
        Happening::OomKilled { count: 1 },
        Happening::Paused,
        Happening::Unpaused,
        Happening::Health { now: "unhealthy".to_owned() },
        Happening::Renamed { from: NASTY.to_owned() },
        limit(None, Some(1 << 30)),
        limit(Some(1 << 30), None),
        Happening::Removed,
    ];
    let event = |(at, what)| Event { at, container: "aa11".to_owned(), name: NASTY.to_owned(), what };
    (0..).zip(all).map(event).collect()
}

#[test]
fn events_of_every_kind() {
    let events = every_event();
    let mut out = Vec::new();
    write_events(&events, events.len(), RANGE, &mut out).unwrap();
    let json = checked("/api/v1/events", &out);
    assert_eq!(json["more"], false);
    let words: HashSet<_> = events.iter().map(|event| event.what.word()).collect();
    let document: Value = schemas::shared();
    let known = document["Event"]["properties"]["event"]["enum"].as_array().unwrap().len();
    assert_eq!(words.len(), known, "each kind of event is tried here");
    assert_eq!(json["events"][3]["exit_code"], 137);
    assert_eq!(json["events"][4].get("exit_code"), None);
    assert_eq!(json["events"][9]["old_name"], NASTY);
    assert_eq!((json["events"][10].get("before"), &json["events"][10]["after"]), (None, &json!(1 << 30)));

    let mut out = Vec::new();
    write_events(&events, 2, RANGE, &mut out).unwrap();
    let json = checked("/api/v1/events", &out);
    assert_eq!((&json["more"], json["events"].as_array().unwrap().len()), (&json!(true), 2));
    assert_eq!(json["events"][1]["event"], "removed", "the latest are given");
}

#[test]
fn containers_and_one_container() {
    let mut out = Vec::new();
    write_containers(&[line(), host()], RANGE, &mut out).unwrap();
    let json = checked("/api/v1/containers", &out);
    let members = &json["containers"][0]["members"];
    assert_eq!(members[0]["labels"][NASTY], NASTY);
    assert_eq!((members[0].get("created"), &members[1]["created"]), (None, &json!(1_900)));

    let cost = |metric: &str| SeriesCost { metric: metric.to_owned(), series: 1, values: 10, bytes: 2 };
    let costs = [cost("container_memory_usage_bytes"), cost("container_of_an_older_version")];
    let mut out = Vec::new();
    write_container(&line(), Some((2_500, &[])), &costs, &every_event(), &mut out).unwrap();
    let json = checked("/api/v1/container", &out);
    assert_eq!(json["metrics"][0]["unit"], "bytes");
    assert_eq!(json["metrics"][1].get("unit"), None);
    assert_eq!(json["last"], json!({ "at": 2_500, "values": [] }));
}

#[test]
fn a_status_with_and_without_samples() {
    let tier = |tier, span| TierSummary { tier, span, blocks: 1, bytes: 2, values: 3 };
    let summary =
        Summary { tiers: vec![tier(Tier::Raw, Some((1, 2))), tier(Tier::Hour, None)], ..Summary::default() };
    let mut out = Vec::new();
    write_status(&summary, 5, &mut out).unwrap();
    let json = checked("/api/v1/status", &out);
    assert_eq!(json["tiers"][0]["last"], 2);
    assert_eq!(json["tiers"][1].get("last"), None);
}

#[test]
fn the_document_says_everything_once() {
    let document: Value = serde_json::from_str(&openapi::TEXT).unwrap();
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.len(), ENDPOINTS.len());
    let mut ids = HashSet::new();
    for endpoint in ENDPOINTS {
        assert!(ids.insert(endpoint.id), "{} stands twice", endpoint.id);
        let parameters: Vec<_> = endpoint.parameters().map(|parameter| parameter.name).collect();
        let different: HashSet<_> = parameters.iter().collect();
        assert_eq!(different.len(), parameters.len(), "{} takes a parameter twice", endpoint.path);
        for parameter in endpoint.parameters() {
            assert!(parameter.about.ends_with('.'), "{}", parameter.name);
        }
    }
}
