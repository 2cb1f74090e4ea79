//! What history costs a container and sample: bytes a value, and time. The numbers are made up, in the manner of containers:
//! times in microseconds, memory in pages, averages of pressure that decay, most of everything at rest.

#![allow(missing_docs, reason = "criterion's macros write items without")]
#![allow(clippy::print_stdout, reason = "sizes are printed beside the times")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use plimsoll_store::Tier;
use plimsoll_store::bench::{Log, Open, Row, Source, decode, roll_up};

const SECONDS: i64 = 3600;
const BLOCK: usize = 300;
const START: i64 = 1_700_000_400_000;
/// Series of a container that never change, beside those that do.
const AT_REST: u32 = 60;
const USAGE: u32 = 1;
const INACTIVE_FILE: u32 = 2;
const WORKING_SET: u32 = 3;
/// From here on series are counters.
const COUNTERS: u32 = 200;

/// How often in a thousand seconds a container does something, and how much then.
const KINDS: [(&str, u64, u64); 5] =
    [("idle", 3, 10), ("bursty", 80, 2000), ("network", 700, 300), ("io", 500, 800), ("busy", 1000, 4000)];

/// Numbers that look random, the same each time (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound.max(1)
    }
}

/// An hour of a container, a second apart.
fn hour((_, often, much): (&str, u64, u64)) -> Vec<(i64, Row)> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ often);
    let (mut cpu, mut user, mut pressure, mut faults, mut bytes, mut packets) = (0, 0, 0, 0, 0, 0);
    let (mut pages, mut file) = (2000_u64, 700_u64);
    let mut averages = [0_u64; 3];
    let mut rows = Vec::new();
    for second in 0..SECONDS {
        let acts = random.below(1000) < often;
        if acts {
            let work = much * 100 + random.below(much * 20);
            cpu += work * 1000;
            user += random.below(work / 10_000 + 2) * 10_000_000;
            pressure += random.below(work) * 1000;
            faults += random.below(much);
            packets += random.below(much / 20 + 2);
            bytes += packets * 60 + random.below(much * 10);
            pages = (pages + random.below(41)).saturating_sub(20);
            file = (file + random.below(5)).saturating_sub(2);
        }
        for (average, share) in averages.iter_mut().zip([5, 30, 150]) {
            // Two decimals of a percent, in billionths.
            *average =
                (*average * (share - 1) + u64::from(acts) * random.below(90) * 20_000) / share / 100_000
                    * 100_000;
        }
        let changing = [
            (USAGE, pages * 4096),
            (INACTIVE_FILE, file * 4096),
            (4, pages * 3000 / 4096 * 4096),
            (5, averages[0]),
            (6, averages[1]),
            (7, averages[2]),
            (COUNTERS, cpu),
            (COUNTERS + 1, user),
            (COUNTERS + 2, cpu.saturating_sub(user)),
            (COUNTERS + 3, pressure),
            (COUNTERS + 4, pressure / 2),
            (COUNTERS + 5, faults),
            (COUNTERS + 6, faults),
            (COUNTERS + 7, bytes),
            (COUNTERS + 8, packets),
        ];
        let at_rest = (0..AT_REST).map(|series| (20 + series, u64::from(series % 4) * 1_048_576));
        rows.push((
            START + second * 1000 + i64::from(random.below(20) == 0),
            Row::new(changing.into_iter().chain(at_rest)),
        ));
    }
    rows
}

fn chunk_of(rows: &[(i64, Row)]) -> Open {
    let mut open = Open::new(1000);
    for (at, row) in rows {
        open.push(*at, row);
    }
    open
}

fn rolled(tier: Tier, open: Option<&[u8]>, source: &[Vec<u8>], until: i64) -> Vec<Vec<u8>> {
    let source = Source::new(source);
    roll_up(tier, open, &source, until, &|series| series >= COUNTERS, [WORKING_SET, USAGE, INACTIVE_FILE])
}

fn size(blocks: &[Vec<u8>]) -> f64 {
    blocks.iter().map(Vec::len).sum::<usize>() as f64
}

fn codec(criterion: &mut Criterion) {
    println!("bytes a value       raw    10s     1m     1h    all   memory of a chunk of {BLOCK}");
    for kind in KINDS {
        let rows = hour(kind);
        let values: usize = rows.iter().map(|(_, row)| row.len()).sum();
        let chunks: Vec<Open> = rows.chunks(BLOCK).map(chunk_of).collect();
        let raw: Vec<Vec<u8>> = chunks.iter().map(Open::seal).collect();
        let until = START + SECONDS * 1000;
        let ten = rolled(Tier::TenSeconds, None, &raw, until);
        let minute = rolled(Tier::Minute, None, &ten, until);
        // A block of an hour's points begins every ten days, so that one point is nearly all key and first value.
        let hours =
            rolled(Tier::Hour, None, &minute, until).iter().map(Vec::len).sum::<usize>() as f64 / 10.0;
        let [raw_size, ten_size, minute_size] =
            [&raw, &ten, &minute].map(|blocks| size(blocks) / values as f64);
        let hour_size = hours / values as f64;
        let all = raw_size + ten_size + minute_size + hour_size;
        let memory = chunks.iter().map(Open::memory_bytes).max().unwrap_or(0);
        println!(
            "{:<16} {raw_size:>7.4}{ten_size:>7.4}{minute_size:>7.4}{hour_size:>7.4}{all:>7.4}   {memory} bytes",
            kind.0
        );

        let mut group = criterion.benchmark_group(format!("codec/{}", kind.0));
        let block = &rows[..BLOCK];
        group.bench_function(BenchmarkId::new("push", BLOCK), |bench| {
            bench.iter(|| chunk_of(black_box(block)));
        });
        group.bench_function(BenchmarkId::new("push and log", BLOCK), |bench| {
            bench.iter(|| {
                let (mut open, mut log) = (Open::new(1000), Log::default());
                for (at, row) in block {
                    log.push(1, &mut open, *at, row);
                }
                log.take()
            });
        });
        group.bench_function("seal", |bench| bench.iter(|| black_box(&chunks[0]).seal()));
        group.bench_function("decode all", |bench| bench.iter(|| decode(black_box(&raw[0]), None)));
        group.bench_function("decode one", |bench| bench.iter(|| decode(black_box(&raw[0]), Some(COUNTERS))));
        // A block that is half full, as it is on average.
        let half = rolled(Tier::TenSeconds, None, &raw[..6], START + SECONDS * 500);
        let next = Source::new(&raw[6..7]);
        group.bench_function("roll up to 10 s", |bench| {
            let open = half.first().map(Vec::as_slice);
            let counter = |series| series >= COUNTERS;
            bench.iter(|| {
                roll_up(Tier::TenSeconds, open, &next, until, &counter, [WORKING_SET, USAGE, INACTIVE_FILE])
            });
        });
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).measurement_time(std::time::Duration::from_secs(1));
    targets = codec
}
criterion_main!(benches);
