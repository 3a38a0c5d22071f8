//! The only place that uses bollard: GET requests to the Docker API, and its event stream.

mod body;
mod chore;
mod client;
mod convert;
mod daemon;
mod events;
mod health;
mod inspections;
mod memory;
mod outage;
mod problem;
mod rows;
mod session;
mod size_row;
mod sizes;
mod stream;
mod time;
mod tolerant;
mod transport;

use super::{DockerHost, FileSystem, Filter, Labels, MetadataEvent, News, Source};
use crate::parse::ContainerId;
use chore::at;
use convert::{Converter, understood};
use daemon::Daemon;
use memory::Memory;
use outage::{LASTING, Outage};
use rows::Splitter;
use session::Tell;
use sizes::Wish;
use std::{
    cell::RefCell,
    fmt,
    os::unix::fs::MetadataExt,
    path::Path,
    pin::pin,
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::{
    sync::mpsc::UnboundedReceiver,
    time::{Instant, sleep_until},
};
use tolerant::{List, read_event, read_inspection_of};

pub use transport::check_certificates;

/// The first retry comes soon, because most daemons that went away are being restarted.
const FIRST_BACKOFF: Duration = Duration::from_millis(250);
/// How often to look for a daemon that is away. With a longer pause, the first containers that it starts
/// would get no names.
const LAST_BACKOFF: Duration = Duration::from_secs(2);
/// The pause for a daemon that comes and goes.
const FLAPPING_BACKOFF: Duration = Duration::from_secs(10);
/// How often to look at the socket of a daemon that is away: the daemon creates a new one when it starts.
const LOOK: Duration = Duration::from_millis(250);
/// The same for one that has been away for longer than a restart takes. Each look wakes a processor, which
/// would be for nothing where there is no Docker at all.
const LATE_LOOK: Duration = LAST_BACKOFF;

/// The client for one daemon, with its settings.
pub struct Docker {
    daemon: Daemon,
}

impl fmt::Debug for Docker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Docker").field("host", &self.daemon.host).finish_non_exhaustive()
    }
}

impl Docker {
    /// A client that has not connected yet. `on_cut` is called for every label that is too long to be shown
    /// in full.
    #[must_use]
    pub fn new(
        host: DockerHost,
        labels: Labels,
        filter: Filter,
        on_cut: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        let converter = Converter { labels, filter, on_cut: Box::new(on_cut) };
        Self { daemon: Daemon::new(host, converter) }
    }

    /// Also asks how much disk space each container takes, and pauses for this long after each answer. `look`
    /// finds out about the file system of Docker's root directory. It may hang.
    #[must_use]
    pub fn with_sizes(mut self, interval: Duration, look: fn(&Path) -> Option<FileSystem>) -> Self {
        self.daemon.wish = Some(Wish { interval, look });
        self
    }

    /// The place where the daemon's version is stored once it is known.
    #[must_use]
    pub fn engine(&self) -> Arc<OnceLock<String>> {
        Arc::clone(&self.daemon.engine)
    }

    /// Where the API is.
    #[must_use]
    pub fn host(&self) -> &DockerHost {
        &self.daemon.host
    }

    /// Follows the daemon for ever: connects, lists, listens, and connects again when it goes away. `lookups`
    /// are containers that the collector found and Docker has not reported.
    ///
    /// This needs its own thread, because it decodes answers of any size between waits.
    pub async fn follow(self, mut lookups: UnboundedReceiver<ContainerId>, tell: &dyn Fn(MetadataEvent)) {
        let outage = RefCell::new(Outage::default());
        let send: Tell<'_> = &|news| {
            if matches!(news, News::Connected) && outage.borrow_mut().ends() {
                tracing::info!("docker at {} answers again", self.daemon.host);
            }
            tell(MetadataEvent { source: Source::default(), news });
        };
        let mut memory = Memory::new(self.daemon.converter.filter.clone());
        let mut backoff = FIRST_BACKOFF;
        loop {
            let socket = self.socket();
            let mut up = None;
            let problem = {
                let session = session::follow(&self.daemon, &mut memory, send, &mut lookups, &mut up);
                let mut session = pin!(session);
                loop {
                    // An attempt may take longer than an outage may go without a warning.
                    let due = outage.borrow().due();
                    tokio::select! {
                        problem = &mut session => break problem,
                        () = at(due) => warn(&outage),
                    }
                }
            };
            let lasted = up.map(|up| up.elapsed());
            tracing::debug!("docker at {}: {problem}", self.daemon.host);
            if outage.borrow_mut().begins(outage::cause(&self.daemon.host, &problem)) {
                send(News::Disconnected);
            }
            warn(&outage);
            let is_away = lasted.is_none() && problem.is_silence();
            let longest = if is_away { LAST_BACKOFF } else { FLAPPING_BACKOFF };
            if lasted.is_some_and(|lasted| lasted >= LASTING) {
                backoff = FIRST_BACKOFF;
            }
            let ended = Instant::now();
            let until = ended + backoff.min(longest);
            // Where there is no socket, no attempt can succeed until there is one.
            let is_missing = socket.is_none() && matches!(self.daemon.host, DockerHost::Unix(_));
            // The list has the answers to look-ups of this time when the daemon is back.
            while (is_missing || Instant::now() < until) && self.socket() == socket {
                let is_late = backoff >= FLAPPING_BACKOFF || ended.elapsed() >= FLAPPING_BACKOFF;
                let look = Instant::now() + if is_late { LATE_LOOK } else { LOOK };
                sleep_until(if is_missing { look } else { look.min(until) }).await;
                while lookups.try_recv().is_ok() {}
                warn(&outage);
            }
            // If no attempt failed and the socket is the same, it is still the same daemon.
            memory.inspect_all |= lasted.is_none() || self.socket() != socket;
            backoff = (backoff * 2).min(FLAPPING_BACKOFF);
        }
    }

    /// Reads any bytes as a list, an inspection and an event, as far as they can be understood, and returns
    /// how many containers they named. For tests that feed it random bytes.
    #[doc(hidden)]
    #[must_use]
    pub fn understand(&self, bytes: &[u8]) -> usize {
        let mut list = List::default();
        let mut splitter = Splitter::new();
        let convert = |summary: &_| self.daemon.converter.row(summary, None, 0.0);
        let is_list =
            splitter.take(bytes, &mut |text| list.take(text, &convert)).and_then(|()| splitter.end());
        let listed = if is_list.is_ok() { list.rows.len() } else { 0 };
        let event = read_event(bytes);
        let told = event.as_ref().and_then(|event| self.daemon.converter.metadata_of_event(event, None));
        let known = event.as_ref().and_then(understood).is_some() || told.is_some();
        let inspected = read_inspection_of(bytes).is_some_and(|inspect| {
            let id = inspect.answer.id.as_deref().and_then(ContainerId::new);
            id.is_some_and(|id| self.daemon.converter.metadata(&id, inspect, None).is_ok())
        });
        listed + usize::from(known) + usize::from(inspected)
    }

    /// Identifies a Unix socket, to tell it from another one at the same path.
    fn socket(&self) -> Option<(u64, u64, i64, i64)> {
        let DockerHost::Unix(path) = &self.daemon.host else { return None };
        let file = std::fs::metadata(path).ok()?;
        Some((file.dev(), file.ino(), file.ctime(), file.ctime_nsec()))
    }
}

/// Warns of an outage if a warning is due.
fn warn(outage: &RefCell<Outage>) {
    if let Some(cause) = outage.borrow_mut().take_warning(Instant::now()) {
        tracing::warn!("{cause}; numbers are still updated, names are not; retrying");
    }
}
