//! What the sink answers.

use std::time::Duration;

/// An answer, and how it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) delay: Duration,
    pub(super) way: Way,
}

/// How an answer is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Whole,
    Close,
    Half,
    Slow(Duration),
    Raw,
    Reset,
    Hang,
}

impl Answer {
    /// A whole answer with this status, without a body.
    #[must_use]
    pub fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), delay: Duration::ZERO, way: Way::Whole }
    }

    /// Sends the client elsewhere.
    #[must_use]
    pub fn redirect(status: u16, location: &str) -> Self {
        Self::new(status).header("Location", location)
    }

    /// The request is taken, and the connection is reset instead of an answer: nobody knows what became of the points.
    #[must_use]
    pub fn reset() -> Self {
        Self { way: Way::Reset, ..Self::new(0) }
    }

    /// The request is taken and never answered.
    #[must_use]
    pub fn hang() -> Self {
        Self { way: Way::Hang, ..Self::new(0) }
    }

    /// These bytes and nothing else; then the connection is closed.
    #[must_use]
    pub fn garbage(bytes: impl Into<Vec<u8>>) -> Self {
        Self { way: Way::Raw, ..Self::new(0).body(bytes) }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self }
    }

    /// It comes so much later.
    #[must_use]
    pub fn delay(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// The connection is closed after it.
    #[must_use]
    pub fn close(self) -> Self {
        Self { way: Way::Close, ..self }
    }

    /// The first half of it, head included, is sent, and the connection is closed.
    #[must_use]
    pub fn half(self) -> Self {
        Self { way: Way::Half, ..self }
    }

    /// It comes byte by byte, with a pause before each.
    #[must_use]
    pub fn slow(self, pause: Duration) -> Self {
        Self { way: Way::Slow(pause), ..self }
    }

    /// As it goes over the wire.
    pub(super) fn bytes(&self) -> Vec<u8> {
        if self.way == Way::Raw {
            return self.body.clone();
        }
        let mut head = format!("HTTP/1.1 {} Scripted\r\n", self.status);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        if self.way == Way::Close {
            head += "Connection: close\r\n";
        }
        // Such answers have no body and say no length.
        if !matches!(self.status, 100..200 | 204 | 304) {
            head += &format!("Content-Length: {}\r\n", self.body.len());
        }
        [head.as_bytes(), b"\r\n", &self.body].concat()
    }
}
