//! Messages to the collector, and the handle that sends them.

use super::{Body, Feed, History, NotSubscribed, Report, Stopped, Ticks, Visitor, pulse::Pulse};
use crate::{discovery::ScopeEvent, encode::Format, metadata::MetadataEvent, table::SelfMetrics};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Sender, SyncSender, sync_channel},
    },
    time::Duration,
};
use tokio::sync::oneshot;

/// A message to the collector thread.
#[derive(Debug)]
pub enum Message {
    /// Read the files of the rate gauges now.
    Tick(oneshot::Sender<()>),
    /// Read everything, and render it.
    Scrape(Format, oneshot::Sender<Arc<Body>>),
    /// Read everything, and show it to a visitor.
    Feed(Feed),
    /// Report each tick from now on.
    Subscribe(oneshot::Sender<Result<Ticks, NotSubscribed>>),
    /// Answer, between two passes, whether the containers are known, and named if Docker answers.
    Ping(oneshot::Sender<bool>),
    /// Report what is known of each container.
    Report(oneshot::Sender<Arc<Report>>),
    /// The history of the polling ticks.
    History(oneshot::Sender<Arc<History>>),
    /// A container came or went.
    Scope(ScopeEvent),
    /// News from Docker.
    Metadata(MetadataEvent),
    /// Answer when every earlier message has been taken.
    Barrier(SyncSender<()>),
    /// Stop.
    Shutdown,
}

/// How the rest of the program talks to the collector. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle {
    sender: Sender<Message>,
    pub(super) ready: Arc<AtomicBool>,
    pub(super) pulse: Arc<Pulse>,
    pub(super) metrics: SelfMetrics,
}

impl Handle {
    /// A handle that sends to `sender`.
    #[must_use]
    pub fn new(sender: Sender<Message>, metrics: SelfMetrics) -> Self {
        Self { sender, ready: Arc::default(), pulse: Arc::default(), metrics }
    }

    /// Sends a message; `false` if the collector has stopped.
    pub fn send(&self, message: Message) -> bool {
        self.sender.send(message).is_ok()
    }

    /// The page, read after this call.
    ///
    /// # Errors
    /// If the collector has stopped.
    pub async fn scrape(&self, format: Format) -> Result<Arc<Body>, Stopped> {
        self.ask(|reply| Message::Scrape(format, reply)).await
    }

    /// Runs a full pass, shows the visitor every family and series of it, and gives the visitor back. The
    /// pass begins after this call. Pages and other visitors that wait at the same time share the pass.
    ///
    /// Nothing bounds how many visitors wait. So push sends one at a time for each target, and the server
    /// bounds how many pages are made at once.
    ///
    /// # Errors
    /// If the collector has stopped. The visitor is lost then.
    pub async fn feed<V: Visitor + 'static>(&self, visitor: V) -> Result<V, Stopped> {
        let (feed, answer) = Feed::new(visitor);
        self.sender.send(Message::Feed(feed)).map_err(|_| Stopped)?;
        answer.await.map_err(|_| Stopped)
    }

    /// Subscribes to the polling ticks. The subscription lasts until the returned [`Ticks`] is dropped. A
    /// slow subscriber misses ticks; the collector never waits for it.
    ///
    /// # Errors
    /// If there are too many subscribers, or the collector has stopped.
    pub async fn subscribe(&self) -> Result<Ticks, NotSubscribed> {
        self.ask(Message::Subscribe).await?
    }

    /// What is known of each container.
    ///
    /// # Errors
    /// If the collector has stopped.
    pub async fn report(&self) -> Result<Arc<Report>, Stopped> {
        self.ask(Message::Report).await
    }

    /// The last while of the polling ticks, tick by tick and in steps, with the last events. It is built when
    /// it is asked for, once per tick however many ask. If nothing is kept, its `span` is zero.
    ///
    /// # Errors
    /// If the collector has stopped.
    pub async fn history(&self) -> Result<Arc<History>, Stopped> {
        self.ask(Message::History).await
    }

    /// Asks the collector whether the containers are known, and named if Docker answers. It answers between
    /// two passes, so the caller chooses how long to wait.
    ///
    /// # Errors
    /// If the collector has stopped.
    pub async fn ping(&self) -> Result<bool, Stopped> {
        self.ask(Message::Ping).await
    }

    /// How long ago the collector last started a round of its loop. It starts one every second unless a pass
    /// takes longer.
    #[must_use]
    pub fn silence(&self) -> Duration {
        self.pulse.silence()
    }

    /// Runs a polling tick, which is done when this returns.
    ///
    /// # Errors
    /// If the collector has stopped.
    pub async fn tick(&self) -> Result<(), Stopped> {
        self.ask(Message::Tick).await
    }

    /// Blocks until the collector has taken all earlier messages; `false` if it has stopped. For threads that
    /// could send faster than the collector takes.
    #[must_use]
    pub fn wait_until_taken(&self) -> bool {
        let (taken, answer) = sync_channel(1);
        self.send(Message::Barrier(taken)) && answer.recv().is_ok()
    }

    async fn ask<T>(&self, message: impl FnOnce(oneshot::Sender<T>) -> Message) -> Result<T, Stopped> {
        let (reply, answer) = oneshot::channel();
        self.sender.send(message(reply)).map_err(|_| Stopped)?;
        answer.await.map_err(|_| Stopped)
    }

    /// Whether the containers are known, and named if Docker answers, as the collector last reported.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    /// The exporter's own series.
    #[must_use]
    pub fn metrics(&self) -> &SelfMetrics {
        &self.metrics
    }
}

#[cfg(test)]
impl Handle {
    /// A handle on a collector that has been silent for a while.
    pub(crate) fn silent_for(
        sender: Sender<Message>,
        metrics: SelfMetrics,
        silence: Duration,
    ) -> Option<Self> {
        Some(Self { pulse: Arc::new(Pulse::silent_for(silence)?), ..Self::new(sender, metrics) })
    }
}
