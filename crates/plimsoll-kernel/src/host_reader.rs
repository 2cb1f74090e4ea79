//! The machine's own numbers: everything in the catalog that belongs to the collector `host`.

mod plan;

use std::sync::Arc;

use plimsoll_model::{Host, HostLabels, HostRow};

use crate::host::{boot_time, realtime};
use crate::layout::Roots;
use crate::locate::{View, view};
use crate::parse::host::{self, Disk, Times, Traffic};
use crate::proc_file::ProcFile;
pub(crate) use plan::labels;
use plan::{Place, Plan, Planned};

/// The most processors that are shown, those with the smallest numbers.
pub const MAX_PROCESSORS: usize = 1024;

/// The most disks of the machine that are shown.
pub const MAX_HOST_DISKS: usize = 512;

/// The most network devices of the machine that are shown.
pub const MAX_HOST_INTERFACES: usize = 512;

/// If a processor's idle time falls by so much (in seconds), the processor was taken away and came back, and all its times
/// begin anew. The kernel also corrects the times of a processor downwards by a little, which is no new beginning.
const BEGINS_ANEW: u64 = 3;

/// From so many network devices on, those of containers included, the kernel takes hundreds of microseconds to list them, and they are
/// read seldom: in every [`SELDOM`]th reading. In between, the last numbers stand.
const MANY_INTERFACES: usize = 64;
const SELDOM: u32 = 5;

/// The column of idle time in [`Times`].
const IDLE: usize = 3;

/// Reads the machine's numbers. Keeps the files of `/proc` open, and what is the same in every reading.
#[derive(Debug)]
pub struct HostReader {
    stat: ProcFile,
    load: ProcFile,
    memory: ProcFile,
    vmstat: ProcFile,
    disks: ProcFile,
    interfaces: ProcFile,
    pressure: [ProcFile; plan::RESOURCES.len()],
    plan: Plan,
    processors: Vec<Subject<u64, Times>>,
    /// The disks of the last reading, by name.
    known_disks: Vec<Subject<Vec<u8>, Disk>>,
    /// The network devices of the last reading, by name.
    known_interfaces: Vec<Subject<Vec<u8>, Traffic>>,
    /// In how many readings from now they are read.
    interfaces_due: u32,
    /// Clock ticks a second.
    ticks: u64,
    /// When the machine was booted: in seconds as the kernel last told, and in nanoseconds as first worked out from it.
    /// Clocks drift, and a start that moves would look like a new start.
    boot: Option<(u64, u64)>,
    /// What does not fit, in all readings.
    left_out: u64,
    buffer: Vec<u8>,
    read_errors: Vec<(&'static str, u64)>,
    /// How many rows the last reading had.
    rows: usize,
}

/// A processor, a disk or a network device, with the labels of its series.
#[derive(Debug)]
struct Subject<K, V> {
    key: K,
    labels: Vec<HostLabels>,
    values: V,
}

impl HostReader {
    /// Opens the files. What the kernel does not have, such as pressure, will be absent.
    ///
    /// The network devices are those of process 1. Where `/proc` shows the processes of a container alone, process 1 is not
    /// the machine's, and there are none.
    #[must_use]
    pub fn open(roots: &Roots) -> Self {
        let file = |name: &'static str| ProcFile::new(name, roots.procfs.join(name));
        let mut interfaces = file("1/net/dev");
        let view = view(&roots.procfs);
        if view == View::Own {
            interfaces = ProcFile::absent(interfaces.name());
        } else if view == View::Host && interfaces.is_absent() {
            // Processes of others are hidden; the agent is on the machine itself, and so in the same namespace.
            interfaces = ProcFile::new("net/dev", roots.procfs.join("net/dev"));
        }
        let ticks = rustix::param::clock_ticks_per_second().max(1);
        Self {
            stat: file("stat"),
            load: file("loadavg"),
            memory: file("meminfo"),
            vmstat: file("vmstat"),
            disks: file("diskstats"),
            interfaces,
            pressure: plan::RESOURCES.map(file),
            plan: Plan::new(ticks),
            processors: Vec::new(),
            known_disks: Vec::new(),
            known_interfaces: Vec::new(),
            interfaces_due: 0,
            ticks,
            boot: None,
            left_out: 0,
            buffer: vec![0; 16 * 1024],
            read_errors: Vec::new(),
            rows: 0,
        }
    }

    /// Reads everything. What cannot be read is absent.
    pub fn read(&mut self) -> Host {
        let at = realtime();
        self.read_stat();
        self.read_lists();
        let (buffer, errors, plan) = (&mut self.buffer, &mut self.read_errors, &mut self.plan);
        plan.load = self.load.read(buffer, errors).map(host::load).unwrap_or_default();
        plan.memory.take(self.memory.read(buffer, errors));
        plan.vmstat.take(self.vmstat.read(buffer, errors));
        for (file, totals) in self.pressure.iter_mut().zip(&mut plan.pressure) {
            *totals = file.read(buffer, errors).map(host::pressure).unwrap_or_default();
        }
        let mut host = Host::new(at, self.boot.map(|(_, exact)| exact), self.rows(at));
        host.left_out = self.left_out;
        host
    }

    /// Reads that failed so far, by file. A file that the kernel does not have is no failure.
    #[must_use]
    pub fn read_errors(&self) -> &[(&'static str, u64)] {
        &self.read_errors
    }

    /// Whether the kernel tells of pressure on the whole machine.
    #[must_use]
    pub fn has_pressure(&self) -> bool {
        self.pressure.iter().any(|file| !file.is_absent())
    }

    fn read_stat(&mut self) {
        let bytes = self.stat.read(&mut self.buffer, &mut self.read_errors);
        self.plan.stat.take(bytes);
        let (subjects, left_out, plan) = (&mut self.processors, &mut self.left_out, &self.plan);
        let mut position = 0;
        let anew = BEGINS_ANEW * self.ticks;
        host::processors(bytes.unwrap_or_default(), |number, times| {
            if position >= MAX_PROCESSORS {
                *left_out += 1;
                return;
            }
            let new = || Subject {
                key: number,
                labels: plan.labels_of_processor(number),
                values: Times::default(),
            };
            let is_new = place(subjects, position, |key| *key == number, new);
            let before = &mut subjects[position].values;
            let fell = before[IDLE].zip(times[IDLE]).map_or(0, |(before, now)| before.saturating_sub(now));
            if is_new || fell >= anew {
                *before = *times;
            } else {
                for (before, now) in before.iter_mut().zip(times) {
                    // A counter that falls by a little would look as if it had begun anew.
                    *before = now.map(|now| before.unwrap_or(0).max(now));
                }
            }
            position += 1;
        });
        subjects.truncate(position);
        let told = self.plan.stat.value("btime");
        if let Some(told) = told.filter(|told| self.boot.is_none_or(|(known, _)| known.abs_diff(*told) >= 2))
        {
            self.boot = boot_time(told).map(|exact| (told, exact));
        }
    }

    fn read_lists(&mut self) {
        let (buffer, errors, left_out) = (&mut self.buffer, &mut self.read_errors, &mut self.left_out);
        let (disks, interfaces) = (&mut self.known_disks, &mut self.known_interfaces);
        let mut position = 0;
        host::disks(self.disks.read(buffer, errors).unwrap_or_default(), |name, columns| {
            if host::is_shown_disk(name) {
                add(disks, &mut position, MAX_HOST_DISKS, left_out, name, columns);
            }
        });
        disks.truncate(position);
        if self.interfaces_due > 1 {
            self.interfaces_due -= 1;
            return;
        }
        position = 0;
        let mut listed = 0;
        host::interfaces(self.interfaces.read(buffer, errors).unwrap_or_default(), |name, columns| {
            listed += 1;
            if host::is_shown_interface(name) {
                add(interfaces, &mut position, MAX_HOST_INTERFACES, left_out, name, columns);
            }
        });
        interfaces.truncate(position);
        self.interfaces_due = if listed >= MANY_INTERFACES { SELDOM } else { 1 };
    }

    /// Everything that was read, in the order of the catalog.
    fn rows(&mut self, at: u64) -> Vec<HostRow> {
        let mut rows = Vec::with_capacity(self.rows + 8);
        let none: HostLabels = Arc::default();
        let plan = &self.plan;
        for Planned { family, factor, place } in &plan.families {
            let mut push = |labels: &HostLabels, value: Option<u64>| {
                if let Some(value) = value.and_then(|value| value.checked_mul(*factor)) {
                    rows.push(HostRow { family: *family, labels: Arc::clone(labels), value });
                }
            };
            match *place {
                Place::Processor { modes, first } => {
                    for processor in &self.processors {
                        for ((_, column), labels) in modes.iter().zip(&processor.labels[first..]) {
                            push(labels, processor.values[*column]);
                        }
                    }
                }
                Place::Disk(column) => {
                    self.known_disks.iter().for_each(|disk| push(&disk.labels[0], disk.values[column]));
                }
                Place::Interface(column) => {
                    self.known_interfaces
                        .iter()
                        .for_each(|device| push(&device.labels[0], device.values[column]));
                }
                Place::Stat(position) => push(&none, plan.stat.values[position]),
                Place::Memory(position) => push(&none, plan.memory.values[position]),
                Place::Vmstat(position) => push(&none, plan.vmstat.values[position]),
                Place::Load(column) => push(&none, plan.load[column]),
                Place::Pressure(resource, line) => push(&none, plan.pressure[resource][line]),
                Place::Time => push(&none, Some(at)),
            }
        }
        self.rows = rows.len();
        rows
    }
}

/// Puts a disk or network device of this name at `position`, unless there are too many.
fn add<V: Copy>(
    subjects: &mut Vec<Subject<Vec<u8>, V>>,
    position: &mut usize,
    most: usize,
    left_out: &mut u64,
    name: &[u8],
    values: &V,
) {
    if *position >= most {
        *left_out += 1;
        return;
    }
    let new = || Subject { key: name.to_vec(), labels: vec![plan::labels([name])], values: *values };
    place(subjects, *position, |key| key == name, new);
    subjects[*position].values = *values;
    *position += 1;
}

/// Makes sure that the subject with a key stands at this position, and returns whether it is new. Lists seldom change, so it
/// mostly stands there.
fn place<K, V>(
    subjects: &mut Vec<Subject<K, V>>,
    position: usize,
    is_key: impl Fn(&K) -> bool,
    new: impl FnOnce() -> Subject<K, V>,
) -> bool {
    match subjects[position..].iter().position(|subject| is_key(&subject.key)) {
        Some(gone) => {
            subjects.drain(position..position + gone);
            false
        }
        None => {
            subjects.insert(position, new());
            true
        }
    }
}
