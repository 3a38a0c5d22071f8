//! Interfaces of the container's network namespace.

use crate::{
    parse::net_dev::{Direction, InterfaceRow},
    table::{
        Label, LabelValue, Number, Sink,
        family::{Family, Instrument, Topic, Unit::Bytes},
        group::{Group, Set},
        row::Row,
    },
};

const NETWORK: Topic = Topic::new(Set::Cadvisor, Group::Network);

/// The rows, in the order of the page.
pub(crate) const FAMILIES: &[Family] = &[
    NETWORK
        .counter("container_network_receive_bytes_total", "Bytes received")
        .unit(Bytes)
        .semantic("container.network.io", "By", Instrument::Counter, &[("network.io.direction", "receive")])
        .net_dev("net/dev receive bytes")
        .labels(&[Label::Interface])
        .of_host()
        .get(|row, out| per_interface(row, out, |net| &net.receive, |direction| direction.bytes)),
    NETWORK
        .counter("container_network_receive_packets_total", "Packets received")
        .net_dev("net/dev receive packets")
        .labels(&[Label::Interface])
        .of_host()
        .get(|row, out| per_interface(row, out, |net| &net.receive, |direction| direction.packets)),
    NETWORK
        .counter("container_network_receive_errors_total", "Errors while packets were received")
        .net_dev("net/dev receive errs")
        .labels(&[Label::Interface])
        .of_host()
        .get(|row, out| per_interface(row, out, |net| &net.receive, |direction| direction.errs)),
    NETWORK
        .counter(
            "container_network_receive_packets_dropped_total",
            "Packets dropped that were to be received",
        )
        .net_dev("net/dev receive drop")
        .labels(&[Label::Interface])
        .of_host()
        .get(|row, out| per_interface(row, out, |net| &net.receive, |direction| direction.drop)),
    NETWORK
        .counter("container_network_transmit_bytes_total", "Bytes sent")
        .unit(Bytes)
        .semantic("container.network.io", "By", Instrument::Counter, &[("network.io.direction", "transmit")])
        .net_dev("net/dev transmit bytes")
        .labels(&[Label::Interface])
        .of_host()
        .get(|row, out| per_interface(row, out, |net| &net.transmit, |direction| direction.bytes)),
    NETWORK
        .counter("container_network_transmit_packets_total", "Packets sent")
        .net_dev("net/dev transmit packets")
        .labels(&[Label::Interface])
        .of_host()
        .get(|row, out| per_interface(row, out, |net| &net.transmit, |direction| direction.packets)),
    NETWORK
        .counter("container_network_transmit_errors_total", "Errors while packets were sent")
        .net_dev("net/dev transmit errs")
        .labels(&[Label::Interface])
        .of_host()
        .get(|row, out| per_interface(row, out, |net| &net.transmit, |direction| direction.errs)),
    NETWORK
        .counter("container_network_transmit_packets_dropped_total", "Packets dropped that were to be sent")
        .net_dev("net/dev transmit drop")
        .labels(&[Label::Interface])
        .of_host()
        .get(|row, out| per_interface(row, out, |net| &net.transmit, |direction| direction.drop)),
];

fn per_interface(
    row: Row<'_>,
    out: &mut dyn Sink,
    direction: fn(&InterfaceRow) -> &Direction,
    value: fn(&Direction) -> u64,
) {
    let net = &row.container.sample.net;
    for interface in net.rows.iter().filter(|_| net.read) {
        let labels = [(Label::Interface, LabelValue::Name(&interface.name))];
        out.sample(&labels, Number::Int(value(direction(interface))));
    }
}
