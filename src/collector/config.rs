//! What the collector is to do.

use crate::{
    metadata::Filter,
    sample::{Interfaces, Roots},
    table::Selection,
};
use std::time::Duration;

/// What the collector is to do.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the host's file systems are mounted.
    pub roots: Roots,
    /// Which metrics are served.
    pub selection: Selection,
    /// Which containers are served.
    pub filter: Filter,
    /// Time between polling ticks, if any rate is served or anybody has subscribed to them; `None` for ticks
    /// only on request.
    pub polling_interval: Option<Duration>,
    /// How long a polling window counts for the peaks. There are none without a polling interval.
    pub peak_window: Duration,
    /// How much of the polling ticks is kept; nothing if zero, or without a polling interval.
    pub history: Duration,
    /// Whether OpenMetrics says when counters began.
    pub created_lines: bool,
    /// How many descriptors to keep open on container files.
    pub fd_budget: usize,
    /// Which network interfaces are counted.
    pub interfaces: Interfaces,
    /// Whether to show containers that Docker was asked about and does not know, under their short IDs.
    pub show_unnamed: bool,
}
