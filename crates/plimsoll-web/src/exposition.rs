//! Encoded and compressed expositions, and the bounds on how many there are.
//!
//! ```
//! use plimsoll_web::exposition::{accepts_gzip, gzip};
//!
//! assert!(accepts_gzip(Some("deflate, gzip;q=0.5")));
//! assert!(!accepts_gzip(Some("gzip;q=0, *")));
//! assert!(gzip(&[b'x'; 10_000], Vec::new()).len() < 200);
//! ```

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use plimsoll_model::{Selection, Snapshot};
use plimsoll_wire::prometheus::{Format, encode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::Limits;

/// The level of compression: what it costs is processor time on the machine that is measured. Levels
/// above take longer by more than they save; `cargo bench -p plimsoll-web` compares them.
pub const LEVEL: u32 = 1;

/// Whether an `Accept-Encoding` header allows gzip. What it does not speak of is not wanted.
#[must_use]
pub fn accepts_gzip(header: Option<&str>) -> bool {
    let (mut named, mut any) = (None, None);
    for coding in header.unwrap_or("").split(',') {
        let mut parts = coding.split(';').map(str::trim);
        let name = parts.next().unwrap_or("");
        let quality = parts.find_map(|part| {
            let (key, value) = part.split_once('=')?;
            key.trim().eq_ignore_ascii_case("q").then(|| value.trim().parse::<f32>().unwrap_or(0.0))
        });
        let is_wanted = quality.unwrap_or(1.0) > 0.0;
        if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") {
            named = named.or(Some(is_wanted));
        } else if name == "*" {
            any = any.or(Some(is_wanted));
        }
    }
    named.or(any).unwrap_or(false)
}

/// Appends `bytes`, compressed as a gzip member, to `out`.
///
/// # Panics
///
/// Never: a vector takes every byte.
#[must_use]
pub fn gzip(bytes: &[u8], out: Vec<u8>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(out, Compression::new(LEVEL));
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.expect("a vector takes every byte")
}

/// Makes expositions, a few at a time, in buffers that are used again.
pub(crate) struct Expositions {
    encoders: Arc<Semaphore>,
    places: Arc<Semaphore>,
    plain: Arc<Pool>,
    packed: Arc<Pool>,
}

/// The right to make one exposition.
pub(crate) struct Turn {
    /// Held until the exposition has been sent.
    place: OwnedSemaphorePermit,
    /// Held while it is encoded.
    encoder: OwnedSemaphorePermit,
}

impl Expositions {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            encoders: Arc::new(Semaphore::new(limits.encoders)),
            places: Arc::new(Semaphore::new(limits.expositions)),
            plain: Arc::new(Pool::new(limits.encoders)),
            packed: Arc::new(Pool::new(limits.encoders)),
        }
    }

    /// Waits for a turn; `None` where there will be none any more.
    pub(crate) async fn turn(&self) -> Option<Turn> {
        let place = Arc::clone(&self.places).acquire_owned().await.ok()?;
        let encoder = Arc::clone(&self.encoders).acquire_owned().await.ok()?;
        Some(Turn { place, encoder })
    }

    /// Encodes outside the asynchronous workers; `None` where the encoder panicked.
    pub(crate) async fn make(
        &self,
        turn: Turn,
        snapshot: Arc<Snapshot>,
        format: Format,
        selection: Selection,
        compress: bool,
    ) -> Option<Bytes> {
        let (plain, packed) = (Arc::clone(&self.plain), Arc::clone(&self.packed));
        let work = move || {
            let Turn { place, encoder } = turn;
            let mut bytes = plain.take();
            encode(format, &snapshot, &selection, &mut bytes);
            drop(snapshot);
            let body = if compress {
                let packed_bytes = gzip(&bytes, packed.take());
                plain.give(bytes);
                Exposition { bytes: packed_bytes, home: packed, _place: place }
            } else {
                Exposition { bytes, home: plain, _place: place }
            };
            drop(encoder);
            Bytes::from_owner(body)
        };
        tokio::task::spawn_blocking(work).await.ok()
    }
}

/// A body that gives its buffer back when it has been sent.
struct Exposition {
    bytes: Vec<u8>,
    home: Arc<Pool>,
    _place: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Exposition {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Exposition {
    fn drop(&mut self) {
        self.home.give(std::mem::take(&mut self.bytes));
    }
}

/// A few buffers, used again. A new one for each scrape would be memory that the kernel clears each time.
struct Pool {
    buffers: Mutex<Vec<Vec<u8>>>,
    most: usize,
}

impl Pool {
    fn new(most: usize) -> Self {
        Self { buffers: Mutex::default(), most }
    }

    fn take(&self) -> Vec<u8> {
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn give(&self, mut buffer: Vec<u8>) {
        // One that has become much too large is not kept.
        if buffer.capacity() / 4 > buffer.len() {
            return;
        }
        buffer.clear();
        let mut buffers = self.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        if buffers.len() < self.most {
            buffers.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_sent_to_those_who_take_it() {
        for header in [
            "gzip",
            "GZIP",
            "x-gzip",
            "gzip, deflate, br",
            "br;q=1.0, gzip;q=0.8, *;q=0.1",
            "*",
            "gzip ; q=0.001",
        ] {
            assert!(accepts_gzip(Some(header)), "{header}");
        }
        for header in
            ["", "identity", "gzip;q=0", "gzip; q=0.0, *;q=1", "*;q=0", "br", "gzip;q=x", "gzipped", ";;,,=="]
        {
            assert!(!accepts_gzip(Some(header)), "{header}");
        }
        assert!(!accepts_gzip(None));
    }

    #[test]
    fn a_pool_keeps_few_buffers_and_none_that_is_too_large() {
        let pool = Pool::new(2);
        for _ in 0..5 {
            pool.give(vec![0; 100]);
        }
        assert_eq!(pool.buffers.lock().unwrap().len(), 2);
        assert!(pool.take().capacity() >= 100);
        let mut large = Vec::with_capacity(1 << 20);
        large.push(1);
        pool.give(large);
        assert_eq!(pool.buffers.lock().unwrap().len(), 1);
    }
}
