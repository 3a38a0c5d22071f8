//! What happened to a container.

use super::Health;

/// What happened, in Docker's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    /// `create`, `start`, `die`, `update`: inspect tells the rest.
    Inspect,
    Pause,
    Unpause,
    Rename(String),
    Health(Health),
    Oom,
    Destroy,
}
