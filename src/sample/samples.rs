//! The numbers of one container, in the kernel's units, as read in one pass.

use super::KernelFile;
use crate::parse::{
    self, CgroupStat, CpuMax, CpuStat, Events, InterfaceRow, IoRow, Limit, MemoryStat, Name, ParseError,
    Pressure, io_stat::NoRows,
};

/// Everything read from one container's cgroup and network namespace.
///
/// `None` always means that the kernel does not offer the file or key (or that it could not be used, which is
/// counted elsewhere), never zero. The memory is reused, so that a pass allocates nothing.
#[derive(Debug, Default)]
pub struct ScopeSample {
    /// `cpu.stat`
    pub cpu: Option<CpuStat>,
    /// `cpu.stat.local`, `throttled_usec`
    pub throttled_local_usec: Option<u64>,
    /// `cpu.max`
    pub cpu_max: Option<CpuMax>,
    /// `cpu.weight`
    pub cpu_weight: Option<u64>,
    /// Number of CPUs in `cpuset.cpus.effective`
    pub cpus_effective: Option<u64>,
    /// `memory.current`, bytes
    pub memory_current: Option<u64>,
    /// `memory.peak`, bytes
    pub memory_peak: Option<u64>,
    /// `memory.max`, bytes
    pub memory_max: Option<Limit>,
    /// `memory.min`, bytes
    pub memory_min: Option<Limit>,
    /// `memory.low`, bytes
    pub memory_low: Option<Limit>,
    /// `memory.high`, bytes
    pub memory_high: Option<Limit>,
    /// `memory.stat`
    pub memory_stat: Option<MemoryStat>,
    /// `memory.events`
    pub memory_events: Option<Events>,
    /// `memory.swap.current`, bytes
    pub swap_current: Option<u64>,
    /// `memory.swap.peak`, bytes
    pub swap_peak: Option<u64>,
    /// `memory.swap.max`, bytes
    pub swap_max: Option<Limit>,
    /// `memory.swap.events`
    pub swap_events: Option<Events>,
    /// `memory.zswap.current`, bytes
    pub zswap_current: Option<u64>,
    /// `io.stat`; no rows if the container did no I/O
    pub io: Option<Vec<IoRow>>,
    /// `cpu.pressure`
    pub cpu_pressure: Option<Pressure>,
    /// `memory.pressure`
    pub memory_pressure: Option<Pressure>,
    /// `io.pressure`
    pub io_pressure: Option<Pressure>,
    /// `irq.pressure`
    pub irq_pressure: Option<Pressure>,
    /// `pids.current`, tasks
    pub pids_current: Option<u64>,
    /// `pids.peak`, tasks
    pub pids_peak: Option<u64>,
    /// `pids.max`, tasks
    pub pids_max: Option<Limit>,
    /// `pids.events`
    pub pids_events: Option<Events>,
    /// `cgroup.events`, `frozen`
    pub frozen: Option<u64>,
    /// `cgroup.events`, `populated`: 0 if neither the cgroup nor one below it has a process
    pub populated: Option<u64>,
    /// `cgroup.stat`
    pub cgroup_stat: Option<CgroupStat>,
    /// Processes in `cgroup.procs` of the scope and its children
    pub processes: Option<u64>,
    /// `hugetlb.<size>.current` and `.events`, by page size
    pub hugetlb: Vec<Hugetlb>,
    /// `net/dev`, if the container may claim its namespace
    pub net: NetTable,
    /// Open file descriptors of the processes
    pub descriptors: Descriptors,
    /// Bytes read and written over all devices, if every row was read.
    pub(super) io_sums: Option<(u64, u64)>,
    /// The number of lines of `io.stat` without a usable row.
    pub(super) io_none: NoRows,
    /// Rows of `io.stat` kept for the next pass while `io` is `None`.
    spare_io: Vec<IoRow>,
}

/// The open file descriptors of all processes of one container.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Descriptors {
    /// All of them; `None` unless those of every process could be counted.
    pub open: Option<u64>,
    /// Those that are sockets; `None` unless all could be looked at.
    pub sockets: Option<u64>,
    /// Soft limit on open files of the main process.
    pub max_open_files: Option<Limit>,
}

/// Huge pages of one size.
#[derive(Debug, Clone, Copy)]
pub struct Hugetlb {
    /// Page size as the kernel writes it in the file's name: `2MB`.
    pub pagesize: Name,
    /// `hugetlb.<size>.current`, bytes
    pub current: Option<u64>,
    /// `hugetlb.<size>.events`, `max`
    pub events_max: Option<u64>,
}

/// The interfaces of a network namespace, if they were read.
#[derive(Debug, Default)]
pub struct NetTable {
    /// The interfaces that are counted.
    pub rows: Vec<InterfaceRow>,
    /// Whether `rows` is from this pass, and not left from an earlier one.
    pub read: bool,
    /// Bytes received and sent over all of them, if every row was read.
    pub(super) sums: Option<(u64, u64)>,
}

impl NetTable {
    /// Bytes received and sent over all interfaces, if each of them was read.
    #[must_use]
    pub fn bytes(&self) -> Option<(u64, u64)> {
        self.sums.filter(|_| self.read)
    }
}

impl ScopeSample {
    /// Bytes read and written over all block devices, if the io controller is enabled and each device was
    /// read.
    #[must_use]
    pub fn io_bytes(&self) -> Option<(u64, u64)> {
        self.io_sums.filter(|_| self.io.is_some())
    }

    /// Stores one file, or its absence, and returns how many of its rows were skipped. Processes are counted
    /// elsewhere, because they may be spread over child cgroups.
    pub(crate) fn take(&mut self, file: KernelFile, content: Option<&[u8]>) -> Result<u64, ParseError> {
        use parse::{
            cgroup_events::parse_cgroup_events,
            cgroup_stat::parse_cgroup_stat,
            cpu_list::parse_cpu_list,
            cpu_max::parse_cpu_max,
            cpu_stat::parse_cpu_stat,
            pressure::parse_pressure,
            scan::{FlatKey, flat_keyed_value},
            single_value::{parse_limit, parse_single_value},
        };
        match file {
            KernelFile::CpuStat => store(&mut self.cpu, content, parse_cpu_stat),
            KernelFile::CpuMax => store(&mut self.cpu_max, content, parse_cpu_max),
            KernelFile::CpuWeight => store(&mut self.cpu_weight, content, parse_single_value),
            KernelFile::CpuStatLocal => {
                let throttled =
                    |file: &[u8]| flat_keyed_value(file, const { FlatKey::new("throttled_usec ") });
                store_key(&mut self.throttled_local_usec, content, throttled)
            }
            KernelFile::CpusetCpusEffective => store(&mut self.cpus_effective, content, parse_cpu_list),
            KernelFile::MemoryCurrent => store(&mut self.memory_current, content, parse_single_value),
            KernelFile::MemoryPeak => store(&mut self.memory_peak, content, parse_single_value),
            KernelFile::MemoryMax => store(&mut self.memory_max, content, parse_limit),
            KernelFile::MemoryMin => store(&mut self.memory_min, content, parse_limit),
            KernelFile::MemoryLow => store(&mut self.memory_low, content, parse_limit),
            KernelFile::MemoryHigh => store(&mut self.memory_high, content, parse_limit),
            KernelFile::MemoryStat => store_over(&mut self.memory_stat, content, MemoryStat::parse),
            KernelFile::MemoryEvents => store_over(&mut self.memory_events, content, Events::parse),
            KernelFile::MemorySwapCurrent => store(&mut self.swap_current, content, parse_single_value),
            KernelFile::MemorySwapPeak => store(&mut self.swap_peak, content, parse_single_value),
            KernelFile::MemorySwapMax => store(&mut self.swap_max, content, parse_limit),
            KernelFile::MemorySwapEvents => store_over(&mut self.swap_events, content, Events::parse),
            KernelFile::MemoryZswapCurrent => store(&mut self.zswap_current, content, parse_single_value),
            KernelFile::CpuPressure => store(&mut self.cpu_pressure, content, parse_pressure),
            KernelFile::MemoryPressure => store(&mut self.memory_pressure, content, parse_pressure),
            KernelFile::IoPressure => store(&mut self.io_pressure, content, parse_pressure),
            KernelFile::IrqPressure => store(&mut self.irq_pressure, content, parse_pressure),
            KernelFile::PidsCurrent => store(&mut self.pids_current, content, parse_single_value),
            KernelFile::PidsPeak => store(&mut self.pids_peak, content, parse_single_value),
            KernelFile::PidsMax => store(&mut self.pids_max, content, parse_limit),
            KernelFile::PidsEvents => store_over(&mut self.pids_events, content, Events::parse),
            KernelFile::CgroupEvents => {
                (self.populated, self.frozen) = (None, None);
                if let Some(events) = content.map(parse_cgroup_events).transpose()? {
                    (self.populated, self.frozen) = (Some(events.populated), events.frozen);
                }
                Ok(0)
            }
            KernelFile::CgroupStat => store(&mut self.cgroup_stat, content, parse_cgroup_stat),
            KernelFile::IoStat => Ok(self.take_io(content)),
            KernelFile::CgroupProcs => store(&mut self.processes, content, parse::cgroup_procs::count_pids),
        }
    }

    fn take_io(&mut self, content: Option<&[u8]>) -> u64 {
        self.io_sums = None;
        if let Some(rows) = self.io.take() {
            self.spare_io = rows;
        }
        let Some(file) = content else { return 0 };
        let mut rows = std::mem::take(&mut self.spare_io);
        self.io_none = parse::io_stat::parse_io_stat(file, &mut rows);
        self.io = Some(rows);
        self.io_none.odd
    }
}

/// Stores a file that is parsed into the previous value.
fn store_over<T: Default>(
    slot: &mut Option<T>,
    content: Option<&[u8]>,
    parse: impl FnOnce(&mut T, &[u8]) -> Result<(), ParseError>,
) -> Result<u64, ParseError> {
    let parsed = content.map_or(Ok(false), |file| parse(slot.get_or_insert_default(), file).map(|()| true));
    if parsed != Ok(true) {
        *slot = None;
    }
    parsed.map(|_| 0)
}

/// Stores a file with exactly one value.
#[inline]
fn store<T>(
    slot: &mut Option<T>,
    content: Option<&[u8]>,
    parse: impl FnOnce(&[u8]) -> Result<T, ParseError>,
) -> Result<u64, ParseError> {
    store_key(slot, content, |file| parse(file).map(Some))
}

/// Stores a file that may lack the key.
#[inline]
fn store_key<T>(
    slot: &mut Option<T>,
    content: Option<&[u8]>,
    parse: impl FnOnce(&[u8]) -> Result<Option<T>, ParseError>,
) -> Result<u64, ParseError> {
    *slot = None;
    if let Some(file) = content {
        *slot = parse(file)?;
    }
    Ok(0)
}
