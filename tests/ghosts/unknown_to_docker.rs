//! Containers that Docker does not know: another runtime's, or those that it has removed.

use crate::{
    host::{Host, LEAKED, UNNAMED, WEB, for_a_while, hidden, live, settled},
    support::{
        eventually,
        exporter::{self, Exporter},
        host::no_docker,
        value,
    },
};
use serde_json::json;
use std::time::Duration;

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
    eventually("Docker has answered", || (host.asked_about(&other) > 0).then_some(()));
    for_a_while(&exporter, UNNAMED, |page| assert!(page.contains(&name) && !page.contains(&LEAKED[..12])));
    // Twice where the end of Docker's list came between question and answer.
    assert!(host.asked_about(&other) <= 2, "{:?}", host.dockerd.requests());
}

#[test]
fn without_docker_all_are_shown_under_short_ids() {
    let host = Host::new("leaked-cgroups");
    let other = "cd".repeat(32);
    host.twin(&format!("kubepods/{other}"), &[("cgroup.procs", "999\n")]);
    let mut command = exporter::on_host(host.folder.path());
    let exporter = Exporter::ready(no_docker(&mut command));
    eventually("both are shown", || (live(&exporter.metrics()).len() == 2).then_some(()));
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
        crate::support::eventually_within(
            Duration::from_secs(40),
            || "its name goes".into(),
            || (!exporter.metrics().contains("name=\"web\"")).then_some(()),
        );
        let name = format!("name=\"{}\"", &WEB[..12]);
        if show {
            eventually("it is shown", || value(&exporter.metrics(), "container_last_seen", &[&name]));
        }
        assert_eq!(exporter.metrics().contains(&name), show);
        assert!(!exporter.metrics().contains("container_state{"));
        assert_eq!(hidden(&exporter, WEB).as_deref(), Some("not known to Docker"));
    }
}
