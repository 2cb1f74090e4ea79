//! The walk over cAdvisor's families: running containers, and the machine as the container `/`.

use super::{Sink, Walk, machine};
use crate::agent::CollectorReport;
use crate::catalog::cadvisor::{CADVISOR, CadvisorSource, MachineNumber, Pick};
use crate::catalog::{AgentFamily, CATALOG, Collector, DetailField, Family, Shape, Slot};
use crate::selection::Selection;
use crate::snapshot::{ContainerRow, Snapshot};

/// The collectors whose failure means that something of containers is missing.
const OF_CONTAINERS: [Collector; 6] = [
    Collector::Cpu,
    Collector::Pressure,
    Collector::Memory,
    Collector::Io,
    Collector::Network,
    Collector::Processes,
];

impl Snapshot {
    /// Hands everything that is selected and present to `sink` as cAdvisor would show it, and then what the agent says of
    /// itself. The row that a sample of the machine is about is one behind the last of [`Snapshot::containers`].
    pub fn visit_cadvisor(&self, selection: &Selection, sink: &mut impl Sink) {
        let machine = machine::row(self);
        let mut walk = Walk { snapshot: self, sink, open: false, series: 0 };
        // cAdvisor knows a container by its cgroup, so that it forgets those that ended.
        let running =
            self.containers.iter().enumerate().filter(|(_, row)| row.container.state.may_have_processes());
        let rows: Vec<(usize, &ContainerRow)> =
            running.chain(machine.iter().map(|row| (self.containers.len(), row))).collect();
        for entry in CADVISOR.iter().filter(|entry| selection.has(&entry.family)) {
            walk.open = false;
            walk.cadvisor(&entry.family, entry.source, &rows, machine.is_some(), selection);
        }
        for family in CATALOG.iter().filter(|family| selection.has(family)) {
            let Shape::Agent(which) = family.shape else { continue };
            // What cAdvisor has of the machine came before, with its labels.
            if family.collector == Collector::Machine {
                continue;
            }
            walk.open = false;
            if which == AgentFamily::Series && selection.has_collector(Collector::Custom) {
                walk.custom();
            }
            walk.agent(family, which);
        }
    }
}

impl<S: Sink> Walk<'_, S> {
    fn cadvisor(
        &mut self,
        family: &'static Family,
        source: CadvisorSource,
        rows: &[(usize, &ContainerRow)],
        has_machine: bool,
        selection: &Selection,
    ) {
        let snapshot = self.snapshot;
        let root = snapshot.containers.len();
        match source {
            CadvisorSource::Row => self.of_rows(family, rows.iter().copied()),
            CadvisorSource::Derived(get) => {
                for (index, row) in rows {
                    if let Some(value) = get(&row.values) {
                        self.of_row(family, &[], (*index, row), value);
                    }
                }
            }
            CadvisorSource::Processors => {
                let wanted = selection.has_collector(Collector::Percpu);
                for (index, row) in rows {
                    let by_processor = if wanted { row.details_of(DetailField::CpuUsage) } else { &[] };
                    for detail in by_processor {
                        self.detail(family, (*index, row), detail);
                    }
                    if let Some(value) = row.values.get(Slot::CpuUsage).filter(|_| by_processor.is_empty()) {
                        self.of_row(family, &["total"], (*index, row), value);
                    }
                }
            }
            CadvisorSource::Operations(operations) => {
                for (index, row) in rows {
                    for device in &row.devices {
                        let part = |part: u32| part.to_string();
                        let number = device.number.map(|(major, minor)| (part(major), part(minor)));
                        let (major, minor) =
                            number.as_ref().map_or(("", ""), |(major, minor)| (major, minor));
                        for (operation, slot) in operations {
                            if let Some(value) = device.values.get(*slot) {
                                let labels = [&*device.name, major, minor, operation];
                                self.of_row(family, &labels, (*index, row), value);
                            }
                        }
                    }
                }
            }
            CadvisorSource::Details(picks) => {
                for (index, row) in rows {
                    for pick in picks {
                        self.picked(family, pick, (*index, row));
                    }
                }
            }
            CadvisorSource::Scheduled(name) => {
                if selection.has_collector(Collector::Blkio) {
                    self.of_rows(family, rows.iter().copied());
                }
                if has_machine {
                    self.of_disks(family, name, 1);
                }
            }
            CadvisorSource::Disk(name, divisor) if has_machine => self.of_disks(family, name, divisor),
            CadvisorSource::Mount(name, less) => {
                self.of_rows(family, rows.iter().copied());
                if !has_machine {
                    return;
                }
                let others = less.map(|less| machine::rows(snapshot, less));
                for mount in machine::rows(snapshot, name) {
                    let value = match others {
                        None => Some(mount.value),
                        Some(others) => others
                            .iter()
                            .find(|other| other.labels == mount.labels)
                            .map(|other| mount.value.saturating_sub(other.value)),
                    };
                    if let (Some(value), Some(device)) = (value, mount.labels.first()) {
                        self.of_machine(family, device, root, value);
                    }
                }
            }
            CadvisorSource::Disk(..) => {}
            CadvisorSource::Machine(number) => {
                let (size, facts) = (&snapshot.agent.machine, &snapshot.agent.machine_facts);
                let value = match number {
                    MachineNumber::Cores => size.cores,
                    MachineNumber::Memory => size.memory,
                    MachineNumber::Swap => size.swap,
                    MachineNumber::Fact(get) => get(facts),
                };
                self.own(family, &facts.labels(), value);
            }
            CadvisorSource::ContainerError => {
                let failed = |report: &CollectorReport| report.success == Some(false);
                let has_failed = OF_CONTAINERS.iter().any(|one| failed(&snapshot.agent.collectors[*one]));
                self.own(family, &[], Some(u64::from(has_failed)));
            }
            CadvisorSource::MachineError => {
                self.own(family, &[], Some(u64::from(snapshot.agent.machine.memory.is_none())));
            }
            CadvisorSource::Version => {
                let agent = &snapshot.agent;
                let engine = agent.engines.iter().find_map(|engine| engine.facts.as_deref());
                let values = [
                    agent.build.revision,
                    agent.build.version,
                    engine.map_or("", |facts| &facts.version),
                    &agent.machine_facts.kernel_version,
                    &agent.machine_facts.os_version,
                ];
                self.own(family, &values, Some(1));
            }
        }
    }

    fn picked(&mut self, family: &'static Family, pick: &Pick, (index, row): (usize, &ContainerRow)) {
        let is_wanted = |first: Option<&str>| pick.first.is_none() || first == pick.first;
        for detail in row.details_of(pick.field) {
            let mut labels = detail.labels.iter().map(|label| &**label);
            let (first, last) = (labels.clone().next(), labels.next_back().unwrap_or_default());
            if is_wanted(first) {
                self.of_row(family, &[pick.shown.unwrap_or(last)], (index, row), detail.value);
            }
        }
    }

    /// A reading of the machine's disks.
    fn of_disks(&mut self, family: &'static Family, name: &str, divisor: u64) {
        for disk in machine::rows(self.snapshot, name) {
            let device = machine::device(disk.labels.first().map_or("", |label| label));
            self.of_machine(family, &device, self.snapshot.containers.len(), disk.value / divisor);
        }
    }

    /// A sample of one of the machine's devices, which count since the boot.
    fn of_machine(&mut self, family: &'static Family, device: &str, root: usize, value: u64) {
        let boot = self.snapshot.host.of(Collector::Host).and_then(|host| host.boot);
        self.sample(family, &[device], Some(root), value, boot);
    }
}
