//! Verdicts against a model that knows each point by its number.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use plimsoll_wire::line_protocol::Precision;
use tokio::time::Instant;

use super::*;
use crate::config::{Durability, WhenFull};
use crate::format::{Coding, Content};
use crate::queue::Limits;
use crate::verdict::{Answer, Fault};

const LINES: Format = Format { content: Content::Lines(Precision::Nanoseconds), coding: Coding::None };

fn limits() -> Limits {
    Limits {
        points: 1_000_000,
        memory: 100_000_000,
        max_age: 0,
        when_full: WhenFull::DropOldest,
        durability: Durability::None,
        interval: 1,
    }
}

fn courier(config: &TargetConfig, limits: Limits) -> Courier {
    let (queue, lost) = Queue::new(limits, None);
    Courier::new(config, queue, &lost)
}

/// A batch of points with these numbers, which are their times as well.
fn batch(numbers: std::ops::Range<u64>) -> Batch {
    let body: String = numbers.clone().map(|n| format!("p,id={n} v=1i {n}\n")).collect();
    Batch {
        format: LINES,
        points: numbers.end - numbers.start,
        raw_bytes: body.len() as u64,
        first: numbers.start.cast_signed(),
        last: numbers.end.cast_signed() - 1,
        body: body.into_bytes(),
    }
}

fn push(courier: &mut Courier, numbers: std::ops::Range<u64>) {
    courier.account_mut().collect(numbers.end - numbers.start);
    courier.push([batch(numbers)], Instant::now());
}

fn numbers(outgoing: &Outgoing) -> Vec<u64> {
    let body = String::from_utf8(outgoing.body.clone()).unwrap();
    body.lines().map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect()
}

fn moment(now: Instant) -> Moment {
    Moment { now, wall: SystemTime::now(), chance: 1.0 }
}

fn answer(status: u16, body: &str) -> Result<Answer, Fault> {
    Ok(Answer { status, body: body.as_bytes().to_vec(), ..Answer::default() })
}

fn holds(account: &Account) -> bool {
    account.collected() == account.delivered() + account.rejected() + account.dropped() + account.queued()
}

#[test]
fn one_bad_line_of_5000_costs_27_requests_and_nothing_else() {
    for bad in [0, 1, 2499, 2500, 3333, 4999] {
        let mut config = TargetConfig::new("t", TargetKind::InfluxV2);
        config.dead_letter = Some("dead.jsonl".into());
        let mut courier = courier(&config, limits());
        push(&mut courier, 0..5000);
        let (now, mut requests) = (Instant::now(), 0);
        while let Some(outgoing) = courier.next(now) {
            requests += 1;
            let is_bad = numbers(&outgoing).contains(&bad);
            courier.settle(&outgoing, answer(if is_bad { 400 } else { 204 }, "no"), moment(now));
        }
        assert!(requests <= 27, "{requests} requests for line {bad}");
        let account = courier.account();
        assert_eq!((account.delivered(), account.rejected(), account.queued()), (4999, 1, 0));
        let dead = courier.take_dead_letters();
        assert_eq!(dead.len(), 1);
        assert_eq!((dead[0].reason, &*dead[0].message), ("malformed", "no"));
        assert_eq!(dead[0].body, format!("p,id={bad} v=1i {bad}\n").into_bytes());
    }
}

#[test]
fn a_target_that_refuses_everything_is_not_asked_for_each_point() {
    let mut courier = courier(&TargetConfig::new("t", TargetKind::InfluxV2), limits());
    push(&mut courier, 0..5000);
    let (now, mut requests) = (Instant::now(), 0);
    while let Some(outgoing) = courier.next(now) {
        requests += 1;
        courier.settle(&outgoing, answer(400, "no"), moment(now));
    }
    assert!(requests < 200, "{requests}");
    assert_eq!((courier.account().rejected(), courier.account().queued()), (5000, 0));
}

#[test]
fn what_is_too_large_is_halved_and_the_size_is_remembered() {
    let mut courier = courier(&TargetConfig::new("t", TargetKind::InfluxV3), limits());
    push(&mut courier, 0..1000);
    push(&mut courier, 1000..2000);
    let (now, mut refused, mut largest) = (Instant::now(), 0, 0);
    while let Some(outgoing) = courier.next(now) {
        let status = if outgoing.body.len() > 5000 { 413 } else { 204 };
        refused += u32::from(status == 413);
        largest = largest.max(if status == 204 { outgoing.body.len() } else { 0 });
        courier.settle(&outgoing, answer(status, ""), moment(now));
    }
    assert_eq!((courier.account().delivered(), courier.account().dropped()), (2000, 0));
    assert!(refused <= 4, "{refused} refusals: the second batch was cut before it was sent");
    assert!(courier.largest().unwrap() >= 2000 && largest > 2000, "{:?} {largest}", courier.largest());
}

#[test]
fn the_server_says_when_to_come_back() {
    let mut courier = courier(&TargetConfig::new("t", TargetKind::InfluxV2), limits());
    push(&mut courier, 0..10);
    push(&mut courier, 10..20);
    let now = Instant::now();
    let first = courier.next(now).unwrap();
    let throttled = Ok(Answer { status: 429, retry_after: Some("30".to_owned()), ..Answer::default() });
    courier.settle(&first, throttled, moment(now));
    assert_eq!(courier.state(), TargetState::Retrying);
    assert_eq!(courier.next(now + Duration::from_secs(29)), None, "all of the target rests");
    assert_eq!(courier.wakes_at(), Some(now + Duration::from_secs(30)));
    let again = courier.next(now + Duration::from_secs(30)).unwrap();
    assert_eq!((again.seq, &again.body), (first.seq, &first.body), "the same bytes again");
    assert_eq!(courier.next(now + Duration::from_secs(30)), None, "one request until it is well again");
    courier.settle(&again, answer(204, ""), moment(now));
    assert!(courier.next(now).is_some());
    assert_eq!(courier.account().resent(), 10);
}

#[test]
fn nobody_is_woken_for_a_pause_that_is_over() {
    let mut courier = courier(&TargetConfig::new("t", TargetKind::InfluxV2), limits());
    push(&mut courier, 0..10);
    push(&mut courier, 10..20);
    let now = Instant::now();
    let first = courier.next(now).unwrap();
    courier.settle(&first, answer(503, ""), moment(now));
    let later = courier.wakes_at().unwrap();
    let again = courier.next(later).unwrap();
    assert_eq!(courier.next(later), None, "one request shows whether it is well");
    assert_eq!(courier.wakes_at(), None, "until it is answered there is nothing to do");
    courier.settle(&again, answer(503, ""), moment(later));
    assert!(courier.wakes_at().unwrap() > later);
}

#[test]
fn who_is_not_let_in_keeps_its_points_and_knocks_seldom() {
    for (status, state) in
        [(401, TargetState::Unauthorized), (403, TargetState::Unauthorized), (404, TargetState::NotFound)]
    {
        let mut courier = courier(
            &TargetConfig { max_retries: Some(1), ..TargetConfig::new("t", TargetKind::InfluxV1) },
            limits(),
        );
        push(&mut courier, 0..10);
        let mut now = Instant::now();
        for _ in 0..20 {
            let outgoing = courier.next(now).unwrap();
            courier.settle(&outgoing, answer(status, "who are you"), moment(now));
            let pause = courier.wakes_at().unwrap() - now;
            assert!(pause <= HOLD);
            now += pause;
        }
        assert_eq!((courier.state(), courier.account().queued()), (state, 10));
        assert!(courier.trouble().contains("who are you"));
    }
}

#[test]
fn retries_have_a_bound_where_somebody_set_one() {
    let config = TargetConfig { max_retries: Some(3), ..TargetConfig::new("t", TargetKind::InfluxV2) };
    let mut courier = courier(&config, limits());
    push(&mut courier, 0..10);
    let (mut now, mut attempts) = (Instant::now(), 0);
    while let Some(outgoing) = courier.next(now) {
        attempts += 1;
        courier.settle(&outgoing, answer(503, ""), moment(now));
        now += Duration::from_secs(100);
    }
    assert_eq!(attempts, 4);
    assert_eq!(courier.account().dropped_by_reason(), &BTreeMap::from([("retries", 10)]));
}

#[test]
fn the_newest_goes_first_while_a_backlog_is_drained() {
    let config =
        TargetConfig { fresh_lane: true, max_in_flight: 2, ..TargetConfig::new("t", TargetKind::InfluxV2) };
    let mut courier = courier(&config, limits());
    let now = Instant::now();
    for batch in 0..5 {
        push(&mut courier, batch * 10..batch * 10 + 10);
    }
    let mut order = Vec::new();
    while let Some(outgoing) = courier.next(now) {
        order.push(outgoing.seq);
        courier.settle(&outgoing, answer(204, ""), moment(now));
        if order.len() == 2 {
            push(&mut courier, 50..60);
        }
    }
    assert_eq!(order, [5, 1, 6, 2, 3, 4]);
}

#[test]
fn an_older_remote_write_gets_what_it_understands() {
    use plimsoll_wire::point::{Point, Tally, Value};
    use plimsoll_wire::remote_write::{self, Version};
    let format = Format { content: Content::RemoteWrite(Version::V2), coding: Coding::Snappy };
    let mut encoder = remote_write::Encoder::new(Version::V2);
    let mut point = Point::default();
    point.begin("up", 5_000_000);
    point.field("", Value::Unsigned(1));
    encoder.push(&point, &mut Tally::default());
    let raw = encoder.take();
    let body = format.coding.compress(&raw);
    for refusal in [answer(415, ""), answer(204, "")] {
        let mut courier = courier(&TargetConfig::new("t", TargetKind::RemoteWrite), limits());
        courier.account_mut().collect(1);
        let batch =
            Batch { format, points: 1, raw_bytes: raw.len() as u64, first: 5, last: 5, body: body.clone() };
        courier.push([batch], Instant::now());
        let now = Instant::now();
        let first = courier.next(now).unwrap();
        assert_eq!(first.format, format);
        courier.settle(&first, refusal, moment(now));
        assert_eq!(
            courier.account().queued(),
            1,
            "who does not say how many were written has not understood"
        );
        let second = courier.next(now).unwrap();
        assert_eq!(second.format.content, Content::RemoteWrite(Version::V1));
        courier.settle(&second, answer(204, ""), moment(now));
        assert_eq!(courier.account().delivered(), 1);
        assert!(courier.speaks_version_1());
    }
}

#[test]
fn what_got_through_before_is_not_refused_for_coming_twice() {
    let said = |written, body: &str| Answer { status: 400, written, ..answer(0, body).unwrap() };
    for (kind, refusal) in [
        (TargetKind::RemoteWrite, said(None, "out of order sample")),
        // Version 2.0 tells how many it has written, and the last sample of a series may come twice.
        (TargetKind::RemoteWrite, said(Some(0), "out of order sample for series a")),
        (TargetKind::RemoteWrite, said(Some(3), "out of order sample for series a")),
        (TargetKind::Otlp, said(None, "out of order sample")),
    ] {
        let mut courier = courier(&TargetConfig::new("t", kind), limits());
        push(&mut courier, 0..10);
        push(&mut courier, 10..20);
        let mut now = Instant::now();
        let first = courier.next(now).unwrap();
        let lost = Fault { reason: "timeout", message: String::new(), may_have_arrived: true };
        courier.settle(&first, Err(lost), moment(now));
        now += Duration::from_secs(60);
        let second = courier.next(now).unwrap();
        courier.settle(&second, Ok(refusal.clone()), moment(now));
        let account = courier.account();
        assert_eq!((account.delivered(), account.rejected()), (10, 0), "{kind:?} {refusal:?}");
        // One that was never sent before has nothing to show for it.
        let third = courier.next(now).unwrap();
        let (written, expected) = (refusal.written, refusal.written.filter(|written| *written > 0));
        courier.settle(&third, Ok(refusal), moment(now));
        let rejected = expected.map_or(0, |written| 10 - written);
        assert_eq!(courier.account().rejected(), rejected, "{kind:?} {written:?}");
    }
}

#[test]
fn what_is_taken_in_order_alone_goes_one_by_one() {
    for (kind, expected) in [
        (TargetKind::InfluxV2, 4),
        (TargetKind::RemoteWrite, 1),
        (TargetKind::Otlp, 1),
        (TargetKind::File, 1),
    ] {
        let mut courier = courier(&TargetConfig::new("t", kind), limits());
        for batch in 0..10 {
            push(&mut courier, batch * 10..batch * 10 + 10);
        }
        let now = Instant::now();
        let first = courier.next(now).unwrap();
        courier.settle(&first, answer(200, ""), moment(now));
        let under_way = std::iter::from_fn(|| courier.next(now)).count();
        assert_eq!(under_way, expected, "{kind:?}");
    }
}

/// Numbers that come again with the same seed.
struct Dice(fastrand::Rng);

impl Dice {
    fn one_of(&mut self, sides: u64) -> bool {
        self.0.u64(0..sides) == 0
    }
}

/// A target that says all that a target can say, and knows what it has stored.
#[derive(Default)]
struct Server {
    stored: BTreeSet<u64>,
    bad: BTreeSet<u64>,
    largest: u64,
}

impl Server {
    fn answer(
        &mut self,
        kind: TargetKind,
        sent: &[u64],
        dice: &mut Dice,
        honest: bool,
    ) -> Result<Answer, Fault> {
        let fault = |reason, may_have_arrived| Fault { reason, message: "gone".to_owned(), may_have_arrived };
        let plain =
            |status: u16, body: String| Answer { status, body: body.into_bytes(), ..Answer::default() };
        let positions: Vec<usize> = (0..sent.len()).filter(|at| self.bad.contains(&sent[*at])).collect();
        let mut store = || self.stored.extend(sent.iter().filter(|number| !self.bad.contains(number)));
        if !honest {
            match dice.0.u64(0..12) {
                0 => return Err(fault("connect", false)),
                1 => return Err(fault("timeout", true)),
                2 => {
                    // All was stored, and half of the answer came.
                    store();
                    return Err(fault("broken", true));
                }
                3 => return Ok(Answer { retry_after: Some("3".to_owned()), ..plain(429, String::new()) }),
                4 => {
                    let at = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(5);
                    let date =
                        jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).unwrap();
                    return Ok(Answer { retry_after: Some(date), ..plain(503, String::new()) });
                }
                5 => {
                    store();
                    return Ok(plain(500, "after all was stored".to_owned()));
                }
                6 => return Ok(plain(if dice.one_of(2) { 401 } else { 404 }, String::new())),
                _ => {}
            }
        }
        if sent.len() as u64 > self.largest {
            return Ok(plain(413, String::new()));
        }
        if positions.is_empty() {
            store();
            return Ok(plain(204, String::new()));
        }
        if dice.one_of(2) {
            return Ok(plain(400, "unable to parse something".to_owned()));
        }
        store();
        Ok(match kind {
            TargetKind::InfluxV1 => {
                plain(400, format!("partial write: conflict dropped={}", positions.len()))
            }
            TargetKind::InfluxV2 => plain(422, format!("partial write dropped={}", positions.len())),
            _ => {
                let lines: Vec<_> =
                    positions.iter().map(|at| serde_json::json!({"line_number": at + 1})).collect();
                plain(400, serde_json::json!({"error": "partial write", "data": lines}).to_string())
            }
        })
    }
}

/// Ten thousand random lives of a target. After each step the account is that of a model that follows single points.
#[test]
fn the_account_is_exact_through_random_schedules() {
    for seed in 0..10_000 {
        run_schedule(seed);
    }
}

fn run_schedule(seed: u64) {
    let mut dice = Dice(fastrand::Rng::with_seed(seed));
    let kind = [TargetKind::InfluxV1, TargetKind::InfluxV2, TargetKind::InfluxV3][dice.0.usize(0..3)];
    let config = TargetConfig {
        max_retries: dice.one_of(4).then_some(3),
        fresh_lane: dice.one_of(3),
        max_in_flight: dice.0.usize(1..5),
        ..TargetConfig::new("t", kind)
    };
    let is_short = dice.one_of(4);
    let limits = Limits { points: if is_short { 60 } else { 1_000_000 }, ..limits() };
    let mut courier = courier(&config, limits);
    let mut server =
        Server { largest: if dice.one_of(3) { dice.0.u64(1..16) } else { u64::MAX }, ..Server::default() };
    let (mut made, mut now, mut under_way) = (0, Instant::now(), Vec::<Outgoing>::new());
    // What became of each point, as the model sees it.
    let (mut delivered, mut rejected) = (BTreeSet::new(), BTreeSet::new());
    for step in 0..60 {
        let is_over = step >= 40;
        match dice.0.u64(0..4) {
            0 if !is_over => {
                let next = made + dice.0.u64(1..20);
                server.bad.extend((made..next).filter(|_| dice.one_of(15)));
                push(&mut courier, made..next);
                made = next;
            }
            1 => now += Duration::from_millis(dice.0.u64(0..20_000)),
            2 => under_way.extend(courier.next(now)),
            _ if !under_way.is_empty() => {
                let outgoing = under_way.swap_remove(dice.0.usize(0..under_way.len()));
                step_with(
                    &mut courier,
                    &outgoing,
                    &mut server,
                    kind,
                    &mut dice,
                    is_over,
                    now,
                    (&mut delivered, &mut rejected),
                );
            }
            _ => {}
        }
        check(&courier, made, &delivered, &rejected, seed);
    }
    // In the end the target is well, and everything comes to an end.
    for _ in 0..5000 {
        now += Duration::from_secs(120);
        under_way.extend(courier.next(now));
        let Some(outgoing) = under_way.pop() else { break };
        step_with(
            &mut courier,
            &outgoing,
            &mut server,
            kind,
            &mut dice,
            true,
            now,
            (&mut delivered, &mut rejected),
        );
        check(&courier, made, &delivered, &rejected, seed);
    }
    let account = courier.account();
    assert_eq!(account.queued(), 0, "seed {seed}");
    assert!(delivered.is_subset(&server.stored), "seed {seed}: something is said to be there that is not");
    assert!(rejected.is_subset(&server.bad), "seed {seed}: a good point was refused");
    if account.dropped() == 0 {
        assert_eq!(delivered.len() + rejected.len(), made as usize, "seed {seed}");
        assert_eq!(rejected, server.bad, "seed {seed}");
    } else {
        assert!(is_short || config.max_retries.is_some(), "seed {seed}: {:?}", account.dropped_by_reason());
    }
}

/// Sends one request, and lets the model draw its own conclusions from the answer.
#[allow(clippy::too_many_arguments, reason = "a test's loop, cut in two")]
fn step_with(
    courier: &mut Courier,
    outgoing: &Outgoing,
    server: &mut Server,
    kind: TargetKind,
    dice: &mut Dice,
    honest: bool,
    now: Instant,
    (delivered, rejected): (&mut BTreeSet<u64>, &mut BTreeSet<u64>),
) {
    let sent = numbers(outgoing);
    let outcome = server.answer(kind, &sent, dice, honest);
    let moment = Moment { now, wall: SystemTime::now(), chance: dice.0.f64() };
    if let Ok(answer) = &outcome {
        let said = String::from_utf8_lossy(&answer.body);
        let is_partial = said.contains("partial write");
        let (bad, good): (Vec<u64>, Vec<u64>) = sent.iter().partition(|number| server.bad.contains(number));
        match answer.status {
            204 => delivered.extend(sent),
            400 | 422 if is_partial => {
                delivered.extend(good);
                rejected.extend(bad);
            }
            400 if sent.len() == 1 => rejected.extend(sent),
            _ => {}
        }
    }
    courier.settle(outgoing, outcome, moment);
}

fn check(courier: &Courier, made: u64, delivered: &BTreeSet<u64>, rejected: &BTreeSet<u64>, seed: u64) {
    let account = courier.account();
    assert!(holds(account), "seed {seed}: {account:?}");
    assert_eq!(account.collected(), made, "seed {seed}");
    assert_eq!(account.delivered(), delivered.len() as u64, "seed {seed}");
    assert_eq!(account.rejected(), rejected.len() as u64, "seed {seed}");
    assert_eq!(account.queued(), courier.queue().points(), "seed {seed}");
}
