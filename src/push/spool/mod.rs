//! Requests that wait on disk.
//!
//! The spool's directory has a `lock` and, for each target, a directory of its own. In there are segments,
//! which are only appended to and are removed as a whole, and the file `ack`, which tells how far the oldest
//! segment has been sent. Each record has a checksum over its header and one over its body.
//!
//! - After a crash of the program nothing is lost: the kernel has all that was written.
//! - After a power failure, all pushes are there whose `fdatasync` returned: there is one for each push.
//!   The `ack` is not synced, so requests that were sent shortly before may be sent again. Receivers accept
//!   that: the samples are the same.
//! - A record that was not written to its end is cut off at the next start. A damaged record is left out;
//!   those behind it are found by their own headers.
//!
//! The crate `queue-file` 2.0 was tried first. Its one file doubles when it is full, and keeps that size when
//! all is sent; nothing bounds it. If one header in it is damaged, it can't be opened any more.

mod ack;
mod directory;
mod segment;

pub(super) use directory::{Directory, make};

use super::record::{Loss, Record};
use ack::Ack;
use segment::{HEADER, Scan, Segment, header_of, read_record, scan};
use std::{
    collections::VecDeque,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// A segment is this part of all that may wait: when there is too much, the oldest segment goes.
const SEGMENTS: u64 = 16;
/// The largest segment, in bytes.
const SEGMENT_BYTES: u64 = 8 << 20;

/// Where a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    segment: u64,
    offset: u64,
    length: u64,
    samples: u64,
}

/// The requests of one target that wait on disk, in order.
#[derive(Debug)]
pub(super) struct Spool {
    folder: PathBuf,
    /// Nobody else may use the directory as long as this is there.
    _lock: Arc<Directory>,
    /// The most that all segments may have, in bytes.
    limit: u64,
    segment_bytes: u64,
    segments: VecDeque<Segment>,
    /// The last segment, to append to.
    last: Option<File>,
    /// The first segment, to read from.
    first: Option<File>,
    /// How much of the first segment has been sent, and how many samples that were.
    sent: (u64, u64),
    ack: Ack,
    is_dirty: bool,
    is_folder_dirty: bool,
}

impl Spool {
    /// Opens what waits for a target. Also tells, in words, what was cut off or is damaged. Blocks.
    ///
    /// # Errors
    /// If the files can't be used.
    pub(super) fn open(
        directory: &Arc<Directory>,
        target: &str,
        limit: u64,
    ) -> io::Result<(Self, Vec<String>)> {
        let folder = directory.folder(target)?;
        let mut said = Vec::new();
        let ack = Ack::open(&folder.join("ack"))?;
        let mut segments = VecDeque::new();
        let (found, odd) = segment::list(&folder)?;
        said.extend(odd.iter().map(|path| format!("{} is no file of ours: left alone", path.display())));
        for (number, path) in found {
            if number < ack.segment {
                // It was sent; only its removal is missing.
                fs::remove_file(&path)?;
                continue;
            }
            let Scan { segment, torn, damaged } = scan(&path, number)?;
            if torn > 0 {
                said.push(format!("{}: the last {torn} bytes are not a whole record: cut", path.display()));
                fs::OpenOptions::new().write(true).open(&path)?.set_len(segment.bytes)?;
            }
            if damaged > 0 {
                said.push(format!("{}: {damaged} bytes are damaged and left out", path.display()));
            }
            segments.push_back(segment);
        }
        let mut spool = Self {
            folder,
            _lock: Arc::clone(directory),
            limit,
            segment_bytes: (limit / SEGMENTS).clamp(1, SEGMENT_BYTES),
            segments,
            last: None,
            first: None,
            sent: (0, 0),
            ack,
            is_dirty: false,
            is_folder_dirty: false,
        };
        spool.find_sent()?;
        // If this can't be written, records are sent again after the next start.
        let _sent_again = spool.remember();
        Ok((spool, said))
    }

    /// Takes up at the place that `ack` tells, as far as there is such a place.
    fn find_sent(&mut self) -> io::Result<()> {
        let Some(first) = self.segments.front() else { return Ok(()) };
        if first.number == self.ack.segment {
            let path = self.path(first.number);
            let file = File::open(path)?;
            let (mut at, mut samples) = (0, 0);
            while at < self.ack.offset.min(first.bytes) {
                let Some((start, header)) = header_of(&file, at, first.bytes)? else { break };
                if start >= self.ack.offset {
                    break;
                }
                at = start + HEADER + u64::from(header.length);
                samples += u64::from(header.samples);
            }
            self.sent = (at.min(first.bytes), samples);
        }
        Ok(())
    }

    /// If somebody has removed or moved the directory: what waited there is gone with it.
    fn find_removed(&mut self) -> Vec<Loss> {
        if self.segments.is_empty() || self.folder.exists() {
            return Vec::new();
        }
        let samples: u64 = self.segments.iter().map(|segment| segment.samples).sum();
        let samples = samples.saturating_sub(self.sent.1);
        tracing::warn!("{} was removed, and {samples} samples that waited in it", self.folder.display());
        self.segments.clear();
        (self.last, self.first, self.sent) = (None, None, (0, 0));
        vec![Loss { reason: "disk", samples }]
    }

    /// Appends a record, and removes the oldest segments if there is too much. Returns what was lost by that.
    /// Blocks.
    ///
    /// # Errors
    /// If it could not be written. Then it is not there at all.
    pub(super) fn append(&mut self, record: &Record) -> io::Result<Vec<Loss>> {
        let size = HEADER + record.size();
        if size > self.limit {
            return Err(io::Error::other(format!("a request of {size} bytes, and {} may wait", self.limit)));
        }
        let mut losses = self.find_removed();
        while self.bytes_on_disk() + size > self.limit {
            let Some(loss) = self.drop_oldest()? else { break };
            losses.push(loss);
        }
        if let Err(error) = self.write(record) {
            self.undo();
            // What has been sent still needs room.
            if !self.remove_sent() {
                return Err(error);
            }
            if let Err(error) = self.write(record) {
                self.undo();
                return Err(error);
            }
        }
        if let Some(segment) = self.segments.back_mut() {
            segment.add(record);
        }
        self.is_dirty = true;
        Ok(losses)
    }

    fn write(&mut self, record: &Record) -> io::Result<()> {
        let has_room = |segment: &Segment| segment.bytes < self.segment_bytes;
        if !self.segments.back().is_some_and(has_room) {
            self.sync_data()?;
            let number = self.segments.back().map_or(self.ack.segment, |last| last.number).saturating_add(1);
            let path = self.path(number);
            let created = segment::create(&path).or_else(|_| {
                // Somebody may have removed the directory.
                directory::make(&self.folder)?;
                segment::create(&path)
            });
            self.last = Some(created?);
            self.segments.push_back(Segment::empty(number));
            self.is_folder_dirty = true;
        }
        let Some(segment) = self.segments.back() else { return Err(io::Error::other("no segment")) };
        let file = match &self.last {
            Some(file) => file,
            None => {
                let path = self.folder.join(segment::name(segment.number));
                self.last.insert(fs::OpenOptions::new().read(true).write(true).open(path)?)
            }
        };
        segment::write(file, segment.bytes, record)
    }

    /// Removes segments of which everything has been sent. Returns whether there was one.
    fn remove_sent(&mut self) -> bool {
        let mut is_removed = false;
        while self.segments.front().is_some_and(|first| first.bytes > 0 && self.sent.0 >= first.bytes) {
            self.remove_first();
            is_removed = true;
        }
        is_removed
    }

    /// Takes back a record that was written in part.
    fn undo(&mut self) {
        let Some(segment) = self.segments.back() else { return };
        if let Some(file) = &self.last {
            // If this fails too, the next record is written over it, or the next start cuts it.
            let _stays_there = file.set_len(segment.bytes);
        }
        // An empty file stays for the next record.
    }

    /// Writes all records through to the disk. Blocks.
    ///
    /// # Errors
    /// If the disk does not take them.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.sync_data()?;
        if std::mem::take(&mut self.is_folder_dirty) {
            File::open(&self.folder)?.sync_all()?;
        }
        Ok(())
    }

    fn sync_data(&mut self) -> io::Result<()> {
        match &self.last {
            Some(file) if std::mem::take(&mut self.is_dirty) => file.sync_data(),
            _ => Ok(()),
        }
    }

    /// The oldest record. Returns damaged ones before it as lost. Blocks.
    pub(super) fn front(&mut self) -> (Option<(Place, Record)>, Vec<Loss>) {
        let mut losses = Vec::new();
        loop {
            let Some(segment) = self.segments.front().cloned() else { return (None, losses) };
            if self.sent.0 >= segment.bytes {
                // Records whose headers could not be read.
                let samples = self.unsent_of_first();
                if samples > 0 {
                    losses.push(Loss { reason: "damaged", samples });
                    self.sent.1 = segment.samples;
                }
                if self.segments.len() == 1 && segment.bytes < self.segment_bytes {
                    // All is sent, and there is room for more.
                    return (None, losses);
                }
                self.remove_first();
                continue;
            }
            let found = self.read_first(&segment);
            let at = |offset, length, samples| Place { segment: segment.number, offset, length, samples };
            match found {
                Ok(Some((offset, header, Some(record)))) => {
                    let place = at(offset, u64::from(header.length), u64::from(header.samples));
                    return (Some((place, record)), losses);
                }
                Ok(Some((offset, header, None))) => {
                    losses.push(Loss { reason: "damaged", samples: u64::from(header.samples) });
                    self.done(at(offset, u64::from(header.length), u64::from(header.samples)));
                }
                Ok(None) => self.sent.0 = segment.bytes,
                Err(_) => {
                    losses.push(Loss { reason: "disk", samples: self.unsent_of_first() });
                    self.remove_first();
                }
            }
        }
    }

    fn read_first(
        &mut self,
        segment: &Segment,
    ) -> io::Result<Option<(u64, segment::Header, Option<Record>)>> {
        let file = match &self.first {
            Some(file) => file,
            None => self.first.insert(File::open(self.folder.join(segment::name(segment.number)))?),
        };
        let Some((offset, header)) = header_of(file, self.sent.0, segment.bytes)? else { return Ok(None) };
        let record = read_record(file, offset, &header)?;
        Ok(Some((offset, header, record)))
    }

    /// Removes a record, if it is still there. Blocks for a moment.
    pub(super) fn done(&mut self, place: Place) {
        let is_first = self.segments.front().is_some_and(|first| first.number == place.segment);
        if !is_first || place.offset < self.sent.0 {
            return;
        }
        self.sent = (place.offset + HEADER + place.length, self.sent.1 + place.samples);
        // If this can't be written, records are sent again after the next start.
        let _sent_again = self.remember();
    }

    /// Removes the oldest segment, and returns what was in it. `None` if there is none.
    pub(super) fn drop_oldest(&mut self) -> io::Result<Option<Loss>> {
        if self.segments.is_empty() {
            return Ok(None);
        }
        let samples = self.unsent_of_first();
        self.remove_first();
        Ok(Some(Loss { reason: "queue_full", samples }))
    }

    fn remove_first(&mut self) {
        let Some(first) = self.segments.pop_front() else { return };
        // A file that can't be removed has an older number than `ack`, and is removed at the next start.
        let _next_time = fs::remove_file(self.path(first.number));
        (self.first, self.sent) = (None, (0, 0));
        if self.segments.is_empty() {
            self.last = None;
            self.ack.segment = first.number;
            self.ack.offset = first.bytes;
            let _sent_again = self.ack.write();
        } else {
            let _sent_again = self.remember();
        }
    }

    fn remember(&mut self) -> io::Result<()> {
        if let Some(first) = self.segments.front() {
            (self.ack.segment, self.ack.offset) = (first.number, self.sent.0);
            self.ack.write()?;
        }
        Ok(())
    }

    fn unsent_of_first(&self) -> u64 {
        self.segments.front().map_or(0, |first| first.samples.saturating_sub(self.sent.1))
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(segment::name(number))
    }

    fn bytes_on_disk(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// How many bytes wait.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes_on_disk().saturating_sub(self.sent.0)
    }

    /// How many samples wait.
    pub(super) fn samples(&self) -> u64 {
        let all: u64 = self.segments.iter().map(|segment| segment.samples).sum();
        all.saturating_sub(self.sent.1)
    }

    /// The directory of the target, in which encoders may keep what they must know after a restart.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
impl Spool {
    /// Closes its files, so that a test may put others in their place.
    pub(in crate::push) fn close_for_tests(&mut self) {
        (self.first, self.last) = (None, None);
    }
}
