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
        .of_host()
        .get(|row, out| out.float(Some(row.page.now))),
    STATE
        .gauge("container_start_time_seconds", "When the container was started, unix time")
        .unit(Seconds)
        .semantic_time_since("container.uptime", "Time since the container was started")
        .unread("inspect State.StartedAt, else creation of the cgroup")
        .of_host()
        .get(|row, out| out.float(row.container.started())),
    STATE
        .gauge("container_creation_time_seconds", "When the container was created, unix time")
        .unit(Seconds)
        .unread("inspect Created")
        .get(|row, out| out.float(row.container.metadata.as_ref().and_then(|metadata| metadata.created))),
];

/// The rows between those of containers and those of the machine.
pub(crate) const HEALTH: &[Family] = &[
    STATE
        .gauge("container_health_state", "1 healthy, 0 starting or unhealthy, -1 without a healthcheck")
        .unread("inspect State.Health, events")
        .get(|row, out| out.put(health(row))),
    STATE
        .gauge("container_scrape_error", "Whether this pass could not read something that it needed")
        .unread("0 where docker_stat_prom_up is 1")
        .get_of_page(|page| u64::from(!page.is_complete)),
];

fn health(row: Row<'_>) -> Option<Number> {
    Some(Number::Signed(match row.container.metadata.as_ref()?.health? {
        Health::Healthy => 1,
        Health::Starting | Health::Unhealthy => 0,
        Health::None => -1,
    }))
}
