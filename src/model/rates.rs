//! What changed over the last completed polling window.

use std::time::Duration;

/// Totals of one polling tick, each with the time it was read at (since any fixed moment).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RatePoint {
    /// `cpu.stat` `usage_usec`
    pub cpu_usec: Option<(Duration, u64)>,
    /// Bytes received and sent
    pub network: Option<(Duration, (u64, u64))>,
    /// Bytes read and written
    pub block: Option<(Duration, (u64, u64))>,
}

/// Rates over one window; `None` until two totals in a row were read and neither fell.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rates {
    /// CPUs busy: 1.0 is one logical CPU
    pub cpu_ratio: Option<f64>,
    /// Bytes per second received and sent
    pub network: Option<(f64, f64)>,
    /// Bytes per second read and written
    pub block: Option<(f64, f64)>,
}

/// The last point, waiting for the next.
#[derive(Debug, Default)]
pub struct Window {
    last: RatePoint,
}

impl Window {
    /// Completes a window with a new point, and starts the next one from it.
    ///
    /// A total that fell starts over: the container was restarted under its ID, or an interface replaced.
    pub fn advance(&mut self, next: RatePoint) -> Rates {
        let last = std::mem::replace(&mut self.last, next);
        let cpu = rate(
            last.cpu_usec.map(|(at, usec)| (at, (usec, 0))),
            next.cpu_usec.map(|(at, usec)| (at, (usec, 0))),
        );
        Rates {
            cpu_ratio: cpu.map(|(usec_per_second, _)| usec_per_second / 1e6),
            network: rate(last.network, next.network),
            block: rate(last.block, next.block),
        }
    }
}

type Totals = (Duration, (u64, u64));

fn rate(last: Option<Totals>, next: Option<Totals>) -> Option<(f64, f64)> {
    let ((then, old), (now, new)) = last.zip(next)?;
    let seconds = now.checked_sub(then)?.as_secs_f64();
    let first = new.0.checked_sub(old.0)?;
    let second = new.1.checked_sub(old.1)?;
    (seconds > 0.0).then(|| (float(first) / seconds, float(second) / seconds))
}

/// Exact up to 2⁵³: more than any counter gains in a window.
#[expect(clippy::cast_precision_loss, reason = "a difference over seconds is far below 2^53")]
fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(seconds: u64, usec: u64, received: u64) -> RatePoint {
        let at = Duration::from_secs(seconds);
        RatePoint { cpu_usec: Some((at, usec)), network: Some((at, (received, 0))), block: None }
    }

    #[test]
    fn a_window_needs_two_points() {
        let mut window = Window::default();
        assert_eq!(window.advance(point(0, 1_000_000, 100)), Rates::default());
        let rates = window.advance(point(2, 4_000_000, 300));
        assert_eq!(rates.cpu_ratio, Some(1.5));
        assert_eq!(rates.network, Some((100.0, 0.0)));
        assert_eq!(rates.block, None);
    }

    #[test]
    fn a_total_that_falls_starts_a_new_window() {
        let mut window = Window::default();
        window.advance(point(0, 9_000_000, 900));
        let rates = window.advance(point(2, 1_000, 1000));
        assert_eq!((rates.cpu_ratio, rates.network), (None, Some((50.0, 0.0))));
        assert_eq!(window.advance(point(4, 2_001_000, 0)).cpu_ratio, Some(1.0));
        assert_eq!(window.advance(RatePoint::default()), Rates::default());
        assert_eq!(window.advance(point(8, 2_001_000, 0)), Rates::default());
    }

    #[test]
    fn a_clock_that_stands_still_gives_no_rate() {
        let mut window = Window::default();
        window.advance(point(5, 1, 1));
        assert_eq!(window.advance(point(5, 2, 2)), Rates::default());
        assert_eq!(window.advance(point(4, 3, 3)), Rates::default());
    }
}
