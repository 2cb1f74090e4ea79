//! The part of Container Census' agent API that only reads, for Census servers that scan this machine.
//!
//! | path | token | answer |
//! |---|---|---|
//! | `GET /health` | no | whether an engine answers; 503 if none does |
//! | `GET /info` | no | what the agent is |
//! | `GET /api/containers[?stats=true]` | yes | the containers, in every state |
//! | `GET /api/images` | yes | the images |
//! | `GET /api/telemetry` | yes | the counts of a report |
//! | what would change something | yes | 403: this agent only reads |
//!
//! The token comes as `X-API-Token: …` or `Authorization: Bearer …`, and is compared in a time that does not depend on
//! where it is wrong.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, Request, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// The longest token that is compared, in bytes.
pub const MAX_TOKEN: usize = 4096;

/// What a Census server asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CensusQuestion {
    /// Whether an engine answers.
    Health,
    /// What the agent is.
    Info,
    /// The containers.
    Containers {
        /// With what they use.
        stats: bool,
    },
    /// The images.
    Images,
    /// The counts of a report.
    Telemetry,
}

/// Where the answers come from.
pub trait CensusAgent: Send + Sync + 'static {
    /// The answer as JSON.
    ///
    /// # Errors
    /// Why there is none, as JSON: no engine answers.
    fn answer(&self, question: CensusQuestion) -> impl Future<Output = Result<String, String>> + Send;
}

struct Site<A> {
    agent: A,
    token: String,
}

/// The routes, for [`serve_router`](crate::serve_router). An empty token is nobody's.
pub fn census_agent_router<A: CensusAgent>(agent: A, token: String) -> Router {
    let site = Arc::new(Site { agent, token });
    let kept = Router::new()
        .route("/api/containers", get(containers::<A>))
        .route("/api/images", get(|State(site): State<Arc<Site<A>>>| tell(site, CensusQuestion::Images)))
        .route(
            "/api/telemetry",
            get(|State(site): State<Arc<Site<A>>>| tell(site, CensusQuestion::Telemetry)),
        )
        .route("/api/images/{*rest}", get(unknown).fallback(read_only))
        .route("/api/containers/{*rest}", get(unknown).fallback(read_only))
        .method_not_allowed_fallback(read_only)
        .layer(from_fn_with_state(Arc::clone(&site), with_token::<A>));
    Router::new()
        .route("/health", get(|State(site): State<Arc<Site<A>>>| tell(site, CensusQuestion::Health)))
        .route("/info", get(|State(site): State<Arc<Site<A>>>| tell(site, CensusQuestion::Info)))
        .method_not_allowed_fallback(read_only)
        .merge(kept)
        .fallback(unknown)
        .with_state(site)
        .layer(from_fn(guard))
}

async fn guard(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn with_token<A: CensusAgent>(
    State(site): State<Arc<Site<A>>>,
    request: Request,
    next: Next,
) -> Response {
    match shown(request.headers()) {
        Some(token) if is_same(token, &site.token) => next.run(request).await,
        Some(_) => refused(StatusCode::UNAUTHORIZED, "Invalid API token"),
        None => refused(StatusCode::UNAUTHORIZED, "Missing API token: X-API-Token or Authorization: Bearer"),
    }
}

/// The token that a request shows.
fn shown(headers: &HeaderMap) -> Option<&str> {
    let own = headers.get("x-api-token").and_then(|value| value.to_str().ok());
    let bearer = || headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ");
    own.or_else(bearer).map(str::trim).filter(|token| token.len() <= MAX_TOKEN)
}

/// Compares in a time that depends on the length of what was shown alone.
fn is_same(shown: &str, token: &str) -> bool {
    let token = token.as_bytes();
    let mut apart = u8::from(shown.len() != token.len() || token.is_empty());
    for (index, byte) in shown.bytes().enumerate() {
        let other = token.get(index % token.len().max(1)).copied().unwrap_or(0);
        apart = std::hint::black_box(apart | (byte ^ other));
    }
    apart == 0
}

async fn containers<A: CensusAgent>(
    State(site): State<Arc<Site<A>>>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let stats = query.get("stats").is_some_and(|value| value == "true");
    tell(site, CensusQuestion::Containers { stats }).await
}

async fn tell<A: CensusAgent>(site: Arc<Site<A>>, question: CensusQuestion) -> Response {
    match site.agent.answer(question).await {
        Ok(json) => answer(StatusCode::OK, json),
        Err(json) => answer(StatusCode::SERVICE_UNAVAILABLE, json),
    }
}

fn answer(status: StatusCode, json: String) -> Response {
    (status, [(CONTENT_TYPE, HeaderValue::from_static("application/json"))], json).into_response()
}

fn refused(status: StatusCode, what: &str) -> Response {
    answer(status, serde_json::json!({ "error": what }).to_string())
}

async fn read_only(method: Method) -> Response {
    if matches!(method, Method::GET | Method::HEAD) {
        return unknown().await;
    }
    refused(StatusCode::FORBIDDEN, "this agent is read-only: it starts, stops, changes and removes nothing")
}

async fn unknown() -> Response {
    refused(StatusCode::NOT_FOUND, "there is nothing at this path")
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use hyper::service::Service as _;
    use hyper_util::service::TowerToHyperService;

    use super::*;

    struct Fixed;

    impl CensusAgent for Fixed {
        async fn answer(&self, question: CensusQuestion) -> Result<String, String> {
            match question {
                CensusQuestion::Images => Err("\"down\"".to_owned()),
                question => Ok(format!("\"{question:?}\"")),
            }
        }
    }

    async fn ask(method: &str, path: &str, header: Option<(&str, &str)>) -> (u16, String) {
        let mut request = Request::builder().method(method).uri(path);
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        let router = census_agent_router(Fixed, "secret".to_owned());
        let response =
            TowerToHyperService::new(router).call(request.body(Body::empty()).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), 4096).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn who_shows_the_token_may_read_and_nobody_may_more() {
        let token = Some(("X-API-Token", "secret"));
        let bearer = Some(("Authorization", "Bearer secret"));
        for (method, path, header, status, part) in [
            ("GET", "/health", None, 200, "Health"),
            ("GET", "/info", None, 200, "Info"),
            ("GET", "/api/containers", token, 200, "stats: false"),
            ("GET", "/api/containers?stats=true", bearer, 200, "stats: true"),
            ("GET", "/api/telemetry", token, 200, "Telemetry"),
            ("GET", "/api/images", token, 503, "down"),
            ("GET", "/api/containers", None, 401, "Missing"),
            ("GET", "/api/containers", Some(("X-API-Token", "secreT")), 401, "Invalid"),
            ("GET", "/api/containers", Some(("X-API-Token", "secre")), 401, "Invalid"),
            ("GET", "/api/containers", Some(("X-API-Token", "")), 401, "Invalid"),
            ("GET", "/api/containers", Some(("Authorization", "Basic secret")), 401, "Missing"),
            ("POST", "/api/containers/x/stop", None, 401, "Missing"),
            ("POST", "/api/containers/x/stop", token, 403, "read-only"),
            ("DELETE", "/api/containers/x/remove?force=true", token, 403, "read-only"),
            ("POST", "/api/images/pull", token, 403, "read-only"),
            ("POST", "/api/images", token, 403, "read-only"),
            ("GET", "/api/containers/x/logs", token, 404, "nothing"),
            ("POST", "/health", None, 403, "read-only"),
            ("GET", "/", None, 404, "nothing"),
        ] {
            let (found, body) = ask(method, path, header).await;
            assert_eq!(found, status, "{method} {path} {header:?}: {body}");
            assert!(body.contains(part), "{method} {path}: {body}");
        }
    }

    #[test]
    fn an_empty_token_is_nobodys() {
        for (shown, token, same) in
            [("a", "a", true), ("", "", false), ("a", "", false), ("aa", "a", false), ("a", "aa", false)]
        {
            assert_eq!(is_same(shown, token), same, "{shown:?} {token:?}");
        }
    }
}
