//! `deliver` and `spool`.

use std::fs;
use std::time::Duration;

use plimsoll_testkit::sink::{Answer, Sink};
use plimsoll_testkit::wait_until;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{Place, Taken, influx};
use crate::agent::SOON;
use crate::process::{Lines, Running, command, run};

fn remote_write(url: &str) -> String {
    let more = "username = 'u'\npassword = 'hush'\nheaders = { X-Key = 'hush' }";
    format!("[[target]]\nname = 'prom'\ntype = 'remote-write'\nurl = '{url}'\ntimeout = '500ms'\n{more}\n")
}

#[test]
fn one_round_by_hand() {
    let (sink, prom) = (Sink::start(), Sink::start());
    let taken = Taken::by(&sink);
    let place = Place::new(&[influx("one", &sink.url(), "durability = 'none'"), remote_write(&prom.url())]);
    let told = run(&place.measuring(&["deliver", "--once", "--interval", "100ms"])).ok();
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines.len() == 2 && lines[0].starts_with("one (influxdb-v2, http://127.0.0.1:"), "{told}");
    for line in lines {
        assert!(line.ends_with("rejected 0, dropped 0, waiting 0"), "{told}");
    }
    let is_there = |part: &str| sink.requests().iter().any(|request| request.text().contains(part));
    assert!(is_there("cpu,container_id=") && is_there("usage_percent="), "percentages need two readings");
    assert!(told.contains(&format!("collected {0}, delivered {0}", taken.lines())), "{told}");
    assert_eq!(taken.repeated(), Vec::new());
    assert!(prom.count() > 0);

    sink.answer(|_| Answer::new(401).body("who are you?"));
    let refused = run(&place.measuring(&["deliver", "--once", "--target", "one", "--drain-timeout", "0s"]));
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(
        refused.out.contains("(lost: it has no spool)\n  trouble: unauthorized: who are you?"),
        "{refused:?}"
    );
    let told = run(&place.measuring(&["deliver", "--once", "--target", "onr"])).failed(2);
    assert!(told.contains("no target `onr`") && told.contains("the nearest is `one`"), "{told}");
}

#[test]
fn a_dry_run_shows_and_sends_nothing() {
    let sink = Sink::start();
    let mut tables = vec![influx("one", &sink.url(), "token = 'hush'"), remote_write(&sink.url())];
    tables.push(format!("[[target]]\nname = 'otel'\ntype = 'otlp'\nurl = '{}'\n", sink.url()));
    tables
        .push("[[target]]\nname = 'log'\ntype = 'file'\npath = '/nowhere/log'\nformat = 'json'\n".to_owned());
    let place = Place::new(&tables);
    let shown = run(&place.measuring(&["deliver", "--dry-run", "--interval", "100ms"])).ok();
    assert_eq!((sink.count(), sink.accepted()), (0, 0));
    assert!(!shown.contains("hush") && !place.file("spool").exists(), "{shown}");
    for part in [
        "# one (influxdb-v2): points ".to_owned(),
        format!("# POST {}/api/v2/write?bucket=b&org=o&precision=ms\n", sink.url()),
        "# authorization: Token (not shown)\n".to_owned(),
        "# content-encoding: gzip\n".to_owned(),
        "\nmemory,container_id=".to_owned(),
        format!("# POST {}/api/v1/write\n", sink.url()),
        "# x-prometheus-remote-write-version: 2.0.0\n# authorization: Basic (not shown)\n# x-key: (not shown)\n".to_owned(),
        "\ncontainer_memory_usage_bytes{".to_owned(),
        format!("# POST {}/v1/metrics\n", sink.url()),
        "# resource: service.name=\"plimsoll\", service.instance.id=\"".to_owned(),
        "# append to /nowhere/log\n".to_owned(),
        "\n{".to_owned(),
    ] {
        assert!(shown.contains(&part), "{part} is not in\n{shown}");
    }
    let only = run(&place.measuring(&["deliver", "--dry-run", "--target", "log"])).ok();
    assert!(only.starts_with("# log (file)") && !only.contains("# POST"), "{only}");
}

#[test]
fn delivering_goes_on_until_a_signal() {
    let sink = Sink::start();
    let place = Place::new(&[influx("one", &sink.url(), "max_wait = '1h'")]);
    let arguments = place.measuring(&["deliver", "--interval", "100ms"]);
    let mut running = Running(command(&arguments).spawn().unwrap());
    let log = Lines::of(running.0.stderr.take().unwrap());
    let pid = Pid::from_child(&running.0);
    wait_until(SOON, "it delivers", || !log.with("delivering to one").is_empty());
    wait_until(SOON, "a flush sends points", || {
        kill_process(pid, Signal::USR1).unwrap();
        sink.count() > 0
    });
    kill_process(pid, Signal::INT).unwrap();
    assert_eq!(running.wait(Duration::from_secs(10)).code(), Some(0), "{}", log.all());
}

/// Leaves batches of a target in the spool, and gives how many points they hold.
fn leave_behind(place: &Place) -> u64 {
    let left = run(&place.measuring(&["deliver", "--once", "--interval", "100ms", "--drain-timeout", "0s"]));
    assert_eq!(left.code, Some(1), "{left:?}");
    assert!(left.out.contains("(kept in the spool)"), "{left:?}");
    let list: Value = serde_json::from_str(&place.run(&["spool", "ls", "--json"]).ok()).unwrap();
    list["targets"][0]["points"].as_u64().unwrap()
}

#[test]
fn what_waits_is_shown_replayed_and_dropped() {
    let mut sink = Sink::start();
    let taken = Taken::by(&sink);
    sink.stop();
    let place = Place::new(&[influx("one", &sink.url(), "compression = 'none'\nmax_points = 50")]);
    let row = || {
        let table = place.run(&["spool", "ls"]).ok();
        table.lines().nth(1).unwrap().split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(row()[..3], ["one", "0", "0"], "nothing waits yet");
    let left = leave_behind(&place);
    assert!(left > 50);
    assert_eq!((&*row()[0], &row()[2]), ("one", &left.to_string()));
    assert!(place.run(&["spool", "verify"]).ok().ends_with(&format!(", points {left}\n")));

    sink.restart();
    let told = place.run(&["spool", "replay", "one"]).ok();
    assert!(told.contains(&format!("collected {left}, delivered {left},")), "{told}");
    assert_eq!((taken.lines(), taken.repeated()), (left, Vec::new()));
    assert_eq!(place.run(&["spool", "replay"]).ok(), "nothing waits\n");

    sink.stop();
    let left = leave_behind(&place);
    // The target leaves the configuration; what waits for it does not.
    place.configure(&[influx("other", &sink.url(), "")]);
    let told = place.run(&["spool"]).ok();
    assert!(told.contains("one is no target of the configuration any more"), "{told}");
    assert_eq!(place.run(&["spool", "replay"]).code, Some(1));
    let told = place.run(&["spool", "drop", "on"]).failed(2);
    assert!(told.contains("there is no target `on`") && told.contains("the nearest is `one`"), "{told}");
    let told = place.run(&["spool", "drop", "one"]).failed(2);
    assert!(told.contains(&format!("would be lost: points {left}")) && told.contains("--yes"), "{told}");
    let told = place.run(&["spool", "drop", "one", "--yes"]).ok();
    assert!(told.starts_with(&format!("one: dropped points {left}, ")), "{told}");
    assert!(!place.file("spool/one.spool").exists());
}

#[test]
fn damage_is_found_and_costs_what_it_hit() {
    let mut sink = Sink::start();
    let taken = Taken::by(&sink);
    sink.stop();
    let place = Place::new(&[influx("one", &sink.url(), "compression = 'none'\nmax_points = 50")]);
    let left = leave_behind(&place);
    let path = place.file("spool/one.spool");
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(12).position(|part| part == b"usage_bytes=").expect("a body, not compressed");
    bytes[at] ^= 0x20;
    fs::write(&path, bytes).unwrap();
    let found = place.run(&["spool", "verify", "one"]);
    assert_eq!(found.code, Some(1), "{found:?}");
    let lost: u64 = found
        .out
        .lines()
        .find_map(|line| line.split_once(" is damaged, points ")?.1.parse().ok())
        .unwrap_or_else(|| panic!("{found:?}"));
    assert!(lost > 0 && lost < left);

    sink.restart();
    let told = place.run(&["spool", "replay"]);
    assert_eq!(told.code, Some(1), "{told:?}");
    let expected =
        format!("delivered {}, rejected 0, dropped {lost} (damaged {lost}), waiting 0", left - lost);
    assert!(told.out.contains(&expected), "{told:?}");
    assert_eq!(taken.lines(), left - lost);
}
