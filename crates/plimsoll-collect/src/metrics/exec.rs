//! Metrics of a command's output.

#[cfg(unix)]
mod group;
#[cfg(not(unix))]
#[path = "exec/no_group.rs"]
mod group;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::config::ConfigError;
use super::intake::Intake;
use super::parameters::{Parameters, mistyped, wrong};
use super::parse::ParseError;
use super::text;
use super::value::MetricType;
use super::work::{Collected, SystemMetricsCollector};
use group::Group;

/// The most commands that run at the same time, those of all collectors together. Who has to wait for another one does so in
/// the time of its own attempt.
pub const MAX_AT_ONCE: usize = 16;

/// The most processes that one command may have at the same time, itself included.
pub const MAX_PROCESSES: usize = 64;

/// The longest output that is read of one run, in bytes.
pub const MAX_OUTPUT: usize = 1024 * 1024;

/// How much of what a command writes to its standard error is kept, in bytes: the end of it.
pub const MAX_COMPLAINT: usize = 4 * 1024;

/// Where commands look for programs, unless their `environment` says otherwise.
pub const COMMAND_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The home of commands, unless their `environment` says otherwise.
pub const COMMAND_HOME: &str = "/";

/// How long the output of a command that has ended is waited for. Something that it left behind may hold it open for ever.
const GRACE: Duration = Duration::from_millis(200);

/// The parameters.
const KNOWN: [&str; 5] = ["command", "format", "prefix", "directory", "environment"];

/// The commands that may still be started.
static FREE: Semaphore = Semaphore::const_new(MAX_AT_ONCE);

/// Why a command gave no values.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecError {
    /// It is in no folder of the path.
    #[error("running {program:?}: there is no such program in {path}; give its full path")]
    NotFound {
        /// The program.
        program: String,
        /// The folders that were looked through.
        path: String,
    },
    /// It could not be started.
    #[error("running {program:?}{}", hint(source))]
    Start {
        /// The program.
        program: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The folder that it is to run in is not there.
    #[error("running {program:?}: there is no folder {directory:?} to run it in")]
    NoDirectory {
        /// The program.
        program: String,
        /// The folder.
        directory: PathBuf,
    },
    /// Its output cannot be read.
    #[error("reading what {program:?} prints")]
    Read {
        /// The program.
        program: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It printed more than [`MAX_OUTPUT`].
    #[error("running {program:?}: it printed more than {limit} bytes; let it print less")]
    TooMuch {
        /// The program.
        program: String,
        /// What it may print.
        limit: usize,
    },
    /// It had more than [`MAX_PROCESSES`].
    #[error(
        "running {program:?}: it had {found} processes at the same time, and {limit} at most are allowed"
    )]
    Crowd {
        /// The program.
        program: String,
        /// How many it had.
        found: usize,
        /// How many it may have.
        limit: usize,
    },
    /// It failed.
    #[error("running {program:?}: it {}, and said last: {}", how(*status), text::end(complaint))]
    Failed {
        /// The program.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it wrote to its standard error.
        complaint: Vec<u8>,
    },
    /// What it printed is no metrics.
    #[error("reading what {program:?} printed")]
    Parse {
        /// The program.
        program: String,
        /// What is wrong with it.
        #[source]
        source: ParseError,
    },
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => ": is it there, and what its first line names?",
        io::ErrorKind::PermissionDenied => ": may it be executed?",
        _ => "",
    }
}

fn how(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("ended with status {code}"),
        None => format!("did not end by itself ({status})"),
    }
}

/// Runs a command, and reads what it prints.
///
/// The command is a program with its arguments; no shell looks at it. It sees nothing of the agent's environment but what is
/// here: `PATH`, `HOME`, `LANG=C`, and what the parameter `environment` adds or replaces. Whenever a run ends, whyever it
/// does, everything that it has started is killed, as far as it stayed in its process group: a command cannot leave
/// anything running by mistake. One that makes a session of its own, as daemons do, gets away, and so does what runs while
/// the agent itself is killed.
///
/// Labels stay as the command prints them, also `image` or `container_id`: there is no container here that they could be
/// mistaken for the labels of.
///
/// ```
/// use plimsoll_collect::metrics::{Collector, CollectorConfig, Exec};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let parameters = [("command".to_owned(), serde_json::json!(["echo", "backups 3"]))].into();
/// let exec = Exec::from_parameters(&parameters)?;
/// let collector = Collector::of_system(CollectorConfig::new("backup"), exec)?;
/// # if cfg!(unix) {
/// assert_eq!(collector.collect_with_error_handling("").await?[0].name, "backups");
/// # }
/// # Ok(())
/// # }
/// ```
pub struct Exec {
    program: String,
    arguments: Vec<String>,
    directory: Option<PathBuf>,
    environment: BTreeMap<String, String>,
    intake: Intake,
}

/// Without arguments and environment, which may be secrets.
impl std::fmt::Debug for Exec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exec").field("program", &self.program).finish_non_exhaustive()
    }
}

impl Exec {
    /// The command that these parameters describe: `command`, an array of texts or one text that is split at blanks;
    /// `format`, as [`Format`](super::parse::Format) has them; `prefix`, for every name; `directory` to run in; and
    /// `environment`, texts by name.
    ///
    /// # Errors
    /// If one of them is unknown or of the wrong type, or there is no command.
    pub fn from_parameters(parameters: &BTreeMap<String, serde_json::Value>) -> Result<Self, ConfigError> {
        let parameters = Parameters::new(parameters, &KNOWN)?;
        let mut command = command(parameters)?.into_iter();
        let program = command.next().filter(|program| !program.is_empty()).ok_or_else(|| {
            wrong("have no \"command\": it takes a program and its arguments, such as [\"/opt/backup-age\", \"--all\"]")
        })?;
        if program.contains('/') && !Path::new(&program).is_absolute() {
            return Err(wrong(format!(
                "have {program:?} as program: it takes its full path, or its name alone"
            )));
        }
        let directory = parameters.text("directory")?.map(PathBuf::from);
        if directory.as_ref().is_some_and(|directory| !directory.is_absolute()) {
            return Err(wrong("have a \"directory\" that is no full path"));
        }
        let mut environment: BTreeMap<String, String> =
            [("PATH", COMMAND_PATH), ("HOME", COMMAND_HOME), ("LANG", "C")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into();
        for (name, value) in parameters.texts_by_name("environment")? {
            if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
                return Err(wrong(format!("have {name:?} in \"environment\", which no variable can be")));
            }
            environment.insert(name, value);
        }
        let intake = Intake::from_parameters(parameters)?;
        Ok(Self { program, arguments: command.collect(), directory, environment, intake })
    }

    /// Runs it once, and gives what it printed.
    async fn run(&self) -> Result<Vec<u8>, ExecError> {
        let mut group = self.start()?;
        let mut output = Vec::new();
        let mut complaint = Vec::new();
        let pipes = group.pipes().ok_or_else(|| self.unreadable(io::ErrorKind::BrokenPipe.into()));
        let (stdout, stderr) = pipes?;
        {
            let reading = async {
                tokio::try_join!(self.read_all(stdout, &mut output), self.read_end(stderr, &mut complaint))
            };
            let run = async {
                let mut reading = std::pin::pin!(reading);
                let mut ended = std::pin::pin!(group.ended());
                tokio::select! {
                    read = &mut reading => {
                        read?;
                        ended.await;
                    }
                    () = &mut ended => match timeout(GRACE, reading).await {
                        Ok(read) => drop(read?),
                        Err(_) => tracing::debug!("what {:?} started holds its output open", self.program),
                    },
                }
                Ok(())
            };
            tokio::select! {
                ran = run => ran?,
                found = group.crowd(MAX_PROCESSES) => {
                    return Err(ExecError::Crowd { program: self.program.clone(), found, limit: MAX_PROCESSES });
                }
            }
        }
        let status = group.end().await.map_err(|source| self.unreadable(source))?;
        if !status.success() {
            return Err(ExecError::Failed { program: self.program.clone(), status, complaint });
        }
        Ok(output)
    }

    fn start(&self) -> Result<Group, ExecError> {
        let program = self.find()?;
        let mut command = Command::new(program);
        command.args(&self.arguments).env_clear().envs(&self.environment);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        Group::start(&mut command).map_err(|source| {
            let program = self.program.clone();
            match &self.directory {
                Some(directory) if !directory.is_dir() => {
                    ExecError::NoDirectory { program, directory: directory.clone() }
                }
                _ => ExecError::Start { program, source },
            }
        })
    }

    /// The program's full path. It is looked for anew in each run: it may be installed later than the agent.
    fn find(&self) -> Result<PathBuf, ExecError> {
        if Path::new(&self.program).is_absolute() {
            return Ok(PathBuf::from(&self.program));
        }
        let path = self.environment.get("PATH").map_or("", String::as_str);
        let folders = path.split(':').filter(|folder| Path::new(folder).is_absolute());
        folders
            .map(|folder| Path::new(folder).join(&self.program))
            .find(|file| is_program(file))
            .ok_or_else(|| ExecError::NotFound { program: self.program.clone(), path: path.to_owned() })
    }

    async fn read_all(
        &self,
        mut from: impl AsyncRead + Unpin,
        output: &mut Vec<u8>,
    ) -> Result<(), ExecError> {
        while from.read_buf(output).await.map_err(|source| self.unreadable(source))? > 0 {
            if output.len() > MAX_OUTPUT {
                return Err(ExecError::TooMuch { program: self.program.clone(), limit: MAX_OUTPUT });
            }
        }
        Ok(())
    }

    async fn read_end(
        &self,
        mut from: impl AsyncRead + Unpin,
        complaint: &mut Vec<u8>,
    ) -> Result<(), ExecError> {
        while from.read_buf(complaint).await.map_err(|source| self.unreadable(source))? > 0 {
            complaint.drain(..complaint.len().saturating_sub(MAX_COMPLAINT));
        }
        Ok(())
    }

    fn unreadable(&self, source: io::Error) -> ExecError {
        ExecError::Read { program: self.program.clone(), source }
    }
}

impl SystemMetricsCollector for Exec {
    fn get_metric_types(&self) -> Vec<MetricType> {
        vec![MetricType::Custom]
    }

    async fn collect_system_metrics(&self) -> Collected {
        let output = {
            let _turn = FREE.acquire().await?;
            self.run().await?
        };
        let values = self.intake.read(&self.program, &output, None);
        values.map_err(|source| ExecError::Parse { program: self.program.clone(), source }.into())
    }
}

fn command(parameters: Parameters<'_>) -> Result<Vec<String>, ConfigError> {
    let name = "command";
    match parameters.get(name) {
        None => Ok(Vec::new()),
        Some(serde_json::Value::Array(words)) => {
            let expected = "an array of texts, without NUL characters";
            let text = |word: &serde_json::Value| match word.as_str() {
                Some(text) if !text.contains('\0') => Ok(text.to_owned()),
                _ => Err(mistyped(name, expected, word)),
            };
            words.iter().map(text).collect()
        }
        Some(serde_json::Value::String(_)) => {
            let text = parameters.text(name)?.unwrap_or_default();
            Ok(text.split_whitespace().map(str::to_owned).collect())
        }
        Some(other) => Err(mistyped(name, "an array of texts, or one text", other)),
    }
}

#[cfg(unix)]
fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    file.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(file: &Path) -> bool {
    file.is_file()
}

#[cfg(all(test, unix))]
mod tests;
