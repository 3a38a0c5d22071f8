//! Who may hold a page: an answer as large as the host has containers, in memory until its client has taken it.

use super::{
    client::Client,
    refusals::{Reason, Refusals},
};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout},
};

/// Pages on their way at once: this bounds what slow clients hold together.
const PAGES: usize = 16;
const PER_PEER: usize = PAGES / 2;
const PER_CONNECTION: usize = 2;
/// A client that took nothing for so long may lose its page to one that has none.
const STALLED: Duration = Duration::from_secs(1);
/// A client that has no page waits so long for one, in steps.
const STEP: Duration = Duration::from_millis(250);
const STEPS: usize = 5;

/// All pages that are held, and those who wait for one.
#[derive(Debug)]
pub(super) struct Pages {
    free: Arc<Semaphore>,
    holders: Mutex<Vec<Arc<Client>>>,
    refusals: Arc<Refusals>,
}

/// Permission to hold a page, until it is dropped.
#[derive(Debug)]
pub(super) struct Permit {
    _place: OwnedSemaphorePermit,
    _holder: Holder,
}

#[derive(Debug)]
struct Holder {
    pages: Arc<Pages>,
    client: Arc<Client>,
}

impl Drop for Holder {
    fn drop(&mut self) {
        let mut holders = self.pages.lock();
        if let Some(index) = holders.iter().position(|client| Arc::ptr_eq(client, &self.client)) {
            holders.swap_remove(index);
        }
    }
}

impl Pages {
    pub(super) fn new(refusals: Arc<Refusals>) -> Arc<Self> {
        Arc::new(Self { free: Arc::new(Semaphore::new(PAGES)), holders: Mutex::default(), refusals })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Client>>> {
        self.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A page for this client, if it and its address do not hold too many. When all are held, one of a client that
    /// takes nothing goes to a peer that has none.
    pub(super) async fn acquire(self: &Arc<Self>, client: &Arc<Client>) -> Option<Permit> {
        let found = self.enter(client);
        let permit = match found {
            Ok((holder, is_first)) => self.wait(holder, is_first).await.ok_or(Reason::Pages),
            Err(reason) => Err(reason),
        };
        permit.map_err(|reason| self.refusals.refuse(reason, client.peer())).ok()
    }

    /// Counts the client in; tells whether its peer has no other page.
    fn enter(self: &Arc<Self>, client: &Arc<Client>) -> Result<(Holder, bool), Reason> {
        let mut holders = self.lock();
        if holders.iter().filter(|holder| Arc::ptr_eq(holder, client)).count() >= PER_CONNECTION {
            return Err(Reason::ConnectionPages);
        }
        let of_peer = holders.iter().filter(|holder| holder.peer() == client.peer()).count();
        if of_peer >= PER_PEER {
            return Err(Reason::PeerPages);
        }
        holders.push(Arc::clone(client));
        Ok((Holder { pages: Arc::clone(self), client: Arc::clone(client) }, of_peer == 0))
    }

    async fn wait(&self, holder: Holder, is_first: bool) -> Option<Permit> {
        if let Ok(place) = Arc::clone(&self.free).try_acquire_owned() {
            return Some(Permit { _place: place, _holder: holder });
        }
        for _ in 0..if is_first { STEPS } else { 0 } {
            self.push_out();
            if let Ok(Ok(place)) = timeout(STEP, Arc::clone(&self.free).acquire_owned()).await {
                return Some(Permit { _place: place, _holder: holder });
            }
        }
        None
    }

    /// Ends the connection of the client that takes nothing for the longest time.
    fn push_out(&self) {
        let holders = self.lock();
        let stalled = holders.iter().filter_map(|client| Some((client.stalled_since()?, client)));
        if let Some((since, client)) = stalled.min_by_key(|(since, _)| *since) {
            if Instant::now().duration_since(since) >= STALLED {
                self.refusals.refuse(Reason::PushedOut, client.peer());
                client.push_out();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{exposition::SelfMetrics, server::admission::Peer};

    fn client(last: u8) -> Arc<Client> {
        Client::new(Peer::of([127, 0, 0, last].into()), SelfMetrics::new().unwrap())
    }

    fn pages() -> Arc<Pages> {
        Pages::new(Refusals::new(SelfMetrics::new().unwrap()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_holds_two_pages_and_an_address_eight() {
        let pages = pages();
        let mut held = Vec::new();
        for _ in 0..4 {
            let client = client(2);
            held.push(pages.acquire(&client).await.unwrap());
            held.push(pages.acquire(&client).await.unwrap());
            assert!(pages.acquire(&client).await.is_none());
        }
        assert!(pages.acquire(&client(2)).await.is_none());
        held.pop();
        held.push(pages.acquire(&client(2)).await.unwrap());
        assert!(pages.acquire(&client(3)).await.is_some());
        held.clear();
        assert!(pages.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_loses_its_page_to_who_has_none() {
        let pages = pages();
        let holders: Vec<_> = (2..10).flat_map(|last| [client(last), client(last)]).collect();
        let mut held = Vec::new();
        for holder in &holders {
            let answering = holder.begin();
            held.push((pages.acquire(holder).await.unwrap(), answering));
        }
        // While the exporter is at work, nobody loses anything.
        assert!(pages.acquire(&client(20)).await.is_none());
        for (_, answering) in &held {
            answering.ready(1);
        }
        tokio::time::advance(STALLED).await;
        for (_, answering) in &held[1..] {
            answering.taken();
        }
        // One that has a page already waits for nobody's.
        assert!(pages.acquire(&client(9)).await.is_none());
        let victim = Arc::clone(&holders[0]);
        tokio::spawn(async move {
            victim.ended().await;
            drop(held);
        });
        assert!(pages.acquire(&client(20)).await.is_some());
    }
}
