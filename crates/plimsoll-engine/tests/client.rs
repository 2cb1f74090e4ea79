//! The client against an engine that misbehaves on request.
#![cfg(unix)]

use std::error::Error as _;
use std::path::Path;
use std::time::Duration;

use plimsoll_engine::{
    Action, Client, Endpoint, Error, EventStream, Kind, MAX_ANSWER, MAX_IDLE_CONNECTIONS, MAX_LINE,
    MAX_LISTING, Timeouts,
};
use plimsoll_testkit::fake_engine::{Behaviour, FakeContainer, FakeEngine, SOON};
use plimsoll_testkit::{wait_until, wait_until_async};

/// More patient than an agent: these tests are not about time, and the machine may be busy.
fn client(engine: &FakeEngine) -> Client {
    let timeouts = Timeouts { connect: Duration::from_secs(60), request: Duration::from_secs(60) };
    Client::with_timeouts(Endpoint::Unix(engine.socket().to_owned()), timeouts)
}

fn impatient(socket: &Path) -> Client {
    let timeouts = Timeouts { connect: Duration::from_secs(2), request: Duration::from_millis(50) };
    Client::with_timeouts(Endpoint::Unix(socket.to_owned()), timeouts)
}

fn get(path: &str) -> (String, String) {
    ("GET".to_owned(), path.to_owned())
}

#[tokio::test]
async fn every_call_in_the_negotiated_version() {
    let engine = FakeEngine::start();
    let container = FakeContainer::new("web")
        .image("reg:5000/shop/web:1")
        .label("tier", "front")
        .pid(4711)
        .restart_count(3)
        .restart_policy("always")
        .health("unhealthy", 2)
        .network("front", "10.1.2.3", 24, "02:42:0a:01:02:03");
    let id = engine.put(container);
    engine.put(FakeContainer::new("done").exited(137, 1_700_000_100_000_000_000).oom_killed());
    let client = client(&engine);

    client.ping().await.unwrap();
    assert_eq!(client.info().await.unwrap().name.as_deref(), Some("host-1"));
    let version = client.version().await.unwrap();
    assert_eq!((version.api_version.as_str(), version.min_api_version.as_deref()), ("1.41", Some("1.12")));

    let listing = client.clone().containers().await.unwrap();
    let names: Vec<_> = listing.containers.iter().map(|c| (c.name.as_str(), c.state.as_str())).collect();
    assert_eq!((names.as_slice(), listing.broken), (&[("web", "running"), ("done", "exited")][..], 0));
    assert_eq!(listing.containers[0].labels["tier"], "front");

    let web = client.inspect(&id).await.unwrap();
    assert_eq!(
        (web.pid, web.restart_count, web.restart_policy.as_deref()),
        (Some(4711), Some(3), Some("always"))
    );
    assert_eq!(web.started_at, Some(1_700_000_000_123_456_789));
    assert_eq!(
        web.health.map(|health| (health.status, health.failing_streak)),
        Some(("unhealthy".into(), Some(2)))
    );
    let front = &web.networks[0];
    assert_eq!(
        (front.name.as_str(), front.ip_address.as_deref(), front.prefix_len),
        ("front", Some("10.1.2.3"), Some(24))
    );
    let done = client.inspect("done").await.unwrap();
    assert_eq!((done.pid, done.exit_code, done.oom_killed), (None, Some(137), Some(true)));

    let image = client.image("reg:5000/shop/web:1").await.unwrap();
    assert_eq!((image.id, image.labels["maintainer"].as_str()), (web.image_id, "fake"));

    let missing = client.inspect("no/such?one").await.unwrap_err();
    assert!(
        missing.is_not_found()
            && !missing.is_timeout()
            && !missing.is_permission()
            && !missing.is_unreachable()
    );
    client.ping().await.unwrap();
    let expected = [
        get("/_ping"),
        get("/info"),
        get("/version"),
        get("/v1.41/containers/json?all=1"),
        get(&format!("/v1.41/containers/{id}/json")),
        get("/v1.41/containers/done/json"),
        get("/v1.41/images/reg:5000/shop/web:1/json"),
        get("/v1.41/containers/no%2Fsuch%3Fone/json"),
        get("/_ping"),
    ];
    assert_eq!(engine.requests(), expected);
    assert_eq!(engine.connections(), 1, "a kept connection serves all of them, the 404 included");
}

#[tokio::test]
async fn negotiation() {
    let engine = FakeEngine::start();
    let client = client(&engine);
    engine.set_api((1, 99), (1, 40));
    client.version().await.unwrap();
    client.info().await.unwrap();
    assert_eq!(engine.requests().last(), Some(&get("/v1.56/info")), "no newer than this client knows");

    // The engine was replaced by one that no longer speaks what was negotiated: said clearly, and negotiated anew.
    engine.set_api((1, 60), (1, 57));
    let error = client.info().await.unwrap_err();
    assert!(matches!(error, Error::ApiVersion { .. }), "{error:?}");
    assert!(error.to_string().contains("client version 1.56 is too old"), "{error}");
    assert!(matches!(client.events(None).await.unwrap_err(), Error::ApiVersion { .. }));
    let error = client.version().await.unwrap_err().to_string();
    assert!(
        error.contains("speaks 1.57 to 1.60") && error.ends_with("this client speaks 1.40 to 1.56"),
        "{error}"
    );
    engine.set_api((1, 39), (1, 12));
    let error = client.version().await.unwrap_err();
    assert!(matches!(error, Error::ApiVersion { .. }), "{error:?}");
    let error = error.to_string();
    assert!(error.contains("speaks 1.12 to 1.39, upgrade the engine (Docker 19.03"), "{error}");
    engine.set_api((1, 50), (1, 24));
    client.version().await.unwrap();
    client.info().await.unwrap();
    assert_eq!(engine.requests().last(), Some(&get("/v1.50/info")));

    engine.set_api((1, 23), (1, 1));
    let error = client.version().await.unwrap_err().to_string();
    assert!(error.contains("the engine speaks 1.1 to 1.23"), "{error}");
}

#[tokio::test]
async fn bad_replies() {
    let html = "<!DOCTYPE html><title>router</title>".to_owned();
    let raw = |text: &str| Behaviour::Garbage(text.as_bytes().to_vec());
    for (behaviour, part) in [
        (raw("junk that is no HTTP\r\n\r\n"), "broke or does not speak HTTP"),
        (raw(""), "broke or does not speak HTTP"),
        (raw("HTTP/1.1 200 OK\r\n"), "broke or does not speak HTTP"),
        (raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), "broke or does not speak HTTP"),
        (raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]"), "broke or does not speak HTTP"),
        (raw("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"), "larger than"),
        (raw("HTTP/1.0 200 OK\r\n\r\n[{\"Id\":\"a\"},"), "no JSON array"),
        (raw("HTTP/1.1 204 No Content\r\n\r\n"), "(nothing)"),
        (Behaviour::Truncate(20), "no JSON array"),
        (Behaviour::Truncate(0), "(nothing)"),
        (Behaviour::CloseMidBody, "broke or does not speak HTTP"),
        (Behaviour::Huge(MAX_LISTING + 1), "larger than 33554432 bytes"),
        (Behaviour::Status(200, html.clone()), "no JSON array): <!DOCTYPE html><title>router</title>"),
        (Behaviour::Status(200, "{}".into()), "no JSON array"),
        (Behaviour::Status(200, "null".into()), "no JSON array"),
        (Behaviour::Status(404, html), "answered 404: <!DOCTYPE html>"),
        (Behaviour::Status(500, r#"{"message":"no\u001b disk"}"#.into()), "answered 500: no\\u{1b} disk"),
        (Behaviour::Status(500, "x".repeat(1_000_000)), "answered 500: xxx"),
        (Behaviour::Status(302, String::new()), "answered 302: (nothing)"),
        (Behaviour::Status(400, r#"{"message":"bad parameter"}"#.into()), "answered 400: bad parameter"),
    ] {
        let engine = FakeEngine::start();
        engine.put(FakeContainer::new("web"));
        engine.set_behaviour("/containers", behaviour.clone());
        let client = client(&engine);
        client.version().await.unwrap();
        let error = client.containers().await.unwrap_err();
        let message = error.to_string();
        assert!(message.contains(part), "{behaviour:?}: {message}");
        let start = format!("GET /v1.41/containers/json on unix://{}: ", engine.socket().display());
        assert!(message.starts_with(&start), "{message}");
        if let Some(source) = error.source() {
            assert!(!message.contains(&source.to_string()), "the cause belongs to the source: {message}");
        }
        // Whatever it was, the client is as good as before.
        engine.set_behaviour("/containers", Behaviour::Normal);
        assert_eq!(client.containers().await.unwrap().containers.len(), 1, "{behaviour:?}");
    }
}

#[tokio::test]
async fn chunked_and_whole_bodies_are_the_same() {
    let engine = FakeEngine::start();
    for n in 0..200 {
        engine.put(FakeContainer::new(&format!("c{n}")));
    }
    let client = client(&engine);
    let whole = client.containers().await.unwrap();
    assert_eq!(whole.containers.len(), 200);
    for size in [1, 7, 65536] {
        engine.set_behaviour("/", Behaviour::Chunked(size));
        assert_eq!(client.containers().await.unwrap(), whole);
    }
    // White space up to the bound is an empty listing, slow as it is.
    engine.set_behaviour("/", Behaviour::Huge(MAX_LISTING));
    assert_eq!(client.containers().await.unwrap().containers.len(), 0);
    engine.set_behaviour("/", Behaviour::Huge(MAX_ANSWER + 1));
    assert!(matches!(client.inspect("x").await.unwrap_err(), Error::TooLarge { limit: MAX_ANSWER, .. }));
}

#[tokio::test]
async fn an_engine_that_hangs() {
    let engine = FakeEngine::start();
    let client = impatient(engine.socket());
    engine.set_behaviour("/", Behaviour::Hang);
    for (error, patience) in [
        (client.ping().await.unwrap_err(), "50ms"),
        // Podman needs its time for these.
        (client.version().await.unwrap_err(), "200ms"),
        (client.info().await.unwrap_err(), "200ms"),
        (client.containers().await.unwrap_err(), "50ms"),
        (client.events(None).await.unwrap_err(), "50ms"),
    ] {
        assert!(error.is_timeout() && !error.is_unreachable(), "{error:?}");
        assert!(error.to_string().contains(&format!("no complete answer within {patience}")), "{error}");
    }
}

#[tokio::test]
async fn where_no_engine_is() {
    let dir = tempfile::tempdir().unwrap();
    let at = |path: &Path| Client::new(Endpoint::Unix(path.to_owned()));

    let missing = at(&dir.path().join("none.sock")).ping().await.unwrap_err();
    assert!(
        missing.is_unreachable() && missing.to_string().contains("is the engine installed and running?"),
        "{missing}"
    );

    let dead = dir.path().join("dead.sock");
    drop(std::os::unix::net::UnixListener::bind(&dead).unwrap());
    let refused = at(&dead).events(None).await.unwrap_err();
    assert!(refused.is_unreachable() && refused.to_string().contains("nobody listens"), "{refused}");

    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let closed = Client::new(format!("tcp://127.0.0.1:{port}").parse().unwrap());
    let refused = closed.version().await.unwrap_err();
    assert!(refused.is_unreachable() && !refused.is_permission(), "{refused}");
    assert!(
        refused.to_string().starts_with(&format!("cannot connect to tcp://127.0.0.1:{port}: ")),
        "{refused}"
    );

    let engine = FakeEngine::start();
    let long = client(&engine).inspect(&"x".repeat(70_000)).await.unwrap_err();
    assert!(matches!(long, Error::Request { .. }) && long.to_string().len() < 1000, "{long}");
}

#[tokio::test]
async fn the_same_over_tcp() {
    use tokio::net::{TcpListener, UnixStream};
    let engine = FakeEngine::start();
    engine.put(FakeContainer::new("web"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint: Endpoint = format!("tcp://{}", listener.local_addr().unwrap()).parse().unwrap();
    let socket = engine.socket().to_owned();
    tokio::spawn(async move {
        let (mut outer, _) = listener.accept().await.unwrap();
        let mut inner = UnixStream::connect(socket).await.unwrap();
        tokio::io::copy_bidirectional(&mut outer, &mut inner).await.ok();
    });
    let client = Client::new(endpoint);
    client.version().await.unwrap();
    assert_eq!(client.containers().await.unwrap().containers.len(), 1);
}

#[tokio::test]
async fn stale_connections_are_replaced_without_a_word() {
    let mut engine = FakeEngine::start();
    let client = client(&engine);
    client.ping().await.unwrap();
    for round in 0..20 {
        if round % 2 == 0 {
            engine.drop_connections();
        } else {
            engine.restart();
        }
        client.ping().await.unwrap();
    }
    // One that closes while the request is on its way is tried once more, on a fresh connection, and not for ever.
    engine.forget();
    engine.set_behaviour("/_ping", Behaviour::Garbage(Vec::new()));
    client.ping().await.unwrap_err();
    assert_eq!(engine.requests().len(), 2);
    engine.stop();
    assert!(client.ping().await.unwrap_err().is_unreachable());
}

#[tokio::test]
async fn idle_connections_are_few() {
    let engine = FakeEngine::start();
    let client = client(&engine);
    let pings: Vec<_> = (0..20)
        .map(|_| {
            tokio::spawn({
                let client = client.clone();
                async move { client.ping().await }
            })
        })
        .collect();
    for ping in pings {
        ping.await.unwrap().unwrap();
    }
    let before = engine.connections();
    for _ in 0..MAX_IDLE_CONNECTIONS {
        client.ping().await.unwrap();
    }
    assert_eq!(engine.connections(), before);
}

async fn next(events: &mut EventStream) -> plimsoll_engine::Event {
    tokio::time::timeout(SOON, events.next()).await.expect("an event").expect("no error").expect("no end")
}

#[tokio::test]
async fn events() {
    let engine = FakeEngine::start();
    let id = engine.put(FakeContainer::new("web").label("exitCode", "9"));
    let client = client(&engine);
    client.version().await.unwrap();
    let mut events = client.events(None).await.unwrap();
    assert_eq!(engine.subscribers(), 1);
    let (_, path) = engine.requests().pop().unwrap();
    assert!(
        path.starts_with("/v1.41/events?filters=%7B%22type%22%3A%5B%22container%22%2C%22network%22%5D"),
        "{path}"
    );
    assert!(path.contains("%22health_status%22") && !path.contains("exec"), "{path}");

    engine.emit("start", &id, &[]);
    engine.emit("die", &id, &[("exitCode", "137")]);
    engine.emit("health_status: unhealthy", &id, &[]);
    let start = next(&mut events).await;
    assert_eq!(
        (start.kind, start.action, start.container.as_deref()),
        (Kind::Container, Action::Start, Some(id.as_str()))
    );
    assert_eq!(
        (start.name.as_deref(), start.image.as_deref(), start.exit_code),
        (Some("web"), Some("busybox:local"), None)
    );
    assert!(start.time_nano.is_some());
    assert_eq!(next(&mut events).await.exit_code, Some(137));
    assert_eq!(next(&mut events).await.action, Action::Health("unhealthy".into()));

    // Garbage, an absurd line, two objects in one chunk, one object in two.
    engine.emit_bytes(b"garbage\n{\"Action\":");
    engine.emit_bytes(b"\"stop\",\"id\":\"a\"}{\"status\":\"pause\",\"id\":\"b\"}\n{}\n");
    engine.emit_bytes(format!("{{\"x\":\"{}\"}}\n", "x".repeat(MAX_LINE)).as_bytes());
    engine.emit_bytes(b"{\"Action\":\"oom\",\"id\":\"c\"}\n");
    for (action, container) in [(Action::Stop, "a"), (Action::Pause, "b"), (Action::Oom, "c")] {
        let event = next(&mut events).await;
        assert_eq!((event.action, event.container.as_deref()), (action, Some(container)));
    }
    assert_eq!(events.skipped(), 3);

    // Ordinary requests go on beside the stream, and a cancelled wait loses nothing.
    client.ping().await.unwrap();
    tokio::select! {
        biased;
        event = events.next() => panic!("{event:?}"),
        () = std::future::ready(()) => {}
    }
    engine.emit("destroy", &id, &[]);
    assert_eq!(next(&mut events).await.action, Action::Destroy);

    drop(events);
    wait_until_async(SOON, "the engine notices that the stream is dropped", async || {
        engine.subscribers() == 0
    })
    .await;
}

#[tokio::test]
async fn event_streams_end() {
    let mut engine = FakeEngine::start();
    let client = client(&engine);
    let mut events = client.events(None).await.unwrap();
    engine.emit_bytes(b"{\"Action\":\"oom\",\"id\":\"c\"}\n{\"half");
    assert_eq!(next(&mut events).await.action, Action::Oom);
    engine.stop();
    let error = tokio::time::timeout(SOON, events.next()).await.unwrap().unwrap_err();
    assert!(error.to_string().starts_with("GET /events on unix://"), "{error}");
    assert_eq!(events.next().await.unwrap(), None);
    assert_eq!(events.skipped(), 1);

    // An end in good order is no error.
    engine.restart();
    engine.set_behaviour("/events", Behaviour::Status(200, "{\"Action\":\"oom\",\"id\":\"c\"}".into()));
    let mut events = client.events(None).await.unwrap();
    assert_eq!(next(&mut events).await.action, Action::Oom);
    assert_eq!(events.next().await.unwrap(), None);
}

#[tokio::test]
async fn captured_events() {
    let engine = FakeEngine::start();
    for (captured, expected) in [
        (include_str!("../../../fixtures/engine/docker-api-1.41/events.jsonl"), ["linked-1", "failed-2"]),
        (include_str!("../../../fixtures/engine/docker-api-1.56/events.jsonl"), ["web-1", "failed-1"]),
    ] {
        engine.set_behaviour("/events", Behaviour::Status(200, captured.to_owned()));
        let mut events = client(&engine).events(None).await.unwrap();
        let mut seen = Vec::new();
        while let Some(event) = events.next().await.unwrap() {
            assert!(event.time_nano.is_some() && event.name.is_some());
            assert!(
                event.container.is_some() && (event.network.is_some() == (event.kind == Kind::Network)),
                "{event:?}"
            );
            assert_eq!(event.exit_code.is_some(), event.action == Action::Die, "{event:?}");
            seen.push(event);
        }
        assert_eq!((seen.len(), events.skipped()), (captured.lines().count(), 0));
        for name in expected {
            assert!(seen.iter().any(|event| event.name.as_deref() == Some(name)), "{name}");
        }
        assert!(seen.iter().any(|event| event.action == Action::Health("healthy".into())));
        assert!(seen.iter().any(|event| event.kind == Kind::Network && event.action == Action::Connect));
        assert!(seen.iter().any(|event| event.exit_code == Some(3)));
    }
}

#[test]
fn a_client_outlives_the_runtime_it_was_used_on() {
    let engine = FakeEngine::start();
    let client = client(&engine);
    for _ in 0..2 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(client.ping()).unwrap();
    }
    drop(client);
    wait_until(SOON, "two connections", || engine.connections() == 2);
}
