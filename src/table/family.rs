//! THE table: every family that is served of containers and the machine, with its source and its getter.

use super::getters::*;
use crate::{
    encode::{LabelValue, Number, Row, Samples},
    parse::{Limit, Name, memory_stat::Key},
    sample::{
        FileSet,
        KernelFile::{self, *},
        Machine,
    },
};

/// The type of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Goes up and down.
    Gauge,
    /// Only goes up, until the container starts anew.
    Counter,
}

/// A set of families, for `--metrics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Set {
    /// The product's own eleven gauges.
    Core,
    /// cAdvisor's names.
    Cadvisor,
    /// What cgroup v2 knows besides.
    V2,
    /// What only Docker knows.
    Lifecycle,
}

impl Set {
    /// All sets.
    pub const ALL: [Self; 4] = [Self::Core, Self::Cadvisor, Self::V2, Self::Lifecycle];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Cadvisor => "cadvisor",
            Self::V2 => "v2",
            Self::Lifecycle => "lifecycle",
        }
    }
}

/// What a family is about, for `--metrics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "named after what they are about")]
pub enum Group {
    Cpu,
    Memory,
    Network,
    Io,
    Pressure,
    Pids,
    Cgroup,
    State,
    Machine,
    MemoryStat,
    PressureAverages,
    Hugetlb,
}

impl Group {
    /// All groups.
    pub const ALL: [Self; 12] = [
        Self::Cpu,
        Self::Memory,
        Self::Network,
        Self::Io,
        Self::Pressure,
        Self::Pids,
        Self::Cgroup,
        Self::State,
        Self::Machine,
        Self::MemoryStat,
        Self::PressureAverages,
        Self::Hugetlb,
    ];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Network => "network",
            Self::Io => "io",
            Self::Pressure => "pressure",
            Self::Pids => "pids",
            Self::Cgroup => "cgroup",
            Self::State => "state",
            Self::Machine => "machine",
            Self::MemoryStat => "memory_stat",
            Self::PressureAverages => "pressure_averages",
            Self::Hugetlb => "hugetlb",
        }
    }

    /// Whether it is served without being asked for.
    #[must_use]
    pub const fn is_default(self) -> bool {
        !matches!(self, Self::MemoryStat | Self::PressureAverages | Self::Hugetlb)
    }
}

/// Where a family's samples come from.
#[derive(Debug, Clone, Copy)]
pub enum Source {
    /// From each container.
    Container(fn(Row<'_>, &mut Samples<'_>)),
    /// From the machine, once.
    Machine(fn(&Machine) -> Option<u64>),
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Family {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Its unit, in Prometheus' words.
    pub unit: &'static str,
    /// What it means, in one sentence.
    pub help: &'static str,
    /// Its set.
    pub set: Set,
    /// Its group.
    pub group: Group,
    /// Labels besides those of the container.
    pub labels: &'static [&'static str],
    /// Where the number comes from, as it can be checked by hand.
    pub kernel: &'static str,
    /// The cgroup files that must be read for it.
    pub files: FileSet,
    /// Whether it is served of containers that do not run.
    pub of_stopped: bool,
    /// Its getter.
    pub source: Source,
}

type Put = fn(Row<'_>, &mut Samples<'_>);

#[expect(clippy::too_many_arguments, reason = "the columns of the table")]
const fn gauge(
    set: Set,
    group: Group,
    name: &'static str,
    unit: &'static str,
    help: &'static str,
    kernel: &'static str,
    files: &[KernelFile],
    put: Put,
) -> Family {
    Family {
        name,
        kind: Kind::Gauge,
        unit,
        help,
        set,
        group,
        labels: &[],
        kernel,
        files: FileSet::of(files),
        of_stopped: matches!(set, Set::Lifecycle),
        source: Source::Container(put),
    }
}

#[expect(clippy::too_many_arguments, reason = "the columns of the table")]
const fn counter(
    set: Set,
    group: Group,
    name: &'static str,
    unit: &'static str,
    help: &'static str,
    kernel: &'static str,
    files: &[KernelFile],
    put: Put,
) -> Family {
    Family { kind: Kind::Counter, ..gauge(set, group, name, unit, help, kernel, files, put) }
}

const fn machine(
    name: &'static str,
    unit: &'static str,
    help: &'static str,
    kernel: &'static str,
    value: fn(&Machine) -> Option<u64>,
) -> Family {
    Family {
        source: Source::Machine(value),
        ..gauge(Set::Cadvisor, Group::Machine, name, unit, help, kernel, &[], |_, _| ())
    }
}

impl Family {
    const fn with(self, labels: &'static [&'static str]) -> Self {
        Self { labels, ..self }
    }

    const fn of_stopped(self) -> Self {
        Self { of_stopped: true, ..self }
    }
}

/// Every family, in the order of the page.
pub static FAMILIES: &[Family] = &[
    gauge(
        Set::Core,
        Group::Cpu,
        "container_cpu_usage_ratios",
        "CPUs",
        "CPUs busy over the last polling window; 1 is one logical CPU",
        "cpu.stat usage_usec, per window",
        &[CpuStat],
        |row, out| out.float(row.container.rates.cpu_ratio),
    ),
    gauge(
        Set::Core,
        Group::Memory,
        "container_memory_usage_bytes",
        "bytes",
        "Memory charged to the container, page cache included",
        "memory.current",
        &[MemoryCurrent],
        |row, out| out.int(row.container.sample.memory_current),
    ),
    gauge(
        Set::Core,
        Group::Memory,
        "container_memory_limit_bytes",
        "bytes",
        "Memory limit; the memory of the machine where there is none or it is larger",
        "memory.max, or MemTotal of /proc/meminfo",
        &[MemoryMax],
        |row, out| out.int(memory_limit(row)),
    ),
    gauge(
        Set::Core,
        Group::Network,
        "container_network_receive_bytes",
        "bytes",
        "Bytes received over the interfaces of its own network namespace, but for those of --network_exclude",
        "/proc/<pid>/net/dev column 1",
        &[],
        |row, out| out.int(row.container.sample.net.bytes().map(|(receive, _)| receive)),
    ),
    gauge(
        Set::Core,
        Group::Network,
        "container_network_transmit_bytes",
        "bytes",
        "Bytes sent over the interfaces of its own network namespace, but for those of --network_exclude",
        "/proc/<pid>/net/dev column 9",
        &[],
        |row, out| out.int(row.container.sample.net.bytes().map(|(_, transmit)| transmit)),
    ),
    gauge(
        Set::Core,
        Group::Io,
        "container_blkio_receive_bytes",
        "bytes",
        "Bytes read from all block devices",
        "io.stat rbytes",
        &[IoStat],
        |row, out| out.int(row.container.sample.io_bytes().map(|(read, _)| read)),
    ),
    gauge(
        Set::Core,
        Group::Io,
        "container_blkio_transmit_bytes",
        "bytes",
        "Bytes written to all block devices",
        "io.stat wbytes",
        &[IoStat],
        |row, out| out.int(row.container.sample.io_bytes().map(|(_, written)| written)),
    ),
    gauge(
        Set::Core,
        Group::Network,
        "container_network_receive_bps",
        "bits per second",
        "Bits per second received over the last polling window",
        "net/dev column 1 × 8, per window",
        &[],
        |row, out| out.float(row.container.rates.network.map(|(receive, _)| receive * 8.0)),
    ),
    gauge(
        Set::Core,
        Group::Network,
        "container_network_transmit_bps",
        "bits per second",
        "Bits per second sent over the last polling window",
        "net/dev column 9 × 8, per window",
        &[],
        |row, out| out.float(row.container.rates.network.map(|(_, transmit)| transmit * 8.0)),
    ),
    gauge(
        Set::Core,
        Group::Io,
        "container_blkio_receive_byteps",
        "bytes per second",
        "Bytes per second read from block devices over the last polling window",
        "io.stat rbytes, per window",
        &[IoStat],
        |row, out| out.float(row.container.rates.block.map(|(read, _)| read)),
    ),
    gauge(
        Set::Core,
        Group::Io,
        "container_blkio_transmit_byteps",
        "bytes per second",
        "Bytes per second written to block devices over the last polling window",
        "io.stat wbytes, per window",
        &[IoStat],
        |row, out| out.float(row.container.rates.block.map(|(_, written)| written)),
    ),
    gauge(
        Set::Cadvisor,
        Group::State,
        "container_last_seen",
        "seconds",
        "When this sample was taken, unix time",
        "wall clock",
        &[],
        |row, out| out.float(Some(row.page.now)),
    ),
    gauge(
        Set::Cadvisor,
        Group::State,
        "container_start_time_seconds",
        "seconds",
        "When the container was started, unix time",
        "inspect State.StartedAt, else creation of the cgroup",
        &[],
        |row, out| out.float(row.container.started()),
    ),
    counter(
        Set::Cadvisor,
        Group::Cpu,
        "container_cpu_usage_seconds_total",
        "seconds",
        "CPU time used",
        "cpu.stat usage_usec",
        &[CpuStat],
        |row, out| {
            if let Some(cpu) = &row.container.sample.cpu {
                out.put_with(
                    &[(label!("cpu"), LabelValue::Name(name!("total")))],
                    Number::Scaled(cpu.usage_usec, 6),
                )
            }
        },
    )
    .with(&["cpu"]),
    counter(
        Set::Cadvisor,
        Group::Cpu,
        "container_cpu_user_seconds_total",
        "seconds",
        "CPU time used in user mode",
        "cpu.stat user_usec",
        &[CpuStat],
        |row, out| out.usec(row.container.sample.cpu.and_then(|cpu| cpu.user_usec)),
    ),
    counter(
        Set::Cadvisor,
        Group::Cpu,
        "container_cpu_system_seconds_total",
        "seconds",
        "CPU time used in the kernel",
        "cpu.stat system_usec",
        &[CpuStat],
        |row, out| out.usec(row.container.sample.cpu.and_then(|cpu| cpu.system_usec)),
    ),
    counter(
        Set::Cadvisor,
        Group::Cpu,
        "container_cpu_cfs_periods_total",
        "",
        "Quota periods passed; only with a quota",
        "cpu.stat nr_periods",
        &[CpuStat, CpuMax],
        |row, out| out.int(under_quota(row).and_then(|cpu| cpu.nr_periods)),
    ),
    counter(
        Set::Cadvisor,
        Group::Cpu,
        "container_cpu_cfs_throttled_periods_total",
        "",
        "Quota periods in which the container was throttled; only with a quota",
        "cpu.stat nr_throttled",
        &[CpuStat, CpuMax],
        |row, out| out.int(under_quota(row).and_then(|cpu| cpu.nr_throttled)),
    ),
    counter(
        Set::Cadvisor,
        Group::Cpu,
        "container_cpu_cfs_throttled_seconds_total",
        "seconds",
        "Time throttled; only with a quota",
        "cpu.stat throttled_usec",
        &[CpuStat, CpuMax],
        |row, out| out.usec(under_quota(row).and_then(|cpu| cpu.throttled_usec)),
    ),
    counter(
        Set::Cadvisor,
        Group::Cpu,
        "container_cpu_cfs_burst_periods_total",
        "",
        "Quota periods in which a burst was used; only with a quota",
        "cpu.stat nr_bursts",
        &[CpuStat, CpuMax],
        |row, out| out.int(under_quota(row).and_then(|cpu| cpu.nr_bursts)),
    ),
    counter(
        Set::Cadvisor,
        Group::Cpu,
        "container_cpu_cfs_burst_seconds_total",
        "seconds",
        "CPU time used above the quota in bursts; only with a quota",
        "cpu.stat burst_usec",
        &[CpuStat, CpuMax],
        |row, out| out.usec(under_quota(row).and_then(|cpu| cpu.burst_usec)),
    ),
    gauge(
        Set::Cadvisor,
        Group::Cpu,
        "container_spec_cpu_period",
        "microseconds",
        "Length of a quota period",
        "cpu.max field 2",
        &[CpuMax],
        |row, out| out.int(row.container.sample.cpu_max.map(|max| max.period_usec)),
    ),
    gauge(
        Set::Cadvisor,
        Group::Cpu,
        "container_spec_cpu_quota",
        "microseconds",
        "CPU time allowed per period; absent without a quota",
        "cpu.max field 1",
        &[CpuMax],
        |row, out| out.int(row.container.sample.cpu_max.and_then(|max| max.quota_usec.value())),
    ),
    gauge(
        Set::Cadvisor,
        Group::Cpu,
        "container_spec_cpu_shares",
        "",
        "CPU shares as given to Docker; 1024 if none were",
        "inspect HostConfig.CpuShares",
        &[],
        |row, out| out.int(cpu_shares(row)),
    ),
    gauge(
        Set::Cadvisor,
        Group::Memory,
        "container_memory_working_set_bytes",
        "bytes",
        "Memory that can not easily be reclaimed: usage without inactive page cache",
        "memory.current − memory.stat inactive_file",
        &[MemoryCurrent, MemoryStat],
        |row, out| out.int(working_set(row)),
    ),
    gauge(
        Set::Cadvisor,
        Group::Memory,
        "container_memory_rss",
        "bytes",
        "Anonymous memory",
        "memory.stat anon",
        &[MemoryStat],
        |row, out| out.int(memory_stat(row, Key::Anon)),
    ),
    gauge(
        Set::Cadvisor,
        Group::Memory,
        "container_memory_cache",
        "bytes",
        "Page cache, tmpfs and shared memory included",
        "memory.stat file",
        &[MemoryStat],
        |row, out| out.int(memory_stat(row, Key::File)),
    ),
    gauge(
        Set::Cadvisor,
        Group::Memory,
        "container_memory_mapped_file",
        "bytes",
        "Page cache mapped by processes",
        "memory.stat file_mapped",
        &[MemoryStat],
        |row, out| out.int(memory_stat(row, Key::FileMapped)),
    ),
    gauge(
        Set::Cadvisor,
        Group::Memory,
        "container_memory_swap",
        "bytes",
        "Swap used",
        "memory.swap.current",
        &[MemorySwapCurrent],
        |row, out| out.int(row.container.sample.swap_current),
    ),
    gauge(
        Set::Cadvisor,
        Group::Memory,
        "container_memory_max_usage_bytes",
        "bytes",
        "The most memory ever charged",
        "memory.peak (Linux 5.19)",
        &[MemoryPeak],
        |row, out| out.int(row.container.sample.memory_peak),
    ),
    gauge(
        Set::Cadvisor,
        Group::Memory,
        "container_memory_kernel_usage",
        "bytes",
        "Kernel memory",
        "memory.stat kernel (Linux 5.18)",
        &[MemoryStat],
        |row, out| out.int(memory_stat(row, Key::Kernel)),
    ),
    counter(
        Set::Cadvisor,
        Group::Memory,
        "container_memory_failcnt",
        "",
        "Times the memory limit was hit",
        "memory.events max",
        &[MemoryEvents],
        |row, out| out.int(memory_event(row, "max")),
    ),
    gauge(
        Set::Cadvisor,
        Group::Memory,
        "container_memory_total_active_file_bytes",
        "bytes",
        "Page cache on the active list",
        "memory.stat active_file",
        &[MemoryStat],
        |row, out| out.int(memory_stat(row, Key::ActiveFile)),
    ),
    gauge(
        Set::Cadvisor,
        Group::Memory,
        "container_memory_total_inactive_file_bytes",
        "bytes",
        "Page cache on the inactive list",
        "memory.stat inactive_file",
        &[MemoryStat],
        |row, out| out.int(memory_stat(row, Key::InactiveFile)),
    ),
    counter(
        Set::Cadvisor,
        Group::Memory,
        "container_memory_failures_total",
        "",
        "Page faults",
        "memory.stat pgfault, pgmajfault",
        &[MemoryStat],
        page_faults,
    )
    .with(&["failure_type", "scope"]),
    counter(
        Set::Cadvisor,
        Group::Memory,
        "container_memory_events_high_total",
        "",
        "Times the high boundary was exceeded",
        "memory.events high",
        &[MemoryEvents],
        |row, out| out.int(memory_event(row, "high")),
    ),
    counter(
        Set::Cadvisor,
        Group::Memory,
        "container_memory_events_max_total",
        "",
        "Times the memory limit was hit",
        "memory.events max",
        &[MemoryEvents],
        |row, out| out.int(memory_event(row, "max")),
    ),
    gauge(
        Set::Cadvisor,
        Group::Memory,
        "container_memory_file_dirty_bytes",
        "bytes",
        "Page cache waiting to be written",
        "memory.stat file_dirty",
        &[MemoryStat],
        |row, out| out.int(memory_stat(row, Key::FileDirty)),
    ),
    gauge(
        Set::Cadvisor,
        Group::Memory,
        "container_memory_file_writeback_bytes",
        "bytes",
        "Page cache being written",
        "memory.stat file_writeback",
        &[MemoryStat],
        |row, out| out.int(memory_stat(row, Key::FileWriteback)),
    ),
    counter(
        Set::Cadvisor,
        Group::Memory,
        "container_memory_pgscan_total",
        "pages",
        "Pages scanned by reclaim",
        "memory.stat pgscan",
        &[MemoryStat],
        |row, out| out.int(memory_stat(row, Key::Pgscan)),
    ),
    counter(
        Set::Cadvisor,
        Group::Memory,
        "container_memory_pgsteal_total",
        "pages",
        "Pages reclaimed",
        "memory.stat pgsteal",
        &[MemoryStat],
        |row, out| out.int(memory_stat(row, Key::Pgsteal)),
    ),
    counter(
        Set::Cadvisor,
        Group::Memory,
        "container_memory_workingset_refault_file_total",
        "pages",
        "Evicted file pages that were needed again",
        "memory.stat workingset_refault_file",
        &[MemoryStat],
        |row, out| out.int(memory_stat(row, Key::WorkingsetRefaultFile)),
    ),
    counter(
        Set::Cadvisor,
        Group::Memory,
        "container_memory_workingset_refault_anon_total",
        "pages",
        "Evicted anonymous pages that were needed again",
        "memory.stat workingset_refault_anon",
        &[MemoryStat],
        |row, out| out.int(memory_stat(row, Key::WorkingsetRefaultAnon)),
    ),
    gauge(
        Set::Cadvisor,
        Group::Memory,
        "container_spec_memory_limit_bytes",
        "bytes",
        "Memory limit; 0 without one",
        "memory.max",
        &[MemoryMax],
        |row, out| out.int(row.container.sample.memory_max.map(or_zero)),
    ),
    gauge(
        Set::Cadvisor,
        Group::Memory,
        "container_spec_memory_swap_limit_bytes",
        "bytes",
        "Swap limit; 0 without one",
        "memory.swap.max",
        &[MemorySwapMax],
        |row, out| out.int(row.container.sample.swap_max.map(or_zero)),
    ),
    gauge(
        Set::Cadvisor,
        Group::Memory,
        "container_spec_memory_reservation_limit_bytes",
        "bytes",
        "Memory that is protected from reclaim as far as possible: what --memory-reservation sets",
        "memory.low; max → 0",
        &[MemoryLow],
        |row, out| out.int(row.container.sample.memory_low.map(or_zero)),
    ),
    counter(
        Set::Cadvisor,
        Group::Memory,
        "container_oom_events_total",
        "",
        "Processes killed for want of memory, over all runs of the container",
        "memory.events oom_kill, kept across restarts",
        &[MemoryEvents],
        |row, out| out.int(row.container.oom_kills.total()),
    )
    .of_stopped(),
    counter(
        Set::Cadvisor,
        Group::Pressure,
        "container_pressure_cpu_waiting_seconds_total",
        "seconds",
        "Time in which some task waited for CPU",
        "cpu.pressure some total",
        &[CpuPressure],
        |row, out| out.usec(stalled(row.container.sample.cpu_pressure, |pressure| pressure.some)),
    ),
    counter(
        Set::Cadvisor,
        Group::Pressure,
        "container_pressure_cpu_stalled_seconds_total",
        "seconds",
        "Time in which all tasks waited for CPU",
        "cpu.pressure full total",
        &[CpuPressure],
        |row, out| out.usec(stalled(row.container.sample.cpu_pressure, |pressure| pressure.full)),
    ),
    counter(
        Set::Cadvisor,
        Group::Pressure,
        "container_pressure_memory_waiting_seconds_total",
        "seconds",
        "Time in which some task waited for memory",
        "memory.pressure some total",
        &[MemoryPressure],
        |row, out| out.usec(stalled(row.container.sample.memory_pressure, |pressure| pressure.some)),
    ),
    counter(
        Set::Cadvisor,
        Group::Pressure,
        "container_pressure_memory_stalled_seconds_total",
        "seconds",
        "Time in which all tasks waited for memory",
        "memory.pressure full total",
        &[MemoryPressure],
        |row, out| out.usec(stalled(row.container.sample.memory_pressure, |pressure| pressure.full)),
    ),
    counter(
        Set::Cadvisor,
        Group::Pressure,
        "container_pressure_io_waiting_seconds_total",
        "seconds",
        "Time in which some task waited for I/O",
        "io.pressure some total",
        &[IoPressure],
        |row, out| out.usec(stalled(row.container.sample.io_pressure, |pressure| pressure.some)),
    ),
    counter(
        Set::Cadvisor,
        Group::Pressure,
        "container_pressure_io_stalled_seconds_total",
        "seconds",
        "Time in which all tasks waited for I/O",
        "io.pressure full total",
        &[IoPressure],
        |row, out| out.usec(stalled(row.container.sample.io_pressure, |pressure| pressure.full)),
    ),
    counter(
        Set::Cadvisor,
        Group::Io,
        "container_fs_reads_bytes_total",
        "bytes",
        "Bytes read from a block device",
        "io.stat rbytes",
        &[IoStat],
        |row, out| per_device(row, out, |io| io.rbytes),
    )
    .with(&["device"]),
    counter(
        Set::Cadvisor,
        Group::Io,
        "container_fs_writes_bytes_total",
        "bytes",
        "Bytes written to a block device",
        "io.stat wbytes",
        &[IoStat],
        |row, out| per_device(row, out, |io| io.wbytes),
    )
    .with(&["device"]),
    counter(
        Set::Cadvisor,
        Group::Io,
        "container_fs_reads_total",
        "",
        "Read operations on a block device",
        "io.stat rios",
        &[IoStat],
        |row, out| per_device(row, out, |io| io.rios),
    )
    .with(&["device"]),
    counter(
        Set::Cadvisor,
        Group::Io,
        "container_fs_writes_total",
        "",
        "Write operations on a block device",
        "io.stat wios",
        &[IoStat],
        |row, out| per_device(row, out, |io| io.wios),
    )
    .with(&["device"]),
    counter(
        Set::Cadvisor,
        Group::Io,
        "container_blkio_device_usage_total",
        "bytes",
        "Bytes read from and written to a block device",
        "io.stat rbytes, wbytes",
        &[IoStat],
        device_usage,
    )
    .with(&["device", "major", "minor", "operation"]),
    counter(
        Set::Cadvisor,
        Group::Network,
        "container_network_receive_bytes_total",
        "bytes",
        "Bytes received",
        "net/dev receive bytes",
        &[],
        |row, out| per_interface(row, out, |net| &net.receive, |direction| direction.bytes),
    )
    .with(&["interface"]),
    counter(
        Set::Cadvisor,
        Group::Network,
        "container_network_receive_packets_total",
        "",
        "Packets received",
        "net/dev receive packets",
        &[],
        |row, out| per_interface(row, out, |net| &net.receive, |direction| direction.packets),
    )
    .with(&["interface"]),
    counter(
        Set::Cadvisor,
        Group::Network,
        "container_network_receive_errors_total",
        "",
        "Errors while packets were received",
        "net/dev receive errs",
        &[],
        |row, out| per_interface(row, out, |net| &net.receive, |direction| direction.errs),
    )
    .with(&["interface"]),
    counter(
        Set::Cadvisor,
        Group::Network,
        "container_network_receive_packets_dropped_total",
        "",
        "Packets dropped that were to be received",
        "net/dev receive drop",
        &[],
        |row, out| per_interface(row, out, |net| &net.receive, |direction| direction.drop),
    )
    .with(&["interface"]),
    counter(
        Set::Cadvisor,
        Group::Network,
        "container_network_transmit_bytes_total",
        "bytes",
        "Bytes sent",
        "net/dev transmit bytes",
        &[],
        |row, out| per_interface(row, out, |net| &net.transmit, |direction| direction.bytes),
    )
    .with(&["interface"]),
    counter(
        Set::Cadvisor,
        Group::Network,
        "container_network_transmit_packets_total",
        "",
        "Packets sent",
        "net/dev transmit packets",
        &[],
        |row, out| per_interface(row, out, |net| &net.transmit, |direction| direction.packets),
    )
    .with(&["interface"]),
    counter(
        Set::Cadvisor,
        Group::Network,
        "container_network_transmit_errors_total",
        "",
        "Errors while packets were sent",
        "net/dev transmit errs",
        &[],
        |row, out| per_interface(row, out, |net| &net.transmit, |direction| direction.errs),
    )
    .with(&["interface"]),
    counter(
        Set::Cadvisor,
        Group::Network,
        "container_network_transmit_packets_dropped_total",
        "",
        "Packets dropped that were to be sent",
        "net/dev transmit drop",
        &[],
        |row, out| per_interface(row, out, |net| &net.transmit, |direction| direction.drop),
    )
    .with(&["interface"]),
    gauge(
        Set::Cadvisor,
        Group::Pids,
        "container_processes",
        "",
        "Processes",
        "cgroup.procs of the cgroup and its children",
        &[CgroupProcs, CgroupStat],
        |row, out| out.int(row.container.sample.processes),
    ),
    gauge(
        Set::Cadvisor,
        Group::Pids,
        "container_threads",
        "",
        "Threads",
        "pids.current",
        &[PidsCurrent],
        |row, out| out.int(row.container.sample.pids_current),
    ),
    gauge(
        Set::Cadvisor,
        Group::Pids,
        "container_threads_max",
        "",
        "The most threads allowed; 0 without a limit",
        "pids.max",
        &[PidsMax],
        |row, out| out.int(row.container.sample.pids_max.map(or_zero)),
    ),
    gauge(
        Set::Cadvisor,
        Group::State,
        "container_health_state",
        "",
        "1 healthy, 0 starting or unhealthy, -1 without a healthcheck",
        "inspect State.Health, events",
        &[],
        |row, out| out.put(health(row)),
    ),
    machine("machine_cpu_cores", "", "Logical CPUs of the machine", "/proc/stat cpuN lines", |machine| {
        machine.cpu_cores
    }),
    machine("machine_memory_bytes", "bytes", "Memory of the machine", "/proc/meminfo MemTotal", |machine| {
        machine.memory_bytes
    }),
    machine("machine_swap_bytes", "bytes", "Swap of the machine", "/proc/meminfo SwapTotal", |machine| {
        machine.swap_bytes
    }),
    counter(
        Set::V2,
        Group::Memory,
        "container_memory_events_total",
        "",
        "Memory events, by the kernel's names",
        "memory.events",
        &[MemoryEvents],
        |row, out| per_event(out, row.container.sample.memory_events.as_ref()),
    )
    .with(&["event"]),
    counter(
        Set::V2,
        Group::Memory,
        "container_memory_swap_events_total",
        "",
        "Swap events, by the kernel's names",
        "memory.swap.events",
        &[MemorySwapEvents],
        |row, out| per_event(out, row.container.sample.swap_events.as_ref()),
    )
    .with(&["event"]),
    counter(
        Set::V2,
        Group::Pids,
        "container_pids_events_total",
        "",
        "Forks refused for want of room below the limit",
        "pids.events",
        &[PidsEvents],
        |row, out| per_event(out, row.container.sample.pids_events.as_ref()),
    )
    .with(&["event"]),
    gauge(
        Set::V2,
        Group::Memory,
        "container_memory_swap_peak_bytes",
        "bytes",
        "The most swap ever used",
        "memory.swap.peak",
        &[MemorySwapPeak],
        |row, out| out.int(row.container.sample.swap_peak),
    ),
    gauge(
        Set::V2,
        Group::Memory,
        "container_memory_swap_limit_bytes",
        "bytes",
        "Swap limit; absent without one",
        "memory.swap.max",
        &[MemorySwapMax],
        |row, out| out.int(row.container.sample.swap_max.and_then(Limit::value)),
    ),
    gauge(
        Set::V2,
        Group::Memory,
        "container_memory_zswap_bytes",
        "bytes",
        "Memory used by compressed swap",
        "memory.zswap.current",
        &[MemoryZswapCurrent],
        |row, out| out.int(row.container.sample.zswap_current),
    ),
    gauge(
        Set::V2,
        Group::Memory,
        "container_memory_protection_bytes",
        "bytes",
        "Boundaries of reclaim; absent when max",
        "memory.min, memory.low, memory.high",
        &[MemoryMin, MemoryLow, MemoryHigh],
        protection,
    )
    .with(&["kind"]),
    gauge(
        Set::V2,
        Group::MemoryStat,
        "container_memory_stat_bytes",
        "bytes",
        "Everything in memory.stat that is bytes",
        "memory.stat",
        &[MemoryStat],
        all_of_memory_stat,
    )
    .with(&["key"]),
    gauge(
        Set::V2,
        Group::Memory,
        "container_memory_slab_bytes",
        "bytes",
        "Kernel objects",
        "memory.stat slab",
        &[MemoryStat],
        |row, out| out.int(memory_stat(row, Key::Slab)),
    ),
    gauge(
        Set::V2,
        Group::Memory,
        "container_memory_sock_bytes",
        "bytes",
        "Network buffers",
        "memory.stat sock",
        &[MemoryStat],
        |row, out| out.int(memory_stat(row, Key::Sock)),
    ),
    gauge(
        Set::V2,
        Group::Memory,
        "container_memory_pagetables_bytes",
        "bytes",
        "Page tables",
        "memory.stat pagetables",
        &[MemoryStat],
        |row, out| out.int(memory_stat(row, Key::Pagetables)),
    ),
    gauge(
        Set::V2,
        Group::Memory,
        "container_memory_shmem_bytes",
        "bytes",
        "tmpfs and shared memory",
        "memory.stat shmem",
        &[MemoryStat],
        |row, out| out.int(memory_stat(row, Key::Shmem)),
    ),
    gauge(
        Set::V2,
        Group::Memory,
        "container_memory_kernel_stack_bytes",
        "bytes",
        "Kernel stacks",
        "memory.stat kernel_stack",
        &[MemoryStat],
        |row, out| out.int(memory_stat(row, Key::KernelStack)),
    ),
    gauge(
        Set::V2,
        Group::Memory,
        "container_memory_percpu_bytes",
        "bytes",
        "Per-CPU kernel data",
        "memory.stat percpu",
        &[MemoryStat],
        |row, out| out.int(memory_stat(row, Key::Percpu)),
    ),
    gauge(
        Set::V2,
        Group::Cpu,
        "container_cpu_weight",
        "",
        "Share of CPU against its siblings, 1 to 10000",
        "cpu.weight",
        &[CpuWeight],
        |row, out| out.int(row.container.sample.cpu_weight),
    ),
    counter(
        Set::V2,
        Group::Cpu,
        "container_cpu_throttled_local_seconds_total",
        "seconds",
        "Time throttled by its own quota, not by that of a parent",
        "cpu.stat.local throttled_usec",
        &[CpuStatLocal],
        |row, out| out.usec(row.container.sample.throttled_local_usec),
    ),
    counter(
        Set::V2,
        Group::Cpu,
        "container_cpu_nice_seconds_total",
        "seconds",
        "CPU time used by niced processes",
        "cpu.stat nice_usec",
        &[CpuStat],
        |row, out| out.usec(row.container.sample.cpu.and_then(|cpu| cpu.nice_usec)),
    ),
    gauge(
        Set::V2,
        Group::Cpu,
        "container_cpus_effective",
        "",
        "CPUs that the container may run on",
        "cpuset.cpus.effective",
        &[CpusetCpusEffective],
        |row, out| out.int(row.container.sample.cpus_effective),
    ),
    gauge(
        Set::V2,
        Group::PressureAverages,
        "container_pressure_ratio",
        "ratio",
        "Share of time stalled",
        "cpu, memory, io and irq.pressure avg ÷ 100",
        &[CpuPressure, MemoryPressure, IoPressure, IrqPressure],
        pressure_averages,
    )
    .with(&["resource", "kind", "window"]),
    counter(
        Set::V2,
        Group::Io,
        "container_fs_discard_bytes_total",
        "bytes",
        "Bytes discarded on a block device",
        "io.stat dbytes",
        &[IoStat],
        |row, out| per_device(row, out, |io| io.dbytes),
    )
    .with(&["device"]),
    counter(
        Set::V2,
        Group::Io,
        "container_fs_discards_total",
        "",
        "Discard operations on a block device",
        "io.stat dios",
        &[IoStat],
        |row, out| per_device(row, out, |io| io.dios),
    )
    .with(&["device"]),
    gauge(
        Set::V2,
        Group::Pids,
        "container_pids_peak",
        "",
        "The most threads ever",
        "pids.peak (Linux 6.1)",
        &[PidsPeak],
        |row, out| out.int(row.container.sample.pids_peak),
    ),
    gauge(
        Set::V2,
        Group::Cgroup,
        "container_cgroup_frozen",
        "",
        "Whether the container is frozen",
        "cgroup.events frozen",
        &[CgroupEvents],
        |row, out| out.int(row.container.sample.frozen),
    ),
    gauge(
        Set::V2,
        Group::Cgroup,
        "container_cgroup_descendants",
        "",
        "Cgroups below the container's own",
        "cgroup.stat nr_descendants, nr_dying_descendants",
        &[CgroupStat],
        descendants,
    )
    .with(&["state"]),
    gauge(
        Set::V2,
        Group::Hugetlb,
        "container_hugetlb_usage_bytes",
        "bytes",
        "Huge pages used",
        "hugetlb.<size>.current",
        &[],
        |row, out| per_pagesize(row, out, |pages| pages.current),
    )
    .with(&["pagesize"]),
    counter(
        Set::V2,
        Group::Hugetlb,
        "container_hugetlb_failcnt",
        "",
        "Times the huge page limit was hit",
        "hugetlb.<size>.events max",
        &[],
        |row, out| per_pagesize(row, out, |pages| pages.events_max),
    )
    .with(&["pagesize"]),
    gauge(
        Set::Lifecycle,
        Group::State,
        "container_info",
        "",
        "What Docker knows of the container",
        "inspect",
        &[],
        info,
    )
    .with(&["container_id", "image_id", "network_mode"]),
    gauge(
        Set::Lifecycle,
        Group::State,
        "container_state",
        "",
        "1 for the state that the container is in",
        "list, events",
        &[],
        state,
    )
    .with(&["state"]),
    gauge(
        Set::Lifecycle,
        Group::State,
        "container_exit_code",
        "",
        "Exit code of the last run; only of containers that do not run",
        "inspect State.ExitCode",
        &[],
        exit_code,
    ),
    gauge(
        Set::Lifecycle,
        Group::State,
        "container_finished_time_seconds",
        "seconds",
        "When the last run ended, unix time",
        "inspect State.FinishedAt",
        &[],
        |row, out| out.float(row.container.metadata.as_ref().and_then(|metadata| metadata.finished)),
    ),
    gauge(
        Set::Lifecycle,
        Group::State,
        "container_created_time_seconds",
        "seconds",
        "When the container was created, unix time",
        "inspect Created",
        &[],
        |row, out| out.float(row.container.metadata.as_ref().and_then(|metadata| metadata.created)),
    ),
    counter(
        Set::Lifecycle,
        Group::State,
        "container_restarts_total",
        "",
        "Starts after the first",
        "inspect RestartCount, and starts seen",
        &[],
        |row, out| out.int(row.container.metadata.as_ref().and_then(|metadata| metadata.restarts)),
    ),
    gauge(
        Set::Lifecycle,
        Group::State,
        "container_oom_killed",
        "",
        "Whether the last run was ended for want of memory",
        "inspect State.OOMKilled",
        &[],
        |row, out| {
            out.int(row.container.metadata.as_ref().and_then(|metadata| metadata.oom_killed).map(u64::from))
        },
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::selection::Chosen;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_and_legal() {
        let mut seen = HashSet::new();
        for family in FAMILIES {
            assert!(seen.insert(family.name), "{} stands twice", family.name);
            assert!(family.name.len() <= Chosen::NAME, "{} is cut", family.name);
            assert!(
                family.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte == b'2'),
                "{}",
                family.name
            );
            for label in family.labels {
                assert!(!matches!(*label, "id" | "name" | "image"), "{} {label}", family.name);
            }
        }
    }

    #[test]
    fn a_unit_in_a_name_is_the_unit() {
        for family in FAMILIES {
            for (part, unit) in [("_seconds", "seconds"), ("_bytes", "bytes")] {
                if family.name.contains(part) {
                    assert_eq!(family.unit, unit, "{}", family.name);
                }
            }
        }
    }

    #[test]
    fn counters_end_in_total_but_for_the_names_of_others() {
        for family in FAMILIES {
            let total = family.name.ends_with("_total") || family.name.ends_with("_failcnt");
            assert_eq!(family.kind == Kind::Counter, total, "{}", family.name);
        }
    }

    #[test]
    fn a_kernel_file_that_is_named_is_read() {
        for family in FAMILIES {
            for file in KernelFile::ALL.iter().filter(|file| family.files.contains(**file)) {
                let named = family.kernel.contains(file.name())
                    || family.kernel.contains(file.name().trim_end_matches(".pressure"))
                    || matches!(file, CpuMax | CgroupStat);
                assert!(named, "{} reads {}", family.name, file.name());
            }
        }
    }
}
