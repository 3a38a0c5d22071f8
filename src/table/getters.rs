//! Getters that rows in several files share.

use super::{Label, LabelValue, Number, Sink, row::Row};
use crate::{
    parse::{IoRow, Limit, memory_stat::Key},
    sample::devices::Device,
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

pub(super) fn device_name(device: &Device) -> LabelValue<'_> {
    device.short_name.as_ref().map_or(LabelValue::Text(&device.name), LabelValue::Name)
}
