//! Where a PostgreSQL is.

use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use super::tls::Trust;
use crate::census::CensusError;

/// How long a connection may take to be made, if the address does not say.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// When a peer that says nothing is given up.
const PEER_TIMEOUT: Duration = Duration::from_secs(30);

/// Where a PostgreSQL is, and how to speak to it.
pub(super) struct Address {
    pub(super) config: Config,
    pub(super) trust: Trust,
    /// It without user and password, for messages.
    pub(super) shown: String,
}

impl std::fmt::Debug for Address {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.shown)
    }
}

impl Address {
    pub(super) fn parse(url: &str) -> Result<Self, CensusError> {
        // No piece of the address is repeated: any could be one of a password with odd characters.
        let bad = |why: &str| CensusError::BadUrl { why: why.to_owned() };
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(bad("it does not begin with postgres://"));
        }
        let (rest, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut mode, mut root) = (None, None);
        let mut others = Vec::new();
        for option in query.split('&').filter(|option| !option.is_empty()) {
            match option.split_once('=') {
                Some(("sslmode", value)) => mode = Some(value),
                Some(("sslrootcert", value)) => root = Some(PathBuf::from(unescape(value))),
                _ => others.push(option),
            }
        }
        let (mode, trust) = match mode {
            Some("disable") => (SslMode::Disable, Trust::Anybody),
            None | Some("allow" | "prefer") => (SslMode::Prefer, Trust::Anybody),
            // As in libpq: without authorities to ask, encrypted is all that it can be.
            Some("require") if root.is_none() => (SslMode::Require, Trust::Anybody),
            Some("require" | "verify-ca") => (SslMode::Require, Trust::Authority(root)),
            Some("verify-full") => (SslMode::Require, Trust::Name(root)),
            Some(_) => {
                return Err(bad("sslmode is none of disable, prefer, require, verify-ca, verify-full"));
            }
        };
        let query = if others.is_empty() { String::new() } else { format!("?{}", others.join("&")) };
        let mut config: Config = format!("{rest}{query}").parse().map_err(|_| {
            bad("it is not user, password, host, port and database, with odd characters as %XX")
        })?;
        config.ssl_mode(mode).application_name("plimsoll").tcp_user_timeout(PEER_TIMEOUT);
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        let hosts = config.get_hosts().iter().map(|host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        });
        let host = hosts.collect::<Vec<_>>().join(",");
        if host.is_empty() {
            return Err(bad("it names no host"));
        }
        let port = config.get_ports().first().copied().unwrap_or(5432);
        let database = config.get_dbname().or(config.get_user()).unwrap_or("postgres");
        let shown = format!("postgres://{host}:{port}/{database}");
        Ok(Self { config, trust, shown })
    }

    /// An error of the database. What may pass by itself, or was cut short, is told from what will be refused again.
    pub(super) fn failed(&self, doing: &'static str, source: tokio_postgres::Error) -> CensusError {
        let database = self.shown.clone();
        // Classes of <https://www.postgresql.org/docs/15/errcodes-appendix.html>: connections, a transaction that has to
        // be repeated, resources (a full disk), an administrator or a crash, a lock; and a server that only reads.
        let passes = source.code().is_none_or(|code| {
            let code = code.code();
            ["08", "40", "53", "57", "58"].iter().any(|class| code.starts_with(class))
                || ["55P03", "25006"].contains(&code)
        });
        if passes {
            CensusError::Unavailable { database, source: source.into() }
        } else {
            CensusError::Refused { doing, database, source: source.into() }
        }
    }

    pub(super) fn unavailable(
        &self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> CensusError {
        CensusError::Unavailable { database: self.shown.clone(), source: source.into() }
    }
}

/// Undoes `%XX`.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()).filter(|_| *byte == b'%') {
            Some(code) => {
                bytes.push(code);
                rest = &after[2..];
            }
            None => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_first_version_are_understood_and_passwords_are_not_shown() {
        let address =
            Address::parse("postgres://postgres:s%40cret@db.example:5433/telemetry?sslmode=disable").unwrap();
        assert_eq!(address.shown, "postgres://db.example:5433/telemetry");
        assert_eq!(address.config.get_password(), Some(&b"s@cret"[..]));
        assert_eq!(address.config.get_ssl_mode(), SslMode::Disable);
        assert!(!format!("{address:?}").contains("cret"));
        for (mode, expected, trust) in [
            ("", SslMode::Prefer, Trust::Anybody),
            ("?sslmode=prefer", SslMode::Prefer, Trust::Anybody),
            ("?sslmode=require&connect_timeout=3", SslMode::Require, Trust::Anybody),
            ("?sslmode=require&sslrootcert=/a%20b", SslMode::Require, Trust::Authority(Some("/a b".into()))),
            ("?sslmode=verify-full", SslMode::Require, Trust::Name(None)),
        ] {
            let address = Address::parse(&format!("postgresql://u@h/d{mode}")).unwrap();
            assert_eq!((address.config.get_ssl_mode(), &address.trust), (expected, &trust), "{mode}");
        }
    }

    #[test]
    fn no_error_repeats_the_address() {
        for url in [
            "mysql://u:secret@h/d",
            "postgres://u:secret@h/d?sslmode=secret",
            "postgres://u:sec/ret@h/d?secret=1",
            "postgres://u:secret@h:secret/d",
            "postgres://u:secret@/d",
        ] {
            let error = Address::parse(url).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("sec"), "{error:?}");
        }
    }
}
