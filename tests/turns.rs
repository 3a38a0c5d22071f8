//! The collector's turns: however much it is told, scrapes get theirs, and what nobody waits for is not done.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod support;

use docker_stat_prom::{
    collector::{Collector, Config, Handle, Message},
    discovery::resync,
    encode::Format,
    metadata::Filter,
    sample::{Interfaces, Roots},
    table::{Selection, SelfMetrics},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};
use tokio::{sync::oneshot, time::timeout};

fn collector(messages: impl FnOnce(&Handle)) -> Handle {
    let host = support::fixture("debian13-docker26.1-linux6.12");
    let roots = Roots { cgroup: host.join("sys/fs/cgroup"), proc: host.join("proc"), sys: host.join("sys") };
    let (sender, receiver) = mpsc::channel();
    let (lookups, wanted) = tokio::sync::mpsc::unbounded_channel();
    let handle = Handle::new(sender, SelfMetrics::new().unwrap());
    handle.send(Message::Scope(resync(&roots.cgroup)));
    messages(&handle);
    let config = Config {
        roots,
        selection: Selection::parse("core").unwrap(),
        filter: Filter::default(),
        polling_interval: None,
        peak_window: Duration::from_secs(60),
        history: Duration::ZERO,
        created_lines: false,
        fd_budget: 100,
        show_unnamed: false,
        interfaces: Interfaces::default(),
    };
    let collector = Collector::new(config, handle.clone(), 1024, lookups);
    thread::spawn(move || {
        let _nobody_looks_up = wanted;
        collector.run(&receiver);
    });
    handle
}

fn wait<T>(answer: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async { timeout(support::PATIENCE, answer).await.unwrap() })
}

#[test]
fn a_scrape_gets_its_turn_while_messages_never_end() {
    let handle = collector(|_| {});
    let stop = Arc::new(AtomicBool::new(false));
    let (flood, stopped) = (handle.clone(), Arc::clone(&stop));
    let telling = thread::spawn(move || {
        let mut waiting = std::collections::VecDeque::new();
        while !stopped.load(Ordering::SeqCst) {
            // Always a hundred ahead: each is more work than it is to send one.
            let (done, ticked) = oneshot::channel();
            flood.send(Message::Tick(done));
            waiting.push_back(ticked);
            if waiting.len() > 100 {
                waiting.pop_front().unwrap().blocking_recv().unwrap();
            }
        }
    });
    for _ in 0..5 {
        assert!(!wait(handle.scrape(Format::Text)).unwrap().text().is_empty());
        assert!(!wait(handle.report()).unwrap().containers.is_empty());
    }
    stop.store(true, Ordering::SeqCst);
    telling.join().unwrap();
}

#[test]
fn those_who_have_gone_cost_nothing_and_those_who_wait_together_share() {
    let mut reports = Vec::new();
    let handle = collector(|handle| {
        for _ in 0..50 {
            handle.send(Message::Scrape(Format::Text, oneshot::channel().0));
            handle.send(Message::Report(oneshot::channel().0));
        }
        for _ in 0..3 {
            let (reply, report) = oneshot::channel();
            handle.send(Message::Report(reply));
            reports.push(report);
        }
    });
    let reports: Vec<_> = reports.into_iter().map(|report| wait(report).unwrap()).collect();
    assert!(reports.windows(2).all(|pair| Arc::ptr_eq(&pair[0], &pair[1])));
    assert_eq!(handle.metrics().scrape_duration.get_sample_count(), 0);
    wait(handle.scrape(Format::Text)).unwrap();
    assert_eq!(handle.metrics().scrape_duration.get_sample_count(), 1);
    assert!(wait(async { timeout(Duration::from_secs(5), handle.tick()).await }).is_ok());
}
