//! Processes and threads.

use crate::{
    sample::KernelFile::{CgroupProcs, CgroupStat, PidsCurrent, PidsMax},
    table::{
        family::{Family, Topic},
        getters::or_zero,
        group::{Group, Set},
    },
};

const PIDS: Topic = Topic::new(Set::Cadvisor, Group::Pids);

/// The rows, in the order of the page.
pub(crate) const FAMILIES: &[Family] = &[
    PIDS.gauge("container_processes", "Processes")
        .from(&[CgroupProcs, CgroupStat], "cgroup.procs of the cgroup and its children")
        .get(|row, out| out.int(row.container.sample.processes)),
    PIDS.gauge("container_threads", "Threads")
        .from(&[PidsCurrent], "pids.current")
        .get(|row, out| out.int(row.container.sample.pids_current)),
    PIDS.gauge("container_threads_max", "The most threads allowed; 0 without a limit")
        .from(&[PidsMax], "pids.max")
        .get(|row, out| out.int(row.container.sample.pids_max.map(or_zero))),
];
