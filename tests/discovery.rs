//! Containers coming and going while the shipped binary runs: in a copied tree, and on a real cgroup2 mount
//! where there is one that may be written to.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "tests")]

mod support;

use std::fs;
use support::{
    cgroups::LiveCgroups,
    eventually,
    exporter::{self, Exporter},
    fixture,
    host::{no_docker, scope},
    value,
};

#[test]
fn a_host_without_containers_serves() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("sys/fs/cgroup")).unwrap();
    fs::write(folder.path().join("sys/fs/cgroup/cgroup.controllers"), "cpu\n").unwrap();
    fs::create_dir(folder.path().join("proc")).unwrap();
    let exporter = Exporter::ready(no_docker(&mut exporter::on_host(folder.path())));
    let page = exporter.metrics();
    let of_containers = page.lines().filter(|line| line.starts_with("container_") && line.contains("name="));
    assert_eq!(of_containers.count(), 0);
    assert_eq!(value(&page, "docker_stat_prom_up", &[]), Some(1.0));
    assert_eq!(value(&page, "docker_stat_prom_containers", &["discovered"]), Some(0.0));
}

#[test]
fn a_container_is_shown_from_its_first_scrape_to_its_last() {
    let folder = tempfile::tempdir().unwrap();
    support::copy(&fixture("quirks"), folder.path());
    let exporter = Exporter::ready(no_docker(&mut exporter::on_host(folder.path())));
    let slice = folder.path().join("sys/fs/cgroup/new.slice");
    let directory = slice.join(scope("f"));
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("cpu.stat"), "usage_usec 1000000\nuser_usec 1\nsystem_usec 1\n").unwrap();
    fs::write(directory.join("memory.current"), "77\n").unwrap();
    let name = format!("name=\"{}\"", "f".repeat(12));
    let id = format!("id=\"/new.slice/{}\"", scope("f"));
    let memory = |page: &str| value(page, "container_memory_usage_bytes", &[&name, &id]);
    assert_eq!(eventually("it is shown", || memory(&exporter.metrics())), 77.0);
    // Made anew under the same name: another run, whose counters begin at nought.
    fs::remove_dir_all(&directory).unwrap();
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("cpu.stat"), "usage_usec 5\nuser_usec 1\nsystem_usec 1\n").unwrap();
    fs::write(directory.join("memory.current"), "78\n").unwrap();
    eventually("the new run is read", || (memory(&exporter.metrics())? == 78.0).then_some(()));
    for _ in 0..20 {
        let page = exporter.metrics();
        let ratio = value(&page, "container_cpu_usage_ratios", &[&name]);
        assert!(ratio.is_none_or(|ratio| (0.0..0.1).contains(&ratio)), "{ratio:?}");
    }
    fs::remove_dir_all(&slice).unwrap();
    eventually("it is gone", || memory(&exporter.metrics()).is_none().then_some(()));
}

#[test]
fn a_limit_is_read_again_when_somebody_wrote_it() {
    let folder = tempfile::tempdir().unwrap();
    support::copy(&fixture("quirks"), folder.path());
    let directory = folder.path().join("sys/fs/cgroup/new.slice").join(scope("f"));
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("cpu.stat"), "usage_usec 1000000\n").unwrap();
    let write = |limit: &str| fs::write(directory.join("pids.max"), limit).unwrap();
    write("max\n");
    let exporter = Exporter::ready(no_docker(&mut exporter::on_host(folder.path())));
    let name = format!("name=\"{}\"", "f".repeat(12));
    let limit = || value(&exporter.metrics(), "container_threads_max", &[&name]);
    assert_eq!(eventually("it is shown", limit), 0.0);
    for pids in [64.0, 128.0] {
        write(&format!("{pids}\n"));
        eventually("the new limit is shown", || (limit()? == pids).then_some(()));
    }
    // Without being read in between, it is still there.
    assert_eq!((limit(), limit()), (Some(128.0), Some(128.0)));
    fs::write(directory.join("new"), "7\n").unwrap();
    fs::rename(directory.join("new"), directory.join("pids.max")).unwrap();
    eventually("a replaced file is read", || (limit()? == 7.0).then_some(()));
}

#[test]
fn real_cgroups_are_read_while_they_come_and_go() {
    let Some(mut cgroups) = LiveCgroups::new("real_cgroups_are_read_while_they_come_and_go") else { return };
    let mut command = exporter::command();
    command.arg("--cgroup_root").arg(cgroups.root());
    let exporter = Exporter::ready(no_docker(&mut command));
    let path = cgroups.container(&scope("e"));
    let name = format!("name=\"{}\"", "e".repeat(12));
    let usage = |page: &str| value(page, "container_cpu_usage_seconds_total", &[&name]);
    let shown = eventually("it is shown", || usage(&exporter.metrics()));
    let file = fs::read_to_string(path.join("cpu.stat")).unwrap();
    let now = file.lines().find_map(|line| line.strip_prefix("usage_usec ")).unwrap();
    assert!(shown <= now.parse::<f64>().unwrap() / 1e6);
    eventually("its process is busy", || {
        (value(&exporter.metrics(), "container_cpu_usage_ratios", &[&name])? > 0.0).then_some(())
    });
    // It runs in the host's own network namespace, whose counters are nobody's.
    assert_eq!(value(&exporter.metrics(), "container_network_receive_bytes", &[&name]), None);
    cgroups.kill();
    eventually("the cgroup can be removed", || fs::remove_dir(&path).ok());
    // At once: a read of a removed cgroup tells, whatever events do.
    assert_eq!(usage(&exporter.metrics()), None);
    assert_eq!(value(&exporter.metrics(), "docker_stat_prom_up", &[]), Some(1.0));
}

#[test]
fn a_thousand_short_lives_leave_nothing_behind() {
    let Some(cgroups) = LiveCgroups::new("a_thousand_short_lives_leave_nothing_behind") else { return };
    let slice = cgroups.root().join("churn.slice");
    fs::create_dir(&slice).unwrap();
    let mut command = exporter::command();
    command.arg("--cgroup_root").arg(cgroups.root());
    let exporter = Exporter::ready(no_docker(&mut command));
    for round in 0..50 {
        let scopes: Vec<_> =
            (0..20).map(|index| slice.join(format!("docker-{:064x}.scope", round * 20 + index))).collect();
        scopes.iter().for_each(|scope| fs::create_dir(scope).unwrap());
        if round % 10 == 0 {
            exporter.metrics();
        }
        scopes.iter().for_each(|scope| fs::remove_dir(scope).unwrap());
    }
    fs::remove_dir(&slice).unwrap();
    eventually("all are gone", || {
        let page = exporter.metrics();
        (value(&page, "docker_stat_prom_containers", &["discovered"])? == 0.0
            && value(&page, "docker_stat_prom_open_fds", &[])? == 0.0)
            .then_some(())
    });
    let failures = exporter.metrics().matches("docker_stat_prom_read_failures_total{").count();
    assert_eq!(failures, 0, "{}", exporter.log());
}
