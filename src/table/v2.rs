//! What cgroup v2 offers beyond cAdvisor's names.

use super::{
    Label, LabelValue, Number, Sink,
    family::{
        Family, Topic,
        Unit::{Bytes, Ratio, Seconds},
    },
    getters::{memory_stat, name, per_device},
    group::{Group, Set},
    row::Row,
};
use crate::{
    parse::{Events, Limit, Name, memory_stat::Key},
    sample::{
        KernelFile::{
            CgroupEvents, CgroupStat, CpuPressure, CpuStat, CpuStatLocal, CpuWeight, CpusetCpusEffective,
            IoPressure, IoStat, IrqPressure, MemoryEvents, MemoryHigh, MemoryLow, MemoryMin, MemoryPressure,
            MemoryStat, MemorySwapEvents, MemorySwapMax, MemorySwapPeak, MemoryZswapCurrent, PidsEvents,
            PidsPeak,
        },
        samples::Hugetlb,
    },
};

const MEMORY: Topic = Topic::new(Set::V2, Group::Memory);
const PIDS: Topic = Topic::new(Set::V2, Group::Pids);
const MEMORY_STAT: Topic = Topic::new(Set::V2, Group::MemoryStat);
const CPU: Topic = Topic::new(Set::V2, Group::Cpu);
const PRESSURE_AVERAGES: Topic = Topic::new(Set::V2, Group::PressureAverages);
const IO: Topic = Topic::new(Set::V2, Group::Io);
const DISK: Topic = Topic::new(Set::V2, Group::Disk);
const CGROUP: Topic = Topic::new(Set::V2, Group::Cgroup);
const STATE: Topic = Topic::new(Set::V2, Group::State);
const HUGETLB: Topic = Topic::new(Set::V2, Group::Hugetlb);

/// The rows, in the order of the page.
pub(crate) const FAMILIES: &[Family] = &[
    MEMORY
        .counter("container_memory_events_total", "Memory events, by the kernel's names")
        .from(&[MemoryEvents], "memory.events")
        .labels(&[Label::Event])
        .get(|row, out| per_event(out, row.container.sample.memory_events.as_ref())),
    MEMORY
        .counter("container_memory_swap_events_total", "Swap events, by the kernel's names")
        .from(&[MemorySwapEvents], "memory.swap.events")
        .labels(&[Label::Event])
        .get(|row, out| per_event(out, row.container.sample.swap_events.as_ref())),
    PIDS.counter("container_pids_events_total", "Forks refused for want of room below the limit")
        .from(&[PidsEvents], "pids.events")
        .labels(&[Label::Event])
        .get(|row, out| per_event(out, row.container.sample.pids_events.as_ref())),
    MEMORY
        .gauge("container_memory_swap_peak_bytes", "The most swap ever used")
        .unit(Bytes)
        .from(&[MemorySwapPeak], "memory.swap.peak")
        .get(|row, out| out.int(row.container.sample.swap_peak)),
    MEMORY
        .gauge("container_memory_swap_limit_bytes", "Swap limit; absent without one")
        .unit(Bytes)
        .from(&[MemorySwapMax], "memory.swap.max")
        .get(|row, out| out.int(row.container.sample.swap_max.and_then(Limit::value))),
    MEMORY
        .gauge("container_memory_zswap_bytes", "Memory used by compressed swap")
        .unit(Bytes)
        .from(&[MemoryZswapCurrent], "memory.zswap.current")
        .get(|row, out| out.int(row.container.sample.zswap_current)),
    MEMORY
        .gauge("container_memory_protection_bytes", "Boundaries of reclaim; absent when max")
        .unit(Bytes)
        .from(&[MemoryMin, MemoryLow, MemoryHigh], "memory.min, memory.low, memory.high")
        .labels(&[Label::Kind])
        .get(protection),
    MEMORY_STAT
        .gauge("container_memory_stat_bytes", "Everything in memory.stat that is bytes")
        .unit(Bytes)
        .from(&[MemoryStat], "memory.stat")
        .labels(&[Label::Key])
        .get(all_of_memory_stat),
    MEMORY
        .gauge("container_memory_slab_bytes", "Kernel objects")
        .unit(Bytes)
        .from(&[MemoryStat], "memory.stat slab")
        .get(|row, out| out.int(memory_stat(row, Key::Slab))),
    MEMORY
        .gauge("container_memory_sock_bytes", "Network buffers")
        .unit(Bytes)
        .from(&[MemoryStat], "memory.stat sock")
        .get(|row, out| out.int(memory_stat(row, Key::Sock))),
    MEMORY
        .gauge("container_memory_pagetables_bytes", "Page tables")
        .unit(Bytes)
        .from(&[MemoryStat], "memory.stat pagetables")
        .get(|row, out| out.int(memory_stat(row, Key::Pagetables))),
    MEMORY
        .gauge("container_memory_shmem_bytes", "tmpfs and shared memory")
        .unit(Bytes)
        .from(&[MemoryStat], "memory.stat shmem")
        .get(|row, out| out.int(memory_stat(row, Key::Shmem))),
    MEMORY
        .gauge("container_memory_kernel_stack_bytes", "Kernel stacks")
        .unit(Bytes)
        .from(&[MemoryStat], "memory.stat kernel_stack")
        .get(|row, out| out.int(memory_stat(row, Key::KernelStack))),
    MEMORY
        .gauge("container_memory_percpu_bytes", "Per-CPU kernel data")
        .unit(Bytes)
        .from(&[MemoryStat], "memory.stat percpu")
        .get(|row, out| out.int(memory_stat(row, Key::Percpu))),
    CPU.gauge("container_cpu_weight", "Share of CPU against its siblings, 1 to 10000")
        .from(&[CpuWeight], "cpu.weight")
        .get(|row, out| out.int(row.container.sample.cpu_weight)),
    CPU.counter(
        "container_cpu_throttled_local_seconds_total",
        "Time throttled by its own quota, not by that of a parent",
    )
    .unit(Seconds)
    .from(&[CpuStatLocal], "cpu.stat.local throttled_usec")
    .get(|row, out| out.usec(row.container.sample.throttled_local_usec)),
    CPU.counter("container_cpu_nice_seconds_total", "CPU time used by niced processes")
        .unit(Seconds)
        .from(&[CpuStat], "cpu.stat nice_usec")
        .get(|row, out| out.usec(row.container.sample.cpu.and_then(|cpu| cpu.nice_usec))),
    CPU.gauge("container_cpus_effective", "CPUs that the container may run on")
        .from(&[CpusetCpusEffective], "cpuset.cpus.effective")
        .get(|row, out| out.int(row.container.sample.cpus_effective)),
    PRESSURE_AVERAGES
        .gauge("container_pressure_ratio", "Share of time stalled")
        .unit(Ratio)
        .from(
            &[CpuPressure, MemoryPressure, IoPressure, IrqPressure],
            "cpu, memory, io and irq.pressure avg ÷ 100",
        )
        .labels(&[Label::Resource, Label::Kind, Label::Window])
        .get(pressure_averages),
    IO.counter("container_fs_discard_bytes_total", "Bytes discarded on a block device")
        .unit(Bytes)
        .from(&[IoStat], "io.stat dbytes")
        .labels(&[Label::Device])
        .get(|row, out| per_device(row, out, |io| io.dbytes)),
    IO.counter("container_fs_discards_total", "Discard operations on a block device")
        .from(&[IoStat], "io.stat dios")
        .labels(&[Label::Device])
        .get(|row, out| per_device(row, out, |io| io.dios)),
    DISK.gauge("container_fs_rw_layer_bytes", "Files that the container has created or changed")
        .unit(Bytes)
        .disk("list with sizes, SizeRw")
        .of_stopped()
        .get(|row, out| out.int(row.container.disk.and_then(|disk| disk.sizes.rw_bytes))),
    DISK.gauge("container_fs_root_bytes", "All files of the container, with those of its image")
        .unit(Bytes)
        .disk("list with sizes, SizeRootFs")
        .of_stopped()
        .get(|row, out| out.int(row.container.disk.and_then(|disk| disk.sizes.root_bytes))),
    DISK.gauge("container_fs_size_age_seconds", "How long ago Docker was asked for these sizes")
        .unit(Seconds)
        .disk("time since the list with sizes was requested")
        .of_stopped()
        .get(|row, out| out.float(row.container.disk.map(|disk| disk.age_seconds))),
    PIDS.gauge("container_pids_peak", "The most threads ever")
        .from(&[PidsPeak], "pids.peak (Linux 6.1)")
        .get(|row, out| out.int(row.container.sample.pids_peak)),
    CGROUP
        .gauge("container_cgroup_frozen", "Whether the container is frozen")
        .from(&[CgroupEvents], "cgroup.events frozen")
        .get(|row, out| out.int(row.container.sample.frozen)),
    CGROUP
        .gauge("container_cgroup_descendants", "Cgroups below the container's own")
        .from(&[CgroupStat], "cgroup.stat nr_descendants, nr_dying_descendants")
        .labels(&[Label::State])
        .get(descendants),
    STATE
        .gauge("container_health_status", "1 for what the healthcheck says")
        .unread("inspect State.Health.Status, events")
        .labels(&[Label::Status])
        .get(health_status),
    STATE
        .gauge(
            "container_health_failing_streak",
            "Probes of the healthcheck that failed in a row; absent once a further probe may have ended",
        )
        .unread("inspect State.Health.FailingStreak")
        .get(|row, out| out.int(failing_streak(row))),
    HUGETLB
        .gauge("container_hugetlb_usage_bytes", "Huge pages used")
        .unit(Bytes)
        .hugetlb("hugetlb.<size>.current")
        .labels(&[Label::Pagesize])
        .get(|row, out| per_pagesize(row, out, |pages| pages.current)),
    HUGETLB
        .counter("container_hugetlb_failcnt", "Times the huge page limit was hit")
        .hugetlb("hugetlb.<size>.events max")
        .labels(&[Label::Pagesize])
        .get(|row, out| per_pagesize(row, out, |pages| pages.events_max)),
];

fn per_event(out: &mut dyn Sink, events: Option<&Events>) {
    for (event, count) in events.iter().flat_map(|events| events.iter()) {
        out.sample(&[(Label::Event, LabelValue::Name(event))], Number::Int(count));
    }
}

fn protection(row: Row<'_>, out: &mut dyn Sink) {
    let sample = &row.container.sample;
    for (kind, limit) in [
        (name!("min"), sample.memory_min),
        (name!("low"), sample.memory_low),
        (name!("high"), sample.memory_high),
    ] {
        if let Some(bytes) = limit.and_then(Limit::value) {
            out.sample(&[(Label::Kind, LabelValue::Name(kind))], Number::Int(bytes));
        }
    }
}

fn all_of_memory_stat(row: Row<'_>, out: &mut dyn Sink) {
    for key in Key::ALL.iter().filter(|key| key.is_bytes()) {
        if let Some(bytes) = memory_stat(row, *key) {
            out.sample(&[(Label::Key, LabelValue::Text(key.name()))], Number::Int(bytes));
        }
    }
}

fn pressure_averages(row: Row<'_>, out: &mut dyn Sink) {
    let sample = &row.container.sample;
    for (resource, pressure) in [
        (name!("cpu"), sample.cpu_pressure),
        (name!("memory"), sample.memory_pressure),
        (name!("io"), sample.io_pressure),
        (name!("irq"), sample.irq_pressure),
    ] {
        let Some(pressure) = pressure else { continue };
        for (kind, stall) in [(name!("some"), pressure.some), (name!("full"), pressure.full)] {
            let averages = stall.iter().flat_map(|stall| stall.averages);
            for (window, average) in [name!("10s"), name!("60s"), name!("300s")].into_iter().zip(averages) {
                let labels = [(Label::Resource, resource), (Label::Kind, kind), (Label::Window, window)];
                // The kernel's value is in hundredths of a percent.
                out.sample(
                    &labels.map(|(name, value)| (name, LabelValue::Name(value))),
                    Number::Scaled(average, 4),
                );
            }
        }
    }
}

fn descendants(row: Row<'_>, out: &mut dyn Sink) {
    let Some(stat) = row.container.sample.cgroup_stat else { return };
    for (state, count) in [(name!("live"), stat.nr_descendants), (name!("dying"), stat.nr_dying_descendants)]
    {
        if let Some(count) = count {
            out.sample(&[(Label::State, LabelValue::Name(state))], Number::Int(count));
        }
    }
}

fn health_status(row: Row<'_>, out: &mut dyn Sink) {
    if let Some(health) = row.container.metadata.as_ref().and_then(|metadata| metadata.health) {
        out.sample(&[(Label::Status, LabelValue::Text(health.as_str()))], Number::Int(1));
    }
}

fn failing_streak(row: Row<'_>) -> Option<u64> {
    let streak = row.container.metadata.as_ref()?.failing_streak?;
    (row.page.now < streak.until).then_some(streak.count)
}

fn per_pagesize(row: Row<'_>, out: &mut dyn Sink, value: fn(&Hugetlb) -> Option<u64>) {
    for pages in &row.container.sample.hugetlb {
        if let Some(value) = value(pages) {
            out.sample(&[(Label::Pagesize, LabelValue::Name(&pages.pagesize))], Number::Int(value));
        }
    }
}
