//! Which directories are remembered, and which of them are read.

use super::{Containers, candidate::Obstacle, entry::Entry, unreached::MAX_TOLD};
use crate::{
    discovery::Scope,
    parse::ContainerId,
    sample::{Pass, ScopeReader},
};

/// How many directories without a process and without a name from Docker are remembered. The limit applies to
/// root's and to users' directories separately: users can create any number and must not crowd out the
/// others.
const MAX_IDLE: usize = 4096;

/// How many containers without a name from Docker are logged as having more than one directory. IDs can be
/// invented, so there must be a limit.
const MAX_UNNAMED_CONTESTS: u32 = 20;

impl Containers {
    /// Adds a directory, without deciding yet whether it is the one to read.
    pub(super) fn add_candidate(&mut self, scope: &Scope) {
        let is_new = self.position(&scope.id).is_err();
        if is_new && self.is_crowded_out(scope) {
            if !std::mem::replace(&mut self.is_crowded, true) {
                tracing::warn!(
                    "more than {MAX_IDLE} cgroups of root or of users have the name of a container and no \
                     process, for example {}; further ones are ignored until the next scan of the tree",
                    scope.cgroup
                );
            }
            return;
        }
        let at = self.find_or_add(&scope.id, &scope.cgroup);
        let Self { reading, entries, idle, .. } = self;
        let Some(entry) = entries.get_mut(at) else { return };
        entry.add_candidate(scope, reading);
        if is_new {
            idle.of_mut(entry.is_delegated()).known += 1;
        }
        if entry.container.cgroup != scope.cgroup {
            return;
        }
        if let Some(live) = &mut entry.scope {
            // Reported again after a rescan. Events may have been lost before it, so nothing is known for
            // sure.
            live.watched = scope.watched;
            live.settings_known = false;
            if !live.reader.is_current() {
                entry.end();
                self.unsettled = true;
            }
        }
    }

    /// Whether the limit for directories without a process leaves no room for this one.
    fn is_crowded_out(&mut self, scope: &Scope) -> bool {
        if self.idle.roots.known.max(self.idle.users.known) < MAX_IDLE {
            return false;
        }
        let is_delegated = self.reading.is_delegated(&self.reading.directory_of(&scope.cgroup));
        if self.idle.of_mut(is_delegated).known < MAX_IDLE {
            return false;
        }
        let reader = ScopeReader::open(&self.reading.directory_of(&scope.cgroup));
        reader.is_ok_and(|reader| reader.is_populated(&mut self.scratch) == Some(false))
    }

    /// Decides which directory is read, for every container that needs a decision.
    pub(super) fn decide(&mut self, is_full_pass: bool) {
        if !self.reading.root_is_there() {
            // Below an unmounted root no directory can be found. That does not mean that the containers
            // ended.
            return;
        }
        self.refuse_removed();
        let mut begun = Vec::new();
        self.idle.roots.begin_pass();
        self.idle.users.begin_pass();
        for (at, entry) in self.entries.iter_mut().enumerate() {
            if entry.is_idle() {
                let idle = self.idle.of_mut(entry.is_delegated());
                idle.known += 1;
                // New directories are looked at now, the others in turn.
                if !entry.undecided && !idle.is_its_turn(at) {
                    continue;
                }
            }
            if !entry.is_to_be_decided(is_full_pass) {
                continue;
            }
            if entry.decide(&self.reading, &mut self.scratch) {
                self.unsettled = true;
                if entry.is_unexplained() && entry.unknown_to.is_empty() {
                    begun.push(entry.container.id.clone());
                }
            }
            say_contested(entry, &mut self.unnamed_contests);
        }
        for id in begun {
            self.look_up(&id);
        }
    }

    pub(super) fn decide_one(&mut self, id: &ContainerId) {
        let Ok(at) = self.position(id) else { return };
        let Some(entry) = self.entries.get_mut(at) else { return };
        let has_changed = entry.decide(&self.reading, &mut self.scratch);
        say_contested(entry, &mut self.unnamed_contests);
        if !has_changed {
            return;
        }
        self.unsettled = true;
        if entry.is_unexplained() && entry.unknown_to.is_empty() {
            self.look_up(id);
        }
    }

    /// Called after a full pass. A cgroup whose last process ended is not that of a running container.
    pub(super) fn end_emptied(&mut self) {
        for entry in &mut self.entries {
            if entry.is_live() && entry.container.sample.populated == Some(0) {
                entry.end();
                self.unsettled = true;
            }
        }
    }

    /// Counts the directories that could not be opened.
    pub(super) fn report_unopened(&self, pass: &mut Pass) {
        let candidates = self.entries.iter().flat_map(|entry| &entry.candidates);
        let unopened = candidates.filter_map(|candidate| match candidate.obstacle {
            Some(Obstacle::Unopened(errno)) => Some((candidate, errno)),
            _ => None,
        });
        for (candidate, errno) in unopened.take(MAX_TOLD) {
            let directory = self.reading.directory_of(&candidate.cgroup);
            pass.report.failed_directory(&directory, errno);
        }
    }
}

/// Logs, once for each container, that another directory could have been taken for its own.
fn say_contested(entry: &mut Entry, unnamed: &mut u32) {
    if !entry.is_contested || entry.is_said {
        return;
    }
    if entry.container.metadata.is_none() {
        if *unnamed == MAX_UNNAMED_CONTESTS {
            return;
        }
        *unnamed += 1;
    }
    entry.is_said = true;
    tracing::warn!(
        "container {} ({}) has {} cgroup directories; only {} is read",
        entry.container.id.short(),
        entry.container.name(),
        entry.candidates.len(),
        entry.container.cgroup
    );
}
