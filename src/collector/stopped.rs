//! The error when there is no collector any more.

/// The collector does not run any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the collector has stopped")]
pub struct Stopped;
