//! What one connection is doing, since when, and when it must end. The deadlines belong to the connection,
//! not to a response body: hyper does not poll a body while an HTTP/2 client's window is closed, so a body
//! can't watch its own deadline.

use super::peer::Peer;
use crate::table::SelfMetrics;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

/// Time from accept to the first complete request head, with TLS handshake and HTTP/2 preface.
const FIRST_HEAD: Duration = Duration::from_secs(10);
/// Time from the end of an answer to the next complete request head. An HTTP/2 PING is no request.
const IDLE: Duration = Duration::from_secs(60);
/// How long an idle client that was asked to close may take. It may finish a request that it sent before it
/// read that.
const LEAVING: Duration = Duration::from_secs(5);
/// Time for the exporter to make an answer. This is longer than a scrape may take.
const WORK: Duration = Duration::from_secs(60);
/// The client may take this long to receive an answer, and one second more for each `FLOOR` bytes.
const ANSWER: Duration = Duration::from_secs(30);
/// Bytes per second of the slowest link that is still served.
const FLOOR: u64 = 64 * 1024;

/// The state of one connection, shared by its requests and answers.
#[derive(Debug)]
pub(super) struct Client {
    peer: Peer,
    metrics: SelfMetrics,
    activity: Mutex<Activity>,
    /// Wakes the one task that watches the deadlines.
    changed: Notify,
}

#[derive(Debug)]
struct Activity {
    phase: Phase,
    /// When the phase began.
    since: Instant,
    answers: HashMap<u64, Answer>,
    next: u64,
    leaving: bool,
    pushed_out: bool,
}

#[derive(Debug)]
struct Answer {
    deadline: Instant,
    /// `None` while the exporter still works on the answer.
    taking: Option<Taking>,
}

/// How the client receives an answer that is ready.
#[derive(Debug, Clone, Copy)]
struct Taking {
    /// When the answer was ready.
    ready: Instant,
    /// When the client last took bytes.
    last: Instant,
}

/// How a client receives the answer that it receives worst.
#[derive(Debug, Clone, Copy)]
struct Progress {
    /// The part of the time in which the client kept taking bytes, from 0 to 1. A client that reads nothing
    /// after its socket buffer was filled once comes closer and closer to 0. A client that reads slowly comes
    /// close to 1, although it too is only seen to take bytes now and then.
    steadiness: f64,
    /// How long the client has taken nothing.
    stalled: Duration,
}

/// Of the clients that took nothing for at least `stalled`, the one with the lowest steadiness. The time
/// since the last bytes were taken would be the wrong measure: a slow reader is only seen to take bytes every
/// second or so, while clients that read nothing but keep reconnecting always look more recent.
pub(super) fn worst_reader<'a>(
    clients: impl Iterator<Item = &'a Arc<Client>>,
    stalled: Duration,
) -> Option<&'a Arc<Client>> {
    let reading = clients.filter_map(|client| Some((client.progress()?, client)));
    let stuck = reading.filter(|(progress, _)| progress.stalled >= stalled);
    let worst = stuck.min_by(|(one, _), (other, _)| {
        one.steadiness.total_cmp(&other.steadiness).then(other.stalled.cmp(&one.stalled))
    });
    worst.map(|(_, client)| client)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No complete request head yet.
    New,
    Active,
    Idle,
}

impl Phase {
    const fn label(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Active => "active",
            Self::Idle => "idle",
        }
    }
}

/// Why a connection must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// No complete request head in time.
    NoRequest,
    /// No further request in time.
    Idle,
    /// An answer was not taken in time.
    Slow,
    /// Another connection needs its place.
    PushedOut,
}

impl Client {
    pub(super) fn new(peer: Peer, metrics: SelfMetrics) -> Arc<Self> {
        metrics.http_connections.with_label_values(&[Phase::New.label()]).inc();
        Arc::new(Self {
            peer,
            metrics,
            activity: Mutex::new(Activity {
                phase: Phase::New,
                since: Instant::now(),
                answers: HashMap::new(),
                next: 0,
                leaving: false,
                pushed_out: false,
            }),
            changed: Notify::new(),
        })
    }

    pub(super) fn peer(&self) -> Peer {
        self.peer
    }

    fn lock(&self) -> MutexGuard<'_, Activity> {
        self.activity.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, activity: &mut Activity, phase: Phase) {
        self.metrics.http_connections.with_label_values(&[activity.phase.label()]).dec();
        self.metrics.http_connections.with_label_values(&[phase.label()]).inc();
        activity.phase = phase;
        activity.since = Instant::now();
    }

    /// A complete request head has arrived.
    pub(super) fn begin(self: &Arc<Self>) -> Answering {
        let mut activity = self.lock();
        let id = activity.next;
        activity.next += 1;
        activity.answers.insert(id, Answer { deadline: Instant::now() + WORK, taking: None });
        self.enter(&mut activity, Phase::Active);
        drop(activity);
        self.changed.notify_one();
        Answering { client: Arc::clone(self), id }
    }

    /// Since when there is no request, if there is none.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let activity = self.lock();
        (activity.phase != Phase::Active).then_some(activity.since)
    }

    /// How the client receives the answers that are ready, if there are any.
    fn progress(&self) -> Option<Progress> {
        let now = Instant::now();
        let activity = self.lock();
        let all = activity.answers.values().filter_map(|answer| answer.taking);
        let all = all.map(|taking| {
            let age = now.duration_since(taking.ready).as_secs_f64();
            let went_on = taking.last.duration_since(taking.ready).as_secs_f64();
            let steadiness = if age > 0.0 { went_on / age } else { 1.0 };
            Progress { steadiness, stalled: now.duration_since(taking.last) }
        });
        all.min_by(|one, other| one.steadiness.total_cmp(&other.steadiness))
    }

    /// Ends the connection now, because its place is needed.
    pub(super) fn push_out(&self) {
        self.lock().pushed_out = true;
        self.changed.notify_one();
    }

    #[cfg(test)]
    pub(super) fn is_pushed_out(&self) -> bool {
        self.lock().pushed_out
    }

    /// Notes that the client was asked to close. From now on an idle connection ends soon.
    pub(super) fn leave(&self) {
        let mut activity = self.lock();
        activity.leaving = true;
        activity.since = Instant::now();
    }

    /// Resolves when the connection must end. Only one task may wait at a time.
    pub(super) async fn ended(&self) -> End {
        loop {
            let (deadline, end) = self.limit();
            if deadline <= Instant::now() {
                return end;
            }
            tokio::select! {
                () = sleep_until(deadline) => {}
                () = self.changed.notified() => {}
            }
        }
    }

    fn limit(&self) -> (Instant, End) {
        let activity = self.lock();
        if activity.pushed_out {
            return (Instant::now(), End::PushedOut);
        }
        if let Some(deadline) = activity.answers.values().map(|answer| answer.deadline).min() {
            return (deadline, End::Slow);
        }
        match activity.phase {
            Phase::New => (activity.since + FIRST_HEAD, End::NoRequest),
            _ if activity.leaving => (activity.since + LEAVING, End::Idle),
            _ => (activity.since + IDLE, End::Idle),
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.metrics.http_connections.with_label_values(&[self.lock().phase.label()]).dec();
    }
}

/// A request that is being answered: until the kernel has the last byte of the answer, or the connection is
/// gone.
#[derive(Debug)]
pub(super) struct Answering {
    client: Arc<Client>,
    id: u64,
}

impl Answering {
    /// The answer is ready and has this many bytes. From now on the exporter waits for the client.
    pub(super) fn ready(&self, bytes: u64) {
        let now = Instant::now();
        let deadline = now + ANSWER + Duration::from_secs(bytes / FLOOR);
        let taking = Some(Taking { ready: now, last: now });
        self.client.lock().answers.insert(self.id, Answer { deadline, taking });
        self.client.changed.notify_one();
    }

    /// The client took some bytes.
    pub(super) fn taken(&self) {
        if let Some(taking) =
            self.client.lock().answers.get_mut(&self.id).and_then(|answer| answer.taking.as_mut())
        {
            taking.last = Instant::now();
        }
    }
}

impl Answering {
    /// The client took some bytes of an answer without an end, and gets so many more. It may take as long for
    /// these as for a whole answer.
    pub(super) fn goes_on(&self, bytes: u64) {
        let now = Instant::now();
        if let Some(answer) = self.client.lock().answers.get_mut(&self.id) {
            answer.deadline = now + ANSWER + Duration::from_secs(bytes / FLOOR);
            answer.taking.iter_mut().for_each(|taking| taking.last = now);
        }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        let mut activity = self.client.lock();
        activity.answers.remove(&self.id);
        if activity.answers.is_empty() {
            self.client.enter(&mut activity, Phase::Idle);
            drop(activity);
        }
        self.client.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn client() -> Arc<Client> {
        Client::new(Peer::of(Ipv4Addr::LOCALHOST.into()), SelfMetrics::new().unwrap())
    }

    async fn ends_after(client: &Client) -> (u64, End) {
        let begin = Instant::now();
        let end = client.ended().await;
        (begin.elapsed().as_secs(), end)
    }

    #[tokio::test(start_paused = true)]
    async fn each_phase_has_its_end() {
        let client = client();
        assert_eq!(ends_after(&client).await, (10, End::NoRequest));
        let first = client.begin();
        assert_eq!(ends_after(&client).await, (60, End::Slow));
        first.ready(14 * 1024 * 1024);
        assert_eq!(ends_after(&client).await, (30 + 14 * 16, End::Slow));
        // Another answer, or bytes that are taken, do not move the deadline of the first answer.
        let second = client.begin();
        second.ready(0);
        first.taken();
        drop(first);
        assert_eq!(ends_after(&client).await, (30, End::Slow));
        drop(second);
        assert_eq!(ends_after(&client).await, (60, End::Idle));
        client.leave();
        assert_eq!(ends_after(&client).await, (5, End::Idle));
        client.push_out();
        assert_eq!(ends_after(&client).await, (0, End::PushedOut));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_without_an_end_may_go_on_as_long_as_it_is_taken() {
        let client = client();
        let answering = client.begin();
        answering.ready(0);
        for _ in 0..100 {
            tokio::time::sleep(Duration::from_secs(20)).await;
            answering.goes_on(0);
        }
        assert_eq!(ends_after(&client).await, (30, End::Slow));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_wakes_the_watch() {
        let client = client();
        let watched = Arc::clone(&client);
        let watch = tokio::spawn(async move { ends_after(&watched).await });
        tokio::time::sleep(Duration::from_secs(9)).await;
        drop(client.begin());
        assert_eq!(watch.await.unwrap(), (69, End::Idle));
    }

    #[test]
    fn connections_are_counted_by_state() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let _inside = runtime.enter();
        let client = client();
        let metrics = client.metrics.clone();
        let count = |state| metrics.http_connections.with_label_values(&[state]).get();
        assert!((count("new") - 1.0).abs() < 0.1);
        let answering = client.begin();
        assert!((count("active") - 1.0).abs() < 0.1 && count("new") < 0.1);
        drop(answering);
        assert!((count("idle") - 1.0).abs() < 0.1 && count("active") < 0.1);
        drop(client);
        assert!(count("idle") < 0.1);
    }
}
