//! One OS thread owns everything that is known about containers. It takes [`Message`]s, one at a time, and
//! shares no state, so it needs no mutex.
//!
//! A scrape reads every file that may have changed. The polling tick reads only the files for the rate
//! gauges; without these and without subscribers there is none. Scrapes that wait at the same time share one
//! pass.
//!
//! The same steps can be run without the thread: [`Collector::take`] handles a message, [`Collector::tick`]
//! and [`Collector::read`] are the two passes, [`Collector::render`] writes the result of the last full pass,
//! and [`Collector::answer`] answers all that wait.

mod body;
mod complaints;
mod config;
mod containers;
mod handle;
mod history;
mod host;
mod pulse;
mod report;
mod rest;
mod stopped;
mod thread;
mod ticks;
mod view;
mod waiting;

pub use body::Body;
pub use config::Config;
pub use handle::{Handle, Message};
pub use history::{ContainerHistory, Event, Happening, History, Quantity, Spread};
pub use report::{ContainerReport, Report};
pub use stopped::Stopped;
pub use ticks::{NotSubscribed, Tick, TickRow, Ticks};
pub use view::{Feed, View, Visitor};

use crate::{
    advice::{Complaint, Missing},
    discovery::ScopeEvent,
    encode::{Format, Renderer, Text},
    metadata::{MetadataEvent, News},
    parse::ContainerId,
    sample::{DeviceNames, MachineReader, Pass},
    table::Page,
};
use body::Bodies;
use containers::{Containers, Reading};
use history::Recorder;
use host::{Host, shown};
use rest::Rest;
use std::{
    collections::HashSet,
    sync::atomic::Ordering,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use ticks::Subscribers;
use tokio::sync::mpsc::UnboundedSender;
use waiting::Waiting;

/// Time between slow rounds, which read the machine's size and the device names, look for files that were
/// absent, and ask about containers without a name.
const SLOW: Duration = Duration::from_secs(30);
/// The label `file` of failed requests for the sizes of containers.
const SIZES: &str = "docker_sizes";
/// How long a start waits for Docker's first list before the exporter is ready without names.
const NAMES_AT_START: Duration = Duration::from_secs(5);

/// The owner of all containers.
#[derive(Debug)]
pub struct Collector {
    config: Config,
    handle: Handle,
    renderer: Renderer,
    containers: Containers,
    pass: Pass,
    /// The host's own block; `None` if it is not served.
    host: Option<Host>,
    machine: MachineReader,
    /// Whether the last reading of the machine's size had no failure.
    machine_is_read: bool,
    /// Whether the last full pass read everything that it needed.
    is_complete: bool,
    /// Whether the next full pass looks again for files that were absent.
    recheck: bool,
    /// The wall clock at the last full pass, in Unix seconds.
    read_at: f64,
    /// Requests that wait for the next pass.
    waiting: Waiting,
    /// Subscribers to the polling tick.
    subscribers: Subscribers,
    /// Whether the polling tick rests because nobody asks.
    rest: Rest,
    /// Whether there is something from ticks that would be taken for the present.
    has_ticked: bool,
    /// The history of the ticks, if one is kept.
    recorder: Option<Recorder>,
    bodies: Bodies,
    complaints: HashSet<String>,
    complained_of: Vec<Complaint>,
    missing: Option<Missing>,
    /// All monotonic times in the collector count from here.
    start: Instant,
    next_slow: Instant,
    scanned: bool,
}

impl Collector {
    /// A collector without any containers. Through `lookups` it asks about containers that Docker has not
    /// reported.
    #[must_use]
    pub fn new(
        config: Config,
        handle: Handle,
        max_open_files: u64,
        lookups: UnboundedSender<ContainerId>,
    ) -> Self {
        let now = Instant::now();
        let devices = DeviceNames::new(&config.roots.sys);
        let reading = Reading::new(&config, max_open_files);
        let mut collector = Self {
            host: Host::new(&config),
            machine: MachineReader::new(&config.roots),
            machine_is_read: false,
            is_complete: false,
            recheck: false,
            containers: Containers::new(reading, lookups),
            pass: Pass { devices, interfaces: config.interfaces.clone(), ..Pass::default() },
            read_at: 0.0,
            waiting: Waiting::default(),
            subscribers: Subscribers::default(),
            rest: Rest::new(now),
            has_ticked: false,
            recorder: Recorder::new(config.history, config.polling_interval, now),
            bodies: Bodies::default(),
            complaints: HashSet::new(),
            complained_of: Vec::new(),
            missing: None,
            start: now,
            next_slow: now + SLOW,
            scanned: false,
            renderer: Renderer::new(&config.selection).with_created_lines(config.created_lines),
            config,
            handle,
        };
        collector.read_machine();
        collector
    }

    fn read_machine(&mut self) {
        let before = self.pass.report.failures.len();
        self.machine.read(&mut self.pass.report);
        self.machine_is_read = self.pass.report.failures.len() == before;
    }

    fn take_scope(&mut self, event: ScopeEvent) {
        if let ScopeEvent::Resync { .. } = &event {
            self.handle.metrics.discovery_resyncs.inc();
            // The first window starts with the first scan, not one interval later.
            if !std::mem::replace(&mut self.scanned, true) && self.polling().is_some() {
                self.containers.take_scope(event);
                return self.tick();
            }
        }
        self.containers.take_scope(event);
        let is_quiet = self.config.polling_interval.is_some() && self.polling().is_none();
        if let Some(recorder) = self.recorder.as_mut().filter(|_| is_quiet) {
            // No tick sees who is gone. Later it would seem to have ended then.
            recorder.gone(|then| self.containers.each_live(then));
        }
    }

    fn take_metadata(&mut self, event: MetadataEvent) {
        if let News::NoDisk(reason) = event.news {
            self.handle.metrics.read_failures.with_label_values(&[SIZES, reason]).inc();
        }
        let before = self.containers.docker_reconnects();
        self.record(event);
        let metrics = &self.handle.metrics;
        let reconnects = self.containers.docker_reconnects().saturating_sub(before);
        metrics.docker_reconnects.inc_by(crate::table::own::float(reconnects));
        metrics.docker_up.set(if self.containers.docker_is_up() == Some(true) { 1.0 } else { 0.0 });
    }

    /// Takes news from Docker, and keeps in the history what happened.
    fn record(&mut self, event: MetadataEvent) {
        let Some(recorder) = &mut self.recorder else { return self.containers.take_metadata(event) };
        let id = match &event.news {
            News::Changed(metadata) => Some(metadata.id.clone()),
            News::Removed(id) | News::Oom { id, .. } => Some(id.clone()),
            _ => None,
        };
        let Some(id) = id else { return self.containers.take_metadata(event) };
        recorder.news(&event.news, self.containers.get(&id));
        let killed = match event.news {
            News::Oom { at, .. } => Some(at),
            _ => None,
        };
        self.containers.take_metadata(event);
        if let Some((container, at)) = self.containers.get(&id).zip(killed) {
            recorder.oom(container, at);
        }
    }

    fn update_readiness(&mut self) {
        let waits = self.start.elapsed() <= NAMES_AT_START;
        // A page that is printed once has no second chance to show sizes.
        let is_sized = self.config.polling_interval.is_some()
            || !self.config.selection.shows_disk()
            || self.containers.docker_is_up() == Some(false)
            || self.containers.is_measured();
        let named = !waits || (self.containers.docker_is_up().is_some() && is_sized);
        if self.scanned && named {
            self.handle.ready.store(true, Ordering::Relaxed);
        }
    }

    /// Time between two polling ticks; `None` while nobody needs them: no rate is served or nobody has asked
    /// for a while, and there is no subscriber.
    fn polling(&mut self) -> Option<Duration> {
        let interval = self.config.polling_interval?;
        let is_needed = self.config.selection.is_polled() && !self.rest.is_on();
        (is_needed || self.subscribers.is_any()).then_some(interval)
    }

    /// Somebody asks for something. If the tick rested, it begins again: this one opens the first window.
    fn asked(&mut self) {
        if self.rest.asked(Instant::now()) && self.polling().is_some() {
            self.tick();
        }
    }

    /// Lets the tick rest if nobody has asked for a while. Where no rate is served, it ends with the last
    /// subscriber. What the last ticks have found is then forgotten: whoever asks next must not take it for
    /// the present.
    fn rest_if_due(&mut self) {
        let now = Instant::now();
        if self.config.polling_interval.is_none() {
            // Ticks come only on request.
            return;
        }
        if self.subscribers.is_any() {
            self.rest.asked(now);
        } else if self.rest.begins(now) {
            tracing::debug!("nobody asks: polling rests until somebody does");
        }
        if self.polling().is_none() && std::mem::take(&mut self.has_ticked) {
            self.containers.rest();
        }
    }

    /// The polling tick: reads the files for the rate gauges, completes the rate windows and sends the result
    /// to the subscribers. If no subscriber would take it, no result is built.
    pub fn tick(&mut self) {
        self.has_ticked = true;
        let is_heard = self.subscribers.is_any_ready();
        self.containers.tick(self.start, self.machine.machine().cpu_cores, is_heard, &mut self.pass);
        if let Some(recorder) = &mut self.recorder {
            recorder.tick(|then| self.containers.each_live(then));
        }
        if is_heard {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
            let events = self.recorder.as_mut().map(Recorder::events).unwrap_or_default();
            self.subscribers.tell(Tick { now, containers: self.containers.at_tick(), events });
        }
        self.account();
        self.slow_if_due();
        self.update_readiness();
    }

    fn slow_if_due(&mut self) {
        if self.next_slow <= Instant::now() {
            self.slow();
            self.account();
        }
    }

    fn slow(&mut self) {
        self.next_slow = Instant::now() + SLOW;
        self.read_machine();
        self.pass.devices.forget();
        self.recheck = true;
        self.containers.look_up_unnamed();
    }

    /// A full pass: reads everything once, for [`Self::render`] to write.
    pub fn read(&mut self) {
        self.pass.recheck_absent = std::mem::take(&mut self.recheck);
        self.containers.sample(self.start, &mut self.pass);
        if let Some(host) = &mut self.host {
            host.sample(&self.machine, &mut self.pass);
        }
        self.pass.recheck_absent = false;
        if let Some(recorder) = &mut self.recorder {
            recorder.pass(|then| self.containers.each_live(then));
        }
        self.is_complete =
            self.pass.report.failures.is_empty() && self.containers.all_reached() && self.machine_is_read;
        self.handle.metrics.up.set(if self.is_complete { 1.0 } else { 0.0 });
        self.account();
        self.update_gauges();
        self.read_at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    }

    /// Writes the containers as the last full pass has read them, without the exporter's own series and the
    /// end of the page.
    pub fn render(&self, format: Format, out: &mut Text) {
        self.renderer.render(format, shown(&self.host, &self.containers), &self.page(), out);
    }

    fn page(&self) -> Page<'_> {
        Page {
            devices: &self.pass.devices,
            machine: self.machine.machine(),
            now: self.read_at,
            is_complete: self.is_complete,
        }
    }

    fn update_gauges(&self) {
        let metrics = &self.handle.metrics;
        let (discovered, named) = self.containers.count();
        for (state, count) in [
            ("discovered", discovered),
            ("named", named),
            ("unnamed", discovered.saturating_sub(named)),
            ("unread", self.containers.unread()),
        ] {
            let count = crate::table::own::float(count);
            metrics.containers.with_label_values(&[state]).set(count);
        }
        let open = crate::table::own::float(self.containers.open_files());
        metrics.kept_fds.set(open);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        metadata::Filter,
        sample::{Interfaces, Roots},
        table::{Selection, SelfMetrics},
    };
    use std::{
        path::Path,
        sync::mpsc::{Receiver, channel},
    };

    fn collector(host: &Path) -> (Collector, Handle, Receiver<Message>) {
        let config = Config {
            roots: Roots { cgroup: host.into(), proc: "/proc".into(), sys: "/sys".into() },
            selection: Selection::default(),
            filter: Filter::default(),
            polling_interval: None,
            peak_window: Duration::from_secs(60),
            history: Duration::ZERO,
            created_lines: false,
            fd_budget: 100,
            interfaces: Interfaces::default(),
            show_unnamed: false,
        };
        let (sender, receiver) = channel();
        let (lookups, _nobody_looks_up) = tokio::sync::mpsc::unbounded_channel();
        let handle = Handle::new(sender, SelfMetrics::new().unwrap());
        (Collector::new(config, handle.clone(), 1024, lookups), handle, receiver)
    }

    #[test]
    fn absent_files_are_looked_for_once_per_slow_round_and_not_at_each_tick() {
        let host = tempfile::tempdir().unwrap();
        let directory = host.path().join("docker").join("a".repeat(64));
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("cpu.stat"), "usage_usec 1\n").unwrap();
        let (mut collector, _handle, _receiver) = collector(host.path());
        collector.containers.take_scope(crate::discovery::resync(host.path()));
        let reads_io = |collector: &mut Collector, scrape: bool| {
            if scrape {
                collector.read();
            } else {
                collector.tick();
            }
            collector.containers.all().any(|container| container.sample.io.is_some())
        };
        assert!(!reads_io(&mut collector, true));
        std::fs::write(directory.join("io.stat"), "").unwrap();
        collector.next_slow = Instant::now();
        for _ in 0..3 {
            assert!(!reads_io(&mut collector, false));
        }
        assert!(reads_io(&mut collector, true));
        assert!(!collector.recheck && !collector.pass.recheck_absent);
    }

    #[test]
    fn ticks_come_only_while_somebody_needs_them_and_a_subscribers_first_has_rates() {
        let host = tempfile::tempdir().unwrap();
        let directory = host.path().join("docker").join("a".repeat(64));
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("cpu.stat"), "usage_usec 1\n").unwrap();
        let (mut collector, _handle, _receiver) = collector(host.path());
        let interval = Some(Duration::from_secs(2));
        assert_eq!(collector.polling(), None);
        collector.config.polling_interval = interval;
        assert_eq!(collector.polling(), interval);
        collector.config.selection = Selection::parse("-core").unwrap();
        assert_eq!(collector.polling(), None);
        collector.take(Message::Scope(crate::discovery::resync(host.path())));
        let subscribe = |collector: &mut Collector| {
            let (reply, mut answer) = tokio::sync::oneshot::channel();
            collector.take(Message::Subscribe(reply));
            answer.try_recv().unwrap().unwrap()
        };
        let mut ticks = subscribe(&mut collector);
        assert_eq!(collector.polling(), interval);
        collector.tick();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        // It is shown only once Docker is known not to answer.
        assert!(runtime.block_on(ticks.next()).unwrap().containers.is_empty());
        assert!(collector.containers.all().all(|container| container.rates.cpu_ratio.is_some()));
        drop(ticks);
        assert_eq!(collector.polling(), None);
    }

    #[test]
    fn containers_that_are_not_read_are_a_state_of_their_gauge() {
        use crate::metadata::{Metadata, News, Source, State};
        let host = tempfile::tempdir().unwrap();
        let (mut collector, handle, _receiver) = collector(host.path());
        let id = ContainerId::new(&"a".repeat(64)).unwrap();
        let running = Metadata { state: Some(State::Running), ..Metadata::new(id) };
        for news in [News::Connected, News::Changed(running.into())] {
            collector.take(Message::Metadata(MetadataEvent { source: Source::default(), news }));
        }
        let unread = |collector: &mut Collector| {
            collector.read();
            handle.metrics().containers.with_label_values(&["unread"]).get().to_bits()
        };
        assert_eq!(unread(&mut collector), 0_f64.to_bits());
        collector.containers.seem_unread_for_long();
        // Counted in the pass that finds it, and in the next one too.
        for _ in 0..2 {
            assert_eq!(unread(&mut collector), 1_f64.to_bits());
        }
    }

    #[test]
    fn who_sends_scopes_waits_until_they_are_taken() {
        let host = tempfile::tempdir().unwrap();
        let (collector, handle, receiver) = collector(host.path());
        let (told, waits) = channel();
        let sender = handle.clone();
        let thread = std::thread::spawn(move || {
            for _ in 0..3 {
                let scan = ScopeEvent::Resync { scopes: vec![], unlisted: vec![] };
                told.send(sender.send(Message::Scope(scan)) && sender.wait_until_taken()).unwrap();
            }
        });
        // Nothing takes messages: one scan waits, and there is no second one.
        assert!(waits.recv_timeout(Duration::from_millis(100)).is_err());
        let runs = std::thread::spawn(move || collector.run(&receiver));
        assert!((0..3).all(|_| waits.recv_timeout(Duration::from_secs(20)).unwrap()));
        thread.join().unwrap();
        handle.send(Message::Shutdown);
        runs.join().unwrap();
        assert!(!handle.wait_until_taken());
    }
}
