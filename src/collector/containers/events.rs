//! What cgroups and Docker tell, taken in: containers come, change and go.

use super::{Containers, live_scope::LiveScope};
use crate::{
    discovery::{Scope, ScopeEvent},
    exposition::LabelBlock,
    metadata::{Metadata, MetadataEvent, News},
    model::Window,
    parse::ContainerId,
    sample::{Errno, Keep, NetReader, OpenError, ScopeReader},
};
use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Instant, UNIX_EPOCH},
};

/// Containers kept for their OOM kills while Docker can't say whether they will be started again.
const MAX_DORMANT: usize = 1000;

impl Containers {
    pub(in crate::collector) fn take_scope(&mut self, event: ScopeEvent) {
        match event {
            ScopeEvent::Appeared(scope) => {
                let _told_at_the_next_pass = self.appeared(&scope);
            }
            ScopeEvent::Vanished(scope) => self.vanished(&scope),
            ScopeEvent::Written(scope) => {
                if let Some(live) = self.find(&scope.id).and_then(|entry| entry.scope.as_mut()) {
                    live.settings_known = false;
                }
            }
            ScopeEvent::Resync { scopes, unlisted } => {
                let all: HashSet<&str> = scopes.iter().map(|scope| scope.cgroup.as_str()).collect();
                // What is below a directory that could not be listed may be there.
                let is_there = |cgroup: &str| {
                    all.contains(cgroup) || unlisted.iter().any(|directory| directory.is_above(cgroup))
                };
                for entry in &mut self.entries {
                    if entry.container.live && !is_there(&entry.container.cgroup) {
                        entry.end();
                        self.unsettled = true;
                    }
                }
                self.forget_gone();
                let unlisted_too = unlisted.clone();
                self.take_unlisted(unlisted_too, is_there);
                for scope in &scopes {
                    let _told_at_the_next_pass = self.appeared(scope);
                }
            }
        }
    }

    /// Takes in a scope that is there; the errno if it can't be opened.
    pub(super) fn appeared(&mut self, scope: &Scope) -> Result<(), Errno> {
        let path = directory_of(&self.reading.cgroup_root, &scope.cgroup);
        if let Some(entry) = self.find(&scope.id) {
            if entry.container.metadata.as_ref().is_some_and(|metadata| !metadata.included) {
                self.reached(&scope.cgroup);
                return Ok(());
            }
            // Another directory of the same container, or the same path made anew, is a new run.
            if let Some(live) = entry.scope.as_mut().filter(|live| live.reader.is_current()) {
                // Told of again after a rescan, the reason for which may be that events were lost.
                live.watched = scope.watched;
                live.settings_known = false;
                self.reached(&scope.cgroup);
                return Ok(());
            }
        }
        let mut reader = match ScopeReader::open(&path) {
            Ok(reader) => reader,
            Err(OpenError::Gone) => {
                self.reached(&scope.cgroup);
                return Ok(());
            }
            Err(OpenError::Failed(errno)) => {
                self.not_opened(scope);
                return Err(errno);
            }
        };
        self.reached(&scope.cgroup);
        // Whether descriptors are left for it is found at the next pass, for all that came at once.
        reader.close_above(Keep { directory: false, files: 0 });
        let network = NetReader::new(&self.reading.proc_root);
        let core_only = self.reading.core_only;
        let entry = self.find_or_add(&scope.id, &scope.cgroup);
        entry.end();
        let run = Some(reader.run());
        if std::mem::replace(&mut entry.last_run, run) != run {
            entry.container.oom_kills.new_run();
        }
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
        Ok(())
    }

    fn vanished(&mut self, scope: &Scope) {
        self.reached(&scope.cgroup);
        let Some(entry) = self.find(&scope.id).filter(|entry| entry.container.cgroup == scope.cgroup) else {
            return;
        };
        if entry.scope.as_ref().is_some_and(|live| !live.reader.is_current()) {
            entry.end();
            self.unsettled = true;
            self.forget_gone();
        }
    }

    pub(in crate::collector) fn take_metadata(&mut self, event: MetadataEvent) {
        match event.news {
            News::Connected => self.docker_down = false,
            News::Disconnected => self.docker_down = true,
            News::Changed(metadata) => self.changed(metadata),
            News::Removed(id) => {
                if let Some(entry) = self.find(&id).filter(|entry| !entry.container.live) {
                    entry.container.metadata = None;
                }
                self.forget_gone();
            }
            News::Listed(ids) => {
                let all: HashSet<ContainerId> = ids.into_iter().collect();
                self.entries.retain(|entry| entry.container.live || all.contains(&entry.container.id));
            }
            News::Unknown(_) => {}
            News::Oom(id) => {
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
        if metadata.oom_killed == Some(true) && stopped && !(container.live && ended_before_this_run) {
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
            let _told_at_the_next_pass = self.appeared(&scope);
        }
    }

    /// Forgets containers that neither the kernel nor Docker knows; those with OOM kills only once Docker can say so.
    pub(super) fn forget_gone(&mut self) {
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
    pub(in crate::collector) fn look_up_unnamed(&self) {
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
}

pub(super) fn directory_of(root: &Path, cgroup: &str) -> PathBuf {
    root.join(cgroup.trim_start_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        collector::{Config, containers::Reading},
        exposition::Selection,
        metadata::{Filter, Source},
        sample::Roots,
    };
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
            interfaces: crate::sample::Interfaces::default(),
        };
        let (lookups, mut wanted) = unbounded_channel();
        let mut containers = Containers::new(Reading::new(&config, 1024), lookups);
        containers.take_scope(ScopeEvent::Appeared(Scope { cgroup, id: id.clone(), watched: true }));
        assert_eq!(wanted.try_recv(), Ok(id.clone()));
        let tell = |news| MetadataEvent { source: Source::default(), news };
        containers.take_metadata(tell(News::Disconnected));
        containers.look_up_unnamed();
        assert!(wanted.is_empty());
        containers.take_metadata(tell(News::Connected));
        containers.look_up_unnamed();
        assert_eq!(wanted.try_recv(), Ok(id));
    }
}
