//! Numbers from an engine's API.
use std::collections::BTreeSet;
use std::sync::Arc;
use plimsoll_engine::{Client, Flavour};
use tokio::sync::watch;
use crate::inbox::Inbox;
use crate::source::Origin;

/// The containers whose numbers are wanted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measured {
    pub(crate) flavour: Flavour,
    pub(crate) containers: BTreeSet<String>,
}

pub(crate) struct Asker {
    pub(crate) client: Client,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) origin: Arc<Origin>,
    pub(crate) measured: watch::Receiver<Measured>,
}

impl Asker {
    pub(crate) async fn run(self) {
        self.origin.until(true).await;
        std::future::pending::<()>().await;
    }
}
