//! One `GET` on a connection of its own.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, HOST, LOCATION, USER_AGENT};
use hyper::http::{HeaderMap, HeaderValue};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use plimsoll_model::text::bounded;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::address::Address;
use super::{HttpError, MAX_BODY};
use crate::metrics::text;

/// How much of the body of an answer is read that is no success, in bytes.
const MAX_ERROR_BODY: usize = 4 * 1024;

/// How long such a body may take: its status is known, and that is the news.
const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(1);

/// How much of an address or of another header is shown, in bytes.
const MAX_SHOWN: usize = 200;

const AGENT: HeaderValue = HeaderValue::from_static(concat!("plimsoll/", env!("CARGO_PKG_VERSION")));

/// A body, and what its sender says that it is.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) content_type: Option<String>,
    pub(super) body: Vec<u8>,
}

/// The connection. It is closed when nobody waits for an answer any more.
struct Connection(JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Asks at an address for what it accepts. `headers` go before those that are usual.
pub(super) async fn get(
    address: &Address,
    accept: &'static str,
    headers: &HeaderMap,
) -> Result<Answer, HttpError> {
    let url = || address.shown();
    let failed = |source| HttpError::Transport { url: url(), source };
    let connect = |source| HttpError::Connect { url: url(), source };
    let stream = TcpStream::connect((&*address.host, address.port)).await.map_err(connect)?;
    stream.set_nodelay(true).map_err(connect)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
    // Its error reaches whoever waits for the answer.
    let _connection = Connection(tokio::spawn(async move { drop(connection.await) }));
    let answer = sender.send_request(request(address, accept, headers)).await.map_err(failed)?;

    let status = answer.status();
    if status.is_redirection() {
        let to = header(&answer, LOCATION).unwrap_or_default();
        return Err(HttpError::Redirect {
            url: url(),
            status: status.as_u16(),
            to: text::beginning(to.as_bytes()),
        });
    }
    if !status.is_success() {
        let mut said = Vec::new();
        let reading = timeout(ERROR_BODY_TIMEOUT, read(answer.into_body(), &mut said, MAX_ERROR_BODY));
        drop(reading.await);
        said.truncate(MAX_ERROR_BODY);
        return Err(HttpError::Status { url: url(), status: status.as_u16(), said: text::beginning(&said) });
    }
    if let Some(encoding) = header(&answer, CONTENT_ENCODING).filter(|encoding| encoding != "identity") {
        return Err(HttpError::Encoded { url: url(), encoding });
    }
    let content_type = header(&answer, CONTENT_TYPE);
    let mut body = Vec::new();
    match read(answer.into_body(), &mut body, MAX_BODY).await {
        Ok(true) => Ok(Answer { content_type, body }),
        Ok(false) => Err(HttpError::TooLarge { url: url(), limit: MAX_BODY }),
        Err(source) => Err(failed(source)),
    }
}

fn request(address: &Address, accept: &'static str, headers: &HeaderMap) -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = address.path.clone().into();
    *request.headers_mut() = headers.clone();
    for (name, value) in [
        (HOST, address.authority.clone()),
        (USER_AGENT, AGENT),
        (ACCEPT, HeaderValue::from_static(accept)),
        (CONNECTION, HeaderValue::from_static("close")),
    ] {
        request.headers_mut().entry(name).or_insert(value);
    }
    request
}

fn header(answer: &Response<Incoming>, name: hyper::header::HeaderName) -> Option<String> {
    let value = answer.headers().get(name)?;
    let text = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
    Some(bounded(&text, MAX_SHOWN).to_owned())
}

/// Reads a body; tells whether that was all of it, or it is longer than `limit`.
async fn read(mut from: Incoming, body: &mut Vec<u8>, limit: usize) -> Result<bool, hyper::Error> {
    let announced = usize::try_from(from.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Ok(false);
    }
    while let Some(frame) = from.frame().await {
        body.extend_from_slice(&frame?.into_data().unwrap_or_default());
        if body.len() > limit {
            return Ok(false);
        }
    }
    Ok(true)
}
