//! Collectors of the user's own: from the tables of the configuration to a schedule that runs, and to another one when the
//! configuration has changed.

use std::collections::HashSet;
use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use plimsoll_collect::metrics::{
    ByLabels, CollectorConfig, CollectorError, CollectorFactory, Readings, Rescheduled, SCRAPE_LABELS,
    Schedule, Scheduled, register_custom, scheduled_host,
};
use plimsoll_collect::{Inbox, Samples};
use plimsoll_model::Collector;
use tracing::{error, info};

use crate::failure::{self, Failure};
use crate::pipeline;
use crate::settings::Settings;
use crate::settings::collector::CollectorTable;
use crate::text;

/// How long a command that prints once waits for collectors to collect once.
const FIRST_ROUND: Duration = Duration::from_secs(10);

/// The types of collectors that a configuration can name. Containers are those that the samples show.
fn factory(samples: Option<&Samples>) -> Result<CollectorFactory, CollectorError> {
    let factory = CollectorFactory::default();
    let readings = samples.cloned().map(Readings::of);
    let lookup = move |id: &str| readings.as_ref()?.container(id);
    register_custom(&factory, Arc::new(lookup))?;
    Ok(factory)
}

/// Makes sure that the collectors of these settings can be made.
///
/// # Errors
/// The first that cannot, with its line in the file.
pub(crate) fn check(settings: &Settings) -> Result<(), Failure> {
    make(settings, Attempts::AsConfigured, None).map(drop)
}

/// How often a collection is attempted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempts {
    /// As the configuration says.
    AsConfigured,
    /// Once: somebody waits for what comes of it.
    Once,
}

fn make(
    settings: &Settings,
    attempts: Attempts,
    samples: Option<&Samples>,
) -> Result<Vec<Scheduled>, Failure> {
    let factory =
        factory(samples).map_err(|error| Failure::world("cannot set collectors up").because(error))?;
    let mut of_the_agent: HashSet<&str> = Collector::ALL.iter().map(|collector| collector.name()).collect();
    of_the_agent.insert(SCRAPE_LABELS);
    let made = tables(settings).map(|table| {
        if settings.collector.iter().any(|other| other.name == table.name && other.origin != table.origin) {
            let name = text::quoted(&table.name);
            let what = format!("{}: there is a collector {name} of the configuration already", table.origin);
            return Err(Failure::caller(what).remedy("give that one another name"));
        }
        if of_the_agent.contains(&*table.name) {
            let name = text::quoted(&table.name);
            let what = format!("{}: {name} is the name of one of the agent's own collectors", table.origin);
            return Err(Failure::caller(what).remedy("give this one another name"));
        }
        let mut config = config(table, settings);
        if attempts == Attempts::Once {
            config.retry_attempts = 0;
        }
        let made = factory.create_collector(&table.type_name, config);
        let collector = made.map_err(|error| refused(table, &error))?;
        Ok(Scheduled { type_name: table.type_name.clone(), collector: Arc::new(collector) })
    });
    made.collect()
}

/// The collectors that the settings ask for: those with a table, and those without.
fn tables(settings: &Settings) -> impl Iterator<Item = &CollectorTable> {
    settings.collector.iter().chain(&settings.implied)
}

/// How containers are asked that say so by labels, if they are.
fn by_labels(settings: &Settings) -> Option<ByLabels> {
    let interval = settings.collection_interval;
    let timeout = settings.collection_timeout.min(interval);
    settings.scrape_labels.then_some(ByLabels { interval, timeout })
}

/// How a collector is to be run; the settings decide what its table does not say.
fn config(table: &CollectorTable, settings: &Settings) -> CollectorConfig {
    let default = CollectorConfig::default();
    let collection_interval = table.interval.unwrap_or(settings.collection_interval);
    CollectorConfig {
        name: table.name.clone(),
        enabled: table.enabled,
        collection_interval,
        timeout: table.timeout.unwrap_or_else(|| settings.collection_timeout.min(collection_interval)),
        retry_attempts: table.retry_attempts.unwrap_or(settings.collection_retries),
        retry_delay: table.retry_delay.unwrap_or(default.retry_delay),
        custom_labels: table.labels.clone(),
        parameters: table.parameters.clone(),
    }
}

fn refused(table: &CollectorTable, error: &CollectorError) -> Failure {
    match error {
        CollectorError::UnknownType { known, .. } => {
            let asked = text::quoted(&table.type_name);
            Failure::caller(format!("{}: unknown collector type {asked}", table.origin))
                .remedy(format!("known are {}", known.join(", ")))
        }
        other => {
            let problem = other.source().map_or_else(|| other.to_string(), ToString::to_string);
            let name = text::quoted(&table.name);
            Failure::caller(text::printable(&format!("{}: collector {name}: {problem}", table.origin)))
        }
    }
}

/// Says that a configuration that was read again is wrong.
pub(crate) fn tell_wrong(failure: Failure) {
    let text = failure::in_one_line(&failure.into());
    error!("the configuration was read again and is wrong, so everything stays as it was: {text}");
}

/// The collectors that run.
#[derive(Debug)]
pub(crate) struct Collectors {
    schedule: Schedule,
    samples: Samples,
    attempts: Attempts,
    /// Those that the agent has of its own. No configuration changes them while it runs.
    of_the_machine: Vec<Scheduled>,
}

impl Collectors {
    /// Starts the collectors of these settings. Needs a tokio runtime.
    pub(crate) fn start(
        settings: &Settings,
        attempts: Attempts,
        samples: &Samples,
        inbox: &Arc<Inbox>,
    ) -> Result<Self, Failure> {
        let selection = pipeline::selection(settings);
        let of_the_machine = [Collector::Host, Collector::Filesystem];
        let of_the_machine = of_the_machine.into_iter().filter(|group| selection.has_collector(*group));
        let of_the_machine = of_the_machine
            .map(|group| {
                scheduled_host(group, &pipeline::roots(settings), settings.interval, Arc::clone(inbox))
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| Failure::world("cannot read the machine").because(error))?;
        let schedule = Schedule::new(samples.clone(), Arc::clone(inbox));
        let mut collectors = Self { schedule, samples: samples.clone(), attempts, of_the_machine };
        collectors.replace(settings)?;
        let names: Vec<&str> = tables(settings).map(|table| &*table.name).collect();
        if !names.is_empty() {
            info!("collectors of the configuration: {}", names.join(", "));
        }
        Ok(collectors)
    }

    fn replace(&mut self, settings: &Settings) -> Result<Rescheduled, Failure> {
        let mut wanted = make(settings, self.attempts, Some(&self.samples))?;
        wanted.extend(self.of_the_machine.iter().cloned());
        let done = self
            .schedule
            .replace(wanted)
            .map_err(|error| Failure::caller("cannot run these collectors").because(error))?;
        self.schedule.ask_by_labels(by_labels(settings));
        Ok(done)
    }

    /// Runs the collectors of the configuration as it is now: those that are as they were go on untouched. If one
    /// of them is wrong, nothing changes.
    pub(crate) fn reload(&mut self, settings: &Settings) {
        match self.replace(settings) {
            Ok(done) => {
                let list = |names: &[String]| match names {
                    [] => "none".to_owned(),
                    names => names.join(", "),
                };
                info!(
                    "the configuration was read again; collectors started: {}; stopped: {}; untouched: {}; other settings need a restart",
                    list(&done.started),
                    list(&done.stopped),
                    done.kept.len()
                );
            }
            Err(failure) => tell_wrong(failure),
        }
    }

    /// Waits until each has collected once.
    pub(crate) async fn first_round(&self) {
        self.schedule.first_round(FIRST_ROUND).await;
    }
}
