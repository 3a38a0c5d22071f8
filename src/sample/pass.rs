//! What one pass over all containers shares.

use super::{devices::DeviceNames, failure::PassReport, interfaces::Interfaces, stat_file::Scratch};

/// A buffer to read into, the report, and what is known from earlier passes.
#[derive(Debug, Default)]
pub struct Pass {
    /// Where files are read into.
    pub scratch: Scratch,
    /// What went wrong.
    pub report: PassReport,
    /// Device names met so far.
    pub devices: DeviceNames,
    /// Which interfaces count.
    pub interfaces: Interfaces,
    /// Child cgroups of containers looked into so far.
    pub children: u64,
    /// Whether files that were absent before are looked for again: controllers can be enabled later.
    pub recheck_absent: bool,
}
