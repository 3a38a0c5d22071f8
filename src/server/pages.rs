//! Limits how many pages are in memory. A page grows with the number of containers and stays in memory until
//! its client has received it.

use super::{
    client::{Client, worst_reader},
    refusals::{Reason, Refusals},
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};
use tokio::{sync::Notify, time::timeout};

/// How many pages may be sent at once.
const PAGES: usize = 16;
const PER_PEER: usize = PAGES / 2;
const PER_CONNECTION: usize = 2;
/// While the pages being sent have more bytes than this, no third one is made. Two scrapers are usual, so two
/// are allowed whatever their size. Clients that share a page share its bytes.
const BYTES: usize = 32 * 1024 * 1024;
/// A client that took nothing for this long may lose its page to a peer without one.
const STALLED: Duration = Duration::from_millis(500);
/// A client without a page waits for one in steps of this length.
const STEP: Duration = Duration::from_millis(100);
const STEPS: usize = 15;

/// All pages that are held, and the clients that wait for one.
#[derive(Debug)]
pub(super) struct Pages {
    table: Mutex<Table>,
    freed: Notify,
    refusals: Arc<Refusals>,
}

#[derive(Debug, Default)]
struct Table {
    holders: Vec<Arc<Held>>,
    /// How many of the holders have permission.
    granted: usize,
    /// Peers without a page that wait for one. A peer that has a page gets no other before them.
    waiting: usize,
}

#[derive(Debug)]
struct Held {
    client: Arc<Client>,
    /// The page's address and length, once it has been made.
    page: OnceLock<(usize, usize)>,
}

impl Table {
    fn has_room(&self) -> bool {
        let pages: HashMap<usize, usize> =
            self.holders.iter().filter_map(|held| held.page.get().copied()).collect();
        self.granted < PAGES && (pages.len() < 2 || pages.values().sum::<usize>() < BYTES)
    }
}

/// Permission to hold a page. Dropping it gives the page up.
#[derive(Debug)]
pub(super) struct Permit(Holder);

impl Permit {
    /// Notes which page is held, so that a shared page is counted once.
    pub(super) fn hold(&self, page: &[u8]) {
        let _only_one = self.0.held.page.set((page.as_ptr().addr(), page.len()));
    }
}

#[derive(Debug)]
struct Holder {
    pages: Arc<Pages>,
    held: Arc<Held>,
    granted: bool,
}

impl Drop for Holder {
    fn drop(&mut self) {
        let mut table = self.pages.lock();
        table.holders.retain(|held| !Arc::ptr_eq(held, &self.held));
        table.granted -= usize::from(self.granted);
        drop(table);
        self.pages.freed.notify_waiters();
    }
}

/// Counts a peer without a page for as long as it waits for one.
struct Waiting<'a>(&'a Pages);

impl<'a> Waiting<'a> {
    fn new(pages: &'a Pages) -> Self {
        pages.lock().waiting += 1;
        Self(pages)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.lock().waiting -= 1;
    }
}

impl Pages {
    pub(super) fn new(refusals: Arc<Refusals>) -> Arc<Self> {
        Arc::new(Self { table: Mutex::default(), freed: Notify::new(), refusals })
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives this client permission for a page, if it and its address do not hold too many. When all are
    /// held, a client that takes nothing loses its page to a peer that has none.
    pub(super) async fn acquire(self: &Arc<Self>, client: &Arc<Client>) -> Option<Permit> {
        let permit = match self.enter(client) {
            Ok((holder, is_first)) => self.wait(holder, is_first).await.ok_or(Reason::Pages),
            Err(reason) => Err(reason),
        };
        permit.map_err(|reason| self.refusals.refuse(reason, client.peer())).ok()
    }

    /// Adds the client to the holders. Returns whether its peer has no other page.
    fn enter(self: &Arc<Self>, client: &Arc<Client>) -> Result<(Holder, bool), Reason> {
        let mut table = self.lock();
        let holders = || table.holders.iter();
        if holders().filter(|held| Arc::ptr_eq(&held.client, client)).count() >= PER_CONNECTION {
            return Err(Reason::ConnectionPages);
        }
        let of_peer = holders().filter(|held| held.client.peer() == client.peer()).count();
        if of_peer >= PER_PEER {
            return Err(Reason::PeerPages);
        }
        let held = Arc::new(Held { client: Arc::clone(client), page: OnceLock::new() });
        table.holders.push(Arc::clone(&held));
        Ok((Holder { pages: Arc::clone(self), held, granted: false }, of_peer == 0))
    }

    async fn wait(&self, mut holder: Holder, is_first: bool) -> Option<Permit> {
        let waits = is_first.then(|| Waiting::new(self));
        for _ in 0..STEPS {
            // Created before the check, so that no notification is missed.
            let freed = self.freed.notified();
            if self.grant(is_first) {
                holder.granted = true;
                drop(waits);
                return Some(Permit(holder));
            }
            if !is_first {
                break;
            }
            self.push_out();
            let _in_vain = timeout(STEP, freed).await;
        }
        None
    }

    fn grant(&self, is_first: bool) -> bool {
        let mut table = self.lock();
        let is_free = table.has_room() && (is_first || table.waiting == 0);
        table.granted += usize::from(is_free);
        is_free
    }

    /// Ends the connection of the client that receives its page worst.
    fn push_out(&self) {
        let table = self.lock();
        let clients = table.holders.iter().map(|held| &held.client);
        if let Some(client) = worst_reader(clients, STALLED) {
            self.refusals.refuse(Reason::PushedOut, client.peer());
            client.push_out();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{server::peer::Peer, table::SelfMetrics};

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
        assert!(pages.lock().holders.is_empty() && pages.lock().granted == 0);
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
        // While the exporter works on the answers, no client loses its page.
        assert!(pages.acquire(&client(20)).await.is_none());
        for (_, answering) in &held {
            answering.ready(1);
        }
        tokio::time::advance(STALLED).await;
        for (_, answering) in &held[1..] {
            answering.taken();
        }
        // A peer that has a page already does not wait for another peer's page.
        assert!(pages.acquire(&client(9)).await.is_none());
        let victim = Arc::clone(&holders[0]);
        tokio::spawn(async move {
            victim.ended().await;
            drop(held);
        });
        assert!(pages.acquire(&client(20)).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_keeps_its_page_before_those_who_come_again_and_read_nothing() {
        let pages = pages();
        let reader = client(30);
        let reading = reader.begin();
        let _page = pages.acquire(&reader).await.unwrap();
        reading.ready(1);
        tokio::time::advance(Duration::from_millis(300)).await;
        let mut held = Vec::new();
        let mut others = (31..100_u8).cycle();
        for round in 0..60_u8 {
            // One second passes. The reader is seen to take bytes at its beginning.
            reading.taken();
            tokio::time::advance(Duration::from_millis(500)).await;
            while held.len() < PAGES - 1 {
                let other = client(others.next().unwrap());
                let answering = other.begin();
                let permit = pages.acquire(&other).await.unwrap();
                answering.ready(1);
                held.push((Arc::clone(&other), permit, answering));
            }
            tokio::time::advance(Duration::from_millis(700)).await;
            // A client without a page wants one. The slow reader took nothing for longer than many others.
            let newcomer = client(100 + round);
            let (waits, wants) = (Arc::clone(&pages), Arc::clone(&newcomer));
            let waiting = tokio::spawn(async move { waits.acquire(&wants).await });
            for _ in 0..20 {
                tokio::time::advance(Duration::from_millis(10)).await;
                tokio::task::yield_now().await;
                held.retain(|(client, ..)| !client.is_pushed_out());
            }
            assert!(!reader.is_pushed_out(), "in round {round}");
            assert!(waiting.await.unwrap().is_some());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_a_page_gets_no_other_before_who_has_none() {
        let pages = pages();
        let crowd: Vec<_> = (2..4).flat_map(|last| (0..8).map(move |_| client(last))).collect();
        let mut held = Vec::new();
        for client in &crowd {
            held.push(pages.acquire(client).await.unwrap());
        }
        let (waits, crowds) = (Arc::clone(&pages), client(3));
        let newcomer = tokio::spawn(async move { waits.acquire(&client(20)).await.is_some() });
        tokio::task::yield_now().await;
        held.pop();
        // It asks first, but it has seven pages already.
        assert!(pages.acquire(&crowds).await.is_none());
        assert!(newcomer.await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn different_pages_have_a_bound_together_and_shared_ones_count_once() {
        let pages = pages();
        let page = vec![0; BYTES / 2];
        let mut held = Vec::new();
        for last in 2..10 {
            let permit = pages.acquire(&client(last)).await.unwrap();
            permit.hold(&page);
            held.push(permit);
        }
        let other = vec![0; BYTES / 2];
        let permit = pages.acquire(&client(10)).await.unwrap();
        permit.hold(&other);
        assert!(pages.acquire(&client(11)).await.is_none());
        drop(permit);
        assert!(pages.acquire(&client(11)).await.is_some());
    }
}
