//! State that one pass over all containers shares.

use super::{
    changes::Changes, devices::DeviceNames, failure::PassReport, interfaces::Interfaces, stat_file::Scratch,
};

/// What was visited to count descriptors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Visited {
    /// Processes and child cgroups.
    pub places: u64,
    /// Descriptors.
    pub descriptors: u64,
}

impl Visited {
    pub(super) fn is_above(self, most: Self) -> bool {
        self.places > most.places || self.descriptors > most.descriptors
    }
}

/// A buffer, the report, and what is known from earlier passes.
#[derive(Debug, Default)]
pub struct Pass {
    /// The buffer for files.
    pub scratch: Scratch,
    /// The failures.
    pub report: PassReport,
    /// The device names known so far.
    pub devices: DeviceNames,
    /// Which interfaces are counted.
    pub interfaces: Interfaces,
    /// How many child cgroups of containers were visited so far in this pass.
    pub children: u64,
    /// What was visited so far in this pass to count descriptors.
    pub visited: Visited,
    /// Which files have told of a change.
    pub changes: Changes,
    /// Whether to look again for files that were absent before: controllers can be enabled later.
    /// Files that tell of their changes are read too, should one have told nothing.
    pub recheck_absent: bool,
}
