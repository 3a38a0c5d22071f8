//! One OS thread owns everything that changes. It takes [`Message`]s, one at a time, and shares nothing: no mutex.
//!
//! A scrape reads every file now; the polling tick reads only the files of the rate gauges. Scrapes that wait
//! together share one pass.

mod body;
mod containers;
mod handle;
mod missing;
mod pulse;
mod report;

pub use body::Body;
pub use handle::{Handle, Message, Stopped};
pub use missing::Missing;
pub use report::{ContainerReport, Report};

use crate::{
    discovery::ScopeEvent,
    exposition::{Format, Page, Selection, render, render_own},
    metadata::{Filter, MetadataEvent},
    parse::ContainerId,
    sample::{DeviceNames, Errno, Interfaces, Machine, MachineReader, Pass, Reason, Roots},
};
use body::Bodies;
use containers::{Containers, Reading};
use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tokio::sync::{mpsc::UnboundedSender, oneshot};

/// What is done rarely: machine size, device names, files that were absent, containers without a name.
const SLOW: Duration = Duration::from_secs(30);
/// However little there is to do, the collector turns a round this often, so that one that does not turn is known by it.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// A start waits this long for Docker's first list before it is ready without names.
const NAMES_AT_START: Duration = Duration::from_secs(5);
/// However many messages come, ticks and scrapes wait no longer than this for their turn.
const TURN: Duration = Duration::from_millis(50);

/// What the collector is to do.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to read.
    pub roots: Roots,
    /// What to serve.
    pub selection: Selection,
    /// Which containers.
    pub filter: Filter,
    /// Time between ticks; `None` for no ticks but those that are asked for.
    pub polling_interval: Option<Duration>,
    /// Descriptors to keep open on files of containers.
    pub fd_budget: usize,
    /// Which interfaces count.
    pub interfaces: Interfaces,
    /// Whether containers that Docker was asked about and does not know are shown, under their short IDs.
    pub show_unnamed: bool,
}

/// The owner of all containers.
#[derive(Debug)]
pub struct Collector {
    config: Config,
    handle: Handle,
    containers: Containers,
    pass: Pass,
    machine: Machine,
    machine_reader: MachineReader,
    /// Whether the machine's size is known, or not offered.
    machine_is_read: bool,
    /// Whether files that were absent are to be looked for at the next full pass.
    recheck: bool,
    bodies: Bodies,
    complaints: HashSet<String>,
    missing: Option<Missing>,
    /// Every time in the program counts from here.
    start: Instant,
    next_slow: Instant,
    scanned: bool,
}

impl Collector {
    /// A collector that has seen nothing yet. Containers that Docker has not told of are asked for through `lookups`.
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
            machine: Machine::default(),
            machine_reader: MachineReader::new(&config.roots.proc),
            machine_is_read: false,
            recheck: false,
            containers: Containers::new(reading, lookups),
            pass: Pass { devices, interfaces: config.interfaces.clone(), ..Pass::default() },
            bodies: Bodies::default(),
            complaints: HashSet::new(),
            missing: None,
            start: now,
            next_slow: now + SLOW,
            scanned: false,
            config,
            handle,
        };
        collector.read_machine();
        collector
    }

    fn read_machine(&mut self) {
        let before = self.pass.report.failures.len();
        self.machine = self.machine_reader.read(&mut self.pass.report);
        self.machine_is_read = self.pass.report.failures.len() == before;
    }

    /// Takes messages until it is told to end or nobody is left to send any.
    pub fn run(mut self, receiver: &Receiver<Message>) {
        let mut next_tick = self.config.polling_interval.map(|interval| Instant::now() + interval);
        let mut scrapes = Vec::new();
        let mut reports = Vec::new();
        loop {
            self.handle.pulse.beat();
            let until_tick = next_tick.map(|at| at.saturating_duration_since(Instant::now()));
            let first = receiver.recv_timeout(until_tick.unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT));
            self.handle.pulse.beat();
            match first {
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
                // What waits with it is taken too, so that all scrapes of the moment share one pass.
                Ok(message) => {
                    let turn = Instant::now() + TURN;
                    let mut next = Some(message);
                    while let Some(message) = next {
                        match message {
                            Message::Shutdown => return,
                            Message::Scrape(format, reply) => scrapes.push((format, reply)),
                            Message::Report(reply) => reports.push(reply),
                            other => self.take(other),
                        }
                        next = if Instant::now() < turn { receiver.try_recv().ok() } else { None };
                    }
                }
            }
            self.containers.ask_about_contradictions();
            self.update_readiness();
            if next_tick.is_some_and(|at| at <= Instant::now()) {
                self.tick();
                // After a stall the ticks go on from now; they are not made up for.
                next_tick = self.config.polling_interval.map(|interval| Instant::now() + interval);
            }
            // Those whose asker has gone are not worth a pass.
            scrapes.retain(|(_, reply): &(_, oneshot::Sender<_>)| !reply.is_closed());
            if !scrapes.is_empty() {
                self.scrape(&mut scrapes);
            }
            reports.retain(|reply: &oneshot::Sender<_>| !reply.is_closed());
            if !reports.is_empty() {
                let report = Arc::new(Report { containers: self.containers.report(), missing: self.missing });
                for reply in reports.drain(..) {
                    let _nobody_waits = reply.send(Arc::clone(&report));
                }
            }
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Tick(done) => {
                self.tick();
                let _nobody_waits = done.send(());
            }
            Message::Ping(reply) => {
                self.update_readiness();
                let _nobody_waits = reply.send(self.handle.is_ready());
            }
            Message::Scope(event) => self.take_scope(event),
            Message::Metadata(event) => self.take_metadata(event),
            Message::Barrier(taken) => {
                let _nobody_waits = taken.send(());
            }
            Message::Scrape(..) | Message::Report(_) | Message::Shutdown => {}
        }
        self.update_readiness();
    }

    fn take_scope(&mut self, event: ScopeEvent) {
        if let ScopeEvent::Resync { .. } = &event {
            self.handle.metrics.discovery_resyncs.inc();
            // The first window starts with the first scan, not one interval later.
            if !std::mem::replace(&mut self.scanned, true) && self.config.polling_interval.is_some() {
                self.containers.take_scope(event);
                return self.tick();
            }
        }
        self.containers.take_scope(event);
    }

    fn take_metadata(&mut self, event: MetadataEvent) {
        let before = self.containers.docker_reconnects();
        self.containers.take_metadata(event);
        let metrics = &self.handle.metrics;
        let reconnects = self.containers.docker_reconnects().saturating_sub(before);
        metrics.docker_reconnects.inc_by(crate::exposition::self_metrics::float(reconnects));
        metrics.docker_up.set(if self.containers.docker_is_up() == Some(true) { 1.0 } else { 0.0 });
    }

    fn update_readiness(&mut self) {
        let named = self.containers.docker_is_up().is_some() || self.start.elapsed() > NAMES_AT_START;
        if self.scanned && named {
            self.handle.ready.store(true, Ordering::Relaxed);
        }
    }

    /// Reads the files of the rate gauges and completes the windows.
    fn tick(&mut self) {
        self.containers.tick(self.start, &mut self.pass);
        self.account();
        if self.next_slow <= Instant::now() {
            self.slow();
            self.account();
        }
        self.update_readiness();
    }

    fn slow(&mut self) {
        self.next_slow = Instant::now() + SLOW;
        self.read_machine();
        self.pass.devices.forget();
        self.recheck = true;
        self.containers.look_up_unnamed();
    }

    /// Reads everything once and answers all who wait, in each format that is asked for.
    fn scrape(&mut self, waiting: &mut Vec<(Format, oneshot::Sender<Arc<Body>>)>) {
        let begin = Instant::now();
        self.pass.recheck_absent = std::mem::take(&mut self.recheck);
        self.containers.sample(&mut self.pass);
        self.pass.recheck_absent = false;
        let complete =
            self.pass.report.failures.is_empty() && self.containers.all_reached() && self.machine_is_read;
        self.handle.metrics.up.set(if complete { 1.0 } else { 0.0 });
        self.account();
        self.update_gauges();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let page = Page { devices: &self.pass.devices, machine: &self.machine, now };
        let mut own = None;
        for format in [Format::Text, Format::OpenMetrics] {
            if !waiting.iter().any(|(asked, _)| *asked == format) {
                continue;
            }
            let mut text = self.bodies.take_buffer();
            let shown = self.containers.shown();
            render(&self.config.selection, format, shown, &page, &mut text);
            // Observed once per pass, before the first page that shows it.
            let own = own.get_or_insert_with(|| {
                self.handle.metrics.scrape_duration.observe(begin.elapsed().as_secs_f64());
                self.handle.metrics.gather()
            });
            render_own(own, format, &mut text);
            let body = self.bodies.keep(text);
            let (answered, others): (Vec<_>, Vec<_>) =
                std::mem::take(waiting).into_iter().partition(|(asked, _)| *asked == format);
            *waiting = others;
            for (_, reply) in answered {
                let _nobody_waits = reply.send(Arc::clone(&body));
            }
        }
        waiting.clear();
    }

    fn update_gauges(&self) {
        let metrics = &self.handle.metrics;
        let (discovered, named) = self.containers.count();
        for (state, count) in
            [("discovered", discovered), ("named", named), ("unnamed", discovered.saturating_sub(named))]
        {
            let count = crate::exposition::self_metrics::float(count);
            metrics.containers.with_label_values(&[state]).set(count);
        }
        let open = crate::exposition::self_metrics::float(self.containers.open_files());
        metrics.kept_fds.set(open);
    }

    /// Counts what the last pass met, and says each cause once.
    fn account(&mut self) {
        let metrics = &self.handle.metrics;
        for failure in &self.pass.report.failures {
            let reason = failure.reason.label();
            metrics.read_failures.with_label_values(&[failure.file, &reason]).inc();
            if self.complaints.insert(format!("{} {reason}", failure.file)) {
                let hint = match failure.reason {
                    Reason::Errno(Errno::EMFILE | Errno::ENFILE) => ": raise it (ulimit -n, LimitNOFILE=)",
                    _ => "",
                };
                tracing::warn!("{}{hint} (said once; counted in read_failures_total)", failure.message);
            }
        }
        for (file, rows) in &self.pass.report.skipped_rows {
            let rows = crate::exposition::self_metrics::float(*rows);
            metrics.skipped_rows.with_label_values(&[file]).inc_by(rows);
            if self.complaints.insert(format!("{file} rows")) {
                tracing::warn!(
                    "{file} of a container has rows that can't be used, and its sums are unknown as long as it has (said \
                     once; counted in skipped_rows_total)"
                );
            }
        }
        self.pass.report.clear();
        for complaint in self.containers.complaints() {
            if self.complaints.insert(complaint.cause.to_owned()) {
                tracing::warn!("{}: {}", complaint.cause, complaint.hint);
            }
        }
        self.tell_missing();
    }

    /// Says once what is out of sight, and shows it as long as it is.
    fn tell_missing(&mut self) {
        let missing = self.containers.missing(&self.config.roots);
        if missing == self.missing {
            return;
        }
        self.missing = missing;
        let metric = &self.handle.metrics.missing_flags;
        metric.reset();
        let Some(missing) = missing else { return };
        metric.with_label_values(&[missing.flags()]).set(1.0);
        // Of processes a complaint tells, which knows another cure too.
        if missing != Missing::Processes && self.complaints.insert(missing.to_string()) {
            tracing::warn!("{missing}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::SelfMetrics;
    use std::{path::Path, sync::mpsc::channel};

    fn collector(host: &Path) -> (Collector, Handle, Receiver<Message>) {
        let config = Config {
            roots: Roots { cgroup: host.into(), proc: "/proc".into(), sys: "/sys".into() },
            selection: Selection::default(),
            filter: Filter::default(),
            polling_interval: None,
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
                collector.scrape(&mut Vec::new());
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
        // Nobody takes anything: one scan waits, and no second one is made.
        assert!(waits.recv_timeout(Duration::from_millis(100)).is_err());
        let runs = std::thread::spawn(move || collector.run(&receiver));
        assert!((0..3).all(|_| waits.recv_timeout(Duration::from_secs(20)).unwrap()));
        thread.join().unwrap();
        handle.send(Message::Shutdown);
        runs.join().unwrap();
        assert!(!handle.wait_until_taken());
    }
}
