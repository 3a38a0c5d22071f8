//! What happened to a container.

use super::Health;

/// What happened, named as in Docker's events.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Action {
    /// `create`, `start`, `die`, `update`: an inspection gives the details.
    Inspect,
    Pause,
    Unpause,
    Rename(String),
    Health(Health),
    Oom {
        /// When, in Unix seconds.
        at: Option<f64>,
    },
    Destroy,
}
