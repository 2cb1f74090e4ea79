//! Batches into NATS JetStream: each is one message to a subject, acknowledged by the stream that keeps it.
//!
//! NATS alone forgets whom nobody listens to; a stream of JetStream keeps what comes to its subjects, on as many servers as it has
//! replicas, and acknowledges a message once most of them have it. Nothing counts as delivered before that.
//!
//! **Each message once.** A message has the header `Nats-Msg-Id`, made of what it says ([`message_id`]), so a retry has the
//! same one, also after a restart, and the stream drops it as a duplicate if the first attempt got through after all. It does so within
//! its duplicate window (2 minutes, unless the stream says otherwise): one that is as long as the longest outage makes deliveries exact.
//!
//! **The connection** is made with the first batch, kept, and made anew by the client library with whichever server of the cluster
//! answers. What was under way when it broke is sent again at once, not after a timeout. Secrets are read whenever it is made.
//!
//! **A refusal** is told in the words of HTTP, which the [courier](crate::courier) understands: 404 where no stream has the subject,
//! 401 and 403 where name or permissions are wrong, 413 where a message is too large, and 503 for all that may pass. JetStream does not look
//! into messages, so none is ever refused for what is in it.
//!
//! ```no_run
//! use plimsoll_deliver::Transport;
//! use plimsoll_deliver::config::{TargetConfig, TargetKind};
//!
//! let config = TargetConfig {
//!     url: "nats://one:4222,nats://two:4222".to_owned(),
//!     subject: "plimsoll.metrics".to_owned(),
//!     ..TargetConfig::new("queue", TargetKind::Nats)
//! };
//! let transport = Transport::new(&config, || Box::new(std::io::sink()))?;
//! # Ok::<(), plimsoll_deliver::TargetError>(())
//! ```

mod answer;
mod connection;

use std::fmt;
use std::future::IntoFuture as _;
use std::str::FromStr as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_nats::jetstream::context::PublishError;
use async_nats::jetstream::message::PublishMessage;
use async_nats::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::{Instant, timeout_at};
use xxhash_rust::xxh3::Xxh3;

use self::answer::Outcome;
use self::connection::{Connection, Connector};
use crate::config::TargetConfig;
use crate::courier::Outgoing;
use crate::error::TargetError;
use crate::format::Coding;
use crate::http::content_type;
use crate::verdict::{Answer, Fault};

/// Publishes batches to one subject.
pub struct NatsTransport {
    connector: Connector,
    target: String,
    subject: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    timeout: Duration,
    duplicates: AtomicU64,
}

impl fmt::Debug for NatsTransport {
    /// Without headers, whose values nobody is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsTransport")
            .field("target", &self.target)
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}

impl NatsTransport {
    /// A client for a target. Nothing is connected yet.
    ///
    /// # Errors
    /// If an address, the subject, a header or a certificate cannot be used.
    pub fn new(config: &TargetConfig) -> Result<Self, TargetError> {
        let is_word = |word: &str| !word.is_empty() && !word.contains(['*', '>', ' ', '\t', '\r', '\n']);
        if !config.subject.split('.').all(is_word) {
            return Err(TargetError::Nats {
                target: config.name.clone(),
                reason: format!(
                    "the subject {:?} has to be words with dots between them, without `*`, `>` and spaces",
                    config.subject
                ),
            });
        }
        let mut headers = Vec::new();
        for (name, value) in &config.headers {
            let bad = || TargetError::Header { target: config.name.clone(), header: name.clone() };
            let read = (HeaderName::from_str(name), HeaderValue::from_str(value));
            let (Ok(name), Ok(value)) = read else { return Err(bad()) };
            headers.push((name, value));
        }
        Ok(Self {
            connector: Connector::new(config)?,
            target: config.name.clone(),
            subject: config.subject.clone(),
            headers,
            timeout: config.timeout,
            duplicates: AtomicU64::new(0),
        })
    }

    /// Batches that the stream had already when they were sent once more: their first acknowledgement was lost.
    #[must_use]
    pub fn duplicates(&self) -> u64 {
        self.duplicates.load(Ordering::Relaxed)
    }

    /// Publishes a batch and waits until the stream has it.
    ///
    /// # Errors
    /// If there was no answer.
    pub async fn send(&self, outgoing: &Outgoing) -> Result<Answer, Fault> {
        let deadline = Instant::now() + self.timeout;
        match timeout_at(deadline, self.connector.connection()).await {
            Ok(Ok(connection)) => self.publish(connection, outgoing, deadline).await,
            Ok(Err(outcome)) => outcome,
            Err(_) => Err(Fault {
                reason: "connect",
                may_have_arrived: false,
                message: format!("no server could be connected to within {:?}", self.timeout),
            }),
        }
    }

    async fn publish(&self, mut connection: Connection, outgoing: &Outgoing, deadline: Instant) -> Outcome {
        let message = PublishMessage::build()
            .payload(hyper::body::Bytes::from(outgoing.body.clone()))
            .headers(self.headers(outgoing));
        let jetstream = connection.jetstream.clone();
        let exchange = async {
            let acknowledged = jetstream.send_publish(self.subject.clone(), message).await?;
            acknowledged.into_future().await
        };
        let outcome: Result<_, PublishError> = tokio::select! {
            biased;
            outcome = timeout_at(deadline, exchange) => match outcome {
                Ok(outcome) => outcome,
                Err(_) => return answer::late(self.timeout),
            },
            // The acknowledgement of what was under way comes to nobody once the connection is another.
            outcome = connection.trouble(&self.subject) => return outcome,
        };
        match outcome {
            Ok(acknowledged) => {
                self.duplicates.fetch_add(u64::from(acknowledged.duplicate), Ordering::Relaxed);
                Ok(answer::done())
            }
            Err(error) => answer::of(&error, &self.subject, self.timeout),
        }
    }

    fn headers(&self, outgoing: &Outgoing) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            headers.insert(name.clone(), value.clone());
        }
        headers.insert("Nats-Msg-Id", message_id(&self.target, outgoing));
        headers.insert("Content-Type", content_type(outgoing.format.content));
        if outgoing.format.coding != Coding::None {
            headers.insert("Content-Encoding", outgoing.format.coding.name());
        }
        headers.insert("Plimsoll-Format", outgoing.format.name());
        headers.insert("Plimsoll-Points", outgoing.points.to_string());
        headers
    }
}

/// By what a stream recognises a batch that it has already: a hash of the target's name, the part of the batch, and the body, as
/// 32 hexadecimal digits.
///
/// It is made of the bytes and not of the batch's number, because numbers begin anew when a spool is deleted.
#[must_use]
pub fn message_id(target: &str, outgoing: &Outgoing) -> String {
    let mut hash = Xxh3::new();
    // With its length first, a name cannot run into what follows.
    hash.update(&(target.len() as u64).to_le_bytes());
    hash.update(target.as_bytes());
    hash.update(&outgoing.part.0.to_le_bytes());
    hash.update(&outgoing.part.1.to_le_bytes());
    hash.update(&outgoing.body);
    format!("{:032x}", hash.digest128())
}

#[cfg(test)]
mod tests;
