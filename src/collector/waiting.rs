//! Who waits for the collector.

use super::{Body, Feed, Report};
use crate::encode::Format;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Who waits for an answer at the end of this turn.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    pub(super) pages: Vec<(Format, oneshot::Sender<Arc<Body>>)>,
    pub(super) feeds: Vec<Feed>,
    pub(super) reports: Vec<oneshot::Sender<Arc<Report>>>,
}

impl Waiting {
    /// Those whose asker has gone are not worth a pass.
    pub(super) fn forget_gone(&mut self) {
        self.pages.retain(|(_, reply)| !reply.is_closed());
        self.feeds.retain(|feed| !feed.is_unwanted());
        self.reports.retain(|reply| !reply.is_closed());
    }
}
