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
    model::{Container, NewRun, OomKills, Rates, Window},
    parse::ContainerId,
    sample::{FileSet, Keep, KernelFile, NetReader, ScopeReader},
};
use std::time::{Duration, Instant, SystemTime};

/// Docker's own news come this late after the cgroup's, as a rule; what has not come by then is asked for.
const GRACE: Duration = Duration::from_secs(2);
/// So long a container's cgroup may stay when Docker has removed the container.
pub(super) const REMOVAL: Duration = Duration::from_secs(10);

/// A container and how it is read.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) container: Container,
    pub(super) labels: LabelBlock,
    /// The cgroup that is read. The container is live exactly if there is one.
    pub(super) scope: Option<LiveScope>,
    /// Whether it is on the page: found once per pass, and not again for each family.
    pub(super) shown: bool,
    /// All directories with its ID: those of root first, then by age.
    pub(super) candidates: Vec<Candidate>,
    /// Whether it must be decided anew which of them is read.
    pub(super) undecided: bool,
    /// Whether there was more than one to be read, and whether that was said.
    pub(super) is_contested: bool,
    pub(super) is_said: bool,
    /// The daemon that told what is known of it.
    pub(super) told_by: Option<Source>,
    /// Daemons that were asked about it and do not know it.
    pub(super) unknown_to: Vec<Source>,
    /// Whether all daemons that answer do not know it: it is another runtime's.
    pub(super) is_refused: bool,
    /// When Docker removed it: what is known of it goes with its cgroup, or a little later if that stays.
    pub(super) removed_at: Option<Instant>,
    /// The run that it is in, or was in last: the same cgroup found again is no new one.
    last_run: Option<(u64, Option<SystemTime>)>,
    /// When Docker is to be asked, once, because it does not tell what the cgroups do.
    ask_at: Option<Instant>,
    /// The OOM kills without those of directories that are not proven to be its own, as long as such a one is
    /// the last that was read.
    pub(super) kills_before_doubt: Option<OomKills>,
    /// Whether a directory of root's was read: then none in a user's subtree is ever its own.
    pub(super) is_roots: bool,
    /// Since when it runs, as Docker says, without a cgroup that is read; and whether that was said.
    pub(super) unread_since: Option<Instant>,
    pub(super) is_unread_said: bool,
    /// Whether it was shown under its short ID: then it stays there until it has a name.
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

    /// Begins to read a directory.
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
            container.oom_kills.was_not_its_own();
        } else if is_new_run {
            container.oom_kills.new_run();
            let began = container.scope_created.or_else(|| Self::seconds(SystemTime::now()));
            let told_before = container.metadata.as_ref().and_then(|metadata| metadata.started);
            container.new_run = began.map(|began| NewRun { began, told_before });
            self.ask_at = Some(Instant::now() + GRACE);
        }
        // Whether descriptors are left for it is found at the next pass, for all that came at once.
        reader.close_above(Keep { directory: false, files: 0 });
        self.scope = Some(LiveScope {
            reader,
            network: NetReader::new(&reading.proc_root),
            problem: None,
            claims: false,
            watched,
            settings_known: false,
            window: Window::default(),
            first_seen: Instant::now(),
            located: None,
        });
        self.labels = LabelBlock::new(&self.container, reading.core_only);
    }

    /// The cgroup is gone or has no process any more: its numbers go with it, what Docker knows stays.
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

    /// What was read without proof was not its own: neither its path nor its kills stay.
    pub(super) fn disown(&mut self, reading: &Reading) {
        let Some(before) = self.kills_before_doubt.take() else { return };
        self.close();
        self.last_run = None;
        self.container.oom_kills = before;
        self.container.new_run = None;
        self.forget_path(reading);
    }

    /// A container that is not read has the cgroup that Docker would make.
    pub(super) fn forget_path(&mut self, reading: &Reading) {
        if let Some(metadata) = &self.container.metadata {
            self.container.cgroup.clone_from(&metadata.cgroup);
        }
        self.labels = LabelBlock::new(&self.container, reading.core_only);
    }

    /// Takes in what Docker tells of OOM kills, which is true whatever is read.
    pub(super) fn told_of_kill(&mut self, told: fn(&mut OomKills)) {
        told(&mut self.container.oom_kills);
        if let Some(before) = &mut self.kills_before_doubt {
            told(before);
        }
    }

    /// Docker has no such container any more. Its cgroup goes last, and until then its numbers keep their
    /// labels.
    pub(super) fn forget_metadata(&mut self) {
        if self.is_live() {
            self.removed_at.get_or_insert_with(Instant::now);
        } else {
            self.container.metadata = None;
        }
    }

    /// A cgroup that outlives its container for longer than it takes to end it, such as by a process that
    /// can't be killed, is one that Docker does not know. `true` if that has just come out.
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

    /// Whether `--include` and `--exclude` keep it out, as far as its name is known.
    pub(super) fn is_excluded(&self) -> bool {
        self.container.metadata.as_ref().is_some_and(|metadata| !metadata.included)
    }

    /// Whether its cgroup is read, and nobody has said so far what it is.
    pub(super) fn is_unexplained(&self) -> bool {
        self.is_live() && self.container.metadata.is_none()
    }

    /// Whether the end that Docker tells of is that of an earlier run: the cgroup that is read is younger, or
    /// there is one and Docker has told of no time.
    pub(super) fn has_begun_since(&self, told: &Metadata) -> bool {
        let Some(begun) = self.container.scope_created.filter(|_| self.is_live()) else { return false };
        match told.finished {
            Some(finished) => finished < begun,
            None => true,
        }
    }

    /// Whether it is only a directory with an ID.
    pub(super) fn is_idle(&self) -> bool {
        !self.is_live() && self.container.metadata.is_none()
    }

    /// Whether neither the kernel nor Docker knows it.
    pub(super) fn is_nothing(&self) -> bool {
        !self.is_live() && self.container.metadata.is_none() && self.candidates.is_empty()
    }

    /// It is not read any more.
    pub(super) fn close(&mut self) {
        self.scope = None;
        self.container.rates = Rates::default();
        self.container.scope_created = None;
    }

    fn is_said_to_run(&self) -> bool {
        let state = self.container.metadata.as_ref().and_then(|metadata| metadata.state);
        matches!(state, Some(State::Running | State::Paused | State::Restarting))
    }

    /// Whether Docker is to be asked now, since it has not told what the cgroups do: that the container
    /// ended, or that it was started again. Once for each time that happens.
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

    /// Why its numbers are not shown, if that takes an explanation.
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

    /// Whether it is not read although it runs, or may run.
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
