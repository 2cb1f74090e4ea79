//! What goes wrong with a question, as a status and JSON.

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use plimsoll_model::text::bounded;
use plimsoll_store::{Error, ErrorKind};
use serde_json::json;

use crate::NoHistory;

/// The most names that are offered where one is not known.
const MAX_NEAREST: usize = 3;

/// How like two names must be for one to be offered in place of the other, of 1.
const LIKENESS: f64 = 0.75;

/// The longest message, in bytes: what was asked is repeated in it.
const MAX_MESSAGE: usize = 2048;

/// What went wrong.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The question cannot be understood.
    Question { message: String, nearest: Vec<String> },
    /// The path does not exist.
    Path { nearest: Vec<String> },
    /// A method that the path does not take.
    Method,
    /// Something is to be done, and it is another site's page that says so.
    Foreign,
    /// The history says no.
    Store(Error),
    /// There is no history.
    Absent(NoHistory),
    /// Too many questions.
    Busy,
    /// The history takes too long.
    Slow,
    /// The client reads no more, so nobody hears of it.
    Unread,
    /// An answer that could not be made.
    Broken,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(_: std::io::Error) -> Self {
        Self::Unread
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        if error.is_io() { Self::Unread } else { Self::Broken }
    }
}

impl Failure {
    pub(crate) fn question(message: impl Into<String>) -> Self {
        Self::Question { message: message.into(), nearest: Vec::new() }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Question { .. } => StatusCode::BAD_REQUEST,
            Self::Path { .. } | Self::Absent(NoHistory::Off) => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Foreign => StatusCode::FORBIDDEN,
            Self::Store(error) => match error.kind() {
                ErrorKind::Bad => StatusCode::BAD_REQUEST,
                ErrorKind::NotFound => StatusCode::NOT_FOUND,
                ErrorKind::Conflict => StatusCode::CONFLICT,
                ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
                ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            },
            Self::Absent(NoHistory::Unavailable(_)) | Self::Busy | Self::Slow => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Unread | Self::Broken => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The error and what caused it, in one line.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::Question { message, .. } => message.clone(),
            Self::Path { .. } => {
                "there is no such path; /api/v1/openapi.json describes those that exist".to_owned()
            }
            Self::Method => {
                "this path takes another method: POST for /api/v1/flush, GET and HEAD for all others"
                    .to_owned()
            }
            Self::Foreign => "this is not taken from a page of another site".to_owned(),
            Self::Store(error) => chain(error),
            Self::Absent(NoHistory::Off) => {
                "this agent keeps no history: the setting `history` is `off`".to_owned()
            }
            Self::Absent(NoHistory::Unavailable(why)) => format!("the history cannot be asked: {why}"),
            Self::Busy => "too many questions are being answered; ask again in a moment".to_owned(),
            Self::Slow => {
                "the history took too long; ask for fewer containers or metrics, or a shorter range"
                    .to_owned()
            }
            Self::Unread | Self::Broken => "the answer could not be written".to_owned(),
        }
    }

    fn nearest(&self) -> &[String] {
        match self {
            Self::Question { nearest, .. }
            | Self::Path { nearest }
            | Self::Store(
                Error::NoSuchContainer { nearest, .. }
                | Error::UnknownMetric { nearest, .. }
                | Error::Ambiguous { ids: nearest, .. },
            ) => nearest,
            _ => &[],
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = self.status();
        let message = self.message();
        let body = json!({ "error": {
            "kind": word(status),
            "message": bounded(&message, MAX_MESSAGE),
            "nearest": self.nearest(),
        }});
        let mut response = (status, [(CONTENT_TYPE, super::JSON)], body.to_string()).into_response();
        if matches!(self, Self::Busy | Self::Slow) {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// The words of `error.kind`, each with its status.
pub(crate) const KINDS: &[(u16, &str, &str)] = &[
    (400, "bad_request", "The question cannot be understood, or asks for too much."),
    (403, "forbidden", "A request that does something comes from a page of another site."),
    (404, "not_found", "Nothing of that name is in the history, or this agent keeps none."),
    (
        405,
        "method_not_allowed",
        "A method that the path does not take: GET and HEAD but for one, which takes POST.",
    ),
    (409, "conflict", "Another program stands in the way, such as an agent that holds the file."),
    (500, "internal", "The answer could not be made."),
    (503, "unavailable", "The history cannot be asked for now; the message says why."),
];

fn word(status: StatusCode) -> &'static str {
    KINDS.iter().find(|(code, ..)| *code == status.as_u16()).map_or("internal", |(_, word, _)| word)
}

fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

/// Those of the names that are most like the one that was asked for.
pub(crate) fn nearest<'a>(asked: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut like: Vec<_> = names
        .map(|name| (strsim::jaro_winkler(asked, name), name))
        .filter(|(likeness, _)| *likeness >= LIKENESS)
        .collect();
    like.sort_by(|one, other| other.0.total_cmp(&one.0));
    like.into_iter().take(MAX_NEAREST).map(|(_, name)| name.to_owned()).collect()
}
