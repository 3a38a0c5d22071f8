//! The highest polling window of the last while, so that bursts between two scrapes are seen.

use super::{Rates, rates::float};
use std::time::Duration;

/// The highest polling windows of the last while. `None` before the first window, and where none was
/// complete.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Peaks {
    /// CPUs busy: 1.0 is one logical CPU
    pub cpu_ratio: Option<f64>,
    /// Bytes per second received and sent, each in its own highest window
    pub network: Option<(f64, f64)>,
    /// Bytes per second read and written, each in its own highest window
    pub block: Option<(f64, f64)>,
    /// The highest reading of `memory.current`, bytes
    pub memory_current: Option<f64>,
}

/// One poll of a container. All times are since the same fixed moment, by a clock that nobody sets and that
/// stands still while the machine is suspended.
#[derive(Debug, Clone, Copy)]
pub struct Poll {
    /// A moment before the first file was read
    pub since: Duration,
    /// After the files of the cgroup were read
    pub files_at: Duration,
    /// After the interfaces were read
    pub network_at: Duration,
    /// The rates over the window that this poll has ended
    pub rates: Rates,
    /// `memory.current`, bytes
    pub memory_current: Option<u64>,
}

/// How many parts of the time are kept. A window is forgotten at most one part later than it should be, and
/// exactly on time if no two windows end in one part. With the defaults that is so: 30 windows in 60 s.
const PARTS: u32 = 32;
/// The number of values per part: CPU, received, sent, read, written, memory.
const VALUES: usize = 6;
/// A value that is not known. Every other one is higher.
const UNKNOWN: f64 = f64::NEG_INFINITY;

/// The highest values of the windows that ended in one part of the time.
#[derive(Debug, Clone, Copy)]
struct Part {
    end: Duration,
    highest: [f64; VALUES],
}

/// What is kept of one run of a container to know its [`Peaks`].
#[derive(Debug)]
pub struct Bursts {
    /// How long a window counts after its end.
    span: Duration,
    /// Windows that are shorter do not count.
    shortest: Duration,
    last: Option<Poll>,
    has_window: bool,
    parts: Vec<Part>,
    /// Where the newest part is, and when it began.
    newest: usize,
    newest_began: Duration,
    /// The highest memory that scrapes have read since the last poll.
    memory_since: Option<u64>,
}

impl Bursts {
    /// For a run that begins. Its windows are as long as the polling interval, and each counts for `span`
    /// after its end.
    #[must_use]
    pub fn new(span: Duration, interval: Duration) -> Self {
        Self {
            span,
            // The first window may be cut short. The kernel adds up usage in steps of some milliseconds, and
            // in a window of that length a step looks like a burst.
            shortest: interval / 2,
            last: None,
            has_window: false,
            parts: Vec::with_capacity(PARTS as usize),
            newest: 0,
            newest_began: Duration::ZERO,
            memory_since: None,
        }
    }

    /// Takes a poll, which ends a window and begins the next one.
    ///
    /// A window that is far longer than the interval, because the machine or the reader stood still, counts
    /// as the mean that it is: it may hide a burst, but shows none that was not there.
    ///
    /// If the reader is interrupted between a file and the clock, the next window seems shorter than it was,
    /// and its rates higher. A peak must not come from that. So here a window is as long as it can have been:
    /// from before the first file of the poll that began it.
    pub fn take(&mut self, poll: Poll) {
        let mut highest = [UNKNOWN; VALUES];
        let [cpu, received, sent, read, written, memory] = &mut highest;
        *memory = poll.memory_current.max(self.memory_since.take()).map_or(UNKNOWN, float);
        if let Some(last) = self.last.replace(poll) {
            self.has_window = true;
            if let Some(share) = self.certain(poll.files_at, last.files_at, last.since) {
                *cpu = poll.rates.cpu_ratio.map_or(UNKNOWN, |ratio| ratio * share);
                (*read, *written) = scaled(poll.rates.block, share);
            }
            if let Some(share) = self.certain(poll.network_at, last.network_at, last.files_at) {
                (*received, *sent) = scaled(poll.rates.network, share);
            }
        }
        self.add(Part { end: poll.files_at, highest });
    }

    /// How long a window was, as a share of what it can have been at most; `None` if it was too short.
    fn certain(&self, end: Duration, begin: Duration, earliest: Duration) -> Option<f64> {
        let length = end.checked_sub(begin).filter(|length| *length >= self.shortest)?;
        Some(length.as_secs_f64() / end.checked_sub(earliest)?.as_secs_f64())
    }

    fn add(&mut self, part: Part) {
        // One part more than the span needs, because the newest is not full yet.
        let length = self.span / (PARTS - 1);
        if let Some(newest) = self.parts.get_mut(self.newest) {
            if part.end.saturating_sub(self.newest_began) < length {
                newest.end = part.end;
                raise(&mut newest.highest, &part.highest);
                return;
            }
        }
        self.newest_began = part.end;
        if self.parts.len() < PARTS as usize {
            self.newest = self.parts.len();
            self.parts.push(part);
            return;
        }
        self.newest = (self.newest + 1) % self.parts.len();
        if let Some(oldest) = self.parts.get_mut(self.newest) {
            *oldest = part;
        }
    }

    /// A scrape has read the memory between two polls. It counts too, or a page could show more memory than
    /// its peak.
    pub fn saw_memory(&mut self, memory_current: Option<u64>) {
        self.memory_since = self.memory_since.max(memory_current);
    }

    /// The peaks at this moment. The last window counts even if it ended longer ago.
    #[must_use]
    pub fn peaks(&self, now: Duration) -> Peaks {
        if !self.has_window {
            return Peaks::default();
        }
        let mut highest = [UNKNOWN; VALUES];
        for (at, part) in self.parts.iter().enumerate() {
            if at == self.newest || part.end.saturating_add(self.span) >= now {
                raise(&mut highest, &part.highest);
            }
        }
        let [cpu, received, sent, read, written, memory] =
            highest.map(|value| (value > UNKNOWN).then_some(value));
        let memory_since = self.memory_since.map(float);
        Peaks {
            cpu_ratio: cpu,
            network: received.zip(sent),
            block: read.zip(written),
            memory_current: memory
                .map_or(memory_since, |memory| Some(memory_since.map_or(memory, |since| since.max(memory)))),
        }
    }
}

/// Raises each value to another one that is higher.
fn raise(highest: &mut [f64; VALUES], others: &[f64; VALUES]) {
    for (highest, other) in highest.iter_mut().zip(others) {
        // Faster than `max`, which looks for NaN.
        if *other > *highest {
            *highest = *other;
        }
    }
}

fn scaled(rates: Option<(f64, f64)>, share: f64) -> (f64, f64) {
    rates.map_or((UNKNOWN, UNKNOWN), |(first, second)| (first * share, second * share))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn bursts(interval: Duration) -> Bursts {
        Bursts::new(60 * SECOND, interval)
    }

    /// A poll at a moment, whose window had this CPU ratio.
    fn poll(at: Duration, cpu_ratio: Option<f64>) -> Poll {
        let rates = Rates { cpu_ratio, ..Rates::default() };
        Poll { since: at, files_at: at, network_at: at, rates, memory_current: None }
    }

    fn at(seconds: u32) -> Duration {
        seconds * SECOND
    }

    #[test]
    fn there_is_no_peak_before_the_first_window() {
        let mut bursts = bursts(2 * SECOND);
        assert_eq!(bursts.peaks(at(0)), Peaks::default());
        bursts.take(Poll { memory_current: Some(7), ..poll(at(0), None) });
        assert_eq!(bursts.peaks(at(1)), Peaks::default());
        bursts.take(Poll { memory_current: Some(5), ..poll(at(2), Some(0.5)) });
        let peaks = bursts.peaks(at(2));
        assert_eq!((peaks.cpu_ratio, peaks.memory_current), (Some(0.5), Some(7.0)));
        assert_eq!((peaks.network, peaks.block), (None, None));
    }

    #[test]
    fn a_window_counts_for_exactly_the_time_that_was_asked_for() {
        let mut bursts = bursts(2 * SECOND);
        for second in (0..200).step_by(2) {
            bursts.take(poll(at(second), (second > 0).then_some(if second == 20 { 3.0 } else { 0.25 })));
            let expected = match second {
                0 => None,
                20..=80 => Some(3.0),
                _ => Some(0.25),
            };
            assert_eq!(bursts.peaks(at(second)).cpu_ratio, expected, "{second}");
        }
    }

    #[test]
    fn windows_that_are_shorter_than_a_part_are_seen_for_the_time_and_a_part_more() {
        for interval in [10_u64, 200, 700, 1000] {
            for burst in [20_001, 33_333, 59_990] {
                let mut bursts = bursts(Duration::from_millis(interval));
                let mut ended = None;
                for tick in 0..200_000 / interval {
                    let millis = tick * interval;
                    let now = Duration::from_millis(millis);
                    let is_burst = ended.is_none() && millis >= burst;
                    bursts.take(poll(now, Some(if is_burst { 1.0 } else { 0.0 })));
                    ended = ended.or(is_burst.then_some(now));
                    let Some(since) = ended.map(|ended| now - ended) else { continue };
                    let peak = bursts.peaks(now).cpu_ratio;
                    if since <= 60 * SECOND {
                        assert_eq!(peak, Some(1.0), "{interval} {since:?}");
                    } else if since > 62 * SECOND {
                        assert_eq!(peak, Some(0.0), "{interval} {since:?}");
                    }
                }
            }
        }
        assert_eq!(bursts(SECOND).parts.capacity(), PARTS as usize, "whatever the interval");
    }

    #[test]
    fn the_last_window_counts_even_if_it_is_longer_than_the_time() {
        let mut bursts = bursts(300 * SECOND);
        bursts.take(poll(at(0), None));
        bursts.take(poll(at(300), Some(1.5)));
        assert_eq!(bursts.peaks(at(599)).cpu_ratio, Some(1.5));
        bursts.take(poll(at(600), Some(0.5)));
        assert_eq!(bursts.peaks(at(601)).cpu_ratio, Some(0.5));
        // It could not be read.
        bursts.take(poll(at(900), None));
        assert_eq!(bursts.peaks(at(901)).cpu_ratio, None);
    }

    #[test]
    fn a_window_that_was_cut_short_is_no_burst() {
        let mut bursts = bursts(2 * SECOND);
        bursts.take(poll(at(0), None));
        bursts.take(poll(Duration::from_millis(3), Some(1.9)));
        assert_eq!(bursts.peaks(at(1)).cpu_ratio, None);
        bursts.take(poll(at(2), Some(0.1)));
        let peak = bursts.peaks(at(2)).cpu_ratio;
        assert_eq!(peak, Some(0.1));
    }

    #[test]
    fn a_window_that_is_far_too_long_counts_as_its_mean_and_ends_those_before() {
        let mut bursts = bursts(2 * SECOND);
        for (second, ratio) in [(0, None), (2, Some(0.9)), (3600, Some(0.5)), (3602, Some(0.25))] {
            bursts.take(poll(at(second), ratio));
        }
        assert_eq!(bursts.peaks(at(3602)).cpu_ratio, Some(0.5));
    }

    #[test]
    fn a_reader_that_was_interrupted_makes_no_burst() {
        let mut bursts = bursts(Duration::from_millis(200));
        // Read at 0 ms, and interrupted until the clock showed 150 ms. The next poll at 200 ms was in time:
        // one busy CPU seemed to be four.
        let late = Duration::from_millis(150);
        bursts.take(Poll { since: Duration::ZERO, ..poll(late, None) });
        let now = Duration::from_millis(270);
        let rates =
            Rates { cpu_ratio: Some(270.0 / 120.0), network: Some((9.0, 6.0)), block: Some((4.5, 2.25)) };
        bursts.take(Poll { rates, ..poll(now, None) });
        let peaks = bursts.peaks(now);
        assert_eq!((peaks.cpu_ratio, peaks.block), (Some(1.0), Some((2.0, 1.0))));
        assert_eq!(peaks.network, Some((9.0, 6.0)), "its own reading was not late");
    }

    #[test]
    fn a_scrape_that_reads_more_memory_than_the_polls_counts() {
        let mut bursts = bursts(2 * SECOND);
        for second in [0, 2] {
            bursts.take(Poll { memory_current: Some(10), ..poll(at(second), None) });
        }
        bursts.saw_memory(Some(90));
        bursts.saw_memory(Some(20));
        bursts.saw_memory(None);
        assert_eq!(bursts.peaks(at(3)).memory_current, Some(90.0));
        bursts.take(Poll { memory_current: Some(10), ..poll(at(4), None) });
        assert_eq!(bursts.peaks(at(64)).memory_current, Some(90.0));
        bursts.take(poll(at(66), None));
        assert_eq!(bursts.peaks(at(66)).memory_current, None);
    }
}
