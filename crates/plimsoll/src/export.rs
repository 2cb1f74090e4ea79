//! `plimsoll export`: what the history has of containers, as files for others.
//!
//! `json` is a summary of each container's last hour with its last points; the other formats are the stored samples
//! themselves, one by one, in the memory of a block however many there are.

mod document;
mod stream;

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, ValueHint};
use plimsoll_store::{Range, Selector, Tier};
use plimsoll_wire::export;
use serde_json::Value;

use crate::failure::Failure;
use crate::history::open::{self, failure};
use crate::history::{self, EVER, when};
use crate::output;
use crate::settings::Settings;

/// What the command line of `plimsoll export` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    format: Format,
    /// Names, ids or the beginnings of such, patterns of names.
    containers: Vec<String>,
    all: bool,
    host: bool,
    range: Range,
    /// Every metric if there is none.
    metrics: Vec<String>,
    tier: Tier,
    output: Option<PathBuf>,
}

/// How it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// A summary with the last points.
    Document,
    /// Samples.
    Samples(export::Format),
}

const FORMATS: [(&str, Format); 4] = [
    ("json", Format::Document),
    ("jsonl", Format::Samples(export::Format::JsonLines)),
    ("csv", Format::Samples(export::Format::Csv)),
    ("openmetrics", Format::Samples(export::Format::OpenMetrics)),
];

/// The arguments of `plimsoll export`, beside those of settings.
pub(crate) fn arguments() -> Vec<Arg> {
    vec![
        Arg::new("containers")
            .value_name("CONTAINER")
            .num_args(0..)
            .required_unless_present_any(["all", "host", "print-config"])
            .help("Names, identifiers or their beginnings, patterns of names with * and ?"),
        Arg::new("all")
            .short('a')
            .long("all")
            .action(ArgAction::SetTrue)
            .conflicts_with("containers")
            .help("Every container that the history knows"),
        Arg::new("host")
            .long("host")
            .action(ArgAction::SetTrue)
            .conflicts_with_all(["containers", "all"])
            .help("Machine, engines and agent instead of containers"),
        Arg::new("format")
            .long("format")
            .value_name("FORMAT")
            .value_parser(PossibleValuesParser::new(FORMATS.map(|(name, _)| name)))
            .default_value("json")
            .help("A summary with the last points (json), or samples")
            .long_help(
                "`json` is a summary of each container: the last 100 points, aggregates over 5, 15 and 60 minutes, uptime and \
                 restarts. The others are samples one by one: `jsonl` an object a line, `csv` for spreadsheets, `openmetrics` \
                 with timestamps for `promtool tsdb create-blocks-from openmetrics`.",
            ),
        when::argument("from", "Samples from this moment on [default: all that are kept]"),
        when::argument("until", "Samples before this moment [default: now]"),
        Arg::new("metric")
            .long("metric")
            .value_name("NAME")
            .action(ArgAction::Append)
            .help("Only this metric; can be repeated"),
        Arg::new("tier")
            .long("tier")
            .value_name("TIER")
            .value_parser(PossibleValuesParser::new(Tier::ALL.map(Tier::name)))
            .default_value(Tier::Raw.name())
            .help("What was sampled (raw), or points for 10s, 1m or 1h"),
        Arg::new("output")
            .short('o')
            .long("output")
            .value_name("FILE")
            .value_hint(ValueHint::FilePath)
            .help("Write to this file instead of standard output"),
    ]
}

/// What `plimsoll export` is asked for.
pub(crate) fn options(matches: &ArgMatches) -> Result<Options, Failure> {
    let text = |name: &str| matches.get_one::<String>(name).map_or("", String::as_str);
    let many = |name: &str| matches.get_many(name).into_iter().flatten().cloned().collect();
    let format = FORMATS.into_iter().find(|(name, _)| *name == text("format"));
    let tier = Tier::ALL.into_iter().find(|tier| tier.name() == text("tier"));
    let options = Options {
        format: format.map_or(Format::Document, |(_, format)| format),
        containers: many("containers"),
        all: matches.get_flag("all"),
        host: matches.get_flag("host"),
        range: history::range(matches, "from", "until")?,
        metrics: many("metric"),
        tier: tier.unwrap_or(Tier::Raw),
        output: matches.get_one::<String>("output").map(PathBuf::from),
    };
    if options.format == Format::Document {
        let of_samples = [
            ("--metric", !options.metrics.is_empty()),
            ("--tier", options.tier != Tier::Raw),
            ("--from", options.range.from != EVER.from),
            ("--host", options.host),
        ];
        if let Some((flag, _)) = of_samples.into_iter().find(|(_, given)| *given) {
            return Err(Failure::caller(format!("{flag} is for samples, and json is a summary"))
                .remedy("add --format jsonl, csv or openmetrics"));
        }
    }
    Ok(options)
}

/// Writes what is asked for.
pub(crate) fn run(settings: &Settings, options: &Options) -> anyhow::Result<ExitCode> {
    let (history, _) = open::open(settings)?;
    let selectors = selectors(options);
    let mut target = Target { path: options.output.clone(), file: None };
    match options.format {
        Format::Document => {
            let mut documents = Vec::new();
            for selector in &selectors {
                let lines = history.containers(selector, EVER).map_err(failure)?;
                for line in lines {
                    documents.extend(document::of(&history, &line, options.range.until)?);
                }
            }
            let is_one =
                options.containers.len() == 1 && selectors.iter().all(|found| found.container.is_some());
            let found = match documents.pop() {
                Some(document) if is_one && documents.is_empty() => document,
                Some(document) => {
                    documents.push(document);
                    Value::Array(documents)
                }
                None => return Err(nothing(options)),
            };
            target.write(open::pretty(&found)?.as_bytes())?;
        }
        Format::Samples(format) => stream::run(&history, format, &selectors, options, &mut target)?,
    }
    target.finish()?;
    Ok(ExitCode::SUCCESS)
}

/// Whom it is about: each word of the command line, or everybody.
fn selectors(options: &Options) -> Vec<Selector> {
    if options.containers.is_empty() {
        return vec![Selector { host: options.host, ..Selector::default() }];
    }
    options.containers.iter().map(|word| history::selector(word)).collect()
}

/// Nobody is there.
fn nothing(options: &Options) -> anyhow::Error {
    let asked = match &options.containers[..] {
        [] => "the history has no container".to_owned(),
        asked => format!("nothing in the history matches {}", crate::text::quoted(&asked.join(" "))),
    };
    Failure::world(asked).remedy("`plimsoll history --containers` lists those that there are").into()
}

/// Where it is written to. A file is made when there is something to write, so that a mistake leaves nothing behind.
#[derive(Debug)]
struct Target {
    path: Option<PathBuf>,
    file: Option<File>,
}

impl Target {
    fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        let Some(path) = &self.path else { return output::bytes(bytes) };
        let cannot = |error| Failure::world(format!("cannot write {}", path.display())).because(error);
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(File::create(path).map_err(cannot)?),
        };
        Ok(file.write_all(bytes).map_err(cannot)?)
    }

    /// Makes sure that a file is on the disk.
    fn finish(&mut self) -> anyhow::Result<()> {
        if let (Some(file), Some(path)) = (&mut self.file, &self.path)
            && let Err(error) = file.flush()
        {
            return Err(Failure::world(format!("cannot write {}", path.display())).because(error).into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(arguments: &[&str]) -> Result<Options, String> {
        let command = crate::cli::command();
        let matches = command
            .try_get_matches_from([&["plimsoll", "export"], arguments].concat())
            .map_err(|told| told.to_string())?;
        options(matches.subcommand_matches("export").unwrap()).map_err(Failure::told)
    }

    #[test]
    fn what_is_asked_for() {
        let document = given(&["web"]).unwrap();
        assert_eq!((document.format, document.tier, document.range), (Format::Document, Tier::Raw, EVER));
        let samples =
            given(&["w*", "/db", "--format", "csv", "--metric", "a", "--metric", "b", "--tier", "1m"])
                .unwrap();
        assert_eq!((samples.metrics.len(), samples.tier), (2, Tier::Minute));
        let found = selectors(&samples);
        assert_eq!(found[0].name.as_deref(), Some("w*"));
        assert_eq!(found[1], Selector::of_container("db"));
        assert!(selectors(&given(&["--host", "--format", "csv"]).unwrap())[0].host);
    }

    #[test]
    fn what_makes_no_sense() {
        for (arguments, expected) in [
            (&[][..], "CONTAINER"),
            (&["web", "--all"], "--all"),
            (&["web", "--metric", "x"], "--format jsonl"),
            (&["web", "--from", "-1h"], "--format jsonl"),
            (&["web", "--format", "csv", "--from", "-1m", "--until", "-1h"], "--from is not before --until"),
            (&["web", "--format", "xml"], "openmetrics"),
            (&["web", "--tier", "2s"], "10s"),
            (&["web", "--until", "sometime"], "is no moment"),
        ] {
            let message = given(arguments).unwrap_err();
            assert!(message.contains(expected), "{arguments:?}: {message}");
        }
    }
}
