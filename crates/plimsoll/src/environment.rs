//! The environment: the one place of the library that reads it.
//!
//! A library does not read its program's environment, with two exceptions. `DockerSupport::new` promises the engine that the
//! `docker` command would talk to, and `collector_factory` collectors of every engine there is and with the usual
//! variables for their defaults. Who wants none of that names an engine with `DockerSupport::connect`, or makes a
//! `CollectorFactory` of their own.

use std::path::PathBuf;

use plimsoll_engine::Surroundings;

/// Where engines are, by the variables of the `docker` and `podman` commands: `DOCKER_HOST`, `DOCKER_CONTEXT`,
/// `DOCKER_CONFIG`, `DOCKER_TLS_VERIFY`, `DOCKER_CERT_PATH`, `CONTAINER_HOST`, `XDG_RUNTIME_DIR` and `HOME`.
pub(crate) fn surroundings() -> Surroundings {
    let path = |name: &str| given(name).map(PathBuf::from);
    // An address of other characters is none; that it is none is told when it is used.
    Surroundings {
        home: path("HOME"),
        xdg_runtime_dir: path("XDG_RUNTIME_DIR"),
        docker_config: path("DOCKER_CONFIG"),
        docker_host: text("DOCKER_HOST"),
        docker_context: text("DOCKER_CONTEXT"),
        docker_tls_verify: given("DOCKER_TLS_VERIFY").is_some(),
        docker_cert_path: path("DOCKER_CERT_PATH"),
        container_host: text("CONTAINER_HOST"),
        // The user's number only makes names of engines, which nobody sees here.
        ..Surroundings::default()
    }
}

/// The variables for the defaults of collectors, with what they hold: `METRICS_COLLECTION_INTERVAL`, `METRICS_TIMEOUT` and
/// `METRICS_RETRY_ATTEMPTS`.
#[cfg(feature = "metrics")]
pub(crate) fn collectors() -> [(&'static str, Option<String>); 3] {
    ["METRICS_COLLECTION_INTERVAL", "METRICS_TIMEOUT", "METRICS_RETRY_ATTEMPTS"]
        .map(|name| (name, text(name)))
}

fn text(name: &str) -> Option<String> {
    given(name).map(|value| value.to_string_lossy().into_owned())
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one function of the library that reads the environment"
)]
fn given(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}
