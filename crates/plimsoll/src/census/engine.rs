//! One engine's part of a scan: what it lists, and what its containers use.
//!
//! Two requests whatever the number of containers: one for them and one for images. What containers use comes from the
//! cgroups that have their ids for names, where they are on this machine, from a running agent's snapshot, or through the
//! engine. Restarts, which listings do not have, come from there, from Docker's own files, or from an inspection of each.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::{StreamExt as _, stream};
use plimsoll_collect::{SourceChoice, Which};
use plimsoll_engine::{
    Client, Discovery, Endpoint, Flavour, Found, ImageSummary, Info, Resident, docker_restarts,
};
use plimsoll_model::{Collector, ContainerRow, Profile, Selection, Slot, Snapshot, State};
use plimsoll_wire::census::inventory::{ContainerInventory, HostInventory, Via, depends_on};

use super::resources::Resources;
use crate::engines;
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
    let version = client.version().await?;
    let is_here = matches!(found.endpoint, Endpoint::Unix(_))
        && version.kernel.is_some_and(|kernel| kernel == plimsoll_kernel::release());
    let source = resources.source(settings.source);
    let measuring = async {
        match source {
            None => Ok(Numbers::new()),
            // The cgroups of its containers are here, and have their ids for names: nobody needs to be asked.
            Some(source) if is_here && source != SourceChoice::Api => {
                measure(settings, source, Which::None).await
            }
            Some(source) => measure(settings, source, only(found)).await,
        }
    };
    // Podman makes up another id for each answer.
    let identifying = async {
        match version.flavour {
            Flavour::Docker if beside_others => client.info().await.ok(),
            _ => None,
        }
    };
    let (mut numbers, listed, info) = tokio::join!(measuring, listed(&client), identifying);
    let id = info.as_ref().and_then(|info| info.id.clone());
    let mut told = listed?;
    if let Some(source) = source
        && is_here
        && !numbers.as_ref().is_ok_and(|numbers| told.is_in(numbers))
    {
        // Cgroups under names of another kind: the engine knows which process is whose.
        numbers = measure(settings, source, only(found)).await;
    }
    // That there are no numbers costs nobody the containers.
    let trouble = match numbers {
        Ok(numbers) => {
            told.numbers = numbers;
            None
        }
        Err(error) => Some(format!("{error:#}")),
    };
    if is_here && version.flavour == Flavour::Docker {
        read_restarts(&client, info, &mut told).await;
    }
    complete(&client, version.flavour, &mut told).await;
    Ok(Engine { inventory: inventory(&found.endpoint.to_string(), told), id, trouble })
}

fn only(found: &Found) -> Which {
    Which::Named(Discovery { found: vec![found.clone()], problems: Vec::new() })
}

impl Told {
    /// Whether there are numbers of any container that runs, or none runs.
    fn is_in(&self, numbers: &Numbers) -> bool {
        let mut running = self.residents.iter().filter(|resident| resident.state == "running").peekable();
        running.peek().is_none() || running.any(|resident| numbers.contains_key(&resident.id))
    }
}

/// Reads restarts from Docker's own files, where this user may: an inspection of each container costs Docker several
/// times as much as its listing of all.
async fn read_restarts(client: &Client, info: Option<Info>, told: &mut Told) {
    let Some(first) = told.residents.first().map(|resident| resident.id.clone()) else { return };
    let is_root = |root: &PathBuf| root.join("containers").join(&first).exists();
    let usual = engines::state_files().docker.into_iter().find(is_root);
    let root = match (usual, info) {
        (Some(root), _) => Some(root),
        (None, Some(info)) => info.docker_root_dir.map(PathBuf::from),
        (None, None) => client.info().await.ok().and_then(|info| info.docker_root_dir).map(PathBuf::from),
    };
    let root = root.filter(is_root);
    let Some(root) = root else { return };
    let ids: Vec<String> = told.residents.iter().map(|resident| resident.id.clone()).collect();
    let reading = move || docker_restarts(&root, ids.iter().map(String::as_str));
    let read = tokio::task::spawn_blocking(reading).await.unwrap_or_default();
    for (id, restarts) in read {
        told.numbers.entry(id).or_default().restarts = Some(restarts);
    }
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

/// Measures what containers use, over a moment: those of engines, or all that have a cgroup.
async fn measure(settings: &Settings, source: SourceChoice, which: Which) -> anyhow::Result<Numbers> {
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
    let pipeline = Pipeline::start_on(&settings, selection, which).context("cannot measure")?;
    let known = pipeline.with_engine().await.context("cannot measure")?;
    let mut samples = pipeline.samples.clone();
    let mut snapshot = known.clone();
    if known.containers.iter().any(|row| row.container.state.may_have_processes()) {
        // Processor use is over the time between two ticks, so the first tick that has the containers has none to show.
        while samples.tick().await.sequence < known.sequence {}
        snapshot = samples.tick().await;
    }
    Ok(of_rows(snapshot.containers.iter(), &snapshot))
}

/// What a snapshot tells of the containers of the engine at an address.
pub(super) fn numbers(snapshot: &Snapshot, endpoint: &str) -> Numbers {
    let engine = snapshot.agent.engines.iter().find(|engine| &*engine.endpoint == endpoint);
    let Some(engine) = engine else { return Numbers::new() };
    let rows = snapshot.containers.iter().filter(|row| row.container.engine == engine.name);
    of_rows(rows, snapshot)
}

fn of_rows<'a>(rows: impl Iterator<Item = &'a ContainerRow>, snapshot: &Snapshot) -> Numbers {
    rows.map(|row| (row.container.id.clone(), used(row, snapshot.agent.machine.memory))).collect()
}

fn used(row: &ContainerRow, machine: Option<u64>) -> Used {
    let values = &row.values;
    let is_limit = |limit: &u64| machine.is_none_or(|machine| *limit < machine);
    let is_running = row.container.state.may_have_processes();
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
