//! What happened to a container.

use super::Health;

/// What happened, named as in Docker's events.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Action {
    /// `create`, `update`: an inspection gives the details.
    Inspect,
    /// `start`: likewise.
    Start,
    /// `die`: likewise.
    Die,
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

impl Action {
    /// Whether only an inspection tells what it means.
    pub(super) fn needs_inspection(&self) -> bool {
        matches!(self, Self::Inspect | Self::Start | Self::Die)
    }
}
