//! The paths, and what every answer has.

use std::sync::Arc;

use axum::Router;
use axum::body::HttpBody as _;
use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use crate::failure::failure;
use crate::hub::Hub;
use crate::{ingest, stats};

const STATS: &str = "/api/stats/";
const INGEST: &str = "/api/ingest";

pub(crate) fn router(hub: Arc<Hub>) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .route(INGEST, post(ingest::ingest))
        .route("/api/stats/{*path}", get(stats::stats))
        .method_not_allowed_fallback(async || {
            failure(StatusCode::METHOD_NOT_ALLOWED, "reports are sent by POST, and all else is asked by GET")
        })
        .fallback(async || {
            failure(StatusCode::NOT_FOUND, "there are /api/ingest, /api/stats/…, /health, /metrics and /")
        })
        .with_state(hub)
        .layer(from_fn(guard))
}

/// Answers what browsers ask beforehand, before any key is looked at, and adds the headers that every response has.
async fn guard(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let (is_stats, is_ingest) = (path.starts_with(STATS), path == INGEST);
    let is_read = is_ingest && *request.method() == Method::POST;
    let has_body = !request.body().is_end_stream();
    let mut response = if *request.method() == Method::OPTIONS {
        let methods = if is_ingest { "POST, OPTIONS" } else { "GET, HEAD, OPTIONS" };
        let mut answer = (StatusCode::NO_CONTENT, [(ALLOW, methods)]).into_response();
        if is_stats {
            let headers = answer.headers_mut();
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD, OPTIONS"));
            let asked = HeaderValue::from_static("Authorization, X-API-Key, Content-Type");
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked);
            headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
        }
        answer
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    if has_body && !is_read {
        // The body is not read, so nothing that follows it on this connection could be understood.
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if is_stats {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    }
    for (name, value) in [
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn health(State(hub): State<Arc<Hub>>) -> Response {
    let (code, body) = if hub.is_store_up().await {
        (StatusCode::OK, r#"{"status":"healthy","database":"connected"}"#)
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, r#"{"status":"unhealthy","database":"disconnected"}"#)
    };
    (code, [(CONTENT_TYPE, "application/json")], body).into_response()
}

async fn metrics(State(hub): State<Arc<Hub>>) -> Response {
    let text = hub.own.text(hub.config.min_installations);
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

async fn index() -> Response {
    ([(CONTENT_TYPE, "text/html; charset=utf-8")], INDEX).into_response()
}

const INDEX: &str = "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Plimsoll census</title>\n\
<h1>Plimsoll census</h1>\n\
<p>Installations that were told to report here how many containers they have, and of which images, once a week. \
What all of them together use is at <a href=\"/api/stats/summary\">/api/stats/summary</a>, \
<a href=\"/api/stats/top-images\">top-images</a>, <a href=\"/api/stats/growth\">growth</a> and other paths below \
/api/stats/. No answer shows what a few installations have.</p>\n\
<p>The server's own state: <a href=\"/health\">/health</a>, <a href=\"/metrics\">/metrics</a>.</p>\n";
