use serde_json::{Value, json};

use super::*;
use crate::census::inventory::ContainerInventory;

fn first(container: &Value) -> Container {
    let listing = list::<Container>(json!([container]).to_string().as_bytes()).unwrap();
    assert_eq!(listing.skipped, 0);
    listing.items.into_iter().next().unwrap()
}

#[test]
fn every_key_is_read_and_written() {
    let full = json!({
        "id": "0a1b", "name": "web", "image": "nginx:1", "image_id": "sha256:00", "image_tags": ["nginx:1"],
        "image_size": 142, "state": "running", "status": "Up 2 hours", "restart_count": 3,
        "ports": [{"private_port": 80, "public_port": 8080, "type": "tcp", "ip": "0.0.0.0"}, {"private_port": 443, "type": "tcp"}],
        "labels": {"com.docker.compose.depends_on": "db:service_healthy:true,cache"},
        "created": "2026-11-21T01:28:07Z", "host_id": 4, "host_name": "one", "scanned_at": "2026-11-21T01:44:16.144Z",
        "cpu_percent": 1.5, "memory_usage": 100, "memory_limit": 1_048_576, "memory_percent": 0.5,
        "networks": ["shop"], "links": ["db:db"], "compose_project": "shop",
        "volumes": [{"name": "data", "destination": "/data", "type": "volume", "rw": true},
                    {"name": "/etc/x", "destination": "/x", "type": "bind", "rw": false}],
        "started_at": "2026-11-21T01:28:08Z",
        "network_details": [{"network_name": "shop", "ip_address": "172.18.0.2", "aliases": ["web"]}],
        "update_available": true, "last_update_check": "0001-01-01T00:00:00Z",
    });
    let container = first(&full);
    assert_eq!(serde_json::from_str::<Value>(&encode(&container)).unwrap(), full);
    let expected = ContainerInventory {
        id: "0a1b".to_owned(),
        name: "web".to_owned(),
        image: "nginx:1".to_owned(),
        image_id: "sha256:00".to_owned(),
        image_size: Some(142),
        state: "running".to_owned(),
        restart_count: Some(3),
        networks: vec!["shop".to_owned()],
        volumes: vec!["data".to_owned()],
        compose_project: Some("shop".to_owned()),
        depends_on: vec!["db".to_owned(), "cache".to_owned()],
        cpu_percent: Some(1.5),
        memory_bytes: Some(100),
        memory_limit: Some(1_048_576),
    };
    assert_eq!(container.inventory(), expected);
}

#[test]
fn what_a_field_cannot_hold_is_as_if_it_were_not_there() {
    let keys = serde_json::to_value(Container::default()).unwrap();
    let optional = [
        "cpu_percent",
        "memory_usage",
        "networks",
        "volumes",
        "links",
        "compose_project",
        "started_at",
        "network_details",
    ];
    let keys = keys.as_object().unwrap().keys().map(String::as_str).chain(optional);
    for key in keys.filter(|key| *key != "name") {
        for odd in [
            json!(null),
            json!({"a": 1}),
            json!(["\u{1}", 5, {"a": []}]),
            json!(-5),
            json!(1e300),
            json!(true),
            json!("x"),
        ] {
            let container = first(&json!({"name": "web", key: odd}));
            assert_eq!(container.name, "web", "{key}: {odd}");
            assert!(serde_json::from_str::<Value>(&encode(&container)).is_ok());
        }
        assert_eq!(
            first(&json!({"name": "web", key: null})),
            Container { name: "web".to_owned(), ..Container::default() },
            "{key}"
        );
    }
    let lists = first(&json!({
        "networks": ["a", 5, null, "b"], "labels": {"a": "b", "c": null, "d": 5}, "ports": [5, {"private_port": 70_000}],
    }));
    assert_eq!(lists.networks, ["a", "b"]);
    assert_eq!(
        lists.labels,
        BTreeMap::from([("a", "b"), ("c", ""), ("d", "")].map(|(a, b)| (a.to_owned(), b.to_owned())))
    );
    assert_eq!(lists.ports, [Port::default()]);
}

#[test]
fn odd_elements_leave_their_neighbours_alone() {
    let listing =
        list::<Image>(br#"[5,null,"x",[],{"Size":5,"plugin_data":{"a":[1]}},{"Size":1,"Size":2}]"#).unwrap();
    assert_eq!(listing.items, [Image { size: 5, ..Image::default() }]);
    assert_eq!(listing.skipped, 5);
    assert_eq!(list::<Container>(b"null"), Ok(Listing::default()));
}

#[test]
fn what_is_no_answer_is_refused() {
    for body in ["", "<html>", "{}", "[", "\"x\"", "[] []", "5"] {
        let error = list::<Container>(body.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with("reading the agent's answer: "), "{error}");
    }
    for body in [
        "",
        "<html>",
        "[]",
        "[\"1\"]",
        "{",
        "\"x\"",
        "{} {}",
        "null",
        "{\"version\":\"1\",\"version\":\"2\"}",
    ] {
        assert!(object::<Info>(body.as_bytes()).is_err(), "{body}");
    }
    assert!(object::<Info>(b"{\"version\":\"\xff\"}").is_err());
    let long = format!("\"{}\"", "x".repeat(10_000));
    assert!(list::<Container>(long.as_bytes()).unwrap_err().to_string().len() < 300);
    let deep = format!("[{{\"labels\":{}", "[".repeat(200_000));
    assert!(list::<Container>(deep.as_bytes()).is_err());
    let deep = format!("[{{\"labels\":{}{}}}]", "[".repeat(200_000), "]".repeat(200_000));
    assert_eq!(list::<Container>(deep.as_bytes()).unwrap().items, [Container::default()]);
}

#[test]
fn answers_are_bounded() {
    let many = format!("[{}{{}}]", "{},".repeat(MAX_ITEMS + 4));
    let listing = list::<Container>(many.as_bytes()).unwrap();
    assert_eq!((listing.items.len(), listing.skipped), (MAX_ITEMS, 5));

    let texts = vec!["\u{e9}".repeat(MAX_TEXT); MAX_INNER + 1];
    let labels: BTreeMap<String, &str> = (0..=MAX_INNER).map(|n| (n.to_string(), "x")).collect();
    let container = first(&json!({"networks": texts, "labels": labels}));
    assert_eq!((container.networks.len(), container.labels.len()), (MAX_INNER, MAX_INNER));
    assert!(container.networks.iter().all(|name| name.len() == MAX_TEXT));

    let body = vec![b' '; MAX_ANSWER + 1];
    assert!(list::<Container>(&body).unwrap_err().to_string().contains("at most 33554432"));
}

#[test]
fn the_memory_of_a_host_is_no_limit() {
    let table = [
        (25_276_514_304, None),
        (0, None),
        (512 << 20, Some(512 << 20)),
        (10_000_000_000, Some(10_000_000_000)),
    ];
    for (limit, expected) in table {
        let container = Container { memory_limit: Some(limit), ..Container::default() };
        assert_eq!(container.inventory().memory_limit, expected, "{limit}");
    }
}

#[test]
fn images_have_their_size_under_every_name() {
    let names = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    let images = [
        Image {
            id: "sha256:1".to_owned(),
            repo_tags: names(&["a:latest", "b:1"]),
            repo_digests: names(&["a@sha256:9"]),
            size: 5,
            ..Image::default()
        },
        Image {
            id: "sha256:2".to_owned(),
            repo_tags: names(&["<none>:<none>"]),
            repo_digests: None,
            size: 6,
            ..Image::default()
        },
        Image { id: "sha256:3".to_owned(), repo_tags: names(&["c:1"]), size: -1, ..Image::default() },
    ];
    let expected =
        [("a", 5), ("a:latest", 5), ("a@sha256:9", 5), ("b:1", 5), ("sha256:1", 5), ("sha256:2", 6)];
    assert_eq!(sizes(&images), BTreeMap::from(expected.map(|(name, size)| (name.to_owned(), size))));
}
