//! Pauses between attempts.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    time::Duration,
};

/// The longest pause that a receiver can ask for.
const LONGEST_WISH: Duration = Duration::from_secs(300);

/// Pauses that double, with a part that is left to chance so that not all hosts come back at once.
#[derive(Debug)]
pub(super) struct Backoff {
    least: Duration,
    most: Duration,
    next: Duration,
}

impl Backoff {
    pub(super) fn new(least: Duration, most: Duration) -> Self {
        let least = least.max(Duration::from_millis(1));
        Self { least, most: most.max(least), next: least }
    }

    /// The pause after another failure. Not shorter than the receiver wants, as far as that is sensible.
    pub(super) fn pause(&mut self, wish: Duration) -> Duration {
        let pause = self.next;
        self.next = pause.saturating_mul(2).min(self.most);
        let half = pause / 2;
        let chance = half.mul_f64(random());
        match wish.min(LONGEST_WISH) {
            Duration::ZERO => half + chance,
            // A wish is never cut short.
            wish => (half + chance).max(wish + chance),
        }
    }

    /// The next pause is a short one.
    pub(super) fn succeeded(&mut self) {
        self.next = self.least;
    }
}

/// A number from 0 to 1. Not for secrets.
fn random() -> f64 {
    let number = RandomState::new().build_hasher().finish();
    f64::from(u32::try_from(number >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn pauses_double_up_to_a_limit_and_are_never_the_same() {
        let mut backoff = Backoff::new(30 * MS, 5000 * MS);
        for expected in [30, 60, 120, 240, 480, 960, 1920, 3840, 5000, 5000] {
            let pause = backoff.pause(Duration::ZERO);
            assert!(pause >= expected * MS / 2 && pause <= expected * MS, "{expected}: {pause:?}");
        }
        let pauses: std::collections::HashSet<_> = (0..20).map(|_| backoff.pause(Duration::ZERO)).collect();
        assert!(pauses.len() > 10, "{pauses:?}");
        backoff.succeeded();
        assert!(backoff.pause(Duration::ZERO) <= 30 * MS);
    }

    #[test]
    fn what_a_receiver_wants_is_kept_up_to_a_limit() {
        let mut backoff = Backoff::new(30 * MS, 5000 * MS);
        let pause = backoff.pause(Duration::from_secs(60));
        assert!(pause >= Duration::from_secs(60) && pause < Duration::from_secs(61), "{pause:?}");
        let pause = backoff.pause(Duration::from_secs(1 << 40));
        assert!(pause >= LONGEST_WISH && pause < LONGEST_WISH + Duration::from_secs(5), "{pause:?}");
    }

    #[test]
    fn odd_settings_give_pauses() {
        let mut backoff = Backoff::new(Duration::ZERO, Duration::ZERO);
        assert!(backoff.pause(Duration::ZERO) > Duration::ZERO);
        let mut backoff = Backoff::new(Duration::MAX, Duration::ZERO);
        backoff.pause(Duration::ZERO);
        backoff.pause(Duration::ZERO);
    }
}
