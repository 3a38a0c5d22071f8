//! What outlasts a connection to the daemon.

use super::{convert::CgroupDriver, events::Replay, sizes::Rounds};
use crate::metadata::{Filter, Resolver};
use std::{collections::HashSet, path::PathBuf, rc::Rc};

/// State that is kept between sessions.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) resolver: Resolver,
    pub(super) replay: Replay,
    /// The daemon may be a different one now, so every container must be inspected.
    pub(super) inspect_all: bool,
    pub(super) driver: Option<CgroupDriver>,
    /// Docker's root directory, if the daemon has named it in this session.
    pub(super) root: Option<PathBuf>,
    /// The requests for sizes.
    pub(super) rounds: Rc<Rounds>,
    /// The daemon's time at the start of the last session. A new stream starts there, so that no OOM kill is
    /// lost.
    pub(super) since: Option<f64>,
    /// How many streams in a row ended soon after they had started.
    pub(super) short_streams: u32,
    /// The warnings that were logged.
    pub(super) said: HashSet<&'static str>,
}

impl Memory {
    pub(super) fn new(filter: Filter) -> Self {
        Self { resolver: Resolver::new(filter), inspect_all: true, ..Self::default() }
    }
}
