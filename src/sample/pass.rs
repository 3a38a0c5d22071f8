//! State that one pass over all containers shares.

use super::{
    descriptors::Visited, devices::DeviceNames, failure::PassReport, interfaces::Interfaces,
    stat_file::Scratch,
};

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
    /// Whether to look again for files that were absent before: controllers can be enabled later.
    pub recheck_absent: bool,
}
