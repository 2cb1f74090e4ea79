//! The processor time of a sample as containers get more: real cgroups in every hierarchy, one sleeping process in
//! each with a network namespace of its own, one pass a second as the sampler makes it. Wants root.
//!
//! `cargo bench -p plimsoll-kernel --bench many [-- NUMBER… full]`, by default 200, 1000 and 2000. With `full`, the profile
//! full is read, with every collector that is off by itself.
#![allow(clippy::panic, clippy::print_stdout, reason = "a benchmark prints what it measured")]

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use plimsoll_kernel::{Controller, Kernel, Reader, Reading, Roots, Spent, Target, scan};
use plimsoll_model::{Collector, Container, ContainerRow, Profile, Selection};
use plimsoll_testkit::wait_until;
use rustix::time::{ClockId, clock_gettime};

const NUMBERS: [usize; 3] = [200, 1000, 2000];

/// After that a reader reads no more than it has to.
const WARM_UP: u32 = 7;
const PASSES: u32 = 20;
const INTERVAL: Duration = Duration::from_secs(1);

/// Removing a cgroup has to wait for the kernel to be done with its process.
const REMOVAL: Duration = Duration::from_secs(10);

fn main() {
    let mut numbers: Vec<usize> = std::env::args().filter_map(|word| word.parse().ok()).collect();
    if numbers.is_empty() {
        numbers.extend(NUMBERS);
    }
    let is_full = std::env::args().any(|word| word == "full");
    let selection = if is_full { everything() } else { Selection::default() };
    let mut kernel = Kernel::probe(Roots::default(), &selection).expect("a machine with cgroups");
    let mut machine = Machine::new(&kernel);
    let mut readers: Vec<(Reader, ContainerRow)> = Vec::new();
    let mut first = None;
    for number in numbers {
        while machine.processes.len() < number {
            let (id, pid) = machine.add();
            let target = Target { id: &id, pid: Some(pid), ..Target::default() };
            let reader = kernel.attach(&target).expect("the cgroup that was just made");
            readers.push((reader, ContainerRow::new(Container::new(&id, "bench".into()).into())));
        }
        let mut pass = || {
            let began = processor_time();
            for (reader, row) in &mut readers {
                row.values.clear();
                let reading = kernel.read(reader, row, &mut Spent::default());
                assert!(matches!(reading, Reading::Done { .. }), "the container has ended");
            }
            processor_time() - began
        };
        let mut spent = Duration::ZERO;
        let mut next = Instant::now();
        for round in 0..WARM_UP + PASSES {
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
            next += INTERVAL;
            let time = pass();
            spent += if round < WARM_UP { Duration::ZERO } else { time };
        }
        let sample = spent.as_secs_f64() * 1e6 / f64::from(PASSES) / number as f64;
        let began = processor_time();
        let found = scan(kernel.layout()).containers.len();
        let scanned = processor_time() - began;
        let ratio = sample / *first.get_or_insert(sample);
        println!(
            "{number:5} cgroups: {sample:5.1} µs a sample, {ratio:.2} of the first; all files kept open: {}; \
             a scan finds {found} in {scanned:.1?}",
            kernel.had_enough_descriptors(),
        );
    }
}

fn everything() -> Selection {
    let mut selection = Selection::of_profile(Profile::Full);
    for collector in Collector::ALL.iter().filter(|collector| collector.is_opt_in()) {
        selection.switch(*collector, true);
    }
    selection
}

/// The processor time of this thread, in user and kernel mode.
fn processor_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).expect("processor time is not negative")
}

/// Cgroups with a process in each, which are gone when this is.
struct Machine {
    /// The parent of all, in every hierarchy.
    parents: Vec<PathBuf>,
    processes: Vec<Child>,
}

impl Machine {
    fn new(kernel: &Kernel) -> Self {
        let controllers = Controller::V1.iter().map(|(controller, _)| *controller);
        let roots = controllers.chain([Controller::Unified]).filter_map(|c| kernel.layout().hierarchy(c));
        let name = format!("plimsoll-bench-{}", std::process::id());
        let mut parents: Vec<_> =
            roots.map(|root| root.canonicalize().expect("a hierarchy").join(&name)).collect();
        parents.sort_unstable();
        parents.dedup();
        let machine = Self { parents, processes: Vec::new() };
        for parent in &machine.parents {
            fs::create_dir(parent).unwrap_or_else(|error| panic!("{}: {error}; be root", parent.display()));
            // On v1 a set of processors has to be given before there can be processes.
            for file in ["cpuset.cpus", "cpuset.mems"] {
                let above = parent.parent().map(|above| above.join(file));
                if let Some(text) = above.and_then(|above| fs::read_to_string(above).ok()) {
                    let _ = fs::write(parent.join(file), text);
                    let _ = fs::write(parent.join("cgroup.clone_children"), "1");
                }
            }
            let _ = fs::write(parent.join("cgroup.subtree_control"), "+cpu +memory +io +pids");
        }
        machine
    }

    /// One more container: its id and its process.
    fn add(&mut self) -> (String, u32) {
        let id = id(self.processes.len());
        let mut command = Command::new("unshare");
        command.args(["--net", "busybox", "sleep", "100000"]).stdin(Stdio::null());
        let child = command.spawn().unwrap_or_else(|error| panic!("unshare: {error}"));
        let pid = child.id();
        self.processes.push(child);
        for parent in &self.parents {
            let own = parent.join(scope(&id));
            fs::create_dir(&own).unwrap_or_else(|error| panic!("{}: {error}", own.display()));
            fs::write(own.join("cgroup.procs"), pid.to_string())
                .unwrap_or_else(|error| panic!("{}: {error}", own.display()));
        }
        wait_until(REMOVAL, "the process to sleep in a network of its own", || {
            fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with(b"busybox"))
        });
        (id, pid)
    }
}

fn id(number: usize) -> String {
    format!("{number:064x}")
}

fn scope(id: &str) -> String {
    format!("docker-{id}.scope")
}

impl Drop for Machine {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
        }
        for process in &mut self.processes {
            let _ = process.wait();
        }
        for parent in &self.parents {
            let own = (0..self.processes.len()).map(|number| parent.join(scope(&id(number))));
            for cgroup in own.chain([parent.clone()]).filter(|cgroup| cgroup.exists()) {
                wait_until(REMOVAL, "a cgroup to be empty", || fs::remove_dir(&cgroup).is_ok());
            }
        }
    }
}
