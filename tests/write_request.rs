//! Remote write's two messages hold what the page shows, and end what has ended.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "tests")]

mod support;

use docker_stat_prom::{
    encode::{Message, Readings, Relabel, Requests, lost_since, v2_to_v1},
    parse::ContainerId,
    table::Selection,
};
use std::collections::HashMap;
use support::{
    fixture,
    host::{Driven, add_container, empty_host, scope},
    remote_write::{Labels, STALE, decoded_v1, decoded_v2, pass, samples, series, v1_metadata},
};

fn requests(
    readings: &Readings,
    requests: &mut Requests,
    relabel: Option<Relabel<'_>>,
) -> Vec<(Vec<u8>, usize)> {
    let mut all = Vec::new();
    requests.write(readings, &[], relabel, &mut |body, samples| all.push((body.to_vec(), samples)));
    all
}

fn external() -> Vec<(String, String)> {
    // One sorts before `__name__`, and one is a name that some series have themselves.
    [("Site", "x"), ("device", "none"), ("instance", "host"), ("job", "test")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
}

#[test]
fn both_messages_hold_every_sample_of_the_page() {
    let mut driven =
        Driven::new(&fixture("debian13-docker26.1-linux6.12"), Selection::parse("+hugetlb").unwrap());
    let (readings, page) = pass(&mut driven, Readings::new());
    let mut expected = HashMap::new();
    for (mut labels, value) in samples(&page) {
        for (name, value) in external() {
            labels.entry(name).or_insert(value);
        }
        expected.insert(labels, value);
    }
    assert!(expected.len() > 700, "{}", expected.len());
    for most in [1, 50, 2000, 100_000] {
        for message in [Message::V1, Message::V2] {
            let bodies = requests(&readings, &mut Requests::new(message, external(), most), None);
            assert!(bodies.iter().all(|(_, samples)| *samples <= most));
            let all = if message == Message::V1 { decoded_v1(&bodies) } else { decoded_v2(&bodies) };
            assert_eq!(all.len(), expected.len());
            for (labels, value) in &expected {
                let got = all.get(labels).unwrap_or_else(|| panic!("{labels:?}"));
                assert_eq!((f64::from_bits(got.bits), got.at), (*value, readings.now_ms()), "{labels:?}");
            }
        }
    }
}

#[test]
fn a_request_has_a_largest_size_whatever_the_labels_are() {
    let mut driven = Driven::new(&fixture("debian13-docker26.1-linux6.12"), Selection::default());
    let (readings, _) = pass(&mut driven, Readings::new());
    let long = vec![("long".to_owned(), "x".repeat(30_000))];
    let bodies = requests(&readings, &mut Requests::new(Message::V1, long, 100_000), None);
    assert!(bodies.len() > 3, "{}", bodies.len());
    assert!(bodies.iter().all(|(body, _)| body.len() < (4 << 20) + 40_000));
    let samples: usize = bodies.iter().map(|(_, samples)| samples).sum();
    assert_eq!(decoded_v1(&bodies).len(), samples);
}

#[test]
fn the_series_of_a_container_stay_together() {
    let mut driven = Driven::new(&fixture("debian13-docker26.1-linux6.12"), Selection::default());
    let (readings, _) = pass(&mut driven, Readings::new());
    let bodies = requests(&readings, &mut Requests::new(Message::V1, vec![], 300), None);
    let mut seen: HashMap<String, usize> = HashMap::new();
    for (number, (body, _)) in bodies.iter().enumerate() {
        for labels in decoded_v1(&[(body.clone(), series(body))]).into_keys() {
            if let Some(id) = labels.get("id") {
                let first = *seen.entry(id.clone()).or_insert(number);
                assert_eq!(first, number, "{id}");
            }
        }
    }
    assert!(bodies.len() > 3 && seen.len() > 5);
}

#[test]
fn a_pass_can_be_written_one_request_after_the_other() {
    let mut driven = Driven::new(&fixture("debian13-docker26.1-linux6.12"), Selection::default());
    let (readings, _) = pass(&mut driven, Readings::new());
    for message in [Message::V1, Message::V2] {
        let whole = requests(&readings, &mut Requests::new(message, external(), 300), None);
        let mut writer = Requests::new(message, external(), 300);
        let (mut all, mut calls, mut next) = (Vec::new(), 0, Some(0));
        while let Some(from) = next {
            next = writer.write_next(from, &readings, &[], None, &mut |body, samples| {
                all.push((body.to_vec(), samples))
            });
            calls += 1;
        }
        assert!(all == whole);
        assert_eq!((calls, calls > 2), (whole.len(), true));
    }
}

#[test]
fn types_units_help_and_starts_are_those_of_the_page() {
    let mut driven = Driven::new(&fixture("debian13-docker26.1-linux6.12"), Selection::default());
    let (readings, page) = pass(&mut driven, Readings::new());
    let head = |word: &str| -> HashMap<&str, &str> {
        let lines = page.lines().filter_map(|line| line.strip_prefix(word));
        lines.map(|line| line.split_once(' ').unwrap()).collect()
    };
    let (types, helps) = (head("# TYPE "), head("# HELP "));
    let all = decoded_v2(&requests(&readings, &mut Requests::new(Message::V2, vec![], 2000), None));
    let mut with_start = 0;
    for (labels, got) in &all {
        let name = labels["__name__"].as_str();
        let suffixes = ["", "_bucket", "_sum", "_count"];
        let mut family = suffixes.iter().filter_map(|suffix| name.strip_suffix(suffix));
        let family = family.rfind(|family| types.contains_key(family)).unwrap();
        let kind = match types[family] {
            "counter" => 1,
            "gauge" => 2,
            _ => 3,
        };
        assert_eq!((got.kind, got.help.as_str()), (kind, helps[family]), "{name}");
        let unit = family.trim_end_matches("_total").rsplit('_').next().unwrap();
        if !got.unit.is_empty() {
            assert_eq!(got.unit, unit, "{name}");
        }
        assert!(got.began == 0 || (got.kind != 2 && got.began < got.at), "{name}");
        with_start += usize::from(got.began != 0);
    }
    let of = |name: &str| all.iter().find(|(labels, _)| labels["__name__"] == name).unwrap().1;
    assert_eq!(of("container_cpu_usage_seconds_total").unit, "seconds");
    assert_eq!(of("container_memory_usage_bytes").unit, "bytes");
    assert_eq!(of("process_cpu_seconds_total").began, 1_700_000_000_000);
    // Added up over the runs of a container: nobody knows since when.
    assert_eq!(of("container_oom_events_total").began, 0);
    assert!(with_start > 100, "{with_start}");

    let mut bodies = Vec::new();
    Requests::new(Message::V1, vec![], 2000)
        .write_metadata(&readings, &mut |body, _| bodies.push(body.to_vec()));
    let metadata = v1_metadata(&bodies[0]);
    assert_eq!((bodies.len(), metadata.len()), (1, types.len()));
    for family in metadata {
        assert_eq!(family.help, helps[family.metric_family_name.as_str()]);
    }
}

#[test]
fn what_ends_is_marked_once() {
    let host = empty_host();
    let first = add_container(host.path(), &scope("1"));
    let _second = add_container(host.path(), &scope("2"));
    let mut driven = Driven::new(host.path(), Selection::parse("-lifecycle").unwrap());
    let (readings, page) = pass(&mut driven, Readings::new());
    let before = samples(&page);
    for message in [Message::V1, Message::V2] {
        let bodies = requests(&readings, &mut Requests::new(message, vec![], 10), None);
        let all = if message == Message::V1 { decoded_v1(&bodies) } else { decoded_v2(&bodies) };
        assert!(all.values().all(|got| got.bits != STALE));
    }
    // One file of the first container goes, and all of the second.
    std::fs::remove_file(first.join("memory.current")).unwrap();
    std::fs::remove_dir_all(host.path().join("sys/fs/cgroup/lab.slice").join(scope("2"))).unwrap();
    driven.rescan(host.path());
    let (readings, page) = pass(&mut driven, readings);
    let after = samples(&page);
    let gone: Vec<&Labels> = before.keys().filter(|labels| !after.contains_key(*labels)).collect();
    assert!(gone.iter().any(|labels| labels["__name__"] == "container_memory_usage_bytes"));
    for message in [Message::V1, Message::V2] {
        let bodies = requests(&readings, &mut Requests::new(message, vec![], 10), None);
        let all = if message == Message::V1 { decoded_v1(&bodies) } else { decoded_v2(&bodies) };
        let stale: Vec<&Labels> =
            all.iter().filter(|(_, got)| got.bits == STALE).map(|(labels, _)| labels).collect();
        assert_eq!(stale.len(), gone.len());
        assert!(gone.iter().all(|labels| stale.contains(labels)));
        assert_eq!(all.len(), after.len() + gone.len());
    }
    assert!(readings.changed());
    let (mut readings, page) = pass(&mut driven, readings);
    let all = decoded_v1(&requests(&readings, &mut Requests::new(Message::V1, vec![], 1000), None));
    assert!(all.values().all(|got| got.bits != STALE));
    // At an orderly end everything ends.
    readings.end(2e9);
    let all = decoded_v1(&requests(&readings, &mut Requests::new(Message::V1, vec![], 1000), None));
    assert!(all.values().all(|got| got.bits == STALE && got.at == 2_000_000_000_000));
    assert_eq!(all.len(), samples(&page).len());
}

#[test]
fn a_renamed_container_ends_under_its_old_labels() {
    let host = empty_host();
    add_container(host.path(), &scope("1"));
    let mut driven = Driven::new(host.path(), Selection::default());
    let id = ContainerId::new(&"1".repeat(64)).unwrap();
    driven.name(&id, "first");
    let (readings, page) = pass(&mut driven, Readings::new());
    let before = samples(&page);
    driven.name(&id, "renamed");
    let (readings, page) = pass(&mut driven, readings);
    assert!(samples(&page).keys().any(|labels| labels.get("name").is_some_and(|name| name == "renamed")));
    let all = decoded_v1(&requests(&readings, &mut Requests::new(Message::V1, vec![], 1000), None));
    let stale = |labels: &Labels| all.get(labels).is_some_and(|got| got.bits == STALE);
    let of_it = before.keys().filter(|labels| labels.get("name").is_some_and(|name| name == "first"));
    let (mut ended, mut all_of_it) = (0, 0);
    for labels in of_it {
        all_of_it += 1;
        ended += usize::from(stale(labels));
    }
    assert!(all_of_it > 4 && ended == all_of_it, "{ended} of {all_of_it}");
}

#[test]
fn a_rule_sees_all_labels_and_two_series_made_one_are_sent_once() {
    let mut driven = Driven::new(&fixture("debian13-docker26.1-linux6.12"), Selection::default());
    let (readings, _) = pass(&mut driven, Readings::new());
    let relabel = |labels: &mut Vec<(String, String)>| {
        assert!(labels.iter().any(|(name, _)| name == "job") && labels.is_sorted());
        labels.retain(|(name, _)| name == "__name__" || name == "job");
        labels.iter().any(|(_, value)| value.starts_with("container_memory"))
    };
    for message in [Message::V1, Message::V2] {
        let bodies = requests(&readings, &mut Requests::new(message, external(), 7), Some(&relabel));
        let all = if message == Message::V1 { decoded_v1(&bodies) } else { decoded_v2(&bodies) };
        assert!(
            all.keys().all(|labels| labels.len() == 2 && labels["__name__"].starts_with("container_memory"))
        );
        assert!(all.len() > 20);
    }
}

#[test]
fn a_waiting_request_becomes_the_older_message() {
    let mut driven = Driven::new(&fixture("debian13-docker26.1-linux6.12"), Selection::default());
    let (mut readings, _) = pass(&mut driven, Readings::new());
    let mut whole = Vec::new();
    for _ in 0..2 {
        let old = requests(&readings, &mut Requests::new(Message::V1, external(), 500), None);
        let new = requests(&readings, &mut Requests::new(Message::V2, external(), 500), None);
        for ((old, _), (new, _)) in old.iter().zip(&new) {
            assert!(v2_to_v1(new).unwrap() == *old);
        }
        assert_eq!(old.len(), new.len());
        whole = new[0].0.clone();
        // Then with stale markers.
        readings.end(2e9);
    }
    for length in (0..whole.len()).step_by(97) {
        let _no_panic = v2_to_v1(&whole[..length]);
    }
    assert!(v2_to_v1(&[0xff; 40]).is_none());
}

#[test]
fn series_of_an_earlier_run_that_did_not_come_back_are_ended() {
    let host = empty_host();
    add_container(host.path(), &scope("1"));
    add_container(host.path(), &scope("2"));
    let mut driven = Driven::new(host.path(), Selection::default());
    let (readings, page) = pass(&mut driven, Readings::new());
    let earlier = requests(&readings, &mut Requests::new(Message::V2, vec![], usize::MAX), None);
    assert_eq!(earlier.len(), 1);
    std::fs::remove_dir_all(host.path().join("sys/fs/cgroup/lab.slice").join(scope("2"))).unwrap();
    let mut driven = Driven::new(host.path(), Selection::default());
    let (readings, now) = pass(&mut driven, Readings::new());
    let lost = lost_since(&earlier[0].0, &readings);
    let mut bodies = Vec::new();
    Requests::new(Message::V1, external(), 1000)
        .write(&readings, &lost, None, &mut |body, samples| bodies.push((body.to_vec(), samples)));
    let all = decoded_v1(&bodies);
    let (before, now) = (samples(&page), samples(&now));
    let gone = before.keys().filter(|labels| !now.contains_key(*labels)).count();
    let stale: Vec<_> = all.iter().filter(|(_, got)| got.bits == STALE).collect();
    assert!(gone > 0 && stale.len() == gone, "{} of {gone}", stale.len());
    assert!(stale.iter().all(|(labels, _)| labels["job"] == "test"));
    assert!(lost_since(&[0xff; 9], &readings).is_empty());
}
