//! The program's own collector, driven by the bench.

use docker_stat_prom::{
    collector::{Collector, Config, Handle, Message},
    discovery::watch,
    encode::Format,
    metadata::{Filter, MetadataEvent, News, Source},
    sample::{Interfaces, Roots},
    table::{Selection, SelfMetrics},
};
use std::{sync::mpsc, time::Duration};

pub(super) fn config(roots: &Roots, fd_budget: usize) -> Config {
    Config {
        roots: roots.clone(),
        selection: Selection::default(),
        filter: Filter::default(),
        polling_interval: None,
        peak_window: Duration::from_secs(60),
        history: Duration::ZERO,
        created_lines: false,
        fd_budget,
        interfaces: Interfaces::default(),
        show_unnamed: false,
    }
}

pub(super) fn no_docker() -> Message {
    Message::Metadata(MetadataEvent { source: Source::default(), news: News::Disconnected })
}

/// The program's own collector on its thread, without a server.
pub(super) struct Ours {
    handle: Handle,
    runtime: tokio::runtime::Runtime,
}

impl Ours {
    pub(super) fn new(roots: &Roots, fd_budget: usize, max_open_files: u64) -> Self {
        Self::with(config(roots, fd_budget), max_open_files)
    }

    /// One that serves peaks and keeps a history, as by default. It also ticks by itself, which is little
    /// beside the ticks that are measured.
    pub(super) fn keeping(roots: &Roots, fd_budget: usize, max_open_files: u64) -> Self {
        let polling_interval = Some(Duration::from_secs(2));
        let history = Duration::from_secs(600);
        Self::with(Config { polling_interval, history, ..config(roots, fd_budget) }, max_open_files)
    }

    fn with(config: Config, max_open_files: u64) -> Self {
        let roots = config.roots.clone();
        let (sender, receiver) = mpsc::channel();
        let (lookups, wanted) = tokio::sync::mpsc::unbounded_channel();
        let handle = Handle::new(sender, SelfMetrics::new().unwrap());
        let collector = Collector::new(config, handle.clone(), max_open_files, lookups);
        std::thread::spawn(move || {
            let _nobody_looks_up = wanted;
            collector.run(&receiver);
        });
        let (events, root) = (handle.clone(), roots.cgroup);
        std::thread::spawn(move || {
            watch(&root, Duration::from_secs(3600), &mut |event| events.send(Message::Scope(event))).unwrap();
        });
        handle.send(no_docker());
        Self { handle, runtime: tokio::runtime::Builder::new_current_thread().build().unwrap() }
    }

    pub(super) fn scrape(&self) -> usize {
        self.runtime.block_on(self.handle.scrape(Format::Text)).unwrap().text().len()
    }

    pub(super) fn tick(&self) {
        self.runtime.block_on(self.handle.tick()).unwrap();
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        self.handle.send(Message::Shutdown);
    }
}
