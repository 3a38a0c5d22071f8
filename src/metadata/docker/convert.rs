//! Docker's models, turned into [`Metadata`].

use super::{Action, Docker, Health, Metadata, State};
use crate::parse::ContainerId;
use bollard::models::{
    ContainerInspectResponse, ContainerStateStatusEnum, ContainerSummary, ContainerSummaryStateEnum,
    EventMessage, HealthStatusEnum,
};
use std::{collections::HashMap, time::Duration};

/// Where new containers' cgroups go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CgroupDriver {
    Systemd,
    Cgroupfs,
}

impl Docker {
    pub(super) fn metadata(
        &self,
        inspect: ContainerInspectResponse,
        driver: CgroupDriver,
    ) -> Option<Metadata> {
        let id = ContainerId::new(inspect.id.as_deref()?)?;
        let config = inspect.config.unwrap_or_default();
        let host_config = inspect.host_config.unwrap_or_default();
        let state = inspect.state.unwrap_or_default();
        let labels = config.labels.unwrap_or_default();
        let name = plain_name(inspect.name.as_deref(), &id);
        let restart_count = inspect.restart_count.and_then(positive).or(Some(0));
        Some(Metadata {
            labels: self.labels.choose(
                labels.iter().map(|(key, value)| (key.as_str(), value.as_str())),
                config.env.iter().flatten().map(String::as_str),
            ),
            included: self.included(&name, config.image.as_deref(), &labels),
            name,
            image: config.image.filter(|image| !image.is_empty()),
            image_id: inspect.image.filter(|image| !image.is_empty()),
            network_mode: host_config.network_mode,
            main_pid: state.pid.and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid != 0),
            cpu_shares: host_config.cpu_shares.and_then(positive),
            exit_code: state.exit_code,
            created: inspect.created.as_deref().and_then(unix_seconds),
            started: state.started_at.as_deref().and_then(unix_seconds),
            finished: state.finished_at.as_deref().and_then(unix_seconds),
            restart_count,
            restarts: restart_count,
            oom_killed: state.oom_killed.or(Some(false)),
            health: Some(state.health.and_then(|health| health.status).map_or(Health::None, health)),
            state: state.status.and_then(inspected_state),
            cgroup: expected_cgroup(driver, host_config.cgroup_parent.as_deref(), &id),
            id,
        })
    }

    /// What the `create` or `start` event of a container tells: enough for a name while inspect waits for the daemon, which
    /// holds the container's lock until it runs.
    pub(super) fn metadata_of_event(&self, event: &EventMessage, driver: CgroupDriver) -> Option<Metadata> {
        let actor = event.actor.as_ref()?;
        let attributes = actor.attributes.as_ref()?;
        let summary = ContainerSummary {
            id: actor.id.clone(),
            names: Some(vec![attributes.get("name")?.clone()]),
            image: attributes.get("image").cloned(),
            // The container's labels stand among the attributes.
            labels: Some(attributes.clone()),
            ..ContainerSummary::default()
        };
        self.metadata_of_summary(&summary, driver)
    }

    /// What a list tells, for a container whose inspection could not be understood.
    pub(super) fn metadata_of_summary(
        &self,
        summary: &ContainerSummary,
        driver: CgroupDriver,
    ) -> Option<Metadata> {
        let id = ContainerId::new(summary.id.as_deref()?)?;
        let none = HashMap::new();
        let labels = summary.labels.as_ref().unwrap_or(&none);
        let name = summary.names.as_ref().and_then(|names| names.first()).map(String::as_str);
        let name = plain_name(name, &id);
        Some(Metadata {
            labels: self
                .labels
                .choose(labels.iter().map(|(key, value)| (key.as_str(), value.as_str())), std::iter::empty()),
            included: self.included(&name, summary.image.as_deref(), labels),
            name,
            image: summary.image.clone(),
            image_id: summary.image_id.clone(),
            network_mode: summary.host_config.as_ref().and_then(|host| host.network_mode.clone()),
            state: summary.state.and_then(listed_state),
            cgroup: expected_cgroup(driver, None, &id),
            ..Metadata::new(id)
        })
    }

    pub(super) fn included(&self, name: &str, image: Option<&str>, labels: &HashMap<String, String>) -> bool {
        self.filter.lets_through(name, image.unwrap_or_default(), &|key| labels.get(key).cloned())
    }
}

pub(super) fn understood(event: &EventMessage) -> Option<(ContainerId, Action)> {
    let actor = event.actor.as_ref()?;
    let id = ContainerId::new(actor.id.as_deref()?)?;
    let action = match event.action.as_deref()? {
        "create" | "start" | "die" | "update" => Action::Inspect,
        "destroy" => Action::Destroy,
        "pause" => Action::Pause,
        "unpause" => Action::Unpause,
        "oom" => Action::Oom,
        "rename" => {
            Action::Rename(plain_name(actor.attributes.as_ref()?.get("name").map(String::as_str), &id))
        }
        other => match other.strip_prefix("health_status: ")? {
            "healthy" => Action::Health(Health::Healthy),
            _ => Action::Health(Health::NotHealthy),
        },
    };
    Some((id, action))
}

pub(super) fn plain_name(name: Option<&str>, id: &ContainerId) -> String {
    let name = name.map(|name| name.trim_start_matches('/')).filter(|name| !name.is_empty());
    name.unwrap_or_else(|| id.short()).to_owned()
}

pub(super) fn positive(number: i64) -> Option<u64> {
    u64::try_from(number).ok()
}

pub(super) fn health(status: HealthStatusEnum) -> Health {
    match status {
        HealthStatusEnum::EMPTY | HealthStatusEnum::NONE => Health::None,
        HealthStatusEnum::STARTING | HealthStatusEnum::UNHEALTHY => Health::NotHealthy,
        HealthStatusEnum::HEALTHY => Health::Healthy,
    }
}

pub(super) fn inspected_state(status: ContainerStateStatusEnum) -> Option<State> {
    Some(match status {
        ContainerStateStatusEnum::EMPTY => return None,
        ContainerStateStatusEnum::CREATED => State::Created,
        ContainerStateStatusEnum::RUNNING | ContainerStateStatusEnum::STOPPING => State::Running,
        ContainerStateStatusEnum::PAUSED => State::Paused,
        ContainerStateStatusEnum::RESTARTING => State::Restarting,
        ContainerStateStatusEnum::REMOVING => State::Removing,
        ContainerStateStatusEnum::EXITED => State::Exited,
        ContainerStateStatusEnum::DEAD => State::Dead,
    })
}

pub(super) fn listed_state(state: ContainerSummaryStateEnum) -> Option<State> {
    Some(match state {
        ContainerSummaryStateEnum::EMPTY => return None,
        ContainerSummaryStateEnum::CREATED => State::Created,
        ContainerSummaryStateEnum::RUNNING | ContainerSummaryStateEnum::STOPPING => State::Running,
        ContainerSummaryStateEnum::PAUSED => State::Paused,
        ContainerSummaryStateEnum::RESTARTING => State::Restarting,
        ContainerSummaryStateEnum::REMOVING => State::Removing,
        ContainerSummaryStateEnum::EXITED => State::Exited,
        ContainerSummaryStateEnum::DEAD => State::Dead,
    })
}

/// Seconds since 1970 of an RFC 3339 time; `None` for Docker's "never", the year 1.
pub(super) fn unix_seconds(text: &str) -> Option<f64> {
    let time = chrono::DateTime::parse_from_rfc3339(text).ok()?;
    let nanos = time.timestamp_nanos_opt().filter(|nanos| *nanos > 0)?;
    Some(Duration::from_nanos(u64::try_from(nanos).ok()?).as_secs_f64())
}

/// Where runc puts a container's cgroup (systemd.slice(5): `tenant-a.slice` is inside `tenant.slice`).
pub(super) fn expected_cgroup(driver: CgroupDriver, parent: Option<&str>, id: &ContainerId) -> String {
    let parent = parent.map(|parent| parent.trim_matches('/')).filter(|parent| !parent.is_empty());
    match driver {
        CgroupDriver::Cgroupfs => format!("/{}/{id}", parent.unwrap_or("docker")),
        CgroupDriver::Systemd => {
            let slice = parent.unwrap_or("system.slice");
            let name = slice.strip_suffix(".slice").unwrap_or(slice);
            let mut path = String::new();
            for (at, _) in name.match_indices('-').filter(|(at, _)| *at > 0) {
                path.extend(["/", name.get(..at).unwrap_or(name), ".slice"]);
            }
            if name != "-" {
                path.extend(["/", slice]);
            }
            format!("{path}/docker-{id}.scope")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stopped_containers_cgroup_is_where_it_would_be() {
        let id = ContainerId::new(&"1".repeat(64)).unwrap();
        for (driver, parent, expected) in [
            (CgroupDriver::Systemd, None, format!("/system.slice/docker-{id}.scope")),
            (CgroupDriver::Systemd, Some("lab.slice"), format!("/lab.slice/docker-{id}.scope")),
            (CgroupDriver::Systemd, Some("-.slice"), format!("/docker-{id}.scope")),
            (
                CgroupDriver::Systemd,
                Some("tenant-a-b.slice"),
                format!("/tenant.slice/tenant-a.slice/tenant-a-b.slice/docker-{id}.scope"),
            ),
            (CgroupDriver::Cgroupfs, None, format!("/docker/{id}")),
            (CgroupDriver::Cgroupfs, Some("/custom/x"), format!("/custom/x/{id}")),
        ] {
            assert_eq!(expected_cgroup(driver, parent, &id), expected);
        }
    }

    #[test]
    fn the_year_one_is_never() {
        assert_eq!(unix_seconds("0001-01-01T00:00:00Z"), None);
        assert_eq!(unix_seconds("2026-11-23T23:50:18.5Z"), Some(1_795_477_818.5));
        assert_eq!(unix_seconds("2026-11-24T01:50:18+02:00"), Some(1_795_477_818.0));
        assert_eq!(unix_seconds("yesterday"), None);
    }

    #[test]
    fn events_are_understood_in_dockers_words() {
        let id = "2".repeat(64);
        let event = |action: &str| {
            let json = format!(
                r#"{{"Type":"container","Action":"{action}","Actor":{{"ID":"{id}","Attributes":{{"name":"new","oldName":"/old"}}}}}}"#
            );
            understood(&serde_json::from_str(&json).unwrap()).map(|(_, action)| action)
        };
        assert_eq!(event("start"), Some(Action::Inspect));
        assert_eq!(event("rename"), Some(Action::Rename("new".into())));
        assert_eq!(event("health_status: healthy"), Some(Action::Health(Health::Healthy)));
        assert_eq!(event("health_status: unhealthy"), Some(Action::Health(Health::NotHealthy)));
        assert_eq!(event("exec_die"), None);
    }
}
