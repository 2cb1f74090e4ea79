//! A line on a terminal that says how far a command is. Where standard error is no terminal, there is none.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use crate::text::printable;

/// Between two of its states.
const EVERY: Duration = Duration::from_millis(250);

/// Back to the beginning of the line, and away with what stands there.
const AWAY: &str = "\r\u{1b}[K";

/// A line that is written anew until this is dropped.
#[derive(Debug)]
pub(crate) struct Progress(Option<tokio::task::JoinHandle<()>>);

impl Progress {
    /// Shows what `state` says. Needs a tokio runtime.
    pub(crate) fn show(state: impl Fn() -> String + Send + 'static) -> Self {
        if !io::stderr().is_terminal() {
            return Self(None);
        }
        Self(Some(tokio::spawn(async move {
            loop {
                tokio::time::sleep(EVERY).await;
                write(&format!("{AWAY}{}", printable(&state())));
            }
        })))
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(task) = self.0.take() {
            task.abort();
            write(AWAY);
        }
    }
}

/// Makes room for a line that stays.
pub(super) fn make_way() {
    if io::stderr().is_terminal() {
        write(AWAY);
    }
}

fn write(text: &str) {
    // Nothing is left to tell it to when standard error is gone.
    let mut terminal = io::stderr().lock();
    let _ = terminal.write_all(text.as_bytes()).and_then(|()| terminal.flush());
}
