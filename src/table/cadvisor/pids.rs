//! Processes and threads.

use crate::{
    parse::{Limit, Name},
    sample::KernelFile::{CgroupProcs, CgroupStat, PidsCurrent, PidsMax},
    table::{
        Label, LabelValue, Number,
        family::{Family, Topic},
        getters::{name, or_zero},
        group::{Group, Set},
    },
};

const PIDS: Topic = Topic::new(Set::Cadvisor, Group::Pids);
const PROCESS: Topic = Topic::new(Set::Cadvisor, Group::Process);

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
    PROCESS
        .gauge("container_file_descriptors", "Open file descriptors of all processes")
        .descriptors("fd of each process in cgroup.procs of the cgroup and its children")
        .get(|row, out| out.int(row.container.sample.descriptors.open)),
    PROCESS
        .gauge("container_sockets", "Open file descriptors that are sockets")
        .descriptors("fd of each process: links to socket:[…]")
        .get(|row, out| out.int(row.container.sample.descriptors.sockets)),
    PROCESS
        .gauge("container_ulimits_soft", "Soft limits of the main process; -1 without a limit")
        .descriptors("limits of the main process, or of the one with the lowest ID: Max open files")
        .labels(&[Label::Ulimit])
        .get(|row, out| {
            let soft = match row.container.sample.descriptors.max_open_files {
                Some(Limit::Value(limit)) => Number::Int(limit),
                Some(Limit::Max) => Number::Signed(-1),
                None => return,
            };
            out.sample(&[(Label::Ulimit, LabelValue::Name(name!("max_open_files")))], soft);
        }),
];
