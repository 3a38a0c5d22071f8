//! The getters of families that are more than one field.

use crate::{
    encode::{LabelValue, Number, Row, Samples},
    metadata::{Health, State},
    parse::{
        CpuStat, Events, IoRow, Limit, Name, Pressure,
        memory_stat::Key,
        net_dev::{Direction, InterfaceRow},
        pressure::Stall,
    },
    sample::{devices::Device, samples::Hugetlb},
};

/// A value of a label, made when the program is built.
macro_rules! name {
    ($text:literal) => {
        &const { Name::literal($text) }
    };
}

/// A label as it stands in a line before its value, made when the program is built.
macro_rules! label {
    ($name:literal) => {
        &const { Name::literal(concat!(",", $name, "=\"")) }
    };
}
pub(super) use {label, name};

pub(super) fn memory_limit(row: Row<'_>) -> Option<u64> {
    let machine = row.page.machine.memory_bytes;
    match (row.container.sample.memory_max?, machine) {
        (Limit::Max, machine) => machine,
        (Limit::Value(limit), machine) => Some(machine.map_or(limit, |machine| limit.min(machine))),
    }
}

pub(super) fn or_zero(limit: Limit) -> u64 {
    limit.value().unwrap_or(0)
}

pub(super) fn under_quota(row: Row<'_>) -> Option<CpuStat> {
    row.container.sample.cpu_max?.quota_usec.value()?;
    row.container.sample.cpu
}

pub(super) fn cpu_shares(row: Row<'_>) -> Option<u64> {
    let shares = row.container.metadata.as_ref()?.cpu_shares?;
    Some(if shares == 0 { 1024 } else { shares })
}

pub(super) fn memory_stat(row: Row<'_>, key: Key) -> Option<u64> {
    row.container.sample.memory_stat.as_ref()?.get(key)
}

pub(super) fn memory_event(row: Row<'_>, key: &str) -> Option<u64> {
    row.container.sample.memory_events.as_ref()?.get(key)
}

pub(super) fn working_set(row: Row<'_>) -> Option<u64> {
    let inactive = memory_stat(row, Key::InactiveFile)?;
    Some(row.container.sample.memory_current?.saturating_sub(inactive))
}

pub(super) fn page_faults(row: Row<'_>, out: &mut Samples<'_>) {
    for (failure_type, key) in [(name!("pgfault"), Key::Pgfault), (name!("pgmajfault"), Key::Pgmajfault)] {
        if let Some(faults) = memory_stat(row, key) {
            let scope = LabelValue::Name(name!("container"));
            let labels = [(label!("failure_type"), LabelValue::Name(failure_type)), (label!("scope"), scope)];
            out.put_with(&labels, Number::Int(faults));
        }
    }
}

pub(super) fn stalled(pressure: Option<Pressure>, kind: fn(Pressure) -> Option<Stall>) -> Option<u64> {
    Some(kind(pressure?)?.total_usec)
}

pub(super) fn per_device(row: Row<'_>, out: &mut Samples<'_>, value: fn(&IoRow) -> Option<u64>) {
    for io in row.container.sample.io.iter().flatten() {
        if let (Some(value), Some(device)) = (value(io), row.page.devices.get(io.major, io.minor)) {
            out.put_with(&[(label!("device"), device_name(device))], Number::Int(value));
        }
    }
}

pub(super) fn device_usage(row: Row<'_>, out: &mut Samples<'_>) {
    for io in row.container.sample.io.iter().flatten() {
        let Some(device) = row.page.devices.get(io.major, io.minor) else { continue };
        for (operation, bytes) in [(name!("Read"), io.rbytes), (name!("Write"), io.wbytes)] {
            if let Some(bytes) = bytes {
                let labels = [
                    (label!("device"), device_name(device)),
                    (label!("major"), LabelValue::Name(&device.major)),
                    (label!("minor"), LabelValue::Name(&device.minor)),
                    (label!("operation"), LabelValue::Name(operation)),
                ];
                out.put_with(&labels, Number::Int(bytes));
            }
        }
    }
}

fn device_name(device: &Device) -> LabelValue<'_> {
    device.short_name.as_ref().map_or(LabelValue::Text(&device.name), LabelValue::Name)
}

pub(super) fn per_interface(
    row: Row<'_>,
    out: &mut Samples<'_>,
    direction: fn(&InterfaceRow) -> &Direction,
    value: fn(&Direction) -> u64,
) {
    let net = &row.container.sample.net;
    for interface in net.rows.iter().filter(|_| net.read) {
        let labels = [(label!("interface"), LabelValue::Name(&interface.name))];
        out.put_with(&labels, Number::Int(value(direction(interface))));
    }
}

pub(super) fn health(row: Row<'_>) -> Option<Number> {
    Some(Number::Signed(match row.container.metadata.as_ref()?.health? {
        Health::Healthy => 1,
        Health::NotHealthy => 0,
        Health::None => -1,
    }))
}

pub(super) fn per_event(out: &mut Samples<'_>, events: Option<&Events>) {
    for (event, count) in events.iter().flat_map(|events| events.iter()) {
        out.put_with(&[(label!("event"), LabelValue::Name(event))], Number::Int(count));
    }
}

pub(super) fn protection(row: Row<'_>, out: &mut Samples<'_>) {
    let sample = &row.container.sample;
    for (kind, limit) in [
        (name!("min"), sample.memory_min),
        (name!("low"), sample.memory_low),
        (name!("high"), sample.memory_high),
    ] {
        if let Some(bytes) = limit.and_then(Limit::value) {
            out.put_with(&[(label!("kind"), LabelValue::Name(kind))], Number::Int(bytes));
        }
    }
}

pub(super) fn all_of_memory_stat(row: Row<'_>, out: &mut Samples<'_>) {
    for key in Key::ALL.iter().filter(|key| key.is_bytes()) {
        if let Some(bytes) = memory_stat(row, *key) {
            out.put_with(&[(label!("key"), LabelValue::Text(key.name()))], Number::Int(bytes));
        }
    }
}

pub(super) fn pressure_averages(row: Row<'_>, out: &mut Samples<'_>) {
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
                let labels =
                    [(label!("resource"), resource), (label!("kind"), kind), (label!("window"), window)];
                // Hundredths of a percent.
                out.put_with(
                    &labels.map(|(name, value)| (name, LabelValue::Name(value))),
                    Number::Scaled(average, 4),
                );
            }
        }
    }
}

pub(super) fn descendants(row: Row<'_>, out: &mut Samples<'_>) {
    let Some(stat) = row.container.sample.cgroup_stat else { return };
    for (state, count) in [(name!("live"), stat.nr_descendants), (name!("dying"), stat.nr_dying_descendants)]
    {
        if let Some(count) = count {
            out.put_with(&[(label!("state"), LabelValue::Name(state))], Number::Int(count));
        }
    }
}

pub(super) fn per_pagesize(row: Row<'_>, out: &mut Samples<'_>, value: fn(&Hugetlb) -> Option<u64>) {
    for pages in &row.container.sample.hugetlb {
        if let Some(value) = value(pages) {
            out.put_with(&[(label!("pagesize"), LabelValue::Name(&pages.pagesize))], Number::Int(value));
        }
    }
}

pub(super) fn info(row: Row<'_>, out: &mut Samples<'_>) {
    let Some(metadata) = &row.container.metadata else { return };
    let all = [
        (label!("container_id"), Some(row.container.id.as_str())),
        (label!("image_id"), metadata.image_id.as_deref()),
        (label!("network_mode"), metadata.network_mode.as_deref()),
    ];
    let mut labels = [(label!(""), LabelValue::Text("")); 3];
    let mut count = 0;
    for ((name, value), slot) in
        all.into_iter().filter_map(|(name, value)| Some((name, value?))).zip(&mut labels)
    {
        *slot = (name, LabelValue::Text(value));
        count += 1;
    }
    out.put_with(labels.get(..count).unwrap_or_default(), Number::Int(1));
}

pub(super) fn state(row: Row<'_>, out: &mut Samples<'_>) {
    if let Some(state) = row.container.metadata.as_ref().and_then(|metadata| metadata.state) {
        out.put_with(&[(label!("state"), LabelValue::Text(state.as_str()))], Number::Int(1));
    }
}

pub(super) fn exit_code(row: Row<'_>, out: &mut Samples<'_>) {
    if let Some(metadata) =
        row.container.metadata.as_ref().filter(|metadata| metadata.state.is_some_and(State::is_stopped))
    {
        out.put(metadata.exit_code.map(Number::Signed));
    }
}
