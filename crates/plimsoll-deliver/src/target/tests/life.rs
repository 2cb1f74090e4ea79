//! What happens to a target in its life: outages, bounds, neighbours, ticks.

use plimsoll_model::{Container, ContainerRow, Slot, Snapshot};

use super::*;

/// What a dead target is left with under each policy.
#[tokio::test(start_paused = true)]
async fn a_full_queue_gives_way_as_its_policy_says() {
    let folder = tempfile::tempdir().unwrap();
    for when_full in WhenFull::ALL {
        for spool in [None, Some(folder.path())] {
            let durability = if spool.is_some() { Durability::Interval } else { Durability::None };
            let config = TargetConfig {
                when_full: *when_full,
                queue_points: 100,
                max_wait: SECOND,
                durability,
                ..config(when_full.name())
            };
            let server = Server::new(|_| (Duration::ZERO, gone()));
            let running = Running::start(config, &server, spool, SECOND * 300);
            for n in 0..40 {
                running.take(n * 10..n * 10 + 10);
                pass(SECOND).await;
                let figures = running.figures();
                assert!(figures.account.queued() - figures.open_points <= 100, "{when_full:?}");
            }
            let dropped = running.figures().account.dropped_by_reason().clone();
            let reason = if *when_full == WhenFull::Thin { "thinned" } else { "queue_full" };
            assert_eq!(dropped.keys().copied().collect::<Vec<_>>(), [reason]);
            server.becomes(|_| (Duration::ZERO, status(204)));
            server.sent.lock().unwrap().clear();
            let figures = running.end().await;
            assert_eq!(figures.account.queued(), 0);
            let mut left: Vec<u64> = server.sent().iter().flat_map(|(_, sent)| numbers(sent)).collect();
            left.sort_unstable();
            assert_eq!(left.len() as u64, figures.account.delivered());
            match when_full {
                WhenFull::DropOldest => assert_eq!(left, (300..400).collect::<Vec<_>>()),
                WhenFull::DropNewest => assert_eq!(left, (0..100).collect::<Vec<_>>()),
                WhenFull::Thin => {
                    let gaps: Vec<u64> = left.windows(2).map(|pair| pair[1] - pair[0]).collect();
                    let is_kept = |(time, gap): (&u64, &u64)| time % gap.next_power_of_two() == 0;
                    assert!(left.iter().zip(&gaps).all(is_kept), "multiples of a coarser interval: {left:?}");
                    assert!(gaps.is_sorted_by(|a, b| a >= b), "the older, the coarser: {left:?}");
                    assert!(left[0] < 16 && left.ends_with(&(390..400).collect::<Vec<_>>()), "{left:?}");
                }
            }
        }
    }
}

/// Ticks are alike, so many of them together take little of the disk.
#[tokio::test(start_paused = true)]
async fn while_a_target_is_down_batches_are_large_and_packed() {
    let folder = tempfile::tempdir().unwrap();
    let config = TargetConfig {
        compression: Some(Compression::Gzip),
        durability: Durability::Interval,
        max_wait: SECOND,
        ..config("t")
    };
    let server = Server::new(|_| (Duration::ZERO, gone()));
    let running = Running::start(config, &server, Some(folder.path()), SECOND * 300);
    for n in 0..400 {
        running.take(n * 10..n * 10 + 10);
        pass(SECOND).await;
    }
    let waiting = running.figures();
    assert!(waiting.batches.closed.values().sum::<u64>() < 60, "{:?}", waiting.batches.closed);
    server.becomes(|_| (Duration::ZERO, status(204)));
    server.sent.lock().unwrap().clear();
    running.ask().await.unwrap();
    running.take(4000..4010);
    pass(SECOND * 2).await;
    let sent = server.sent();
    let mut numbers: Vec<u64> = Vec::new();
    for (_, outgoing) in &sent {
        assert_eq!(outgoing.format.coding, crate::format::Coding::Gzip, "the target gets what it takes");
        let body = outgoing.format.coding.decompress(&outgoing.body).unwrap();
        let body = String::from_utf8(body).unwrap();
        numbers.extend(body.lines().map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()));
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (0..4010).collect::<Vec<_>>());
    assert_eq!(sent.last().unwrap().1.points, 10, "once it is well again, nothing is waited for");
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_too_old_is_given_up() {
    let server = Server::new(|_| (Duration::ZERO, gone()));
    let config = TargetConfig { max_age: Duration::from_secs(600), max_wait: SECOND, ..config("t") };
    let running = Running::start(config, &server, None, SECOND);
    let now = u64::try_from(wall_nanos()).unwrap() / 1_000_000_000;
    running.take(now - 1000..now - 995);
    pass(SECOND * 3).await;
    running.take(now - 100..now - 95);
    pass(SECOND * 3).await;
    let account = running.figures().account;
    assert_eq!((account.dropped_by_reason().get("expired"), account.queued()), (Some(&5), 5));
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn every_tenth_tick_is_one_of_ten() {
    let server = Server::well(Duration::ZERO);
    let config = TargetConfig { every: 10, max_wait: SECOND, ..config("t") };
    let running = Running::start(config, &server, None, SECOND);
    let mut container = Container::new(&"a1".repeat(32), "docker".into());
    container.name = "web".to_owned();
    container.state = plimsoll_model::State::Running;
    let mut row = ContainerRow::new(Arc::new(container));
    for tick in 0..25_u64 {
        row.values.set(Slot::MemoryUsage, tick * 4096);
        row.values.set(Slot::CpuUsage, tick * 1_000_000);
        let at = (1_700_000_000 + tick) * 1_000_000_000;
        let containers = vec![row.clone()];
        let snapshot = Snapshot { at, sequence: tick, containers, ..Snapshot::default() };
        running.intake.send(Intake::Tick(Arc::new(snapshot))).unwrap();
        pass(SECOND).await;
    }
    running.end().await;
    let times: BTreeSet<u64> = server.sent().iter().flat_map(|(_, sent)| numbers(sent)).collect();
    assert_eq!(times.into_iter().collect::<Vec<_>>(), [1_700_000_000, 1_700_000_010, 1_700_000_020]);
}

/// The moments at which a healthy target gets its requests, beside these neighbours.
async fn moments_beside(neighbours: &[Server]) -> Vec<Duration> {
    let began = Instant::now();
    let healthy = Server::well(Duration::from_millis(20));
    let all: Vec<Running> = [&healthy]
        .into_iter()
        .chain(neighbours)
        .map(|server| Running::start(config("t"), server, None, Duration::ZERO))
        .collect();
    for n in 0..100 {
        for running in &all {
            running.take(n * 10..n * 10 + 10);
        }
        pass(SECOND).await;
        for running in &all {
            running.figures();
        }
    }
    for running in all {
        running.end().await;
    }
    healthy.sent().iter().map(|(at, _)| *at - began).collect()
}

#[tokio::test(start_paused = true)]
async fn a_dead_and_a_slow_neighbour_cost_a_healthy_target_nothing() {
    let alone = moments_beside(&[]).await;
    assert_eq!(alone.len(), 100);
    let dead = Server::new(|_| (Duration::from_secs(10), gone()));
    let slow = Server::well(Duration::from_secs(5));
    assert_eq!(moments_beside(&[dead, slow]).await, alone);
}

/// However long a target hangs, it is asked once at a time, and nothing is lost.
#[tokio::test(start_paused = true)]
async fn a_target_that_hangs_is_asked_seldom() {
    let server = Server::new(|_| (Duration::from_secs(10), gone()));
    let running = Running::start(config("t"), &server, None, Duration::ZERO);
    running.take(0..100);
    pass(Duration::from_secs(3600)).await;
    let sent = server.sent().len();
    assert!((50..400).contains(&sent), "{sent} requests in an hour");
    assert_eq!(running.figures().account.queued(), 100);
    running.end().await;
}

/// Connections work in tasks of their own, which have to have their turn also while there is always more to take in: a machine
/// that is too busy would go on collecting, and deliver nothing.
#[tokio::test]
async fn what_comes_in_does_not_keep_what_goes_out_from_going() {
    let send = |_: &Outgoing| -> BoxFuture<'static, Result<Answer, Fault>> {
        async { tokio::spawn(std::future::ready(status(204))).await.unwrap() }.boxed()
    };
    let transport = Transport::Custom(Box::new(send));
    let target = Target::new(config("busy"), &Common::default(), None, SECOND, transport).unwrap();
    let figures = target.figures();
    let (mut taken, mut delivered) = (0, Vec::new());
    let endless = poll_fn(|_| {
        delivered.push(figures.lock().unwrap().account.delivered());
        taken += 10;
        std::task::Poll::Ready((taken <= 1000).then(|| points(taken - 10..taken)))
    });
    let (_commands, obeyed) = mpsc::channel(1);
    let figures = target.run(endless, obeyed, SECOND).await;
    assert_eq!(figures.account.delivered(), 1000);
    assert!(delivered[50] > 100, "{delivered:?}");
}
