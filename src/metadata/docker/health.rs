//! What Docker's answers say about a container's healthcheck.

use super::time::{positive, unix_seconds};
use crate::metadata::{FailingStreak, Health};
use bollard::models::{
    ContainerConfig, ContainerState, ContainerSummary, ContainerSummaryHealthStatusEnum, HealthStatusEnum,
};
use std::time::Duration;

/// Docker's pause between two probes if none was set.
const INTERVAL: Duration = Duration::from_secs(30);
/// The same during the start period.
const START_INTERVAL: Duration = Duration::from_secs(5);

pub(super) fn health(status: HealthStatusEnum) -> Health {
    match status {
        HealthStatusEnum::EMPTY | HealthStatusEnum::NONE => Health::None,
        HealthStatusEnum::STARTING => Health::Starting,
        HealthStatusEnum::UNHEALTHY => Health::Unhealthy,
        HealthStatusEnum::HEALTHY => Health::Healthy,
    }
}

/// The health in a row of a list: newer daemons have a field for it.
pub(super) fn of_row(summary: &ContainerSummary) -> Option<Health> {
    let status = summary.status.as_deref().unwrap_or_default();
    match summary.health.as_ref().and_then(|health| health.status) {
        Some(status) => listed(status),
        None => health_in(status),
    }
}

fn listed(status: ContainerSummaryHealthStatusEnum) -> Option<Health> {
    Some(match status {
        ContainerSummaryHealthStatusEnum::EMPTY => return None,
        ContainerSummaryHealthStatusEnum::NONE => Health::None,
        ContainerSummaryHealthStatusEnum::STARTING => Health::Starting,
        ContainerSummaryHealthStatusEnum::UNHEALTHY => Health::Unhealthy,
        ContainerSummaryHealthStatusEnum::HEALTHY => Health::Healthy,
    })
}

/// The health in a status like `Up 2 hours (healthy)`. A status without one does not prove that there is no
/// healthcheck.
fn health_in(status: &str) -> Option<Health> {
    if status.ends_with("(healthy)") {
        Some(Health::Healthy)
    } else if status.ends_with("(unhealthy)") {
        Some(Health::Unhealthy)
    } else if status.ends_with("(health: starting)") {
        Some(Health::Starting)
    } else {
        None
    }
}

/// How many probes in a row have failed, and until when this can't have changed. Docker sends no event about
/// a single probe, but it waits for the interval after each one.
pub(super) fn failing_streak(state: &ContainerState, config: &ContainerConfig) -> Option<FailingStreak> {
    let told = state.health.as_ref()?;
    let status = told.status.map(health).filter(|status| *status != Health::None)?;
    let count = told.failing_streak.and_then(positive)?;
    let last = told.log.as_ref().and_then(|log| log.last());
    let counted_from = match last {
        Some(probe) => probe.end.as_deref().and_then(unix_seconds)?,
        None => state.started_at.as_deref().and_then(unix_seconds)?,
    };
    let check = config.healthcheck.as_ref();
    let pause = |nanos: Option<i64>, default: Duration| {
        nanos.and_then(positive).filter(|nanos| *nanos > 0).map_or(default, Duration::from_nanos)
    };
    let mut interval = pause(check.and_then(|check| check.interval), INTERVAL);
    if status == Health::Starting {
        interval = interval.min(pause(check.and_then(|check| check.start_interval), START_INTERVAL));
    }
    Some(FailingStreak { count, until: counted_from + interval.as_secs_f64() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, from_value, json};

    #[test]
    fn a_status_tells_the_health_if_it_has_one() {
        assert_eq!(health_in("Up 2 minutes (unhealthy)"), Some(Health::Unhealthy));
        assert_eq!(health_in("Up 2 seconds (health: starting)"), Some(Health::Starting));
        assert_eq!(health_in("Up 2 minutes"), None);
    }

    #[test]
    fn a_streak_holds_until_the_next_probe_can_have_ended() {
        let streak = |health: Value, check: Value| {
            let state = json!({"StartedAt": "1970-01-01T00:00:10Z", "Health": health});
            let config = json!({"Healthcheck": check});
            let found = failing_streak(&from_value(state).unwrap(), &from_value(config).unwrap());
            found.map(|streak| (streak.count, streak.until))
        };
        let unhealthy = json!({"Status": "unhealthy", "FailingStreak": 4, "Log": [
            {"End": "1970-01-01T00:01:00Z"}, {"End": "1970-01-01T00:02:00Z"}
        ]});
        assert_eq!(streak(unhealthy.clone(), json!(null)), Some((4, 150.0)));
        assert_eq!(streak(unhealthy, json!({"Interval": 600_000_000_000_i64})), Some((4, 720.0)));
        let starting = json!({"Status": "starting", "FailingStreak": 0, "Log": []});
        assert_eq!(streak(starting.clone(), json!({"Interval": 60_000_000_000_i64})), Some((0, 15.0)));
        assert_eq!(streak(starting, json!({"StartInterval": 2_000_000_000_i64})), Some((0, 12.0)));
        for unknown in [
            json!(null),
            json!({"Status": "none", "FailingStreak": 0}),
            json!({"Status": "healthy"}),
            json!({"Status": "healthy", "FailingStreak": -1}),
            json!({"Status": "healthy", "FailingStreak": 0, "Log": [{"End": "soon"}]}),
        ] {
            assert_eq!(streak(unknown.clone(), json!(null)), None, "{unknown}");
        }
    }
}
