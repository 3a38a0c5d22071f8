//! What the kernel tells of: files that are not read until they have changed, and network namespaces that are
//! kept open until their container ends. On live cgroups.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "tests")]

mod support;

use docker_stat_prom::{
    parse::ContainerId,
    sample::{FileSet, KernelFile, NetReader, NetTable, Netns, Pass, ScopeReader, ScopeSample},
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};
use support::{
    cgroups::LiveCgroups,
    eventually,
    exporter::{self, Exporter},
    host::{ALL, no_docker, scope},
    skip, throughout, until_passed, value,
};

/// A cgroup that is read through kept descriptors.
struct Kept {
    reader: ScopeReader,
    pass: Pass,
    sample: ScopeSample,
}

impl Kept {
    fn new(directory: &Path) -> Self {
        let reader = ScopeReader::open(directory).unwrap();
        let mut kept = Self { reader, pass: Pass::default(), sample: ScopeSample::default() };
        // The first reading opens the files, and what it may have missed is told of.
        kept.read();
        kept.read();
        kept
    }

    fn read(&mut self) -> &ScopeSample {
        self.pass.changes.collect();
        assert!(self.reader.sample(FileSet::TELLING, ALL, &mut self.pass, &mut self.sample));
        assert!(self.pass.report.failures.is_empty());
        &self.sample
    }

    fn event(&mut self, file: KernelFile, key: &str) -> u64 {
        let sample = self.read();
        let events = if file == KernelFile::PidsEvents { &sample.pids_events } else { &sample.memory_events };
        events.as_ref().unwrap().get(key).unwrap()
    }
}

fn write(directory: &Path, file: &str, text: &str) -> bool {
    fs::write(directory.join(file), text).is_ok()
}

#[test]
fn each_freeze_and_the_end_are_seen_although_the_file_is_not_read_in_between() {
    let test = "each_freeze_and_the_end_are_seen_although_the_file_is_not_read_in_between";
    let Some(mut cgroups) = LiveCgroups::new(test) else { return };
    let directory = cgroups.container_with(&scope("a"), "exec sleep 600");
    let mut kept = Kept::new(&directory);
    assert!(kept.reader.tells_of(KernelFile::CgroupEvents));
    assert_eq!((kept.sample.frozen, kept.sample.populated), (Some(0), Some(1)));
    // Only a file that is not read leaves what is not true.
    kept.sample.frozen = Some(7);
    throughout(Duration::from_millis(100), || assert_eq!(kept.read().frozen, Some(7)));
    for round in 0..20 {
        let wanted = (round + 1) % 2;
        assert!(write(&directory, "cgroup.freeze", &wanted.to_string()));
        eventually("it is told of", || (kept.read().frozen == Some(wanted)).then_some(()));
    }
    // The slow round reads it in any case.
    kept.sample.frozen = Some(7);
    kept.pass.recheck_absent = true;
    assert_eq!(kept.read().frozen, Some(0));
    kept.pass.recheck_absent = false;
    cgroups.kill();
    eventually("the end is told of", || (kept.read().populated == Some(0)).then_some(()));
}

#[test]
fn a_file_that_is_closed_for_lack_of_descriptors_is_read_each_time() {
    let test = "a_file_that_is_closed_for_lack_of_descriptors_is_read_each_time";
    let Some(mut cgroups) = LiveCgroups::new(test) else { return };
    let directory = cgroups.container_with(&scope("a"), "exec sleep 600");
    let mut kept = Kept::new(&directory);
    let few = docker_stat_prom::sample::Keep { directory: true, files: 0 };
    kept.reader.close_above(few);
    assert!(!kept.reader.tells_of(KernelFile::CgroupEvents));
    for _ in 0..2 {
        kept.sample.frozen = Some(7);
        assert!(kept.reader.sample(FileSet::TELLING, few, &mut kept.pass, &mut kept.sample));
        assert_eq!(kept.sample.frozen, Some(0));
    }
    // And with enough of them again.
    kept.sample.frozen = Some(7);
    assert_eq!(kept.read().frozen, Some(0));
}

/// A cgroup with these controllers, if this machine has them.
fn with_controllers(
    test: &str,
    cgroups: &mut LiveCgroups,
    work: &str,
    limits: &[(&str, &str)],
) -> Option<PathBuf> {
    let _not_every_one_is_there = write(cgroups.root(), "cgroup.subtree_control", "+memory +pids");
    let parent = cgroups.root().parent().unwrap().join("cgroup.subtree_control");
    let _may_be_refused = fs::write(parent, "+memory +pids");
    let _not_every_one_is_there = write(cgroups.root(), "cgroup.subtree_control", "+memory +pids");
    let directory = cgroups.container_with(&scope("a"), work);
    for (file, limit) in limits {
        if !directory.join(file).exists() {
            skip(test, &format!("there is no {file}"));
            return None;
        }
        assert!(write(&directory, file, limit));
    }
    Some(directory)
}

#[test]
fn no_oom_kill_is_missed() {
    let test = "no_oom_kill_is_missed";
    // Removed after those that read from it.
    let fifo = tempfile::tempdir().unwrap();
    let Some(mut cgroups) = LiveCgroups::new(test) else { return };
    // Each round, a child takes more than there is.
    let work = "while read go; do tail /dev/zero; done < FIFO";
    let path = fifo.path().join("go");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    let work = work.replace("FIFO", path.to_str().unwrap());
    let limits = [("memory.max", "16M"), ("memory.swap.max", "0")];
    let Some(directory) = with_controllers(test, &mut cgroups, &work, &limits) else { return };
    let mut kept = Kept::new(&directory);
    assert!(kept.reader.tells_of(KernelFile::MemoryEvents));
    let mut go = fs::OpenOptions::new().write(true).open(&path).unwrap();
    for round in 1..=5 {
        std::io::Write::write_all(&mut go, b"go\n").unwrap();
        let seen = || (kept.event(KernelFile::MemoryEvents, "oom_kill") == round).then_some(());
        eventually("the kill is told of", seen);
        let now = fs::read_to_string(directory.join("memory.events")).unwrap();
        assert!(now.contains(&format!("oom_kill {round}\n")), "{now}");
    }
}

#[test]
fn no_refused_fork_is_missed() {
    let test = "no_refused_fork_is_missed";
    let Some(mut cgroups) = LiveCgroups::new(test) else { return };
    let limits = [("pids.max", "1")];
    let work = "while :; do (:) 2>/dev/null; done";
    let Some(directory) = with_controllers(test, &mut cgroups, work, &limits) else { return };
    let mut kept = Kept::new(&directory);
    assert!(kept.reader.tells_of(KernelFile::PidsEvents));
    let first = kept.event(KernelFile::PidsEvents, "max");
    eventually("more are told of", || (kept.event(KernelFile::PidsEvents, "max") > first).then_some(()));
    cgroups.kill();
    let file = directory.join("pids.events");
    let now = fs::read_to_string(file).unwrap();
    eventually("the last one is told of", || {
        now.contains(&format!("max {}\n", kept.event(KernelFile::PidsEvents, "max"))).then_some(())
    });
}

/// Whether this user may make network namespaces.
fn may_unshare(test: &str) -> bool {
    let may = Command::new("unshare").args(["-n", "true"]).output().is_ok_and(|done| done.status.success());
    if !may {
        skip(test, "no network namespace may be made");
    }
    may
}

const IN_ITS_OWN: &str = "exec unshare -n sleep 600";

fn pid_in(directory: &Path) -> u32 {
    let is_there = |pid: u32| Netns::of(&PathBuf::from(format!("/proc/{pid}"))).map(|netns| (pid, netns));
    let host = Netns::of(Path::new("/proc/self")).unwrap();
    eventually("it is in its namespace", || {
        let pids = fs::read_to_string(directory.join("cgroup.procs")).ok()?;
        let (pid, netns) = is_there(pids.lines().next()?.parse().ok()?)?;
        (!netns.is(&host)).then_some(pid)
    })
}

#[test]
fn a_kept_namespace_is_the_one_of_its_process_and_no_other() {
    let test = "a_kept_namespace_is_the_one_of_its_process_and_no_other";
    if !may_unshare(test) {
        return;
    }
    let Some(mut cgroups) = LiveCgroups::new(test) else { return };
    let directory = cgroups.container_with(&scope("a"), IN_ITS_OWN);
    let pid = pid_in(&directory);
    let id = ContainerId::new(&"a".repeat(64)).unwrap();
    let mut reader = NetReader::new(Path::new("/proc"));
    let (mut pass, mut table) = (Pass::default(), NetTable::default());
    assert_eq!(reader.locate(&id, &[pid], None, &mut pass), Ok(()));
    assert!(reader.read(&id, &mut pass, &mut table));
    assert!(!reader.pins(), "not unless it may");
    reader.allow_pin(true);
    assert!(reader.read(&id, &mut pass, &mut table) && reader.pins());
    assert_eq!(reader.open_files(), 1);
    let rows = table.rows.len();
    cgroups.kill();
    // The namespace is alive, and still shows what it has: not what its process, or this one, is in.
    assert!(reader.read(&id, &mut pass, &mut table) && table.bytes().is_some());
    assert_eq!(table.rows.len(), rows);
    reader.allow_pin(false);
    assert!(!reader.pins() && reader.open_files() == 0);
    assert!(!reader.read(&id, &mut pass, &mut table), "the process has ended");
    assert_eq!(table.bytes(), None);
}

#[test]
fn a_process_that_goes_to_another_namespace_is_not_taken_for_still_there() {
    let test = "a_process_that_goes_to_another_namespace_is_not_taken_for_still_there";
    if !may_unshare(test) {
        return;
    }
    let Some(mut cgroups) = LiveCgroups::new(test) else { return };
    // The same process goes on in a new namespace, but not before it is told to.
    let folder = tempfile::tempdir().unwrap();
    let told = folder.path().join("go");
    let work = format!("while [ ! -e {} ]; do sleep 0.05; done; {IN_ITS_OWN}", told.display());
    let directory = cgroups.container_with(&scope("a"), &format!("exec unshare -n sh -c '{work}'"));
    let pid = pid_in(&directory);
    let id = ContainerId::new(&"a".repeat(64)).unwrap();
    let mut reader = NetReader::new(Path::new("/proc"));
    let (mut pass, mut table) = (Pass::default(), NetTable::default());
    reader.locate(&id, &[pid], None, &mut pass).unwrap();
    reader.allow_pin(true);
    assert!(reader.read(&id, &mut pass, &mut table));
    let before = reader.netns().unwrap();
    throughout(Duration::from_millis(100), || assert!(reader.is_still_there(None)));
    fs::write(told, "").unwrap();
    eventually("it is seen to have gone", || (!reader.is_still_there(None)).then_some(()));
    reader.locate(&id, &[pid], None, &mut pass).unwrap();
    assert!(!reader.netns().unwrap().is(&before));
    assert!(reader.read(&id, &mut pass, &mut table) && reader.pins() && reader.is_still_there(None));
}

/// How many network namespaces a process keeps alive through a file of procfs.
fn pinned(process: i32) -> usize {
    let open = fs::read_dir(format!("/proc/{process}/fd")).unwrap().flatten();
    let links = open.filter_map(|fd| fs::read_link(fd.path()).ok());
    links.filter(|link| link.ends_with("net/dev")).count()
}

#[test]
fn no_namespace_outlives_its_container_by_more_than_a_second() {
    let test = "no_namespace_outlives_its_container_by_more_than_a_second";
    if !may_unshare(test) {
        return;
    }
    let Some(mut cgroups) = LiveCgroups::new(test) else { return };
    let first = cgroups.container_with(&scope("a"), IN_ITS_OWN);
    let second = cgroups.container_with(&scope("b"), IN_ITS_OWN);
    let (_, other) = (pid_in(&first), pid_in(&second));
    let mut command = exporter::command();
    command.arg("--cgroup_root").arg(cgroups.root());
    let exporter = Exporter::ready(no_docker(&mut command));
    // Before the first scrape too. New containers are not kept for some seconds.
    eventually("both are kept", || (pinned(exporter.pid()) == 2).then_some(()));
    let network = "container_network_receive_bytes_total";
    eventually("both are read", || {
        let page = exporter.metrics();
        (page.matches("container_cpu_usage_seconds_total{").count() == 2).then_some(())
    });
    // A container whose process has gone to another cgroup has ended too, although the process has not.
    fs::write(cgroups.root().join("cgroup.procs"), other.to_string()).unwrap();
    let begin = Instant::now();
    eventually("the second is released", || (pinned(exporter.pid()) == 1).then_some(()));
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    // While nobody scrapes, for longer than anything waits.
    until_passed(begin, Duration::from_secs(3));
    assert_eq!(pinned(exporter.pid()), 1);
    assert!(write(&first, "cgroup.kill", "1"));
    let begin = Instant::now();
    eventually("the first is released", || (pinned(exporter.pid()) == 0).then_some(()));
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    assert_eq!(value(&exporter.metrics(), network, &[&"a".repeat(12)]), None);
}
