//! `/api/v1/`: the history as JSON, and how collectors and targets do.
//!
//! [`endpoints`] is the table of paths, parameters and answers. The router is made from it, parameters are read by it, and
//! the OpenAPI document is written from it, so that none of them can say something else.
//!
//! A question is answered by a thread that may block, a few at a time; see [`body`] for how the answer gets out.

mod answers;
mod body;
mod collectors;
mod endpoints;
mod export;
mod failure;
mod numbers;
mod openapi;
mod parameters;
mod schemas;
mod targets;
#[cfg(test)]
mod tests;
mod time;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HOST, ORIGIN, VARY};
use axum::http::{HeaderMap, HeaderValue, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use plimsoll_model::text::bounded;
use plimsoll_store::Millis;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use self::body::{Out, Piece};
pub(crate) use self::endpoints::ENDPOINTS;
use self::endpoints::{Answer, Endpoint, Question};
use self::failure::Failure;
use self::parameters::Asked;
use crate::exposition::accepts_gzip;
use crate::headers::all;
use crate::{App, Backend};

/// Where the paths of the API begin.
pub(crate) const PREFIX: &str = "/api/";

const JSON: &str = "application/json";

struct Site<B> {
    app: App<B>,
    questions: Arc<Semaphore>,
    exports: Arc<Semaphore>,
}

/// How long a response may take in all, where that is more than usual.
#[derive(Clone, Copy)]
pub(crate) struct TakesLong(pub(crate) Duration);

pub(crate) fn router<B: Backend>(app: App<B>) -> Router {
    let questions = Arc::new(Semaphore::new(app.limits.questions));
    let exports = Arc::new(Semaphore::new(app.limits.exports));
    let mut router = Router::new();
    for endpoint in ENDPOINTS {
        let handler = move |State(site): State<Arc<Site<B>>>, uri: Uri, headers: HeaderMap| async move {
            answer(&site, endpoint, &uri, &headers).await
        };
        router = router.route(endpoint.path, if endpoint.changes() { post(handler) } else { get(handler) });
    }
    router.method_not_allowed_fallback(async || Failure::Method).with_state(Arc::new(Site {
        app,
        questions,
        exports,
    }))
}

/// The answer to a path below [`PREFIX`] that does not exist.
pub(crate) fn unknown(path: &str) -> Response {
    let paths = ENDPOINTS.iter().map(|endpoint| endpoint.path);
    Failure::Path { nearest: failure::nearest(path, paths) }.into_response()
}

async fn answer<B: Backend>(
    site: &Site<B>,
    endpoint: &'static Endpoint,
    uri: &Uri,
    headers: &HeaderMap,
) -> Response {
    let asked = match read(endpoint, uri) {
        Ok(asked) => asked,
        Err(failure) => return failure.into_response(),
    };
    let compress = accepts_gzip(all(headers, &ACCEPT_ENCODING).as_deref());
    let limits = &site.app.limits;
    let (places, question, content_type, takes_long) = match endpoint.answer {
        Answer::Document => return ([(CONTENT_TYPE, JSON)], openapi::TEXT.as_str()).into_response(),
        Answer::Present(present) => {
            let snapshot = tokio::time::timeout(limits.wait_time, site.app.backend.snapshot()).await;
            return match snapshot.map_err(|_| Failure::Busy).and_then(|snapshot| present(&snapshot)) {
                Ok(body) => ([(CONTENT_TYPE, JSON)], body).into_response(),
                Err(failure) => failure.into_response(),
            };
        }
        Answer::Flush => {
            if !is_of_this_site(headers) {
                return Failure::Foreign.into_response();
            }
            let done = site.app.backend.flush(asked.target.clone(), limits.flush_time).await;
            if let Some(name) = asked.target.filter(|_| done.is_empty()) {
                return Failure::question(format!("there is no target {:?}", bounded(&name, 64)))
                    .into_response();
            }
            return match targets::flushed(&done) {
                Ok(body) => ([(CONTENT_TYPE, JSON)], body).into_response(),
                Err(failure) => failure.into_response(),
            };
        }
        Answer::Question(question) => (&site.questions, question, JSON, None),
        Answer::Export(question) => {
            let takes_long = TakesLong(limits.export_time);
            (&site.exports, question, asked.format.content_type(), Some(takes_long))
        }
    };
    let body = match ask(site, places, question, asked, compress).await {
        Ok(body) => body,
        Err(failure) => return failure.into_response(),
    };
    let mut response = ([(CONTENT_TYPE, content_type), (VARY, "Accept-Encoding")], body).into_response();
    if compress {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    if let Some(takes_long) = takes_long {
        response.extensions_mut().insert(takes_long);
    }
    response
}

/// Whether a request that does something comes from a page of this server, or from no page at all: another site's page in
/// somebody's browser could send it, too.
fn is_of_this_site(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    matches!((origin, host), (Some((_, origin)), Some(host)) if origin == host)
}

fn read(endpoint: &'static Endpoint, uri: &Uri) -> Result<Asked, Failure> {
    let Query(given) = Query::<Vec<(String, String)>>::try_from_uri(uri)
        .map_err(|_| Failure::question("the parameters are not written as NAME=VALUE&NAME=VALUE"))?;
    let given = given.iter().map(|(name, value)| (&**name, &**value));
    let known: Vec<_> = endpoint.parameters().collect();
    parameters::read(&known, given, now())
}

fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX)
}

/// Waits for a place, has the question answered, and waits for the answer's first piece.
async fn ask<B: Backend>(
    site: &Site<B>,
    places: &Arc<Semaphore>,
    question: Question,
    asked: Asked,
    compress: bool,
) -> Result<Body, Failure> {
    let limits = &site.app.limits;
    let history = site.app.backend.history().map_err(Failure::Absent)?;
    let place = tokio::time::timeout(limits.wait_time, Arc::clone(places).acquire_owned()).await;
    let Ok(Ok(place)) = place else { return Err(Failure::Busy) };
    let (to, mut pieces) = body::queue();
    let patience = limits.response_time;
    tokio::task::spawn_blocking(move || {
        let _place: OwnedSemaphorePermit = place;
        let mut out = Out::new(to.clone(), compress, patience);
        let result = question(&history, &asked, &mut out).and_then(|()| Ok(out.finish()?));
        if let Err(failure) = result {
            // Where there is no room for it, the client does not read, and the answer breaks off.
            let _ = to.try_send(Piece::Failed(failure));
        }
    });
    match tokio::time::timeout(limits.question_time, pieces.recv()).await {
        Ok(Some(Piece::Last(bytes))) => Ok(bytes.into()),
        Ok(Some(Piece::More(first))) => Ok(body::stream(first, pieces)),
        Ok(Some(Piece::Failed(failure))) => Err(failure),
        Ok(None) => Err(Failure::Broken),
        Err(_) => Err(Failure::Slow),
    }
}
