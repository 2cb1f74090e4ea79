//! What goes into a census' database from elsewhere, out of it into files, and away.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgMatches, ValueHint};
use plimsoll_store::census::{Imported, Stored};
use serde_json::Value;

use super::{database, report};
use crate::delivery::progress::Progress;
use crate::failure::Failure;
use crate::settings::Settings;
use crate::stats::format::binary_size;
use crate::{output, pipeline, signals, text};

pub(super) const IMPORT_EXAMPLES: &str = "\
Examples:
  plimsoll census import postgres://census@db/telemetry
      Copy what a Container Census collector has; its database is only read.

  pg_dump telemetry | plimsoll census import - --database census.db
      The same from a dump in pg_dump's plain format.

What is there already stays as it is, so a second time changes nothing. To go on with the database itself, give it to
`plimsoll census serve`.";

pub(super) const EXPORT_EXAMPLES: &str = "\
Examples:
  plimsoll census export > reports.json
      Every report, as one JSON array of reports as they were sent.

  plimsoll census export --format csv -o reports.csv
      A line for each, without the lists of images and of agents' versions.

Both name installations by their identifiers: they are for who runs the census.";

pub(super) const FORGET_EXAMPLES: &str = "\
Examples:
  plimsoll census forget a1b2c3d4-e5f6-7890-abcd-ef1234567890
      Remove everything that this installation has reported.";

pub(super) fn import_arguments() -> Vec<Arg> {
    vec![
        database::argument(),
        Arg::new("source")
            .value_name("SOURCE")
            .required(true)
            .value_hint(ValueHint::AnyPath)
            .help("postgres://…, a dump, or - for one on standard input"),
    ]
}

pub(super) fn export_arguments() -> Vec<Arg> {
    vec![
        database::argument(),
        Arg::new("format")
            .long("format")
            .value_name("FORMAT")
            .value_parser(PossibleValuesParser::new(["json", "csv"]))
            .default_value("json")
            .help("As JSON or as CSV"),
        Arg::new("output")
            .short('o')
            .long("output")
            .value_name("FILE")
            .value_hint(ValueHint::FilePath)
            .help("Into a file instead of standard output"),
    ]
}

pub(super) fn forget_arguments() -> Vec<Arg> {
    vec![
        database::argument(),
        Arg::new("installation")
            .value_name("ID")
            .required(true)
            .value_hint(ValueHint::Other)
            .help("The identifier of the installation"),
    ]
}

/// Imports, and says how much.
pub(super) fn import(settings: &Settings, matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let source = matches.get_one::<String>("source").map_or("", String::as_str);
    let done = on_runtime(async {
        let store = database::open(settings, matches).await?;
        let state = Arc::new(Mutex::new(Imported::default()));
        let shown = Arc::clone(&state);
        let _progress = Progress::show(move || told(&shown.lock().unwrap_or_else(PoisonError::into_inner)));
        let note = |now: &Imported| *state.lock().unwrap_or_else(PoisonError::into_inner) = *now;
        if database::is_postgres(source) {
            return Ok(store.import_postgres(source, note).await?);
        }
        let dump: Box<dyn BufRead + Send> = match source {
            "-" => Box::new(BufReader::new(io::stdin())),
            path => {
                let file = File::open(path).map_err(|error| {
                    Failure::world(format!("cannot read {}", text::quoted(path)))
                        .remedy("give a dump that pg_dump wrote, or postgres://…")
                        .because(error)
                })?;
                Box::new(BufReader::new(file))
            }
        };
        anyhow::Ok(store.import_dump(dump, note).await?)
    })?;
    output::print(&format!("imported: {}\n", told(&done)))?;
    Ok(ExitCode::SUCCESS)
}

fn told(done: &Imported) -> String {
    format!(
        "{} rows read ({}), new are {} reports, {} events, {} images of weeks; {} rows make no sense",
        done.read,
        binary_size(done.bytes),
        done.reports,
        done.events,
        done.weeks,
        done.skipped
    )
}

/// Writes every report.
pub(super) fn export(settings: &Settings, matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let is_csv = matches.get_one::<String>("format").is_some_and(|format| format == "csv");
    let mut out: Box<dyn Write + Send> = match matches.get_one::<String>("output") {
        Some(path) => {
            Box::new(File::create(path).with_context(|| format!("cannot write {}", text::quoted(path)))?)
        }
        None => Box::new(io::stdout()),
    };
    let mut out = BufWriter::new(&mut out);
    let mut written = Written::new(is_csv);
    let mut failed = None;
    on_runtime(async {
        let store = database::open(settings, matches).await?;
        let visit = |stored: Stored| match written.report(&stored, &mut out) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        };
        anyhow::Ok(store.export_reports(visit).await?)
    })?;
    let ended = match failed {
        None => written.end(&mut out).and_then(|()| out.flush()),
        Some(error) => Err(error),
    };
    match ended {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(output::Closed.into()),
        ended => Ok(ended.context("cannot write the reports").map(|()| ExitCode::SUCCESS)?),
    }
}

/// Reports on their way into a file.
struct Written {
    is_csv: bool,
    reports: u64,
}

/// The columns of CSV: what a report says in single values.
const COLUMNS: [&str; 27] = [
    "installation_id",
    "version",
    "timestamp",
    "host_count",
    "agent_count",
    "total_containers",
    "scan_interval_seconds",
    "containers_running",
    "containers_stopped",
    "containers_paused",
    "containers_other",
    "avg_cpu_percent",
    "avg_memory_bytes",
    "total_memory_limit",
    "avg_restarts",
    "high_restart_containers",
    "total_image_size",
    "unique_images",
    "timezone",
    "compose_project_count",
    "containers_in_compose",
    "network_count",
    "custom_network_count",
    "shared_volume_count",
    "containers_with_deps",
    "total_dependencies",
    "avg_connections_per_container",
];

impl Written {
    fn new(is_csv: bool) -> Self {
        Self { is_csv, reports: 0 }
    }

    fn report(&mut self, stored: &Stored, out: &mut impl Write) -> io::Result<()> {
        let body = report::body(&stored.report);
        self.reports += 1;
        if !self.is_csv {
            let before = if self.reports == 1 { "[" } else { "," };
            return write!(out, "{before}\n{body}");
        }
        if self.reports == 1 {
            writeln!(out, "{}", COLUMNS.join(","))?;
        }
        let report: Value = serde_json::from_str(&body).unwrap_or_default();
        let cells = COLUMNS.map(|key| match &report[key] {
            // What is left out is zero or not known: the format cannot tell.
            Value::Null => String::new(),
            Value::String(text) => cell(text),
            other => other.to_string(),
        });
        writeln!(out, "{}", cells.join(","))
    }

    fn end(&self, out: &mut impl Write) -> io::Result<()> {
        match (self.is_csv, self.reports) {
            (false, 0) => writeln!(out, "[]"),
            (false, _) => writeln!(out, "\n]"),
            (true, 0) => writeln!(out, "{}", COLUMNS.join(",")),
            (true, _) => Ok(()),
        }
    }
}

/// A text as a cell of CSV (RFC 4180). What a table calculation would take for a formula gets an apostrophe.
fn cell(text: &str) -> String {
    let text =
        if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() };
    if text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

/// Forgets an installation, and says how much that was.
pub(super) fn forget(settings: &Settings, matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let id = matches.get_one::<String>("installation").map_or("", String::as_str);
    let rows = on_runtime(async {
        let store = database::open(settings, matches).await?;
        anyhow::Ok(store.forget(id).await?)
    })?;
    if rows == 0 {
        return Err(Failure::world(format!("nothing is known of {}", text::quoted(id))).into());
    }
    output::print(&format!("forgotten: {rows} rows of {}\n", text::printable(id)))?;
    Ok(ExitCode::SUCCESS)
}

/// Runs to the end, or until a signal.
fn on_runtime<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = pipeline::runtime()?;
    let outcome = runtime.block_on(async {
        tokio::select! {
            () = signals::ended() => Err(anyhow::anyhow!("ended by a signal")),
            done = work => done,
        }
    });
    runtime.shutdown_background();
    outcome
}

#[cfg(test)]
mod tests {
    use plimsoll_model::census::Report;

    use super::*;

    fn written(is_csv: bool, names: &[&str]) -> String {
        let (mut out, mut written) = (Vec::new(), Written::new(is_csv));
        for name in names {
            let report =
                Report { installation_id: (*name).to_owned(), avg_restarts: 0.5, ..Report::default() };
            written.report(&Stored { id: 1, created_ms: None, report }, &mut out).unwrap();
        }
        written.end(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn reports_are_an_array_or_lines() {
        for names in [&[][..], &["a"], &["a", "b"]] {
            let array: Value = serde_json::from_str(&written(false, names)).unwrap();
            let ids: Vec<_> = array
                .as_array()
                .unwrap()
                .iter()
                .filter_map(|report| report["installation_id"].as_str())
                .collect();
            assert_eq!(ids, names);
            let csv = written(true, names);
            let lines: Vec<_> = csv.lines().collect();
            assert_eq!(lines.len(), names.len() + 1);
            assert!(lines.iter().all(|line| line.matches(',').count() == COLUMNS.len() - 1), "{csv}");
        }
        assert!(written(true, &["a"]).contains("\na,,0001-01-01T00:00:00Z,0,0,0,0,0,0,0,0,,,,0.5,"));
    }

    #[test]
    fn cells_are_no_formulas() {
        for (text, expected) in
            [("a", "a"), ("a,b", "\"a,b\""), ("a\"b", "\"a\"\"b\""), ("=1+1", "'=1+1"), ("a\nb", "\"a\nb\"")]
        {
            assert_eq!(cell(text), expected);
        }
    }
}
