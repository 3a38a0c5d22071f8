//! The event stream: lines of JSON without an end.

use super::{body::Body, client::Problem, tolerant::read_event};
use crate::parse::ContainerId;
use bollard::models::EventMessage;
use hyper::body::Bytes;
use std::{
    collections::{HashSet, VecDeque},
    time::Duration,
};
use tokio::time::Instant;

/// The longest event that is read: it has all labels of its container.
const MAX_LINE: usize = 1 << 20;
/// What is skipped of a longer one, before it counts as one without an end.
const MAX_SKIPPED: usize = 64 << 20;
/// Events per second that are read: far more than a daemon makes. The rest waits in the daemon.
const PER_SECOND: u32 = 4000;
const SECOND: Duration = Duration::from_secs(1);

/// What came from the stream.
#[derive(Debug)]
pub(super) enum Line {
    Event(Box<EventMessage>),
    /// Something was told that could not be understood.
    Odd,
}

pub(super) struct Events {
    body: Body,
    chunk: Bytes,
    line: Vec<u8>,
    /// Bytes of a line that is too long, thrown away so far.
    skipped: usize,
    read: u32,
    second: Instant,
}

impl Events {
    pub(super) fn new(body: Body) -> Self {
        Self { body, chunk: Bytes::new(), line: Vec::new(), skipped: 0, read: 0, second: Instant::now() }
    }

    /// The next line. May be dropped at any time and called again.
    ///
    /// # Errors
    /// The stream has ended, or has a line without an end.
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

    /// A line out of what has been received; `None` if more is needed.
    fn take_line(&mut self) -> Result<Option<Line>, Problem> {
        while !self.chunk.is_empty() {
            let end = self.chunk.iter().position(|byte| *byte == b'\n');
            let part = self.chunk.split_to(end.map_or(self.chunk.len(), |end| end + 1));
            if self.skipped > 0 || self.line.len() + part.len() > MAX_LINE {
                self.skipped += self.line.len() + part.len();
                self.line = Vec::new();
                if self.skipped > MAX_SKIPPED {
                    return Err(Problem::Odd("an event without an end".into()));
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
/// A new stream begins a little before the old one ended, and the daemon can send an event both from its memory and as it
/// happens, so that right after connecting some come twice. Later nothing is dropped: neither the order of times nor that
/// they are different is to be relied on.
#[derive(Debug, Default)]
pub(super) struct Replay {
    keys: HashSet<Key>,
    order: VecDeque<Key>,
    until: Option<Instant>,
}

/// `timeNano`, ID and action.
type Key = (i64, ContainerId, String);

/// The daemon remembers 256 events.
const REMEMBERED: usize = 512;
/// A replay comes in one go. This is how long it may take on a busy machine.
const REPLAY: Duration = Duration::from_secs(10);

impl Replay {
    /// A stream begins.
    pub(super) fn begin(&mut self) {
        self.until = Some(Instant::now() + REPLAY);
    }

    /// Whether an event has been taken in before.
    pub(super) fn has_seen(&mut self, time: Option<i64>, id: &ContainerId, action: &str) -> bool {
        // Without a time nothing tells two apart.
        let Some(time) = time.filter(|time| *time > 0) else { return false };
        // An action is a word or two, unless somebody makes it longer.
        let key = (time, id.clone(), action.chars().take(40).collect());
        let is_replay = self.until.is_some_and(|until| Instant::now() < until);
        if !self.keys.insert(key.clone()) {
            return is_replay;
        }
        self.order.push_back(key);
        if self.order.len() > REMEMBERED {
            if let Some(oldest) = self.order.pop_front() {
                self.keys.remove(&oldest);
            }
        }
        false
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
        replay.begin();
        assert!(replay.has_seen(Some(5), &id, "oom"));
        assert!(!replay.has_seen(Some(5), &id, "die"));
        assert!(!replay.has_seen(Some(4), &id, "oom"), "an older time is no reason");
        assert!(!replay.has_seen(None, &id, "oom") && !replay.has_seen(None, &id, "oom"));
        for time in 10..2000 {
            replay.has_seen(Some(time), &id, "oom");
        }
        assert_eq!((replay.keys.len(), replay.order.len()), (REMEMBERED, REMEMBERED));
    }
}
