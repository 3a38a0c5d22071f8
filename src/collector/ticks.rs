//! Subscribers to the polling tick, such as a live page.

use super::{Event, Stopped};
use crate::{metadata::Metadata, model::Rates, parse::ContainerId};
use std::sync::Arc;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// How many subscribers there may be. The result of a tick is built once for all of them.
const MOST: usize = 16;
/// How many ticks wait for one subscriber. A subscriber that has not taken the last tick misses those that
/// follow.
const WAITING: usize = 1;

/// The result of one polling tick. Each tick contains everything, so a subscriber that misses one loses
/// nothing.
#[derive(Debug)]
pub struct Tick {
    /// The wall clock, in Unix seconds.
    pub now: f64,
    /// The containers that run and are shown, by ID.
    pub containers: Vec<TickRow>,
    /// The last events, oldest first, if a history is kept. It is the same slice as at the tick before unless
    /// there is news.
    pub events: Arc<[Event]>,
}

/// One container at a polling tick.
#[derive(Debug, Clone)]
pub struct TickRow {
    /// Its ID.
    pub id: ContainerId,
    /// What Docker says of it.
    pub metadata: Option<Arc<Metadata>>,
    /// What changed over the window that this tick has ended.
    pub rates: Rates,
    /// `memory.current`, bytes; `None` if it could not be read, or is not served.
    pub memory_current: Option<u64>,
}

impl TickRow {
    /// Docker's name, or the short ID.
    #[must_use]
    pub fn name(&self) -> &str {
        self.metadata.as_ref().map_or_else(|| self.id.short(), |metadata| &metadata.name)
    }
}

/// The ticks from now on. Drop it to end the subscription.
#[derive(Debug)]
pub struct Ticks(Receiver<Arc<Tick>>);

impl Ticks {
    /// The next tick. The first one comes at the end of the window that is open now.
    ///
    /// # Errors
    /// If the collector has stopped.
    pub async fn next(&mut self) -> Result<Arc<Tick>, Stopped> {
        self.0.recv().await.ok_or(Stopped)
    }
}

/// Why there is no subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotSubscribed {
    /// The limit of subscribers is reached.
    #[error("{MOST} subscribers are told of each tick already")]
    TooMany,
    /// There is no collector.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// The subscribers.
#[derive(Debug, Default)]
pub(super) struct Subscribers(Vec<Sender<Arc<Tick>>>);

impl Subscribers {
    pub(super) fn add(&mut self) -> Result<Ticks, NotSubscribed> {
        self.forget_gone();
        if self.0.len() >= MOST {
            return Err(NotSubscribed::TooMany);
        }
        let (sender, receiver) = channel(WAITING);
        self.0.push(sender);
        Ok(Ticks(receiver))
    }

    fn forget_gone(&mut self) {
        self.0.retain(|subscriber| !subscriber.is_closed());
    }

    /// Whether there is any subscriber.
    pub(super) fn is_any(&mut self) -> bool {
        self.forget_gone();
        !self.0.is_empty()
    }

    /// Whether any subscriber would take a tick now.
    pub(super) fn is_any_ready(&mut self) -> bool {
        self.forget_gone();
        self.0.iter().any(|subscriber| subscriber.capacity() > 0)
    }

    /// Sends a tick to the subscribers that have taken the last one.
    pub(super) fn tell(&self, tick: Tick) {
        let tick = Arc::new(tick);
        for subscriber in &self.0 {
            let _misses_it = subscriber.try_send(Arc::clone(&tick));
        }
    }
}
