//! Where the cgroups and Docker tell different things, or one of them late.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "tests")]

mod support;

use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use support::{
    dockerd::FakeDockerd,
    eventually,
    exporter::{self, Exporter},
    fixture, throughout, value,
};

/// `web` of `cases/leaked-cgroups`, live in `/docker/<id>`.
const WEB: &str = "0101010101010101010101010101010101010101010101010101010101010101";
const NAME: [&str; 1] = ["name=\"web\""];

struct Host(tempfile::TempDir);

impl Host {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        support::copy(&fixture("cases/leaked-cgroups"), folder.path());
        Self(folder)
    }

    fn dockerd(&self) -> FakeDockerd {
        FakeDockerd::start(&self.0.path().join("docker.sock"), self.0.path())
    }

    fn exporter(&self) -> Exporter {
        let mut command = exporter::on_host(self.0.path());
        let socket = format!("unix://{}", self.0.path().join("docker.sock").display());
        Exporter::ready(command.args(["-H", &socket, "-i", "100", "--debug_pages"]))
    }

    fn web(&self) -> PathBuf {
        self.docker().join(WEB)
    }

    fn docker(&self) -> PathBuf {
        self.0.path().join("sys/fs/cgroup/docker")
    }

    /// What an inspection of `web` answers, changed.
    fn inspect(&self, change: impl FnOnce(&mut Value)) -> String {
        let file = self.0.path().join(format!("docker/inspect/{WEB}.json"));
        let mut inspect = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        change(&mut inspect);
        inspect.to_string()
    }
}

fn asked(dockerd: &FakeDockerd) -> usize {
    let path = format!("/containers/{WEB}/json");
    dockerd.requests().iter().filter(|request| request.contains(&path)).count()
}

fn set_inspect(dockerd: &FakeDockerd, body: &str) {
    dockerd.set(&format!("/containers/{WEB}/json"), 200, body);
}

/// Nothing has been asked for a while of scrapes.
fn quiet(exporter: &Exporter, dockerd: &FakeDockerd) -> usize {
    let mut seen = (0, 0);
    eventually("Docker is left alone", || {
        exporter.metrics();
        let now = asked(dockerd);
        seen = if seen.0 == now { (now, seen.1 + 1) } else { (now, 0) };
        (seen.1 > 10).then_some(now)
    })
}

fn state(exporter: &Exporter, state: &str) -> Option<f64> {
    value(&exporter.metrics(), "container_state", &["name=\"web\"", &format!("state=\"{state}\"")])
}

#[test]
fn docker_is_asked_once_about_a_container_whose_end_it_did_not_tell() {
    let host = Host::new();
    let dockerd = host.dockerd();
    let exporter = host.exporter();
    eventually("it runs", || state(&exporter, "running"));
    let before = quiet(&exporter, &dockerd);
    let exited = host.inspect(|inspect| {
        inspect["State"]["Status"] = json!("exited");
        inspect["State"]["Pid"] = json!(0);
        inspect["State"]["ExitCode"] = json!(3);
    });
    set_inspect(&dockerd, &exited);
    fs::remove_dir_all(host.web()).unwrap();
    eventually("its end is known", || state(&exporter, "exited"));
    assert_eq!(state(&exporter, "running"), None);
    assert_eq!(value(&exporter.metrics(), "container_exit_code", &NAME), Some(3.0));
    let answer = exporter.get(&format!("/api/v1/containers/{WEB}")).text();
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["container"]["exit_code"], 3);
    assert!(exporter.get("/").text().contains("exited (3)"));
    assert_eq!(quiet(&exporter, &dockerd), before + 1);
}

#[test]
fn docker_is_asked_once_even_if_it_insists() {
    let host = Host::new();
    let dockerd = host.dockerd();
    let exporter = host.exporter();
    eventually("it runs", || state(&exporter, "running"));
    let before = quiet(&exporter, &dockerd);
    fs::write(host.web().join("cgroup.events"), "populated 0\n").unwrap();
    eventually("it is not live", || {
        value(&exporter.metrics(), "container_last_seen", &NAME).is_none().then_some(())
    });
    eventually("Docker is asked", || (asked(&dockerd) > before).then_some(()));
    // Longer than it took to ask the first time.
    throughout(Duration::from_secs(4), || {
        exporter.metrics();
        assert_eq!(asked(&dockerd), before + 1);
    });
}

#[test]
fn a_container_that_docker_no_longer_has_goes_with_its_cgroup() {
    let host = Host::new();
    let dockerd = host.dockerd();
    let exporter = host.exporter();
    eventually("it runs", || state(&exporter, "running"));
    dockerd.set(&format!("/containers/{WEB}/json"), 404, "{\"message\":\"no such container\"}");
    fs::remove_dir_all(host.web()).unwrap();
    eventually("nothing is left", || (!exporter.metrics().contains("name=\"web\"")).then_some(()));
}

#[test]
fn a_destroyed_container_leaves_nothing_when_its_cgroup_goes_last() {
    let host = Host::new();
    let dockerd = host.dockerd();
    let exporter = host.exporter();
    eventually("it runs", || state(&exporter, "running"));
    let before = quiet(&exporter, &dockerd);
    dockerd.event(WEB, "destroy", &json!({}));
    // An event behind it says that it was taken in.
    dockerd.event(WEB, "oom", &json!({}));
    eventually("both were taken in", || {
        (value(&exporter.metrics(), "container_oom_events_total", &NAME)? == 1.0).then_some(())
    });
    fs::remove_dir_all(host.web()).unwrap();
    eventually("nothing is left", || (!exporter.metrics().contains("name=\"web\"")).then_some(()));
    assert_eq!(quiet(&exporter, &dockerd), before, "there is nothing to ask");
}

/// Another directory, with another inode, in the place of the one that is there.
fn restart(host: &Host) -> f64 {
    let fresh = host.docker().join("fresh");
    support::copy(&host.web(), &fresh);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    fs::remove_dir_all(host.web()).unwrap();
    fs::rename(fresh, host.web()).unwrap();
    now
}

#[test]
fn a_new_run_has_its_own_start_time_and_docker_is_asked_once_for_its_own() {
    let host = Host::new();
    let dockerd = host.dockerd();
    let told = |seconds: &str| {
        host.inspect(|inspect| inspect["State"]["StartedAt"] = json!(format!("2020-01-01T00:00:{seconds}Z")))
    };
    set_inspect(&dockerd, &told("00"));
    let exporter = host.exporter();
    let started = || value(&exporter.metrics(), "container_start_time_seconds", &NAME);
    let first = 1_577_836_800.0;
    eventually("it runs", || (started()? == first).then_some(()));
    let before = quiet(&exporter, &dockerd);
    let now = restart(&host);
    let shown = eventually("the new run is shown", || started().filter(|started| *started != first));
    assert!((shown - now).abs() < 60.0, "{shown} {now}");
    // Docker has told of no start: it is asked, and says the same.
    eventually("Docker is asked", || (asked(&dockerd) > before).then_some(()));
    throughout(Duration::from_secs(3), || {
        assert_eq!(started(), Some(shown));
        assert_eq!(asked(&dockerd), before + 1);
    });
    // A later start than the one before is believed, whatever Docker's clock.
    set_inspect(&dockerd, &told("30"));
    dockerd.event(WEB, "start", &json!({}));
    eventually("Docker's time is shown", || (started()? == first + 30.0).then_some(()));
}

#[test]
fn what_only_an_inspection_tells_is_not_made_up() {
    let host = Host::new();
    let dockerd = host.dockerd();
    dockerd.set(&format!("/containers/{WEB}/json"), 500, "{\"message\":\"oh no\"}");
    let exporter = host.exporter();
    eventually("it runs", || state(&exporter, "running"));
    let page = exporter.metrics();
    assert!(value(&page, "container_memory_usage_bytes", &NAME).is_some());
    for name in [
        "container_restarts_total",
        "container_oom_killed",
        "container_exit_code",
        "container_health_state",
        "container_finished_time_seconds",
        "container_spec_cpu_shares",
    ] {
        assert_eq!(value(&page, name, &NAME), None, "{name}");
    }
    // The kernel's own time stands for the one that is not known.
    assert!(value(&page, "container_start_time_seconds", &NAME).is_some());
    set_inspect(&dockerd, &host.inspect(|_| ()));
    dockerd.event(WEB, "update", &json!({}));
    eventually("all is known", || value(&exporter.metrics(), "container_restarts_total", &NAME));
    let page = exporter.metrics();
    assert_eq!(value(&page, "container_oom_killed", &NAME), Some(0.0));
    assert_eq!(value(&page, "container_health_state", &NAME), Some(-1.0));
}

fn add_container(host: &Path, id: &str, name: &str) {
    let list = host.join("docker/containers.json");
    let mut all: Vec<Value> = serde_json::from_slice(&fs::read(&list).unwrap()).unwrap();
    let mut one = all[0].clone();
    one["Id"] = json!(id);
    one["Names"] = json!([format!("/{name}")]);
    all.push(one);
    fs::write(&list, serde_json::to_string(&all).unwrap()).unwrap();
    let inspect = host.join(format!("docker/inspect/{WEB}.json"));
    let text = fs::read_to_string(inspect).unwrap().replace(WEB, id).replace("/web", &format!("/{name}"));
    fs::write(host.join(format!("docker/inspect/{id}.json")), text).unwrap();
}

#[test]
fn a_container_that_starts_while_docker_restarts_is_shown_under_its_name_only() {
    let host = Host::new();
    let dockerd = host.dockerd();
    let exporter = host.exporter();
    eventually("it runs", || state(&exporter, "running"));
    dockerd.stop();
    eventually("it is noticed", || {
        (value(&exporter.metrics(), "docker_stat_prom_docker_up", &[])? == 0.0).then_some(())
    });
    let id = "ef".repeat(32);
    support::copy(&host.web(), &host.docker().join(&id));
    add_container(host.0.path(), &id, "late");
    let short = &id[..12];
    // Longer than a container waits for its name while Docker is there.
    throughout(Duration::from_secs(4), || {
        let page = exporter.metrics();
        assert!(!page.contains(short) || page.contains("name=\"late\""));
        assert!(value(&page, "container_memory_usage_bytes", &NAME).is_some(), "the named one stays");
    });
    assert!(exporter.get("/debug/containers").text().contains("waiting for its name from Docker"));
    let _dockerd = host.dockerd();
    eventually("it is shown", || {
        let page = exporter.metrics();
        assert!(!page.contains(&format!("name=\"{short}\"")));
        value(&page, "container_memory_usage_bytes", &["name=\"late\""])
    });
}
