//! The history as it is handed out.

use super::{
    events::Event,
    quantity::{POLLED, Quantity},
    series::{Polled, Spread, Step},
};
use crate::{metadata::Metadata, parse::ContainerId};
use std::{sync::Arc, time::Duration};

/// The polling ticks of the last while, as one moment saw them. Nothing in it changes.
#[derive(Debug, Default)]
pub struct History {
    /// How much is kept; zero if nothing is, because `--history` is 0 or there is no polling
    pub span: Duration,
    /// The wall clock, in Unix seconds
    pub now: f64,
    /// When each kept tick was, in Unix seconds, oldest first
    pub ticks: Vec<f64>,
    /// How long a step is
    pub step: Duration,
    /// When each kept step began, in Unix seconds, oldest first; the last one is not over yet
    pub steps: Vec<f64>,
    /// The containers by ID, including those that have ended within `span`
    pub containers: Vec<ContainerHistory>,
    /// The last events, oldest first; at most 200
    pub events: Arc<[Event]>,
}

/// The numbers of one container. NaN is what is not known: it did not run, a file could not be read, or
/// nothing is served of it.
#[derive(Debug)]
pub struct ContainerHistory {
    /// Its ID
    pub id: ContainerId,
    /// What Docker said of it last
    pub metadata: Option<Arc<Metadata>>,
    /// When it was first seen to have ended, in Unix seconds; `None` if it runs
    pub ended: Option<f64>,
    pub(super) ticks: Vec<Polled>,
    pub(super) steps: Vec<Step>,
}

impl ContainerHistory {
    /// Docker's name, or the short ID.
    #[must_use]
    pub fn name(&self) -> &str {
        self.metadata.as_ref().map_or_else(|| self.id.short(), |metadata| &metadata.name)
    }

    /// One value for each of [`History::ticks`]. There is none at all of a quantity that is not polled.
    pub fn ticks(&self, quantity: Quantity) -> impl Iterator<Item = f32> {
        self.ticks.iter().filter_map(move |tick| tick.get(quantity as usize)).copied()
    }

    /// One value for each of [`History::steps`]. A quantity that is not polled has its last value in each.
    pub fn steps(&self, quantity: Quantity) -> impl Iterator<Item = Spread> {
        let at = quantity as usize;
        self.steps.iter().map(move |step| match at.checked_sub(POLLED) {
            None => step.polled.get(at).copied().unwrap_or(Spread::UNKNOWN),
            Some(at) => step.passed.get(at).copied().map_or(Spread::UNKNOWN, Spread::of),
        })
    }
}
