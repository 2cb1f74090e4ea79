//! Waiting for conditions.

use std::time::{Duration, Instant};

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(10);

/// Waits until `condition` is true, looking every 10 ms.
///
/// # Panics
/// With `what`, if it is not true when `deadline` has passed.
#[track_caller]
pub fn wait_until(deadline: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < deadline, "waited {deadline:?} in vain: {what}");
        std::thread::sleep(POLL);
    }
}

/// As [`wait_until`], for a condition that has to ask somebody, without blocking the runtime.
///
/// # Panics
/// With `what`, if the condition is not true when `deadline` has passed.
pub async fn wait_until_async(deadline: Duration, what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let start = tokio::time::Instant::now();
    while !condition().await {
        assert!(start.elapsed() < deadline, "waited {deadline:?} in vain: {what}");
        tokio::time::sleep(POLL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_waits_and_it_gives_up() {
        let mut looks = 0;
        wait_until(Duration::from_secs(5), "three looks", || {
            looks += 1;
            looks == 3
        });
        let gave_up = std::panic::catch_unwind(|| wait_until(Duration::ZERO, "the impossible", || false));
        let message = gave_up.unwrap_err().downcast::<String>().unwrap();
        assert!(message.contains("the impossible"), "{message}");
    }

    #[tokio::test]
    async fn so_does_the_asynchronous_one() {
        let mut looks = 0;
        let three = async || {
            looks += 1;
            looks == 3
        };
        wait_until_async(Duration::from_secs(5), "three looks", three).await;
    }
}
