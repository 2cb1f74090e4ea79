//! What is in force: made from the files as they stand, all of it or nothing.

use std::path::PathBuf;
use std::sync::Arc;

use axum::http::{HeaderName, HeaderValue};
use rustls::ServerConfig;

use super::document::{self, Document};
use super::error::SecurityError;
use super::files::{Files, Kept};
use super::passwords::{self, Users};
use super::secret::Secret;
use super::throttle::Allowance;
use super::tls;
use super::tokens::Tokens;

/// Where the rules stand.
#[derive(Clone, Debug, Default)]
pub(super) struct Sources {
    pub(super) config: Option<PathBuf>,
    pub(super) tokens: Vec<PathBuf>,
}

/// The rules.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    pub(crate) tls: Option<Arc<ServerConfig>>,
    /// Whether connections need a certificate of the client.
    pub(super) wants_clients: bool,
    /// `None` takes a header away.
    pub(super) headers: Vec<(HeaderName, Option<HeaderValue>)>,
    pub(super) users: Users,
    pub(super) tokens: Tokens,
    pub(super) rate: Option<Allowance>,
}

impl Rules {
    /// Reads all files. `files` has those that were looked at, even where this fails.
    pub(super) fn read(sources: &Sources, secret: &Secret, files: &mut Files) -> Result<Self, SecurityError> {
        let mut rules = Self::default();
        if let Some(path) = &sources.config {
            let text = files.text(path, Kept::Open)?;
            let document = document::parse(&text).map_err(|error| error.within(path))?;
            rules.take(document, path, files).map_err(|error| error.within(path))?;
        }
        for path in &sources.tokens {
            let text = files.text(path, Kept::Secret)?;
            rules.tokens.add(&text, path, secret)?;
        }
        Ok(rules)
    }

    fn take(
        &mut self,
        document: Document,
        path: &std::path::Path,
        files: &mut Files,
    ) -> Result<(), SecurityError> {
        if let Some(tls) = &document.tls {
            self.tls = Some(tls::config(tls, path, files)?);
            self.wants_clients = tls::wants_clients(tls)?;
        }
        for (name, value) in document.headers {
            let name = HeaderName::from_bytes(name.as_bytes());
            let value = if value.is_empty() { Ok(None) } else { HeaderValue::try_from(value).map(Some) };
            let (Ok(name), Ok(value)) = (name, value) else {
                let remedy = "write plain characters";
                return Err(SecurityError::new("http_server_config.headers: a value is no header", remedy));
            };
            self.headers.push((name, value));
        }
        passwords::check(&document.users)?;
        self.users = document.users;
        self.rate = document.rate.map(|(interval, burst)| Allowance { interval, burst });
        Ok(())
    }

    /// Whether requests need a password or a token.
    pub(super) fn asks(&self) -> bool {
        !self.users.is_empty() || !self.tokens.is_empty()
    }

    /// What `other` protects with and these rules do not, in words.
    pub(super) fn lacks(&self, other: &Self) -> Option<&'static str> {
        if other.tls.is_some() && self.tls.is_none() {
            Some("TLS")
        } else if other.wants_clients && !self.wants_clients {
            Some("certificates of clients")
        } else if other.asks() && !self.asks() {
            Some("passwords")
        } else {
            None
        }
    }
}
