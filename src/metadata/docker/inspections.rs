//! The queue of inspections. At most one per container runs at a time, so that no old answer overtakes a new
//! one, and only a few run at once.

use super::{client::Client, problem::Problem, tolerant::Inspection};
use crate::{metadata::told::Newer, parse::ContainerId};
use futures_util::{StreamExt, future::LocalBoxFuture, stream::FuturesUnordered};
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::Duration,
};
use tokio::time::{Instant, sleep_until};

/// How many inspections run at once. The daemon locks each container, and there is no hurry.
const AT_ONCE: usize = 8;
/// How many containers may wait for an inspection. Others are left to the next list.
const WAITING: usize = 4096;
/// The pause before a container is inspected again that the daemon did not answer for in time. It grows with
/// each failure.
const FIRST_RETRY: Duration = Duration::from_secs(2);
const LAST_RETRY: Duration = Duration::from_secs(64);
/// A container whose inspection was refused is inspected again after this time, because the reason may have
/// been temporary.
const INSPECT_AGAIN: Duration = Duration::from_secs(240);

/// The answer to an inspection.
pub(super) type Answer = Result<Box<Inspection>, Problem>;

/// Why a container is inspected, and what happened since the request.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked {
    /// The collector asked for it and waits for the answer.
    pub(super) is_looked_up: bool,
    is_under_way: bool,
    /// Something happened to it since the request was sent.
    pub(super) again: bool,
    /// What events reported since then.
    pub(super) newer: Newer,
    /// How many requests in a row had no answer in time.
    pub(super) failures: u32,
}

pub(super) struct Inspections<'c> {
    client: &'c Client,
    under_way: FuturesUnordered<LocalBoxFuture<'c, (ContainerId, Answer)>>,
    waiting: VecDeque<ContainerId>,
    /// Containers to inspect again, by time. The number makes keys with the same time distinct.
    later: BTreeMap<(Instant, u64), ContainerId>,
    number: u64,
    asked: HashMap<ContainerId, Asked>,
    /// Containers whose inspection was refused or can't be understood, and since when.
    refused: HashMap<ContainerId, Instant>,
}

impl<'c> Inspections<'c> {
    pub(super) fn new(client: &'c Client) -> Self {
        Self {
            client,
            under_way: FuturesUnordered::new(),
            waiting: VecDeque::new(),
            later: BTreeMap::new(),
            number: 0,
            asked: HashMap::new(),
            refused: HashMap::new(),
        }
    }

    /// Requests an inspection. `false` if too many wait, so that it is left to the next list.
    #[must_use]
    pub(super) fn ask(&mut self, id: ContainerId) -> bool {
        let has_room = self.asked.len() < WAITING || self.asked.contains_key(&id);
        if has_room {
            self.add(id);
        }
        has_room
    }

    /// Requests an inspection of a container from the list or from the collector. Both limit how many there
    /// are.
    pub(super) fn add(&mut self, id: ContainerId) {
        if let Some(asked) = self.asked.get_mut(&id) {
            asked.again |= asked.is_under_way;
            return;
        }
        self.asked.insert(id.clone(), Asked::default());
        self.waiting.push_back(id);
    }

    /// Notes what an event reported about a container: the answer that is on its way may be older.
    pub(super) fn touch(&mut self, id: &ContainerId, newer: Newer) {
        if let Some(asked) = self.asked.get_mut(id).filter(|asked| asked.is_under_way) {
            asked.again = true;
            asked.newer = asked.newer.and(newer);
        }
    }

    /// Requests an inspection of a container that the collector asked for.
    pub(super) fn look_up(&mut self, id: ContainerId) {
        self.add(id.clone());
        self.asked.entry(id).or_default().is_looked_up = true;
    }

    /// Requests another inspection of a container for which the daemon did not answer in time.
    pub(super) fn retry(&mut self, id: ContainerId, asked: Asked) {
        if self.asked.contains_key(&id) {
            return;
        }
        let wait = FIRST_RETRY.saturating_mul(1 << asked.failures.min(16)).min(LAST_RETRY);
        self.number += 1;
        self.later.insert((Instant::now() + wait, self.number), id.clone());
        let failures = asked.failures.saturating_add(1);
        self.asked.insert(id, Asked { is_looked_up: asked.is_looked_up, failures, ..Asked::default() });
    }

    /// Notes that an inspection was refused or can't be understood.
    pub(super) fn refused(&mut self, id: ContainerId) {
        self.refused.insert(id, Instant::now());
    }

    /// Whether the last inspection of a container had no answer in time, so that the next one is put off.
    pub(super) fn are_silent(&self, id: &ContainerId) -> bool {
        self.asked.get(id).is_some_and(|asked| asked.failures > 0)
    }

    /// Whether only the list describes a container, because its inspections have no answer at present.
    pub(super) fn are_without_answer(&self, id: &ContainerId) -> bool {
        self.are_silent(id) || self.refused.get(id).is_some_and(|since| since.elapsed() < INSPECT_AGAIN)
    }

    /// Forgets requests that have not been sent and that the collector does not wait for: a new list decides
    /// what to inspect. Those that are put off stay so.
    pub(super) fn forget_waiting(&mut self) {
        self.asked.retain(|_, asked| asked.is_under_way || asked.is_looked_up || asked.failures > 0);
        self.waiting.retain(|id| self.asked.contains_key(id));
        self.later.retain(|_, id| self.asked.contains_key(id));
        // Of containers that are gone there is no other answer that would end it.
        self.refused.retain(|_, since| since.elapsed() < INSPECT_AGAIN);
    }

    /// The next answer. Waits for ever while there is no request. Cancel safe: may be dropped at any time and
    /// called again.
    pub(super) async fn next(&mut self) -> (ContainerId, Asked, Answer) {
        loop {
            while let Some(first) = self.later.first_entry().filter(|first| first.key().0 <= Instant::now()) {
                self.waiting.push_back(first.remove());
            }
            while self.under_way.len() < AT_ONCE {
                let Some(id) = self.waiting.pop_front() else { break };
                self.send(id);
            }
            let due = self.later.keys().next().map(|(due, _)| *due);
            tokio::select! {
                Some((id, answer)) = self.under_way.next(), if !self.under_way.is_empty() => {
                    let asked = self.asked.remove(&id).unwrap_or_default();
                    self.refused.remove(&id);
                    if asked.again {
                        self.add(id.clone());
                    }
                    return (id, asked, answer);
                }
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
                else => std::future::pending().await,
            }
        }
    }

    fn send(&mut self, id: ContainerId) {
        self.asked.entry(id.clone()).or_default().is_under_way = true;
        let client = self.client;
        self.under_way.push(Box::pin(async move {
            let answer = client.inspect(&id).await;
            (id, answer.map(Box::new))
        }));
    }
}
