//! `GET /api/stats/…`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use plimsoll_model::text::bounded;
use plimsoll_store::census::{DatabaseView, Event, Table};
use plimsoll_wire::census::MAX_INSTALLATION_ID;
use serde::Serialize;
use serde_json::json;

use crate::access::{Access, access};
use crate::answers::{Question, ascending};
use crate::failure::{chain, failure, retry, store, unavailable};
use crate::hub::{Hub, LOADING};
use crate::parameters::{LARGEST, Parameters};

/// Answers whatever stands below `/api/stats/`.
pub(crate) async fn stats(
    State(hub): State<Arc<Hub>>,
    Path(path): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let access = access(&headers, &hub.config);
    if access == Access::Wrong {
        return wrong_key(&hub);
    }
    let answer = async {
        let given = Parameters::of(&uri)?;
        match &*path {
            "recent-events" | "database-view" if access != Access::Whole => Ok(only_with_key(&hub)),
            "recent-events" => recent_events(&hub, &given).await,
            "database-view" => database_view(&hub, &given).await,
            path => match Question::of(path, &given)? {
                Some(question) => Ok(answer(&hub, question, access == Access::Whole).await),
                None => Ok(unknown(path)),
            },
        }
    };
    answer.await.unwrap_or_else(|message: String| failure(StatusCode::BAD_REQUEST, &message))
}

async fn answer(hub: &Arc<Hub>, question: Question, is_whole: bool) -> Response {
    let Some(census) = hub.census() else {
        return retry(StatusCode::SERVICE_UNAVAILABLE, "no numbers yet; try again later", LOADING);
    };
    let Ok(_turn) = hub.turns.acquire().await else { return unavailable() };
    // A window that nobody asked for before is looked through whole.
    match tokio::task::spawn_blocking(move || census.answer(&question, is_whole)).await {
        Ok(body) => body_of(body),
        Err(_) => failure(StatusCode::INTERNAL_SERVER_ERROR, "the answer could not be made"),
    }
}

#[derive(Serialize)]
struct EventRow {
    id: i64,
    installation_id: String,
    event_type: String,
    timestamp: String,
    containers: i64,
    hosts: i64,
}

async fn recent_events(hub: &Hub, given: &Parameters) -> Result<Response, String> {
    let limit = given.number("limit", 50, 1..=1000)?;
    let since = given.number("since", 0, 0..=i64::MAX)?;
    let row = |event: Event| EventRow {
        id: event.id,
        installation_id: event.installation_id,
        event_type: event.event_type,
        timestamp: jiff::Timestamp::from_millisecond(event.timestamp_ms).unwrap_or_default().to_string(),
        containers: event.containers,
        hosts: event.hosts,
    };
    Ok(match hub.store.recent_events(limit, since).await {
        Ok(events) => body_of(json!(events.into_iter().map(row).collect::<Vec<_>>()).to_string()),
        Err(error) => refused(&error),
    })
}

async fn database_view(hub: &Hub, given: &Parameters) -> Result<Response, String> {
    let tables = Table::ALL.map(|table| (table.name(), table));
    let view = DatabaseView {
        table: given.word("table", &tables, Table::Reports)?,
        limit: given.number("limit", 100, 1..=DatabaseView::MAX_LIMIT.into())?,
        offset: given.number("offset", 0, 0..=LARGEST)?,
        sort_by: given.short("sort_by", 64)?.map(str::to_owned),
        ascending: ascending(given)?,
        installation_id: given.short("installation_id", MAX_INSTALLATION_ID)?.map(str::to_owned),
    };
    Ok(match hub.store.database_view(&view).await {
        Ok(page) => {
            let pagination = json!({ "total": page.total, "limit": view.limit, "offset": view.offset });
            let table = view.table.name();
            body_of(json!({ "table": table, "records": page.rows, "pagination": pagination }).to_string())
        }
        Err(error) => refused(&error),
    })
}

fn refused(error: &plimsoll_store::census::CensusError) -> Response {
    let answer = store(error);
    if answer.status() == StatusCode::INTERNAL_SERVER_ERROR {
        tracing::warn!("a question is not answered: {}", chain(error));
        return failure(StatusCode::INTERNAL_SERVER_ERROR, "the database cannot answer that");
    }
    answer
}

fn body_of(body: impl Into<axum::body::Body>) -> Response {
    ([(CONTENT_TYPE, "application/json")], body.into()).into_response()
}

fn wrong_key(hub: &Hub) -> Response {
    let mut answer = failure(StatusCode::UNAUTHORIZED, "the key is wrong");
    if hub.config.basic.is_some() {
        let challenge = HeaderValue::from_static("Basic realm=\"census\", charset=\"UTF-8\"");
        answer.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    answer
}

fn only_with_key(hub: &Hub) -> Response {
    if hub.config.api_key.is_none() && hub.config.basic.is_none() {
        let message = "this names installations, and is answered with the key alone; set STATS_API_KEY";
        return failure(StatusCode::FORBIDDEN, message);
    }
    let mut answer = wrong_key(hub);
    let message = "this names installations; show the key as X-API-Key or Authorization: Bearer";
    *answer.body_mut() = json!({ "error": message }).to_string().into();
    answer
}

fn unknown(path: &str) -> Response {
    let message = format!(
        "there is no /api/stats/{}; there are {}, recent-events and database-view",
        bounded(path, 64).escape_default(),
        Question::PATHS.join(", ")
    );
    failure(StatusCode::NOT_FOUND, &message)
}
