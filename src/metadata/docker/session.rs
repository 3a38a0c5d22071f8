//! One connection to the daemon, from the first answer to the last.

use super::{
    chore::{Chore, at, done},
    client::Client,
    convert::{CgroupDriver, understood},
    daemon::Daemon,
    events::Line,
    inspections::{Answer, Asked, Inspections},
    memory::Memory,
    problem::Problem,
    sizes::Sizes,
    stream::{Stream, StreamState},
    time::unix_seconds,
    tolerant::List,
};
use crate::{
    metadata::{
        DiskReport, Health, News,
        action::Action,
        told::{Newer, Row},
    },
    parse::ContainerId,
};
use bollard::models::EventMessage;
use futures_util::future::LocalBoxFuture;
use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{
    sync::mpsc::UnboundedReceiver,
    time::{Instant, interval_at, timeout},
};

/// How often a silent daemon is pinged: on an event stream, a daemon that hangs looks like one without
/// events.
const PING: Duration = Duration::from_secs(15);
/// After this time, containers from a list are reported even if their inspections are missing.
const GRACE: Duration = Duration::from_secs(5);
/// Changes that events and inspections don't report are in the next list. It is requested no sooner than this
/// after the last one.
const LIST_SOON: Duration = Duration::from_secs(2);
/// How often the list is requested from a daemon that sends no events.
const LIST_AGAIN: Duration = Duration::from_secs(10);
/// How often the list is requested from a daemon that does send events: a proxy can cut off a stream without
/// anyone noticing.
const LIST_ANYWAY: Duration = Duration::from_secs(300);
/// How many streams in a row may end soon. After that, a daemon that still answers is listed instead.
const SHORT_STREAMS: u32 = 4;
/// A stream that was open for this long did not end soon.
const LONG_STREAM: Duration = Duration::from_secs(60);
/// How long to wait for the head of the stream before requesting the list. Some proxies hold it back until
/// the first event.
const STREAM_HEAD: Duration = Duration::from_secs(1);

/// The function that takes news.
pub(super) type Tell<'a> = &'a dyn Fn(News);

/// A list that has not been reported completely yet.
struct Listing {
    /// Rows that wait for their inspections.
    waiting: HashMap<ContainerId, Row>,
    /// The IDs of all containers; `None` if a row could not be read.
    all: Option<HashSet<ContainerId>>,
    /// When it is reported even if inspections are missing.
    until: Instant,
}

pub(super) struct Session<'a> {
    daemon: &'a Daemon,
    memory: &'a mut Memory,
    tell: Tell<'a>,
    /// When the first list of this session was reported.
    up: &'a mut Option<Instant>,
    inspections: Inspections<'a>,
    listing: Option<Listing>,
    /// Containers that only the list describes and that the collector asked for.
    looked_up: HashSet<ContainerId>,
    /// What was reported since the last list was requested: which containers exist (`true`), and which do not
    /// any more. The list may be older.
    changes: HashMap<ContainerId, bool>,
    last_list: Instant,
    next_list: Option<Instant>,
    /// The daemon's time when the session began.
    now: f64,
}

/// Follows the daemon until it goes away, and returns why.
pub(super) async fn follow(
    daemon: &Daemon,
    memory: &mut Memory,
    tell: Tell<'_>,
    lookups: &mut UnboundedReceiver<ContainerId>,
    up: &mut Option<Instant>,
) -> Problem {
    let client = match Client::new(&daemon.host) {
        Ok(client) => client,
        Err(error) => return error.into(),
    };
    let began = Instant::now();
    let mut session = Session {
        daemon,
        memory,
        tell,
        up,
        inspections: Inspections::new(&client),
        listing: None,
        looked_up: HashSet::new(),
        changes: HashMap::new(),
        last_list: began,
        next_list: None,
        now: 0.0,
    };
    match session.run(&client, lookups).await {
        Ok(never) => match never {},
        Err(problem) => problem,
    }
}

impl<'a> Session<'a> {
    async fn run(
        &mut self,
        client: &'a Client,
        lookups: &mut UnboundedReceiver<ContainerId>,
    ) -> Result<Infallible, Problem> {
        let mut stream = self.begin(client).await?;
        // The list answers all earlier look-ups.
        while lookups.try_recv().is_ok() {}
        let list = self.list(client).await?;
        self.take_list(list);
        let Memory { root, rounds, .. } = &self.memory;
        let mut sizes = Sizes::new(client, self.daemon.wish, root.clone(), rounds);
        let mut ping = interval_at(Instant::now() + PING, PING);
        let mut chore: Option<LocalBoxFuture<'a, Chore>> = None;
        loop {
            self.settle();
            let until = self.listing.as_ref().map(|listing| listing.until);
            tokio::select! {
                line = stream.next() => match line {
                    Ok(Some(Line::Event(event))) => self.event(&event),
                    // It is not known which container it was about.
                    Ok(Some(Line::Odd)) => self.want_list(LIST_SOON),
                    Ok(None) => self.streams(&stream),
                    Err(problem) => self.stream_ended(&mut stream, problem)?,
                },
                Some(id) = lookups.recv() => self.inspections.look_up(id),
                (id, asked, answer) = self.inspections.next() => self.inspected(id, asked, answer),
                done = done(&mut chore) => {
                    chore = None;
                    match done {
                        Chore::Ping(answer) => answer?,
                        Chore::List(Ok(list)) => self.take_list(list),
                        Chore::List(Err(problem)) if problem.is_silence() => return Err(problem),
                        // What is known stays until the next list.
                        Chore::List(Err(problem)) => {
                            self.say("its list any more", &problem);
                            (self.last_list, self.next_list) = (Instant::now(), None);
                        }
                    }
                }
                () = at(self.next_list), if chore.is_none() => {
                    self.next_list = None;
                    self.changes.clear();
                    let list = self.list(client);
                    chore = Some(Box::pin(async { Chore::List(list.await) }));
                }
                _ = ping.tick(), if chore.is_none() => {
                    chore = Some(Box::pin(async { Chore::Ping(client.ping().await) }));
                }
                answer = sizes.next(), if self.up.is_some() => self.sized(answer),
                () = at(until) => self.tell_rest(),
            }
            if chore.is_none() {
                self.want_list(if matches!(stream.state, StreamState::Refused(..)) {
                    LIST_AGAIN
                } else {
                    LIST_ANYWAY
                });
            }
        }
    }

    /// Negotiates with the daemon and starts the event stream. The stream comes before the list, so that no
    /// event falls between them.
    async fn begin(&mut self, client: &'a Client) -> Result<Stream<'a>, Problem> {
        client.negotiate().await?;
        let info = client.info().await.unwrap_or_else(|problem| {
            self.say("its time and cgroup driver", &problem);
            <_>::default()
        });
        self.daemon.note_engine(info.server_version.clone().or_else(|| client.engine()));
        self.memory.driver = CgroupDriver::of(&info).or(self.memory.driver);
        self.memory.root = info.docker_root_dir.map(PathBuf::from);
        let told = info.system_time.as_deref().and_then(unix_seconds);
        self.now = told.or(client.date()).unwrap_or_else(|| {
            SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
        });
        // If the clock was set back, `before` is later than now. Then start from now.
        let since = self.memory.since.replace(self.now).map_or(self.now, |before| before.min(self.now));
        let since = self.memory.replay.shortened(since, self.now);
        let mut stream = Stream::new(client, since);
        // If the daemon sends the head at once, the list is requested only after it.
        if timeout(STREAM_HEAD, stream.next_state()).await.is_ok() {
            self.streams(&stream);
        }
        Ok(stream)
    }

    /// Handles the end of a stream that was open.
    ///
    /// # Errors
    /// If the session must end too, most likely because the daemon has gone away.
    fn stream_ended(&mut self, stream: &mut Stream<'_>, problem: Problem) -> Result<(), Problem> {
        let is_short = stream.opened.elapsed() < LONG_STREAM;
        let short = if is_short { self.memory.short_streams.saturating_add(1) } else { 0 };
        self.memory.short_streams = short;
        // If the list was not reported, the session gained nothing, and another one would end in the same
        // way.
        if self.up.is_some() && short <= SHORT_STREAMS {
            return Err(problem);
        }
        stream.refuse(problem);
        self.streams(stream);
        // The list shows whether the daemon is still there.
        self.next_list = Some(Instant::now());
        Ok(())
    }

    /// Handles a stream that has started or was refused.
    fn streams(&mut self, stream: &Stream<'_>) {
        match &stream.state {
            StreamState::Open(_) => self.memory.replay.begin(self.now),
            StreamState::Refused(problem, _) => {
                let what = "its events, so its list is requested repeatedly instead";
                self.say(what, problem);
            }
            StreamState::Opening(_) => {}
        }
    }

    /// Warns once about something that the daemon, or a proxy in front of it, does not provide.
    fn say(&mut self, what: &'static str, problem: &Problem) {
        if self.memory.said.insert(what) {
            tracing::warn!("docker at {} does not provide {what} ({problem})", self.daemon.host);
        }
    }

    fn sized(&mut self, answer: Result<DiskReport, Problem>) {
        match answer {
            Ok(report) => self.tell(News::Disk(report.into())),
            Err(problem) => {
                self.say("the sizes of its containers", &problem);
                self.tell(News::NoDisk(problem.word()));
            }
        }
    }

    fn say_of_inspections(&mut self, problem: &Problem) {
        let what = match problem {
            Problem::Refused { .. } => "refuses inspections",
            _ => "does not provide all data of some containers",
        };
        if self.memory.said.insert(what) {
            tracing::warn!(
                "docker at {} {what} ({problem}): restarts, health and exit codes of some containers are \
                 missing",
                self.daemon.host
            );
        }
    }

    fn tell(&mut self, news: News) {
        let change = match &news {
            News::Changed(metadata) => Some((metadata.id.clone(), true)),
            News::Removed(id) | News::Unknown(id) => Some((id.clone(), false)),
            _ => None,
        };
        self.changes.extend(change);
        (self.tell)(news);
    }

    fn want_list(&mut self, after_last: Duration) {
        let then = (self.last_list + after_last).max(Instant::now());
        self.next_list = Some(self.next_list.map_or(then, |next| next.min(then)));
    }

    /// Requests the list. It gives times as ages, so the daemon's time now is noted.
    fn list(&self, client: &'a Client) -> impl Future<Output = Result<List, Problem>> + use<'a> {
        let passed = self.up.map_or(0.0, |up| up.elapsed().as_secs_f64());
        let (converter, driver, now) = (&self.daemon.converter, self.memory.driver, self.now + passed);
        client.list(move |summary| converter.row(summary, driver, now))
    }

    fn take_list(&mut self, list: List) {
        self.last_list = Instant::now();
        self.next_list = self.next_list.map(|next| next.max(self.last_list + LIST_SOON));
        let List { rows, count, odd } = list;
        let is_whole = rows.len() == count;
        if odd > 0 || !is_whole {
            let unread = count - rows.len();
            let problem = Problem::Odd(format!("{odd} of {count} rows, {unread} of them left out"));
            self.say("all of its list", &problem);
        }
        if std::mem::take(&mut self.memory.inspect_all) {
            self.memory.resolver.distrust();
        }
        let all: HashSet<_> = rows.iter().map(|row| row.told.metadata.id.clone()).collect();
        self.inspections.forget_waiting();
        let mut waiting = HashMap::new();
        for row in rows {
            let id = row.told.metadata.id.clone();
            if self.changes.get(&id) == Some(&false) {
                continue;
            }
            if self.inspections.are_without_answer(&id) {
                // Events are newer than this list, and the next list will be newer than they are.
                if self.changes.contains_key(&id) {
                    self.want_list(LIST_SOON);
                } else {
                    self.tell_row(row);
                }
                continue;
            }
            let is_news = self.memory.resolver.is_news(&row);
            self.memory.resolver.note_row(&row);
            if is_news {
                self.inspections.add(id.clone());
                // Events and inspections are newer than this list, and the next inspection will be newer than
                // they are.
                if !self.changes.contains_key(&id) {
                    waiting.insert(id, row);
                }
            }
        }
        if is_whole {
            for id in std::mem::take(&mut self.looked_up) {
                if !all.contains(&id) && self.changes.get(&id) != Some(&true) {
                    self.unknown(id);
                }
            }
        }
        self.listing = Some(Listing { waiting, all: is_whole.then_some(all), until: Instant::now() + GRACE });
    }

    /// Ends a list once all of it has been reported.
    fn settle(&mut self) {
        let Some(listing) = self.listing.take_if(|listing| listing.waiting.is_empty()) else { return };
        if let Some(mut all) = listing.all {
            for (id, exists) in self.changes.drain() {
                if exists {
                    all.insert(id);
                } else {
                    all.remove(&id);
                }
            }
            let listed = self.memory.resolver.listed(all.into_iter().collect());
            (self.tell)(listed);
        }
        if self.up.is_none() {
            *self.up = Some(Instant::now());
            (self.tell)(News::Connected);
        }
    }

    /// Reports the rows that still wait for their inspections as they are.
    fn tell_rest(&mut self) {
        let waiting = self.listing.as_mut().map(|listing| std::mem::take(&mut listing.waiting));
        for row in waiting.into_iter().flat_map(HashMap::into_values) {
            self.tell_row(row);
        }
    }

    fn tell_row(&mut self, row: Row) {
        if let Some(news) = self.memory.resolver.learn_row(row) {
            self.tell(news);
        }
    }

    fn take_waiting(&mut self, id: &ContainerId) -> Option<Row> {
        self.listing.as_mut().and_then(|listing| listing.waiting.remove(id))
    }

    fn unknown(&mut self, id: ContainerId) {
        self.memory.resolver.forget(&id);
        self.tell(News::Unknown(id));
    }

    fn inspected(&mut self, id: ContainerId, asked: Asked, answer: Answer) {
        let row = self.take_waiting(&id);
        let driver = self.memory.driver;
        let problem = match answer.and_then(|inspect| self.daemon.converter.metadata(&id, *inspect, driver)) {
            Ok(told) => {
                // A destroyed container stays gone unless the next inspection finds it.
                let Some(told) = self.memory.resolver.correct(told, asked.newer) else { return };
                let news = self.memory.resolver.learn(told, row.map(|row| row.words), asked.again);
                return self.tell(news);
            }
            Err(problem) => problem,
        };
        tracing::debug!("inspect of {id:?}: {problem}");
        if problem.is_absence() {
            if asked.is_looked_up || self.memory.resolver.knows(&id) {
                self.unknown(id);
            }
            return;
        }
        // Until the next answer, the list is all that there is. It must be newer than what led to this
        // question. Answers that fail again and again are no reason for another one.
        if row.is_none() && asked.failures == 0 {
            self.want_list(LIST_SOON);
        }
        if let Some(row) = row {
            self.tell_row(row);
        }
        self.memory.resolver.doubt(&id);
        if asked.is_looked_up {
            self.looked_up.insert(id.clone());
        }
        if problem.is_silence() {
            return self.inspections.retry(id, asked);
        }
        self.say_of_inspections(&problem);
        self.inspections.refused(id);
    }

    fn event(&mut self, event: &EventMessage) {
        let Some((id, action)) = understood(event) else { return };
        let name = event.action.as_deref().unwrap_or_default();
        if self.memory.replay.has_seen(event.time_nano, &id, name) {
            return;
        }
        if action.needs_inspection() {
            self.memory.resolver.note(&id, &action);
            if !self.inspect(id) {
                return;
            }
            if let Some(told) = self.daemon.converter.metadata_of_event(event, self.memory.driver) {
                if let Some(news) = self.memory.resolver.learn_if_new(told) {
                    self.tell(news);
                }
            }
            return;
        }
        let newer = Newer::of(&action);
        let is_destroyed = action == Action::Destroy;
        let is_unhealthy = action == Action::Health(Health::Unhealthy);
        let action = match action {
            Action::Rename(name) => Action::Rename(self.daemon.converter.cut(name)),
            action => action,
        };
        let applied = self.memory.resolver.apply(&id, action);
        self.inspections.touch(&id, if applied.is_some() { newer } else { Newer::default() });
        match applied {
            Some(news @ News::Oom { .. }) => self.tell(news),
            Some(news) => {
                // Its row in the list is older than this.
                self.take_waiting(&id);
                self.tell(news);
                // Only an inspection tells how many probes failed. With too many waiting, it can be missing.
                let _asked = is_unhealthy && self.inspections.ask(id);
            }
            // It is new, or the event does not fit what is known: inspect it.
            None if is_destroyed => {}
            None => {
                self.inspect(id);
            }
        }
    }

    /// Requests an inspection after an event. `false` if too many wait.
    fn inspect(&mut self, id: ContainerId) -> bool {
        let is_put_off = self.inspections.are_silent(&id);
        let is_asked = self.inspections.ask(id);
        // The next answer may be far away, or never come. And a daemon that names too many at once could name
        // any number.
        if is_put_off || !is_asked {
            self.want_list(LIST_SOON);
        }
        is_asked
    }
}
