//! Full passes over a tree, for valgrind and strace.

use crate::ours::{config, no_docker};
use docker_stat_prom::{
    collector::{Collector, Handle, Message},
    discovery::{Scope, ScopeEvent, scan},
    encode::{Format, Text},
    sample::Roots,
    table::SelfMetrics,
};
use std::{path::Path, sync::mpsc, time::Duration};

/// During a container's first ten seconds its process is located again and again.
const SETTLING: Duration = Duration::from_secs(11);

pub(super) fn passes(count: usize, tree: &Path) {
    let roots = Roots { cgroup: tree.join("sys/fs/cgroup"), proc: tree.join("proc"), sys: tree.join("sys") };
    // As if inotify watched them: settings are read again only after a write, and there is none here.
    let scopes = scan(&roots.cgroup).into_iter().map(|scope| Scope { watched: true, ..scope }).collect();
    let (sender, _nobody_takes) = mpsc::channel();
    let (lookups, _nobody_looks_up) = tokio::sync::mpsc::unbounded_channel();
    let handle = Handle::new(sender, SelfMetrics::new().unwrap());
    let config = config(&roots, 10_000_000);
    let mut collector = Collector::new(config, handle.clone(), 1_000_000, lookups);
    collector.take(Message::Scope(ScopeEvent::Resync { scopes, unlisted: vec![] }));
    collector.take(no_docker());
    collector.read();
    std::thread::sleep(SETTLING);
    let mut text = Text::default();
    for _ in 0..count {
        collector.read();
        text = text.cleared();
        collector.render(Format::Text, &mut text);
    }
    let series = text
        .as_bytes()
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty() && line[0] != b'#')
        .count();
    let containers = handle.metrics().containers.with_label_values(&["discovered"]).get() as usize;
    // Each container also has two open directories: its cgroup's and that of a process.
    let files = handle.metrics().kept_fds.get() as usize - 2 * containers;
    println!(
        "{{\"containers\": {containers}, \"kept_files\": {files}, \"series\": {series}, \"bytes\": {}}}",
        text.len()
    );
}
