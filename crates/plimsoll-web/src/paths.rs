//! The paths of the server.

use crate::api::ENDPOINTS;

const PATHS: &[(&str, &str)] = &[
    ("/", "this page"),
    ("/metrics", "every number, for Prometheus; ?collect[]=NAME and ?exclude[]=NAME narrow it"),
    ("/health", "whether the engine is connected"),
    ("/-/healthy", "whether the agent lives"),
    ("/healthz", "the same, under the name that cAdvisor has for it"),
    ("/-/ready", "whether it has numbers to show"),
];

/// The paths with one line each, as the page and the answer to unknown paths list them.
pub(crate) fn paths() -> impl Iterator<Item = (&'static str, &'static str)> {
    PATHS.iter().copied().chain(ENDPOINTS.iter().map(|endpoint| (endpoint.path, endpoint.about)))
}
