//! `plimsoll import`: points of others, from a file, a pipe or a socket, on their way to a target.

mod feed;
mod listen;
mod read;
mod run;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, ValueHint};
use plimsoll_wire::line_protocol::Precision;

use super::choose;
use crate::failure::Failure;
use crate::settings::value::{self, Raw};
use crate::text;
pub(crate) use run::run;

/// What the end of its help shows.
pub(crate) const EXAMPLES: &str = "\
Examples:
  plimsoll import --target tsdb points.lp
      A file of line protocol into a target of the configuration.

  curl -s http://localhost:9100/metrics | plimsoll import --format prometheus --target tsdb
      What another exporter says, once. What has no time gets that of its arrival.

  plimsoll import --listen unix:/run/plimsoll/points.sock
      Whatever writes line protocol there, until a signal ends it, to every target.

  plimsoll import --listen tcp:127.0.0.1:8094
      The same over TCP. Nobody is asked for a password: other addresses than those of this machine need --allow-remote.

A line that is none is told with its number and the reason, and the others go on. At the end stands how many points were taken,
delivered and refused.
Exit code 0 if every line was a point and was delivered, 1 if not.";

/// In what points come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// InfluxDB's line protocol.
    LineProtocol,
    /// Prometheus' text format.
    Prometheus,
}

const FORMATS: [(&str, Format); 2] =
    [("line-protocol", Format::LineProtocol), ("prometheus", Format::Prometheus)];

/// From where points come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Standard input.
    Stdin,
    /// A file.
    File(PathBuf),
    /// Whoever connects to this socket.
    Unix(PathBuf),
    /// Whoever connects to this address.
    Tcp(SocketAddr),
}

/// What the command line of `plimsoll import` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// In what points come.
    pub(super) format: Format,
    /// In what unit the times of line protocol count.
    pub(super) precision: Precision,
    /// From where.
    pub(super) source: Source,
    /// Names of targets; all where there is none.
    pub(super) targets: Vec<String>,
}

/// The arguments of `plimsoll import`, beside those of settings.
pub(crate) fn arguments() -> Vec<Arg> {
    vec![
        Arg::new("file")
            .value_name("FILE")
            .value_hint(ValueHint::FilePath)
            .conflicts_with("listen-at")
            .help("The file to read; standard input without, or as `-`"),
        Arg::new("format")
            .long("format")
            .value_name("FORMAT")
            .value_parser(PossibleValuesParser::new(FORMATS.map(|(name, _)| name)))
            .default_value("line-protocol")
            .help("In what points come"),
        Arg::new("precision")
            .long("precision")
            .value_name("UNIT")
            .value_parser(PossibleValuesParser::new(Precision::ALL.iter().map(|precision| precision.name())))
            .default_value("ns")
            .help("In what unit the times of line protocol count"),
        // Its name is not that of the setting `listen`, which this command does not have.
        Arg::new("listen-at")
            .long("listen")
            .value_name("ADDRESS")
            .help("Take points from whoever connects to unix:PATH or tcp:ADDRESS:PORT, until a signal comes"),
        Arg::new("allow-remote")
            .long("allow-remote")
            .action(ArgAction::SetTrue)
            .requires("listen-at")
            .help("Listen at an address that other machines can reach; nobody is asked for a password"),
        choose::target_argument("Only to this target of the configuration; can be repeated"),
    ]
}

/// What `plimsoll import` is asked for.
///
/// # Errors
/// An address to listen at that is none.
pub(crate) fn options(matches: &ArgMatches) -> Result<Options, Failure> {
    let given = matches.get_one::<String>("format").map_or("", String::as_str);
    let format = FORMATS.into_iter().find(|(name, _)| *name == given);
    let source = match (matches.get_one::<String>("listen-at"), matches.get_one::<String>("file")) {
        (Some(address), _) => listen(address, matches.get_flag("allow-remote"))?,
        (None, Some(file)) if file != "-" => Source::File(file.into()),
        _ => Source::Stdin,
    };
    let format = format.map_or(Format::LineProtocol, |(_, format)| format);
    let given = matches.get_one::<String>("precision").map_or("", String::as_str);
    let precision = Precision::ALL.iter().find(|precision| precision.name() == given).copied();
    let precision = precision.unwrap_or(Precision::Nanoseconds);
    Ok(Options { format, precision, source, targets: choose::targets_named(matches) })
}

fn listen(given: &str, allow_remote: bool) -> Result<Source, Failure> {
    let bad = || {
        Failure::caller(format!(
            "--listen: bad value {}: expected unix:PATH or tcp:ADDRESS:PORT",
            text::quoted(given)
        ))
        .remedy("write unix:/run/plimsoll/points.sock, or tcp:127.0.0.1:8094")
    };
    match given.split_once(':') {
        Some(("unix", path)) if !path.is_empty() => Ok(Source::Unix(path.into())),
        Some(("tcp", address)) => {
            let address = value::address(&Raw::Text(address.to_owned())).map_err(|_| bad())?;
            if !address.ip().is_loopback() && !allow_remote {
                return Err(Failure::caller(format!("--listen: other machines can reach {address}"))
                    .remedy("listen at 127.0.0.1, or say --allow-remote: nobody is asked for a password"));
            }
            Ok(Source::Tcp(address))
        }
        _ => Err(bad()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read() {
        let options = |arguments: &[&str]| {
            let whole = [&["plimsoll", "import"], arguments].concat();
            let matches =
                crate::cli::command().try_get_matches_from(whole).map_err(|error| error.to_string())?;
            super::options(matches.subcommand_matches("import").unwrap()).map_err(Failure::told)
        };
        for (arguments, source) in [
            (&[][..], Source::Stdin),
            (&["-"], Source::Stdin),
            (&["a.lp"], Source::File("a.lp".into())),
            (&["--listen", "unix:/run/x.sock"], Source::Unix("/run/x.sock".into())),
            (&["--listen", "tcp:127.0.0.1:8094"], Source::Tcp(([127, 0, 0, 1], 8094).into())),
        ] {
            let precision = Precision::Nanoseconds;
            let expected = Options { format: Format::LineProtocol, precision, source, targets: Vec::new() };
            assert_eq!(options(arguments), Ok(expected));
        }
        let other = options(&["--format", "prometheus", "--target=a"]).unwrap();
        assert_eq!((other.format, other.targets), (Format::Prometheus, vec!["a".to_owned()]));
        assert_eq!(options(&["--precision", "s"]).unwrap().precision, Precision::Seconds);
        let remote = options(&["--listen", "tcp:0.0.0.0:1", "--allow-remote"]).unwrap();
        assert_eq!(remote.source, Source::Tcp(([0, 0, 0, 0], 1).into()));
        for (wrong, part) in [
            (&["--listen", "tcp:0.0.0.0:1"][..], "--listen: other machines can reach 0.0.0.0:1"),
            (&["--precision", "h"], "possible values"),
            (&["--listen", "udp:x"], "--listen: bad value `udp:x`: expected unix:PATH"),
            (&["--listen", "unix:"], "--listen: bad value"),
            (&["--listen", "tcp:8094"], "--listen: bad value"),
            (&["--listen", "unix:/x", "a.lp"], "cannot be used with"),
            (&["--format", "csv"], "possible values"),
        ] {
            let told = options(wrong).unwrap_err();
            assert!(told.contains(part), "{told}");
        }
    }
}
