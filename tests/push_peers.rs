//! Pushes to real receivers. Each test is skipped where its receiver is not installed.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs, reason = "tests")]

mod support;

use std::{collections::HashMap, process::Command};
use support::{
    eventually,
    exporter::{Exporter, NO_DOCKER, on_host, run, without_docker},
    host::{add_container, empty_host, scope},
    peers::{Peer, has},
    remote_write::{Labels, samples},
};

const PROMETHEUS: [&str; 2] = ["prometheus", "prometheus3"];

/// The series of containers that stay as they are on a recorded host.
fn steady(all: HashMap<Labels, f64>) -> HashMap<Labels, f64> {
    let moves = ["container_last_seen", "container_scrape_error"];
    let steady = all.into_iter().filter(|(labels, _)| {
        let name = labels["__name__"].as_str();
        (name.starts_with("container_") || name.starts_with("machine_")) && !moves.contains(&name)
    });
    let without_ours = steady.map(|(mut labels, value)| {
        labels.retain(|name, _| !["job", "instance"].contains(&name.as_str()));
        (labels, value)
    });
    without_ours.collect()
}

fn pushing(command: &mut Command, target: &[String]) -> Exporter {
    Exporter::ready(command.args(["--push_interval", "1s", "-i", "100"]).args(target))
}

fn is_everything_there(peer: &Peer, exporter: &Exporter) {
    eventually("all series are there", || {
        // The rates are there only after the first window.
        let expected = steady(samples(&exporter.metrics()));
        assert!(expected.len() > 700, "{}", expected.len());
        let found = steady(peer.instant("{__name__=~\".+\",job=\"docker-stat-prom\"}"));
        (found.len() == expected.len()).then(|| {
            for (labels, value) in &expected {
                let found = found.get(labels).unwrap_or_else(|| panic!("{labels:?}"));
                // VictoriaMetrics keeps some fifteen digits.
                assert!((found - value).abs() <= value.abs() * 1e-14, "{labels:?}: {found}, not {value}");
            }
        })
    });
}

#[test]
fn prometheus_old_and_new_has_every_series_with_the_same_value() {
    for program in PROMETHEUS {
        if has("prometheus_old_and_new_has_every_series_with_the_same_value", program) {
            let peer = Peer::prometheus(program);
            let target = ["--remote_write".into(), peer.url("/api/v1/write")];
            let exporter = pushing(&mut without_docker(), &target);
            is_everything_there(&peer, &exporter);
            // The old one answers success to the newer message, and stores nothing of it.
            let fell_back = exporter.log().contains("remote write 1.0 from now on");
            assert_eq!(fell_back, program == "prometheus", "{}", exporter.log());
        }
    }
}

#[test]
fn victoria_metrics_has_every_series_with_the_same_value() {
    if has("victoria_metrics_has_every_series_with_the_same_value", "victoria-metrics") {
        let peer = Peer::victoria_metrics();
        let target = ["--remote_write".into(), peer.url("/api/v1/write")];
        let exporter = pushing(&mut without_docker(), &target);
        is_everything_there(&peer, &exporter);
    }
}

#[test]
fn a_container_that_is_gone_is_gone_in_prometheus_at_the_next_push() {
    for program in PROMETHEUS {
        if !has("a_container_that_is_gone_is_gone_in_prometheus_at_the_next_push", program) {
            continue;
        }
        let (peer, host) = (Peer::prometheus(program), empty_host());
        let (first, second) = (scope("1"), scope("2"));
        add_container(host.path(), &first);
        let directory = add_container(host.path(), &second);
        let target = ["--remote_write".into(), peer.url("/api/v1/write")];
        let exporter = pushing(on_host(host.path()).args(NO_DOCKER), &target);
        let ids = || peer.instant("container_memory_usage_bytes{name!=\"\"}").len();
        eventually("both are there", || (ids() == 2).then_some(()));
        std::fs::remove_dir_all(directory).unwrap();
        eventually("one is gone", || (ids() == 1).then_some(()));
        // At an orderly end, everything is.
        assert!(exporter.stop("-TERM").success());
        eventually("all is gone", || peer.instant("{job=\"docker-stat-prom\"}").is_empty().then_some(()));
    }
}

/// The pushes are at most this much apart where none is missing: one and a half intervals.
fn has_no_gap(times: &[f64], most: f64) -> bool {
    times.windows(2).all(|pair| pair[1] - pair[0] < most)
}

#[test]
fn what_was_read_while_prometheus_was_away_arrives_when_it_is_back() {
    for program in PROMETHEUS {
        if !has("what_was_read_while_prometheus_was_away_arrives_when_it_is_back", program) {
            continue;
        }
        let peer = Peer::prometheus(program);
        let target = ["--remote_write".into(), peer.url("/api/v1/write")];
        let exporter = pushing(&mut without_docker(), &target);
        let up = "docker_stat_prom_up";
        eventually("pushes arrive", || (peer.times(up).len() > 3).then_some(()));
        let before = *peer.times(up).last().unwrap();
        let away = peer.stop();
        let failures = || {
            let all = samples(&exporter.metrics());
            let of = |labels: &Labels| labels["__name__"] == "docker_stat_prom_push_failures_total";
            all.iter().filter(|(labels, _)| of(labels)).map(|(_, count)| count).sum::<f64>()
        };
        eventually("pushes fail", || (failures() > 5.0).then_some(()));
        let peer = Peer::prometheus_again(program, away);
        eventually("all is there again", || {
            let times = peer.times(up);
            let now = *times.last()?;
            (now > before + 3.0 && has_no_gap(&times, 1.5)).then_some(())
        });
    }
}

#[test]
fn a_killed_exporter_with_a_spool_loses_nothing_that_waited() {
    let program = "prometheus";
    if !has("a_killed_exporter_with_a_spool_loses_nothing_that_waited", program) {
        return;
    }
    let (peer, spool) = (Peer::prometheus(program), tempfile::tempdir().unwrap());
    let target = [
        "--remote_write".into(),
        peer.url("/api/v1/write"),
        "--push_spool".into(),
        spool.path().display().to_string(),
    ];
    let exporter = pushing(&mut without_docker(), &target);
    let up = "docker_stat_prom_up";
    eventually("pushes arrive", || (peer.times(up).len() > 3).then_some(()));
    let away = peer.stop();
    let waiting = |exporter: &Exporter| {
        let all = samples(&exporter.metrics());
        let of = |labels: &Labels| labels["__name__"] == "docker_stat_prom_push_queue_bytes";
        all.iter().filter(|(labels, _)| of(labels)).map(|(_, bytes)| bytes).sum::<f64>()
    };
    let before = waiting(&exporter);
    eventually("pushes wait", || (waiting(&exporter) > before + 50_000.0).then_some(()));
    let killed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    exporter.stop("-KILL");
    let exporter = pushing(&mut without_docker(), &target);
    let peer = Peer::prometheus_again(program, away);
    eventually("all is there again", || {
        let times = peer.times(up);
        let until_killed: Vec<f64> = times.iter().copied().filter(|time| *time < killed).collect();
        // The last push before the end may be lost; the new process begins with its own.
        let last = *until_killed.last()?;
        (*times.last()? > killed + 1.0 && has_no_gap(&until_killed, 1.5) && killed - last < 2.5).then_some(())
    });
    drop(exporter);
}

#[test]
fn a_dead_target_delays_neither_the_other_nor_scrapes() {
    if !has("a_dead_target_delays_neither_the_other_nor_scrapes", "prometheus") {
        return;
    }
    let peer = Peer::prometheus("prometheus");
    // Takes connections and never answers.
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let target = [
        "--remote_write".into(),
        peer.url("/api/v1/write"),
        "--remote_write".into(),
        format!("http://{}/api/v1/write", dead.local_addr().unwrap()),
    ];
    let exporter = pushing(&mut without_docker(), &target);
    is_everything_there(&peer, &exporter);
    let times = peer.times("docker_stat_prom_up");
    assert!(has_no_gap(&times, 1.5), "{times:?}");
    assert_eq!(exporter.get("/readyz").status, 200);
}

#[test]
fn pushgateway_has_the_page_and_nothing_after_an_orderly_end() {
    if !has("pushgateway_has_the_page_and_nothing_after_an_orderly_end", "prometheus-pushgateway") {
        return;
    }
    let peer = Peer::pushgateway();
    let target = ["--pushgateway".into(), peer.url(""), "--push_label".into(), "instance=a/b".into()];
    let exporter = pushing(&mut without_docker(), &target);
    let found = || steady(samples(&peer.get("/metrics").text()));
    let is_there = || found() == steady(samples(&exporter.metrics()));
    eventually("all series are there", || is_there().then_some(()));
    let page = peer.get("/metrics").text();
    assert!(page.contains("instance=\"a/b\",job=\"docker-stat-prom\""));
    assert!(exporter.stop("-TERM").success());
    assert!(found().is_empty());
}

#[test]
fn a_collector_of_opentelemetry_has_each_container_as_a_resource() {
    if !has("a_collector_of_opentelemetry_has_each_container_as_a_resource", "otelcol") {
        return;
    }
    let peer = Peer::collector();
    let exporter = pushing(&mut without_docker(), &["--otlp".into(), peer.url("/v1/metrics")]);
    eventually("a pass has arrived", || peer.log().contains("container.cpu.time").then_some(()));
    let log = peer.log();
    for expected in
        ["container.id: Str(", "-> Name: container.memory.usage", "Unit: By", "-> cpu.mode: Str(user)"]
    {
        assert!(log.contains(expected), "{expected}");
    }
    let page = exporter.metrics();
    let containers = samples(&page).into_keys().filter_map(|labels| labels.get("id").cloned());
    for id in containers.filter(|id| id != "/") {
        assert!(log.contains(&format!("container.cgroup.path: Str({id})")), "{id}");
    }
}

#[test]
fn prometheus_takes_otlp() {
    if !has("prometheus_takes_otlp", "prometheus3") {
        return;
    }
    let peer = Peer::prometheus("prometheus3");
    let target =
        ["--otlp".into(), peer.url("/api/v1/otlp/v1/metrics"), "--otlp_names".into(), "prometheus".into()];
    let exporter = pushing(&mut without_docker(), &target);
    let page = samples(&exporter.metrics());
    let count =
        |name: &str| page.keys().filter(|labels| labels["__name__"] == name && labels["id"] != "/").count();
    let expected = count("container_memory_working_set_bytes");
    eventually("each container is there", || {
        let found = peer.instant("container_memory_working_set_bytes{instance=~\".{64}\"}");
        (found.len() == expected && expected > 5).then_some(())
    });
}

#[test]
fn once_pushes_once_and_fails_if_a_target_did_not_take_it() {
    if !has("once_pushes_once_and_fails_if_a_target_did_not_take_it", "prometheus") {
        return;
    }
    let peer = Peer::prometheus("prometheus");
    let target = peer.url("/api/v1/write");
    let output = run(without_docker().args(["--once", "-i", "10", "--remote_write", &target]));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    eventually("it is there", || (peer.instant("machine_cpu_cores").len() == 1).then_some(()));
    let nobody = format!("http://127.0.0.1:{}/", support::peers::free_port());
    let output = run(without_docker().args([
        "--once",
        "-i",
        "10",
        "--remote_write",
        &target,
        "--remote_write",
        &nobody,
    ]));
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
}
