//! Rates over the last completed polling window.

use crate::parse::{InterfaceRow, IoRow, Name};
use std::time::Duration;

/// What one polling tick read, and for each part the time of the reading (since any fixed moment). `None` if
/// it could not be read, or not completely.
#[derive(Debug, Clone, Copy, Default)]
pub struct RatePoint<'a> {
    /// `cpu.stat` `usage_usec`
    pub cpu_usec: Option<(Duration, u64)>,
    /// Interfaces: their bytes received and sent
    pub network: Option<(Duration, &'a [InterfaceRow])>,
    /// Block devices: their bytes read and written
    pub block: Option<(Duration, &'a [IoRow])>,
    /// The machine's CPUs; `None` if that is not known
    pub cpus: Option<u64>,
}

/// Tolerance as a share: CPUs may seem to give more than their time, because the clock and the file are not
/// read at the same moment.
const CPU_SLACK: f64 = 0.1;
/// Additional tolerance in any window, in seconds per CPU: the kernel may add up usage in steps, and the
/// reader may be interrupted between the file and the clock.
const CPU_SLACK_SECONDS: f64 = 0.1;

impl RatePoint<'_> {
    /// Whether this machine can have given this much CPU time in this many seconds.
    fn can_give(&self, cpu_ratio: f64, seconds: f64) -> bool {
        let Some(cpus) = self.cpus else { return true };
        cpu_ratio * seconds <= float(cpus) * (seconds * (1.0 + CPU_SLACK) + CPU_SLACK_SECONDS)
    }
}

/// Rates over one window; `None` until two readings in a row were complete.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rates {
    /// CPUs busy: 1.0 is one logical CPU
    pub cpu_ratio: Option<f64>,
    /// Bytes per second received and sent
    pub network: Option<(f64, f64)>,
    /// Bytes per second read and written
    pub block: Option<(f64, f64)>,
}

/// The last point, which the next one will complete to a window.
#[derive(Debug, Default)]
pub struct Window {
    cpu: Counters<()>,
    network: Counters<Name>,
    block: Counters<(u32, u32)>,
}

impl Window {
    /// Completes a window with a new point, and starts the next window from it.
    ///
    /// Each interface and each device has its own window. If one is new, or its counter fell because it was
    /// replaced under its name, its window starts again, and it adds to a rate from the next point on.
    pub fn advance(&mut self, next: RatePoint<'_>) -> Rates {
        let cpu_ratio = self.advance_cpu(&next);
        let network = next
            .network
            .map(|(at, rows)| (at, rows.iter().map(|row| (row.name, row.receive.bytes, row.transmit.bytes))));
        let block = next.block.map(|(at, rows)| {
            let bytes = |row: &IoRow| Some((row.device(), row.rbytes?, row.wbytes?));
            (at, rows.iter().filter_map(bytes))
        });
        Rates { cpu_ratio, network: self.network.advance(network), block: self.block.advance(block) }
    }

    /// The interfaces are those of another network namespace from now on: one with the same name is another
    /// one.
    pub fn restart_network(&mut self) {
        self.network.at = None;
    }

    /// The usage of one cgroup never falls, and never rises by more than the machine's CPUs can give. If it
    /// seems to, one of the two readings is wrong. It is not known which, so no window begins with either.
    fn advance_cpu(&mut self, next: &RatePoint<'_>) -> Option<f64> {
        let before = self.cpu.at;
        let usage = next.cpu_usec.map(|(at, usec)| (at, std::iter::once(((), usec, 0))));
        let ratio = self.cpu.advance(usage).map(|(usec_per_second, _)| usec_per_second / 1e6);
        let seconds = self.cpu.at?.checked_sub(before?).unwrap_or_default().as_secs_f64();
        let believed = ratio.filter(|ratio| next.can_give(*ratio, seconds));
        if believed.is_none() {
            self.cpu.at = None;
        }
        believed
    }
}

/// Two counters per row, as of the last point.
#[derive(Debug)]
struct Counters<K> {
    at: Option<Duration>,
    rows: Vec<(K, u64, u64)>,
}

impl<K> Default for Counters<K> {
    fn default() -> Self {
        Self { at: None, rows: Vec::new() }
    }
}

impl<K: Copy + PartialEq> Counters<K> {
    fn advance(
        &mut self,
        next: Option<(Duration, impl Iterator<Item = (K, u64, u64)> + Clone)>,
    ) -> Option<(f64, f64)> {
        let Some((now, rows)) = next else {
            self.at = None;
            return None;
        };
        let then = self.at.replace(now);
        if then.is_none() {
            self.rows.clear();
        }
        let gained = self.gain(rows);
        let seconds = now.checked_sub(then?)?.as_secs_f64();
        let (first, second) = gained?;
        (seconds > 0.0).then(|| (float(first) / seconds, float(second) / seconds))
    }

    /// Stores new rows, and returns how much those that were there before have gained together; `None` if
    /// there are rows, but none of them was there before.
    fn gain(&mut self, rows: impl Iterator<Item = (K, u64, u64)> + Clone) -> Option<(u64, u64)> {
        let mut gained = (0_u64, 0_u64);
        let (mut next, mut met, mut count) = (0, 0, 0);
        for (key, first, second) in rows.clone() {
            count += 1;
            let Some(at) = self.find(next, key) else { continue };
            next = at + 1;
            let Some((_, old_first, old_second)) = self.rows.get(at) else { continue };
            let gain = first.checked_sub(*old_first).zip(second.checked_sub(*old_second));
            if let Some((first, second)) = gain {
                gained = (gained.0.saturating_add(first), gained.1.saturating_add(second));
                met += 1;
            }
        }
        if count == self.rows.len() {
            self.rows.iter_mut().zip(rows).for_each(|(old, new)| *old = new);
        } else {
            self.rows.clear();
            self.rows.reserve_exact(count);
            self.rows.extend(rows);
        }
        (met > 0 || count == 0).then_some(gained)
    }

    /// Rows keep their order, so the wanted row is nearly always the next.
    #[inline]
    fn find(&self, next: usize, key: K) -> Option<usize> {
        let is_key = |row: &(K, u64, u64)| row.0 == key;
        if self.rows.get(next).is_some_and(is_key) {
            return Some(next);
        }
        let after = self.rows.iter().skip(next).position(is_key).map(|at| next + at);
        after.or_else(|| self.rows.iter().take(next).position(is_key))
    }
}

/// Exact up to 2⁵³, which is more than any counter gains in a window, and more bytes than a machine has.
#[expect(clippy::cast_precision_loss, reason = "a difference over seconds, or memory, is far below 2^53")]
pub(super) fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::net_dev::Direction;

    fn cpu(seconds: u64, usec: u64) -> RatePoint<'static> {
        RatePoint { cpu_usec: Some((Duration::from_secs(seconds), usec)), ..RatePoint::default() }
    }

    fn interface(name: &str, received: u64, sent: u64) -> InterfaceRow {
        let direction = |bytes| Direction { bytes, ..Direction::default() };
        InterfaceRow { name: Name::literal(name), receive: direction(received), transmit: direction(sent) }
    }

    fn network(window: &mut Window, seconds: u64, rows: &[InterfaceRow]) -> Option<(f64, f64)> {
        let network = Some((Duration::from_secs(seconds), rows));
        window.advance(RatePoint { network, ..RatePoint::default() }).network
    }

    #[test]
    fn a_window_needs_two_points() {
        let mut window = Window::default();
        assert_eq!(window.advance(cpu(0, 1_000_000)), Rates::default());
        let rates = window.advance(cpu(2, 4_000_000));
        assert_eq!(rates, Rates { cpu_ratio: Some(1.5), ..Rates::default() });
    }

    #[test]
    fn a_total_that_falls_starts_a_new_window() {
        let mut window = Window::default();
        window.advance(cpu(0, 9_000_000));
        assert_eq!(window.advance(cpu(2, 1_000)).cpu_ratio, None);
        // Not 4.5, which would be right only if the earlier reading was torn.
        assert_eq!(window.advance(cpu(4, 9_000_000)).cpu_ratio, None);
        assert_eq!(window.advance(cpu(6, 11_000_000)).cpu_ratio, Some(1.0));
        assert_eq!(window.advance(RatePoint::default()), Rates::default());
        assert_eq!(window.advance(cpu(8, 12_000_000)), Rates::default());
    }

    #[test]
    fn more_than_the_machine_has_is_not_believed() {
        let cpu = |seconds, usec| RatePoint { cpus: Some(2), ..cpu(seconds, usec) };
        let ratio = |window: &mut Window, seconds, usec| window.advance(cpu(seconds, usec)).cpu_ratio;
        let mut window = Window::default();
        ratio(&mut window, 0, 1_000_000);
        assert_eq!(ratio(&mut window, 2, 5_000_000), Some(2.0));
        // One digit too high, then normal again.
        assert_eq!(ratio(&mut window, 4, 9_900_000), None);
        assert_eq!(ratio(&mut window, 6, 5_000_000), None);
        assert_eq!(ratio(&mut window, 8, 7_000_000), Some(1.0));
        // The CPUs are busy, and the clock was read a little late the first time.
        assert_eq!(ratio(&mut window, 10, 11_300_000), Some(2.15));
        // The number of CPUs is not known.
        window.advance(super::tests::cpu(12, 0));
        window.advance(super::tests::cpu(14, 0));
        assert_eq!(window.advance(super::tests::cpu(16, 40_000_000)).cpu_ratio, Some(20.0));
    }

    #[test]
    fn a_clock_that_stands_still_gives_no_rate() {
        let mut window = Window::default();
        window.advance(cpu(5, 1));
        assert_eq!(window.advance(cpu(5, 2)), Rates::default());
        assert_eq!(window.advance(cpu(4, 3)), Rates::default());
    }

    #[test]
    fn an_interface_that_arrives_or_falls_starts_its_own_window() {
        let mut window = Window::default();
        let terabytes = 9_000_000_000_000;
        assert_eq!(network(&mut window, 0, &[interface("eth0", 100, 0)]), None);
        let both = |one, two| [interface("eth1", two, 7), interface("eth0", one, 0)];
        assert_eq!(network(&mut window, 2, &both(300, terabytes)), Some((100.0, 0.0)));
        assert_eq!(network(&mut window, 4, &both(300, terabytes + 50)), Some((25.0, 0.0)));
        // Replaced under its name.
        assert_eq!(network(&mut window, 6, &both(500, 3)), Some((100.0, 0.0)));
        // It was gone, and is back with its old counters.
        assert_eq!(network(&mut window, 8, &[interface("eth1", 5, 7)]), Some((1.0, 0.0)));
        assert_eq!(network(&mut window, 10, &both(terabytes, 7)), Some((1.0, 0.0)));
    }

    #[test]
    fn a_reading_that_was_not_whole_ends_the_windows() {
        let mut window = Window::default();
        network(&mut window, 0, &[interface("eth0", 100, 0)]);
        assert_eq!(window.advance(RatePoint::default()), Rates::default());
        assert_eq!(network(&mut window, 4, &[interface("eth0", 300, 0)]), None);
        assert_eq!(network(&mut window, 6, &[interface("eth0", 300, 0)]), Some((0.0, 0.0)));
    }

    #[test]
    fn the_first_bytes_of_the_first_device_are_no_rate() {
        let mut window = Window::default();
        assert_eq!(network(&mut window, 0, &[]), None);
        assert_eq!(network(&mut window, 2, &[]), Some((0.0, 0.0)));
        assert_eq!(network(&mut window, 4, &[interface("eth0", 300, 0)]), None);
        assert_eq!(network(&mut window, 6, &[interface("eth0", 300, 0)]), Some((0.0, 0.0)));
    }
}
