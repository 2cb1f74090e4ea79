//! Scanning hosts side by side, each with a deadline of its own: one that hangs or fails costs nobody else.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, ValueHint};
use futures_util::future::join_all;
use plimsoll_deliver::config::Secret;
use plimsoll_wire::census::inventory::{HostInventory, Inventory};

use super::host::{self, Host};
use super::resources::Resources;
use super::{agent, engine};
use crate::engines::START_ONE;
use crate::failure::Failure;
use crate::settings::Settings;
use crate::settings::value::{self, Raw};
use crate::{output, text};

/// What is scanned, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Options {
    /// Addresses; the engines of the settings where there is none.
    pub(super) hosts: Vec<String>,
    /// The time that each host has.
    pub(super) timeout: Duration,
    pub(super) resources: Resources,
    /// The file of the token for agents.
    pub(super) token_file: Option<PathBuf>,
}

/// The arguments of a scan, beside those of settings.
pub(super) fn arguments() -> Vec<Arg> {
    const SCAN: &str = "What to scan";
    vec![
        Arg::new("host")
            .long("host")
            .value_name("ADDRESS")
            .value_hint(ValueHint::Url)
            .action(ArgAction::Append)
            .help("A host to scan instead of this machine's engines; can be repeated")
            .long_help(
                "A host to scan instead of this machine's engines; can be repeated. agent://HOST[:9876], http://HOST:PORT and \
                 https://HOST:PORT are Census agents, Plimsoll's among them; unix:///PATH, tcp://HOST:PORT, ssh://[USER@]HOST \
                 and context:NAME are engines.",
            )
            .help_heading(SCAN),
        Arg::new("timeout")
            .long("timeout")
            .value_name("DURATION")
            .value_hint(ValueHint::Other)
            .default_value("30s")
            .help("How long each host may take")
            .help_heading(SCAN),
        Arg::new("resources")
            .long("resources")
            .value_name("FROM")
            .value_parser(PossibleValuesParser::new(Resources::ALL.map(|(name, _)| name)))
            .default_value("auto")
            .help("Where to take from what containers use")
            .long_help(
                "Where to take from what containers use: `auto` is the kernel where it is the engine's, else the engine's API; \
                 `kernel` and `api` are that alone; `none` leaves it out.",
            )
            .help_heading(SCAN),
        Arg::new("token-file")
            .long("token-file")
            .value_name("FILE")
            .value_hint(ValueHint::FilePath)
            .help("The file of the token that agents want to see [environment: PLIMSOLL_CENSUS_AGENT_TOKEN, the token itself]")
            .help_heading(SCAN),
    ]
}

/// What a command line asks to scan.
///
/// # Errors
/// A timeout that is none.
pub(super) fn options(matches: &ArgMatches) -> Result<Options, Failure> {
    let text = |name: &str| matches.get_one::<String>(name).map_or("", String::as_str);
    let given = text("timeout");
    let timeout = value::timeout(&Raw::Text(given.to_owned())).map_err(|expected| {
        Failure::caller(format!("--timeout: bad value {}: expected {expected}", text::quoted(given)))
    })?;
    let resources = Resources::ALL.iter().find(|(name, _)| *name == text("resources"));
    Ok(Options {
        hosts: matches.get_many("host").into_iter().flatten().cloned().collect(),
        timeout,
        resources: resources.map(|(_, resources)| *resources).unwrap_or_default(),
        token_file: matches.get_one::<String>("token-file").map(PathBuf::from),
    })
}

/// What came of one host.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    /// It answered.
    Found(HostInventory),
    /// It is the same engine as at this other address.
    Same(String),
    /// Why it did not answer.
    Failed(String),
}

/// One host that was asked.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scanned {
    pub(super) address: String,
    pub(super) outcome: Outcome,
    /// What is missing, and hindered nothing else.
    pub(super) trouble: Option<String>,
    pub(super) took: Duration,
    /// What an engine calls itself.
    id: Option<String>,
}

/// A scan that is over.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Scan {
    pub(super) hosts: Vec<Scanned>,
}

impl Scan {
    /// The hosts that answered.
    pub(super) fn found(&self) -> impl Iterator<Item = (&Scanned, &HostInventory)> {
        self.hosts.iter().filter_map(|scanned| match &scanned.outcome {
            Outcome::Found(inventory) => Some((scanned, inventory)),
            _ => None,
        })
    }

    /// What was found.
    pub(super) fn inventory(&self) -> Inventory {
        Inventory { hosts: self.found().map(|(_, inventory)| inventory.clone()).collect() }
    }

    /// Tells of hosts that failed, and of what is missing.
    pub(super) fn warn(&self) {
        for scanned in &self.hosts {
            let address = &scanned.address;
            match &scanned.outcome {
                Outcome::Failed(why) => output::warn(&format!("{address} was not scanned: {why}")),
                Outcome::Same(other) => {
                    output::warn(&format!("{address} is the same engine as {other}, and counted once"));
                }
                Outcome::Found(_) => {}
            }
            if let Some(trouble) = &scanned.trouble {
                output::warn(&format!("{address}: what its containers use is missing: {trouble}"));
            }
        }
    }
}

/// Scans.
///
/// # Errors
/// A host that is none, or no engine where none is named.
pub(super) async fn scan(settings: &Settings, options: &Options) -> Result<Scan, Failure> {
    let host::Hosts { hosts, problems } = host::hosts(&options.hosts, settings)?;
    if hosts.is_empty() && problems.is_empty() {
        return Err(Failure::world("no container engine was found to be scanned").remedy(START_ONE));
    }
    let token = match &options.token_file {
        Some(path) => Some(Secret::File(path.clone())),
        None => settings.census.token.clone(),
    };
    let engines = hosts.iter().filter(|host| matches!(host, Host::Engine(_))).count();
    let each = hosts.iter().map(|host| one(host, settings, options, token.as_ref(), engines > 1));
    let mut scan = Scan { hosts: join_all(each).await };
    once_each(&mut scan.hosts);
    scan.hosts.extend(problems.into_iter().map(|(address, why)| Scanned {
        address,
        outcome: Outcome::Failed(why),
        trouble: None,
        took: Duration::ZERO,
        id: None,
    }));
    Ok(scan)
}

async fn one(
    host: &Host,
    settings: &Settings,
    options: &Options,
    token: Option<&Secret>,
    beside_others: bool,
) -> Scanned {
    let began = Instant::now();
    let asking = async {
        match host {
            Host::Engine(found) => engine::scan(found, settings, options.resources, beside_others).await,
            Host::Agent(url) => {
                let stats = options.resources != Resources::None;
                let inventory = agent::scan(url, token, stats, options.timeout).await?;
                Ok(engine::Engine { inventory, id: None, trouble: None })
            }
        }
    };
    let (outcome, trouble, id) = match tokio::time::timeout(options.timeout, asking).await {
        Ok(Ok(found)) => (Outcome::Found(found.inventory), found.trouble, found.id),
        Ok(Err(error)) => (Outcome::Failed(format!("{error:#}")), None, None),
        Err(_) => (Outcome::Failed(format!("no answer within {:?}", options.timeout)), None, None),
    };
    Scanned { address: host.to_string(), outcome, trouble, took: began.elapsed(), id }
}

/// An engine with two addresses is counted once.
fn once_each(hosts: &mut [Scanned]) {
    for index in 1..hosts.len() {
        let (before, rest) = hosts.split_at_mut(index);
        let this = &mut rest[0];
        let other = before.iter().find(|other| other.id.is_some() && other.id == this.id);
        if let Some(other) = other {
            this.outcome = Outcome::Same(other.address.clone());
            this.trouble = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use plimsoll_testkit::fake_engine::{Behaviour, FakeContainer, FakeEngine, IMAGE_SIZE};

    use super::*;

    fn options(hosts: &[String]) -> Options {
        Options {
            hosts: hosts.to_vec(),
            timeout: Duration::from_secs(1),
            resources: Resources::None,
            token_file: None,
        }
    }

    fn address(engine: &FakeEngine) -> String {
        format!("unix://{}", engine.socket().display())
    }

    #[tokio::test]
    async fn a_host_that_hangs_costs_nobody_else() {
        let (well, hangs, broken) = (FakeEngine::start(), FakeEngine::start(), FakeEngine::start());
        well.put(
            FakeContainer::new("web")
                .restart_count(12)
                .network("shop", "10.0.0.2", 24, "")
                .volume("data", "/data"),
        );
        well.put(FakeContainer::new("old").exited(1, 5));
        well.put(FakeContainer::new("made").state("created"));
        hangs.set_behaviour("/", Behaviour::Hang);
        broken.set_behaviour("/", Behaviour::Garbage(b"hello".to_vec()));
        let hosts = [address(&hangs), address(&well), address(&broken), "/nowhere/docker.sock".to_owned()];
        let scan = scan(&Settings::default(), &options(&hosts)).await.unwrap();
        let failed = |index: usize| match &scan.hosts[index].outcome {
            Outcome::Failed(why) => why.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(failed(0), "no answer within 1s");
        assert!(!failed(2).is_empty() && failed(3).contains("/nowhere/docker.sock"), "{}", failed(3));
        let found: Vec<_> = scan.found().collect();
        assert_eq!(found.len(), 1);
        let containers = &found[0].1.containers;
        let told: Vec<_> = containers.iter().map(|c| (&*c.name, &*c.state, c.restart_count)).collect();
        assert_eq!(
            told,
            [("web", "running", Some(12)), ("old", "exited", Some(0)), ("made", "created", Some(0))]
        );
        assert_eq!(
            (&*containers[0].networks, &*containers[0].volumes),
            (&["shop".to_owned()][..], &["data".to_owned()][..])
        );
        assert_eq!(containers[0].image_size, Some(IMAGE_SIZE));
        // Version, listing, images, and each container once. Beside other engines: who it is.
        let asked = well.requests();
        assert!(asked.iter().all(|(method, _)| method == "GET"), "{asked:?}");
        assert_eq!(asked.len(), 4 + 3, "{asked:?}");
    }

    #[tokio::test]
    async fn an_engine_with_two_addresses_is_counted_once() {
        let (one, two) = (FakeEngine::start(), FakeEngine::start());
        one.set_id("same");
        two.set_id("same");
        let scan = scan(&Settings::default(), &options(&[address(&one), address(&two)])).await.unwrap();
        assert_eq!(scan.found().count(), 1);
        assert_eq!(scan.hosts[1].outcome, Outcome::Same(address(&one)));
    }

    #[tokio::test]
    async fn without_an_engine_it_is_told() {
        let settings = Settings { engine: vec!["none".to_owned()], ..Settings::default() };
        let told = scan(&settings, &options(&[])).await.unwrap_err().told();
        assert!(told.starts_with("no container engine was found"), "{told}");
    }
}
