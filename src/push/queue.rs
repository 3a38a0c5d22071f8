//! What waits for one target, in order.

use super::{
    record::{Loss, Record},
    spool::{Place, Spool},
};
use std::{collections::VecDeque, io};

/// What was lost because the queue was full.
const FULL: &str = "queue_full";

/// Which record was taken from a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ticket {
    Disk(Place),
    /// The number of records that were removed from memory before it.
    Memory(u64),
}

/// Records that wait. On disk if there is a spool; in memory without one, and as long as the disk takes
/// nothing.
#[derive(Debug)]
pub(super) struct Queue {
    spool: Option<Spool>,
    /// Newer than all that is on disk.
    memory: VecDeque<Record>,
    bytes: u64,
    limit: u64,
    removed: u64,
    /// Whether only the newest record matters.
    only_newest: bool,
    /// The time of the newest record, in Unix milliseconds.
    newest: Option<i64>,
    losses: Vec<Loss>,
    /// Why the disk does not take records.
    trouble: Option<io::Error>,
}

impl Queue {
    /// A queue with at most `limit` bytes in memory.
    pub(super) fn new(limit: u64, spool: Option<Spool>, only_newest: bool) -> Self {
        Self {
            spool,
            memory: VecDeque::new(),
            bytes: 0,
            limit,
            removed: 0,
            only_newest,
            newest: None,
            losses: Vec::new(),
            trouble: None,
        }
    }

    /// Adds the records of one push. If there is too much, the oldest go. Blocks if there is a spool.
    pub(super) fn push(&mut self, records: impl IntoIterator<Item = Record>) {
        self.trouble = None;
        if self.only_newest {
            while !self.memory.is_empty() {
                self.remove_from_memory();
            }
        }
        for record in records {
            self.newest = self.newest.max(Some(record.timestamp));
            self.bytes += record.size();
            self.memory.push_back(record);
            self.spill();
            self.shrink();
        }
        let synced = self.spool.as_mut().map_or(Ok(()), Spool::sync);
        if let Err(error) = synced {
            self.trouble.get_or_insert(error);
        }
    }

    /// Moves everything from memory to the disk, as far as the disk takes it.
    fn spill(&mut self) {
        let Some(spool) = &mut self.spool else { return };
        while let Some(record) = self.memory.front() {
            match spool.append(record) {
                Ok(losses) => self.losses.extend(losses),
                Err(error) => {
                    self.trouble = Some(error);
                    return;
                }
            }
            self.bytes -= record.size();
            self.memory.pop_front();
            self.removed += 1;
        }
    }

    /// Removes the oldest as long as there is too much in memory. The newest stays in any case.
    fn shrink(&mut self) {
        while self.bytes > self.limit && self.memory.len() > 1 {
            let oldest = self.spool.as_mut().and_then(|spool| spool.drop_oldest().ok().flatten());
            match oldest {
                Some(loss) => {
                    self.losses.push(loss);
                    self.spill();
                }
                None => {
                    let samples = self.remove_from_memory();
                    self.losses.push(Loss { reason: FULL, samples });
                }
            }
        }
    }

    fn remove_from_memory(&mut self) -> u64 {
        let Some(record) = self.memory.pop_front() else { return 0 };
        self.bytes -= record.size();
        self.removed += 1;
        u64::from(record.samples)
    }

    /// The oldest record. It stays until [`Self::done`]. Blocks if there is a spool.
    pub(super) fn front(&mut self) -> Option<(Ticket, Record)> {
        if let Some(spool) = &mut self.spool {
            let (found, losses) = spool.front();
            self.losses.extend(losses);
            if let Some((place, record)) = found {
                return Some((Ticket::Disk(place), record));
            }
        }
        Some((Ticket::Memory(self.removed), self.memory.front()?.clone()))
    }

    /// Removes a record that a receiver has taken or refused. Nothing happens if it is no longer there.
    pub(super) fn done(&mut self, ticket: Ticket) {
        match ticket {
            Ticket::Disk(place) => {
                if let Some(spool) = &mut self.spool {
                    spool.done(place);
                }
            }
            Ticket::Memory(number) if number == self.removed => {
                self.remove_from_memory();
            }
            Ticket::Memory(_) => {}
        }
    }

    /// How many bytes wait.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes + self.spool.as_ref().map_or(0, Spool::bytes)
    }

    /// How many samples wait only in memory.
    pub(super) fn samples_in_memory(&self) -> u64 {
        self.memory.iter().map(|record| u64::from(record.samples)).sum()
    }

    /// The time of the newest record that ever waited, in Unix milliseconds.
    pub(super) fn newest(&self) -> Option<i64> {
        self.newest
    }

    /// What was lost since the last call.
    pub(super) fn take_losses(&mut self) -> Vec<Loss> {
        std::mem::take(&mut self.losses)
    }

    /// Why the disk did not take the last push.
    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.as_ref().map(ToString::to_string)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::push::{record::Kind, spool::Directory};
    use std::{fs, path::Path, sync::Arc};

    fn record(number: u32) -> Record {
        let body = vec![0; 100].into();
        Record { kind: Kind::WriteV2, samples: number, timestamp: i64::from(number), body }
    }

    fn drain(queue: &mut Queue) -> Vec<u32> {
        let mut seen = Vec::new();
        while let Some((ticket, record)) = queue.front() {
            queue.done(ticket);
            seen.push(record.samples);
        }
        seen
    }

    fn lost(queue: &mut Queue) -> u64 {
        queue.take_losses().iter().map(|loss| loss.samples).sum()
    }

    fn spool(folder: &Path, limit: u64) -> Spool {
        Spool::open(&Arc::new(Directory::open(folder).unwrap()), "target", limit).unwrap().0
    }

    #[test]
    fn in_memory_the_oldest_goes_first() {
        let mut queue = Queue::new(350, None, false);
        queue.push((1..=5).map(record));
        assert_eq!((queue.bytes(), lost(&mut queue)), (300, 1 + 2));
        assert_eq!(queue.newest(), Some(5));
        assert_eq!(drain(&mut queue), [3, 4, 5]);
        assert_eq!((queue.bytes(), lost(&mut queue)), (0, 0));
    }

    #[test]
    fn a_record_larger_than_all_that_may_wait_is_tried() {
        let mut queue = Queue::new(50, None, false);
        queue.push([record(1)]);
        assert_eq!(drain(&mut queue), [1]);
    }

    #[test]
    fn what_was_dropped_while_it_was_sent_is_not_taken_for_its_successor() {
        let mut queue = Queue::new(200, None, false);
        queue.push((1..=2).map(record));
        let (ticket, sent) = queue.front().unwrap();
        assert_eq!(sent.samples, 1);
        queue.push([record(3)]);
        queue.done(ticket);
        assert_eq!(drain(&mut queue), [2, 3]);
    }

    #[test]
    fn a_pushgateway_gets_only_the_newest() {
        let mut queue = Queue::new(1000, None, true);
        queue.push([record(1)]);
        let (ticket, _) = queue.front().unwrap();
        queue.push([record(2)]);
        queue.done(ticket);
        assert_eq!(drain(&mut queue), [2]);
        assert_eq!(lost(&mut queue), 0);
    }

    #[test]
    fn while_the_disk_takes_nothing_the_newest_wait_in_memory() {
        let folder = tempfile::tempdir().unwrap();
        let mut queue = Queue::new(350, Some(spool(folder.path(), 1 << 20)), false);
        queue.push((1..=2).map(record));
        assert_eq!((queue.samples_in_memory(), queue.trouble()), (0, None));
        // Only so much may be written, as on a full disk: there is no other way without being root.
        let target = fs::read_dir(folder.path()).unwrap().flatten().find(|entry| entry.path().is_dir());
        let target = target.unwrap().path();
        let away = folder.path().join("away");
        let segment = fs::read_dir(&target).unwrap().flatten().map(|entry| entry.path());
        let segment = segment.into_iter().find(|path| path.extension().is_some()).unwrap();
        queue.spool.as_mut().unwrap().close_for_tests();
        fs::rename(&segment, &away).unwrap();
        std::os::unix::fs::symlink("/dev/full", &segment).unwrap();
        queue.push((3..=5).map(record));
        assert!(queue.trouble().unwrap().contains("No space left"), "{:?}", queue.trouble());
        assert_eq!((queue.samples_in_memory(), lost(&mut queue)), (3 + 4 + 5, 0));
        fs::remove_file(&segment).unwrap();
        fs::rename(&away, &segment).unwrap();
        queue.spool.as_mut().unwrap().close_for_tests();
        queue.push([record(6)]);
        assert_eq!((queue.samples_in_memory(), queue.trouble()), (0, None));
        assert_eq!(drain(&mut queue), [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn a_disk_that_stays_full_costs_the_oldest() {
        let folder = tempfile::tempdir().unwrap();
        let mut queue = Queue::new(350, Some(spool(folder.path(), 1 << 20)), false);
        queue.push((1..=2).map(record));
        let target = fs::read_dir(folder.path()).unwrap().flatten().find(|entry| entry.path().is_dir());
        let target = target.unwrap().path();
        queue.spool.as_mut().unwrap().close_for_tests();
        let segment = fs::read_dir(&target).unwrap().flatten().map(|entry| entry.path());
        let segment = segment.into_iter().find(|path| path.extension().is_some()).unwrap();
        fs::remove_file(&segment).unwrap();
        std::os::unix::fs::symlink("/dev/full", &segment).unwrap();
        queue.push((3..=5).map(record));
        assert_eq!(lost(&mut queue), 0);
        // No new file can be made either.
        fs::remove_dir_all(&target).unwrap();
        fs::write(&target, "not a directory").unwrap();
        queue.push((6..=7).map(record));
        assert_eq!(lost(&mut queue), 1 + 2 + 3 + 4);
        assert_eq!(drain(&mut queue), [5, 6, 7]);
    }
}
