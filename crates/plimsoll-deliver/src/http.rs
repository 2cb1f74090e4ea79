//! Batches over HTTP: one client a target, whose connections are kept. Redirects are not followed, so that no token is carried
//! elsewhere; answers are read up to a bound.

use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT,
};
use hyper::{Method, Request, Uri};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use plimsoll_wire::line_protocol::Precision;
use plimsoll_wire::otlp;
use tokio::time::Instant;

use crate::config::{Secret, TargetConfig, TargetKind};
use crate::courier::Outgoing;
use crate::error::{TargetError, chain};
use crate::format::{Coding, Content, Format};
use crate::tls;
use crate::verdict::{Answer, Fault};

/// As much of an answer as is read.
const MAX_ANSWER: usize = 256 * 1024;
/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an idle connection is kept. Longer than batches are apart.
const IDLE: Duration = Duration::from_secs(90);
/// The longest secret that is read from a file.
const MAX_SECRET: u64 = 16 * 1024;

/// Sends batches to one address.
#[derive(Debug)]
pub struct HttpTransport {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    kind: TargetKind,
    base: String,
    /// What stands behind the address, without the precision.
    query: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    username: String,
    password: Option<Secret>,
    token: Option<Secret>,
    timeout: Duration,
}

impl HttpTransport {
    /// A client for a target. Nothing is connected yet.
    ///
    /// # Errors
    /// If the address, a header or a certificate cannot be used.
    pub fn new(config: &TargetConfig) -> Result<Self, TargetError> {
        let tls = tls::client(config)?;
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(CONNECT.min(config.timeout)));
        connector.set_nodelay(true);
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .pool_timer(TokioTimer::new())
            .build(connector);
        let mut headers = Vec::new();
        for (name, value) in &config.headers {
            let bad = || TargetError::Header { target: config.name.clone(), header: name.clone() };
            let name = HeaderName::try_from(name.as_str()).map_err(|_| bad())?;
            let mut value = HeaderValue::try_from(value.as_str()).map_err(|_| bad())?;
            value.set_sensitive(true);
            headers.push((name, value));
        }
        let transport = Self {
            client,
            kind: config.kind,
            base: base(config),
            query: query(config),
            headers,
            username: config.username.clone(),
            password: config.password.clone(),
            token: config.token.clone(),
            timeout: config.timeout,
        };
        for content in [Content::Lines(Precision::Nanoseconds), Content::Otlp] {
            let address = transport.address(content);
            address.parse::<Uri>().map_err(|source| TargetError::Address {
                target: config.name.clone(),
                url: config.url.clone(),
                source,
            })?;
        }
        Ok(transport)
    }

    /// Sends a batch.
    ///
    /// # Errors
    /// If there was no answer.
    pub async fn send(&self, outgoing: &Outgoing) -> Result<Answer, Fault> {
        let request = self.request(outgoing)?;
        let ends_at = Instant::now() + self.timeout;
        let late = || Fault {
            reason: "timeout",
            may_have_arrived: true,
            message: format!("no complete answer within {:?}", self.timeout),
        };
        let response = tokio::time::timeout_at(ends_at, self.client.request(request))
            .await
            .map_err(|_| late())?
            .map_err(|error| fault(&error))?;
        let header = |name: &str| {
            response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let mut answer = Answer {
            status: response.status().as_u16(),
            retry_after: header(RETRY_AFTER.as_str()),
            written: header("x-prometheus-remote-write-samples-written").and_then(|value| value.parse().ok()),
            body: Vec::new(),
        };
        let read = read_body(response.into_body(), &mut answer.body);
        // A status is an answer, whether or not the rest of it comes; but here the body says whether all was taken.
        let needs_body = answer.status < 300 && self.kind == TargetKind::Otlp;
        match tokio::time::timeout_at(ends_at, read).await {
            Err(_) if needs_body => Err(late()),
            Ok(false) if needs_body => Err(Fault {
                reason: "broken",
                may_have_arrived: true,
                message: "the answer ended in the middle".to_owned(),
            }),
            _ => Ok(answer),
        }
    }

    fn request(&self, outgoing: &Outgoing) -> Result<Request<Full<Bytes>>, Fault> {
        let content = outgoing.format.content;
        let mut request = Request::builder().method(Method::POST).uri(self.address(content));
        request = request.header(USER_AGENT, concat!("plimsoll/", env!("CARGO_PKG_VERSION")));
        request = request.header(CONTENT_TYPE, content_type(content));
        if outgoing.format.coding != Coding::None {
            request = request.header(CONTENT_ENCODING, outgoing.format.coding.name());
        }
        if let Content::RemoteWrite(version) = content {
            request = request.header("x-prometheus-remote-write-version", version.header());
        }
        if let Some(authorization) = self.authorization()? {
            request = request.header(AUTHORIZATION, authorization);
        }
        let body = Full::new(Bytes::from(outgoing.body.clone()));
        let mut request = request.body(body).map_err(|error| Fault {
            reason: "request",
            may_have_arrived: false,
            message: format!("cannot make the request: {error}"),
        })?;
        // Somebody's own words stand in the place of ours.
        for (name, value) in &self.headers {
            request.headers_mut().insert(name, value.clone());
        }
        Ok(request)
    }

    /// The request line and the headers of a batch, without what is secret, for who wants to know before it is sent.
    #[must_use]
    pub fn describe(&self, format: Format) -> Vec<String> {
        // What the address of the configuration has behind a question mark may be a token.
        let address = match (self.address(format.content), self.base.split_once('?')) {
            (_, Some((place, _))) => format!("{place}?{HIDDEN}"),
            (address, None) => address,
        };
        let mut lines = vec![format!("POST {}", without_password(&address))];
        lines.push(format!("{USER_AGENT}: plimsoll/{}", env!("CARGO_PKG_VERSION")));
        lines.push(format!("{CONTENT_TYPE}: {}", content_type(format.content)));
        if format.coding != Coding::None {
            lines.push(format!("{CONTENT_ENCODING}: {}", format.coding.name()));
        }
        if let Content::RemoteWrite(version) = format.content {
            lines.push(format!("x-prometheus-remote-write-version: {}", version.header()));
        }
        if self.token.is_some() {
            lines.push(format!("{AUTHORIZATION}: {} {HIDDEN}", self.token_word()));
        } else if !self.username.is_empty() || self.password.is_some() {
            lines.push(format!("{AUTHORIZATION}: Basic {HIDDEN}"));
        }
        lines.extend(self.headers.iter().map(|(name, _)| format!("{name}: {HIDDEN}")));
        lines
    }

    fn token_word(&self) -> &'static str {
        match self.kind {
            TargetKind::InfluxV1 | TargetKind::InfluxV2 => "Token",
            _ => "Bearer",
        }
    }

    /// Secrets are read anew for every request: a file that is changed is in force at once.
    fn authorization(&self) -> Result<Option<HeaderValue>, Fault> {
        let text = if let Some(token) = &self.token {
            format!("{} {}", self.token_word(), read(token)?)
        } else if self.username.is_empty() && self.password.is_none() {
            return Ok(None);
        } else {
            use base64::Engine as _;
            let password = self.password.as_ref().map_or(Ok(String::new()), read)?;
            let both = format!("{}:{password}", self.username);
            format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(both))
        };
        let mut value = HeaderValue::try_from(text).map_err(|_| Fault {
            reason: "secret",
            may_have_arrived: false,
            message: "the token or password holds characters that no header can have".to_owned(),
        })?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    fn address(&self, content: Content) -> String {
        let precision = match (self.kind, content) {
            (TargetKind::InfluxV3, Content::Lines(precision)) => match precision {
                Precision::Nanoseconds => "nanosecond",
                Precision::Microseconds => "microsecond",
                Precision::Milliseconds => "millisecond",
                Precision::Seconds => "second",
            },
            // Version 1 has a name of its own for microseconds, and for nanoseconds.
            (TargetKind::InfluxV1, Content::Lines(Precision::Nanoseconds)) => "n",
            (TargetKind::InfluxV1, Content::Lines(Precision::Microseconds)) => "u",
            (TargetKind::InfluxV1 | TargetKind::InfluxV2, Content::Lines(precision)) => precision.name(),
            _ => return format!("{}{}", self.base, self.query),
        };
        let joint = if self.query.is_empty() && !self.base.contains('?') { '?' } else { '&' };
        format!("{}{}{joint}precision={precision}", self.base, self.query)
    }
}

/// Stands for what is secret.
const HIDDEN: &str = "(not shown)";

/// The address without what stands before an `@`.
fn without_password(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else { return address.to_owned() };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let host = rest[..end].rsplit_once('@').map_or(0, |(secret, _)| secret.len() + 1);
    format!("{scheme}://{}", &rest[host..])
}

pub(crate) fn content_type(content: Content) -> &'static str {
    match content {
        Content::Lines(_) => "text/plain; charset=utf-8",
        Content::Json => "application/x-ndjson",
        Content::RemoteWrite(version) => version.content_type(),
        Content::Otlp => otlp::CONTENT_TYPE,
    }
}

/// The address with the kind's usual path, where it has none.
fn base(config: &TargetConfig) -> String {
    let usual = match config.kind {
        TargetKind::InfluxV1 => "/write",
        TargetKind::InfluxV2 => "/api/v2/write",
        TargetKind::InfluxV3 => "/api/v3/write_lp",
        TargetKind::RemoteWrite => "/api/v1/write",
        TargetKind::Otlp => "/v1/metrics",
        TargetKind::Nats | TargetKind::File | TargetKind::Stdout => "",
    };
    let (url, query) = match config.url.split_once('?') {
        Some((url, query)) => (url, format!("?{query}")),
        None => (&*config.url, String::new()),
    };
    let url = url.trim_end_matches('/');
    let has_path = url.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
    format!("{url}{}{query}", if has_path { "" } else { usual })
}

fn query(config: &TargetConfig) -> String {
    let pairs: &[(&str, &str)] = match config.kind {
        TargetKind::InfluxV1 => &[("db", &config.database), ("rp", &config.retention_policy)],
        TargetKind::InfluxV2 => &[("bucket", &config.bucket), ("org", &config.org)],
        TargetKind::InfluxV3 => &[("db", &config.database)],
        _ => &[],
    };
    let mut query = String::new();
    let mut joint = if config.url.contains('?') { '&' } else { '?' };
    for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        query.push(joint);
        query.push_str(name);
        query.push('=');
        percent_encode(value, &mut query);
        joint = '&';
    }
    query
}

/// As RFC 3986 has it: everything but the unreserved characters.
fn percent_encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
}

/// Reads what an answer says, up to the bound; `false` where it ended in the middle.
async fn read_body(mut body: Incoming, kept: &mut Vec<u8>) -> bool {
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        if let Some(data) = frame.data_ref() {
            let room = MAX_ANSWER - kept.len();
            kept.extend_from_slice(&data[..data.len().min(room)]);
            if data.len() > room {
                return true;
            }
        }
    }
    true
}

/// A secret, as it is now.
pub(crate) fn read(secret: &Secret) -> Result<String, Fault> {
    use std::io::Read as _;
    match secret {
        Secret::Inline(text) => Ok(text.clone()),
        Secret::File(path) => {
            let unusable = |what: &str| Fault {
                reason: "secret",
                may_have_arrived: false,
                message: format!("cannot use the secret in {}: {what}", path.display()),
            };
            let mut text = String::new();
            std::fs::File::open(path)
                .and_then(|file| file.take(MAX_SECRET + 1).read_to_string(&mut text))
                .map_err(|error| unusable(&error.to_string()))?;
            let secret = text.trim();
            if secret.is_empty() {
                return Err(unusable("the file is empty"));
            }
            if text.len() as u64 > MAX_SECRET {
                return Err(unusable("it is longer than any token or password"));
            }
            if secret.chars().any(char::is_control) {
                return Err(unusable("it has to be a single line of printable characters"));
            }
            Ok(secret.to_owned())
        }
    }
}

/// Why there was no answer.
pub(crate) fn fault(error: &hyper_util::client::legacy::Error) -> Fault {
    let chain = chain(error);
    match tls::explain(&chain) {
        // A handshake that failed has carried nothing; and who refuses our certificate has read nothing of what came with it.
        Some(failed) if error.is_connect() || failed.is_about_us => {
            Fault { reason: "tls", may_have_arrived: false, message: failed.message }
        }
        Some(failed) => Fault { reason: "broken", may_have_arrived: true, message: failed.message },
        None if error.is_connect() => Fault { reason: "connect", may_have_arrived: false, message: chain },
        None => Fault { reason: "broken", may_have_arrived: true, message: chain },
    }
}

#[cfg(test)]
mod tests;
