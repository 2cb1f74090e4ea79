//! `plimsoll check`: what can and cannot be read here, each with the remedy. The exit code says whether the
//! agent would work.

use std::fmt::Write as _;
use std::process::ExitCode;

use plimsoll_model::agent::Capability;
use plimsoll_model::{Slot, Snapshot, State};

use crate::pipeline::{self, BUILD, Pipeline};
use crate::settings::Settings;
use crate::text::printable;
use crate::{failure, output};

/// Prints the report.
pub(crate) fn run(settings: &Settings) -> anyhow::Result<ExitCode> {
    let selection = pipeline::selection(settings);
    let (cgroups, snapshot, engine) = pipeline::runtime()?.block_on(async {
        let pipeline = Pipeline::start(settings, selection)?;
        let engine = pipeline.with_engine().await;
        anyhow::Ok((pipeline.cgroups.clone(), pipeline.samples.latest(), engine))
    })?;
    let report = report(&cgroups, &snapshot, &listening(settings));
    output::print(&report.text)?;
    let works = engine.is_ok() && report.works;
    output::print(if works {
        "\nThe agent would work.\n"
    } else {
        "\nThe agent would not work as it should.\n"
    })?;
    Ok(if works { ExitCode::SUCCESS } else { ExitCode::from(failure::WORLD) })
}

/// What is printed, and whether containers can be read.
struct Report {
    text: String,
    works: bool,
}

fn listening(settings: &Settings) -> Capability {
    let address = settings.listen;
    match std::net::TcpListener::bind(address) {
        Ok(_) => capability("listen", true, format!("{address} is free"), ""),
        Err(error) => capability(
            "listen",
            false,
            format!("cannot listen on {address}: {error}"),
            "if that is not an agent that runs already, choose another address with --listen",
        ),
    }
}

fn capability(feature: &'static str, available: bool, reason: String, remedy: &str) -> Capability {
    Capability { feature, available, reason, remedy: remedy.to_owned() }
}

fn report(cgroups: &str, snapshot: &Snapshot, listen: &Capability) -> Report {
    let mut text = format!("plimsoll {} ({}), {cgroups}\n\n", BUILD.version, BUILD.target);
    let containers = containers(snapshot);
    let works = containers.available;
    for found in snapshot.agent.capabilities.iter().chain([&containers, listen]) {
        let word = if found.available { "ok" } else { "missing" };
        let _ = writeln!(text, "  {word:<8}{:<15}{}", found.feature, printable(&found.reason));
        if !found.remedy.is_empty() {
            let _ = writeln!(text, "  {:<23}to do: {}", "", printable(&found.remedy));
        }
    }
    Report { text, works }
}

/// How many of the running containers can be read.
fn containers(snapshot: &Snapshot) -> Capability {
    let has_processes = |state: &State| matches!(state, State::Running | State::Paused);
    let running: Vec<_> =
        snapshot.containers.iter().filter(|row| has_processes(&row.container.state)).collect();
    let unread: Vec<_> = running
        .iter()
        .filter(|row| row.values.get(Slot::CpuUsage).is_none() && row.values.get(Slot::MemoryUsage).is_none())
        .map(|row| row.container.display_name())
        .collect();
    let read = running.len() - unread.len();
    let reason = format!(
        "{} known, {} running, {read} of these can be read",
        snapshot.containers.len(),
        running.len()
    );
    if unread.is_empty() {
        return capability("containers", true, reason, "");
    }
    let some = unread.iter().take(3).copied().collect::<Vec<_>>().join(", ");
    capability(
        "containers",
        read > 0,
        format!("{reason}; not {some}"),
        "their cgroups were not found: give --cgroup-root and --procfs of the machine that runs them",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_model::{Container, ContainerRow};

    fn row(name: &str, state: State, usage: Option<u64>) -> ContainerRow {
        let mut container = Container::new("0123456789abcdef", "docker".into());
        container.name = name.to_owned();
        container.state = state;
        let mut row = ContainerRow::new(container.into());
        row.values.set_option(Slot::CpuUsage, usage);
        row
    }

    #[test]
    fn one_container_that_can_be_read_is_enough() {
        let cases = [
            (vec![], true),
            (vec![row("a", State::Running, Some(1)), row("b", State::Running, None)], true),
            (vec![row("\u{1b}[2J", State::Running, None)], false),
            (vec![row("a", State::Exited, None)], true),
        ];
        for (containers, works) in cases {
            let snapshot = Snapshot { containers, ..Snapshot::default() };
            let report = report("cgroup v2", &snapshot, &capability("listen", true, "free".into(), ""));
            assert_eq!(report.works, works, "{}", report.text);
            assert!(!report.text.contains('\u{1b}'), "{}", report.text);
        }
    }
}
