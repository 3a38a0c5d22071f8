//! The event stream: an endless sequence of JSON lines.

use super::{body::Body, problem::Problem, tolerant::read_event};
use crate::parse::ContainerId;
use bollard::models::EventMessage;
use hyper::body::Bytes;
use std::{
    collections::{HashSet, VecDeque},
    time::Duration,
};
use tokio::time::Instant;

/// The longest event that is read. An event contains all labels of its container.
const MAX_LINE: usize = 1 << 20;
/// How many bytes of a longer line are skipped before it counts as endless.
const MAX_SKIPPED: usize = 64 << 20;
/// How many events per second are read: far more than a daemon sends. The rest waits in the daemon.
const PER_SECOND: u32 = 4000;
const SECOND: Duration = Duration::from_secs(1);

/// What was read from the stream.
#[derive(Debug)]
pub(super) enum Line {
    Event(Box<EventMessage>),
    /// A line that could not be understood.
    Odd,
}

pub(super) struct Events {
    body: Body,
    chunk: Bytes,
    line: Vec<u8>,
    /// How many bytes of a line that is too long have been skipped so far.
    skipped: usize,
    read: u32,
    second: Instant,
}

impl Events {
    pub(super) fn new(body: Body) -> Self {
        Self { body, chunk: Bytes::new(), line: Vec::new(), skipped: 0, read: 0, second: Instant::now() }
    }

    /// The next line. Cancel safe: may be dropped at any time and called again.
    ///
    /// # Errors
    /// If the stream has ended, or has an endless line.
    pub(super) async fn next(&mut self) -> Result<Line, Problem> {
        if self.read >= PER_SECOND {
            tokio::time::sleep_until(self.second + SECOND).await;
        }
        if self.second.elapsed() >= SECOND {
            (self.read, self.second) = (0, Instant::now());
        }
        loop {
            if let Some(line) = self.take_line()? {
                self.read += 1;
                return Ok(line);
            }
            let chunk = self.body.chunk().await?;
            self.chunk = chunk.ok_or_else(|| Problem::Silent("the event stream has ended".into()))?;
        }
    }

    /// Takes a line from the received bytes; `None` if more bytes are needed.
    fn take_line(&mut self) -> Result<Option<Line>, Problem> {
        while !self.chunk.is_empty() {
            let end = self.chunk.iter().position(|byte| *byte == b'\n');
            let part = self.chunk.split_to(end.map_or(self.chunk.len(), |end| end + 1));
            if self.skipped > 0 || self.line.len() + part.len() > MAX_LINE {
                self.skipped += self.line.len() + part.len();
                self.line = Vec::new();
                if self.skipped > MAX_SKIPPED {
                    return Err(Problem::Odd("an event that is too long".into()));
                }
                if end.is_some() {
                    tracing::debug!("an event of {} bytes from docker is skipped", self.skipped);
                    self.skipped = 0;
                    return Ok(Some(Line::Odd));
                }
                continue;
            }
            self.line.extend_from_slice(&part);
            if end.is_none() {
                continue;
            }
            let line = std::mem::take(&mut self.line);
            let line = line.trim_ascii();
            if line.is_empty() {
                continue;
            }
            let event = read_event(line);
            if event.is_none() {
                tracing::debug!("an event from docker is not understood and skipped");
            }
            return Ok(Some(event.map_or(Line::Odd, |event| Line::Event(Box::new(event)))));
        }
        Ok(None)
    }
}

/// Which events are known already.
///
/// A new stream starts a little before the old one ended, and the daemon can send an event both from its
/// memory and as it happens. So some events arrive twice after connecting. Later nothing is dropped, because
/// event times need not be ordered or distinct.
///
/// A daemon may repeat more events than are remembered. Only OOM kills are counted, so only they must not be
/// taken twice. During a replay, an OOM kill that is not later than a forgotten one counts as known. This is
/// wrong if the daemon's clock was set back, but then the kernel's own count has the kill.
#[derive(Debug, Default)]
pub(super) struct Replay {
    keys: HashSet<Key>,
    order: VecDeque<Key>,
    until: Option<Instant>,
    /// The `timeNano` of the latest OOM kill that is not remembered any more.
    forgotten: i64,
    /// When the last stream started: by the daemon's clock, and by ours.
    began: Option<(Duration, Instant)>,
}

/// `timeNano`, ID and action.
type Key = (i64, ContainerId, String);

/// The daemon remembers 256 events.
const REMEMBERED: usize = 512;
/// A replay is sent in one go. This is how long it may take on a busy machine.
const REPLAY: Duration = Duration::from_secs(10);
/// An event further ahead of the daemon's clock has an absurd time, which must not affect other events.
const AHEAD: Duration = Duration::from_secs(24 * 3600);
const OOM: &str = "oom";

impl Replay {
    /// Notes that a stream starts. `now` is the daemon's time when the session began, in Unix seconds.
    pub(super) fn begin(&mut self, now: f64) {
        let began = Instant::now();
        self.until = Some(began + REPLAY);
        self.began = Duration::try_from_secs_f64(now).ok().map(|now| (now, began));
    }

    /// Returns a start for a stream that may be later than `since`: events that we could no longer recognise
    /// as known are not requested again. In Unix seconds.
    pub(super) fn shortened(&self, since: f64, now: f64) -> f64 {
        let forgotten = Duration::from_nanos(u64::try_from(self.forgotten).unwrap_or_default()).as_secs_f64();
        if since < forgotten && forgotten <= now { forgotten } else { since }
    }

    /// Forgets an event.
    fn forget(&mut self, (time, _, action): &Key) {
        let Some((now, began)) = self.began else { return };
        let latest = now.saturating_add(began.elapsed()).saturating_add(AHEAD);
        let is_sane = u128::try_from(*time).is_ok_and(|time| time <= latest.as_nanos());
        if action == OOM && is_sane {
            self.forgotten = self.forgotten.max(*time);
        }
    }

    /// Whether an event has been handled before.
    pub(super) fn has_seen(&mut self, time: Option<i64>, id: &ContainerId, action: &str) -> bool {
        // Without a time two events can't be told apart.
        let Some(time) = time.filter(|time| *time > 0) else { return false };
        // An action is a word or two, but a longer one could be sent.
        let key = (time, id.clone(), action.chars().take(40).collect());
        let is_replay = self.until.is_some_and(|until| Instant::now() < until);
        if !self.keys.insert(key.clone()) {
            return is_replay;
        }
        let is_known = is_replay && action == OOM && time <= self.forgotten;
        self.order.push_back(key);
        if self.order.len() > REMEMBERED {
            if let Some(oldest) = self.order.pop_front() {
                self.keys.remove(&oldest);
                self.forget(&oldest);
            }
        }
        is_known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_dropped_only_when_it_comes_again_right_after_connecting() {
        let id = ContainerId::new(&"1".repeat(64)).unwrap();
        let mut replay = Replay::default();
        assert!(!replay.has_seen(Some(5), &id, "oom"));
        assert!(!replay.has_seen(Some(5), &id, "oom"), "no stream has just begun");
        replay.begin(0.0);
        assert!(replay.has_seen(Some(5), &id, "oom"));
        assert!(!replay.has_seen(Some(5), &id, "die"));
        assert!(!replay.has_seen(Some(4), &id, "oom"), "an older time is no reason");
        assert!(!replay.has_seen(None, &id, "oom") && !replay.has_seen(None, &id, "oom"));
        for time in 10..2000 {
            replay.has_seen(Some(time), &id, "oom");
        }
        assert_eq!((replay.keys.len(), replay.order.len()), (REMEMBERED, REMEMBERED));
    }

    #[test]
    fn what_is_forgotten_is_neither_asked_for_nor_counted_again() {
        let id = ContainerId::new(&"1".repeat(64)).unwrap();
        let mut replay = Replay::default();
        replay.begin(1.0);
        let second = 1_000_000_000;
        // One of them has an absurd time. That must not make the others count as known.
        for time in (0..1000).map(|number| 2 * second + number).chain([i64::MAX]) {
            assert!(!replay.has_seen(Some(time), &id, "oom"));
        }
        for time in 0..600 {
            assert!(!replay.has_seen(Some(3 * second + time), &id, "die"));
        }
        assert!((replay.shortened(1.0, 9.0) - 2.000_000_999).abs() < 1e-6);
        assert_eq!(replay.shortened(1.0, 1.5).to_bits(), 1_f64.to_bits(), "the clock was set back");
        assert_eq!(replay.shortened(5.0, 9.0).to_bits(), 5_f64.to_bits());
        replay.begin(9.0);
        assert!((0..1000).all(|number| replay.has_seen(Some(2 * second + number), &id, "oom")));
        assert!(!replay.has_seen(Some(2 * second + 1000), &id, "oom"), "it happened in between");
        assert!(!replay.has_seen(Some(2 * second + 1), &id, "start"), "what it says is true all the same");
        replay.until = None;
        assert!(!replay.has_seen(Some(2 * second + 2), &id, "oom"), "later nothing is dropped");
    }
}
