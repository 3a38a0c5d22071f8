//! The viewers of the live page. As long as there are any, one task subscribes to the ticks, encodes each of
//! them once, and gives it to all. Without viewers nothing is computed.

use super::{
    compact,
    session::{Facts, Session},
    snapshot::Snapshot,
};
use crate::{
    collector::{Handle, Stopped, Ticks},
    server::{
        client::Client,
        refusals::{Reason, Refusals},
    },
};
use bytes::Bytes;
use futures_util::Stream;
use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    sync::{
        Notify, OwnedSemaphorePermit, Semaphore,
        mpsc::{Receiver, Sender, channel, error::TrySendError},
    },
    task::AbortHandle,
    time::{Instant, sleep_until, timeout},
};

/// How many viewers there may be.
const MOST: usize = 16;
/// How many messages wait for one viewer. One that has not taken them misses what follows, and gets the whole
/// state once it has.
const WAITING: usize = 8;
/// A viewer that has been behind for this long is cut.
const SLOW: Duration = Duration::from_secs(10);
/// Without news, a sign of life is sent this often. It is far shorter than the time in which a client must
/// take what it was sent.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);
/// The same as a message: a page is not told of comments.
const ALIVE: &[u8] = b"event: alive\ndata: 1\n\n";
/// If nothing is new, a tick without numbers says so this often: what is shown is still true.
const STILL_TRUE: Duration = Duration::from_secs(4);
/// Ticks that come sooner after each other are not sent. Nobody could see the difference.
const SHORTEST: Duration = Duration::from_millis(100);
/// How often everything is read that the ticks do not tell; and how soon again when something has happened.
const LOOK: Duration = Duration::from_secs(10);
const LOOK_SOON: Duration = Duration::from_secs(2);
/// The longest wait for an answer of the collector.
const PATIENCE: Duration = Duration::from_secs(30);

/// All viewers.
#[derive(Debug)]
pub(in crate::server) struct Live {
    handle: Handle,
    facts: Facts,
    refusals: Arc<Refusals>,
    places: Arc<Semaphore>,
    entrance: Mutex<Entrance>,
    /// Wakes the task: somebody came or left.
    moved: Notify,
}

#[derive(Debug, Default)]
struct Entrance {
    newcomers: Vec<Seat>,
    task: Option<AbortHandle>,
    is_closed: bool,
}

/// The task's end of a viewer.
#[derive(Debug)]
struct Seat {
    sender: Sender<Bytes>,
    client: Arc<Client>,
    /// Since when it waits for the whole state, having missed something; `None` if it is up to date.
    behind: Option<Instant>,
}

/// A viewer: the messages for it, until the exporter ends.
#[derive(Debug)]
pub(in crate::server) struct Viewer {
    receiver: Receiver<Bytes>,
    live: Arc<Live>,
    _place: OwnedSemaphorePermit,
}

/// Why nobody is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closed {
    Full,
    Ending,
}

impl Live {
    pub(super) fn new(handle: Handle, facts: Facts, refusals: Arc<Refusals>) -> Arc<Self> {
        Arc::new(Self {
            handle,
            facts,
            refusals,
            places: Arc::new(Semaphore::new(MOST)),
            entrance: Mutex::default(),
            moved: Notify::new(),
        })
    }

    fn entrance(&self) -> MutexGuard<'_, Entrance> {
        self.entrance.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a viewer in. Its first message is the whole state.
    pub(super) fn join(self: &Arc<Self>, client: &Arc<Client>) -> Result<Viewer, Closed> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Closed::Full)?;
        let (sender, receiver) = channel(WAITING);
        let mut entrance = self.entrance();
        if entrance.is_closed {
            return Err(Closed::Ending);
        }
        let seat = Seat { sender, client: Arc::clone(client), behind: Some(Instant::now()) };
        entrance.newcomers.push(seat);
        if entrance.task.is_none() {
            entrance.task = Some(tokio::spawn(Arc::clone(self).run()).abort_handle());
        }
        drop(entrance);
        self.handle.metrics().live_viewers.inc();
        self.moved.notify_one();
        Ok(Viewer { receiver, live: Arc::clone(self), _place: place })
    }

    /// Ends all streams, because the exporter ends.
    pub(in crate::server) fn end(&self) {
        let mut entrance = self.entrance();
        entrance.is_closed = true;
        entrance.newcomers.clear();
        if let Some(task) = entrance.task.take() {
            task.abort();
        }
    }

    async fn run(self: Arc<Self>) {
        let ended = self.show().await;
        let mut entrance = self.entrance();
        if ended.is_err() {
            // Their streams end, and browsers ask again.
            entrance.newcomers.clear();
            entrance.task = None;
        }
    }

    /// Tells the viewers of each tick until there is none left.
    async fn show(self: &Arc<Self>) -> Result<(), Stopped> {
        let mut ticks: Ticks = self.handle.subscribe().await.map_err(|_| Stopped)?;
        let history = self.within(self.handle.history()).await?;
        let mut session = Session::new(self.look().await?, &history, self.docker_answers());
        drop(history);
        let mut seats = Vec::new();
        let (mut looked, mut told) = (Instant::now(), Instant::now());
        let mut state = None;
        loop {
            if !self.seat_newcomers(&mut seats) {
                return Ok(());
            }
            if seats.iter().any(Seat::waits_for_state) {
                if state.is_none() {
                    let history = self.within(self.handle.history()).await?;
                    state = Some(Bytes::from(session.state(&history, &self.facts)));
                }
                state.iter().for_each(|state| self.tell_state(&mut seats, state));
            }
            let tick = tokio::select! {
                tick = ticks.next() => Some(tick?),
                () = self.moved.notified() => None,
                () = sleep_until(told + SIGN_OF_LIFE) => {
                    told = Instant::now();
                    self.tell(&mut seats, &Bytes::from_static(ALIVE));
                    None
                }
            };
            let Some(tick) = tick.filter(|_| told.elapsed() >= SHORTEST) else { continue };
            let mut news = session.tick(&tick);
            let pause = if session.is_curious() { LOOK_SOON } else { LOOK };
            if looked.elapsed() >= pause {
                news.extend(session.refresh(self.look().await?, self.docker_answers()));
                looked = Instant::now();
            }
            if news.is_empty() && told.elapsed() >= STILL_TRUE {
                news.push(compact::tick(tick.now, &[]));
            }
            if !news.is_empty() {
                (state, told) = (None, Instant::now());
                self.tell(&mut seats, &Bytes::from(news.concat()));
            }
        }
    }

    /// Takes in those who came. `false` if there is no viewer; then the task is over.
    fn seat_newcomers(&self, seats: &mut Vec<Seat>) -> bool {
        seats.retain(|seat| !seat.sender.is_closed());
        let mut entrance = self.entrance();
        seats.append(&mut entrance.newcomers);
        if seats.is_empty() {
            entrance.task = None;
        }
        !seats.is_empty()
    }

    fn tell_state(&self, seats: &mut [Seat], state: &Bytes) {
        for seat in seats.iter_mut().filter(|seat| seat.waits_for_state()) {
            if seat.sender.try_send(state.clone()).is_ok() {
                seat.behind = None;
            }
        }
    }

    /// Gives a message to all who are up to date. Cuts those who have been behind for too long.
    fn tell(&self, seats: &mut Vec<Seat>, message: &Bytes) {
        seats.retain_mut(|seat| {
            if seat.behind.is_none() {
                match seat.sender.try_send(message.clone()) {
                    Ok(()) => {}
                    Err(TrySendError::Full(_)) => seat.behind = Some(Instant::now()),
                    Err(TrySendError::Closed(_)) => return false,
                }
            }
            let is_slow = seat.behind.is_some_and(|since| since.elapsed() >= SLOW);
            if is_slow {
                self.refusals.refuse(Reason::Slow, seat.client.peer());
                seat.client.push_out();
            }
            !is_slow
        });
    }

    /// Reads everything.
    async fn look(&self) -> Result<Snapshot, Stopped> {
        let mut snapshot = self.within(self.handle.feed(Snapshot::default())).await?;
        snapshot.join(&*self.within(self.handle.report()).await?);
        Ok(snapshot)
    }

    fn docker_answers(&self) -> bool {
        self.handle.metrics().docker_up.get() > 0.0
    }

    /// A collector that does not answer in time counts as stopped.
    async fn within<T>(&self, answer: impl Future<Output = Result<T, Stopped>>) -> Result<T, Stopped> {
        timeout(PATIENCE, answer).await.unwrap_or(Err(Stopped))
    }
}

impl Seat {
    fn waits_for_state(&self) -> bool {
        self.behind.is_some() && self.sender.capacity() == self.sender.max_capacity()
    }
}

impl Stream for Viewer {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.receiver.poll_recv(cx).map(|message| message.map(Ok))
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.receiver.close();
        self.live.handle.metrics().live_viewers.dec();
        self.live.moved.notify_one();
    }
}
