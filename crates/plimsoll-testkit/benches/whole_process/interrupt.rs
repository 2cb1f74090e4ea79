//! Ctrl-C and SIGTERM: whoever waits is told, so that everything ends in order and containers are removed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::bail;
use tokio::signal::unix::{SignalKind, signal};

/// How often whoever waits looks up.
const LOOK: Duration = Duration::from_millis(50);

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Starts to listen, in a thread of its own.
pub(crate) fn listen() {
    std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime for signals").block_on(async {
            let mut terminate = signal(SignalKind::terminate()).expect("to listen for SIGTERM");
            let mut interrupt = signal(SignalKind::interrupt()).expect("to listen for Ctrl-C");
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            INTERRUPTED.store(true, Ordering::Relaxed);
        });
    });
}

/// Waits, and fails soon after a signal has come.
pub(crate) fn pause(time: Duration) -> anyhow::Result<()> {
    let end = Instant::now() + time;
    loop {
        if INTERRUPTED.load(Ordering::Relaxed) {
            bail!("interrupted");
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(LOOK));
    }
}
