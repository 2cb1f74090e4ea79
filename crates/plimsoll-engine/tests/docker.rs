//! The client against the real Docker of this machine, if it has one.
#![cfg(unix)]

use std::path::Path;
use std::time::Duration;

use plimsoll_engine::{Action, Client, Endpoint, Event, EventStream, Kind};
use plimsoll_testkit::docker::{Container, IMAGE, available, ensure_image};
use plimsoll_testkit::proxy::Proxy;

const SOCKET: &str = "/var/run/docker.sock";
const PATIENCE: Duration = Duration::from_secs(30);

/// The next event about this container.
async fn about(events: &mut EventStream, id: &str) -> Event {
    loop {
        let event = tokio::time::timeout(PATIENCE, events.next())
            .await
            .expect("an event")
            .expect("no error")
            .expect("no end");
        if event.container.as_deref() == Some(id) {
            return event;
        }
    }
}

#[tokio::test]
async fn a_life_seen_through_the_api() {
    if !available() || !Path::new(SOCKET).exists() {
        return;
    }
    ensure_image();
    let proxy = Proxy::start(Path::new(SOCKET));
    let client = Client::new(Endpoint::Unix(proxy.socket().to_owned()));
    let version = client.version().await.unwrap();
    assert_eq!(client.info().await.unwrap().server_version, version.version);
    let mut events = client.events(None).await.unwrap();

    let container = Container::run("life", &["-l", "a=b"], &["sh", "-c", "read x; exit 3"]);
    let id = container.id().to_owned();
    let mut seen = Vec::new();
    loop {
        let event = about(&mut events, &id).await;
        seen.push((event.kind, event.action.clone()));
        if event.action == Action::Die {
            assert_eq!((event.exit_code, event.name.as_deref()), (Some(3), Some(container.name())));
            break;
        }
    }
    for expected in [
        (Kind::Container, Action::Create),
        (Kind::Network, Action::Connect),
        (Kind::Container, Action::Start),
    ] {
        assert!(seen.contains(&expected), "{seen:?}");
    }

    let listing = client.containers().await.unwrap();
    let summary = listing.containers.iter().find(|summary| summary.id == id).expect("listed");
    assert_eq!(
        (summary.name.as_str(), summary.image.as_str(), summary.labels["a"].as_str()),
        (container.name(), IMAGE, "b")
    );
    assert_eq!(listing.broken, 0);

    let details = client.inspect(container.name()).await.unwrap();
    assert_eq!(
        (details.id.as_str(), details.status.as_str(), details.exit_code),
        (id.as_str(), "exited", Some(3))
    );
    assert!(details.pid.is_none() && details.started_at.is_some() && details.finished_at.is_some());
    assert_eq!(details.image_id, client.image(IMAGE).await.unwrap().id);

    drop(container);
    while about(&mut events, &id).await.action != Action::Destroy {}
    assert!(client.inspect(&id).await.unwrap_err().is_not_found());
    assert_eq!(events.skipped(), 0);
    assert!(proxy.requests().iter().all(|(method, _)| method == "GET"), "{:?}", proxy.requests());
}

#[tokio::test]
async fn numbers_from_the_api() {
    if !available() || !Path::new(SOCKET).exists() {
        return;
    }
    ensure_image();
    let client = Client::new(Endpoint::Unix(SOCKET.into()));
    client.version().await.unwrap();
    let container = Container::run("numbers", &["-m", "64m"], &["sh", "-c", "while :; do :; done"]);

    let mut stream = client.stats(container.id()).await.unwrap();
    let mut next = async || {
        let next = tokio::time::timeout(PATIENCE, stream.next()).await.expect("a sample");
        next.expect("no error").expect("no end")
    };
    let first = next().await;
    assert_eq!((first.is_running(), first.cpu_percent()), (true, None));
    let second = next().await;
    assert!(second.cpu_percent() > Some(0.0) && second.preread.is_some(), "{second:?}");
    assert!(second.cpu.usage.total > first.cpu.usage.total);
    assert_eq!(second.memory.limit, Some(64 * 1024 * 1024));
    assert!(
        second.memory_used() > Some(0) && second.network_io().is_some() && second.pids.current == Some(1)
    );

    let third = client.stats_once(container.id()).await.unwrap();
    assert!(third.cpu_percent_since(&second) > Some(0.0), "{third:?}");

    let done = Container::run("done", &[], &["true"]);
    while client.inspect(done.id()).await.unwrap().status != "exited" {
        tokio::task::yield_now().await;
    }
    assert!(!client.stats_once(done.id()).await.unwrap().is_running());
    assert!(client.stats_once("no-such-container").await.unwrap_err().is_not_found());
    assert!(client.pods().await.unwrap_err().is_not_found(), "Docker has no pods");
    drop(container);
    while tokio::time::timeout(PATIENCE, stream.next()).await.expect("an end").expect("no error").is_some() {}
}

#[tokio::test]
async fn events_that_were_missed_come_again() {
    if !available() || !Path::new(SOCKET).exists() {
        return;
    }
    ensure_image();
    let client = Client::new(Endpoint::Unix(SOCKET.into()));
    client.version().await.unwrap();
    let mut events = client.events(None).await.unwrap();
    let container = Container::run("missed", &[], &["sleep", "1000"]);
    let created = about(&mut events, container.id()).await;
    drop(events);
    let mut events = client.events(created.time_nano).await.unwrap();
    assert_eq!(about(&mut events, container.id()).await, created, "the last one seen comes again");
    while about(&mut events, container.id()).await.action != Action::Start {}
}
