//! An agent with targets.

use std::net::TcpListener;
use std::time::Duration;

use plimsoll_testkit::sink::{Answer, Connections, Sink};
use plimsoll_testkit::wait_until;
use rustix::process::{Pid, Signal, kill_process};

use super::{Place, Taken, influx};
use crate::agent::{Agent, LISTENING, SOON};
use crate::exposition::Exposition;
use crate::process::run;

/// The agent ends within this, with a drain timeout of half a second.
const END: Duration = Duration::from_secs(5);

/// Batches that close soon.
const QUICK: &str = "max_wait = '100ms'";
/// Batches that close when somebody asks.
const LAZY: &str = "max_wait = '1h'\nmax_points = 10000\nmax_bytes = '10MiB'";

fn points(scrape: &Exposition, target: &str, outcome: &str) -> u64 {
    sum(scrape, "plimsoll_delivery_points_total", &[("target", target), ("outcome", outcome)])
}

fn waiting(scrape: &Exposition, target: &str) -> u64 {
    sum(scrape, "plimsoll_delivery_queue_points", &[("target", target)])
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts of points")]
fn sum(scrape: &Exposition, name: &str, labels: &[(&str, &str)]) -> u64 {
    scrape.all(name, labels).iter().map(|sample| sample.value as u64).sum()
}

fn signal(agent: &Agent, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(agent.id()).unwrap()).unwrap(), signal).unwrap();
}

/// An address at which nobody listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[test]
fn every_point_is_accounted_for_at_every_moment() {
    let (good, picky, moody) = (Sink::start(), Sink::start(), Sink::start());
    let taken = Taken::by(&good);
    picky.answer(|request| {
        let is_bad = request.text().lines().any(|line| line.starts_with("memory,"));
        Answer::new(if is_bad { 400 } else { 204 })
            .body("{\"code\":\"invalid\",\"message\":\"no memory here\"}")
    });
    moody.answer(|request| Answer::new(if request.number % 3 == 0 { 204 } else { 503 }));
    let names = ["good", "picky", "moody", "dead"];
    let quick = format!("{QUICK}\nqueue_points = 3000");
    let urls = [good.url(), picky.url(), moody.url(), nobody()];
    let tables: Vec<_> = names.iter().zip(&urls).map(|(name, url)| influx(name, url, &quick)).collect();
    let place = Place::new(&tables);
    // The dead one holds nothing up.
    let mut agent = place.agent(&["--drain-timeout", "500ms"]);
    agent.wait_ready();
    let balanced = |scrape: &Exposition| {
        for name in names {
            let [collected, delivered, rejected, dropped] = ["collected", "delivered", "rejected", "dropped"]
                .map(|outcome| points(scrape, name, outcome));
            let sum = delivered + rejected + dropped + waiting(scrape, name);
            assert_eq!(collected, sum, "{name}: {delivered} + {rejected} + {dropped} + what waits");
        }
    };
    for moment in 1..=5 {
        let scrape = agent.wait_for("another thousand points", |scrape| {
            names.iter().all(|name| points(scrape, name, "collected") >= moment * 1000)
        });
        balanced(&scrape);
    }
    let scrape = agent.wait_for("all of it happened", |scrape| {
        points(scrape, "picky", "rejected") > 0
            && points(scrape, "picky", "delivered") > 0
            && points(scrape, "moody", "resent") > 0
            && points(scrape, "dead", "dropped") > 0
    });
    balanced(&scrape);
    assert_eq!(points(&scrape, "dead", "delivered"), 0);
    assert_eq!(
        scrape.value("plimsoll_target_state", &[("target", "dead"), ("state", "retrying")]),
        Some(1.0)
    );
    assert_eq!(scrape.value("plimsoll_target_state", &[("target", "good"), ("state", "up")]), Some(1.0));
    assert_eq!(agent.end(Signal::TERM, END).code(), Some(0), "{}", agent.log().all());
    assert_eq!(taken.repeated(), Vec::new());
    assert!(taken.lines() >= points(&scrape, "good", "delivered"));
}

#[test]
fn a_flush_is_asked_for_by_signal_request_and_command() {
    let sink = Sink::start();
    let place = Place::new(&[influx("one", &sink.url(), LAZY)]);
    let agent = place.agent(&[]);
    // Figures are a second old: what they show as waiting may have gone with the flush before, what came since has not.
    let collects = || {
        let before = points(&agent.metrics(), "one", "collected");
        agent.wait_for("points that came and wait", |scrape| {
            points(scrape, "one", "collected") > before && waiting(scrape, "one") > 0
        });
    };
    collects();
    assert_eq!(sink.count(), 0, "nobody has asked yet");
    signal(&agent, Signal::USR1);
    sink.wait_for(1, SOON);
    wait_until(SOON, "it is told", || agent.log().with("flushed one: delivered").len() == 1);

    collects();
    let before = sink.count();
    for (method, headers, code) in
        [("GET", &[][..], 405), ("POST", &[("Origin", "http://elsewhere.example")], 403)]
    {
        assert_eq!(agent.ask(method, "/api/v1/flush", headers).code, code, "{method} {headers:?}");
    }
    assert_eq!(sink.count(), before);
    let answer = agent.ask("POST", "/api/v1/flush?target=one", &[("User-Agent", "curl/8")]);
    assert_eq!(answer.code, 200, "{}", answer.text());
    let answer: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let one = &answer["targets"][0];
    assert!(
        one["name"] == "one" && one["answered"] == true && one["delivered"].as_u64() > Some(0),
        "{answer}"
    );

    collects();
    let configuration = place.file("plimsoll.toml");
    let flush = |arguments: &[&str]| {
        run(&[&["flush", "--config", configuration.to_str().unwrap()], arguments].concat())
    };
    let listen = agent.address().to_string();
    let told = flush(&["--listen", &listen]).ok();
    assert!(told.starts_with("one: delivered ") && told.ends_with(", waiting 0\n"), "{told}");
    let told = flush(&["--listen", &listen, "--target", "on"]).failed(1);
    assert!(told.contains("there is no target \"on\"") && told.contains("`one`"), "{told}");

    sink.answer(|_| Answer::new(503));
    collects();
    let waits = flush(&["--listen", &listen, "--target", "one"]);
    assert_eq!(waits.code, Some(1), "{waits:?}");
    assert!(
        waits.out.contains("one: delivered 0,") && waits.out.contains("trouble: server_error"),
        "{waits:?}"
    );
    drop(agent);
    let told = flush(&["--listen", &listen]).failed(1);
    assert!(told.contains("does not answer") && told.contains("is the agent running"), "{told}");
}

#[test]
fn the_end_delivers_what_it_can_and_keeps_the_rest() {
    let sink = Sink::start();
    let taken = Taken::by(&sink);
    let place = Place::new(&[influx("one", &sink.url(), LAZY)]);
    let mut agent = place.agent(&["--drain-timeout", "500ms"]);
    agent.wait_for("points", |scrape| waiting(scrape, "one") > 100);
    assert_eq!(agent.end(Signal::TERM, END).code(), Some(0));
    let lines = taken.lines();
    assert!(lines > 100, "the open batch went out");
    let account =
        format!("one ended: {lines} points collected, {lines} delivered, 0 rejected, 0 dropped, 0 left");
    assert_eq!(agent.log().with(&account).len(), 1, "{account}\n{}", agent.log().all());
    assert_eq!(taken.repeated(), Vec::new());
    assert!(place.run(&["spool", "ls", "--json"]).ok().contains("\"points\":0"));

    // It takes connections and answers nothing: whatever was sent was not taken.
    sink.set_connections(Connections::Deaf);
    let mut agent = place.agent(&["--drain-timeout", "500ms"]);
    agent.wait_for("points", |scrape| waiting(scrape, "one") > 100);
    assert_eq!(agent.end(Signal::INT, END).code(), Some(0));
    let told = agent.log().with("are kept in the spool");
    assert_eq!(told.len(), 1, "{}", agent.log().all());
    let list: serde_json::Value = serde_json::from_str(&place.run(&["spool", "ls", "--json"]).ok()).unwrap();
    let kept = list["targets"][0]["points"].as_u64().unwrap();
    assert!(kept > 100 && told[0].contains(&format!("{kept} points")), "{told:?}");
    let account =
        format!("one ended: {kept} points collected, 0 delivered, 0 rejected, 0 dropped, {kept} left");
    assert_eq!(agent.log().with(&account).len(), 1, "{account}\n{}", agent.log().all());

    sink.set_connections(Connections::Serve);
    let before = taken.lines();
    let mut agent = place.agent(&["--drain-timeout", "2s"]);
    wait_until(SOON, "what was kept came", || taken.lines() >= before + kept);
    assert_eq!(agent.end(Signal::TERM, END).code(), Some(0));
    assert_eq!(taken.repeated(), Vec::new(), "each series and time once");
}

#[test]
fn a_reload_starts_and_ends_targets() {
    let (first, second) = (Sink::start(), Sink::start());
    let one = influx("one", &first.url(), QUICK);
    let place = Place::new(std::slice::from_ref(&one));
    let agent = place.agent(&[]);
    first.wait_for(2, SOON);
    place.configure(&[one.clone(), influx("two", &second.url(), QUICK)]);
    signal(&agent, Signal::HUP);
    second.wait_for(2, SOON);
    let so_far = first.count();
    first.wait_for(so_far + 2, SOON);
    place.configure(&[one]);
    signal(&agent, Signal::HUP);
    wait_until(SOON, "it ends", || agent.log().with("targets ended: two").len() == 1);
    let last = second.count();
    let so_far = first.count();
    first.wait_for(so_far + 3, SOON);
    assert_eq!(second.count(), last);
    assert!(place.file("spool/two.spool").exists());
}

#[test]
fn a_spool_has_one_agent() {
    let sink = Sink::start();
    let place = Place::new(&[influx("one", &sink.url(), QUICK)]);
    let agent = place.agent(&[]);
    sink.wait_for(1, SOON);
    let told = run(&place.measuring(&LISTENING)).failed(1);
    assert!(told.contains("one.spool is in use by another agent"), "{told}");
    let once = place.measuring(&["deliver", "--once", "--interval", "100ms"]);
    for arguments in [once, place.with_flags(&["import"])] {
        let told = run(&arguments).failed(1);
        assert!(told.contains("the spool of one is in use by a running agent"), "{told}");
    }
    // Nobody needs it to look.
    assert!(place.run(&["spool"]).ok().contains("one.spool"));
    assert!(place.run(&["spool", "verify"]).ok().starts_with("one: whole batches"));
    let told = place.run(&["spool", "drop", "one", "--yes"]).failed(1);
    assert!(told.contains("in use by a running agent") && told.contains("plimsoll flush"), "{told}");
    drop(agent);
}
