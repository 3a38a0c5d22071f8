//! Samples and metadata, joined: one [`Container`] per row of the output.

mod network;
mod oom;
mod rates;

pub use network::{Claimant, claims};
pub use oom::OomKills;
pub use rates::{RatePoint, Rates, Window};

use crate::{metadata::Metadata, parse::ContainerId, sample::ScopeSample};
use std::sync::Arc;

/// A container as it is shown: running, or known to Docker only.
#[derive(Debug)]
pub struct Container {
    /// Its ID.
    pub id: ContainerId,
    /// The cgroup that it has, had or would have, below the cgroup root.
    pub cgroup: String,
    /// What Docker says of it.
    pub metadata: Option<Arc<Metadata>>,
    /// Whether it has a cgroup, and `sample` holds what was read there.
    pub live: bool,
    /// What was read.
    pub sample: ScopeSample,
    /// What changed over the last polling window.
    pub rates: Rates,
    /// When its cgroup was made, unix s.
    pub scope_created: Option<f64>,
    /// OOM kills over all its runs.
    pub oom_kills: OomKills,
}

impl Container {
    /// A container that nothing was read of.
    #[must_use]
    pub fn new(id: ContainerId, cgroup: String) -> Self {
        Self {
            id,
            cgroup,
            metadata: None,
            live: false,
            sample: ScopeSample::default(),
            rates: Rates::default(),
            scope_created: None,
            oom_kills: OomKills::default(),
        }
    }

    /// Docker's name, or the short ID.
    #[must_use]
    pub fn name(&self) -> &str {
        self.metadata.as_ref().map_or_else(|| self.id.short(), |metadata| &metadata.name)
    }

    /// When it was started, unix s: as Docker says, else when its cgroup was made.
    #[must_use]
    pub fn started(&self) -> Option<f64> {
        let docker = self.metadata.as_ref().and_then(|metadata| metadata.started);
        docker.or(self.scope_created)
    }
}
