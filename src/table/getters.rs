//! Getters that rows in several files share.

use super::{Label, LabelValue, Number, Sink, row::Row};
use crate::{
    parse::{IoRow, Limit, memory_stat::Key},
    sample::{Identity, Machine, devices::Device},
};

/// A label value that is built at compile time.
macro_rules! name {
    ($text:literal) => {
        &const { Name::literal($text) }
    };
}
pub(super) use name;

pub(super) fn or_zero(limit: Limit) -> u64 {
    limit.value().unwrap_or(0)
}

pub(super) fn memory_stat(row: Row<'_>, key: Key) -> Option<u64> {
    row.container.sample.memory_stat.as_ref()?.get(key)
}

pub(super) fn per_device(row: Row<'_>, out: &mut dyn Sink, value: fn(&IoRow) -> Option<u64>) {
    for io in row.container.sample.io.iter().flatten() {
        if let (Some(value), Some(device)) = (value(io), row.page.devices.get(io.major, io.minor)) {
            out.sample(&[(Label::Device, device_name(device))], Number::Int(value));
        }
    }
}

/// The labels of the machine that are known.
pub(super) fn machine_labels<'a, 'm>(
    machine: &'m Machine,
    room: &'a mut [(Label, LabelValue<'m>); 3],
) -> &'a [(Label, LabelValue<'m>)] {
    let Identity { machine_id, boot_id, system_uuid } = &machine.identity;
    known(
        [
            (Label::MachineId, machine_id.as_deref()),
            (Label::BootId, boot_id.as_deref()),
            (Label::SystemUuid, system_uuid.as_deref()),
        ],
        room,
    )
}

/// The labels whose values are known, in `room`.
pub(super) fn known<'a, 'v, const N: usize>(
    labels: [(Label, Option<&'v str>); N],
    room: &'a mut [(Label, LabelValue<'v>); N],
) -> &'a [(Label, LabelValue<'v>)] {
    let mut count = 0;
    let labels = labels.into_iter().filter_map(|(label, value)| Some((label, LabelValue::Text(value?))));
    for (label, slot) in labels.zip(room.iter_mut()) {
        *slot = label;
        count += 1;
    }
    room.get(..count).unwrap_or_default()
}

pub(super) fn device_name(device: &Device) -> LabelValue<'_> {
    device.short_name.as_ref().map_or(LabelValue::Text(&device.name), LabelValue::Name)
}
