//! Memory, and its limits.

use crate::{
    parse::{Name, memory_stat::Key},
    sample::KernelFile::{
        MemoryCurrent, MemoryEvents, MemoryLow, MemoryMax, MemoryPeak, MemoryStat, MemorySwapCurrent,
        MemorySwapMax,
    },
    table::{
        Label, LabelValue, Number, Sink,
        family::{
            Family, Instrument, Topic,
            Unit::{Bytes, Pages},
        },
        getters::{memory_stat, name, or_zero},
        group::{Group, Set},
        row::Row,
    },
};

const MEMORY: Topic = Topic::new(Set::Cadvisor, Group::Memory);

/// The rows, in the order of the page.
pub(crate) const FAMILIES: &[Family] = &[
    MEMORY
        .gauge(
            "container_memory_working_set_bytes",
            "Memory that can not easily be reclaimed: usage without inactive page cache",
        )
        .unit(Bytes)
        .semantic("container.memory.working_set", "By", Instrument::UpDownCounter, &[])
        .from(&[MemoryCurrent, MemoryStat], "memory.current − memory.stat inactive_file")
        .of_host()
        .get(|row, out| out.int(working_set(row))),
    MEMORY
        .gauge("container_memory_rss", "Anonymous memory")
        .unit(Bytes)
        .semantic("container.memory.rss", "By", Instrument::UpDownCounter, &[])
        .from(&[MemoryStat], "memory.stat anon")
        .of_host()
        .get(|row, out| out.int(memory_stat(row, Key::Anon))),
    MEMORY
        .gauge("container_memory_cache", "Page cache, tmpfs and shared memory included")
        .unit(Bytes)
        .from(&[MemoryStat], "memory.stat file")
        .of_host()
        .get(|row, out| out.int(memory_stat(row, Key::File))),
    MEMORY
        .gauge("container_memory_mapped_file", "Page cache mapped by processes")
        .unit(Bytes)
        .from(&[MemoryStat], "memory.stat file_mapped")
        .of_host()
        .get(|row, out| out.int(memory_stat(row, Key::FileMapped))),
    MEMORY
        .gauge("container_memory_swap", "Swap used")
        .unit(Bytes)
        .from(&[MemorySwapCurrent], "memory.swap.current")
        .of_host()
        .get(|row, out| out.int(row.container.sample.swap_current)),
    MEMORY
        .gauge("container_memory_max_usage_bytes", "The most memory ever charged")
        .unit(Bytes)
        .from(&[MemoryPeak], "memory.peak (Linux 5.19)")
        .get(|row, out| out.int(row.container.sample.memory_peak)),
    MEMORY
        .gauge("container_memory_kernel_usage", "Kernel memory")
        .unit(Bytes)
        .from(&[MemoryStat], "memory.stat kernel (Linux 5.18)")
        .get(|row, out| out.int(memory_stat(row, Key::Kernel))),
    MEMORY
        .counter("container_memory_failcnt", "Times the memory limit was hit")
        .from(&[MemoryEvents], "memory.events max")
        .get(|row, out| out.int(memory_event(row, "max"))),
    MEMORY
        .gauge("container_memory_total_active_file_bytes", "Page cache on the active list")
        .unit(Bytes)
        .from(&[MemoryStat], "memory.stat active_file")
        .get(|row, out| out.int(memory_stat(row, Key::ActiveFile))),
    MEMORY
        .gauge("container_memory_total_inactive_file_bytes", "Page cache on the inactive list")
        .unit(Bytes)
        .from(&[MemoryStat], "memory.stat inactive_file")
        .get(|row, out| out.int(memory_stat(row, Key::InactiveFile))),
    MEMORY
        .counter("container_memory_failures_total", "Page faults")
        .semantic("container.paging.faults", "{fault}", Instrument::Counter, &[])
        .from(&[MemoryStat], "memory.stat pgfault, pgmajfault")
        .labels(&[Label::FailureType, Label::Scope])
        .get(page_faults),
    MEMORY
        .counter("container_memory_events_high_total", "Times the high boundary was exceeded")
        .from(&[MemoryEvents], "memory.events high")
        .get(|row, out| out.int(memory_event(row, "high"))),
    MEMORY
        .counter("container_memory_events_max_total", "Times the memory limit was hit")
        .from(&[MemoryEvents], "memory.events max")
        .get(|row, out| out.int(memory_event(row, "max"))),
    MEMORY
        .gauge("container_memory_file_dirty_bytes", "Page cache waiting to be written")
        .unit(Bytes)
        .from(&[MemoryStat], "memory.stat file_dirty")
        .get(|row, out| out.int(memory_stat(row, Key::FileDirty))),
    MEMORY
        .gauge("container_memory_file_writeback_bytes", "Page cache being written")
        .unit(Bytes)
        .from(&[MemoryStat], "memory.stat file_writeback")
        .get(|row, out| out.int(memory_stat(row, Key::FileWriteback))),
    MEMORY
        .counter("container_memory_pgscan_total", "Pages scanned by reclaim")
        .unit(Pages)
        .from(&[MemoryStat], "memory.stat pgscan")
        .get(|row, out| out.int(memory_stat(row, Key::Pgscan))),
    MEMORY
        .counter("container_memory_pgsteal_total", "Pages reclaimed")
        .unit(Pages)
        .from(&[MemoryStat], "memory.stat pgsteal")
        .get(|row, out| out.int(memory_stat(row, Key::Pgsteal))),
    MEMORY
        .counter(
            "container_memory_workingset_refault_file_total",
            "Evicted file pages that were needed again",
        )
        .unit(Pages)
        .from(&[MemoryStat], "memory.stat workingset_refault_file")
        .get(|row, out| out.int(memory_stat(row, Key::WorkingsetRefaultFile))),
    MEMORY
        .counter(
            "container_memory_workingset_refault_anon_total",
            "Evicted anonymous pages that were needed again",
        )
        .unit(Pages)
        .from(&[MemoryStat], "memory.stat workingset_refault_anon")
        .get(|row, out| out.int(memory_stat(row, Key::WorkingsetRefaultAnon))),
    MEMORY
        .gauge("container_spec_memory_limit_bytes", "Memory limit; 0 without one")
        .unit(Bytes)
        .from(&[MemoryMax], "memory.max")
        .of_host()
        .get(|row, out| out.int(row.container.sample.memory_max.map(or_zero))),
    MEMORY
        .gauge("container_spec_memory_swap_limit_bytes", "Swap limit; 0 without one")
        .unit(Bytes)
        .from(&[MemorySwapMax], "memory.swap.max")
        .of_host()
        .get(|row, out| out.int(row.container.sample.swap_max.map(or_zero))),
    MEMORY
        .gauge(
            "container_spec_memory_reservation_limit_bytes",
            "Memory that is protected from reclaim as far as possible: what --memory-reservation sets",
        )
        .unit(Bytes)
        .from(&[MemoryLow], "memory.low; max → 0")
        .get(|row, out| out.int(row.container.sample.memory_low.map(or_zero))),
    MEMORY
        .counter(
            "container_oom_events_total",
            "Processes killed for want of memory, over all runs of the container",
        )
        .from(&[MemoryEvents], "memory.events oom_kill, kept across restarts")
        .of_stopped()
        .get(|row, out| out.int(row.container.oom_kills.total())),
];

fn memory_event(row: Row<'_>, key: &str) -> Option<u64> {
    row.container.sample.memory_events.as_ref()?.get(key)
}

fn working_set(row: Row<'_>) -> Option<u64> {
    let inactive = memory_stat(row, Key::InactiveFile)?;
    Some(row.container.sample.memory_current?.saturating_sub(inactive))
}

fn page_faults(row: Row<'_>, out: &mut dyn Sink) {
    for (failure_type, key) in [(name!("pgfault"), Key::Pgfault), (name!("pgmajfault"), Key::Pgmajfault)] {
        if let Some(faults) = memory_stat(row, key) {
            let scope = LabelValue::Name(name!("container"));
            let labels = [(Label::FailureType, LabelValue::Name(failure_type)), (Label::Scope, scope)];
            out.sample(&labels, Number::Int(faults));
        }
    }
}
