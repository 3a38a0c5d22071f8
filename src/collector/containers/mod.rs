//! All containers: those with a cgroup, and those that only Docker knows.

mod candidate;
mod candidates;
mod cgroups;
mod complaints;
mod decisions;
mod disk;
mod entry;
mod forgetting;
mod idle;
mod live_scope;
mod lookups;
mod news;
mod reading;
mod sight;
mod sources;
mod unreached;
mod unread;

pub(super) use reading::Reading;

use super::{TickRow, history::Seen, report::ContainerReport};
use crate::{
    advice,
    discovery::Unlisted,
    encode::LabelBlock,
    model::{Claimant, Container, Peaks, Poll, RatePoint, Rates, Window, claims},
    parse::ContainerId,
    sample::{Errno, FileSet, Keep, KernelFile, Netns, Pass, ScopeSample, Visited, stat_file::Scratch},
    table::Shown,
};
use entry::Entry;
use idle::Idle;
use live_scope::LiveScope;
use sources::Sources;
use std::time::Instant;
use tokio::sync::mpsc::UnboundedSender;
use unreached::Unreached;

/// For each group of this many containers, descriptors are reserved for one more.
const ROOM: usize = 16;

/// All containers, by ID.
#[derive(Debug)]
pub(super) struct Containers {
    reading: Reading,
    lookups: UnboundedSender<ContainerId>,
    #[expect(clippy::vec_box, reason = "a new container moves pointers, not a kilobyte each")]
    entries: Vec<Box<Entry>>,
    sources: Sources,
    /// Buffer for small files that are read between passes.
    scratch: Scratch,
    /// Containers that are neither live nor named by Docker.
    idle: Idle,
    /// Whether it was logged that there are too many idle containers.
    is_crowded: bool,
    /// How many unnamed containers were logged as having more than one directory.
    unnamed_contests: u32,
    /// Whether the claims on network namespaces must be decided again.
    unsettled: bool,
    /// How many containers run according to Docker and are not read; and how many warnings were logged about
    /// it.
    unread: u64,
    unread_said: usize,
    /// Directories that could not be listed.
    unreached: Unreached,
    /// Which descriptors of each container stay open.
    kept: Keep,
    said_few_files: bool,
    /// Whether a container was ever read. If so, the cgroup root is the right one.
    has_seen: bool,
    /// Whether Docker's sizes have come, or were refused.
    is_measured: bool,
}

impl Containers {
    pub(super) fn new(reading: Reading, lookups: UnboundedSender<ContainerId>) -> Self {
        Self {
            reading,
            lookups,
            entries: Vec::new(),
            sources: Sources::default(),
            scratch: Scratch::default(),
            idle: Idle::default(),
            is_crowded: false,
            unnamed_contests: 0,
            unsettled: false,
            unread: 0,
            unread_said: 0,
            unreached: Unreached::default(),
            kept: Keep { directory: true, files: KernelFile::COUNT },
            said_few_files: false,
            has_seen: false,
            is_measured: false,
        }
    }

    fn position(&self, id: &ContainerId) -> Result<usize, usize> {
        self.entries.binary_search_by(|entry| entry.container.id.cmp(id))
    }

    fn find(&mut self, id: &ContainerId) -> Option<&mut Entry> {
        let at = self.position(id).ok()?;
        self.entries.get_mut(at).map(|entry| &mut **entry)
    }

    /// The position of a container, which is added if it is new.
    fn find_or_add(&mut self, id: &ContainerId, cgroup: &str) -> usize {
        self.position(id).unwrap_or_else(|at| {
            let entry = Entry::new(id.clone(), cgroup.to_owned(), self.reading.core_only);
            self.entries.insert(at, Box::new(entry));
            at
        })
    }

    /// The polling tick: reads the files for the rate gauges, and one more while a subscriber takes ticks.
    pub(super) fn tick(&mut self, start: Instant, cpus: Option<u64>, is_heard: bool, pass: &mut Pass) {
        self.decide(false);
        let files = if is_heard { self.reading.heard_files } else { self.reading.rate_files };
        let mut since = start.elapsed();
        self.read(Some(files), pass, |container, live, reading, pass| {
            let at = start.elapsed();
            live.read_network(container, reading, pass);
            let network_at = start.elapsed();
            let sample = &container.sample;
            container.rates = live.window.advance(RatePoint {
                cpu_usec: sample.cpu.map(|cpu| (at, cpu.usage_usec)),
                network: sample.net.bytes().map(|_| (network_at, sample.net.rows.as_slice())),
                block: sample.io_bytes().and(sample.io.as_deref()).map(|rows| (at, rows)),
                cpus,
            });
            if let Some(bursts) = &mut live.bursts {
                let Container { rates, sample, .. } = container;
                let memory_current = sample.memory_current;
                bursts.take(Poll { since, files_at: at, network_at, rates: *rates, memory_current });
            }
            since = network_at;
        });
    }

    /// The polling tick rests. What the last ones have found is forgotten, and no namespace is kept alive.
    pub(super) fn rest(&mut self) {
        for entry in &mut self.entries {
            let Entry { container, scope: Some(live), .. } = &mut **entry else { continue };
            container.rates = Rates::default();
            container.peaks = Peaks::default();
            live.window = Window::default();
            live.bursts = self.reading.bursts();
            live.network.allow_pin(false);
        }
    }

    /// A full pass: reads every file that may have changed, of every container.
    pub(super) fn sample(&mut self, start: Instant, pass: &mut Pass) {
        self.decide(true);
        let now = start.elapsed();
        self.read(None, pass, |container, live, reading, pass| {
            live.settings_known = live.watched;
            if reading.hugetlb {
                live.reader.sample_hugetlb(pass, &mut container.sample);
            }
            if reading.descriptors {
                live.read_descriptors(container, reading, pass);
            }
            live.read_network(container, reading, pass);
            let events = container.sample.memory_events.as_ref();
            if let Some(kills) = events.and_then(|events| events.get("oom_kill")) {
                container.oom_kills.read(kills);
            }
            if let Some(bursts) = &mut live.bursts {
                bursts.saw_memory(container.sample.memory_current);
                container.peaks = bursts.peaks(now);
            }
        });
        if !self.reading.root_is_there() {
            // Checked here, because no event reports it and scans are rare.
            pass.report.failed_directory(&self.reading.cgroup_root, Errno::ENOENT);
        }
        self.end_emptied();
        self.report_unopened(pass);
        if self.reading.disk {
            self.age_disk(pass);
        }
        for entry in &mut self.entries {
            entry.shown = entry.is_to_be_shown(&self.reading, &self.sources);
        }
    }

    /// Reads files of every container that has a cgroup: `some`, or by default all that may have changed.
    /// Calls `then` for each container that was read, and ends those whose cgroup is gone.
    fn read(
        &mut self,
        some: Option<FileSet>,
        pass: &mut Pass,
        mut then: impl FnMut(&mut Container, &mut LiveScope, &Reading, &mut Pass),
    ) {
        pass.children = 0;
        pass.visited = Visited::default();
        if some.is_none() {
            self.release_ended(&mut pass.changes);
        }
        let keep = self.limit_open_files();
        self.unreached.tell(&mut pass.report);
        self.settle(pass);
        let mut gone = false;
        let mut root_is_lost = None;
        for entry in &mut self.entries {
            let Entry { container, scope: Some(live), .. } = &mut **entry else { continue };
            let files = match some {
                Some(files) => live.files_of_tick(files, keep),
                None => live.changeable(self.reading.files, pass.recheck_absent),
            };
            let failures = pass.report.failures.len();
            if live.reader.sample(files, keep, pass, &mut container.sample) {
                then(container, live, &self.reading, pass);
                if pass.report.failures.len() > failures {
                    // The file that failed may be a setting, so read the settings again next time.
                    live.settings_known = false;
                }
            } else if *root_is_lost.get_or_insert_with(|| !self.reading.root_is_there()) {
                // Below an unmounted root nothing can be found. That does not mean that the containers ended.
                pass.report.failed_directory(live.reader.path(), Errno::ENOENT);
                container.rates = Rates::default();
                container.peaks = Peaks::default();
                container.sample = ScopeSample::default();
                live.reader.forget();
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

    /// Decides which descriptors may stay open, and closes the others.
    fn limit_open_files(&mut self) -> Keep {
        // Only live containers have open files. A user can create any number of the others.
        let live = self.entries.iter().filter(|entry| entry.is_live()).count();
        let keep = self.reading.kept(live + live / ROOM);
        let less = keep < self.kept;
        self.kept = keep;
        let now = Instant::now();
        for entry in &mut self.entries {
            let Some(live) = &mut entry.scope else { continue };
            live.network.keep(keep.directory);
            live.decide_pin(keep.directory, now);
            if less {
                live.reader.close_above(keep);
            }
        }
        if !keep.directory && !std::mem::replace(&mut self.said_few_files, true) {
            tracing::warn!("{}", advice::few_open_files(self.reading.max_open_files, live));
        }
        keep
    }

    /// Locates the process of each container that is due, and decides which container may claim which network
    /// namespace.
    fn settle(&mut self, pass: &mut Pass) {
        if !self.reading.network {
            return;
        }
        let now = Instant::now();
        for entry in &mut self.entries {
            let Entry { container, scope: Some(live), .. } = &mut **entry else { continue };
            self.unsettled |= live.locate_if_due(container, now, pass);
        }
        if !std::mem::take(&mut self.unsettled) {
            return;
        }
        let host = Netns::of(&self.reading.proc_root.join("1"));
        let live = self.entries.iter().filter_map(|entry| Some((&entry.container, entry.scope.as_ref()?)));
        let claimants: Vec<_> = live
            .map(|(container, live)| Claimant {
                id: &container.id,
                netns: live.network.netns(),
                metadata: container.metadata.as_deref(),
                created: container.scope_created,
            })
            .collect();
        let verdicts = claims(&claimants, host);
        let live = self.entries.iter_mut().filter_map(|entry| entry.scope.as_mut());
        for (live, verdict) in live.zip(verdicts) {
            live.claims = verdict;
        }
    }

    /// The containers that are shown, as the last full pass left them.
    pub(super) fn shown(&self) -> impl Iterator<Item = Shown<'_, &LabelBlock>> + Clone {
        self.entries.iter().filter(|entry| entry.shown).map(|entry| Shown {
            container: &entry.container,
            is_live: entry.is_live(),
            kept: &entry.labels,
        })
    }

    /// The result of the last tick for the containers that run and are shown.
    pub(super) fn at_tick(&mut self) -> Vec<TickRow> {
        let Self { entries, reading, sources, .. } = self;
        let shown = entries.iter_mut().filter(|entry| entry.is_live());
        let shown =
            shown.filter_map(|entry| entry.is_to_be_shown(reading, sources).then_some(&entry.container));
        shown
            .map(|container| TickRow {
                id: container.id.clone(),
                metadata: container.metadata.clone(),
                rates: container.rates,
                memory_current: container.sample.memory_current,
            })
            .collect()
    }

    /// Calls a function with each container that runs and is shown, by ID.
    pub(super) fn each_live(&mut self, then: &mut dyn FnMut(Seen<'_>)) {
        let Self { entries, reading, sources, .. } = self;
        for entry in entries.iter_mut() {
            let Some(run) = entry.scope.as_ref().map(|live| live.first_seen) else { continue };
            if entry.is_to_be_shown(reading, sources) {
                then(Seen { container: &entry.container, run });
            }
        }
    }

    /// A container.
    pub(super) fn get(&self, id: &ContainerId) -> Option<&Container> {
        let at = self.position(id).ok()?;
        self.entries.get(at).map(|entry| &entry.container)
    }

    #[cfg(test)]
    pub(super) fn all(&self) -> impl Iterator<Item = &Container> {
        self.entries.iter().map(|entry| &entry.container)
    }

    /// The number of containers with a cgroup, and how many of them have a name from Docker.
    pub(super) fn count(&self) -> (u64, u64) {
        let live = || self.entries.iter().filter(|entry| entry.is_live());
        let named = live().filter(|entry| entry.container.metadata.is_some()).count();
        (live().count() as u64, named as u64)
    }

    /// Whether any Docker daemon answers; `None` until one has answered or failed to answer.
    pub(super) fn docker_is_up(&self) -> Option<bool> {
        self.sources.any_is_up()
    }

    /// The number of connections to Docker after the first one of each daemon.
    pub(super) fn docker_reconnects(&self) -> u64 {
        self.sources.reconnects()
    }

    /// Takes over the directories that a scan could not list.
    fn take_unlisted(&mut self, unlisted: Vec<Unlisted>) {
        self.unreached.take(unlisted, &self.reading);
    }

    /// Whether the last scan could list all directories.
    pub(super) fn all_reached(&self) -> bool {
        self.unreached.is_none()
    }

    /// The number of descriptors held open for all containers.
    pub(super) fn open_files(&self) -> u64 {
        let open = |live: &LiveScope| live.reader.open_files() + live.network.open_files();
        self.entries.iter().filter_map(|entry| entry.scope.as_ref()).map(open).sum::<usize>() as u64
    }

    pub(super) fn report(&self) -> Vec<ContainerReport> {
        self.entries
            .iter()
            .filter(|entry| !entry.is_excluded())
            .map(|entry| entry.report(self.reading.files, &self.sources))
            .collect()
    }
}

#[cfg(test)]
mod tests;
