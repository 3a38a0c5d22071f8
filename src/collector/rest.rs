//! When the polling tick rests: nobody has asked for anything for a while.

use std::time::{Duration, Instant};

/// Without a scrape, a push or a viewer for so long, the tick rests.
const PATIENCE: Duration = Duration::from_secs(5 * 60);
/// Who asks less often than this gets no rates.
const RAREST: Duration = Duration::from_secs(30 * 60);

/// Whether the polling tick rests, and since when nobody has asked.
#[derive(Debug)]
pub(super) struct Rest {
    asked: Instant,
    patience: Duration,
    is_resting: bool,
}

impl Rest {
    /// The start counts as a question: the first scrape is to find rates.
    pub(super) fn new(now: Instant) -> Self {
        Self { asked: now, patience: PATIENCE, is_resting: false }
    }

    /// Somebody asks for something. `true` if that ends the rest.
    pub(super) fn asked(&mut self, now: Instant) -> bool {
        let gap = now.saturating_duration_since(std::mem::replace(&mut self.asked, now));
        // Who asks every ten minutes would otherwise find it resting each time, and never see a rate.
        self.patience = if gap <= RAREST { PATIENCE.max(gap * 2) } else { PATIENCE };
        std::mem::take(&mut self.is_resting)
    }

    /// Begins to rest if nobody has asked for long enough. `true` if it begins now.
    pub(super) fn begins(&mut self, now: Instant) -> bool {
        let is_due = now.saturating_duration_since(self.asked) >= self.patience;
        is_due && !std::mem::replace(&mut self.is_resting, true)
    }

    /// Whether the tick rests.
    pub(super) fn is_on(&self) -> bool {
        self.is_resting
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        collector::{Collector, Config, Handle, History, Message},
        discovery::{ScopeEvent, resync},
        encode::Format,
        metadata::{Filter, MetadataEvent, News, Source},
        model::Rates,
        sample::{Interfaces, Roots},
        table::{Selection, SelfMetrics},
    };
    use std::{
        path::Path,
        sync::{Arc, mpsc::channel},
    };

    const MINUTE: Duration = Duration::from_secs(60);

    fn host() -> (tempfile::TempDir, std::path::PathBuf) {
        let host = tempfile::tempdir().unwrap();
        let directory = host.path().join("docker").join("a".repeat(64));
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("cpu.stat"), "usage_usec 1\n").unwrap();
        std::fs::write(directory.join("memory.current"), "5\n").unwrap();
        (host, directory)
    }

    /// A collector that polls and keeps a history, and knows the container.
    fn collector(host: &Path) -> Collector {
        let config = Config {
            roots: Roots { cgroup: host.into(), proc: host.join("proc"), sys: host.join("sys") },
            selection: Selection::default(),
            filter: Filter::default(),
            polling_interval: Some(Duration::from_millis(1)),
            peak_window: MINUTE,
            history: MINUTE * 10,
            created_lines: false,
            fd_budget: 100,
            interfaces: Interfaces::default(),
            show_unnamed: true,
        };
        let (sender, _nobody_takes) = channel();
        let (lookups, _nobody_looks_up) = tokio::sync::mpsc::unbounded_channel();
        let handle = Handle::new(sender, SelfMetrics::new().unwrap());
        let mut collector = Collector::new(config, handle, 1024, lookups);
        let news = News::Disconnected;
        collector.take(Message::Metadata(MetadataEvent { source: Source::default(), news }));
        collector.take(Message::Scope(resync(host)));
        collector
    }

    fn page(collector: &mut Collector) -> String {
        let (reply, mut answer) = tokio::sync::oneshot::channel();
        collector.take(Message::Scrape(Format::Text, reply));
        collector.answer();
        String::from_utf8(answer.try_recv().unwrap().text().to_vec()).unwrap()
    }

    fn history(collector: &mut Collector) -> Arc<History> {
        let (reply, mut answer) = tokio::sync::oneshot::channel();
        collector.take(Message::History(reply));
        answer.try_recv().unwrap()
    }

    /// Ticks whose windows are long enough to count.
    fn tick(collector: &mut Collector) {
        std::thread::sleep(Duration::from_millis(2));
        collector.tick();
    }

    /// As if nobody had asked for so long.
    fn ask_nothing(collector: &mut Collector, time: Duration) {
        // A machine that has just been started has no such moment.
        let Some(then) = Instant::now().checked_sub(time) else { return };
        collector.rest = Rest::new(then);
        collector.rest_if_due();
        assert!(collector.rest.is_on());
    }

    #[test]
    fn a_page_after_the_rest_has_no_rate_and_no_peak_until_the_second_tick() {
        let (host, _) = host();
        let mut collector = collector(host.path());
        tick(&mut collector);
        let has = |page: &str| {
            [
                "container_cpu_usage_ratios{",
                "container_cpu_usage_ratios_peak{",
                "container_memory_usage_bytes_peak{",
            ]
            .map(|name| page.contains(name))
        };
        // The names are right: it has them before the rest.
        assert_eq!(has(&page(&mut collector)), [true; 3]);
        collector.rest_if_due();
        assert!(collector.polling().is_some(), "somebody has just asked");
        ask_nothing(&mut collector, MINUTE * 6);
        assert_eq!(collector.polling(), None);
        assert!(collector.containers.all().all(|container| container.rates == Rates::default()));
        let first = page(&mut collector);
        assert_eq!(has(&first), [false; 3]);
        assert!(first.contains("container_memory_usage_bytes{"), "all the rest is there");
        assert!(collector.polling().is_some());
        tick(&mut collector);
        assert_eq!(has(&page(&mut collector)), [true; 3]);
    }

    #[test]
    fn what_a_viewer_was_told_is_not_the_present_after_the_viewer_has_gone() {
        let (host, directory) = host();
        let mut collector = collector(host.path());
        collector.config.selection = Selection::default().without_polled();
        let (reply, mut answer) = tokio::sync::oneshot::channel();
        collector.take(Message::Subscribe(reply));
        let viewer = answer.try_recv().unwrap().unwrap();
        std::fs::write(directory.join("cpu.stat"), "usage_usec 2\n").unwrap();
        tick(&mut collector);
        collector.rest_if_due();
        let ratios = |collector: &Collector| {
            collector.containers.all().map(|container| container.rates.cpu_ratio).collect::<Vec<_>>()
        };
        assert!(ratios(&collector)[0].is_some());
        drop(viewer);
        // Somebody scrapes, so it never rests.
        page(&mut collector);
        collector.rest_if_due();
        assert_eq!((collector.polling(), collector.rest.is_on()), (None, false));
        assert_eq!(ratios(&collector), [None]);
        // Who ends now has not ended when the next viewer comes.
        std::fs::remove_dir_all(&directory).unwrap();
        collector.take(Message::Scope(ScopeEvent::Resync { scopes: vec![], unlisted: vec![] }));
        let before = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        std::thread::sleep(Duration::from_millis(200));
        let ended = history(&mut collector).containers[0].ended.unwrap();
        assert!((ended - before.as_secs_f64()).abs() < 0.1, "{ended} {before:?}");
    }

    #[test]
    fn who_ended_during_the_rest_did_not_end_when_somebody_asked() {
        let (host, directory) = host();
        let mut collector = collector(host.path());
        page(&mut collector);
        tick(&mut collector);
        ask_nothing(&mut collector, MINUTE * 6);
        std::fs::remove_dir_all(&directory).unwrap();
        let nothing = || ScopeEvent::Resync { scopes: vec![], unlisted: vec![] };
        collector.take(Message::Scope(nothing()));
        let before = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        std::thread::sleep(Duration::from_millis(200));
        let history = history(&mut collector);
        assert!(collector.polling().is_some(), "who asks for the history wants to see more");
        let ended = history.containers[0].ended.unwrap();
        assert!((ended - before.as_secs_f64()).abs() < 0.1, "{ended} {before:?}");
        assert!(collector.polling().is_some());
        // What comes during a rest is seen too.
        ask_nothing(&mut collector, MINUTE * 6);
        collector.take(Message::Scope(nothing()));
        assert_eq!(collector.polling(), None, "a container that comes or goes asks for nothing");
    }

    #[test]
    fn it_rests_after_five_minutes_and_until_somebody_asks() {
        let start = Instant::now();
        let mut rest = Rest::new(start);
        assert!(!rest.begins(start + MINUTE * 4) && !rest.is_on());
        assert!(!rest.asked(start + MINUTE * 4));
        assert!(!rest.begins(start + MINUTE * 8));
        assert!(rest.begins(start + MINUTE * 12));
        assert!(rest.is_on() && !rest.begins(start + MINUTE * 13), "it begins once");
        assert!(rest.asked(start + MINUTE * 60) && !rest.is_on());
        assert!(!rest.asked(start + MINUTE * 60));
    }

    #[test]
    fn who_asks_regularly_but_rarely_finds_it_awake_from_the_third_time_on() {
        for every in [6, 10, 30] {
            let start = Instant::now();
            let mut rest = Rest::new(start);
            let mut ended = Vec::new();
            for minute in 1..=every * 5 {
                let now = start + MINUTE * minute;
                rest.begins(now);
                if minute % every == 0 {
                    ended.push(rest.asked(now));
                }
            }
            assert_eq!(ended, [true, false, false, false, false], "{every}");
        }
        let start = Instant::now();
        let mut rest = Rest::new(start);
        for hour in 1..5 {
            assert!(rest.begins(start + MINUTE * (60 * hour - 1)), "polling for so few is a waste");
            assert!(rest.asked(start + MINUTE * 60 * hour));
        }
    }
}
