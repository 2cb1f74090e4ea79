//! Many containers of a real engine, removed at the end.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use plimsoll_testkit::docker::{IMAGE, available, ensure_image, try_docker};

use crate::interrupt;
use crate::options::Options;

/// All names begin with this. The starting process's id follows, so that leftovers of a run that was killed can be
/// told from the containers of one that is going on.
const PREFIX: &str = "plimsoll-bench-";

/// Started, or removed, at a time.
const AT_ONCE: usize = 4;

/// How many are busy, as on a usual machine.
const BUSY: usize = 2;

/// Containers to be measured. Those that were started here are removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Fleet {
    /// Which names they have, for the agent's `--include-name`.
    pub(crate) pattern: String,
    /// How many run.
    pub(crate) running: usize,
    /// Their ids.
    pub(crate) ids: BTreeSet<String>,
    /// What they do.
    doing: String,
    started: Vec<String>,
}

#[derive(Clone, Copy)]
enum Life {
    Sleeps,
    IsBusy,
    WakesUp,
}

impl Life {
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Sleeps => &[IMAGE, "sleep", "1000000"],
            Self::IsBusy => &["--cpus", "0.1", IMAGE, "sh", "-c", "while :; do :; done"],
            Self::WakesUp => &[IMAGE, "sh", "-c", "while :; do usleep 100000; done"],
        }
    }
}

impl Fleet {
    /// The containers that the options name, or as many new ones as they ask for.
    pub(crate) fn find_or_start(options: &Options) -> anyhow::Result<Self> {
        ensure!(available(), "no Docker engine answers: start one (scripts/engine-up.sh)");
        if let Some(pattern) = &options.pattern {
            return Self::find(pattern);
        }
        remove_leftovers()?;
        let life = |number| if number < BUSY { Life::IsBusy } else { Life::Sleeps };
        Self::start("", "two of them busy", options.containers, options.keep, life)
    }

    /// Containers that wake up ten times a second.
    pub(crate) fn start_awake(options: &Options) -> anyhow::Result<Self> {
        let doing = "each awake ten times a second";
        Self::start("awake-", doing, options.awake, false, |_| Life::WakesUp)
    }

    /// Containers that sleep.
    pub(crate) fn start_asleep(count: usize) -> anyhow::Result<Self> {
        Self::start("asleep-", "asleep", count, false, |_| Life::Sleeps)
    }

    /// How many there are and what they do, for people.
    pub(crate) fn describe(&self) -> String {
        format!("{} containers, {}", self.running, self.doing)
    }

    fn find(pattern: &str) -> anyhow::Result<Self> {
        let glob = glob::Pattern::new(pattern).with_context(|| format!("{pattern:?} is no pattern"))?;
        let list = try_docker(&["ps", "--no-trunc", "--format", "{{.Names}} {{.ID}}"]);
        let list = list.map_err(|error| anyhow!(error))?;
        let named = list.lines().filter_map(|line| line.split_once(' '));
        let ids: BTreeSet<_> =
            named.filter(|(name, _)| glob.matches(name)).map(|(_, id)| id.to_owned()).collect();
        let running = ids.len();
        ensure!(running > 0, "no running container has a name like {pattern:?}");
        eprintln!("{running} running containers have names like {pattern}");
        let doing = format!("named {pattern}");
        Ok(Self { pattern: pattern.to_owned(), running, ids, doing, started: Vec::new() })
    }

    fn start(
        kind: &str,
        doing: &str,
        count: usize,
        keep: bool,
        life: impl Fn(usize) -> Life + Sync,
    ) -> anyhow::Result<Self> {
        ensure!(count > 0, "there is nothing to measure without containers");
        let prefix = format!("{PREFIX}{}-{kind}", std::process::id());
        // The digits keep one run's kinds apart.
        let pattern = format!("{prefix}[0-9]*");
        let names: Vec<String> = (1..=count).map(|number| format!("{prefix}{number}")).collect();
        eprintln!("starting {count} containers {pattern}");
        ensure_image();
        // The guard comes first, so that what was started before a failure is removed.
        let started = if keep { Vec::new() } else { names.clone() };
        let mut fleet =
            Self { pattern, running: count, ids: BTreeSet::new(), doing: doing.to_owned(), started };
        let run = |number: usize| {
            interrupt::pause(Duration::ZERO)?;
            let named = ["run", "-d", "--name", &names[number]];
            try_docker(&[&named, life(number).arguments()].concat()).map_err(|error| anyhow!(error))
        };
        fleet.ids = in_parallel(count, run)?.into_iter().collect();
        Ok(fleet)
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        remove(&self.started);
    }
}

/// Removes what runs left behind whose process is no more.
fn remove_leftovers() -> anyhow::Result<()> {
    let filter = format!("name=^/?{PREFIX}");
    let names = try_docker(&["ps", "-a", "--filter", &filter, "--format", "{{.Names}}"]);
    let names = names.map_err(|error| anyhow!(error))?;
    let is_left = |name: &&str| {
        let process = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        process.is_some_and(|process| !std::path::Path::new("/proc").join(process).exists())
    };
    remove(&names.lines().filter(is_left).map(str::to_owned).collect::<Vec<_>>());
    Ok(())
}

fn remove(names: &[String]) {
    if names.is_empty() {
        return;
    }
    eprintln!("removing {} containers", names.len());
    let one = |number: usize| {
        if let Err(error) = try_docker(&["rm", "-f", "-v", &names[number]])
            && !error.contains("No such container")
        {
            eprintln!("{error}");
        }
        Ok(())
    };
    // What cannot be removed was told, and the others are.
    in_parallel(names.len(), one).ok();
}

/// Does `one` for each number below `count`, a few at once, until one fails. The results come in any order.
fn in_parallel<T: Send>(
    count: usize,
    one: impl Fn(usize) -> anyhow::Result<T> + Sync,
) -> anyhow::Result<Vec<T>> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return Ok(done);
            }
            done.push(one(number).inspect_err(|_| next.store(count, Ordering::Relaxed))?);
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        let parts = workers.into_iter().map(|worker| worker.join().expect("no worker panics"));
        Ok(parts.collect::<anyhow::Result<Vec<_>>>()?.into_iter().flatten().collect())
    })
}
