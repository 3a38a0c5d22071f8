//! The event stream of a session: asked for, open, or refused and asked for again.

use super::{
    client::Client,
    events::{Events, Line},
    problem::Problem,
};
use futures_util::future::LocalBoxFuture;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// How often a daemon that tells no events is asked for them again.
const STREAM_AGAIN: Duration = Duration::from_secs(60);

/// The event stream, or what there is instead of it.
pub(super) struct Stream<'a> {
    client: &'a Client,
    since: f64,
    /// When it began to be open.
    pub(super) opened: Instant,
    pub(super) state: StreamState<'a>,
}

pub(super) enum StreamState<'a> {
    Opening(LocalBoxFuture<'a, Result<Events, Problem>>),
    Open(Box<Events>),
    /// It is asked for again then.
    Refused(Problem, Instant),
}

impl<'a> Stream<'a> {
    /// Asks for events since then, the daemon's time.
    pub(super) fn new(client: &'a Client, since: f64) -> Self {
        let opening = StreamState::Opening(Box::pin(client.events(since)));
        Self { client, since, opened: Instant::now(), state: opening }
    }

    /// The next line; none if the stream has begun or was refused just now. May be dropped at any time and
    /// called again.
    ///
    /// # Errors
    /// The stream has ended.
    pub(super) async fn next(&mut self) -> Result<Option<Line>, Problem> {
        if let StreamState::Open(events) = &mut self.state {
            return events.next().await.map(Some);
        }
        self.next_state().await;
        Ok(None)
    }

    /// Goes without it for a while.
    pub(super) fn refuse(&mut self, problem: Problem) {
        self.state = StreamState::Refused(problem, Instant::now() + STREAM_AGAIN);
    }

    /// Waits until it has begun or was refused. Whether there is a daemon at all, the list tells.
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
