//! The peaks: the highest polling windows of the last while.
//!
//! The ten minutes with a container that burns a CPU for 3 s every 40 s, as in the issue:
//!
//! ```sh
//! BURSTS_MINUTES=10 cargo test --locked --test bursts -- a_burst --nocapture
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    reason = "tests; the long one is watched"
)]

mod support;

use docker_stat_prom::{collector::Message, discovery::resync, encode::Format, table::Selection};
use std::{
    collections::VecDeque,
    fs,
    path::Path,
    time::{Duration, Instant},
};
use support::{
    cgroups::LiveCgroups,
    exporter::{self, Exporter, NO_DOCKER},
    host::{Driven, add_container, empty_host, scope},
    until_passed, value,
};

const CPU: &str = "container_cpu_usage_ratios_peak";
const MEMORY: &str = "container_memory_usage_bytes_peak";
const WRITTEN: &str = "container_blkio_transmit_byteps_peak";
/// The windows of the driven collectors. A window that is shorter than half of it does not count.
const INTERVAL: Duration = Duration::from_millis(20);

fn driven(host: &Path, metrics: &str) -> Driven {
    Driven::polling(host, Selection::parse(metrics).unwrap(), INTERVAL, Duration::ZERO)
}

/// One window, and the page after it.
fn window(driven: &mut Driven) -> String {
    until_passed(Instant::now(), INTERVAL);
    driven.collector.tick();
    driven.page(Format::Text)
}

fn scan(driven: &mut Driven, host: &Path) {
    driven.collector.take(Message::Scope(resync(&host.join("sys/fs/cgroup"))));
}

fn use_cpu(scope: &Path, usec: u64) {
    fs::write(scope.join("cpu.stat"), format!("usage_usec {usec}\n")).unwrap();
}

fn wrote(scope: &Path, bytes: u64) {
    fs::write(scope.join("io.stat"), format!("8:0 rbytes=0 wbytes={bytes} rios=0 wios=0 dbytes=0 dios=0\n"))
        .unwrap();
}

fn peaks(page: &str) -> Vec<&str> {
    page.lines().filter(|line| line.starts_with("container_") && line.contains("_peak{")).collect()
}

/// The six families, without those of the kernel that have a similar name.
fn ours(page: &str) -> usize {
    peaks(page).iter().filter(|line| !line.starts_with("container_pids_peak")).count()
}

#[test]
fn a_burst_stays_on_the_page_after_its_window() {
    let host = empty_host();
    let scope = add_container(host.path(), &scope("a"));
    wrote(&scope, 1000);
    let mut driven = driven(host.path(), "core,v2");
    // The first tick came with the first scan, and there is no window yet.
    assert_eq!(ours(&driven.page(Format::Text)), 0);
    let page = window(&mut driven);
    assert_eq!((value(&page, CPU, &[]), value(&page, MEMORY, &[])), (Some(0.0), Some(77.0)));
    assert_eq!(value(&page, WRITTEN, &[]), Some(0.0));
    use_cpu(&scope, 1_010_000);
    wrote(&scope, 50_000);
    fs::write(scope.join("memory.current"), "5000\n").unwrap();
    let page = window(&mut driven);
    let (cpu, written) = (value(&page, CPU, &[]).unwrap(), value(&page, WRITTEN, &[]).unwrap());
    let now = value(&page, "container_cpu_usage_ratios", &[]).unwrap();
    assert!(cpu > 0.0 && cpu <= now && written > 0.0, "{cpu} {now} {written}");
    fs::write(scope.join("memory.current"), "70\n").unwrap();
    for _ in 0..3 {
        let page = window(&mut driven);
        assert_eq!(value(&page, "container_cpu_usage_ratios", &[]), Some(0.0));
        assert_eq!((value(&page, CPU, &[]), value(&page, WRITTEN, &[])), (Some(cpu), Some(written)));
        assert_eq!(
            (value(&page, MEMORY, &[]), value(&page, "container_memory_usage_bytes", &[])),
            (Some(5000.0), Some(70.0))
        );
    }
    assert_eq!(value(&page, MEMORY, &[]), Some(5000.0));
}

#[test]
fn a_page_never_shows_more_memory_than_its_peak() {
    let host = empty_host();
    let scope = add_container(host.path(), &scope("a"));
    let mut driven = driven(host.path(), "core,v2");
    window(&mut driven);
    fs::write(scope.join("memory.current"), "9000\n").unwrap();
    assert_eq!(value(&driven.page(Format::Text), MEMORY, &[]), Some(9000.0));
    fs::write(scope.join("memory.current"), "9\n").unwrap();
    assert_eq!(value(&driven.page(Format::Text), MEMORY, &[]), Some(9000.0));
}

#[test]
fn a_new_run_begins_without_peaks() {
    let host = empty_host();
    let name = scope("a");
    let directory = add_container(host.path(), &name);
    let mut driven = driven(host.path(), "core,v2");
    use_cpu(&directory, 1_010_000);
    assert!(value(&window(&mut driven), CPU, &[]).unwrap() > 0.0);
    // The same ID with another inode, whose counters are far higher or far lower.
    for usage in [900_000_000, 5] {
        let old = host.path().join(format!("old{usage}"));
        fs::rename(&directory, &old).unwrap();
        scan(&mut driven, host.path());
        let page = window(&mut driven);
        assert!(peaks(&page).is_empty(), "it ended: {page}");
        add_container(host.path(), &name);
        use_cpu(&directory, usage);
        scan(&mut driven, host.path());
        driven.collector.tick();
        assert_eq!(ours(&driven.page(Format::Text)), 0);
        assert_eq!(value(&window(&mut driven), CPU, &[]), Some(0.0));
    }
}

#[test]
fn a_torn_row_makes_no_peak() {
    let host = empty_host();
    let scope = add_container(host.path(), &scope("a"));
    wrote(&scope, 1_000_000_000);
    let mut driven = driven(host.path(), "core,v2");
    assert_eq!(value(&window(&mut driven), WRITTEN, &[]), Some(0.0));
    for torn in [
        "8:0 rbytes=0 wbytes=1000\n",
        "8:0 rbytes=0 wbytes=1000 rios=0 wios=0 dbytes=0 dios=0\n",
        "8:0 rbytes=0 wby",
        "",
    ] {
        fs::write(scope.join("io.stat"), torn).unwrap();
        window(&mut driven);
        wrote(&scope, 1_000_000_000);
        window(&mut driven);
        assert_eq!(value(&window(&mut driven), WRITTEN, &[]), Some(0.0), "{torn}");
    }
    fs::write(scope.join("cpu.stat"), "usage_usec 10\n").unwrap();
    window(&mut driven);
    use_cpu(&scope, 1_000_000);
    window(&mut driven);
    assert_eq!(value(&window(&mut driven), CPU, &[]), Some(0.0));
}

#[test]
fn who_does_not_ask_for_peaks_gets_none_and_pays_nothing() {
    let host = empty_host();
    let directory = add_container(host.path(), &scope("a"));
    for metrics in ["core", "-peaks", "core,cadvisor", "core,lifecycle"] {
        let mut driven = driven(host.path(), metrics);
        window(&mut driven);
        assert_eq!(ours(&window(&mut driven)), 0, "{metrics}");
    }
    let mut driven = driven(host.path(), "core,+peaks");
    assert!(value(&window(&mut driven), CPU, &[]).is_some());
    // There are no windows but those that somebody asks for.
    let mut unpolled = Driven::new(host.path(), Selection::default());
    unpolled.collector.tick();
    assert_eq!(ours(&window(&mut unpolled)), 0);
    // A file that only a peak would read is not read.
    fs::write(directory.join("memory.current"), "nonsense").unwrap();
    let mut without =
        Driven::polling(host.path(), Selection::parse("-peaks").unwrap(), INTERVAL, Duration::ZERO);
    without.collector.tick();
    let failures = |driven: &Driven| driven.handle.metrics().read_failures.clone();
    let count = |driven: &Driven| failures(driven).with_label_values(&["memory.current", "parse"]).get();
    assert!(count(&without) < 0.5, "{}", count(&without));
}

/// What a test with real bursts does.
struct Bursts {
    interval: Duration,
    busy: Duration,
    idle: Duration,
    scrape: Duration,
    time: Duration,
}

/// What was seen of them.
#[derive(Debug)]
struct Found {
    /// The least peak that any scrape after the first burst has shown
    peak: f64,
    /// The highest mean between two scrapes, which `rate()` shows
    rate: f64,
    /// The least that the peak must be
    given: f64,
}

fn found(bursts: &Bursts) -> Option<Found> {
    let mut cgroups = LiveCgroups::new("bursts")?;
    let (busy, idle) = (bursts.busy.as_secs_f64(), bursts.idle.as_secs_f64());
    // Other programs must not take its CPU away, if this user may say so.
    let first = "echo -20 >/proc/self/autogroup; renice -n -20 -p \\$\\$";
    let burst = format!("timeout {busy} sh -c 'while :; do :; done'");
    let work = format!("({first}) >/dev/null 2>&1; while :; do {burst}; sleep {idle}; done");
    let cgroup = cgroups.container_with(&scope("9"), &format!("exec setsid -w sh -c \"{work}\""));
    let mut command = exporter::command();
    command.args(NO_DOCKER).arg("--cgroup_root").arg(cgroups.root());
    command.args(["-i", &bursts.interval.as_millis().to_string()]);
    let exporter = Exporter::ready(&mut command);
    let found = std::thread::scope(|threads| {
        let watch = threads.spawn(|| share_of_bursts(&cgroup, bursts));
        let begin = Instant::now();
        let (mut peak, mut rate, mut last) = (f64::INFINITY, 0.0_f64, None);
        while begin.elapsed() < bursts.time {
            // The time between two scrapes is what is tested.
            until_passed(Instant::now(), bursts.scrape);
            let (page, at) = (exporter.metrics(), Instant::now());
            let shown = |name| value(&page, name, &[]);
            let used = shown("container_cpu_usage_seconds_total").unwrap();
            if let Some((then, before)) = last.replace((at, used)) {
                rate = rate.max((used - before) / (at - then).as_secs_f64());
            }
            if begin.elapsed() < bursts.idle + 2 * bursts.busy {
                continue;
            }
            let (highest, window) = (shown(CPU).unwrap(), shown("container_cpu_usage_ratios").unwrap());
            let seconds = begin.elapsed().as_secs_f64();
            println!("{seconds:6.1} s  peak {highest:.3}  last window {window:.3}  highest rate {rate:.3}");
            peak = peak.min(highest);
        }
        Found { peak, rate, given: watch.join().unwrap() }
    });
    Some(found)
}

/// What the kernel gave to the bursts, as the least share of a CPU over two intervals in the middle of each.
/// In one of these two, it was less by at most the same part.
fn share_of_bursts(cgroup: &Path, bursts: &Bursts) -> f64 {
    let usage = || -> f64 {
        let stat = fs::read_to_string(cgroup.join("cpu.stat")).unwrap();
        stat.lines().find_map(|line| line.strip_prefix("usage_usec ")).unwrap().parse().unwrap()
    };
    let begin = Instant::now();
    let (mut points, mut best, mut least) = (VecDeque::from([(begin, usage())]), 0.0_f64, 1.0_f64);
    while begin.elapsed() < bursts.time {
        until_passed(Instant::now(), bursts.interval / 20);
        let (now, used) = (Instant::now(), usage());
        points.push_back((now, used));
        while points.len() > 2 && now - points[1].0 >= 2 * bursts.interval {
            points.pop_front();
        }
        let share = (used - points[0].1) / (now - points[0].0).as_secs_f64() / 1e6;
        if now - points[0].0 >= 2 * bursts.interval {
            best = best.max(share);
        }
        if share < 0.1 && best > 0.3 {
            // The burst is over.
            least = least.min(best);
            best = 0.0;
        }
    }
    1.0 - 2.0 * (1.0 - least)
}

#[test]
fn a_burst_of_two_intervals_or_more_is_seen_by_every_scrape() {
    let seconds = Duration::from_secs;
    let minutes = std::env::var("BURSTS_MINUTES").ok().and_then(|minutes| minutes.parse::<u64>().ok());
    let bursts = match minutes {
        Some(minutes) => Bursts {
            interval: seconds(1),
            busy: seconds(3),
            idle: seconds(37),
            scrape: seconds(15),
            time: seconds(60 * minutes),
        },
        None => Bursts {
            interval: Duration::from_millis(200),
            busy: Duration::from_millis(500),
            idle: seconds(2),
            scrape: Duration::from_millis(700),
            time: seconds(9),
        },
    };
    // This program may be kept from polling by others for longer than a short burst lasts. Not three times.
    for attempt in 1.. {
        let Some(found) = found(&bursts) else { return };
        println!("{found:?}");
        if attempt < 3 && minutes.is_none() && found.peak < found.given - 0.03 {
            continue;
        }
        assert!(found.peak >= found.given - 0.03, "{found:?}");
        assert!(minutes.is_none() || found.rate < 0.35, "{found:?}");
        return;
    }
}
