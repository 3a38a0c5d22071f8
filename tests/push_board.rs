//! The receivers of push, as the pages show them to people.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs, reason = "tests")]

mod support;

use docker_stat_prom::table::own::OWN_FAMILIES;
use serde_json::Value;
use support::{
    eventually,
    exporter::{self, Exporter},
    receiver::{Receiver, Reply, ok},
};

fn targets(exporter: &Exporter) -> Vec<Value> {
    let page: Value = serde_json::from_slice(&exporter.get("/debug/containers").body).unwrap();
    page["push_targets"].as_array().unwrap().clone()
}

fn landing(exporter: &Exporter) -> String {
    String::from_utf8(exporter.get("/").body).unwrap()
}

#[test]
fn the_pages_show_how_each_receiver_is_doing_and_no_secret() {
    let refusing = Receiver::start(|_| Reply::Status(500, vec![], "<b>no & never</b>\nsecond line".into()));
    let taking = Receiver::start(|_| ok());
    let mut command = exporter::without_docker();
    let with_password = refusing.url("/api/v1/write?token=hush").replace("://", "://user:hush@");
    command.args(["--push_interval", "1s", "--remote_write", &with_password]);
    command.args(["--otlp", &taking.url("/v1/metrics")]);
    let exporter = Exporter::ready(command.arg("--debug_pages"));
    eventually("one has failed and the other has not", || {
        let targets = targets(&exporter);
        assert_eq!(targets.len(), 2, "{targets:?}");
        (targets[0]["last_error"].is_string() && targets[1]["last_success"].is_number()).then_some(())
    });
    let [refused, taken] = <[Value; 2]>::try_from(targets(&exporter)).unwrap();
    assert_eq!((&refused["protocol"], &taken["protocol"]), (&"remote write 2.0".into(), &"OTLP".into()));
    assert!(refused["waiting_bytes"].as_u64().unwrap() > 0 && refused["last_success"].is_null());
    assert!(taken["last_error"].is_null());
    let page = landing(&exporter);
    assert!(page.contains("&lt;b&gt;no &amp; never&lt;/b&gt;") && !page.contains("second line"), "{page}");
    assert!(page.contains("<td>never</td>") && page.contains(" s ago</td><td></td>"), "{page}");
    for text in [page, refused.to_string(), taken.to_string()] {
        assert!(!text.contains("hush"), "{text}");
    }
    // A receiver that takes nothing does not make the exporter unready.
    assert_eq!(exporter.get("/readyz").status, 200);
}

#[test]
fn without_push_the_pages_do_not_speak_of_it() {
    let exporter = Exporter::ready(exporter::without_docker().arg("--debug_pages"));
    assert_eq!(targets(&exporter), Vec::<Value>::new());
    assert!(!landing(&exporter).contains("Push"));
}

/// The demo does not push, so no test with a real Prometheus sees that these exist.
#[test]
fn the_alerts_about_push_ask_for_what_there_is() {
    let rules = include_str!("../deploy/prometheus/alerts.yml");
    let words = rules.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let asked: Vec<_> = words.filter(|word| word.starts_with("docker_stat_prom_push_")).collect();
    assert!(asked.len() >= 5, "{asked:?}");
    for name in asked {
        assert!(OWN_FAMILIES.iter().any(|family| family.heading.name == name), "{name}");
    }
}
