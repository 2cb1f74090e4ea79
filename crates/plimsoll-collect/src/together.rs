//! What the watchers of one agent share: names that differ, engines that are listened to once, and the moment
//! at which all of them have had their first look.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use plimsoll_engine::{Endpoint, Flavour};

use crate::inbox::Inbox;

/// How an engine is called in labels: by its family, and by what tells it from others of that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Naming {
    /// The family that it is thought to belong to until it says so; Docker if nothing tells.
    pub flavour: Option<Flavour>,
    /// What tells it from others of its family, such as `1000` or `colima`; empty for the usual one.
    pub qualifier: String,
}

impl Naming {
    pub(crate) fn name(&self, flavour: Flavour) -> Arc<str> {
        match &*self.qualifier {
            "" => flavour.name().into(),
            qualifier => format!("{}-{qualifier}", flavour.name()).into(),
        }
    }
}

/// Who listens to which engine, by the id that the engine gives itself. Watchers of one agent share it, so
/// that an engine with two addresses is listened to once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Claims(Arc<Mutex<BTreeMap<String, Endpoint>>>);

impl Claims {
    /// Claims an engine. Returns the address at which somebody else listens to it.
    pub(crate) fn claim(&self, id: &str, endpoint: &Endpoint) -> Result<(), Endpoint> {
        let mut claims = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match claims.get(id) {
            Some(other) if other != endpoint => Err(other.clone()),
            _ => {
                claims.retain(|_, holder| holder != endpoint);
                claims.insert(id.to_owned(), endpoint.clone());
                Ok(())
            }
        }
    }

    /// Gives up what this address held.
    pub(crate) fn release(&self, endpoint: &Endpoint) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, holder| holder != endpoint);
    }
}

/// Several who each have a first look; when the last of them is done, the sampler is told.
#[derive(Clone, Debug)]
pub(crate) struct FirstLook {
    inbox: Arc<Inbox>,
    /// Everybody who is not done holds one.
    pending: Arc<()>,
}

impl FirstLook {
    pub(crate) fn new(inbox: Arc<Inbox>) -> Self {
        Self { inbox, pending: Arc::default() }
    }
}

impl Drop for FirstLook {
    fn drop(&mut self) {
        if Arc::strong_count(&self.pending) == 1 {
            self.inbox.synchronised();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_with_two_addresses_is_claimed_once() {
        let endpoint = |text: &str| text.parse::<Endpoint>().unwrap();
        let (socket, tcp) = (endpoint("/run/docker.sock"), endpoint("tcp://localhost:2375"));
        let claims = Claims::default();
        assert_eq!(claims.claim("a", &socket), Ok(()));
        assert_eq!(claims.claim("a", &tcp), Err(socket.clone()));
        assert_eq!(claims.claim("a", &socket), Ok(()), "after a reconnection");
        assert_eq!(claims.claim("b", &socket), Ok(()), "another engine behind the same socket");
        assert_eq!(claims.claim("a", &tcp), Ok(()));
        claims.release(&socket);
        assert_eq!(claims.claim("b", &tcp), Ok(()));
    }
}
