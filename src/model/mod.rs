//! Joins samples and metadata: one [`Container`] for each container in the output.

mod bursts;
mod disk;
mod network;
mod oom;
mod rates;

pub use bursts::{Bursts, Peaks, Poll};
pub use disk::Disk;
pub use network::{Claimant, claims};
pub use oom::OomKills;
pub use rates::{RatePoint, Rates, Window};

use crate::{
    metadata::Metadata,
    parse::{CgroupPath, ContainerId, memory_stat::Key},
    sample::ScopeSample,
};
use std::sync::Arc;

/// A container as it is shown: running, or known only to Docker. The host is shown in the same form.
#[derive(Debug)]
pub struct Container {
    /// Its ID.
    pub id: ContainerId,
    /// The cgroup that it has, had or would have, below the cgroup root.
    pub cgroup: CgroupPath,
    /// What Docker says about it.
    pub metadata: Option<Arc<Metadata>>,
    /// The last reading. It means nothing while no cgroup is read; users of this field must know that.
    pub sample: ScopeSample,
    /// What changed over the last polling window.
    pub rates: Rates,
    /// The highest of the last polling windows, as of the last full pass.
    pub peaks: Peaks,
    /// When its cgroup was created, in Unix seconds; of the host, when it was booted.
    pub scope_created: Option<f64>,
    /// The current run, if its start was seen.
    pub new_run: Option<NewRun>,
    /// OOM kills over all its runs.
    pub oom_kills: OomKills,
    /// What its files take up, according to Docker.
    pub disk: Option<Disk>,
    is_host: bool,
}

/// A run whose start was seen. Until Docker reports this start, Docker's times belong to the run before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NewRun {
    /// When its cgroup was created, in Unix seconds.
    pub began: f64,
    /// The start that Docker had reported by then, in Unix seconds.
    pub told_before: Option<f64>,
}

impl NewRun {
    /// Tolerance between times of Docker and of cgroups, in seconds. Their events may arrive in either order,
    /// and the times of cgroups are coarse: Docker takes its time after the cgroup was created, and the file
    /// system takes its time when the directory is first looked at.
    const TOLERANCE: f64 = 1.0;

    /// Whether a start that Docker reports belongs to this run, and not to the one before.
    #[must_use]
    pub fn is_started_at(&self, told: f64) -> bool {
        let newer = self.told_before.is_some_and(|before| told > before);
        newer || told >= self.began - Self::TOLERANCE
    }
}

impl Container {
    /// A container without any reading.
    #[must_use]
    pub fn new(id: ContainerId, cgroup: impl Into<CgroupPath>) -> Self {
        Self {
            id,
            cgroup: cgroup.into(),
            metadata: None,
            sample: ScopeSample::default(),
            rates: Rates::default(),
            peaks: Peaks::default(),
            scope_created: None,
            new_run: None,
            oom_kills: OomKills::default(),
            is_host: false,
            disk: None,
        }
    }

    /// The host, without any reading: its cgroup is the root, and Docker does not know it.
    #[must_use]
    pub fn host() -> Self {
        Self { is_host: true, ..Self::new(ContainerId::of_none(), "/") }
    }

    /// Whether this is the host.
    #[must_use]
    pub fn is_host(&self) -> bool {
        self.is_host
    }

    /// Docker's name, or the short ID.
    #[must_use]
    pub fn name(&self) -> &str {
        self.metadata.as_ref().map_or_else(|| self.id.short(), |metadata| &metadata.name)
    }

    /// The memory limit in bytes, if it was read: that of the machine where there is none or it is larger.
    #[must_use]
    pub fn memory_limit(&self, machine: Option<u64>) -> Option<u64> {
        self.sample.memory_max?.within(machine)
    }

    /// `memory.current` without `inactive_file`, bytes: what `docker stats` shows.
    #[must_use]
    pub fn working_set(&self) -> Option<u64> {
        let inactive = self.sample.memory_stat.as_ref()?.get(Key::InactiveFile)?;
        Some(self.sample.memory_current?.saturating_sub(inactive))
    }

    /// Share of the last 10 s in which some task waited for CPU, memory and I/O, 0 to 1.
    #[must_use]
    pub fn waiting(&self) -> [Option<f64>; 3] {
        let sample = &self.sample;
        [sample.cpu_pressure, sample.memory_pressure, sample.io_pressure].map(|pressure| {
            let [average, ..] = pressure?.some?.averages;
            // The kernel's value is in hundredths of a percent.
            Some(rates::float(average) / 1e4)
        })
    }

    /// When it was started, in Unix seconds: according to Docker, otherwise when its cgroup was created.
    #[must_use]
    pub fn started(&self) -> Option<f64> {
        self.told_start().or(self.new_run.map(|run| run.began)).or(self.scope_created)
    }

    /// The start of the current run according to Docker; `None` while Docker has reported only the run
    /// before.
    #[must_use]
    pub fn told_start(&self) -> Option<f64> {
        let told = self.metadata.as_ref()?.started?;
        self.new_run.is_none_or(|run| run.is_started_at(told)).then_some(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_run_began_with_its_cgroup_until_docker_tells() {
        let id = ContainerId::new(&"1".repeat(64)).unwrap();
        let mut container = Container::new(id.clone(), String::new());
        let tell = |container: &mut Container, started| {
            container.metadata =
                Some(Arc::new(Metadata { started: Some(started), ..Metadata::new(id.clone()) }));
        };
        container.scope_created = Some(500.0);
        assert_eq!(container.started(), Some(500.0));
        // It was found running, so its cgroup's time may be that of our first look.
        tell(&mut container, 100.0);
        assert_eq!(container.started(), Some(100.0));
        container.new_run = Some(NewRun { began: 700.0, told_before: Some(100.0) });
        assert_eq!((container.started(), container.told_start()), (Some(700.0), None));
        for started in [699.5, 700.2, 760.0] {
            tell(&mut container, started);
            assert_eq!((container.started(), container.told_start()), (Some(started), Some(started)));
        }
        // Docker's event arrived before that of the cgroup.
        container.new_run = Some(NewRun { began: 800.0, told_before: Some(800.3) });
        tell(&mut container, 800.3);
        assert_eq!(container.started(), Some(800.3));
    }
}
