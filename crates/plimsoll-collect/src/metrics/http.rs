//! Metrics that a server tells over HTTP.

mod address;
mod fetch;
pub(super) mod labels;
mod options;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use hyper::http::HeaderMap;
use plimsoll_model::Container;
use serde_json::Value;

use super::config::{BUILT_IN_LABELS, ConfigError};
use super::error::CollectorError;
use super::intake::Intake;
use super::parse::{Format, ParseError};
use super::value::{MetricType, MetricValue};
use super::work::{Collected, ContainerMetricsCollector, SystemMetricsCollector};
use address::{Address, Usual};

/// The longest answer that is read, in bytes.
pub const MAX_BODY: usize = 4 * 1024 * 1024;

/// The most headers that are sent beside the usual ones.
pub const MAX_HEADERS: usize = 32;

/// What is asked of a container whose label names no path.
pub const USUAL_PATH: &str = "/metrics";

/// Finds a container by its full id.
pub type Lookup = Arc<dyn Fn(&str) -> Option<Arc<Container>> + Send + Sync>;

/// Why a server gave no values. Values of headers that are sent, and queries of addresses, are in none of these.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// A container cannot be asked as its label says.
    #[error("asking the container {id} for {label:?}: {problem}")]
    Label {
        /// The container's short id.
        id: String,
        /// What the label says.
        label: String,
        /// Why that is no way to ask.
        problem: String,
    },
    /// There is no connection.
    #[error("connecting to {url}")]
    Connect {
        /// The address.
        url: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The connection broke, or what came through it is no HTTP.
    #[error("asking {url}")]
    Transport {
        /// The address.
        url: String,
        /// What went wrong.
        #[source]
        source: hyper::Error,
    },
    /// The answer is no success.
    #[error("asking {url}: it answered with status {status}, and said: {said}")]
    Status {
        /// The address.
        url: String,
        /// The status.
        status: u16,
        /// The beginning of the answer.
        said: String,
    },
    /// The answer is to be found elsewhere.
    #[error(
        "asking {url}: status {status} leads to {to}; that is not followed, give the address that is meant"
    )]
    Redirect {
        /// The address.
        url: String,
        /// The status.
        status: u16,
        /// The other address.
        to: String,
    },
    /// The answer is longer than [`MAX_BODY`].
    #[error("asking {url}: its answer is longer than {limit} bytes; let it tell less")]
    TooLarge {
        /// The address.
        url: String,
        /// How long it may be.
        limit: usize,
    },
    /// The answer is compressed, which nobody asked for.
    #[error("asking {url}: its answer is encoded as {encoding:?}, though that was not asked for")]
    Encoded {
        /// The address.
        url: String,
        /// The encoding.
        encoding: String,
    },
    /// The answer is no metrics.
    #[error("reading what {url} told")]
    Parse {
        /// The address.
        url: String,
        /// What is wrong with it.
        #[source]
        source: ParseError,
    },
}

/// What both kinds have in common.
struct Asking {
    headers: HeaderMap,
    intake: Intake,
}

impl Asking {
    async fn ask(&self, address: &Address) -> Result<Vec<MetricValue>, HttpError> {
        let accept = match self.intake.format {
            Format::Auto => {
                "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.7,\
                 application/json;q=0.6,*/*;q=0.1"
            }
            Format::Prometheus => {
                "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.7,*/*;q=0.1"
            }
            Format::Json => "application/json,*/*;q=0.1",
        };
        let answer = fetch::get(address, accept, &self.headers).await?;
        let values = self.intake.read(&address.shown(), &answer.body, answer.content_type.as_deref());
        values.map_err(|source| HttpError::Parse { url: address.shown(), source })
    }
}

/// Asks one address for metrics, with a `GET` over a connection of its own. `http://` only, and redirects are not followed.
///
/// Labels stay as the server tells them, also `image` or `container_id`: there is no container here that they could be
/// mistaken for the labels of.
///
/// ```
/// use plimsoll_collect::metrics::Http;
///
/// let parameters = [("url".to_owned(), "https://localhost/metrics".into())].into();
/// let error = Http::from_parameters(&parameters).unwrap_err().to_string();
/// assert!(error.contains("let a collector of type exec run curl"), "{error}");
/// ```
pub struct Http {
    address: Address,
    asking: Asking,
}

/// Without headers, which may be secrets.
impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http").field("address", &self.address.shown()).finish_non_exhaustive()
    }
}

impl Http {
    /// The address that these parameters describe: `url`; `format`, as [`Format`] has them; `prefix`, for every name; and
    /// `headers` to send, texts by name.
    ///
    /// # Errors
    /// If one of them is unknown, of the wrong type or not for a single address, or there is no `url`.
    pub fn from_parameters(parameters: &BTreeMap<String, Value>) -> Result<Self, ConfigError> {
        let (address, asking) = options::of_address(parameters)?;
        Ok(Self { address, asking })
    }
}

impl SystemMetricsCollector for Http {
    fn get_metric_types(&self) -> Vec<MetricType> {
        vec![MetricType::Custom]
    }

    async fn collect_system_metrics(&self) -> Collected {
        Ok(self.asking.ask(&self.address).await?)
    }
}

/// Asks each container that has a certain label for metrics, as that label says: `PORT`, `PORT/path`, `/path`, or a whole
/// `http://…`. The container is asked at its first network address; one on the host's network at 127.0.0.1; one that shares
/// another container's network at that one's address. An address in the label has to be one of these, so that a container
/// cannot make the agent ask somebody else. Containers without the label, and those that do not run, have no values.
///
/// Labels of the values that are called like those of containers (`name`, `image`, `id`, `container_id`, `container_name`)
/// get `exported_` put before them, as Prometheus does it: a container cannot tell of another one as if it were that.
pub struct HttpOfContainers {
    label: String,
    usual: Usual,
    asking: Asking,
    lookup: Lookup,
}

/// Without headers, which may be secrets.
impl std::fmt::Debug for HttpOfContainers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpOfContainers").field("label", &self.label).finish_non_exhaustive()
    }
}

impl HttpOfContainers {
    /// The label that these parameters describe: `container_label`, its name; `port` and `path`, for labels that name none;
    /// `format`, as [`Format`] has them; `prefix`, for every name; and `headers` to send, texts by name.
    ///
    /// # Errors
    /// If one of them is unknown, of the wrong type or not for containers, or there is no `container_label`.
    pub fn from_parameters(
        parameters: &BTreeMap<String, Value>,
        lookup: Lookup,
    ) -> Result<Self, ConfigError> {
        let (label, usual, asking) = options::of_containers(parameters)?;
        Ok(Self { label, usual, asking, lookup })
    }

    fn address(&self, label: &str, container: &Container) -> Result<Address, HttpError> {
        let found = address::of_container(label, container, &self.usual, |id| (self.lookup)(id));
        found.map_err(|problem| HttpError::Label {
            id: container.short_id().to_owned(),
            label: address::shown(label),
            problem,
        })
    }
}

impl ContainerMetricsCollector for HttpOfContainers {
    async fn collect_container_metrics(&self, container_id: &str) -> Collected {
        let Some(container) = (self.lookup)(container_id) else {
            return Err(CollectorError::NoSuchContainer { id: container_id.to_owned() }.into());
        };
        let Some(label) = container.labels.get(&self.label) else { return Ok(Vec::new()) };
        if !container.state.may_have_processes() {
            return Ok(Vec::new());
        }
        let mut values = self.asking.ask(&self.address(label, &container)?).await?;
        values.iter_mut().for_each(set_apart);
        Ok(values)
    }
}

/// Asks one container as its labels `prometheus.io/scrape` and so on say.
pub(super) struct HttpOfLabels {
    id: Arc<str>,
    asking: Asking,
    lookup: Lookup,
}

impl HttpOfLabels {
    pub(super) fn new(id: Arc<str>, lookup: Lookup) -> Self {
        let asking = Asking { headers: HeaderMap::new(), intake: Intake::of_format(Format::Prometheus) };
        Self { id, asking, lookup }
    }
}

impl SystemMetricsCollector for HttpOfLabels {
    async fn collect_system_metrics(&self) -> Collected {
        let Some(container) = (self.lookup)(&self.id) else { return Ok(Vec::new()) };
        let address =
            labels::address(&container, |id| (self.lookup)(id)).map_err(|problem| HttpError::Label {
                id: container.short_id().to_owned(),
                label: "prometheus.io/scrape".to_owned(),
                problem,
            })?;
        let mut values = self.asking.ask(&address).await?;
        values.iter_mut().for_each(set_apart);
        Ok(values)
    }
}

/// Renames labels that would be taken for the container's.
fn set_apart(value: &mut MetricValue) {
    for name in BUILT_IN_LABELS {
        if let Some(text) = value.labels.remove(name) {
            let mut other = format!("exported_{name}");
            while value.labels.contains_key(&*other) {
                other.insert_str(0, "exported_");
            }
            value.labels.insert(other.into(), text);
        }
    }
}

#[cfg(test)]
mod tests;
