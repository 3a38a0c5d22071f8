//! The numbers of one container over time, in memory that is taken once.

use super::quantity::{PASSED, POLLED};
use std::time::Duration;

/// The last minute is kept tick by tick.
const RECENT: Duration = Duration::from_secs(60);
/// But not more ticks than this, which is one every 200 ms.
const MOST_TICKS: u32 = 300;
/// The shortest step of what is older.
const STEP: Duration = Duration::from_secs(10);
/// The most steps.
const MOST_STEPS: u32 = 360;

/// How much is kept, and in which steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) span: Duration,
    pub(super) ticks: usize,
    pub(super) step: Duration,
    pub(super) steps: usize,
}

impl Shape {
    pub(super) fn new(span: Duration, interval: Duration) -> Self {
        let step = STEP.max(span / MOST_STEPS);
        // One more than fits: the ticks are somewhat later than the interval says, and the first and the last
        // step are not whole.
        let ticks = parts(span.min(RECENT), interval).min(MOST_TICKS) + 1;
        let steps = parts(span, step).min(MOST_STEPS) + 1;
        Self { span, ticks: ticks as usize, step, steps: steps as usize }
    }
}

/// How many parts of this length cover a time.
fn parts(time: Duration, part: Duration) -> u32 {
    let count = time.as_nanos().div_ceil(part.as_nanos().max(1));
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The values of one tick.
pub(super) type Polled = [f32; POLLED];
/// The values of one full pass.
pub(super) type Passed = [f32; PASSED];

/// The lowest, the mean and the highest value of a time; NaN where nothing is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The lowest
    pub min: f32,
    /// The mean over the ticks
    pub mean: f32,
    /// The highest
    pub max: f32,
}

impl Spread {
    /// Nothing is known.
    pub(super) const UNKNOWN: Self = Self { min: f32::NAN, mean: f32::NAN, max: f32::NAN };

    /// The spread of one value.
    pub(super) const fn of(value: f32) -> Self {
        Self { min: value, mean: value, max: value }
    }

    /// Adds a value to `count` earlier ones.
    fn add(&mut self, value: f32, count: &mut u16) {
        if value.is_nan() {
            return;
        }
        if *count == 0 {
            *self = Self::of(value);
        } else {
            self.min = self.min.min(value);
            self.max = self.max.max(value);
            self.mean += (value - self.mean) / (f32::from(*count) + 1.0);
        }
        *count = count.saturating_add(1);
    }
}

/// The values of one step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub(super) polled: [Spread; POLLED],
    /// As the last full pass of the step has read them.
    pub(super) passed: Passed,
}

impl Step {
    pub(super) const UNKNOWN: Self = Self { polled: [Spread::UNKNOWN; POLLED], passed: [f32::NAN; PASSED] };
}

/// The rings of one container. Where in them a tick or a step stands is the same for all containers.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) ticks: Box<[Polled]>,
    pub(super) steps: Box<[Step]>,
    /// How many values the present step has of each.
    counts: [u16; POLLED],
}

impl Series {
    pub(super) fn new(shape: Shape) -> Self {
        Self {
            ticks: vec![[f32::NAN; POLLED]; shape.ticks].into(),
            steps: vec![Step::UNKNOWN; shape.steps].into(),
            counts: [0; POLLED],
        }
    }

    /// Stores a tick, after the steps that began since the last one were cleared.
    pub(super) fn tick(&mut self, clock: &Clock, values: Polled) {
        for step in clock.begun() {
            if let Some(step) = self.steps.get_mut(step) {
                *step = Step::UNKNOWN;
            }
            self.counts = [0; POLLED];
        }
        if let Some(tick) = self.ticks.get_mut(clock.tick_at()) {
            *tick = values;
        }
        let Some(step) = self.steps.get_mut(clock.step_at()) else { return };
        for ((spread, value), count) in step.polled.iter_mut().zip(values).zip(&mut self.counts) {
            spread.add(value, count);
        }
    }

    /// Stores what a full pass has read.
    pub(super) fn pass(&mut self, clock: &Clock, values: Passed) {
        let Some(step) = self.steps.get_mut(clock.step_at()) else { return };
        for (kept, value) in step.passed.iter_mut().zip(values).filter(|(_, value)| !value.is_nan()) {
            *kept = value;
        }
    }

    /// The memory that it takes, in bytes.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.ticks) + size_of_val(&*self.steps) + size_of::<Self>()
    }
}

/// Which tick and which step it is, for all containers.
#[derive(Debug)]
pub(super) struct Clock {
    pub(super) shape: Shape,
    /// When each tick was, since the collector's start.
    times: Vec<Duration>,
    /// How many ticks there were.
    pub(super) count: u64,
    /// The number of the present step since the collector's start, and how many have begun with this tick.
    pub(super) step: u64,
    begun: u64,
}

impl Clock {
    pub(super) fn new(shape: Shape) -> Self {
        Self { shape, times: Vec::with_capacity(shape.ticks), count: 0, step: 0, begun: 0 }
    }

    /// A tick begins.
    pub(super) fn tick(&mut self, at: Duration) {
        let step = u64::try_from(at.as_nanos() / self.shape.step.as_nanos().max(1)).unwrap_or(u64::MAX);
        self.begun = step.saturating_sub(self.step);
        self.step = self.step.max(step);
        self.count += 1;
        if self.times.len() < self.shape.ticks {
            self.times.push(at);
        } else if let Some(time) = self.times.get_mut(position(self.count - 1, self.shape.ticks)) {
            *time = at;
        }
    }

    /// Where this tick is kept.
    fn tick_at(&self) -> usize {
        position(self.count.saturating_sub(1), self.shape.ticks)
    }

    /// Where this step is kept.
    fn step_at(&self) -> usize {
        position(self.step, self.shape.steps)
    }

    /// Where the steps are kept that began with this tick.
    fn begun(&self) -> impl Iterator<Item = usize> + use<> {
        let (step, steps) = (self.step, self.shape.steps);
        let begun = self.begun.min(steps as u64);
        (0..begun).map(move |ago| position(step - ago, steps))
    }

    /// The ticks that are kept, oldest first: where they are, and when they were.
    pub(super) fn kept_ticks(&self) -> impl Iterator<Item = (usize, Duration)> + Clone {
        let oldest =
            if self.times.len() < self.shape.ticks { 0 } else { position(self.count, self.shape.ticks) };
        let at = move |after: usize| (oldest + after) % self.times.len().max(1);
        (0..self.times.len()).filter_map(move |after| Some((at(after), *self.times.get(at(after))?)))
    }

    /// The steps that are kept, oldest first: where they are, and when they began.
    pub(super) fn kept_steps(&self) -> impl Iterator<Item = (usize, Duration)> + Clone {
        let (step, shape) = (self.step, self.shape);
        let first = (step + 1).saturating_sub(shape.steps as u64);
        (first..=step).map(move |step| {
            let began = shape.step.saturating_mul(u32::try_from(step).unwrap_or(u32::MAX));
            (position(step, shape.steps), began)
        })
    }
}

/// Where something of this number stands in a ring.
fn position(number: u64, length: usize) -> usize {
    usize::try_from(number % (length.max(1) as u64)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn shape(span: u32, interval: Duration) -> Shape {
        Shape::new(span * SECOND, interval)
    }

    fn values(first: f32) -> Polled {
        let mut values = [f32::NAN; POLLED];
        values[0] = first;
        values
    }

    #[test]
    fn the_defaults_take_less_than_eight_kilobytes_and_nothing_is_unbounded() {
        let bytes = |shape| Series::new(shape).bytes();
        let default = bytes(shape(600, 2 * SECOND));
        assert!((4000..8000).contains(&default), "{default}");
        for span in [10, 60, 3600, 86_400] {
            for interval in [Duration::from_millis(1), SECOND, 86_400 * SECOND] {
                let shape = shape(span, interval);
                assert!(bytes(shape) < 50_000 && shape.ticks > 1, "{shape:?}");
                assert!(shape.step * u32::try_from(shape.steps - 1).unwrap() >= shape.span, "{shape:?}");
            }
        }
    }

    #[test]
    fn a_step_knows_its_lowest_its_mean_and_its_highest_value() {
        let mut clock = Clock::new(shape(600, 2 * SECOND));
        let mut series = Series::new(clock.shape);
        for (second, value) in [(0, 1.0), (2, f32::NAN), (4, 4.0), (6, 1.0), (12, 9.0)] {
            clock.tick(second * SECOND);
            series.tick(&clock, values(value));
        }
        let steps: Vec<_> =
            clock.kept_steps().map(|(at, began)| (began, series.steps[at].polled[0])).collect();
        assert_eq!(
            steps,
            [(Duration::ZERO, Spread { min: 1.0, mean: 2.0, max: 4.0 }), (10 * SECOND, Spread::of(9.0))]
        );
        let ticks: Vec<_> =
            clock.kept_ticks().map(|(at, when)| (when.as_secs(), series.ticks[at][0])).collect();
        assert_eq!(ticks.len(), 5);
        assert_eq!((ticks[0], ticks[4]), ((0, 1.0), (12, 9.0)));
        assert!(ticks[1].1.is_nan(), "unknown is not zero");
    }

    #[test]
    fn old_ticks_and_steps_give_way_and_missed_steps_are_unknown() {
        let mut clock = Clock::new(shape(60, 2 * SECOND));
        let mut series = Series::new(clock.shape);
        for second in (0..100).step_by(2) {
            clock.tick(second * SECOND);
            series.tick(&clock, values(1.0));
        }
        assert_eq!(clock.kept_ticks().next().unwrap().1, 38 * SECOND);
        assert_eq!(clock.kept_steps().next().unwrap().1, 30 * SECOND);
        // The machine did nothing for a while.
        clock.tick(141 * SECOND);
        series.tick(&clock, values(2.0));
        let means = |clock: &Clock, series: &Series| -> Vec<f32> {
            clock.kept_steps().map(|(at, _)| series.steps[at].polled[0].mean).collect()
        };
        let found = means(&clock, &series);
        assert_eq!((found.len(), found[0], found[1], found[6]), (7, 1.0, 1.0, 2.0));
        assert!(found[2..6].iter().all(|mean| mean.is_nan()), "{found:?}");
        clock.tick(10_000 * SECOND);
        series.tick(&clock, values(3.0));
        let found = means(&clock, &series);
        assert!(found[..6].iter().all(|mean| mean.is_nan()) && found[6] > 2.9, "{found:?}");
        series.pass(&clock, [5.0; PASSED]);
        series.pass(&clock, [f32::NAN; PASSED]);
        assert_eq!(series.steps[clock.step_at()].passed, [5.0; PASSED]);
    }
}
