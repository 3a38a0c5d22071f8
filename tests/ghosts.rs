//! Directories that look like a container and are none: empty, another runtime's, a user's, or left behind.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "tests")]

mod support;

use serde_json::json;
use std::{
    fs,
    os::unix::fs::{MetadataExt, chown},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use support::{
    dockerd::FakeDockerd,
    eventually,
    exporter::{self, Exporter},
    fixture, skip, value,
};

/// `web` of `cases/leaked-cgroups`: live in `/docker/<id>`, its only process is 101.
const WEB: &str = "0101010101010101010101010101010101010101010101010101010101010101";
/// One of the leaked.
const LEAKED: &str = "0202020202020202020202020202020202020202020202020202020202020202";

/// Longer than a container waits for its name, seconds.
const UNNAMED: u64 = 3;

struct Host {
    folder: tempfile::TempDir,
    dockerd: FakeDockerd,
}

impl Host {
    fn new(case: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        support::copy(&fixture("cases").join(case), folder.path());
        let dockerd = FakeDockerd::start(&folder.path().join("docker.sock"), folder.path());
        Self { folder, dockerd }
    }

    /// Another directory like that of `web`.
    fn twin(&self, cgroup: &str, files: &[(&str, &str)]) -> PathBuf {
        let twin = self.cgroup(cgroup);
        support::copy(&self.cgroup(&format!("docker/{WEB}")), &twin);
        for (file, text) in files {
            fs::write(twin.join(file), text).unwrap();
        }
        twin
    }

    fn cgroup(&self, cgroup: &str) -> PathBuf {
        self.folder.path().join("sys/fs/cgroup").join(cgroup)
    }

    fn exporter(&self, arguments: &[&str]) -> Exporter {
        let mut command = exporter::on_host(self.folder.path());
        Exporter::ready(command.arg("-H").arg(self.dockerd.url()).args(["-i", "100"]).args(arguments))
    }

    fn asked_about(&self, id: &str) -> usize {
        let requests = self.dockerd.requests();
        requests.iter().filter(|request| request.contains(&format!("/containers/{id}/json"))).count()
    }
}

fn live(page: &str) -> Vec<&str> {
    page.lines().filter(|line| line.starts_with("container_last_seen{")).collect()
}

fn hidden(exporter: &Exporter, id: &str) -> Option<String> {
    let report: serde_json::Value = serde_json::from_slice(&exporter.get("/debug/containers").body).unwrap();
    let all = report["containers"].as_array().unwrap();
    let one = all.iter().find(|container| container["id"] == id)?;
    one["hidden"].as_str().map(str::to_owned)
}

/// Scrapes for a while: what never happens can only be waited for.
fn for_a_while(exporter: &Exporter, seconds: u64, mut check: impl FnMut(&str)) {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(seconds) {
        check(&exporter.metrics());
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn settled(exporter: &Exporter) {
    eventually("web is shown", || value(&exporter.metrics(), "container_last_seen", &["name=\"web\""]));
}

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

/// Hands a directory to a user, as systemd does with `user@1000.service`. `false` without the right to.
fn delegate(directory: &Path) -> bool {
    chown(directory, Some(12_345), None).is_ok()
}

fn is_root(test: &str) -> bool {
    let probe = tempfile::tempdir().unwrap();
    let is_root = delegate(probe.path()) && fs::metadata(probe.path()).unwrap().uid() == 12_345;
    if !is_root {
        skip(test, "directories can't be handed to another user");
    }
    is_root
}

#[test]
fn a_user_can_not_take_over_a_containers_series() {
    if !is_root("a_user_can_not_take_over_a_containers_series") {
        return;
    }
    for before in [true, false] {
        for with_docker in [true, false] {
            let host = Host::new("leaked-cgroups");
            let make = || {
                // More than are looked at in a pass, and each as a user would make it: below what is his.
                for index in 0..20 {
                    let his = host.cgroup(&format!("a.slice/user@1.service/{index}"));
                    fs::create_dir_all(&his).unwrap();
                    assert!(delegate(&his));
                    let fake = host.folder.path().join("fake");
                    support::copy(&host.cgroup(&format!("docker/{WEB}")), &fake);
                    for (file, text) in [("cgroup.procs", "999\n"), ("memory.current", "7\n")] {
                        fs::write(fake.join(file), text).unwrap();
                    }
                    fs::rename(&fake, his.join(format!("docker-{WEB}.scope"))).unwrap();
                }
            };
            if before {
                make();
            }
            let exporter = if with_docker {
                host.exporter(&[])
            } else {
                let mut command = exporter::on_host(host.folder.path());
                Exporter::ready(command.args(["-H", "unix:///nonexistent/docker.sock", "-i", "100"]))
            };
            let name =
                if with_docker { "name=\"web\"".to_owned() } else { format!("name=\"{}\"", &WEB[..12]) };
            eventually("it is shown", || value(&exporter.metrics(), "container_last_seen", &[&name]));
            if !before {
                make();
            }
            for_a_while(&exporter, 1, |page| {
                assert!(live(page).len() == 1 && live(page)[0].contains(&format!("id=\"/docker/{WEB}\"")));
                assert!(!page.contains("user@1.service"));
            });
            // Not when the true one has gone, either.
            fs::remove_dir_all(host.cgroup(&format!("docker/{WEB}"))).unwrap();
            eventually("it is gone", || live(&exporter.metrics()).is_empty().then_some(()));
            for _ in 0..20 {
                assert!(live(&exporter.metrics()).is_empty());
            }
            assert_eq!(hidden(&exporter, WEB).as_deref(), Some("Docker's container is not in this cgroup"));
        }
    }
}

#[test]
fn a_rootless_docker_is_a_docker_too() {
    if !is_root("a_rootless_docker_is_a_docker_too") {
        return;
    }
    let host = Host::new("leaked-cgroups");
    let path = format!("user.slice/user@1.service/user.slice/docker-{WEB}.scope");
    let scope = host.twin(&path, &[]);
    assert!(delegate(scope.parent().unwrap()));
    fs::remove_dir_all(host.cgroup(&format!("docker/{WEB}"))).unwrap();
    fs::write(host.folder.path().join("proc/101/cgroup"), format!("0::/{path}\n")).unwrap();
    let exporter = host.exporter(&[]);
    let id = format!("id=\"/{path}\"");
    eventually("it is shown", || {
        value(&exporter.metrics(), "container_memory_usage_bytes", &["name=\"web\"", &id])
    });
    // Docker says that it does not run, so what a user makes under its ID is not its own.
    let mut inspect = host.dockerd.inspect(WEB);
    inspect["State"]["Status"] = json!("exited");
    inspect["State"]["Pid"] = json!(0);
    host.dockerd.set(&format!("/containers/{WEB}/json"), 200, inspect.to_string());
    host.dockerd.event(WEB, "die", &json!({}));
    eventually("it is not live", || live(&exporter.metrics()).is_empty().then_some(()));
    assert_eq!(ids_of_web(&exporter.metrics()), [format!("/system.slice/docker-{WEB}.scope")]);
}

#[test]
fn another_runtimes_containers_are_asked_about_once_and_left_out() {
    let host = Host::new("leaked-cgroups");
    let other = "cd".repeat(32);
    host.twin(&format!("kubepods/{other}"), &[("cgroup.procs", "999\n")]);
    let exporter = host.exporter(&[]);
    settled(&exporter);
    eventually("Docker is asked", || (host.asked_about(&other) > 0).then_some(()));
    let reason = Some("not known to Docker");
    eventually("it is left out", || (hidden(&exporter, &other).as_deref() == reason).then_some(()));
    // Twice where the end of Docker's list came between question and answer.
    let asked = host.asked_about(&other);
    assert!(asked <= 2, "{:?}", host.dockerd.requests());
    for_a_while(&exporter, UNNAMED, |page| assert!(!page.contains(&other[..12])));
    assert_eq!(host.asked_about(&other), asked, "{:?} {}", host.dockerd.requests(), exporter.log());
    let page = exporter.get("/").text();
    let row = page.lines().find(|line| line.contains("not known to Docker")).unwrap();
    assert!(row.contains("<td>hidden</td>") && !row.contains("not running"), "{row}");
    assert!(page.contains(", 1 hidden, 5 not running"), "{page}");
    assert!(!page.contains("Docker does not answer"));
    assert_eq!(value(&exporter.metrics(), "docker_stat_prom_containers", &["unnamed"]), Some(0.0));
    // Until Docker tells of it.
    host.dockerd.event(&other, "start", &json!({"name": "late", "image": "img:2"}));
    eventually("it is shown", || {
        value(&exporter.metrics(), "container_memory_usage_bytes", &["name=\"late\""])
    });
}

#[test]
fn a_flag_shows_what_docker_does_not_know() {
    let host = Host::new("leaked-cgroups");
    let other = "cd".repeat(32);
    host.twin(&format!("kubepods/{other}"), &[("cgroup.procs", "999\n")]);
    let exporter = host.exporter(&["--show_unnamed"]);
    let name = format!("name=\"{}\"", &other[..12]);
    eventually("it is shown", || value(&exporter.metrics(), "container_memory_usage_bytes", &[&name]));
    for_a_while(&exporter, UNNAMED, |page| assert!(page.contains(&name) && !page.contains(&LEAKED[..12])));
    assert_eq!(host.asked_about(&other), 1);
}

#[test]
fn without_docker_all_are_shown_under_short_ids() {
    let host = Host::new("leaked-cgroups");
    let other = "cd".repeat(32);
    host.twin(&format!("kubepods/{other}"), &[("cgroup.procs", "999\n")]);
    let mut command = exporter::on_host(host.folder.path());
    let exporter = Exporter::ready(command.args(["-H", "unix:///nonexistent/docker.sock", "-i", "100"]));
    eventually("both are shown", || (live(&exporter.metrics()).len() == 2).then_some(()));
}

/// A directory with a process and 50 OOM kills that a user made under the ID of `web`.
fn fake_of_web(host: &Host) -> PathBuf {
    let his = host.cgroup("user.slice/u1000");
    fs::create_dir_all(&his).unwrap();
    assert!(delegate(&his));
    let fake = host.folder.path().join("fake");
    support::copy(&host.cgroup(&format!("docker/{WEB}")), &fake);
    for (file, text) in [("cgroup.procs", "4242\n"), ("memory.events", "low 0\noom_kill 50\n")] {
        fs::write(fake.join(file), text).unwrap();
    }
    let scope = his.join(format!("docker-{WEB}.scope"));
    fs::rename(&fake, &scope).unwrap();
    scope
}

/// The `id` of every series of `web`.
fn ids_of_web(page: &str) -> Vec<&str> {
    let of_web = page.lines().filter(|line| line.contains("name=\"web\""));
    let mut ids: Vec<_> = of_web
        .filter_map(|line| line.split_once("{id=\"").or_else(|| line.split_once(",id=\"")))
        .filter_map(|(_, rest)| rest.split('"').next())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

#[test]
fn a_user_can_not_take_over_a_container_without_a_process() {
    if !is_root("a_user_can_not_take_over_a_container_without_a_process") {
        return;
    }
    for (state, is_inspected) in
        [("restarting", true), ("running", true), ("paused", true), ("running", false), ("created", true)]
    {
        let host = Host::new("leaked-cgroups");
        let mut inspect = host.dockerd.inspect(WEB);
        inspect["State"]["Status"] = json!(state);
        inspect["State"]["Pid"] = json!(0);
        let status = if is_inspected { 200 } else { 500 };
        host.dockerd.set(&format!("/containers/{WEB}/json"), status, inspect.to_string());
        let fake = fake_of_web(&host);
        let real = host.cgroup(&format!("docker/{WEB}"));
        let aside = host.folder.path().join("aside");
        fs::rename(&real, &aside).unwrap();
        let exporter = host.exporter(&[]);
        let told = ["name=\"web\"", &format!("state=\"{state}\"")];
        let known = || value(&exporter.metrics(), "container_state", &told);
        if is_inspected {
            eventually("its state is shown", known);
        } else {
            eventually("its name is known", || {
                value(&exporter.metrics(), "container_state", &["name=\"web\"", "state=\"running\""])
            });
        }
        for_a_while(&exporter, 1, |page| {
            assert!(live(page).is_empty(), "{state} {:?}", live(page));
            assert!(!page.contains("u1000"), "{state} {:?}", ids_of_web(page));
        });
        assert_eq!(hidden(&exporter, WEB).as_deref(), Some("Docker's container is not in this cgroup"));
        // Nor do its kills stay when the true one runs.
        fs::remove_dir_all(&fake).unwrap();
        fs::write(aside.join("memory.events"), "low 0\noom_kill 1\n").unwrap();
        fs::rename(&aside, &real).unwrap();
        inspect["State"]["Status"] = json!("running");
        inspect["State"]["Pid"] = json!(101);
        host.dockerd.set(&format!("/containers/{WEB}/json"), status, inspect.to_string());
        host.dockerd.event(WEB, "start", &json!({}));
        settled(&exporter);
        assert_eq!(value(&exporter.metrics(), "container_oom_events_total", &["name=\"web\""]), Some(1.0));
    }
}

#[test]
fn what_was_read_before_docker_told_is_disowned_with_its_path_and_kills() {
    if !is_root("what_was_read_before_docker_told_is_disowned_with_its_path_and_kills") {
        return;
    }
    for (state, is_there) in [("exited", true), ("restarting", true), ("exited", false)] {
        let host = Host::new("leaked-cgroups");
        let mut inspect = host.dockerd.inspect(WEB);
        let fake = fake_of_web(&host);
        let real = host.cgroup(&format!("docker/{WEB}"));
        let aside = host.folder.path().join("aside");
        fs::rename(&real, &aside).unwrap();
        let socket = host.folder.path().join("late.sock");
        let mut command = exporter::on_host(host.folder.path());
        let url = format!("unix://{}", socket.display());
        let exporter = Exporter::ready(command.args(["-H", &url, "-i", "100"]));
        let unnamed = [format!("name=\"{}\"", &WEB[..12])];
        let unnamed = [unnamed[0].as_str()];
        eventually("it is shown while Docker is away", || {
            value(&exporter.metrics(), "container_oom_events_total", &unnamed)
        });
        if !is_there {
            fs::remove_dir_all(&fake).unwrap();
            eventually("it is gone", || live(&exporter.metrics()).is_empty().then_some(()));
        }
        inspect["State"]["Status"] = json!(state);
        inspect["State"]["Pid"] = json!(0);
        fs::write(host.folder.path().join(format!("docker/inspect/{WEB}.json")), inspect.to_string())
            .unwrap();
        let dockerd = FakeDockerd::start(&socket, host.folder.path());
        dockerd.set(&format!("/containers/{WEB}/json"), 200, inspect.to_string());
        let told = ["name=\"web\"", &format!("state=\"{state}\"")];
        eventually("its state is shown", || value(&exporter.metrics(), "container_state", &told));
        for_a_while(&exporter, 1, |page| {
            assert!(live(page).is_empty(), "{state} {:?}", live(page));
            assert_eq!(ids_of_web(page), [format!("/system.slice/docker-{WEB}.scope")], "{state}");
            let kills = value(page, "container_oom_events_total", &["name=\"web\""]);
            assert!(kills.is_none_or(|kills| kills == 0.0), "{state} {kills:?}");
        });
        fs::write(aside.join("memory.events"), "low 0\noom_kill 1\n").unwrap();
        fs::rename(&aside, &real).unwrap();
        inspect["State"]["Status"] = json!("running");
        inspect["State"]["Pid"] = json!(101);
        dockerd.set(&format!("/containers/{WEB}/json"), 200, inspect.to_string());
        dockerd.event(WEB, "start", &json!({}));
        settled(&exporter);
        assert_eq!(value(&exporter.metrics(), "container_oom_events_total", &["name=\"web\""]), Some(1.0));
    }
}

#[test]
fn what_the_main_process_itself_says_of_its_cgroup_weighs_more() {
    if !is_root("what_the_main_process_itself_says_of_its_cgroup_weighs_more") {
        return;
    }
    let host = Host::new("leaked-cgroups");
    let proc = host.folder.path().join("proc/101/cgroup");
    fs::write(proc, format!("0::/docker/{WEB}\n")).unwrap();
    let fake = fake_of_web(&host);
    fs::write(fake.join("cgroup.procs"), "101\n").unwrap();
    let exporter = host.exporter(&[]);
    settled(&exporter);
    fs::remove_dir_all(host.cgroup(&format!("docker/{WEB}"))).unwrap();
    eventually("it is gone", || live(&exporter.metrics()).is_empty().then_some(()));
    for_a_while(&exporter, 1, |page| assert!(live(page).is_empty() && !page.contains("u1000")));
}

#[test]
fn a_rootless_docker_is_shown_to_who_sees_no_processes() {
    if !is_root("a_rootless_docker_is_shown_to_who_sees_no_processes") {
        return;
    }
    let host = Host::new("leaked-cgroups");
    let path = format!("user.slice/user@1.service/user.slice/docker-{WEB}.scope");
    let scope = host.twin(&path, &[("cgroup.procs", "0\n0\n")]);
    assert!(delegate(scope.parent().unwrap()));
    fs::remove_dir_all(host.cgroup(&format!("docker/{WEB}"))).unwrap();
    fs::remove_dir_all(host.folder.path().join("proc/101")).unwrap();
    let exporter = host.exporter(&[]);
    let id = format!("id=\"/{path}\"");
    eventually("it is shown", || {
        value(&exporter.metrics(), "container_memory_usage_bytes", &["name=\"web\"", &id])
    });
}

#[test]
fn a_cgroup_that_outlives_its_container_is_shown_only_if_wanted() {
    for show in [false, true] {
        let host = Host::new("leaked-cgroups");
        let exporter = host.exporter(if show { &["--show_unnamed"] } else { &[] });
        settled(&exporter);
        let path = format!("/containers/{WEB}/json");
        host.dockerd.set(&path, 404, "{\"message\":\"No such container: web\"}");
        host.dockerd.event(WEB, "die", &json!({}));
        host.dockerd.event(WEB, "destroy", &json!({}));
        let begin = Instant::now();
        while exporter.metrics().contains("name=\"web\"") {
            assert!(begin.elapsed() < Duration::from_secs(40), "its name stays");
            std::thread::sleep(Duration::from_millis(50));
        }
        let name = format!("name=\"{}\"", &WEB[..12]);
        if show {
            eventually("it is shown", || value(&exporter.metrics(), "container_last_seen", &[&name]));
        }
        assert_eq!(exporter.metrics().contains(&name), show);
        assert!(!exporter.metrics().contains("container_state{"));
        assert_eq!(hidden(&exporter, WEB).as_deref(), Some("not known to Docker"));
    }
}
