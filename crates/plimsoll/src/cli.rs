//! The command line: which commands there are, what they take, what their help teaches.
//!
//! Flags of settings come from the settings' table ([`flags::arguments`]); only what belongs to one command alone is
//! written here.

use std::process::ExitCode;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint, value_parser};
use clap_complete::Shell;
use jiff::Zoned;

use crate::client::Url;
use crate::delivery::{deliver, flush, import, spool};
use crate::failure::{CALLER, Failure};
use crate::history::when;
use crate::settings::flags;
use crate::settings::value::{self, Raw};
use crate::stats::template::Template;
use crate::sub::Sub;
use crate::{cadvisor, census, export, exposition, healthcheck, history, pipeline, stats};

const QUICK_START: &str = "\
Quick start:
  plimsoll check     what can be read on this machine, and what to do about the rest
  plimsoll stats     the containers' use, live, as a table
  plimsoll agent     measure every second; then open http://127.0.0.1:8003/
                     and point Prometheus at http://127.0.0.1:8003/metrics
  plimsoll history   what the agent keeps, since when, and what it costs
  plimsoll deliver --dry-run
                     what would go to the databases of the configuration

`plimsoll COMMAND --help` has examples and explains every setting.";

const AGENT_EXAMPLES: &str = "\
Examples:
  plimsoll agent
      Measure every second, serve http://127.0.0.1:8003/metrics.

  plimsoll agent --listen :8003 --interval 5s --profile minimal
      Reachable from other machines, every five seconds, few series.

  plimsoll agent --include-label com.example.team=web-* --label com.example.team
      Only one team's containers, with their team as a label.

  plimsoll agent --procfs /host/proc --sysfs /host/sys --cgroup-root /host/sys/fs/cgroup
      Inside a container, with the host's folders mounted.

  PLIMSOLL_TARGET_TYPE=influxdb-v2 PLIMSOLL_TARGET_URL=http://localhost:8086 PLIMSOLL_TARGET_ORG=home \\
    PLIMSOLL_TARGET_BUCKET=containers PLIMSOLL_TARGET_TOKEN_FILE=/run/secrets/token plimsoll agent
      Also deliver to a database; [[target]] tables of the configuration file name any number of them.

  plimsoll agent --print-config > /etc/plimsoll/plimsoll.toml
      Begin a configuration file with the settings in force.

Settings: defaults < configuration file < environment < flags.
Signals: SIGTERM and Ctrl-C end the agent. Exit code: 1 the world's fault, 2 yours.";

const STATS_EXAMPLES: &str = "\
Examples:
  plimsoll stats
      Every running container, live.

  plimsoll stats --no-stream web db
      Two containers, once.

  plimsoll stats --format 'table {{.Name}}\\t{{.CPUPerc}}\\t{{.MemUsage}}'
      Chosen columns.

  plimsoll stats --no-stream --format json
      One JSON object a line, with the keys of `docker stats`.

  plimsoll stats --at '10 minutes ago'
      As it was then, from the history that the agent keeps.

Columns, units and options are those of `docker stats`; CPU % is 100 for one core. What cannot be read is `--`.";

const METRICS_EXAMPLES: &str = "\
Examples:
  plimsoll metrics
      What the agent would serve, now, in the Prometheus text format.

  plimsoll metrics --format openmetrics --profile full
      Everything, as OpenMetrics.

  plimsoll metrics --describe
      The catalog: every family with its kind, unit, labels and meaning.";

const HISTORY_EXAMPLES: &str = "\
Examples:
  plimsoll history
      What there is: its file, size, times and bytes a value.

  plimsoll history --containers 'web*'
      Containers, and which followed which under the same name or Compose service.

  plimsoll history --events --since 1h
      Starts, exits, OOM kills, health, limits of the last hour.

  plimsoll history --costs web
      What each metric of a container costs, the dearest first.

  plimsoll history --format json --history /srv/other/history.db
      Another file, for a program.

The file is only read, beside a running agent (at most eight seconds behind it) or without one.";

const EXPORT_EXAMPLES: &str = "\
Examples:
  plimsoll export web
      The last 100 points, aggregates over 5, 15 and 60 minutes, uptime, restarts.

  plimsoll export web db --format csv --from '-1h' --metric container_memory_working_set_bytes -o memory.csv
      One metric of two containers, every sample of the last hour.

  plimsoll export 'web*' --format jsonl --tier 1m --from 2026-11-01 --until 2026-11-08
      A week in points for a minute, each with minimum, maximum, mean, count and increase.

  plimsoll export --all --format openmetrics -o history.om
  promtool tsdb create-blocks-from openmetrics history.om /var/lib/prometheus
      Into Prometheus, which then has the past, too.

Values are in base units, times in UTC. What was not measured is left out, never 0.";

const CHECK_EXAMPLES: &str = "\
Examples:
  plimsoll check
      Engine, cgroups, pressure, network, permissions: what works, what does not, what to do.

  plimsoll check --listen :8003 --engine /run/podman/podman.sock
      The same for these settings.

Exit code 0 if the agent would work, 1 if not.";

const HEALTHCHECK_EXAMPLES: &str = "\
Examples:
  plimsoll healthcheck
      Ask the agent on this machine.

  HEALTHCHECK CMD [\"plimsoll\", \"healthcheck\"]
      In a Dockerfile.

Exit code 0 if the answer is 200, 1 if it is another or none.";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  plimsoll completions bash > /etc/bash_completion.d/plimsoll
  plimsoll completions zsh > \"${fpath[1]}/_plimsoll\"
  plimsoll completions fish > ~/.config/fish/completions/plimsoll.fish";

const MAN_EXAMPLES: &str = "\
Examples:
  plimsoll man | man -l -
      The page of the program.

  plimsoll man agent | man -l -
      The page of a command.

  plimsoll man --dir /usr/local/share/man/man1
      Every page, into a folder.";

/// The whole command line.
pub(crate) fn command() -> Command {
    Command::new("plimsoll")
        .version(version())
        .about("Container metrics for Docker and Podman, read from the kernel")
        .after_help(QUICK_START)
        .disable_help_subcommand(true)
        .max_term_width(110)
        .subcommands(Sub::ALL.map(subcommand))
}

/// Version, and revision where the build knew it.
fn version() -> String {
    let version = env!("CARGO_PKG_VERSION");
    match pipeline::BUILD.revision {
        "" => version.into(),
        revision => format!("{version} ({revision})"),
    }
}

fn subcommand(sub: Sub) -> Command {
    // As with `docker`: of a flag that is given twice, the last one counts.
    let command = Command::new(sub.name()).args(flags::arguments(sub)).args_override_self(true);
    let command = match sub {
        Sub::Agent => command
            .about("Measure every container and serve the numbers over HTTP")
            .after_long_help(AGENT_EXAMPLES),
        Sub::Cadvisor => command
            .about("Take cAdvisor's place: the agent with its names, its port and its flags")
            .after_long_help(cadvisor::EXAMPLES),
        Sub::Stats => command
            .about("Show what containers use, live, as `docker stats` does")
            .after_long_help(STATS_EXAMPLES)
            .args(stats_arguments()),
        Sub::History => command
            .about("Show what the history holds, since when, and what it costs")
            .after_long_help(HISTORY_EXAMPLES)
            .args(history::arguments()),
        Sub::Export => command
            .about("Write the history of containers as JSON, CSV or OpenMetrics")
            .after_long_help(EXPORT_EXAMPLES)
            .args(export::arguments()),
        Sub::Metrics => command
            .about("Print the metrics once, or explain them")
            .after_long_help(METRICS_EXAMPLES)
            .args(metrics_arguments()),
        Sub::Deliver => command
            .about("Measure and deliver to the targets, once or until a signal, without serving anything")
            .after_long_help(deliver::EXAMPLES)
            .args(deliver::arguments()),
        Sub::Spool => command
            .about("Show, verify, deliver or drop what waits on disk for targets")
            .after_long_help(spool::EXAMPLES)
            .args(spool::arguments()),
        Sub::Import => command
            .about("Deliver points of others, from a file, a pipe or a socket")
            .after_long_help(import::EXAMPLES)
            .args(import::arguments()),
        Sub::Flush => command
            .about("Tell a running agent to send what it has, and wait for the verdict")
            .after_long_help(flush::EXAMPLES)
            .args(flush::arguments()),
        Sub::Census => command
            .about("Look at what there is on hosts, and report it to who counts installations")
            .after_long_help(census::EXAMPLES)
            .disable_help_subcommand(true)
            .subcommand_required(true)
            .arg_required_else_help(true)
            .subcommands(Sub::CENSUS.map(subcommand)),
        Sub::Check => command
            .about("Tell what can and cannot be read here, and what to do about it")
            .after_long_help(CHECK_EXAMPLES),
        Sub::Healthcheck => command
            .about("Ask a running agent whether it is well; for container health checks")
            .after_long_help(HEALTHCHECK_EXAMPLES)
            .args(healthcheck_arguments()),
        Sub::Completions => {
            command.about("Print completions for a shell").after_long_help(COMPLETIONS_EXAMPLES).arg(
                Arg::new("shell")
                    .value_name("SHELL")
                    .required(true)
                    .value_parser(value_parser!(Shell))
                    .help("The shell"),
            )
        }
        Sub::Man => command
            .about("Print a man page, or write all of them")
            .after_long_help(MAN_EXAMPLES)
            .args(man_arguments()),
        Sub::CensusScan
        | Sub::CensusReport
        | Sub::CensusId
        | Sub::CensusServe
        | Sub::CensusImport
        | Sub::CensusExport
        | Sub::CensusForget => census::command(sub, command),
    };
    if !sub.prints_config() {
        return command;
    }
    command.arg(
        Arg::new("print-config")
            .long("print-config")
            .action(ArgAction::SetTrue)
            .help("Print the settings in force as a configuration file, with where each came from, and stop")
            .help_heading("Log and configuration"),
    )
}

fn stats_arguments() -> Vec<Arg> {
    vec![
        Arg::new("containers")
            .value_name("CONTAINER")
            .num_args(0..)
            .help("Names or identifiers of the containers to show; all running ones without"),
        Arg::new("all").short('a').long("all").action(ArgAction::SetTrue).help("Stopped containers, too"),
        Arg::new("no-stream").long("no-stream").action(ArgAction::SetTrue).help("Print once instead of following"),
        when::argument("at", "As it was at this moment, from the history"),
        Arg::new("no-trunc").long("no-trunc").action(ArgAction::SetTrue).help("Whole identifiers"),
        Arg::new("format")
            .long("format")
            .value_name("FORMAT")
            .help("`table`, `json`, `table TEMPLATE` or TEMPLATE")
            .long_help(
                "`table`, `json`, `table TEMPLATE` or TEMPLATE, as for `docker stats`. Placeholders are {{.Container}} \
                 {{.Name}} {{.ID}} {{.CPUPerc}} {{.MemUsage}} {{.NetIO}} {{.BlockIO}} {{.MemPerc}} {{.PIDs}} and \
                 {{json .}}; \\t separates columns.",
            ),
    ]
}

/// What `plimsoll stats` is asked for.
pub(crate) fn stats_options(matches: &ArgMatches) -> Result<stats::Options, Failure> {
    let template = match matches.get_one::<String>("format") {
        // An empty format means the default, as for docker.
        Some(format) if !format.is_empty() => Template::parse(format)?,
        _ => Template::default(),
    };
    let now = Zoned::now();
    let at = matches.get_one::<String>("at").map(|given| when::parse("at", given, &now)).transpose()?;
    Ok(stats::Options {
        at,
        all: matches.get_flag("all"),
        no_stream: matches.get_flag("no-stream"),
        no_trunc: matches.get_flag("no-trunc"),
        template,
        containers: matches.get_many("containers").into_iter().flatten().cloned().collect(),
    })
}

fn metrics_arguments() -> Vec<Arg> {
    vec![
        Arg::new("describe")
            .long("describe")
            .action(ArgAction::SetTrue)
            .help("Print the catalog of metrics instead of their values"),
        Arg::new("format")
            .long("format")
            .value_name("FORMAT")
            .value_parser(PossibleValuesParser::new(["text", "openmetrics"]))
            .default_value("text")
            .help("The exposition format"),
    ]
}

/// What `plimsoll metrics` is asked for.
pub(crate) fn metrics_options(matches: &ArgMatches) -> exposition::Options {
    let format = match matches.get_one::<String>("format").map(String::as_str) {
        Some("openmetrics") => exposition::Format::OpenMetrics,
        _ => exposition::Format::Text,
    };
    exposition::Options { describe: matches.get_flag("describe"), format }
}

fn healthcheck_arguments() -> Vec<Arg> {
    vec![
        Arg::new("url")
            .long("url")
            .value_name("URL")
            .value_hint(ValueHint::Url)
            .help("What to ask [default: /health at the first address of the setting `listen`]"),
        Arg::new("timeout")
            .long("timeout")
            .value_name("DURATION")
            .default_value("3s")
            .help("How long to wait for the whole answer"),
    ]
}

/// What `plimsoll healthcheck` is asked for.
pub(crate) fn healthcheck_options(matches: &ArgMatches) -> Result<healthcheck::Options, Failure> {
    let url = matches.get_one::<String>("url").map(|url| Url::parse(url)).transpose()?;
    let timeout = match matches.get_one::<String>("timeout") {
        Some(text) => value::timeout(&Raw::Text(text.clone())).map_err(|expected| {
            Failure::caller(format!(
                "--timeout: bad value {}: expected {expected}",
                crate::text::quoted(text)
            ))
        })?,
        None => Duration::from_secs(3),
    };
    Ok(healthcheck::Options { url, timeout })
}

fn man_arguments() -> Vec<Arg> {
    vec![
        Arg::new("command")
            .value_name("COMMAND")
            .help("The command whose page to print; the program's without"),
        Arg::new("dir")
            .long("dir")
            .value_name("FOLDER")
            .value_hint(ValueHint::DirPath)
            .conflicts_with("command")
            .help("Write every page into this folder instead"),
    ]
}

/// Whether the merged settings are to be printed.
pub(crate) fn print_config(sub: Sub, matches: &ArgMatches) -> bool {
    sub.prints_config() && matches.get_flag("print-config")
}

/// Tells what the parser has to tell: help and version on standard output, a mistake on standard error.
pub(crate) fn tell(told: &clap::Error) -> ExitCode {
    // Whoever closed the pipe does not want the rest.
    let _ = told.print();
    ExitCode::from(code(told))
}

fn code(told: &clap::Error) -> u8 {
    match told.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => 0,
        _ => CALLER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn every_help_teaches() {
        let main = command().render_help().to_string();
        for word in ["plimsoll agent", "http://127.0.0.1:8003/", "plimsoll stats", "plimsoll check"] {
            assert!(main.contains(word), "{word} is missing:\n{main}");
        }
        for sub in Sub::ALL {
            let mut whole = command();
            let help = whole.find_subcommand_mut(sub.name()).unwrap().render_long_help().to_string();
            assert!(help.contains("Examples:"), "{help}");
        }
    }

    #[test]
    fn options_of_stats() {
        let matches = command()
            .try_get_matches_from(["plimsoll", "stats", "-a", "--no-trunc", "--format", "json", "web", "db"])
            .unwrap();
        let options = stats_options(matches.subcommand_matches("stats").unwrap()).unwrap();
        let expected = stats::Options {
            at: None,
            all: true,
            no_stream: false,
            no_trunc: true,
            template: Template::parse("json").unwrap(),
            containers: vec!["web".into(), "db".into()],
        };
        assert_eq!(options, expected);
    }

    #[test]
    fn mistakes_exit_with_two_and_help_with_zero() {
        let cases = [
            (&["plimsoll", "--help"][..], 0),
            (&["plimsoll", "--version"], 0),
            (&["plimsoll", "agnt"], CALLER),
            (&["plimsoll", "agent", "--nope"], CALLER),
            (&["plimsoll", "agent", "--profile=huge"], CALLER),
            (&["plimsoll", "agent", "--collector.nope"], CALLER),
        ];
        for (arguments, expected) in cases {
            let told = command().try_get_matches_from(arguments).unwrap_err();
            assert_eq!(code(&told), expected, "{arguments:?}");
        }
    }
}
