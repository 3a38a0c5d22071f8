//! OTLP holds what the page shows, in the words of OpenTelemetry.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "tests")]

mod support;

use docker_stat_prom::{
    encode::{Exports, Readings, rejected},
    metadata::{Chosen, Metadata, Origin},
    parse::ContainerId,
    table::Selection,
};
use std::collections::{BTreeMap, BTreeSet};
use support::{
    fixture,
    host::{Driven, add_container, empty_host, scope},
    otlp::{Request, ResourceMetrics, attributes, decoded, metrics},
    remote_write::{pass, samples},
};

const HOST: &str = "debian13-docker26.1-linux6.12";

fn exports(readings: &Readings, semantic: bool, most: usize) -> Vec<(Request, usize)> {
    let resource = vec![("host.name".to_owned(), "box".to_owned())];
    let mut all = Vec::new();
    Exports::new(resource, semantic, most)
        .write(readings, &mut |body, points| all.push((decoded(body), points)));
    all
}

fn resources(requests: Vec<(Request, usize)>) -> Vec<ResourceMetrics> {
    requests.into_iter().flat_map(|(request, _)| request.resource_metrics).collect()
}

fn resource(of: &ResourceMetrics) -> BTreeMap<String, String> {
    attributes(&of.resource.as_ref().unwrap().attributes)
}

#[test]
fn every_sample_of_the_page_is_there_under_its_prometheus_name() {
    let mut driven = Driven::new(&fixture(HOST), Selection::default());
    let (readings, page) = pass(&mut driven, Readings::new());
    let expected = samples(&page);
    let mut found = 0;
    for of in resources(exports(&readings, false, 300)) {
        let resource = resource(&of);
        assert_eq!(resource["host.name"], "box");
        for (name, metric) in metrics(&of) {
            for point in metric.points() {
                let mut labels = attributes(&point.attributes);
                labels.insert("__name__".into(), name.clone());
                for (attribute, label) in [("container.cgroup.path", "id"), ("container.name", "name")] {
                    labels.extend(resource.get(attribute).map(|value| (label.to_owned(), value.clone())));
                }
                assert_eq!(point.value, expected.get(&labels).copied(), "{labels:?}");
                assert_eq!(point.time % 1_000_000, 0);
                found += 1;
            }
        }
    }
    let of_histograms = expected
        .keys()
        .filter(|labels| labels["__name__"].starts_with("docker_stat_prom_scrape_duration_seconds"));
    assert_eq!(found + of_histograms.count(), expected.len());
}

#[test]
fn a_container_is_a_resource_with_the_names_of_the_conventions() {
    let host = empty_host();
    let directory = add_container(host.path(), &scope("1"));
    for (file, text) in [
        ("cpu.stat", "usage_usec 3000000\nuser_usec 2000000\nsystem_usec 1000000\n"),
        ("memory.stat", "anon 10\nfile 20\ninactive_file 7\npgfault 50\npgmajfault 8\n"),
        ("memory.max", "1000\n"),
        ("io.stat", "8:0 rbytes=5 wbytes=6 rios=1 wios=1 dbytes=0 dios=0\n"),
    ] {
        std::fs::write(directory.join(file), text).unwrap();
    }
    let mut driven = Driven::new(host.path(), Selection::default());
    driven.image(&ContainerId::new(&"1".repeat(64)).unwrap(), "web", "registry:5000/team/app:1.2");
    let (readings, page) = pass(&mut driven, Readings::new());
    let all = resources(exports(&readings, true, 1000));
    let of = all.iter().find(|of| resource(of).contains_key("container.id")).unwrap();
    let attributes = resource(of);
    for (name, value) in [
        ("container.id", "1".repeat(64).as_str()),
        ("container.name", "web"),
        ("container.image.name", "registry:5000/team/app"),
        ("container.image.tags", "1.2"),
        ("container.runtime.name", "docker"),
        ("host.name", "box"),
    ] {
        assert_eq!(attributes[name], value, "{name}");
    }
    let metrics = metrics(of);
    let value = |name: &str, attributes: &[(&str, &str)]| metrics[name].value(attributes).unwrap();
    assert_eq!(value("container.cpu.time", &[("cpu.mode", "user")]), 2.0);
    assert_eq!(value("container.cpu.time", &[("cpu.mode", "system")]), 1.0);
    assert_eq!(value("container.memory.usage", &[]), 77.0);
    assert_eq!(value("container.memory.working_set", &[]), 70.0);
    assert_eq!(value("container.memory.available", &[]), 930.0);
    assert_eq!(value("container.memory.rss", &[]), 10.0);
    assert_eq!(value("container.paging.faults", &[("system.paging.fault.type", "minor")]), 42.0);
    assert_eq!(value("container.paging.faults", &[("system.paging.fault.type", "major")]), 8.0);
    let device = [("system.device", "8:0"), ("disk.io.direction", "read")];
    assert_eq!(value("container.disk.io", &device), 5.0);
    assert!(value("container.uptime", &[]) >= 0.0);
    for (name, unit, is_counter) in [
        ("container.cpu.time", "s", Some(true)),
        ("container.memory.usage", "By", Some(false)),
        ("container.paging.faults", "{fault}", Some(true)),
        ("container.uptime", "s", None),
    ] {
        let metric = &metrics[name];
        let sum = metric.sum.as_ref();
        assert_eq!((metric.unit.as_str(), sum.map(|sum| sum.is_monotonic)), (unit, is_counter), "{name}");
        assert!(sum.is_none_or(|sum| sum.temporality == 2));
        assert!(!metric.description.is_empty());
    }
    let start = metrics["container.cpu.time"].points()[0].start;
    assert!(start > 0 && start < metrics["container.cpu.time"].points()[0].time);
    // What the conventions do not have stays as Prometheus has it, and nothing is there twice.
    assert!(metrics.contains_key("container_memory_cache") && !metrics.contains_key("container_memory_rss"));

    let own = all.iter().find(|of| !resource(of).contains_key("container.id")).unwrap();
    let histogram = support::otlp::metrics(own)["docker_stat_prom_scrape_duration_seconds"].clone();
    let point = histogram.histogram.unwrap().points[0].clone();
    assert_eq!(point.counts.iter().sum::<u64>(), point.count);
    assert_eq!(point.counts.len(), point.bounds.len() + 1);
    let count = support::value(&page, "docker_stat_prom_scrape_duration_seconds_count", &[]).unwrap();
    assert_eq!(point.count.to_string(), count.to_string());
}

#[test]
fn a_chosen_label_has_the_key_that_it_has_in_docker() {
    let host = empty_host();
    add_container(host.path(), &scope("1"));
    let mut driven = Driven::new(host.path(), Selection::default());
    let chosen = vec![
        Chosen::new(Origin::Environment, "TIER", "gold"),
        Chosen::new(Origin::Label, "com.docker.compose.project", "shop"),
    ];
    let id = ContainerId::new(&"1".repeat(64)).unwrap();
    driven.tell(Metadata { labels: chosen, ..Metadata::new(id) });
    let (readings, page) = pass(&mut driven, Readings::new());
    assert!(page.contains(r#"container_label_com_docker_compose_project="shop""#), "{page}");
    for semantic in [true, false] {
        let all = resources(exports(&readings, semantic, 1000));
        let of = all.iter().find(|of| resource(of).contains_key("container.id")).unwrap();
        let attributes = resource(of);
        assert_eq!(attributes["container.label.com.docker.compose.project"], "shop");
        assert_eq!(attributes["container.env.TIER"], "gold");
        assert!(!attributes.keys().any(|name| name.starts_with("container_")), "{attributes:?}");
    }
}

#[test]
fn a_series_that_has_ended_has_no_recorded_value() {
    let host = empty_host();
    add_container(host.path(), &scope("1"));
    let mut driven = Driven::new(host.path(), Selection::default());
    let (readings, page) = pass(&mut driven, Readings::new());
    std::fs::remove_dir_all(host.path().join("sys/fs/cgroup/lab.slice").join(scope("1"))).unwrap();
    driven.rescan(host.path());
    let (readings, after) = pass(&mut driven, readings);
    let all = resources(exports(&readings, true, 1000));
    let of = all.iter().find(|of| resource(of).contains_key("container.id")).unwrap();
    let points: Vec<_> = metrics(of).into_values().flat_map(|metric| metric.points().to_vec()).collect();
    assert!(points.iter().all(|point| point.flags == 1 && point.value.is_none()));
    let gone = samples(&page).into_keys().filter(|labels| !samples(&after).contains_key(labels)).count();
    assert_eq!(points.len(), gone);
}

#[test]
fn at_the_end_every_series_ends_the_derived_ones_and_histograms_too() {
    let host = empty_host();
    let directory = add_container(host.path(), &scope("1"));
    std::fs::write(directory.join("memory.stat"), "anon 10\ninactive_file 7\n").unwrap();
    std::fs::write(directory.join("memory.max"), "1000\n").unwrap();
    let mut driven = Driven::new(host.path(), Selection::default());
    let (mut readings, _) = pass(&mut driven, Readings::new());
    let names = |readings: &Readings| -> BTreeSet<(Option<String>, String)> {
        let all = resources(exports(readings, true, 1000));
        let of = |of: &ResourceMetrics| {
            let id = resource(of).get("container.id").cloned();
            metrics(of).into_keys().map(move |name| (id.clone(), name)).collect::<Vec<_>>()
        };
        all.iter().flat_map(of).collect()
    };
    let before = names(&readings);
    assert!(before.iter().any(|(_, name)| name == "container.memory.available"));
    assert!(before.iter().any(|(_, name)| name == "docker_stat_prom_scrape_duration_seconds"));
    readings.end(2e9);
    assert_eq!(names(&readings), before);
    for of in resources(exports(&readings, true, 1000)) {
        for metric in metrics(&of).into_values() {
            assert!(metric.points().iter().all(|point| point.flags == 1 && point.value.is_none()));
            let histograms = metric.histogram.into_iter().flat_map(|histogram| histogram.points);
            assert!(histograms.into_iter().all(|point| point.flags == 1 && point.sum.is_none()));
        }
    }
    // And only once.
    readings.end(2e9);
    assert!(names(&readings).is_empty());
}

#[test]
fn requests_are_not_larger_than_asked_and_keep_containers_whole() {
    let mut driven = Driven::new(&fixture(HOST), Selection::default());
    let (readings, _) = pass(&mut driven, Readings::new());
    let requests = exports(&readings, true, 200);
    assert!(requests.len() > 3);
    let mut seen = std::collections::HashSet::new();
    for (request, points) in &requests {
        assert!(*points <= 200 || request.resource_metrics.len() == 1);
        for of in &request.resource_metrics {
            assert!(seen.insert(resource(of).get("container.id").cloned()));
        }
    }
}

#[test]
fn a_partial_success_says_what_was_not_taken() {
    use prost::Message;
    let answer = |rejected: u64, message: &str| {
        #[derive(Clone, PartialEq, prost::Message)]
        struct Partial {
            #[prost(int64, tag = "1")]
            rejected: i64,
            #[prost(string, tag = "2")]
            message: String,
        }
        #[derive(Clone, PartialEq, prost::Message)]
        struct Answer {
            #[prost(message, optional, tag = "1")]
            partial: Option<Partial>,
        }
        let rejected = i64::try_from(rejected).unwrap();
        Answer { partial: Some(Partial { rejected, message: message.into() }) }.encode_to_vec()
    };
    assert_eq!(rejected(&answer(3, "too old")), Some((3, "too old".into())));
    assert_eq!(rejected(&answer(0, "deprecated")), Some((0, "deprecated".into())));
    assert_eq!(rejected(&answer(0, "")), None);
    assert_eq!(rejected(b""), None);
    assert_eq!(rejected(&[0xff; 20]), None);
}
