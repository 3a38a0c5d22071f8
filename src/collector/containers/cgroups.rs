//! Handles discovery events: containers come and go.

use super::Containers;
use crate::discovery::{Scope, ScopeEvent};
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
