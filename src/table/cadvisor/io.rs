//! Block devices.

use crate::{
    parse::Name,
    sample::KernelFile::IoStat,
    table::{
        Label, LabelValue, Number, Sink,
        family::{Family, Instrument, Topic, Unit::Bytes},
        getters::{device_name, name, per_device},
        group::{Group, Set},
        row::Row,
    },
};

const IO: Topic = Topic::new(Set::Cadvisor, Group::Io);

/// The rows, in the order of the page.
pub(crate) const FAMILIES: &[Family] = &[
    IO.counter("container_fs_reads_bytes_total", "Bytes read from a block device")
        .unit(Bytes)
        .semantic("container.disk.io", "By", Instrument::Counter, &[("disk.io.direction", "read")])
        .from(&[IoStat], "io.stat rbytes")
        .labels(&[Label::Device])
        .of_host()
        .get(|row, out| per_device(row, out, |io| io.rbytes)),
    IO.counter("container_fs_writes_bytes_total", "Bytes written to a block device")
        .unit(Bytes)
        .semantic("container.disk.io", "By", Instrument::Counter, &[("disk.io.direction", "write")])
        .from(&[IoStat], "io.stat wbytes")
        .labels(&[Label::Device])
        .of_host()
        .get(|row, out| per_device(row, out, |io| io.wbytes)),
    IO.counter("container_fs_reads_total", "Read operations on a block device")
        .from(&[IoStat], "io.stat rios")
        .labels(&[Label::Device])
        .of_host()
        .get(|row, out| per_device(row, out, |io| io.rios)),
    IO.counter("container_fs_writes_total", "Write operations on a block device")
        .from(&[IoStat], "io.stat wios")
        .labels(&[Label::Device])
        .of_host()
        .get(|row, out| per_device(row, out, |io| io.wios)),
    IO.counter("container_blkio_device_usage_total", "Bytes read from and written to a block device")
        .unit(Bytes)
        .from(&[IoStat], "io.stat rbytes, wbytes")
        .labels(&[Label::Device, Label::Major, Label::Minor, Label::Operation])
        .get(device_usage),
];

fn device_usage(row: Row<'_>, out: &mut dyn Sink) {
    for io in row.container.sample.io.iter().flatten() {
        let Some(device) = row.page.devices.get(io.major, io.minor) else { continue };
        for (operation, bytes) in [(name!("Read"), io.rbytes), (name!("Write"), io.wbytes)] {
            if let Some(bytes) = bytes {
                let labels = [
                    (Label::Device, device_name(device)),
                    (Label::Major, LabelValue::Name(&device.major)),
                    (Label::Minor, LabelValue::Name(&device.minor)),
                    (Label::Operation, LabelValue::Name(operation)),
                ];
                out.sample(&labels, Number::Int(bytes));
            }
        }
    }
}
