//! Requests as a scripted target sees them, and what is said of targets that misbehave.

mod tls;

use std::path::Path;

use plimsoll_testkit::sink::{self, Connections, Request as Seen, Sink};
use plimsoll_wire::remote_write::Version;

use super::*;
use crate::config::Compression;
use crate::format::Format;

const SECRET: &str = "s3cr3t-t0ken";

fn config(kind: TargetKind, url: &str) -> TargetConfig {
    TargetConfig {
        url: url.to_owned(),
        timeout: Duration::from_secs(10),
        compression: Some(Compression::None),
        ..TargetConfig::new("tsdb", kind)
    }
}

fn outgoing(content: Content, coding: Coding) -> Outgoing {
    let body = coding.compress(b"m v=1 1\n");
    Outgoing { seq: 1, part: (0, 1), format: Format { content, coding }, points: 1, last: 1, body }
}

fn lines() -> Outgoing {
    outgoing(Content::Lines(Precision::Milliseconds), Coding::None)
}

async fn send(config: &TargetConfig, outgoing: &Outgoing) -> Result<Answer, Fault> {
    HttpTransport::new(config).unwrap().send(outgoing).await
}

/// What the sink sees of one request.
async fn seen(config: &TargetConfig, outgoing: &Outgoing) -> std::sync::Arc<Seen> {
    let sink = Sink::start();
    let config = TargetConfig { url: format!("{}{}", sink.url(), config.url), ..config.clone() };
    assert_eq!(send(&config, outgoing).await.unwrap().status, 204);
    sink.requests()[0].clone()
}

#[test]
fn each_kind_has_its_address() {
    use Precision::{Microseconds, Milliseconds, Nanoseconds, Seconds};
    use TargetKind::{InfluxV1, InfluxV2, InfluxV3, Otlp, RemoteWrite};
    let lines = Content::Lines;
    let v1 = |url| TargetConfig { database: "db".into(), ..config(InfluxV1, url) };
    let policy = TargetConfig { retention_policy: "one week".into(), ..v1("http://h") };
    let odd = TargetConfig { database: "a&b=c/d%é+".into(), ..config(InfluxV1, "http://h") };
    let v2 = TargetConfig { bucket: "b".into(), org: "my org".into(), ..config(InfluxV2, "http://h:1/") };
    let v3 = TargetConfig { database: "db".into(), ..config(InfluxV3, "https://h") };
    for (config, content, expected) in [
        (v1("http://h:8086"), lines(Nanoseconds), "http://h:8086/write?db=db&precision=n"),
        (v1("http://h:8086//"), lines(Microseconds), "http://h:8086/write?db=db&precision=u"),
        (v1("http://h"), lines(Milliseconds), "http://h/write?db=db&precision=ms"),
        (v1("http://h"), lines(Seconds), "http://h/write?db=db&precision=s"),
        (v1("http://h/influx/write/"), lines(Seconds), "http://h/influx/write?db=db&precision=s"),
        (v1("http://h/w?x=1"), lines(Seconds), "http://h/w?x=1&db=db&precision=s"),
        (v1("http://h?x=1"), lines(Seconds), "http://h/write?x=1&db=db&precision=s"),
        (v1("http://h/?x=1"), lines(Seconds), "http://h/write?x=1&db=db&precision=s"),
        (config(InfluxV1, "http://h"), lines(Seconds), "http://h/write?precision=s"),
        (policy, lines(Seconds), "http://h/write?db=db&rp=one%20week&precision=s"),
        (odd, lines(Seconds), "http://h/write?db=a%26b%3Dc%2Fd%25%C3%A9%2B&precision=s"),
        (v2.clone(), lines(Nanoseconds), "http://h:1/api/v2/write?bucket=b&org=my%20org&precision=ns"),
        (v2.clone(), lines(Microseconds), "http://h:1/api/v2/write?bucket=b&org=my%20org&precision=us"),
        (v2, lines(Seconds), "http://h:1/api/v2/write?bucket=b&org=my%20org&precision=s"),
        (v3.clone(), lines(Nanoseconds), "https://h/api/v3/write_lp?db=db&precision=nanosecond"),
        (v3.clone(), lines(Microseconds), "https://h/api/v3/write_lp?db=db&precision=microsecond"),
        (v3.clone(), lines(Milliseconds), "https://h/api/v3/write_lp?db=db&precision=millisecond"),
        (v3, lines(Seconds), "https://h/api/v3/write_lp?db=db&precision=second"),
        (config(RemoteWrite, "http://h"), Content::RemoteWrite(Version::V2), "http://h/api/v1/write"),
        (config(RemoteWrite, "http://h/push"), Content::RemoteWrite(Version::V1), "http://h/push"),
        (config(Otlp, "http://h:4318"), Content::Otlp, "http://h:4318/v1/metrics"),
    ] {
        let url = config.url.clone();
        let address = HttpTransport::new(&config).unwrap().address(content);
        assert_eq!(address, expected, "{url}");
        assert!(address.parse::<Uri>().is_ok());
    }
}

#[tokio::test]
async fn each_kind_has_its_headers() {
    use TargetKind::{InfluxV1, InfluxV2, InfluxV3, Otlp, RemoteWrite};
    let text = "text/plain; charset=utf-8";
    let (v1, v2) = (Content::RemoteWrite(Version::V1), Content::RemoteWrite(Version::V2));
    let lines = Content::Lines(Precision::Seconds);
    for (kind, content, coding, content_type, encoding, version) in [
        (InfluxV1, lines, Coding::Gzip, text, Some("gzip"), None),
        (InfluxV2, lines, Coding::None, text, None, None),
        (InfluxV3, lines, Coding::Zstd, text, Some("zstd"), None),
        (RemoteWrite, v1, Coding::Snappy, "application/x-protobuf", Some("snappy"), Some("0.1.0")),
        (
            RemoteWrite,
            v2,
            Coding::Snappy,
            "application/x-protobuf;proto=io.prometheus.write.v2.Request",
            Some("snappy"),
            Some("2.0.0"),
        ),
        (Otlp, Content::Otlp, Coding::Gzip, "application/x-protobuf", Some("gzip"), None),
    ] {
        let sent = outgoing(content, coding);
        let seen = seen(&config(kind, ""), &sent).await;
        assert_eq!(seen.method, "POST");
        assert_eq!(seen.header("content-type"), Some(content_type), "{kind:?}");
        assert_eq!(seen.header("content-encoding"), encoding, "{kind:?}");
        assert_eq!(seen.header("x-prometheus-remote-write-version"), version, "{kind:?}");
        assert_eq!(seen.header("user-agent"), Some(concat!("plimsoll/", env!("CARGO_PKG_VERSION"))));
        assert_eq!(seen.header("content-length"), Some(&*sent.body.len().to_string()));
        assert_eq!(seen.header("authorization"), None);
        let expected = if coding == Coding::Snappy { &*sent.body } else { b"m v=1 1\n" };
        assert_eq!(seen.body, expected, "{kind:?}");
    }
}

#[tokio::test]
async fn a_token_or_a_password_goes_along_in_the_words_of_the_kind() {
    use TargetKind::{InfluxV1, InfluxV2, InfluxV3, Otlp, RemoteWrite};
    for (kind, expected) in [
        (InfluxV1, "Token s3cr3t-t0ken"),
        (InfluxV2, "Token s3cr3t-t0ken"),
        (InfluxV3, "Bearer s3cr3t-t0ken"),
        (RemoteWrite, "Bearer s3cr3t-t0ken"),
        (Otlp, "Bearer s3cr3t-t0ken"),
    ] {
        let config = TargetConfig { token: Some(Secret::Inline(SECRET.into())), ..config(kind, "") };
        assert_eq!(seen(&config, &lines()).await.header("authorization"), Some(expected), "{kind:?}");
    }
    let basic = |password: Option<&str>| TargetConfig {
        username: "Aladdin".into(),
        password: password.map(|text| Secret::Inline(text.into())),
        ..config(InfluxV1, "")
    };
    // The example of RFC 7617.
    for (config, expected) in [
        (basic(Some("open sesame")), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        (basic(None), "Basic QWxhZGRpbjo="),
    ] {
        assert_eq!(seen(&config, &lines()).await.header("authorization"), Some(expected));
    }
}

#[tokio::test]
async fn a_header_of_somebody_s_own_stands_in_the_place_of_ours() {
    let headers = [("X-Scope-OrgID", "tenant"), ("user-agent", "mine"), ("Authorization", "Custom x")];
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let config = TargetConfig {
        headers,
        token: Some(Secret::Inline(SECRET.into())),
        ..config(TargetKind::RemoteWrite, "")
    };
    let seen = seen(&config, &lines()).await;
    for (name, value) in [("x-scope-orgid", "tenant"), ("user-agent", "mine"), ("authorization", "Custom x")]
    {
        let all: Vec<_> = seen.headers.iter().filter(|(known, _)| known == name).collect();
        assert_eq!(all, [&(name.to_owned(), value.to_owned())]);
    }
}

#[tokio::test]
async fn a_secret_s_file_is_read_for_each_request() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let sink = Sink::start();
    let config =
        TargetConfig { token: Some(Secret::File(path.clone())), ..config(TargetKind::InfluxV3, &sink.url()) };
    let transport = HttpTransport::new(&config).unwrap();
    for token in ["first", "second"] {
        std::fs::write(&path, format!("{token}\n")).unwrap();
        transport.send(&lines()).await.unwrap();
        let last = sink.requests().pop().unwrap();
        assert_eq!(last.header("authorization"), Some(&*format!("Bearer {token}")));
    }
    let unusable = |content: Option<&str>, path: &Path| match content {
        Some(content) => std::fs::write(path, content).unwrap(),
        None => std::fs::remove_file(path).unwrap(),
    };
    let long = SECRET.repeat(2000);
    for content in [Some("s3cr3t\nt0ken"), Some(" \n"), Some(&*long), None] {
        unusable(content, &path);
        let fault = transport.send(&lines()).await.unwrap_err();
        assert_eq!((fault.reason, fault.may_have_arrived), ("secret", false), "{fault:?}");
        assert!(fault.message.contains(&path.display().to_string()), "{}", fault.message);
        assert!(!fault.message.contains("s3cr3t"), "{}", fault.message);
    }
    assert_eq!(sink.count(), 2, "nothing is sent without the secret");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_no_token_goes_elsewhere() {
    let (sink, elsewhere) = (Sink::start(), Sink::start());
    let config = TargetConfig {
        token: Some(Secret::Inline(SECRET.into())),
        ..config(TargetKind::InfluxV2, &sink.url())
    };
    for status in [301, 302, 307, 308] {
        sink.next([sink::Answer::redirect(status, &elsewhere.url())]);
        assert_eq!(send(&config, &lines()).await.unwrap().status, status);
    }
    assert_eq!((sink.count(), elsewhere.accepted()), (4, 0));
}

#[tokio::test]
async fn what_an_answer_says_is_kept_up_to_a_bound() {
    let sink = Sink::start();
    let transport = HttpTransport::new(&config(TargetKind::InfluxV1, &sink.url())).unwrap();
    let retry = sink::Answer::new(429).header("Retry-After", "7").body("busy");
    sink.next([retry, sink::Answer::new(400).body(vec![b'x'; 3 * MAX_ANSWER])]);
    let answer = transport.send(&lines()).await.unwrap();
    assert_eq!((answer.status, answer.retry_after.as_deref(), &*answer.body), (429, Some("7"), &b"busy"[..]));
    let answer = transport.send(&lines()).await.unwrap();
    assert_eq!(answer.status, 400);
    assert!(answer.body.len() <= MAX_ANSWER && answer.body.starts_with(b"xxx"), "{}", answer.body.len());

    let written =
        |value: &str| sink::Answer::new(204).header("X-Prometheus-Remote-Write-Samples-Written", value);
    sink.next([written("12"), written("a dozen")]);
    assert_eq!(transport.send(&lines()).await.unwrap().written, Some(12));
    assert_eq!(transport.send(&lines()).await.unwrap().written, None);
}

/// How a target can fail to answer: the reason, whether it may have the batch, and a word of the message.
#[tokio::test]
async fn every_way_not_to_answer_has_its_reason() {
    let mut sink = Sink::start();
    let config =
        TargetConfig { timeout: Duration::from_millis(300), ..config(TargetKind::Otlp, &sink.url()) };
    let long = || sink::Answer::new(200).body(vec![b'x'; 2000]);
    for (answer, reason) in [
        (sink::Answer::reset(), "broken"),
        (sink::Answer::hang(), "timeout"),
        (sink::Answer::garbage("not HTTP at all\r\n\r\n"), "broken"),
        (sink::Answer::garbage(""), "broken"),
        (long().half(), "broken"),
        (sink::Answer::new(204).half(), "broken"),
        (sink::Answer::new(200).delay(Duration::from_secs(5)), "timeout"),
        (long().slow(Duration::from_millis(5)), "timeout"),
    ] {
        sink.next([answer.clone()]);
        let fault = send(&config, &lines()).await.unwrap_err();
        assert_eq!((fault.reason, fault.may_have_arrived), (reason, true), "{answer:?}: {}", fault.message);
    }
    sink.set_connections(Connections::Deaf);
    let fault = send(&config, &lines()).await.unwrap_err();
    assert_eq!((fault.reason, fault.may_have_arrived), ("timeout", true));
    sink.set_connections(Connections::Reset(10));
    assert_eq!(send(&config, &lines()).await.unwrap_err().reason, "broken");
    sink.stop();
    let fault = send(&config, &lines()).await.unwrap_err();
    assert_eq!((fault.reason, fault.may_have_arrived), ("connect", false));
    assert!(fault.message.contains("refused"), "{}", fault.message);
    let nowhere = TargetConfig { url: "http://no-such-host.invalid".into(), ..config };
    let fault = send(&nowhere, &lines()).await.unwrap_err();
    assert!(matches!(fault.reason, "connect" | "timeout"), "{fault:?}");
}

/// Where the status alone decides, it is an answer also when the rest of it does not come.
#[tokio::test]
async fn half_an_answer_is_one_where_the_status_decides() {
    let sink = Sink::start();
    let config =
        TargetConfig { timeout: Duration::from_millis(500), ..config(TargetKind::InfluxV2, &sink.url()) };
    for (status, answer) in [
        (200, sink::Answer::new(200).body(vec![b'x'; 2000]).half()),
        (400, sink::Answer::new(400).body(vec![b'x'; 2000]).half()),
        (503, sink::Answer::new(503).body(vec![b'x'; 500]).slow(Duration::from_millis(3))),
    ] {
        sink.next([answer]);
        let answer = send(&config, &lines()).await.unwrap();
        assert_eq!(answer.status, status);
        assert!(answer.body.starts_with(b"xx"), "what came of it is kept");
    }
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let sink = Sink::start();
    let transport = HttpTransport::new(&config(TargetKind::InfluxV2, &sink.url())).unwrap();
    for n in 0..100 {
        // Answers with bodies, and refusals, keep the connection as well.
        let answer = sink::Answer::new(if n % 3 == 0 { 400 } else { 200 });
        sink.next([answer.body(vec![b'x'; n * 100])]);
        transport.send(&lines()).await.unwrap();
    }
    assert_eq!((sink.count(), sink.accepted()), (100, 1));
    // A connection that the server closed while nothing was under way costs no batch.
    sink.drop_connections();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(transport.send(&lines()).await.unwrap().status, 204);
    assert_eq!((sink.count(), sink.accepted()), (101, 2));
}

#[test]
fn no_secret_shows_in_what_is_printed() {
    let config = TargetConfig {
        token: Some(Secret::Inline(SECRET.into())),
        password: Some(Secret::Inline(SECRET.into())),
        headers: vec![("X-Key".into(), SECRET.into())],
        ..config(TargetKind::InfluxV2, "http://h:8086")
    };
    let transport = HttpTransport::new(&config).unwrap();
    assert!(!format!("{transport:?}").contains(SECRET), "{transport:?}");
    let request = transport.request(&lines()).unwrap();
    assert!(!format!("{request:?}").contains(SECRET), "{request:?}");
}

#[test]
fn what_cannot_be_sent_is_said_at_the_start_without_secrets() {
    let header = |name: &str, value: &str| TargetConfig {
        headers: vec![(name.into(), value.into())],
        ..config(TargetKind::InfluxV2, "http://h")
    };
    for (config, words) in [
        (config(TargetKind::InfluxV2, "http://h h"), "cannot be read"),
        (header("X Key", "v"), "X Key"),
        (header("X-Key", "s3cr3t\nv"), "X-Key"),
    ] {
        let error = HttpTransport::new(&config).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
        assert!(error.contains("tsdb") && !error.contains("s3cr3t"), "{error}");
    }
}
