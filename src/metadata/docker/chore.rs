//! What a session waits for besides events and inspections.

use super::{problem::Problem, tolerant::List};
use futures_util::future::LocalBoxFuture;
use std::future::pending;
use tokio::time::{Instant, sleep_until};

/// The answer to a request other than events and inspections.
pub(super) enum Chore {
    Ping(Result<(), Problem>),
    List(Result<List, Problem>),
}

/// Waits until this time, or for ever.
pub(super) async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => pending().await,
    }
}

/// The answer to the chore. Waits for ever if there is none.
pub(super) async fn done(chore: &mut Option<LocalBoxFuture<'_, Chore>>) -> Chore {
    match chore {
        Some(chore) => chore.await,
        None => pending().await,
    }
}
