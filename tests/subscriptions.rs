//! What the collector offers besides pages: a pass shown to a visitor, and news of each polling tick.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "tests")]

mod support;

use docker_stat_prom::{
    collector::{Feed, Message, NotSubscribed, Ticks, View, Visitor},
    encode::{Format, Text},
    table::Selection,
};
use std::{collections::BTreeSet, sync::Arc, time::Instant};
use support::{
    fixture,
    host::{Direct, Driven, add_container, empty_host, scope},
    value,
};
use tokio::sync::oneshot;

/// Writes what it is shown, as a page.
struct Writer(Text, usize);

impl Writer {
    fn new() -> Self {
        Self(Text::default(), 0)
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.as_bytes().to_vec()).unwrap()
    }
}

impl Visitor for Writer {
    fn visit(&mut self, view: &View<'_>) {
        view.render(Format::Text, &mut self.0);
        self.1 = view.containers().count();
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

/// The series of containers, without the wall clock.
fn series(page: &str) -> BTreeSet<String> {
    let lines = page.lines().filter(|line| line.starts_with("container_") || line.starts_with("machine_"));
    lines.filter(|line| !line.starts_with("container_last_seen")).map(str::to_owned).collect()
}

#[test]
fn a_visitor_sees_what_the_page_shows() {
    let direct = Direct::new(&fixture("debian13-docker26.1-linux6.12"));
    let page = direct.page();
    let visitor = runtime().block_on(direct.handle.feed(Writer::new())).unwrap();
    assert_eq!(series(&visitor.text()), series(&page));
    assert!(series(&page).len() > 500, "{}", series(&page).len());
    assert_eq!(visitor.1, 12);
    assert_eq!(value(&visitor.text(), "docker_stat_prom_scrape_duration_seconds_count", &[]), Some(2.0));
}

#[test]
fn pages_and_visitors_that_wait_together_share_a_pass() {
    let mut driven = Driven::new(&fixture("debian13-docker26.1-linux6.12"), Selection::default());
    let (reply, mut page) = oneshot::channel();
    let (feed, mut visitor) = Feed::new(Writer::new());
    let (gone, _) = Feed::new(Writer::new());
    for message in [Message::Feed(feed), Message::Feed(gone), Message::Scrape(Format::Text, reply)] {
        driven.collector.take(message);
    }
    driven.collector.answer();
    // To the last byte: one pass, one clock, and the exporter's own series gathered once.
    let (page, visitor) = (page.try_recv().unwrap(), visitor.try_recv().unwrap());
    assert_eq!(visitor.text(), String::from_utf8_lossy(page.text()));
    assert_eq!(value(&visitor.text(), "docker_stat_prom_scrape_duration_seconds_count", &[]), Some(1.0));
    // For one that nobody waits for there is no pass.
    let (gone, _) = Feed::new(Writer::new());
    driven.collector.take(Message::Feed(gone));
    driven.collector.answer();
    assert_eq!(driven.handle.metrics().scrape_duration.get_sample_count(), 1);
}

#[test]
fn a_stopped_collector_says_so() {
    let direct = Direct::new(empty_host().path());
    let handle = direct.handle.clone();
    let mut ticks = runtime().block_on(handle.subscribe()).unwrap();
    drop(direct);
    assert!(runtime().block_on(ticks.next()).is_err());
    assert!(runtime().block_on(handle.feed(Writer::new())).is_err());
    let refused = runtime().block_on(handle.subscribe()).unwrap_err();
    assert!(matches!(refused, NotSubscribed::Stopped(_)));
}

#[test]
fn each_tick_is_told_with_its_rates_and_memory() {
    let host = empty_host();
    let directory = add_container(host.path(), &scope("a"));
    let direct = Direct::new(host.path());
    let mut ticks = runtime().block_on(direct.handle.subscribe()).unwrap();
    direct.tick();
    let first = runtime().block_on(ticks.next()).unwrap();
    let row = &first.containers[0];
    assert_eq!((row.name(), row.memory_current, row.rates.cpu_ratio), ("aaaaaaaaaaaa", Some(77), None));
    std::fs::write(directory.join("memory.current"), "78\n").unwrap();
    direct.tick();
    let second = runtime().block_on(ticks.next()).unwrap();
    assert!(second.now >= first.now);
    let row = &second.containers[0];
    assert_eq!((row.memory_current, row.rates.cpu_ratio), (Some(78), Some(0.0)));
}

#[test]
fn one_who_never_looks_holds_up_nobody_and_misses_ticks() {
    let host = empty_host();
    let directory = add_container(host.path(), &scope("a"));
    let direct = Direct::new(host.path());
    let subscribe = || runtime().block_on(direct.handle.subscribe()).unwrap();
    let (mut asleep, mut awake) = (subscribe(), subscribe());
    let begin = Instant::now();
    let mut weak = Vec::new();
    for number in 0..100 {
        std::fs::write(directory.join("memory.current"), format!("{number}\n")).unwrap();
        direct.tick();
        let tick = runtime().block_on(awake.next()).unwrap();
        assert_eq!(tick.containers[0].memory_current, Some(number));
        weak.push(Arc::downgrade(&tick));
    }
    assert!(begin.elapsed() < support::PATIENCE);
    // The first one is all that is kept for it.
    assert_eq!(weak.iter().filter(|tick| tick.strong_count() > 0).count(), 1);
    let memory = |ticks: &mut Ticks| runtime().block_on(ticks.next()).unwrap().containers[0].memory_current;
    assert_eq!(memory(&mut asleep), Some(0));
    direct.tick();
    assert_eq!((memory(&mut asleep), memory(&mut awake)), (Some(99), Some(99)));
}

#[test]
fn subscribers_are_bounded_and_a_place_that_is_left_is_given_again() {
    let direct = Direct::new(empty_host().path());
    let subscribe = || runtime().block_on(direct.handle.subscribe());
    let mut all: Vec<Ticks> = (0..16).map(|_| subscribe().unwrap()).collect();
    for _ in 0..3 {
        assert_eq!(subscribe().unwrap_err(), NotSubscribed::TooMany);
    }
    all.pop();
    all.push(subscribe().unwrap());
    assert_eq!(subscribe().unwrap_err(), NotSubscribed::TooMany);
}
