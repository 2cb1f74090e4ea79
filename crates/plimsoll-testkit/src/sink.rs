//! A target of delivery that notes what it is sent, answers by a script, and fails on request.
//!
//! ```
//! use plimsoll_testkit::client::Client;
//! use plimsoll_testkit::sink::{Answer, Sink};
//!
//! let sink = Sink::start();
//! // A server that is busy for one request, and then takes everything but other paths.
//! sink.next([Answer::new(503).header("Retry-After", "1")]);
//! sink.answer(|request| Answer::new(if request.path == "/write" { 204 } else { 404 }));
//!
//! let client = Client::new(sink.address());
//! for expected in [503, 204] {
//!     let answer = client.post("/write?db=metrics", &[], b"cpu usage=1 5\n").unwrap();
//!     assert_eq!(answer.status, expected);
//! }
//! let requests = sink.requests();
//! assert_eq!((requests.len(), requests[1].query("db"), requests[1].text()), (2, Some("metrics"), "cpu usage=1 5\n"));
//! ```

mod answer;
mod reader;
mod request;
mod server;
mod tls;

use std::collections::VecDeque;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::watch;

use crate::port::Port;
use crate::wait_until;

pub use answer::Answer;
pub use request::Request;
pub use tls::{Tls, TlsOptions};

type Script = Arc<dyn Fn(&Request) -> Answer + Send + Sync>;

/// How connections are treated, before anything is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connections {
    /// As by a server that works.
    Serve,
    /// Once so many bytes of a request have come, head included, the connection is reset. With 0, at once.
    Reset(usize),
    /// Connections are taken, and nothing is read or answered.
    Deaf,
}

/// A running sink. It ends when it is dropped.
pub struct Sink {
    port: Port,
    shared: Arc<Shared>,
    tls: Option<Tls>,
    running: Option<(watch::Sender<bool>, JoinHandle<()>)>,
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sink").field("address", &self.address()).finish_non_exhaustive()
    }
}

struct Shared {
    state: Mutex<State>,
    /// Changes when all open connections are to be closed.
    kick: watch::Sender<u64>,
}

struct State {
    requests: Vec<Arc<Request>>,
    /// How many requests came whole, forgotten ones included.
    number: usize,
    cut: usize,
    accepted: usize,
    next: VecDeque<Answer>,
    script: Script,
    connections: Connections,
    keeps_bodies: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl Sink {
    /// Starts one that answers 204 to everything.
    ///
    /// # Panics
    /// If it cannot listen.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(None)
    }

    /// Starts one behind TLS, with an authority of its own, that wants a client's certificate by the same authority.
    ///
    /// # Panics
    /// If it cannot listen.
    #[must_use]
    pub fn start_tls() -> Self {
        Self::start_tls_with(TlsOptions { wants_client: true, ..TlsOptions::default() })
    }

    /// Starts one behind TLS, with an authority of its own, that is as `options` say.
    ///
    /// # Panics
    /// If it cannot listen.
    #[must_use]
    pub fn start_tls_with(options: TlsOptions) -> Self {
        Self::start_with(Some(Tls::new(options)))
    }

    fn start_with(tls: Option<Tls>) -> Self {
        let state = State {
            requests: Vec::new(),
            number: 0,
            cut: 0,
            accepted: 0,
            next: VecDeque::new(),
            script: Arc::new(|_| Answer::new(204)),
            connections: Connections::Serve,
            keeps_bodies: true,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), kick: watch::Sender::new(0) });
        let mut sink = Self { port: Port::reserve(), shared, tls, running: None };
        sink.restart();
        sink
    }

    /// Where it listens, also after a restart.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Where it listens: `http://127.0.0.1:PORT`, or `https://localhost:PORT` with TLS.
    #[must_use]
    pub fn url(&self) -> String {
        match self.tls {
            None => format!("http://{}", self.address()),
            Some(_) => format!("https://localhost:{}", self.port.number()),
        }
    }

    /// What clients need to talk to it, if it is behind TLS.
    #[must_use]
    pub fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    /// From now on, requests are answered like this. The script runs in the sink's thread and must not wait; one that
    /// panics closes the connection.
    pub fn answer(&self, script: impl Fn(&Request) -> Answer + Send + Sync + 'static) {
        self.shared.state().script = Arc::new(script);
    }

    /// The next requests get these answers, in this order and after those that are still to be given; then the script
    /// goes on.
    pub fn next(&self, answers: impl IntoIterator<Item = Answer>) {
        self.shared.state().next.extend(answers);
    }

    /// From now on, connections are treated like this, open ones included.
    pub fn set_connections(&self, connections: Connections) {
        self.shared.state().connections = connections;
        if connections != Connections::Serve {
            self.drop_connections();
        }
    }

    /// Closes every open connection, and goes on listening.
    pub fn drop_connections(&self) {
        self.shared.kick.send_modify(|kick| *kick += 1);
    }

    /// Stops: closes every connection, and new ones are refused. Requests and script stay.
    pub fn stop(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            stop.send_replace(true);
            thread.join().ok();
        }
    }

    /// Starts again on the same port, after stopping if it still runs.
    ///
    /// # Panics
    /// If it cannot listen.
    pub fn restart(&mut self) {
        self.stop();
        let listener = TcpListener::bind(self.address()).unwrap();
        listener.set_nonblocking(true).unwrap();
        let (stop, stopped) = watch::channel(false);
        let shared = self.shared.clone();
        let acceptor = self.tls.as_ref().map(Tls::acceptor);
        let thread = std::thread::spawn(move || server::run(listener, shared, acceptor, stopped));
        self.running = Some((stop, thread));
    }

    /// Every request that came whole so far, in the order of arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<Arc<Request>> {
        self.shared.state().requests.clone()
    }

    /// How many requests came whole so far, forgotten ones included.
    #[must_use]
    pub fn count(&self) -> usize {
        self.shared.state().number
    }

    /// Waits until so many requests have come whole, and gives all that were not forgotten.
    ///
    /// # Panics
    /// If they have not come when `deadline` has passed.
    #[track_caller]
    pub fn wait_for(&self, count: usize, deadline: Duration) -> Vec<Arc<Request>> {
        wait_until(deadline, &format!("{count} requests"), || self.count() >= count);
        self.requests()
    }

    /// How many requests began and did not come whole.
    #[must_use]
    pub fn cut(&self) -> usize {
        self.shared.state().cut
    }

    /// How many connections it has accepted so far.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.shared.state().accepted
    }

    /// Forgets the requests so far. They are still counted.
    pub fn forget(&self) {
        self.shared.state().requests.clear();
    }

    /// From now on, requests are kept without bodies, and bodies are not decoded: for measurements.
    pub fn forget_bodies(&self) {
        self.shared.state().keeps_bodies = false;
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests;
