//! Answers as they go out: written by a thread that may block, taken by a connection that may be slow.
//!
//! An answer that fits into one piece is sent whole, with its length. A longer one goes piece by piece through a short
//! queue, so that it needs the memory of a few pieces however long it is, and ends when its client goes away.

use std::io::{self, Write};
use std::task::Poll;
use std::time::Duration;

use axum::body::{Body, Bytes};
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::failure::Failure;
use crate::exposition::LEVEL;

/// The size of a piece, in bytes.
pub(crate) const PIECE: usize = 64 * 1024;

/// Pieces that wait for the client.
const WAITING: usize = 4;

/// What the writing thread says.
pub(crate) enum Piece {
    /// There is more to come.
    More(Bytes),
    /// The end.
    Last(Bytes),
    /// It cannot go on.
    Failed(Failure),
}

/// A queue of pieces.
pub(crate) fn queue() -> (mpsc::Sender<Piece>, mpsc::Receiver<Piece>) {
    mpsc::channel(WAITING)
}

/// Where an answer is written to, compressed or not.
pub(crate) enum Out {
    Plain(Pieces),
    Packed(Box<GzEncoder<Pieces>>),
}

impl Out {
    /// Must be used from a blocking thread of a runtime. `patience` is for how long a client may take no piece.
    pub(crate) fn new(to: mpsc::Sender<Piece>, compress: bool, patience: Duration) -> Self {
        let pieces = Pieces { to, waiting: Vec::new(), patience, runtime: Handle::current() };
        if compress {
            Self::Packed(Box::new(GzEncoder::new(pieces, Compression::new(LEVEL))))
        } else {
            Self::Plain(pieces)
        }
    }

    /// Ends the answer.
    pub(crate) fn finish(self) -> io::Result<()> {
        let mut pieces = match self {
            Self::Plain(pieces) => pieces,
            Self::Packed(encoder) => encoder.finish()?,
        };
        let last = Piece::Last(std::mem::take(&mut pieces.waiting).into());
        pieces.send(last)
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(pieces) => pieces.write(bytes),
            Self::Packed(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Gathers bytes into pieces and sends them.
pub(crate) struct Pieces {
    to: mpsc::Sender<Piece>,
    waiting: Vec<u8>,
    patience: Duration,
    runtime: Handle,
}

impl Pieces {
    fn send(&self, piece: Piece) -> io::Result<()> {
        let sent = self.runtime.block_on(async {
            // The timer belongs to the runtime, so it is made in here.
            tokio::time::timeout(self.patience, self.to.send(piece)).await
        });
        match sent {
            Ok(Ok(())) => Ok(()),
            _ => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(PIECE - self.waiting.len().min(PIECE - 1));
        self.waiting.extend_from_slice(&bytes[..taken]);
        if self.waiting.len() >= PIECE {
            let full = std::mem::replace(&mut self.waiting, Vec::with_capacity(PIECE));
            self.send(Piece::More(full.into()))?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The body that begins with `first` and goes on with what comes. One that breaks off ends with an error, so that its
/// client does not take it for whole.
pub(crate) fn stream(first: Bytes, mut rest: mpsc::Receiver<Piece>) -> Body {
    let mut first = Some(first);
    let mut is_over = false;
    Body::from_stream(futures_util::stream::poll_fn(move |cx| {
        if let Some(piece) = first.take() {
            return Poll::Ready(Some(Ok(piece)));
        }
        if is_over {
            return Poll::Ready(None);
        }
        let piece = std::task::ready!(rest.poll_recv(cx));
        is_over = !matches!(piece, Some(Piece::More(_)));
        Poll::Ready(Some(match piece {
            Some(Piece::More(bytes) | Piece::Last(bytes)) => Ok(bytes),
            Some(Piece::Failed(failure)) => Err(io::Error::other(failure.message())),
            None => Err(io::Error::other(Failure::Broken.message())),
        }))
    }))
}
