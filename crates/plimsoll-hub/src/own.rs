//! The server's own numbers, for Prometheus.

use std::fmt::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use plimsoll_store::census::Ingested;

/// Why a report was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It is no report.
    Invalid,
    /// It is too large.
    TooLarge,
    /// Its address sends too many.
    Rate,
    /// The database does not answer, or not in time.
    Unavailable,
    /// The database does not take it.
    Failed,
}

impl Refused {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Invalid, "invalid"),
        (Self::TooLarge, "too_large"),
        (Self::Rate, "rate"),
        (Self::Unavailable, "unavailable"),
        (Self::Failed, "failed"),
    ];
}

/// Upper bounds of the times that reports take, in milliseconds.
const BOUNDS: [u64; 9] = [1, 5, 10, 25, 50, 100, 250, 1000, 5000];

/// Counters and states.
#[derive(Default)]
pub(crate) struct Own {
    new: AtomicU64,
    updates: AtomicU64,
    refused: [AtomicU64; Refused::ALL.len()],
    /// Reports by the first bound that they are within; the last are within none.
    times: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
    store_up: AtomicBool,
    loads: AtomicU64,
    load_micros: AtomicU64,
    facts_ms: AtomicU64,
    installations: AtomicU64,
}

impl Own {
    pub(crate) fn kept(&self, ingested: Ingested, time: Duration) {
        let counter = if ingested == Ingested::New { &self.new } else { &self.updates };
        counter.fetch_add(1, Relaxed);
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Relaxed);
        let bucket = BOUNDS.iter().position(|bound| micros <= bound * 1000).unwrap_or(BOUNDS.len());
        self.times[bucket].fetch_add(1, Relaxed);
    }

    /// Reports that were kept.
    pub(crate) fn reports(&self) -> u64 {
        self.new.load(Relaxed) + self.updates.load(Relaxed)
    }

    pub(crate) fn refused(&self, why: Refused) {
        self.refused[why as usize].fetch_add(1, Relaxed);
    }

    /// Says whether the database answered the last time. Gives whether that is news.
    pub(crate) fn store_up(&self, is_up: bool) -> bool {
        self.store_up.swap(is_up, Relaxed) != is_up
    }

    pub(crate) fn loaded(&self, taken_ms: i64, installations: u64, time: Duration) {
        self.loads.fetch_add(1, Relaxed);
        self.load_micros.store(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Relaxed);
        self.facts_ms.store(taken_ms.unsigned_abs(), Relaxed);
        self.installations.store(installations, Relaxed);
    }

    /// The exposition in Prometheus' text format. `installations` is not said where anonymity asks for that.
    pub(crate) fn text(&self, k: u64) -> String {
        let get = |counter: &AtomicU64| counter.load(Relaxed);
        let mut out = String::new();
        let mut family = |name: &str, kind: &str, help: &str, samples: &[(String, String)]| {
            let _ =
                write!(out, "# HELP plimsoll_census_{name} {help}\n# TYPE plimsoll_census_{name} {kind}\n");
            for (rest, value) in samples {
                let _ = writeln!(out, "plimsoll_census_{name}{rest} {value}");
            }
        };
        let one = |value: String| [(String::new(), value)];
        let label = |name: &str, value: &str| format!("{{{name}=\"{value}\"}}");
        family(
            "reports_total",
            "counter",
            "Reports that were kept, by whether they are an installation's first within seven days.",
            &[
                (label("kind", "new"), get(&self.new).to_string()),
                (label("kind", "update"), get(&self.updates).to_string()),
            ],
        );
        let refused = Refused::ALL
            .map(|(why, name)| (label("reason", name), get(&self.refused[why as usize]).to_string()));
        family("refused_total", "counter", "Reports that were not kept, by reason.", &refused);
        let mut buckets = Vec::new();
        let mut sofar = 0;
        for (bucket, count) in self.times.iter().enumerate() {
            sofar += get(count);
            let bound =
                BOUNDS.get(bucket).map_or("+Inf".to_owned(), |bound| (*bound as f64 / 1000.0).to_string());
            buckets.push((format!("_bucket{}", label("le", &bound)), sofar.to_string()));
        }
        buckets.push(("_sum".to_owned(), seconds(get(&self.micros))));
        buckets.push(("_count".to_owned(), sofar.to_string()));
        let help = "Time from a report's last byte to its commit.";
        family("ingest_duration_seconds", "histogram", help, &buckets);
        let is_up = u8::from(self.store_up.load(Relaxed)).to_string();
        family("store_up", "gauge", "Whether the database answered the last time it was asked.", &one(is_up));
        family(
            "facts_loads_total",
            "counter",
            "Loads of what questions are answered from.",
            &one(get(&self.loads).to_string()),
        );
        if get(&self.loads) > 0 {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let age = u64::try_from(now.as_micros()).unwrap_or(0).saturating_sub(get(&self.facts_ms) * 1000);
            family(
                "facts_age_seconds",
                "gauge",
                "Age of what questions are answered from.",
                &one(seconds(age)),
            );
            let took = seconds(get(&self.load_micros));
            family("facts_load_seconds", "gauge", "Time that the last load took.", &one(took));
            let installations = get(&self.installations);
            if installations >= k {
                let help =
                    "Installations that everybody is told of: those that reported in the last 30 days.";
                family("installations", "gauge", help, &one(installations.to_string()));
            }
        }
        out
    }
}

fn seconds(micros: u64) -> String {
    (micros as f64 / 1e6).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_counted_within_their_bounds() {
        let own = Own::default();
        own.kept(Ingested::New, Duration::from_millis(1));
        own.kept(Ingested::Update, Duration::from_micros(1001));
        own.kept(Ingested::Update, Duration::from_secs(9));
        own.refused(Refused::Rate);
        own.loaded(0, 9, Duration::from_millis(250));
        let text = own.text(10);
        for line in [
            "reports_total{kind=\"update\"} 2",
            "refused_total{reason=\"rate\"} 1",
            "ingest_duration_seconds_bucket{le=\"0.001\"} 1",
            "ingest_duration_seconds_bucket{le=\"0.005\"} 2",
            "ingest_duration_seconds_bucket{le=\"+Inf\"} 3",
            "ingest_duration_seconds_sum 9.002001",
            "ingest_duration_seconds_count 3",
            "store_up 0",
            "facts_load_seconds 0.25",
        ] {
            assert!(text.contains(&format!("\nplimsoll_census_{line}\n")), "{line} is not in {text}");
        }
        assert!(!text.contains("census_installations"));
        assert!(own.text(9).contains("census_installations 9\n"));
    }
}
