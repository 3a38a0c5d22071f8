//! The cost of one of many repetitions.

use nix::sys::resource::{UsageWho, getrusage};
use std::time::{Duration, Instant};

/// User and system time of this process so far, and the wall clock.
#[derive(Clone, Copy)]
struct Clock(Duration, Duration, Instant);

impl Clock {
    fn now() -> Self {
        let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
        let time = |time: nix::sys::time::TimeVal| {
            Duration::from_micros(time.tv_sec() as u64 * 1_000_000 + time.tv_usec() as u64)
        };
        Self(time(usage.user_time()), time(usage.system_time()), Instant::now())
    }
}

/// CPU and wall time of one of many repetitions, in µs.
#[derive(Default)]
pub(super) struct Cost {
    pub(super) user: f64,
    pub(super) system: f64,
    pub(super) wall: f64,
}

impl Cost {
    /// Measures as many repetitions as fit into some seconds, and at least five.
    pub(super) fn of(mut work: impl FnMut()) -> Self {
        Self::of_both(&mut work, || ()).0
    }

    /// Measures two kinds of work in turns. Each evicts the other's data from the processor's caches, as
    /// everything else on a host does between two scrapes.
    pub(super) fn of_both(mut one: impl FnMut(), mut other: impl FnMut()) -> (Self, Self) {
        one();
        other();
        let begin = Instant::now();
        let (mut first, mut second) = (Self::default(), Self::default());
        let mut repetitions = 0.0;
        while repetitions < 5.0 || (repetitions < 2000.0 && begin.elapsed() < Duration::from_secs(5)) {
            let before = Clock::now();
            one();
            let between = Clock::now();
            other();
            let after = Clock::now();
            first.add(before, between);
            second.add(between, after);
            repetitions += 1.0;
        }
        (first.over(repetitions), second.over(repetitions))
    }

    fn add(&mut self, from: Clock, to: Clock) {
        self.user += (to.0 - from.0).as_secs_f64() * 1e6;
        self.system += (to.1 - from.1).as_secs_f64() * 1e6;
        self.wall += (to.2 - from.2).as_secs_f64() * 1e6;
    }

    fn over(&self, repetitions: f64) -> Self {
        Self {
            user: self.user / repetitions,
            system: self.system / repetitions,
            wall: self.wall / repetitions,
        }
    }

    pub(super) fn cpu(&self) -> f64 {
        self.user + self.system
    }
}
