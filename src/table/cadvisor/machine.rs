//! The machine that the containers run on.

use crate::table::{
    Label,
    family::{Family, Topic, Unit::Bytes},
    group::{Group, Set},
};

const MACHINE: Topic = Topic::new(Set::Cadvisor, Group::Machine);
/// What [`crate::table::feed()`] adds to each of them.
const LABELS: &[Label] = &[Label::MachineId, Label::BootId, Label::SystemUuid];

/// The rows, in the order of the page.
pub(crate) const FAMILIES: &[Family] = &[
    MACHINE
        .gauge("machine_cpu_cores", "Logical CPUs of the machine")
        .unread("/proc/stat cpuN lines")
        .labels(LABELS)
        .get_of_machine(|machine| machine.cpu_cores),
    MACHINE
        .gauge("machine_cpu_physical_cores", "Cores of the machine, each with one or more logical CPUs")
        .unread("/sys/devices/system/cpu/cpuN/topology core_id, die_id")
        .labels(LABELS)
        .get_of_machine(|machine| machine.topology.cores),
    MACHINE
        .gauge("machine_cpu_sockets", "CPU sockets of the machine")
        .unread("/sys/devices/system/cpu/cpuN/topology physical_package_id")
        .labels(LABELS)
        .get_of_machine(|machine| machine.topology.sockets),
    MACHINE
        .gauge("machine_memory_bytes", "Memory of the machine")
        .unit(Bytes)
        .unread("/proc/meminfo MemTotal")
        .labels(LABELS)
        .get_of_machine(|machine| machine.meminfo.mem_total),
    MACHINE
        .gauge("machine_swap_bytes", "Swap of the machine")
        .unit(Bytes)
        .unread("/proc/meminfo SwapTotal")
        .labels(LABELS)
        .get_of_machine(|machine| machine.meminfo.swap_total),
];
