//! Cgroups without a process: leaked, left behind by the other cgroup driver, or not filled yet.

use crate::{
    host::{Host, LEAKED, UNNAMED, WEB, for_a_while, hidden, live, settled},
    support::{eventually, value},
};
use std::fs;

#[test]
fn leaked_cgroups_are_not_containers() {
    let host = Host::new("leaked-cgroups");
    let exporter = host.exporter(&[]);
    settled(&exporter);
    for_a_while(&exporter, UNNAMED, |page| {
        let live = live(page);
        assert!(live.len() == 1 && live[0].contains("name=\"web\""), "{live:?}");
        assert!(!page.contains(&LEAKED[..12]));
    });
    assert_eq!(value(&exporter.metrics(), "docker_stat_prom_containers", &["discovered"]), Some(1.0));
    assert_eq!(hidden(&exporter, LEAKED).as_deref(), Some("its cgroup has no process"));
    assert!(exporter.get("/").text().contains("its cgroup has no process"));
}

#[test]
fn an_empty_cgroup_of_an_exited_container_gives_no_numbers() {
    let host = Host::new("residual");
    let exporter = host.exporter(&[]);
    let job = ["name=\"job\""];
    let page = eventually("its state is shown", || {
        let page = exporter.metrics();
        value(&page, "container_state", &["name=\"job\"", "state=\"exited\""]).map(|_| page)
    });
    assert_eq!(value(&page, "container_exit_code", &job), Some(137.0));
    assert!(live(&page).is_empty());
    assert_eq!(value(&page, "container_memory_usage_bytes", &job), None);
    assert_eq!(value(&page, "container_start_time_seconds", &job), None);
}

#[test]
fn a_cgroup_that_empties_and_fills_is_the_same_run() {
    let host = Host::new("leaked-cgroups");
    let web = host.cgroup(&format!("docker/{WEB}"));
    fs::write(web.join("memory.events"), "low 0\noom_kill 3\n").unwrap();
    let exporter = host.exporter(&[]);
    settled(&exporter);
    let kills = || value(&exporter.metrics(), "container_oom_events_total", &["name=\"web\""]);
    assert_eq!(kills(), Some(3.0));
    for _ in 0..2 {
        fs::write(web.join("cgroup.events"), "populated 0\nfrozen 0\n").unwrap();
        eventually("it is not live", || live(&exporter.metrics()).is_empty().then_some(()));
        assert_eq!(kills(), Some(3.0));
        fs::write(web.join("cgroup.events"), "populated 1\nfrozen 0\n").unwrap();
        settled(&exporter);
        assert_eq!(kills(), Some(3.0), "not counted again");
    }
}

/// Limits are written after the directory was made: before it has a process they are nobody's.
#[test]
fn limits_are_those_that_its_first_process_finds() {
    let host = Host::new("leaked-cgroups");
    let web = host.cgroup(&format!("docker/{WEB}"));
    fs::write(web.join("cgroup.events"), "populated 0\nfrozen 0\n").unwrap();
    fs::write(web.join("memory.max"), "max\n").unwrap();
    let exporter = host.exporter(&[]);
    let limit = |page: &str| value(page, "container_spec_memory_limit_bytes", &["name=\"web\""]);
    eventually("web is known", || value(&exporter.metrics(), "container_state", &["name=\"web\""]));
    assert_eq!(limit(&exporter.metrics()), None);
    fs::write(web.join("memory.max"), "64000000\n").unwrap();
    fs::write(web.join("cgroup.events"), "populated 1\nfrozen 0\n").unwrap();
    let found = eventually("it is live", || {
        let page = exporter.metrics();
        (!live(&page).is_empty()).then(|| limit(&page))
    });
    assert_eq!(found, Some(64_000_000.0));
}

#[test]
fn an_empty_leftover_of_the_other_driver_does_not_win() {
    for before in [true, false] {
        let host = Host::new("leaked-cgroups");
        let make = || {
            // Docker's expected path of this host, and it sorts before the live one.
            for cgroup in [format!("a.slice/docker-{WEB}.scope"), format!("system.slice/docker-{WEB}.scope")]
            {
                let events =
                    [("cgroup.events", "populated 0\n"), ("cgroup.procs", ""), ("memory.current", "0\n")];
                host.twin(&cgroup, &events);
            }
        };
        if before {
            make();
        }
        let exporter = host.exporter(&[]);
        settled(&exporter);
        if !before {
            make();
        }
        let id = format!("id=\"/docker/{WEB}\"");
        for_a_while(&exporter, 1, |page| {
            let memory = value(page, "container_memory_usage_bytes", &["name=\"web\"", &id]);
            assert!(memory.is_some_and(|bytes| bytes > 0.0), "{memory:?}");
        });
        let log = exporter.log();
        let said = log.lines().filter(|line| line.contains("cgroup directories")).count();
        assert_eq!(said, 1, "{log}");
        // The chosen one goes, and another one fills.
        fs::remove_dir_all(host.cgroup(&format!("docker/{WEB}"))).unwrap();
        let other = host.cgroup(&format!("a.slice/docker-{WEB}.scope"));
        fs::write(other.join("cgroup.events"), "populated 1\n").unwrap();
        let id = format!("id=\"/a.slice/docker-{WEB}.scope\"");
        eventually("the next is taken", || {
            value(&exporter.metrics(), "container_memory_usage_bytes", &["name=\"web\"", &id])
        });
    }
}

#[test]
fn of_two_the_one_with_dockers_main_process_wins() {
    let host = Host::new("leaked-cgroups");
    // Where the list would expect it, elder by name, populated; but Docker's process is in the other.
    host.twin(
        &format!("a.slice/docker-{WEB}.scope"),
        &[("cgroup.procs", "999\n"), ("memory.current", "7\n")],
    );
    let exporter = host.exporter(&[]);
    settled(&exporter);
    let id = format!("id=\"/docker/{WEB}\"");
    for_a_while(&exporter, 1, |page| {
        assert!(value(page, "container_memory_usage_bytes", &["name=\"web\"", &id]).is_some());
    });
}
