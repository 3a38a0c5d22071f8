//! The cgroup of a running container: its descriptors, its window and its network namespace.

use super::Reading;
use crate::{
    advice::NetworkCounters,
    metadata::Metadata,
    model::{Bursts, Container, Window},
    sample::{
        DescriptorProblem, FileSet, Keep, KernelFile, NetProblem, NetReader, Pass, Processes, ScopeReader,
        stat_file::Scratch,
    },
};
use std::time::{Duration, Instant};

/// How long a new container counts as starting: runc's helpers pass through its cgroup while they are still
/// in the host's network namespace.
const SETTLING: Duration = Duration::from_secs(10);
/// After that, how often its process and namespace are located again.
const RELOCATE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct LiveScope {
    pub(super) reader: ScopeReader,
    pub(super) network: NetReader,
    pub(super) problem: Option<NetProblem>,
    pub(super) descriptor_problem: Option<DescriptorProblem>,
    pub(super) claims: bool,
    /// Whether inotify reports writes to its files.
    pub(super) watched: bool,
    /// Whether its settings (such as limits) are still as they were last read.
    pub(super) settings_known: bool,
    pub(super) window: Window,
    /// For the peaks, if they are served.
    pub(super) bursts: Option<Bursts>,
    pub(super) first_seen: Instant,
    pub(super) located: Option<Instant>,
}

impl LiveScope {
    /// Those of the given files that may have changed.
    pub(super) fn changeable(&self, files: FileSet, recheck: bool) -> FileSet {
        if self.settings_known && !recheck { files.without(FileSet::SETTINGS) } else { files }
    }

    /// The files of a tick. `cgroup.events` is read too until it is kept open: it tells when the container
    /// ends, so its network namespace may be kept alive.
    pub(super) fn files_of_tick(&self, files: FileSet, keep: Keep) -> FileSet {
        const TELLS: KernelFile = KernelFile::CgroupEvents;
        let is_wanted = self.claims && self.watched && keep.files > files.len();
        if is_wanted && !self.reader.keeps(TELLS) { files.union(FileSet::of(&[TELLS])) } else { files }
    }

    /// Decides whether its network namespace may be kept alive between readings: only if its last process is
    /// known to be its own, and the end of that one is told at once, in two ways. inotify reports
    /// `cgroup.events` as long as that is open, and the file itself says that it has changed.
    pub(super) fn decide_pin(&mut self, keep: bool, now: Instant) {
        let is_told = self.watched && self.reader.tells_of(KernelFile::CgroupEvents);
        self.network.allow_pin(keep && is_told && self.claims && !self.is_settling(now));
    }

    /// Releases the network namespace if the container has no process any more.
    pub(super) fn release_if_empty(&mut self, scratch: &mut Scratch) {
        if self.network.pins() && self.reader.is_populated(scratch) != Some(true) {
            self.network.allow_pin(false);
        }
    }

    fn is_settling(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.first_seen) < SETTLING
    }

    fn is_due(&self, now: Instant) -> bool {
        let Some(at) = self.located else { return true };
        let settling = self.is_settling(now);
        now.saturating_duration_since(at) >= if settling { Duration::from_millis(250) } else { RELOCATE }
    }

    /// From time to time, chooses the process again whose `/proc` entry gives the network counters. `true` if
    /// the network namespace has changed.
    pub(super) fn locate_if_due(&mut self, container: &Container, now: Instant, pass: &mut Pass) -> bool {
        if !self.is_due(now) {
            return false;
        }
        if self.network.is_still_there(main_pid(container)) {
            self.located = Some(now);
            return false;
        }
        self.locate(container, pass)
    }

    /// Chooses the process whose `/proc` entry gives the network counters. `true` if the network namespace
    /// has changed.
    fn locate(&mut self, container: &Container, pass: &mut Pass) -> bool {
        self.located = Some(Instant::now());
        let before = self.network.netns();
        let pids = self.reader.pids(&mut pass.scratch, &mut pass.report);
        self.problem = self.network.locate(&container.id, &pids, main_pid(container), pass).err();
        let has_changed = before != self.network.netns();
        if has_changed {
            self.window.restart_network();
        }
        has_changed
    }

    /// Reads the interface counters, through another process if the known one has ended.
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
            // Another namespace, or none. The next pass decides which container may claim it.
            self.claims = false;
            self.located = None;
        } else {
            self.network.read(&container.id, pass, &mut container.sample.net);
        }
    }

    /// Counts the file descriptors of its processes.
    pub(super) fn read_descriptors(&mut self, container: &mut Container, reading: &Reading, pass: &mut Pass) {
        let processes = Processes {
            cgroup: self.reader.path(),
            proc_root: &reading.proc_root,
            id: &container.id,
            main_pid: main_pid(container),
        };
        self.descriptor_problem = processes.read_descriptors(pass, &mut container.sample).err();
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

/// The container's main process according to Docker.
fn main_pid(container: &Container) -> Option<u32> {
    container.metadata.as_ref().and_then(|metadata| metadata.main_pid)
}
