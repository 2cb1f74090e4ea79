//! Everything that a client can make the server hold, with its bound.

use std::time::Duration;

/// The bounds of the server. Tests use shorter ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time. A further one takes the place of one that waits for nothing, and waits itself where all are
    /// being answered.
    pub connections: usize,
    /// Bytes of a request's line and headers; more is answered with 431.
    pub header_bytes: usize,
    /// Time for the handshake of TLS.
    pub handshake_time: Duration,
    /// Time for a request's line and headers to arrive, from their first byte, or for the first request from
    /// the connection's start or the end of its handshake.
    pub header_time: Duration,
    /// Time for which a connection may stay open between requests.
    pub idle_time: Duration,
    /// Time from a request's last header to its response's last byte. A client that does not read is cut.
    pub response_time: Duration,
    /// Time to wait for a snapshot, and for a turn to encode it, before 503 is the answer.
    pub wait_time: Duration,
    /// Expositions that are encoded at a time.
    pub encoders: usize,
    /// Expositions in memory at a time, from encoding to the last byte sent.
    pub expositions: usize,
    /// Questions to the history that are answered at a time, from reading to the last byte sent.
    pub questions: usize,
    /// Time to wait for the first bytes of an answer from the history before 503 is the answer.
    pub question_time: Duration,
    /// Exports of the history at a time. They may take long, so they have places of their own.
    pub exports: usize,
    /// Time that an export may take in all. Each of its pieces has [`Limits::response_time`] to be taken.
    pub export_time: Duration,
    /// Time to wait for the verdicts of targets that are told to send what waits.
    pub flush_time: Duration,
    /// Time that open connections have to finish after the signal to stop.
    pub grace_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            header_bytes: 16 * 1024,
            handshake_time: Duration::from_secs(4),
            header_time: Duration::from_secs(10),
            idle_time: Duration::from_secs(60),
            response_time: Duration::from_secs(30),
            wait_time: Duration::from_secs(5),
            encoders: 2,
            expositions: 16,
            questions: 4,
            question_time: Duration::from_secs(20),
            exports: 2,
            export_time: Duration::from_secs(600),
            flush_time: Duration::from_secs(25),
            grace_time: Duration::from_millis(500),
        }
    }
}
