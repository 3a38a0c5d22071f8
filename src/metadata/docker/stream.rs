//! The event stream of a session: requested, open, or refused until it is requested again.

use super::{
    client::Client,
    events::{Events, Line},
    problem::Problem,
};
use futures_util::future::LocalBoxFuture;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// How often a daemon that sends no events is asked for them again.
const STREAM_AGAIN: Duration = Duration::from_secs(60);

/// The event stream, or its state if there is none.
pub(super) struct Stream<'a> {
    client: &'a Client,
    since: f64,
    /// When it was opened.
    pub(super) opened: Instant,
    pub(super) state: StreamState<'a>,
}

pub(super) enum StreamState<'a> {
    Opening(LocalBoxFuture<'a, Result<Events, Problem>>),
    Open(Box<Events>),
    /// Refused, with the time of the next request.
    Refused(Problem, Instant),
}

impl<'a> Stream<'a> {
    /// Requests events since this time by the daemon's clock.
    pub(super) fn new(client: &'a Client, since: f64) -> Self {
        let opening = StreamState::Opening(Box::pin(client.events(since)));
        Self { client, since, opened: Instant::now(), state: opening }
    }

    /// The next line; `None` if the stream has just started or was just refused. Cancel safe: may be dropped
    /// at any time and called again.
    ///
    /// # Errors
    /// If the stream has ended.
    pub(super) async fn next(&mut self) -> Result<Option<Line>, Problem> {
        if let StreamState::Open(events) = &mut self.state {
            return events.next().await.map(Some);
        }
        self.next_state().await;
        Ok(None)
    }

    /// Goes on without a stream for a while.
    pub(super) fn refuse(&mut self, problem: Problem) {
        self.state = StreamState::Refused(problem, Instant::now() + STREAM_AGAIN);
    }

    /// Waits until it has started or was refused. It does not show whether there is a daemon at all: the list
    /// does.
    pub(super) async fn next_state(&mut self) {
        if let StreamState::Refused(_, again) = self.state {
            sleep_until(again).await;
            self.state = StreamState::Opening(Box::pin(self.client.events(self.since)));
        }
        let StreamState::Opening(opening) = &mut self.state else { return };
        match opening.await {
            Ok(events) => {
                self.opened = Instant::now();
                self.state = StreamState::Open(Box::new(events));
            }
            Err(problem) => self.refuse(problem),
        }
    }
}
