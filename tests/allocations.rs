//! The second pass over a host allocates nothing, from the read to the last byte of the page.
#![allow(clippy::unwrap_used, missing_docs, unsafe_code, reason = "tests; an allocator is unsafe code")]

mod support;

use docker_stat_prom::{
    exposition::{Format, LabelBlock, Page, Selection, Shown, Text, render},
    model::Container,
    parse::ContainerId,
    sample::{DeviceNames, FileSet, Keep, KernelFile, Machine, NetReader, Pass, ScopeReader},
};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

const ALL: Keep = Keep { directory: true, files: KernelFile::COUNT };

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// The one place with unsafe code, in a test: counting what the allocator is asked for takes being it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Scope {
    reader: ScopeReader,
    network: NetReader,
    container: Container,
    labels: LabelBlock,
}

fn scopes(host: &Path) -> Vec<Scope> {
    let cgroup_root = host.join("sys/fs/cgroup");
    docker_stat_prom::discovery::scan(&cgroup_root)
        .into_iter()
        .map(|scope| {
            let mut reader =
                ScopeReader::open(&cgroup_root.join(scope.cgroup.trim_start_matches('/'))).unwrap();
            let mut network = NetReader::new(&host.join("proc"));
            let mut pass = Pass::default();
            let pids = reader.pids(&mut pass.scratch, &mut pass.report);
            let id: ContainerId = scope.id;
            let _some_have_none = network.locate(&id, &pids, None, &mut Pass::default());
            let container = Container::new(id, scope.cgroup);
            let labels = LabelBlock::new(&container, false);
            Scope { reader, network, container, labels }
        })
        .collect()
}

fn pass(scopes: &mut [Scope], pass: &mut Pass, machine: &Machine, selection: &Selection, text: &mut Text) {
    for scope in scopes.iter_mut() {
        let Scope { reader, network, container, .. } = scope;
        assert!(reader.sample(selection.files(), ALL, pass, &mut container.sample));
        network.read(&container.id, pass, &mut container.sample.net);
    }
    *text = std::mem::take(text).cleared();
    let page = Page { devices: &pass.devices, machine, now: 0.0 };
    let rows = scopes.iter().map(|scope| Shown {
        container: &scope.container,
        labels: &scope.labels,
        is_live: true,
    });
    for format in [Format::Text, Format::OpenMetrics] {
        render(selection, format, rows.clone(), &page, text);
    }
}

#[test]
fn the_second_pass_allocates_nothing() {
    // A host whose files are all in order: a failure is worth an allocation for its message.
    let host = support::fixture("debian13-docker26.1-linux6.12");
    let mut scopes = scopes(&host);
    // The one with cgroups of its own lists their directories, which takes names on the heap.
    scopes.retain(|scope| {
        !std::fs::read_dir(scope.reader.path()).unwrap().any(|entry| entry.unwrap().path().is_dir())
    });
    assert_eq!(scopes.len(), 11);
    let machine = Machine::read(&host.join("proc"));
    let selection = Selection::default();
    let mut state = Pass { devices: DeviceNames::new(&host.join("sys")), ..Pass::default() };
    let mut text = Text::default();
    pass(&mut scopes, &mut state, &machine, &selection, &mut text);
    let first = text.as_bytes().to_vec();
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    pass(&mut scopes, &mut state, &machine, &selection, &mut text);
    let after = ALLOCATIONS.load(Ordering::Relaxed);
    assert_eq!(after - before, 0);
    assert_eq!(text.as_bytes(), first);
    assert!(text.len() > 200_000 && !FileSet::RATES.is_empty());
}
