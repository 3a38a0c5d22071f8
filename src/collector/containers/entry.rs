//! One container and how it is read.

use super::{
    Reading,
    candidate::{Candidate, Obstacle},
    live_scope::LiveScope,
    sources::Sources,
};
use crate::{
    advice::{Hidden, NetworkCounters},
    collector::report::ContainerReport,
    encode::LabelBlock,
    metadata::{Metadata, Source, State},
    model::{Container, NewRun, OomKills, Peaks, Rates, Window},
    parse::ContainerId,
    sample::{FileSet, Keep, KernelFile, NetReader, ScopeReader},
};
use std::time::{Duration, Instant, SystemTime};

/// Docker's events usually arrive within this time after the cgroup's. After that, Docker is asked.
const GRACE: Duration = Duration::from_secs(2);
/// How long a container's cgroup may outlive the container after Docker has removed it.
pub(super) const REMOVAL: Duration = Duration::from_secs(10);

/// A container and how it is read.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) container: Container,
    pub(super) labels: LabelBlock,
    /// The cgroup that is read. The container is live if and only if this is set.
    pub(super) scope: Option<LiveScope>,
    /// Whether it is on the page. Computed once per pass, not for each family.
    pub(super) shown: bool,
    /// All directories with its ID: root's first, then from oldest to newest.
    pub(super) candidates: Vec<Candidate>,
    /// Whether the choice of the directory to read must be made again.
    pub(super) undecided: bool,
    /// Whether more than one directory could be read, and whether that was logged.
    pub(super) is_contested: bool,
    pub(super) is_said: bool,
    /// The daemon that reported its metadata.
    pub(super) told_by: Option<Source>,
    /// Daemons that were asked about it and do not know it.
    pub(super) unknown_to: Vec<Source>,
    /// Whether no daemon that answers knows it: it belongs to another runtime.
    pub(super) is_refused: bool,
    /// When Docker removed it. Its metadata goes when the cgroup goes, or a little later if the cgroup stays.
    pub(super) removed_at: Option<Instant>,
    /// Its current or last run. If the same cgroup is found again, that is not a new run.
    last_run: Option<(u64, Option<SystemTime>)>,
    /// When to ask Docker, once, because what Docker reports does not agree with the cgroups.
    ask_at: Option<Instant>,
    /// The OOM kills without those from unproven directories. Set as long as the last directory that was read
    /// is unproven.
    pub(super) kills_before_doubt: Option<OomKills>,
    /// Whether a directory of root was ever read. After that, a directory in a user's subtree is never its
    /// own.
    pub(super) is_roots: bool,
    /// Since when Docker says that it runs although no cgroup is read; and whether that was logged.
    pub(super) unread_since: Option<Instant>,
    pub(super) is_unread_said: bool,
    /// Whether it was shown under its short ID. If so, it stays on the page until it has a name.
    shown_unnamed: bool,
}

impl Entry {
    pub(super) fn new(id: ContainerId, cgroup: String, core_only: bool) -> Self {
        let container = Container::new(id, cgroup);
        Self {
            labels: LabelBlock::new(&container, core_only),
            container,
            scope: None,
            shown: false,
            candidates: Vec::new(),
            undecided: false,
            is_contested: false,
            is_said: false,
            told_by: None,
            unknown_to: Vec::new(),
            is_refused: false,
            removed_at: None,
            last_run: None,
            ask_at: None,
            kills_before_doubt: None,
            is_roots: false,
            unread_since: None,
            is_unread_said: false,
            shown_unnamed: false,
        }
    }

    /// Starts reading a directory.
    pub(super) fn begin(
        &mut self,
        mut reader: ScopeReader,
        cgroup: &str,
        watched: bool,
        is_proven: bool,
        reading: &Reading,
    ) {
        if is_proven && self.container.cgroup != cgroup {
            self.disown(reading);
        }
        let is_swap = self.scope.as_ref().is_some_and(|live| live.reader.is_current());
        let state = self.container.metadata.as_ref().and_then(|metadata| metadata.state);
        let run = reader.run();
        let is_first = self.last_run.is_none();
        let is_new_run = match self.last_run.replace(run) {
            _ if is_swap => false,
            Some(last) => last != run,
            None => state.is_some_and(|state| state.is_stopped() || state == State::Created),
        };
        self.close();
        if is_proven {
            self.kills_before_doubt = None;
        } else {
            self.kills_before_doubt.get_or_insert(self.container.oom_kills);
        }
        let container = &mut self.container;
        container.cgroup = cgroup.into();
        container.scope_created = reader.created().and_then(Self::seconds);
        if is_swap {
            container.oom_kills.was_not_its_own(container.scope_created);
        } else if is_new_run {
            let began = container.scope_created.or_else(|| Self::seconds(SystemTime::now()));
            container.oom_kills.new_run(began);
            let told_before = container.metadata.as_ref().and_then(|metadata| metadata.started);
            container.new_run = began.map(|began| NewRun { began, told_before });
            self.ask_at = Some(Instant::now() + GRACE);
        } else if is_first {
            container.oom_kills.first_run(container.scope_created);
        }
        // The next pass decides whether there are descriptors for it, together with all others that came at
        // once.
        reader.close_above(Keep { directory: false, files: 0 });
        self.scope = Some(LiveScope {
            reader,
            network: NetReader::new(&reading.proc_root),
            problem: None,
            descriptor_problem: None,
            claims: false,
            watched,
            settings_known: false,
            window: Window::default(),
            bursts: reading.bursts(),
            first_seen: Instant::now(),
            located: None,
        });
        self.labels = LabelBlock::new(&self.container, reading.core_only);
    }

    /// The cgroup is gone or has no process any more. Its numbers are dropped; Docker's metadata stays.
    pub(super) fn end(&mut self) {
        if !self.is_live() {
            return;
        }
        self.close();
        self.undecided = true;
        if self.removed_at.take().is_some() {
            self.container.metadata = None;
        }
        self.ask_at = self.is_said_to_run().then(|| Instant::now() + GRACE);
    }

    /// The unproven directory was not the container's own: drop its path and its kills.
    pub(super) fn disown(&mut self, reading: &Reading) {
        let Some(before) = self.kills_before_doubt.take() else { return };
        self.close();
        self.last_run = None;
        self.container.oom_kills = before;
        self.container.new_run = None;
        self.forget_path(reading);
    }

    /// A container that is not read gets the path where Docker would create its cgroup.
    pub(super) fn forget_path(&mut self, reading: &Reading) {
        if let Some(metadata) = &self.container.metadata {
            self.container.cgroup.clone_from(&metadata.cgroup);
        }
        self.labels = LabelBlock::new(&self.container, reading.core_only);
    }

    /// Counts an OOM kill that Docker reported. It is true whichever directory is read.
    pub(super) fn told_of_kill(&mut self, told: impl Fn(&mut OomKills)) {
        told(&mut self.container.oom_kills);
        if let Some(before) = &mut self.kills_before_doubt {
            told(before);
        }
    }

    /// Docker has removed the container. Its cgroup goes last, and until then its numbers keep their labels.
    pub(super) fn forget_metadata(&mut self) {
        if self.is_live() {
            self.removed_at.get_or_insert_with(Instant::now);
        } else {
            self.container.metadata = None;
        }
    }

    /// Gives up the metadata of a container whose cgroup stays too long after the removal, for example
    /// because a process can't be killed. From then on it counts as a cgroup that Docker does not know.
    /// `true` if that happened in this call.
    pub(super) fn outlives_container(&mut self, core_only: bool) -> bool {
        let Some(removed_at) = self.removed_at else { return false };
        if removed_at.elapsed() < REMOVAL {
            return false;
        }
        self.removed_at = None;
        self.container.metadata = None;
        self.labels = LabelBlock::new(&self.container, core_only);
        self.unknown_to.extend(self.told_by.take());
        true
    }

    /// Whether its cgroup is read.
    pub(super) fn is_live(&self) -> bool {
        self.scope.is_some()
    }

    /// Whether `--include` and `--exclude` leave it out, as far as its name is known.
    pub(super) fn is_excluded(&self) -> bool {
        self.container.metadata.as_ref().is_some_and(|metadata| !metadata.included)
    }

    /// Whether its cgroup is read and it has no metadata yet.
    pub(super) fn is_unexplained(&self) -> bool {
        self.is_live() && self.container.metadata.is_none()
    }

    /// Counts the OOM kill that ended a run, if Docker reports one. A cgroup may be read that is younger than
    /// that end. So without a time, the end says nothing while a cgroup is read.
    pub(super) fn told_of_end(&mut self, told: &Metadata) {
        let is_kill = told.oom_killed == Some(true) && told.state.is_some_and(State::is_stopped);
        if is_kill && (told.finished.is_some() || self.container.scope_created.is_none()) {
            self.told_of_kill(|kills| kills.ended_by_kill(told.finished));
        }
    }

    /// Whether nothing is known but directories with its ID.
    pub(super) fn is_idle(&self) -> bool {
        !self.is_live() && self.container.metadata.is_none()
    }

    /// Whether neither the kernel nor Docker knows it.
    pub(super) fn is_nothing(&self) -> bool {
        !self.is_live() && self.container.metadata.is_none() && self.candidates.is_empty()
    }

    /// Stops reading it.
    pub(super) fn close(&mut self) {
        self.scope = None;
        self.container.rates = Rates::default();
        self.container.peaks = Peaks::default();
        self.container.scope_created = None;
    }

    fn is_said_to_run(&self) -> bool {
        let state = self.container.metadata.as_ref().and_then(|metadata| metadata.state);
        matches!(state, Some(State::Running | State::Paused | State::Restarting))
    }

    /// Whether to ask Docker now, because it has not reported what the cgroups show: that the container
    /// ended, or that it was started again. `true` only once for each such change.
    pub(super) fn is_to_be_asked_about(&mut self) -> bool {
        let Some(ask_at) = self.ask_at else { return false };
        if Instant::now() < ask_at {
            return false;
        }
        self.ask_at = None;
        if !self.is_live() {
            return self.is_said_to_run();
        }
        let Some(metadata) = &self.container.metadata else { return false };
        self.container.told_start().is_none() || (metadata.state.is_some() && !self.is_said_to_run())
    }

    pub(super) fn is_to_be_shown(&mut self, reading: &Reading, sources: &Sources) -> bool {
        if let Some(metadata) = &self.container.metadata {
            self.shown_unnamed = false;
            return metadata.included && (self.is_live() || reading.serves_stopped);
        }
        let is_awaited = !self.is_refused && self.awaits_name(sources);
        self.shown_unnamed |= self.is_live()
            && !is_awaited
            && reading.filter.lets_through(self.container.id.short(), "", &|_| None);
        self.is_live() && self.shown_unnamed
    }

    fn awaits_name(&self, sources: &Sources) -> bool {
        let live = self.scope.as_ref();
        !self.shown_unnamed && live.is_some_and(|live| sources.may_still_name(live.first_seen))
    }

    /// Why its numbers are not shown, if that needs an explanation.
    fn hidden(&self, sources: &Sources) -> Option<Hidden> {
        if self.is_refused {
            return Some(Hidden::UnknownToDocker);
        }
        if !self.is_live() {
            let obstacles = || self.candidates.iter().filter_map(|candidate| candidate.obstacle);
            let obstacle = obstacles().next().map(|obstacle| obstacle.reason());
            return obstacle.or_else(|| self.has_told_process().then_some(Hidden::NoCgroup));
        }
        let unnamed = self.container.metadata.is_none();
        (unnamed && self.awaits_name(sources)).then_some(Hidden::AwaitsName)
    }

    /// Whether Docker says that it has a process.
    pub(super) fn has_told_process(&self) -> bool {
        let state = self.container.metadata.as_ref().and_then(|metadata| metadata.state);
        matches!(state, Some(State::Running | State::Paused))
    }

    /// Whether it is not read although it runs or may run.
    fn is_set_aside(&self) -> bool {
        let unopened = |candidate: &Candidate| matches!(candidate.obstacle, Some(Obstacle::Unopened(_)));
        let may_run = self.is_refused || self.has_told_process() || self.candidates.iter().any(unopened);
        !self.is_live() && may_run
    }

    pub(super) fn report(&self, files: FileSet, sources: &Sources) -> ContainerReport {
        let metadata = self.container.metadata.as_ref();
        let live = self.scope.as_ref();
        let set_aside = self.is_set_aside();
        let unread = if set_aside { NetworkCounters::SetAside } else { NetworkCounters::NotRunning };
        ContainerReport {
            id: self.container.id.to_string(),
            name: self.container.name().to_owned(),
            named: metadata.is_some(),
            image: metadata.and_then(|metadata| metadata.image.clone()),
            state: metadata.and_then(|metadata| metadata.state).map(|state| state.as_str()),
            cgroup: self.container.cgroup.clone(),
            live: self.is_live(),
            pid: live.and_then(|live| live.network.pid()),
            set_aside,
            network: live.map_or(unread, |live| live.verdict(metadata.map(|m| &**m))),
            missing_files: live
                .map(|live| live.reader.absent_files(files).map(KernelFile::name).collect())
                .unwrap_or_default(),
            hidden: self.hidden(sources),
        }
    }
}
