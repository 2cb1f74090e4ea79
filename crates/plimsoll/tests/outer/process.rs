//! The binary as a process: run to its end, or started and ended.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use plimsoll_testkit::wait_until;

/// No command that ends by itself takes longer, whatever the engine does.
pub(crate) const COMMAND_MAX: Duration = Duration::from_secs(15);

/// The user that has no rights.
pub(crate) const NOBODY: u32 = 65534;

/// The binary with these arguments and nothing in its environment.
pub(crate) fn command<T: AsRef<OsStr>>(arguments: &[T]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
    command.args(arguments).env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The same as the user without rights. Only root can do that.
pub(crate) fn command_of_nobody<T: AsRef<OsStr>>(arguments: &[T]) -> Command {
    let mut command = command(arguments);
    command.uid(NOBODY).gid(NOBODY);
    command
}

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Done {
    /// What it printed, if it succeeded.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self.out
    }

    /// Its message, if it ended with this code. It is one message: what happened, then what to do.
    #[track_caller]
    pub(crate) fn failed(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:#?}");
        assert!(!self.err.contains("panicked"), "{}", self.err);
        self.err
    }
}

/// Runs the binary to its end.
#[track_caller]
pub(crate) fn run<T: AsRef<OsStr>>(arguments: &[T]) -> Done {
    finish(command(arguments))
}

/// Runs the binary to its end with these variables.
#[track_caller]
pub(crate) fn run_with<T: AsRef<OsStr>>(variables: &[(&str, &str)], arguments: &[T]) -> Done {
    let mut command = command(arguments);
    command.envs(variables.iter().copied());
    finish(command)
}

/// Runs a command to its end.
#[track_caller]
pub(crate) fn finish(mut command: Command) -> Done {
    let mut child = Running(command.spawn().unwrap());
    let out = read_all(child.0.stdout.take().unwrap());
    let err = read_all(child.0.stderr.take().unwrap());
    let status = child.wait(COMMAND_MAX);
    Done { code: status.code(), out: out.join().unwrap(), err: err.join().unwrap() }
}

fn read_all(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    })
}

/// A process that is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Running(pub(crate) Child);

impl Running {
    /// Waits for its end.
    #[track_caller]
    pub(crate) fn wait(&mut self, deadline: Duration) -> ExitStatus {
        let mut status = None;
        wait_until(deadline, "the process ends", || {
            status = self.0.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended already is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The lines that a process wrote so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    /// Gathers the lines of a pipe.
    pub(crate) fn of(pipe: impl Read + Send + 'static) -> Self {
        let lines = Self::default();
        let gathered = Arc::clone(&lines.0);
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                gathered.lock().unwrap().push(line);
            }
        });
        lines
    }

    /// The lines that contain a text.
    pub(crate) fn with(&self, text: &str) -> Vec<String> {
        self.0.lock().unwrap().iter().filter(|line| line.contains(text)).cloned().collect()
    }

    /// All of them.
    pub(crate) fn all(&self) -> String {
        self.0.lock().unwrap().join("\n")
    }
}
