//! The viewers of the live page. As long as there are any, one task subscribes to the ticks, encodes each of
//! them once, and gives it to all. Without viewers nothing is computed.

use super::{
    compact,
    session::{Facts, Session},
    snapshot::{Snapshot, float},
};
use crate::{
    collector::{Handle, Stopped, Ticks},
    server::{
        client::Client,
        peer::Peer,
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
        Notify,
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
    room: Mutex<Room>,
    /// Wakes the task: somebody came or left.
    moved: Notify,
}

#[derive(Debug, Default)]
struct Room {
    /// In the order in which they came.
    seats: Vec<Seat>,
    /// How many have come so far
    came: u64,
    task: Option<AbortHandle>,
    is_closed: bool,
}

/// The exporter's end of a viewer. Dropping it ends the stream.
#[derive(Debug)]
struct Seat {
    number: u64,
    sender: Sender<Bytes>,
    client: Arc<Client>,
    /// Since when it waits for the whole state, having missed something; `None` if it is up to date.
    behind: Option<Instant>,
}

/// A viewer: the messages for it, until the exporter ends or another viewer needs its place.
#[derive(Debug)]
pub(in crate::server) struct Viewer {
    number: u64,
    receiver: Receiver<Bytes>,
    live: Arc<Live>,
}

/// Why nobody is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closed {
    Full,
    Ending,
}

impl Room {
    /// The place of a newcomer of this peer, once the seat that it returns is gone, if it returns one.
    ///
    /// When there is no place left, those who take nothing go first. Otherwise a peer that has more than its
    /// share gives up its oldest viewer, but only as long as the newcomer's peer has fewer afterwards or as
    /// many: who was there before can't take the place back.
    ///
    /// # Errors
    /// [`Closed`]
    fn place(&self, peer: Peer) -> Result<Option<usize>, Closed> {
        if self.is_closed {
            return Err(Closed::Ending);
        }
        if self.seats.len() < MOST {
            return Ok(None);
        }
        let count = |of: Peer| self.seats.iter().filter(|seat| seat.client.peer() == of).count();
        let fair = count(peer) + 1;
        let ranked = self.seats.iter().enumerate().map(|(at, seat)| {
            let of_peer = count(seat.client.peer());
            ((seat.takes_nothing(), of_peer), at)
        });
        let may_go = ranked.filter(|((takes_nothing, of_peer), _)| *takes_nothing || *of_peer > fair);
        // Of equals the last is found, and the oldest should be.
        let first = may_go.rev().max_by_key(|(rank, _)| *rank);
        first.map(|(_, at)| Some(at)).ok_or(Closed::Full)
    }
}

impl Live {
    pub(super) fn new(handle: Handle, facts: Facts, refusals: Arc<Refusals>) -> Arc<Self> {
        Arc::new(Self { handle, facts, refusals, room: Mutex::default(), moved: Notify::new() })
    }

    fn room(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, room: &Room) {
        self.handle.metrics().live_viewers.set(float(room.seats.len() as u64));
    }

    /// Changes who is there, and wakes the task.
    fn change<T>(&self, change: impl FnOnce(&mut Room) -> T) -> T {
        let mut room = self.room();
        let result = change(&mut room);
        self.count(&room);
        drop(room);
        self.moved.notify_one();
        result
    }

    /// Whether a viewer of this peer would be let in.
    ///
    /// # Errors
    /// [`Closed`]
    pub(super) fn has_place(&self, peer: Peer) -> Result<(), Closed> {
        self.room().place(peer).map(drop)
    }

    /// Lets a viewer in. Its first message is the whole state.
    ///
    /// # Errors
    /// [`Closed`]
    pub(super) fn join(self: &Arc<Self>, client: &Arc<Client>) -> Result<Viewer, Closed> {
        let (sender, receiver) = channel(WAITING);
        let client = Arc::clone(client);
        let number = self.change(|room| {
            if let Some(at) = room.place(client.peer())? {
                let seat = room.seats.remove(at);
                let (from, to) = (seat.client.peer(), client.peer());
                tracing::debug!("a viewer of {from} gives its place to one of {to}");
                if seat.takes_nothing() {
                    self.cut(&seat);
                }
            }
            room.came += 1;
            let number = room.came;
            room.seats.push(Seat { number, sender, client, behind: Some(Instant::now()) });
            if room.task.is_none() {
                room.task = Some(tokio::spawn(Arc::clone(self).run()).abort_handle());
            }
            Ok(number)
        })?;
        Ok(Viewer { number, receiver, live: Arc::clone(self) })
    }

    /// Ends the connection of a viewer that would not notice the end of its stream.
    fn cut(&self, seat: &Seat) {
        self.refusals.refuse(Reason::Slow, seat.client.peer());
        seat.client.push_out();
    }

    /// Ends all streams, because the exporter ends.
    pub(in crate::server) fn end(&self) {
        let task = self.change(|room| {
            room.is_closed = true;
            room.seats.clear();
            room.task.take()
        });
        task.iter().for_each(AbortHandle::abort);
    }

    async fn run(self: Arc<Self>) {
        if self.show().await.is_err() {
            // Their streams end, and browsers ask again.
            self.change(|room| {
                room.seats.clear();
                room.task = None;
            });
        }
    }

    /// Tells the viewers of each tick until there is none left.
    async fn show(self: &Arc<Self>) -> Result<(), Stopped> {
        let mut ticks: Ticks = self.handle.subscribe().await.map_err(|_| Stopped)?;
        let history = self.within(self.handle.history()).await?;
        let mut session = Session::new(self.look().await?, &history, self.docker_answers());
        drop(history);
        let (mut looked, mut told) = (Instant::now(), Instant::now());
        let mut state = None;
        loop {
            if self.is_over() {
                return Ok(());
            }
            if self.room().seats.iter().any(Seat::waits_for_state) {
                if state.is_none() {
                    let history = self.within(self.handle.history()).await?;
                    state = Some(Bytes::from(session.state(&history, &self.facts)));
                }
                state.iter().for_each(|state| self.tell_state(state));
            }
            let tick = tokio::select! {
                tick = ticks.next() => Some(tick?),
                () = self.moved.notified() => None,
                () = sleep_until(told + SIGN_OF_LIFE) => {
                    told = Instant::now();
                    self.tell(&Bytes::from_static(ALIVE));
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
                self.tell(&Bytes::from(news.concat()));
            }
        }
    }

    /// Whether there is no viewer. Then the task is over, and the next viewer begins another one.
    fn is_over(&self) -> bool {
        let mut room = self.room();
        let is_over = room.seats.is_empty();
        if is_over {
            room.task = None;
        }
        is_over
    }

    fn tell_state(&self, state: &Bytes) {
        for seat in self.room().seats.iter_mut().filter(|seat| seat.waits_for_state()) {
            if seat.sender.try_send(state.clone()).is_ok() {
                seat.behind = None;
            }
        }
    }

    /// Gives a message to all who are up to date. Cuts those who have been behind for too long.
    fn tell(&self, message: &Bytes) {
        let mut room = self.room();
        room.seats.retain_mut(|seat| {
            if seat.behind.is_none() {
                match seat.sender.try_send(message.clone()) {
                    Ok(()) => {}
                    Err(TrySendError::Full(_)) => seat.behind = Some(Instant::now()),
                    Err(TrySendError::Closed(_)) => return false,
                }
            }
            let is_slow = seat.behind.is_some_and(|since| since.elapsed() >= SLOW);
            if is_slow {
                self.cut(seat);
            }
            !is_slow
        });
        self.count(&room);
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
    /// Whether so much waits for it that nothing more can.
    fn takes_nothing(&self) -> bool {
        self.behind.is_some() && self.sender.capacity() == 0
    }

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
        self.live.change(|room| room.seats.retain(|seat| seat.number != self.number));
    }
}
