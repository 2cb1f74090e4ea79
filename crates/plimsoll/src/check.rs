//! `plimsoll check`: what can and cannot be read here, each with the remedy. The exit code says whether the
//! agent would work.

mod targets;

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use plimsoll_model::agent::{Capability, Engine, EngineState, Source};
use plimsoll_model::{Slot, Snapshot, State};
use rustix::fs::Access;

use crate::collectors::{self, Attempts, Collectors};
use crate::pipeline::{self, BUILD, Pipeline};
use crate::settings::Settings;
use crate::settings::listen::Listen;
use crate::text::printable;
use crate::{engines, failure, listening, output};

/// Prints the report.
pub(crate) fn run(settings: &Settings) -> anyhow::Result<ExitCode> {
    collectors::check(settings)?;
    let selection = pipeline::selection(settings);
    let (cgroups, snapshot, engine) = pipeline::runtime()?.block_on(async {
        let pipeline = Pipeline::start(settings, selection)?;
        let own = Collectors::start(settings, Attempts::Once, &pipeline.samples, &pipeline.inbox)?;
        let (engine, ()) = tokio::join!(pipeline.with_engine(), own.first_round());
        pipeline.first_look_at_disks().await;
        anyhow::Ok((pipeline.cgroups.clone(), pipeline.samples.fresh().await, engine))
    })?;
    let mut found = listening(settings);
    found.extend(history(settings));
    found.extend(targets::spool(settings));
    let report = report(&cgroups, &snapshot, &found);
    output::print(&report.text)?;
    output::print(&targets::part(settings))?;
    if let Err(failure) = &engine
        && snapshot.agent.engines.is_empty()
    {
        // Engines that do not answer have told so; that there is none was told by nobody.
        let remedy = engines::START_ONE;
        output::print(&format!("\n  {}\n  to do: {remedy}\n", printable(&failure.to_string())))?;
    }
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

/// Whether each place to listen at is free, and whether whoever asks there is kept to what was asked for.
fn listening(settings: &Settings) -> Vec<Capability> {
    let mut found: Vec<_> = if settings.web_systemd_socket {
        // They are there when systemd starts the agent, and not before.
        vec![capability("listen", true, "the sockets are systemd's".to_owned(), "")]
    } else {
        settings.listen.iter().map(one_place).collect()
    };
    if settings.web_config_file.is_some() || !settings.web_token_file.is_empty() {
        found.push(match listening::security(settings) {
            Ok(security) => {
                let tls = if security.has_tls() { "TLS" } else { "no TLS" };
                let asks =
                    if security.asks() { "everybody has to show who they are" } else { "nobody is asked" };
                capability("web", true, format!("{tls}, {asks}"), "")
            }
            Err(failure) => capability("web", false, failure::in_one_line(&failure.into()), ""),
        });
    }
    found
}

fn one_place(place: &Listen) -> Capability {
    let remedy = "if that is not an agent that runs already, choose another address with --listen";
    match place {
        Listen::Address(address) => match std::net::TcpListener::bind(address) {
            Ok(_) => capability("listen", true, format!("{address} is free"), ""),
            Err(error) => capability("listen", false, format!("cannot listen on {address}: {error}"), remedy),
        },
        // Trying would make the file; another agent may have it.
        Listen::Unix(path) => match writable(path) {
            Ok(_) => capability("listen", true, format!("{place} can be made"), ""),
            Err(reason) => capability("listen", false, format!("cannot listen on {place}: {reason}"), remedy),
        },
    }
}

/// Whether a history can be written; `None` where none is wanted.
fn history(settings: &Settings) -> Option<Capability> {
    let path = settings.history_file()?;
    let remedy =
        "name another file with --history, or make that writable; without it the agent measures all the same";
    Some(match writable(&path) {
        Ok(shown) => capability("history", true, shown, ""),
        Err(trouble) => capability("history", false, trouble, remedy),
    })
}

/// Whether a path can be written, made anew if need be: the path, or what stands against it.
fn writable(path: &Path) -> Result<String, String> {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let there = absolute.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(Path::new("/"));
    let (shown, there_shown) = (path.display(), there.display());
    match rustix::fs::access(there, Access::WRITE_OK) {
        Err(error) => Err(format!("cannot write {there_shown}, for {shown}: {error}")),
        Ok(()) if there != absolute && !there.is_dir() => {
            Err(format!("{there_shown} is no folder, for {shown}"))
        }
        Ok(()) => Ok(shown.to_string()),
    }
}

fn capability(feature: &'static str, available: bool, reason: String, remedy: &str) -> Capability {
    Capability { feature, available, reason, remedy: remedy.to_owned() }
}

fn report(cgroups: &str, snapshot: &Snapshot, asked: &[Capability]) -> Report {
    let mut text = format!("plimsoll {} ({}), {cgroups}\n\nEngines\n", BUILD.version, BUILD.target);
    for engine in &snapshot.agent.engines {
        text.push_str(&engine_line(engine));
    }
    if snapshot.agent.engines.is_empty() {
        text.push_str(
            "  none: containers are recognised by their cgroups, named by the engines' own files where this user may \
             read them,\n  and have no restarts, exit codes, health or stopped ones\n",
        );
    }
    text.push_str("\nThis machine\n");
    let containers = containers(snapshot);
    let works = containers.available;
    for found in snapshot.agent.capabilities.iter().chain([&containers]).chain(asked) {
        let word = if found.available { "ok" } else { "missing" };
        let _ = writeln!(text, "  {word:<8}{:<15}{}", found.feature, printable(&found.reason));
        if !found.remedy.is_empty() {
            let _ = writeln!(text, "  {:<23}to do: {}", "", printable(&found.remedy));
        }
    }
    text.push_str(&collectors_part(snapshot));
    Report { text, works }
}

/// How each collector did in its first collection. None of them keeps the agent from working.
fn collectors_part(snapshot: &Snapshot) -> String {
    let mut text = String::new();
    for collector in snapshot.custom.iter() {
        let state = &collector.state;
        let (word, found) = match (state.success, state.values) {
            (Some(true), Some(values)) => ("ok", format!("{values} values")),
            (Some(true), None) => ("ok", String::new()),
            (Some(false), _) => ("missing", state.last_error.clone()),
            (None, _) => ("missing", "its first collection has not ended in time".to_owned()),
        };
        let line = format!("{:<14} {}, {found}", state.name, state.type_name);
        let _ = writeln!(text, "  {word:<8}{}", printable(line.trim_end_matches([',', ' '])));
    }
    if text.is_empty() { text } else { format!("\nCollectors\n{text}") }
}

/// One engine: what it is, whether it answers, where numbers come from, and what helps.
fn engine_line(engine: &Engine) -> String {
    let word = match engine.state {
        EngineState::Up => "ok",
        EngineState::Duplicate => "same",
        _ => "missing",
    };
    let facts = engine.facts.as_ref();
    let version = facts.map_or_else(String::new, |facts| format!(", version {}", facts.version));
    let source =
        engine.source.map_or_else(String::new, |source| format!(", numbers from the {}", told(source)));
    let line = format!("{} at {}, {}{version}{source}", engine.name, engine.endpoint, engine.state.word());
    let mut text = format!("  {word:<8}{}\n", printable(&line));
    if !engine.is_up() {
        let _ = writeln!(text, "          {}", printable(&engine.trouble));
    }
    let remedy = remedy(engine.state);
    if !remedy.is_empty() {
        let _ = writeln!(text, "          to do: {remedy}");
    }
    text
}

fn told(source: Source) -> &'static str {
    match source {
        Source::Kernel => "kernel",
        Source::Api => "engine's API, which knows fewer of them",
    }
}

/// What helps against each kind of trouble.
fn remedy(state: EngineState) -> &'static str {
    match state {
        EngineState::Up | EngineState::Duplicate => "",
        EngineState::Waiting | EngineState::Timeout => {
            "look at the engine's own log; it takes too long to answer"
        }
        EngineState::Unreachable => {
            "start the engine, or name others with --engine; in a container, mount its socket (-v \
             /var/run/docker.sock:/var/run/docker.sock:ro)"
        }
        EngineState::Denied => {
            "run as a user that may use the socket: root, or in its group (docker run --group-add, sudo usermod -aG \
             docker USER)"
        }
        EngineState::Insecure => {
            "put ca.pem, cert.pem and key.pem into DOCKER_CERT_PATH, or into docker's context"
        }
        EngineState::Unsupported => "use a newer engine, or do without it: --engine none",
        EngineState::Misconfigured => "mend that setting, or name engines with --engine",
        EngineState::Broken => "make sure that this address is an engine's",
    }
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
    use plimsoll_model::custom::{CollectorState, CustomCollector};
    use plimsoll_model::{Container, ContainerRow};
    use std::sync::Arc;

    fn row(name: &str, state: State, usage: Option<u64>) -> ContainerRow {
        let mut container = Container::new("0123456789abcdef", "docker".into());
        container.name = name.to_owned();
        container.state = state;
        let mut row = ContainerRow::new(container.into());
        row.values.set_option(Slot::CpuUsage, usage);
        row
    }

    #[test]
    fn each_engine_has_its_line_and_its_remedy() {
        let mut up = Engine::new("docker", "unix:///a");
        (up.state, up.source) = (EngineState::Up, Some(Source::Api));
        let denied = Engine {
            state: EngineState::Denied,
            trouble: "permission denied\u{1b}[2J".into(),
            ..Engine::new("podman", "unix:///b")
        };
        let mut snapshot = Snapshot::default();
        snapshot.agent.engines = vec![up, denied];
        let text = report("cgroup v2", &snapshot, &[capability("listen", true, "free".into(), "")]).text;
        for part in [
            "ok      docker at unix:///a, up, numbers from the engine's API",
            "missing podman at unix:///b, denied\n          permission denied\\u{1b}[2J\n          to do: run as",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let none =
            report("cgroup v2", &Snapshot::default(), &[capability("listen", true, "free".into(), "")]);
        assert!(none.text.contains("recognised by their cgroups"), "{}", none.text);
    }

    #[test]
    fn each_collector_has_its_line() {
        let collector = |name: &str, success, error: &str| {
            let state = CollectorState {
                name: name.to_owned(),
                type_name: "exec".to_owned(),
                success,
                values: Some(2),
                last_error: error.to_owned(),
                ..CollectorState::default()
            };
            Arc::new(CustomCollector { state, ..CustomCollector::default() })
        };
        let mut snapshot = Snapshot::default();
        assert_eq!(collectors_part(&snapshot), "");
        snapshot.custom = [
            collector("backups", Some(true), ""),
            collector("broken", Some(false), "it said \u{1b}[2J"),
            collector("slow", None, ""),
        ]
        .into();
        let expected = "\nCollectors\n  ok      backups        exec, 2 values\n  missing broken         exec, it said \\u{1b}[2J\n  \
                        missing slow           exec, its first collection has not ended in time\n";
        assert_eq!(collectors_part(&snapshot), expected);
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
            let report = report("cgroup v2", &snapshot, &[capability("listen", true, "free".into(), "")]);
            assert_eq!(report.works, works, "{}", report.text);
            assert!(!report.text.contains('\u{1b}'), "{}", report.text);
        }
    }
}
