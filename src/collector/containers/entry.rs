//! One container and how it is read.

use super::{Reading, live_scope::LiveScope};
use crate::{
    collector::report::ContainerReport,
    exposition::LabelBlock,
    model::{Container, Rates},
    sample::{FileSet, KernelFile},
};
use std::time::{Duration, SystemTime};

/// A series without its name, then one with it, breaks `rate()`: so long a new container waits for its name.
const WAIT_FOR_NAME: Duration = Duration::from_secs(2);

/// A container and how it is read.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) container: Container,
    pub(super) labels: LabelBlock,
    pub(super) scope: Option<LiveScope>,
    /// The run that it is in, or was in last: the same cgroup found again is no new one.
    pub(super) last_run: Option<(u64, Option<SystemTime>)>,
    /// Whether it is on the page: found once per pass, and not again for each family.
    pub(super) shown: bool,
}

impl Entry {
    /// The cgroup is gone: its numbers go with it, what Docker knows stays.
    pub(super) fn end(&mut self) {
        self.scope = None;
        self.container.live = false;
        self.container.rates = Rates::default();
        self.container.scope_created = None;
    }

    pub(super) fn is_to_be_shown(&self, reading: &Reading, docker_down: bool) -> bool {
        if let Some(metadata) = &self.container.metadata {
            return metadata.included && (self.container.live || reading.serves_stopped);
        }
        let waited = || self.scope.as_ref().is_some_and(|live| live.first_seen.elapsed() >= WAIT_FOR_NAME);
        self.container.live
            && (docker_down || waited())
            && reading.filter.lets_through(self.container.id.short(), "", &|_| None)
    }

    pub(super) fn report(&self, files: FileSet) -> ContainerReport {
        let metadata = self.container.metadata.as_ref();
        let live = self.scope.as_ref();
        ContainerReport {
            id: self.container.id.to_string(),
            name: self.container.name().to_owned(),
            named: metadata.is_some(),
            image: metadata.and_then(|metadata| metadata.image.clone()),
            state: metadata.and_then(|metadata| metadata.state).map(|state| state.as_str()),
            cgroup: self.container.cgroup.clone(),
            live: self.container.live,
            pid: live.and_then(|live| live.network.pid()),
            network: live.map_or("not running", |live| live.verdict(metadata.map(|m| &**m))),
            missing_files: live
                .map(|live| live.reader.absent_files(files).map(KernelFile::name).collect())
                .unwrap_or_default(),
        }
    }
}
