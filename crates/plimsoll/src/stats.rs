//! `plimsoll stats`: the live table of `docker stats`, straight from the kernel.
//!
//! [`template`] understands `--format` and lays the table out, [`format`] writes the numbers as `docker stats` does, [`past`] shows
//! a moment of the history.

pub(crate) mod format;
mod past;
pub(crate) mod template;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use plimsoll_model::{
    Collector, ContainerRow, DeviceSlot, InterfaceSlot, Profile, Selection, Slot, Snapshot, State,
};
use plimsoll_store::Millis;

use crate::failure::Failure;
use crate::pipeline::{self, Pipeline};
use crate::settings::Settings;
use crate::signals;
use crate::stats::format::Row;
use crate::stats::template::Template;
use crate::{engines, output, text};

/// What the command line of `plimsoll stats` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// A moment of the past; now without.
    pub(crate) at: Option<Millis>,
    /// Stopped containers, too.
    pub(crate) all: bool,
    /// One table, then the end.
    pub(crate) no_stream: bool,
    /// Whole identifiers.
    pub(crate) no_trunc: bool,
    /// How to print.
    pub(crate) template: Template,
    /// Names or identifiers of the containers to show; all when empty.
    pub(crate) containers: Vec<String>,
}

/// Puts the cursor into the upper left corner.
const HOME: &str = "\x1b[H";
/// Clears what is right of the cursor in its line.
const CLEAR_LINE: &str = "\x1b[K";
/// Clears what is below the cursor.
const CLEAR_BELOW: &str = "\x1b[J";
/// Clears the screen.
const CLEAR: &str = "\x1b[2J";

/// Shows the table, live or once.
pub(crate) fn run(settings: &Settings, options: &Options) -> anyhow::Result<ExitCode> {
    if let Some(at) = options.at {
        past::show(settings, options, at)?;
        return Ok(ExitCode::SUCCESS);
    }
    let runtime = pipeline::runtime()?;
    let outcome = runtime.block_on(async {
        tokio::select! {
            () = signals::ended() => Ok(()),
            shown = show(settings, options) => shown,
        }
    });
    runtime.shutdown_background();
    outcome.map(|()| ExitCode::SUCCESS)
}

async fn show(settings: &Settings, options: &Options) -> anyhow::Result<()> {
    let mut selection = Selection::of_profile(Profile::Minimal);
    for unused in [Collector::Pressure, Collector::Sockets] {
        selection.switch(unused, false);
    }
    let pipeline = Pipeline::start(settings, selection)?;
    let known = pipeline.with_engine().await?;
    require(&known, &options.containers)?;
    let mut samples = pipeline.samples.clone();
    let on_screen = !options.no_stream && std::io::stdout().is_terminal();
    if on_screen {
        output::print(CLEAR)?;
    } else {
        engines::troubles(&known).iter().for_each(|trouble| output::warn(trouble));
    }
    // Processor use is over the time between two ticks, so the first tick that has the containers has none to show.
    while samples.tick().await.sequence < known.sequence {}
    loop {
        let snapshot = samples.tick().await;
        let table = options.template.render(&rows(&snapshot, options), options.no_trunc);
        if on_screen {
            let troubles = engines::troubles(&snapshot)
                .iter()
                .map(|trouble| text::printable(trouble))
                .collect::<Vec<_>>();
            let lines: String = table
                .lines()
                .chain(troubles.iter().map(String::as_str))
                .map(|line| format!("{line}{CLEAR_LINE}\n"))
                .collect();
            output::print(&format!("{HOME}{lines}{CLEAR_BELOW}"))?;
        } else {
            output::print(&table)?;
        }
        if options.no_stream {
            return Ok(());
        }
    }
}

/// Whether a container is the one that was asked for: by name, or by the beginning of its id.
fn is_meant(row: &ContainerRow, asked: &str) -> bool {
    let container = &row.container;
    container.name == asked.trim_start_matches('/') || (!asked.is_empty() && container.id.starts_with(asked))
}

/// Every container that was asked for must exist.
fn require(snapshot: &Snapshot, asked: &[String]) -> Result<(), Failure> {
    for name in asked {
        if !snapshot.containers.iter().any(|row| is_meant(row, name)) {
            return Err(Failure::world(format!("no such container: {}", text::quoted(name)))
                .remedy("`plimsoll stats --all` lists all that there are"));
        }
    }
    Ok(())
}

fn rows(snapshot: &Snapshot, options: &Options) -> Vec<Row> {
    let has_processes = |row: &ContainerRow| matches!(row.container.state, State::Running | State::Paused);
    if options.containers.is_empty() {
        let shown = snapshot.containers.iter().filter(|row| options.all || has_processes(row));
        return shown.map(|row| line(snapshot, row, row.container.short_id())).collect();
    }
    let find = |asked: &String| {
        snapshot.containers.iter().find(|row| is_meant(row, asked)).map(|row| line(snapshot, row, asked))
    };
    options.containers.iter().filter_map(find).collect()
}

fn line(snapshot: &Snapshot, row: &ContainerRow, asked: &str) -> Row {
    let values = &row.values;
    let is_read = values.get(Slot::CpuUsage).is_some();
    // Podman's API does not tell what memory is made of.
    let memory = values.get(Slot::MemoryWorkingSet).or(values.get(Slot::MemoryUsage));
    let machine = snapshot.agent.machine.memory;
    // Where there is no limit, or one beyond what there is, the machine is the limit.
    let limit = [values.get(Slot::MemoryLimit), machine].into_iter().flatten().min().filter(|_| is_read);
    let nano = |value: u64| value as f64 / 1e9;
    Row {
        container: asked.to_owned(),
        id: row.container.id.clone(),
        name: row.container.display_name().to_owned(),
        cpu_percent: values.get(Slot::CpuPercent).map(nano),
        memory,
        memory_limit: limit,
        memory_percent: memory.zip(limit).map(|(used, limit)| used as f64 / limit as f64 * 100.0),
        // As `docker stats`: a running container that moved nothing moved 0 bytes.
        net: (is_read && is_network_known(snapshot, row)).then(|| {
            let speaker = speaker(snapshot, row);
            let total = |slot| speaker.network_total(slot).unwrap_or(0);
            (total(InterfaceSlot::RxBytes), total(InterfaceSlot::TxBytes))
        }),
        block: is_read.then(|| {
            let total = |slot| row.device_total(slot).unwrap_or(0);
            (total(DeviceSlot::ReadBytes), total(DeviceSlot::WriteBytes))
        }),
        pids: values.get(Slot::Threads),
    }
}

/// Whether a container without interfaces has none, rather than some that cannot be seen from here.
fn is_network_known(snapshot: &Snapshot, row: &ContainerRow) -> bool {
    let mode = &*row.container.network_mode;
    let has_no_own = matches!(mode, "none" | "host") || mode.starts_with("container:");
    let can_see =
        || snapshot.agent.capabilities.iter().any(|found| found.feature == "network" && found.available);
    !row.interfaces.is_empty() || has_no_own || (!mode.is_empty() && can_see())
}

/// The row that has the traffic of the container's network namespace, which it may share.
fn speaker<'a>(snapshot: &'a Snapshot, row: &'a ContainerRow) -> &'a ContainerRow {
    let shared = row.container.network_mode.strip_prefix("container:");
    let other = shared.and_then(|id| snapshot.containers.iter().find(|other| other.container.id == id));
    other.filter(|_| row.interfaces.is_empty()).unwrap_or(row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_model::{Container, InterfaceRow, Values};

    fn row(id: &str, name: &str, state: State) -> ContainerRow {
        let mut container = Container::new(id, "docker".into());
        container.name = name.to_owned();
        container.state = state;
        ContainerRow::new(container.into())
    }

    fn options(all: bool, containers: &[&str]) -> Options {
        Options {
            at: None,
            all,
            no_stream: true,
            no_trunc: false,
            template: Template::default(),
            containers: containers.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    fn snapshot() -> Snapshot {
        let mut web = row("aaaa1111", "web", State::Running);
        web.values.set(Slot::CpuUsage, 1);
        web.values.set(Slot::MemoryWorkingSet, 50);
        let mut values = Values::default();
        values.set(InterfaceSlot::RxBytes, 7);
        web.interfaces.push(InterfaceRow { name: "eth0".into(), network: "".into(), values });
        let mut peer = row("bbbb2222", "peer", State::Running);
        peer.values.set(Slot::CpuUsage, 1);
        std::sync::Arc::get_mut(&mut peer.container).unwrap().network_mode = "container:aaaa1111".to_owned();
        let mut unseen = row("dddd4444", "unseen", State::Running);
        unseen.values.set(Slot::CpuUsage, 1);
        let stopped = row("cccc3333", "old", State::Exited);
        let mut snapshot = Snapshot { containers: vec![web, peer, stopped, unseen], ..Snapshot::default() };
        snapshot.agent.machine.memory = Some(200);
        snapshot
    }

    #[test]
    fn what_is_shown() {
        let names = |options: &Options| {
            rows(&snapshot(), options).iter().map(|row| row.name.clone()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names(&options(false, &[])), "web peer unseen");
        assert_eq!(names(&options(true, &[])), "web peer old unseen");
        assert_eq!(
            names(&options(false, &["old", "aaaa"])),
            "old web",
            "what is asked for is shown, in that order"
        );
        assert!(require(&snapshot(), &["none".to_owned()]).unwrap_err().to_string().contains("`none`"));
    }

    #[test]
    fn numbers_are_those_of_docker_stats() {
        let shown = rows(&snapshot(), &options(true, &[]));
        assert_eq!(shown[0].memory_limit, Some(200), "without a limit it is the machine's memory");
        assert_eq!(shown[0].memory_percent, Some(25.0));
        assert_eq!(shown[0].net, Some((7, 0)));
        assert_eq!(shown[0].block, Some((0, 0)));
        assert_eq!(shown[1].net, Some((7, 0)), "a shared namespace is shown as docker shows it");
        assert_eq!((shown[2].net, shown[2].memory_limit), (None, None), "a stopped container has no numbers");
        assert_eq!(shown[3].net, None, "what cannot be seen is not nothing");
    }
}
