//! What cgroups and Docker tell, taken in: containers come, change and go.

use super::Containers;
use crate::{
    discovery::{Scope, ScopeEvent},
    exposition::LabelBlock,
    metadata::{Metadata, MetadataEvent, News, Source},
    model::OomKills,
    parse::ContainerId,
};
use std::{collections::HashSet, sync::Arc};

/// Containers kept for their OOM kills while Docker can't say whether they will be started again.
const MAX_DORMANT: usize = 1000;

impl Containers {
    pub(in crate::collector) fn take_scope(&mut self, event: ScopeEvent) {
        match event {
            ScopeEvent::Appeared(scope) => {
                self.add_candidate(&scope);
                self.decide_one(&scope.id);
            }
            ScopeEvent::Vanished(scope) => self.vanished(&scope),
            ScopeEvent::Written(scope) => self.written(&scope),
            ScopeEvent::Resync { scopes, unlisted } => {
                let all: HashSet<&str> = scopes.iter().map(|scope| scope.cgroup.as_str()).collect();
                // What is below a directory that could not be listed may be there.
                let is_there = |cgroup: &str| {
                    all.contains(cgroup) || unlisted.iter().any(|directory| directory.is_above(cgroup))
                };
                for entry in &mut self.entries {
                    entry.candidates.retain(|candidate| is_there(&candidate.cgroup));
                    if entry.container.live && !is_there(&entry.container.cgroup) {
                        entry.end();
                        self.unsettled = true;
                    }
                }
                self.take_unlisted(unlisted);
                // All are known before one is chosen.
                for scope in &scopes {
                    self.add_candidate(scope);
                }
                self.decide(false);
                self.forget_gone();
            }
        }
    }

    fn written(&mut self, scope: &Scope) {
        let Some(entry) = self.find(&scope.id) else { return };
        if entry.container.cgroup == scope.cgroup {
            if let Some(live) = &mut entry.scope {
                live.settings_known = false;
            }
        }
    }

    fn vanished(&mut self, scope: &Scope) {
        let directory = self.reading.directory_of(&scope.cgroup);
        let Some(entry) = self.find(&scope.id) else { return };
        // It may have been made anew already; that is told of next.
        if matches!(directory.try_exists(), Ok(false)) {
            entry.candidates.retain(|candidate| candidate.cgroup != scope.cgroup);
        }
        let is_read = entry.container.cgroup == scope.cgroup;
        if is_read && entry.scope.as_ref().is_some_and(|live| !live.reader.is_current()) {
            entry.end();
            self.unsettled = true;
        }
        self.decide_one(&scope.id);
        self.forget_gone();
    }

    pub(in crate::collector) fn take_metadata(&mut self, event: MetadataEvent) {
        let MetadataEvent { source, news } = event;
        match news {
            News::Connected => {
                let was_down = self.sources.connected(source);
                self.refuse_unknown();
                if was_down {
                    // What appeared meanwhile could not be asked for.
                    self.look_up_unnamed();
                }
            }
            News::Disconnected => self.sources.disconnected(source),
            News::Changed(metadata) => self.changed(source, metadata),
            News::Removed(id) => self.removed(source, &id),
            News::Unknown(id) => self.unknown(source, &id),
            News::Listed(ids) => self.listed(source, &ids.into_iter().collect()),
            News::Oom(id) => {
                if let Some(entry) = self.find(&id) {
                    entry.told_of_kill(OomKills::witnessed);
                }
            }
        }
    }

    /// A daemon has told all its containers: what else it told of before is gone.
    fn listed(&mut self, source: Source, all: &HashSet<ContainerId>) {
        self.sources.listed(source);
        for entry in self.entries.iter_mut().filter(|entry| entry.told_by == Some(source)) {
            if !all.contains(&entry.container.id) {
                entry.forget_metadata();
            }
        }
        // Nothing but OOM kills may be left of those that no other daemon told of: this one will not start them again.
        self.entries.retain(|entry| {
            let is_its_own = entry.told_by.is_none_or(|told_by| told_by == source);
            !(entry.is_nothing() && is_its_own) || all.contains(&entry.container.id)
        });
        // What it was asked before it was through is not answered.
        self.look_up_unnamed();
    }

    fn removed(&mut self, source: Source, id: &ContainerId) {
        if let Some(entry) = self.find(id).filter(|entry| entry.told_by == Some(source)) {
            entry.forget_metadata();
        }
        self.forget_gone();
    }

    /// A daemon was asked and has no container of that ID. What it told before is believed as long as there is a cgroup
    /// with processes to show for it.
    fn unknown(&mut self, source: Source, id: &ContainerId) {
        self.removed(source, id);
        let Some(entry) = self.find(id).filter(|entry| entry.container.metadata.is_none()) else { return };
        if !entry.unknown_to.contains(&source) {
            entry.unknown_to.push(source);
        }
        self.refuse_unknown();
    }

    /// Of containers that Docker removed some time ago and whose cgroups are still there, only the cgroups stay.
    pub(super) fn refuse_removed(&mut self) {
        let core_only = self.reading.core_only;
        let mut outlived = Vec::new();
        for entry in &mut self.entries {
            if entry.outlives_container(core_only) {
                outlived.push(entry.container.id.clone());
            }
        }
        if outlived.is_empty() {
            return;
        }
        self.unsettled = true;
        self.refuse_unknown();
        for id in outlived {
            // Another daemon may have it.
            if self.find(&id).is_some_and(|entry| !entry.is_refused) {
                self.look_up(&id);
            }
        }
    }

    /// Stops reading what no daemon knows; other runtimes name their cgroups alike.
    fn refuse_unknown(&mut self) {
        for entry in &mut self.entries {
            let is_refused =
                entry.container.metadata.is_none() && self.sources.have_all_answered(&entry.unknown_to);
            if entry.is_refused != is_refused {
                entry.is_refused = is_refused;
                self.unsettled |= entry.decide(&self.reading, &mut self.scratch);
            }
        }
    }

    fn changed(&mut self, source: Source, metadata: Arc<Metadata>) {
        let core_only = self.reading.core_only;
        let id = metadata.id.clone();
        let at = self.find_or_add(&id, &metadata.cgroup);
        let Some(entry) = self.entries.get_mut(at) else { return };
        let container = &mut entry.container;
        if !container.live {
            container.cgroup.clone_from(&metadata.cgroup);
        }
        let ended_before_this_run = metadata.finished < container.scope_created;
        let stopped = metadata.state.is_some_and(|state| state.is_stopped());
        if metadata.oom_killed == Some(true) && stopped && !(container.live && ended_before_this_run) {
            entry.told_of_kill(OomKills::ended_by_kill);
        }
        entry.container.metadata = Some(metadata);
        entry.told_by = Some(source);
        entry.unknown_to.clear();
        entry.is_refused = false;
        entry.removed_at = None;
        entry.labels = LabelBlock::new(&entry.container, core_only);
        if let Some(live) = &mut entry.scope {
            // Its main process and network mode are known now.
            live.located = None;
        }
        self.unsettled = true;
        // Whether it is included, and where its main process is, is known now too.
        self.decide_one(&id);
    }

    /// Forgets containers that neither the kernel nor Docker knows; those with OOM kills only once Docker can say so.
    pub(super) fn forget_gone(&mut self) {
        let mut dormant = if self.sources.any_is_down() { MAX_DORMANT } else { 0 };
        self.entries.retain(|entry| {
            if !entry.is_nothing() {
                return true;
            }
            let keep = dormant > 0 && entry.container.oom_kills.total().is_some_and(|kills| kills > 0);
            dormant -= usize::from(keep);
            keep
        });
    }

    /// Asks Docker again for containers that it has not told of.
    pub(in crate::collector) fn look_up_unnamed(&self) {
        for entry in self.entries.iter().filter(|entry| entry.container.live && !entry.is_refused) {
            if entry.container.metadata.is_none() {
                self.look_up(&entry.container.id);
            }
        }
    }

    /// Asks Docker, once, about containers of which it tells what the cgroups contradict.
    pub(in crate::collector) fn ask_about_contradictions(&mut self) {
        for entry in &mut self.entries {
            if entry.is_to_be_asked_about() && !self.sources.all_are_down() {
                let _without_docker = self.lookups.send(entry.container.id.clone());
            }
        }
    }

    /// While Docker is away nobody takes what is asked for, and it would pile up; its list tells all when it is back.
    pub(super) fn look_up(&self, id: &ContainerId) {
        if !self.sources.all_are_down() {
            let _without_docker = self.lookups.send(id.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collector::containers::entry::REMOVAL;
    use crate::{
        collector::{Config, containers::Reading},
        exposition::Selection,
        metadata::{Filter, Source, State},
        sample::Roots,
    };
    use std::{path::Path, time::Instant};
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    const ONE: Source = Source(1);
    const OTHER: Source = Source(2);

    fn id(digit: &str) -> ContainerId {
        ContainerId::new(&digit.repeat(64)).unwrap()
    }

    fn containers(cgroups: &Path) -> (Containers, UnboundedReceiver<ContainerId>) {
        let config = Config {
            roots: Roots { cgroup: cgroups.into(), proc: "/proc".into(), sys: "/sys".into() },
            selection: Selection::default(),
            filter: Filter::default(),
            polling_interval: None,
            fd_budget: 100,
            show_unnamed: false,
            interfaces: crate::sample::Interfaces::default(),
        };
        let (lookups, wanted) = unbounded_channel();
        (Containers::new(Reading::new(&config, 1024), lookups), wanted)
    }

    /// Makes a directory, without any file in it, and tells of it.
    fn appear(containers: &mut Containers, id: &ContainerId) -> Scope {
        let cgroup = format!("/docker-{id}.scope");
        std::fs::create_dir(containers.reading.directory_of(&cgroup)).unwrap();
        let scope = Scope { cgroup, id: id.clone(), watched: true };
        containers.take_scope(ScopeEvent::Appeared(scope.clone()));
        scope
    }

    fn running(id: &ContainerId) -> News {
        News::Changed(Arc::new(Metadata { state: Some(State::Running), ..Metadata::new(id.clone()) }))
    }

    fn tell(containers: &mut Containers, source: Source, news: News) {
        containers.take_metadata(MetadataEvent { source, news });
    }

    fn known(containers: &Containers) -> Vec<&str> {
        let known = containers.entries.iter().filter(|entry| entry.container.metadata.is_some());
        known.map(|entry| &entry.container.id.as_str()[..1]).collect()
    }

    #[test]
    fn nothing_piles_up_while_docker_is_away() {
        let cgroups = tempfile::tempdir().unwrap();
        let (mut containers, mut wanted) = containers(cgroups.path());
        appear(&mut containers, &id("1"));
        assert_eq!(wanted.try_recv(), Ok(id("1")));
        tell(&mut containers, ONE, News::Disconnected);
        appear(&mut containers, &id("2"));
        containers.look_up_unnamed();
        assert!(wanted.is_empty());
        // Asked for when it is back, without waiting for the next round.
        tell(&mut containers, ONE, News::Connected);
        assert_eq!((wanted.try_recv(), wanted.try_recv()), (Ok(id("1")), Ok(id("2"))));
    }

    #[test]
    fn a_list_removes_only_what_its_own_daemon_told() {
        let cgroups = tempfile::tempdir().unwrap();
        let (mut containers, _wanted) = containers(cgroups.path());
        for digit in ["1", "2", "3"] {
            tell(&mut containers, ONE, running(&id(digit)));
        }
        for digit in ["3", "4"] {
            tell(&mut containers, OTHER, running(&id(digit)));
        }
        let live = appear(&mut containers, &id("2"));
        tell(&mut containers, ONE, News::Listed(vec![id("5")]));
        assert_eq!(known(&containers), ["2", "3", "4"], "2 has a cgroup to show for it");
        tell(&mut containers, ONE, News::Removed(id("4")));
        tell(&mut containers, ONE, News::Unknown(id("4")));
        assert_eq!(known(&containers), ["2", "3", "4"]);
        std::fs::remove_dir(containers.reading.directory_of(&live.cgroup)).unwrap();
        containers.take_scope(ScopeEvent::Vanished(live));
        assert_eq!(known(&containers), ["3", "4"]);
        tell(&mut containers, OTHER, News::Removed(id("4")));
        assert_eq!(known(&containers), ["3"]);
    }

    #[test]
    fn a_cgroup_that_outlives_its_container_is_not_known_to_docker() {
        for (others, news) in [
            (false, News::Removed(id("1"))),
            (false, News::Unknown(id("1"))),
            (false, News::Listed(vec![])),
            (true, News::Removed(id("1"))),
        ] {
            let cgroups = tempfile::tempdir().unwrap();
            let (mut containers, mut wanted) = containers(cgroups.path());
            tell(&mut containers, ONE, News::Connected);
            if others {
                tell(&mut containers, OTHER, News::Connected);
            }
            tell(&mut containers, ONE, running(&id("1")));
            appear(&mut containers, &id("1"));
            tell(&mut containers, ONE, news);
            containers.decide(true);
            assert_eq!(containers.count(), (1, 1), "it may be ending");
            let past = Instant::now().checked_sub(REMOVAL).unwrap();
            containers.find(&id("1")).unwrap().removed_at = Some(past);
            containers.decide(true);
            if others {
                // The other daemon may have it.
                assert_eq!((containers.count(), wanted.try_recv()), ((1, 0), Ok(id("1"))));
                tell(&mut containers, OTHER, News::Unknown(id("1")));
            }
            containers.decide(true);
            containers.look_up_unnamed();
            assert_eq!((containers.count(), wanted.is_empty()), ((0, 0), true));
            assert_eq!(containers.report()[0].hidden, Some(crate::advice::Hidden::UnknownToDocker));
            tell(&mut containers, ONE, running(&id("1")));
            assert_eq!(containers.count(), (1, 1));
        }
    }

    #[test]
    fn what_no_daemon_knows_is_not_read_and_not_asked_about() {
        let cgroups = tempfile::tempdir().unwrap();
        let (mut containers, mut wanted) = containers(cgroups.path());
        tell(&mut containers, ONE, News::Connected);
        tell(&mut containers, OTHER, News::Connected);
        appear(&mut containers, &id("1"));
        assert_eq!(wanted.try_recv(), Ok(id("1")));
        tell(&mut containers, ONE, News::Unknown(id("1")));
        assert_eq!(containers.count(), (1, 0), "the other may know it");
        tell(&mut containers, OTHER, News::Unknown(id("1")));
        containers.look_up_unnamed();
        containers.decide(true);
        assert!(wanted.is_empty());
        assert_eq!((containers.count(), containers.open_files()), ((0, 0), 0));
        tell(&mut containers, OTHER, running(&id("1")));
        assert_eq!(containers.count(), (1, 1));
    }

    #[test]
    fn a_daemon_that_comes_later_is_asked_too() {
        let cgroups = tempfile::tempdir().unwrap();
        let (mut containers, mut wanted) = containers(cgroups.path());
        tell(&mut containers, ONE, News::Connected);
        tell(&mut containers, OTHER, News::Disconnected);
        appear(&mut containers, &id("1"));
        tell(&mut containers, ONE, News::Unknown(id("1")));
        assert_eq!(wanted.try_recv(), Ok(id("1")));
        tell(&mut containers, OTHER, News::Connected);
        containers.decide(true);
        assert_eq!(wanted.try_recv(), Ok(id("1")));
        tell(&mut containers, OTHER, News::Unknown(id("1")));
        assert_eq!(containers.count(), (0, 0));
        // Both may go and come back: it stays unknown.
        tell(&mut containers, ONE, News::Disconnected);
        tell(&mut containers, ONE, News::Connected);
        containers.decide(true);
        assert!(wanted.is_empty());
    }

    #[test]
    fn directories_that_anybody_makes_are_remembered_up_to_a_bound() {
        // In memory, where there is such a place: some disks take half a minute for so many.
        let cgroups = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let (mut containers, mut wanted) = containers(cgroups.path());
        let mut scopes = Vec::new();
        for number in 0..5000 {
            let id = ContainerId::new(&format!("{number:064x}")).unwrap();
            let cgroup = format!("/docker-{id}.scope");
            let directory = containers.reading.directory_of(&cgroup);
            std::fs::create_dir(&directory).unwrap();
            // The last ones have a process.
            let populated = i32::from(number >= 4998);
            std::fs::write(directory.join("cgroup.events"), format!("populated {populated}\n")).unwrap();
            scopes.push(Scope { cgroup, id, watched: true });
        }
        containers.take_scope(ScopeEvent::Resync { scopes: scopes.clone(), unlisted: vec![] });
        assert_eq!((containers.entries.len(), containers.count()), (4098, (2, 0)));
        // One of the many begins to run: it is found in its turn.
        let events = containers.reading.directory_of(&scopes[4000].cgroup).join("cgroup.events");
        std::fs::write(events, "populated 1\n").unwrap();
        for _ in 0..10 {
            containers.decide(false);
        }
        assert_eq!(containers.count(), (3, 0));
        // Many directories of one ID cost no more than that.
        let id = id("f");
        let twins: Vec<_> = (0..100)
            .map(|number| Scope { cgroup: format!("/{number}/{id}"), id: id.clone(), watched: true })
            .collect();
        for twin in &twins {
            std::fs::create_dir_all(containers.reading.directory_of(&twin.cgroup)).unwrap();
            containers.take_scope(ScopeEvent::Appeared(twin.clone()));
        }
        assert_eq!(containers.find(&id).unwrap().candidates.len(), 64);
        assert_eq!(std::iter::from_fn(|| wanted.try_recv().ok()).filter(|asked| *asked == id).count(), 1);
    }

    #[test]
    fn empty_directories_of_a_user_hide_no_container_and_close_no_file() {
        let cgroups = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let (mut containers, _wanted) = containers(cgroups.path());
        let add = |containers: &mut Containers, id: &ContainerId| {
            let cgroup = format!("/docker-{id}.scope");
            let directory = containers.reading.directory_of(&cgroup);
            std::fs::create_dir(&directory).unwrap();
            std::fs::write(directory.join("cgroup.events"), "populated 0\n").unwrap();
            containers.take_scope(ScopeEvent::Appeared(Scope { cgroup, id: id.clone(), watched: true }));
            directory.join("cgroup.events")
        };
        let running = add(&mut containers, &id("e"));
        std::fs::write(running, "populated 1\n").unwrap();
        containers.decide(false);
        let keep = containers.limit_open_files();
        // As if the parent were another's.
        let root = containers.reading.root_owner.replace(12_345);
        for number in 0..4200 {
            add(&mut containers, &ContainerId::new(&format!("{number:064x}")).unwrap());
        }
        assert_eq!(containers.entries.len(), 4097);
        assert_eq!(containers.limit_open_files(), keep);
        containers.reading.root_owner = root;
        // runc makes the directory first.
        let fresh = add(&mut containers, &id("f"));
        containers.decide(false);
        std::fs::write(fresh, "populated 1\n").unwrap();
        containers.decide(false);
        assert_eq!(containers.count(), (2, 0));
    }

    #[test]
    fn a_directory_that_can_not_be_opened_is_counted_and_tried_again() {
        use std::os::unix::fs::PermissionsExt;
        let cgroups = tempfile::tempdir().unwrap();
        let (mut containers, _wanted) = containers(cgroups.path());
        let cgroup = format!("/docker-{}.scope", id("1"));
        let directory = containers.reading.directory_of(&cgroup);
        std::fs::create_dir(&directory).unwrap();
        let mode = |mode| std::fs::set_permissions(&directory, PermissionsExt::from_mode(mode)).unwrap();
        mode(0o000);
        if std::fs::read_dir(&directory).is_ok() {
            // Root may open everything.
            return;
        }
        containers.take_scope(ScopeEvent::Appeared(Scope { cgroup, id: id("1"), watched: true }));
        let mut pass = crate::sample::Pass::default();
        containers.sample(&mut pass);
        assert_eq!((pass.report.failures.len(), containers.count()), (1, (0, 0)));
        mode(0o700);
        pass.report.clear();
        containers.sample(&mut pass);
        assert!(pass.report.failures.iter().all(|failure| failure.file != "directory"));
        assert_eq!(containers.count(), (1, 0));
    }
}
