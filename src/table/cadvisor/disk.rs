//! What the files of a container take up.

use crate::table::{
    Label, Number, Sink,
    family::{Family, Topic, Unit::Bytes},
    getters::device_name,
    group::{Group, Set},
    row::Row,
};

const DISK: Topic = Topic::new(Set::Cadvisor, Group::Disk);

/// The rows, in the order of the page.
pub(crate) const FAMILIES: &[Family] = &[
    DISK.gauge("container_fs_usage_bytes", "Files that the container has created or changed")
        .unit(Bytes)
        .disk("list with sizes, SizeRw")
        .labels(&[Label::Device])
        .of_stopped()
        .get(|row, out| on_device(row, out, row.container.disk.and_then(|disk| disk.sizes.rw_bytes))),
    DISK.gauge("container_fs_limit_bytes", "Size of the file system of Docker's root directory")
        .unit(Bytes)
        .disk("statfs of info DockerRootDir, if it can be seen")
        .labels(&[Label::Device])
        .of_stopped()
        .get(|row, out| {
            on_device(row, out, row.container.disk.and_then(|disk| Some(disk.file_system?.bytes)))
        }),
];

/// One sample, with the device of Docker's root directory if it is known.
fn on_device(row: Row<'_>, out: &mut dyn Sink, bytes: Option<u64>) {
    let Some(bytes) = bytes else { return };
    let number = row.container.disk.and_then(|disk| disk.file_system?.device);
    match number.and_then(|(major, minor)| row.page.devices.get(major, minor)) {
        Some(device) => out.sample(&[(Label::Device, device_name(device))], Number::Int(bytes)),
        None => out.integer(bytes),
    }
}
