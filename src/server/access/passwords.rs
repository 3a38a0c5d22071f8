//! Checks passwords. bcrypt is slow on purpose, so this happens on two threads of its own. Few checks may
//! wait, each address has its turn, and results are kept. One of the threads is for addresses from which the
//! right password came before, so that others can't hold up a scraper with wrong ones.

use super::{
    digest::{Digest, Key},
    users::Users,
};
use crate::server::peer::Peer;
use std::{
    collections::{HashSet, VecDeque},
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};
use tokio::sync::oneshot;

/// How many checks may wait, and how many of them for one address.
const WAITING: usize = 64;
const PER_PEER: usize = 8;
/// How many results are kept. Wrong ones can't push out right ones.
const RIGHT: usize = 256;
const WRONG: usize = 1024;
/// How many addresses are known to have had the right password.
const TRUSTED: usize = 64;

/// What came of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Right,
    Wrong,
    /// Too many checks wait already.
    Busy,
}

/// The checks that wait and the results of those that are done.
#[derive(Debug)]
pub(super) struct Passwords {
    shared: Arc<Shared>,
    lanes: Mutex<Vec<Lane>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Wakes a thread that has nothing to do.
    wake: Condvar,
}

#[derive(Debug, Default)]
struct State {
    queue: Queue,
    /// Addresses from which the right password came, the last one last.
    trusted: VecDeque<Peer>,
    right: Recent,
    wrong: Recent,
}

/// What a thread does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lane {
    /// All checks, those of trusted addresses first.
    All,
    /// The checks of trusted addresses only.
    Trusted,
}

struct Job {
    peer: Peer,
    digest: Digest,
    hash: Arc<str>,
    password: Vec<u8>,
    is_known: bool,
    reply: oneshot::Sender<bool>,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Job")
    }
}

/// The checks that wait, by address.
#[derive(Debug, Default)]
struct Queue {
    peers: VecDeque<(Peer, VecDeque<Job>)>,
    count: usize,
}

impl Queue {
    /// Whether the check may wait. If too many do, it takes the place of one of the address that has most. An
    /// address that has none yet comes first: those that send many are not the ones that scrape.
    fn push(&mut self, job: Job) -> bool {
        let peer = job.peer;
        let of_peer = self.peers.iter().find(|(at, _)| *at == peer).map_or(0, |(_, jobs)| jobs.len());
        if of_peer >= PER_PEER {
            return false;
        }
        if self.count >= WAITING {
            let fullest = self.peers.iter_mut().map(|(_, jobs)| jobs).max_by_key(|jobs| jobs.len());
            let Some(fullest) = fullest.filter(|jobs| jobs.len() > of_peer + 1) else { return false };
            // Its request is answered as one for which there was no place.
            drop(fullest.pop_back());
            self.count -= 1;
        }
        self.count += 1;
        match self.peers.iter_mut().find(|(at, _)| *at == peer) {
            Some((_, jobs)) => jobs.push_back(job),
            None => self.peers.push_front((peer, VecDeque::from([job]))),
        }
        true
    }

    /// The next check of an address that is chosen: each in its turn.
    fn pop(&mut self, is_chosen: impl Fn(Peer) -> bool) -> Option<Job> {
        let at = self.peers.iter().position(|(peer, _)| is_chosen(*peer))?;
        let (peer, mut jobs) = self.peers.remove(at)?;
        let job = jobs.pop_front();
        if !jobs.is_empty() {
            self.peers.push_back((peer, jobs));
        }
        self.count = self.count.saturating_sub(1);
        job
    }
}

/// The last results of a kind.
#[derive(Debug, Default)]
struct Recent {
    set: HashSet<Digest>,
    order: VecDeque<Digest>,
}

impl Recent {
    fn keep(&mut self, digest: Digest, most: usize) {
        if self.set.insert(digest) {
            self.order.push_back(digest);
            if self.order.len() > most {
                if let Some(oldest) = self.order.pop_front() {
                    self.set.remove(&oldest);
                }
            }
        }
    }
}

impl State {
    fn known(&self, digest: &Digest) -> Option<bool> {
        let is_right = self.right.set.contains(digest);
        (is_right || self.wrong.set.contains(digest)).then_some(is_right)
    }

    fn keep(&mut self, digest: Digest, is_right: bool) {
        if is_right { self.right.keep(digest, RIGHT) } else { self.wrong.keep(digest, WRONG) }
    }

    fn trust(&mut self, peer: Peer) {
        self.trusted.retain(|known| *known != peer);
        self.trusted.push_back(peer);
        if self.trusted.len() > TRUSTED {
            self.trusted.pop_front();
        }
    }

    fn pop(&mut self, lane: Lane) -> Option<Job> {
        let Self { queue, trusted, .. } = self;
        let of_trusted = queue.pop(|peer| trusted.contains(&peer));
        of_trusted.or_else(|| if lane == Lane::All { queue.pop(|_| true) } else { None })
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self, lane: Lane) -> Job {
        let mut state = self.lock();
        loop {
            match state.pop(lane) {
                Some(job) => return job,
                None => state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    fn work(&self, lane: Lane) {
        loop {
            let Job { peer, digest, hash, password, is_known, reply } = self.next(lane);
            // Nobody waits for it any more.
            if reply.is_closed() {
                continue;
            }
            let known = self.lock().known(&digest);
            let is_right = known.unwrap_or_else(|| {
                let is_right = bcrypt::verify(&password, &hash).unwrap_or(false) && is_known;
                self.lock().keep(digest, is_right);
                is_right
            });
            if is_right {
                self.lock().trust(peer);
            }
            let _gone = reply.send(is_right);
        }
    }
}

impl Passwords {
    pub(super) fn new() -> Self {
        Self { shared: Arc::default(), lanes: Mutex::default() }
    }

    /// Starts the threads, if they do not run.
    ///
    /// # Errors
    /// If no thread can be started.
    pub(super) fn start(&self) -> io::Result<()> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        for lane in [Lane::All, Lane::Trusted] {
            if !lanes.contains(&lane) {
                let shared = Arc::clone(&self.shared);
                thread::Builder::new().name("passwords".into()).spawn(move || shared.work(lane))?;
                lanes.push(lane);
            }
        }
        Ok(())
    }

    /// Forgets all results.
    pub(super) fn forget(&self) {
        let mut state = self.shared.lock();
        state.right = Recent::default();
        state.wrong = Recent::default();
    }

    /// Checks a password. An unknown user takes as long as one with a wrong password.
    pub(super) async fn check(
        &self,
        users: &Users,
        (user, password): (&[u8], &[u8]),
        key: &Key,
        peer: Peer,
    ) -> Verdict {
        let (hash, is_known) = users.find(user);
        let hash = Arc::clone(hash.text());
        let digest = key.digest(&[user, hash.as_bytes(), password]);
        let answer = {
            let mut state = self.shared.lock();
            if let Some(is_right) = state.known(&digest) {
                return if is_right { Verdict::Right } else { Verdict::Wrong };
            }
            let (reply, answer) = oneshot::channel();
            if !state.queue.push(Job { peer, digest, hash, password: password.to_vec(), is_known, reply }) {
                return Verdict::Busy;
            }
            answer
        };
        self.shared.wake.notify_all();
        match answer.await {
            Ok(true) => Verdict::Right,
            Ok(false) => Verdict::Wrong,
            Err(_) => Verdict::Busy,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::access::users::Hash;

    fn peer(last: u8) -> Peer {
        Peer::of([127, 0, 0, last].into())
    }

    fn users() -> Users {
        let hash = bcrypt::hash("right", 4).unwrap();
        Users::new([("alice".to_owned(), Hash::parse(&hash).unwrap())].into())
    }

    fn job(key: &Key, from: u8, number: u8) -> (Job, oneshot::Receiver<bool>) {
        let (reply, answer) = oneshot::channel();
        let digest = key.digest(&[&[number]]);
        (
            Job { peer: peer(from), digest, hash: "".into(), password: vec![number], is_known: true, reply },
            answer,
        )
    }

    #[tokio::test]
    async fn a_right_password_is_right_and_everything_else_is_wrong() {
        let (passwords, users, key) = (Passwords::new(), users(), Key::random().unwrap());
        passwords.start().unwrap();
        // Twice: the second time from what is kept.
        for _ in 0..2 {
            for (user, password, verdict) in [
                (&b"alice"[..], &b"right"[..], Verdict::Right),
                (b"alice", b"wrong", Verdict::Wrong),
                (b"alice", b"", Verdict::Wrong),
                (b"nobody", b"right", Verdict::Wrong),
                (b"", b"", Verdict::Wrong),
                (b"alice", b"right\0", Verdict::Wrong),
                (b"Alice", b"right", Verdict::Wrong),
                (b"\xff", b"\xff", Verdict::Wrong),
            ] {
                let found = passwords.check(&users, (user, password), &key, peer(2)).await;
                assert_eq!(found, verdict, "{user:?} {password:?}");
            }
        }
        passwords.forget();
        assert!(passwords.shared.lock().right.set.is_empty());
    }

    #[tokio::test]
    async fn what_waits_is_bounded_and_each_address_has_its_turn() {
        let key = Key::random().unwrap();
        let mut queue = Queue::default();
        let mut answers = Vec::new();
        let mut push = |queue: &mut Queue, from: u8, number: u8| {
            let (job, answer) = job(&key, from, number);
            answers.push(answer);
            queue.push(job)
        };
        assert_eq!((0..20).filter(|number| push(&mut queue, 2, *number)).count(), PER_PEER);
        for from in 3..10 {
            assert_eq!((0..20).filter(|number| push(&mut queue, from, 100 + *number)).count(), PER_PEER);
        }
        assert_eq!(queue.count, WAITING);
        // A newcomer finds a place, and is not the last one to be served.
        assert!(push(&mut queue, 200, 200));
        assert_eq!(queue.count, WAITING);
        let order: Vec<_> = std::iter::from_fn(|| queue.pop(|_| true)).map(|job| job.password[0]).collect();
        assert_eq!(order[0], 200);
        assert_eq!((order.len(), queue.count), (WAITING, 0));
    }

    #[test]
    fn an_address_that_had_the_right_password_comes_first_and_has_a_thread() {
        let key = Key::random().unwrap();
        let mut state = State::default();
        let mut answers = Vec::new();
        for (from, number) in [(2, 1), (3, 2), (2, 3), (9, 4), (3, 5)] {
            let (job, answer) = job(&key, from, number);
            answers.push(answer);
            assert!(state.queue.push(job));
        }
        assert!(state.pop(Lane::Trusted).is_none());
        state.trust(peer(2));
        let mut next = |lane| state.pop(lane).map(|job| job.password[0]);
        assert_eq!([next(Lane::All), next(Lane::Trusted), next(Lane::Trusted)], [Some(1), Some(3), None]);
        assert_eq!([next(Lane::All), next(Lane::All), next(Lane::All)], [Some(4), Some(2), Some(5)]);
        for from in 0..=255 {
            state.trust(peer(from));
        }
        assert_eq!((state.trusted.len(), state.trusted.front()), (TRUSTED, Some(&peer(192))));
    }

    #[test]
    fn wrong_results_do_not_push_out_right_ones() {
        let key = Key::random().unwrap();
        let mut state = State::default();
        let digest = |number: u32| key.digest(&[&number.to_le_bytes()]);
        state.keep(digest(0), true);
        for number in 1..10_000 {
            state.keep(digest(number), false);
        }
        assert_eq!(state.known(&digest(0)), Some(true));
        assert_eq!((state.known(&digest(1)), state.known(&digest(9_999))), (None, Some(false)));
        assert_eq!((state.wrong.set.len(), state.wrong.order.len()), (WRONG, WRONG));
    }
}
