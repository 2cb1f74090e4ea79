//! The paths and what each answers.

use std::sync::Arc;

use axum::Router;
use axum::body::HttpBody as _;
use axum::extract::{Query, Request, State};
use axum::http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, HOST, REFERRER_POLICY, RETRY_AFTER, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use plimsoll_model::Collector;
use plimsoll_model::text::bounded;
use plimsoll_wire::prometheus::{Format, negotiate};

use crate::exposition::{Expositions, accepts_gzip};
use crate::headers::all;
use crate::paths::paths;
use crate::{App, Backend, api, page};

const PLAIN: &str = "text/plain; charset=utf-8";

struct Site<B> {
    app: App<B>,
    expositions: Expositions,
}

pub(crate) fn router<B: Backend>(app: App<B>) -> Router {
    let expositions = Expositions::new(&app.limits);
    let api = api::router(app.clone());
    let place = app.place.clone();
    let mut site = Router::new()
        .route("/", get(index::<B>))
        .route("/metrics", get(metrics::<B>))
        .route("/health", get(health::<B>))
        .route("/-/healthy", get(healthy))
        .route("/healthz", get(healthy))
        .route("/-/ready", get(ready::<B>));
    if let Some(path) = place.metrics() {
        site = site.route(path, get(metrics::<B>));
    }
    let site = site
        .method_not_allowed_fallback(async || {
            say(StatusCode::METHOD_NOT_ALLOWED, "This path answers GET and HEAD only.\n")
        })
        .with_state(Arc::new(Site { app, expositions }))
        .merge(api)
        .fallback(unknown);
    let site = match place.prefix() {
        "" => site,
        prefix => {
            let elsewhere = format!("There is nothing here. Everything is below {prefix}/.\n");
            let elsewhere = async move || say(StatusCode::NOT_FOUND, elsewhere.clone());
            Router::new().nest_service(prefix, site).fallback(elsewhere)
        }
    };
    site.layer(from_fn(guard))
}

async fn healthy() -> Response {
    say(StatusCode::OK, "The agent lives.\n")
}

/// Refuses bodies, which no path wants, and adds the headers that every response has.
async fn guard(request: Request, next: Next) -> Response {
    let has_body = !request.body().is_end_stream();
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let mut response = if has_body && reads {
        say(StatusCode::PAYLOAD_TOO_LARGE, "Requests with a body are not taken.\n")
    } else {
        next.run(request).await
    };
    if has_body {
        // The body is not read, so nothing that follows it on this connection could be understood.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    let headers = response.headers_mut();
    for (name, value) in [
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'",
        ),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn metrics<B: Backend>(
    State(site): State<Arc<Site<B>>>,
    Query(query): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Response {
    let (mut only, mut without) = (Vec::new(), Vec::new());
    for (key, value) in &query {
        let list = match &**key {
            "collect[]" => &mut only,
            "exclude[]" => &mut without,
            _ => continue,
        };
        match Collector::by_name(value) {
            Some(collector) => list.push(collector),
            None => return unknown_collector(value),
        }
    }
    let format = match negotiate(all(&headers, &ACCEPT).as_deref()) {
        Format::OpenMetrics { .. } => Format::OpenMetrics { created: site.app.openmetrics_created },
        other => other,
    };
    let compress = accepts_gzip(all(&headers, &ACCEPT_ENCODING).as_deref());
    let selection = site.app.selection.narrowed(&only, &without);
    // The turn first, so that the numbers are fresh when they are written.
    let prepared = tokio::time::timeout(site.app.limits.wait_time, async {
        let turn = site.expositions.turn().await?;
        Some((turn, site.app.backend.snapshot().await))
    });
    let Ok(Some((turn, snapshot))) = prepared.await else {
        return busy();
    };
    let Some(body) = site.expositions.make(turn, snapshot, format, selection, compress).await else {
        return say(StatusCode::INTERNAL_SERVER_ERROR, "The exposition could not be written.\n");
    };
    let headers = [(CONTENT_TYPE, format.content_type()), (VARY, "Accept, Accept-Encoding")];
    let encoding = compress.then_some([(CONTENT_ENCODING, "gzip")]);
    match encoding {
        Some(encoding) => (headers, encoding, body).into_response(),
        None => (headers, body).into_response(),
    }
}

fn unknown_collector(name: &str) -> Response {
    let known: Vec<&str> = Collector::ALL.iter().map(|collector| collector.name()).collect();
    let message =
        format!("There is no collector {:?}. Known are: {}.\n", bounded(name, 64), known.join(", "));
    say(StatusCode::BAD_REQUEST, message)
}

fn busy() -> Response {
    let answer = say(
        StatusCode::SERVICE_UNAVAILABLE,
        "No numbers in time: too many requests, or the sampler is stuck.\n",
    );
    ([(RETRY_AFTER, "1")], answer).into_response()
}

async fn health<B: Backend>(State(site): State<Arc<Site<B>>>) -> Response {
    let status = site.app.backend.status();
    let (code, body) = match (status.docker_connected, status.without_engine) {
        (true, _) => (StatusCode::OK, r#"{"status":"healthy","docker":"connected"}"#),
        (false, true) => (StatusCode::OK, r#"{"status":"healthy","docker":"disconnected"}"#),
        (false, false) => {
            (StatusCode::SERVICE_UNAVAILABLE, r#"{"status":"unhealthy","docker":"disconnected"}"#)
        }
    };
    (code, [(CONTENT_TYPE, "application/json")], body).into_response()
}

async fn ready<B: Backend>(State(site): State<Arc<Site<B>>>) -> Response {
    match site.app.backend.status().waiting_for {
        None => say(StatusCode::OK, "There are numbers to show.\n"),
        Some(what) => {
            let line: String =
                bounded(&what, 1024).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            say(StatusCode::SERVICE_UNAVAILABLE, format!("Not yet: {line}\n"))
        }
    }
}

async fn index<B: Backend>(State(site): State<Arc<Site<B>>>, headers: HeaderMap) -> Response {
    let Ok(snapshot) = tokio::time::timeout(site.app.limits.wait_time, site.app.backend.snapshot()).await
    else {
        return busy();
    };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("127.0.0.1:8003");
    let page = page::render(&snapshot, &site.app.backend.status(), host, site.app.place.prefix());
    ([(CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response()
}

async fn unknown(uri: Uri) -> Response {
    if uri.path().starts_with(api::PREFIX) {
        return api::unknown(uri.path());
    }
    let mut message = "There is nothing here. These paths exist:\n\n".to_owned();
    for (path, what) in paths() {
        message.push_str(&format!("{path:<22}{}\n", if path == "/" { "a page for people" } else { what }));
    }
    say(StatusCode::NOT_FOUND, message)
}

fn say(code: StatusCode, message: impl Into<String>) -> Response {
    (code, [(CONTENT_TYPE, PLAIN)], message.into()).into_response()
}
