//! The cgroup of a running container: its descriptors, its window and its network namespace.

use super::Reading;
use crate::{
    advice::NetworkCounters,
    metadata::Metadata,
    model::{Container, Window},
    sample::{FileSet, NetProblem, NetReader, Pass, ScopeReader},
};
use std::time::{Duration, Instant};

/// While a container starts, runc's helpers pass through its cgroup, still in the host's network namespace.
const SETTLING: Duration = Duration::from_secs(10);
/// After that, how often its process and namespace are looked at again.
const RELOCATE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct LiveScope {
    pub(super) reader: ScopeReader,
    pub(super) network: NetReader,
    pub(super) problem: Option<NetProblem>,
    pub(super) claims: bool,
    /// Whether a write to its files would be told of.
    pub(super) watched: bool,
    /// Whether its limits are what they were when last read.
    pub(super) settings_known: bool,
    pub(super) window: Window,
    pub(super) first_seen: Instant,
    pub(super) located: Option<Instant>,
}

impl LiveScope {
    /// Those of some files that can hold something new.
    pub(super) fn changeable(&self, files: FileSet, recheck: bool) -> FileSet {
        if self.settings_known && !recheck { files.without(FileSet::SETTINGS) } else { files }
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        let Some(at) = self.located else { return true };
        let settling = now.saturating_duration_since(self.first_seen) < SETTLING;
        now.saturating_duration_since(at) >= if settling { Duration::from_millis(250) } else { RELOCATE }
    }

    /// Chooses the process to read through. `true` if the namespace is another than before.
    pub(super) fn locate(&mut self, container: &Container, pass: &mut Pass) -> bool {
        self.located = Some(Instant::now());
        let before = self.network.netns();
        let pids = self.reader.pids(&mut pass.scratch, &mut pass.report);
        let main_pid = container.metadata.as_ref().and_then(|metadata| metadata.main_pid);
        self.problem = self.network.locate(&container.id, &pids, main_pid, pass).err();
        before != self.network.netns()
    }

    /// Reads the interface counters, through another process if the one known has ended.
    pub(super) fn read_network(&mut self, container: &mut Container, reading: &Reading, pass: &mut Pass) {
        container.sample.net.read = false;
        if !(reading.network && self.claims) {
            return;
        }
        if self.network.read(&container.id, pass, &mut container.sample.net) {
            return;
        }
        let changed = self.locate(container, pass);
        if changed {
            // Another namespace, or none: who may claim it is settled at the next pass.
            self.claims = false;
            self.located = None;
        } else {
            self.network.read(&container.id, pass, &mut container.sample.net);
        }
    }

    pub(super) fn verdict(&self, metadata: Option<&Metadata>) -> NetworkCounters {
        match self.problem {
            _ if self.claims => NetworkCounters::Own,
            Some(NetProblem::NoProcess) => NetworkCounters::NoProcess,
            Some(NetProblem::ForeignPids) => NetworkCounters::ForeignPids,
            Some(NetProblem::Hidden) => NetworkCounters::Hidden,
            None if metadata.is_some_and(Metadata::borrows_network) => NetworkCounters::Borrowed,
            None if metadata.is_some_and(Metadata::is_host_network) => NetworkCounters::Host,
            None => NetworkCounters::HostOrBorrowed,
        }
    }
}
