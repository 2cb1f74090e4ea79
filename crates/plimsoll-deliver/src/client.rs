//! Single requests over HTTP, for what is no stream of points: a census report, a look at another agent.
//!
//! As for targets, redirects are not followed, so that no token is carried elsewhere, answers are read up to a bound, and
//! each request has one deadline from the first byte of the connection to the last of the answer.
//!
//! ```no_run
//! use std::time::Duration;
//! use plimsoll_deliver::client::{HttpClient, Question};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let url = "https://census.example/api/ingest";
//! let client = HttpClient::new(url, None)?;
//! let question = Question { body: Some(b"{}".to_vec()), ..Question::get(url, Duration::from_secs(15), 4096) };
//! let answer = client.ask(&question).await?;
//! println!("{}", answer.status);
//! # Ok(())
//! # }
//! ```

use std::path::Path;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, USER_AGENT};
use hyper::{Method, Request, Uri};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::config::{Secret, TargetConfig, TargetKind};
use crate::error::TargetError;
use crate::http::{fault, read};
use crate::tls;
use crate::verdict::Fault;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);

/// A client of one address.
#[derive(Clone, Debug)]
pub struct HttpClient {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Question {
    /// The whole address, `http://` or `https://`.
    pub url: String,
    /// What is shown as `Authorization: Bearer`.
    pub token: Option<Secret>,
    /// JSON to be posted; without it the request is a `GET`.
    pub body: Option<Vec<u8>>,
    /// The time for everything.
    pub within: Duration,
    /// The most bytes of an answer's body.
    pub most: usize,
}

impl Question {
    /// A `GET` without a token.
    #[must_use]
    pub fn get(url: &str, within: Duration, most: usize) -> Self {
        Self { url: url.to_owned(), token: None, body: None, within, most }
    }
}

/// An answer, whatever its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The body, up to the bound.
    pub body: Vec<u8>,
    /// Whether there was more than that.
    pub is_cut: bool,
}

impl HttpClient {
    /// A client of the address, which trusts the authorities in `ca_file` instead of the system's. Nothing is connected yet.
    ///
    /// # Errors
    /// If the address or a certificate cannot be used.
    pub fn new(url: &str, ca_file: Option<&Path>) -> Result<Self, TargetError> {
        // TLS of targets, for an address that is none.
        let mut config = TargetConfig::new(url, TargetKind::RemoteWrite);
        url.clone_into(&mut config.url);
        config.tls.ca_file = ca_file.map(Path::to_owned);
        url.parse::<Uri>().map_err(|source| TargetError::Address {
            target: url.to_owned(),
            url: url.to_owned(),
            source,
        })?;
        let tls = tls::client(&config)?;
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(CONNECT));
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        // Requests are minutes or days apart.
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
        Ok(Self { client })
    }

    /// Asks, and reads the answer.
    ///
    /// # Errors
    /// If there was no whole answer in time, or the token cannot be read.
    pub async fn ask(&self, question: &Question) -> Result<Reply, Fault> {
        let request = request(question)?;
        let asking = async {
            let response = self.client.request(request).await.map_err(|error| fault(&error))?;
            let status = response.status().as_u16();
            let (body, is_cut) = read_body(response.into_body(), question.most).await?;
            Ok(Reply { status, body, is_cut })
        };
        let late = |_| Fault {
            reason: "timeout",
            may_have_arrived: true,
            message: format!("no complete answer within {:?}", question.within),
        };
        tokio::time::timeout(question.within, asking).await.map_err(late)?
    }
}

fn request(question: &Question) -> Result<Request<Full<Bytes>>, Fault> {
    let wrong = |what: String| Fault { reason: "request", may_have_arrived: false, message: what };
    let method = if question.body.is_some() { Method::POST } else { Method::GET };
    let mut request = Request::builder()
        .method(method)
        .uri(&question.url)
        .header(USER_AGENT, concat!("plimsoll/", env!("CARGO_PKG_VERSION")));
    if question.body.is_some() {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    if let Some(token) = &question.token {
        let mut value = HeaderValue::try_from(format!("Bearer {}", read(token)?))
            .map_err(|_| wrong("the token holds characters that no header can have".to_owned()))?;
        value.set_sensitive(true);
        request = request.header(AUTHORIZATION, value);
    }
    let body = Full::new(Bytes::from(question.body.clone().unwrap_or_default()));
    request.body(body).map_err(|error| wrong(format!("cannot make the request: {error}")))
}

/// Reads a body up to the bound; true where there was more.
async fn read_body(mut body: Incoming, most: usize) -> Result<(Vec<u8>, bool), Fault> {
    let mut kept = Vec::new();
    while let Some(frame) = body.frame().await {
        let broken = |error: hyper::Error| Fault {
            reason: "broken",
            may_have_arrived: true,
            message: format!("the answer ended in the middle: {error}"),
        };
        if let Some(data) = frame.map_err(broken)?.data_ref() {
            let room = most - kept.len();
            kept.extend_from_slice(&data[..data.len().min(room)]);
            if data.len() > room {
                return Ok((kept, true));
            }
        }
    }
    Ok((kept, false))
}

#[cfg(test)]
mod tests {
    use plimsoll_testkit::sink::{Answer, Connections, Sink};

    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn a_report_is_posted_with_its_token_and_nothing_follows_a_redirect() {
        let (sink, elsewhere) = (Sink::start(), Sink::start());
        let client = HttpClient::new(&sink.url(), None).unwrap();
        let url = format!("{}/api/ingest", sink.url());
        let token = Some(Secret::Inline("key".to_owned()));
        let question = Question { token, body: Some(b"{\"a\":1}".to_vec()), ..Question::get(&url, SOON, 8) };
        sink.next([
            Answer::new(201).body("123456789"),
            Answer::new(302).header("Location", &elsewhere.url()),
        ]);
        let answer = client.ask(&question).await.unwrap();
        assert_eq!(answer, Reply { status: 201, body: b"12345678".to_vec(), is_cut: true });
        assert_eq!(client.ask(&question).await.unwrap().status, 302);
        assert_eq!(elsewhere.accepted(), 0);
        let requests = sink.requests();
        let header = |name: &str| requests[0].header(name).map(str::to_owned);
        assert_eq!((&*requests[0].method, &*requests[0].path), ("POST", "/api/ingest"));
        assert_eq!(header("authorization").as_deref(), Some("Bearer key"));
        assert_eq!(header("content-type").as_deref(), Some("application/json"));
        assert_eq!(header("user-agent"), Some(format!("plimsoll/{}", env!("CARGO_PKG_VERSION"))));
        assert_eq!(requests[0].text(), "{\"a\":1}");
    }

    #[tokio::test]
    async fn silence_and_a_bad_address_are_told() {
        let sink = Sink::start();
        sink.set_connections(Connections::Deaf);
        let client = HttpClient::new(&sink.url(), None).unwrap();
        let question = Question::get(&sink.url(), Duration::from_millis(50), 8);
        assert_eq!(client.ask(&question).await.unwrap_err().reason, "timeout");
        let missing = Question { token: Some(Secret::File("/nowhere/token".into())), ..question };
        assert_eq!(client.ask(&missing).await.unwrap_err().reason, "secret");
        assert!(HttpClient::new("http://a b", None).is_err());
        assert!(HttpClient::new("https://a", Some(Path::new("/nowhere/ca"))).is_err());
    }
}
