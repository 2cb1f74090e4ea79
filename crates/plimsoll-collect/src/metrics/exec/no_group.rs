//! A command where there are no process groups: what it starts is not known, so only the command itself is killed.

use std::io;
use std::process::ExitStatus;

use tokio::process::{Child, ChildStderr, ChildStdout, Command};

/// A command that runs. When this is dropped, it is killed.
pub(super) struct Group {
    child: tokio::sync::Mutex<Child>,
}

impl Group {
    pub(super) fn start(command: &mut Command) -> io::Result<Self> {
        Ok(Self { child: tokio::sync::Mutex::new(command.kill_on_drop(true).spawn()?) })
    }

    /// Its standard output and error.
    pub(super) fn pipes(&mut self) -> Option<(ChildStdout, ChildStderr)> {
        let child = self.child.get_mut();
        child.stdout.take().zip(child.stderr.take())
    }

    /// Waits until the command itself has ended.
    pub(super) async fn ended(&self) {
        // What went wrong shows when it is asked for its status.
        drop(self.child.lock().await.wait().await);
    }

    /// Nobody counts processes here.
    pub(super) async fn crowd(&self, _: usize) -> usize {
        std::future::pending().await
    }

    /// Tells how the command ended.
    pub(super) async fn end(self) -> io::Result<ExitStatus> {
        self.child.into_inner().wait().await
    }
}
