//! The product's own gauges.

use super::{
    family::{
        Family, Instrument, Topic,
        Unit::{BitsPerSecond, Bytes, BytesPerSecond, Cpus},
    },
    group::{Group, Set},
};
use crate::sample::KernelFile::{CpuStat, IoStat, MemoryCurrent, MemoryMax};

const CPU: Topic = Topic::new(Set::Core, Group::Cpu);
const MEMORY: Topic = Topic::new(Set::Core, Group::Memory);
const NETWORK: Topic = Topic::new(Set::Core, Group::Network);
const IO: Topic = Topic::new(Set::Core, Group::Io);

const RECEIVED: &str =
    "Bytes received over the interfaces of its own network namespace, but for those of --network_exclude";
const SENT: &str =
    "Bytes sent over the interfaces of its own network namespace, but for those of --network_exclude";

/// The rows, in the order of the page.
pub(crate) const FAMILIES: &[Family] = &[
    CPU.gauge(
        "container_cpu_usage_ratios",
        "CPUs busy over the last polling window (not since the last scrape); 1 is one logical CPU; bursts in \
         between: container_cpu_usage_ratios_peak",
    )
    .unit(Cpus)
    .semantic("container.cpu.usage", "{cpu}", Instrument::Gauge, &[])
    .from(&[CpuStat], "cpu.stat usage_usec, per window")
    .polled()
    .get(|row, out| out.float(row.container.rates.cpu_ratio)),
    MEMORY
        .gauge("container_memory_usage_bytes", "Memory charged to the container, page cache included")
        .unit(Bytes)
        .semantic("container.memory.usage", "By", Instrument::UpDownCounter, &[])
        .from(&[MemoryCurrent], "memory.current")
        .of_host()
        // cAdvisor has the same series.
        .also_in(Set::Cadvisor)
        .get(|row, out| out.int(row.container.sample.memory_current)),
    MEMORY
        .gauge(
            "container_memory_limit_bytes",
            "Memory limit; the memory of the machine where there is none or it is larger",
        )
        .unit(Bytes)
        .from(&[MemoryMax], "memory.max, or MemTotal of /proc/meminfo")
        .get(|row, out| out.int(row.container.memory_limit(row.page.machine.meminfo.mem_total))),
    NETWORK
        .gauge("container_network_receive_bytes", RECEIVED)
        .unit(Bytes)
        .net_dev("/proc/<pid>/net/dev column 1")
        .get(|row, out| out.int(row.container.sample.net.bytes().map(|(receive, _)| receive))),
    NETWORK
        .gauge("container_network_transmit_bytes", SENT)
        .unit(Bytes)
        .net_dev("/proc/<pid>/net/dev column 9")
        .get(|row, out| out.int(row.container.sample.net.bytes().map(|(_, transmit)| transmit))),
    IO.gauge("container_blkio_receive_bytes", "Bytes read from all block devices")
        .unit(Bytes)
        .from(&[IoStat], "io.stat rbytes")
        .get(|row, out| out.int(row.container.sample.io_bytes().map(|(read, _)| read))),
    IO.gauge("container_blkio_transmit_bytes", "Bytes written to all block devices")
        .unit(Bytes)
        .from(&[IoStat], "io.stat wbytes")
        .get(|row, out| out.int(row.container.sample.io_bytes().map(|(_, written)| written))),
    NETWORK
        .gauge(
            "container_network_receive_bps",
            "Bits per second received over the last polling window (not since the last scrape); \
             bursts in between: container_network_receive_bps_peak",
        )
        .unit(BitsPerSecond)
        .net_dev("net/dev column 1 × 8, per window")
        .polled()
        .get(|row, out| out.float(row.container.rates.network.map(|(receive, _)| receive * 8.0))),
    NETWORK
        .gauge(
            "container_network_transmit_bps",
            "Bits per second sent over the last polling window (not since the last scrape); \
             bursts in between: container_network_transmit_bps_peak",
        )
        .unit(BitsPerSecond)
        .net_dev("net/dev column 9 × 8, per window")
        .polled()
        .get(|row, out| out.float(row.container.rates.network.map(|(_, transmit)| transmit * 8.0))),
    IO.gauge(
        "container_blkio_receive_byteps",
        "Bytes per second read from block devices over the last polling window (not since the last scrape); \
         bursts in between: container_blkio_receive_byteps_peak",
    )
    .unit(BytesPerSecond)
    .from(&[IoStat], "io.stat rbytes, per window")
    .polled()
    .get(|row, out| out.float(row.container.rates.block.map(|(read, _)| read))),
    IO.gauge(
        "container_blkio_transmit_byteps",
        "Bytes per second written to block devices over the last polling window (not since the last scrape); \
         bursts in between: container_blkio_transmit_byteps_peak",
    )
    .unit(BytesPerSecond)
    .from(&[IoStat], "io.stat wbytes, per window")
    .polled()
    .get(|row, out| out.float(row.container.rates.block.map(|(_, written)| written))),
];
