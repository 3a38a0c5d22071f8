//! The machine that the containers run on.

use crate::table::{
    family::{Family, Topic, Unit::Bytes},
    group::{Group, Set},
};

const MACHINE: Topic = Topic::new(Set::Cadvisor, Group::Machine);

/// The rows, in the order of the page.
pub(crate) const FAMILIES: &[Family] = &[
    MACHINE
        .gauge("machine_cpu_cores", "Logical CPUs of the machine")
        .unread("/proc/stat cpuN lines")
        .get_of_machine(|machine| machine.cpu_cores),
    MACHINE
        .gauge("machine_memory_bytes", "Memory of the machine")
        .unit(Bytes)
        .unread("/proc/meminfo MemTotal")
        .get_of_machine(|machine| machine.memory_bytes),
    MACHINE
        .gauge("machine_swap_bytes", "Swap of the machine")
        .unit(Bytes)
        .unread("/proc/meminfo SwapTotal")
        .get_of_machine(|machine| machine.swap_bytes),
];
