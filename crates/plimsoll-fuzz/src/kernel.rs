//! The kernel's files.

use std::fmt::Debug;

use plimsoll_kernel::parse::pressure::Resource;
use plimsoll_kernel::parse::{
    Numbers, block, cpu, host, lines, memory, mounts, net, pressure, proc, process, single, sockets,
};
use plimsoll_kernel::recognise;
use plimsoll_model::Slot;

/// A line that no parser knows. Added to the end of any file it changes nothing.
const FOREIGN: &[u8] = b"\n\xff ?\n";

/// From here on a limit is none.
const UNLIMITED: u64 = 1 << 62;

/// The most elements of a list that parsers of `/proc` keep.
const MAX_ELEMENTS: usize = 64;

/// The cgroup files: `cpu.*`, `memory.*`, `io.*` and `blkio.*`, pressure, and those of one number.
pub fn kernel_files(bytes: &[u8]) {
    let slots: &[fn(&[u8], &mut Numbers)] = &[
        |bytes, out| cpu::v1_acct_stat(bytes, 100, out),
        cpu::v1_stat,
        cpu::v2_stat,
        memory::v1_stat,
        memory::v1_oom_control,
        memory::v2_stat,
        memory::v2_events,
        memory::v2_swap_events,
        |bytes, out| pressure::pressure(bytes, Resource::Cpu, out),
        |bytes, out| pressure::pressure(bytes, Resource::Memory, out),
        |bytes, out| pressure::pressure(bytes, Resource::Io, out),
        |bytes, out| pressure::pressure(bytes, Resource::Irq, out),
    ];
    for parse in slots {
        check_slots(bytes, *parse);
    }

    let words = bytes.split(u8::is_ascii_whitespace).count();
    let rows = steady(bytes, |bytes| {
        let mut rows = Vec::new();
        block::v1(bytes, |major, minor, operation, value| rows.push((major, minor, operation, value)));
        rows
    });
    assert!(rows.len() <= words / 3, "{rows:?}");
    let rows = steady(bytes, |bytes| {
        let mut rows = Vec::new();
        block::v2(bytes, |major, minor, slot, value| rows.push((major, minor, slot, value)));
        rows
    });
    assert!(rows.len() < words.max(1), "{rows:?}");

    let bandwidth = same_twice(bytes, cpu::v2_max);
    let quota = bandwidth.and_then(|bandwidth| bandwidth.quota);
    let cores = bandwidth.and_then(|bandwidth| bandwidth.cores());
    assert!(cores.is_none() || quota.is_some(), "{bandwidth:?} is {cores:?}");
    assert_eq!(cpu::v2_max(&without_digits(bytes)), None);

    assert!(same_twice(bytes, single).is_none_or(|value| value < UNLIMITED));
    assert_eq!(single(&without_digits(bytes)), None);
    assert!(lines(bytes) <= bytes.len() as u64);
    let (descendants, dying) = steady(bytes, proc::descendants);
    assert!(descendants.is_none() || bytes.len() > "nr_descendants".len());
    assert!(dying.is_none() || bytes.len() > "nr_dying_descendants".len());
}

/// The files of `/proc`: a process's `cgroup`, `stat` and `net/*`, the machine's `stat` and `meminfo`, lists of
/// processors; and all that is read of the machine itself.
pub fn proc(bytes: &[u8]) {
    check_slots(bytes, net::sockstat);
    check_machine(bytes);
    check_mounts(bytes);
    check_processes(bytes);

    let line_count = bytes.split(|byte| *byte == b'\n').count();
    let interfaces = steady(bytes, |bytes| {
        let mut rows = Vec::new();
        net::dev(bytes, |name, numbers| rows.push((name.to_vec(), numbers.clone())));
        rows
    });
    assert!(interfaces.len() <= line_count);
    for (name, _) in &interfaces {
        assert!(!name.is_empty() && name != b"lo" && !name.contains(&b'\n'), "an interface called {name:?}");
    }

    let routes = steady(bytes, net::routes);
    assert!(routes.len() <= MAX_ELEMENTS);
    for route in &routes {
        assert!(
            !route.mask.is_unspecified() && !route.interface.contains(|c: char| c.is_ascii_whitespace()),
            "{route:?}"
        );
        let is_subnet = route.subnet.to_bits() & !route.mask.to_bits() == 0;
        assert_eq!(route.contains(route.subnet), is_subnet, "{route:?}");
    }

    let memberships = steady(bytes, proc::cgroups);
    assert!(memberships.len() <= MAX_ELEMENTS);
    for membership in &memberships {
        assert!(!membership.controllers.contains([':', '\n']) && !membership.path.contains('\n'));
    }

    steady(bytes, proc::start_ticks);
    assert_eq!(proc::start_ticks(&without_digits(bytes)), None);
    let stat = steady(bytes, proc::stat);
    assert!(stat.cpus.is_none_or(|cpus| (1..=line_count as u64).contains(&cpus)), "{stat:?}");
    let memory = steady(bytes, proc::meminfo);
    assert!(memory.memory.unwrap_or(0) % 1024 == 0 && memory.swap.unwrap_or(0) % 1024 == 0, "{memory:?}");
    assert_ne!(same_twice(bytes, proc::cpu_list), Some(0), "an empty list says nothing");
}

/// The machine's own files: `stat`, `loadavg`, `meminfo`, `vmstat`, `diskstats`, `net/dev`, `pressure/*`.
fn check_machine(bytes: &[u8]) {
    const WANTED: &[&str] = &["intr", "ctxt", "MemFree", "Active(anon)", "pgfault", "oom_kill"];
    let line_count = bytes.split(|byte| *byte == b'\n').count();
    let processors = steady(bytes, |bytes| {
        let mut rows = Vec::new();
        host::processors(bytes, |processor, times| rows.push((processor, *times)));
        rows
    });
    assert!(processors.len() <= line_count);
    let fields = steady(bytes, |bytes| {
        let mut found = Vec::new();
        host::fields(bytes, WANTED, |word, value| found.push((word, value)));
        found
    });
    assert!(fields.len() <= line_count && fields.iter().all(|(word, _)| *word < WANTED.len()), "{fields:?}");
    let disks = steady(bytes, |bytes| {
        let mut rows = Vec::new();
        host::disks(bytes, |name, disk| rows.push((name.to_vec(), *disk)));
        rows
    });
    assert!(disks.len() <= line_count && disks.iter().all(|(name, _)| !name.is_empty()), "{disks:?}");
    let interfaces = steady(bytes, |bytes| {
        let mut rows = Vec::new();
        host::interfaces(bytes, |name, traffic| rows.push((name.to_vec(), *traffic)));
        rows
    });
    for name in disks.iter().map(|(name, _)| name).chain(interfaces.iter().map(|(name, _)| name)) {
        assert!(!name.is_empty() && !name.contains(&b'\n'), "{name:?}");
        let _ = (host::is_shown_disk(name), host::is_shown_interface(name));
    }
    steady(bytes, host::pressure);
    let load = same_twice(bytes, host::load);
    assert!(load.iter().flatten().all(|load| load % 10_000_000 == 0), "{load:?} has more than two decimals");
}

/// What is read of processes and sockets: `limits`, `schedstat`, the state in `stat`, tables and counters of the network.
fn check_processes(bytes: &[u8]) {
    let line_count = bytes.split(|byte| *byte == b'\n').count() as u64;
    let limits = steady(bytes, |bytes| {
        let mut found = Vec::new();
        process::limits(bytes, |name, soft| found.push((name.to_owned(), soft)));
        found
    });
    assert!(limits.iter().all(|(name, _)| !name.contains([' ', '\n'])), "{limits:?}");
    steady(bytes, process::schedstat);
    assert!(steady(bytes, process::task_state).is_none_or(|state| state < process::TASK_STATES.len()));
    let connections = steady(bytes, |bytes| {
        let mut found = sockets::Connections::default();
        bytes.split(|byte| *byte == b'\n').for_each(|line| found.add(line));
        found
    });
    assert!(connections.states.iter().sum::<u64>() <= line_count, "{connections:?}");
    let datagrams = steady(bytes, |bytes| {
        let mut found = sockets::Datagrams::default();
        bytes.split(|byte| *byte == b'\n').for_each(|line| found.add(line));
        found
    });
    assert!(datagrams.sockets <= line_count, "{datagrams:?}");
    let counters = steady(bytes, |bytes| {
        let mut found = Vec::new();
        sockets::counters(bytes, b"Tcp", |name, value| found.push((name.to_vec(), value)));
        found
    });
    assert!(counters.iter().all(|(name, _)| !name.is_empty()), "{counters:?}");
}

/// `mountinfo`.
fn check_mounts(bytes: &[u8]) {
    let (found, left_out) = steady(bytes, |bytes| mounts::mounts(bytes, MAX_ELEMENTS, |_| true));
    assert!(found.len() == MAX_ELEMENTS || (found.len() < MAX_ELEMENTS && left_out == 0));
    for mount in &found {
        assert!(mount.point.starts_with(b"/") && !mount.fs_type.is_empty(), "{mount:?}");
        let _ = (mounts::is_shown_point(&mount.point), mounts::is_shown_type(&mount.fs_type));
    }
    assert!(steady(bytes, |bytes| mounts::ids(bytes).count()) >= found.len());
}

/// Paths of cgroups, one a line: whose container they are.
pub fn locate(bytes: &[u8]) {
    for path in String::from_utf8_lossy(bytes).split('\n') {
        let found = recognise(path);
        assert_eq!(recognise(path), found, "the same path, another answer");
        let Some(found) = found else { continue };
        let is_plain = |name: &str| !name.is_empty() && !name.contains('/') && name != "." && name != "..";
        assert!(is_plain(&found.id) && found.path.split('/').skip(1).all(is_plain), "{found:?}");
        assert!(found.path.starts_with('/') && found.path.contains(&found.id), "{found:?}");
        assert!(found.user != Some(0) && found.pod_uid.as_deref() != Some(""), "{found:?}");
        // A container's cgroup is that container's, and so is whatever lies in it.
        for path in [found.path.clone(), format!("{}/init.scope/x", found.path)] {
            assert_eq!(recognise(&path).as_ref(), Some(&found), "{path:?}");
        }
    }
}

/// What holds for every file that fills slots.
fn check_slots(bytes: &[u8], parse: fn(&[u8], &mut Numbers)) {
    let numbers = |bytes: &[u8]| {
        let mut out = Numbers::default();
        parse(bytes, &mut out);
        out
    };
    let found = steady(bytes, numbers);
    for limit in [Slot::MemoryLimit, Slot::MemorySwapLimit] {
        assert!(found.get(limit).is_none_or(|value| value < UNLIMITED), "{limit:?} of {found:?}");
    }
    assert!(numbers(&without_digits(bytes)).is_empty(), "numbers without digits");
}

/// What a parser makes of the bytes; the same in a second call, and the same with a foreign line at the end.
fn steady<T: PartialEq + Debug>(bytes: &[u8], parse: impl Fn(&[u8]) -> T) -> T {
    let found = same_twice(bytes, &parse);
    assert_eq!(parse(&[bytes, FOREIGN].concat()), found, "a foreign line was not passed over");
    found
}

fn same_twice<T: PartialEq + Debug>(bytes: &[u8], parse: impl Fn(&[u8]) -> T) -> T {
    let found = parse(bytes);
    assert_eq!(parse(bytes), found, "the same bytes, another answer");
    found
}

fn without_digits(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| if byte.is_ascii_digit() { b'x' } else { *byte }).collect()
}
