//! Directories that exist but can't be listed. What is below them is unknown, which is not the same as gone.

use super::reading::Reading;
use crate::{
    discovery::Unlisted,
    sample::{Errno, PassReport},
};

/// How many directories of one scan are reported. A user may create more in a delegated subtree.
pub(super) const MAX_TOLD: usize = 100;

/// Directories that the last scan could not list.
#[derive(Debug, Default)]
pub(super) struct Unreached {
    directories: Vec<Unlisted>,
    /// What to report about them at the next pass.
    report: PassReport,
}

impl Unreached {
    /// Reports the failures since the last pass.
    pub(super) fn tell(&mut self, report: &mut PassReport) {
        report.failures.append(&mut self.report.failures);
    }

    /// Takes over the directories that a scan could not list.
    pub(super) fn take(&mut self, unlisted: Vec<Unlisted>, reading: &Reading) {
        self.report.clear();
        for directory in unlisted.iter().take(MAX_TOLD) {
            let path = reading.directory_of(&directory.cgroup);
            self.report.failed_directory(&path, Errno::from_raw(directory.errno));
        }
        self.directories = unlisted;
    }

    /// Whether the last scan could list all directories.
    pub(super) fn is_none(&self) -> bool {
        self.directories.is_empty()
    }
}
