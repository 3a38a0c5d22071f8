//! A push next to a scrape: the same pass, encoded and compressed for a receiver, and as a page with gzip.

use crate::{
    clock::Cost,
    ours::{config, no_docker},
    world::replicate,
};
use docker_stat_prom::{
    collector::{Collector, Feed, Handle, Message as Ask, View, Visitor},
    discovery::{Scope, ScopeEvent, scan},
    encode::{Exports, Format, Message, Readings, Requests},
    push::{Snappy, gzip},
    sample::{Roots, limits::raise_open_files},
    table::SelfMetrics,
};
use flate2::{Compression, write::GzEncoder};
use std::{io::Write, path::Path, sync::mpsc};
use tokio::sync::oneshot;

/// The server's: src/server/encoding.rs.
const GZIP_LEVEL: u32 = 2;

/// What the thread of push keeps between two passes.
struct Taken(Readings);

impl Visitor for Taken {
    fn visit(&mut self, view: &View<'_>) {
        self.0.take(view.page.now, 1.0, |sink| view.feed(sink));
    }
}

struct Push {
    collector: Collector,
    taken: Option<Taken>,
    snappy: Snappy,
    bytes: usize,
    samples: usize,
}

impl Push {
    fn new(tree: &Path) -> Self {
        let roots =
            Roots { cgroup: tree.join("sys/fs/cgroup"), proc: tree.join("proc"), sys: tree.join("sys") };
        let scopes = scan(&roots.cgroup).into_iter().map(|scope| Scope { watched: true, ..scope }).collect();
        let (sender, _nobody_takes) = mpsc::channel();
        let (lookups, _nobody_looks_up) = tokio::sync::mpsc::unbounded_channel();
        let handle = Handle::new(sender, SelfMetrics::new().unwrap());
        let mut collector =
            Collector::new(config(&roots, 10_000_000), handle, raise_open_files().unwrap(), lookups);
        collector.take(Ask::Scope(ScopeEvent::Resync { scopes, unlisted: vec![] }));
        collector.take(no_docker());
        Self {
            collector,
            taken: Some(Taken(Readings::new())),
            snappy: Snappy::default(),
            bytes: 0,
            samples: 0,
        }
    }

    fn scrape(&mut self) {
        let (reply, mut answer) = oneshot::channel();
        self.collector.take(Ask::Scrape(Format::Text, reply));
        self.collector.answer();
        let page = answer.try_recv().unwrap();
        let room = Vec::with_capacity(page.text().len() / 16);
        let mut encoder = GzEncoder::new(room, Compression::new(GZIP_LEVEL));
        encoder.write_all(page.text()).unwrap();
        self.bytes = encoder.finish().unwrap().len();
        self.samples =
            page.text().split(|byte| *byte == b'\n').filter(|line| !line.starts_with(b"#")).count() - 1;
    }

    fn pass(&mut self) -> Taken {
        let (feed, mut answer) = Feed::new(self.taken.take().unwrap());
        self.collector.take(Ask::Feed(feed));
        self.collector.answer();
        answer.try_recv().unwrap()
    }

    fn write(&mut self, requests: &mut Requests) {
        let taken = self.pass();
        let (mut bytes, mut all) = (0, 0);
        requests.write(&taken.0, &[], None, &mut |body, samples| {
            bytes += self.snappy.pack(body).unwrap().len();
            all += samples;
        });
        (self.bytes, self.samples) = (bytes, all);
        self.taken = Some(taken);
    }

    fn export(&mut self, exports: &mut Exports) {
        let taken = self.pass();
        let (mut bytes, mut all) = (0, 0);
        exports.write(&taken.0, &mut |body, points| {
            bytes += gzip(body).unwrap().len();
            all += points;
        });
        (self.bytes, self.samples) = (bytes, all);
        self.taken = Some(taken);
    }

    fn row(&self, what: &str, cost: &Cost, scrape: &Cost) {
        println!(
            "| {what} | {} | {:.0} | {:.2} | {:.1} |",
            self.samples,
            cost.cpu(),
            cost.cpu() / scrape.cpu(),
            self.bytes as f64 / self.samples as f64
        );
    }
}

/// Prints a table for each number of containers.
pub(super) fn push(numbers: &[usize]) {
    for number in numbers {
        let tree = tempfile::tempdir().unwrap();
        replicate(*number, tree.path());
        let mut push = Push::new(tree.path());
        println!("\n{number} containers\n");
        println!("| | samples | CPU, µs | ÷ scrape with gzip | bytes per sample |\n|---|---|---|---|---|");
        let labels = || vec![("instance".into(), "host".into()), ("job".into(), "docker-stat-prom".into())];
        let scrape = Cost::of(|| push.scrape());
        push.row("scrape, text, gzip", &scrape, &scrape);
        for (name, message) in
            [("remote write 1.0, snappy", Message::V1), ("remote write 2.0, snappy", Message::V2)]
        {
            let mut requests = Requests::new(message, labels(), 2000);
            let cost = Cost::of(|| push.write(&mut requests));
            push.row(name, &cost, &scrape);
        }
        let mut exports = Exports::new(labels(), true, 2000);
        let cost = Cost::of(|| push.export(&mut exports));
        push.row("OTLP, gzip", &cost, &scrape);
    }
}
