use super::*;
use crate::config::{Secret, TargetKind, TlsConfig};
use crate::format::{Content, Format};
use plimsoll_wire::line_protocol::Precision;

fn outgoing(body: &[u8]) -> Outgoing {
    Outgoing {
        seq: 1,
        part: (0, 2),
        format: Format { content: Content::Lines(Precision::Milliseconds), coding: Coding::Gzip },
        points: 2,
        last: 0,
        body: body.to_vec(),
    }
}

fn config() -> TargetConfig {
    TargetConfig { url: "nats://localhost".to_owned(), ..TargetConfig::new("queue", TargetKind::Nats) }
}

#[test]
fn an_id_is_of_the_bytes_and_not_of_the_number() {
    let first = message_id("queue", &outgoing(b"a"));
    assert_eq!(first.len(), 32);
    assert_eq!(message_id("queue", &Outgoing { seq: 2, ..outgoing(b"a") }), first);
    let others = [
        message_id("queue", &outgoing(b"b")),
        message_id("queue2", &outgoing(b"a")),
        message_id("queue", &Outgoing { part: (0, 1), ..outgoing(b"a") }),
        message_id("queue", &Outgoing { part: (1, 2), ..outgoing(b"a") }),
        message_id("", &outgoing(b"queuea")),
    ];
    let all: std::collections::BTreeSet<_> = others.iter().chain([&first]).collect();
    assert_eq!(all.len(), others.len() + 1);
}

#[test]
fn a_message_says_what_it_is() {
    let config = TargetConfig { headers: vec![("X-Site".to_owned(), "eu".to_owned())], ..config() };
    let headers = NatsTransport::new(&config).unwrap().headers(&outgoing(b"a"));
    let id = message_id("queue", &outgoing(b"a"));
    for (name, value) in [
        ("Nats-Msg-Id", id.as_str()),
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Encoding", "gzip"),
        ("Plimsoll-Format", "lines-ms+gzip"),
        ("Plimsoll-Points", "2"),
        ("X-Site", "eu"),
    ] {
        assert_eq!(headers.get(name).map(HeaderValue::as_str), Some(value), "{name}");
    }
}

#[test]
fn what_cannot_work_is_told_at_the_start() {
    let tls = |name: &str| TlsConfig { ca_file: Some(name.into()), ..TlsConfig::default() };
    for (wrong, words) in [
        (TargetConfig { url: "http://localhost".to_owned(), ..config() }, "write nats://HOST:PORT"),
        (TargetConfig { url: "nats://a,".to_owned(), ..config() }, "write nats://HOST:PORT"),
        (TargetConfig { subject: "a.*".to_owned(), ..config() }, "the subject \"a.*\""),
        (TargetConfig { subject: String::new(), ..config() }, "the subject \"\""),
        (TargetConfig { headers: vec![("a:b".to_owned(), String::new())], ..config() }, "a header a:b"),
        (TargetConfig { headers: vec![("a".to_owned(), "b\r\nc".to_owned())], ..config() }, "a header a"),
        (TargetConfig { tls: tls("/nowhere.pem"), ..config() }, "cannot use /nowhere.pem"),
    ] {
        let error = NatsTransport::new(&wrong).unwrap_err().to_string();
        assert!(error.contains("queue") && error.contains(words), "{error}");
    }
}

#[tokio::test]
async fn nobody_there_is_a_fault_and_costs_nothing() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = TargetConfig { url: format!("nats://{port}"), ..config() };
    let fault = NatsTransport::new(&config).unwrap().send(&outgoing(b"a")).await.unwrap_err();
    assert_eq!((fault.reason, fault.may_have_arrived), ("connect", false), "{fault:?}");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_in_time() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("nats://{}", silent.local_addr().unwrap());
    let config = TargetConfig { url, timeout: Duration::from_millis(200), ..config() };
    let fault = NatsTransport::new(&config).unwrap().send(&outgoing(b"a")).await.unwrap_err();
    assert_eq!((fault.reason, fault.may_have_arrived), ("connect", false), "{fault:?}");
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_is_named() {
    use tokio::io::AsyncWriteExt as _;
    let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("nats://{}", server.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = server.accept().await.unwrap();
        stream.write_all(b"INFO {\"auth_required\":true,\"max_payload\":1048576}\r\n").await.unwrap();
        std::future::pending::<()>().await;
    });
    let token = Some(Secret::File("/nowhere/token".into()));
    let fault = NatsTransport::new(&TargetConfig { url, token, ..config() })
        .unwrap()
        .send(&outgoing(b"a"))
        .await
        .unwrap_err();
    assert!(fault.reason == "secret" && fault.message.contains("/nowhere/token"), "{fault:?}");
}
