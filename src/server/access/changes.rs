//! Tells those who were let in that who may ask has changed.

use std::future::pending;
use tokio::sync::watch::{Receiver, Sender};

/// How often it has changed so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Users, tokens, or what is asked of client certificates.
    of_access: u64,
    /// Only what is asked of client certificates.
    of_certificates: u64,
}

/// What changes are told to.
#[derive(Debug, Default)]
pub(super) struct Told(Sender<Counts>);

impl Told {
    /// Tells of a change. `with_certificates` if other client certificates are asked for than before.
    pub(super) fn tell(&self, with_certificates: bool) {
        self.0.send_modify(|counts| {
            counts.of_access += 1;
            counts.of_certificates += u64::from(with_certificates);
        });
    }

    /// The changes from now on.
    pub(super) fn changes(&self) -> Changes {
        let receiver = self.0.subscribe();
        let before = *receiver.borrow();
        Changes { receiver, before }
    }
}

/// The changes since this was made. Make it before the rules are looked at: then none is missed.
#[derive(Debug, Clone)]
pub(in crate::server) struct Changes {
    receiver: Receiver<Counts>,
    before: Counts,
}

impl Changes {
    /// Resolves once there was a change: whoever was let in may have to stay out now.
    pub(in crate::server) async fn any(mut self) {
        let before = self.before.of_access;
        self.wait(move |now| now.of_access != before).await;
    }

    /// Resolves once other client certificates are asked for. They are looked at when a connection begins, so
    /// those that there are were let in by the old rules.
    pub(in crate::server) async fn of_certificates(&mut self) {
        let before = self.before.of_certificates;
        self.wait(move |now| now.of_certificates != before).await;
    }

    async fn wait(&mut self, is_it: impl Fn(Counts) -> bool) {
        if self.receiver.wait_for(|now| is_it(*now)).await.is_err() {
            // Nothing changes any more.
            pending().await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn a_change_is_told_to_those_who_were_there_before() {
        let told = Told::default();
        let mut before = told.changes();
        assert!(before.clone().any().now_or_never().is_none());
        told.tell(false);
        assert!(before.clone().any().now_or_never().is_some());
        assert!(before.of_certificates().now_or_never().is_none());
        let after = told.changes();
        assert!(after.clone().any().now_or_never().is_none());
        told.tell(true);
        assert!(before.of_certificates().now_or_never().is_some());
        assert!(after.any().now_or_never().is_some());
        // The exporter ends, and that is no change.
        let last = told.changes();
        drop(told);
        assert!(last.any().now_or_never().is_none());
    }
}
