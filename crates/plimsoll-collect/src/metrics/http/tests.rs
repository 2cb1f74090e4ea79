use std::net::SocketAddr;
use std::time::Duration;

use plimsoll_model::State;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::address::tests::running;
use super::*;
use crate::metrics::{Collector, CollectorConfig};

/// What a server does after its answer.
#[derive(Clone, Copy, PartialEq)]
enum Then {
    Close,
    Hang,
    /// Says this again and again.
    Repeat(&'static [u8]),
}

/// A server that answers one request like this, and gives the request.
async fn serve(answer: impl Into<Vec<u8>>, then: Then) -> (SocketAddr, JoinHandle<String>) {
    let (listener, answer) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), answer.into());
    let address = listener.local_addr().unwrap();
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") && stream.read_buf(&mut request).await.unwrap() > 0 {}
        stream.write_all(&answer).await.ok();
        match then {
            Then::Close => {}
            // Until the other side has gone.
            Then::Hang => drop(stream.read(&mut [0]).await),
            Then::Repeat(bytes) => while stream.write_all(bytes).await.is_ok() {},
        }
        String::from_utf8(request).unwrap()
    });
    (address, served)
}

fn answer(head: &str, body: &str) -> String {
    format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn parameters(value: Value) -> BTreeMap<String, Value> {
    let Value::Object(parameters) = value else { panic!("{value} is no object") };
    parameters.into_iter().collect()
}

fn told(collected: Collected) -> Result<Vec<String>, String> {
    let line = |value: MetricValue| value.at(std::time::UNIX_EPOCH).to_prometheus_format();
    let values = collected.map(|values| values.into_iter().map(line).collect());
    values.map_err(|error| crate::lost::chain(&*error))
}

async fn ask(given: Value) -> Result<Vec<String>, String> {
    told(Http::from_parameters(&parameters(given)).unwrap().collect_system_metrics().await)
}

#[tokio::test]
async fn answers_of_every_kind() {
    let big = "x".repeat(MAX_BODY + 1);
    let long = "a 1 # ".to_owned() + &"x".repeat(MAX_BODY - 6);
    let moved = answer("302 Found\r\nLocation: http://169.254.169.254/latest?a=b", "");
    for (answer, then, expected) in [
        (answer("200 OK", "a{image=\"b\"} 1\n"), Then::Hang, Ok("my_a{image=\"b\"} 1 0")),
        (
            answer("200 OK\r\nContent-Type: application/json; charset=utf-8", "{\"a\": 1}"),
            Then::Hang,
            Ok("my_a 1 0"),
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\na \r\n2\r\n1\n\r\n0\r\n\r\n".into(),
            Then::Hang,
            Ok("my_a 1 0"),
        ),
        ("HTTP/1.0 200 OK\r\n\r\na 1".into(), Then::Close, Ok("my_a 1 0")),
        (answer("200 OK", &long), Then::Close, Ok("my_a 1 0")),
        (
            answer("500 Oops", "no\n database"),
            Then::Hang,
            Err("asking URL: it answered with status 500, and said: no / database"),
        ),
        (
            "HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nhalf".into(),
            Then::Hang,
            Err("asking URL: it answered with status 404, and said: half"),
        ),
        (
            "HTTP/1.1 503 No\r\n\r\n".into(),
            Then::Repeat(b"0123456789"),
            Err("asking URL: it answered with status 503, and said: 01234"),
        ),
        (
            moved,
            Then::Hang,
            Err(
                "asking URL: status 302 leads to http://169.254.169.254/latest?a=b; that is not followed, give the address that is meant",
            ),
        ),
        (
            answer("200 OK", &big),
            Then::Hang,
            Err("asking URL: its answer is longer than 4194304 bytes; let it tell less"),
        ),
        (
            "HTTP/1.1 200 OK\r\n\r\n".into(),
            Then::Repeat(b"a 1\na 1\na 1\na 1\na 1\n"),
            Err("asking URL: its answer is longer than 4194304 bytes"),
        ),
        (
            answer("200 OK\r\nContent-Encoding: GZIP", "abc"),
            Then::Hang,
            Err("asking URL: its answer is encoded as \"gzip\""),
        ),
        (
            answer("200 OK\r\nContent-Type: text/html", "<html>"),
            Then::Hang,
            Err("reading what URL told: reading it as metrics: it is a page for people"),
        ),
        (
            answer("200 OK", "<html>"),
            Then::Hang,
            Err(
                "reading what URL told: reading it as Prometheus' text: nothing in it is a metric; line 1, \"<html>\"",
            ),
        ),
        (
            answer("200 OK\r\nContent-Type: application/json", "{\"a\""),
            Then::Hang,
            Err("reading what URL told: reading it as JSON: it is no valid JSON"),
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf".into(), Then::Close, Err("asking URL: ")),
        ("HTTP/1.1 200 OK\r\nContent-Le".into(), Then::Close, Err("asking URL: ")),
        (String::new(), Then::Close, Err("asking URL: ")),
        ("SSH-2.0-OpenSSH_9.6\r\n".into(), Then::Hang, Err("asking URL: ")),
    ] {
        let shown: String = answer.chars().take(100).collect();
        let (address, served) = serve(answer, then).await;
        let url = format!("http://{address}/metrics");
        let outcome = ask(json!({"url": format!("{url}?secret=1"), "prefix": "my_"})).await;
        match (outcome, expected) {
            (Ok(lines), Ok(line)) => assert_eq!(lines, [line], "{shown}"),
            (Err(error), Err(expected)) => {
                assert!(error.starts_with(&expected.replace("URL", &url)), "{shown}: {error}");
                assert!(!error.contains("secret") && error.len() < 1000, "{error}");
            }
            (outcome, _) => panic!("{shown}: {outcome:?}"),
        }
        served.await.unwrap();
    }
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = ask(json!({"url": format!("http://{nobody}/")})).await.unwrap_err();
    assert_eq!(error, format!("connecting to http://{nobody}/: Connection refused (os error 111)"));
}

#[tokio::test]
async fn slowness_is_ended_by_the_timeout() {
    for head in ["", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\na 1\n"] {
        let (address, served) = serve(head, Then::Hang).await;
        let http = Http::from_parameters(&parameters(json!({"url": format!("http://{address}")}))).unwrap();
        let config = CollectorConfig {
            timeout: Duration::from_millis(300),
            retry_attempts: 0,
            ..CollectorConfig::new("c")
        };
        let collector = Collector::of_system(config, http).unwrap();
        let error = collector.collect_with_error_handling("").await.unwrap_err();
        assert!(matches!(error, CollectorError::Timeout { .. }), "{error}");
        // It ends when the connection is closed.
        served.await.unwrap();
    }
}

#[tokio::test]
async fn what_is_sent() {
    let secret = "Bearer geheim";
    for (format, host, accept) in [
        (
            "auto",
            None,
            "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.7,application/json;q=0.6,*/*;q=0.1",
        ),
        (
            "prometheus",
            Some("other.example"),
            "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.7,*/*;q=0.1",
        ),
        ("json", None, "application/json,*/*;q=0.1"),
    ] {
        let (address, served) = serve(answer("500 No", ""), Then::Close).await;
        let mut headers = json!({"Authorization": secret});
        if let Some(host) = host {
            headers["Host"] = host.into();
        }
        let given =
            json!({"url": format!("http://{address}/a%20b?c=d#e"), "format": format, "headers": headers});
        let http = Http::from_parameters(&parameters(given)).unwrap();
        let error = told(http.collect_system_metrics().await).unwrap_err();
        assert!(!format!("{http:?} {error}").contains("geheim"));
        let request = served.await.unwrap().to_ascii_lowercase();
        let mut lines: Vec<_> = request.trim_end().split("\r\n").collect();
        lines[1..].sort_unstable();
        let host = format!("host: {}", host.map_or(address.to_string(), str::to_owned));
        let agent = concat!("user-agent: plimsoll/", env!("CARGO_PKG_VERSION"));
        let expected = [
            "get /a%20b?c=d http/1.1",
            &format!("accept: {accept}"),
            "authorization: bearer geheim",
            "connection: close",
            &host,
            agent,
        ];
        assert_eq!(lines, expected);
    }
}

#[test]
fn parameters_that_cannot_be_say_why() {
    let nobody: Lookup = Arc::new(|_| None);
    for (given, expected) in [
        (json!({}), "have neither \"url\" nor \"container_label\""),
        (json!({"url": "http://a", "container_label": "b"}), "have both \"url\" and \"container_label\""),
        (json!({"url": 5}), "have a number as \"url\": it takes a text"),
        (
            json!({"url": "https://a/?secret"}),
            "have a \"url\", \"https://a/\", that is of https, which is not spoken here",
        ),
        (json!({"url": "localhost:9100"}), "have a \"url\", \"localhost:9100\", that is no address of http"),
        (json!({"url": "/metrics"}), "have a \"url\", \"/metrics\", that is no address of http"),
        (json!({"url": "http://"}), "have a \"url\", \"http://\", that is no address"),
        (json!({"url": "http://a:99999/"}), "have a \"url\", \"http://a:99999/\", that "),
        (
            json!({"url": "http://a:/"}),
            "have a \"url\", \"http://a:/\", that has no host, or no port behind its colon",
        ),
        (
            json!({"url": "http://a/ b"}),
            "have a \"url\", \"http://a/ b\", that is no address (invalid uri character)",
        ),
        (json!({"url": "http://me:secret@a/"}), "have a \"url\", \"…@a/\", that has a user's name in it"),
        (json!({"url": "http://a", "port": 80}), "have \"port\", which belongs to \"container_label\""),
        (json!({"url": "http://a", "path": "/"}), "have \"path\", which belongs to \"container_label\""),
        (json!({"urls": "http://a"}), "have no \"urls\": did you mean \"url\"?"),
        (
            json!({"url": "http://a", "headers": {"a b": "secret"}}),
            "have \"a b\" in \"headers\", which is no name of a header",
        ),
        (
            json!({"url": "http://a", "headers": {"a": "secret\n"}}),
            "have a value of \"a\" in \"headers\" that no header can have",
        ),
        (
            json!({"url": "http://a", "headers": {"Content-Length": "5"}}),
            "have \"Content-Length\" in \"headers\", which is not to be set by hand",
        ),
        (json!({"url": "http://a", "headers": ["secret"]}), "have an array as \"headers\""),
        (json!({"url": "http://a", "format": "html"}), "have a bad \"format\""),
        (
            json!({"container_label": ""}),
            "have no \"container_label\": it takes the name of a container's label",
        ),
        (
            json!({"container_label": "a", "port": 0}),
            "have a number as \"port\": it takes a whole number, 1 to 65535",
        ),
        (json!({"container_label": "a", "port": 65536}), "have a number as \"port\""),
        (json!({"container_label": "a", "port": "80"}), "have a text as \"port\""),
        (
            json!({"container_label": "a", "path": "metrics"}),
            "have a \"path\" that is none: it takes one like /metrics",
        ),
        (json!({"container_label": "a", "path": "/a b"}), "have a \"path\" that is none"),
    ] {
        let parameters = parameters(given.clone());
        let error = if parameters.contains_key("container_label") {
            HttpOfContainers::from_parameters(&parameters, Arc::clone(&nobody)).unwrap_err()
        } else {
            Http::from_parameters(&parameters).unwrap_err()
        };
        let error = error.to_string();
        assert!(error.starts_with(&format!("parameters {expected}")), "{given}: {error}");
        assert!(!error.contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn containers_are_asked_by_their_label() {
    let labels = "a{image=\"x\",exported_image=\"y\",id=\"z\",name=\"n\",container_id=\"c\",container_name=\"d\",other=\"o\"} 1\n";
    let (address, served) = serve(answer("200 OK", labels), Then::Hang).await;
    let labelled = running("full", "n", &["127.0.0.1"], Some(&format!("{}/m", address.port())));
    let containers = [
        labelled.clone(),
        running("unlabelled", "n", &["127.0.0.1"], None),
        Container { state: State::Exited, id: "exited".into(), ..labelled },
        running("astray", "n", &["127.0.0.1"], Some("http://10.0.0.1/?secret")),
    ]
    .map(Arc::new);
    let lookup: Lookup = Arc::new(move |id| containers.iter().find(|container| container.id == id).cloned());
    let given = parameters(json!({"container_label": "port"}));
    let http = HttpOfContainers::from_parameters(&given, lookup).unwrap();
    for (id, expected) in [
        (
            "full",
            Ok(&[
                "a{exported_container_id=\"c\",exported_container_name=\"d\",exported_exported_image=\"x\",exported_id=\"z\",exported_image=\"y\",exported_name=\"n\",other=\"o\"} 1 0",
            ][..]),
        ),
        ("unlabelled", Ok(&[])),
        ("exited", Ok(&[])),
        (
            "astray",
            Err(
                "asking the container astray for \"http://10.0.0.1/\": its label leads to 10.0.0.1, which is not the container's own address; write a port instead",
            ),
        ),
        ("unknown", Err("collecting metrics of container \"unknown\": no engine knows it")),
    ] {
        let outcome = told(http.collect_container_metrics(id).await);
        assert_eq!(
            outcome.as_deref().map_err(|error| &**error),
            expected
                .map(|lines| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>())
                .as_deref()
                .map_err(|error| *error),
            "{id}"
        );
    }
    assert!(served.await.unwrap().starts_with("GET /m HTTP/1.1\r\n"));
    let error = http.collect_container_metrics("unknown").await.unwrap_err();
    assert!(matches!(error.downcast_ref(), Some(CollectorError::NoSuchContainer { .. })));
}
