//! Handles discovery events: containers come and go.

use super::Containers;
use crate::{
    discovery::{Scope, ScopeEvent},
    sample::Changes,
};
use std::collections::HashSet;

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
                // A cgroup below a directory that could not be listed may still exist.
                let is_there = |cgroup: &str| {
                    all.contains(cgroup) || unlisted.iter().any(|directory| directory.is_above(cgroup))
                };
                for entry in &mut self.entries {
                    entry.candidates.retain(|candidate| is_there(&candidate.cgroup));
                    if entry.is_live() && !is_there(&entry.container.cgroup) {
                        entry.end();
                        self.unsettled = true;
                    }
                }
                self.take_unlisted(unlisted);
                // Add all directories before choosing one for each container.
                for scope in &scopes {
                    self.add_candidate(scope);
                }
                self.decide(false);
                self.forget_gone();
            }
        }
    }

    fn written(&mut self, scope: &Scope) {
        let Ok(at) = self.position(&scope.id) else { return };
        let Self { entries, scratch, .. } = self;
        let Some(entry) = entries.get_mut(at).filter(|entry| entry.container.cgroup == scope.cgroup) else {
            return;
        };
        if let Some(live) = &mut entry.scope {
            live.settings_known = false;
            live.release_if_empty(scratch);
        }
    }

    /// Takes what the kernel tells of changes, and releases the network namespaces of containers that have no
    /// process any more. A kept one must not outlive its container, whoever else reports the end.
    pub(in crate::collector) fn release_ended(&mut self, changes: &mut Changes) {
        if !changes.collect() {
            return;
        }
        for live in self.entries.iter_mut().filter_map(|entry| entry.scope.as_mut()) {
            if live.reader.has_told() {
                live.release_if_empty(&mut self.scratch);
            }
        }
    }

    fn vanished(&mut self, scope: &Scope) {
        let directory = self.reading.directory_of(&scope.cgroup);
        let Some(entry) = self.find(&scope.id) else { return };
        // It may exist again already. If so, the next event reports it.
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
}
