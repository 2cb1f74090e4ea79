//! Where the server's paths are, for who takes the place of a server that had others.

use crate::paths::paths;

/// Where the server's paths are, if not at the usual places.
///
/// ```
/// use plimsoll_web::Place;
///
/// let place = Place::new("/monitoring/", "/scrape").unwrap();
/// assert_eq!(place.prefix(), "/monitoring");
/// assert_eq!(place.metrics(), Some("/scrape"));
/// assert!(Place::new("", "/health").is_err(), "something else is there");
/// assert!(Place::new("", "/{name}").is_err());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    prefix: String,
    metrics: String,
}

impl Place {
    /// All paths below `prefix`, empty for none, and the metrics also at `metrics`, empty for nowhere else.
    ///
    /// # Errors
    /// Says what is wrong with one of them.
    pub fn new(prefix: &str, metrics: &str) -> Result<Self, String> {
        let prefix = prefix.trim_end_matches('/');
        for path in [prefix, metrics] {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte);
            let is_path = path.starts_with('/') && path.bytes().all(is_plain) && !path.contains("//");
            if !(path.is_empty() || is_path) {
                return Err("a path that begins with a slash, of letters, digits, and -_.~".to_owned());
            }
        }
        let metrics = if metrics == "/metrics" { "" } else { metrics };
        if paths().any(|(path, _)| path == metrics) || metrics.starts_with(crate::api::PREFIX) {
            return Err("a path that nothing else has".to_owned());
        }
        Ok(Self { prefix: prefix.to_owned(), metrics: metrics.to_owned() })
    }

    /// What every path begins with; empty for nothing.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Where the metrics are besides `/metrics`.
    #[must_use]
    pub fn metrics(&self) -> Option<&str> {
        (!self.metrics.is_empty()).then_some(&*self.metrics)
    }
}
