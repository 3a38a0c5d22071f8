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
    /// Where to read.
    pub roots: Roots,
    /// What to serve.
    pub selection: Selection,
    /// Which containers.
    pub filter: Filter,
    /// Time between ticks; `None` for no ticks but those that are asked for.
    pub polling_interval: Option<Duration>,
    /// Descriptors to keep open on files of containers.
    pub fd_budget: usize,
    /// Which interfaces count.
    pub interfaces: Interfaces,
    /// Whether containers that Docker was asked about and does not know are shown, under their short IDs.
    pub show_unnamed: bool,
}
