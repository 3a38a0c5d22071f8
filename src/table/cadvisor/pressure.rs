//! Time that tasks waited for CPU, memory or I/O.

use crate::{
    parse::{Pressure, pressure::Stall},
    sample::KernelFile::{CpuPressure, IoPressure, MemoryPressure},
    table::{
        family::{Family, Topic, Unit::Seconds},
        group::{Group, Set},
    },
};

const PRESSURE: Topic = Topic::new(Set::Cadvisor, Group::Pressure);

/// The rows, in the order of the page.
pub(crate) const FAMILIES: &[Family] = &[
    PRESSURE
        .counter("container_pressure_cpu_waiting_seconds_total", "Time in which some task waited for CPU")
        .unit(Seconds)
        .from(&[CpuPressure], "cpu.pressure some total")
        .of_host()
        .get(|row, out| out.usec(stalled(row.container.sample.cpu_pressure, |pressure| pressure.some))),
    PRESSURE
        .counter("container_pressure_cpu_stalled_seconds_total", "Time in which all tasks waited for CPU")
        .unit(Seconds)
        .from(&[CpuPressure], "cpu.pressure full total")
        .of_host()
        .get(|row, out| out.usec(stalled(row.container.sample.cpu_pressure, |pressure| pressure.full))),
    PRESSURE
        .counter(
            "container_pressure_memory_waiting_seconds_total",
            "Time in which some task waited for memory",
        )
        .unit(Seconds)
        .from(&[MemoryPressure], "memory.pressure some total")
        .of_host()
        .get(|row, out| out.usec(stalled(row.container.sample.memory_pressure, |pressure| pressure.some))),
    PRESSURE
        .counter(
            "container_pressure_memory_stalled_seconds_total",
            "Time in which all tasks waited for memory",
        )
        .unit(Seconds)
        .from(&[MemoryPressure], "memory.pressure full total")
        .of_host()
        .get(|row, out| out.usec(stalled(row.container.sample.memory_pressure, |pressure| pressure.full))),
    PRESSURE
        .counter("container_pressure_io_waiting_seconds_total", "Time in which some task waited for I/O")
        .unit(Seconds)
        .from(&[IoPressure], "io.pressure some total")
        .of_host()
        .get(|row, out| out.usec(stalled(row.container.sample.io_pressure, |pressure| pressure.some))),
    PRESSURE
        .counter("container_pressure_io_stalled_seconds_total", "Time in which all tasks waited for I/O")
        .unit(Seconds)
        .from(&[IoPressure], "io.pressure full total")
        .of_host()
        .get(|row, out| out.usec(stalled(row.container.sample.io_pressure, |pressure| pressure.full))),
];

fn stalled(pressure: Option<Pressure>, kind: fn(Pressure) -> Option<Stall>) -> Option<u64> {
    Some(kind(pressure?)?.total_usec)
}
