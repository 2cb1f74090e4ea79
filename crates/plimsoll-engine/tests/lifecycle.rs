//! What is sent to change containers, and how answers to it are understood.
#![cfg(all(unix, feature = "lifecycle"))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use plimsoll_engine::lifecycle::{ContainerControl, ContainerSpec, MAX_GRACE};
use plimsoll_engine::{Client, Endpoint, Error};
use plimsoll_testkit::fake_engine::{Behaviour, FakeEngine};

async fn control(engine: &FakeEngine) -> ContainerControl {
    let client = Client::new(Endpoint::Unix(engine.socket().to_owned()));
    client.version().await.unwrap();
    engine.forget();
    ContainerControl::new(client)
}

#[tokio::test]
async fn requests_are_what_the_engine_api_says() {
    let engine = FakeEngine::start();
    let control = control(&engine).await;
    engine.set_behaviour(
        "/containers/create",
        Behaviour::Status(201, r#"{"Id":"abc","Warnings":["w"]}"#.to_owned()),
    );
    engine.set_behaviour("/containers/abc", Behaviour::Status(204, String::new()));
    engine.set_behaviour("/images/create", Behaviour::Status(200, "{\"status\":\"done\"}\r\n".to_owned()));
    let created = control.create("a/b?c", &ContainerSpec::default()).await.unwrap();
    assert_eq!((&*created.id, created.warnings), ("abc", vec!["w".to_owned()]));
    control.start("abc").await.unwrap();
    control.stop("abc", Duration::from_millis(1001)).await.unwrap();
    control.stop("abc", Duration::MAX).await.unwrap();
    control.remove("abc", true).await.unwrap();
    control.pull("127.0.0.1:5000/a").await.unwrap().finish().await.unwrap();
    let most = format!("/v1.41/containers/abc/stop?t={}", MAX_GRACE.as_secs());
    let expected = [
        ("POST", "/v1.41/containers/create?name=a%2Fb%3Fc"),
        ("POST", "/v1.41/containers/abc/start"),
        ("POST", "/v1.41/containers/abc/stop?t=2"),
        ("POST", &*most),
        ("DELETE", "/v1.41/containers/abc?v=true&force=true"),
        ("POST", "/v1.41/images/create?fromImage=127.0.0.1%3A5000%2Fa%3Alatest"),
    ];
    let asked = engine.requests();
    let asked: Vec<_> = asked.iter().map(|(method, path)| (&**method, &**path)).collect();
    assert_eq!(asked, expected);
}

#[tokio::test]
async fn what_is_as_it_should_be_is_no_error_and_the_rest_is() {
    let engine = FakeEngine::start();
    let control = control(&engine).await;
    engine.set_behaviour("/containers", Behaviour::Status(304, String::new()));
    control.start("abc").await.unwrap();
    control.stop("abc", Duration::ZERO).await.unwrap();
    assert!(control.remove("abc", false).await.is_err());

    engine.set_behaviour("/containers", Behaviour::Status(409, r#"{"message":"it runs"}"#.to_owned()));
    let error = control.remove("abc", false).await.unwrap_err();
    assert!(matches!(&error, Error::Status { status: 409, message, .. } if message == "it runs"), "{error}");
    assert!(error.to_string().starts_with("DELETE /v1.41/containers/abc on "), "{error}");

    let lines = "no JSON\n{\"status\":\"one\"}{\n{\"status\":\"two\"}\n{\"error\":\"it broke\"}\n{\"status\":\"three\"}\n";
    engine.set_behaviour("/images/create", Behaviour::Status(200, lines.to_owned()));
    let mut pull = control.pull("a:1").await.unwrap();
    assert_eq!(pull.next().await.unwrap().unwrap().status, "two");
    let error = pull.next().await.unwrap_err();
    assert!(
        matches!(&error, Error::Pull { image, message, .. } if image == "a:1" && message == "it broke"),
        "{error}"
    );
    assert_eq!(pull.next().await.unwrap(), None, "there is nothing after an error");
}
