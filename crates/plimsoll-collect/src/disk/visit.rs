//! A look at one container: what the file system says, how large its trees are.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use plimsoll_kernel::disk::{Gait, HostPaths, Space, WalkError, log_bytes, walk};
use plimsoll_kernel::monotonic;
use plimsoll_model::agent::Source;

use super::numbers::Told;
use super::subject::{DiskPace, Subject, Wanted};

/// The most volumes whose size is remembered for the other containers that have them mounted.
const MAX_VOLUMES: usize = 4096;

/// What the counts of [`Found::problems`] are about.
pub(crate) const PROBLEMS: [&str; 3] = ["layer", "log", "volume"];

/// What was found of a container. What is absent was not wanted, is not there or could not be read.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Bytes of the layer, and when they were measured; `None` in the layer's place where it is seen and could not be counted.
    pub(crate) layer: Option<Option<(u64, u64)>>,
    pub(crate) device: Option<String>,
    pub(crate) space: Option<Space>,
    pub(crate) log: Option<u64>,
    pub(crate) volumes: Vec<(String, u64)>,
    /// A layer that the engine says is there, and is not seen here.
    pub(crate) unseen: Option<String>,
    /// What could not be read, in the order of [`PROBLEMS`].
    pub(crate) problems: [u64; 3],
    /// Trees that took too long.
    pub(crate) late: u64,
}

impl Found {
    /// Takes it over. What was found before stays where it was not found now: its age tells.
    pub(crate) fn merge_into(&self, told: &mut Told) {
        told.usage = self.layer.flatten().or(told.usage);
        told.space = self.space.or(told.space);
        // The size of a file that is written to is no size of now if it is not read now.
        told.log = self.log;
        if let Some(device) = &self.device {
            told.device.clone_from(device);
        }
        for (source, bytes) in &self.volumes {
            match told.volumes.iter_mut().find(|(known, _)| known == source) {
                Some((_, known)) => *known = *bytes,
                None => told.volumes.push((source.clone(), *bytes)),
            }
        }
    }
}

/// Whoever looks at containers.
#[derive(Debug)]
pub(crate) struct Visitor {
    pub(crate) paths: HostPaths,
    pub(crate) pace: DiskPace,
    pub(crate) wanted: Wanted,
    /// Volumes by place: several containers may have one mounted.
    pub(crate) volumes: HashMap<String, (Instant, u64)>,
}

impl Visitor {
    pub(crate) fn new(paths: HostPaths, pace: DiskPace, wanted: Wanted) -> Self {
        Self { paths, pace, wanted, volumes: HashMap::new() }
    }

    /// How long a look at a container may take when all goes well.
    pub(crate) fn patience(&self, subject: &Subject) -> Duration {
        let volumes = if self.wanted.volumes { subject.storage.mounts.len() } else { 0 };
        self.pace.deadline.saturating_mul(u32::try_from(volumes + 1).unwrap_or(u32::MAX))
    }

    pub(crate) fn look(&mut self, subject: &Subject, stop: &AtomicBool) -> Found {
        let mut found = Found::default();
        // Paths mean something where the containers are: on this machine.
        let is_here = match subject.origin.decided() {
            Some(source) => source == Source::Kernel,
            None => subject.is_near,
        };
        if !is_here {
            return found;
        }
        if self.wanted.layers {
            self.layer(subject, stop, &mut found);
            self.log(subject, &mut found);
        }
        if self.wanted.volumes {
            self.volumes(subject, stop, &mut found);
        }
        found
    }

    fn layer(&self, subject: &Subject, stop: &AtomicBool, found: &mut Found) {
        let told = subject.storage.upper_dir.clone();
        let Some(told) = told.or_else(|| self.paths.layer_of_process(subject.pid?)) else { return };
        let Some(place) = self.paths.find(&told) else {
            found.unseen = Some(told);
            return;
        };
        found.layer = Some(None);
        found.device = self.paths.device_of(&place);
        found.space = Space::of(&place).ok();
        // Layers of all containers are side by side, each in a folder of its own.
        let around = place.ancestors().nth(2).and_then(|around| Space::of(around).ok());
        let by_quota = found.space.zip(around).and_then(|(space, around)| space.used_of_quota(&around));
        let bytes = by_quota.map(Ok).unwrap_or_else(|| self.tree(&place, stop, &mut found.problems[0]));
        match bytes {
            Ok(bytes) => found.layer = Some(Some((bytes, monotonic()))),
            Err(error) => refused(error, subject, "layer", 0, found),
        }
    }

    fn log(&self, subject: &Subject, found: &mut Found) {
        let Some(place) = subject.storage.log_path.as_ref().and_then(|path| self.paths.find(path)) else {
            return;
        };
        match log_bytes(&place) {
            Ok(bytes) => found.log = Some(bytes),
            Err(error) => {
                tracing::debug!("the log of {} cannot be measured: {error}", subject.name);
                found.problems[1] += 1;
            }
        }
    }

    fn volumes(&mut self, subject: &Subject, stop: &AtomicBool, found: &mut Found) {
        let fresh = self.pace.interval / 2;
        for mount in subject.storage.mounts.iter().filter(|mount| mount.kind == "volume") {
            let known = self.volumes.get(&mount.source).filter(|(at, _)| at.elapsed() < fresh);
            if let Some((_, bytes)) = known {
                found.volumes.push((mount.source.clone(), *bytes));
                continue;
            }
            let Some(place) = self.paths.find(&mount.source) else { continue };
            match self.tree(&place, stop, &mut found.problems[2]) {
                Ok(bytes) => {
                    if self.volumes.len() >= MAX_VOLUMES {
                        self.volumes.clear();
                    }
                    self.volumes.insert(mount.source.clone(), (Instant::now(), bytes));
                    found.volumes.push((mount.source.clone(), bytes));
                }
                Err(error) => refused(error, subject, "volume", 2, found),
            }
        }
    }

    fn tree(&self, place: &Path, stop: &AtomicBool, problems: &mut u64) -> Result<u64, WalkError> {
        let gait = Gait { budget: self.pace.budget, deadline: self.pace.deadline, stop };
        let usage = walk(place, &gait)?;
        *problems += usage.failures;
        Ok(usage.bytes)
    }
}

fn refused(error: WalkError, subject: &Subject, what: &str, problem: usize, found: &mut Found) {
    tracing::debug!("the {what} of {} was not measured: {error}", subject.name);
    match error {
        WalkError::Deadline => found.late += 1,
        // The agent ends.
        WalkError::Stopped => {}
        // It was removed in this moment.
        _ if error.is_gone() => {}
        _ => found.problems[problem] += 1,
    }
}
