//! Containers that do not belong to Docker, or not any more.

use super::Containers;

/// How many containers are kept for their OOM kills while Docker can't say whether they will be started
/// again.
const MAX_DORMANT: usize = 1000;

impl Containers {
    /// Drops the metadata of containers that Docker removed some time ago and whose cgroups still exist.
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
            // Another daemon may know it.
            if self.find(&id).is_some_and(|entry| !entry.is_refused) {
                self.look_up(&id);
            }
        }
    }

    /// Stops reading containers that no daemon knows: other runtimes name their cgroups in the same way.
    pub(super) fn refuse_unknown(&mut self) {
        for entry in &mut self.entries {
            let is_refused =
                entry.container.metadata.is_none() && self.sources.have_all_answered(&entry.unknown_to);
            if entry.is_refused != is_refused {
                entry.is_refused = is_refused;
                self.unsettled |= entry.decide(&self.reading, &mut self.scratch);
            }
        }
    }

    /// Forgets containers that neither the kernel nor Docker knows. Those with OOM kills are kept while any
    /// known daemon is down, because it may start them again.
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
}
