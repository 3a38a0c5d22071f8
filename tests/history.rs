//! The short history of the polling ticks.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "tests")]

mod support;

use docker_stat_prom::{
    collector::{Happening, History, Message, Quantity},
    discovery::resync,
    encode::Format,
    metadata::{Health, Metadata, MetadataEvent, News, Source, State},
    parse::ContainerId,
    table::Selection,
};
use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use support::{
    host::{Driven, add_container, empty_host, scope},
    until_passed,
};

const INTERVAL: Duration = Duration::from_millis(20);
const SPAN: Duration = Duration::from_secs(600);

fn driven(host: &Path) -> Driven {
    Driven::polling(host, Selection::default(), INTERVAL, SPAN)
}

fn history(driven: &mut Driven) -> Arc<History> {
    let (reply, mut answer) = tokio::sync::oneshot::channel();
    driven.collector.take(Message::History(reply));
    answer.try_recv().unwrap()
}

fn tick(driven: &mut Driven) {
    // A window must have a length.
    until_passed(Instant::now(), Duration::from_millis(2));
    driven.collector.tick();
}

fn tell(driven: &mut Driven, news: News) {
    driven.collector.take(Message::Metadata(MetadataEvent { source: Source::default(), news }));
}

fn scan(driven: &mut Driven, host: &Path) {
    driven.collector.take(Message::Scope(resync(&host.join("sys/fs/cgroup"))));
}

fn id(digit: &str) -> ContainerId {
    ContainerId::new(&digit.repeat(64)).unwrap()
}

fn web(digit: &str) -> Metadata {
    Metadata { name: "web".to_owned(), state: Some(State::Running), ..Metadata::new(id(digit)) }
}

fn ticks(history: &History, at: usize, quantity: Quantity) -> Vec<Option<f32>> {
    history.containers[at].ticks(quantity).map(|value| (!value.is_nan()).then_some(value)).collect()
}

fn happened(history: &History) -> Vec<(&str, &Happening)> {
    history.events.iter().map(|event| (event.name.as_str(), &event.what)).collect()
}

#[test]
fn each_tick_is_kept_and_what_is_unknown_is_not_zero() {
    let host = empty_host();
    let directory = add_container(host.path(), &scope("a"));
    let mut driven = driven(host.path());
    for memory in ["78\n", "79\n"] {
        fs::write(directory.join("memory.current"), memory).unwrap();
        tick(&mut driven);
    }
    let found = history(&mut driven);
    assert_eq!((found.span, found.ticks.len(), found.containers.len()), (SPAN, 3, 1));
    assert!(found.ticks.is_sorted() && found.ticks[2] <= found.now, "{found:?}");
    // The first tick came with the first scan, while the container still waited for its name.
    assert_eq!(ticks(&found, 0, Quantity::Memory), [None, Some(78.0), Some(79.0)]);
    assert_eq!(ticks(&found, 0, Quantity::Cpu), [None, Some(0.0), Some(0.0)]);
    assert_eq!(ticks(&found, 0, Quantity::Throttled), [None; 3], "there is no quota");
    assert_eq!(ticks(&found, 0, Quantity::BlockRead), [None; 3], "there is no io.stat");
    assert_eq!(ticks(&found, 0, Quantity::Pids), [], "no tick reads it");
    let memory: Vec<_> =
        found.containers[0].steps(Quantity::Memory).filter(|step| !step.max.is_nan()).collect();
    assert!(memory.iter().any(|step| step.max > 78.5) && memory.len() <= 2, "{memory:?}");
    assert_eq!(found.steps.len(), found.containers[0].steps(Quantity::Pids).count());
}

#[test]
fn what_only_a_scrape_reads_is_known_where_one_has_read_it() {
    let host = empty_host();
    let directory = add_container(host.path(), &scope("a"));
    for (file, content) in [
        ("pids.current", "5\n"),
        ("memory.stat", "anon 1\ninactive_file 7\n"),
        ("cpu.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=1000\n"),
    ] {
        fs::write(directory.join(file), content).unwrap();
    }
    let mut driven = driven(host.path());
    let last = |driven: &mut Driven, quantity| {
        let found = history(driven);
        found.containers[0].steps(quantity).map(|step| step.max).last().unwrap()
    };
    tick(&mut driven);
    assert!(last(&mut driven, Quantity::Pids).is_nan());
    driven.page(Format::Text);
    assert!((last(&mut driven, Quantity::Pids) - 5.0).abs() < 0.1);
    assert!((last(&mut driven, Quantity::WorkingSet) - 70.0).abs() < 0.1);
    assert!(last(&mut driven, Quantity::CpuPressure).is_nan(), "a share needs two readings");
    until_passed(Instant::now(), Duration::from_millis(5));
    let waited = "some avg10=0.00 avg60=0.00 avg300=0.00 total=2000\n";
    fs::write(directory.join("cpu.pressure"), waited).unwrap();
    driven.page(Format::Text);
    let share = last(&mut driven, Quantity::CpuPressure);
    assert!(share > 0.0 && share < 0.5, "{share}");
}

#[test]
fn throttling_is_a_share_of_the_periods_and_a_hard_one_is_told_once() {
    let host = empty_host();
    let directory = add_container(host.path(), &scope("a"));
    let mut driven = driven(host.path());
    for (periods, throttled) in [(100, 50), (120, 50), (140, 65), (150, 75), (150, 75)] {
        let stat =
            format!("usage_usec 1000000\nnr_periods {periods}\nnr_throttled {throttled}\nthrottled_usec 9\n");
        fs::write(directory.join("cpu.stat"), stat).unwrap();
        tick(&mut driven);
    }
    let found = history(&mut driven);
    let throttled = ticks(&found, 0, Quantity::Throttled);
    assert_eq!(throttled, [None, None, Some(0.0), Some(0.75), Some(1.0), Some(0.0)]);
    let hard: Vec<_> =
        found.events.iter().filter(|event| matches!(event.what, Happening::Throttled(_))).collect();
    assert_eq!((hard.len(), &hard[0].what), (1, &Happening::Throttled(0.75)));
}

#[test]
fn a_container_that_ended_stays_in_the_history_and_not_on_the_page() {
    let host = empty_host();
    let directory = add_container(host.path(), &scope("a"));
    add_container(host.path(), &scope("b"));
    let mut driven = driven(host.path());
    tell(&mut driven, News::Connected);
    let other = Metadata { name: "other".to_owned(), ..web("b") };
    for told in [web("a"), other] {
        tell(&mut driven, News::Changed(told.into()));
    }
    tick(&mut driven);
    fs::remove_dir_all(&directory).unwrap();
    scan(&mut driven, host.path());
    tell(&mut driven, News::Removed(id("a")));
    tick(&mut driven);
    tick(&mut driven);
    assert!(!driven.page(Format::Text).contains("web"));
    let found = history(&mut driven);
    assert_eq!(found.containers.len(), 2);
    let gone = &found.containers[0];
    assert_eq!((gone.name(), gone.ended.is_some()), ("web", true));
    let memory = ticks(&found, 0, Quantity::Memory);
    assert_eq!(memory, [None, Some(77.0), None, None]);
    assert!(found.containers[1].ended.is_none());
    assert!(happened(&found).contains(&("web", &Happening::Removed)), "{:?}", happened(&found));
    // It is back under the same ID, as another run.
    add_container(host.path(), &scope("a"));
    scan(&mut driven, host.path());
    tell(&mut driven, News::Changed(web("a").into()));
    tick(&mut driven);
    let found = history(&mut driven);
    assert_eq!((found.containers.len(), found.containers[0].ended), (2, None));
    assert_eq!(ticks(&found, 0, Quantity::Memory)[4..], [Some(77.0)]);
    assert_eq!(ticks(&found, 0, Quantity::Cpu)[4..], [None], "a new window");
}

#[test]
fn ended_containers_run_out_and_are_bounded() {
    let host = empty_host();
    let mut driven = Driven::polling(host.path(), Selection::default(), INTERVAL, Duration::from_millis(300));
    for round in 0..6 {
        let names: Vec<_> =
            (0..100).map(|number| format!("docker-{:064x}.scope", round * 1000 + number)).collect();
        let directories: Vec<_> = names.iter().map(|name| add_container(host.path(), name)).collect();
        scan(&mut driven, host.path());
        tick(&mut driven);
        directories.iter().for_each(|directory| fs::remove_dir_all(directory).unwrap());
        scan(&mut driven, host.path());
        tick(&mut driven);
    }
    let found = history(&mut driven);
    assert!((1..=500).contains(&found.containers.len()), "{}", found.containers.len());
    assert!(found.events.len() <= 200);
    support::eventually("they run out", || {
        tick(&mut driven);
        history(&mut driven).containers.is_empty().then_some(())
    });
}

#[test]
fn what_docker_tells_becomes_events() {
    let host = empty_host();
    let mut driven = driven(host.path());
    tell(&mut driven, News::Connected);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    let created = Metadata { state: Some(State::Created), ..web("a") };
    let running = Metadata { started: Some(now + 1.0), health: Some(Health::Starting), ..web("a") };
    let healthy = Metadata { health: Some(Health::Healthy), ..running.clone() };
    let renamed = Metadata { name: "shop".to_owned(), ..healthy.clone() };
    let ended = Metadata {
        state: Some(State::Exited),
        exit_code: Some(137),
        finished: Some(now + 2.0),
        ..renamed.clone()
    };
    for told in [created, running, healthy, renamed] {
        tell(&mut driven, News::Changed(told.into()));
    }
    tell(&mut driven, News::Oom { id: id("a"), at: Some(now - 5.0) });
    tell(&mut driven, News::Changed(ended.into()));
    tell(&mut driven, News::Removed(id("a")));
    // A container that is excluded is no part of it.
    let excluded =
        Metadata { included: false, name: "secret".to_owned(), started: Some(now + 1.0), ..web("b") };
    tell(&mut driven, News::Changed(excluded.into()));
    tell(&mut driven, News::Removed(id("b")));
    let found = history(&mut driven);
    assert_eq!(
        happened(&found),
        [
            ("web", &Happening::Started),
            ("web", &Happening::Health(Health::Healthy)),
            ("shop", &Happening::Renamed("web".to_owned())),
            ("shop", &Happening::OomKilled(1)),
            ("shop", &Happening::Died(Some(137))),
            ("shop", &Happening::Removed),
        ]
    );
    assert!((found.events[0].at - now - 1.0).abs() < 0.01);
    assert!((found.events[3].at - now + 5.0).abs() < 0.01);
    assert!((found.events[4].at - now - 2.0).abs() < 0.01);
}

#[test]
fn kills_that_the_kernel_counts_are_told_once() {
    let host = empty_host();
    let directory = add_container(host.path(), &scope("a"));
    let kills = |count: u32| {
        fs::write(directory.join("memory.events"), format!("oom 1\noom_kill {count}\n")).unwrap()
    };
    kills(4);
    let mut driven = driven(host.path());
    tell(&mut driven, News::Connected);
    tell(&mut driven, News::Changed(web("a").into()));
    tick(&mut driven);
    driven.page(Format::Text);
    assert_eq!(happened(&history(&mut driven)), [], "they were there before");
    kills(6);
    driven.page(Format::Text);
    tell(&mut driven, News::Oom { id: id("a"), at: None });
    driven.page(Format::Text);
    assert_eq!(happened(&history(&mut driven)), [("web", &Happening::OomKilled(2))]);
}

#[test]
fn without_docker_the_cgroups_tell_of_starts_and_ends() {
    let host = empty_host();
    add_container(host.path(), &scope("a"));
    let mut driven = driven(host.path());
    tick(&mut driven);
    let directory = add_container(host.path(), &scope("b"));
    scan(&mut driven, host.path());
    tick(&mut driven);
    fs::remove_dir_all(&directory).unwrap();
    scan(&mut driven, host.path());
    tick(&mut driven);
    let found = history(&mut driven);
    let name = "bbbbbbbbbbbb";
    assert_eq!(happened(&found), [(name, &Happening::Started), (name, &Happening::Died(None))]);
}

#[test]
fn an_answer_is_built_once_per_tick_and_there_may_be_none() {
    let host = empty_host();
    add_container(host.path(), &scope("a"));
    let mut driven = driven(host.path());
    let (one, other) = (history(&mut driven), history(&mut driven));
    assert!(Arc::ptr_eq(&one, &other));
    tick(&mut driven);
    assert!(!Arc::ptr_eq(&one, &history(&mut driven)));
    let mut off = Driven::polling(host.path(), Selection::default(), INTERVAL, Duration::ZERO);
    tick(&mut off);
    let found = history(&mut off);
    assert_eq!((found.span, found.containers.len(), found.ticks.len()), (Duration::ZERO, 0, 0));
    let mut unpolled = Driven::new(host.path(), Selection::default());
    tick(&mut unpolled);
    assert!(history(&mut unpolled).span.is_zero());
}
