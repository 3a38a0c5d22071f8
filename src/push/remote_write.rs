//! Remote write: what is sent to one target.

use super::{
    compress::{Snappy, snappy, unsnappy},
    config::{Config, Target},
    encoder::{Encoder, Part, Pass},
    record::{Kind, Record},
    relabel::{Rule, apply},
};
use crate::encode::{Message, Readings, Relabel, Requests, lost_since};
use hyper::body::Bytes;
use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};
use tokio::{sync::oneshot, task::spawn_blocking};

/// How often 1.0 tells the types and help texts of families, as Prometheus does it.
const METADATA_EVERY_MS: i64 = 60_000;

/// Makes the requests of one target.
pub(super) struct RemoteWrite {
    requests: Requests,
    snappy: Snappy,
    rules: Vec<Rule>,
    state: Option<State>,
    /// The series that a run before this one has left, as long as the first pass is being sent.
    lost: Vec<Vec<(String, String)>>,
    /// When 1.0 was last told the types of families, in Unix milliseconds.
    metadata_sent: Option<i64>,
}

impl RemoteWrite {
    pub(super) fn new(target: &Target, config: &Config, folder: Option<&Path>) -> Self {
        let most = target.queue.max_samples_per_send;
        Self {
            requests: Requests::new(Message::V2, config.external_labels.clone(), most),
            snappy: Snappy::default(),
            rules: target.relabel.clone(),
            state: folder.map(State::open),
            lost: Vec::new(),
            metadata_sent: None,
        }
    }

    /// The next requests of a pass.
    fn part(&mut self, readings: &Readings, from: usize) -> Part {
        let Self { requests, snappy, rules, lost, .. } = self;
        let kind = kind_of(requests.message());
        let mut records = Vec::new();
        let relabel = |labels: &mut Vec<(String, String)>| apply(rules, labels);
        let relabel: Option<Relabel<'_>> = if rules.is_empty() { None } else { Some(&relabel) };
        let next = requests.write_next(from, readings, lost, relabel, &mut |body, samples| {
            records.extend(record(kind, readings.now_ms(), snappy.pack(body).ok(), samples));
        });
        Part { records, next }
    }
}

impl Encoder for RemoteWrite {
    fn encode(&mut self, pass: &Pass, is_v1: bool, from: usize) -> Part {
        let Some(readings) = &pass.readings else { return Part::default() };
        self.requests.set_message(if is_v1 { Message::V1 } else { Message::V2 });
        if from == 0 {
            self.lost = self.state.as_mut().map(|state| state.lost(readings)).unwrap_or_default();
        }
        let mut part = self.part(readings, from);
        if part.next.is_some() {
            return part;
        }
        self.lost = Vec::new();
        let now = readings.now_ms();
        let is_due = |sent: i64| !(0..METADATA_EVERY_MS).contains(&(now - sent));
        if is_v1 && self.metadata_sent.is_none_or(is_due) {
            self.metadata_sent = Some(now);
            let Self { requests, snappy, .. } = self;
            requests.write_metadata(readings, &mut |body, samples| {
                part.records.extend(record(Kind::WriteV1, now, snappy.pack(body).ok(), samples));
            });
        }
        if let Some(state) = &mut self.state {
            state.keep(readings);
        }
        part
    }

    fn end(&mut self, pass: &Pass, is_v1: bool) -> Vec<Record> {
        let Some(readings) = &pass.readings else { return Vec::new() };
        self.requests.set_message(if is_v1 { Message::V1 } else { Message::V2 });
        let records = Part::all(|from| self.part(readings, from));
        if let Some(state) = &mut self.state {
            state.keep(readings);
        }
        records
    }
}

/// Which series there were at the last push. It is kept on disk, so that series that end while the exporter
/// does not run are ended when it runs again.
struct State {
    path: PathBuf,
    writer: Requests,
    /// What a run before this one has left, until the first push of this one.
    earlier: Option<Vec<u8>>,
    /// Whether the file does not say what the last push had.
    is_stale: bool,
    /// The result of the writing that is under way: a disk can hang.
    writing: Option<oneshot::Receiver<io::Result<()>>>,
    has_failed: bool,
}

impl State {
    const NAME: &str = "state";

    fn open(folder: &Path) -> Self {
        let path = folder.join(Self::NAME);
        let earlier = match read(&path) {
            Ok(earlier) => earlier,
            Err(error) => {
                let path = path.display();
                tracing::warn!("{path}: {error}: series of the last run that ended are not ended");
                None
            }
        };
        let writer = Requests::new(Message::V2, Vec::new(), usize::MAX);
        Self { path, writer, earlier, is_stale: true, writing: None, has_failed: false }
    }

    /// The series of the run before that did not come back. Only the first push can tell.
    fn lost(&mut self, readings: &Readings) -> Vec<Vec<(String, String)>> {
        self.earlier.take().map(|earlier| lost_since(&earlier, readings)).unwrap_or_default()
    }

    /// Writes which series there are, if these are others than before.
    fn keep(&mut self, readings: &Readings) {
        self.is_stale |= readings.changed();
        if let Some(writing) = &mut self.writing {
            match writing.try_recv() {
                Err(oneshot::error::TryRecvError::Empty) => return,
                Ok(Ok(())) => self.has_failed = false,
                Ok(Err(error)) => self.failed(&error),
                Err(oneshot::error::TryRecvError::Closed) => self.is_stale = true,
            }
            self.writing = None;
        }
        if !self.is_stale {
            return;
        }
        let mut all = Vec::new();
        self.writer.write(readings, &[], None, &mut |body, _| all.extend_from_slice(body));
        let Ok(packed) = snappy(&all) else { return };
        self.is_stale = false;
        let (done, writing) = oneshot::channel();
        self.writing = Some(writing);
        let path = self.path.clone();
        spawn_blocking(move || done.send(replace(&path, &packed)));
    }

    /// Says it once, and tries again with the next push.
    fn failed(&mut self, error: &io::Error) {
        self.is_stale = true;
        if !std::mem::replace(&mut self.has_failed, true) {
            let path = self.path.display();
            tracing::warn!("{path}: {error}; series that end while the exporter does not run are not ended");
        }
    }
}

/// The largest state that is read, in bytes.
const LARGEST: u64 = 64 << 20;

/// What an earlier run has left; `None` if nothing.
fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(None) };
    if !found.is_file() || found.len() > LARGEST {
        return Err(io::Error::other("not a file of ours"));
    }
    let packed = fs::read(path)?;
    unsnappy(&packed).map(Some).map_err(|_| io::Error::other("damaged"))
}

/// Another process never sees a part of it.
fn replace(path: &Path, packed: &[u8]) -> io::Result<()> {
    let next = path.with_extension("next");
    let _there_is_none = fs::remove_file(&next);
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&next)?.write_all(packed)?;
    fs::rename(&next, path)
}

fn kind_of(message: Message) -> Kind {
    match message {
        Message::V1 => Kind::WriteV1,
        Message::V2 => Kind::WriteV2,
    }
}

/// A request that waits. One that can't be compressed is larger than any receiver takes.
fn record(kind: Kind, timestamp: i64, body: Option<Bytes>, samples: usize) -> Option<Record> {
    let samples = u32::try_from(samples).ok()?;
    Some(Record { kind, samples, timestamp, body: body? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_needs_no_more_room_than_its_bytes() {
        let body = vec![b'x'; 1 << 20];
        let record = record(Kind::WriteV1, 1, Snappy::default().pack(&body).ok(), 1);
        let body = record.and_then(|record| record.body.try_into_mut().ok());
        let room = body.map(|body| (body.capacity() == body.len(), body.len() < 100_000));
        assert_eq!(room, Some((true, true)));
    }
}
