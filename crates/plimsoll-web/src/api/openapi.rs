//! The OpenAPI document: `docs/openapi.json`, and what `/api/v1/openapi.json` answers.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::endpoints::{Answer, ENDPOINTS, Endpoint};
use super::failure::KINDS;
use super::parameters::FORMATS;
use super::schemas;

/// The version of the API, not of the program: within version 1, paths, parameters and fields are added and never change.
const VERSION: &str = "1.0.0";

const ABOUT: &str = "\
What every container on this machine used, from the history that the agent keeps. Times in answers are Unix milliseconds, \
times in parameters Unix seconds, RFC 3339, or relative to now. Numbers are in the unit that stands beside them. What was \
not read is absent, or null in an array, never 0. Answers may be compressed with gzip. Programs should ignore fields that \
they do not know: later versions may have more.";

/// The document as text.
pub(crate) static TEXT: LazyLock<String> = LazyLock::new(|| format!("{:#}\n", document()));

fn document() -> Value {
    let paths: Map<_, _> = ENDPOINTS
        .iter()
        .map(|endpoint| {
            (
                endpoint.path.to_owned(),
                json!({ if endpoint.changes() { "post" } else { "get" }: operation(endpoint) }),
            )
        })
        .collect();
    let errors: Map<_, _> = KINDS
        .iter()
        .map(|(_, word, about)| {
            let content =
                json!({ "application/json": { "schema": { "$ref": "#/components/schemas/Error" } } });
            ((*word).to_owned(), json!({ "description": about, "content": content }))
        })
        .collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Plimsoll",
            "version": VERSION,
            "description": ABOUT,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "http://127.0.0.1:8003" }],
        "paths": paths,
        "components": { "schemas": schemas::shared(), "responses": errors },
    })
}

fn operation(endpoint: &Endpoint) -> Value {
    let parameters: Vec<_> = endpoint
        .parameters()
        .map(|parameter| {
            let one = (parameter.schema)();
            let schema = if parameter.repeats { json!({ "type": "array", "items": one }) } else { one };
            json!({
                "name": parameter.name,
                "in": "query",
                "description": parameter.about,
                "required": parameter.is_required,
                "schema": schema,
            })
        })
        .collect();
    let schema = (endpoint.schema)();
    let content: Map<_, _> = match endpoint.answer {
        Answer::Export(_) => FORMATS
            .iter()
            .map(|(_, format)| (format.content_type().to_owned(), json!({ "schema": schema })))
            .collect(),
        _ => Map::from_iter([(super::JSON.to_owned(), json!({ "schema": schema }))]),
    };
    let mut responses = Map::new();
    responses.insert("200".to_owned(), json!({ "description": endpoint.about, "content": content }));
    for (code, word, _) in KINDS {
        responses.insert(code.to_string(), json!({ "$ref": format!("#/components/responses/{word}") }));
    }
    json!({
        "operationId": endpoint.id,
        "summary": endpoint.about,
        "description": endpoint.details,
        "parameters": parameters,
        "responses": responses,
    })
}
