//! Questions to Docker about single containers.

use super::Containers;
use crate::parse::ContainerId;

impl Containers {
    /// Asks Docker again about containers that it has not reported.
    pub(in crate::collector) fn look_up_unnamed(&self) {
        for entry in self.entries.iter().filter(|entry| entry.is_unexplained() && !entry.is_refused) {
            self.look_up(&entry.container.id);
        }
    }

    /// Asks Docker, once each, about containers for which its report contradicts the cgroups.
    pub(in crate::collector) fn ask_about_contradictions(&mut self) {
        for entry in &mut self.entries {
            if entry.is_to_be_asked_about() && !self.sources.all_are_down() {
                let _without_docker = self.lookups.send(entry.container.id.clone());
            }
        }
    }

    /// Asks Docker about a container. While all daemons are down nothing takes the questions, so they would
    /// pile up. The list that follows a reconnection answers them anyway.
    pub(super) fn look_up(&self, id: &ContainerId) {
        if !self.sources.all_are_down() {
            let _without_docker = self.lookups.send(id.clone());
        }
    }
}
