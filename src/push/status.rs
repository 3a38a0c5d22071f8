//! How each target is doing, for people.

use std::sync::{Arc, Mutex, PoisonError};

/// One target. Nothing in it is secret or long.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetStatus {
    /// Its name.
    pub name: String,
    /// What it is sent, such as `remote write 2.0`.
    pub protocol: &'static str,
    /// How many bytes of compressed requests wait.
    pub waiting_bytes: u64,
    /// How old the oldest samples were that waited, when last looked at; in seconds. 0 if none waited.
    pub lag_seconds: f64,
    /// When it last took a request, in Unix seconds.
    pub last_success: Option<f64>,
    /// Why the last request failed, in one line. `None` after a success.
    pub last_error: Option<String>,
}

/// The state of all targets. Cheap to clone; all clones show the same.
#[derive(Debug, Clone, Default)]
pub struct Board(Arc<Mutex<Vec<TargetStatus>>>);

impl Board {
    /// All targets as they are now, in the order of the settings.
    #[must_use]
    pub fn snapshot(&self) -> Vec<TargetStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A board with these targets.
    pub(super) fn new(targets: impl Iterator<Item = (String, &'static str)>) -> Self {
        let status = |(name, protocol)| TargetStatus {
            name,
            protocol,
            waiting_bytes: 0,
            lag_seconds: 0.0,
            last_success: None,
            last_error: None,
        };
        Self(Arc::new(Mutex::new(targets.map(status).collect())))
    }

    /// Changes what is shown of one target.
    pub(super) fn change(&self, target: usize, change: impl FnOnce(&mut TargetStatus)) {
        let mut targets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(status) = targets.get_mut(target) {
            change(status);
        }
    }
}
