//! A short history of the polling ticks, for a live page: the numbers of each container, and the last events.
//!
//! The memory of a container's numbers is taken when it is first seen; a tick takes none. When the history is
//! off, nothing here does anything.

mod events;
mod quantity;
mod series;
mod snapshot;

pub use events::{Event, Happening};
pub use quantity::Quantity;
pub use series::Spread;
pub use snapshot::{ContainerHistory, History};

use crate::{
    metadata::{Metadata, News},
    model::Container,
    parse::{ContainerId, Pressure},
};
use events::Events;
use series::{Clock, Passed, Series, Shape};
use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// How many ended containers are kept, whose memory new ones could otherwise make grow. The one that ended
/// first gives way.
const MOST_ENDED: usize = 500;
/// A container that is throttled in this share of its periods is throttled hard.
const HARD: f32 = 0.5;
/// How long it must not be, before it is reported again.
const CALM: Duration = Duration::from_secs(60);

/// A live container at a tick or a full pass.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) container: &'a Container,
    /// When the run was first seen. Each run has its own time.
    pub(super) run: Instant,
}

/// Keeps the history.
#[derive(Debug)]
pub(super) struct Recorder {
    clock: Clock,
    /// By ID, as the collector's containers are.
    #[expect(clippy::vec_box, reason = "a new container moves pointers, not what is kept of each")]
    tracks: Vec<Box<Track>>,
    events: Events,
    /// The collector's start, from which all its times count; and when that was, in Unix seconds.
    start: Instant,
    since: f64,
    /// When the first tick was. What was there before did not start then.
    first_tick: Option<Instant>,
    /// The last answer, as long as somebody has it and nothing has changed since.
    last: Weak<History>,
    is_last_current: bool,
}

/// What is kept of one container.
#[derive(Debug)]
struct Track {
    id: ContainerId,
    metadata: Option<Arc<Metadata>>,
    series: Series,
    /// The run that was seen last.
    run: Instant,
    /// When it was first not seen any more, since the collector's start.
    ended: Option<Duration>,
    /// Quota periods, and throttled ones.
    periods: Option<(u64, u64)>,
    /// When it was last throttled hard.
    throttled: Option<Duration>,
    /// When the last full pass was, and its totals of pressure.
    pressure: Option<(Duration, [Option<u64>; 3])>,
    /// OOM kills that are known, once they were read.
    kills: Option<u64>,
}

impl Recorder {
    /// A recorder, if a history is to be kept.
    pub(super) fn new(span: Duration, interval: Option<Duration>, start: Instant) -> Option<Self> {
        let shape = Shape::new(span, interval.filter(|_| !span.is_zero())?);
        Some(Self {
            clock: Clock::new(shape),
            tracks: Vec::new(),
            events: Events::default(),
            start,
            since: unix_now() - start.elapsed().as_secs_f64(),
            first_tick: None,
            last: Weak::new(),
            is_last_current: false,
        })
    }

    /// A polling tick. `each` calls the function that it is given with every live container that is shown, in
    /// the order of their IDs.
    pub(super) fn tick(&mut self, each: impl FnOnce(&mut dyn FnMut(Seen<'_>))) {
        let now = Instant::now();
        let at = now.saturating_duration_since(self.start);
        let first_tick = *self.first_tick.get_or_insert(now);
        self.is_last_current = false;
        self.clock.tick(at);
        let Self { clock, tracks, events, .. } = self;
        let mut next = 0;
        each(&mut |seen| {
            let id = &seen.container.id;
            next = absent_below(tracks, next, Some(id), clock, at, events);
            if tracks.get(next).is_none_or(|track| track.id != *id) {
                let mut track = Track::new(seen, clock.shape);
                track.begins(seen, first_tick, events);
                tracks.insert(next, Box::new(track));
            }
            if let Some(track) = tracks.get_mut(next) {
                track.tick(seen, clock, at, first_tick, events);
            }
            next += 1;
        });
        absent_below(tracks, next, None, clock, at, events);
        self.forget_old(at);
    }

    /// No tick comes, and something has happened to a container: those that are gone have ended now.
    pub(super) fn gone(&mut self, each: impl FnOnce(&mut dyn FnMut(Seen<'_>))) {
        let at = self.start.elapsed();
        self.is_last_current = false;
        let Self { tracks, events, .. } = self;
        let mut next = 0;
        each(&mut |Seen { container, .. }| {
            while let Some(track) = tracks.get_mut(next).filter(|track| track.id < container.id) {
                track.ends(at, events);
                next += 1;
            }
            next += usize::from(tracks.get(next).is_some_and(|track| track.id == container.id));
        });
        tracks.iter_mut().skip(next).for_each(|track| track.ends(at, events));
    }

    /// A full pass, which reads more of each container.
    pub(super) fn pass(&mut self, each: impl FnOnce(&mut dyn FnMut(Seen<'_>))) {
        let at = self.start.elapsed();
        self.is_last_current = false;
        let Self { clock, tracks, events, .. } = self;
        let mut next = 0;
        each(&mut |Seen { container, run }| {
            while tracks.get(next).is_some_and(|track| track.id < container.id) {
                next += 1;
            }
            let track = tracks.get_mut(next).filter(|track| track.id == container.id && track.run == run);
            if let Some(track) = track {
                track.pass(container, clock, at, events);
            }
        });
    }

    /// Docker reports something. `before` is what is known of the container until now.
    pub(super) fn news(&mut self, news: &News, before: Option<&Container>) {
        let known = before.and_then(|container| container.metadata.as_deref());
        let now = unix_now();
        match news {
            News::Changed(told) if told.included => self.events.changed(known, told, self.since, now),
            News::Removed(id) => {
                let Some(known) = known.filter(|known| known.included) else { return };
                self.events.add(event(now, id, Some(known), Happening::Removed));
            }
            _ => return,
        }
        self.is_last_current = false;
    }

    /// Docker has reported an OOM kill, which the container's count contains now, and when that was.
    pub(super) fn oom(&mut self, container: &Container, at: Option<f64>) {
        if container.metadata.as_ref().is_some_and(|metadata| !metadata.included) {
            return;
        }
        let total = container.oom_kills.total();
        let track = self.tracks.binary_search_by(|track| track.id.cmp(&container.id));
        let track = track.ok().and_then(|at| self.tracks.get_mut(at));
        let known = track.and_then(|track| std::mem::replace(&mut track.kills, total));
        // The kernel's counter may have shown this kill already.
        if known.is_none() || known < total {
            let kills = total.unwrap_or(1).saturating_sub(known.unwrap_or(0)).max(1);
            let kills = if known.is_none() { 1 } else { kills };
            let what = Happening::OomKilled(kills);
            let now = unix_now();
            let at = at.filter(|at| *at < now).unwrap_or(now);
            self.events.add(event(at, &container.id, container.metadata.as_deref(), what));
        }
        self.is_last_current = false;
    }

    /// Forgets ended containers whose history has run out, and those above the limit.
    fn forget_old(&mut self, at: Duration) {
        let span = self.clock.shape.span;
        let ended = self.tracks.iter().filter_map(|track| track.ended);
        let (mut count, mut first) = (0, at);
        for ended in ended {
            count += 1;
            first = first.min(ended);
        }
        if count == 0 || (count <= MOST_ENDED && at.saturating_sub(first) <= span) {
            return;
        }
        let mut limit = at.saturating_sub(span);
        if count > MOST_ENDED {
            let mut ends: Vec<_> = self.tracks.iter().filter_map(|track| track.ended).collect();
            ends.sort_unstable();
            limit = limit.max(ends.get(count - MOST_ENDED).copied().unwrap_or(limit));
        }
        self.tracks.retain(|track| track.ended.is_none_or(|ended| ended >= limit));
    }

    /// All of it. The answer is built once and shared until something changes.
    pub(super) fn snapshot(&mut self) -> Arc<History> {
        if let Some(last) = self.last.upgrade().filter(|_| self.is_last_current) {
            return last;
        }
        let history = Arc::new(self.build());
        self.last = Arc::downgrade(&history);
        self.is_last_current = true;
        history
    }

    /// The last events, oldest first. It is the same slice as the last time unless there is news.
    pub(super) fn events(&mut self) -> Arc<[Event]> {
        self.events.all()
    }

    fn build(&mut self) -> History {
        let (now, elapsed) = (unix_now(), self.start.elapsed().as_secs_f64());
        // Times are kept by a clock that nobody sets, and told by the wall clock as it is now.
        let wall = |at: Duration| now - elapsed + at.as_secs_f64();
        let (ticks, steps) = (self.clock.kept_ticks(), self.clock.kept_steps());
        History {
            span: self.clock.shape.span,
            now,
            step: self.clock.shape.step,
            ticks: ticks.clone().map(|(_, at)| wall(at)).collect(),
            steps: steps.clone().map(|(_, began)| wall(began)).collect(),
            containers: self
                .tracks
                .iter()
                .map(|track| ContainerHistory {
                    id: track.id.clone(),
                    metadata: track.metadata.clone(),
                    ended: track.ended.map(wall),
                    ticks: ticks.clone().filter_map(|(at, _)| track.series.ticks.get(at)).copied().collect(),
                    steps: steps.clone().filter_map(|(at, _)| track.series.steps.get(at)).copied().collect(),
                })
                .collect(),
            events: self.events.all(),
        }
    }
}

/// Tells the containers up to this ID, from a position on, that they were not seen. Returns the position
/// after them.
fn absent_below(
    tracks: &mut [Box<Track>],
    mut next: usize,
    id: Option<&ContainerId>,
    clock: &Clock,
    at: Duration,
    events: &mut Events,
) -> usize {
    while let Some(track) = tracks.get_mut(next).filter(|track| id.is_none_or(|id| track.id < *id)) {
        track.absent(clock, at, events);
        next += 1;
    }
    next
}

impl Track {
    fn new(seen: Seen<'_>, shape: Shape) -> Self {
        Self {
            id: seen.container.id.clone(),
            metadata: None,
            series: Series::new(shape),
            run: seen.run,
            ended: None,
            periods: None,
            throttled: None,
            pressure: None,
            kills: None,
        }
    }

    /// A run begins. If Docker has told of the container, it also tells of its starts.
    fn begins(&mut self, Seen { container, run }: Seen<'_>, first_tick: Instant, events: &mut Events) {
        self.run = run;
        self.ended = None;
        self.periods = None;
        self.pressure = None;
        if container.metadata.is_none() && run > first_tick {
            let at = unix_now() - run.elapsed().as_secs_f64();
            events.add(event(at, &self.id, None, Happening::Started));
        }
    }

    fn tick(
        &mut self,
        seen: Seen<'_>,
        clock: &Clock,
        at: Duration,
        first_tick: Instant,
        events: &mut Events,
    ) {
        let container = seen.container;
        if self.run != seen.run {
            self.begins(seen, first_tick, events);
        }
        self.ended = None;
        if let Some(metadata) = &container.metadata {
            if self.metadata.as_ref().is_none_or(|known| !Arc::ptr_eq(known, metadata)) {
                self.metadata = Some(Arc::clone(metadata));
            }
        }
        let throttled = self.throttled_share(container);
        if throttled.is_some_and(|share| share >= HARD) {
            let is_news = self.throttled.is_none_or(|last| at.saturating_sub(last) > CALM);
            self.throttled = Some(at);
            if let Some(share) = throttled.filter(|_| is_news) {
                let what = Happening::Throttled(share);
                events.add(event(unix_now(), &self.id, self.metadata.as_deref(), what));
            }
        }
        let rates = &container.rates;
        let (received, sent) = rates.network.unzip();
        let (read, written) = rates.block.unzip();
        let memory = container.sample.memory_current.map(float);
        let values = [
            rates.cpu_ratio.map(narrow),
            throttled,
            memory,
            received.map(narrow),
            sent.map(narrow),
            read.map(narrow),
            written.map(narrow),
        ];
        self.series.tick(clock, values.map(|value| value.unwrap_or(f32::NAN)));
    }

    /// The share of the quota periods since the last tick in which it was throttled; `None` without a quota,
    /// and if there is no window.
    fn throttled_share(&mut self, container: &Container) -> Option<f32> {
        let cpu = container.sample.cpu.as_ref().filter(|_| container.rates.cpu_ratio.is_some());
        let now = cpu.and_then(|cpu| cpu.nr_periods.zip(cpu.nr_throttled));
        let before = std::mem::replace(&mut self.periods, now)?;
        let (periods, throttled) = now.filter(|(periods, _)| *periods > 0)?;
        let (periods, throttled) = periods.checked_sub(before.0).zip(throttled.checked_sub(before.1))?;
        // Without a period it had nothing to do.
        Some(if periods == 0 { 0.0 } else { (float(throttled) / float(periods)).min(1.0) })
    }

    fn absent(&mut self, clock: &Clock, at: Duration, events: &mut Events) {
        self.ends(at, events);
        self.series.tick(clock, [f32::NAN; quantity::POLLED]);
    }

    /// It is not seen any more.
    fn ends(&mut self, at: Duration, events: &mut Events) {
        if self.ended.is_none() {
            self.ended = Some(at);
            if self.metadata.is_none() {
                events.add(event(unix_now(), &self.id, None, Happening::Died(None)));
            }
        }
    }

    fn pass(&mut self, container: &Container, clock: &Clock, at: Duration, events: &mut Events) {
        let sample = &container.sample;
        let total = |pressure: Option<Pressure>| Some(pressure?.some?.total_usec);
        let totals = [sample.cpu_pressure, sample.memory_pressure, sample.io_pressure].map(total);
        let before = self.pressure.replace((at, totals));
        let share = |which: usize| {
            let (then, earlier) = before?;
            let waited = totals.get(which).copied()??.checked_sub(earlier.get(which).copied()??)?;
            let usec = at.checked_sub(then).filter(|time| !time.is_zero())?.as_secs_f64() * 1e6;
            Some((narrow(f64::from(float(waited)) / usec)).min(1.0))
        };
        let values: Passed = [
            container.working_set().map(float),
            sample.pids_current.map(float),
            share(0),
            share(1),
            share(2),
        ]
        .map(|value| value.unwrap_or(f32::NAN));
        self.series.pass(clock, values);
        let total = container.oom_kills.total();
        let known = std::mem::replace(&mut self.kills, total);
        if let Some((total, known)) = total.zip(known).filter(|(total, known)| total > known) {
            let what = Happening::OomKilled(total - known);
            events.add(event(unix_now(), &self.id, self.metadata.as_deref(), what));
        }
    }
}

fn event(at: f64, id: &ContainerId, metadata: Option<&Metadata>, what: Happening) -> Event {
    let name = metadata.map_or_else(|| id.short(), |metadata| &metadata.name).to_owned();
    Event { number: 0, at, id: id.clone(), name, what }
}

fn unix_now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// Seven digits are enough for a picture.
#[expect(clippy::cast_precision_loss, reason = "seven digits are enough for a picture")]
fn float(number: u64) -> f32 {
    number as f32
}

#[expect(clippy::cast_possible_truncation, reason = "seven digits are enough for a picture")]
fn narrow(number: f64) -> f32 {
    number as f32
}
