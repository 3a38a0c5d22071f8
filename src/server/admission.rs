//! Limits how many connections there are, and decides which one gives way when there are too many.

use super::{
    client::{Client, worst_reader},
    peer::{Origin, Peer},
    refusals::{Reason, Refusals},
};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How many connections may be open at once. A scraper needs one.
const CONNECTIONS: usize = 128;
/// How many of them are reserved for health checks from this machine.
const RESERVE: usize = 8;
/// How many connections one peer may have.
const PER_PEER: usize = CONNECTIONS / 4;
/// A peer with this many connections can lose one, even while it is being answered, to a peer that has none.
const CROWD: usize = 3;

/// The open connections.
#[derive(Debug)]
pub(super) struct Admission {
    refusals: Arc<Refusals>,
    table: Mutex<Vec<Entry>>,
}

#[derive(Debug)]
struct Entry {
    client: Arc<Client>,
    own: bool,
}

/// The place of one connection. Dropping it frees the place.
#[derive(Debug)]
pub(super) struct Place {
    client: Arc<Client>,
    admission: Arc<Admission>,
}

impl Place {
    pub(super) fn client(&self) -> &Arc<Client> {
        &self.client
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.admission.lock().retain(|entry| !Arc::ptr_eq(&entry.client, &self.client));
    }
}

impl Admission {
    pub(super) fn new(refusals: Arc<Refusals>) -> Arc<Self> {
        Arc::new(Self { refusals, table: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a place for a connection. When none is left, the connection that has been idle for the longest
    /// time gives up its place. But a peer takes no place from another peer that has no more connections than
    /// itself.
    pub(super) fn admit(self: &Arc<Self>, origin: Origin) -> Option<Place> {
        let (peer, own) = (origin.peer(), origin.is_own);
        let mut table = self.lock();
        let of_peer = table.iter().filter(|entry| entry.client.peer() == peer).count();
        let of_others = table.iter().filter(|entry| !entry.own).count();
        let refused = if of_peer >= PER_PEER {
            Some(Reason::PeerConnections)
        } else if table.len() >= CONNECTIONS || (!own && of_others >= CONNECTIONS - RESERVE) {
            Some(Reason::Connections)
        } else {
            None
        };
        if let Some(reason) = refused {
            let count = |of: Peer| table.iter().filter(|entry| entry.client.peer() == of).count();
            let may_go = |entry: &&Entry| match reason {
                Reason::PeerConnections => entry.client.peer() == peer,
                _ if entry.client.peer() == peer => true,
                _ => (own || !entry.own) && count(entry.client.peer()) > of_peer,
            };
            let crowded = |entry: &&Entry| {
                let is_newcomer = reason != Reason::PeerConnections && of_peer == 0;
                is_newcomer && may_go(entry) && count(entry.client.peer()) >= CROWD
            };
            let idle = longest_idle(table.iter().filter(may_go));
            let fullest = || table.iter().filter(crowded).max_by_key(|entry| count(entry.client.peer()));
            let Some(client) = idle.or_else(|| fullest().map(|entry| Arc::clone(&entry.client))) else {
                self.refusals.refuse(reason, origin);
                return None;
            };
            self.refusals.refuse(Reason::PushedOut, client.peer());
            client.push_out();
            table.retain(|entry| !Arc::ptr_eq(&entry.client, &client));
        }
        let client = Client::new(peer, self.refusals.metrics().clone());
        table.push(Entry { client: Arc::clone(&client), own });
        Some(Place { client, admission: Arc::clone(self) })
    }
}

/// The connection without a request for the longest time. If all have a request, the one that takes its
/// answer worst.
fn longest_idle<'a>(entries: impl Iterator<Item = &'a Entry> + Clone) -> Option<Arc<Client>> {
    let clients = || entries.clone().map(|entry| &entry.client);
    let idle = clients().filter_map(|client| Some((client.idle_since()?, client)));
    let longest = idle.min_by_key(|(since, _)| *since).map(|(_, client)| client);
    longest.or_else(|| worst_reader(clients(), Duration::ZERO)).map(Arc::clone)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::SelfMetrics;
    use std::net::{IpAddr, Ipv4Addr, SocketAddr};

    fn admission() -> Arc<Admission> {
        Admission::new(Refusals::new(SelfMetrics::new().unwrap()))
    }

    const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn address(last: usize) -> IpAddr {
        IpAddr::from([127, 0, 0, u8::try_from(last).unwrap()])
    }

    fn from(address: IpAddr) -> Origin {
        Origin::between(SocketAddr::new(address, 1), LOCAL)
    }

    fn fill(admission: &Arc<Admission>, addresses: usize) -> Vec<Place> {
        (0..120).map(|index| admission.admit(from(address(2 + index % addresses))).unwrap()).collect()
    }

    fn is_pushed_out(place: &Place) -> bool {
        futures_util::FutureExt::now_or_never(place.client().ended()).is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn one_peer_gets_a_quarter_and_pushes_out_its_own() {
        let admission = admission();
        let other = admission.admit(from(address(9))).unwrap();
        let held: Vec<_> = (0..40).map(|_| admission.admit(from(address(2))).unwrap()).collect();
        assert_eq!(held.iter().filter(|place| is_pushed_out(place)).count(), 8);
        assert!(!is_pushed_out(&other));
        let asking: Vec<_> = held.iter().map(|place| place.client().begin()).collect();
        assert!(admission.admit(from(address(2))).is_none());
        drop(asking);
        assert!(admission.admit(from(address(2))).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_idle_one_gives_its_place() {
        let admission = admission();
        let held = fill(&admission, 60);
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
        drop(held[0].client().begin());
        let _newcomer = admission.admit(from(address(200))).unwrap();
        assert!(!is_pushed_out(&held[0]) && is_pushed_out(&held[1]));
        // No client is idle, so the one that takes nothing goes. No client goes while the exporter still
        // works on its answer.
        let answering: Vec<_> = held.iter().map(|place| place.client().begin()).collect();
        let mut newcomers = Vec::new();
        while let Some(place) = admission.admit(from(address(201))) {
            assert!(newcomers.len() < 8);
            newcomers.push((place.client().begin(), place));
        }
        answering[7].ready(1);
        assert!(admission.admit(from(address(202))).is_some());
        assert!(is_pushed_out(&held[7]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_takes_no_place_from_who_has_one_and_gives_one_to_who_has_none() {
        let admission = admission();
        let held = fill(&admission, 4);
        // All clients have a request, so none is idle.
        let _asking: Vec<_> = held.iter().map(|place| place.client().begin()).collect();
        let scraper = admission.admit(from(address(200))).unwrap();
        assert_eq!(held.iter().filter(|place| is_pushed_out(place)).count(), 1);
        // It has not sent its request yet, so it is the only idle one.
        for crowd in 2..6 {
            let _either_way = admission.admit(from(address(crowd)));
        }
        assert!(!is_pushed_out(&scraper));
    }

    #[tokio::test(start_paused = true)]
    async fn the_health_check_has_a_reserve() {
        let admission = admission();
        let held = fill(&admission, 60);
        let _asking: Vec<_> = held.iter().map(|place| place.client().begin()).collect();
        assert!(admission.admit(from(address(200))).is_none());
        let own: Vec<_> = (0..8).map(|_| admission.admit(from(LOCAL))).collect();
        assert!(own.iter().all(Option::is_some));
    }
}
