//! What Docker is asked about.

use super::Containers;
use crate::parse::ContainerId;

impl Containers {
    /// Asks Docker again for containers that it has not told of.
    pub(in crate::collector) fn look_up_unnamed(&self) {
        for entry in self.entries.iter().filter(|entry| entry.is_unexplained() && !entry.is_refused) {
            self.look_up(&entry.container.id);
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

    /// While Docker is away nobody takes what is asked for, and it would pile up; its list tells all when it
    /// is back.
    pub(super) fn look_up(&self, id: &ContainerId) {
        if !self.sources.all_are_down() {
            let _without_docker = self.lookups.send(id.clone());
        }
    }
}
