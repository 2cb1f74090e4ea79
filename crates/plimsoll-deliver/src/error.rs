//! Why a target cannot be set up.

use std::path::PathBuf;

use crate::spool::SpoolError;

/// Why a target cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The address is none.
    #[error(
        "the target {target} has the address {url}, which cannot be read: {source}; write http://HOST:PORT"
    )]
    Address {
        /// The target.
        target: String,
        /// Its address.
        url: String,
        /// What is wrong with it.
        source: hyper::http::uri::InvalidUri,
    },
    /// A header is none.
    #[error(
        "the target {target} has a header {header} that cannot be sent: names are letters and dashes, values are printable"
    )]
    Header {
        /// The target.
        target: String,
        /// The header's name.
        header: String,
    },
    /// A certificate or key cannot be used.
    #[error("the target {target} cannot use {path}: {reason}")]
    Certificate {
        /// The target.
        target: String,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// TLS cannot be set up.
    #[error("the target {target} cannot use TLS: {reason}")]
    Tls {
        /// The target.
        target: String,
        /// Why not.
        reason: String,
    },
    /// NATS cannot be spoken to like that.
    #[error("the target {target} cannot be delivered to over NATS: {reason}")]
    Nats {
        /// The target.
        target: String,
        /// Why not.
        reason: String,
    },
    /// This program was built without it.
    #[error(
        "the target {target} is of the type {kind}, which this program was built without; build it with `--features {feature}`"
    )]
    NotBuilt {
        /// The target.
        target: String,
        /// Its type.
        kind: &'static str,
        /// The feature of the build.
        feature: &'static str,
    },
    /// Its spool is another agent's, or its folder is not ours.
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let more = next.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = next.source();
    }
    text
}
