//! The whole output of the shipped binary on every recorded host, against what was checked once.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod support;

use docker_stat_prom::table::group::Group;
use std::{fs, path::Path};
use support::{dockerd::FakeDockerd, exporter, hosts};

/// What is the same in every run, on every machine.
fn comparable(page: &str) -> String {
    let own = |line: &&str| {
        let name = line.trim_start_matches("# HELP ").trim_start_matches("# TYPE ");
        // And what this machine decides: its file system, and how fast it is.
        let disk = ["container_fs_usage_bytes", "container_fs_limit_bytes", "container_fs_size_age_seconds"];
        let own = ["docker_stat_prom_", "process_", "container_last_seen"];
        !own.iter().chain(&disk).any(|own| name.starts_with(own))
    };
    page.lines().filter(own).map(|line| format!("{line}\n")).collect()
}

fn page(host: &Path) -> String {
    let folder = tempfile::tempdir().unwrap();
    let dockerd = FakeDockerd::start(&folder.path().join("docker.sock"), host);
    let mut command = exporter::on_host(host);
    command.arg("-H").arg(dockerd.url());
    if let Ok(arguments) = fs::read_to_string(host.join("ARGS")) {
        command.args(arguments.lines());
    }
    exporter::once(&mut command)
}

#[test]
fn every_recorded_host_shows_what_it_should() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut wrong = Vec::new();
    for host in hosts() {
        let golden = host.join("expected/metrics.prom");
        let found = comparable(&page(&host));
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        if found == expected {
            continue;
        }
        let difference = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
        wrong.push(format!("{}: {difference:?}", golden.display()));
        if update {
            fs::create_dir_all(host.join("expected")).unwrap();
            fs::write(&golden, found).unwrap();
        }
    }
    assert!(wrong.is_empty(), "differs (UPDATE_GOLDEN=1 rewrites): {wrong:#?}");
}

#[test]
fn every_family_is_on_some_host() {
    let pages: String = hosts().iter().map(|host| page(host)).collect();
    // Two samples are no polling: `tests/bursts.rs` shows that the peaks fire.
    let families = docker_stat_prom::table::families::FAMILIES.iter();
    for family in families.filter(|family| family.group != Group::Peaks) {
        assert!(pages.contains(&format!("# TYPE {} ", family.name())), "{} never fires", family.name());
    }
}
