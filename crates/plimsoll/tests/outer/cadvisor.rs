//! `plimsoll cadvisor` in the place of cAdvisor: its command line, on a captured machine, asked where cAdvisor is asked.

use plimsoll_model::Collector;
use plimsoll_testkit::wait_until;

use crate::agent::{Agent, SOON};
use crate::exposition::{Exposition, promtool};
use crate::machine::{self, Machine};
use crate::process::{command, run};

fn start(machine: &Machine, flags: &[&str]) -> Agent {
    let usual = ["cadvisor", "--port=0", "--listen_ip=127.0.0.1"];
    Agent::spawn(command(&machine.on(&[&usual[..], flags].concat())))
}

fn scrape(agent: &Agent, path: &str) -> Exposition {
    let mut body = String::new();
    wait_until(SOON, "containers and the machine are measured", || {
        let answer = agent.get(path, &[]);
        assert_eq!(answer.code, 200, "{path}");
        answer.text().clone_into(&mut body);
        // The machine has a turn of its own, so the first sample may come before it.
        body.contains("container_cpu_cfs_periods_total{") && body.contains("id=\"/\"")
    });
    // cAdvisor's own names break promtool's rules, so what it says of them is not looked at here.
    Exposition::parse(&body)
}

#[test]
fn a_command_line_of_cadvisor_works_as_it_is() {
    let machine = Machine::new();
    let flags = [
        "-docker_only=true",
        "--housekeeping_interval=1s",
        "--url_base_prefix=/cadvisor",
        "--prometheus_endpoint",
        "/scrape",
        "--store_container_labels=false",
        "--whitelisted_container_labels=tier",
        "--disable_metrics=network,percpu",
        "--storage_duration=2m0s",
        "-logtostderr",
    ];
    let agent = start(&machine, &flags);
    let found = scrape(&agent, "/cadvisor/scrape");

    for (name, id, _) in machine::containers() {
        let usage = found.all("container_memory_usage_bytes", &[("name", name)])[0];
        assert!(usage.label("id").starts_with('/') && usage.label("id").contains(id), "{usage:?}");
        assert_eq!(
            found.all("container_cpu_usage_seconds_total", &[("name", name), ("cpu", "total")]).len(),
            1
        );
        let tier = usage.label("container_label_tier");
        assert_eq!(tier, if name.ends_with("net") { "front" } else { "back" }, "{usage:?}");
    }
    assert!(!found.families.contains("container_network_receive_bytes_total"), "it is disabled");
    assert_eq!(
        found.all("container_memory_usage_bytes", &[("id", "/")]).len(),
        1,
        "the machine is a container, too"
    );
    assert!(found.families.contains("machine_cpu_cores"));
    let warning = agent.log().with("without a meaning here").pop().unwrap();
    assert!(warning.contains("--logtostderr") && warning.contains("--storage_duration"), "{warning}");
    assert_eq!(agent.log().with("without a meaning here").len(), 1);

    assert_eq!(agent.get("/cadvisor/healthz", &[]).code, 200);
    assert_eq!(agent.get("/cadvisor/metrics", &[]).code, 200);
    assert_eq!(agent.get("/metrics", &[]).code, 404, "everything is below the prefix");
}

#[test]
fn without_flags_every_label_is_on_every_series() {
    let machine = Machine::new();
    let agent = start(&machine, &[]);
    let found = scrape(&agent, "/metrics");
    for sample in found.samples.iter().filter(|sample| sample.name == "container_memory_rss") {
        let is_machine = sample.label("id") == "/";
        assert!(is_machine || sample.label("container_label_owner") == "x", "{sample:?}");
    }
}

/// Names that cAdvisor fixed may break rules of today; others may not.
#[test]
fn promtool_finds_fault_with_no_name_but_cadvisors() {
    let machine = Machine::new();
    let optional = Collector::ALL.iter().filter(|collector| collector.is_opt_in());
    let switches: Vec<String> =
        optional.map(|collector| format!("--collector.{}", collector.name())).collect();
    for profile in ["minimal", "default", "full", "cadvisor"] {
        for switches in [&[], &switches[..]] {
            let switches = switches.iter().map(String::as_str);
            let arguments: Vec<&str> =
                ["metrics", "--profile", profile].into_iter().chain(switches).collect();
            promtool(&run(&machine.on(&arguments)).ok());
        }
    }
}

#[test]
fn a_value_that_is_none_ends_it_before_it_begins() {
    let told = run(&["cadvisor", "--port=x"]).failed(2);
    assert!(told.contains("flag --port: bad value `x`: expected a port"), "{told}");
}
