//! The container's state, and its times.

use crate::{
    metadata::Health,
    table::{
        Number,
        family::{Family, Topic, Unit::Seconds},
        group::{Group, Set},
        row::Row,
    },
};

const STATE: Topic = Topic::new(Set::Cadvisor, Group::State);

/// The first rows of the set.
pub(crate) const TIMES: &[Family] = &[
    STATE
        .gauge("container_last_seen", "When this sample was taken, unix time")
        .unit(Seconds)
        .unread("wall clock")
        .get(|row, out| out.float(Some(row.page.now))),
    STATE
        .gauge("container_start_time_seconds", "When the container was started, unix time")
        .unit(Seconds)
        .semantic_time_since("container.uptime", "Time since the container was started")
        .unread("inspect State.StartedAt, else creation of the cgroup")
        .get(|row, out| out.float(row.container.started())),
];

/// The row between those of containers and those of the machine.
pub(crate) const HEALTH: &[Family] = &[STATE
    .gauge("container_health_state", "1 healthy, 0 starting or unhealthy, -1 without a healthcheck")
    .unread("inspect State.Health, events")
    .get(|row, out| out.put(health(row)))];

fn health(row: Row<'_>) -> Option<Number> {
    Some(Number::Signed(match row.container.metadata.as_ref()?.health? {
        Health::Healthy => 1,
        Health::NotHealthy => 0,
        Health::None => -1,
    }))
}
