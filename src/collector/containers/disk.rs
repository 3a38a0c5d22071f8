//! What the files of containers take up, as Docker measures it now and then.

use super::Containers;
use crate::{
    metadata::{DiskReport, Source},
    model::Disk,
    sample::Pass,
};
use std::time::Instant;

impl Containers {
    /// Takes a daemon's list of sizes. A container that is not on it keeps its old sizes: it may be the list
    /// that is incomplete.
    pub(super) fn take_disk(&mut self, source: Source, report: &DiskReport) {
        self.is_measured = true;
        for (id, sizes) in &report.sizes {
            if let Some(entry) = self.find(id).filter(|entry| entry.told_by == Some(source)) {
                entry.container.disk = Disk::new(report, *sizes);
            }
        }
    }

    /// Whether Docker's sizes have come, or were refused.
    pub(in crate::collector) fn is_measured(&self) -> bool {
        self.is_measured
    }

    /// Makes the sizes as old as they are now, drops those that are too old or whose container Docker has
    /// removed, and finds the names of their devices.
    pub(super) fn age_disk(&mut self, pass: &mut Pass) {
        let now = Instant::now();
        for entry in &mut self.entries {
            let container = &mut entry.container;
            let is_known = container.metadata.is_some();
            container.disk = container.disk.filter(|_| is_known).and_then(|disk| disk.aged(now));
            let device = container.disk.and_then(|disk| disk.file_system?.device);
            if let Some((major, minor)) = device {
                pass.devices.resolve(major, minor, &mut pass.scratch);
            }
        }
    }
}
