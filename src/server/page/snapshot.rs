//! What one full pass has read, for the page and the API: one row per container.

use crate::{
    advice::Hidden,
    collector::{ContainerHistory, Report, View, Visitor},
    metadata::{Health, Metadata, State},
    model::{Container, Rates},
    parse::{ContainerId, CpuMax, Limit},
};

const PROJECT: &str = "com.docker.compose.project";
const SERVICE: &str = "com.docker.compose.service";

/// What one full pass has read. Times are in Unix seconds, amounts in bytes.
#[derive(Debug, Clone, Default)]
pub(super) struct Snapshot {
    /// When it was read
    pub(super) now: f64,
    pub(super) host: Host,
    /// By ID
    pub(super) rows: Vec<Row>,
}

/// The host. `None` is what is not known.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Host {
    pub(super) cores: Option<u64>,
    pub(super) memory: Option<u64>,
    /// Memory that is free, or can be freed at once
    pub(super) available: Option<u64>,
    /// CPU time since the boot, µs
    pub(super) cpu_usec: Option<u64>,
    /// CPUs busy between the last two snapshots
    pub(super) cpu: Option<f64>,
    pub(super) pressure: [Option<f64>; 3],
}

/// One container. `None` is what is not known.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) id: ContainerId,
    pub(super) name: String,
    /// Whether Docker named it
    pub(super) named: bool,
    pub(super) image: Option<String>,
    pub(super) project: Option<String>,
    pub(super) service: Option<String>,
    pub(super) state: Option<&'static str>,
    /// `None` also if it has no healthcheck
    pub(super) health: Option<&'static str>,
    /// Of the last run, if it does not run
    pub(super) exit_code: Option<i64>,
    pub(super) restarts: Option<u64>,
    /// Whether its cgroup is read
    pub(super) live: bool,
    /// Why its numbers are not shown
    pub(super) hidden: Option<&'static str>,
    pub(super) started: Option<f64>,
    pub(super) ended: Option<f64>,
    pub(super) rates: Rates,
    pub(super) memory: Option<u64>,
    pub(super) working_set: Option<u64>,
    pub(super) memory_max: Option<Limit>,
    /// CPUs that its quota allows
    pub(super) cpu_limit: Option<f64>,
    /// Quota periods, and those in which it was throttled
    pub(super) periods: Option<(u64, u64)>,
    /// Share of the periods between the last two snapshots in which it was throttled
    pub(super) throttled: Option<f64>,
    pub(super) pids: Option<u64>,
    pub(super) oom_kills: Option<u64>,
    pub(super) pressure: [Option<f64>; 3],
}

impl Row {
    /// A container of which nothing but its ID is known.
    pub(super) fn new(id: ContainerId) -> Self {
        Self {
            name: id.short().to_owned(),
            id,
            named: false,
            image: None,
            project: None,
            service: None,
            state: None,
            health: None,
            exit_code: None,
            restarts: None,
            live: false,
            hidden: None,
            started: None,
            ended: None,
            rates: Rates::default(),
            memory: None,
            working_set: None,
            memory_max: None,
            cpu_limit: None,
            periods: None,
            throttled: None,
            pids: None,
            oom_kills: None,
            pressure: [None; 3],
        }
    }

    /// Takes what Docker says.
    pub(super) fn describe(&mut self, metadata: Option<&Metadata>) {
        self.named = metadata.is_some();
        let Some(metadata) = metadata else { return };
        let label = |key| metadata.labels.iter().find(|label| label.key == key).map(|l| l.value.clone());
        self.name.clone_from(&metadata.name);
        self.image.clone_from(&metadata.image);
        (self.project, self.service) = (label(PROJECT), label(SERVICE));
        self.state = metadata.state.map(State::as_str);
        self.health = metadata.health.filter(|health| *health != Health::None).map(Health::as_str);
        self.exit_code = metadata.code_of_end();
        self.restarts = metadata.restarts;
    }

    fn of(container: &Container, live: bool) -> Self {
        let mut row = Self { live, ..Self::new(container.id.clone()) };
        row.describe(container.metadata.as_deref());
        row.oom_kills = container.oom_kills.total();
        if !live {
            // The last reading means nothing any more.
            row.ended = container.metadata.as_ref().and_then(|metadata| metadata.finished);
            return row;
        }
        let sample = &container.sample;
        let quota = |max: CpuMax| {
            let (quota, period) = (max.quota_usec.value()?, max.period_usec);
            (period > 0).then(|| float(quota) / float(period))
        };
        Self {
            started: container.started(),
            rates: container.rates,
            memory: sample.memory_current,
            working_set: container.working_set(),
            memory_max: sample.memory_max,
            cpu_limit: sample.cpu_max.and_then(quota),
            periods: sample.cpu.and_then(|cpu| cpu.nr_periods.zip(cpu.nr_throttled)),
            pids: sample.pids_current,
            pressure: container.waiting(),
            ..row
        }
    }

    /// A container that has ended, of which only the history tells.
    pub(super) fn of_history(container: &ContainerHistory) -> Self {
        let mut row = Self { ended: container.ended, ..Self::new(container.id.clone()) };
        row.describe(container.metadata.as_deref());
        // Docker's word is older than the end.
        (row.state, row.exit_code) = (None, None);
        row
    }

    /// The memory limit; `None` if there is none below the host's memory.
    pub(super) fn memory_limit(&self, host: Option<u64>) -> Option<u64> {
        let limit = self.memory_max?.value()?;
        host.is_none_or(|host| limit < host).then_some(limit)
    }

    /// Completes what is about the time since the snapshot before.
    pub(super) fn compare(&mut self, before: &Self) {
        let Some((periods, throttled)) = self.periods.filter(|(periods, _)| *periods > 0) else { return };
        let Some((periods_before, throttled_before)) = before.periods else { return };
        let since = periods.checked_sub(periods_before).zip(throttled.checked_sub(throttled_before));
        self.throttled = since.map(|(periods, throttled)| {
            // Without a period it had nothing to do.
            if periods == 0 { 0.0 } else { (float(throttled) / float(periods)).min(1.0) }
        });
    }
}

impl Host {
    fn of(view: &View<'_>) -> Self {
        let machine = view.page.machine;
        let host = view.host();
        let meminfo = &machine.meminfo;
        let memory = meminfo.mem_total;
        // What was read in this pass, if it was.
        let used = host.and_then(Container::working_set);
        let before = || Some(meminfo.mem_free? + meminfo.inactive_file.unwrap_or_default());
        Self {
            cores: machine.cpu_cores,
            memory,
            available: memory.zip(used).map_or_else(before, |(all, used)| all.checked_sub(used)),
            cpu_usec: host.and_then(|host| Some(host.sample.cpu?.usage_usec)),
            cpu: None,
            pressure: host.map(Container::waiting).unwrap_or_default(),
        }
    }
}

impl Visitor for Snapshot {
    fn visit(&mut self, view: &View<'_>) {
        self.now = view.page.now;
        self.host = Host::of(view);
        self.rows = view.containers().map(|shown| Row::of(shown.container, shown.is_live)).collect();
        self.rows.sort_by(|one, other| one.id.cmp(&other.id));
    }
}

impl Snapshot {
    /// Adds the containers that the pass does not show, but which are known, and why.
    pub(super) fn join(&mut self, report: &Report) {
        let mut more = Vec::new();
        for container in &report.containers {
            let hidden = container.hidden.map(Hidden::as_str);
            let at = self.rows.binary_search_by(|row| row.id.as_str().cmp(&container.id));
            match at.ok().and_then(|at| self.rows.get_mut(at)) {
                Some(row) => row.hidden = hidden,
                // Directories that are no containers are listed elsewhere.
                None if container.named || container.live => more.push(container),
                None => {}
            }
        }
        for container in more {
            let Some(id) = ContainerId::new(&container.id) else { continue };
            let row = Row {
                name: container.name.clone(),
                named: container.named,
                image: container.image.clone(),
                state: container.state,
                live: container.live,
                hidden: container.hidden.map(Hidden::as_str),
                ..Row::new(id)
            };
            self.rows.push(row);
        }
        self.rows.sort_by(|one, other| one.id.cmp(&other.id));
    }

    /// Completes what is about the time since the snapshot before.
    pub(super) fn compare(&mut self, before: &Self) {
        let seconds = self.now - before.now;
        let usec = self.host.cpu_usec.zip(before.host.cpu_usec);
        let usec = usec.and_then(|(now, then)| now.checked_sub(then)).filter(|_| seconds > 0.0);
        self.host.cpu = usec.map(|usec| float(usec) / 1e6 / seconds);
    }
}

/// Exact up to 2⁵³.
#[expect(clippy::cast_precision_loss, reason = "a few digits are shown")]
pub(super) fn float(number: u64) -> f64 {
    number as f64
}
