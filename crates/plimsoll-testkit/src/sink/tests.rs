use super::*;
use crate::client::Client;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Instant;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

const SOON: Duration = Duration::from_secs(10);
const GET: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

fn client(sink: &Sink) -> Client {
    Client::new(sink.address()).patience(Duration::from_secs(5))
}

/// Sends these bytes and reads until the connection ends.
fn talk(sink: &Sink, bytes: &[u8]) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(sink.address())?;
    stream.set_read_timeout(Some(SOON))?;
    stream.write_all(bytes)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[test]
fn requests_are_noted_decompressed() {
    let sink = Sink::start();
    let text = "cpu usage=1 5\n".repeat(100);
    let gzip = |text: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    };
    let members = [gzip(&text.as_bytes()[..10]), gzip(&text.as_bytes()[10..])].concat();
    let zstd = zstd::stream::encode_all(text.as_bytes(), 1).unwrap();
    for (encoding, sent, got) in [
        ("", text.as_bytes(), text.as_bytes()),
        ("gzip", &gzip(text.as_bytes()), text.as_bytes()),
        ("gzip", &members, text.as_bytes()),
        ("zstd", &zstd, text.as_bytes()),
        ("snappy", b"as it came", b"as it came"),
    ] {
        let headers = [("Content-Encoding", encoding), ("X-Other", "yes")];
        let answer = client(&sink).post("/api/write?db=a%20b", &headers, sent).unwrap();
        assert_eq!(answer.status, 204);
        let last = sink.requests().pop().unwrap();
        assert_eq!((last.method.as_str(), last.path.as_str()), ("POST", "/api/write"));
        assert_eq!((last.query("db"), last.header("x-other")), (Some("a b"), Some("yes")));
        assert_eq!((&last.body[..], last.sent, &last.broken), (got, sent.len(), &None), "{encoding}");
    }
    // What a script says of a body that cannot be read would be worth nothing, and the next answer waits.
    sink.next([Answer::new(200)]);
    for (encoding, sent) in [("gzip", &members[..members.len() - 3]), ("zstd", b"nonsense")] {
        let answer = client(&sink).post("/", &[("Content-Encoding", encoding)], sent).unwrap();
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert!(sink.requests().pop().unwrap().broken.is_some());
    }
    assert_eq!(client(&sink).get("/").unwrap().status, 200);

    sink.forget();
    sink.forget_bodies();
    client(&sink).post("/", &[("Content-Encoding", "gzip")], b"nonsense").unwrap();
    let requests = sink.requests();
    assert_eq!((requests.len(), requests[0].number, requests[0].sent), (1, 8, 8));
    assert!(requests[0].body.is_empty() && requests[0].broken.is_none());
}

#[test]
fn connections_are_kept_and_bodies_come_in_chunks() {
    let sink = Sink::start();
    sink.next([Answer::new(200).body("one"), Answer::new(204), Answer::new(200).body("three").close()]);
    let chunked = b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\na;x=y\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n";
    let sized = b"POST /b HTTP/1.1\r\nContent-Length: 2\r\n\r\nde";
    let answers = talk(&sink, &[&chunked[..], sized, GET].concat()).unwrap();
    assert_eq!(
        answers,
        "HTTP/1.1 200 Scripted\r\nContent-Length: 3\r\n\r\none\
         HTTP/1.1 204 Scripted\r\n\r\n\
         HTTP/1.1 200 Scripted\r\nConnection: close\r\nContent-Length: 5\r\n\r\nthree"
    );
    let requests = sink.requests();
    let bodies: Vec<_> = requests.iter().map(|request| (request.connection, request.text())).collect();
    assert_eq!(bodies, [(1, "abc0123456789"), (1, "de"), (1, "")]);
    assert_eq!((sink.accepted(), sink.cut()), (1, 0));
}

#[test]
fn answers_fail_as_they_are_told() {
    let sink = Sink::start();
    let long = || Answer::new(200).body("x".repeat(100));
    let kind = |answer: Answer| {
        sink.next([answer]);
        talk(&sink, GET).map_err(|error| error.kind())
    };
    assert_eq!(kind(Answer::reset()), Err(ErrorKind::ConnectionReset));
    let half = kind(long().half()).unwrap();
    assert_eq!(half, format!("HTTP/1.1 200 Scripted\r\nContent-Length: 100\r\n\r\n{}", "x".repeat(27)));
    assert_eq!(kind(Answer::garbage("junk")), Ok("junk".to_owned()));

    let started = Instant::now();
    sink.next([
        Answer::new(200).body("ab").slow(Duration::from_millis(2)),
        Answer::new(204).delay(SOON / 100),
    ]);
    assert_eq!(client(&sink).get("/").unwrap().text(), "ab");
    assert!(started.elapsed() >= Duration::from_millis(2 * 40), "{:?}", started.elapsed());
    let started = Instant::now();
    client(&sink).get("/").unwrap();
    assert!(started.elapsed() >= SOON / 100);

    sink.next([Answer::redirect(307, "http://elsewhere/"), Answer::hang()]);
    let redirect = client(&sink).get("/").unwrap();
    assert_eq!(redirect.status, 307);
    assert!(redirect.headers.contains(&("location".to_owned(), "http://elsewhere/".to_owned())));
    let hanging = client(&sink).patience(Duration::from_millis(50)).get("/").unwrap_err();
    assert_eq!(hanging.kind(), ErrorKind::WouldBlock);
    // All of them were taken whole.
    assert_eq!((sink.wait_for(7, SOON).len(), sink.cut()), (7, 0));
}

#[test]
fn connections_fail_as_they_are_told() {
    let mut sink = Sink::start();
    let body = vec![b'x'; 1024 * 1024];
    let post = |sink: &Sink| client(sink).patience(Duration::from_millis(500)).post("/", &[], &body);

    sink.set_connections(Connections::Reset(64 * 1024));
    let error = post(&sink).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
    wait_until(SOON, "a request that was cut", || sink.cut() == 1);
    // A request below the limit is answered.
    assert_eq!(client(&sink).get("/").unwrap().status, 204);

    sink.set_connections(Connections::Reset(0));
    assert!(client(&sink).get("/").is_err());
    sink.set_connections(Connections::Deaf);
    let error = post(&sink).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");

    sink.stop();
    assert_eq!(post(&sink).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    sink.set_connections(Connections::Serve);
    let address = sink.address();
    sink.restart();
    assert_eq!(sink.address(), address);
    assert_eq!(post(&sink).unwrap().status, 204);

    let mut idle = TcpStream::connect(address).unwrap();
    idle.write_all(GET).unwrap();
    assert!(idle.read(&mut [0; 1024]).unwrap() > 0);
    sink.drop_connections();
    assert_eq!(idle.read(&mut [0; 1024]).unwrap(), 0);
    assert_eq!(sink.count(), 3);
}

#[test]
fn behind_tls_it_wants_a_certificate() {
    let sink = Sink::start_tls();
    let tls = sink.tls().unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(tls.authority.as_bytes()).unwrap()).unwrap();
    let config = || {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots.clone())
    };
    let ask = |config: ClientConfig| -> std::io::Result<String> {
        let connection = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
        let mut stream = StreamOwned::new(connection, TcpStream::connect(sink.address())?);
        stream.write_all(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    assert!(ask(config().with_no_client_auth()).is_err());
    assert_eq!(sink.count(), 0);

    let chain = vec![CertificateDer::from_pem_slice(tls.certificate.as_bytes()).unwrap()];
    let key = || PrivateKeyDer::from_pem_slice(tls.key.as_bytes()).unwrap();
    let known = || config().with_client_auth_cert(chain.clone(), key()).unwrap();
    assert_eq!(ask(known()).unwrap(), "HTTP/1.1 204 Scripted\r\n\r\n");
    sink.next([Answer::reset()]);
    assert_eq!(ask(known()).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!((sink.count(), sink.url()), (2, format!("https://localhost:{}", sink.address().port())));
}
