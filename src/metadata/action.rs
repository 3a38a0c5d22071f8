//! What happened to a container.

use super::Health;

/// What happened, named as in Docker's events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    /// `create`, `start`, `die`, `update`: an inspection gives the details.
    Inspect,
    Pause,
    Unpause,
    Rename(String),
    Health(Health),
    Oom,
    Destroy,
}
