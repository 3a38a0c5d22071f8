//! All containers: those with a cgroup, and those that only Docker knows.

use super::{Config, report::ContainerReport};
use crate::{
    discovery::{Scope, ScopeEvent},
    exposition::{LabelBlock, Selection},
    metadata::{Filter, Metadata, MetadataEvent},
    model::{Claimant, Container, RatePoint, Rates, Window, claims},
    parse::ContainerId,
    sample::{
        FileSet, KernelFile, NetProblem, NetReader, Netns, OpenError, Pass, Roots, ScopeReader,
        stat_file::Scratch,
    },
};
use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant, UNIX_EPOCH},
};
use tokio::sync::mpsc::UnboundedSender;

/// A series without its name, then one with it, breaks `rate()`: so long a new container waits for its name.
const WAIT_FOR_NAME: Duration = Duration::from_secs(2);
/// While a container starts, runc's helpers pass through its cgroup, still in the host's network namespace.
const SETTLING: Duration = Duration::from_secs(10);
/// After that, how often its process and namespace are looked at again.
const RELOCATE: Duration = Duration::from_secs(30);
/// Containers kept for their OOM kills while Docker can't say whether they will be started again.
const MAX_DORMANT: usize = 1000;
/// Descriptors left to sockets, inotify, the log and directories being listed.
const RESERVED_FILES: u64 = 256;
/// Per container, besides files: its cgroup directory and a process directory.
const DIRECTORIES: u64 = 2;

/// What is read of each container.
#[derive(Debug)]
pub(super) struct Reading {
    cgroup_root: PathBuf,
    proc_root: PathBuf,
    files: FileSet,
    rate_files: FileSet,
    network: bool,
    hugetlb: bool,
    core_only: bool,
    serves_stopped: bool,
    filter: Filter,
    fd_budget: usize,
    max_open_files: u64,
}

impl Reading {
    pub(super) fn new(config: &Config, max_open_files: u64) -> Self {
        let Config { roots, selection, filter, fd_budget, .. } = config;
        Self {
            cgroup_root: roots.cgroup.clone(),
            proc_root: roots.proc.clone(),
            files: selection.files(),
            rate_files: selection.files().intersection(FileSet::RATES),
            network: selection.reads_network(),
            hugetlb: selection.reads_hugetlb(),
            core_only: selection.is_core_only(),
            serves_stopped: Selection::serves_stopped(selection),
            filter: filter.clone(),
            fd_budget: *fd_budget,
            max_open_files,
        }
    }

    /// How many files of each container stay open: those of the polling tick as long as there are descriptors, and more
    /// within the budget.
    fn kept_files(&self, containers: usize) -> usize {
        let containers = containers.max(1);
        let per_container = self.max_open_files.saturating_sub(RESERVED_FILES) / containers as u64;
        let possible = usize::try_from(per_container.saturating_sub(DIRECTORIES)).unwrap_or(usize::MAX);
        (self.fd_budget / containers).max(FileSet::RATES.len()).min(possible).min(KernelFile::COUNT)
    }
}

/// A container and how it is read.
#[derive(Debug)]
struct Entry {
    container: Container,
    labels: LabelBlock,
    scope: Option<LiveScope>,
    /// Whether it is on the page: found once per pass, and not again for each family.
    shown: bool,
}

#[derive(Debug)]
struct LiveScope {
    reader: ScopeReader,
    network: NetReader,
    problem: Option<NetProblem>,
    claims: bool,
    /// Whether a write to its files would be told of.
    watched: bool,
    /// Whether its limits are what they were when last read.
    settings_known: bool,
    window: Window,
    first_seen: Instant,
    located: Option<Instant>,
}

/// Something that is missing for a reason that can be mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Complaint {
    pub(super) cause: &'static str,
    pub(super) hint: &'static str,
}

/// All containers, by ID.
#[derive(Debug)]
pub(super) struct Containers {
    reading: Reading,
    lookups: UnboundedSender<ContainerId>,
    #[expect(clippy::vec_box, reason = "a new container moves pointers, not a kilobyte each")]
    entries: Vec<Box<Entry>>,
    /// Whether Docker is known to be away: then nobody waits for names.
    docker_down: bool,
    /// Whether the claims on network namespaces must be settled anew.
    unsettled: bool,
}

impl Containers {
    pub(super) fn new(reading: Reading, lookups: UnboundedSender<ContainerId>) -> Self {
        Self { reading, lookups, entries: Vec::new(), docker_down: false, unsettled: false }
    }

    fn find(&mut self, id: &ContainerId) -> Option<&mut Entry> {
        let at = self.entries.binary_search_by(|entry| entry.container.id.cmp(id)).ok()?;
        self.entries.get_mut(at).map(|entry| &mut **entry)
    }

    #[expect(clippy::indexing_slicing, reason = "the index was found or inserted at just above")]
    fn find_or_add(&mut self, id: &ContainerId, cgroup: &str) -> &mut Entry {
        let at = match self.entries.binary_search_by(|entry| entry.container.id.cmp(id)) {
            Ok(at) => at,
            Err(at) => {
                let container = Container::new(id.clone(), cgroup.to_owned());
                let labels = LabelBlock::new(&container, self.reading.core_only);
                self.entries.insert(at, Box::new(Entry { container, labels, scope: None, shown: false }));
                at
            }
        };
        &mut self.entries[at]
    }

    pub(super) fn take_scope(&mut self, event: ScopeEvent) {
        match event {
            ScopeEvent::Appeared(scope) => self.appeared(&scope),
            ScopeEvent::Vanished(scope) => self.vanished(&scope),
            ScopeEvent::Written(scope) => {
                if let Some(live) = self.find(&scope.id).and_then(|entry| entry.scope.as_mut()) {
                    live.settings_known = false;
                }
            }
            ScopeEvent::Resync(scopes) => {
                let all: HashSet<&str> = scopes.iter().map(|scope| scope.cgroup.as_str()).collect();
                for entry in &mut self.entries {
                    if entry.container.live && !all.contains(entry.container.cgroup.as_str()) {
                        entry.end();
                        self.unsettled = true;
                    }
                }
                self.forget_gone();
                for scope in &scopes {
                    self.appeared(scope);
                }
            }
        }
    }

    fn appeared(&mut self, scope: &Scope) {
        let path = directory_of(&self.reading.cgroup_root, &scope.cgroup);
        if let Some(entry) = self.find(&scope.id) {
            if entry.container.metadata.as_ref().is_some_and(|metadata| !metadata.included) {
                return;
            }
            // Another directory of the same container, or the same path made anew, is a new run.
            if let Some(live) = entry.scope.as_mut().filter(|live| live.reader.is_current()) {
                // Told of again after a rescan, the reason for which may be that events were lost.
                live.watched = scope.watched;
                live.settings_known = false;
                return;
            }
        }
        let reader = match ScopeReader::open(&path) {
            Ok(reader) => reader,
            Err(OpenError::Gone) => return,
            Err(OpenError::Failed(errno)) => {
                tracing::warn!("{}: {}", path.display(), errno.desc());
                return;
            }
        };
        let network = NetReader::new(&self.reading.proc_root);
        let core_only = self.reading.core_only;
        let entry = self.find_or_add(&scope.id, &scope.cgroup);
        entry.end();
        entry.container.oom_kills.new_run();
        entry.container.cgroup.clone_from(&scope.cgroup);
        entry.container.scope_created = reader
            .created()
            .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
            .map(|since| since.as_secs_f64());
        entry.container.live = true;
        entry.scope = Some(LiveScope {
            reader,
            network,
            problem: None,
            claims: false,
            watched: scope.watched,
            settings_known: false,
            window: Window::default(),
            first_seen: Instant::now(),
            located: None,
        });
        entry.labels = LabelBlock::new(&entry.container, core_only);
        let unnamed = entry.container.metadata.is_none();
        self.unsettled = true;
        if unnamed {
            self.look_up(&scope.id);
        }
    }

    fn vanished(&mut self, scope: &Scope) {
        let Some(entry) = self.find(&scope.id).filter(|entry| entry.container.cgroup == scope.cgroup) else {
            return;
        };
        if entry.scope.as_ref().is_some_and(|live| !live.reader.is_current()) {
            entry.end();
            self.unsettled = true;
            self.forget_gone();
        }
    }

    pub(super) fn take_metadata(&mut self, event: MetadataEvent) {
        match event {
            MetadataEvent::Connected => self.docker_down = false,
            MetadataEvent::Disconnected => self.docker_down = true,
            MetadataEvent::Changed(metadata) => self.changed(metadata),
            MetadataEvent::Removed(id) => {
                if let Some(entry) = self.find(&id).filter(|entry| !entry.container.live) {
                    entry.container.metadata = None;
                }
                self.forget_gone();
            }
            MetadataEvent::Listed(ids) => {
                let all: HashSet<ContainerId> = ids.into_iter().collect();
                self.entries.retain(|entry| entry.container.live || all.contains(&entry.container.id));
            }
            MetadataEvent::Oom(id) => {
                if let Some(entry) = self.find(&id) {
                    entry.container.oom_kills.witnessed();
                }
            }
        }
    }

    fn changed(&mut self, metadata: Arc<Metadata>) {
        let core_only = self.reading.core_only;
        let entry = self.find_or_add(&metadata.id, &metadata.cgroup);
        let container = &mut entry.container;
        if !container.live {
            container.cgroup.clone_from(&metadata.cgroup);
        }
        let ended_before_this_run = metadata.finished < container.scope_created;
        let stopped = metadata.state.is_some_and(|state| state.is_stopped());
        if metadata.oom_killed && stopped && !(container.live && ended_before_this_run) {
            container.oom_kills.ended_by_kill();
        }
        let was_included = container.metadata.as_ref().is_none_or(|metadata| metadata.included);
        let is_included = metadata.included;
        container.metadata = Some(metadata);
        entry.labels = LabelBlock::new(&entry.container, core_only);
        if is_included {
            if let Some(live) = &mut entry.scope {
                // Its main process and network mode are known now.
                live.located = None;
            }
        } else {
            entry.end();
        }
        // It was left alone so far; the next rescan says whether it is watched.
        let scope =
            Scope { cgroup: entry.container.cgroup.clone(), id: entry.container.id.clone(), watched: false };
        self.unsettled = true;
        if is_included && !was_included {
            self.appeared(&scope);
        }
    }

    /// Forgets containers that neither the kernel nor Docker knows; those with OOM kills only once Docker can say so.
    fn forget_gone(&mut self) {
        let mut dormant = if self.docker_down { MAX_DORMANT } else { 0 };
        self.entries.retain(|entry| {
            let container = &entry.container;
            if container.live || container.metadata.is_some() {
                return true;
            }
            let keep = dormant > 0 && container.oom_kills.total().is_some_and(|kills| kills > 0);
            dormant -= usize::from(keep);
            keep
        });
    }

    /// Asks Docker again for containers that it has not told of.
    pub(super) fn look_up_unnamed(&self) {
        for entry in &self.entries {
            if entry.container.live && entry.container.metadata.is_none() {
                self.look_up(&entry.container.id);
            }
        }
    }

    /// While Docker is away nobody takes what is asked for, and it would pile up; its list tells all when it is back.
    fn look_up(&self, id: &ContainerId) {
        if !self.docker_down {
            let _without_docker = self.lookups.send(id.clone());
        }
    }

    /// The polling tick: the files of the rate gauges only.
    pub(super) fn tick(&mut self, start: Instant, pass: &mut Pass) {
        self.read(Some(self.reading.rate_files), pass, |container, live, reading, pass| {
            let at = start.elapsed();
            live.read_network(container, reading, pass);
            let network_at = start.elapsed();
            let sample = &container.sample;
            container.rates = live.window.advance(RatePoint {
                cpu_usec: sample.cpu.map(|cpu| (at, cpu.usage_usec)),
                network: sample.net.bytes().map(|bytes| (network_at, bytes)),
                block: sample.io_bytes().map(|bytes| (at, bytes)),
            });
        });
    }

    /// A full pass: every file of every container.
    pub(super) fn sample(&mut self, pass: &mut Pass) {
        self.read(None, pass, |container, live, reading, pass| {
            live.settings_known = live.watched;
            if reading.hugetlb {
                live.reader.sample_hugetlb(pass, &mut container.sample);
            }
            live.read_network(container, reading, pass);
            let events = container.sample.memory_events.as_ref();
            if let Some(kills) = events.and_then(|events| events.get("oom_kill")) {
                container.oom_kills.read(kills);
            }
        });
        for entry in &mut self.entries {
            entry.shown = entry.is_to_be_shown(&self.reading, self.docker_down);
        }
    }

    /// Reads some files of every container that has a cgroup, or all that may have changed, and `then` what belongs to
    /// them; drops those that are gone.
    fn read(
        &mut self,
        some: Option<FileSet>,
        pass: &mut Pass,
        mut then: impl FnMut(&mut Container, &mut LiveScope, &Reading, &mut Pass),
    ) {
        let keep = self.reading.kept_files(self.entries.len());
        self.settle(&mut pass.scratch);
        let mut gone = false;
        for entry in &mut self.entries {
            let Entry { container, scope: Some(live), .. } = &mut **entry else { continue };
            let all = || live.changeable(self.reading.files, pass.recheck_absent);
            let files = some.unwrap_or_else(all);
            if live.reader.sample(files, keep, pass, &mut container.sample) {
                then(container, live, &self.reading, pass);
            } else {
                entry.end();
                gone = true;
            }
        }
        if gone {
            self.unsettled = true;
            self.forget_gone();
        }
    }

    /// Finds the processes of containers that need one, and settles who may claim which namespace.
    fn settle(&mut self, scratch: &mut Scratch) {
        if !self.reading.network {
            return;
        }
        for entry in &mut self.entries {
            let Entry { container, scope: Some(live), .. } = &mut **entry else { continue };
            if live.is_due() {
                self.unsettled |= live.locate(container, scratch);
            }
        }
        if !std::mem::take(&mut self.unsettled) {
            return;
        }
        let host = Netns::of(&self.reading.proc_root.join("1"));
        let live: Vec<_> = self.entries.iter().filter(|entry| entry.scope.is_some()).collect();
        let claimants: Vec<_> = live
            .iter()
            .map(|entry| Claimant {
                id: &entry.container.id,
                netns: entry.scope.as_ref().and_then(|live| live.network.netns()),
                metadata: entry.container.metadata.as_deref(),
                created: entry.container.scope_created,
            })
            .collect();
        let verdicts = claims(&claimants, host);
        let live = self.entries.iter_mut().filter_map(|entry| entry.scope.as_mut());
        for (live, verdict) in live.zip(verdicts) {
            live.claims = verdict;
        }
    }

    /// The containers that are shown, as the last full pass left them, with their labels.
    pub(super) fn shown(&self) -> impl Iterator<Item = (&Container, &LabelBlock)> + Clone {
        self.entries.iter().filter(|entry| entry.shown).map(|entry| (&entry.container, &entry.labels))
    }

    /// Containers with a cgroup, and how many of those Docker named.
    pub(super) fn count(&self) -> (u64, u64) {
        let live = || self.entries.iter().filter(|entry| entry.container.live);
        let named = live().filter(|entry| entry.container.metadata.is_some()).count();
        (live().count() as u64, named as u64)
    }

    /// Descriptors held for all containers.
    pub(super) fn open_files(&self) -> u64 {
        let open = |live: &LiveScope| live.reader.open_files() + usize::from(live.network.pid().is_some());
        self.entries.iter().filter_map(|entry| entry.scope.as_ref()).map(open).sum::<usize>() as u64
    }

    pub(super) fn report(&self) -> Vec<ContainerReport> {
        self.entries
            .iter()
            .filter(|entry| entry.container.metadata.as_ref().is_none_or(|metadata| metadata.included))
            .map(|entry| entry.report(self.reading.files))
            .collect()
    }

    /// What keeps numbers from being shown and can be mended: of any container, or of all of them.
    pub(super) fn complaints(&self, roots: &Roots) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        let live = || self.entries.iter().filter_map(|entry| entry.scope.as_ref());
        for problem in live().filter_map(|live| live.problem) {
            let complaint =
                problem.hint().map(|hint| Complaint { cause: "network counters can't be read", hint });
            if complaint.is_some_and(|complaint| !complaints.contains(&complaint)) {
                complaints.extend(complaint);
            }
        }
        let everywhere = |file: KernelFile| {
            self.reading.files.contains(file)
                && live().next().is_some()
                && live().all(|live| live.reader.is_absent(file))
        };
        if everywhere(KernelFile::MemoryCurrent) {
            complaints.push(Complaint {
                cause: "no container has memory.current",
                hint: "the memory controller is off: boot with cgroup_enable=memory",
            });
        }
        if everywhere(KernelFile::CpuPressure) {
            complaints.push(Complaint {
                cause: "no container has cpu.pressure",
                hint: "pressure stall information is off: boot with psi=1",
            });
        }
        if live().next().is_none() && !roots.is_top() {
            complaints.push(Complaint {
                cause: "no container can be seen, and the cgroup root is not the top of the hierarchy",
                hint: "run with -v /sys/fs/cgroup:/sys/fs/cgroup:ro or --cgroupns=host",
            });
        }
        complaints
    }
}

impl Entry {
    /// The cgroup is gone: its numbers go with it, what Docker knows stays.
    fn end(&mut self) {
        self.scope = None;
        self.container.live = false;
        self.container.rates = Rates::default();
        self.container.scope_created = None;
    }

    fn is_to_be_shown(&self, reading: &Reading, docker_down: bool) -> bool {
        if let Some(metadata) = &self.container.metadata {
            return metadata.included && (self.container.live || reading.serves_stopped);
        }
        let waited = || self.scope.as_ref().is_some_and(|live| live.first_seen.elapsed() >= WAIT_FOR_NAME);
        self.container.live
            && (docker_down || waited())
            && reading.filter.lets_through(self.container.id.short(), "", &|_| None)
    }

    fn report(&self, files: FileSet) -> ContainerReport {
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

impl LiveScope {
    /// Those of some files that can hold something new.
    fn changeable(&self, files: FileSet, recheck: bool) -> FileSet {
        if self.settings_known && !recheck { files.without(FileSet::SETTINGS) } else { files }
    }

    fn is_due(&self) -> bool {
        self.located.is_none_or(|at| {
            let settling = self.first_seen.elapsed() < SETTLING;
            at.elapsed() >= if settling { Duration::from_millis(250) } else { RELOCATE }
        })
    }

    /// Chooses the process to read through. `true` if the namespace is another than before.
    fn locate(&mut self, container: &Container, scratch: &mut Scratch) -> bool {
        self.located = Some(Instant::now());
        let before = self.network.netns();
        let pids = self.reader.pids(scratch);
        let main_pid = container.metadata.as_ref().and_then(|metadata| metadata.main_pid);
        self.problem = self.network.locate(&container.id, &pids, main_pid).err();
        before != self.network.netns()
    }

    /// Reads the interface counters, through another process if the one known has ended.
    fn read_network(&mut self, container: &mut Container, reading: &Reading, pass: &mut Pass) {
        container.sample.net.read = false;
        if !(reading.network && self.claims) {
            return;
        }
        if self.network.read(pass, &mut container.sample.net) {
            return;
        }
        let changed = self.locate(container, &mut pass.scratch);
        if changed {
            // Another namespace, or none: who may claim it is settled at the next pass.
            self.claims = false;
            self.located = None;
        } else {
            self.network.read(pass, &mut container.sample.net);
        }
    }

    fn verdict(&self, metadata: Option<&Metadata>) -> &'static str {
        match self.problem {
            _ if self.claims => "own",
            Some(NetProblem::NoProcess) => "no process",
            Some(NetProblem::ForeignPids) => "processes are outside our PID namespace: --pid=host is missing",
            Some(NetProblem::Hidden) => "processes are hidden from /proc",
            None if metadata.is_some_and(Metadata::borrows_network) => "shared: counted for its owner",
            None if metadata.is_some_and(Metadata::is_host_network) => "the host's",
            None => "the host's, or counted for another container",
        }
    }
}

fn directory_of(root: &Path, cgroup: &str) -> PathBuf {
    root.join(cgroup.trim_start_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc::unbounded_channel;

    #[test]
    fn nothing_piles_up_while_docker_is_away() {
        let cgroups = tempfile::tempdir().unwrap();
        let id = ContainerId::new(&"1".repeat(64)).unwrap();
        let cgroup = format!("/docker-{id}.scope");
        std::fs::create_dir(cgroups.path().join(&cgroup[1..])).unwrap();
        let config = Config {
            roots: Roots { cgroup: cgroups.path().into(), proc: "/proc".into(), sys: "/sys".into() },
            selection: Selection::default(),
            filter: Filter::default(),
            polling_interval: None,
            fd_budget: 100,
        };
        let (lookups, mut wanted) = unbounded_channel();
        let mut containers = Containers::new(Reading::new(&config, 1024), lookups);
        containers.take_scope(ScopeEvent::Appeared(Scope { cgroup, id: id.clone(), watched: true }));
        assert_eq!(wanted.try_recv(), Ok(id.clone()));
        containers.take_metadata(MetadataEvent::Disconnected);
        containers.look_up_unnamed();
        assert!(wanted.is_empty());
        containers.take_metadata(MetadataEvent::Connected);
        containers.look_up_unnamed();
        assert_eq!(wanted.try_recv(), Ok(id));
    }
}
