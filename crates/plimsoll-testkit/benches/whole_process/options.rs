//! The command line.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};

/// What to measure; the head of `main.rs` says what each means.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) program: PathBuf,
    pub(crate) containers: usize,
    pub(crate) awake: usize,
    pub(crate) seconds: u64,
    pub(crate) churn: u64,
    pub(crate) pattern: Option<String>,
    pub(crate) keep: bool,
    pub(crate) engine: PathBuf,
}

impl Options {
    /// Reads the arguments; `None` if they only ask for help, which is given.
    pub(crate) fn read(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<Option<Self>> {
        // Cargo runs benchmarks in their package's folder.
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut options = Self {
            program: workspace.join("target/release/plimsoll"),
            containers: 200,
            awake: 0,
            seconds: 60,
            churn: 120,
            pattern: None,
            keep: false,
            engine: "/var/run/docker.sock".into(),
        };
        let mut awake = None;
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().with_context(|| format!("{argument} wants a value"));
            match &*argument {
                "--containers" => options.containers = number(&value()?)?,
                "--awake" => awake = Some(number(&value()?)?),
                "--seconds" => options.seconds = number(&value()?)? as u64,
                "--churn" => options.churn = number(&value()?)? as u64,
                "--pattern" => options.pattern = Some(value()?),
                "--keep" => options.keep = true,
                "--engine" => options.engine = value()?.into(),
                // Cargo's own.
                "--bench" => {}
                "--help" | "-h" => {
                    let text = include_str!("main.rs");
                    let help = text.split("```").nth(1).unwrap_or_default();
                    help.lines().skip(1).for_each(|line| println!("{}", line.trim_start_matches("//!")));
                    return Ok(None);
                }
                unknown if unknown.starts_with('-') => bail!("{unknown} is unknown; see --help"),
                program => options.program = workspace.join(program),
            }
        }
        options.awake = awake.unwrap_or(options.containers / 4);
        ensure!(
            options.program.is_file(),
            "{} is not there: build it (cargo build --release), or name the program to measure",
            options.program.display()
        );
        Ok(Some(options))
    }
}

fn number(text: &str) -> anyhow::Result<usize> {
    text.parse().with_context(|| format!("{text:?} is no number"))
}
