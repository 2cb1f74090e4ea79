//! `plimsoll census serve`: takes reports in, and answers what they add up to.

use std::num::NonZero;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Arg, ArgMatches, ValueHint, value_parser};
use plimsoll_deliver::config::Secret;
use plimsoll_hub::Config;
use tracing::{info, warn};

use super::database;
use crate::failure::Failure;
use crate::listening;
use crate::pipeline::BUILD;
use crate::settings::Settings;
use crate::settings::census::Password;
use crate::settings::value::{self, Raw};
use crate::signals;
use crate::text;

/// What the end of its help shows.
pub(super) const EXAMPLES: &str = "\
Examples:
  plimsoll census serve
      Reports at http://127.0.0.1:8081/api/ingest, what they add up to below http://127.0.0.1:8081/api/stats/.

  DATABASE_URL=postgres://census@db/telemetry STATS_API_KEY=… plimsoll census serve --listen :8081
      In the place of a Container Census collector, on its database.

  plimsoll census serve --keep 400 --min-installations 20
      Forget reports after 400 days; show nothing of fewer than twenty installations.

  plimsoll census serve --listen :8081 --web.config.file /etc/plimsoll/census-web.yml
      Under TLS, to those who have a certificate or a password, as the file says.

Without the key no number is shown that stands for fewer installations than that, and no installation's identifier.
Signals: SIGTERM and Ctrl-C end the server, once what was taken is kept.";

const SERVING: &str = "Census server";

/// The most threads. Most of the work is the database's.
const MAX_THREADS: usize = 4;

/// The arguments of the command, beside those of settings.
pub(super) fn arguments() -> Vec<Arg> {
    vec![
        Arg::new("listen")
            .long("listen")
            .value_name("ADDRESS:PORT")
            .value_hint(ValueHint::Other)
            .help("Address and port of the server [environment: PORT, only the port] [default: 127.0.0.1:8081]")
            .help_heading(SERVING),
        Arg::new("key-file")
            .long("key-file")
            .value_name("FILE")
            .value_hint(ValueHint::FilePath)
            .help("The file of the key that shows everything [environment: STATS_API_KEY, the key itself]")
            .help_heading(SERVING),
        Arg::new("min-installations")
            .long("min-installations")
            .value_name("COUNT")
            .value_parser(value_parser!(u64).range(..=1_000_000))
            .help("The least installations behind a number that is shown without the key [environment: STATS_MIN_INSTALLATIONS] [default: 10]")
            .help_heading(SERVING),
        Arg::new("keep")
            .long("keep")
            .value_name("DAYS")
            .value_parser(value_parser!(u32).range(1..=36_500))
            .help("Forget reports that are older; without it they are kept for ever")
            .help_heading(SERVING),
    ]
}

/// Serves until a signal ends it.
pub(super) fn run(settings: &Settings, matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let server = &settings.census.server;
    let mut address =
        value::address(&Raw::Text("127.0.0.1:8081".to_owned())).map_err(|_| bad("--listen", ""))?;
    match (matches.get_one::<String>("listen"), &server.port) {
        (Some(given), _) => {
            address = value::address(&Raw::Text(given.clone())).map_err(|_| bad("--listen", given))?;
        }
        (None, Some(port)) => {
            address
                .set_port(value::port(&Raw::Text(port.clone())).map_err(|_| bad("environment PORT", port))?);
        }
        (None, None) => {}
    }
    let config = config(settings, matches)?;
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get).min(MAX_THREADS);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let outcome = runtime.block_on(async {
        let ended = std::pin::pin!(signals::ended());
        let store = database::open(settings, matches).await?;
        let security = listening::security(settings)?;
        let listener = listening::bind(address)?;
        let address = listener.local_addr().unwrap_or(address);
        let scheme = if security.has_tls() { "https" } else { "http" };
        info!("plimsoll {} counts installations at {scheme}://{address}/", BUILD.version);
        if !address.ip().is_loopback() && !security.has_tls() {
            warn!(
                "{address} can be reached from other machines, and reports and keys travel there in the clear; \
                 tls_server_config of --web.config.file has them encrypted"
            );
        }
        if security.asks() {
            info!("reports and questions need a password, a token or a certificate, as the web configuration says");
        }
        match config.min_installations {
            0 | 1 => warn!("numbers of single installations are shown to everybody"),
            least => info!("without the key no number stands for fewer than {least} installations"),
        }
        match store.ready().await {
            Ok(()) => {}
            // It is tried again by itself.
            Err(error) if error.is_unavailable() => warn!("{:#}", anyhow::Error::new(error)),
            Err(error) => return Err(error.into()),
        }
        plimsoll_hub::serve_on(vec![listener.into()], store, config, security, ended)
            .await
            .with_context(|| format!("cannot serve {address}"))?;
        info!("ended");
        anyhow::Ok(ExitCode::SUCCESS)
    });
    runtime.shutdown_background();
    outcome
}

fn config(settings: &Settings, matches: &ArgMatches) -> anyhow::Result<Config> {
    let server = &settings.census.server;
    let api_key = match matches.get_one::<String>("key-file") {
        Some(path) => {
            let key =
                std::fs::read_to_string(path).with_context(|| format!("cannot read the key in {path}"))?;
            Some(key.trim().to_owned())
        }
        None => server.api_key.as_ref().and_then(|key| match key {
            Secret::Inline(key) => Some(key.clone()),
            Secret::File(_) => None,
        }),
    };
    if api_key.as_ref().is_some_and(String::is_empty) {
        return Err(Failure::caller("the key is empty")
            .remedy("write one into the file of --key-file")
            .into());
    }
    let min_installations = match (matches.get_one::<u64>("min-installations"), &server.min_installations) {
        (Some(least), _) => *least,
        (None, Some(given)) => {
            given.parse().map_err(|_| bad("environment STATS_MIN_INSTALLATIONS", given))?
        }
        (None, None) => Config::default().min_installations,
    };
    Ok(Config {
        api_key,
        basic: server.basic.clone().map(|(name, Password(password))| (name, password)),
        min_installations,
        keep_days: matches.get_one::<u32>("keep").copied(),
        ..Config::default()
    })
}

fn bad(what: &str, given: &str) -> Failure {
    Failure::caller(format!("{what}: bad value {}", text::quoted(given)))
        .remedy("`plimsoll census serve --help` says what each value may be")
}
