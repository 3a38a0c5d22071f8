//! What a pass of the collector allocates: nothing for containers that it knows, from the read to the last
//! byte that is rendered.
#![allow(clippy::unwrap_used, missing_docs, unsafe_code, reason = "tests; an allocator is unsafe code")]

mod support;

use docker_stat_prom::{
    collector::{Feed, Message as Ask, View, Visitor},
    encode::{Format, Message, Readings, Requests, Text},
    table::Selection,
};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use support::{
    host::{Driven, copy_of},
    value,
};
use tokio::sync::oneshot;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// The one place with unsafe code, in a test: counting what the allocator is asked for takes being it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often this thread asks for memory.
fn allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

/// A host whose files are all in order: a failure is worth an allocation for its message.
fn host() -> tempfile::TempDir {
    let host = copy_of("debian13-docker26.1-linux6.12");
    let root = host.path().join("sys/fs/cgroup");
    for (file, text) in [
        ("cpu.stat", "usage_usec 9\nuser_usec 6\nsystem_usec 3\n"),
        ("memory.stat", "anon 1000\nfile 3000\nfile_mapped 200\ninactive_file 500\n"),
        ("io.stat", "254:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n"),
        ("memory.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=1\n"),
    ] {
        fs::write(root.join(file), text).unwrap();
    }
    // A container with cgroups of its own has their directories listed, which takes names on the heap.
    for scope in scopes(host.path()) {
        for entry in fs::read_dir(&scope).unwrap().map(Result::unwrap) {
            if entry.path().is_dir() {
                fs::remove_dir_all(entry.path()).unwrap();
                fs::write(scope.join("cgroup.stat"), "nr_descendants 0\nnr_dying_descendants 0\n").unwrap();
            }
        }
    }
    host
}

fn scopes(host: &Path) -> Vec<PathBuf> {
    let root = host.join("sys/fs/cgroup");
    let scopes = docker_stat_prom::discovery::scan(&root);
    scopes.into_iter().map(|scope| scope.cgroup.directory(&root)).collect()
}

const PASSES: u32 = 200;

/// Fails if passes allocate. Processes of new containers are looked for again every 250 ms, some in one pass
/// and some in the next, and that may.
fn allocates_nothing(mut pass: impl FnMut()) {
    for _ in 0..2 {
        pass();
    }
    let begin = Instant::now();
    let counts: Vec<_> = (0..PASSES).map(|_| allocations(&mut pass)).collect();
    let looked_again = 2 * (begin.elapsed().as_millis() / 250 + 1);
    let allocating = counts.iter().filter(|count| **count > 0).count();
    assert!(u128::try_from(allocating).unwrap() <= looked_again, "{allocating} of {PASSES}: {counts:?}");
}

#[test]
fn reading_and_rendering_known_containers_allocates_nothing() {
    let host = host();
    let mut driven = Driven::new(host.path(), Selection::default());
    let mut text = Text::default();
    allocates_nothing(|| {
        text = std::mem::take(&mut text).cleared();
        driven.collector.read();
        for format in [Format::Text, Format::OpenMetrics] {
            driven.collector.render(format, &mut text);
        }
    });
    assert!(text.len() > 200_000);
    let page = driven.page(Format::Text);
    assert_eq!(value(&page, "docker_stat_prom_containers", &["discovered"]), Some(12.0));
    assert_eq!(value(&page, "docker_stat_prom_up", &[]), Some(1.0));
    assert!(page.contains("container_fs_reads_total{id=\"/\",device="), "the host is read too");
}

#[test]
fn the_polling_tick_allocates_nothing() {
    let host = host();
    let mut driven = Driven::new(host.path(), Selection::default());
    allocates_nothing(|| driven.collector.tick());
    assert!(driven.page(Format::Text).contains("container_cpu_usage_ratios{"));
}

/// A collector that serves peaks and keeps a history.
fn polling(host: &Path) -> Driven {
    let (interval, history) = (Duration::from_micros(1), Duration::from_secs(600));
    Driven::polling(host, Selection::default(), interval, history)
}

#[test]
fn neither_peaks_nor_a_history_allocate() {
    let host = host();
    let mut driven = polling(host.path());
    allocates_nothing(|| driven.collector.tick());
    allocates_nothing(|| {
        driven.collector.tick();
        driven.collector.read();
    });
    let page = driven.page(Format::Text);
    assert!(page.contains("container_cpu_usage_ratios_peak{"));
    let (reply, mut answer) = oneshot::channel();
    driven.collector.take(Ask::History(reply));
    let history = answer.try_recv().unwrap();
    assert_eq!((history.containers.len(), history.ticks.len()), (12, 301));
}

#[test]
fn what_a_scrape_allocates_does_not_depend_on_the_containers() {
    let (many, one) = (host(), host());
    for scope in scopes(one.path()).iter().skip(1) {
        fs::remove_dir_all(scope).unwrap();
    }
    let least = |host: &Path| {
        let mut driven = Driven::new(host, Selection::default());
        (0..20).map(|_| allocations(|| drop(driven.answered(Format::Text)))).min().unwrap()
    };
    let (many, one) = (least(many.path()), least(one.path()));
    // Its own series are gathered, in an order that differs from run to run, and so does how often their
    // buffer grows. A single allocation per container would make eleven.
    assert!(one > 10 && many.abs_diff(one) < 5, "{many} for all, {one} for one");
}

#[test]
fn a_tick_that_nobody_hears_makes_nothing() {
    let host = host();
    let mut driven = Driven::new(host.path(), Selection::default());
    let (reply, mut answer) = oneshot::channel();
    driven.collector.take(Ask::Subscribe(reply));
    let ticks = answer.try_recv().unwrap().unwrap();
    driven.collector.tick();
    // It has not taken that one, and is told no more.
    allocates_nothing(|| driven.collector.tick());
    drop(ticks);
    allocates_nothing(|| driven.collector.tick());
}

/// Regroups a pass by container, as push does.
struct Taken(Readings);

impl Visitor for Taken {
    fn visit(&mut self, view: &View<'_>) {
        self.0.take(view.page.now, 1.0, |sink| view.feed(sink));
    }
}

#[test]
fn what_a_push_allocates_does_not_depend_on_the_samples() {
    let host = host();
    let least = |metrics: &str| {
        let mut driven = Driven::new(host.path(), Selection::parse(metrics).unwrap());
        let mut all = [Message::V1, Message::V2].map(|message| Requests::new(message, vec![], 100_000));
        let mut taken = Taken(Readings::new());
        let mut samples = 0;
        let counts = (0..20).map(|_| {
            let (feed, mut answer) = Feed::new(std::mem::replace(&mut taken, Taken(Readings::new())));
            driven.collector.take(Ask::Feed(feed));
            driven.collector.answer();
            taken = answer.try_recv().unwrap();
            let mut write = |requests: &mut Requests| {
                requests.write(&taken.0, &[], None, &mut |_, written| samples = written);
            };
            allocations(|| all.iter_mut().for_each(&mut write))
        });
        (counts.min().unwrap(), samples)
    };
    let ((all, samples), (few, fewer_samples)) = (least("-lifecycle"), least("cadvisor,-lifecycle"));
    assert!(samples > fewer_samples + 200, "{samples}, {fewer_samples}");
    assert_eq!(all, few, "for {samples} and {fewer_samples} samples");
    // A few for each container and each message.
    assert!(all < 12 * 2 * 8, "{all}");
}
