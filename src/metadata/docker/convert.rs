//! Converts Docker's models to [`Metadata`].

use super::{
    health,
    problem::Problem,
    time::{positive, unix_seconds},
    tolerant::Inspection,
};
use crate::{
    metadata::{
        Chosen, Filter, Health, Labels, Metadata, State,
        action::Action,
        told::{Row, Tells, Told, Words},
    },
    parse::ContainerId,
};
use bollard::models::{
    ContainerStateStatusEnum, ContainerSummary, ContainerSummaryStateEnum, EventMessage, SystemInfo,
    SystemInfoCgroupDriverEnum,
};
use std::{collections::HashMap, time::Duration};

/// Which cgroup driver Docker uses: it decides where the cgroups of containers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CgroupDriver {
    Systemd,
    Cgroupfs,
}

impl CgroupDriver {
    pub(super) fn of(info: &SystemInfo) -> Option<Self> {
        match info.cgroup_driver? {
            SystemInfoCgroupDriverEnum::CGROUPFS => Some(Self::Cgroupfs),
            SystemInfoCgroupDriverEnum::SYSTEMD => Some(Self::Systemd),
            _ => None,
        }
    }
}

/// Converts answers to [`Metadata`]. Knows which labels are taken over, and which containers are wanted.
pub(super) struct Converter {
    pub(super) labels: Labels,
    pub(super) filter: Filter,
    /// Called for every label that is too long to be shown in full.
    pub(super) on_cut: Box<dyn Fn() + Send + Sync>,
}

impl Converter {
    /// Converts an inspection. An answer about another container than the requested one is an error.
    pub(super) fn metadata(
        &self,
        asked: &ContainerId,
        inspection: Inspection,
        driver: Option<CgroupDriver>,
    ) -> Result<Told, Problem> {
        let Inspection { answer: inspect, is_odd } = inspection;
        let id = inspect.id.as_deref().and_then(ContainerId::new);
        let id = id.filter(|id| id == asked).ok_or_else(|| Problem::Odd("it has another ID".into()))?;
        let name = plain_name(inspect.name.as_deref());
        let parent = inspect.host_config.as_ref().and_then(|host| host.cgroup_parent.as_ref());
        let config = inspect.config.as_ref();
        let tells = Tells {
            name: name.is_some(),
            labels: !is_odd && config.is_some_and(|config| config.labels.is_some()),
            environment: !is_odd && config.is_some_and(|config| config.env.is_some()),
            main_pid: inspect.state.as_ref().is_some_and(|state| state.pid.is_some()),
            cgroup: parent.is_some(),
        };
        let name = name.unwrap_or_else(|| id.short()).to_owned();
        let config = inspect.config.unwrap_or_default();
        let host_config = inspect.host_config.unwrap_or_default();
        let state = inspect.state.unwrap_or_default();
        let restart_count = inspect.restart_count.and_then(positive);
        // No `Health` in a completely read state means no healthcheck. A `Health` without a status is
        // unknown.
        let failing_streak = health::failing_streak(&state, &config);
        let health = match state.health {
            Some(told) => told.status.map(health::health),
            None => state.status.filter(|_| !is_odd).map(|_| Health::None),
        };
        let labels = config.labels.unwrap_or_default();
        let metadata = Metadata {
            labels: self.chosen(&labels, config.env.iter().flatten().map(String::as_str)),
            name: self.cut(name),
            image: self.value(config.image),
            image_id: self.value(inspect.image),
            network_mode: self.value(host_config.network_mode),
            main_pid: state.pid.and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid != 0),
            cpu_shares: host_config.cpu_shares.and_then(positive),
            exit_code: state.exit_code,
            created: inspect.created.as_deref().and_then(unix_seconds),
            started: state.started_at.as_deref().and_then(unix_seconds),
            finished: state.finished_at.as_deref().and_then(unix_seconds),
            restart_count,
            restarts: restart_count,
            oom_killed: state.oom_killed,
            health,
            failing_streak,
            state: state.status.and_then(inspected_state),
            cgroup: expected_cgroup(driver, host_config.cgroup_parent.as_deref(), &id).into(),
            ..Metadata::new(id)
        };
        Ok(Told { metadata, filtered_by: self.filter.kept(&labels), tells })
    }

    /// Converts the `create` or `start` event of a container. It is enough for a name while an inspection
    /// waits for the daemon, which locks the container until it runs.
    pub(super) fn metadata_of_event(
        &self,
        event: &EventMessage,
        driver: Option<CgroupDriver>,
    ) -> Option<Told> {
        let actor = event.actor.as_ref()?;
        // The container's labels are among the attributes.
        let mut labels = actor.attributes.clone()?;
        let summary = ContainerSummary {
            id: actor.id.clone(),
            names: Some(vec![labels.remove("name")?]),
            image: labels.remove("image"),
            labels: Some(labels),
            ..ContainerSummary::default()
        };
        Some(self.row(&summary, driver, 0.0)?.told)
    }

    /// Converts a row of a list; `None` without a valid ID. `now` is the daemon's time.
    pub(super) fn row(
        &self,
        summary: &ContainerSummary,
        driver: Option<CgroupDriver>,
        now: f64,
    ) -> Option<Row> {
        let id = ContainerId::new(summary.id.as_deref()?)?;
        let none = HashMap::new();
        let labels = summary.labels.as_ref().unwrap_or(&none);
        let status = summary.status.as_deref().unwrap_or_default();
        let name = plain_name(own_name(summary.names.as_deref().unwrap_or_default()));
        let tells = Tells {
            // The name of a link is better than none.
            name: name.is_some_and(|name| !name.contains('/')),
            labels: summary.labels.is_some(),
            ..Tells::default()
        };
        let metadata = Metadata {
            labels: self.chosen(labels, std::iter::empty()),
            name: self.cut(name.unwrap_or_else(|| id.short()).to_owned()),
            image: self.value(summary.image.clone()),
            image_id: self.value(summary.image_id.clone()),
            network_mode: self.value(summary.host_config.as_ref().and_then(|host| host.network_mode.clone())),
            state: summary.state.and_then(listed_state),
            exit_code: exit_code_in(status),
            created: summary
                .created
                .and_then(positive)
                .map(|seconds| Duration::from_secs(seconds).as_secs_f64()),
            health: health::of_row(summary),
            cgroup: expected_cgroup(driver, None, &id).into(),
            ..Metadata::new(id)
        };
        let told = Told { metadata, filtered_by: self.filter.kept(labels), tells };
        let words =
            Words { image: told.metadata.image.clone(), status: status.chars().take(MAX_STATUS).collect() };
        Some(Row { told, began_after: age_in(status).map(|age| now - age), words })
    }

    fn chosen<'a>(
        &self,
        labels: &'a HashMap<String, String>,
        environment: impl Iterator<Item = &'a str>,
    ) -> Vec<Chosen> {
        let labels = labels.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let mut chosen = self.labels.choose(labels, environment);
        let mut room = MAX_LABELS;
        chosen.retain_mut(|Chosen { name, value, .. }| {
            *value = self.cut(std::mem::take(value));
            let left = room.checked_sub(name.len() + value.len()).filter(|_| name.len() <= MAX_VALUE);
            if left.is_none() {
                (self.on_cut)();
            }
            room = left.unwrap_or(room);
            left.is_some()
        });
        chosen
    }

    fn value(&self, value: Option<String>) -> Option<String> {
        value.filter(|value| !value.is_empty()).map(|value| self.cut(value))
    }

    /// Cuts a text to the longest label value.
    pub(super) fn cut(&self, mut value: String) -> String {
        if value.len() > MAX_VALUE {
            let end = (0..=MAX_VALUE).rev().find(|at| value.is_char_boundary(*at)).unwrap_or(0);
            value.truncate(end);
            value.shrink_to_fit();
            (self.on_cut)();
        }
        value
    }
}

/// The longest label value, in bytes. Every series of a container repeats it.
const MAX_VALUE: usize = 1024;
/// The most bytes for all chosen labels of a container, names and values.
const MAX_LABELS: usize = 16 << 10;
/// How many characters of a status are kept to compare it. Docker's own are far shorter.
const MAX_STATUS: usize = 100;
/// The longest path that the kernel accepts, in bytes.
const MAX_PATH: usize = 4096;
/// The longest unit name that systemd accepts, in bytes.
const MAX_UNIT: usize = 255;

pub(super) fn understood(event: &EventMessage) -> Option<(ContainerId, Action)> {
    let actor = event.actor.as_ref()?;
    let id = ContainerId::new(actor.id.as_deref()?)?;
    let action = match event.action.as_deref()? {
        "create" | "update" => Action::Inspect,
        "start" => Action::Start,
        "die" => Action::Die,
        "destroy" => Action::Destroy,
        "pause" => Action::Pause,
        "unpause" => Action::Unpause,
        "oom" => Action::Oom { at: time_of(event) },
        "rename" => {
            let name = actor.attributes.as_ref().and_then(|attributes| attributes.get("name"));
            let name = plain_name(name.map(String::as_str));
            name.map_or(Action::Inspect, |name| Action::Rename(name.to_owned()))
        }
        other => match other.strip_prefix("health_status: ")? {
            "healthy" => Action::Health(Health::Healthy),
            "unhealthy" => Action::Health(Health::Unhealthy),
            "starting" => Action::Health(Health::Starting),
            _ => Action::Inspect,
        },
    };
    Some((id, action))
}

/// When something happened, in Unix seconds. Very old daemons give whole seconds only.
fn time_of(event: &EventMessage) -> Option<f64> {
    let nanos = event.time_nano.and_then(|nanos| u64::try_from(nanos).ok()).map(Duration::from_nanos);
    let seconds = event.time.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs);
    nanos.or(seconds).filter(|time| !time.is_zero()).map(|time| time.as_secs_f64())
}

/// A name without its leading slash, if there is one.
pub(super) fn plain_name(name: Option<&str>) -> Option<&str> {
    name.map(|name| name.trim_start_matches('/')).filter(|name| !name.is_empty())
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

/// The container's own name of several names. Names of links have the form `/other/alias`.
fn own_name(names: &[String]) -> Option<&str> {
    let mut told = names.iter().map(String::as_str).filter(|name| plain_name(Some(name)).is_some());
    let first = told.clone().next();
    told.find(|name| !name.trim_start_matches('/').contains('/')).or(first)
}

/// The exit code in a status like `Exited (137) 2 hours ago`.
fn exit_code_in(status: &str) -> Option<i64> {
    let after = status.strip_prefix("Exited (").or_else(|| status.strip_prefix("Restarting ("))?;
    after.split_once(')')?.0.parse().ok()
}

/// The longest age, in seconds, that a status like `Up 2 hours` or `Exited (0) About a minute ago` can mean.
fn age_in(status: &str) -> Option<f64> {
    if status.contains("Less than a second") {
        return Some(2.0);
    }
    let mut words = status.split(' ').skip(1).skip_while(|word| word.starts_with('('));
    let (number, unit) = match (words.next()?, words.next()?, words.next()) {
        ("About", _, unit) => (1, unit?),
        (number, unit, _) => (number.parse::<u32>().ok()?, unit),
    };
    let seconds = match unit.trim_end_matches('s') {
        "second" => 1.0,
        "minute" => 60.0,
        "hour" => 3600.0,
        "day" => 86_400.0,
        "week" => 7.0 * 86_400.0,
        "month" => 30.0 * 86_400.0,
        "year" => 365.0 * 86_400.0,
        _ => return None,
    };
    Some((f64::from(number) + 1.0) * seconds)
}

/// Where runc creates a container's cgroup (systemd.slice(5): `tenant-a.slice` is inside `tenant.slice`).
///
/// If the driver is not known, the parent shows it: the systemd driver uses slices.
pub(super) fn expected_cgroup(
    driver: Option<CgroupDriver>,
    parent: Option<&str>,
    id: &ContainerId,
) -> String {
    let parent = parent.map(|parent| parent.trim_matches('/')).filter(|parent| !parent.is_empty());
    let by_parent = match parent {
        Some(parent) if !parent.ends_with(".slice") => CgroupDriver::Cgroupfs,
        _ => CgroupDriver::Systemd,
    };
    let driver = driver.unwrap_or(by_parent);
    let longest = if driver == CgroupDriver::Systemd { MAX_UNIT } else { MAX_PATH };
    let path = match (driver, parent.filter(|parent| parent.len() <= longest)) {
        (CgroupDriver::Cgroupfs, parent) => format!("/{}/{id}", parent.unwrap_or("docker")),
        (CgroupDriver::Systemd, parent) => {
            let slice = parent.unwrap_or("system.slice");
            let name = slice.strip_suffix(".slice").unwrap_or(slice);
            let mut path = String::new();
            for (at, _) in name.match_indices('-').filter(|(at, _)| *at > 0) {
                path.extend(["/", name.get(..at).unwrap_or(name), ".slice"]);
            }
            if name != "-" {
                path.extend(["/", slice]);
            }
            format!("{path}/{}", id.scope_name())
        }
    };
    // The path is too long for a container to run there.
    if path.len() > MAX_PATH { expected_cgroup(Some(driver), None, id) } else { path }
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
            assert_eq!(expected_cgroup(Some(driver), parent, &id), expected);
            // If there is a parent, it is enough.
            if parent.is_some() {
                assert_eq!(expected_cgroup(None, parent, &id), expected);
            }
        }
    }

    #[test]
    fn a_parent_that_no_container_can_run_in_is_left_out() {
        let id = ContainerId::new(&"1".repeat(64)).unwrap();
        let absurd = format!("{}.slice", "a-".repeat(500_000));
        let too_deep = format!("{}.slice", "a-".repeat(120));
        for (driver, parent) in [
            (Some(CgroupDriver::Systemd), &absurd),
            (Some(CgroupDriver::Systemd), &too_deep),
            (None, &absurd),
            (None, &too_deep),
        ] {
            let expected = format!("/system.slice/docker-{id}.scope");
            assert_eq!(expected_cgroup(driver, Some(parent), &id), expected);
        }
        let long = format!("/{}", "x".repeat(5000));
        assert_eq!(expected_cgroup(None, Some(&long), &id), format!("/docker/{id}"));
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
        assert_eq!(event("start"), Some(Action::Start));
        assert_eq!(event("die"), Some(Action::Die));
        assert_eq!(event("update"), Some(Action::Inspect));
        assert_eq!(event("rename"), Some(Action::Rename("new".into())));
        assert_eq!(event("health_status: healthy"), Some(Action::Health(Health::Healthy)));
        assert_eq!(event("health_status: unhealthy"), Some(Action::Health(Health::Unhealthy)));
        assert_eq!(event("health_status: starting"), Some(Action::Health(Health::Starting)));
        assert_eq!(event("exec_die"), None);
    }

    #[test]
    fn a_status_tells_what_it_tells() {
        assert_eq!(exit_code_in("Exited (137) 25 seconds ago"), Some(137));
        assert_eq!(exit_code_in("Up 2 minutes"), None);
        for (status, age) in [
            ("Up 3 seconds", Some(4.0)),
            ("Up Less than a second", Some(2.0)),
            ("Up About a minute (healthy)", Some(120.0)),
            ("Up 3 minutes (Paused)", Some(240.0)),
            ("Exited (1) About an hour ago", Some(7200.0)),
            ("Exited (0) 2 weeks ago", Some(1_814_400.0)),
            ("Created", None),
            ("Up", None),
            ("Up a while", None),
            ("", None),
        ] {
            assert_eq!(age_in(status), age, "{status}");
        }
    }

    #[test]
    fn of_several_names_the_own_one_is_taken() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(own_name(&names(&["/web/db-alias", "/worker/mysql", "/db"])), Some("/db"));
        assert_eq!(own_name(&names(&["/web/db-alias"])), Some("/web/db-alias"));
        assert_eq!(own_name(&[]), None);
    }
}
