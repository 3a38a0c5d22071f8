//! What `docker stats` printed on the recorded hosts, and what the files say between their two recordings.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "tests")]

mod support;

use docker_stat_prom::{discovery::scan, encode::Format, table::Selection};
use serde_json::Value;
use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};
use support::{copy, dockerd::FakeDockerd, exporter, fixture, host::Driven, value};

const HOSTS: [&str; 2] = ["debian12-docker20.10-linux6.1", "debian13-docker26.1-linux6.12"];

/// `1.2GB` and `324KiB` as the docker CLI writes them, with the width of its last digit.
fn size(text: &str) -> (f64, f64) {
    let at = text.find(|c: char| c.is_alphabetic()).unwrap();
    let (number, unit) = text.split_at(at);
    let factor = match unit {
        "B" => 1.0,
        "kB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "GiB" => 1024.0 * 1024.0 * 1024.0,
        other => unreachable!("{other}"),
    };
    let digits = number.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    (number.parse::<f64>().unwrap() * factor, factor / 10_f64.powi(i32::try_from(digits).unwrap()))
}

/// A recorded host as it was at the second recording.
fn later(host: &Path, to: &Path) {
    copy(host, to);
    overlay(&host.join("later"), to);
}

/// Writes files over those that are there, in place: a kept descriptor sees it, as it would in the kernel.
fn overlay(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            overlay(&path, &target);
        } else if target.is_file() {
            fs::write(target, fs::read(&path).unwrap()).unwrap();
        }
    }
}

fn page(host: &Path) -> String {
    let folder = tempfile::tempdir().unwrap();
    let dockerd = FakeDockerd::start(&folder.path().join("docker.sock"), host);
    exporter::once(exporter::on_host(host).arg("-H").arg(dockerd.url()))
}

#[test]
fn docker_stats_lies_between_the_two_recordings() {
    for host in HOSTS.map(fixture) {
        let folder = tempfile::tempdir().unwrap();
        later(&host, folder.path());
        let (before, after) = (page(&host), page(folder.path()));
        let printed = fs::read_to_string(host.join("docker-stats.json")).unwrap();
        let mut compared = 0;
        for line in printed.lines() {
            let stats: Value = serde_json::from_str(line).unwrap();
            let id = stats["ID"].as_str().unwrap();
            let name = stats["Name"].as_str().unwrap();
            if value(&before, "container_memory_usage_bytes", &[id]).is_none() {
                // It was between two runs when the files were read.
                assert_eq!(name, "oomer");
                continue;
            }
            let between = |text: &str, slack: f64, metric: &dyn Fn(&str) -> f64| {
                let (shown, digit) = size(text);
                let width = digit + slack;
                let (one, two) = (metric(&before), metric(&after));
                assert!(
                    one.min(two) - width <= shown && shown <= one.max(two) + width,
                    "{name}: docker stats {text}, files {one} and {two}"
                );
            };
            let of = |metric: &'static str| move |page: &str| value(page, metric, &[id]).unwrap_or(0.0);
            let (read, written) = stats["BlockIO"].as_str().unwrap().split_once(" / ").unwrap();
            between(read, 0.0, &of("container_blkio_receive_bytes"));
            between(written, 0.0, &of("container_blkio_transmit_bytes"));
            let (used, limit) = stats["MemUsage"].as_str().unwrap().split_once(" / ").unwrap();
            between(limit, 0.0, &of("container_memory_limit_bytes"));
            // The CLI shows memory without inactive page cache. A container that works forks all the time,
            // and had other processes at each of the three readings: some hundred KiB; one that sleeps is
            // compared to the digit.
            let cpu = |page: &str| value(page, "container_cpu_usage_seconds_total", &[id]).unwrap();
            let slack = if cpu(&after) - cpu(&before) > 0.05 { 1024.0 * 1024.0 } else { 0.0 };
            between(used, slack, &of("container_memory_working_set_bytes"));
            let (received, sent) = stats["NetIO"].as_str().unwrap().split_once(" / ").unwrap();
            // docker stats counts a shared namespace for each of its containers; here only its owner has it.
            if name == "sidecar" {
                assert_eq!(value(&before, "container_network_receive_bytes", &[id]), None);
            } else {
                between(received, 0.0, &of("container_network_receive_bytes"));
                between(sent, 0.0, &of("container_network_transmit_bytes"));
            }
            compared += 1;
        }
        assert!(compared >= 11, "{compared}");
    }
}

#[test]
fn cpu_ratios_between_the_recordings_agree_with_the_files() {
    for host in HOSTS.map(fixture) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        copy(&host, root);
        let usage = |host: &Path| -> Vec<(String, f64)> {
            scan(&host.join("sys/fs/cgroup"))
                .into_iter()
                .map(|scope| {
                    let file = scope.cgroup.directory(&host.join("sys/fs/cgroup")).join("cpu.stat");
                    let text = fs::read_to_string(file).unwrap();
                    let usage = text.lines().find_map(|line| line.strip_prefix("usage_usec ")).unwrap();
                    (scope.id.to_string(), usage.parse().unwrap())
                })
                .collect()
        };
        let before = usage(root);
        // What was recorded over many seconds comes in half a second here: only a larger machine can give
        // that.
        let cpus: String = (0..1000).map(|number| format!("cpu{number} 1 0 1 1 0 0 0 0 0 0\n")).collect();
        fs::write(root.join("proc/stat"), cpus).unwrap();
        let mut driven = Driven::new(root, Selection::parse("core").unwrap());
        driven.collector.tick();
        let begin = Instant::now();
        overlay(&host.join("later"), root);
        // Long enough that the time a tick itself takes is no matter.
        let long = Duration::from_millis(500);
        support::eventually("half a second has passed", || (begin.elapsed() > long).then_some(()));
        driven.collector.tick();
        let seconds = begin.elapsed().as_secs_f64();
        let page = driven.page(Format::Text);
        let after = usage(root);
        let mut busy = 0;
        for ((id, before), (_, after)) in before.iter().zip(&after) {
            let expected = (after - before) / 1e6 / seconds;
            let shown = value(&page, "container_cpu_usage_ratios", &[id]).unwrap();
            assert!((shown - expected).abs() <= expected * 0.05, "{id}: shown {shown}, files {expected}");
            busy += usize::from(expected > 0.0);
        }
        assert!(busy >= 4, "{busy}");
    }
}
