//! What cannot be answered, in v1's form: `{"error": …}`.

use std::error::Error;
use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use plimsoll_store::census::CensusError;
use serde_json::json;

/// How long to wait before another try when the database does not answer.
const DATABASE_RETRY: Duration = Duration::from_secs(5);

/// An answer that says what is wrong.
pub(crate) fn failure(status: StatusCode, message: &str) -> Response {
    (status, [(CONTENT_TYPE, "application/json")], json!({ "error": message }).to_string()).into_response()
}

/// The same, with the time after which another try makes sense.
pub(crate) fn retry(status: StatusCode, message: &str, after: Duration) -> Response {
    let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
    let mut response = failure(status, message);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    response
}

/// The database does not answer.
pub(crate) fn unavailable() -> Response {
    let message = "the database does not answer just now; try again later";
    retry(StatusCode::SERVICE_UNAVAILABLE, message, DATABASE_RETRY)
}

/// An error of the store. What a stranger learns of it is little.
pub(crate) fn store(error: &CensusError) -> Response {
    match error {
        CensusError::NoSuchColumn { .. } | CensusError::BadReport { .. } => {
            failure(StatusCode::BAD_REQUEST, &error.to_string())
        }
        // A schema that is not known becomes known once its owner has seen to it.
        CensusError::Unavailable { .. }
        | CensusError::UnknownSchema { .. }
        | CensusError::NewerVersion { .. } => unavailable(),
        _ => failure(StatusCode::INTERNAL_SERVER_ERROR, "Failed to save telemetry"),
    }
}

/// An error with its causes, on one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
