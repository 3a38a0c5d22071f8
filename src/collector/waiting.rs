//! Requests that wait for the collector.

use super::{Body, Feed, Report};
use crate::encode::Format;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Requests that wait for an answer at the end of this round.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    pub(super) pages: Vec<(Format, oneshot::Sender<Arc<Body>>)>,
    pub(super) feeds: Vec<Feed>,
    pub(super) reports: Vec<oneshot::Sender<Arc<Report>>>,
}

impl Waiting {
    /// Drops requests whose caller has gone: they need no pass.
    pub(super) fn forget_gone(&mut self) {
        self.pages.retain(|(_, reply)| !reply.is_closed());
        self.feeds.retain(|feed| !feed.is_unwanted());
        self.reports.retain(|reply| !reply.is_closed());
    }
}
