//! One engine's part of a scan: what it lists, and what its containers use.
//!
//! Two requests whatever the number of containers, containers and images; and the numbers of containers and their
//! restarts either from a running agent's snapshot, from a pipeline that is started for a moment, or, where no numbers
//! are wanted, from an inspection of each container.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use anyhow::Context as _;
use futures_util::{StreamExt as _, stream};
use plimsoll_collect::{SourceChoice, Which};
use plimsoll_engine::{Client, Discovery, Flavour, Found, ImageSummary, Resident};
use plimsoll_model::{Collector, ContainerRow, Profile, Selection, Slot, Snapshot, State};
use plimsoll_wire::census::inventory::{ContainerInventory, HostInventory, Via, depends_on};

use super::scan::Resources;
use crate::pipeline::Pipeline;
use crate::settings::Settings;

/// The time over which processor use is measured, where no agent runs that has measured it.
const BETWEEN_SAMPLES: Duration = Duration::from_millis(200);

/// Requests under way at once; as many connections are kept.
const AT_ONCE: usize = 4;

const PROJECT: &str = "com.docker.compose.project";
const DEPENDS_ON: &str = "com.docker.compose.depends_on";

/// What containers use, and how often they were restarted, by id.
pub(super) type Numbers = HashMap<String, Used>;

/// What a container uses. What is not known is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Used {
    pub(super) restarts: Option<u64>,
    /// Percent of one processor.
    pub(super) cpu: Option<f64>,
    /// Bytes, without the page cache.
    pub(super) memory: Option<u64>,
    /// Bytes, where a limit was set.
    pub(super) limit: Option<u64>,
    /// When it was started, in Unix nanoseconds.
    pub(super) started: Option<u64>,
}

/// What an engine says there is.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    pub(super) residents: Vec<Resident>,
    pub(super) images: Vec<ImageSummary>,
    pub(super) numbers: Numbers,
    /// Names of volumes by container, where the listing does not have them.
    volumes: HashMap<String, Vec<String>>,
}

/// An engine that was scanned.
pub(super) struct Engine {
    pub(super) inventory: HostInventory,
    /// What it calls itself, where others may be the same one.
    pub(super) id: Option<String>,
    /// What is missing, and hindered nothing else.
    pub(super) trouble: Option<String>,
}

/// Scans an engine. With `beside_others` it is asked who it is.
///
/// # Errors
/// If it does not answer.
pub(super) async fn scan(
    found: &Found,
    settings: &Settings,
    resources: Resources,
    beside_others: bool,
) -> anyhow::Result<Engine> {
    let client = Client::new(found.endpoint.clone());
    let flavour = client.version().await?.flavour;
    let measuring = async {
        match resources.source(settings.source) {
            None => Ok(Numbers::new()),
            Some(source) => measure(found, settings, source).await,
        }
    };
    let asking = listed(&client);
    // Podman makes up another id for each answer.
    let identifying = async {
        match flavour {
            Flavour::Docker if beside_others => client.info().await.ok()?.id,
            _ => None,
        }
    };
    let (numbers, listed, id) = tokio::join!(measuring, asking, identifying);
    let mut told = listed?;
    // That there are no numbers costs nobody the containers.
    let trouble = match numbers {
        Ok(numbers) => {
            told.numbers = numbers;
            None
        }
        Err(error) => Some(format!("{error:#}")),
    };
    complete(&client, flavour, &mut told).await;
    Ok(Engine { inventory: inventory(&found.endpoint.to_string(), told), id, trouble })
}

/// What an engine lists.
///
/// # Errors
/// If it does not answer.
pub(super) async fn listed(client: &Client) -> plimsoll_engine::Result<Told> {
    let (residents, images) = tokio::join!(client.residents(), client.images());
    // A proxy may forbid the question for images; sizes are then unknown.
    let images = match images {
        Err(error) if error.is_refusal() => Vec::new(),
        images => images?,
    };
    Ok(Told { residents: residents?.containers, images, ..Told::default() })
}

/// Asks one by one for what neither the listing nor the numbers tell.
pub(super) async fn complete(client: &Client, flavour: Flavour, told: &mut Told) {
    let of_podman = match flavour {
        Flavour::Podman => client.libpod_residents().await.unwrap_or_default(),
        _ => BTreeMap::new(),
    };
    for (id, resident) in &of_podman {
        let used = told.numbers.entry(id.clone()).or_default();
        used.restarts = used.restarts.or(resident.restarts);
    }
    let lacks = |resident: &&Resident| {
        let has_restarts = told.numbers.get(&resident.id).is_some_and(|used| used.restarts.is_some());
        let has_hidden_mounts =
            resident.mounts.is_empty() && of_podman.get(&resident.id).is_some_and(|more| more.has_mounts);
        !has_restarts || has_hidden_mounts
    };
    let ids: Vec<String> = told.residents.iter().filter(lacks).map(|resident| resident.id.clone()).collect();
    let inspected = stream::iter(ids).map(|id| async move { client.inspect(&id).await });
    // A container that is gone by now, or cannot be inspected, just lacks these.
    let inspected: Vec<_> =
        inspected.buffer_unordered(AT_ONCE).filter_map(async |found| found.ok()).collect().await;
    for details in inspected {
        let used = told.numbers.entry(details.id.clone()).or_default();
        used.restarts = used.restarts.or(details.restart_count);
        used.started = used.started.or(details.started_at);
        told.volumes.insert(details.id, details.volumes);
    }
}

/// Measures what an engine's containers use, over a moment.
async fn measure(found: &Found, settings: &Settings, source: SourceChoice) -> anyhow::Result<Numbers> {
    let mut selection = Selection::of_profile(Profile::Minimal);
    for unused in [Collector::Pressure, Collector::Sockets, Collector::Io, Collector::Network] {
        selection.switch(unused, false);
    }
    // A census counts every container, whatever the settings measure.
    let settings = Settings {
        interval: BETWEEN_SAMPLES,
        source,
        include_name: Vec::new(),
        exclude_name: Vec::new(),
        include_image: Vec::new(),
        exclude_image: Vec::new(),
        include_label: Vec::new(),
        exclude_label: Vec::new(),
        ..settings.clone()
    };
    let which = Which::Named(Discovery { found: vec![found.clone()], problems: Vec::new() });
    let pipeline = Pipeline::start_on(&settings, selection, which).context("cannot measure")?;
    let known = pipeline.with_engine().await.context("cannot measure")?;
    let mut samples = pipeline.samples.clone();
    let mut snapshot = known.clone();
    if known.containers.iter().any(|row| row.container.state == State::Running) {
        // Processor use is over the time between two ticks, so the first tick that has the containers has none to show.
        while samples.tick().await.sequence < known.sequence {}
        snapshot = samples.tick().await;
    }
    Ok(numbers(&snapshot, &found.endpoint.to_string()))
}

/// What a snapshot tells of the containers of the engine at an address.
pub(super) fn numbers(snapshot: &Snapshot, endpoint: &str) -> Numbers {
    let engine = snapshot.agent.engines.iter().find(|engine| &*engine.endpoint == endpoint);
    let Some(engine) = engine else { return Numbers::new() };
    let rows = snapshot.containers.iter().filter(|row| row.container.engine == engine.name);
    rows.map(|row| (row.container.id.clone(), used(row, snapshot.agent.machine.memory))).collect()
}

fn used(row: &ContainerRow, machine: Option<u64>) -> Used {
    let values = &row.values;
    let is_limit = |limit: &u64| machine.is_none_or(|machine| *limit < machine);
    let is_running = matches!(row.container.state, State::Running | State::Paused);
    Used {
        restarts: values.get(Slot::Restarts),
        cpu: values.get(Slot::CpuPercent).filter(|_| is_running).map(|billionths| billionths as f64 / 1e9),
        memory: values.get(Slot::MemoryWorkingSet).or(values.get(Slot::MemoryUsage)).filter(|_| is_running),
        limit: values.get(Slot::MemoryLimit).filter(|_| is_running).filter(is_limit),
        started: row.started,
    }
}

/// An engine's part of the inventory.
pub(super) fn inventory(name: &str, told: Told) -> HostInventory {
    let Told { residents, images, numbers, mut volumes } = told;
    let sizes = sizes(&images);
    let container = |resident: Resident| {
        let used = numbers.get(&resident.id).copied().unwrap_or_default();
        let listed = resident.mounts.iter().map(|mount| mount.name.clone()).filter(|name| !name.is_empty());
        let mut own: Vec<String> = listed.collect();
        if own.is_empty() {
            own = volumes.remove(&resident.id).unwrap_or_default();
        }
        ContainerInventory {
            image_size: sizes.get(&resident.image_id).copied(),
            state: State::from_engine(&resident.state).word().to_owned(),
            restart_count: used.restarts.map(|count| u32::try_from(count).unwrap_or(u32::MAX)),
            volumes: own,
            compose_project: resident.labels.get(PROJECT).filter(|name| !name.is_empty()).cloned(),
            depends_on: resident.labels.get(DEPENDS_ON).map(|label| depends_on(label)).unwrap_or_default(),
            cpu_percent: used.cpu,
            memory_bytes: used.memory,
            memory_limit: used.limit,
            id: resident.id,
            name: resident.name,
            image: resident.image,
            image_id: resident.image_id,
            networks: resident.networks,
        }
    };
    HostInventory {
        name: name.to_owned(),
        via: Via::Engine,
        containers: residents.into_iter().map(container).collect(),
        ..HostInventory::default()
    }
}

/// Sizes of images by id.
pub(super) fn sizes(images: &[ImageSummary]) -> HashMap<String, u64> {
    images.iter().filter_map(|image| Some((image.id.clone(), image.size?))).collect()
}
