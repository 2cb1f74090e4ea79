//! One container's open files, and what one pass over them reads.

use std::hash::{Hash as _, Hasher as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use plimsoll_model::container::Network;
use plimsoll_model::{Collector, ContainerRow, Details, InterfaceRow, Slot};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::Kernel;
use crate::devices::Devices;
use crate::error::Error;
use crate::files::{CGROUP_PROCS, File, Keep, PACE, Parse, Place, When};
use crate::lasting::Lasting;
use crate::layout::Controller;
use crate::locate::{self, Target};
use crate::parse::net::{Route, routes};
use crate::parse::{Numbers, net, single, sockets};
use crate::proc_file::read_whole;
use crate::tables::{Protocol, Table};
use crate::walks::{self, Ledger, Walk};

/// The most interfaces of one container that are shown: whoever may add interfaces inside could add any
/// number.
pub const MAX_INTERFACES: usize = 32;

/// The most cgroups below a container's own in which processes are counted.
const MAX_NESTED: usize = 1024;

/// A container's place in the kernel, with its files open.
#[derive(Debug)]
pub struct Reader {
    directories: [Option<PathBuf>; Controller::COUNT],
    cgroup: Arc<str>,
    pid: Option<u32>,
    /// When the first process started, in Unix nanoseconds.
    process_started: Option<u64>,
    /// By position in [`Kernel`]'s table of files.
    files: Vec<Open>,
    limits: Numbers,
    /// What stays true while nothing runs in the container.
    lasting: Lasting,
    namespace: Option<u64>,
    interfaces: Vec<Interface>,
    routes: Vec<Route>,
    networks: Vec<Network>,
    /// Numbers with labels of their own, by the position of their file.
    details: Vec<(usize, Details)>,
    /// What is read over several passes, by the position of its file.
    works: Vec<(usize, Work)>,
    /// Whether there are cgroups below, whose processes count too.
    nested: bool,
}

/// What is read over several passes.
#[derive(Debug)]
enum Work {
    Table(Box<Table>),
    Walk(Box<Walk>),
}

impl Work {
    fn is_going(&self) -> bool {
        match self {
            Self::Table(table) => table.is_going(),
            Self::Walk(walk) => walk.is_going(),
        }
    }
}

/// What has to be kept of a container's readings while its files are closed and opened anew: sums that must not fall.
#[derive(Debug, Default)]
pub struct Kept(Option<Box<Ledger>>);

#[derive(Debug)]
struct Interface {
    name: Arc<str>,
    network: Arc<str>,
}

/// How a file is read.
#[derive(Debug)]
enum Open {
    /// The kernel does not have it, or it is not wanted.
    Absent,
    Kept(OwnedFd),
    /// Opened for each read.
    Anew,
}

/// What a pass found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// The row holds what could be read. `at` is when the processor time was read, in monotonic
    /// nanoseconds.
    Done {
        /// The reading's own clock.
        at: u64,
    },
    /// The cgroup was removed; the row holds nothing that is to be trusted.
    Gone,
}

/// Time spent by each collector, in nanoseconds, and whether it could read everything.
#[derive(Clone, Debug)]
pub struct Spent {
    /// By [`Collector`].
    pub nanos: [u64; Collector::COUNT],
    /// By [`Collector`]: reads that failed.
    pub failures: [u64; Collector::COUNT],
}

impl Default for Spent {
    fn default() -> Self {
        Self { nanos: [0; Collector::COUNT], failures: [0; Collector::COUNT] }
    }
}

impl Reader {
    /// The container's cgroup below the hierarchy's root.
    #[must_use]
    pub fn cgroup(&self) -> &Arc<str> {
        &self.cgroup
    }

    /// The container's first process.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// When that process started, in Unix nanoseconds.
    #[must_use]
    pub fn process_started(&self) -> Option<u64> {
        self.process_started
    }

    /// The number of the container's own network namespace; `None` for the host's, and where the kernel
    /// does not let us look.
    #[must_use]
    pub fn namespace(&self) -> Option<u64> {
        self.namespace
    }

    /// Whether there is traffic to read: the container has a network namespace that is not the host's,
    /// and its files could be opened.
    #[must_use]
    pub fn has_network(&self, kernel: &Kernel) -> bool {
        let is_open =
            |(file, open): (&File, &Open)| file.place == Place::Network && !matches!(open, Open::Absent);
        kernel.files.iter().zip(&self.files).any(is_open)
    }

    /// Goes on from sums that were kept ([`Kernel::detach`]) when the same cgroup's files were closed.
    pub fn resume(&mut self, kept: Kept) {
        let mut kept = kept.0;
        for (_, work) in &mut self.works {
            if let Work::Walk(walk) = work {
                kept = kept.and_then(|kept| walk.resume(kept));
            }
        }
    }

    fn details_of(&mut self, position: usize) -> Option<&mut Details> {
        of(&mut self.details, position)
    }

    /// Whether what the file begins has not been read to its end.
    fn is_at_work(&self, position: usize) -> bool {
        self.works.iter().any(|(of, work)| *of == position && work.is_going())
    }

    fn path_of(&self, file: &File, procfs: &Path) -> Option<PathBuf> {
        match file.place {
            Place::Cgroup(controller) => {
                Some(self.directories[controller as usize].as_ref()?.join(&*file.path()))
            }
            Place::Process | Place::Network => Some(procfs.join(self.pid?.to_string()).join(file.name)),
        }
    }
}

impl Kernel {
    /// Finds a container's cgroup and opens its files.
    ///
    /// # Errors
    /// If the cgroup was not found: the container has ended, or its engine puts it where nobody looked.
    pub fn attach(&mut self, target: &Target<'_>) -> Result<Reader, Error> {
        let found = locate::find(&self.layout, &self.roots, target)?;
        let mut reader = Reader {
            directories: found.directories,
            cgroup: found.path.into(),
            pid: found.process.as_ref().map(|process| process.pid),
            process_started: None,
            files: Vec::with_capacity(self.files.len()),
            limits: Numbers::default(),
            lasting: Lasting::new(self.next_phase(), crate::monotonic()),
            namespace: None,
            interfaces: Vec::new(),
            routes: Vec::new(),
            networks: Vec::new(),
            details: Vec::new(),
            works: Vec::new(),
            nested: false,
        };
        let mut has_namespace = !matches!(target.network_mode, "host");
        if let Some(process) = &found.process {
            reader.process_started = self.started(process);
            match process.network_namespace() {
                namespace if namespace.is_some() && namespace == self.host_namespace => has_namespace = false,
                Some(namespace) if has_namespace => reader.namespace = Some(namespace),
                Some(_) => {}
                // Without the right to look, the engine's word has to do. While it has said nothing, the network may
                // be the host's.
                None => {
                    has_namespace &=
                        !(target.network_mode.is_empty() || target.network_mode.starts_with("container:"));
                }
            }
        }
        for position in 0..self.files.len() {
            let file = self.files[position];
            let open = if file.place == Place::Network && !has_namespace {
                Open::Absent
            } else {
                self.open(&file, &reader, found.process.as_ref())
            };
            if !matches!(open, Open::Absent) {
                let work = match file.parse {
                    Parse::Table(protocol) => Some(Work::Table(Box::new(Table::new(protocol)))),
                    Parse::Walk(sight) => Some(Work::Walk(Box::new(Walk::new(sight)))),
                    _ => None,
                };
                if work.is_some() || file.parse.is_of_details() {
                    reader.details.push((position, Details::default()));
                }
                reader.works.extend(work.map(|work| (position, work)));
            }
            reader.files.push(open);
        }
        self.refresh(&mut reader);
        Ok(reader)
    }

    fn open(&mut self, file: &File, reader: &Reader, process: Option<&locate::Process>) -> Open {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let opened = match file.place {
            Place::Cgroup(_) => {
                let Some(path) = reader.path_of(file, &self.roots.procfs) else { return Open::Absent };
                rustix::fs::open(path, flags, Mode::empty())
            }
            Place::Process | Place::Network => {
                let Some(process) = process else { return Open::Absent };
                rustix::fs::openat(&process.directory, file.name, flags, Mode::empty())
            }
        };
        let keep = if count_kept(&reader.files) == 0 { Keep::First } else { file.keep };
        match opened {
            Ok(descriptor) if self.budget.take(keep) => Open::Kept(descriptor),
            Ok(_) => Open::Anew,
            Err(Errno::NOENT | Errno::NODEV | Errno::OPNOTSUPP | Errno::SRCH) => Open::Absent,
            Err(_) => {
                self.count_error(file.name);
                Open::Absent
            }
        }
    }

    /// Tells which of the engine's networks the container is connected to, so that interfaces can be
    /// named after them.
    pub fn set_networks(&mut self, reader: &mut Reader, networks: &[Network]) {
        reader.networks = networks.to_vec();
        reader.interfaces.clear();
        // A network that was connected since has brought its routes along.
        let process = reader.pid.and_then(|pid| locate::Process::open(&self.roots.procfs, pid));
        let process = process.filter(|process| self.started(process) == reader.process_started);
        reader.routes = process
            .filter(|_| !networks.is_empty())
            .and_then(|process| process.read("net/route"))
            .map(|bytes| routes(&bytes))
            .unwrap_or_default();
    }

    /// When a process started, in Unix nanoseconds.
    fn started(&self, process: &locate::Process) -> Option<u64> {
        let ticks = process.read("stat").and_then(|bytes| crate::parse::proc::start_ticks(&bytes))?;
        self.since_boot(ticks)
    }

    /// Closes a container's files. What is returned is for the reader that takes the place of this one, if there is one.
    pub fn detach(&mut self, reader: Reader) -> Kept {
        self.budget.give_back(count_kept(&reader.files));
        Kept(reader.works.into_iter().find_map(|(_, work)| match work {
            Work::Walk(walk) => walk.into_ledger(),
            Work::Table(_) => None,
        }))
    }

    /// A container's own moment within a turn. Those that follow one another are far apart.
    fn next_phase(&mut self) -> u64 {
        self.attached = self.attached.wrapping_add(1);
        // The golden ratio in 64 bits.
        (self.attached.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20) % PACE
    }

    /// Closes the files of the container's network namespace, because another container shows it.
    pub fn close_network(&mut self, reader: &mut Reader) {
        for ((file, said), open) in self.files.iter().zip(&self.said).zip(&mut reader.files) {
            if file.place == Place::Network {
                self.budget.give_back(count_kept(std::slice::from_ref(open)));
                *open = Open::Absent;
                reader.lasting.forget(said);
            }
        }
        let is_open = |position: usize| !matches!(reader.files[position], Open::Absent);
        reader.details.retain(|(of, _)| is_open(*of));
        reader.works.retain(|(of, _)| is_open(*of));
    }

    /// Reads limits again, and looks whether there are cgroups below the container's own. The next pass
    /// reads every file.
    pub fn refresh(&mut self, reader: &mut Reader) {
        reader.lasting.refresh();
        self.limits.read(&self.layout, &reader.directories, &mut reader.limits);
        let own = reader.directories[Controller::Unified as usize].as_ref();
        let own = reader.directories[Controller::Pids as usize].as_ref().or(own);
        // A directory has a link for its name, one for its own dot, and one for each directory in it.
        reader.nested = own.is_some_and(|path| rustix::fs::stat(path).is_ok_and(|found| found.st_nlink > 2));
    }

    /// Reads everything that is wanted of the container into `row`, which keeps what its life cycle has
    /// put there. What only the container's own tasks can change is read while they run and for a while
    /// after; what writeback, timers or the network change besides, also while these are at work, and every ten
    /// seconds. Otherwise it is as it was.
    pub fn read(&mut self, reader: &mut Reader, row: &mut ContainerRow, spent: &mut Spent) -> Reading {
        row.interfaces.clear();
        row.devices.clear();
        row.details.clear();
        row.values.merge(&reader.limits);
        let began = crate::monotonic();
        let (mut since, mut collector) = (began, None);
        reader.lasting.begin(began);
        for position in 0..self.files.len() {
            let file = self.files[position];
            if matches!(reader.files[position], Open::Absent) {
                continue;
            }
            let is_due = reader.lasting.is_due(&file, began);
            if !is_due && !reader.is_at_work(position) {
                continue;
            }
            if let Some(before) = collector.replace(file.collector).filter(|before| *before != file.collector)
            {
                let now = crate::monotonic();
                spent.nanos[before as usize] += now - since;
                since = now;
            }
            let done = match file.parse {
                Parse::Table(protocol) => self.read_table(position, protocol, is_due, reader, row),
                Parse::Walk(_) => self.walk(position, is_due, reader),
                _ => self
                    .fill(&file, position, reader)
                    .map(|length| self.parse(position, length, began, reader, row)),
            };
            match done {
                Ok(()) => {}
                Err(Errno::NODEV | Errno::NOENT) if matches!(file.place, Place::Cgroup(_)) => {
                    return Reading::Gone;
                }
                Err(Errno::OPNOTSUPP | Errno::NOENT | Errno::SRCH) => self.forget(position, reader),
                Err(_) => {
                    spent.failures[file.collector as usize] += 1;
                    self.count_error(file.name);
                    // What was read before is no longer shown as if it were true.
                    reader.lasting.forget(&self.said[position]);
                    reader.details_of(position).into_iter().for_each(Details::clear);
                    reader.lasting.stirred(began);
                }
            }
        }
        if let Some(last) = collector {
            spent.nanos[last as usize] += crate::monotonic() - since;
        }
        reader.lasting.end(began);
        row.values.merge(&reader.lasting.numbers);
        row.devices.extend_from_slice(&reader.lasting.devices);
        row.add_details(reader.details.iter().flat_map(|(_, details)| details.rows()));
        row.cgroup = Some(Arc::clone(&reader.cgroup));
        row.derive();
        Reading::Done { at: began }
    }

    /// Reads one piece more of a protocol's tables, or begins to.
    fn read_table(
        &mut self,
        position: usize,
        protocol: Protocol,
        is_due: bool,
        reader: &mut Reader,
        row: &ContainerRow,
    ) -> Result<(), Errno> {
        let Some(process) = reader.pid else { return Err(Errno::NOENT) };
        let directory = self.roots.procfs.join(process.to_string());
        let Reader { works, details, .. } = reader;
        let (Some(Work::Table(table)), Some(details)) = (of(works, position), of(details, position)) else {
            return Ok(());
        };
        if is_due && !table.is_going() {
            table.begin(crate::monotonic(), || match protocol {
                Protocol::Tcp => self.tcp_state(&directory, row),
                Protocol::Udp => {
                    ([Slot::SocketsUdp, Slot::SocketsUdp6].map(|slot| row.values.get(slot)), None)
                }
            });
        }
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let open = |name: &str| rustix::fs::open(directory.join(name), flags, Mode::empty());
        table.go_on(open, &mut self.buffer, details)
    }

    /// How many TCP sockets there are of each family, and a number that is another one whenever one of them can have changed
    /// its state: that takes a segment, a timer that sends one, or an end.
    fn tcp_state(&mut self, directory: &Path, row: &ContainerRow) -> ([Option<u64>; 2], Option<u64>) {
        let slots = [Slot::SocketsTcp, Slot::SocketsTcp6, Slot::SocketsTcpTimeWait];
        let counts @ [four, six, waiting] = slots.map(|slot| row.values.get(slot));
        // Connections that are over and waited for belong to no socket, but show in the table.
        let sockets = [four, six].map(|count| Some(count?.saturating_add(waiting?)));
        if sockets.contains(&None) {
            return (sockets, None);
        }
        let mut hash = std::hash::DefaultHasher::new();
        counts.hash(&mut hash);
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let counters = rustix::fs::open(directory.join("net/snmp"), flags, Mode::empty());
        let Ok(length) = counters.and_then(|counters| read_whole(&counters, &mut self.buffer)) else {
            return (sockets, None);
        };
        sockets::counters(&self.buffer[..length], b"Tcp", |_, value| value.hash(&mut hash));
        (sockets, Some(hash.finish()))
    }

    /// Visits some more of the container's processes or tasks, or begins to.
    fn walk(&mut self, position: usize, is_due: bool, reader: &mut Reader) -> Result<(), Errno> {
        let file = self.files[position];
        if is_due && !reader.is_at_work(position) {
            let length = self.fill(&file, position, reader)?;
            let own = reader.path_of(&file, &self.roots.procfs).filter(|_| reader.nested);
            let Reader { works, .. } = reader;
            let Some(Work::Walk(walk)) = of(works, position) else { return Ok(()) };
            walk.begin();
            let mut left_out = walk.list(&self.buffer[..length]);
            if let Some(own) = own {
                each_nested(&own, file.name, |list| left_out += walk.list(list));
            }
            self.rows_dropped += left_out;
            if !walk.is_going() {
                reader.details_of(position).into_iter().for_each(Details::clear);
            }
        }
        let Reader { works, details, .. } = reader;
        let (Some(Work::Walk(walk)), Some(details)) = (of(works, position), of(details, position)) else {
            return Ok(());
        };
        let mut procfs = walks::Proc {
            root: &self.roots.procfs,
            path: &mut self.path,
            buffer: &mut self.buffer,
            has_counts: self.has_counts,
        };
        walk.go_on(&mut procfs, details)
    }

    /// Reads the file into the buffer and returns its length.
    fn fill(&mut self, file: &File, position: usize, reader: &Reader) -> Result<usize, Errno> {
        let opened;
        let descriptor = match &reader.files[position] {
            Open::Absent => return Err(Errno::NOENT),
            Open::Kept(descriptor) => descriptor,
            Open::Anew => {
                let path = reader.path_of(file, &self.roots.procfs).ok_or(Errno::NOENT)?;
                opened = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
                &opened
            }
        };
        read_whole(descriptor, &mut self.buffer)
    }

    /// Reads a file of `/proc`.
    pub(crate) fn read_path(&mut self, name: &str) -> Option<&[u8]> {
        self.path.clear();
        self.path.push(&self.roots.procfs);
        self.path.push(name);
        let opened = rustix::fs::open(&self.path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
        let length = read_whole(&opened, &mut self.buffer).ok()?;
        Some(&self.buffer[..length])
    }

    /// Puts what the file at `position` says into the row, or among what lasts in place of what the file
    /// said before.
    fn parse(
        &mut self,
        position: usize,
        length: usize,
        now: u64,
        reader: &mut Reader,
        row: &mut ContainerRow,
    ) {
        let file = self.files[position];
        let nested =
            if file.name == CGROUP_PROCS && reader.nested { self.count_nested(&file, reader) } else { 0 };
        let bytes = &self.buffer[..length];
        if file.parse.is_of_details() {
            if let Some(details) = reader.details_of(position) {
                let left_out = details.left_out();
                let mut pass = details.refill();
                match file.parse {
                    Parse::Details(parse) => parse(bytes, &mut pass),
                    Parse::DeviceDetails(parse) => parse(bytes, &mut self.devices, &mut pass),
                    Parse::OfPages(field, parse) => {
                        if let (Some(pages), Some(value)) = (file.pages, parse(bytes)) {
                            pass.set(field, &[pages.as_str()], value);
                        }
                    }
                    _ => {}
                }
                drop(pass);
                self.rows_dropped += details.left_out() - left_out;
            }
            return;
        }
        let lasting = &mut reader.lasting;
        let before = lasting.watched(file.when);
        let lasts = file.when != When::Always;
        let said = &mut self.said[position];
        if lasts {
            lasting.forget(said);
        }
        let numbers = if lasts { &mut self.scratch } else { &mut row.values };
        match file.parse {
            Parse::Single(slot) => numbers.set_option(slot, single(bytes)),
            Parse::Numbers(parse) => parse(bytes, numbers),
            Parse::Ticks(parse) => parse(bytes, self.ticks, numbers),
            Parse::Devices(parse) => {
                let rows = if lasts { &mut lasting.devices } else { &mut row.devices };
                let (names, dropped) = (&mut self.devices, &mut self.rows_dropped);
                parse(bytes, &mut Devices { names, rows, said: &mut said.1, dropped });
            }
            // They were told above.
            Parse::Details(_)
            | Parse::DeviceDetails(_)
            | Parse::OfPages(..)
            | Parse::Table(_)
            | Parse::Walk(_) => {}
            Parse::Interfaces => {
                lasting.heard_traffic(bytes, now);
                self.rows_dropped += interfaces(bytes, reader, row);
                return;
            }
        }
        if nested > 0 {
            numbers.set(Slot::Processes, numbers.get(Slot::Processes).unwrap_or(0) + nested);
        }
        if lasts {
            lasting.numbers.merge(&self.scratch);
            said.0.merge(&self.scratch);
            self.scratch.clear();
            if before != lasting.watched(file.when) {
                lasting.stirred(now);
            }
        }
    }

    /// Counts the processes of the cgroups below.
    fn count_nested(&self, file: &File, reader: &Reader) -> u64 {
        let Some(own) = reader.path_of(file, &self.roots.procfs) else { return 0 };
        let mut processes = 0;
        each_nested(&own, CGROUP_PROCS, |list| processes += crate::parse::lines(list));
        processes
    }

    /// A file that turned out not to be there is not asked for again.
    fn forget(&mut self, position: usize, reader: &mut Reader) {
        let open = std::mem::replace(&mut reader.files[position], Open::Absent);
        reader.lasting.forget(&self.said[position]);
        reader.details.retain(|(of, _)| *of != position);
        reader.works.retain(|(of, _)| *of != position);
        self.budget.give_back(count_kept(&[open]));
    }

    fn count_error(&mut self, file: &'static str) {
        match self.read_errors.iter_mut().find(|(name, _)| *name == file) {
            Some((_, count)) => *count += 1,
            None => self.read_errors.push((file, 1)),
        }
    }
}

fn of<T>(list: &mut [(usize, T)], position: usize) -> Option<&mut T> {
    list.iter_mut().find(|(of, _)| *of == position).map(|(_, one)| one)
}

/// Hands the file of this name of each cgroup below to `each`. `own` is the file in the container's own cgroup.
fn each_nested(own: &Path, name: &str, mut each: impl FnMut(&[u8])) {
    let mut waiting: Vec<PathBuf> = own.parent().map(Path::to_owned).into_iter().collect();
    let mut visited = 0;
    while let Some(directory) = waiting.pop() {
        visited += 1;
        if visited > MAX_NESTED {
            break;
        }
        if visited > 1
            && let Ok(list) = std::fs::read(directory.join(name))
        {
            each(&list);
        }
        let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
        waiting.extend(
            entries.filter(|entry| entry.file_type().is_ok_and(|t| t.is_dir())).map(|entry| entry.path()),
        );
    }
}

fn count_kept(files: &[Open]) -> u64 {
    files.iter().filter(|open| matches!(open, Open::Kept(_))).count() as u64
}

/// Fills the interface rows and returns how many there were too many.
fn interfaces(bytes: &[u8], reader: &mut Reader, row: &mut ContainerRow) -> u64 {
    let mut dropped = 0;
    net::dev(bytes, |name, numbers| {
        let position = row.interfaces.len();
        if position >= MAX_INTERFACES {
            dropped += 1;
            return;
        }
        // Names seldom change, so the text of the last pass is shared as long as it still fits.
        if reader.interfaces.get(position).is_none_or(|known| known.name.as_bytes() != name) {
            reader.interfaces.truncate(position);
            let name: Arc<str> = String::from_utf8_lossy(name).into();
            let network = network_of(&name, &reader.routes, &reader.networks);
            reader.interfaces.push(Interface { name, network });
        }
        let Interface { name, network } = &reader.interfaces[position];
        row.interfaces.push(InterfaceRow {
            name: Arc::clone(name),
            network: Arc::clone(network),
            values: numbers.clone(),
        });
    });
    dropped
}

/// The engine's network whose address lies in a subnet that the interface reaches directly.
fn network_of(interface: &str, routes: &[Route], networks: &[Network]) -> Arc<str> {
    let reaches = |network: &&Network| {
        let Ok(address) = network.address.parse() else { return false };
        routes.iter().any(|route| route.interface == interface && route.contains(address))
    };
    networks.iter().find(reaches).map(|network| network.name.as_str()).unwrap_or_default().into()
}
