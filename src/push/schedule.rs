//! When to push.

use std::time::Duration;

/// Moments on the wall clock: one in each interval, later than its beginning by an offset that each host has
/// of its own. So all pushes of a host are the same distance apart, also after a restart, and not all hosts
/// push at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    interval: Duration,
    offset: Duration,
}

impl Schedule {
    /// The schedule of the host with this name.
    pub(super) fn new(interval: Duration, host: &str) -> Self {
        let interval = interval.max(Duration::from_millis(1));
        let millis = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX);
        let hash = u64::from(crc32fast::hash(host.as_bytes()));
        Self { interval, offset: Duration::from_millis(hash % millis) }
    }

    /// How long to wait for the next moment. Never longer than one and a half intervals: whatever the wall
    /// clock does meanwhile, the push after the next is on time again.
    ///
    /// `now` is the wall clock, since 1970. `since_last` is how long ago the last push was, on a clock that
    /// never steps: a timer may fire a bit early, and that must not give two pushes.
    pub(super) fn wait(&self, now: Duration, since_last: Option<Duration>) -> Duration {
        let interval = self.interval.as_nanos();
        let phase = (now.as_nanos() + interval - self.offset.as_nanos() % interval) % interval;
        let wait = u64::try_from(interval - phase).map_or(self.interval, Duration::from_nanos);
        match since_last {
            Some(since) if since + wait < self.interval / 2 => wait + self.interval,
            _ => wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const INTERVAL: Duration = Duration::from_secs(15);

    #[test]
    fn pushes_are_an_interval_apart_and_at_the_same_moments_after_a_restart() {
        let schedule = Schedule::new(INTERVAL, "host");
        let mut now = 1_795_000_000 * SECOND;
        now += schedule.wait(now, None);
        for _ in 0..10 {
            assert_eq!(schedule.wait(now, Some(Duration::ZERO)), INTERVAL);
            let restarted = now + 4 * SECOND;
            assert_eq!(Schedule::new(INTERVAL, "host").wait(restarted, None), 11 * SECOND);
            now += INTERVAL;
        }
    }

    #[test]
    fn hosts_are_spread_over_the_interval() {
        let offsets = (0..1000).map(|host| Schedule::new(INTERVAL, &format!("host-{host}")).offset);
        let mut thirds = [0; 3];
        offsets.for_each(|offset| thirds[usize::try_from(offset.as_secs() / 5).unwrap()] += 1);
        assert!(thirds.iter().all(|count| (250..420).contains(count)), "{thirds:?}");
    }

    #[test]
    fn a_timer_that_fires_early_gives_no_second_push() {
        let schedule = Schedule::new(INTERVAL, "host");
        let moment = schedule.offset + 100 * INTERVAL;
        let early = moment - Duration::from_millis(2);
        assert_eq!(schedule.wait(early, Some(Duration::ZERO)), INTERVAL + Duration::from_millis(2));
        assert_eq!(schedule.wait(early, None), Duration::from_millis(2));
    }

    #[test]
    fn a_clock_that_steps_delays_a_push_by_less_than_an_interval() {
        let schedule = Schedule::new(INTERVAL, "host");
        let begin = 1_795_000_000 * SECOND;
        for step in [-86_400_i64, -3600, -16, -8, -1, 0, 1, 8, 16, 3600, 86_400] {
            let wall = |mono: Duration| {
                let moved = i64::try_from((begin + mono).as_millis()).unwrap()
                    + if mono > 20 * SECOND { step * 1000 } else { 0 };
                Duration::from_millis(u64::try_from(moved).unwrap())
            };
            let mut mono = schedule.wait(begin, None);
            let mut pushes = vec![mono];
            while pushes.len() < 10 {
                mono += schedule.wait(wall(mono), Some(Duration::ZERO));
                pushes.push(mono);
            }
            for pair in pushes.windows(2) {
                let gap = pair[1] - pair[0];
                assert!(gap >= INTERVAL / 2 && gap <= INTERVAL * 3 / 2, "{step}: {gap:?}");
            }
            assert_eq!(pushes[9] - pushes[8], INTERVAL, "{step}");
        }
    }
}
