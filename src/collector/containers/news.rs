//! Handles news from Docker: containers get names, change and go.

use super::Containers;
use crate::{
    encode::LabelBlock,
    metadata::{Metadata, MetadataEvent, News, Source},
    parse::ContainerId,
};
use std::{collections::HashSet, sync::Arc};

impl Containers {
    pub(in crate::collector) fn take_metadata(&mut self, event: MetadataEvent) {
        let MetadataEvent { source, news } = event;
        match news {
            News::Connected => {
                let was_down = self.sources.connected(source);
                self.refuse_unknown();
                if was_down {
                    // While it was down, it could not be asked about containers that appeared.
                    self.look_up_unnamed();
                }
            }
            News::Disconnected => self.sources.disconnected(source),
            News::Changed(metadata) => self.changed(source, metadata),
            News::Removed(id) => self.removed(source, &id),
            News::Unknown(id) => self.unknown(source, &id),
            News::Listed(ids) => self.listed(source, &ids.into_iter().collect()),
            News::Disk(report) => self.take_disk(source, &report),
            News::NoDisk(_) => self.is_measured = true,
            News::Oom { id, at } => {
                if let Some(entry) = self.find(&id) {
                    entry.told_of_kill(|kills| kills.witnessed(at));
                }
            }
        }
    }

    /// A daemon has listed all its containers. Any other container that it reported before is gone.
    fn listed(&mut self, source: Source, all: &HashSet<ContainerId>) {
        self.sources.listed(source);
        for entry in self.entries.iter_mut().filter(|entry| entry.told_by == Some(source)) {
            if !all.contains(&entry.container.id) {
                entry.forget_metadata();
            }
        }
        // Some entries are kept only for their OOM kills. This daemon will not start them again, so they go
        // unless another daemon reported them.
        self.entries.retain(|entry| {
            let is_anothers = entry.told_by.is_some_and(|told_by| told_by != source);
            !entry.is_nothing() || is_anothers || all.contains(&entry.container.id)
        });
        // Questions that it got before the list was complete are not answered.
        self.look_up_unnamed();
    }

    fn removed(&mut self, source: Source, id: &ContainerId) {
        if let Some(entry) = self.find(id).filter(|entry| entry.told_by == Some(source)) {
            entry.forget_metadata();
        }
        self.forget_gone();
    }

    /// A daemon was asked and does not know the ID. What it reported before is kept as long as the
    /// container's cgroup is read.
    fn unknown(&mut self, source: Source, id: &ContainerId) {
        self.removed(source, id);
        let Some(entry) = self.find(id).filter(|entry| entry.container.metadata.is_none()) else { return };
        if !entry.unknown_to.contains(&source) {
            entry.unknown_to.push(source);
        }
        self.refuse_unknown();
    }

    fn changed(&mut self, source: Source, metadata: Arc<Metadata>) {
        let core_only = self.reading.core_only;
        let id = metadata.id.clone();
        let at = self.find_or_add(&id, &metadata.cgroup);
        let Some(entry) = self.entries.get_mut(at) else { return };
        if !entry.is_live() {
            entry.container.cgroup.clone_from(&metadata.cgroup);
        }
        entry.told_of_end(&metadata);
        entry.container.metadata = Some(metadata);
        if entry.told_by.replace(source) != Some(source) {
            // Another daemon measured it.
            entry.container.disk = None;
        }
        entry.unknown_to.clear();
        entry.is_refused = false;
        entry.removed_at = None;
        entry.labels = LabelBlock::new(&entry.container, core_only);
        if let Some(live) = &mut entry.scope {
            // Its main process and network mode are known now, so it must be located again.
            live.located = None;
        }
        self.unsettled = true;
        // The choice may change: it is known now whether the container is included, and where its main
        // process is.
        self.decide_one(&id);
    }
}
