//! `plimsoll agent`: measures every container, every interval, and serves the numbers.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use plimsoll_collect::Samples;
use plimsoll_model::agent::Engine;
use plimsoll_model::{Snapshot, State};
use plimsoll_store::History;
use plimsoll_web::{App, Backend, Flushed, Limits, NoHistory, Place, Status};
use tracing::info;

use crate::census::role::Role;
use crate::census::schedule;
use crate::collectors::{self, Attempts, Collectors};
use crate::delivery::{Delivery, Flusher};
use crate::failure::Failure;
use crate::listening::{self, Listening};
use crate::pipeline::{self, BUILD, Pipeline};
use crate::recorder::{self, Asker};
use crate::settings::Settings;
use crate::settings::value::{Choice as _, NONE};
use crate::signals::{self, Wish, Wishes};
use crate::text::printable;

/// Reads the settings again.
type Again<'a> = &'a dyn Fn() -> Result<Settings, Failure>;

/// Runs the agent until a signal ends it. `again` reads the settings once more, when a signal asks for it.
/// `place` is where the server's paths are.
pub(crate) fn run(settings: &Settings, again: Again<'_>, place: Place) -> anyhow::Result<ExitCode> {
    let began = Instant::now();
    let runtime = pipeline::runtime()?;
    let outcome = runtime.block_on(serve(settings, again, place, began));
    // A request that is being encoded must not hold up the end.
    runtime.shutdown_background();
    outcome
}

async fn serve(
    settings: &Settings,
    again: Again<'_>,
    place: Place,
    began: Instant,
) -> anyhow::Result<ExitCode> {
    // Listening for signals comes first, so that one that comes early ends the program in order.
    let ended = std::pin::pin!(signals::ended());
    let mut hang_ups = Wishes::listen(Wish::Reload);
    let flushes = Wishes::listen(Wish::Flush);
    // What cannot be run is told before anything is started.
    collectors::check(settings)?;
    let security = listening::security(settings)?;
    let listening = Listening::of(settings)?;
    let selection = pipeline::selection(settings);
    info!(
        "plimsoll {} measures every {:?}, profile {}",
        BUILD.version,
        settings.interval,
        settings.profile.name()
    );
    let history = recorder::open(settings);
    let pipeline = Pipeline::start_after(settings, selection.clone(), history.past())?;
    info!("{}", pipeline.cgroups);
    let recorder = history.record(pipeline.samples.clone(), Arc::clone(&pipeline.inbox))?;
    let mut own = Collectors::start(settings, Attempts::AsConfigured, &pipeline.samples, &pipeline.inbox)?;
    let mut delivery = Delivery::start(settings, &pipeline.samples, &pipeline.inbox)?;
    let without_engine = settings.engine == [NONE];
    let backend = Arc::new(Agent {
        samples: pipeline.samples.clone(),
        history: recorder.asker(),
        flusher: delivery.flusher(),
        without_engine,
    });
    let role = Role::listen(settings, &pipeline.samples, &security, listening::bind)?;
    let openmetrics_created = settings.openmetrics_created;
    let flusher = delivery.flusher();
    let (listeners, sockets) = listening.tell(&security, place.prefix());
    let app = App { backend, selection, openmetrics_created, limits: Limits::default(), place };
    let samples = pipeline.samples.clone();
    let told = tokio::spawn(async move { tell(&*samples.ready().await, began) });
    let reloading = async {
        loop {
            hang_ups.next().await;
            match again() {
                Ok(settings) => {
                    own.reload(&settings);
                    delivery.reload(&settings).await;
                }
                Err(failure) => collectors::tell_wrong(failure),
            }
        }
    };
    let served = tokio::select! {
        served = plimsoll_web::serve_on(listeners, app, security, ended) => served,
        () = reloading => Ok(()),
        () = flusher.on_signals(flushes) => Ok(()),
        () = schedule::run(settings, pipeline.samples.clone()) => Ok(()),
        () = Role::serve(role) => Ok(()),
    };
    told.abort();
    // With it end the commands that collectors run.
    drop(own);
    // What was sampled last is delivered as far as there is time, and written, before the program ends.
    delivery.stop();
    drop(recorder);
    served.context("cannot serve")?;
    drop(sockets);
    info!("ended");
    Ok(ExitCode::SUCCESS)
}

/// Says what was found.
fn tell(snapshot: &Snapshot, began: Instant) {
    for engine in &snapshot.agent.engines {
        let version = engine.facts.as_ref().map_or("", |facts| &*facts.version);
        let listened =
            format!("listening to {} at {}: {}", engine.name, engine.endpoint, engine.state.word());
        info!("{}", printable(&[&*listened, version].join(" ")));
    }
    if snapshot.agent.engines.is_empty() {
        info!("listening to no engine: containers are recognised by their cgroups");
    }
    let running = snapshot.containers.iter().filter(|row| row.container.state == State::Running).count();
    info!(
        "first complete sample after {:.0?}; containers: {}, running: {running}",
        began.elapsed(),
        snapshot.containers.len()
    );
    for missing in snapshot.agent.capabilities.iter().filter(|capability| !capability.available) {
        let remedy = if missing.remedy.is_empty() { String::new() } else { format!(" ({})", missing.remedy) };
        info!("without {}: {}{remedy}", missing.feature, missing.reason);
    }
}

/// What the web server asks.
struct Agent {
    samples: Samples,
    history: Asker,
    flusher: Flusher,
    /// Whether no engine is wanted, so that none is missing.
    without_engine: bool,
}

impl Backend for Agent {
    async fn snapshot(&self) -> Arc<Snapshot> {
        self.samples.fresh().await
    }

    fn status(&self) -> Status {
        let waiting = || "the first look at the containers has not ended".to_owned();
        Status {
            waiting_for: (!self.samples.is_ready()).then(waiting),
            docker_connected: self.samples.latest().agent.engines.iter().any(Engine::is_up),
            without_engine: self.without_engine,
        }
    }

    fn history(&self) -> Result<History, NoHistory> {
        self.history.history()
    }

    async fn flush(&self, target: Option<String>, patience: Duration) -> Vec<Flushed> {
        let done = self.flusher.flush(target.as_deref(), patience).await;
        let one = |(target, flushed): (String, Option<plimsoll_deliver::Flushed>)| match flushed {
            None => Flushed { target, ..Flushed::default() },
            Some(flushed) => Flushed {
                target,
                answered: true,
                delivered: flushed.delivered,
                rejected: flushed.rejected,
                dropped: flushed.dropped,
                queued: flushed.queued,
                trouble: flushed.trouble,
            },
        };
        done.into_iter().map(one).collect()
    }
}
