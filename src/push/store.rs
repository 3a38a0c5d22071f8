//! The queue of one target, shared by who fills it and who empties it.

use super::{
    http::first_line,
    queue::{Queue, Ticket},
    record::{Loss, Record},
    said::Said,
    status::Board,
};
use crate::table::{SelfMetrics, float};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{
    sync::{Notify, mpsc::Receiver},
    task::spawn_blocking,
};

/// A target's series in the exporter's own metrics, and its line on the board.
#[derive(Debug, Clone)]
pub(super) struct Counts {
    pub(super) name: Arc<str>,
    pub(super) number: usize,
    pub(super) metrics: SelfMetrics,
    pub(super) board: Board,
}

impl Counts {
    /// Shows all series that can be shown from the beginning.
    pub(super) fn begin(&self) {
        let target = [&*self.name];
        self.metrics.push_samples.with_label_values(&target);
        self.metrics.push_requests.with_label_values(&target);
        self.metrics.push_queue_bytes.with_label_values(&target);
        self.metrics.push_lag.with_label_values(&target);
    }

    pub(super) fn request(&self) {
        self.metrics.push_requests.with_label_values(&[&*self.name]).inc();
    }

    pub(super) fn taken(&self, samples: u64) {
        self.metrics.push_samples.with_label_values(&[&*self.name]).inc_by(float(samples));
        let now = since_1970().as_secs_f64();
        self.metrics.push_last_success.with_label_values(&[&*self.name]).set(now);
        self.board.change(self.number, |status| {
            (status.last_success, status.last_error) = (Some(now), None);
        });
    }

    pub(super) fn failed(&self, reason: &str, said: &str) {
        self.metrics.push_failures.with_label_values(&[reason, &self.name]).inc();
        self.board.change(self.number, |status| status.last_error = Some(said.to_owned()));
    }

    pub(super) fn dropped(&self, reason: &str, samples: u64) {
        if samples > 0 {
            self.metrics.push_dropped_samples.with_label_values(&[reason, &self.name]).inc_by(float(samples));
        }
    }

    fn waiting(&self, bytes: u64) {
        self.metrics.push_queue_bytes.with_label_values(&[&*self.name]).set(float(bytes));
        self.board.change(self.number, |status| status.waiting_bytes = bytes);
    }

    /// Shows how old the oldest samples are that wait; `None` if none do.
    pub(super) fn lag(&self, oldest: Option<i64>) {
        let lag = oldest.map_or(Duration::ZERO, age).as_secs_f64();
        self.metrics.push_lag.with_label_values(&[&*self.name]).set(lag);
        self.board.change(self.number, |status| status.lag_seconds = lag);
    }
}

/// The wall clock.
pub(super) fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// How long ago a moment was that is given in Unix milliseconds.
pub(super) fn age(timestamp: i64) -> Duration {
    since_1970().saturating_sub(Duration::from_millis(u64::try_from(timestamp).unwrap_or(0)))
}

/// A queue that is used by more than one task.
#[derive(Debug)]
pub(super) struct Store {
    queue: Arc<Mutex<Queue>>,
    is_on_disk: bool,
    arrived: Notify,
    departed: Notify,
    oldest: Mutex<Option<i64>>,
    said: Mutex<Said>,
    pub(super) counts: Counts,
}

impl Store {
    pub(super) fn new(queue: Queue, is_on_disk: bool, counts: Counts) -> Self {
        Self {
            queue: Arc::new(Mutex::new(queue)),
            is_on_disk,
            arrived: Notify::new(),
            departed: Notify::new(),
            oldest: Mutex::default(),
            said: Mutex::default(),
            counts,
        }
    }

    /// Whether what waits is on disk, so that using the queue may block.
    pub(super) fn is_on_disk(&self) -> bool {
        self.is_on_disk
    }

    /// Uses the queue. What is on disk may block, so that is done on a thread for it.
    async fn with<T: Send + 'static>(&self, f: impl FnOnce(&mut Queue) -> T + Send + 'static) -> Option<T> {
        let queue = Arc::clone(&self.queue);
        let work = move || -> (T, u64, Vec<Loss>) {
            let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
            let done = f(&mut queue);
            (done, queue.bytes(), queue.take_losses())
        };
        // It fails only when the runtime ends.
        let done = if self.is_on_disk { spawn_blocking(work).await.ok() } else { Some(work()) };
        let (done, bytes, losses) = done?;
        self.counts.waiting(bytes);
        losses.into_iter().for_each(|loss| self.lose(loss));
        Some(done)
    }

    /// Counts what will not be sent, and logs why, once until the receiver takes something.
    pub(super) fn lose(&self, loss: Loss) {
        let Loss { reason, samples } = loss;
        self.counts.dropped(reason, samples);
        if samples > 0 && self.said.lock().unwrap_or_else(PoisonError::into_inner).trouble(reason) {
            let why = match reason {
                "queue_full" => "too much waits, so the oldest samples are dropped",
                "damaged" => "requests on disk are damaged and left out",
                "spool_hangs" => "the disk of the spool hangs, so new samples are dropped",
                _ => "requests can't be read back from the disk",
            };
            tracing::warn!("push to {}: {why}", self.counts.name);
        }
    }

    /// Takes the records of pushes and puts them into the queue, until there will be no more.
    pub(super) async fn fill(&self, mut arriving: Receiver<Vec<Record>>) {
        let mut said = Said::default();
        while let Some(records) = arriving.recv().await {
            let name = &self.counts.name;
            match self.put(records).await {
                Some(error) if said.trouble("disk") => tracing::warn!(
                    "push to {name}: the spool takes nothing ({}), so requests wait in memory",
                    first_line(&error)
                ),
                None if said.success() => tracing::info!("push to {name}: the spool takes requests again"),
                _ => {}
            }
        }
    }

    /// Puts the records of one push into the queue. Returns why the disk does not take them, if there is one.
    pub(super) async fn put(&self, records: Vec<Record>) -> Option<String> {
        let trouble = self.with(move |queue| {
            queue.push(records);
            queue.trouble()
        });
        let trouble = trouble.await.flatten();
        self.arrived.notify_one();
        trouble
    }

    /// The receiver has taken something: trouble after this is told again.
    pub(super) fn recovered(&self) {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).success();
    }

    /// The oldest record, if there is one.
    pub(super) async fn front(&self) -> Option<(Ticket, Record)> {
        let front = self.with(Queue::front).await.flatten();
        let oldest = front.as_ref().map(|(_, record)| record.timestamp);
        *self.oldest.lock().unwrap_or_else(PoisonError::into_inner) = oldest;
        front
    }

    /// Removes a record.
    pub(super) async fn done(&self, ticket: Ticket) {
        self.with(move |queue| queue.done(ticket)).await;
        self.departed.notify_one();
    }

    /// Waits until nothing waits. For one task at a time.
    pub(super) async fn emptied(&self) {
        while self.with(|queue| queue.bytes()).await.unwrap_or(0) > 0 {
            self.departed.notified().await;
        }
    }

    /// Waits until there may be a record.
    pub(super) async fn arrival(&self) {
        self.arrived.notified().await;
    }

    /// The time of the newest record, in Unix milliseconds.
    pub(super) async fn newest(&self) -> Option<i64> {
        self.with(|queue| queue.newest()).await.flatten()
    }

    /// How many samples wait only in memory.
    pub(super) async fn samples_in_memory(&self) -> u64 {
        self.with(|queue| queue.samples_in_memory()).await.unwrap_or(0)
    }

    /// Shows how old the oldest samples are.
    pub(super) fn show_lag(&self) {
        self.counts.lag(*self.oldest.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
