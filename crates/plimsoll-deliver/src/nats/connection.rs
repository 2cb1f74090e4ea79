//! The connection to a cluster: made when it is wanted, kept, and given up when the servers want another name.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::context::ContextBuilder;
use async_nats::{
    Auth, AuthError, ClientError, ConnectErrorKind, ConnectOptions, Event, ServerAddr, ServerError,
    connection,
};
use rustls::ClientConfig;
use tokio::sync::{Mutex, watch};

use super::answer::{self, Outcome};
use crate::config::{Secret, TargetConfig};
use crate::error::TargetError;
use crate::http::read;
use crate::tls;
use crate::verdict::Fault;

/// How long one server may take to be connected to.
const CONNECT: Duration = Duration::from_secs(5);
/// How often a silent server is asked whether it is there; after three questions without an answer it is not.
const PING: Duration = Duration::from_secs(5);
/// How often it is looked whether the library has connected again.
const LOOK: Duration = Duration::from_millis(20);
/// Messages on their way to the connection. A target has no more requests under way than it has places here.
const CAPACITY: usize = 64;

/// Makes the connection, and keeps it.
pub(super) struct Connector {
    servers: Vec<ServerAddr>,
    tls: ClientConfig,
    wants_tls: bool,
    secrets: Arc<Secrets>,
    timeout: Duration,
    kept: Mutex<Option<Connection>>,
}

struct Secrets {
    username: String,
    password: Option<Secret>,
    token: Option<Secret>,
}

/// A connection, which the library makes anew when it breaks.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    pub(super) jetstream: Context,
    news: watch::Receiver<News>,
    /// How often it had broken when somebody took it.
    breaks: u64,
}

/// What became known of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct News {
    /// How often it broke.
    breaks: u64,
    /// Whether a server refused name, password or token when it was made anew.
    is_refused: bool,
    /// What a server does not permit, in its words.
    denied: Option<String>,
}

impl Connector {
    pub(super) fn new(config: &TargetConfig) -> Result<Self, TargetError> {
        let bad = |reason: &str| TargetError::Nats {
            target: config.name.clone(),
            reason: format!("an address of {} cannot be used: {reason}; write nats://HOST:PORT", config.url),
        };
        let mut servers = Vec::new();
        for url in config.url.split(',') {
            let server = url.trim().parse::<ServerAddr>().map_err(|error| bad(&error.to_string()))?;
            if server.host().is_empty() || !matches!(server.scheme(), "nats" | "tls") {
                return Err(bad("it names no server, or another protocol"));
            }
            servers.push(server);
        }
        Ok(Self {
            servers,
            tls: tls::client(config)?,
            wants_tls: config.tls != crate::config::TlsConfig::default(),
            secrets: Arc::new(Secrets {
                username: config.username.clone(),
                password: config.password.clone(),
                token: config.token.clone(),
            }),
            timeout: config.timeout,
            kept: Mutex::default(),
        })
    }

    /// The connection, once it stands. Whoever asks has to set an end to the waiting.
    pub(super) async fn connection(&self) -> Result<Connection, Outcome> {
        let mut kept = self.kept.lock().await;
        if let Some(connection) = &*kept {
            while connection.is_usable() {
                if connection.stands() {
                    let breaks = connection.news.borrow().breaks;
                    return Ok(Connection { breaks, ..connection.clone() });
                }
                tokio::time::sleep(LOOK).await;
            }
        }
        // Another name, other permissions: only a connection from the beginning tells exactly what is wrong with those, if they are.
        *kept = None;
        let connection = self.connect().await?;
        *kept = Some(connection.clone());
        Ok(connection)
    }

    async fn connect(&self) -> Result<Connection, Outcome> {
        let secrets = Arc::clone(&self.secrets);
        let (told, news) = watch::channel(News::default());
        let servers = u32::try_from(self.servers.len()).unwrap_or(u32::MAX).max(1);
        let options = ConnectOptions::with_auth_callback(move |_| {
            let auth = secrets.read();
            async { auth.map_err(|fault| AuthError::new(fault.message)) }
        })
        .name("plimsoll")
        .tls_client_config(self.tls.clone())
        .require_tls(self.wants_tls)
        .connection_timeout(CONNECT.min(self.timeout / servers))
        .ping_interval(PING)
        .client_capacity(CAPACITY)
        .event_callback(move |event| {
            told.send_if_modified(|news| news.note(&event));
            std::future::ready(())
        });
        let client =
            options.connect(&self.servers[..]).await.map_err(|error| answer::of_connecting(&error))?;
        let jetstream = ContextBuilder::new().timeout(self.timeout).build(client);
        Ok(Connection { jetstream, news, breaks: 0 })
    }
}

impl Connection {
    /// Whether it makes sense to wait for it.
    fn is_usable(&self) -> bool {
        let news = self.news.borrow();
        !news.is_refused && news.denied.is_none() && self.news.has_changed().is_ok()
    }

    fn stands(&self) -> bool {
        self.jetstream.client().connection_state() == connection::State::Connected
    }

    /// Waits for something that keeps an acknowledgement from coming.
    pub(super) async fn trouble(&mut self, subject: &str) -> Outcome {
        let breaks = self.breaks;
        let bad = |news: &News| news.breaks != breaks || news.denied.is_some();
        if let Ok(news) = self.news.wait_for(bad).await
            && let Some(told) = &news.denied
        {
            return Ok(answer::denied(subject, told));
        }
        Err(Fault {
            reason: "broken",
            may_have_arrived: true,
            message: "the connection broke before the acknowledgement".to_owned(),
        })
    }
}

impl News {
    /// Takes an event in, and says whether it means anything.
    fn note(&mut self, event: &Event) -> bool {
        let is_refusal = |text: &str| {
            let kinds = [ConnectErrorKind::AuthorizationViolation, ConnectErrorKind::Authentication];
            kinds.iter().any(|kind| kind.to_string() == text)
        };
        match event {
            Event::Disconnected => self.breaks += 1,
            Event::ServerError(ServerError::Other(text))
                if text.to_lowercase().contains("permissions violation") =>
            {
                self.denied = Some(text.clone());
            }
            Event::ClientError(ClientError::Other(text)) if is_refusal(text) => self.is_refused = true,
            _ => return false,
        }
        true
    }
}

impl Secrets {
    fn read(&self) -> Result<Auth, Fault> {
        let mut auth = Auth::new();
        auth.token = self.token.as_ref().map(read).transpose()?;
        auth.username = (!self.username.is_empty()).then(|| self.username.clone());
        auth.password = self.password.as_ref().map(read).transpose()?;
        Ok(auth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_understood() {
        let other = |text: &str| Event::ServerError(ServerError::Other(text.to_owned()));
        let denied = "Permissions Violation for Publish to \"plimsoll.metrics\"";
        let failed = |kind: ConnectErrorKind| Event::ClientError(ClientError::Other(kind.to_string()));
        for (event, expected) in [
            (Event::Disconnected, News { breaks: 1, ..News::default() }),
            (other(denied), News { denied: Some(denied.to_owned()), ..News::default() }),
            (failed(ConnectErrorKind::AuthorizationViolation), News { is_refused: true, ..News::default() }),
            (failed(ConnectErrorKind::Authentication), News { is_refused: true, ..News::default() }),
            (failed(ConnectErrorKind::Io), News::default()),
            (Event::Connected, News::default()),
            (other("stale connection"), News::default()),
        ] {
            let mut news = News::default();
            assert_eq!(news.note(&event), expected != News::default(), "{event}");
            assert_eq!(news, expected, "{event}");
        }
    }
}
