//! Holds each request to the rules.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::passwords::Verdict;
use super::{Rules, Security};
use crate::Peer;

/// What supervisors ask. It tells nothing but whether the agent works, so nobody needs a password for it.
const OPEN: [&str; 4] = ["/health", "/healthz", "/-/healthy", "/-/ready"];

/// Who asks for passwords and tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login {
    /// The server, for those of the configuration.
    Server,
    /// The routes, which have a token of their own; the rest of the configuration is in force for them, too.
    Routes,
}

/// Routes behind the rules. All their paths begin with `prefix`.
pub(crate) fn protect(router: Router, security: Arc<Security>, login: Login, prefix: &str) -> Router {
    let prefix: Arc<str> = prefix.into();
    router.layer(from_fn(move |mut request: Request, next: Next| {
        let (security, prefix) = (Arc::clone(&security), Arc::clone(&prefix));
        async move {
            let rules = security.rules.borrow().clone();
            // Whoever has no address shares one.
            let nobody = Peer(SocketAddr::from(([0; 4], 0)));
            let peer = request.extensions().get().copied().unwrap_or(nobody);
            let path = request.uri().path();
            let path = path.strip_prefix(&*prefix).unwrap_or(path);
            let refused = security.refuse(&rules, login, path, request.headers(), peer).await;
            if login == Login::Server && rules.asks() {
                // It was meant for the server. Routes that ask for something of their own would take it for wrong.
                request.headers_mut().remove(AUTHORIZATION);
            }
            let mut response = match refused {
                Some(response) => response,
                None => next.run(request).await,
            };
            for (name, value) in &rules.headers {
                match value {
                    Some(value) => response.headers_mut().insert(name, value.clone()),
                    None => response.headers_mut().remove(name),
                };
            }
            response
        }
    }))
}

impl Security {
    /// The answer to a request that is not let in.
    async fn refuse(
        &self,
        rules: &Rules,
        login: Login,
        path: &str,
        headers: &HeaderMap,
        peer: Peer,
    ) -> Option<Response> {
        if OPEN.contains(&path) {
            return None;
        }
        if let Some(allowance) = rules.rate
            && let Err(wait) = self.requests.take(allowance, Instant::now())
        {
            return Some(later(StatusCode::TOO_MANY_REQUESTS, wait, "Too many requests.\n"));
        }
        if login == Login::Routes || !rules.asks() {
            return None;
        }
        match credentials(headers) {
            Some(Credentials::Token(token)) if rules.tokens.open(&token, &self.secret) => None,
            Some(Credentials::Password(name, password)) if !rules.users.is_empty() => {
                match self.passwords.verify(&rules.users, &name, &password, peer.0).await {
                    Verdict::Right => None,
                    Verdict::Wrong => Some(unauthorized(rules)),
                    Verdict::TooOften(wait) => {
                        Some(later(StatusCode::TOO_MANY_REQUESTS, wait, "Too many wrong passwords.\n"))
                    }
                    Verdict::Busy => Some(later(
                        StatusCode::SERVICE_UNAVAILABLE,
                        Duration::from_secs(1),
                        "Too many passwords are being checked.\n",
                    )),
                }
            }
            _ => Some(unauthorized(rules)),
        }
    }
}

/// What a request shows.
enum Credentials {
    Password(String, Vec<u8>),
    Token(String),
}

fn credentials(headers: &HeaderMap) -> Option<Credentials> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (given.next(), given.next()) else { return None };
    let (scheme, rest) = value.to_str().ok()?.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Credentials::Token(rest.to_owned()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(rest).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let name = String::from_utf8(decoded[..colon].to_vec()).ok()?;
    Some(Credentials::Password(name, decoded[colon + 1..].to_vec()))
}

fn unauthorized(rules: &Rules) -> Response {
    let mut response = say(StatusCode::UNAUTHORIZED, "This needs a password or a token.\n");
    // Browsers ask for what is named first.
    for (is_taken, challenge) in [
        (!rules.users.is_empty(), r#"Basic realm="plimsoll", charset="UTF-8""#),
        (!rules.tokens.is_empty(), r#"Bearer realm="plimsoll""#),
    ] {
        if is_taken {
            response.headers_mut().append(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
    }
    response
}

fn later(code: StatusCode, wait: Duration, message: &'static str) -> Response {
    let mut response = say(code, message);
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    response
}

fn say(code: StatusCode, message: &'static str) -> Response {
    (code, [(CONTENT_TYPE, "text/plain; charset=utf-8")], message).into_response()
}
