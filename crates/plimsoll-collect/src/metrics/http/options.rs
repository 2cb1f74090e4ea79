//! The parameters of both kinds.

use std::collections::BTreeMap;

use hyper::http::uri::PathAndQuery;
use hyper::http::{HeaderMap, HeaderName, HeaderValue};
use plimsoll_model::text::{MAX_LABEL_KEY, bounded};
use serde_json::Value;

use super::address::{self, Address, Usual};
use super::{Asking, MAX_HEADERS, USUAL_PATH};
use crate::metrics::config::ConfigError;
use crate::metrics::intake::Intake;
use crate::metrics::parameters::{Parameters, mistyped, wrong};

/// The parameters.
const KNOWN: [&str; 7] = ["url", "container_label", "port", "path", "format", "prefix", "headers"];

/// Headers that are the connection's own business.
const KEPT_HEADERS: [&str; 5] = ["connection", "content-length", "te", "transfer-encoding", "upgrade"];

/// How much of what was given is shown, in bytes.
const MAX_SHOWN: usize = 64;

pub(super) fn of_address(given: &BTreeMap<String, Value>) -> Result<(Address, Asking), ConfigError> {
    let parameters = Parameters::new(given, &KNOWN)?;
    one_of_both(parameters)?;
    let Some(url) = parameters.text("url")? else {
        return Err(wrong("have no \"url\": it takes http://host:port/path"));
    };
    for name in ["port", "path"] {
        if parameters.has(name) {
            return Err(wrong(format!(
                "have {name:?}, which belongs to \"container_label\": write it into the \"url\""
            )));
        }
    }
    let shown = address::shown(url);
    let address =
        Address::parse(url).map_err(|problem| wrong(format!("have a \"url\", {shown:?}, that {problem}")))?;
    Ok((address, asking(parameters)?))
}

pub(super) fn of_containers(given: &BTreeMap<String, Value>) -> Result<(String, Usual, Asking), ConfigError> {
    let parameters = Parameters::new(given, &KNOWN)?;
    one_of_both(parameters)?;
    let label = parameters.text("container_label")?.unwrap_or_default();
    if label.is_empty() || label.len() > MAX_LABEL_KEY {
        return Err(wrong(
            "have no \"container_label\": it takes the name of a container's label, such as \"metrics.port\"",
        ));
    }
    let port = match parameters.get("port") {
        None => None,
        Some(port) => {
            match port.as_u64().and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0) {
                Some(port) => Some(port),
                None => return Err(mistyped("port", "a whole number, 1 to 65535", port)),
            }
        }
    };
    let path = parameters.text("path")?.unwrap_or(USUAL_PATH);
    let path = path.parse().ok().filter(|_| path.starts_with('/'));
    let path: PathAndQuery =
        path.ok_or_else(|| wrong("have a \"path\" that is none: it takes one like /metrics"))?;
    Ok((label.to_owned(), Usual { port, path }, asking(parameters)?))
}

fn one_of_both(parameters: Parameters<'_>) -> Result<(), ConfigError> {
    match (parameters.has("url"), parameters.has("container_label")) {
        (true, true) => {
            Err(wrong("have both \"url\" and \"container_label\": a collector takes one of them"))
        }
        (false, false) => Err(wrong(
            "have neither \"url\" nor \"container_label\": a collector takes one of them, such as \
             \"http://localhost:9100/metrics\" or \"metrics.port\"",
        )),
        _ => Ok(()),
    }
}

fn asking(parameters: Parameters<'_>) -> Result<Asking, ConfigError> {
    let given = parameters.texts_by_name("headers")?;
    if given.len() > MAX_HEADERS {
        return Err(wrong(format!("have {} \"headers\": {MAX_HEADERS} at most", given.len())));
    }
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let shown = bounded(&name, MAX_SHOWN);
        let Ok(header) = HeaderName::try_from(&name) else {
            return Err(wrong(format!("have {shown:?} in \"headers\", which is no name of a header")));
        };
        if KEPT_HEADERS.contains(&header.as_str()) {
            return Err(wrong(format!("have {shown:?} in \"headers\", which is not to be set by hand")));
        }
        let Ok(mut value) = HeaderValue::try_from(value) else {
            return Err(wrong(format!("have a value of {shown:?} in \"headers\" that no header can have")));
        };
        value.set_sensitive(true);
        headers.insert(header, value);
    }
    Ok(Asking { headers, intake: Intake::from_parameters(parameters)? })
}
