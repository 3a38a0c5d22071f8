//! The containers that run, as one pass has read them.

use super::size::float;
use crate::{
    collector::{View, Visitor},
    metadata::Health,
    model::Container,
};

/// The containers that run, as one pass has read them, busiest first.
#[derive(Debug, Default)]
pub struct Overview {
    /// When they were read, in Unix seconds
    pub(super) now: f64,
    /// The machine's logical CPUs
    pub(super) cpus: Option<u64>,
    /// The machine's memory, bytes
    pub(super) memory_bytes: Option<u64>,
    pub(super) rows: Vec<Row>,
}

/// One container. `None` is what is not known.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) image: Option<String>,
    /// CPUs busy over the last window
    pub(super) cpu_ratio: Option<f64>,
    /// `memory.current`, bytes
    pub(super) memory_current: Option<u64>,
    /// The same without `inactive_file`, as `docker stats` shows it
    pub(super) memory_usage: Option<u64>,
    /// The limit, or the machine's memory
    pub(super) memory_limit: Option<u64>,
    /// Bytes received and sent
    pub(super) network: Option<(u64, u64)>,
    /// Bytes read and written
    pub(super) block: Option<(u64, u64)>,
    pub(super) pids: Option<u64>,
    pub(super) health: Option<Health>,
    pub(super) restarts: Option<u64>,
    pub(super) oom_kills: Option<u64>,
    /// Share of the last 10 s in which some task waited for CPU, memory and I/O
    pub(super) pressure: [Option<f64>; 3],
}

impl Row {
    fn of(container: &Container, machine_memory: Option<u64>) -> Self {
        let sample = &container.sample;
        let metadata = container.metadata.as_deref();
        Self {
            id: container.id.to_string(),
            name: container.name().to_owned(),
            image: metadata.and_then(|metadata| metadata.image.clone()),
            cpu_ratio: container.rates.cpu_ratio,
            memory_current: sample.memory_current,
            memory_usage: container.working_set(),
            memory_limit: container.memory_limit(machine_memory),
            network: sample.net.bytes(),
            block: sample.io_bytes(),
            pids: sample.pids_current,
            health: metadata.and_then(|metadata| metadata.health),
            restarts: metadata.and_then(|metadata| metadata.restarts),
            oom_kills: container.oom_kills.total(),
            pressure: container.waiting(),
        }
    }

    /// The memory in use as a share of the limit.
    pub(super) fn memory_ratio(&self) -> Option<f64> {
        let limit = self.memory_limit.filter(|limit| *limit > 0)?;
        Some(float(self.memory_usage?) / float(limit))
    }
}

impl Visitor for Overview {
    fn visit(&mut self, view: &View<'_>) {
        let machine = view.page.machine;
        (self.now, self.cpus, self.memory_bytes) =
            (view.page.now, machine.cpu_cores, machine.meminfo.mem_total);
        let live = view.containers().filter(|shown| shown.is_live);
        self.rows = live.map(|shown| Row::of(shown.container, machine.meminfo.mem_total)).collect();
        // What is not known comes last, and names decide between equals.
        let key = |row: &Row| row.cpu_ratio.unwrap_or(-1.0);
        self.rows.sort_by(|one, two| key(two).total_cmp(&key(one)).then_with(|| one.name.cmp(&two.name)));
    }
}
