//! The rate of requests: a bucket of tokens, as exporter-toolkit has it.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// One request per interval, and so many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rate {
    pub(super) interval: Duration,
    pub(super) burst: u32,
}

/// A bucket that fills at a rate.
#[derive(Debug)]
pub(super) struct Bucket {
    rate: Rate,
    level: Mutex<(f64, Instant)>,
}

impl Bucket {
    pub(super) fn new(rate: Rate) -> Self {
        Self { rate, level: Mutex::new((f64::from(rate.burst), Instant::now())) }
    }

    pub(super) fn rate(&self) -> Rate {
        self.rate
    }

    /// Takes one token.
    ///
    /// # Errors
    /// The time until there is one again.
    pub(super) fn take(&self) -> Result<(), Duration> {
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let (tokens, since) = *level;
        let interval = self.rate.interval.as_secs_f64();
        let filled = tokens + now.duration_since(since).as_secs_f64() / interval;
        let tokens = filled.min(f64::from(self.rate.burst));
        let is_enough = tokens >= 1.0;
        *level = (if is_enough { tokens - 1.0 } else { tokens }, now);
        if is_enough { Ok(()) } else { Err(self.rate.interval.mul_f64(1.0 - tokens)) }
    }
}

/// The units of Go's times, in nanoseconds.
const UNITS: [(&str, f64); 8] =
    [("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("μs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3600e9)];

/// Reads a time as Go writes it, such as `1.5s` or `1m30s`; a bare `0` is one too. None is longer than a day.
pub(super) fn interval(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let (mut rest, mut nanoseconds) = (text, 0.0);
    while !rest.is_empty() {
        let is_number = |c: char| c.is_ascii_digit() || c == '.';
        let (number, after) = rest.split_at(rest.find(|c| !is_number(c))?);
        let (unit, after) = after.split_at(after.find(is_number).unwrap_or(after.len()));
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
        nanoseconds += number.parse::<f64>().ok()? * factor;
        rest = after;
    }
    let time = Duration::try_from_secs_f64(nanoseconds / 1e9).ok()?;
    (!text.is_empty() && time <= Duration::from_secs(86_400)).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_bucket_gives_a_burst_and_then_one_per_interval() {
        let bucket = Bucket::new(Rate { interval: Duration::from_secs(2), burst: 3 });
        let burst = (0..5).filter(|_| bucket.take().is_ok()).count();
        assert_eq!(burst, 3);
        assert_eq!(bucket.take(), Err(Duration::from_secs(2)));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(bucket.take(), Err(Duration::from_secs(1)));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(bucket.take().is_ok() && bucket.take().is_err());
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!((0..5).filter(|_| bucket.take().is_ok()).count(), 3);
    }

    #[test]
    fn times_are_those_of_go() {
        for (text, milliseconds) in [("0", 0), ("1s", 1000), ("1.5s", 1500), ("1m30s", 90_000), ("20ms", 20)]
        {
            assert_eq!(interval(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "5", "s", "1", "1d", "-1s", "1s2", ".", "1..s", "25h", "1e9h"] {
            assert_eq!(interval(text), None, "{text}");
        }
    }
}
