//! How fast batches come to disk so that they survive a loss of power.

use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::stream::iter;
use plimsoll_deliver::batch::{Batcher, Bounds};
use plimsoll_deliver::config::Durability;
use plimsoll_deliver::spool::{Row, Spool};
use plimsoll_deliver::verdict::Answer;
use plimsoll_deliver::{Intake, Target, Transport};
use plimsoll_wire::point::Tally;
use tokio::sync::mpsc;

use crate::load::{Load, common, runtime, target};
use crate::row;

const BATCHES: usize = 400;
const BOUND: u64 = 256 << 20;

pub(crate) fn commits() {
    let points = Load::new(100, 1_795_223_743_003_874_862).points(BATCHES);
    let rows = rows(&points);
    for together in [1, 4] {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let mut spool = Spool::open(&folder.path().join("bench.spool"), BOUND).unwrap().spool;
        let mut times: Vec<Duration> = Vec::new();
        let began = Instant::now();
        for rows in rows.chunks(together) {
            let began = Instant::now();
            spool.insert(rows, true).unwrap();
            times.push(began.elapsed());
        }
        let rate = BATCHES as f64 * 1000.0 / began.elapsed().as_secs_f64();
        times.sort_unstable();
        let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1000.0;
        row(
            &format!("durable spool, commits of {together} × 1,000 points"),
            &format!(
                "{rate:.0} points/s, p50 {:.1} ms, p99 {:.1} ms, worst {:.1} ms",
                at(50),
                at(99),
                at(100)
            ),
            "≥ 200,000/s, p99 ≤ 50 ms",
            rate >= 200_000.0 && at(99) <= 50.0,
        );
    }
    // All of a target: stages, gzip, a durable commit before a batch is sent, and its removal.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let config = target("spool", "http://127.0.0.1:1", Durability::Always);
    let taken = |_: &_| async { Ok(Answer { status: 204, ..Answer::default() }) }.boxed();
    let transport = Transport::Custom(Box::new(taken));
    let target =
        Target::new(config, &common(), Some(folder.path()), Duration::from_secs(10), transport).unwrap();
    let began = Instant::now();
    let figures = runtime().block_on(target.run(iter(points), mpsc::channel(1).1, Duration::from_secs(60)));
    let rate = figures.account.delivered() as f64 / began.elapsed().as_secs_f64();
    assert_eq!(figures.account.delivered(), BATCHES as u64 * 1000);
    row(
        "a whole target, each batch durable before it is sent",
        &format!("{rate:.0} points/s in {} transactions", figures.spool_commits),
        "",
        true,
    );
}

fn rows(points: &[Intake]) -> Vec<Row> {
    let config = target("rows", "", Durability::Always);
    let format = plimsoll_deliver::stages::format_of(&config);
    let bounds = Bounds { points: 1000, bytes: u64::MAX, wait: Duration::from_secs(10), unhurried: 1000 };
    let mut batcher = Batcher::new(format, bounds, Vec::new());
    let mut rows = Vec::new();
    for (seq, batch) in points.iter().enumerate() {
        let Intake::Points(points) = batch else { continue };
        for point in points {
            batcher.push(point, tokio::time::Instant::now(), &mut Tally::default());
        }
        let batch = batcher.close().unwrap();
        rows.push(Row {
            seq: seq as u64 + 1,
            format: batch.format.name(),
            points: batch.points,
            raw_bytes: batch.raw_bytes,
            first: batch.first,
            last: batch.last,
            body: batch.body,
        });
    }
    rows
}
