//! What only Docker knows.

use super::{
    Label, LabelValue, Number, Sink,
    family::{Family, Topic, Unit::Seconds},
    getters::known,
    group::{Group, Set},
    row::Row,
};

const STATE: Topic = Topic::new(Set::Lifecycle, Group::State);

/// The rows, in the order of the page.
pub(crate) const FAMILIES: &[Family] = &[
    STATE
        .gauge("container_info", "What Docker knows of the container")
        .unread("inspect")
        .labels(&[Label::ContainerId, Label::ImageId, Label::NetworkMode])
        .of_stopped()
        .get(info),
    STATE
        .gauge("container_state", "1 for the state that the container is in")
        .unread("list, events")
        .labels(&[Label::State])
        .of_stopped()
        .get(state),
    STATE
        .gauge("container_exit_code", "Exit code of the last run; only of containers that do not run")
        .unread("inspect State.ExitCode")
        .of_stopped()
        .get(exit_code),
    STATE
        .gauge("container_finished_time_seconds", "When the last run ended, unix time")
        .unit(Seconds)
        .unread("inspect State.FinishedAt")
        .of_stopped()
        .get(|row, out| out.float(row.container.metadata.as_ref().and_then(|metadata| metadata.finished))),
    STATE
        .gauge("container_created_time_seconds", "When the container was created, unix time")
        .unit(Seconds)
        .unread("inspect Created")
        .of_stopped()
        .get(|row, out| out.float(row.container.metadata.as_ref().and_then(|metadata| metadata.created))),
    STATE
        .counter("container_restarts_total", "Starts after the first")
        .unread("inspect RestartCount, and starts seen")
        .of_stopped()
        .get(|row, out| out.int(row.container.metadata.as_ref().and_then(|metadata| metadata.restarts))),
    STATE
        .gauge("container_oom_killed", "Whether the last run was ended for want of memory")
        .unread("inspect State.OOMKilled")
        .of_stopped()
        .get(|row, out| {
            out.int(row.container.metadata.as_ref().and_then(|metadata| metadata.oom_killed).map(u64::from))
        }),
];

fn info(row: Row<'_>, out: &mut dyn Sink) {
    let Some(metadata) = &row.container.metadata else { return };
    let labels = [
        (Label::ContainerId, Some(row.container.id.as_str())),
        (Label::ImageId, metadata.image_id.as_deref()),
        (Label::NetworkMode, metadata.network_mode.as_deref()),
    ];
    let mut room = [(Label::ContainerId, LabelValue::Text("")); 3];
    out.sample(known(labels, &mut room), Number::Int(1));
}

fn state(row: Row<'_>, out: &mut dyn Sink) {
    if let Some(state) = row.container.metadata.as_ref().and_then(|metadata| metadata.state) {
        out.sample(&[(Label::State, LabelValue::Text(state.as_str()))], Number::Int(1));
    }
}

fn exit_code(row: Row<'_>, out: &mut dyn Sink) {
    if let Some(code) = row.container.metadata.as_ref().and_then(|metadata| metadata.code_of_end()) {
        out.put(Some(Number::Signed(code)));
    }
}
