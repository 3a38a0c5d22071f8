//! What a user makes in a subtree of their own.

use crate::{
    host::{Host, WEB, for_a_while, hidden, ids_of_web, live, settled},
    support::{
        self,
        dockerd::FakeDockerd,
        eventually,
        exporter::{self, Exporter},
        host::no_docker,
        skip, value,
    },
};
use serde_json::{Value, json};
use std::{
    fs,
    os::unix::fs::{MetadataExt, chown},
    path::{Path, PathBuf},
};

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

/// `web` was started, says the daemon; its inspection is answered with `status`.
fn set_running(dockerd: &FakeDockerd, status: u16, mut inspect: Value) {
    inspect["State"]["Status"] = json!("running");
    inspect["State"]["Pid"] = json!(101);
    dockerd.set(&format!("/containers/{WEB}/json"), status, inspect.to_string());
    dockerd.event(WEB, "start", &json!({}));
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
                Exporter::ready(no_docker(command.arg("--debug_pages")))
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
        set_running(&host.dockerd, status, inspect);
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
        let exporter = Exporter::ready(command.args(["-H", &url, "-i", "100", "--debug_pages"]));
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
        set_running(&dockerd, 200, inspect);
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
