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
