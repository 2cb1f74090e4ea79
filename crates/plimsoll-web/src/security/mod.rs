//! Who may connect and ask: TLS, client certificates, passwords, bearer tokens, headers and a rate of requests.
//!
//! The configuration is the YAML file of Prometheus' exporter-toolkit ([`document`]); tokens come from files of their own.
//! [`Security`] reads them ([`rules`]), looks every two seconds whether one has changed, and puts new [`Rules`] in force
//! for the next connection and the next request. Rules that are broken are told once and change nothing; and no change takes protection
//! away from a running server, because a file that is being written looks like one that was emptied.
//!
//! Passwords, tokens, keys, hashes and the names that clients send reach neither a log nor a message.

mod caller;
mod document;
mod error;
mod files;
mod guard;
mod passwords;
mod rules;
mod secret;
mod throttle;
mod tls;
mod tokens;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};

pub use caller::{Caller, Secured};
pub use error::SecurityError;
use files::Files;
pub use guard::Login;
pub(crate) use guard::protect;
use passwords::Passwords;
pub(crate) use rules::Rules;
use rules::Sources;
use secret::Secret;
use throttle::Everybody;

/// How often files are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// Who may connect and ask; [`Security::open`] says what, and the server holds everybody to it.
#[derive(Debug)]
pub struct Security {
    sources: Sources,
    secret: Secret,
    passwords: Passwords,
    requests: Everybody,
    rules: watch::Sender<Arc<Rules>>,
    /// The files as they were read last. Whoever watches them holds the lock, so that of several servers one does.
    files: Arc<Mutex<Files>>,
}

impl Security {
    /// Reads the configuration, and files of bearer tokens. Without any of them everybody may ask, as on a loopback
    /// address.
    ///
    /// # Errors
    ///
    /// What is wrong with one of the files, and what to do about it.
    pub fn open(config: Option<PathBuf>, tokens: Vec<PathBuf>) -> Result<Self, SecurityError> {
        let sources = Sources { config, tokens };
        let secret = Secret::new()?;
        let mut files = Files::default();
        let rules = Rules::read(&sources, &secret, &mut files)?;
        Ok(Self {
            sources,
            passwords: Passwords::new(&secret),
            secret,
            requests: Everybody::default(),
            rules: watch::Sender::new(Arc::new(rules)),
            files: Arc::new(Mutex::new(files)),
        })
    }

    /// Whether connections over the network begin with TLS.
    #[must_use]
    pub fn has_tls(&self) -> bool {
        self.rules.borrow().tls.is_some()
    }

    /// Whether somebody has to show something before anything is answered: a password, a token or a certificate.
    #[must_use]
    pub fn asks(&self) -> bool {
        let rules = self.rules.borrow();
        rules.asks() || rules.wants_clients
    }

    /// The rules, now and after each change.
    pub(crate) fn rules(&self) -> watch::Receiver<Arc<Rules>> {
        self.rules.subscribe()
    }

    /// Takes changes of the files over, for as long as it is let.
    pub(crate) async fn watch(self: Arc<Self>) {
        if self.sources.config.is_none() && self.sources.tokens.is_empty() {
            return std::future::pending().await;
        }
        let mut files = Arc::clone(&self.files).lock_owned().await;
        // What was told last, so that it is told once.
        let mut trouble = None;
        loop {
            tokio::time::sleep(LOOK).await;
            let security = Arc::clone(&self);
            let looked = tokio::task::spawn_blocking(move || {
                if !files.have_changed() {
                    return (files, None);
                }
                *files = Files::default();
                let read = security.read_again(&mut files);
                (files, Some(read))
            });
            let Ok((seen, read)) = looked.await else { return std::future::pending().await };
            files = seen;
            match read {
                None => {}
                Some(Ok(rules)) => {
                    self.rules.send_replace(Arc::new(rules));
                    tracing::info!("a changed web configuration is in force");
                    trouble = None;
                }
                Some(Err(error)) if trouble.as_ref() != Some(&error) => {
                    tracing::error!(
                        "the web configuration is broken, and the last good one stays in force: {error}; {}",
                        error.remedy()
                    );
                    trouble = Some(error);
                }
                Some(Err(_)) => {}
            }
        }
    }

    fn read_again(&self, files: &mut Files) -> Result<Rules, SecurityError> {
        let rules = Rules::read(&self.sources, &self.secret, files)?;
        match rules.lacks(&self.rules.borrow()) {
            None => Ok(rules),
            Some(what) => Err(SecurityError::new(
                format!("it has no {what} any more, and a running server is not opened"),
                "start the agent again if that is meant",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_noticed_and_taken_unless_it_is_broken_or_opens_the_server() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web.yml");
        let put = |text: &str| {
            let new = folder.path().join("new");
            std::fs::write(&new, text).unwrap();
            std::fs::rename(&new, &path).unwrap();
        };
        let users = |name: &str| format!("basic_auth_users: {{{name}: '{}'}}", bcrypt::hash("x", 4).unwrap());
        put(&users("ann"));
        let security = Security::open(Some(path.clone()), Vec::new()).unwrap();
        let have_changed = || security.files.try_lock().unwrap().have_changed();
        assert!(!have_changed());
        for (text, refused) in [
            (users("bob"), None),
            (String::new(), Some("has no passwords any more")),
            ("http_server_config: {}".to_owned(), Some("has no passwords any more")),
            ("basic_auth_users: {bob: x}".to_owned(), Some("none of bcrypt")),
            ("basic_auth_users: {bob: 'x".to_owned(), Some("is no YAML")),
        ] {
            put(&text);
            assert!(have_changed(), "{text}");
            let mut files = Files::default();
            let read = security.read_again(&mut files);
            match refused {
                None => assert!(read.unwrap().users.contains_key("bob")),
                Some(what) => {
                    let error = read.unwrap_err();
                    assert!(error.to_string().contains(what), "{text}: {error}");
                    assert!(!error.remedy().is_empty());
                }
            }
            assert!(!files.have_changed(), "it is not looked at again until it changes");
        }
        std::fs::remove_file(&path).unwrap();
        let mut files = Files::default();
        assert!(security.read_again(&mut files).is_err());
        put(&users("ann"));
        assert!(files.have_changed(), "one that was away and has come");
    }
}
