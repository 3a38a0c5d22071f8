//! Docker as it behaves on a bad day, with bollard itself under test: late, absent, slow, lying, restarted.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "tests")]

mod support;

use serde_json::json;
use std::{path::Path, process::Command, time::Duration};
use support::{
    dockerd::FakeDockerd,
    eventually,
    exporter::{self, Exporter},
    fixture, value,
};

const HOST: &str = "debian13-docker26.1-linux6.12";
const WEB: &str = "13d53898ca900ddddd308d959ad664b7b9486a3fe172b376a925c3f1b935eaa4";
const DEAD: &str = "635f799ab65985c2c41b7574ff46008eaeeb85c24e608d54c51b5f7da0b7ec21";

struct Setting {
    folder: tempfile::TempDir,
    command: Command,
}

fn setting() -> Setting {
    let folder = tempfile::tempdir().unwrap();
    let mut command = exporter::on_host(&fixture(HOST));
    command.arg("-H").arg(format!("unix://{}", folder.path().join("docker.sock").display()));
    command.args(["-i", "100"]);
    Setting { folder, command }
}

fn dockerd(folder: &Path) -> FakeDockerd {
    FakeDockerd::start(&folder.join("docker.sock"), &fixture(HOST))
}

fn shows(exporter: &Exporter, name: &str, parts: &[&str]) -> f64 {
    eventually(&format!("{name} {parts:?}"), || value(&exporter.metrics(), name, parts))
}

#[test]
fn without_docker_the_numbers_come_under_short_ids() {
    let mut setting = setting();
    let exporter = Exporter::ready(&mut setting.command);
    let name = format!("name=\"{}\"", &WEB[..12]);
    shows(&exporter, "container_memory_usage_bytes", &[&name]);
    let page = exporter.metrics();
    assert_eq!(value(&page, "docker_stat_prom_docker_up", &[]), Some(0.0));
    assert_eq!(value(&page, "docker_stat_prom_containers", &["unnamed"]), Some(12.0));
    assert!(!page.contains("image=") && !page.contains("container_state{"));
    assert_eq!(exporter.log().matches("does not answer").count(), 1, "{}", exporter.log());
    assert!(exporter.get("/").text().contains("Docker does not answer"));
}

#[test]
fn a_docker_that_comes_late_gives_the_names_then() {
    let mut setting = setting();
    let exporter = Exporter::ready(&mut setting.command);
    shows(&exporter, "docker_stat_prom_containers", &["discovered"]);
    let dockerd = dockerd(setting.folder.path());
    shows(&exporter, "container_memory_usage_bytes", &["name=\"web\"", "image=\"lab/busybox:1.35\""]);
    eventually("it is up", || {
        (value(&exporter.metrics(), "docker_stat_prom_docker_up", &[])? == 1.0).then_some(())
    });
    eventually("it is said", || exporter.log().contains("answers again").then_some(()));
    drop(dockerd);
}

#[test]
fn a_restarted_docker_is_found_again_and_what_changed_meanwhile_is_seen() {
    let mut setting = setting();
    let first = dockerd(setting.folder.path());
    let exporter = Exporter::ready(&mut setting.command);
    shows(&exporter, "container_state", &["name=\"web\"", "state=\"running\""]);
    first.stop();
    eventually("it is noticed", || {
        let page = exporter.metrics();
        assert!(value(&page, "container_memory_usage_bytes", &["name=\"web\""]).is_some(), "names stay");
        (value(&page, "docker_stat_prom_docker_up", &[])? == 0.0).then_some(())
    });
    let second = dockerd(setting.folder.path());
    let mut inspect = second.inspect(WEB);
    inspect["RestartCount"] = json!(3);
    inspect["State"]["StartedAt"] = json!("2026-11-24T00:00:00Z");
    second.set(&format!("/containers/{WEB}/json"), 200, inspect.to_string());
    eventually("it is up again", || {
        let page = exporter.metrics();
        let restarts = value(&page, "container_restarts_total", &["name=\"web\""])?;
        (value(&page, "docker_stat_prom_docker_reconnects_total", &[])? == 1.0 && restarts == 3.0)
            .then_some(())
    });
    assert_eq!(exporter.log().matches("does not answer").count(), 1);
}

#[test]
fn a_slow_docker_delays_names_but_no_scrape() {
    let mut setting = setting();
    let dockerd = dockerd(setting.folder.path());
    dockerd.delay(Duration::from_secs(60));
    let exporter = Exporter::start(&mut setting.command);
    let begin = std::time::Instant::now();
    assert_eq!(exporter.get("/metrics").status, 200);
    assert!(begin.elapsed() < Duration::from_secs(2));
    // Two seconds old, the containers no longer wait for their names.
    shows(&exporter, "container_memory_usage_bytes", &[&format!("name=\"{}\"", &WEB[..12])]);
    eventually("it gives up waiting", || exporter.log().contains("does not answer").then_some(()));
    assert_eq!(exporter.stop("-TERM").code(), Some(0));
}

#[test]
fn one_unknown_state_costs_only_itself() {
    let mut setting = setting();
    let dockerd = dockerd(setting.folder.path());
    let mut list = dockerd.list();
    let odd = list.iter().position(|one| one["State"] == "running").unwrap();
    list[odd]["State"] = json!("levitating");
    dockerd.set("/containers/json", 200, serde_json::to_string(&list).unwrap());
    let exporter = Exporter::ready(&mut setting.command);
    shows(&exporter, "container_memory_usage_bytes", &["name=\"web\""]);
    let name = list[odd]["Names"][0].as_str().unwrap().trim_start_matches('/').to_owned();
    shows(&exporter, "container_memory_usage_bytes", &[&format!("name=\"{name}\"")]);
    // Its inspection tells the state, and no other container has lost its own.
    assert_eq!(exporter.metrics().matches("\ncontainer_state{").count(), list.len());
    assert_eq!(exporter.log().matches("does not provide all of its list").count(), 1, "{}", exporter.log());
}

#[test]
fn a_docker_that_lies_costs_names_and_nothing_else() {
    let mut setting = setting();
    let dockerd = dockerd(setting.folder.path());
    dockerd.set(&format!("/containers/{WEB}/json"), 200, "{\"Id\": 7}");
    let exporter = Exporter::ready(&mut setting.command);
    // The list had its name.
    shows(&exporter, "container_memory_usage_bytes", &["name=\"web\"", "image=\"lab/busybox:1.35\""]);
    dockerd.set("/version", 200, "<html>");
    dockerd.set("/containers/json", 500, "{\"message\":\"oh no\"}");
    assert_eq!(value(&exporter.metrics(), "docker_stat_prom_up", &[]), Some(1.0));
}

#[test]
fn events_change_names_states_and_counts() {
    let mut setting = setting();
    let dockerd = dockerd(setting.folder.path());
    let exporter = Exporter::ready(&mut setting.command);
    shows(&exporter, "container_state", &["name=\"web\"", "state=\"running\""]);
    let oom = ["name=\"web\""];
    assert_eq!(value(&exporter.metrics(), "container_oom_events_total", &oom), Some(0.0));

    dockerd.event(WEB, "pause", &json!({}));
    shows(&exporter, "container_state", &["name=\"web\"", "state=\"paused\""]);
    assert_eq!(value(&exporter.metrics(), "container_state", &["name=\"web\"", "state=\"running\""]), None);
    dockerd.event(WEB, "unpause", &json!({}));
    shows(&exporter, "container_state", &["name=\"web\"", "state=\"running\""]);

    dockerd.event(WEB, "health_status: healthy", &json!({}));
    eventually("it is healthy", || {
        (value(&exporter.metrics(), "container_health_state", &["name=\"web\""])? == 1.0).then_some(())
    });
    dockerd.event(WEB, "oom", &json!({}));
    eventually("the kill is counted", || {
        (value(&exporter.metrics(), "container_oom_events_total", &oom)? == 1.0).then_some(())
    });

    let mut inspect = dockerd.inspect(WEB);
    inspect["State"]["StartedAt"] = json!("2026-11-24T00:00:00Z");
    inspect["RestartCount"] = json!(1);
    dockerd.set(&format!("/containers/{WEB}/json"), 200, inspect.to_string());
    dockerd.event(WEB, "start", &json!({}));
    eventually("the start is counted", || {
        (value(&exporter.metrics(), "container_restarts_total", &["name=\"web\""])? == 1.0).then_some(())
    });

    dockerd.event(WEB, "rename", &json!({"name": "shop", "oldName": "/web"}));
    shows(&exporter, "container_memory_usage_bytes", &["name=\"shop\""]);
    assert!(!exporter.metrics().contains("name=\"web\""));

    assert!(exporter.metrics().contains(DEAD));
    dockerd.event(DEAD, "destroy", &json!({}));
    eventually("it is gone", || (!exporter.metrics().contains(DEAD)).then_some(()));
}

#[test]
fn docker_is_only_ever_asked_with_get() {
    let mut setting = setting();
    let dockerd = dockerd(setting.folder.path());
    let exporter = Exporter::ready(&mut setting.command);
    shows(&exporter, "container_memory_usage_bytes", &["name=\"web\""]);
    let asked = |requests: &[String]| requests.iter().filter(|request| request.contains("/json")).count();
    // The look-ups of the start are over when nothing has been asked for a while of scrapes.
    let mut settled = (0, 0);
    eventually("Docker is left alone", || {
        exporter.metrics();
        let now = asked(&dockerd.requests());
        settled = if settled.0 == now { (now, settled.1 + 1) } else { (now, 0) };
        (settled.1 > 10).then_some(())
    });
    dockerd.event(WEB, "start", &json!({}));
    let requests = eventually("it is inspected again", || {
        let requests = dockerd.requests();
        (asked(&requests) == settled.0 + 1).then_some(requests)
    });
    assert!(requests.iter().all(|request| request.starts_with("GET ")), "{requests:?}");
    let before = dockerd.requests().len();
    for _ in 0..5 {
        exporter.metrics();
    }
    assert_eq!(dockerd.requests().len(), before, "a scrape asks Docker for nothing");
}

#[test]
fn an_excluded_container_is_not_read_at_all() {
    let mut setting = setting();
    let _dockerd = dockerd(setting.folder.path());
    let exporter =
        Exporter::ready(setting.command.args(["--exclude", "web,label=com.docker.compose.service=db"]));
    shows(&exporter, "container_memory_usage_bytes", &["name=\"burner\""]);
    let page = exporter.metrics();
    assert!(
        !page.contains("name=\"web\"")
            && !page.contains("name=\"db\"")
            && !page.contains(&format!("docker-{WEB}"))
    );
    let open = std::fs::read_dir(format!("/proc/{}/fd", exporter.pid())).unwrap();
    let reads_web = open
        .flatten()
        .filter_map(|entry| std::fs::read_link(entry.path()).ok())
        .any(|path| path.to_string_lossy().contains(WEB));
    assert!(!reads_web);
}

#[test]
fn only_what_is_included_is_shown() {
    let mut setting = setting();
    let _dockerd = dockerd(setting.folder.path());
    let exporter = Exporter::ready(setting.command.args(["--include", "name=web,name=dead"]));
    shows(&exporter, "container_memory_usage_bytes", &["name=\"web\""]);
    let page = exporter.metrics();
    assert!(page.contains("name=\"dead\"") && !page.contains("name=\"burner\""));
}

#[test]
fn an_event_names_a_container_that_docker_is_too_busy_to_inspect() {
    let mut setting = setting();
    let dockerd = dockerd(setting.folder.path());
    let list = std::fs::read_to_string(fixture(HOST).join("docker/containers.json")).unwrap();
    let mut all: Vec<serde_json::Value> = serde_json::from_str(&list).unwrap();
    all.retain(|one| one["Id"] != WEB);
    dockerd.set("/containers/json", 200, serde_json::to_string(&all).unwrap());
    dockerd.set(&format!("/containers/{WEB}/json"), 404, "{\"message\":\"not yet\"}");
    let exporter = Exporter::ready(&mut setting.command);
    shows(&exporter, "container_memory_usage_bytes", &["name=\"burner\""]);
    let attributes =
        json!({"name": "web", "image": "lab/busybox:1.35", "com.docker.compose.service": "front"});
    dockerd.event(WEB, "start", &attributes);
    let label = "container_label_com_docker_compose_service=\"front\"";
    shows(&exporter, "container_memory_usage_bytes", &["name=\"web\"", "image=\"lab/busybox:1.35\"", label]);
    assert_eq!(value(&exporter.metrics(), "docker_stat_prom_docker_up", &[]), Some(1.0));
}

/// The value of a label of a container's memory series, as the page has it.
fn label(page: &str, container: &str, label: &str) -> Option<String> {
    let name = format!("name=\"{container}\"");
    let is_its = |line: &&str| line.starts_with("container_memory_usage_bytes{") && line.contains(&name);
    let line = page.lines().find(is_its)?;
    let value = line.split(&format!("container_label_{label}=\"")).nth(1)?;
    Some(value.split('"').next()?.to_owned())
}

/// Gives the container `web` these labels besides its own.
fn relabel(dockerd: &FakeDockerd, labels: &serde_json::Value) {
    let mut inspect = dockerd.inspect(WEB);
    let own = inspect["Config"]["Labels"].as_object_mut().unwrap();
    own.extend(labels.as_object().unwrap().clone());
    dockerd.set(&format!("/containers/{WEB}/json"), 200, inspect.to_string());
}

#[test]
fn compose_and_swarm_are_shown_without_a_flag_where_a_container_has_them() {
    let mut setting = setting();
    let dockerd = dockerd(setting.folder.path());
    let told = json!({
        "com.docker.compose.project": "shop",
        "com.docker.compose.service": "web",
        "com.docker.compose.project.working_dir": "/srv/shop",
        "com.docker.swarm.service.name": "shop_web",
        "com.docker.swarm.task.name": "shop_web.1.abc",
        "com.docker.stack.namespace": "shop",
        "com.docker.swarm.node.id": "n1",
        "com.docker.swarm.task.id": "not asked for",
    });
    relabel(&dockerd, &told);
    let exporter = Exporter::ready(&mut setting.command);
    shows(&exporter, "container_memory_usage_bytes", &["name=\"web\"", "working_dir"]);
    let page = exporter.metrics();
    for (key, value) in told.as_object().unwrap() {
        let shown = label(&page, "web", &key.replace('.', "_"));
        let expected = Some(value.as_str().unwrap().to_owned()).filter(|_| key != "com.docker.swarm.task.id");
        assert_eq!(shown, expected, "{key}");
    }
    assert_eq!(label(&page, "limited", "com_docker_swarm_node_id"), None);
}

#[test]
fn a_star_shows_every_label_within_the_bounds() {
    let mut setting = setting();
    let dockerd = dockerd(setting.folder.path());
    let mut told = serde_json::Map::from_iter([
        ("plain".to_owned(), json!("1")),
        ("with/slash.and-hyphen".to_owned(), json!("2")),
        (".hidden".to_owned(), json!("3")),
        ("a_long.value".to_owned(), json!("x".repeat(5000))),
        ("empty".to_owned(), json!("")),
    ]);
    for number in 0..40 {
        told.insert(format!("zz.{number:02}"), json!("y".repeat(1000)));
    }
    relabel(&dockerd, &told.into());
    setting.command.args(["--container_labels", "*"]);
    let exporter = Exporter::ready(&mut setting.command);
    shows(&exporter, "container_memory_usage_bytes", &["name=\"web\"", "container_label_plain"]);
    let page = exporter.metrics();
    let own = dockerd.inspect(WEB)["Config"]["Labels"].as_object().unwrap().clone();
    let plain = own.iter().map(|(key, value)| (key.as_str(), value.as_str().unwrap()));
    for (key, value) in plain.chain([("plain", "1"), ("with/slash.and-hyphen", "2"), (".hidden", "3")]) {
        let name: String = key.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        assert_eq!(label(&page, "web", &name).as_deref(), Some(value), "{key}");
    }
    assert_eq!(label(&page, "web", "a_long_value").map(|value| value.len()), Some(1024));
    assert_eq!(label(&page, "web", "empty"), None);
    let many = (0..40).filter(|number| label(&page, "web", &format!("zz_{number:02}")).is_some()).count();
    assert!((10..16).contains(&many), "16 KiB for all of them: {many}");
    assert!(value(&page, "docker_stat_prom_label_values_cut_total", &[]) > Some(20.0));
}
