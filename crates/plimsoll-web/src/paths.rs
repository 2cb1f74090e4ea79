//! The paths of the server.

/// The paths with one line each, as the page and the answer to unknown paths list them.
pub(crate) const PATHS: &[(&str, &str)] = &[
    ("/", "this page"),
    ("/metrics", "every number, for Prometheus; ?collect[]=NAME and ?exclude[]=NAME narrow it"),
    ("/health", "whether the engine is connected"),
    ("/-/healthy", "whether the agent lives"),
    ("/-/ready", "whether it has numbers to show"),
];
