//! Directories that are there and can't be listed: what is below them is unknown, which is not the same as
//! gone.

use super::reading::Reading;
use crate::{
    discovery::Unlisted,
    sample::{Errno, PassReport},
};

/// So many directories of one scan are told of; a user may make more in a part of the tree that is theirs.
pub(super) const MAX_TOLD: usize = 100;

/// Directories that the last scan could not list.
#[derive(Debug, Default)]
pub(super) struct Unreached {
    directories: Vec<Unlisted>,
    /// What is to be told of them at the next pass.
    report: PassReport,
}

impl Unreached {
    /// Tells what was met since the last pass.
    pub(super) fn tell(&mut self, report: &mut PassReport) {
        report.failures.append(&mut self.report.failures);
    }

    /// What a scan could not list.
    pub(super) fn take(&mut self, unlisted: Vec<Unlisted>, reading: &Reading) {
        self.report.clear();
        for directory in unlisted.iter().take(MAX_TOLD) {
            let path = reading.directory_of(&directory.cgroup);
            self.report.failed_directory(&path, Errno::from_raw(directory.errno));
        }
        self.directories = unlisted;
    }

    /// Whether all directories could be looked into at the last scan.
    pub(super) fn is_none(&self) -> bool {
        self.directories.is_empty()
    }
}
