//! Whether the collector's loop still runs, as seen from other threads.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// When the collector last started a round of its loop.
#[derive(Debug)]
pub(super) struct Pulse {
    start: Instant,
    /// Milliseconds since `start`.
    last: AtomicU64,
}

impl Default for Pulse {
    fn default() -> Self {
        Self { start: Instant::now(), last: AtomicU64::new(0) }
    }
}

impl Pulse {
    pub(super) fn beat(&self) {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }

    /// How long ago the last beat was.
    pub(super) fn silence(&self) -> Duration {
        self.start.elapsed().saturating_sub(Duration::from_millis(self.last.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
impl Pulse {
    /// A pulse whose last beat was a while ago.
    pub(super) fn silent_for(silence: Duration) -> Option<Self> {
        Some(Self { start: Instant::now().checked_sub(silence)?, last: AtomicU64::new(0) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beat_ends_the_silence() {
        let pulse = Pulse::silent_for(Duration::from_secs(40)).unwrap();
        assert!(pulse.silence() >= Duration::from_secs(40));
        pulse.beat();
        assert!(pulse.silence() < Duration::from_secs(40));
    }
}
