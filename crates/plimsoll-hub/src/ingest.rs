//! `POST /api/ingest`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONNECTION, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use plimsoll_model::census::Report;
use plimsoll_web::Peer;
use plimsoll_wire::census::{DecodeError, MAX_BODY, decode};
use tokio::sync::oneshot;

use crate::failure::{chain, failure, retry, store, unavailable};
use crate::hub::Hub;
use crate::own::Refused;
use crate::rate::client;
use crate::writer::{Job, Outcome};

/// How long a report may wait for its commit. What became of it is not known then.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn ingest(State(hub): State<Arc<Hub>>, request: Request) -> Response {
    if let Some(wait) = too_many(&hub, &request) {
        hub.own.refused(Refused::Rate);
        let message = "too many reports from this address; try again later";
        return unread(retry(StatusCode::TOO_MANY_REQUESTS, message, wait));
    }
    let report = match read(request.into_body()).await {
        Ok(report) => report,
        Err(error) => {
            let is_large = matches!(error, DecodeError::TooLarge(_));
            hub.own.refused(if is_large { Refused::TooLarge } else { Refused::Invalid });
            let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST);
            let answer = failure(status, &error.to_string());
            return if is_large { unread(answer) } else { answer };
        }
    };
    let since = Instant::now();
    match keep(&hub, report).await {
        Some(Ok(ingested)) => {
            hub.store_is(Ok(()));
            hub.own.kept(ingested, since.elapsed());
            hub.changed.notify_one();
            let body = r#"{"status":"success","message":"Telemetry received"}"#;
            (StatusCode::CREATED, [(CONTENT_TYPE, "application/json")], body).into_response()
        }
        Some(Err(error)) => {
            let answer = store(&error);
            let is_database = answer.status() == StatusCode::SERVICE_UNAVAILABLE;
            hub.own.refused(if is_database { Refused::Unavailable } else { Refused::Failed });
            if is_database {
                hub.store_is(Err(&error));
            } else {
                tracing::warn!("a report is not kept: {}", chain(&*error));
            }
            answer
        }
        None => {
            hub.own.refused(Refused::Unavailable);
            unavailable()
        }
    }
}

/// How long the client has to wait for its turn, if it has.
fn too_many(hub: &Hub, request: &Request) -> Option<Duration> {
    let limiter = hub.limiter.as_ref()?;
    let Peer(peer) = request.extensions().get()?;
    limiter.take(client(peer.ip(), request.headers())?).err()
}

async fn read(body: Body) -> Result<Report, DecodeError> {
    let too_large = || DecodeError::TooLarge(format!("the body is larger than {MAX_BODY} bytes"));
    if body.size_hint().lower() > MAX_BODY as u64 {
        return Err(too_large());
    }
    // The only other error is that the client went away, who then reads no answer.
    let body = to_bytes(body, MAX_BODY).await.map_err(|_| too_large())?;
    decode(&body)
}

/// Hands a report to the writer and waits for the commit. `None` if it takes too long.
async fn keep(hub: &Hub, report: Report) -> Option<Outcome> {
    let kept = async {
        let (reply, outcome) = oneshot::channel();
        hub.jobs.send(Job { report, reply }).await.ok()?;
        outcome.await.ok()
    };
    tokio::time::timeout(PATIENCE, kept).await.ok().flatten()
}

/// The body is not read to its end, so nothing that follows it on this connection could be understood.
fn unread(mut answer: Response) -> Response {
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}
