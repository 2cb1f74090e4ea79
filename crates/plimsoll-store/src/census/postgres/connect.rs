//! Connections that come back by themselves.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::MutexGuard;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, NoTls, Statement};

use super::{PATIENCE, Postgres, takeover, tls};
use crate::census::CensusError;

/// How long nobody tries to connect after it failed: at first, and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// When to try again. A database that starts needs no crowd at its door.
#[derive(Debug, Default)]
pub(super) struct Backoff(Mutex<Option<(Instant, Duration)>>);

impl Backoff {
    fn is_over(&self) -> bool {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.is_none_or(|(until, _)| Instant::now() >= until)
    }

    fn after(&self, has_failed: bool) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *state = has_failed.then(|| {
            let pause = state.map_or(FIRST_PAUSE, |(_, pause)| (pause * 2).min(LONGEST_PAUSE));
            (Instant::now() + pause, pause)
        });
    }
}

/// A connection with its prepared statements.
#[derive(Debug)]
pub(super) struct Connected {
    pub(super) client: Client,
    statements: HashMap<&'static str, Statement>,
}

impl Connected {
    /// A statement, prepared once.
    pub(super) async fn prepare(&mut self, sql: &'static str) -> Result<Statement, tokio_postgres::Error> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql).await?;
        self.statements.insert(sql, statement.clone());
        Ok(statement)
    }
}

/// A place for one connection, which one user has at a time.
#[derive(Debug, Default)]
pub(super) struct Slot(tokio::sync::Mutex<Option<Connected>>);

impl Slot {
    /// Whether nobody has it just now.
    pub(super) fn is_free(&self) -> bool {
        self.0.try_lock().is_ok()
    }
}

/// A connection that is lent. It is closed unless it is given back: whoever was interrupted may have left it within a
/// transaction, or waiting for an answer.
pub(super) struct Lent<'a> {
    place: MutexGuard<'a, Option<Connected>>,
    pub(super) on: Connected,
}

impl Lent<'_> {
    pub(super) fn give_back(mut self) {
        *self.place = Some(self.on);
    }
}

impl Postgres {
    /// Lends the connection of a place, which is made if there is none.
    pub(super) async fn lend<'a>(&self, slot: &'a Slot) -> Result<Lent<'a>, CensusError> {
        let mut place = slot.0.lock().await;
        if let Some(on) = place.take().filter(|on| !on.client.is_closed()) {
            return Ok(Lent { place, on });
        }
        let mut on = self.connect().await?;
        self.take_over(&mut on).await?;
        Ok(Lent { place, on })
    }

    /// A new connection to a database, whatever is in it.
    pub(super) async fn connect(&self) -> Result<Connected, CensusError> {
        if !self.backoff.is_over() {
            return Err(self.address.unavailable("it could not be reached a moment ago"));
        }
        // A server that hangs takes connections and says nothing.
        let connected = match tokio::time::timeout(PATIENCE, self.try_connect()).await {
            Ok(connected) => connected,
            Err(late) => Err(self.address.unavailable(late)),
        };
        self.backoff.after(connected.is_err());
        connected
    }

    async fn try_connect(&self) -> Result<Connected, CensusError> {
        let config = &self.address.config;
        // Whatever prevents a connection may be put right while this program runs.
        let failed = |error: tokio_postgres::Error| self.address.unavailable(error);
        let client = if config.get_ssl_mode() == SslMode::Disable {
            let (client, connection) = config.connect(NoTls).await.map_err(failed)?;
            tokio::spawn(watch(connection));
            client
        } else {
            let tls = tls::connector(&self.address.trust).map_err(|error| self.address.unavailable(error))?;
            let (client, connection) = config.connect(tls).await.map_err(failed)?;
            tokio::spawn(watch(connection));
            client
        };
        client.batch_execute("SET TimeZone TO 'UTC'").await.map_err(failed)?;
        Ok(Connected { client, statements: HashMap::new() })
    }

    async fn take_over(&self, on: &mut Connected) -> Result<(), CensusError> {
        let mut taken = self.taken.lock().await;
        if !*taken {
            takeover::take_over(&mut on.client, &self.address).await?;
            *taken = true;
        }
        Ok(())
    }
}

/// Runs a connection to its end. Why it ended shows in the error of whoever used it.
async fn watch(connection: impl Future<Output = Result<(), tokio_postgres::Error>>) {
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection to the census database ended");
    }
}
