//! CPU time, quotas and throttling.

use crate::{
    parse::{CpuStat as CpuTimes, Name},
    sample::KernelFile::{CpuMax, CpuStat},
    table::{
        Label, LabelValue, Number,
        family::{
            Family, Instrument, Topic,
            Unit::{Microseconds, Seconds},
        },
        getters::name,
        group::{Group, Set},
        row::Row,
    },
};

const CPU: Topic = Topic::new(Set::Cadvisor, Group::Cpu);

/// The rows, in the order of the page.
pub(crate) const FAMILIES: &[Family] = &[
    CPU.counter("container_cpu_usage_seconds_total", "CPU time used")
        .unit(Seconds)
        .from(&[CpuStat], "cpu.stat usage_usec")
        .labels(&[Label::Cpu])
        .of_host()
        .get(|row, out| {
            if let Some(cpu) = &row.container.sample.cpu {
                out.sample(
                    &[(Label::Cpu, LabelValue::Name(name!("total")))],
                    Number::Scaled(cpu.usage_usec, 6),
                )
            }
        }),
    CPU.counter("container_cpu_user_seconds_total", "CPU time used in user mode")
        .unit(Seconds)
        .semantic("container.cpu.time", "s", Instrument::Counter, &[("cpu.mode", "user")])
        .from(&[CpuStat], "cpu.stat user_usec")
        .of_host()
        .get(|row, out| out.usec(row.container.sample.cpu.and_then(|cpu| cpu.user_usec))),
    CPU.counter("container_cpu_system_seconds_total", "CPU time used in the kernel")
        .unit(Seconds)
        .semantic("container.cpu.time", "s", Instrument::Counter, &[("cpu.mode", "system")])
        .from(&[CpuStat], "cpu.stat system_usec")
        .of_host()
        .get(|row, out| out.usec(row.container.sample.cpu.and_then(|cpu| cpu.system_usec))),
    CPU.counter("container_cpu_cfs_periods_total", "Quota periods passed; only with a quota")
        .from(&[CpuStat, CpuMax], "cpu.stat nr_periods")
        .get(|row, out| out.int(under_quota(row).and_then(|cpu| cpu.nr_periods))),
    CPU.counter(
        "container_cpu_cfs_throttled_periods_total",
        "Quota periods in which the container was throttled; only with a quota",
    )
    .from(&[CpuStat, CpuMax], "cpu.stat nr_throttled")
    .get(|row, out| out.int(under_quota(row).and_then(|cpu| cpu.nr_throttled))),
    CPU.counter("container_cpu_cfs_throttled_seconds_total", "Time throttled; only with a quota")
        .unit(Seconds)
        .from(&[CpuStat, CpuMax], "cpu.stat throttled_usec")
        .get(|row, out| out.usec(under_quota(row).and_then(|cpu| cpu.throttled_usec))),
    CPU.counter(
        "container_cpu_cfs_burst_periods_total",
        "Quota periods in which a burst was used; only with a quota",
    )
    .from(&[CpuStat, CpuMax], "cpu.stat nr_bursts")
    .get(|row, out| out.int(under_quota(row).and_then(|cpu| cpu.nr_bursts))),
    CPU.counter(
        "container_cpu_cfs_burst_seconds_total",
        "CPU time used above the quota in bursts; only with a quota",
    )
    .unit(Seconds)
    .from(&[CpuStat, CpuMax], "cpu.stat burst_usec")
    .get(|row, out| out.usec(under_quota(row).and_then(|cpu| cpu.burst_usec))),
    CPU.gauge("container_spec_cpu_period", "Length of a quota period")
        .unit(Microseconds)
        .from(&[CpuMax], "cpu.max field 2")
        .get(|row, out| out.int(row.container.sample.cpu_max.map(|max| max.period_usec))),
    CPU.gauge("container_spec_cpu_quota", "CPU time allowed per period; absent without a quota")
        .unit(Microseconds)
        .from(&[CpuMax], "cpu.max field 1")
        .get(|row, out| out.int(row.container.sample.cpu_max.and_then(|max| max.quota_usec.value()))),
    CPU.gauge("container_spec_cpu_shares", "CPU shares as given to Docker; 1024 if none were")
        .unread("inspect HostConfig.CpuShares")
        .get(|row, out| out.int(cpu_shares(row))),
];

fn under_quota(row: Row<'_>) -> Option<CpuTimes> {
    row.container.sample.cpu_max?.quota_usec.value()?;
    row.container.sample.cpu
}

fn cpu_shares(row: Row<'_>) -> Option<u64> {
    let shares = row.container.metadata.as_ref()?.cpu_shares?;
    Some(if shares == 0 { 1024 } else { shares })
}
