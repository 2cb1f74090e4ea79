//! The page for people: one file without scripts, readable on a phone and in the dark.

use std::collections::BTreeMap;

use plimsoll_model::agent::{Figure, Source};
use plimsoll_model::catalog::DeliveryField as Field;
use plimsoll_model::custom::CollectorState;
use plimsoll_model::text::{MAX_TEXT, bounded};
use plimsoll_model::{Snapshot, State};

use crate::Status;
use crate::paths::paths;

const HEAD: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Plimsoll</title>
<style>
:root { color-scheme: light dark; --ink: #1d2733; --soft: #5b6875; --line: #dfe4ea; --paper: #fbfcfd; --sea: #0b6a9c; --good: #1a7f4b; --bad: #b3261e; --well: #f1f4f7; }
@media (prefers-color-scheme: dark) { :root { --ink: #e3e9ef; --soft: #97a4b1; --line: #2b3642; --paper: #12181f; --sea: #6cc0ee; --good: #5fcf95; --bad: #ff8a80; --well: #1a222b; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 56rem; background: var(--paper); color: var(--ink); font: 1rem/1.55 system-ui, sans-serif; }
header { display: flex; align-items: center; gap: .9rem; flex-wrap: wrap; }
header svg { width: 2.6rem; height: 2.6rem; stroke: var(--sea); fill: none; stroke-width: 2.5; }
h1 { font-size: 1.7rem; margin: 0; letter-spacing: -.01em; }
h2 { font-size: 1.1rem; margin: 2.2rem 0 .6rem; }
header span, .soft { color: var(--soft); }
a { color: var(--sea); }
table { border-collapse: collapse; width: 100%; font-size: .93rem; }
th, td { text-align: left; vertical-align: top; padding: .4rem .8rem .4rem 0; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
th { color: var(--soft); font-weight: 500; white-space: nowrap; }
td:first-child { white-space: nowrap; }
.good { color: var(--good); } .bad { color: var(--bad); }
code, pre { font: .88rem/1.5 ui-monospace, monospace; }
pre { background: var(--well); padding: .9rem 1rem; border-radius: .4rem; overflow-x: auto; }
.count { display: flex; flex-wrap: wrap; gap: .4rem 1.6rem; padding: 0; margin: .4rem 0 0; list-style: none; }
.count b { font-size: 1.35rem; font-variant-numeric: tabular-nums; }
@media (max-width: 36rem) { thead { display: none; } tr { display: block; padding: .5rem 0; border-bottom: 1px solid var(--line); } td { display: block; border: 0; padding: .1rem 0; } td:empty { display: none; } }
</style>
</head>
<body>
<header>
<svg viewBox="0 0 32 32" aria-hidden="true"><circle cx="16" cy="16" r="10"/><path d="M2 16h28"/></svg>
<h1>Plimsoll</h1>
"#;

/// How deliveries do, where there are any.
fn targets(page: &mut Page, snapshot: &Snapshot) {
    let targets = &snapshot.agent.targets;
    if targets.is_empty() {
        return;
    }
    page.raw("<h2>Targets</h2>\n");
    page.raw("<table><thead><tr><th>target<th>state<th>delivered<th>waiting<th>lost<th>address<th>trouble</tr></thead><tbody>\n");
    for target in targets.iter() {
        let sum = |is_meant: fn(&Figure) -> bool| -> u64 {
            target.figures.iter().filter(|figure| is_meant(figure)).map(|figure| figure.value).sum()
        };
        let delivered = sum(|figure| figure.field == Field::Points && figure.labels[0] == "delivered");
        let waiting = sum(|figure| figure.field == Field::QueuePoints);
        let lost = sum(|figure| {
            figure.field == Field::Points && matches!(&*figure.labels[0], "rejected" | "dropped")
        });
        page.raw("<tr>").cell(&target.name).mark(target.state == "up", "up", target.state);
        page.cell(&delivered.to_string()).cell(&waiting.to_string()).cell(&lost.to_string());
        page.cell(&target.address).cell(&target.trouble).raw("</tr>\n");
    }
    page.raw("</tbody></table>\n");
}

/// Writes the page. `host` is what the client calls this server, `prefix` what its paths begin with.
pub(crate) fn render(snapshot: &Snapshot, status: &Status, host: &str, prefix: &str) -> String {
    let agent = &snapshot.agent;
    let mut page = Page(HEAD.to_owned());
    page.raw("<span>").text(agent.build.version).raw("</span>\n</header>\n");
    page.raw("<p class=\"soft\">What every container on this machine uses, read from the kernel.</p>\n");
    if let Some(what) = &status.waiting_for {
        page.raw("<p class=\"bad\">No complete sample yet: ").text(what).raw("</p>\n");
    }

    page.raw("<h2>Containers</h2>\n<ul class=\"count\">");
    let mut counts = BTreeMap::<&State, usize>::new();
    for row in &snapshot.containers {
        *counts.entry(&row.container.state).or_default() += 1;
    }
    if counts.is_empty() {
        page.raw("<li class=\"soft\">none</li>");
    }
    for (state, count) in counts {
        page.raw("<li><b>").text(&count.to_string()).raw("</b> ").text(state.word()).raw("</li>");
    }
    page.raw("</ul>\n");

    page.raw("<h2>Here</h2>\n<table><tbody>\n");
    for (path, what) in paths() {
        page.raw("<tr>");
        if what.starts_with("POST") {
            page.cell(path);
        } else {
            page.raw("<td><a href=\"").text(prefix).text(path).raw("\">").text(path).raw("</a></td>");
        }
        page.cell(what).raw("</tr>\n");
    }
    page.raw("</tbody></table>\n");

    targets(&mut page, snapshot);

    page.raw("<h2>Engines</h2>\n");
    if agent.engines.is_empty() {
        page.raw("<p class=\"soft\">None is known; containers are recognised by their cgroups.</p>\n");
    } else {
        page.raw(
            "<table><thead><tr><th>engine<th>state<th>numbers from<th>version<th>endpoint<th>trouble</tr></thead><tbody>\n",
        );
        for engine in &agent.engines {
            let version = engine.facts.as_ref().map_or("", |facts| &*facts.version);
            page.raw("<tr>").cell(&engine.name).mark(engine.is_up(), "up", engine.state.word());
            page.cell(match engine.source {
                Some(Source::Kernel) => "kernel",
                Some(Source::Api) => "API",
                None => "",
            });
            page.cell(version).cell(&engine.endpoint).cell(&engine.trouble).raw("</tr>\n");
        }
        page.raw("</tbody></table>\n");
    }

    if !snapshot.custom.is_empty() {
        page.raw("<h2>Collectors</h2>\n<table><thead><tr><th>collector<th>type<th>state<th>values<th>last trouble</tr></thead><tbody>\n");
        for collector in snapshot.custom.iter() {
            let state = &collector.state;
            let works = state.healthy && state.success != Some(false);
            let word = match (state.healthy, state.success) {
                (false, _) => "unhealthy, tried seldom",
                (true, Some(false)) => "failed",
                (true, _) => "begins",
            };
            let good = if state.success.is_some() { "works" } else { "begins" };
            page.raw("<tr>").cell(&state.name).cell(&state.type_name);
            page.mark(works, good, word)
                .cell(&state.values.map_or_else(String::new, |values| values.to_string()))
                .cell(&trouble(state))
                .raw("</tr>\n");
        }
        page.raw("</tbody></table>\n");
    }

    if !agent.capabilities.is_empty() {
        page.raw("<h2>What this machine lets it read</h2>\n<table>");
        page.raw("<thead><tr><th>feature<th>there<th>why<th>what to do</tr></thead><tbody>\n");
        for capability in &*agent.capabilities {
            page.raw("<tr>").cell(capability.feature).mark(capability.available, "yes", "no");
            page.cell(&capability.reason).cell(&capability.remedy).raw("</tr>\n");
        }
        page.raw("</tbody></table>\n");
    }

    page.raw("<h2>For Prometheus</h2>\n<pre>scrape_configs:\n  - job_name: plimsoll\n    static_configs:\n");
    page.raw("      - targets: [\"").text(host).raw("\"]");
    if !prefix.is_empty() {
        page.raw("\n    metrics_path: ").text(prefix).raw("/metrics");
    }
    page.raw("</pre>\n</body>\n</html>\n");
    page.0
}

/// What went wrong with a collector the last time that anything did, and what of its values was left out so far.
fn trouble(state: &CollectorState) -> String {
    let left_out = state.left_out.iter().filter(|(_, count)| *count > 0);
    let left_out: Vec<String> = left_out.map(|(why, count)| format!("{why} {count}")).collect();
    let left_out = match &*left_out {
        [] => String::new(),
        some => format!("values left out: {}", some.join(", ")),
    };
    let told = [&*state.last_error, &left_out];
    told.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; ")
}

struct Page(String);

impl Page {
    fn raw(&mut self, html: &str) -> &mut Self {
        self.0.push_str(html);
        self
    }

    /// Text from outside, bounded and escaped for content and attributes.
    fn text(&mut self, text: &str) -> &mut Self {
        for c in bounded(text, MAX_TEXT).chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                c if c.is_control() => self.0.push(' '),
                c => self.0.push(c),
            }
        }
        self
    }

    fn cell(&mut self, text: &str) -> &mut Self {
        self.raw("<td>").text(text).raw("</td>")
    }

    fn mark(&mut self, good: bool, yes: &str, no: &str) -> &mut Self {
        let (class, word) = if good { ("good", yes) } else { ("bad", no) };
        self.raw("<td class=\"").raw(class).raw("\">").raw(word).raw("</td>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_model::agent::{Agent, Capability, Engine, EngineState};
    use plimsoll_model::custom::CustomCollector;
    use plimsoll_model::{Container, ContainerRow};
    use std::sync::Arc;

    #[test]
    fn what_comes_from_outside_is_escaped_and_bounded() {
        let nasty = "<script>alert('x')</script>\"&\n";
        let mut container = Container::new("abc", "docker".into());
        container.state = State::from_engine(nasty);
        let engine = Engine { trouble: nasty.repeat(1_000_000).into(), ..Engine::new(nasty, nasty) };
        let capability = Capability {
            feature: "psi",
            available: false,
            reason: nasty.to_owned(),
            remedy: nasty.to_owned(),
        };
        let snapshot = Snapshot {
            containers: vec![ContainerRow::new(Arc::new(container))],
            agent: Agent { engines: vec![engine], capabilities: vec![capability].into(), ..Agent::default() },
            ..Snapshot::default()
        };
        let status = Status { waiting_for: Some(nasty.to_owned()), ..Status::default() };
        let page = render(&snapshot, &status, nasty, "");
        assert!(!page.contains("<script"), "{page}");
        assert!(!page.contains("alert('x')"));
        assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&quot;&amp;"));
        assert!(page.len() < 20_000, "{} bytes", page.len());
    }

    #[test]
    fn engines_show_their_state_and_where_numbers_come_from() {
        let engine = |name: &str, state, source| Engine { state, source, ..Engine::new(name, "unix:///x") };
        let engines = vec![
            engine("docker", EngineState::Up, Some(Source::Kernel)),
            engine("docker-vm", EngineState::Up, Some(Source::Api)),
            engine("podman", EngineState::Denied, None),
        ];
        let snapshot = Snapshot { agent: Agent { engines, ..Agent::default() }, ..Snapshot::default() };
        let page = render(&snapshot, &Status::default(), "localhost:8003", "");
        for cells in [
            "docker</td><td class=\"good\">up</td><td>kernel</td>",
            "docker-vm</td><td class=\"good\">up</td><td>API</td>",
            "podman</td><td class=\"bad\">denied</td><td></td>",
        ] {
            assert!(page.contains(cells), "{cells}: {page}");
        }
    }

    #[test]
    fn collectors_show_their_trouble() {
        let state = |name: &str, last_error: &str, left_out| CollectorState {
            name: name.to_owned(),
            healthy: true,
            success: Some(true),
            values: Some(3),
            left_out,
            last_error: last_error.to_owned(),
            ..CollectorState::default()
        };
        let states = [
            state("good", "", vec![("duplicate", 0)]),
            state("odd", "", vec![("not_finite", 0), ("duplicate", 7), ("reserved_name", 1)]),
            state("both", "it <failed>", vec![("duplicate", 2)]),
            CollectorState { success: Some(false), ..state("ill", "it failed", Vec::new()) },
        ];
        let collectors = states.map(|state| CustomCollector { state, ..CustomCollector::default() });
        let snapshot = Snapshot { custom: collectors.map(Arc::new).into(), ..Snapshot::default() };
        let page = render(&snapshot, &Status::default(), "localhost:8003", "");
        for cells in [
            "good</td><td></td><td class=\"good\">works</td><td>3</td><td></td>",
            "<td>3</td><td>values left out: duplicate 7, reserved_name 1</td>",
            "<td>3</td><td>it &lt;failed&gt;; values left out: duplicate 2</td>",
            "ill</td><td></td><td class=\"bad\">failed</td><td>3</td><td>it failed</td>",
        ] {
            assert!(page.contains(cells), "{cells}: {page}");
        }
    }

    #[test]
    fn an_empty_agent_has_a_page_too() {
        let page = render(&Snapshot::default(), &Status::default(), "localhost:8003", "");
        assert!(page.contains("none") && page.contains("None is known") && page.contains("localhost:8003"));
        for (path, what) in paths() {
            let is_link = page.contains(&format!("href=\"{path}\""));
            assert_eq!(is_link, !what.starts_with("POST"), "{path}");
            assert!(page.contains(path));
        }
    }
}
