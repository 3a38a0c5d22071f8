//! The highest polling windows of the last while: bursts that scrapes and the gauges of one window miss.

use super::{
    family::{
        Family, Topic,
        Unit::{BitsPerSecond, Bytes, BytesPerSecond, Cpus},
    },
    group::{Group, Set},
};
use crate::sample::KernelFile::{CpuStat, IoStat, MemoryCurrent};

const PEAKS: Topic = Topic::new(Set::V2, Group::Peaks);

/// The rows, in the order of the page.
pub(crate) const FAMILIES: &[Family] = &[
    PEAKS
        .gauge(
            "container_cpu_usage_ratios_peak",
            "CPUs busy in the busiest polling window of the last --peak_window; 1 is one logical CPU",
        )
        .unit(Cpus)
        .also(Group::Cpu)
        .from(&[CpuStat], "cpu.stat usage_usec, highest window")
        .polled()
        .get(|row, out| out.float(row.container.peaks.cpu_ratio)),
    PEAKS
        .gauge(
            "container_memory_usage_bytes_peak",
            "The most memory that a poll or a scrape has seen in the last --peak_window, page cache included",
        )
        .unit(Bytes)
        .also(Group::Memory)
        .from(&[MemoryCurrent], "memory.current, highest reading")
        .polled()
        .get(|row, out| out.float(row.container.peaks.memory_current)),
    PEAKS
        .gauge(
            "container_network_receive_bps_peak",
            "Bits per second received in the highest polling window of the last --peak_window",
        )
        .unit(BitsPerSecond)
        .also(Group::Network)
        .net_dev("net/dev column 1 × 8, highest window")
        .polled()
        .get(|row, out| out.float(row.container.peaks.network.map(|(receive, _)| receive * 8.0))),
    PEAKS
        .gauge(
            "container_network_transmit_bps_peak",
            "Bits per second sent in the highest polling window of the last --peak_window",
        )
        .unit(BitsPerSecond)
        .also(Group::Network)
        .net_dev("net/dev column 9 × 8, highest window")
        .polled()
        .get(|row, out| out.float(row.container.peaks.network.map(|(_, transmit)| transmit * 8.0))),
    PEAKS
        .gauge(
            "container_blkio_receive_byteps_peak",
            "Bytes per second read from block devices in the highest polling window of the last \
             --peak_window",
        )
        .unit(BytesPerSecond)
        .also(Group::Io)
        .from(&[IoStat], "io.stat rbytes, highest window")
        .polled()
        .get(|row, out| out.float(row.container.peaks.block.map(|(read, _)| read))),
    PEAKS
        .gauge(
            "container_blkio_transmit_byteps_peak",
            "Bytes per second written to block devices in the highest polling window of the last \
             --peak_window",
        )
        .unit(BytesPerSecond)
        .also(Group::Io)
        .from(&[IoStat], "io.stat wbytes, highest window")
        .polled()
        .get(|row, out| out.float(row.container.peaks.block.map(|(_, written)| written))),
];
